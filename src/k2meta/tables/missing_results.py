"""Known missing results: what each trial has for each question, and what the missing ones could do to the pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from k2meta.analysis import Analysis
from k2meta.tables.parts import REPORTED, link, show_count, show_text
from k2meta.tables.types import Column, Row, Shown, TableData, Value
from k2meta.types import Dropped, Query

STATUSES: dict[str, str] = {
    "pooled": "pooled",
    "open_query": "printed, held back by a query",
    "not_poolable": "printed, not poolable",
    "known_missing": "measured, no usable number seen",
    "excluded": "outside this question",
    "unknown": "not measured, or not known",
}
"""What a trial has for a question, in the order in which one status hides another."""


def missing_results(analyses: Sequence[Analysis], queries: Sequence[Query] = ()) -> TableData:
    """Return one row per question and trial, for every trial that has a result or misses one for some question."""
    trials = [analysis for analysis in analyses if analysis.spec.source == "trials"]
    labels = study_labels(trials)
    rows = tuple(
        _row(analysis, study, label, statuses(analysis)) for analysis in trials for study, label in labels.items()
    )
    return TableData(_COLUMNS, rows, "What each trial has for each question")


def study_labels(analyses: Sequence[Analysis]) -> dict[str, str]:
    """Return the trials that have a result, or miss one, for at least one question, by study id."""
    found: dict[str, str] = {}
    for analysis in analyses:
        found = {effect.study_id: effect.label for effect in analysis.effects} | found
        found = {dropped.study_id: dropped.label for dropped in analysis.known_missing} | found
    return dict(sorted(found.items()))


def statuses(analysis: Analysis) -> dict[str, str]:
    """Return the status of every trial that the question knows, a key of ``STATUSES``; the others are unknown."""
    order = list(STATUSES)
    found = {effect.study_id: "pooled" for effect in analysis.effects}
    for dropped in sorted((d for d in analysis.dropped if d.kind in STATUSES), key=lambda d: order.index(d.kind)):
        found.setdefault(dropped.study_id, dropped.kind)
    return found


def _row(analysis: Analysis, study: str, label: str, known: Mapping[str, str]) -> Row:
    status = known.get(study, "unknown")
    entry = next((d for d in analysis.dropped if d.study_id == study and d.kind == status), None)
    return {
        "analysis": analysis.spec.id,
        "title": analysis.spec.title,
        "study_id": study,
        "label": label,
        "status": status,
        **_details(entry),
    }


def _details(entry: Dropped | None) -> dict[str, Value]:
    return {
        "reported": entry.reported if entry else "",
        "reason": entry.reason if entry else "",
        "n_total": entry.n_total if entry else None,
        "source_locator": entry.source_locator if entry else "",
        "source_url": entry.source_url if entry else "",
    }


def missing_bounds(analyses: Sequence[Analysis], queries: Sequence[Query] = ()) -> TableData:
    """Return one row per question: what its missing results could do to the pool, on the scale of the analysis."""
    rows = tuple(
        {
            "analysis": analysis.spec.id,
            "missing": found.missing,
            "se_of_each": found.se,
            "includes_zero_from": found.includes_from,
            "includes_zero_to": found.includes_to,
            "estimate_if_zero": found.value,
            "low_if_zero": found.low,
            "high_if_zero": found.high,
            "not_run": found.not_run,
        }
        for analysis in analyses
        if (found := analysis.missing_results) is not None
    )
    return TableData(_BOUNDS, rows, "What the missing results could do to the pool")


def _study(row: Row) -> Shown:
    return Shown(str(row["label"]), link(str(row["source_url"])), str(row["source_locator"]))


def _status(row: Row) -> str:
    return STATUSES[str(row["status"])]


_COLUMNS = (
    Column("analysis"),
    Column("title", "Question", show_text("title")),
    Column("study_id"),
    Column("label", "Trial", _study),
    Column("status", "Result", _status),
    Column("reported", "Reported", lambda row: REPORTED.get(str(row["reported"]), str(row["reported"]))),
    Column("reason", "Why", show_text("reason")),
    Column("n_total", "n", show_count("n_total"), numeric=True),
    Column("source_locator", "Where", show_text("source_locator")),
    Column("source_url"),
)

_BOUNDS = (
    Column("analysis", "Question", show_text("analysis")),
    Column("missing", "Missing", show_count("missing"), numeric=True),
    *(
        Column(name)
        for name in (
            "se_of_each",
            "includes_zero_from",
            "includes_zero_to",
            "estimate_if_zero",
            "low_if_zero",
            "high_if_zero",
        )
    ),
    Column("not_run", "Why not", show_text("not_run")),
)
