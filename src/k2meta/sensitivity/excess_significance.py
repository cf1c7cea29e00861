"""More significant results than their power allows: Ioannidis and Trikalinos (2007)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from k2meta.models.errors import InputError, UnknownMethodError
from k2meta.models.inputs import Vector, checked
from k2meta.models.weighted import pooled
from k2meta.sensitivity.minimum import SMALL_STUDY_K, small_study_gate
from k2meta.shown import ShowsItself

ALTERNATIVES = ("two-sided", "greater", "less")


@dataclass(frozen=True, slots=True)
class ExcessSignificance(ShowsItself):
    """Observed against expected number of significant results.

    Attributes
    ----------
    observed, expected : int or None, float or None
        Significant results, and the sum of the powers at the common effect.
    statistic : float or None
        Chi-square of the excess, one degree of freedom.
    p : float or None
        One-sided, for an excess, from ``statistic``.
    p_exact : float or None
        Probability of at least as many significant results given the powers (a Poisson-binomial tail).
    power : tuple of float
        Power of each study to find the common effect.
    """

    k: int
    observed: int | None
    expected: float | None
    statistic: float | None
    p: float | None
    p_exact: float | None
    power: tuple[float, ...] = ()
    not_run: str = ""
    warnings: tuple[str, ...] = ()


def excess_significance(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    alternative: str = "two-sided",
    alpha: float = 0.05,
    minimum_k: int = SMALL_STUDY_K,
) -> ExcessSignificance:
    """Compare the number of significant results with the sum of the powers at the common effect.

    Parameters
    ----------
    yi, vi : array_like, shape (k,)
        Effects and sampling variances.
    alternative : {"two-sided", "greater", "less"}
        Which results count as significant.
    alpha : float
        Significance level of the studies.
    minimum_k : int
        Fewest studies on which the test runs.

    Raises
    ------
    InputError
        Unusable effects, variances or ``alpha``; the message names the index.
    UnknownMethodError
        An unknown alternative.
    """
    if alternative not in ALTERNATIVES:
        raise UnknownMethodError("alternative", alternative, ALTERNATIVES)
    if not 0.0 < alpha < 1.0:
        raise InputError(f"alpha = {alpha!r}: a significance level lies between 0 and 1")
    data = checked(yi, vi)
    reason = small_study_gate(data.k, minimum_k, least=1)
    if reason:
        return ExcessSignificance(data.k, None, None, None, None, None, (), reason)
    se = np.sqrt(data.vi)
    mean = pooled(data.yi, 1.0 / data.vi) + data.shift
    critical = -float(ndtri(alpha / 2.0 if alternative == "two-sided" else alpha))
    up, down = alternative != "less", alternative != "greater"
    z = (data.yi + data.shift) / se
    power = up * ndtr(mean / se - critical) + down * ndtr(-mean / se - critical)
    observed = int(np.sum((up & (z >= critical)) | (down & (z <= -critical))))
    return _compared(data.k, observed, power)


def _compared(k: int, observed: int, power: Vector) -> ExcessSignificance:
    expected = float(power.sum())
    variance = expected * (k - expected) / k
    if not variance > 0.0:
        certain = "one" if expected else "zero"
        reason = (
            f"k = {k}: test not run; every power is {certain}, so no number of significant results is a surprise"
        )
        return ExcessSignificance(k, observed, expected, None, None, None, tuple(power.tolist()), reason)
    excess = (observed - expected) / math.sqrt(variance)
    warning = "The powers presume one common effect; heterogeneity alone can make an excess."
    return ExcessSignificance(
        k=k,
        observed=observed,
        expected=expected,
        statistic=excess * excess,
        p=float(ndtr(-excess)),
        p_exact=_at_least(observed, power),
        power=tuple(float(value) for value in power),
        warnings=(warning,),
    )


def _at_least(observed: int, power: Vector) -> float:
    distribution = np.ones(1)
    for p in power:
        distribution = np.convolve(distribution, [1.0 - p, p])
    return min(1.0, float(distribution[observed:].sum()))
