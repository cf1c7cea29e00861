"""Assurance: what one more trial would be expected to do to the conclusion.

The new trial has a true effect of its own, theta_new ~ N(mu, tau^2). Given tau its result is normal, so that its
predictive distribution is a mixture of normals over tau, and so is the posterior of mu after any result. What a
result does is a smooth function of it; how probable that is, is one more integral, or an area between crossings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from k2meta.models.bayes_exact import given_tau, tail_power, tau_posterior
from k2meta.models.errors import InputError
from k2meta.models.inputs import Inputs, Vector, checked, checked_level, vector
from k2meta.models.mixtures import Mixtures, NormalMixture, each_quantile
from k2meta.models.priors import Normal, TauPrior, check_mu_prior
from k2meta.models.quadrature import adapted
from k2meta.models.roots import bracketed_roots
from k2meta.shown import ShowsItself

Matrix = NDArray[np.float64]

AGREEMENT = 1e-9
"""Largest difference between a panel and its halves, as a share of the whole integral over the new result."""

CROSSING = 1e-10
"""How near a crossing is found, as a share of the distance between the points on both sides of it."""


@dataclass(frozen=True, slots=True)
class NewTrial:
    """What a new trial of one size would be expected to do.

    Attributes
    ----------
    n_per_arm : float or None
        Patients in each of its two arms; ``None`` where only its variance was given.
    vi : float
        Sampling variance of its effect, in squared units of ``yi``.
    excludes_zero_below, excludes_zero_above : float
        Probability that the updated interval of mu lies wholly below, and wholly above, zero.
    sure_below, sure_above : tuple of float
        Probability that the updated P(mu < 0), and P(mu > 0), exceeds each value of ``certainty``.
    excludes_relevance_below, excludes_relevance_above : float or None
        Probability that the updated interval lies wholly below, and wholly above, the relevance line.
    width : float
        Expected width of the updated interval, in units of ``yi``; ``inf`` where heavy tails make it so.
    error : float
        Bound on the numerical error of the probabilities: what changes when every other point of the rule is left
        out, plus by how much the expectation of the updated P(mu < 0) misses the present one, which it equals.
    width_error : float
        By how much the integral of the width differs when every panel is halved, as a share of it.
    converged : bool
        Whether the quadrature reached its accuracy.
    """

    n_per_arm: float | None
    vi: float
    excludes_zero_below: float
    excludes_zero_above: float
    sure_below: tuple[float, ...]
    sure_above: tuple[float, ...]
    excludes_relevance_below: float | None
    excludes_relevance_above: float | None
    width: float
    error: float
    width_error: float
    converged: bool


@dataclass(frozen=True, slots=True)
class Assurance(ShowsItself):
    """What new trials of several sizes would be expected to do, beside what is known now.

    Attributes
    ----------
    k : int
        Number of studies now.
    low, high : float
        Present equal-tailed interval of mu, in units of ``yi``.
    below_zero : float
        Present posterior probability that mu is negative.
    level : float
        Probability of present and updated intervals.
    certainty : tuple of float
        Probabilities of a direction that the updated ones are compared with.
    relevance : float or None
        Relevance line, in units of ``yi``.
    trials : tuple of NewTrial
        One for each size, in the order given.
    warnings : tuple of str
        Sentences meant for the reader.
    """

    k: int
    low: float
    high: float
    below_zero: float
    level: float
    certainty: tuple[float, ...]
    relevance: float | None
    trials: tuple[NewTrial, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Now:
    """The present posterior over J nodes of tau, each of shape (J,): mu given tau is N(mean, variance)."""

    weight: Vector
    tau: Vector
    mean: Vector
    variance: Vector

    def predictive(self, vi: float) -> NormalMixture:
        """Return the distribution of the result of a new trial."""
        sd = np.sqrt(self.variance + self.tau**2 + vi)
        some = self.weight > 0.0
        weight = self.weight[some] / self.weight[some].sum()
        return NormalMixture(tuple(weight.tolist()), tuple(self.mean[some].tolist()), tuple(sd[some].tolist()))

    def updated(self, vi: float, result: Vector) -> tuple[Matrix, Matrix, Matrix, Vector]:
        """Return weights, means and standard deviations of mu given each result, shape (n, J), and its density."""
        spread = self.variance + self.tau**2 + vi
        gap = result[:, None] - self.mean
        log = np.log(self.weight) - 0.5 * np.log(2.0 * math.pi * spread) - 0.5 * gap**2 / spread
        top = log.max(axis=1, keepdims=True)
        weight = np.exp(log - top)
        total = weight.sum(axis=1, keepdims=True)
        mean = self.mean + gap * (self.variance / spread)
        sd = np.sqrt(self.variance * (self.tau**2 + vi) / spread)
        return weight / total, mean, np.broadcast_to(sd, mean.shape), np.exp(top[:, 0]) * total[:, 0]

    def below(self, vi: float, result: Vector, line: float) -> Vector:
        """Return P(mu < line) given each result, shape (n,)."""
        weight, mean, sd, _ = self.updated(vi, result)
        return np.asarray((weight * ndtr((line - mean) / sd)).sum(axis=1))


def assurance(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    tau_prior: TauPrior,
    mu_prior: Normal | None = None,
    n_per_arm: Sequence[float] | None = None,
    patient_sd: float | None = None,
    new_vi: Sequence[float] | None = None,
    relevance: float | None = None,
    certainty: Sequence[float] = (0.95, 0.975),
    level: float = 0.95,
) -> Assurance:
    """Return what one more trial would be expected to do to the posterior of mu, for several sizes of it.

    Parameters
    ----------
    yi, vi : array_like, shape (k,)
        Effects and sampling variances of the trials there are, k >= 1.
    tau_prior, mu_prior : TauPrior, Normal or None
        Priors as in :func:`k2meta.bayes_random_effects`.
    n_per_arm : sequence of float
        Sizes of the new trial: patients in each of two arms.
    patient_sd : float
        Standard deviation of the outcome between patients, in units of ``yi``: for a difference of means the new
        trial has the sampling variance 2 patient_sd^2 / n.
    new_vi : sequence of float
        Sampling variances of the new trial instead, for ratios and other designs; ``n_per_arm`` may then name
        their sizes.
    relevance : float, optional
        Smallest effect that matters, in units of ``yi``, on the side where it lies.
    certainty : sequence of float
        Probabilities of a direction that the updated ones are compared with.
    level : float
        Probability of the intervals.

    Raises
    ------
    InputError
        Unusable effects, variances, sizes, relevance line, certainty or level.
    PriorError
        Something that is no prior.
    ImproperPosteriorError
        Too few studies for an improper prior of tau.

    Notes
    -----
    Assurance in the sense of O'Hagan, Stevens and Campbell (2005): power averaged over what is believed now.
    """
    data, level = checked(yi, vi), checked_level(level)
    check_mu_prior(mu_prior)
    sizes, variances = _sizes(n_per_arm, patient_sd, new_vi)
    marks = _certainty(certainty)
    if relevance is not None and not math.isfinite(relevance):
        raise InputError(f"relevance = {relevance!r} must be finite, in units of yi")
    power = tail_power(data.k, tau_prior, flat=int(mu_prior is None))
    now, converged = _now(data, tau_prior, mu_prior)
    asked = _Asked(-data.shift, None if relevance is None else relevance - data.shift, marks, level, power > 2.0)
    mixture = Mixtures(now.weight, now.mean[None, :], np.sqrt(now.variance)[None, :])
    low, high = (float(mixture.quantile(p)[0]) for p in (0.5 * (1.0 - level), 0.5 * (1.0 + level)))
    present = float(mixture.cdf(np.array([asked.zero]))[0])
    trials = tuple(_trial(now, n, v, asked, present) for n, v in zip(sizes, variances, strict=True))
    return Assurance(
        k=data.k,
        low=low + data.shift,
        high=high + data.shift,
        below_zero=present,
        level=level,
        certainty=marks,
        relevance=relevance,
        trials=trials,
        warnings=_warnings(trials, converged),
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """Lines on the shifted scale, probabilities, and whether the expected width is finite."""

    zero: float
    relevance: float | None
    certainty: tuple[float, ...]
    level: float
    finite: bool


def _sizes(
    n_per_arm: Sequence[float] | None, patient_sd: float | None, new_vi: Sequence[float] | None
) -> tuple[list[float | None], list[float]]:
    sizes = None if n_per_arm is None else _positive("n_per_arm", n_per_arm, "a number of patients")
    if new_vi is not None:
        if patient_sd is not None:
            raise InputError(
                "give patient_sd or new_vi, not both: each of them makes the variance of the new trial"
            )
        variances = _positive("new_vi", new_vi, "a sampling variance")
        if sizes is not None and len(sizes) != len(variances):
            raise InputError(f"n_per_arm has {len(sizes)} values and new_vi has {len(variances)}")
        return [None] * len(variances) if sizes is None else [*sizes], variances
    if sizes is None or patient_sd is None:
        raise InputError("give n_per_arm with patient_sd, or new_vi: the new trial needs a sampling variance")
    if not (math.isfinite(patient_sd) and patient_sd > 0.0):
        raise InputError(f"patient_sd = {patient_sd!r} must be a positive finite number, in units of yi")
    return [*sizes], [2.0 * patient_sd**2 / n for n in sizes]


def _positive(name: str, values: ArrayLike, what: str) -> list[float]:
    found = vector(name, values)
    if not found.size:
        raise InputError(f"{name} is empty; give at least one size of the new trial")
    bad = np.flatnonzero(found <= 0.0)
    if bad.size:
        raise InputError(f"{name}[{bad[0]}] = {float(found[bad[0]])!r}: {what} must be positive")
    return [float(one) for one in found]


def _certainty(values: Sequence[float]) -> tuple[float, ...]:
    marks = tuple(float(one) for one in vector("certainty", values))
    for one in marks:
        if not 0.0 < one < 1.0:
            raise InputError(f"certainty = {one!r}: a probability to be exceeded lies between 0 and 1")
    return marks


def _now(data: Inputs, tau_prior: TauPrior, mu_prior: Normal | None) -> tuple[_Now, bool]:
    line = tau_posterior(data, tau_prior, mu_prior)
    # An expected width needs every node: under a heavy tail the far ones weigh little and count for much.
    some = line.weight > 0.0
    given = given_tau(data, line.tau[some], mu_prior)
    weight = line.weight[some] / line.weight[some].sum()
    return _Now(weight, line.tau[some], given.mean, given.variance), line.converged


def _trial(now: _Now, n: float | None, vi: float, asked: _Asked, present: float) -> NewTrial:
    tail = 0.5 * (1.0 - asked.level)
    predictive = now.predictive(vi)
    lines = [asked.zero, *([] if asked.relevance is None else [asked.relevance])]

    def values(nodes: Matrix) -> Matrix:
        weight, mean, sd, density = now.updated(vi, nodes.ravel())
        shares = [density * (weight * ndtr((line - mean) / sd)).sum(axis=1) for line in lines]
        width = density * _width(weight, mean, sd, tail)
        return np.array([density, *shares, width]).reshape(-1, *nodes.shape)

    # Probabilities are wanted to so many decimals, however small they are.
    noise = np.array([0.0, *(AGREEMENT for _ in lines), 0.0])
    panels = adapted(values, predictive.edges(), AGREEMENT, noise)
    nodes, factor = panels.nodes()
    integrals = (factor * values(nodes)).sum(axis=(1, 2))
    found, coarse = (
        [
            _areas(
                now, predictive, vi, grid, line, (tail, 1.0 - tail, *(one for c in marks for one in (c, 1.0 - c)))
            )
            for line, marks in zip(lines, (asked.certainty, ()), strict=False)
        ]
        for grid in (nodes.ravel(), nodes.ravel()[::2])
    )
    doubt = max(
        abs(a - b) for one, other in zip(found, coarse, strict=True) for a, b in zip(one, other, strict=True)
    )
    zero, beyond = found[0], found[1] if asked.relevance is not None else None
    return NewTrial(
        n_per_arm=n,
        vi=vi,
        excludes_zero_below=zero[1],
        excludes_zero_above=1.0 - zero[0],
        sure_below=tuple(zero[2::2]),
        sure_above=tuple(1.0 - one for one in zero[3::2]),
        excludes_relevance_below=None if beyond is None else beyond[1],
        excludes_relevance_above=None if beyond is None else 1.0 - beyond[0],
        width=float(integrals[-1]) if asked.finite else math.inf,
        error=doubt + abs(float(integrals[1]) - present) + abs(float(integrals[0]) - 1.0),
        width_error=panels.error,
        converged=panels.converged,
    )


def _width(weight: Matrix, mean: Matrix, sd: Matrix, tail: float) -> Vector:
    """Return the width of the equal-tailed interval of each mixture, shape (n,)."""
    low, high = (each_quantile(weight, mean, sd, p) for p in (tail, 1.0 - tail))
    return np.asarray(high - low)


def _areas(
    now: _Now, predictive: NormalMixture, vi: float, grid: Vector, line: float, marks: Sequence[float]
) -> list[float]:
    """Return for each mark the probability of a result after which P(mu < line) exceeds it.

    The crossings are bracketed by the points of ``grid``, shape (n,), and the area between them is exact.
    """
    below = now.below(vi, grid, line)
    areas = []
    for mark in marks:
        above = below > mark
        turns = np.flatnonzero(above[:-1] != above[1:])
        at = _crossings(now, vi, grid[turns], grid[turns + 1], line, mark)
        ends = np.concatenate([[0.0], predictive.cdf(at), [1.0]])
        # Between crossings the answer alternates, beginning with what it is at the first point.
        areas.append(float(np.diff(ends)[0 if above[0] else 1 :: 2].sum()))
    return areas


def _crossings(now: _Now, vi: float, low: Vector, high: Vector, line: float, mark: float) -> Vector:
    """Return the results, one in each bracket, after which P(mu < line) is the mark."""

    def excess(result: Vector) -> Vector:
        return now.below(vi, result, line) - mark

    return bracketed_roots(excess, low, high, CROSSING * (high - low)) if low.size else low


def _warnings(trials: Sequence[NewTrial], converged: bool) -> tuple[str, ...]:
    said = []
    if any(math.isinf(trial.width) for trial in trials):
        said.append("The tails are so heavy that the expected width is infinite: read the probabilities.")
    if not (converged and all(trial.converged for trial in trials)):
        said.append("The quadrature did not reach its accuracy; do not use these numbers.")
    return tuple(said)
