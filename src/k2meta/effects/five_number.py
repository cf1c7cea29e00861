"""Means and standard deviations from medians, quartiles and extremes.

The normal-theory estimators are unbiased only for symmetric data: `five_number` therefore returns the skewness
test with the estimate, and `five_number_lognormal` serves positive, right-skewed outcomes. Everything derived here
is an assumption: pool with and without it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from k2meta.effects.errors import RecoverError
from k2meta.effects.recover import sd_from_iqr, sd_from_range
from k2meta.shown import ShowsItself

Scenario = Literal["range", "quartiles", "both"]


@dataclass(frozen=True, slots=True)
class SkewnessTest(ShowsItself):
    """Test of symmetry at the 5 % level from order statistics alone (Shi et al. 2023).

    Attributes
    ----------
    statistic : float
        Scaled distance of the median from the middle of the extremes, the quartiles, or the larger of both.
    critical : float
        Value that 5 % of normal samples of this size exceed; ``statistic`` above it is ``skewed``.
    skewed : bool
        Whether the summary departs from symmetry.
    """

    statistic: float
    critical: float
    skewed: bool


@dataclass(frozen=True, slots=True)
class FiveNumberEstimate(ShowsItself):
    """Mean and standard deviation estimated from a summary of order statistics.

    Attributes
    ----------
    m, sd : float
        Estimated mean and standard deviation, in the unit of the summary.
    n : float
        Participants.
    scenario : {"range", "quartiles", "both"}
        Which order statistics were used beside the median.
    skewness : SkewnessTest
        On the scale that was taken to be normal (the logarithms for the log-normal variant).
    """

    m: float
    sd: float
    n: float
    scenario: Scenario
    skewness: SkewnessTest


def five_number(
    *,
    median: float,
    n: float,
    low: float | None = None,
    q1: float | None = None,
    q3: float | None = None,
    high: float | None = None,
) -> FiveNumberEstimate:
    """Return mean and SD from the median with the extremes, the quartiles, or both, for normal data.

    The mean is Luo et al. 2018; the SD is Wan et al. 2014 for extremes or quartiles alone and Shi et al. 2020
    for all five numbers.

    Parameters
    ----------
    median, low, q1, q3, high : float
        Median, minimum, lower and upper quartile, maximum; extremes and quartiles come in pairs.
    n : float
        Participants, at least 2 (5 where quartiles are used: below that a quartile is no order statistic).

    Raises
    ------
    RecoverError
        Half a pair, neither pair, a value that is not finite, numbers out of order, or too few participants.
    """
    summary = _summary(median, n, low, q1, q3, high)
    return FiveNumberEstimate(
        _luo_mean(summary), _wan_shi_sd(summary), n, summary.scenario, _shi_skewness(summary)
    )


def five_number_lognormal(
    *,
    median: float,
    n: float,
    low: float | None = None,
    q1: float | None = None,
    q3: float | None = None,
    high: float | None = None,
) -> FiveNumberEstimate:
    """Return mean and SD from the same summaries as `five_number`, for data whose logarithms are normal.

    Mean mu and SD s of the logarithms are estimated by `five_number`, and the moments of the log-normal follow:
    mean exp(mu + s^2/2), SD mean sqrt(exp(s^2) - 1). No small-sample correction is applied: both come out high in
    small samples (the mean by a few per cent at n = 12), far less than normal theory on skewed data is off.

    Raises
    ------
    RecoverError
        As `five_number`, or a value that is not above zero.
    """
    for name, value in {"low": low, "q1": q1, "median": median, "q3": q3, "high": high}.items():
        if value is not None and not value > 0:
            raise RecoverError(f"{name} = {value:g}: a log-normal outcome is above zero")
    summary = _summary(math.log(median), n, _log(low), _log(q1), _log(q3), _log(high))
    variance = _wan_shi_sd(summary) ** 2
    mean = math.exp(_luo_mean(summary) + variance / 2)
    sd = mean * math.sqrt(math.expm1(variance))
    return FiveNumberEstimate(mean, sd, n, summary.scenario, _shi_skewness(summary))


def skewness_test(
    *,
    median: float,
    n: float,
    low: float | None = None,
    q1: float | None = None,
    q3: float | None = None,
    high: float | None = None,
) -> SkewnessTest:
    """Return the test of symmetry of Shi et al. 2023 for the order statistics given; see `five_number`."""
    return _shi_skewness(_summary(median, n, low, q1, q3, high))


Pair = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Summary:
    """A checked summary: the median with the extremes, the quartiles, or both."""

    median: float
    n: float
    extremes: Pair | None
    quartiles: Pair | None

    @property
    def scenario(self) -> Scenario:
        if self.quartiles is None:
            return "range"
        return "quartiles" if self.extremes is None else "both"

    def off_centre(self, pair: Pair) -> float:
        """Return how far the median lies from the middle of a pair, as a share of half its width."""
        return abs(pair[0] + pair[1] - 2 * self.median) / (pair[1] - pair[0])


def _luo_mean(one: _Summary) -> float:
    """Return the optimally weighted mean of mid-range, mid-quartile and median (Luo et al. 2018)."""
    n = one.n
    if one.extremes and one.quartiles:
        w1, w2 = 2.2 / (2.2 + math.pow(n, 0.75)), 0.7 - 0.72 / math.pow(n, 0.55)
        return w1 * sum(one.extremes) / 2 + w2 * sum(one.quartiles) / 2 + (1 - w1 - w2) * one.median
    if one.quartiles:
        w = 0.7 + 0.39 / n
        return w * sum(one.quartiles) / 2 + (1 - w) * one.median
    assert one.extremes is not None
    w = 4 / (4 + math.pow(n, 0.75))
    return w * sum(one.extremes) / 2 + (1 - w) * one.median


def _wan_shi_sd(one: _Summary) -> float:
    """Return the SD from the range or the quartiles (Wan et al. 2014) or their best mixture (Shi et al. 2020)."""
    if one.extremes and one.quartiles:
        w = 1 / (1 + 0.07 * math.pow(one.n, 0.6))
        return w * sd_from_range(*one.extremes, one.n) + (1 - w) * sd_from_iqr(*one.quartiles, one.n)
    if one.quartiles:
        return sd_from_iqr(*one.quartiles, one.n)
    assert one.extremes is not None
    return sd_from_range(*one.extremes, one.n)


def _shi_skewness(one: _Summary) -> SkewnessTest:
    n = one.n
    if one.extremes and one.quartiles:
        of_range = 2.65 * math.log(0.6 * n) / math.sqrt(n) * one.off_centre(one.extremes)
        statistic = max(of_range, one.off_centre(one.quartiles))
        critical = 2.97 / math.sqrt(n) - 39.1 / n**3
    elif one.quartiles:
        statistic, critical = one.off_centre(one.quartiles), 2.66 / math.sqrt(n) - 5.92 / n**2
    else:
        assert one.extremes is not None
        statistic, critical = one.off_centre(one.extremes), 1.01 / math.log(n + 9) + 2.43 / (n + 1)
    return SkewnessTest(statistic, critical, statistic > critical)


def _log(value: float | None) -> float | None:
    return None if value is None else math.log(value)


def _summary(
    median: float, n: float, low: float | None, q1: float | None, q3: float | None, high: float | None
) -> _Summary:
    """Return the summary, after refusing what is no summary of a sample."""
    extremes = None if low is None or high is None else (low, high)
    quartiles = None if q1 is None or q3 is None else (q1, q3)
    half_a_pair = (low is None) != (high is None) or (q1 is None) != (q3 is None)
    if half_a_pair or (extremes is None and quartiles is None):
        raise RecoverError("give the extremes (low with high), the quartiles (q1 with q3), or both pairs")
    given = [value for value in (low, q1, median, q3, high) if value is not None]
    if not all(math.isfinite(value) for value in given):
        raise RecoverError(f"a number that is not finite among {', '.join(f'{value:g}' for value in given)}")
    if given != sorted(given) or given[0] == given[-1] or (q1 is not None and q1 == q3):
        order = " <= ".join(f"{value:g}" for value in given)
        raise RecoverError(f"minimum, quartiles and maximum must be in order and apart; got {order}")
    least = 2 if quartiles is None else 5
    if not (math.isfinite(n) and n >= least):
        raise RecoverError(f"n = {n:g}: at least {least} participants are needed")
    return _Summary(median, n, extremes, quartiles)
