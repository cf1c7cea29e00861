"""The pooled estimate without each study in turn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from k2meta.models.fit import Fit

Vector = NDArray[np.float64]


def leave_one_out(yi: ArrayLike, vi: ArrayLike, fit_function: Callable[[Vector, Vector], Fit]) -> tuple[Fit, ...]:
    """Return one fit per study, made without it, in the order of the studies.

    Parameters
    ----------
    yi, vi : array_like, shape (k,)
        Effects and sampling variances.
    fit_function : callable
        Takes effects and variances of shape (k - 1,) and returns a fit.

    Returns
    -------
    tuple of Fit
        Of length k; empty for k < 2, where nothing is left. For k = 2 each fit is the other study alone.

    Raises
    ------
    InputError
        From ``fit_function``, for effects no model can use.
    """
    y, v = np.asarray(yi, dtype=float), np.asarray(vi, dtype=float)
    if len(y) < 2:
        return ()
    return tuple(fit_function(np.delete(y, i), np.delete(v, i)) for i in range(len(y)))
