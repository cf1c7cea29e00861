"""Risk of bias of every pooled trial, as people judged it; where nobody did, every cell says so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from k2meta.analysis import Analysis
from k2meta.tables.parts import link, show_text, typeset
from k2meta.tables.types import Column, Row, Shown, TableData
from k2meta.types import BiasJudgement, Query

NOT_ASSESSED = "not assessed"

DOMAINS: dict[str, str] = {
    "d1": "Randomisation",
    "d2": "Deviations from intended interventions",
    "d3": "Missing outcome data",
    "d4": "Measurement of the outcome",
    "d5": "Selection of the reported result",
}
"""Domains of RoB 2 by their column in data/risk_of_bias.csv, with short names of our own."""


def risk_of_bias(analyses: Sequence[Analysis], queries: Sequence[Query] = ()) -> TableData:
    """Return one row per judged trial or outcome of a trial, and one for every pooled trial that nobody judged."""
    rows = tuple(_rows(analyses))
    judged = any(row["overall"] != NOT_ASSESSED or row["by"] for row in rows)
    note = "Judgements are those of the people named; none is made or filled in here."
    return TableData(_COLUMNS, rows, "Risk of bias, trial by trial", (note,) if judged else ())


def _rows(analyses: Sequence[Analysis]) -> Iterator[Row]:
    judged: dict[str, list[BiasJudgement]] = {}
    for one in analyses[0].judgements.bias if analyses else ():
        judged.setdefault(one.study_id, []).append(one)
    labels = {
        effect.study_id: effect.label
        for analysis in analyses
        if analysis.spec.source == "trials"
        for effect in analysis.effects
    }
    # A trial may be judged and stand in no pool, such as one whose number was not printed.
    outside = {d.study_id: d.label for analysis in analyses for d in analysis.dropped if d.study_id in judged}
    labels = {**dict.fromkeys(judged, ""), **outside, **labels}
    for study in sorted(labels):
        label = labels[study] or study
        yield from (_row(study, label, one) for one in judged.get(study, ()))
        if study not in judged:
            yield _row(study, label, None)


def _row(study: str, label: str, one: BiasJudgement | None) -> Row:
    domains = one.domains if one else ("",) * len(DOMAINS)
    return {
        "study_id": study,
        "label": label,
        "outcome": one.outcome if one else "",
        "tool": one.tool if one else "",
        **{name: value or NOT_ASSESSED for name, value in zip(DOMAINS, domains, strict=True)},
        "overall": (one.overall if one else "") or NOT_ASSESSED,
        "by": one.by if one else "",
        "source_locator": one.source_locator if one else "",
        "source_url": one.source_url if one else "",
        "notes": one.notes if one else "",
    }


def _label(row: Row) -> Shown:
    outcome = f", {str(row['outcome']).replace('_', ' ')}" if row["outcome"] else ""
    return Shown(f"{row['label']}{outcome}", link(str(row["source_url"])), str(row["source_locator"]))


def _by(row: Row) -> str:
    found = [str(row[name]) for name in ("by", "tool", "source_locator", "notes") if row[name]]
    return typeset("; ".join(found)) or "nobody"


_COLUMNS = (
    Column("study_id"),
    Column("label", "Trial", _label),
    Column("outcome"),
    Column("tool"),
    *(Column(name, label, show_text(name)) for name, label in DOMAINS.items()),
    Column("overall", "Overall", show_text("overall")),
    Column("by", "Judged by", _by),
    Column("source_locator"),
    Column("source_url"),
    Column("notes"),
)
