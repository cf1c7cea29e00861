"""`k2meta figures`: every figure of every analysis, with its alternative text and the CSV it was drawn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import typer

from k2meta import io
from k2meta.analysis import Analysis
from k2meta.commands.options import DRAWINGS, NARROW, RESULTS, Into, ResultsFolder
from k2meta.commands.priors import leading, tau_prior
from k2meta.config import Config
from k2meta.figures import FIGURES, Figure, forest, not_drawn, prior_posterior
from k2meta.figures.style import SAVE_METADATA, rc


def figures(results: ResultsFolder = RESULTS, into: Into = Path("reports/figures")) -> None:
    """Draw the figures as SVG and PNG, each where there is something to draw and enough trials for it."""
    from rich.progress import track

    settings = io.read_config(results / "config.json").exact()
    queries = io.read_records(results / "records.json").queries
    for spec in track(settings.analyses, description="drawing"):
        analysis = io.read_analysis(results, spec, settings, queries)
        for name in settings.figures:
            with rc():
                figure = _draw(name, analysis, settings)
                if figure is None:
                    continue
                stem = into / f"{spec.id}_{name}"
                io.write_figure(stem, figure.figure, SAVE_METADATA)
                # The page shows them with their text, for which it brings one font along.
                io.write_text(results / DRAWINGS / f"{stem.name}.svg", figure.svg("text"))
                if name == "forest":
                    narrow = forest(analysis, preset="compact").svg("text")
                    io.write_text(results / DRAWINGS / f"{stem.name}{NARROW}", narrow)
                io.write_table(stem.with_suffix(".csv"), figure.table.columns, figure.table.rows)
                io.write_text(stem.with_suffix(".alt.txt"), figure.alt + "\n")
    typer.echo(f"figures: {', '.join(settings.figures)} of {len(settings.analyses)} analyses in {into}")


def _draw(name: str, analysis: Analysis, settings: Config) -> Figure | None:
    if name != "prior_posterior":
        if not_drawn(name, analysis):
            return None
        return FIGURES[name](analysis, **settings.figure_options.get(name, {}))
    model = leading(settings)
    if model is None or model.id not in analysis.fits:
        return None
    prior = tau_prior(model.options, analysis.spec, [effect.vi for effect in analysis.effects])
    # An improper prior has no density that could stand beside the posterior's.
    return prior_posterior(analysis, (lambda tau: np.exp(prior.logpdf(tau))) if prior.proper else None)
