"""Standard errors and deviations from what a paper prints instead: scalars in, a scalar out."""

from __future__ import annotations

import math

from k2meta.effects.errors import RecoverError

__all__ = [
    "RecoverError",
    "critical_value",
    "d_from_log_odds_ratio",
    "d_from_t",
    "sd_from_iqr",
    "sd_from_range",
    "sd_from_se",
    "se_from_ci",
    "se_from_p",
]


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
    if not (high > low and math.isfinite(high - low)):
        raise RecoverError(f"the interval {low:g} to {high:g} has no width")
    return (high - low) / (2 * critical_value(level, df))


def critical_value(level: float = 0.95, df: float | None = None) -> float:
    """Return the two-sided critical value of the normal, or of t with ``df`` degrees of freedom.

    Raises
    ------
    RecoverError
        A level outside (0, 1), such as a percentage, or degrees of freedom that are not positive.
    """
    from scipy.special import ndtri, stdtrit

    if not 0 < level < 1:
        raise RecoverError(f"level {level:g}: a coverage lies between 0 and 1, for example 0.95")
    if df is not None and not df > 0:
        raise RecoverError(f"{df:g} degrees of freedom: a t quantile needs more than none")
    upper = 0.5 + level / 2
    return float(ndtri(upper) if df is None else stdtrit(df, upper))


def se_from_p(estimate: float, p: float, *, df: float | None = None) -> float:
    """Return the standard error that makes ``estimate`` give the exact two-sided p value by a t (or z) test.

    Raises
    ------
    RecoverError
        For an estimate of zero, or p outside (0, 1): neither carries a standard error.
    """
    from scipy.special import ndtri, stdtrit

    if estimate == 0 or not math.isfinite(estimate) or not 0 < p < 1:
        raise RecoverError(f"estimate {estimate:g} with p = {p:g} carries no standard error")
    if df is not None and not df > 0:
        raise RecoverError(f"{df:g} degrees of freedom: a t test needs more than none")
    # The lower tail keeps the digits of a p value that 1 - p would round away.
    statistic = -float(ndtri(p / 2) if df is None else stdtrit(df, p / 2))
    return abs(estimate) / statistic


def sd_from_se(se: float, n: float) -> float:
    """Return the standard deviation of one arm from the standard error of its mean."""
    if se < 0 or not n >= 1:
        raise RecoverError(f"SE {se:g} with n = {n:g} carries no standard deviation")
    return se * math.sqrt(n)


def sd_from_range(low: float, high: float, n: float) -> float:
    """Return the standard deviation from the minimum and maximum of n normal values (Wan et al. 2014).

    (high - low) / (2 Phi^-1((n - .375)/(n + .25))): the denominator is Blom's expected range of n normal values.
    """
    return _spread(low, high, n) / (2 * _quantile((n - 0.375) / (n + 0.25)))


def sd_from_iqr(q1: float, q3: float, n: float) -> float:
    """Return the standard deviation from the quartiles of n normal values (Wan et al. 2014).

    (q3 - q1) / (2 Phi^-1((.75 n - .125)/(n + .25))), which tends to the IQR over 1.349.
    """
    return _spread(q1, q3, n) / (2 * _quantile((0.75 * n - 0.125) / (n + 0.25)))


def _spread(low: float, high: float, n: float) -> float:
    if not n >= 2:
        raise RecoverError(f"n = {n:g}: a spread needs at least 2 values")
    if not (high > low and math.isfinite(high - low)):
        raise RecoverError(f"the range {low:g} to {high:g} has no width")
    return high - low


def _quantile(probability: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(probability))


def d_from_t(t: float, n1: float, n2: float) -> float:
    """Return Cohen's d from a two-sample t statistic: t sqrt(1/n1 + 1/n2)."""
    return t * math.sqrt(1 / n1 + 1 / n2)


def d_from_log_odds_ratio(value: float) -> float:
    """Return the standardised mean difference of a log odds ratio under a logistic trait: value sqrt(3) / pi."""
    return value * math.sqrt(3) / math.pi
