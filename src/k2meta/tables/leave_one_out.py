"""The pooled estimate without each study in turn."""

from __future__ import annotations

from collections.abc import Sequence

from k2meta.analysis import Analysis
from k2meta.tables.parts import precision, scale, show_interval, show_p, show_text, show_value
from k2meta.tables.types import Column, Row, TableData
from k2meta.types import Query


def leave_one_out(analyses: Sequence[Analysis], queries: Sequence[Query] = ()) -> TableData:
    """Return one row per question and study left out, on the scale of the analysis."""
    rows: list[Row] = [
        {
            "analysis": analysis.spec.id,
            "study_id": left.study_id,
            "label": left.label,
            "measure": analysis.spec.measure,
            "unit": analysis.spec.unit,
            "scale": scale(analysis.spec),
            "estimate": left.mu.value,
            "se": left.mu.se,
            "precision": precision(analysis, left.mu.se),
            "low": left.mu.low,
            "high": left.mu.high,
            "p": left.mu.p,
            "tau2": left.tau2,
            "tau": left.tau,
        }
        for analysis in analyses
        for left in analysis.leave_one_out
    ]
    return TableData(columns=_COLUMNS, rows=tuple(rows), caption="Leaving out one study at a time")


_COLUMNS = (
    Column("analysis", "Question", show_text("analysis")),
    Column("study_id"),
    Column("label", "Without", show_text("label")),
    Column("measure"),
    Column("unit"),
    Column("scale"),
    Column("estimate", "Estimate", show_value("estimate"), numeric=True),
    Column("se"),
    Column("low"),
    Column("high"),
    Column("interval", "Interval", show_interval("low", "high"), numeric=True, filed=False),
    Column("p", "p", show_p("p"), numeric=True),
    Column("tau2"),
    Column("tau"),
)
