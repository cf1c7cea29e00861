"""What forest and density plots have in common: the effect axis, its directions, and labelled reference lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from k2meta.figures.scale import Scale, ticks
from k2meta.figures.sheet import Sheet
from k2meta.figures.style import SMALL
from k2meta.figures.text import elided, legible, width
from k2meta.figures.words import towards

if TYPE_CHECKING:
    from collections.abc import Sequence

    from k2meta.analysis import Line, Spec


FAVOURS_LEAST = 60.0
"""Less room than this, in points, cuts the words that say whom a side favours."""


@dataclass(frozen=True, slots=True)
class Placed:
    """The label of a reference line above a plot: its left edge in points and its lane, counted from below."""

    value: float
    text: str
    x: float
    lane: int


def line_text(line: Line) -> str:
    """Return the label of a reference line, which says whether it is a relevance line or only an anchor."""
    return legible(f"{line.kind}: {line.label}")


def lanes(lines: Sequence[Line], scale: Scale) -> list[Placed]:
    """Place the labels of the reference lines that are shown so that none meets another."""
    taken: list[list[tuple[float, float]]] = []
    found = []
    for line in lines:
        if not scale.shows(line.value):
            continue
        text = elided(line_text(line), SMALL, scale.right - scale.left)
        wide = width(text, SMALL)
        x = min(max(scale.x(line.value) - wide / 2, scale.left), scale.right - wide)
        lane = next(
            (i for i, row in enumerate(taken) if all(x > b + 6 or x + wide < a - 6 for a, b in row)), len(taken)
        )
        if lane == len(taken):
            taken.append([])
        taken[lane].append((x, x + wide))
        found.append(Placed(line.value, text, x, lane))
    return found


def draw_axis(sheet: Sheet, scale: Scale, measure: str, y: float) -> float:
    """Draw the axis line at ``y`` with ticks and their labels; return the baseline of the labels."""
    sheet.line((scale.left, y), (scale.right, y), gid="axis")
    base = y + 4 + 0.78 * SMALL
    for value, label in ticks(scale, measure, SMALL):
        x = scale.x(value)
        sheet.line((x, y), (x, y + 3))
        sheet.text(x, base, label, size=SMALL, align="center", gid="tick")
    return base


def draw_directions(sheet: Sheet, scale: Scale, spec: Spec, y: float, left: float, right: float) -> float:
    """Say on either side of zero whom it favours, within ``left`` and ``right``; return the lower edge.

    Where one side has no room for its words, the two stand one below the other, each as close to zero as it can.
    """
    zero = scale.x(0.0)
    low, high = legible(f"← {towards(spec)}{spec.favours_low}"), legible(f"{towards(spec)}{spec.favours_high} →")
    rooms = zero - 5 - left, right - zero - 5
    stacked = min(rooms) < FAVOURS_LEAST
    if stacked:
        rooms = (right - left, right - left)
    low, high = elided(low, SMALL, rooms[0]), elided(high, SMALL, rooms[1])
    end = max(zero - 5, left + width(low, SMALL))
    start = min(zero + 5, right - width(high, SMALL))
    sheet.text(end, y, low, size=SMALL, align="right", gid="favours-low")
    if stacked:
        y += 1.4 * SMALL
    sheet.text(start, y, high, size=SMALL, gid="favours-high")
    return y + 0.4 * SMALL
