"""Tables that people read and programs parse; nothing is estimated and nothing is saved here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from k2meta.analysis import Analysis
from k2meta.tables.data_queries import data_queries
from k2meta.tables.effects import effects
from k2meta.tables.influence import influence
from k2meta.tables.leave_one_out import leave_one_out
from k2meta.tables.left_out import left_out
from k2meta.tables.moderators import moderators
from k2meta.tables.pooled_results import pooled_results
from k2meta.tables.small_study import small_study
from k2meta.tables.types import Column, Shown, TableData, Value
from k2meta.types import Query

TABLES: dict[str, Callable[[Sequence[Analysis], Sequence[Query]], TableData]] = {
    "pooled_results": pooled_results,
    "effects": effects,
    "left_out": left_out,
    "leave_one_out": leave_one_out,
    "influence": influence,
    "small_study": small_study,
    "moderators": moderators,
    "data_queries": data_queries,
}
"""Every table by its id, which is also the name of its file."""


def build_tables(analyses: Sequence[Analysis], queries: Sequence[Query]) -> dict[str, TableData]:
    """Return every table of the registry."""
    return {name: table(analyses, queries) for name, table in TABLES.items()}


__all__ = ["TABLES", "Column", "Shown", "TableData", "Value", "build_tables"]
