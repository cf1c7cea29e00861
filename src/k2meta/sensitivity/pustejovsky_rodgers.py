"""Egger's test for standardised mean differences: Pustejovsky and Rodgers (2019)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from k2meta.models.inputs import checked, checked_level
from k2meta.sensitivity.minimum import SMALL_STUDY_K, small_study_gate
from k2meta.sensitivity.regression_test import RegressionTest, dispersed_line, positive


def pustejovsky_rodgers(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    n1: ArrayLike,
    n2: ArrayLike,
    level: float = 0.95,
    minimum_k: int = SMALL_STUDY_K,
) -> RegressionTest:
    """Regress standardised mean differences on sqrt(1 / n1 + 1 / n2), weighted by 1 / vi, t(k - 2).

    The variance of a standardised mean difference contains the difference itself, so that its standard error is
    correlated with it by construction; this predictor is the part of the standard error that holds sizes only.

    Parameters
    ----------
    yi, vi : array_like, shape (k,)
        Standardised mean differences and sampling variances.
    n1, n2 : array_like, shape (k,)
        People per group.
    level : float
        Coverage of the intervals of the coefficients.
    minimum_k : int
        Fewest studies on which the test runs (never fewer than three).

    Raises
    ------
    InputError
        Unusable effects, variances or sizes; the message names the index.
    """
    data, level = checked(yi, vi), checked_level(level)
    x = np.sqrt(1.0 / positive("n1", n1, data.k) + 1.0 / positive("n2", n2, data.k))
    method, predictor = "lm on the modified standard error", "sqrt(1/n1 + 1/n2)"
    reason = small_study_gate(data.k, minimum_k)
    if reason:
        return RegressionTest(data.k, method, predictor, not_run=reason)
    return dispersed_line(data.yi, data.vi, x, data.shift, (method, predictor), level)
