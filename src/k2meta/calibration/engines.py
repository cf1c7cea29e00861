"""The engines that are calibrated, and wrong ones that the same check must reject."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from k2meta.calibration.simulation import Engine, Pit, Simulated
from k2meta.models.bayes_batch import bayes_pit_batch
from k2meta.models.bayes_exact import bayes_random_effects
from k2meta.models.errors import InputError, ModelError
from k2meta.models.inputs import Vector
from k2meta.models.priors import HalfNormal

if TYPE_CHECKING:
    from k2meta.models.bayes_mcmc import HierarchicalSampler
    from k2meta.models.builder import Draws

KEPT = 99
"""Draws among which the truth is ranked: 99 of them cut the unit interval into a hundred steps."""


def exact_engine(simulated: Simulated) -> Pit:
    """Return the answers of the quadrature: mu and tau of the batch form, theta of the fit of one analysis.

    Raises
    ------
    ModelError
        A posterior that the quadrature did not resolve; the message names its row.
    """
    s = simulated
    found = bayes_pit_batch(s.Y, s.V, s.mu, s.tau, tau_prior=s.tau_prior, mu_prior=s.mu_prior)
    if not found.converged.all():
        raise ModelError(f"simulation {s.first + int(np.argmin(found.converged))}: its posterior was not resolved")
    return Pit(found.mu, found.tau, np.array([_theta(s, i) for i in range(len(s.mu))]))


def _theta(s: Simulated, row: int) -> float:
    """Return P(theta of the first study < truth | y) from the posterior that a fit carries."""
    fit = bayes_random_effects(s.Y[row], s.V[row], tau_prior=s.tau_prior, mu_prior=s.mu_prior)
    assert fit.posterior is not None
    post, y, v = fit.posterior, s.Y[row, 0], s.V[row, 0]
    tau2 = np.square(post.tau)
    pull = v / (v + tau2)
    mean = pull * np.array(post.mu_mean) + (1.0 - pull) * y
    sd = np.sqrt(tau2 * pull + np.square(pull * np.array(post.mu_sd)))
    return min(1.0, float(ndtr((s.theta[row] - mean) / sd) @ np.array(post.weight)))


class SampledEngine:
    """The normal-normal model sampled with PyMC, compiled once; it repeats a poor run once, as an analysis does.

    Parameters
    ----------
    draws, tune : int
        Iterations of each of four chains after and during adaptation.
    told : float
        Factor on the prior scale of tau that the engine is told; anything but one is a fault to be found.
    sampler : HierarchicalSampler, optional
        One that is compiled already.
    """

    def __init__(
        self, draws: int = 2000, tune: int = 1000, told: float = 1.0, sampler: HierarchicalSampler | None = None
    ) -> None:
        from k2meta.models.bayes_mcmc import HierarchicalSampler

        self._sampler = sampler or HierarchicalSampler()
        self._draws, self._tune, self._told = draws, tune, told

    def __call__(self, simulated: Simulated) -> Pit:
        """Return ranks of the truth among thinned draws, as probabilities.

        Raises
        ------
        InputError
            A prior of tau other than the half-normal.
        """
        rows = [self._row(simulated, i) for i in range(len(simulated.mu))]
        return Pit(*np.array(rows).T)

    def _row(self, s: Simulated, row: int) -> tuple[float, float, float]:
        if not isinstance(s.tau_prior, HalfNormal):
            raise InputError(f"the sampled model has a half-normal prior for tau, not {s.tau_prior.describe()}")
        draws = self._sampler.sample(
            s.Y[row],
            s.V[row],
            tau_prior=HalfNormal(self._told * s.tau_prior.scale),
            mu_prior=s.mu_prior,
            seed=s.seed(row, "sampler"),
            draws=self._draws,
            tune=self._tune,
        ).draws
        step = np.random.default_rng(s.seed(row, "rank")).uniform(size=3)
        truth = (s.mu[row], s.tau[row], s.theta[row])
        mu, tau, theta = (_rank(x, at, u) for x, at, u in zip(_kept(draws), truth, step, strict=True))
        return mu, tau, theta


def _kept(draws: Draws) -> tuple[Vector, Vector, Vector]:
    """Return evenly spaced draws of mu, tau and the first theta, so far apart that they are nearly independent."""
    every = np.linspace(0, draws.mu.size - 1, KEPT).astype(np.intp)
    return draws.mu.ravel()[every], draws.tau.ravel()[every], draws.theta[..., 0].ravel()[every]


def _rank(draws: Vector, truth: float, step: float) -> float:
    # Spread over its step, a rank that is uniform on 0 to 99 is uniform on the unit interval.
    return float(((draws < truth).sum() + step) / (len(draws) + 1.0))


def told_half_the_variances(simulated: Simulated) -> Pit:
    """Return the answers of an exact engine that takes half of each sampling variance: it must fail."""
    return exact_engine(replace(simulated, V=simulated.V / 2.0))


ENGINES: Mapping[str, Callable[[], Engine]] = {
    "exact": lambda: exact_engine,
    "pymc": SampledEngine,
    "exact_half_vi": lambda: told_half_the_variances,
    "pymc_double_scale": lambda: SampledEngine(told=2.0),
}
"""Makers of engines by name; the last two are wrong on purpose."""
