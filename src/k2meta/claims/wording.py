"""How a pool and its numbers are written beside a claim."""

from __future__ import annotations

from k2meta.analysis import Analysis, Spec
from k2meta.models.fit import Estimate, Fit
from k2meta.numbers import (
    MINUS,
    cited,
    coverage,
    displayed,
    fixed,
    limit,
    limits,
    number_word,
    places,
    plain,
)


def studies(spec: Spec, n: int) -> str:
    """Write a number of studies: ``Four trials``."""
    noun = "cohort" if spec.source == "cohorts" else "trial"
    return f"{cited(n, plain(number_word(n)).capitalize())} {noun}{'' if n == 1 else 's'}"


def few(spec: Spec) -> str:
    """Write that there are too few studies."""
    return f"too few {'cohorts' if spec.source == 'cohorts' else 'trials'}"


def zero(spec: Spec) -> str:
    """Name the value that means no difference, as people read it."""
    return "a ratio of one" if spec.measure == "LOGRATIO" else "zero"


def measured(spec: Spec, mu: Estimate, name: str, *, difference: bool = False) -> str:
    """Write an estimate with unit and interval: ``−20 Agatston units (95 % CI −62 to 22)``.

    A ``difference`` of effects on the log scale is a ratio of ratios.
    """
    decimals = places(spec.measure, mu.se)
    value = fixed(displayed(spec.measure, mu.value), decimals)
    reach = limits(spec.measure, mu.low, mu.high, decimals)
    ratio = "ratio of ratios" if difference else spec.unit
    head = f"{ratio} {value}" if spec.measure == "LOGRATIO" else f"{value} {spec.unit}"
    return f"{head} ({coverage(mu.level)} {name} {reach})"


def interval_name(fit: Fit) -> str:
    """Name the interval of a fit: confidence, or credible where it comes from a posterior."""
    return "CI" if fit.posterior is None else "CrI"


def predicted(analysis: Analysis, fit: Fit) -> str:
    """Say where the true effect in a new study would lie, or nothing where the fit does not say."""
    if fit.prediction is None:
        return ""
    spec, decimals = analysis.spec, places(analysis.spec.measure, fit.mu.se)
    low, high = (limit(spec.measure, x, decimals) for x in (fit.prediction.low, fit.prediction.high))
    noun = "cohort" if spec.source == "cohorts" else "trial"
    what = {"cohort": "association"}.get(noun, "mean change" if spec.contrast == "active_arm" else "effect")
    said = f"The true {what} in a new {noun} would lie between {low} and {high}"
    repeats = fit.prediction.repeats(fit.mu)
    caution = "; with τ estimated as zero this only repeats the interval of the mean" if repeats else ""
    return f"{said} ({coverage(fit.prediction.level)} prediction interval{caution})."


def text(value: float) -> str:
    """Write a number of the settings or the claims file as it was given."""
    return cited(value, f"{value:g}".replace("-", MINUS))


def joined(*sentences: str) -> str:
    """Join the sentences that say something."""
    return " ".join(filter(None, sentences))
