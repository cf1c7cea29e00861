"""Decisions by a pooled effect: between the arms, as a marker that must move, inside one arm, as an excess."""

from __future__ import annotations

import math

from k2meta.analysis import Analysis, study_estimate
from k2meta.claims.types import Decision, Part, VerdictWord
from k2meta.claims.wording import few, interval_name, joined, measured, predicted, studies, text, zero
from k2meta.models.fit import Estimate, Fit
from k2meta.numbers import beside, count, displayed, field_name, limit, places


def pooled_effect(part: Part, analysis: Analysis) -> Decision:
    """Decide by the interval that leads the answer to a question.

    The whole interval on the side that the claim names: supported. The whole interval on the other side:
    contradicted. Zero inside: not shown. Where the leading interval is Bayesian (few trials), the one beside it
    has to say the same: where they disagree there are too few trials, as on the card of the question. One trial
    is not pooled and decides nothing. Cohorts show association and decide no effect.
    """
    if analysis.spec.source == "cohorts":
        reading = "Cohorts show an association; they cannot decide what taking it does."
        return Decision(part, "not testable", reading, short="association only")
    if analysis.k == 0:
        return Decision(part, "not testable", "No trial here has a usable number.", short=few(analysis.spec))
    if analysis.k == 1:
        return _one_trial(part, analysis)
    found = _read(part, analysis)
    return found.because(found.verdict, joined(found.reading, *_remarks(part, analysis)), found.short)


def within_arm(part: Part, analysis: Analysis) -> Decision:
    """Decide by the change inside the active arm: descriptive, and no treatment effect.

    The whole interval of the mean change on the side that the claim names: supported as a description; on the
    other side: contradicted; zero inside: not shown.
    """
    if analysis.spec.contrast != "active_arm":
        reading = "This question compares arms; it does not say what happened inside one."
        return Decision(part, "not testable", reading, short="no within-arm analysis")
    found = pooled_effect(part, analysis)
    return found.because(found.verdict, joined(found.reading, _each(analysis)), found.short)


def necessary_marker(part: Part, analysis: Analysis) -> Decision:
    """Decide by a marker that has to move if the claim holds: necessary, not sufficient.

    A marker that does not move as claimed speaks against the claim; one that does leaves it not shown.
    """
    found = pooled_effect(part, analysis)
    if found.verdict != "supported":
        return found
    reading = (
        "The marker moves as the claim needs. That is necessary and not sufficient, so the claim is not shown."
    )
    return found.because("not shown", reading)


def no_excess(part: Part, analysis: Analysis) -> Decision:
    """Decide whether a harm is not more frequent: by a margin for its ratio, named before.

    The upper limit below the margin (``threshold``, a ratio): supported. The lower limit above one:
    contradicted. Otherwise: not shown. With few trials both intervals have to say the same.
    """
    found = pooled_effect(part, analysis)
    if found.low is None or found.high is None or part.threshold is None or analysis.k < 2:
        return found
    margin = text(part.threshold)
    readings: dict[VerdictWord, str] = {
        "supported": f"The whole interval lies below the margin of {margin}.",
        "contradicted": "The whole interval lies above a ratio of one: the harm is more frequent.",
        "not shown": f"The interval reaches beyond the margin of {margin}.",
    }
    fit = analysis.fits[analysis.lead]
    verdicts = {_excess(one.mu, math.log(part.threshold)) for one in _deciding(analysis, fit)}
    if len(verdicts) > 1:
        return found.because("not testable", _split(analysis), few(analysis.spec))
    (verdict,) = verdicts
    return found.because(verdict, readings[verdict])


def _excess(mu: Estimate, margin: float) -> VerdictWord:
    if mu.high < margin:
        return "supported"
    return "contradicted" if mu.low > 0 else "not shown"


def _one_trial(part: Part, analysis: Analysis) -> Decision:
    mu, name = study_estimate(analysis.effects[0], analysis.level), analysis.effects[0].label
    place = f"{analysis.spec.id}.effects.{field_name(analysis.effects[0].study_id)}"
    reading = joined("One trial is not pooled and decides nothing.", _compared(part, analysis, mu))
    number = measured(analysis.spec, mu, "CI")
    pool = f"One trial ({name}): {number}."
    return _numbers(
        Decision(part, "not testable", reading, few(analysis.spec), number, pool),
        mu,
        f"{place}.yi",
        f"{place}.vi",
    )


def _read(part: Part, analysis: Analysis) -> Decision:
    """Return the decision of a pool: what its intervals say about the side that the claim names."""
    spec, fit = analysis.spec, analysis.fits[analysis.lead]
    number = measured(spec, fit.mu, interval_name(fit))
    pool = joined(f"{studies(spec, analysis.k)}: {number}.", predicted(analysis, fit))
    fields = tuple(f"{spec.id}.fits.{analysis.lead}.mu.{name}" for name in ("value", "low", "high"))
    found = _numbers(Decision(part, "not shown", "", "", number, pool), fit.mu, *fields)
    sides = {_side(part, one.mu) for one in _deciding(analysis, fit)}
    if len(sides) > 1:
        neither = "" if "named" in sides else "Neither of them lies wholly on the side that the claim names."
        return found.because("not testable", joined(_split(analysis), neither), few(spec))
    if sides == {"named"}:
        return found.because("supported", "The whole interval lies on the side that the claim names.")
    if sides == {"other"}:
        return found.because("contradicted", "The whole interval lies on the other side.")
    return found.because("not shown", f"The interval includes {zero(spec)}, so it is not shown and not ruled out.")


def _deciding(analysis: Analysis, fit: Fit) -> tuple[Fit, ...]:
    """Return the fits whose intervals have a say: the leading one, and where it is Bayesian the one beside it."""
    beside = analysis.fits.get(analysis.beside)
    return (fit,) if fit.posterior is None or beside is None else (fit, beside)


def _side(part: Part, mu: Estimate) -> str:
    if mu.low <= 0 <= mu.high:
        return "zero"
    return "named" if (mu.high < 0) == (part.direction == "lower") else "other"


def _split(analysis: Analysis) -> str:
    """Say that the two intervals of a small pool disagree."""
    spec, beside = analysis.spec, analysis.fits[analysis.beside]
    decimals = places(spec.measure, beside.mu.se)
    low, high = (limit(spec.measure, x, decimals) for x in (beside.mu.low, beside.mu.high))
    includes = "includes" if beside.mu.low <= 0 <= beside.mu.high else "excludes"
    return (
        f"{studies(spec, analysis.k)} are too few to decide: the two intervals do not agree; the guarded one "
        f"beside it, {low} to {high}, {includes} {zero(spec)}."
    )


def _remarks(part: Part, analysis: Analysis) -> tuple[str, ...]:
    mu = analysis.fits[analysis.lead].mu
    return _relevant(part, analysis, mu), _compared(part, analysis, mu)


def _relevant(part: Part, analysis: Analysis, mu: Estimate) -> str:
    if part.threshold is None or analysis.spec.measure == "LOGRATIO":
        return ""
    enough = "reaches" if abs(mu.value) >= part.threshold else "stays below"
    line = f"{text(part.threshold)} {analysis.spec.unit}"
    return f"The estimate {enough} {line}, the difference that would count as clinically relevant."


def _compared(part: Part, analysis: Analysis, mu: Estimate) -> str:
    if part.compared_with is None:
        return ""
    low, high = (displayed(analysis.spec.measure, x) for x in (mu.low, mu.high))
    contains = "contains" if low <= part.compared_with <= high else "does not contain"
    estimate = text(part.compared_with)
    return f"Its interval {contains} the {estimate} that the cohort printed for its own outcome (an association)."


def _each(analysis: Analysis) -> str:
    """Say how many trials have their whole interval above zero: the score rose in each of them."""
    if not analysis.effects:
        return ""
    intervals = [study_estimate(effect, analysis.level) for effect in analysis.effects]
    rose, fell = sum(one.low > 0 for one in intervals), sum(one.high < 0 for one in intervals)
    above, below = (
        count(beside(analysis.k, name, n)) for name, n in (("trials_above", rose), ("trials_below", fell))
    )
    whole = "Trial by trial, the whole interval lies above zero"
    return f"{whole} in {above} of {count(analysis.k)} and below it in {below}."


def _numbers(found: Decision, mu: Estimate, *fields: str) -> Decision:
    return Decision(
        found.part, found.verdict, found.reading, found.short, found.number, found.pool,
        mu.value, mu.low, mu.high, fields,
    )  # fmt: skip
