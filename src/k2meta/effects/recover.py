"""Standard errors from what a paper prints instead: scalars in, a scalar out."""

from __future__ import annotations

import math


class RecoverError(ValueError):
    """The printed numbers cannot give a standard error."""


def se_from_ci(low: float, high: float, *, level: float = 0.95, df: float | None = None) -> float:
    """Return the standard error behind a symmetric interval: (high - low) / (2 q).

    Parameters
    ----------
    low, high : float
        Limits on the scale of the estimate (log limits for a ratio).
    level : float
        Coverage of the interval.
    df : float, optional
        Degrees of freedom of the t quantile q; the normal quantile without.
    """
    if not high > low:
        raise RecoverError(f"the interval {low:g} to {high:g} has no width")
    return (high - low) / (2 * critical_value(level, df))


def critical_value(level: float = 0.95, df: float | None = None) -> float:
    """Return the two-sided critical value of the normal, or of t with ``df`` degrees of freedom."""
    from scipy.special import ndtri, stdtrit

    upper = 0.5 + level / 2
    return float(ndtri(upper) if df is None else stdtrit(df, upper))


def se_from_p(estimate: float, p: float, *, df: float | None = None) -> float:
    """Return the standard error that makes ``estimate`` give the exact two-sided p value by a t (or z) test.

    Raises
    ------
    RecoverError
        For an estimate of zero, or p outside (0, 1): neither carries a standard error.
    """
    if estimate == 0 or not 0 < p < 1:
        raise RecoverError(f"estimate {estimate:g} with p = {p:g} carries no standard error")
    return abs(estimate) / critical_value(1 - p, df)


def sd_from_se(se: float, n: float) -> float:
    """Return the standard deviation of one arm from the standard error of its mean."""
    return se * math.sqrt(n)


def d_from_t(t: float, n1: float, n2: float) -> float:
    """Return Cohen's d from a two-sample t statistic: t sqrt(1/n1 + 1/n2)."""
    return t * math.sqrt(1 / n1 + 1 / n2)


def d_from_log_odds_ratio(value: float) -> float:
    """Return the standardised mean difference of a log odds ratio under a logistic trait: value sqrt(3) / pi."""
    return value * math.sqrt(3) / math.pi
