"""What the priors do to the answer: the strip of priors and the model average, in sentences."""

from __future__ import annotations

import math

from k2meta.analysis import Analysis, Averaged, Spec, UnderPrior
from k2meta.models.fit import Estimate
from k2meta.numbers import cited, coverage, displayed, fixed, number_word, of, percent, places, plain
from k2meta.report import words
from k2meta.tables.parts import centre, derived, significant, tallied, typeset

Run = tuple[str, float, float, float]
"""A prior in words, and posterior mean (of a ratio median) and interval of mu under it."""

DECIDES = 2.0
"""Widest over narrowest interval from which on two studies are said to leave the answer to the prior."""

EXTREME = 1000.0
"""A Bayes factor beyond it, either way, is written as *more than*: further digits would carry nothing."""


def strip_sentence(analysis: Analysis) -> str:
    """Say how far the interval moves with the prior of tau, and whether it then reads differently."""
    measure = analysis.spec.measure
    run = [found for row in analysis.prior_strip if (found := _run(row, measure)) is not None]
    lead = next(
        (found for row in analysis.prior_strip if row.lead and (found := _run(row, measure)) is not None), None
    )
    if lead is None or len(run) < 2:
        return ""
    widths = [high - low for _, _, low, high in run]
    ratio = derived(analysis, "prior_strip.widest_to_narrowest", max(widths) / min(widths))
    moves = _moves(analysis, run, ratio)
    if analysis.k == 2 and ratio >= DECIDES:
        moves = f"With two {words.noun(analysis.spec)}s the prior of τ is the answer: {moves}"
    return " ".join(filter(None, (words.first_up(moves), _reads(analysis, run, lead), _left(analysis))))


def _run(row: UnderPrior, measure: str) -> Run | None:
    middle = row.centre(measure)
    if middle is None or row.low is None or row.high is None:
        return None
    return row.source or row.prior, middle, row.low, row.high


def _moves(analysis: Analysis, run: list[Run], ratio: float) -> str:
    spec = analysis.spec
    decimals = places(spec.measure, analysis.fits[analysis.lead].mu.se)

    def reach(values: list[float]) -> str:
        low, high = (fixed(displayed(spec.measure, value), decimals) for value in (min(values), max(values)))
        return low if plain(low) == plain(high) else f"{low} to {high}"

    middles, lows, highs = [row[1] for row in run], [row[2] for row in run], [row[3] for row in run]
    unit = "" if spec.measure == "LOGRATIO" else f" {spec.unit}"
    ran = tallied(analysis, "prior_strip.run", len(run))
    return (
        f"under {number_word(ran)} priors of τ the posterior {centre(spec)} is {reach(middles)}{unit}, the lower "
        f"end of its interval {reach(lows)} and the upper end {reach(highs)}; the widest interval is "
        f"{significant(ratio, 2)} times as wide as the narrowest"
        f"{' on the log scale' if spec.measure == 'LOGRATIO' else ''}."
    )


def _reads(analysis: Analysis, run: list[Run], lead: Run) -> str:
    """Say whether the interval includes zero under every prior, and under which it reads differently."""
    spec = analysis.spec
    reading = words.side(spec, lead[2], lead[3])
    sides = {row[0]: words.side(spec, row[2], row[3]) for row in run}
    others = [name for name, where in sides.items() if where != reading]
    held = f"{'includes' if reading == 'neither' else 'excludes'} {words.zero(spec)}"
    if not others:
        return f"Under every one of them the interval {held}."
    names = "; ".join(typeset(name) for name in others)
    ran, differ = (
        tallied(analysis, "prior_strip.run", len(run)),
        tallied(analysis, "prior_strip.changed", len(others)),
    )
    if reading == "neither":
        instead = "excludes it"
    else:
        instead = "includes it" if all(sides[name] == "neither" for name in others) else "reads differently"
    return (
        f"Under the prior of the fit the interval {held}; under {number_word(differ)} of the "
        f"{number_word(ran)} it {instead} ({names})."
    )


def _left(analysis: Analysis) -> str:
    none = [row.prior for row in analysis.prior_strip if row.not_run]
    if not none:
        return ""
    studies = f"{number_word(analysis.k)} {words.noun(analysis.spec)}s"
    priors = words.lower_first(typeset(" and the prior ".join(none)))
    return f"With {studies} the prior {priors} {'leaves' if len(none) == 1 else 'leave'} no proper posterior."


def averaged_sentences(analysis: Analysis) -> tuple[str, ...]:
    """Write the probabilities of an effect and of heterogeneity, the averaged mean, and the prior they rest on."""
    found = analysis.averaged
    if found is None:
        return ()
    if found.not_run or found.mu is None:
        return (f"Models were not averaged: {found.not_run}.",)
    return (_probabilities(analysis, found), _average(analysis, found.mu), _rests_on(analysis, found))


def _probabilities(analysis: Analysis, found: Averaged) -> str:
    spec = analysis.spec
    thing = "association" if spec.source == "cohorts" else "effect"
    mean = _weighed(found.prior_effect, found.effect, found.log_bf_effect)
    tau = _weighed(found.prior_heterogeneity, found.heterogeneity, found.log_bf_heterogeneity)
    return (
        f"Averaged over models with and without an {thing}, with and without heterogeneity, the probability of "
        f"{_other_than(spec)} goes {mean}; that of {words.noun(spec)}s whose true {thing}s differ "
        f"goes {tau}."
    )


def _other_than(spec: Spec) -> str:
    return "an average ratio other than one" if spec.measure == "LOGRATIO" else "a mean other than zero"


def _weighed(before: float | None, after: float | None, log_bf: float | None) -> str:
    if before is None or after is None or log_bf is None:
        return "unknown"
    return f"from {percent(before)} before the data to {words.probability(after)} after ({_factor(log_bf)})"


def _factor(log_bf: float) -> str:
    """Write a Bayes factor with what it speaks for; one below one is turned over."""
    size = of(log_bf, math.exp(min(abs(log_bf), 700.0)))
    number = f"more than {cited(log_bf, fixed(EXTREME, 0))}" if size > EXTREME else significant(size, 2)
    return f"Bayes factor {number} {'for' if log_bf >= 0 else 'against'} it"


def _average(analysis: Analysis, mu: Estimate) -> str:
    spec = analysis.spec
    decimals = places(spec.measure, analysis.fits[analysis.lead].mu.se)
    what = "The mean averaged over these models is"
    if spec.measure == "LOGRATIO":
        what = "The mean on the log scale, averaged over these models, is that of"
    return (
        f"{what} {words.amount(spec, mu.value, decimals)} "
        f"({coverage(mu.level)} CrI {words.limits(spec, mu.low, mu.high, decimals)}): the models in which it is "
        f"{'one' if spec.measure == 'LOGRATIO' else 'zero'} draw it there."
    )


def _rests_on(analysis: Analysis, found: Averaged) -> str:
    unit = " on the log scale" if analysis.spec.measure == "LOGRATIO" else f", in {analysis.spec.unit}"
    flat = found.mu_source != "the prior of the fit"
    other = " The fit above has a flat prior of the mean, for which no Bayes factor exists." if flat else ""
    return (
        f"These numbers rest on the prior of the mean, {typeset(found.mu_prior)}{unit} ({found.mu_source}), and "
        f"on that of τ, {typeset(found.tau_prior)}: a much wider prior of the mean speaks against "
        f"{_other_than(analysis.spec)}.{other} They weigh models, and are not the chance that one person gains."
    )
