"""What each declared covariate explains of the differences between studies."""

from __future__ import annotations

from collections.abc import Sequence

from k2meta.analysis import Analysis, Moderation, Slope
from k2meta.tables.parts import ABSENT, number, scale, show_count, show_fixed, show_p, show_text, significant
from k2meta.tables.types import Column, Row, TableData
from k2meta.types import Query


def meta_regression(analyses: Sequence[Analysis], queries: Sequence[Query] = ()) -> TableData:
    """Return one row per question, covariate and coefficient; one that was not run keeps a row that says why."""
    rows = [
        _row(analysis, one, slope)
        for analysis in analyses
        for one in analysis.moderation
        for slope in one.slopes or (None,)
    ]
    note = (
        "Coefficients stand on the scale of the analysis (ratios as natural logs); τ² is what is left unexplained."
    )
    return TableData(columns=_COLUMNS, rows=tuple(rows), caption="Meta-regression", notes=(note,))


def _row(analysis: Analysis, one: Moderation, slope: Slope | None) -> Row:
    return {
        "analysis": analysis.spec.id,
        "moderator": one.id,
        "column": one.moderator.column,
        "kind": one.moderator.kind,
        "covariate": one.moderator.label,
        "status": "exploratory" if one.exploratory else "prespecified",
        "k": one.k,
        "reference": one.reference,
        "scale": scale(analysis.spec),
        "term": slope.name if slope else None,
        "estimate": slope.value if slope else None,
        "se": slope.se if slope else None,
        "low": slope.low if slope else None,
        "high": slope.high if slope else None,
        "level": one.level,
        "p": slope.p if slope else None,
        "p_permutation": slope.p_permutation if slope else None,
        "p_model": one.p,
        "tau2": one.tau2,
        "tau2_without": one.tau2_without,
        "r2": one.r2,
        "i2": one.i2,
        "missing": "; ".join(one.missing),
        "not_run": one.not_run,
    }


def _value(name: str) -> Column:
    label = {"estimate": "Coefficient", "se": "SE", "tau2": "τ²"}[name]

    def show(row: Row) -> str:
        value = number(row, name)
        return ABSENT if value is None else significant(value, 4)

    return Column(name, label, show, numeric=True)


def _interval(row: Row) -> str:
    low, high = number(row, "low"), number(row, "high")
    return ABSENT if low is None or high is None else f"{significant(low, 4)} to {significant(high, 4)}"


_COLUMNS = (
    Column("analysis"),
    Column("moderator"),
    Column("column"),
    Column("kind"),
    Column("covariate", "Covariate", show_text("covariate")),
    Column("status", "Status", show_text("status")),
    Column("k", "k", show_count("k"), numeric=True),
    Column("reference", "Reference", show_text("reference")),
    Column("scale"),
    Column("term", "Term", show_text("term")),
    _value("estimate"),
    _value("se"),
    Column("low"),
    Column("high"),
    Column("interval", "Interval", _interval, numeric=True, filed=False),
    Column("level"),
    Column("p", "p", show_p("p"), numeric=True),
    Column("p_permutation", "p, permuted", show_p("p_permutation"), numeric=True),
    Column("p_model", "p, all slopes", show_p("p_model"), numeric=True),
    _value("tau2"),
    Column("tau2_without"),
    Column("r2", "R², %", show_fixed("r2", 0), numeric=True),
    Column("i2"),
    Column("missing"),
    Column("not_run", "Not run because", show_text("not_run")),
)
