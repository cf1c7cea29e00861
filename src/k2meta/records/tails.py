"""Tail probabilities and critical values of the normal and the t distribution."""

from __future__ import annotations


def two_sided_p(statistic: float, df: float | None) -> float:
    """Return the two-sided p of a statistic; normal where ``df`` is ``None``."""
    from scipy.special import ndtr, stdtr

    return float(2 * (ndtr(-abs(statistic)) if df is None else stdtr(df, -abs(statistic))))


def critical_value(level: float, df: float | None) -> float:
    """Return the two-sided critical value at a coverage; normal where ``df`` is ``None``."""
    from scipy.special import ndtri, stdtrit

    upper = (1 + level) / 2
    return float(ndtri(upper) if df is None else stdtrit(df, upper))
