"""Simulation-based calibration of engines for the normal-normal model.

Draw mu and tau from their priors, effects from the model, and ask the engine for its posterior. Over many such
draws the posterior distribution function at the true value is uniform, whatever the priors and the number of
studies (Cook, Gelman and Rubin 2006; Talts et al. 2018): anything else is a fault of the engine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from k2meta.calibration.bands import Band, ecdf_band
from k2meta.models.bayes_batch import bayes_pit_batch
from k2meta.models.errors import ImproperPosteriorError, InputError, ModelError
from k2meta.models.inputs import Vector
from k2meta.models.priors import Normal, TauPrior
from k2meta.models.quadrature import integrate_half_line

LEVELS = (0.5, 0.8, 0.95)
"""Central intervals whose coverage is counted."""

MCSE_ALLOWED = 3.0
"""Monte Carlo standard errors by which a coverage may miss its level."""

VARIANCES = (0.01, 1.0)
"""Range of the sampling variances of simulated studies, uniform in the logarithm, in units of the priors."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """Truth drawn from the priors, and data drawn from the truth.

    Attributes
    ----------
    mu, tau : ndarray, shape (B,)
        True pooled effects and between-study standard deviations.
    Y, V : ndarray, shape (B, k)
        Effects, and their sampling variances.
    tau_prior, mu_prior : TauPrior, Normal
        The priors they came from.
    """

    mu: Vector
    tau: Vector
    Y: NDArray[np.float64]
    V: NDArray[np.float64]
    tau_prior: TauPrior
    mu_prior: Normal


@dataclass(frozen=True, slots=True)
class Pit:
    """Posterior distribution functions at the truth, P(mu < true mu | y) and the same of tau; shape (B,) each.

    An engine that samples gives the share of its draws below the truth.
    """

    mu: Vector
    tau: Vector


Engine = Callable[[Simulated], Pit]


@dataclass(frozen=True, slots=True)
class Coverage:
    """Share of central intervals that hold the truth; ``mcse`` is its standard error if the level is kept."""

    level: float
    value: float
    mcse: float

    @property
    def kept(self) -> bool:
        """Whether the share is within three standard errors of the level."""
        return abs(self.value - self.level) <= MCSE_ALLOWED * self.mcse


@dataclass(frozen=True, slots=True)
class Uniformity:
    """What the simulations say of one parameter.

    Attributes
    ----------
    pit : ndarray, shape (B,)
        Posterior distribution function at the truth.
    band : Band
        Simultaneous band for the distribution function of ``pit``.
    inside : bool
        Whether it stays in the band.
    p : float
        Simultaneous p value of uniformity.
    coverage : tuple of Coverage
        Of the intervals of ``LEVELS``. A central interval holds the truth exactly where ``pit`` lies between its
        two tail areas.
    """

    pit: Vector
    band: Band
    inside: bool
    p: float
    coverage: tuple[Coverage, ...]

    @property
    def passed(self) -> bool:
        """Whether the band holds and every coverage is within three standard errors."""
        return self.inside and all(one.kept for one in self.coverage)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Simulation-based calibration of one engine with one pair of priors.

    Attributes
    ----------
    simulations, k, seed : int
        Number of simulated meta-analyses, studies in each, and the seed they came from.
    tau_prior, mu_prior : str
        The priors in words.
    mu, tau : Uniformity
        The verdict on each parameter.
    """

    simulations: int
    k: int
    seed: int
    tau_prior: str
    mu_prior: str
    mu: Uniformity
    tau: Uniformity

    @property
    def passed(self) -> bool:
        """Whether both parameters passed."""
        return self.mu.passed and self.tau.passed


def exact_engine(simulated: Simulated) -> Pit:
    """Return the answers of the quadrature of this package.

    Raises
    ------
    ModelError
        A posterior that the quadrature did not resolve; the message names its row.
    """
    s = simulated
    found = bayes_pit_batch(s.Y, s.V, s.mu, s.tau, tau_prior=s.tau_prior, mu_prior=s.mu_prior)
    if not found.converged.all():
        raise ModelError(f"simulation {int(np.argmin(found.converged))}: its posterior was not resolved")
    return Pit(found.mu, found.tau)


def sbc(
    simulations: int,
    k: int,
    *,
    tau_prior: TauPrior,
    mu_prior: Normal,
    seed: int,
    engine: Engine = exact_engine,
    level: float = 0.95,
) -> Calibration:
    """Check an engine by simulation.

    Parameters
    ----------
    simulations : int
        Number of simulated meta-analyses.
    k : int
        Studies in each.
    tau_prior, mu_prior : TauPrior, Normal
        Proper priors, from which the truth is drawn and which the engine is told.
    seed : int
        Seed of the simulations and, one further, of the band.
    engine : callable
        From :class:`Simulated` to :class:`Pit`.
    level : float
        Simultaneous level of the bands.

    Raises
    ------
    InputError
        Fewer than one simulation or study, or an engine whose answers are not one probability a simulation.
    ImproperPosteriorError
        A prior from which nothing can be drawn.
    """
    simulated = simulate(simulations, k, tau_prior=tau_prior, mu_prior=mu_prior, seed=seed)
    band = ecdf_band(simulations, level=level, seed=seed + 1)
    pit = engine(simulated)
    return Calibration(
        simulations=simulations,
        k=k,
        seed=seed,
        tau_prior=tau_prior.describe(),
        mu_prior=mu_prior.describe(),
        mu=_uniformity("mu", pit.mu, band),
        tau=_uniformity("tau", pit.tau, band),
    )


def simulate(simulations: int, k: int, *, tau_prior: TauPrior, mu_prior: Normal, seed: int) -> Simulated:
    """Return truth from the priors, and the effects of k studies each with its own sampling variance.

    Raises
    ------
    InputError, ImproperPosteriorError
        As :func:`sbc`.
    """
    if simulations < 1 or k < 1:
        raise InputError(f"simulations = {simulations}, k = {k}: both must be at least one")
    rng = np.random.default_rng(seed)
    mu = rng.normal(mu_prior.mean, mu_prior.sd, simulations)
    tau = _quantile(tau_prior, rng.uniform(size=simulations))
    V = np.exp(rng.uniform(*np.log(VARIANCES), size=(simulations, k)))
    theta = mu[:, None] + tau[:, None] * rng.standard_normal((simulations, k))
    return Simulated(mu, tau, theta + np.sqrt(V) * rng.standard_normal((simulations, k)), V, tau_prior, mu_prior)


def _quantile(prior: TauPrior, p: Vector) -> Vector:
    """Return quantiles of a prior, shape (n,); made of its density, so that no prior needs a sampler."""
    if not prior.proper:
        raise ImproperPosteriorError(f"tau ~ {prior.describe()} is improper: no truth can be drawn from it")
    upper = getattr(prior, "upper", None)
    line = integrate_half_line(
        prior.logpdf, lambda tau: np.ones((1, tau.size)), prior.width or 1.0, upper=upper, power=0
    )
    return line.quantile(p)


def _uniformity(name: str, pit: Vector, band: Band) -> Uniformity:
    if pit.shape != (band.n,) or not np.all((pit >= 0.0) & (pit <= 1.0)):
        raise InputError(f"{name}: the engine must return one probability for each of the {band.n} simulations")
    coverage = []
    for level in LEVELS:
        held = np.abs(pit - 0.5) <= 0.5 * level
        coverage.append(Coverage(level, float(held.mean()), math.sqrt(level * (1.0 - level) / band.n)))
    return Uniformity(pit, band, band.inside(pit), band.p(pit), tuple(coverage))
