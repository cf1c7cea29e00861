"""Units and plausible levels: C14."""

from __future__ import annotations

from collections.abc import Iterable

from k2meta.records.printed import Interval, Printed, brief, read_printed
from k2meta.records.view import ARMS, RATIOS, Finding, Project, View

_SIZES: tuple[dict[str, float], ...] = (
    {"m/s": 1.0, "cm/s": 0.01, "mm/s": 0.001},
    {"mm": 1.0, "cm": 10.0, "m": 1000.0, "um": 0.001},
    {"pmol/l": 1.0, "nmol/l": 1e3, "umol/l": 1e6, "mmol/l": 1e9},
    {"ng/ml": 1.0, "ug/l": 1.0, "pg/ml": 0.001, "ng/l": 0.001, "ug/ml": 1e3, "mg/l": 1e3, "ug/dl": 10.0},
    {"mmhg": 1.0, "kpa": 7.500616827},
    {"month": 1.0, "months": 1.0, "year": 12.0, "years": 12.0},
)
"""Families of units with the size of each in the first one (1 kPa = 7.500616827 mmHg)."""


def conversion(printed: str, canonical: str) -> float | None:
    """Return the factor from a printed unit to the canonical one, ``None`` where it is not known."""
    here, there = _plain(printed), _plain(canonical)
    for family in _SIZES:
        if here in family and there in family:
            return family[here] / family[there]
    return None


def _plain(unit: str) -> str:
    """Return a unit in lower case without blanks, micro signs as u."""
    return (
        unit.replace(" ", "").replace("\N{MICRO SIGN}", "u").replace("\N{GREEK SMALL LETTER MU}", "u").casefold()
    )


def implausible_unit_or_level(view: View, project: Project) -> tuple[Finding, ...]:
    """C14: the unit is the canonical or an accepted spelling of it, and levels lie in the outcome's window."""
    canonical = view.outcome.get("unit", "")
    if not canonical or view.text("scale") == "log" or view.measure in (*RATIOS, "SMD"):
        return ()
    unit = _wrong_unit(view, canonical)
    if unit is not None:
        return (unit,)
    return tuple(_levels(view, canonical))


def _level_columns(view: View) -> list[tuple[str, Printed]]:
    columns = (
        f"{stage}_{what}_{arm}" for stage in ("baseline", "follow") for what in ("mean", "median") for arm in ARMS
    )
    return [(column, number) for column in columns if (number := view.printed(column))]


def _window(view: View) -> tuple[Printed | None, Printed | None]:
    return read_printed(view.outcome.get("level_low", "")), read_printed(view.outcome.get("level_high", ""))


def _wrong_unit(view: View, canonical: str) -> Finding | None:
    """Report a unit that is another size than the canonical one, or unknown to the outcome."""
    unit = view.text("units")
    accepted = [text.strip() for text in view.outcome.get("accepted_units", "").split("|") if text.strip()]
    is_percent = view.text("scale") == "pct_change" or view.measure == "PERCENT"
    if not unit or unit == canonical or view.outcome.get("value_kind") == "events" or (is_percent and unit == "%"):
        return None
    factor = conversion(unit, canonical)
    if unit in accepted and factor in (None, 1.0):
        return None
    evidence = f"printed in {unit}; the outcome is in {canonical}"
    evidence += f" (accepted: {', '.join(accepted)})" if accepted else ""
    fix = f"convert the row to {canonical}, or add the spelling to accepted_units of the outcome"
    if factor is not None:
        evidence += f"; 1 {unit} = {factor:g} {canonical}" + _example(view, factor, canonical)
        fix = f"multiply every number of the row by {factor:g} and set units to {canonical}"
    elif unit == "%":
        fix = 'set scale to "pct_change" if the numbers are percent changes'
    columns = ("units", *(column for column, _ in _level_columns(view)))
    return Finding(columns, evidence, fix)


def _example(view: View, factor: float, canonical: str) -> str:
    levels = _level_columns(view)
    return f", so {levels[0][1]} is {brief(levels[0][1].value * factor)} {canonical}" if levels else ""


def _levels(view: View, canonical: str) -> Iterable[Finding]:
    """Report the levels outside the outcome's window together: one unit is one cause."""
    low, high = _window(view)
    inside = Interval(low.value if low else float("-inf"), high.value if high else float("inf"))
    outside = [(column, number) for column, number in _level_columns(view) if not number.interval.overlaps(inside)]
    if not outside:
        return
    words = ", ".join(f"{column} = {number}" for column, number in outside)
    window = f"{low or 'no lower bound'} to {high or 'no upper bound'} {canonical}"
    fix = f"check the unit and the column; convert the row to {canonical}"
    yield Finding(
        tuple(column for column, _ in outside),
        f"{words}: outside {window}, the window for arm levels of {view.text('outcome')}"
        + _other_unit(outside[0][1], inside, canonical),
        fix,
    )


def _other_unit(number: Printed, inside: Interval, canonical: str) -> str:
    """Name the unit in which the level would be plausible."""
    for family in _SIZES:
        for unit, size in family.items():
            factor = size / family.get(_plain(canonical), size)
            if _plain(canonical) in family and factor != 1 and inside.low <= number.value * factor <= inside.high:
                return f"; read as {unit} it is {brief(number.value * factor)} {canonical} (× {factor:g})"
    return ""
