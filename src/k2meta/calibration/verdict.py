"""The verdict on an engine: ranks that stay in their band, intervals that hold the truth as often as they say."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from k2meta.calibration.bands import Band, ecdf_band
from k2meta.calibration.engines import exact_engine
from k2meta.calibration.simulation import PARAMETERS, Engine, Pit, simulate
from k2meta.models.errors import InputError
from k2meta.models.inputs import Vector
from k2meta.models.priors import Normal, TauPrior
from k2meta.shown import ShowsItself

LEVELS = (0.5, 0.8, 0.95)
"""Central intervals whose coverage is counted."""

MCSE_ALLOWED = 3.0
"""Standard errors from which on a coverage is marked. Of nine of a right engine one is, 2 times in 100."""

FAMILY = 0.01
"""Chance, at most, that any coverage of a right engine's calibration is refuted: Bonferroni over all of them."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Share of central intervals that hold the truth; ``mcse`` is its standard error if the level is kept.

    ``p`` is the two-sided p value of the level: binomial, from the number of intervals that hold the truth.
    """

    level: float
    value: float
    mcse: float
    p: float

    @property
    def off(self) -> float:
        """By how many standard errors the share misses the level, with its sign."""
        return (self.value - self.level) / self.mcse

    @property
    def kept(self) -> bool:
        """Whether the share is within three standard errors of the level; one that is not is marked."""
        return abs(self.off) <= MCSE_ALLOWED

    @property
    def refuted(self) -> bool:
        """Whether the level is refuted among all coverages of a calibration, by Bonferroni at ``FAMILY``."""
        return self.p < FAMILY / (len(LEVELS) * len(PARAMETERS))


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
        """Whether the band holds and no coverage is refuted."""
        return self.inside and not any(one.refuted for one in self.coverage)


@dataclass(frozen=True, slots=True)
class Calibration(ShowsItself):
    """Simulation-based calibration of one engine with one pair of priors.

    Attributes
    ----------
    simulations, k, seed : int
        Number of simulated meta-analyses, studies in each, and the seed they came from.
    tau_prior, mu_prior : str
        The priors in words.
    mu, tau, theta : Uniformity
        The verdict on each parameter; ``theta`` is the true effect of the first study.
    """

    simulations: int
    k: int
    seed: int
    tau_prior: str
    mu_prior: str
    mu: Uniformity
    tau: Uniformity
    theta: Uniformity

    @property
    def parameters(self) -> dict[str, Uniformity]:
        """The verdicts by the names of the parameters."""
        return {name: getattr(self, name) for name in PARAMETERS}

    @property
    def inside(self) -> bool:
        """Whether every band holds."""
        return all(one.inside for one in self.parameters.values())

    @property
    def passed(self) -> bool:
        """Whether every parameter passed.

        With bands of level 1 - a a right engine passes in at least 1 - 3 a - ``FAMILY`` of all calibrations.
        """
        return all(one.passed for one in self.parameters.values())


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
        Base seed: that of every simulation is derived from it, from priors, ``k`` and the simulation's index.
    engine : callable
        From :class:`Simulated` to :class:`Pit`.
    level : float
        Simultaneous level of the band of each parameter.

    Raises
    ------
    InputError
        Fewer than one simulation or study, or an engine whose answers are not one probability a simulation.
    PriorError
        Something that is no prior, such as a bare number; no prior of mu.
    ImproperPosteriorError
        A prior from which nothing can be drawn.
    """
    pit = engine(simulate(simulations, k, tau_prior=tau_prior, mu_prior=mu_prior, seed=seed))
    return judged(pit, k, tau_prior=tau_prior, mu_prior=mu_prior, seed=seed, level=level)


def judged(
    pit: Pit, k: int, *, tau_prior: TauPrior, mu_prior: Normal, seed: int, level: float = 0.95
) -> Calibration:
    """Return the verdict on the answers of an engine, as :func:`sbc` gives it.

    Raises
    ------
    InputError
        No answers, or answers that are not one probability a simulation.
    """
    band = ecdf_band(len(pit.mu), level=level, seed=seed + 1)
    return Calibration(
        simulations=len(pit.mu),
        k=k,
        seed=seed,
        tau_prior=tau_prior.describe(),
        mu_prior=mu_prior.describe(),
        **{name: _uniformity(name, getattr(pit, name), band) for name in PARAMETERS},
    )


def _uniformity(name: str, pit: Vector, band: Band) -> Uniformity:
    if pit.shape != (band.n,) or not np.all((pit >= 0.0) & (pit <= 1.0)):
        raise InputError(f"{name}: the engine must return one probability for each of the {band.n} simulations")
    coverage = tuple(_coverage(pit, level) for level in LEVELS)
    return Uniformity(pit, band, band.inside(pit), band.p(pit), coverage)


def _coverage(pit: Vector, level: float) -> Coverage:
    from scipy.special import bdtr, bdtrc

    n, held = len(pit), int(np.count_nonzero(np.abs(pit - 0.5) <= 0.5 * level))
    # bdtrc is the chance of more than a count, so of at least ``held`` where it is asked of one less.
    above = float(bdtrc(held - 1, n, level)) if held else 1.0
    p = min(1.0, 2.0 * min(float(bdtr(held, n, level)), above))
    return Coverage(level, held / n, math.sqrt(level * (1.0 - level) / n), p)
