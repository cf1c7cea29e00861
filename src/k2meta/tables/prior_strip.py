"""The pooled estimate under several priors of tau."""

from __future__ import annotations

from collections.abc import Sequence

from k2meta.analysis import Analysis
from k2meta.tables.parts import (
    ABSENT,
    centre,
    number,
    precision,
    prediction_columns,
    scale,
    show_fixed,
    show_interval,
    show_text,
    show_value,
    significant,
)
from k2meta.tables.types import Column, Row, TableData
from k2meta.types import Query


def prior_strip(analyses: Sequence[Analysis], queries: Sequence[Query] = ()) -> TableData:
    """Return one row per question and prior of tau; a prior that leaves no posterior says why."""
    rows: list[Row] = [
        {
            "analysis": analysis.spec.id,
            "prior": row.prior,
            "source": row.reference or row.source,
            "leads": row.lead,
            "measure": analysis.spec.measure,
            "unit": analysis.spec.unit,
            "scale": scale(analysis.spec),
            "precision": precision(analysis, analysis.fits[analysis.lead].mu.se),
            "statistic": f"posterior {centre(analysis.spec)}",
            "estimate": row.centre(analysis.spec.measure),
            "low": row.low,
            "high": row.high,
            "prediction_low": row.new_low,
            "prediction_high": row.new_high,
            "tau_median": row.tau_median,
            "p_below_zero": row.below_zero,
            "not_run": row.not_run,
        }
        for analysis in analyses
        for row in analysis.prior_strip
    ]
    return TableData(
        columns=_COLUMNS,
        rows=tuple(rows),
        caption="The pooled estimate under other priors of τ",
        notes=(
            "Estimates are posterior means, of a ratio posterior medians; intervals are equal-tailed. P(below) is "
            "the probability that the mean is below zero (a ratio below one) under that prior.",
        ),
    )


def _tau(row: Row) -> str:
    value = number(row, "tau_median")
    return ABSENT if value is None else significant(value, 2)


_COLUMNS = (
    Column("analysis", "Question", show_text("analysis")),
    Column("prior", "Prior of τ", show_text("prior")),
    Column("source", "Source", show_text("source")),
    Column("leads", "Prior of the fit", show_text("leads")),
    Column("measure"),
    Column("unit"),
    Column("scale"),
    Column("statistic"),
    Column("estimate", "Estimate", show_value("estimate"), numeric=True),
    Column("low"),
    Column("high"),
    Column("interval", "Interval", show_interval("low", "high"), numeric=True, filed=False),
    *prediction_columns("Prediction"),
    Column("tau_median", "Median τ", _tau, numeric=True),
    Column("p_below_zero", "P(below)", show_fixed("p_below_zero", 2), numeric=True),
    Column("not_run", "Not run because", show_text("not_run")),
)
