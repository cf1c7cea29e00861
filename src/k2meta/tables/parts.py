"""Counts, shares and written cells that tables and sentences have in common. No estimate is computed here."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from k2meta.analysis import Analysis, Spec
from k2meta.models.fit import Fit
from k2meta.models.gate import gate
from k2meta.numbers import (
    CITED,
    MINUS,
    Traced,
    TracedCount,
    cited,
    count,
    displayed,
    fixed,
    limits,
    of,
    p_value,
    places,
)
from k2meta.tables.types import Column, Row, Value
from k2meta.types import Dropped, Effect

ABSENT = "\N{EN DASH}"
"""What people read where there is nothing to state."""

TIERS: dict[str, str] = {
    "primary_full_text": "full text",
    "primary_abstract": "abstract",
    "registry": "registry",
    "secondary_review": "secondary source (review)",
    "secondary_news": "secondary source (news)",
    "secondary_machine_written": "secondary source (machine-written)",
}
"""Words for the source tiers of the data files."""

REPORTED: dict[str, str] = {
    "no_difference": "the paper says: no difference",
    "favours_treatment": "the paper says: in favour of the treatment",
    "favours_control": "the paper says: in favour of control",
    "not_seen": "the result was not seen",
    "": ABSENT,
}
"""Words for what a paper says about a result that cannot be pooled."""

MARKS: dict[str, str] = {
    "a": "read as an abstract only",
    "b": "secondary source",
    "c": "rests on an assumption",
    "d": "result of a part of the people randomised",
}
"""Footnote letters of an effect, with their legend."""

IMPUTED = ("arms_correlation",)
"""Routes on which a borrowed correlation gives the SD of change; a test holds them to those of the effects."""

CONVERTED = ("change_medians", "follow_medians")
"""Routes on which medians were converted to means."""


@dataclass(frozen=True, slots=True)
class People:
    """Number of people behind a pool, and in how many of its studies that number is known."""

    total: float
    known: int
    studies: int


@dataclass(frozen=True, slots=True)
class WeightShares:
    """Shares of the leading fit's weight, each between 0 and 1; they may overlap.

    ``imputed`` rests on a borrowed correlation, ``converted`` on medians; both are part of ``assumed``. ``subset``
    comes from results of a part of the people randomised.
    """

    abstracts: float
    secondary: float
    assumed: float
    imputed: float
    converted: float
    subset: float


def derived(analysis: Analysis, name: str, value: float) -> float:
    """Return a number that only people need (a share, a sum, a probability) under an id of its own.

    It is traced when the analysis is (see ``k2meta.trace``).
    """
    return Traced(value, f"{analysis.spec.id}.{name}") if isinstance(analysis.k, TracedCount) else value


def tallied(analysis: Analysis, name: str, n: int) -> int:
    """Return a count that only people need, under an id of its own (see `derived`)."""
    return TracedCount(n, f"{analysis.spec.id}.{name}") if isinstance(analysis.k, TracedCount) else n


def is_traced(analyses: Sequence[Analysis]) -> bool:
    """Whether the numbers of the analyses remember their fields (see ``k2meta.trace``)."""
    return any(isinstance(analysis.k, TracedCount) for analysis in analyses)


def listed(analyses: Sequence[Analysis], name: str, n: int) -> int:
    """Return a count that belongs to no question alone, under the id ``name``; traced when the analyses are."""
    return TracedCount(n, name) if is_traced(analyses) else n


def people(effects: Sequence[Effect]) -> People:
    """Count the people behind a pool; a study that prints no number is left out and said so."""
    sizes = [e.people for e in effects if e.people is not None]
    return People(math.fsum(sizes), len(sizes), len(effects))


def weights(analysis: Analysis) -> tuple[float, ...]:
    """Return the study weights of the leading fit; a single unpooled study carries all of it."""
    lead = analysis.fits.get(analysis.lead)
    return lead.weights if lead is not None else (1.0,) * analysis.k


def weight_shares(analysis: Analysis) -> WeightShares:
    """Return how much of the weight comes from abstracts, secondary sources, assumptions and conversions."""
    pairs = tuple(zip(analysis.effects, weights(analysis), strict=True))

    def share(chosen: Iterable[bool]) -> float:
        return math.fsum(w for (_, w), keep in zip(pairs, chosen, strict=True) if keep)

    return WeightShares(
        abstracts=share(e.source_tier == "primary_abstract" for e, _ in pairs),
        secondary=share(e.source_tier.startswith("secondary") for e, _ in pairs),
        assumed=share(e.assumed for e, _ in pairs),
        imputed=share(e.route in IMPUTED for e, _ in pairs),
        converted=share(e.route in CONVERTED for e, _ in pairs),
        subset=share(e.subset != "" for e, _ in pairs),
    )


def missing(analysis: Analysis) -> tuple[Dropped, ...]:
    """Return one entry per study that measured the outcome and gives the pool no number."""
    pooled = {effect.study_id for effect in analysis.effects}
    found: dict[str, Dropped] = {}
    for dropped in analysis.known_missing:
        if dropped.study_id not in pooled:
            found.setdefault(dropped.study_id, dropped)
    return tuple(found.values())


def unprinted(analysis: Analysis) -> tuple[Dropped, ...]:
    """Return the missing studies without a usable number."""
    return tuple(dropped for dropped in missing(analysis) if dropped.kind != "open_query")


def held_back(analysis: Analysis) -> tuple[Dropped, ...]:
    """Return the missing studies whose printed number an open data query keeps out."""
    return tuple(dropped for dropped in missing(analysis) if dropped.kind == "open_query")


def is_sampled(fit: Fit) -> bool:
    """Whether a fit comes from Markov chain Monte Carlo (it then carries an R-hat)."""
    return fit.diagnostics.rhat is not None


def frequentist(analysis: Analysis) -> Fit | None:
    """Return the frequentist fit among the leading one, the one beside it and the others, in that order."""
    return _first(analysis, lambda fit: fit.posterior is None and not is_sampled(fit))


def bayesian(analysis: Analysis) -> Fit | None:
    """Return the deterministic Bayesian fit, or ``None`` where there is none."""
    return _first(analysis, lambda fit: fit.posterior is not None)


def exact_twin(analysis: Analysis, sampled: Fit) -> Fit | None:
    """Return the exact fit of the same model, which has the priors of the sampled one; ``None`` without one."""
    same = ("tau_prior", "mu_prior")
    return _first(
        analysis,
        lambda fit: (
            fit.posterior is not None and all(fit.options.get(name) == sampled.options.get(name) for name in same)
        ),
    )


NOT_GATED = "The diagnostics gate was not run for the sampled fit."
"""What stands where a sampled fit has no exact one to be held against: silence is no diagnosis."""


def gate_failures(analysis: Analysis, fit: Fit) -> tuple[str, ...]:
    """Return why no number of a sampled fit may be printed; nothing where it may, or where it was not sampled."""
    if not is_sampled(fit):
        return ()
    exact = exact_twin(analysis, fit)
    return (NOT_GATED,) if exact is None else gate(fit, exact)


def _first(analysis: Analysis, wanted: Callable[[Fit], bool]) -> Fit | None:
    order = dict.fromkeys((analysis.lead, analysis.beside, *analysis.fits))
    return next((analysis.fits[m] for m in order if m in analysis.fits and wanted(analysis.fits[m])), None)


def marks(effect: Effect) -> str:
    """Return the footnote letters of an effect (see ``MARKS``)."""
    found = "a" if effect.source_tier == "primary_abstract" else ""
    found += "b" if effect.source_tier.startswith("secondary") else ""
    return found + ("c" if effect.assumed else "") + ("d" if effect.subset else "")


def precision(analysis: Analysis, se: float) -> float:
    """Return the standard error that sets the decimals of a question's tables: that of the leading fit.

    One rule for a whole question keeps its columns aligned on the decimal point.
    """
    lead = analysis.fits.get(analysis.lead)
    return se if lead is None else lead.mu.se


def scale(spec: Spec) -> str:
    """Name the scale on which the raw columns of a table stand."""
    return f"natural log of the {spec.unit or 'ratio'}" if spec.measure == "LOGRATIO" else spec.unit


def centre(spec: Spec) -> str:
    """Name the centre of a posterior that people read: of a ratio the median, the same on either scale."""
    return "median" if spec.measure == "LOGRATIO" else "mean"


def link(url: str) -> str:
    """Return a URL when it is an ordinary web address, else nothing: no other scheme may be clicked."""
    return url if url.startswith(("https://", "http://")) else ""


def number(row: Row, name: str) -> float | None:
    """Return the number in a row, or ``None``."""
    value = row[name]
    return None if value is None or isinstance(value, str | bool) else of(value, float(value))


def headed(columns: Sequence[Column], name: str, label: str) -> tuple[Column, ...]:
    """Return the columns with another head of the column ``name``."""
    return tuple(replace(column, label=label) if column.id == name else column for column in columns)


def prediction_columns(label: str) -> tuple[Column, ...]:
    """Return the columns of an interval for a new study; ``label`` is the head of what people read."""
    ends = ("prediction_low", "prediction_high")
    shown = Column("prediction", label, show_interval(*ends), numeric=True, filed=False)
    return (*map(Column, ends), shown)


def show_count(name: str) -> Callable[[Row], str]:
    """Write a count."""

    def show(row: Row) -> str:
        value = number(row, name)
        return ABSENT if value is None else count(value)

    return show


def show_fixed(name: str, decimals: int) -> Callable[[Row], str]:
    """Write a number with a fixed number of decimals."""

    def show(row: Row) -> str:
        value = number(row, name)
        return ABSENT if value is None else fixed(value, decimals)

    return show


def show_value(name: str) -> Callable[[Row], str]:
    """Write an effect on the scale people read, to the decimals of the row's ``precision``."""

    def show(row: Row) -> str:
        value, se = number(row, name), number(row, "precision")
        if value is None or se is None:
            return ABSENT
        measure = str(row["measure"])
        return fixed(displayed(measure, value), places(measure, se))

    return show


def show_interval(low: str, high: str) -> Callable[[Row], str]:
    """Write an interval on the scale people read, to the decimals of the row's ``precision``."""

    def show(row: Row) -> str:
        ends, se = (number(row, low), number(row, high)), number(row, "precision")
        if ends[0] is None or ends[1] is None or se is None:
            return ABSENT
        measure = str(row["measure"])
        return limits(measure, ends[0], ends[1], places(measure, se))

    return show


def show_p(name: str) -> Callable[[Row], str]:
    """Write a p value without its letter, for a column headed p."""

    def show(row: Row) -> str:
        value = number(row, name)
        return ABSENT if value is None else p_value(value).removeprefix("p ").removeprefix("= ")

    return show


def show_text(name: str) -> Callable[[Row], str]:
    """Write a text cell as it stands."""
    return lambda row: text(row[name])


def text(value: Value) -> str:
    """Write any raw cell: text as it stands, numbers to six significant digits, nothing as a dash."""
    if value is None or value == "":
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return typeset(value)
    return significant(value)


def whole(value: Value) -> str:
    """Write a raw cell as `text` does, a whole number with its thousands set apart."""
    if isinstance(value, float | int) and not isinstance(value, bool) and float(value).is_integer():
        return count(value)
    return text(value)


_TYPESET = re.compile(rf"{CITED.pattern}|(?<![\w.)])-(?=\.?\d)|tau2")


def typeset(words: str) -> str:
    """Write the minus signs of numbers and the Greek letter of ``tau2`` as people print them.

    Numbers that name their field are written already; their fields and full values stay as they are.
    """

    def written(found: re.Match[str]) -> str:
        return {"-": MINUS, "tau2": "τ²"}.get(found.group(), found.group())

    return _TYPESET.sub(written, words)


def significant(value: float, digits: int = 6) -> str:
    """Write a number to a number of significant digits, true minus sign, no trailing zeros."""
    if not math.isfinite(value):
        return fixed(value, 0)
    if 10**digits <= abs(value) < 1e7:
        # Digits before the point are written out: 240, not 2.4e+02.
        return fixed(value, 0)
    return cited(value, f"{value:.{digits}g}".replace("-", MINUS))
