"""What the data checks asked, what was decided, what is open."""

from __future__ import annotations

from collections.abc import Sequence

from k2meta.analysis import Analysis
from k2meta.tables.parts import show_text
from k2meta.tables.types import Column, Row, TableData
from k2meta.types import Query

STATUSES: dict[str, str] = {
    "open": "open",
    "accepted": "accepted as printed",
    "corrected": "corrected",
    "false_alarm": "false alarm",
}
"""Words for the status of a data query."""


def data_queries(analyses: Sequence[Analysis], queries: Sequence[Query] = ()) -> TableData:
    """Return one row per data query, in the order given."""
    rows: list[Row] = [
        {
            "query_id": query.query_id,
            "check": query.check,
            "severity": query.severity,
            "file": query.file,
            "row": query.row,
            "columns": "; ".join(query.columns),
            "study_id": query.study_id,
            "extraction_id": query.extraction_id,
            "evidence": query.evidence,
            "rule": query.rule,
            "fix": query.fix,
            "status": query.status,
            "recorded": query.recorded,
            "reason": query.reason,
            "by": query.by,
        }
        for query in queries
    ]
    return TableData(columns=_COLUMNS, rows=tuple(rows), caption="Data queries")


_COLUMNS = (
    Column("query_id", "Query", show_text("query_id")),
    Column("check"),
    Column("severity", "Severity", show_text("severity")),
    Column("file"),
    Column("row", "Where", lambda row: f"{row['file']} row {row['row']}"),
    Column("columns"),
    Column("study_id"),
    Column("extraction_id"),
    Column("evidence", "Evidence", show_text("evidence")),
    Column("rule"),
    Column("fix"),
    Column("status", "Status", lambda row: STATUSES.get(str(row["status"]), str(row["status"]))),
    Column("recorded"),
    Column("reason", "Decision", show_text("reason")),
    Column("by"),
)
