"""What belongs to a question by its outcome and is not in its pool, with the reason."""

from __future__ import annotations

from collections.abc import Sequence

from k2meta.analysis import Analysis
from k2meta.tables.parts import REPORTED, link, show_count, show_text
from k2meta.tables.types import Column, Row, Shown, TableData
from k2meta.types import Query

KINDS: dict[str, str] = {
    "known_missing": "measured, no usable number",
    "not_poolable": "printed, cannot be pooled on this scale",
    "other_result": "another result of this study goes before it",
    "open_query": "an open data query keeps it out",
    "excluded": "not included by this question",
}
"""Words for the kinds of left-out results."""


def left_out(analyses: Sequence[Analysis], queries: Sequence[Query] = ()) -> TableData:
    """Return one row per result that is not in its pool, in the order in which the pool met them."""
    rows: list[Row] = [
        {
            "analysis": analysis.spec.id,
            "study_id": dropped.study_id,
            "label": dropped.label,
            "extraction_id": dropped.extraction_id,
            "outcome": dropped.outcome,
            "kind": dropped.kind,
            "reason": dropped.reason,
            "reported": dropped.reported,
            "n_total": dropped.n_total,
            "source_tier": dropped.source_tier,
            "source_locator": dropped.source_locator,
            "source_url": dropped.source_url,
        }
        for analysis in analyses
        for dropped in analysis.dropped
    ]
    return TableData(columns=_COLUMNS, rows=tuple(rows), caption="What is not in the pool, and why")


def _study(row: Row) -> Shown:
    return Shown(str(row["label"]), link(str(row["source_url"])), str(row["source_locator"]))


_COLUMNS = (
    Column("analysis", "Question", show_text("analysis")),
    Column("study_id"),
    Column("label", "Study", _study),
    Column("extraction_id"),
    Column("outcome"),
    Column("kind", "What happened", lambda row: KINDS.get(str(row["kind"]), str(row["kind"]))),
    Column("reason", "Why", show_text("reason")),
    Column("reported", "Reported", lambda row: REPORTED.get(str(row["reported"]), str(row["reported"]))),
    Column("n_total", "n", show_count("n_total"), numeric=True),
    Column("source_tier"),
    Column("source_locator", "Where", show_text("source_locator")),
    Column("source_url"),
)
