"""`k2meta sensitivity`: everything that refits, for the model that leads each answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import typer

from k2meta import io
from k2meta.analysis import Comparison, LeftOut
from k2meta.commands.fits import estimator
from k2meta.commands.options import CONFIG, RESULTS, ConfigFile, ResultsFolder
from k2meta.config import Config, Spec
from k2meta.sensitivity import SENSITIVITY
from k2meta.types import Effect


def sensitivity(config: ConfigFile = CONFIG, results: ResultsFolder = RESULTS) -> None:
    """Refit every analysis without each trial, and recompute its numbers with a second engine."""
    settings = io.read_config(config)
    for spec in settings.analyses:
        rows = io.read_effects(results / "effects" / f"{spec.id}.csv")
        folder = results / "sensitivity" / spec.id
        if "leave_one_out" in settings.sensitivity:
            io.write_left_out(folder / "leave_one_out.json", _left_out(rows, spec, settings))
        if "second_engine" in settings.sensitivity:
            io.write_comparisons(folder / "second_engine.json", _comparisons(rows, spec, settings))
    typer.echo(f"sensitivity: {', '.join(settings.sensitivity)} of {len(settings.analyses)} analyses")


def _left_out(rows: Sequence[Effect], spec: Spec, settings: Config) -> tuple[LeftOut, ...]:
    """Return the leading model without each trial; with two trials nothing is left to pool."""
    if len(rows) < 3:
        return ()
    lead, _ = settings.lead.of(len(rows))
    yi, vi = np.array([row.yi for row in rows]), np.array([row.vi for row in rows])
    fits = SENSITIVITY["leave_one_out"](yi, vi, estimator(settings.model(lead), spec, settings.level))
    return tuple(
        LeftOut(row.study_id, row.label, fit.mu, fit.tau2.value) for row, fit in zip(rows, fits, strict=True)
    )


def _comparisons(rows: Sequence[Effect], spec: Spec, settings: Config) -> tuple[Comparison, ...]:
    if len(rows) < 2:
        return ()
    yi, vi = np.array([row.yi for row in rows]), np.array([row.vi for row in rows])
    fit = estimator(settings.model(settings.lead.model), spec, settings.level)(yi, vi)
    return tuple(
        Comparison(found.quantity, found.ours, found.other, found.engine, found.agrees, found.note)
        for found in SENSITIVITY["second_engine"](yi, vi, fit)
    )
