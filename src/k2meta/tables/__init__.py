"""Tables that people read and programs parse; nothing is estimated and nothing is saved here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from k2meta.analysis import Analysis
from k2meta.tables.conversions import conversions
from k2meta.tables.data_queries import data_queries
from k2meta.tables.effects import effects
from k2meta.tables.influence import influence
from k2meta.tables.leave_one_out import leave_one_out
from k2meta.tables.left_out import left_out
from k2meta.tables.meta_regression import meta_regression
from k2meta.tables.missing_results import missing_bounds, missing_results
from k2meta.tables.model_averaging import model_averaging
from k2meta.tables.model_checks import model_checks
from k2meta.tables.pooled_results import pooled_results
from k2meta.tables.prior_strip import prior_strip
from k2meta.tables.prisma_checklist import prisma_checklist
from k2meta.tables.risk_of_bias import risk_of_bias
from k2meta.tables.small_study import small_study
from k2meta.tables.summary_of_findings import summary_of_findings
from k2meta.tables.types import Column, Shown, TableData, Value
from k2meta.types import Query

TABLES: dict[str, Callable[[Sequence[Analysis], Sequence[Query]], TableData]] = {
    "pooled_results": pooled_results,
    "effects": effects,
    "left_out": left_out,
    "leave_one_out": leave_one_out,
    "influence": influence,
    "small_study": small_study,
    "prior_strip": prior_strip,
    "model_averaging": model_averaging,
    "model_checks": model_checks,
    "conversions": conversions,
    "meta_regression": meta_regression,
    "data_queries": data_queries,
    "summary_of_findings": summary_of_findings,
    "risk_of_bias": risk_of_bias,
    "missing_results": missing_results,
    "missing_bounds": missing_bounds,
    "prisma_checklist": prisma_checklist,
}
"""Every table by its id, which is also the name of its file."""


def build_tables(analyses: Sequence[Analysis], queries: Sequence[Query]) -> dict[str, TableData]:
    """Return every table of the registry."""
    return {name: table(analyses, queries) for name, table in TABLES.items()}


__all__ = ["TABLES", "Column", "Shown", "TableData", "Value", "build_tables"]
