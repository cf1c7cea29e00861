"""Decisions by what goes with the size of an effect: a slope, two groups, or a plain description."""

from __future__ import annotations

from k2meta.analysis import Analysis, Moderation
from k2meta.claims.types import Decision, Part
from k2meta.claims.wording import few, joined, measured, text
from k2meta.models.fit import Estimate
from k2meta.numbers import fixed, p_value

P_BETWEEN = 0.10
"""p below which two groups are said to differ, where a claim names no other value in ``threshold``."""


def slope(part: Part, analysis: Analysis) -> Decision:
    """Decide by the slope of a meta-regression: its whole interval on the side that the claim names, or not.

    Fewer than ten trials make it exploratory, and the decision says so. A claim that names no direction cannot
    be decided by a slope; the slope is printed all the same.
    """
    one = _moderation(part, analysis)
    if one.slope is None:
        return Decision(part, "not testable", one.not_run.removeprefix("Not run: "), few(analysis.spec))
    found = _with_slope(part, analysis, one, one.slope)
    if not part.direction:
        reading = "The claim names an amount and no direction of effect, so the slope decides nothing about it."
        return found.because("not testable", joined(reading, _described(one)), "no direction claimed")
    if one.slope.low <= 0 <= one.slope.high:
        return found.because("not shown", joined("The interval of the slope includes zero.", _exploratory(one)))
    named = (one.slope.high < 0) == (part.direction == "lower")
    word = "on the side that the claim names" if named else "on the other side"
    reading = joined(f"The whole interval of the slope lies {word}.", _exploratory(one))
    return found.because("supported" if named else "contradicted", reading)


def subgroup(part: Part, analysis: Analysis) -> Decision:
    """Decide by the difference between two groups of trials: p below 0.10 and the direction as claimed.

    Trials were not randomised to the groups, so the comparison is observational and labelled so.
    """
    one = _moderation(part, analysis)
    if one.slope is None or one.slope.p is None:
        return Decision(part, "not testable", one.not_run.removeprefix("Not run: "), "nothing to compare")
    found = _with_slope(part, analysis, one, one.slope)
    limit = P_BETWEEN if part.threshold is None else part.threshold
    note = joined("Trials were not randomised to the groups.", _exploratory(one))
    if one.slope.p >= limit:
        reading = (
            f"The groups ({_sizes(one)}) do not differ by the rule, p < {text(limit)}: {p_value(one.slope.p)}."
        )
        return found.because("not shown", joined(reading, note))
    named = (one.slope.value < 0) == (part.direction == "lower")
    word = "as the claim says" if named else "the other way round"
    reading = f"The groups ({_sizes(one)}) differ {word}, {p_value(one.slope.p)}."
    return found.because("supported" if named else "contradicted", joined(reading, note))


def descriptive(part: Part, analysis: Analysis) -> Decision:
    """Describe the trials of a pool; a description decides nothing."""
    one = _moderation(part, analysis)
    if not one.values:
        return Decision(part, "not testable", "No trial of the pool states it.", few(analysis.spec))
    fields = (f"{analysis.spec.id}.moderation.{one.id}.values",)
    reading = f"Stated by {one.k} trials of the pool. A description decides nothing about the claim."
    return Decision(part, "not testable", reading, "descriptive", f"{one.label}: {_range(one)}", fields=fields)


def _moderation(part: Part, analysis: Analysis) -> Moderation:
    return next(one for one in analysis.moderation if one.id == part.moderator)


def _with_slope(part: Part, analysis: Analysis, one: Moderation, mu: Estimate) -> Decision:
    per = {"log2": ", per doubling", "linear": ", per unit", "groups": ", between trials"}[one.kind]
    number = measured(analysis.spec, mu, "CI", difference=True)
    pool = f"{one.label[0].upper()}{one.label[1:]}{per}: {number}, over {one.k} trials."
    fields = tuple(f"{analysis.spec.id}.moderation.{one.id}.slope.{name}" for name in ("value", "low", "high"))
    return Decision(part, "not shown", "", "", number, pool, mu.value, mu.low, mu.high, fields)


def _exploratory(one: Moderation) -> str:
    return f"Exploratory: {one.k} trials, fewer than ten." if one.exploratory else ""


def _sizes(one: Moderation) -> str:
    values = [value for _, value in one.values]
    return ", ".join(f"{name} {values.count(name)}" for name in one.groups)


def _range(one: Moderation) -> str:
    numbers = sorted(value for _, value in one.values if isinstance(value, float))
    if not numbers:
        return _sizes(one)
    low, high = (fixed(x, 0 if x == int(x) else 1) for x in (numbers[0], numbers[-1]))
    return low if low == high else f"{low} to {high}"


def _described(one: Moderation) -> str:
    found = f"{one.label}: {_range(one)}"
    return f"{found[0].upper()}{found[1:]}, in the {one.k} trials of the pool that state it."
