"""`k2meta fits`: effects to common-effect, random-effects and exact Bayesian fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from k2meta import io
from k2meta.commands.options import CONFIG, RESULTS, ConfigFile, Into
from k2meta.commands.priors import mu_prior, tau_prior, tau_source
from k2meta.config import FILE, Model, Spec
from k2meta.models import MODELS
from k2meta.models.errors import ImproperPosteriorError
from k2meta.models.fit import Fit
from k2meta.types import Effect, Problem, ProjectError

Vector = NDArray[np.float64]
SOURCE = "tau_prior_source"
"""Option of a fit that says where a prior of tau without a scale of the analysis comes from."""

EffectsFolder = Annotated[Path, typer.Option("--effects", help="Effects of the second stage.")]


def fits(
    config: ConfigFile = CONFIG, effects: EffectsFolder = RESULTS / "effects", into: Into = RESULTS / "fits"
) -> None:
    """Fit every model but the sampled ones to every analysis; fewer than two trials are not pooled."""
    settings = io.read_config(config)
    models = [model for model in settings.models if model.estimator in MODELS]
    found: dict[Path, Fit | None] = {}
    improper: list[Problem] = []
    for spec in settings.analyses:
        rows = io.read_effects(effects / f"{spec.id}.csv")
        for model in models:
            try:
                found[into / spec.id / f"{model.id}.json"] = fit(model, spec, rows, settings.level)
            except ImproperPosteriorError as error:
                what = f"the model {model.id} of the analysis {spec.id}: {error}"
                improper.append(Problem(FILE, what, "choose a proper prior for tau (config/README.md)"))
    if improper:
        raise ProjectError(tuple(improper))
    for path, one in found.items():
        io.write_fit(path, one)
    typer.echo(f"fits: {len(models)} models of {len(settings.analyses)} analyses")


def fit(model: Model, spec: Spec, rows: Sequence[Effect], level: float) -> Fit | None:
    """Return the fit of one model to one analysis, or ``None`` for fewer than two trials."""
    if len(rows) < 2:
        return None
    found = estimator(model, spec, level)(np.array([row.yi for row in rows]), np.array([row.vi for row in rows]))
    source = tau_source(model.options) if "tau_prior" in model.options else ""
    return replace(found, options={**found.options, SOURCE: source}) if source else found


def estimator(model: Model, spec: Spec, level: float) -> Callable[[Vector, Vector], Fit]:
    """Return a model of the settings as a function of effects and variances."""
    known = partial(MODELS[model.estimator], level=level, model=model.id)
    if "tau_prior" not in model.options:
        return partial(known, **model.options)

    def bayesian(yi: Vector, vi: Vector) -> Fit:
        # Made here, because Jeffreys' prior belongs to the variances of the studies that are pooled.
        return known(yi, vi, tau_prior=tau_prior(model.options, spec, vi), mu_prior=mu_prior(model.options, spec))

    return bayesian
