"""Tests and adjustments for small-study effects, or why they were not run."""

from __future__ import annotations

from collections.abc import Sequence

from k2meta.analysis import Analysis
from k2meta.tables.parts import precision, scale, show_interval, show_p, show_text, show_value
from k2meta.tables.types import Column, Row, TableData
from k2meta.types import Query


def small_study(analyses: Sequence[Analysis], queries: Sequence[Query] = ()) -> TableData:
    """Return one row per question and method, on the scale of the analysis."""
    rows: list[Row] = [
        {
            "analysis": analysis.spec.id,
            "test": one.test,
            "measure": analysis.spec.measure,
            "unit": analysis.spec.unit,
            "scale": scale(analysis.spec),
            "precision": precision(analysis, analysis.fits[analysis.lead].mu.se),
            "p": one.p,
            "estimate": one.estimate,
            "low": one.low,
            "high": one.high,
            "not_run": one.not_run,
        }
        for analysis in analyses
        for one in analysis.small_study
    ]
    return TableData(columns=_COLUMNS, rows=tuple(rows), caption="Small-study effects")


_COLUMNS = (
    Column("analysis", "Question", show_text("analysis")),
    Column("test", "Method", show_text("test")),
    Column("measure"),
    Column("unit"),
    Column("scale"),
    Column("p", "p", show_p("p"), numeric=True),
    Column("estimate", "Adjusted estimate", show_value("estimate"), numeric=True),
    Column("low"),
    Column("high"),
    Column("interval", "Interval", show_interval("low", "high"), numeric=True, filed=False),
    Column("not_run", "Not run because", show_text("not_run")),
)
