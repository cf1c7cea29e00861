"""What stands in each row of a forest plot: text, positions on the effect scale, and the row's data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from k2meta.figures import words
from k2meta.figures.figure import PlotData
from k2meta.figures.text import NO_BREAK, legible
from k2meta.numbers import count, coverage, fixed

if TYPE_CHECKING:
    from k2meta.analysis import Analysis, Spec
    from k2meta.models.fit import Fit
    from k2meta.types import Cell, Dropped, Effect

Kind = Literal["group", "study", "subtotal", "lead", "beside", "prediction"]
Bar = tuple[float, float, float]
"""Point and two limits on the scale of the analysis."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row above the axis.

    Attributes
    ----------
    kind : str
        What is drawn: the heading of a subgroup, the square of a study, the diamond of a subgroup or a fit, or the
        bar of a prediction interval.
    bar : (float, float, float)
        Point, low and high on the scale of the analysis; a prediction interval has NaN for its point, and a row
        without anything drawn NaN three times.
    weight : float or None
        Share of the leading fit's weight, between 0 and 1.
    shrunken : (float, float, float) or None
        The study's own effect as the Bayesian fit sees it.
    people : (str, str, str)
        Written numbers: treatment arm, control arm (both empty where one is not known), and all. Where the pool
        holds counts, an arm is written as events/total.
    cells : (str, str, str)
        Written estimate, low and high.
    index : int or None
        Position of a study among the effects, of a subgroup among the subgroups.
    lights : tuple of str
        Risk of bias of a study as people judged it, one per domain and the overall one last; ``""`` not assessed.
    """

    kind: Kind
    label: str
    detail: str
    marks: str
    bar: Bar
    cells: tuple[str, str, str]
    people: tuple[str, str, str] = ("", "", "")
    weight: float | None = None
    shrunken: Bar | None = None
    index: int | None = None
    lights: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Missing:
    """One row of the block of studies that measured the outcome and gave no poolable number."""

    label: str
    people: str
    why: str


ABSENT = "\N{EN DASH}"
"""Stands for a number that is not known."""

NOTHING: Bar = (math.nan, math.nan, math.nan)


def all_rows(analysis: Analysis) -> tuple[Row, ...]:
    """Return every row above the axis from top to bottom, subgroup by subgroup where there are any."""
    found, grouped = studies(analysis), analysis.refits.subgroups
    if grouped is None or sorted(i for group in grouped.groups for i in group.members) != list(range(analysis.k)):
        return (*found, *pooled(analysis))
    rows: list[Row] = []
    for i, group in enumerate(grouped.groups):
        name = legible(group.name) or "(no name)"
        rows.append(Row("group", name, "", "", NOTHING, ("", "", ""), index=i))
        rows += [found[member] for member in group.members]
        if group.mu is not None:
            bar = (group.mu.value, group.mu.low, group.mu.high)
            cells = _cells(analysis, bar, words.decimals(analysis))
            people = people_of([analysis.effects[member] for member in group.members], counted(analysis))
            label = f"Subtotal, k = {len(group.members)}"
            rows.append(Row("subtotal", label, "", "", bar, cells, people, index=i))
    return (*rows, *pooled(analysis))


def studies(analysis: Analysis) -> tuple[Row, ...]:
    """Return one row per effect, in the given order; position in the order is the only key."""
    fit, bayes = words.lead(analysis), words.bayesian(analysis)
    places = words.decimals(analysis)
    judged = words.judgements(analysis)
    rows = []
    for i, effect in enumerate(analysis.effects):
        bar = words.study_bar(effect, analysis.level)
        shrunk = bayes.studies[i] if bayes is not None and i < len(bayes.studies) else None
        rows.append(
            Row(
                kind="study",
                label=legible(effect.label) or legible(effect.study_id) or "(no label)",
                detail=_detail(effect, analysis.spec),
                marks=words.marks(effect),
                bar=bar,
                cells=_cells(analysis, bar, places),
                people=people_of([effect], counted(analysis)),
                weight=fit.weights[i] if fit is not None else None,
                shrunken=(shrunk.value, shrunk.low, shrunk.high) if shrunk is not None else None,
                index=i,
                lights=judged[i],
            )
        )
    return tuple(rows)


def pooled(analysis: Analysis) -> tuple[Row, ...]:
    """Return the rows of the leading fit, the fit beside it and the prediction interval."""
    fit = words.lead(analysis)
    if fit is None:
        return ()
    rows = [_fit_row(analysis, fit, "lead")]
    beside = analysis.fits.get(analysis.beside)
    if beside is not None and analysis.beside != analysis.lead:
        rows.append(_fit_row(analysis, beside, "beside"))
    source = words.first_fit(analysis, lambda found: found.prediction is not None)
    if source is not None:
        rows.append(_prediction_row(analysis, source))
    return tuple(rows)


def missing(analysis: Analysis, favour: str = words.FAVOUR) -> tuple[Missing, ...]:
    """Return one row per study that measured the outcome and gave no poolable number."""
    return tuple(
        Missing(
            label=legible(entry.label) or legible(entry.study_id) or "(no label)",
            people="" if entry.n_total is None else count(entry.n_total),
            why=legible(words.why_missing(analysis.spec, entry, favour)),
        )
        for entry in analysis.known_missing
    )


def weight_text(row: Row) -> str:
    """Write the weight of a row in percent, one decimal."""
    return "" if row.weight is None else fixed(100 * row.weight, 1)


def _detail(effect: Effect, spec: Spec) -> str:
    # A treatment that the favours labels already name is not repeated under every trial.
    named = effect.intervention.casefold() == words.arms(spec)[0].casefold()
    given = "" if named else legible(effect.intervention)
    months = "" if effect.months is None else f"{words.short(effect.months, 2)} months"
    return ", ".join(part for part in (given, months) if part)


def counted(analysis: Analysis) -> bool:
    """Whether effects of an analysis were derived from events and totals of both arms."""
    return any(effect.events_treat is not None for effect in analysis.effects)


def people_of(effects: Sequence[Effect], events: bool) -> tuple[str, str, str]:
    """Write the people behind effects: by arm and in all, as events/total where ``events`` asks for it.

    What is not known of every effect is empty; events that are not known of every effect are a dash.
    """
    everybody = _sum(effect.people for effect in effects)
    treat = _sum(effect.n_treat for effect in effects)
    ctrl = _sum(effect.n_ctrl for effect in effects)
    total = "" if everybody is None else count(everybody)
    if treat is None or ctrl is None:
        return "", "", total
    if not events:
        return count(treat), count(ctrl), total
    had = _sum(effect.events_treat for effect in effects), _sum(effect.events_ctrl for effect in effects)
    first, second = (ABSENT if number is None else count(number) for number in had)
    return f"{first}/{count(treat)}", f"{second}/{count(ctrl)}", total


def _sum(numbers: Iterable[float | None]) -> float | None:
    """Return the sum of numbers, or ``None`` where one of them, or every one, is missing."""
    found = list(numbers)
    known = [number for number in found if number is not None]
    return sum(known) if found and len(known) == len(found) else None


def _cells(analysis: Analysis, bar: Bar, places: int) -> tuple[str, str, str]:
    shown = (words.shown(analysis.spec.measure, value) for value in bar)
    value, low, high = ("" if math.isnan(x) else words.written(x, places) for x in shown)
    return value, low, high


def _fit_row(analysis: Analysis, fit: Fit, kind: Literal["lead", "beside"]) -> Row:
    bar = (fit.mu.value, fit.mu.low, fit.mu.high)
    name, how = words.method(fit)
    detail = "; ".join(part for part in (legible(how), words.interval_name(fit)) if part)
    if fit.posterior is not None:
        side = "ratio < 1" if analysis.spec.measure == "LOGRATIO" else "effect < 0"
        detail += "; " + f"P({side}) {words.probability(fit.prob(mu_below=0.0))}".replace(" ", NO_BREAK)
    return Row(
        kind=kind,
        label=legible(name),
        detail=detail,
        marks="",
        bar=bar,
        cells=_cells(analysis, bar, words.decimals(analysis)),
        people=people_of(analysis.effects, counted(analysis)) if kind == "lead" else ("", "", ""),
        weight=1.0 if kind == "lead" else None,
    )


def _prediction_row(analysis: Analysis, fit: Fit) -> Row:
    assert fit.prediction is not None
    bar = (math.nan, fit.prediction.low, fit.prediction.high)
    # Two models give two intervals of this name: whose it is must be said, in full where it is not the lead.
    whose = fit.method.partition(",")[0] if fit is words.lead(analysis) else fit.method
    noun = "trial" if analysis.spec.source == "trials" else "cohort"
    few = f"; only {analysis.k} {noun}s" if analysis.k < 5 else ""
    return Row(
        kind="prediction",
        label=f"{coverage(fit.prediction.level)} prediction interval",
        detail=legible(f"a new {noun}; {whose}{few}"),
        marks="",
        bar=bar,
        cells=_cells(analysis, bar, words.decimals(analysis)),
    )


_COLUMNS = (
    "row", "study_id", "label", "form", "months", "n_treat", "n_ctrl", "n_total", "yi", "vi",
    "estimate", "low", "high", "weight", "shrunken", "shrunken_low", "shrunken_high", "marks", "note",
)  # fmt: skip


_EVENTS = ("events_treat", "events_ctrl")


def data(analysis: Analysis, rows: tuple[Row, ...]) -> PlotData:
    """Return what was drawn; ``yi`` and ``vi`` on the scale of the analysis, the rest on the scale people read."""
    drawn = [_data_row(analysis, row) for row in rows]
    drawn += [_missing_row(analysis, entry) for entry in analysis.known_missing]
    if not counted(analysis):
        return PlotData(_COLUMNS, tuple(drawn))
    at = _COLUMNS.index("n_treat")
    own = {row.index: i for i, row in enumerate(rows) if row.kind == "study"}
    events: dict[int, tuple[Cell, ...]] = {
        own[j]: (effect.events_treat, effect.events_ctrl) for j, effect in enumerate(analysis.effects)
    }
    wider = ((*row[:at], *events.get(i, (None, None)), *row[at:]) for i, row in enumerate(drawn))
    return PlotData((*_COLUMNS[:at], *_EVENTS, *_COLUMNS[at:]), tuple(wider))


def _data_row(analysis: Analysis, row: Row) -> tuple[Cell, ...]:
    name = analysis.spec.measure
    bar = tuple(None if math.isnan(value) else words.shown(name, value) for value in row.bar)
    shrunk = (None,) * 3 if row.shrunken is None else tuple(words.shown(name, value) for value in row.shrunken)
    if row.kind != "study" or row.index is None:
        who: tuple[Cell, ...] = (row.kind, "", row.label, "", *(None,) * 6)
    else:
        e = analysis.effects[row.index]
        who = (row.kind, e.study_id, e.label, e.intervention, e.months, e.n_treat, e.n_ctrl, e.people, e.yi, e.vi)
    weight = row.weight if row.kind == "study" else None
    note = row.detail if row.kind != "study" else "; ".join(light or "not assessed" for light in row.lights)
    return (*who, *bar, weight, *shrunk, row.marks, note)


def _missing_row(analysis: Analysis, entry: Dropped) -> tuple[Cell, ...]:
    who: tuple[Cell, ...] = ("missing", entry.study_id, entry.label, "", None, None, None, entry.n_total)
    return (*who, *(None,) * 9, "", words.why_missing(analysis.spec, entry))
