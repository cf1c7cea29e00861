"""Every question by every model: what was pooled and what came out."""

from __future__ import annotations

from collections.abc import Sequence

from k2meta.analysis import Analysis
from k2meta.models.fit import Fit
from k2meta.numbers import coverage
from k2meta.tables.parts import (
    gate_failures,
    is_sampled,
    number,
    people,
    precision,
    prediction_columns,
    scale,
    show_count,
    show_fixed,
    show_interval,
    show_p,
    show_text,
    show_value,
    significant,
)
from k2meta.tables.types import Column, Row, TableData, Value
from k2meta.types import Query


def pooled_results(analyses: Sequence[Analysis], queries: Sequence[Query] = ()) -> TableData:
    """Return one row per question and model; a question without a fit keeps a row that says why.

    Raw columns stand on the scale of the analysis, named in ``scale`` (ratios as natural logs); people
    read ratios.
    """
    rows = [row for analysis in analyses for row in _rows(analysis)]
    return TableData(
        columns=_COLUMNS,
        rows=tuple(rows),
        caption="Every question by every model",
        notes=(
            "τ is the between-study standard deviation, on the log scale for ratios; a dash means that "
            "the model or the number of studies does not give the quantity, or that a sampled fit did not pass "
            "its gate.",
            *_ratios(analyses),
            *_levels(rows),
        ),
    )


def _rows(analysis: Analysis) -> list[Row]:
    if analysis.fits:
        return [_row(analysis, model, fit) for model, fit in analysis.fits.items()]
    why = "no study with a usable number" if analysis.k == 0 else "one study: not pooled"
    return [{**_empty(), **_head(analysis, "", why)}]


def _empty() -> dict[str, Value]:
    return dict.fromkeys(("precision", *(c.id for c in _COLUMNS if c.filed)), None)


def _head(analysis: Analysis, model: str, method: str) -> dict[str, Value]:
    spec = analysis.spec
    return {
        "analysis": spec.id,
        "title": spec.title,
        "measure": spec.measure,
        "unit": spec.unit,
        "scale": scale(spec),
        "model": model,
        "method": method,
        "leads": bool(model) and model == analysis.lead,
        "k": analysis.k,
        "people": people(analysis.effects).total,
        "people_known_in": people(analysis.effects).known,
    }


def _row(analysis: Analysis, model: str, fit: Fit) -> Row:
    if gate_failures(analysis, fit):
        method = f"{fit.method}: gate not passed, so no number is printed"
        return {**_empty(), **_head(analysis, model, method), "converged": False, "gate": "not passed"}
    prediction = fit.prediction
    return {
        **_head(analysis, model, fit.method),
        "estimate": fit.mu.value,
        "se": fit.mu.se,
        "precision": precision(analysis, fit.mu.se),
        "low": fit.mu.low,
        "high": fit.mu.high,
        "level": fit.mu.level,
        "df": fit.mu.df,
        "p": fit.mu.p,
        "prediction_low": prediction.low if prediction else None,
        "prediction_high": prediction.high if prediction else None,
        "tau2": fit.tau2.value,
        "tau2_low": fit.tau2.low,
        "tau2_high": fit.tau2.high,
        "tau": fit.tau.value,
        "i2": fit.i2,
        "q": fit.q.value,
        "q_df": fit.q.df,
        "q_p": fit.q.p,
        "converged": fit.converged,
        "gate": "passed" if is_sampled(fit) else None,
    }


def _levels(rows: Sequence[Row]) -> tuple[str, ...]:
    levels = sorted({level for row in rows if (level := number(row, "level")) is not None})
    return (f"Level of the intervals: {' and '.join(coverage(level) for level in levels)}.",) if levels else ()


def _ratios(analyses: Sequence[Analysis]) -> tuple[str, ...]:
    """Say what the estimate of a Bayesian model of a ratio is, where there is one."""
    ratios = (analysis for analysis in analyses if analysis.spec.measure == "LOGRATIO")
    if not any(fit.mu.median is not None for analysis in ratios for fit in analysis.fits.values()):
        return ()
    return ("The estimate of a ratio is the exponential of that on the log scale, of a posterior mean too.",)


def _tau(row: Row) -> str:
    value = number(row, "tau")
    return significant(value, 2) if value is not None else "\N{EN DASH}"


_COLUMNS = (
    Column("analysis"),
    Column("title", "Question", show_text("title")),
    Column("measure"),
    Column("unit", "Unit", show_text("unit")),
    Column("scale"),
    Column("model"),
    Column("method", "Model", show_text("method")),
    Column("leads"),
    Column("k", "k", show_count("k"), numeric=True),
    Column("people", "People", show_count("people"), numeric=True),
    Column("people_known_in"),
    Column("estimate", "Estimate", show_value("estimate"), numeric=True),
    Column("se"),
    Column("low"),
    Column("high"),
    Column("interval", "Interval", show_interval("low", "high"), numeric=True, filed=False),
    Column("level"),
    Column("df"),
    Column("p", "p", show_p("p"), numeric=True),
    *prediction_columns("Prediction"),
    Column("tau2"),
    Column("tau2_low"),
    Column("tau2_high"),
    Column("tau", "τ", _tau, numeric=True),
    Column("i2", "I², %", show_fixed("i2", 0), numeric=True),
    Column("q", "Q", show_fixed("q", 2), numeric=True),
    Column("q_df", "df", show_count("q_df"), numeric=True),
    Column("q_p", "p of Q", show_p("q_p"), numeric=True),
    Column("converged"),
    Column("gate"),
)
