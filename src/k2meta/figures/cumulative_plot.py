"""Cumulative meta-analysis: how the answer grew, oldest study first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k2meta.figures import panel, rows_panel, words
from k2meta.figures.figure import Figure, PlotData
from k2meta.figures.rows_panel import RowOf
from k2meta.figures.style import rc
from k2meta.numbers import beside, cited, coverage

if TYPE_CHECKING:
    from k2meta.analysis import Analysis
    from k2meta.refits import Step

MINIMUM_K = 3
"""With two studies the only step is from one of them to the pool, which the forest plot shows."""


def not_drawn(analysis: Analysis) -> str:
    """Say why there is no figure; empty where there is one."""
    found = analysis.refits.cumulative
    if analysis.k < MINIMUM_K:
        return panel.few(analysis, MINIMUM_K)
    return "The cumulative analysis was not run." if found is None else found.not_run


def caption(analysis: Analysis) -> str:
    """State since when the reading is what it is."""
    assert analysis.refits.cumulative is not None
    spec, steps = analysis.spec, analysis.refits.cumulative.steps
    side = [(step.mu.low > 0) - (step.mu.high < 0) for step in steps]
    since = next(i for i in range(len(side)) if len(set(side[i:])) == 1)
    reading = "includes" if side[-1] == 0 else "excludes"
    when = "from the first on" if since == 0 else f"since {_dated(steps[since])}"
    noun = words.study_name(spec).lower()
    end = words.estimate(spec, steps[-1].mu, f"{coverage(steps[-1].mu.level)} CI", words.decimals(analysis))
    return (
        f"Adding one {noun} after the other, the interval {reading} {words.nothing(spec)} {when}. "
        f"Drawn is {_model(analysis)}; with all of them: {end}."
    )


def _model(analysis: Analysis) -> str:
    """Name the model that is drawn: one throughout, the frequentist one, also where a Bayesian one leads."""
    fit = words.frequentist(analysis)
    assert fit is not None
    name, how = words.method(fit)
    return f"{name[:1].lower()}{name[1:]} ({how})" if how else f"{name[:1].lower()}{name[1:]}"


def draw(analysis: Analysis) -> Figure:
    """Draw the pool after each study; the last row is all of them."""
    found = analysis.refits.cumulative
    assert found is not None
    with rc():
        spec, last = analysis.spec, len(found.steps) - 1
        rows = [
            RowOf(_label(step.label, step.order, i), str(step.k), step.mu, i == last)
            for i, step in enumerate(found.steps)
        ]
        told = f"Adding one {words.study_name(spec).lower()} after the other, oldest first. "
        told += f"{words.measure(spec)}; {words.direction(spec)}."
        name = panel.pooled_name(analysis)
        notes = f"{name}; one study alone has its normal interval; blue band: all of them."
        figure = rows_panel.draw(analysis, told, ("Added", "k"), rows, notes)
    return Figure(
        figure,
        f"Cumulative plot. {words.summary(analysis, words.frequentist(analysis))} {caption(analysis)}",
        _data(analysis),
    )


def _dated(step: Step) -> str:
    """Name a study with what it was sorted by, where its name does not say so."""
    if step.order in step.label:
        return step.label
    order = cited(beside(step.k, "order", float(step.order)), step.order) if step.order.isdigit() else step.order
    return f"{step.label} ({order})"


def _label(label: str, order: str, place: int) -> str:
    dated = label if order in label else f"{label} ({order})"
    return f"+ {dated}" if place else dated


def _data(analysis: Analysis) -> PlotData:
    assert analysis.refits.cumulative is not None
    name = analysis.spec.measure
    return PlotData(
        ("added", "label", "order", "k", "estimate", "low", "high", "tau2"),
        tuple(
            (
                step.study_id,
                step.label,
                step.order,
                float(step.k),
                *(words.shown(name, x) for x in (step.mu.value, step.mu.low, step.mu.high)),
                step.tau2,
            )
            for step in analysis.refits.cumulative.steps
        ),
    )
