"""`k2meta mcmc`: effects to the sampled Bayesian fits and their checks; the model is compiled once for all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray

from k2meta import io
from k2meta.commands.fits import EffectsFolder
from k2meta.commands.options import CONFIG, RESULTS, ConfigFile, Into
from k2meta.commands.priors import mu_prior, unit
from k2meta.config import Model, Spec
from k2meta.models.bayes_mcmc import HierarchicalSampler, seed_for
from k2meta.models.builder import McmcResult
from k2meta.models.check_types import LooComparison, ModelChecks
from k2meta.models.exact_loo import exact_leave_one_out
from k2meta.models.model_checks import (
    compare_pointwise,
    log_likelihood,
    log_prior,
    loo,
    power_scaling,
    predictive_check,
)
from k2meta.models.priors import HalfNormal, Normal
from k2meta.types import Effect

SAMPLING = ("chains", "draws", "tune", "target_accept")

TAILS = 4.0
"""Degrees of freedom of the Student-t random effects that the normal ones are compared with: tails that matter."""

COMPARED = 3
"""Studies from which on a difference in elpd has a standard error."""

STUDENT = "Student-t random effects with 4 degrees of freedom"


def mcmc(config: ConfigFile = CONFIG, effects: EffectsFolder = RESULTS / "effects", into: Into = RESULTS) -> None:
    """Sample every MCMC model for every analysis; fewer than two trials are not pooled."""
    from rich.progress import track

    # Compiling takes longer than sampling here, and with less optimisation the draws are the same to the bit.
    os.environ.setdefault("NUMBA_OPT", "1")
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
    checks_file = fit_file.with_suffix(".checks.json")
    if len(rows) < 2:
        io.write_draws(draws_file, {})
        io.write_fit(fit_file, None)
        io.write_model_checks(checks_file, None)
        return
    yi, vi = np.array([row.yi for row in rows]), np.array([row.vi for row in rows])
    tau = HalfNormal(model.options["tau_prior"]["scale"] * unit(spec))
    mu = mu_prior(model.options, spec)
    sampling: Any = {name: model.options[name] for name in SAMPLING}
    found = sampler.sample(yi, vi, tau_prior=tau, mu_prior=mu, seed=seed, level=level, model=model.id, **sampling)
    io.write_draws(draws_file, {"mu": found.draws.mu, "tau": found.draws.tau, "theta": found.draws.theta})
    io.write_fit(fit_file, found.fit)
    io.write_model_checks(checks_file, _checks(model.id, rows, found, tau, mu))


def _checks(
    model: str,
    rows: tuple[Effect, ...],
    found: McmcResult,
    tau_prior: HalfNormal,
    mu_prior: Normal | None,
) -> ModelChecks:
    yi, vi = np.array([row.yi for row in rows]), np.array([row.vi for row in rows])
    mu, tau = found.draws.mu, found.draws.tau
    pointwise = log_likelihood(mu, tau, yi, vi)
    return ModelChecks(
        model=model,
        studies=tuple(row.study_id for row in rows),
        loo=loo(mu, tau, pointwise),
        comparison=_compared(model, yi, vi, tau_prior, mu_prior) if len(rows) >= COMPARED else None,
        predictive=predictive_check(mu, tau, yi, vi),
        sensitivity=power_scaling({"mu": mu, "tau": tau}, log_prior(mu, tau, tau_prior, mu_prior), pointwise),
    )


def _compared(
    model: str, yi: NDArray[np.float64], vi: NDArray[np.float64], tau_prior: HalfNormal, mu_prior: Normal | None
) -> LooComparison:
    """Compare with Student-t random effects by quadrature: draws of two models would blur what they differ by."""
    normal, student = (
        exact_leave_one_out(yi, vi, tau_prior=tau_prior, mu_prior=mu_prior, df=df) for df in (None, TAILS)
    )
    return compare_pointwise(model, normal, STUDENT, student)
