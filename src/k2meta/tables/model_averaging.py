"""Models with and without an effect and heterogeneity, with their probabilities."""

from __future__ import annotations

from collections.abc import Sequence

from k2meta.analysis import Analysis
from k2meta.tables.parts import show_fixed, show_text
from k2meta.tables.types import Column, Row, TableData
from k2meta.types import Query


def model_averaging(analyses: Sequence[Analysis], queries: Sequence[Query] = ()) -> TableData:
    """Return one row per question and model: its priors in words, its probability before and after the data."""
    rows: list[Row] = [
        {
            "analysis": analysis.spec.id,
            "effect": model.effect,
            "heterogeneity": model.heterogeneity,
            "mu_prior_source": analysis.averaged.mu_source,
            "prior_probability": model.prior,
            "posterior_probability": model.posterior,
        }
        for analysis in analyses
        if analysis.averaged is not None
        for model in analysis.averaged.models
    ]
    return TableData(columns=_COLUMNS, rows=tuple(rows), caption="The models that are averaged")


_COLUMNS = (
    Column("analysis", "Question", show_text("analysis")),
    Column("effect", "Mean μ", show_text("effect")),
    Column("heterogeneity", "Between-study standard deviation τ", show_text("heterogeneity")),
    Column("mu_prior_source"),
    Column("prior_probability", "Probability before", show_fixed("prior_probability", 2), numeric=True),
    Column("posterior_probability", "Probability after", show_fixed("posterior_probability", 2), numeric=True),
)
