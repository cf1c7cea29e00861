"""Analysis to sentences: the verdict, the answer, and what stands beside each figure.

Every number goes through ``k2meta.numbers``; ratios are pooled on the log scale and written as ratios.
Words never say more than the interval does; ``k2meta.report.language`` checks them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from k2meta.analysis import Analysis, Conversion, LeftOut, Line, Moderation, Slope, Spec, study_estimate
from k2meta.models.fit import Estimate, Fit, Prediction
from k2meta.numbers import (
    cited,
    count,
    coverage,
    decimals_for,
    displayed,
    fixed,
    interval,
    number_word,
    of,
    p_value,
    percent,
    places,
    plain,
    telling,
)
from k2meta.numbers import limits as written_limits
from k2meta.tables.parts import (
    CONVERTED,
    IMPUTED,
    bayesian,
    derived,
    frequentist,
    held_back,
    people,
    significant,
    tallied,
    text,
    typeset,
    unprinted,
    weight_shares,
    weights,
)

MOST_NAMES = 3
"""Up to this many studies the Bayesian interval leads."""

UNITLESS = ("LOGRATIO", "RD")
"""Measures whose name stands before the number, in place of a unit after it."""

Side = Literal["benefit", "harm", "neither"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer in a word, and the sentence that says what the word rests on."""

    word: str
    sentence: str


# --- small words -------------------------------------------------------------------------------------


def studies(spec: Spec, n: int) -> str:
    """Name what was pooled: trials, randomised trials or cohorts, in the right number."""
    if spec.source == "cohorts":
        noun = "cohort"
    else:
        noun = "randomised trial" if tuple(spec.where.get("design_class", ())) == ("rct",) else "trial"
    return f"{number_word(n)} {noun}" + ("" if n == 1 else "s")


def noun(spec: Spec) -> str:
    """Name one study of the question."""
    return "cohort" if spec.source == "cohorts" else "trial"


def _thing(spec: Spec) -> str:
    if spec.contrast == "active_arm":
        return "mean change"
    return "association" if spec.source == "cohorts" else "effect"


def amount(spec: Spec, value: float, decimals: int) -> str:
    """Write a value of the analysis scale with its unit, as people read it."""
    number = fixed(displayed(spec.measure, value), decimals)
    if spec.measure in UNITLESS:
        return f"{spec.unit or 'ratio'} {number}"
    return f"{number} {spec.unit}".rstrip()


def limits(spec: Spec, low: float, high: float, decimals: int) -> str:
    """Write an interval on the scale people read, without unit."""
    return written_limits(spec.measure, low, high, decimals)


def interval_name(fit: Fit) -> str:
    """Name the interval of a fit: confidence, or credible where it comes from a posterior."""
    return f"{coverage(fit.mu.level)} {'CrI' if fit.posterior is not None else 'CI'}"


def side(spec: Spec, low: float, high: float) -> Side:
    """Say on which side of zero (a ratio of one) an interval lies as a whole."""
    if low <= 0 <= high:
        return "neither"
    return "benefit" if (high < 0) == spec.lower_is_better else "harm"


def zero(spec: Spec) -> str:
    """Name the value that means no difference, as people read it."""
    return "a ratio of one" if spec.measure == "LOGRATIO" else "zero"


def span(spec: Spec, low: float, high: float, decimals: int) -> str:
    """Say in words what an interval includes: ``from 62 fewer to 22 more Agatston units``."""
    counted = spec.measure not in UNITLESS and spec.unit.endswith("units")
    ways = ("fewer", "more") if counted else ("lower", "higher")
    ends = [_size(spec, value, decimals) for value in (low, high)]
    signs = [ways[0] if value < 0 else ways[1] for value in (low, high)]
    tail = f" {spec.unit}" if counted else ""
    unit = "" if counted or spec.measure in UNITLESS else f" {spec.unit}"
    # An end that rounds to zero lies on neither side as far as anyone can read.
    read_as_zero = [plain(end).strip("0. %") == "" for end in ends]
    ways_read = ["" if nought else f" {sign}" for nought, sign in zip(read_as_zero, signs, strict=True)]
    first = ends[0] if ways_read[0] == ways_read[1] else f"{ends[0]}{unit}{ways_read[0]}"
    return f"from {first} to {ends[1]}{unit}{ways_read[1]}{tail}"


def _size(spec: Spec, value: float, decimals: int) -> str:
    if spec.measure != "LOGRATIO":
        return fixed(of(value, abs(value)), telling(value, 0.0, decimals))
    share = abs(math.exp(value) - 1)
    return percent(of(value, share), telling(100 * share, 0.0, 0))


# --- the verdict -------------------------------------------------------------------------------------


def verdict(analysis: Analysis) -> Verdict:
    """Return the verdict of a question.

    Fewer than two studies are not pooled. With few (``lead.small_k`` of the settings) the Bayesian interval
    leads and the guarded one stands beside it: where they disagree about excluding zero, the studies are too
    few to decide. With more the leading (guarded) interval decides alone. An interval that includes zero is
    *not shown*, which is no statement that the treatment does nothing.
    """
    spec, k = analysis.spec, analysis.k
    if k == 0:
        return Verdict(f"no {noun(spec)}", f"No {noun(spec)} has a usable number for this question.")
    if k == 1:
        only = analysis.effects[0].label
        return Verdict(f"one {noun(spec)}: not pooled", f"Only {only} has a usable number, so nothing is pooled.")
    lead = analysis.fits[analysis.lead]
    where = side(spec, lead.mu.low, lead.mu.high)
    beside = analysis.fits.get(analysis.beside)
    if bayesian_leads(analysis) and beside is not None and side(spec, beside.mu.low, beside.mu.high) != where:
        return Verdict(f"too few {noun(spec)}s", _disagreement(analysis, lead, beside))
    word = {"benefit": "supported", "harm": "contradicted", "neither": "not shown"}[where]
    return Verdict(word, _reason(spec, lead, where))


def bayesian_leads(analysis: Analysis) -> bool:
    """Return whether the answer is led by a Bayesian fit, as the settings ask for when studies are few."""
    lead = analysis.fits.get(analysis.lead)
    return lead is not None and lead.posterior is not None


def _reason(spec: Spec, lead: Fit, where: Side) -> str:
    reach = span(spec, lead.mu.low, lead.mu.high, places(spec.measure, lead.mu.se))
    if where == "neither":
        kind = "an association" if spec.source == "cohorts" else "a difference"
        kind = "a change" if spec.contrast == "active_arm" else kind
        return f"The interval includes {zero(spec)} ({reach}), so {kind} is not shown and not ruled out."
    favoured = spec.favours_low if lead.mu.high < 0 else spec.favours_high
    sentence = f"The whole interval favours {favoured}: {reach}."
    return f"{sentence} {spec.caveat}".rstrip()


def _disagreement(analysis: Analysis, lead: Fit, beside: Fit) -> str:
    spec = analysis.spec
    decimals = places(spec.measure, lead.mu.se)
    parts = [
        f"the {'Bayesian' if fit.posterior is not None else 'guarded'} interval "
        f"({limits(spec, fit.mu.low, fit.mu.high, decimals)}) "
        f"{'includes' if side(spec, fit.mu.low, fit.mu.high) == 'neither' else 'excludes'} {zero(spec)}"
        for fit in (lead, beside)
    ]
    return f"{number_word(analysis.k).capitalize()} {noun(spec)}s cannot decide: {parts[0]}, {parts[1]}."


# --- the answer --------------------------------------------------------------------------------------


def headcount(analysis: Analysis) -> str:
    """Write how many studies and people a pool holds, and where the number of people is unknown."""
    spec, crowd = analysis.spec, people(analysis.effects)
    if analysis.k == 0 or crowd.known == 0:
        return studies(spec, analysis.k)
    total = f"{count(derived(analysis, 'people', crowd.total))} people"
    if crowd.known < crowd.studies:
        known = number_word(crowd.known)
        total += f" in the {known} where it is stated"
    return f"{studies(spec, analysis.k)}, {total}"


def duration(analysis: Analysis) -> str:
    """Write the span of follow-up in months, as far as it is stated; empty where no study states it."""
    months = sorted(effect.months for effect in analysis.effects if effect.months is not None)
    if not months:
        return ""
    ends = [fixed(m, 0 if m == int(m) else 1) for m in (months[0], months[-1])]
    alike = plain(ends[0]) == plain(ends[1])
    span = f"over {ends[0]} months" if alike else f"over {ends[0]} to {ends[1]} months"
    return span if len(months) == analysis.k else f"{span} where stated"


def estimate_line(analysis: Analysis) -> str:
    """Write estimate, unit, interval and prediction interval in one line."""
    spec = analysis.spec
    if analysis.k == 0:
        return f"no {noun(spec)} with a usable number."
    if analysis.k == 1:
        return _single(analysis)
    lead = analysis.fits[analysis.lead]
    decimals = places(spec.measure, lead.mu.se)
    inside = f"{interval_name(lead)} {limits(spec, lead.mu.low, lead.mu.high, decimals)}"
    if lead.prediction is not None:
        inside += f"; {_in_new_study(spec, lead, lead.prediction)}"
    head = amount(spec, lead.mu.value, decimals)
    return f"{' '.join(filter(None, (head, duration(analysis))))} ({inside})."


def _in_new_study(spec: Spec, fit: Fit, found: Prediction) -> str:
    """Say where the true effect in a new study would lie, and where that says nothing new."""
    ends = limits(spec, found.low, found.high, places(spec.measure, fit.mu.se)).replace(" to ", " and ")
    chance = f"with {coverage(found.level)} probability"
    said = f"the true {_thing(spec)} in a new {noun(spec)} would lie, {chance}, between {ends}"
    return f"{said}; {REPEATED}" if repeats(fit) else said


REPEATED = "with τ estimated as zero this only repeats the interval of the mean"
"""Caution beside a prediction interval that is the interval of the mean again."""


def repeats(fit: Fit) -> bool:
    """Return whether the prediction interval of a fit is the interval of its mean: tau2 is then zero."""
    return fit.prediction is not None and fit.prediction.repeats(fit.mu)


def _single(analysis: Analysis) -> str:
    spec, effect = analysis.spec, analysis.effects[0]
    decimals = places(spec.measure, math.sqrt(effect.vi))
    alone = study_estimate(effect, analysis.level)
    reach = limits(spec, alone.low, alone.high, decimals)
    parts = (amount(spec, effect.yi, decimals), duration(analysis))
    level = coverage(analysis.level)
    return f"{effect.label}: {' '.join(filter(None, parts))} ({level} CI {reach})."


def dominance(analysis: Analysis) -> str:
    """Say which study carries more than half of the weight, if one does."""
    share = weights(analysis)
    if analysis.k < 2 or max(share) <= 0.5:
        return ""
    label = analysis.effects[share.index(max(share))].label
    return f"One {noun(analysis.spec)} ({label}) carries {percent(max(share))} of the weight."


def missing_sentence(analysis: Analysis) -> str:
    """Say how many further studies measured the outcome and give the pool no number, and why."""
    parts = []
    if n := len(unprinted(analysis)):
        results = "its result" if n == 1 else "their results"
        parts.append(f"{_more(analysis, n)} measured it, and no usable number of {results} is visible.")
    if n := len(held_back(analysis)):
        parts.append(f"{_more(analysis, n)} {'is' if n == 1 else 'are'} kept out by an open data query.")
    return " ".join(parts)


def _more(analysis: Analysis, n: int) -> str:
    more = " more" if analysis.k else ""
    return f"{number_word(n).capitalize()}{more} {noun(analysis.spec)}{'' if n == 1 else 's'}"


def weight_sentence(analysis: Analysis) -> str:
    """Write the shares of weight from abstracts, secondary sources, assumptions and parts of the people."""
    if analysis.k == 0:
        return ""
    share = weight_shares(analysis)

    def written(kind: str) -> str:
        return percent(derived(analysis, f"weight_from.{kind}", getattr(share, kind)))

    # A kind of assumption is named where there is any, so that an answer without conversions stays short.
    kinds = [
        f"{written(kind)} {words}"
        for kind, words in (
            ("imputed", "on a borrowed correlation"),
            ("converted", "on means converted from medians"),
        )
        if getattr(share, kind) > 0
    ]
    return (
        f"{written('abstracts')} from abstracts, {written('secondary')} from secondary sources, "
        f"{written('assumed')} resting on an assumption"
        + (f" ({', '.join(kinds)})" if kinds else "")
        + (f", {written('subset')} from results of a part of the people randomised" if share.subset > 0 else "")
    )


def lead_sentence(analysis: Analysis) -> str:
    """Name the model whose interval leads, with its test where it has one."""
    fit = analysis.fits.get(analysis.lead)
    if fit is None:
        return ""
    df = "" if fit.mu.df is None else f", {text(fit.mu.df)} df"
    return f"The interval that leads: {lower_first(typeset(fit.method))}{df}{_tested(fit.mu)}."


def beside_sentence(analysis: Analysis) -> str:
    """Write the interval that stands beside the leading one, and what it is worth with few studies."""
    spec, fit = analysis.spec, analysis.fits.get(analysis.beside)
    if fit is None or analysis.k < 2:
        return ""
    decimals = places(spec.measure, analysis.fits[analysis.lead].mu.se)
    sentence = (
        f"Beside it, {lower_first(typeset(fit.method))}: {amount(spec, fit.mu.value, decimals)} "
        f"({interval_name(fit)} {limits(spec, fit.mu.low, fit.mu.high, decimals)}{_tested(fit.mu)})."
    )
    return sentence


def few(analysis: Analysis) -> str:
    """Say which interval leads where studies are few, and what the other is then worth."""
    if not bayesian_leads(analysis):
        return ""
    sentence = f"With {number_word(analysis.k)} {noun(analysis.spec)}s the Bayesian interval leads"
    if analysis.k == 2:
        return f"{sentence}; the guarded interval is uninformative, as it covers nearly every value."
    return f"{sentence} and the guarded one stands beside it."


def _tested(mu: Estimate) -> str:
    return "" if mu.p is None else f", {p_value(mu.p)}"


def answer(analysis: Analysis) -> str:
    """Write the whole answer as one paragraph of plain text."""
    return f"{analysis.spec.question} {first_up(verdict(analysis).word)}. {behind(analysis)}"


def behind(analysis: Analysis) -> str:
    """Write what stands behind the verdict word: the pool, the interval, the weight, what is missing."""
    pooled = "" if analysis.k == 0 else first_up(estimate_line(analysis))
    if analysis.k >= 2:
        pooled = f"{first_up(headcount(analysis))}: {estimate_line(analysis)}"
    parts = (pooled, verdict(analysis).sentence, dominance(analysis), missing_sentence(analysis))
    return " ".join(part for part in parts if part)


# --- beside the figures ------------------------------------------------------------------------------


def heterogeneity(analysis: Analysis) -> str:
    """Write tau with its interval, I2 by its definition, and Q with its test."""
    fit = frequentist(analysis)
    if fit is None:
        return ""
    spec, tau2 = analysis.spec, fit.tau2
    decimals = places(spec.measure, fit.mu.se)
    reach = ""
    if tau2.low is not None and tau2.high is not None:
        low, high = (of(end, math.sqrt(end)) for end in (tau2.low, tau2.high))
        reach = f"{percent(tau2.level)} CI {interval(low, high, decimals)}; "
    unit = {"LOGRATIO": "on the log scale ", "RD": ""}.get(spec.measure, f"{spec.unit} ")
    q = f"Q = {fixed(fit.q.value, 2)} on {count(fit.q.df)} df"
    q += f", {p_value(fit.q.p)}" if fit.q.p is not None else ""
    methods = typeset(", ".join(filter(None, (tau2.method, tau2.interval_method if reach else ""))))
    tau = of(tau2.value, math.sqrt(tau2.value))
    boundary = " The estimate sits on its lower bound, zero." if fit.at_boundary else ""
    return (
        f"Between-{noun(spec)} standard deviation τ: {fixed(tau, decimals)} {unit}"
        f"({reach}{methods}).{boundary} I² {fixed(fit.i2, 0)} % ({typeset(fit.i2_share.definition)}). {q}."
    )


def prediction(analysis: Analysis) -> str:
    """Say where the true effect of a new study would lie, or why that is not said."""
    lead = analysis.fits.get(analysis.lead)
    if lead is None:
        return ""
    spec = analysis.spec
    if lead.prediction is None:
        return f"No prediction interval: {studies(spec, analysis.k)} do not give one."
    decimals = places(spec.measure, lead.mu.se)
    reach = limits(spec, lead.prediction.low, lead.prediction.high, decimals).replace(" to ", " and ")
    method = typeset(lead.prediction.method).replace(" mu", " the mean")
    sentence = (
        f"The true {_thing(spec)} in a new {noun(spec)} would lie between {reach} "
        f"({coverage(lead.prediction.level)} prediction interval, {method})."
    )
    if repeats(lead):
        sentence += f" {first_up(REPEATED)}."
    if analysis.k < 5:
        sentence += f" From {studies(spec, analysis.k)} these limits are themselves uncertain."
    return sentence


def probability(p: float) -> str:
    """Write a probability in whole percent, never as certainty."""
    if p > 0.99:
        return f"more than {cited(p, '99 %')}"
    if p < 0.01:
        return f"less than {cited(p, '1 %')}"
    return percent(p)


def posterior_sentences(analysis: Analysis) -> tuple[str, ...]:
    """Write the posterior: its centre, P(benefit), P(beyond each line), and what a probability here is not."""
    fit = bayesian(analysis)
    if fit is None:
        return ()
    spec, below = analysis.spec, fit.prob(mu_below=0.0)
    decimals = places(spec.measure, fit.mu.se)
    benefit = derived(analysis, "probability.benefit", below if spec.lower_is_better else 1 - below)
    favoured = spec.favours_low if spec.lower_is_better else spec.favours_high
    # In a cohort nobody was given anything, and inside one arm nothing is compared: neither is called a benefit.
    name = "Probability" if spec.source == "cohorts" else "P(benefit), the probability"
    said = f"{name} that the average {_thing(spec)} favours {favoured} by any amount"
    if spec.contrast == "active_arm":
        said = f"Probability that the average change means {favoured}, by any amount"
    return (
        _centre(spec, fit, decimals),
        f"{said}: {probability(benefit)}.",
        *(_beyond(analysis, fit, line) for line in spec.lines),
        "These probabilities hold under the model and its priors; they are not the chance that one person gains.",
    )


def _centre(spec: Spec, fit: Fit, decimals: int) -> str:
    """Write the centre of the posterior; the exponential of a mean log ratio is not the mean of the ratio."""
    ends = f"({interval_name(fit)} {limits(spec, fit.mu.low, fit.mu.high, decimals)})"
    if spec.measure != "LOGRATIO" or fit.mu.median is None:
        return f"Posterior mean {amount(spec, fit.mu.value, decimals)} {ends}."
    mean = fixed(displayed(spec.measure, fit.mu.value), decimals)
    return (
        f"Posterior median {amount(spec, fit.mu.median, decimals)} {ends}; the mean on the log scale, which the "
        f"forest plot and the tables of models give, is that of a ratio of {mean}."
    )


def _beyond(analysis: Analysis, fit: Fit, line: Line) -> str:
    below = fit.prob(mu_below=line.value)
    chance = below if line.value < 0 else 1 - below
    chance = derived(analysis, f"probability.beyond_{float(line.value):g}", chance)
    kind = "relevance line" if line.kind == "relevance" else "anchor (no relevance line is agreed)"
    return f"P(beyond the {kind}, {line.label}): {probability(chance)}. Source: {line.source.rstrip('.')}."


def sampled_digits(fit: Fit) -> tuple[str, str] | None:
    """Write mean and Monte Carlo error of a sampled fit to the digits that the error supports."""
    mcse = fit.diagnostics.mcse_mu
    if mcse is None or not mcse > 0:
        return None
    return fixed(fit.mu.value, supported_decimals(mcse)), significant(mcse, 1)


def supported_decimals(mcse: float) -> int:
    """Return the decimals that a Monte Carlo standard error supports: down to its own first digit."""
    return max(0, -math.floor(math.log10(mcse)))


def left_out_sentence(analysis: Analysis) -> str:
    """Say how far the estimate moves when each study is left out, and whether the reading changes."""
    rows = analysis.leave_one_out
    # The rows are of the leading model, so the reading that may change is that of its interval.
    lead = analysis.fits.get(analysis.lead)
    if not rows or lead is None:
        return ""
    spec = analysis.spec
    decimals = places(spec.measure, lead.mu.se)
    lowest, highest = (f(rows, key=lambda r: r.mu.value) for f in (min, max))
    moved = " to ".join(f"{amount(spec, r.mu.value, decimals)} (without {r.label})" for r in (lowest, highest))
    return f"Leaving out one {noun(spec)} at a time gives {moved}. {_changes(analysis, lead.mu, rows)}"


def _changes(analysis: Analysis, mu: Estimate, rows: Sequence[LeftOut]) -> str:
    spec = analysis.spec
    reading = side(spec, mu.low, mu.high)
    names = [row.label for row in rows if side(spec, row.mu.low, row.mu.high) != reading]
    if not names:
        return f"Whether the interval includes {zero(spec)} does not depend on one {noun(spec)}."
    if len(names) > MOST_NAMES:
        changed, left = (
            tallied(analysis, f"leave_one_out.{name}", n)
            for name, n in (("changed", len(names)), ("run", len(rows)))
        )
        share = f"{number_word(changed)} of {number_word(left)}"
        return f"Whether the interval includes {zero(spec)} changes in {share} of these."
    return f"Whether the interval includes {zero(spec)} changes without {' or without '.join(names)}."


def conversion_sentences(analysis: Analysis) -> tuple[str, ...]:
    """Say what was converted, over which range the estimate then moves, and whether the reading changes."""
    rows = [row for row in analysis.conversions if row.mu is not None]
    used = next((row for row in rows if row.configured), None)
    if used is None or used.mu is None:
        return ()
    spec, decimals = analysis.spec, places(analysis.spec.measure, used.mu.se)
    ordered = sorted(rows, key=lambda row: row.mu.value if row.mu else 0.0)
    ends = [
        f"{amount(spec, row.mu.value, decimals)} ({converted(row)})" for row in (ordered[0], ordered[-1]) if row.mu
    ]
    widths = [row.mu.high - row.mu.low for row in rows if row.mu]
    narrow = derived(analysis, "conversions.narrowest", min(widths))
    wide = derived(analysis, "conversions.widest", max(widths))
    shown = f"{limits_width(spec, narrow, decimals)} to {limits_width(spec, wide, decimals)}"
    reading = side(spec, used.mu.low, used.mu.high)
    changed = [row for row in rows if row.mu and side(spec, row.mu.low, row.mu.high) != reading]
    pooled = tallied(analysis, "conversions.pooled", len(rows))
    differs = tallied(analysis, "conversions.changed", len(changed))
    verb = f"changes in {count(differs)} of {count(pooled)}" if changed else "is the same in all of them"
    lost = len(analysis.conversions) - len(rows)
    return (
        _converted_trials(analysis),
        f"Under {number_word(pooled)} sets of conversions the estimate runs from {ends[0]} to {ends[1]}, and "
        f"the width of its interval from {shown}. Whether the interval includes {zero(spec)} {verb}.",
        *([f"Under {number_word(lost)} more, fewer than two {noun(spec)}s are left to pool."] if lost else []),
    )


def _converted_trials(analysis: Analysis) -> str:
    """Name the studies whose numbers were converted, by what was done."""
    parts = []
    for routes, done in (
        (IMPUTED, "a borrowed correlation gives the SD of change of"),
        (CONVERTED, "medians were converted to means for"),
    ):
        names = [effect.label for effect in analysis.effects if effect.route in routes]
        if names:
            parts.append(f"{done} {' and '.join(filter(None, (', '.join(names[:-1]), names[-1])))}")
    return f"{first_up('; '.join(parts))}." if parts else ""


def converted(row: Conversion) -> str:
    """Name a set of conversions."""
    parts = [f"r = {cited(row.correlation, f'{row.correlation:g}')}"] if row.correlation is not None else []
    parts.append("with converted medians" if row.medians else "without converted medians")
    return ", ".join(parts)


def limits_width(spec: Spec, width: float, decimals: int) -> str:
    """Write the width of an interval: in the unit, or for ratios as the factor from its lower to its upper end."""
    if spec.measure == "LOGRATIO":
        return f"a factor of {fixed(of(width, math.exp(width)), 2)}"
    return fixed(width, decimals) if spec.measure == "RD" else f"{fixed(width, decimals)} {spec.unit}".rstrip()


def moderation_sentences(row: Moderation, spec: Spec) -> tuple[str, ...]:
    """Write a meta-regression: what a covariate explains, by how much, and what such a relation is not."""
    label = row.moderator.label
    if row.not_run:
        return (f"{first_up(label)}: {lower_first(row.not_run).replace('not run: ', 'not run, because ', 1)}",)
    status = "exploratory: fewer than ten studies for each covariate" if row.exploratory else "prespecified"
    explained = "" if row.r2 is None else f", {fixed(row.r2, 0)} % of τ² explained"
    test = "" if row.p is None else f"; {p_value(row.p)} for all slopes together"
    narrowed = row.moderator.where or row.moderator.groups
    left = "Outside the comparison, or not stated" if narrowed else "Not stated by"
    missing = f" {left}: {', '.join(row.missing)}." if row.missing else ""
    return (
        f"{first_up(label)} ({status}; {studies(spec, row.k)}): {_unexplained(row)}{explained}{test}.{missing}",
        *(_slope(row, one, spec) for one in row.slopes[1:]),
    )


def _unexplained(row: Moderation) -> str:
    if row.tau2 is None or row.tau2_without is None:
        return "τ² is not estimated"
    before, after = significant(row.tau2_without, 2), significant(row.tau2, 2)
    if row.tau2 < row.tau2_without:
        return f"τ² falls from {before} to {after}"
    return f"τ² does not fall ({before} without it, {after} with it)"


def _slope(row: Moderation, one: Slope, spec: Spec) -> str:
    unit = "doubling" if row.moderator.kind == "log2" else row.moderator.unit or "unit"
    each = f"each {unit} of {row.moderator.label}"
    what = f"{one.name} instead of {row.reference}" if row.reference else each
    tests = [p_value(p) + how for p, how in ((one.p, ""), (one.p_permutation, " by permutation")) if p is not None]
    level = f"{coverage(row.level)} CI"
    if spec.measure == "LOGRATIO":
        ratio, low, high = (fixed(of(v, math.exp(v)), 3) for v in (one.value, one.low, one.high))
        change = f"multiplies the {spec.unit} by {ratio} ({level} {low} to {high}"
    else:
        value, low, high = (fixed(v, decimals_for(one.se)) for v in (one.value, one.low, one.high))
        unit = "" if spec.measure == "RD" else f" {spec.unit}"
        change = f"goes with a difference of {value}{unit} in the effect ({level} {low} to {high}"
    return f"{first_up(what)} {change}; {', '.join(tests)})."


BETWEEN = (
    "A relation between trials is observational, also where every trial is randomised: "
    "trials that differ in one covariate differ in others."
)
"""What a meta-regression is not."""


def bubble_caption(analysis: Analysis) -> str:
    """Caption the bubble plot with what its covariate explains."""
    drawn = next((row for row in analysis.moderation if row.line), None)
    return " ".join(moderation_sentences(drawn, analysis.spec)) if drawn is not None else ""


def forest_caption(analysis: Analysis) -> str:
    """Caption the forest plot with its finding; what stands behind it is said in the answer above."""
    end = "." if analysis.k == 1 else ":"
    return f"{first_up(verdict(analysis).word)}{end} {estimate_line(analysis)}"


def posterior_caption(analysis: Analysis) -> str:
    """Caption the posterior with P(benefit)."""
    sentences = posterior_sentences(analysis)
    return sentences[1] if sentences else ""


def lower_first(words: str) -> str:
    """Write the first letter small unless the word is an abbreviation or a name of a method."""
    return words if words[1:2].isupper() or words.startswith("Bayes") else words[:1].lower() + words[1:]


def first_up(words: str) -> str:
    """Write the first letter large."""
    return words[:1].upper() + words[1:]
