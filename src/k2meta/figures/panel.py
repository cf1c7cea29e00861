"""What the plots of points and the plots of rows have in common: heading, axes, labels beside points, notes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from k2meta.figures import words
from k2meta.figures.scale import Scale, ticks
from k2meta.figures.sheet import Sheet
from k2meta.figures.style import DISPLAY, INK, MUTED, SMALL, WIDTH
from k2meta.figures.text import Weight, elided, extent, legible, width, wrapped
from k2meta.numbers import count, number_word

if TYPE_CHECKING:
    from k2meta.analysis import Analysis

MARGIN = 8.0
PITCH = 1.3 * SMALL
APART = 5.0
"""The two axes of a plot keep apart, in points, so that their labels at the corner do."""
Box = tuple[float, float, float, float]
"""Left, right, top and bottom edge in points."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A point in points of the sheet, with the label that may stand beside it and its radius."""

    x: float
    y: float
    label: str
    radius: float = 3.5


def heading(sheet: Sheet, analysis: Analysis, what: str) -> float:
    """Set the title of the analysis and what the figure shows; return the lower edge."""
    room = sheet.width - 2 * MARGIN
    title = legible(analysis.spec.title)
    y = lines(sheet, MARGIN, wrapped(title, DISPLAY, room, "bold") if title else (), DISPLAY, INK, bold=True)
    return paragraph(sheet, legible(what), y + 1)


def lines(sheet: Sheet, y: float, texts: Iterable[str], size: float, colour: str, *, bold: bool = False) -> float:
    """Set lines at the left margin below ``y`` by their measured heights; return the lower edge."""
    weight: Weight = "bold" if bold else "normal"
    for text in texts:
        found = extent(text, size, weight)
        base = y + max(found.ascent, 0.78 * size)
        sheet.text(MARGIN, base, text, size=size, colour=colour, weight=weight)
        y = base + max(found.descent, 0.24 * size) + 0.24 * size
    return y


def paragraph(sheet: Sheet, text: str, y: float) -> float:
    """Set a paragraph over the width of the sheet below ``y``; empty text takes no room."""
    if not text:
        return y
    return lines(sheet, y, wrapped(legible(text), SMALL, sheet.width - 2 * MARGIN), SMALL, MUTED)


def y_axis(sheet: Sheet, scale: Scale, x: float, name: str, measure: str = "MD") -> None:
    """Draw a vertical axis at ``x`` with ticks to its left; ``scale`` maps values to points from the top."""
    sheet.line((x, scale.left), (x, scale.right), gid="y-axis")
    # Ticks are thinned on a scale that runs upwards, whichever way this one runs.
    upwards = Scale(scale.low, scale.high, 0.0, abs(scale.right - scale.left))
    for value, label in ticks(upwards, measure, SMALL):
        y = scale.x(value)
        sheet.line((x - 3, y), (x, y))
        sheet.text(x - 5, y + 0.36 * SMALL, label, size=SMALL, align="right", gid="y-tick")
    top = min(scale.left, scale.right)
    sheet.text(MARGIN, top - 8, elided(name, SMALL, WIDTH - 2 * MARGIN), size=SMALL, colour=MUTED, gid="y-name")


def label_spots(sheet: Sheet, spots: Sequence[Spot], bounds: Box, lines: Iterable[Box] = ()) -> int:
    """Write the label of each spot beside it where there is room, in the given order; return how many found none.

    A label never touches a spot or another label, and never leaves ``bounds``; where it can it keeps clear of
    ``lines`` too.
    """
    boxes = [(s.x - s.radius, s.x + s.radius, s.y - s.radius, s.y + s.radius) for s in spots]
    crossed = tuple(lines)
    left_out = 0
    for i, spot in enumerate(spots):
        label = elided(legible(spot.label), SMALL, 150.0)
        if not label:
            continue
        free = [box for box in _places(spot, label) if _free(box, boxes, bounds)]
        found = next((box for box in free if _free(box, crossed, bounds)), free[0] if free else None)
        if found is None:
            left_out += 1
            continue
        boxes.append(found)
        sheet.text(found[0], found[3] - 0.24 * SMALL, label, size=SMALL, gid=f"spot-{i}-label")
    return left_out


def no_room(left_out: int) -> str:
    """Say how many points have no label in the figure."""
    return f"{count(left_out)} label{'' if left_out == 1 else 's'} had no room; the table names every point"


def _places(spot: Spot, label: str) -> list[Box]:
    wide = width(label, SMALL)
    found = extent(label, SMALL)
    up, down = max(found.ascent, 0.78 * SMALL), max(found.descent, 0.24 * SMALL)
    gap = spot.radius + 2
    places = []
    for shift in (0.0, -9.0, 9.0, -18.0, 18.0):
        base = spot.y + 0.36 * SMALL + shift
        places.append((spot.x + gap, spot.x + gap + wide, base - up, base + down))
        places.append((spot.x - gap - wide, spot.x - gap, base - up, base + down))
    for base in (spot.y - gap - down, spot.y + gap + up):
        places.append((spot.x - wide / 2, spot.x + wide / 2, base - up, base + down))
    return places


def _free(box: Box, boxes: Iterable[Box], bounds: Box) -> bool:
    inside = box[0] >= bounds[0] and box[1] <= bounds[1] and box[2] >= bounds[2] and box[3] <= bounds[3]
    return inside and not any(
        box[0] < other[1] and other[0] < box[1] and box[2] < other[3] and other[2] < box[3] for other in boxes
    )


def pooled_name(analysis: Analysis) -> str:
    """Name the frequentist fit that a figure compares with."""
    fit = words.frequentist(analysis)
    return "" if fit is None else ", ".join(part for part in words.method(fit) if part)


def few(analysis: Analysis, least: int) -> str:
    """Say why a figure is not drawn for fewer than ``least`` studies; empty where there are enough."""
    if analysis.k >= least:
        return ""
    noun = words.study_name(analysis.spec).lower()
    return f"k = {count(analysis.k)}: not drawn for fewer than {number_word(least)} {noun}s."
