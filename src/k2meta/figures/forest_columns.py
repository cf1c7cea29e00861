"""The columns of a forest plot: each as wide as its widest measured text, the plot takes what is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from k2meta.figures import words
from k2meta.figures.forest_rows import Missing, Row
from k2meta.figures.style import BODY, SMALL, WIDTH
from k2meta.figures.text import legible, width, wrapped

if TYPE_CHECKING:
    from k2meta.analysis import Analysis

MARGIN = 8.0
GAP = 10.0
PLOT_LEAST = 150.0
LABEL_LEAST, LABEL_MOST = 100.0, 150.0
DETAIL_MOST = 84.0
MANY = 15
"""From more studies than this a row has one line: the detail stands beside the label."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the columns stand, in points from the left edge; right-aligned ones by their right edge.

    ``arms`` holds the right edges of the columns of people: two arms, one total, or none.
    """

    sheet: float
    label: float
    detail: float | None
    arms: tuple[float, ...]
    plot: tuple[float, float]
    estimate: float
    low: float
    to: float
    high: float
    weight: float | None

    @property
    def right(self) -> float:
        """Right edge of the last column."""
        return self.high if self.weight is None else self.weight


def columns_for(analysis: Analysis, rows: tuple[Row, ...], absent: tuple[Missing, ...]) -> Columns:
    label = _label_room(rows, absent)
    detail = max((width(row.detail, SMALL) for row in rows if row.kind == "study"), default=0.0)
    beside_label = min(detail, DETAIL_MOST) if analysis.k > MANY else 0.0
    arms = _arm_widths(analysis, rows, absent)
    value, low, high = (max((width(row.cells[i], BODY, "bold") for row in rows), default=0.0) for i in range(3))
    to = width("to", BODY)
    numbers = max(value + 5 + low + 3 + to + 3 + high, *(width(line, SMALL) for line in number_head(analysis)))
    weight = width("Weight", SMALL) if any(row.weight is not None for row in rows) else 0.0
    gaps = sum(GAP + room for room in (beside_label, *arms, weight) if room)
    plot = max(PLOT_LEAST, WIDTH - 2 * MARGIN - label - gaps - 2.5 * GAP - numbers)
    x = MARGIN + label
    detail_at = x + GAP if beside_label else None
    x += beside_label + GAP if beside_label else 0.0
    edges = []
    for arm in arms:
        x += GAP + arm
        edges.append(x)
    left = x + GAP * 1.5
    right_of_numbers = left + plot + GAP + numbers
    right = right_of_numbers + (GAP + weight if weight else 0.0)
    return Columns(
        sheet=max(WIDTH, right + MARGIN),
        label=label,
        detail=detail_at,
        arms=tuple(edges),
        plot=(left, left + plot),
        estimate=right_of_numbers - high - 3 - to - 3 - low - 5,
        low=right_of_numbers - high - 3 - to - 3,
        to=right_of_numbers - high - 3,
        high=right_of_numbers,
        weight=right if weight else None,
    )


def _label_room(rows: tuple[Row, ...], absent: tuple[Missing, ...]) -> float:
    marked = (width(row.label, BODY) + width(row.marks, SMALL) + 3 for row in rows if row.kind == "study")
    pooled = (width(row.label, BODY, "bold") for row in rows if row.kind != "study")
    widest = max([*marked, *pooled, *(width(entry.label, SMALL) for entry in absent)], default=0.0)
    return min(max(widest, LABEL_LEAST), LABEL_MOST)


def _arm_widths(analysis: Analysis, rows: tuple[Row, ...], absent: tuple[Missing, ...]) -> tuple[float, ...]:
    by_arm = any(row.people[0] for row in rows)
    totals = [row.people[2] for row in rows] + [entry.people for entry in absent]
    total = max((width(total_text(text, by_arm), BODY, "bold") for text in totals if text), default=0.0)
    if not by_arm:
        return (max(total, width("People", SMALL)),) if total else ()
    heads = arm_heads(analysis)
    found = [
        max(*(width(row.people[i], BODY, "bold") for row in rows), *(width(line, SMALL) for line in heads[i]))
        for i in range(2)
    ]
    return found[0], max(found[1], total - found[0] - GAP)


def total_text(total: str, by_arm: bool) -> str:
    """Write a number of people that is not known by arm so that it is not read as that of one arm."""
    return f"n = {total}" if total and by_arm else total


def arm_heads(analysis: Analysis) -> tuple[tuple[str, ...], tuple[str, ...]]:
    treatment, control = (wrapped(legible(name), SMALL, 48.0, lines=2) for name in words.arms(analysis.spec))
    return treatment, control


def number_head(analysis: Analysis) -> tuple[str, str]:
    short = {"MD": "Difference", "SMD": "SMD", "RD": "Difference", "LOGRATIO": "Ratio"}[analysis.spec.measure]
    fit = words.lead(analysis)
    return short, f"({words.level(fit.mu.level if fit is not None else 0.95)} CI)"
