"""Which part of the effect scale a figure shows, where a value stands on it, and where its ticks are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median, quantiles

from k2meta.figures.text import width as text_width
from k2meta.figures.words import short, shown, written

_REACH = 1.2
"""How far beyond the point estimates an interval is followed, in units of their spread, before it is clipped."""

_RATIO_STEPS: tuple[tuple[float, ...], ...] = (
    (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0),
    (1.0, 2.0, 3.0, 5.0),
    (1.0, 2.0, 5.0),
    (1.0, 3.0),
    (1.0,),
)
_STRIDES = (2, 3, 5, 10, 20, 50, 100)


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear map from the scale of the analysis (``low`` to ``high``) to points (``left`` to ``right``)."""

    low: float
    high: float
    left: float
    right: float

    def x(self, value: float) -> float:
        """Return the position of a value in points; what lies outside stands on the edge."""
        if value <= self.low:
            return self.left
        if value >= self.high:
            return self.right
        return self.left + (value - self.low) / (self.high - self.low) * (self.right - self.left)

    def shows(self, value: float) -> bool:
        """Whether a value lies within the part that is shown."""
        return self.low <= value <= self.high


def limits(
    points: Sequence[float], intervals: Sequence[tuple[float, float]], lines: Sequence[float] = ()
) -> tuple[float, float]:
    """Return the part of the scale to show: all of the points and zero, and the intervals as far as is sensible.

    Parameters
    ----------
    points : sequence of float
        Point estimates of the studies; those far outside the others (beyond five interquartile ranges of
        the quartiles) do not set the scale.
    intervals : sequence of (float, float)
        Every interval that will be drawn. One much wider than the spread of the points is clipped.
    lines : sequence of float
        Reference values, shown where they widen the picture by less than half.
    """
    core = [0.0, *_near(points)]
    typical = median([high - low for low, high in intervals]) if intervals else 1.0
    spread = max(max(core) - min(core), typical, 1e-12)
    low = max(min([*core, *(bound for bound, _ in intervals)]), min(core) - _REACH * spread)
    high = min(max([*core, *(bound for _, bound in intervals)]), max(core) + _REACH * spread)
    room = 0.5 * (high - low)
    low = min([low, *(line for line in lines if low - room < line < low)])
    high = max([high, *(line for line in lines if high < line < high + room)])
    pad = 0.03 * (high - low)
    return low - pad, high + pad


def _near(points: Sequence[float]) -> list[float]:
    if len(points) < 4:
        return list(points)
    first, _, third = quantiles(points, n=4, method="inclusive")
    fence = 5 * (third - first)
    return [point for point in points if first - fence <= point <= third + fence]


def ticks(scale: Scale, measure: str, size: float) -> tuple[tuple[float, str], ...]:
    """Return the tick values on the scale of the analysis with their labels on the scale people read.

    Ratios get round ratios. Ticks are thinned until their labels, set in ``size`` points, keep clear of
    each other.
    """
    ways = _ratio_ticks(scale) if measure == "LOGRATIO" else _even_ticks(scale)
    for values in ways:
        labelled = _labelled(values, measure)
        if len(labelled) <= 8 and _apart(scale, labelled, size):
            return labelled
    return _labelled((0.0,), measure)


def _even_ticks(scale: Scale) -> list[tuple[float, ...]]:
    from matplotlib.ticker import MaxNLocator

    found = []
    for bins in (6, 5, 4, 3, 2, 1):
        values = MaxNLocator(nbins=bins, steps=[1, 2, 2.5, 5, 10]).tick_values(scale.low, scale.high)
        found.append(tuple(float(value) for value in values if scale.shows(float(value))))
    return found


def _ratio_ticks(scale: Scale) -> list[tuple[float, ...]]:
    first = math.floor(scale.low / math.log(10))
    last = math.ceil(scale.high / math.log(10))
    found = []
    if scale.high - scale.low < math.log(3):
        ratios = Scale(math.exp(scale.low), math.exp(scale.high), scale.left, scale.right)
        found += [tuple(math.log(ratio) for ratio in even) for even in _even_ticks(ratios)]
    found += [_decades(scale, steps, range(first, last + 1)) for steps in _RATIO_STEPS]
    return found + [_decades(scale, (1.0,), range(first - first % n, last + 1, n)) for n in _STRIDES]


def _decades(scale: Scale, steps: Sequence[float], decades: Iterable[int]) -> tuple[float, ...]:
    values = (math.log(step) + decade * math.log(10) for decade in decades for step in steps)
    return tuple(value for value in values if scale.shows(value))


def _labelled(values: Sequence[float], measure: str) -> tuple[tuple[float, str], ...]:
    if measure == "LOGRATIO":
        return tuple((value, short(shown(measure, value))) for value in values)
    step = min((b - a for a, b in pairwise(values)), default=1.0)
    decimals = next((d for d in range(12) if all(abs(round(v, d) - v) < 1e-6 * step for v in values)), 12)
    return tuple((value, written(value, decimals)) for value in values)


def _apart(scale: Scale, labelled: Sequence[tuple[float, str]], size: float) -> bool:
    edge = -math.inf
    for value, label in labelled:
        half = text_width(label, size) / 2
        if scale.x(value) - half < edge:
            return False
        edge = scale.x(value) + half + 5.0
    return True
