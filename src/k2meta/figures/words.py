"""The words and written numbers that the figures have in common; every number is read off a fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from k2meta.analysis import study_estimate
from k2meta.figures.text import legible
from k2meta.numbers import MINUS, cited, count, coverage, displayed, fixed, p_value, places, telling

if TYPE_CHECKING:
    from k2meta.analysis import Analysis, Spec
    from k2meta.models.fit import Estimate, Fit, Prediction
    from k2meta.types import Dropped, Effect

MARKS: dict[str, str] = {
    "a": "read as an abstract only",
    "b": "secondary source",
    "c": "rests on an assumption",
    "d": "result of a part of the people randomised",
}
"""Footnote letters of a study, with their legend."""

MEASURES: dict[str, str] = {
    "MD": "Mean difference",
    "SMD": "Standardised mean difference",
    "RD": "Risk difference",
    "LOGRATIO": "Ratio",
}

FAVOUR = "favour"
"""As this house spells it; a layout may spell it otherwise."""

REPORTED: dict[str, str] = {
    "no_difference": "reported: no difference",
    "favours_treatment": "reported: in {favour} of {treatment}",
    "favours_control": "reported: in {favour} of {control}",
    "not_seen": "result not seen",
    "": "",
}

KINDS: dict[str, str] = {
    "known_missing": "no usable number seen",
    "not_poolable": "numbers printed, not poolable",
    "open_query": "kept out by an open data query",
}

_SUPERSCRIPT = str.maketrans("0123456789-+", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺")


def written(value: float, decimals: int) -> str:
    """Write a number as ``numbers.fixed`` does, and with a power of ten where digits would run on."""
    if math.isfinite(value) and (abs(value) >= 1e7 or (decimals > 10 and value != 0)):
        mantissa, exponent = f"{value:.1e}".split("e")
        power = str(int(exponent)).translate(_SUPERSCRIPT)
        return cited(value, f"{mantissa} × 10{power}".replace("-", MINUS))
    return fixed(value, decimals)


def significant(value: float, digits: int = 2) -> str:
    """Write a number to a number of significant digits, or as an integer where it has more before the point."""
    if not math.isfinite(value) or value == 0:
        return written(value, 0)
    return written(value, max(0, digits - 1 - math.floor(math.log10(abs(value)))))


def short(value: float, digits: int = 6) -> str:
    """Write a round number without the zeros that would trail it."""
    text = significant(value, digits)
    return text.rstrip("0").rstrip(".") if "." in text and "×" not in text else text


def shown(measure: str, value: float) -> float:
    """Return a value on the scale people read; a ratio too large for a float is infinite."""
    try:
        return displayed(measure, value)
    except OverflowError:
        return math.inf


def decimals(analysis: Analysis) -> int:
    """Return the decimals of every effect of an analysis: one rule for all rows of a figure."""
    fit = lead(analysis)
    if fit is not None:
        return places(analysis.spec.measure, fit.mu.se)
    if analysis.effects:
        return places(analysis.spec.measure, math.sqrt(analysis.effects[0].vi))
    return 2


def lead(analysis: Analysis) -> Fit | None:
    """Return the fit whose interval leads the answer, or ``None`` where nothing is pooled."""
    return analysis.fits.get(analysis.lead)


def first_fit(analysis: Analysis, wanted: Callable[[Fit], bool]) -> Fit | None:
    """Return the first fit that is wanted: the leading one, the one beside it, then the others."""
    order = dict.fromkeys((analysis.lead, analysis.beside, *analysis.fits))
    return next((analysis.fits[m] for m in order if m in analysis.fits and wanted(analysis.fits[m])), None)


def bayesian(analysis: Analysis) -> Fit | None:
    """Return the fit that carries an exact posterior, or ``None``."""
    return first_fit(analysis, lambda fit: fit.posterior is not None)


def frequentist(analysis: Analysis) -> Fit | None:
    """Return the first fit that is not Bayesian, or ``None``."""
    return first_fit(analysis, lambda fit: not is_bayesian(fit))


def is_bayesian(fit: Fit) -> bool:
    """Whether the intervals of a fit are credible intervals (an exact posterior, or samples with an R-hat)."""
    return fit.posterior is not None or fit.diagnostics.rhat is not None


def method(fit: Fit) -> tuple[str, str]:
    """Split what a fit calls itself into the model and the way it was fitted, for a label of two lines."""
    name, _, how = fit.method.replace("tau2", "τ²").partition(", ")
    return name[:1].upper() + name[1:], how


def interval_name(fit: Fit) -> str:
    """Name the interval of a fit: ``95 % CI`` or ``95 % credible interval``."""
    kind = "credible interval" if is_bayesian(fit) else "CI"
    return f"{coverage(fit.mu.level)} {kind}"


def interval(measure: str, low: float, high: float, places: int) -> str:
    """Write an interval on the scale people read."""
    return f"{written(shown(measure, low), places)} to {written(shown(measure, high), places)}"


def unit(spec: Spec) -> str:
    """Return the unit that follows a number; a ratio and an SMD follow it with nothing."""
    return f" {spec.unit}" if spec.measure == "MD" and spec.unit else ""


def measure(spec: Spec) -> str:
    """Name the effect measure with its unit."""
    name = "Mean change" if spec.contrast == "active_arm" else MEASURES[spec.measure]
    if spec.measure == "LOGRATIO" and spec.unit not in ("", "ratio"):
        return spec.unit[0].upper() + spec.unit[1:]
    return f"{name}, {spec.unit}" if spec.measure == "MD" and spec.unit else name


def null(spec: Spec) -> str:
    """Return the value of no difference as people read it: 0, or 1 for a ratio."""
    return written(shown(spec.measure, 0.0), 0)


def nothing(spec: Spec) -> str:
    """Name the value of no difference in a sentence: zero, or for a ratio one."""
    return "a ratio of one" if spec.measure == "LOGRATIO" else "zero"


def direction(spec: Spec, favour: str = FAVOUR) -> str:
    """Say in words which way the effect scale points."""
    what = "ratio below one" if spec.measure == "LOGRATIO" else "negative"
    return f"{what} {'means' if spec.contrast == 'active_arm' else f'{favour}s'} {spec.favours_low}"


def towards(spec: Spec, favour: str = FAVOUR) -> str:
    """Return the word before the name at an end of the axis: a change inside one arm favours nobody."""
    return "" if spec.contrast == "active_arm" else f"{favour.capitalize()}s "


def arms(spec: Spec) -> tuple[str, str]:
    """Return the names of the treatment and the control, as the favours labels use them."""
    return (spec.favours_low, spec.favours_high) if spec.lower_is_better else (spec.favours_high, spec.favours_low)


def trials(spec: Spec, k: int) -> str:
    """Count the studies in words."""
    noun = "trial" if spec.source == "trials" else "cohort"
    return f"{count(k)} {noun}" + ("" if k == 1 else "s")


def study_name(spec: Spec) -> str:
    """Return the word for one study."""
    return "Trial" if spec.source == "trials" else "Cohort"


def probability(value: float) -> str:
    """Write a probability to two decimals, never as zero or one."""
    if value < 0.01:
        return "< 0.01"
    if value > 0.99:
        return "> 0.99"
    return f"= {fixed(value, 2)}"


def judgements(analysis: Analysis) -> list[tuple[str, ...]]:
    """Return the risk of bias of each effect, one judgement per domain and the overall one last.

    A judgement of an outcome of the analysis goes before one of the whole trial. Every tuple is empty where nobody
    judged any of the trials, and ``""`` is a domain, or a trial, that was not assessed.
    """
    own = [one for one in analysis.judgements.bias if one.outcome in ("", *analysis.spec.outcomes)]
    best = {one.study_id: one for one in sorted(own, key=lambda one: one.outcome != "")}
    found = [best.get(effect.study_id) for effect in analysis.effects]
    count = max((len(one.domains) for one in found if one is not None), default=-1)
    return [
        (*one.domains, *("",) * (count - len(one.domains)), one.overall)
        if one is not None
        else ("",) * (count + 1)
        for one in found
    ]


def group_test(analysis: Analysis) -> str:
    """Say in one sentence whether the subgroups were shown to differ; empty where there are none."""
    found = analysis.refits.subgroups
    if found is None or not found.groups:
        return ""
    head = f"Test for differences between subgroups ({found.by})"
    if found.p is None or found.statistic is None or found.df is None:
        return legible(f"{head}: not run. {found.not_run}")
    if found.df_residual is None:
        kind = f"Q_M({short(found.df, 3)})"
    else:
        kind = f"F({short(found.df, 3)}, {short(found.df_residual, 3)})"
    text = f"{head}: {kind} = {significant(found.statistic, 3)}, {p_value(found.p)}; {found.test}"
    text += "; exploratory: fewer than ten studies for each subgroup beyond the first" if found.exploratory else ""
    return legible(text.replace("tau2", "τ²") + ".")


def marks(effect: Effect) -> str:
    """Return the footnote letters of a study (see ``MARKS``)."""
    found = "a" if effect.source_tier == "primary_abstract" else ""
    found += "b" if effect.source_tier.startswith("secondary") else ""
    return found + ("c" if effect.assumed else "") + ("d" if effect.subset else "")


def legend(mark: str, effects: Sequence[Effect]) -> str:
    """Write the legend of a footnote letter; that of a part of the people says which part."""
    parts = dict.fromkeys(effect.subset for effect in effects if mark == "d" and effect.subset)
    return f"{mark} = {MARKS[mark]}" + (f" ({'; '.join(parts)})" if parts else "")


def study_bar(effect: Effect, coverage: float) -> tuple[float, float, float]:
    """Return point and normal interval of one study on the scale of the analysis."""
    alone = study_estimate(effect, coverage)
    return alone.value, alone.low, alone.high


def why_missing(spec: Spec, entry: Dropped, favour: str = FAVOUR) -> str:
    """Say in a few words what a study without a poolable number reported."""
    treatment, control = arms(spec)
    words = REPORTED.get(entry.reported, "").format(treatment=treatment, control=control, favour=favour)
    # What a paper reports compares its arms; inside one arm it says nothing.
    words = "" if spec.contrast == "active_arm" else words
    return "; ".join(part for part in (KINDS.get(entry.kind, entry.reason), words) if part)


def estimate(spec: Spec, mu: Estimate, name: str, places: int) -> str:
    """Write an estimate with its unit and interval."""
    value = written(shown(spec.measure, mu.value), places)
    return f"{value}{unit(spec)} ({name} {_told(spec.measure, mu.low, mu.high, places)})"


def predicted(spec: Spec, prediction: Prediction, places: int) -> str:
    """Write a prediction interval."""
    ends = _told(spec.measure, prediction.low, prediction.high, places)
    return f"{coverage(prediction.level)} prediction interval {ends}"


def _told(measure: str, low: float, high: float, places: int) -> str:
    """Write an interval in a sentence: an end that would be read as the null value shows its side."""
    null = 1.0 if measure == "LOGRATIO" else 0.0
    ends = (shown(measure, low), shown(measure, high))
    return " to ".join(written(end, telling(end, null, places)) for end in ends)


def summary(analysis: Analysis, drawn: Fit | None = None) -> str:
    """Return the alternative text that the figures of an analysis share: k, estimate, interval, prediction.

    They are those of the leading fit; ``drawn`` is the fit that a figure draws, which may be another one.
    """
    spec, k, fit = analysis.spec, analysis.k, drawn or lead(analysis)
    counted = trials(spec, k)
    # A figure drawn without a pipeline may have no title.
    parts = [f"{spec.title}: {counted}" if spec.title else f"{counted[0].upper()}{counted[1:]}"]
    if fit is not None:
        name = ", ".join(part for part in method(fit) if part)
        parts += [f"{name}: {estimate(spec, fit.mu, interval_name(fit), decimals(analysis))}"]
        if fit.prediction is not None:
            parts += [predicted(spec, fit.prediction, decimals(analysis))]
        told = direction(spec)
        parts += [told[0].upper() + told[1:]]
    elif k == 0:
        parts += ["No number can be pooled"]
    else:
        effect = analysis.effects[0]
        point, low, high = study_bar(effect, analysis.level)
        value = written(shown(spec.measure, point), decimals(analysis))
        ends = _told(spec.measure, low, high, decimals(analysis))
        parts += [f"Not pooled. {effect.label}: {value}{unit(spec)} ({coverage(analysis.level)} CI {ends})"]
    if analysis.known_missing:
        parts += [f"Measured, no poolable number: {trials(spec, len(analysis.known_missing))}"]
    return ". ".join(parts) + "."


def heterogeneity(analysis: Analysis) -> list[str]:
    """Return one sentence on heterogeneity per kind of fit, frequentist first; none where nothing is pooled."""
    if lead(analysis) is None:
        return []
    fit, bayes = frequentist(analysis), bayesian(analysis)
    found = [_frequentist_heterogeneity(fit)] if fit is not None else []
    if bayes is not None:
        name, value = ("mean", bayes.tau.value) if bayes.tau.median is None else ("median", bayes.tau.median)
        text = f"Bayesian τ: {name} {significant(value)}"
        text += f" ({interval_name(bayes)} {_span(bayes.tau.low, bayes.tau.high)})"
        prior = bayes.options.get("tau_prior")
        found.append(legible(f"{text}; prior {prior}." if prior else f"{text}."))
    return found


def _frequentist_heterogeneity(fit: Fit) -> str:
    tau2, q = fit.tau2, fit.q
    text = f"Heterogeneity: τ = {significant(math.sqrt(tau2.value))}, τ² = {significant(tau2.value)}"
    text += f" ({tau2.method}"
    if tau2.low is not None and tau2.high is not None:
        text += f"; {coverage(tau2.level)} CI {_span(tau2.low, tau2.high)}, {tau2.interval_method}"
    text += f"); I² = {fixed(fit.i2, 0)} %; Q({q.df}) = {significant(q.value, 3)}"
    text += f", {p_value(q.p)}" if q.p is not None else ""
    return legible(f"{text}; k = {count(fit.k)}.")


def _span(low: float, high: float) -> str:
    return f"{significant(low)} to {significant(high)}"
