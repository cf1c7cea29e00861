"""Effects against a covariate of the trials, with the regression line and its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from k2meta.figures import words
from k2meta.figures.figure import Figure, PlotData
from k2meta.figures.scale import Scale, limits, ticks
from k2meta.figures.sheet import Sheet
from k2meta.figures.style import DISPLAY, ESTIMATE, INK, MUTED, PREDICTION, SMALL, WIDTH, rc
from k2meta.figures.text import legible, width, wrapped
from k2meta.numbers import coverage

if TYPE_CHECKING:
    from k2meta.analysis import Analysis, Moderation
    from k2meta.types import Effect

MARGIN = 8.0
TALL = 230.0
"""Height of the plot, in points."""
LEFT, RIGHT = 62.0, WIDTH - 14.0
LARGEST = 20.0
"""Diameter of the heaviest trial's bubble, in points; area is proportional to weight."""
RECOGNISED = 0.3
"""Share of the width of the line that each limit for a new study must show; else neither is drawn."""
SHADE = "#CCE3F0"
_COLUMNS = ("kind", "study", "covariate", "effect", "low", "high", "weight")


def not_drawn(analysis: Analysis) -> str:
    """Say why there is no figure; empty where there is one."""
    return (
        "" if any(row.line for row in analysis.moderation) else "A regression on a numeric covariate was not run."
    )


def draw(analysis: Analysis) -> Figure:
    """Draw the first numeric covariate that was regressed on; without one the figure says so.

    The band is the interval of the mean effect, the dashed lines that of a new study, where enough of
    it is shown. Bubbles stand on the scale
    of the analysis; the axis is labelled as people read it.
    """
    row = next((one for one in analysis.moderation if one.line), None)
    if row is None:
        return _nothing(analysis)
    stated = [e for e in analysis.effects if isinstance(e.moderators.get(row.id), float)]
    weights = _weights(stated, row)
    with rc():
        sheet = Sheet(WIDTH)
        y = MARGIN + 0.78 * DISPLAY
        title = f"{analysis.spec.title}, by {row.moderator.label}"
        for line in wrapped(legible(title), DISPLAY, WIDTH - 2 * MARGIN, "bold", lines=2):
            sheet.text(MARGIN, y, line, size=DISPLAY, weight="bold")
            y += 1.35 * DISPLAY
        sheet.text(MARGIN, y, legible(words.measure(analysis.spec)), size=SMALL, colour=MUTED)
        bottom = _plot(sheet, analysis, row, stated, weights, y + 8)
        figure = sheet.finish(bottom + MARGIN)
    return Figure(figure, _alt(analysis, row), _data(row, stated, weights))


def _nothing(analysis: Analysis) -> Figure:
    text = "No regression on a covariate to show."
    with rc():
        sheet = Sheet(WIDTH)
        sheet.text(MARGIN, MARGIN + DISPLAY, text)
        figure = sheet.finish(2 * MARGIN + DISPLAY)
    return Figure(figure, f"{text} {words.summary(analysis)}", PlotData(_COLUMNS, ()))


def _weights(stated: list[Effect], row: Moderation) -> list[float]:
    """Return the weight of each trial in the regression, as a share of the heaviest."""
    raw = [1 / (effect.vi + (row.tau2 or 0.0)) for effect in stated]
    return [one / max(raw) for one in raw]


def _at(effect: Effect, row: Moderation) -> float:
    value = effect.moderators[row.id]
    assert isinstance(value, float)
    return value


def _plot(
    sheet: Sheet, analysis: Analysis, row: Moderation, stated: list[Effect], weights: list[float], top: float
) -> float:
    """Draw line, band, bubbles and axes from ``top`` down; return the lower edge."""
    low, high = limits([e.yi for e in stated], [(point.low, point.high) for point in row.line])
    upright = Scale(low, high, 0.0, TALL)
    ends = row.line[0].at, row.line[-1].at
    pad = 0.05 * (ends[1] - ends[0])
    across = Scale(ends[0] - pad, ends[1] + pad, LEFT, RIGHT)

    def down(value: float) -> float:
        return top + TALL - upright.x(value)

    xs = [across.x(point.at) for point in row.line]
    band = [(x, down(point.high)) for x, point in zip(xs, row.line, strict=True)]
    band += [(x, down(point.low)) for x, point in reversed(list(zip(xs, row.line, strict=True)))]
    sheet.polygon(band, fill=SHADE, gid="band", z=1.0)
    for gid, pieces in _new_study(row, upright):
        for piece in pieces:
            at = [across.x(x) for x, _ in piece]
            sheet.curve(at, [down(y) for _, y in piece], colour=PREDICTION, width=0.8, dash=(4, 3), gid=gid)
    sheet.line((LEFT, down(0.0)), (RIGHT, down(0.0)), z=1.2, gid="zero")
    sheet.curve(xs, [down(point.value) for point in row.line], colour=ESTIMATE, gid="line")
    # The heaviest first, so that none is hidden; ids count as the trials do.
    for i, effect, weight in sorted(
        zip(range(len(stated)), stated, weights, strict=True), key=lambda row: -row[2]
    ):
        x, y = across.x(_at(effect, row)), down(effect.yi)
        size = LARGEST * math.sqrt(weight)
        sheet.marker(x, y, size + 1.6, shape="o", colour="white", gid=f"{i}-halo")
        sheet.marker(x, y, size, shape="o", colour=INK, gid=f"{i}-study")
    return _axes(sheet, analysis, row, across, upright, top)


Curve = tuple[tuple[float, float], ...]
"""Points of a curve: the covariate, and the effect on the scale of the analysis."""


def _new_study(row: Moderation, upright: Scale) -> tuple[tuple[str, tuple[Curve, ...]], ...]:
    """Return the limits of the interval for a new study as far as the axis shows them, cut at its ends.

    Nothing where so little of one of them is shown that nobody would read the two as an interval.
    """
    limits = {
        "prediction-low": [(point.at, point.prediction_low) for point in row.line],
        "prediction-high": [(point.at, point.prediction_high) for point in row.line],
    }
    found = tuple((gid, _shown(points, upright)) for gid, points in limits.items())
    spanned = (sum(piece[-1][0] - piece[0][0] for piece in pieces) for _, pieces in found)
    return found if min(spanned) >= RECOGNISED * (row.line[-1].at - row.line[0].at) else ()


def _shown(points: Sequence[tuple[float, float]], upright: Scale) -> tuple[Curve, ...]:
    """Return the pieces of a line through points that lie within the scale."""
    pieces: list[Curve] = []
    for (x0, y0), (x1, y1) in pairwise(points):
        rise = y1 - y0
        meets = [(edge - y0) / rise for edge in (upright.low, upright.high)] if rise else []
        inside = sorted({0.0, 1.0, *(share for share in meets if 0 < share < 1)})
        for a, b in pairwise(inside):
            if not upright.shows(y0 + 0.5 * (a + b) * rise):
                continue
            start, end = ((x0 + share * (x1 - x0), y0 + share * rise) for share in (a, b))
            if pieces and pieces[-1][-1] == start:
                pieces[-1] = (*pieces[-1], end)
            else:
                pieces.append((start, end))
    return tuple(pieces)


def _axes(sheet: Sheet, analysis: Analysis, row: Moderation, across: Scale, upright: Scale, top: float) -> float:
    sheet.line((LEFT, top), (LEFT, top + TALL), gid="axis")
    for value, label in ticks(upright, analysis.spec.measure, SMALL):
        y = top + TALL - upright.x(value)
        sheet.line((LEFT - 3, y), (LEFT, y))
        sheet.text(LEFT - 5, y + 0.36 * SMALL, label, size=SMALL, align="right", gid="tick")
    floor = top + TALL
    sheet.line((LEFT, floor), (RIGHT, floor), gid="axis")
    base = floor + 4 + 0.78 * SMALL
    for value, label in ticks(across, "MD", SMALL):
        sheet.line((across.x(value), floor), (across.x(value), floor + 3))
        sheet.text(across.x(value), base, label, size=SMALL, align="center", gid="tick")
    base += 1.5 * SMALL
    unit = row.moderator.unit
    name = f"{row.moderator.label} ({unit})" if unit else row.moderator.label
    sheet.text((LEFT + RIGHT) / 2, base, legible(name), size=SMALL, align="center")
    new = "Dashed: a new study." if _new_study(row, upright) else "A new study could lie beyond this axis."
    key = f"Area of a bubble: weight in the regression. Band: {coverage(row.level)} CI of the mean. {new}"
    base += 1.6 * SMALL
    for line in wrapped(key, SMALL, RIGHT - LEFT):
        sheet.text((LEFT + RIGHT) / 2 - width(line, SMALL) / 2, base, line, size=SMALL, colour=MUTED)
        base += 1.3 * SMALL
    return base - 0.6 * SMALL


def _alt(analysis: Analysis, row: Moderation) -> str:
    slope, first, last = row.slopes[1], row.line[0], row.line[-1]
    places = words.decimals(analysis)
    ends = [words.written(words.shown(analysis.spec.measure, one.value), places) for one in (first, last)]
    status = "exploratory" if row.exploratory else "prespecified"
    each = " per doubling" if row.moderator.kind == "log2" else ""
    return (
        f"Bubble plot of {words.trials(analysis.spec, row.k)} by {row.moderator.label} ({status}). The line runs "
        f"from {ends[0]} at {words.short(first.at)} to {ends[1]} at {words.short(last.at)}; slope on the scale of "
        f"the analysis{each} {words.significant(slope.value, 3)} ({coverage(row.level)} CI "
        f"{words.significant(slope.low, 3)} to {words.significant(slope.high, 3)}). {words.summary(analysis)}"
    )


def _data(row: Moderation, stated: list[Effect], weights: list[float]) -> PlotData:
    studies = tuple(
        ("study", effect.label, _at(effect, row), effect.yi, *words.study_bar(effect, row.level)[1:], weight)
        for effect, weight in zip(stated, weights, strict=True)
    )
    line = tuple(("line", "", point.at, point.value, point.low, point.high, "") for point in row.line)
    return PlotData(_COLUMNS, (*studies, *line))
