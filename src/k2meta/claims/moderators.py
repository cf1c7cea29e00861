"""Decisions by what goes with the size of an effect: a slope, two groups, or a plain description."""

from __future__ import annotations

from k2meta.analysis import Analysis, Moderation, Slope
from k2meta.claims.types import Decision, Part
from k2meta.claims.wording import few, joined, measured, text
from k2meta.models.fit import Estimate
from k2meta.numbers import beside, count, field_name, fixed, p_value
from k2meta.types import Cell

P_BETWEEN = 0.10
"""p below which two groups are said to differ, where a claim names no other value in ``threshold``."""


def slope(part: Part, analysis: Analysis) -> Decision:
    """Decide by the slope of a meta-regression: its whole interval on the side that the claim names, or not.

    Fewer than ten trials for each covariate make it exploratory, and the decision says so. A claim that names no
    direction cannot be decided by a slope; the slope is printed all the same.
    """
    one = _moderation(part, analysis)
    if one.not_run:
        return Decision(part, "not testable", _why_not(one), few(analysis.spec))
    mu = one.slopes[1]
    found = _with_slope(part, analysis, one, mu)
    if not part.direction:
        reading = "The claim names an amount and no direction of effect, so the slope decides nothing about it."
        return found.because("not testable", joined(reading, _described(one, analysis)), "no direction claimed")
    if mu.low <= 0 <= mu.high:
        return found.because("not shown", joined("The interval of the slope includes zero.", _exploratory(one)))
    named = (mu.high < 0) == (part.direction == "lower")
    word = "on the side that the claim names" if named else "on the other side"
    reading = joined(f"The whole interval of the slope lies {word}.", _exploratory(one))
    return found.because("supported" if named else "contradicted", reading)


def subgroup(part: Part, analysis: Analysis) -> Decision:
    """Decide by the difference between two groups of trials: p below 0.10 and the direction as claimed.

    Trials were not randomised to the groups, so the comparison is observational and labelled so.
    """
    one = _moderation(part, analysis)
    if one.not_run:
        return Decision(part, "not testable", _why_not(one), "nothing to compare")
    mu = one.slopes[1]
    if mu.p is None:
        return Decision(part, "not testable", "The comparison gives no p value.", "nothing to compare")
    found = _with_slope(part, analysis, one, mu)
    limit = beside(one.k, "limit", P_BETWEEN) if part.threshold is None else part.threshold
    note = joined("Trials were not randomised to the groups.", _exploratory(one))
    sizes = _sizes(one, analysis)
    if mu.p >= limit:
        reading = f"The groups ({sizes}) do not differ by the rule, p < {text(limit)}: {p_value(mu.p)}."
        return found.because("not shown", joined(reading, note))
    named = (mu.value < 0) == (part.direction == "lower")
    word = "as the claim says" if named else "the other way round"
    reading = f"The groups ({sizes}) differ {word}, {p_value(mu.p)}."
    return found.because("supported" if named else "contradicted", joined(reading, note))


def descriptive(part: Part, analysis: Analysis) -> Decision:
    """Describe the trials of a pool; a description decides nothing."""
    one = _moderation(part, analysis)
    stated = _stated(one, analysis)
    if not stated:
        return Decision(part, "not testable", "No trial of the pool states it.", few(analysis.spec))
    place = f"{analysis.spec.id}.effects"
    fields = tuple(f"{place}.{field_name(study)}.moderators.{one.id}" for study in stated)
    reading = f"Stated by {count(one.k)} trials of the pool. A description decides nothing about the claim."
    number = f"{one.moderator.label}: {_range(one, analysis)}"
    return Decision(part, "not testable", reading, "descriptive", number, fields=fields)


def _moderation(part: Part, analysis: Analysis) -> Moderation:
    return next(one for one in analysis.moderation if one.id == part.moderator)


def _why_not(one: Moderation) -> str:
    why = one.not_run.removeprefix("Not run: ")
    return f"{why[0].upper()}{why[1:]}"


def _with_slope(part: Part, analysis: Analysis, one: Moderation, mu: Slope) -> Decision:
    label = one.moderator.label
    per = {"log2": ", per doubling", "number": f", per {one.moderator.unit or 'unit'}"}
    between = per.get(one.moderator.kind, ", between trials")
    number = measured(analysis.spec, Estimate(mu.value, mu.se, mu.low, mu.high, one.level), "CI", difference=True)
    pool = f"{label[0].upper()}{label[1:]}{between}: {number}, over {count(one.k)} trials."
    place = f"{analysis.spec.id}.moderation.{one.id}.slopes"
    fields = tuple(f"{place}.{field_name(mu.name)}.{name}" for name in ("value", "low", "high"))
    return Decision(part, "not shown", "", "", number, pool, mu.value, mu.low, mu.high, fields)


def _exploratory(one: Moderation) -> str:
    return f"Exploratory: {count(one.k)} trials, fewer than ten for each covariate." if one.exploratory else ""


def _stated(one: Moderation, analysis: Analysis) -> dict[str, Cell]:
    """Return what each trial of the pool states, by study."""
    cells = {effect.study_id: effect.moderators.get(one.id) for effect in analysis.effects}
    return {study: cell for study, cell in cells.items() if cell is not None}


def _sizes(one: Moderation, analysis: Analysis) -> str:
    cells = list(_stated(one, analysis).values())
    names = [name for name, _ in one.moderator.groups] or sorted({str(cell) for cell in cells})
    sizes = ((name, beside(one.k, f"groups.{field_name(name)}", cells.count(name))) for name in names)
    return ", ".join(f"{name} {count(size)}" for name, size in sizes)


def _range(one: Moderation, analysis: Analysis) -> str:
    numbers = sorted(cell for cell in _stated(one, analysis).values() if isinstance(cell, float))
    if not numbers:
        return _sizes(one, analysis)
    low, high = (fixed(x, 0 if x == int(x) else 1) for x in (numbers[0], numbers[-1]))
    unit = f" {one.moderator.unit}s" if one.moderator.unit else ""
    return f"{low if numbers[0] == numbers[-1] else f'{low} to {high}'}{unit}"


def _described(one: Moderation, analysis: Analysis) -> str:
    label = one.moderator.label
    found = f"{label[0].upper()}{label[1:]}: {_range(one, analysis)}"
    return f"{found}, in the {count(one.k)} trials of the pool that state it."
