"""`k2meta fits`: effects to common-effect, random-effects and exact Bayesian fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from k2meta import io
from k2meta.commands.options import CONFIG, RESULTS, ConfigFile, Into
from k2meta.commands.priors import mu_prior, tau_prior
from k2meta.config import Model, Spec
from k2meta.models import MODELS
from k2meta.models.fit import Fit
from k2meta.types import Effect

Vector = NDArray[np.float64]
EffectsFolder = Annotated[Path, typer.Option("--effects", help="Effects of the second stage.")]


def fits(
    config: ConfigFile = CONFIG, effects: EffectsFolder = RESULTS / "effects", into: Into = RESULTS / "fits"
) -> None:
    """Fit every model but the sampled ones to every analysis; fewer than two trials are not pooled."""
    settings = io.read_config(config)
    models = [model for model in settings.models if model.estimator in MODELS]
    for spec in settings.analyses:
        rows = io.read_effects(effects / f"{spec.id}.csv")
        for model in models:
            io.write_fit(into / spec.id / f"{model.id}.json", fit(model, spec, rows, settings.level))
    typer.echo(f"fits: {len(models)} models of {len(settings.analyses)} analyses")


def fit(model: Model, spec: Spec, rows: Sequence[Effect], level: float) -> Fit | None:
    """Return the fit of one model to one analysis, or ``None`` for fewer than two trials."""
    if len(rows) < 2:
        return None
    return estimator(model, spec, level)(np.array([row.yi for row in rows]), np.array([row.vi for row in rows]))


def estimator(model: Model, spec: Spec, level: float) -> Callable[[Vector, Vector], Fit]:
    """Return a model of the settings as a function of effects and variances."""
    options: dict[str, Any] = dict(model.options)
    if "tau_prior" in options:
        options = {"tau_prior": tau_prior(model.options, spec), "mu_prior": mu_prior(model.options)}
    return partial(MODELS[model.estimator], level=level, model=model.id, **options)
