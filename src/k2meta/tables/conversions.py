"""The leading model under every set of conversions that a pool rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence

from k2meta.analysis import Analysis
from k2meta.tables.parts import (
    number,
    precision,
    scale,
    show_count,
    show_fixed,
    show_interval,
    show_value,
    significant,
)
from k2meta.tables.types import Column, Row, TableData
from k2meta.types import Query


def conversions(analyses: Sequence[Analysis], queries: Sequence[Query] = ()) -> TableData:
    """Return one row per question and set of conversions, on the scale of the analysis."""
    rows: list[Row] = [
        {
            "analysis": analysis.spec.id,
            "measure": analysis.spec.measure,
            "unit": analysis.spec.unit,
            "scale": scale(analysis.spec),
            "precision": precision(analysis, one.mu.se if one.mu else math.nan),
            "correlation": one.correlation,
            "medians": one.medians,
            "configured": one.configured,
            "k": one.k,
            "estimate": one.mu.value if one.mu else None,
            "low": one.mu.low if one.mu else None,
            "high": one.mu.high if one.mu else None,
            "tau2": one.tau2,
            "tau": one.tau,
        }
        for analysis in analyses
        for one in analysis.conversions
    ]
    note = "r is the correlation of baseline with follow-up that was borrowed where no SD of change is printed."
    return TableData(columns=_COLUMNS, rows=tuple(rows), caption="Under other conversions", notes=(note,))


def _yes(name: str, words: tuple[str, str]) -> Column:
    return Column(name, words[0], lambda row: words[1] if row[name] else "no")


def _tau(row: Row) -> str:
    value = number(row, "tau")
    return "\N{EN DASH}" if value is None else significant(value, 2)


_COLUMNS = (
    Column("analysis"),
    Column("measure"),
    Column("unit"),
    Column("scale"),
    Column("correlation", "r", show_fixed("correlation", 2), numeric=True),
    _yes("medians", ("Converted medians", "in the pool")),
    _yes("configured", ("The answer uses it", "yes")),
    Column("k", "k", show_count("k"), numeric=True),
    Column("estimate", "Estimate", show_value("estimate"), numeric=True),
    Column("low"),
    Column("high"),
    Column("interval", "Interval", show_interval("low", "high"), numeric=True, filed=False),
    Column("tau2"),
    Column("tau", "τ", _tau, numeric=True),
)
