"""`k2meta mcmc`: effects to the sampled Bayesian fits; one compilation serves every analysis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import typer

from k2meta import io
from k2meta.commands.fits import EffectsFolder
from k2meta.commands.options import CONFIG, RESULTS, ConfigFile, Into
from k2meta.commands.priors import mu_prior, unit
from k2meta.config import Model, Spec
from k2meta.models.bayes_mcmc import HierarchicalSampler, seed_for
from k2meta.models.priors import HalfNormal
from k2meta.types import Effect

SAMPLING = ("chains", "draws", "tune", "target_accept")


def mcmc(config: ConfigFile = CONFIG, effects: EffectsFolder = RESULTS / "effects", into: Into = RESULTS) -> None:
    """Sample every MCMC model for every analysis; fewer than two trials are not pooled."""
    from rich.progress import track

    settings = io.read_config(config)
    sampled = [model for model in settings.models if model.estimator == "bayes_mcmc"]
    sampler = HierarchicalSampler()
    for spec in track(settings.analyses, description="sampling"):
        rows = io.read_effects(effects / f"{spec.id}.csv")
        for model in sampled:
            seed = seed_for(spec.id, model.id, settings.seed)
            _sample(sampler, model, spec, rows, seed=seed, level=settings.level, into=into)
    done = f"{len(sampled)} models of {len(settings.analyses)} analyses"
    typer.echo(f"mcmc: {done}, {sampler.compilations} compilation(s)")


def _sample(
    sampler: HierarchicalSampler,
    model: Model,
    spec: Spec,
    rows: tuple[Effect, ...],
    *,
    seed: int,
    level: float,
    into: Path,
) -> None:
    draws_file = into / "draws" / spec.id / f"{model.id}.h5"
    fit_file = into / "fits" / spec.id / f"{model.id}.json"
    if len(rows) < 2:
        io.write_draws(draws_file, {})
        io.write_fit(fit_file, None)
        return
    found = sampler.sample(
        np.array([row.yi for row in rows]),
        np.array([row.vi for row in rows]),
        tau_prior=HalfNormal(model.options["tau_prior"]["scale"] * unit(spec)),
        mu_prior=mu_prior(model.options, spec),
        seed=seed,
        level=level,
        model=model.id,
        **{name: model.options[name] for name in SAMPLING},
    )
    io.write_draws(draws_file, {"mu": found.draws.mu, "tau": found.draws.tau, "theta": found.draws.theta})
    io.write_fit(fit_file, found.fit)
