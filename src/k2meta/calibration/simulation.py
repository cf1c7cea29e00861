"""Simulation-based calibration of engines for the normal-normal model.

Draw mu and tau from their priors, effects from the model, and ask the engine for its posterior. Over many such
draws the posterior distribution function at the true value is uniform, whatever the priors and the number of
studies (Cook, Gelman and Rubin 2006; Talts et al. 2018): anything else is a fault of the engine. It is asked of
mu, of tau and of the true effect of one study, which shrinks towards mu.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from k2meta.models.errors import ImproperPosteriorError, InputError, PriorError
from k2meta.models.inputs import Vector
from k2meta.models.priors import Normal, TauPrior, check_tau_prior
from k2meta.models.quadrature import integrate_half_line

PARAMETERS = ("mu", "tau", "theta")
"""What is asked of an engine; theta is the true effect of the first study."""

VARIANCES = (0.01, 1.0)
"""Range of the sampling variances of simulated studies, uniform in the logarithm, in units of the priors."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """Truth drawn from the priors, and data drawn from the truth.

    Attributes
    ----------
    mu, tau : ndarray, shape (B,)
        True pooled effects and between-study standard deviations.
    theta : ndarray, shape (B,)
        True effect of the first study.
    Y, V : ndarray, shape (B, k)
        Effects, and their sampling variances.
    tau_prior, mu_prior : TauPrior, Normal
        The priors they came from.
    name : str
        What the random numbers were derived from, together with the index of a simulation.
    first : int
        Index of the first row.
    """

    mu: Vector
    tau: Vector
    theta: Vector
    Y: NDArray[np.float64]
    V: NDArray[np.float64]
    tau_prior: TauPrior
    mu_prior: Normal
    name: str
    first: int

    def seed(self, row: int, use: str) -> int:
        """Return a 32-bit seed for an engine; ``use`` keeps it apart from the one that made the data."""
        return _seed(f"{self.name}\n{use}", self.first + row) % 2**32


@dataclass(frozen=True, slots=True)
class Pit:
    """Posterior distribution functions at the truth: P(mu < true mu | y), the same of tau and theta; (B,) each.

    An engine that samples gives the rank of the truth among its draws, spread evenly over its step.
    """

    mu: Vector
    tau: Vector
    theta: Vector


Engine = Callable[[Simulated], Pit]


def simulate(
    simulations: int, k: int, *, tau_prior: TauPrior, mu_prior: Normal, seed: int, first: int = 0
) -> Simulated:
    """Return truth from the priors, and the effects of k studies each with its own sampling variance.

    Simulation ``first + i`` is the same whether it is drawn alone or among others.

    Raises
    ------
    InputError
        Fewer than one simulation or study.
    PriorError
        Something that is no prior, such as a bare number; no prior of mu.
    ImproperPosteriorError
        A prior from which nothing can be drawn.
    """
    if simulations < 1 or k < 1:
        raise InputError(f"simulations = {simulations}, k = {k}: both must be at least one")
    check_tau_prior(tau_prior)
    if not isinstance(mu_prior, Normal):
        raise PriorError(
            f"mu_prior = {mu_prior!r}: the truth is drawn from it; give Normal(mean, sd), for example Normal(0, 1)"
        )
    name = f"{tau_prior.describe()}\n{mu_prior.describe()}\n{k}\n{seed}"
    rngs = [np.random.default_rng(_seed(name, first + i)) for i in range(simulations)]
    mu = np.array([rng.normal(mu_prior.mean, mu_prior.sd) for rng in rngs])
    tau = _quantile(tau_prior, np.array([rng.uniform() for rng in rngs]))
    V = np.exp([rng.uniform(*np.log(VARIANCES), size=k) for rng in rngs])
    theta = mu[:, None] + tau[:, None] * np.array([rng.standard_normal(k) for rng in rngs])
    Y = theta + np.sqrt(V) * np.array([rng.standard_normal(k) for rng in rngs])
    return Simulated(mu, tau, theta[:, 0], Y, V, tau_prior, mu_prior, name, first)


def _seed(name: str, index: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{name}\n{index}".encode()).digest()[:8], "big")


def _quantile(prior: TauPrior, p: Vector) -> Vector:
    """Return quantiles of a prior, shape (n,); made of its density, so that no prior needs a sampler."""
    if not prior.proper:
        raise ImproperPosteriorError(f"tau ~ {prior.describe()} is improper: no truth can be drawn from it")
    upper = getattr(prior, "upper", None)
    line = integrate_half_line(
        prior.logpdf, lambda tau: np.ones((1, tau.size)), prior.width or 1.0, upper=upper, power=0
    )
    return line.quantile(p)
