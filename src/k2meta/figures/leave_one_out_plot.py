"""Leave-one-out: the leading model without each study in turn, against the whole pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k2meta.figures import panel, rows_panel, words
from k2meta.figures.figure import Figure, PlotData
from k2meta.figures.rows_panel import RowOf
from k2meta.figures.style import rc
from k2meta.numbers import beside, count

if TYPE_CHECKING:
    from k2meta.analysis import Analysis

MINIMUM_K = 3
"""With two studies the pool without one of them is the other one."""


def not_drawn(analysis: Analysis) -> str:
    """Say why there is no figure; empty where there is one."""
    if analysis.k < MINIMUM_K:
        return panel.few(analysis, MINIMUM_K)
    return "" if analysis.leave_one_out and words.lead(analysis) is not None else "Leave-one-out was not run."


def caption(analysis: Analysis) -> str:
    """State how far the estimate moves."""
    spec, places = analysis.spec, words.decimals(analysis)
    lowest = min(analysis.leave_one_out, key=lambda row: row.mu.value)
    highest = max(analysis.leave_one_out, key=lambda row: row.mu.value)
    ends = [
        f"{words.written(words.shown(spec.measure, row.mu.value), places)} (without {row.label})"
        for row in (lowest, highest)
    ]
    excluding = sum(row.mu.low > 0 or row.mu.high < 0 for row in analysis.leave_one_out)
    numbers = (("excluding_null", excluding), ("intervals", len(analysis.leave_one_out)))
    counted = [count(beside(analysis.k, f"leave_one_out.{name}", number)) for name, number in numbers]
    return (
        f"Without each {words.study_name(spec).lower()} in turn the estimate runs from {ends[0]} to {ends[1]}"
        f"{words.unit(spec)}; the interval excludes {words.nothing(spec)} in {counted[0]} of {counted[1]}."
    )


def draw(analysis: Analysis) -> Figure:
    """Draw one row per study left out, and the whole pool below them."""
    with rc():
        lead = words.lead(analysis)
        assert lead is not None
        spec = analysis.spec
        rows = [RowOf(row.label, words.significant(row.tau), row.mu) for row in analysis.leave_one_out]
        rows.append(
            RowOf(f"All {words.trials(spec, analysis.k)}", words.significant(lead.tau.value), lead.mu, True)
        )
        told = f"Without each {words.study_name(spec).lower()} in turn. "
        told += f"{words.measure(spec)}; {words.direction(spec)}."
        notes = f"{words.interval_name(lead)}; blue band: interval of the whole pool ({lead.method})."
        figure = rows_panel.draw(analysis, told, ("Left out", "τ"), rows, notes.replace("tau2", "τ²"))
    return Figure(figure, f"Leave-one-out plot. {words.summary(analysis)} {caption(analysis)}", _data(analysis))


def _data(analysis: Analysis) -> PlotData:
    name = analysis.spec.measure
    return PlotData(
        ("left_out", "label", "estimate", "low", "high", "tau2", "tau"),
        tuple(
            (
                row.study_id,
                row.label,
                *(words.shown(name, x) for x in (row.mu.value, row.mu.low, row.mu.high)),
                row.tau2,
                row.tau,
            )
            for row in analysis.leave_one_out
        ),
    )
