"""What leaving out one study does to the pool."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from k2meta.analysis import Analysis
from k2meta.numbers import fixed, percent
from k2meta.tables.parts import number, show_text
from k2meta.tables.types import Column, Row, TableData
from k2meta.types import Query

_NUMBERS = ("rstudent", "dffits", "cooks_d", "cov_ratio", "hat", "tau2")


def influence(analyses: Sequence[Analysis], queries: Sequence[Query] = ()) -> TableData:
    """Return one row per question and study with its deletion diagnostics."""
    rows: list[Row] = [
        {
            "analysis": analysis.spec.id,
            "study_id": one.study_id,
            "label": one.label,
            **{name: getattr(one, name) for name in _NUMBERS},
            "influential": one.influential,
        }
        for analysis in analyses
        for one in analysis.influence
    ]
    note = "Flagged by the usual cut-offs (DFFITS, Cook's distance, leverage, DFBETAS); they say where to look."
    return TableData(columns=_COLUMNS, rows=tuple(rows), caption="Influence of each study", notes=(note,))


def _show(name: str, decimals: int = 2) -> Callable[[Row], str]:
    def show(row: Row) -> str:
        value = number(row, name)
        return "" if value is None else fixed(value, decimals)

    return show


_COLUMNS = (
    Column("analysis", "Question", show_text("analysis")),
    Column("study_id"),
    Column("label", "Study", show_text("label")),
    Column("rstudent", "Studentised residual", _show("rstudent"), numeric=True),
    Column("dffits", "DFFITS", _show("dffits"), numeric=True),
    Column("cooks_d", "Cook's distance", _show("cooks_d"), numeric=True),
    Column("cov_ratio", "Covariance ratio", _show("cov_ratio"), numeric=True),
    Column("hat", "Leverage", lambda row: percent(number(row, "hat") or 0.0), numeric=True),
    Column("tau2"),
    Column("influential", "Flagged", lambda row: "yes" if row["influential"] else "no"),
)
