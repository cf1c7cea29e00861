"""The columns of a forest plot: each as wide as its widest measured text, the plot takes what is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from k2meta.figures import words
from k2meta.figures.forest_presets import Preset
from k2meta.figures.forest_rows import Missing, Row, counted
from k2meta.figures.style import BODY, SMALL
from k2meta.figures.text import legible, width, wrapped
from k2meta.numbers import coverage

if TYPE_CHECKING:
    from k2meta.analysis import Analysis

MARGIN = 8.0
GAP = 10.0
DETAIL_MOST = 84.0
LABEL_MOST = 150.0
MANY = 15
"""From more studies than this a row has one line: the detail stands beside the label."""
LIGHT, LIGHT_LEAST = 13.0, 11.2
"""Distance of the lights of two domains of risk of bias, in points, and the least at which they do not touch."""


@dataclass(frozen=True, slots=True)
class Room:
    """What a layout may take: the widest label, the narrowest plot, and which columns stand how close.

    ``people`` is how many columns of people there are: one by arm, one of all people, or none.
    """

    label: float
    plot: float
    detail: bool = True
    people: Literal[0, 1, 2] = 2
    gap: float = GAP
    light: float = LIGHT


# From generous to frugal. The first that fits the sheet is taken: words give way before numbers do.
_WIDE = (
    Room(150, 150),
    Room(130, 130),
    Room(112, 112),
    Room(100, 100, detail=False),
    Room(90, 90, detail=False),
    Room(86, 86, detail=False, gap=7.0, light=LIGHT_LEAST),
    Room(86, 86, detail=False, people=1, gap=7.0, light=LIGHT_LEAST),
    Room(70, 70, detail=False, people=1, gap=6.0, light=LIGHT_LEAST),
    Room(54, 54, detail=False, people=0, gap=6.0, light=LIGHT_LEAST),
)
_NARROW = (
    Room(104, 96, detail=False),
    Room(84, 84, detail=False, gap=8.0),
    Room(70, 70, detail=False, gap=6.0),
    Room(60, 60, detail=False, people=1, gap=5.0, light=LIGHT_LEAST),
    Room(40, 40, detail=False, people=0, gap=5.0, light=LIGHT_LEAST),
)


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the columns stand, in points from the left edge; right-aligned ones by their right edge.

    ``arms`` holds the right edges of the columns of people: two arms, one total, or none; ``free`` is where text
    may begin that runs over the columns behind them. ``estimate``, ``low`` and ``high`` are ``None`` where a
    layout has no numbers, ``bias`` holds the centres of the lights, and ``label_lines`` says how many lines the
    label of a study may have.
    """

    sheet: float
    label: float
    detail: float | None
    arms: tuple[float, ...]
    free: float
    plot: tuple[float, float]
    estimate: float | None
    low: float | None
    high: float | None
    weight: float | None
    bias: tuple[float, ...]
    right: float
    label_lines: int


@dataclass(frozen=True, slots=True)
class _Needs:
    """Measured widths in points: label, detail beside it, people, the three numbers, weight, and the lights.

    ``arms`` are the columns of people as the rows know them, ``total`` is the one column of all people.
    """

    label: float
    detail: float
    arms: tuple[float, ...]
    total: tuple[float, ...]
    numbers: tuple[float, float, float]
    head: float
    weight: float
    lights: int
    label_lines: int

    @property
    def estimate(self) -> float:
        value, low, high = self.numbers
        return max(value + 5 + low + 3 + high, self.head)


def columns_for(
    analysis: Analysis, rows: tuple[Row, ...], absent: tuple[Missing, ...], preset: Preset, domains: int
) -> Columns:
    """Place the columns; ``domains`` is how many lights a study has."""
    needs = _needs(analysis, rows, absent, preset, domains)
    rooms = _WIDE if preset.details else _NARROW
    room = next((room for room in rooms if _taken(needs, preset, room) <= preset.width), rooms[-1])
    return _placed(needs, preset, room)


def _needs(
    analysis: Analysis, rows: tuple[Row, ...], absent: tuple[Missing, ...], preset: Preset, domains: int
) -> _Needs:
    asked = preset.columns
    detail = max((width(row.detail, SMALL) for row in rows if row.kind == "study"), default=0.0)
    beside = preset.details and analysis.k > MANY
    shown = [bracketed(row.cells, preset) for row in rows]
    value, low, high = (max((width(cells[i], BODY, "bold") for cells in shown), default=0.0) for i in range(3))
    return _Needs(
        label=_label_room(rows, absent),
        detail=min(detail, DETAIL_MOST) if beside else 0.0,
        arms=_arm_widths(analysis, rows, absent) if "people" in asked else (),
        total=_total_width(rows, absent) if "people" in asked else (),
        numbers=(value, low, high),
        head=max(width(line, SMALL) for line in number_head(analysis, preset)),
        weight=width("Weight", SMALL) if any(row.weight is not None for row in rows) else 0.0,
        lights=domains if "risk_of_bias" in asked else 0,
        label_lines=1 if analysis.k > MANY else 2,
    )


def _people(needs: _Needs, room: Room) -> tuple[float, ...]:
    """Return the widths of the columns of people that a layout has."""
    return {0: (), 1: needs.total, 2: needs.arms}[room.people]


def _widths(needs: _Needs, room: Room) -> dict[str, float]:
    """Return the width of each column but the plot, gaps before it included; nothing for an empty column."""
    return {
        "people": sum(room.gap + arm for arm in _people(needs, room)),
        "weight": room.gap + needs.weight if needs.weight else 0.0,
        "estimate": room.gap + needs.estimate,
        "risk_of_bias": room.gap + needs.lights * room.light if needs.lights else 0.0,
    }


def _taken(needs: _Needs, preset: Preset, room: Room) -> float:
    widths = _widths(needs, room)
    detail = room.gap + needs.detail if needs.detail and room.detail else 0.0
    label = min(needs.label, room.label)
    others = sum(widths[name] for name in preset.columns if name != "plot")
    return 2 * MARGIN + label + detail + others + 1.5 * room.gap + room.plot


def _placed(needs: _Needs, preset: Preset, room: Room) -> Columns:
    left_over = max(0.0, preset.width - _taken(needs, preset, room))
    # What no column needs goes to labels that are cut, at most half of it; the plot takes the rest.
    label = min(needs.label, room.label)
    grown = min(max(0.0, min(needs.label, LABEL_MOST) - label), 0.5 * left_over)
    label, plot = label + grown, room.plot + left_over - grown
    widths = _widths(needs, room)
    has_detail = needs.detail > 0.0 and room.detail
    x = MARGIN + label + (room.gap + needs.detail if has_detail else 0.0)
    right: dict[str, float] = {}
    arms: tuple[float, ...] = ()
    free = x + room.gap
    ends = (0.0, 0.0)
    for name in preset.columns:
        if name == "plot":
            ends = (x + 1.5 * room.gap, x + 1.5 * room.gap + plot)
            x = ends[1]
        elif name == "people":
            for arm in _people(needs, room):
                x += room.gap + arm
                arms = (*arms, x)
            free = x + room.gap if preset.columns[0] == "people" else free
        else:
            x += widths.get(name, 0.0)
            right[name] = x
    numbers, lights = right.get("estimate"), right.get("risk_of_bias", 0.0)
    _, low, high = needs.numbers
    return Columns(
        sheet=max(preset.width, x + MARGIN),
        label=label,
        detail=MARGIN + label + room.gap if has_detail else None,
        arms=arms,
        free=free,
        plot=ends,
        estimate=None if numbers is None else numbers - high - 3 - low - 5,
        low=None if numbers is None else numbers - high - 3,
        high=numbers,
        weight=right.get("weight") if needs.weight else None,
        bias=tuple(lights - (needs.lights - i - 0.5) * room.light for i in range(needs.lights)),
        right=x,
        label_lines=needs.label_lines,
    )


def bracketed(cells: tuple[str, str, str], preset: Preset) -> tuple[str, str, str]:
    """Return estimate, low and high with the brackets of a preset."""
    value, low, high = cells
    opening, between, closing = preset.brackets
    return value, f"{opening}{low}{between}" if low else "", f"{high}{closing}" if high else ""


def _label_room(rows: tuple[Row, ...], absent: tuple[Missing, ...]) -> float:
    marked = (width(row.label, BODY) + width(row.marks, SMALL) + 3 for row in rows if row.kind == "study")
    pooled = (width(row.label, BODY, "bold") for row in rows if row.kind != "study")
    return max([*marked, *pooled, *(width(entry.label, SMALL) for entry in absent), 40.0])


def _arm_widths(analysis: Analysis, rows: tuple[Row, ...], absent: tuple[Missing, ...]) -> tuple[float, ...]:
    if not any(row.people[0] for row in rows):
        return _total_width(rows, absent)
    totals = [row.people[2] for row in rows if not row.people[0]] + [entry.people for entry in absent]
    total = max((width(total_text(text, True), BODY, "bold") for text in totals if text), default=0.0)
    heads = arm_heads(analysis)
    found = [
        max(*(width(row.people[i], BODY, "bold") for row in rows), *(width(line, SMALL) for line in heads[i]))
        for i in range(2)
    ]
    return found[0], max(found[1], total - found[0] - GAP)


def _total_width(rows: tuple[Row, ...], absent: tuple[Missing, ...]) -> tuple[float, ...]:
    totals = [row.people[2] for row in rows] + [entry.people for entry in absent]
    total = max((width(text, BODY, "bold") for text in totals if text), default=0.0)
    return (max(total, width("People", SMALL)),) if total else ()


def total_text(total: str, by_arm: bool) -> str:
    """Write a number of people that is not known by arm so that it is not read as that of one arm."""
    return f"n = {total}" if total and by_arm else total


def arm_heads(analysis: Analysis) -> tuple[tuple[str, ...], tuple[str, ...]]:
    treatment, control = (wrapped(legible(name), SMALL, 48.0, lines=2) for name in words.arms(analysis.spec))
    return treatment, control


def people_head(analysis: Analysis) -> str:
    """Name what stands in the columns of the two arms."""
    return "Events/total" if counted(analysis) else "People"


def number_head(analysis: Analysis, preset: Preset) -> tuple[str, str]:
    heads = {"MD": "Difference", "SMD": "SMD", "RD": "Difference", "LOGRATIO": "Ratio"}
    short = heads.get(analysis.spec.measure, "Effect")
    opening, _, closing = preset.brackets
    return short, f"{opening}{coverage(analysis.level)} CI{closing}"
