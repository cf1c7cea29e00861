"""What forest and density plots have in common: the effect axis, its directions, and labelled reference lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from k2meta.figures.scale import Scale, ticks
from k2meta.figures.sheet import Sheet
from k2meta.figures.style import SMALL
from k2meta.figures.text import NO_BREAK, elided, legible, width, wrapped
from k2meta.figures.words import FAVOUR, towards

if TYPE_CHECKING:
    from collections.abc import Sequence

    from k2meta.analysis import Line, Spec


FAVOURS_LEAST = 60.0
"""With less room than this, in points, the words that say whom a side favours leave their side."""
_PITCH = 1.4 * SMALL


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


def draw_directions(
    sheet: Sheet, scale: Scale, spec: Spec, y: float, left: float, right: float, favour: str = FAVOUR
) -> float:
    """Say on either side of zero whom it favours, within ``left`` and ``right``; return the lower edge.

    Words that are wider than their side take two lines. Where that is not enough, the two sides stand one below
    the other over the whole width, each as close to zero as it can.
    """
    zero, word = scale.x(0.0), towards(spec, favour)
    said = legible(f"←{NO_BREAK}{word}{spec.favours_low}"), legible(f"{word}{spec.favours_high}{NO_BREAK}→")
    rooms = zero - 5 - left, right - zero - 5
    lines = [wrapped(text, SMALL, room, lines=2) for text, room in zip(said, rooms, strict=True)]
    whole = [" ".join(found) == text for found, text in zip(lines, said, strict=True)]
    stacked = not all(whole) or min(rooms) < FAVOURS_LEAST
    if stacked:
        lines = [wrapped(text, SMALL, right - left, lines=2) for text in said]
    low, high = ([line.replace(NO_BREAK, " ") for line in found] for found in lines)
    for i, text in enumerate(low):
        end = max(zero - 5, left + width(text, SMALL))
        sheet.text(end, y + i * _PITCH, text, size=SMALL, align="right", gid="favours-low")
    y += len(low) * _PITCH if stacked else 0.0
    for i, text in enumerate(high):
        start = min(zero + 5, right - width(text, SMALL))
        sheet.text(start, y + i * _PITCH, text, size=SMALL, gid="favours-high")
    deepest = len(high) if stacked else max(len(low), len(high))
    return y + (deepest - 1) * _PITCH + 0.4 * SMALL
