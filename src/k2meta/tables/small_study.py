"""Tests and adjustments for small-study effects, or why they were not run."""

from __future__ import annotations

from collections.abc import Sequence

from k2meta.analysis import Analysis
from k2meta.numbers import percent
from k2meta.tables.parts import headed, precision, scale, show_interval, show_p, show_text, show_value
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
            "level": one.level,
            "method": one.method,
            "not_run": one.not_run,
        }
        for analysis in analyses
        for one in analysis.small_study
    ]
    # One level for all questions: it is a setting.
    head = f"{percent(analyses[0].level)} CI" if analyses else "CI"
    return TableData(headed(_COLUMNS, "interval", head), tuple(rows), "Small-study effects")


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
    Column("level"),
    Column("interval", "CI", show_interval("low", "high"), numeric=True, filed=False),
    Column("method", "How", show_text("method")),
    Column("not_run", "Not run because", show_text("not_run")),
)
