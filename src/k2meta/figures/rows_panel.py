"""A column of estimates with their intervals, one row each: leave-one-out and cumulative plots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from k2meta.figures import panel, words
from k2meta.figures.axis import Placed, draw_axis, draw_directions, lanes
from k2meta.figures.forest_marks import bar
from k2meta.figures.panel import MARGIN, PITCH
from k2meta.figures.scale import Scale, limits
from k2meta.figures.sheet import Sheet
from k2meta.figures.style import BODY, ESTIMATE, INK, MUTED, SMALL, WIDTH
from k2meta.figures.text import Weight, elided, extent, legible, width
from k2meta.numbers import coverage

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from k2meta.analysis import Analysis
    from k2meta.models.fit import Estimate

LABEL_MOST = 190.0
PLOT_LEAST = 100.0
BAND = "#E3EFF7"


@dataclass(frozen=True, slots=True)
class RowOf:
    """One estimate: its label, a short word beside it, and whether it is the one the others are compared with."""

    label: str
    beside: str
    mu: Estimate
    reference: bool = False


@dataclass(frozen=True, slots=True)
class _Layout:
    """Room for the labels, right edge of what stands beside them, the plot, and the width of the sheet."""

    label: float
    beside: float
    scale: Scale
    sheet: float


def draw(analysis: Analysis, told: str, heads: tuple[str, str], rows: Sequence[RowOf], notes: str) -> Canvas:
    """Draw the rows from top to bottom; the interval of the reference row is a band behind all of them.

    Parameters
    ----------
    told : str
        What the figure shows, under the title.
    heads : (str, str)
        Heads of the labels and of the words beside them.
    notes : str
        Set below the axis.
    """
    texts = [_written(analysis, row.mu) for row in rows]
    layout = _layout(analysis, heads, rows, texts)
    sheet = Sheet(layout.sheet)
    y = panel.heading(sheet, analysis, told) + 4
    placed = lanes(analysis.spec.lines, layout.scale)
    y = _heads(sheet, layout, heads, placed, rows[0].mu.level, y)
    top = y
    for i, (row, text) in enumerate(zip(rows, texts, strict=True)):
        y = _row(sheet, layout, row, text, f"row-{i}", y)
    _behind(sheet, layout.scale, rows, placed, top, y)
    lower = draw_axis(sheet, layout.scale, analysis.spec.measure, y) + 1.6 * SMALL
    lower = draw_directions(sheet, layout.scale, analysis.spec, lower, MARGIN, layout.sheet - MARGIN) + 4
    return sheet.finish(panel.paragraph(sheet, notes, lower) + MARGIN)


def _written(analysis: Analysis, mu: Estimate) -> str:
    name, places = analysis.spec.measure, words.decimals(analysis)
    value = words.written(words.shown(name, mu.value), places)
    return f"{value} ({words.interval(name, mu.low, mu.high, places)})"


def _layout(analysis: Analysis, heads: tuple[str, str], rows: Sequence[RowOf], texts: Sequence[str]) -> _Layout:
    numbers = max(width(text, BODY, "bold") for text in texts)
    beside = max(width(text, SMALL) for text in (heads[1], *(row.beside for row in rows)))
    label = min(
        max(width(text, BODY, "bold") for text in (heads[0], *(legible(row.label) for row in rows))), LABEL_MOST
    )
    left = MARGIN + label + 10 + beside + 14
    right = max(left + PLOT_LEAST, WIDTH - MARGIN - numbers - 12)
    low, high = limits(
        [row.mu.value for row in rows],
        [(row.mu.low, row.mu.high) for row in rows],
        [line.value for line in analysis.spec.lines],
    )
    return _Layout(label, left - 14, Scale(low, high, left, right), max(WIDTH, right + 12 + numbers + MARGIN))


def _heads(
    sheet: Sheet, layout: _Layout, heads: tuple[str, str], placed: Sequence[Placed], level: float, y: float
) -> float:
    base = y + max([1, *(label.lane + 1 for label in placed)]) * PITCH
    sheet.text(MARGIN, base, heads[0], size=SMALL, colour=MUTED)
    sheet.text(layout.beside, base, heads[1], size=SMALL, colour=MUTED, align="right")
    right = layout.sheet - MARGIN
    sheet.text(right, base, f"({coverage(level)} CI)", size=SMALL, colour=MUTED, align="right")
    for label in placed:
        sheet.text(label.x, base - label.lane * PITCH, label.text, size=SMALL, colour=MUTED, gid="line-label")
    sheet.line((MARGIN, base + 4.5), (right, base + 4.5), width=0.5)
    return base + 8


def _row(sheet: Sheet, layout: _Layout, row: RowOf, text: str, gid: str, y: float) -> float:
    weight: Weight = "bold" if row.reference else "normal"
    label = elided(legible(row.label) or "(no label)", BODY, layout.label, weight)
    found = extent(label, BODY, weight)
    base = y + max(found.ascent, 0.78 * BODY)
    sheet.text(MARGIN, base, label, weight=weight, gid=f"{gid}-label")
    sheet.text(layout.beside, base, row.beside, size=SMALL, colour=MUTED, align="right")
    sheet.text(layout.sheet - MARGIN, base, text, align="right", weight=weight)
    middle, colour = base - 0.36 * BODY, ESTIMATE if row.reference else INK
    bar(sheet, layout.scale, middle, row.mu.low, row.mu.high, colour, 1.6 if row.reference else 0.9, gid)
    shape = "D" if row.reference else "o"
    if layout.scale.shows(row.mu.value):
        sheet.marker(layout.scale.x(row.mu.value), middle, 4.6, shape=shape, colour=colour, gid=f"{gid}-point")
    return base + max(found.descent, 0.24 * BODY) + 3.2


def _behind(
    sheet: Sheet, scale: Scale, rows: Sequence[RowOf], placed: Sequence[Placed], top: float, bottom: float
) -> None:
    for row in rows:
        if row.reference:
            left, right = scale.x(row.mu.low), scale.x(row.mu.high)
            corners = [(left, top - 3), (right, top - 3), (right, bottom), (left, bottom)]
            sheet.polygon(corners, fill=BAND, gid="reference", z=0.5)
    zero = scale.x(0.0)
    sheet.line((zero, top - 3), (zero, bottom), width=0.6, z=1, gid="zero")
    for label in placed:
        x = scale.x(label.value)
        sheet.line((x, top - 3), (x, bottom), colour=MUTED, dash=(4, 3), z=1, gid="line")
