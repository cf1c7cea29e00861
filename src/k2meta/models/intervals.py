"""Standard errors and intervals of the pooled effect, each under the name of its paper."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from scipy.special import ndtr, ndtri, stdtr, stdtrit

from k2meta.models.fit import Estimate
from k2meta.models.inputs import Vector
from k2meta.models.weighted import pooled

StandardError = Callable[[Vector, Vector], float]


def wald(yi: Vector, weight: Vector) -> float:
    """Return the standard error of the weighted mean when the weights, inverse variances, are known."""
    return 1.0 / math.sqrt(float(weight.sum()))


def hartung_knapp(yi: Vector, weight: Vector) -> float:
    """Return the Hartung-Knapp-Sidik-Jonkman standard error, for k >= 2.

    The weighted sample variance sum w (y - mu)^2 / ((k - 1) sum w) of the weighted mean; it is zero when all
    effects are equal.
    """
    residual = yi - pooled(yi, weight)
    return math.sqrt(float(weight @ (residual * residual)) / ((len(yi) - 1) * float(weight.sum())))


def guarded(yi: Vector, weight: Vector) -> float:
    """Return the larger of the Hartung-Knapp and the Wald standard error."""
    return max(hartung_knapp(yi, weight), wald(yi, weight))


INTERVALS: Mapping[str, tuple[StandardError, bool]] = {
    "z": (wald, False),
    "t": (wald, True),
    "HKSJ": (hartung_knapp, True),
    "HKSJ-guarded": (guarded, True),
}
"""Name in the config: standard error, and whether the quantile is Student's t with k - 1 degrees of freedom.
:mod:`k2meta.models.pooling` adds the methods that are more than a standard error."""


def critical(level: float, df: float | None) -> float:
    """Return the two-sided quantile of Student's t with ``df`` degrees of freedom, of the normal for ``None``."""
    tail = (1.0 - level) / 2.0
    return -float(ndtri(tail) if df is None else stdtrit(df, tail))


def two_sided_p(statistic: float, df: float | None) -> float:
    """Return the two-sided p value of a statistic under Student's t, or under the normal for ``df=None``."""
    return 2.0 * float(ndtr(-abs(statistic)) if df is None else stdtr(df, -abs(statistic)))


def tested(value: float, se: float, level: float, df: float | None) -> Estimate:
    """Return an estimate with its interval and the test of zero; no test where the standard error is zero."""
    half = critical(level, df) * se
    statistic = value / se if se > 0.0 else None
    p = None if statistic is None else two_sided_p(statistic, df)
    return Estimate(value, se, value - half, value + half, level, df, statistic, p)
