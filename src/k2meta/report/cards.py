"""View models: what the template prints, decided and worded before it is reached."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from k2meta.analysis import Analysis, Comparison, Spec
from k2meta.models.fit import Fit
from k2meta.numbers import TracedCount, beside, cited, count, fixed
from k2meta.report import check_words, prior_words, words
from k2meta.report.types import FigureAsset
from k2meta.tables import TableData
from k2meta.tables.characteristics import intervention, of_trial, randomised, trial_link
from k2meta.tables.data_queries import STATUSES
from k2meta.tables.left_out import KINDS
from k2meta.tables.parts import (
    ABSENT,
    NOT_GATED,
    REPORTED,
    TIERS,
    derived,
    exact_twin,
    is_sampled,
    link,
    marks,
    missing,
    significant,
    text,
    typeset,
    whole,
)
from k2meta.tables.types import Value
from k2meta.types import Cell, Dropped, Effect, Query

if TYPE_CHECKING:
    from markupsafe import Markup

READABLE = 100
"""A figure of more rows than this is a curve: its points are in its file, not on the page."""

FURTHER_NAMES: Mapping[str, str] = {
    "specification_curve": "Every reasonable analysis at once",
    "funnel": "Funnel plot",
    "drapery": "Drapery plot",
    "cumulative": "Cumulative analysis",
    "leave_one_out": "Leave-one-out",
    "baujat": "Baujat plot",
    "gosh": "All subsets (GOSH)",
}
"""Figure -> its heading, in the order of the page."""

NAMES = ("label", "study")
"""Columns of a figure's data that name a row, and stay as they stand when a name is a number."""

DENSITIES_CAPTION = "The priors of τ of the strip on one scale: what each held likely before any study was seen."

NOTHING: Mapping[str, str] = {}

_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]?\d+)?")

ASSOCIATION = "Observational: association, not effect"
"""The label that every pool of cohorts carries."""

WITHIN_ARM = "Within one arm: descriptive, not an effect"
"""The label that every pool of changes inside the active arm carries."""


@dataclass(frozen=True, slots=True)
class Card:
    """The answer to one question on the first screen."""

    id: str
    title: str
    question: str
    word: str
    line: str
    sentence: str
    strip: str
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    label: str
    headline: bool


@dataclass(frozen=True, slots=True)
class Result:
    """One pooled study: which of its results was used, and where that is printed."""

    label: str
    href: str
    marks: str
    used: str
    source: str


@dataclass(frozen=True, slots=True)
class Absent:
    """A note in the margin: a study that measured the outcome and is missing from the pool."""

    name: str
    href: str
    where: str
    text: str
    flagged: bool


@dataclass(frozen=True, slots=True)
class Note:
    """A data query: what it asks, by which rule, and what was decided."""

    name: str
    kind: str
    text: str
    lines: tuple[tuple[str, str], ...]
    flagged: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure with the sentence it supports, its rows in writing, their file, and the study each row is about."""

    drawing: Markup
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    points: int
    file: str
    studies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether the sampled fit may stand beside the exact one, and by which numbers."""

    failures: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class Question:
    """Everything the report prints about one question below the first screen."""

    card: Card
    answer: str
    caveat: str
    scale_note: str
    heterogeneity: tuple[str, ...]
    posterior: tuple[str, ...]
    gate: Gate | None
    warnings: tuple[str, ...]
    forest: Picture | None
    prior_posterior: Picture | None
    prior_strip: Picture | None
    prior_densities: Picture | None
    averaged: tuple[str, ...]
    results: tuple[Result, ...]
    set_aside: tuple[tuple[str, ...], ...]
    missing: tuple[Absent, ...]
    left_out: str
    comparisons: tuple[tuple[str, ...], ...]
    further: tuple[tuple[str, Picture], ...]
    not_drawn: tuple[tuple[str, str], ...]
    unpooled: str
    derivations: TableData
    models: TableData
    dropped: TableData
    one_out: TableData
    influence: TableData
    small_study: TableData
    under_priors: TableData
    averaged_models: TableData
    converted: tuple[str, ...]
    conversions: TableData
    moderated: tuple[tuple[str, ...], ...]
    moderation: TableData
    bubble: Picture | None
    checked: str
    model_checks: TableData


# --- the first screen --------------------------------------------------------------------------------


def card(analysis: Analysis, strip: str) -> Card:
    """Word the card of a question."""
    said, spec = words.verdict(analysis), analysis.spec
    return Card(
        id=spec.id,
        title=spec.title,
        question=spec.question,
        word=said.word,
        line=words.first_up(words.estimate_line(analysis)),
        # A small card repeats the reason only where the word alone would say too much: with its caveat.
        sentence=said.sentence if spec.headline or said.word in ("supported", "contradicted") else "",
        strip=strip,
        facts=_facts(analysis),
        notes=_notes(analysis, said.sentence) if spec.headline else (),
        label=_label(spec),
        headline=spec.headline,
    )


def _label(spec: Spec) -> str:
    """Return what has to stand above a pool that shows no effect of treatment."""
    if spec.source == "cohorts":
        return ASSOCIATION
    return WITHIN_ARM if spec.contrast == "active_arm" else ""


def _notes(analysis: Analysis, said: str) -> tuple[str, ...]:
    """Return what stands beside the verdict; a verdict that decides already carries the caveat."""
    caveat = analysis.spec.caveat if analysis.spec.caveat not in said else ""
    return tuple(filter(None, (words.dominance(analysis), words.few(analysis), caveat)))


def _facts(analysis: Analysis) -> tuple[tuple[str, str], ...]:
    name = words.noun(analysis.spec)
    found = [
        (f"{name.capitalize()}s and people", words.first_up(words.headcount(analysis))),
        ("Measured, no usable number seen", _unprinted(analysis)),
    ]
    if analysis.k:
        found.append(("Weight", words.weight_sentence(analysis)))
    return tuple(found)


def _unprinted(analysis: Analysis) -> str:
    kinds = [dropped.kind for dropped in missing(analysis)]
    n, others = kinds.count("known_missing"), kinds.count("not_poolable")
    said = f"{count(derived(analysis, 'missing.unprinted', n))} {words.noun(analysis.spec)}{'' if n == 1 else 's'}"
    if not others:
        return said
    return f"{said}; {count(derived(analysis, 'missing.not_poolable', others))} more printed, not poolable here"


# --- which trials ------------------------------------------------------------------------------------


def results(analysis: Analysis, outcomes: Mapping[str, str]) -> tuple[Result, ...]:
    """Say for each pooled study which result was used and where it is printed."""
    return tuple(_result(effect, outcomes) for effect in analysis.effects)


def set_aside(analysis: Analysis, outcomes: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    """Return the other results of the pooled studies: study, result, place, and why it was not taken."""
    pooled = {effect.study_id for effect in analysis.effects}
    return tuple(
        (d.label, _outcome(d.outcome, outcomes), _source(d.source_locator, d.source_tier), typeset(d.reason))
        for d in analysis.dropped
        if d.study_id in pooled
    )


def _outcome(name: str, outcomes: Mapping[str, str]) -> str:
    return outcomes.get(name) or name.replace("_", " ")


def _result(effect: Effect, outcomes: Mapping[str, str]) -> Result:
    used = _outcome(effect.outcome, outcomes)
    if effect.months is not None:
        used += f", {text(effect.months)} months"
    used += _analysed(effect)
    return Result(
        label=effect.label,
        href=link(effect.source_url),
        marks=marks(effect),
        used=used,
        source=_source(effect.source_locator, effect.source_tier),
    )


def _analysed(effect: Effect) -> str:
    """Say of which people a result is, where it is not of all who were randomised."""
    who = f"; {typeset(effect.subset)}" if effect.subset else ""
    people, randomised = effect.people, effect.randomised
    if people is None or randomised is None or people >= randomised:
        return who
    return f"{who}; {count(beside(effect.yi, 'people', people))} of {count(randomised)} randomised"


def _absent(dropped: Dropped) -> Absent:
    people = "" if dropped.n_total is None else f"{text(dropped.n_total)} people"
    said = REPORTED.get(dropped.reported, dropped.reported) if dropped.reported else ""
    parts = (KINDS[dropped.kind] if dropped.kind == "open_query" else dropped.reason, said, people)
    return Absent(
        name=dropped.label,
        href=link(dropped.source_url),
        where=_source(dropped.source_locator, dropped.source_tier),
        text=typeset("; ".join(filter(None, parts))) + ".",
        flagged=dropped.kind == "open_query",
    )


def _source(locator: str, tier: str) -> str:
    words_for_tier = TIERS.get(tier, tier)
    return f"{locator} ({words_for_tier})" if locator else words_for_tier


def trial_rows(
    trials: Sequence[Mapping[str, Cell]], analyses: Sequence[Analysis]
) -> tuple[tuple[Mapping[str, str], str], ...]:
    """Return every trial as written cells with its link, and the questions whose pool it is in."""
    pools: dict[str, list[str]] = {}
    for analysis in analyses:
        for effect in analysis.effects:
            pools.setdefault(effect.study_id, []).append(analysis.spec.title)
    return tuple((_trial(trial), "; ".join(pools.get(str(trial.get("study_id")), ()))) for trial in trials)


def _trial(trial: Mapping[str, Cell]) -> Mapping[str, str]:
    def cell(name: str) -> str:
        return text(of_trial(trial, name))

    return {
        "label": cell("label") if trial.get("label") else cell("study_id"),
        "href": trial_link(trial),
        "design": cell("design"),
        "population": cell("population"),
        "intervention": intervention(trial),
        "comparator": cell("comparator"),
        "months": cell("duration_months"),
        "people": whole(randomised(trial)),
    }


# --- data queries ------------------------------------------------------------------------------------


def query_notes(queries: Sequence[Query]) -> tuple[Note, ...]:
    """Write data queries as notes, in the order of the files."""
    return tuple(_query(q) for q in sorted(queries, key=lambda q: (q.file, q.row, q.query_id)))


def _query(query: Query) -> Note:
    decision = query.reason if query.reason else "no decision yet"
    who = f" ({query.by})" if query.by else ""
    row = cited(TracedCount(query.row, f"queries.{query.query_id}.row"), str(query.row))
    place = f"{query.file} row {row}" + (f", {', '.join(query.columns)}" if query.columns else "")
    found = (
        ("Rule", query.rule),
        ("So far" if query.status == "open" else "Decided", f"{decision}{who}"),
        ("Where", place),
    )
    return Note(
        name=query.query_id,
        kind=f"{query.severity}, {STATUSES[query.status]}",
        text=typeset(query.evidence),
        lines=tuple((label, typeset(value)) for label, value in found if value),
        flagged=query.status == "open",
    )


# --- one question ------------------------------------------------------------------------------------


def question(
    analysis: Analysis,
    strip: str,
    figures: Mapping[tuple[str, str], FigureAsset],
    tables: Mapping[str, TableData],
    outcomes: Mapping[str, str],
    failures: tuple[str, ...] | None,
    not_drawn: Mapping[str, str] = NOTHING,
) -> Question:
    """Gather everything about one question.

    ``failures`` are the sentences of the sampler's gate; ``not_drawn`` says why a figure is missing, by its id.
    """
    name = analysis.spec.id
    fits = tuple(fit for model in (analysis.lead, analysis.beside) if (fit := analysis.fits.get(model)))
    return Question(
        card=card(analysis, strip),
        answer=words.behind(analysis),
        # A verdict that decides carries the caveat in its own sentence.
        caveat=analysis.spec.caveat if analysis.spec.caveat not in words.behind(analysis) else "",
        scale_note=analysis.spec.scale_note,
        heterogeneity=tuple(
            filter(
                None,
                (
                    words.lead_sentence(analysis),
                    words.beside_sentence(analysis),
                    words.few(analysis),
                    words.heterogeneity(analysis),
                    words.prediction(analysis),
                ),
            )
        ),
        posterior=words.posterior_sentences(analysis),
        gate=gate(analysis, failures),
        warnings=tuple(dict.fromkeys(typeset(warning) for fit in fits for warning in fit.warnings)),
        forest=_picture(figures.get((name, "forest")), words.forest_caption(analysis)),
        prior_posterior=_picture(figures.get((name, "prior_posterior")), words.posterior_caption(analysis)),
        prior_strip=_strip(figures.get((name, "prior_strip")), analysis),
        prior_densities=_picture(figures.get((name, "prior_densities")), DENSITIES_CAPTION),
        averaged=prior_words.averaged_sentences(analysis),
        results=results(analysis, outcomes),
        set_aside=set_aside(analysis, outcomes),
        missing=tuple(_absent(dropped) for dropped in missing(analysis)),
        left_out=words.left_out_sentence(analysis),
        comparisons=tuple(_comparison(row) for row in analysis.comparisons),
        further=_further(name, figures),
        not_drawn=_not_drawn(not_drawn) if analysis.fits else (),
        unpooled="" if analysis.fits else _unpooled(analysis),
        derivations=tables["effects"].where("analysis", name).hiding("analysis"),
        models=_of_models(tables["pooled_results"].where("analysis", name).hiding("title", "people", "unit")),
        dropped=tables["left_out"].where("analysis", name).hiding("analysis"),
        one_out=tables["leave_one_out"].where("analysis", name).hiding("analysis"),
        influence=tables["influence"].where("analysis", name).hiding("analysis"),
        small_study=tables["small_study"].where("analysis", name).hiding("analysis"),
        under_priors=_without_blanks(tables["prior_strip"].where("analysis", name), "source", "not_run"),
        averaged_models=tables["model_averaging"].where("analysis", name).hiding("analysis"),
        converted=words.conversion_sentences(analysis),
        conversions=tables["conversions"].where("analysis", name),
        moderated=tuple(words.moderation_sentences(row, analysis.spec) for row in analysis.moderation),
        moderation=tables["meta_regression"].where("analysis", name),
        bubble=_picture(figures.get((name, "bubble")), words.bubble_caption(analysis)),
        checked=check_words.checks_sentence(analysis, tables["model_checks"].where("analysis", name)),
        model_checks=tables["model_checks"].where("analysis", name).hiding("analysis"),
    )


def _not_drawn(reasons: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return each reason once, behind the names of the figures that it keeps from being drawn."""
    # The others stand beside the check they draw, which says itself why it was not run.
    named = [(FURTHER_NAMES[one], why) for one, why in reasons.items() if one in FURTHER_NAMES]
    return tuple(
        ("; ".join(label for label, said in named if said == why), why)
        for why in dict.fromkeys(why for _, why in named)
    )


def _unpooled(analysis: Analysis) -> str:
    """Say in one sentence what is missing below a question for which nothing is pooled."""
    noun = words.noun(analysis.spec)
    many = {0: f"No {noun}", 1: f"One {noun}"}.get(analysis.k, f"No fit of these {noun}s")
    return f"{many}: no table of models, no funnel plot and no other figure of a pool."


def _of_models(table: TableData) -> TableData:
    """Return the models of one question without the row that says that there is none."""
    return replace(table, rows=tuple(row for row in table.rows if row["model"]))


def _further(name: str, figures: Mapping[tuple[str, str], FigureAsset]) -> tuple[tuple[str, Picture], ...]:
    """Return the figures beside forest plot and posterior, each with its name."""
    drawn = ((label, _picture(figures.get((name, one)), "")) for one, label in FURTHER_NAMES.items())
    return tuple((label, picture) for label, picture in drawn if picture is not None)


def _picture(asset: FigureAsset | None, finding: str) -> Picture | None:
    if asset is None:
        return None
    points = len(asset.rows) if len(asset.rows) > READABLE else 0
    order = _order(asset.columns)
    written = {column: text if column in NAMES else _cell for column in asset.columns}
    rows = tuple(
        tuple(written[asset.columns[i]](row[i]) for i in order) for row in asset.rows[: 0 if points else READABLE]
    )
    at = asset.columns.index("study_id") if "study_id" in asset.columns else None
    studies = tuple("" if at is None else text(row[at]).strip(ABSENT) for row in asset.rows[: len(rows)])
    said = asset.caption or finding
    head = tuple(asset.columns[i] for i in order)
    return Picture(asset.drawing, said, head, rows, points, asset.file, studies)


def _order(columns: tuple[str, ...]) -> list[int]:
    """Return the columns that people read: the name of a row first, and not its id beside its name."""
    if "label" not in columns:
        return list(range(len(columns)))
    name = columns.index("label")
    return [name, *(i for i, column in enumerate(columns) if column not in ("label", "study_id"))]


def _strip(asset: FigureAsset | None, analysis: Analysis) -> Picture | None:
    """Return the strip of priors; its rows stand in a table of their own, written for people."""
    found = _picture(asset, prior_words.strip_sentence(analysis))
    return None if found is None else replace(found, rows=())


def _without_blanks(table: TableData, *names: str) -> TableData:
    """Return the table of one question without those columns in which it has nothing to say."""
    return table.hiding("analysis", *(name for name in names if not any(row[name] for row in table.rows)))


def _cell(value: Value) -> str:
    """Write a cell of a figure's data, which may have come as a number or as the text of one."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, float) and value.is_integer():
        return fixed(value, 0)
    return significant(value, 4) if isinstance(value, float) else text(value)


def _comparison(row: Comparison) -> tuple[str, ...]:
    agrees = "agrees" if row.agrees else "differs"
    numbers = significant(row.ours), significant(row.other)
    return (typeset(row.quantity), *numbers, row.engine, agrees, typeset(row.note) or ABSENT)


def gate(analysis: Analysis, failures: tuple[str, ...] | None) -> Gate | None:
    """Word the gate of a sampled fit; ``None`` where nothing was sampled and nothing failed.

    A sampled fit whose gate was not run counts as failed: silence is no diagnosis.
    """
    sampled = next((fit for fit in analysis.fits.values() if is_sampled(fit)), None)
    if sampled is None:
        return Gate(failures, "") if failures else None
    if failures is None:
        failures = (NOT_GATED,)
    return Gate(failures, _sampled(analysis, sampled, passed=not failures))


def _sampled(analysis: Analysis, fit: Fit, *, passed: bool) -> str:
    """Write what the sampler says of itself, and its mean where the gate lets it be printed."""
    exact, digits, found = exact_twin(analysis, fit), words.sampled_digits(fit), fit.diagnostics
    parts = []
    if digits is not None and passed:
        scale = ", on the log scale," if analysis.spec.measure == "LOGRATIO" else ""
        parts.append(f"The sampled posterior mean{scale} is {digits[0]}")
        if exact is not None and found.mcse_mu is not None:
            apart = abs(fit.mu.value - exact.mu.value) / found.mcse_mu
            apart = derived(analysis, "engines.apart_in_mcse", apart)
            beside = fixed(exact.mu.value, words.supported_decimals(found.mcse_mu))
            parts[0] += f", the exact one {beside}, {significant(apart, 2)} Monte Carlo standard errors apart"
        parts.append(f"no more digits are written than this error ({digits[1]}) supports")
    numbers = [
        f"{name} {fixed(value, decimals)}"
        for name, value, decimals in (
            ("R-hat", found.rhat, 3),
            ("bulk ESS", found.ess_bulk, 0),
            ("tail ESS", found.ess_tail, 0),
            ("divergences", found.divergences, 0),
            ("E-BFMI", found.ebfmi, 2),
        )
        if value is not None
    ]
    return "; ".join(filter(None, (*parts, ", ".join(numbers)))) + "."
