"""Meta-regression on one covariate of the trials, with its permutation test and the line it draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from k2meta.models.design import CollinearityError
from k2meta.models.meta_regression import (
    MetaRegression,
    PermutationTest,
    Predicted,
    meta_regression,
    permutation_test,
    predict,
)

PERMUTATIONS = 1000
"""Random rearrangements of the covariate where there are too many to try all of them."""

POINTS = 41
"""Points at which the line of a numeric covariate is evaluated, from its lowest to its highest value."""


@dataclass(frozen=True, slots=True)
class Moderation:
    """What one covariate explains of the differences between studies.

    Attributes
    ----------
    regression : MetaRegression or None
        ``None`` where the covariate is the same in every study.
    permutation : PermutationTest or None
        Its p values from rearranged covariates.
    at : tuple of float
        Values of a numeric covariate, in its unit, at which ``line`` stands; empty for categories.
    line : tuple of Predicted
        Mean effect there with its interval and the interval for a new study.
    not_run : str or None
        Why there is no estimate, as a sentence.
    """

    regression: MetaRegression | None
    permutation: PermutationTest | None
    at: tuple[float, ...]
    line: tuple[Predicted, ...]
    not_run: str | None = None


def moderation(
    yi: ArrayLike,
    vi: ArrayLike,
    columns: Mapping[str, ArrayLike],
    *,
    tau2: str = "REML",
    interval: str = "HKSJ",
    level: float = 0.95,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Moderation:
    """Regress effects on one covariate: a column of numbers, or one indicator column per category but one.

    Parameters
    ----------
    yi, vi : array_like, shape (k,)
        Effects and sampling variances, in squared units of ``yi``.
    columns : mapping of str to array_like, shape (k,)
        The covariate. Several columns, or one of zeros and ones, are the indicators of a category: no line.
    tau2, interval, level
        As in :func:`k2meta.models.meta_regression.meta_regression`.
    permutations, seed : int
        Random rearrangements of the permutation test, and their seed.

    Returns
    -------
    Moderation
        With ``not_run`` set for a covariate without differences or too few studies for the coefficients.

    Raises
    ------
    InputError
        Unusable effects, variances or covariates; the message names the index.
    """
    try:
        fit = meta_regression(yi, vi, columns, tau2=tau2, interval=interval, level=level)
        if fit.not_run is not None:
            return Moderation(None, None, (), (), fit.not_run)
        test = permutation_test(
            yi, vi, columns, tau2=tau2, interval=interval, permutations=permutations, seed=seed
        )
    except CollinearityError as error:
        return Moderation(None, None, (), (), f"Not run: {error}.")
    if len(columns) > 1 or set(np.unique(next(iter(columns.values())))) <= {0.0, 1.0}:
        return Moderation(fit, test, (), ())
    values = np.asarray(next(iter(columns.values())), dtype=float)
    at = np.linspace(values.min(), values.max(), POINTS)
    return Moderation(fit, test, tuple(at.tolist()), predict(fit, at))
