"""The meta-analytic predictive (MAP) prior for the next trial, and how many patients it is worth.

The posterior predictive of a new trial's true effect is a mixture of normals over tau, known exactly. The next
trial is planned and analysed with a few conjugate components instead (Schmidli et al. 2014), fitted to the exact
density and not to draws from it, so that the error of the approximation can be stated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from k2meta.models.errors import InputError, ModelError, PriorError, UnknownMethodError
from k2meta.models.fit import Fit
from k2meta.models.inputs import Vector, is_number
from k2meta.models.mixtures import NormalMixture
from k2meta.models.priors import Normal
from k2meta.models.quadrature import adapted
from k2meta.models.roots import bracketed_roots
from k2meta.shown import ShowsItself

MOST_COMPONENTS = 6
"""Most components tried where their number is not given."""

FLAT = 1e-7
"""Largest slope of the divergence, in nats per unit of a parameter, at which a minimum is reached."""

AGREEMENT = 1e-10
"""Largest difference between a panel and its halves, as a share of the whole integral over theta."""

COUNTED = 1e-300
"""Densities below this count as zero."""


@dataclass(frozen=True, slots=True)
class MapPrior(ShowsItself):
    """A MAP prior as a small mixture of normals.

    Attributes
    ----------
    mixture : NormalMixture
        The approximation; where ``robust_weight`` is positive its last component is the vague one.
    cdf_error : float
        Largest difference between the distribution functions of the exact predictive and of the approximation
        without its vague component: no probability is off by more than twice this.
    divergence : float
        Kullback-Leibler divergence of that approximation from the exact predictive, in nats.
    robust_weight : float
        Weight of the vague component; zero without one.
    exact : NormalMixture
        The exact predictive, one component for each node of tau.
    converged : bool
        Whether the divergence is at a minimum and ``cdf_error`` within the tolerance.
    warnings : tuple of str
        Sentences meant for the reader.
    """

    mixture: NormalMixture
    cdf_error: float
    divergence: float
    robust_weight: float
    converged: bool
    warnings: tuple[str, ...]
    exact: NormalMixture = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class _Target:
    """The exact predictive on a quadrature: nodes, probabilities, densities and distribution function, (n,)."""

    exact: NormalMixture
    theta: Vector
    share: Vector
    density: Vector
    below: Vector


@dataclass(frozen=True, slots=True)
class _Approximation:
    mixture: NormalMixture
    cdf_error: float
    divergence: float
    flat: bool


def map_prior(
    fit: Fit,
    *,
    components: int | None = None,
    tolerance: float = 1e-3,
    robust_weight: float = 0.0,
    robust_mean: float | None = None,
    patient_sd: float | None = None,
    arms: int = 2,
) -> MapPrior:
    """Return the prior that a meta-analysis makes for the true effect of the next trial.

    Parameters
    ----------
    fit : Fit
        A fit by quadrature, such as :func:`k2meta.bayes_random_effects` returns.
    components : int, optional
        Number of components; without it the fewest, up to ``MOST_COMPONENTS``, that reach the tolerance.
    tolerance : float
        Largest error of the distribution function asked for.
    robust_weight : float
        Weight, from 0 to below 1, of a vague component that guards against a next trial unlike the others.
    robust_mean : float, optional
        Mean of the vague component; the mean of the exact predictive without it. For a treatment effect zero is
        the sceptical choice.
    patient_sd, arms : float, int
        Standard deviation of the outcome between patients and number of arms, which make the vague component the
        unit-information prior; see :func:`unit_variance`. Needed where ``robust_weight`` is positive.

    Raises
    ------
    InputError
        A fit without a posterior over tau, or an impossible number of components, tolerance or weight.

    Notes
    -----
    The components minimise the Kullback-Leibler divergence from the exact density (BFGS with its exact slopes),
    starting from the components of the exact mixture in groups of equal probability: no draw, no seed.
    """
    _check(components, tolerance, robust_weight, robust_mean)
    vague = math.sqrt(unit_variance(patient_sd, arms)) if robust_weight > 0.0 else 0.0
    target = _target(_predictive(fit))
    numbers = range(1, MOST_COMPONENTS + 1) if components is None else (components,)
    for n in numbers:
        found = _fitted(target, n)
        if found.cdf_error <= tolerance:
            break
    mixture = found.mixture
    if robust_weight > 0.0:
        mean = target.exact.moments()[0] if robust_mean is None else robust_mean
        mixture = _with_vague(mixture, robust_weight, mean, vague)
    reached = found.cdf_error <= tolerance
    return MapPrior(
        mixture=mixture,
        cdf_error=found.cdf_error,
        divergence=found.divergence,
        robust_weight=float(robust_weight),
        converged=found.flat and reached,
        warnings=_warnings(fit, found, reached, tolerance),
        exact=target.exact,
    )


def unit_variance(patient_sd: float | None, arms: int) -> float:
    """Return the sampling variance that one patient gives an effect: that of N patients is this over N.

    With one arm the effect is a mean of N patients, with variance sd^2 / N. With two arms it is the difference of
    two means of N / 2 patients each, with variance 4 sd^2 / N: sample sizes then count the patients of both arms.

    Raises
    ------
    InputError
        A standard deviation that is not positive and finite, or a number of arms other than one and two.
    """
    if patient_sd is None or not (is_number(patient_sd) and patient_sd > 0.0):
        raise InputError(
            f"patient_sd = {patient_sd!r}: give the standard deviation of the outcome between patients, "
            "a positive finite number in units of the effects"
        )
    if arms not in (1, 2):
        raise InputError(f"arms = {arms!r}: the effect is a mean of one arm (1) or a difference of two (2)")
    return (1.0 if arms == 1 else 4.0) * patient_sd**2


def effective_sample_size(
    prior: MapPrior | NormalMixture | Normal, *, patient_sd: float, arms: int = 2, method: str = "elir"
) -> float:
    """Return how many patients a prior for a normal effect is worth.

    Parameters
    ----------
    prior : MapPrior, NormalMixture or Normal
        Prior of the effect; of a MAP prior the approximation, vague component included.
    patient_sd, arms : float, int
        Standard deviation between patients and number of arms; see :func:`unit_variance` for what is counted.
    method : {"elir", "morita", "moment"}
        ``elir``: expected local-information-ratio (Neuenschwander et al. 2020), the mean over the prior of its
        local information over that of one patient; the only one of the three that is predictively consistent (N
        patients add N on average). ``morita``: the local information at the prior mean (Morita, Thall and Mueller
        2008). ``moment``: the sample size whose likelihood has the variance of the prior.

    Raises
    ------
    InputError
        An impossible standard deviation or number of arms.
    PriorError
        Something that is no prior of an effect, such as a bare number.
    UnknownMethodError
        A method that is not registered.
    ModelError
        A prior that curves upwards at its mean, which leaves nothing to ``morita``.
    """
    if method not in ESS:
        raise UnknownMethodError("method", method, ESS)
    if not isinstance(prior, MapPrior | NormalMixture | Normal):
        raise PriorError(
            f"prior = {prior!r} is no prior of an effect; give what map_prior returns, or Normal(mean, sd)"
        )
    if isinstance(prior, Normal):
        prior = NormalMixture((1.0,), (prior.mean,), (prior.sd,))
    mixture = prior.mixture if isinstance(prior, MapPrior) else prior
    return unit_variance(patient_sd, arms) * ESS[method](mixture)


def _check(components: int | None, tolerance: float, robust_weight: float, robust_mean: float | None) -> None:
    if components is not None and not 1 <= components <= MOST_COMPONENTS:
        raise InputError(f"components = {components!r}: between 1 and {MOST_COMPONENTS}, or None")
    if not 0.0 < tolerance < 1.0:
        raise InputError(f"tolerance = {tolerance!r}: an error of a probability lies between 0 and 1")
    if not 0.0 <= robust_weight < 1.0:
        raise InputError(f"robust_weight = {robust_weight!r}: from 0 to below 1")
    if robust_mean is not None and not math.isfinite(robust_mean):
        raise InputError(f"robust_mean = {robust_mean!r} must be finite")


def _predictive(fit: Fit) -> NormalMixture:
    if fit.posterior is None:
        raise InputError(f"{fit.method}: a MAP prior needs the posterior of a Bayesian fit by quadrature")
    post = fit.posterior
    sd = np.hypot(post.mu_sd, post.tau)
    return NormalMixture(post.weight, post.mu_mean, tuple(sd.tolist()))


def _target(exact: NormalMixture) -> _Target:
    def values(theta: NDArray[np.float64]) -> NDArray[np.float64]:
        density = exact.pdf(theta)
        # Its entropy is resolved too: the divergence is a difference of two such integrals.
        return np.array([density, density * np.log(np.maximum(density, COUNTED))])

    nodes, factor = adapted(values, exact.edges(), AGREEMENT).nodes()
    theta = nodes.ravel()
    density = exact.pdf(theta)
    share = factor.ravel() * density
    some = share > 0.0
    return _Target(exact, theta[some], share[some] / share.sum(), density[some], exact.cdf(theta[some]))


def _start(exact: NormalMixture, n: int) -> NormalMixture:
    """Return the exact components in n groups of equal probability, in order of tau, each made one normal."""
    weight, mean, sd = np.array(exact.weight), np.array(exact.mean), np.array(exact.sd)
    group = np.minimum((n * (np.cumsum(weight) - 0.5 * weight)).astype(int), n - 1)
    inside = (group == np.arange(n)[:, None]) * weight
    inside = inside[inside.sum(axis=1) > 0.0]
    total = inside.sum(axis=1)
    centre = inside @ mean / total
    spread = np.sqrt(np.einsum("gj,gj->g", inside, sd**2 + (mean - centre[:, None]) ** 2) / total)
    return _mixture(total / total.sum(), centre, spread)


def _mixture(weight: Vector, mean: Vector, sd: Vector) -> NormalMixture:
    return NormalMixture(tuple(weight.tolist()), tuple(mean.tolist()), tuple(sd.tolist()))


def _fitted(target: _Target, n: int) -> _Approximation:
    """Return the n components that minimise the divergence from the exact density, from a start without chance."""
    # Imported here: only this fit needs it, and everything else starts sooner without.
    from scipy.optimize import minimize

    start = _start(target.exact, n)
    scale = _Scale(*target.exact.moments())
    entropy = float(target.share @ np.log(target.density))

    def downhill(p: Vector) -> tuple[float, Vector]:
        return _divergence(target, scale.mixture(p), entropy, scale)

    first = scale.parameters(start)
    found = minimize(downhill, first, jac=True, method="BFGS", options={"gtol": 0.1 * FLAT})
    divergence, slope = downhill(np.asarray(found.x))
    mixture = scale.mixture(np.asarray(found.x))
    flat = float(np.abs(slope).max()) <= FLAT
    return _Approximation(mixture, _cdf_error(target, mixture), max(divergence, 0.0), flat)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Turns a mixture of any unit into free numbers of order one: log weights, means, log standard deviations."""

    centre: float
    spread: float

    def parameters(self, mixture: NormalMixture) -> Vector:
        mean, sd = (np.array(mixture.mean) - self.centre) / self.spread, np.array(mixture.sd) / self.spread
        return np.concatenate([np.log(mixture.weight), mean, np.log(sd)])

    def mixture(self, parameters: Vector) -> NormalMixture:
        log_weight, mean, log_sd = parameters.reshape(3, -1)
        weight = np.exp(log_weight - log_weight.max())
        return _mixture(weight / weight.sum(), self.centre + self.spread * mean, self.spread * np.exp(log_sd))


def _divergence(target: _Target, mixture: NormalMixture, entropy: float, scale: _Scale) -> tuple[float, Vector]:
    """Return the divergence of the exact density from a mixture and its slopes in the parameters of ``scale``."""
    parts = mixture.log_parts(target.theta)
    top = parts.max(axis=1)
    parts = np.exp(parts - top[:, None])
    total = parts.sum(axis=1)
    # What each component is responsible for, in probability of the exact density.
    taken = parts * (target.share / total)[:, None]
    z = (target.theta[:, None] - np.array(mixture.mean)) / np.array(mixture.sd)
    slopes = [
        np.array(mixture.weight) - taken.sum(axis=0),
        -(taken * z).sum(axis=0) * scale.spread / np.array(mixture.sd),
        (taken * (1.0 - z * z)).sum(axis=0),
    ]
    return entropy - float(target.share @ (top + np.log(total))), np.concatenate(slopes)


def _cdf_error(target: _Target, found: NormalMixture) -> float:
    """Return the largest difference of the distribution functions: it lies where the densities cross."""
    gap = target.density - found.pdf(target.theta)
    turns = np.flatnonzero(np.sign(gap[:-1]) * np.sign(gap[1:]) < 0.0)
    largest = float(np.abs(target.below - found.cdf(target.theta)).max())
    if not turns.size:
        return largest
    low, high = target.theta[turns], target.theta[turns + 1]
    at = bracketed_roots(lambda x: target.exact.pdf(x) - found.pdf(x), low, high, 1e-9 * (high - low))
    return max(largest, float(np.abs(target.exact.cdf(at) - found.cdf(at)).max()))


def _with_vague(mixture: NormalMixture, weight: float, mean: float, sd: float) -> NormalMixture:
    rest = tuple((1.0 - weight) * one for one in mixture.weight)
    return NormalMixture((*rest, float(weight)), (*mixture.mean, float(mean)), (*mixture.sd, sd))


def _warnings(fit: Fit, found: _Approximation, reached: bool, tolerance: float) -> tuple[str, ...]:
    said = []
    if not reached:
        said.append(
            f"{len(found.mixture.weight)} components leave an error of {found.cdf_error:.1g} in probabilities, "
            f"more than the {tolerance:g} asked for."
        )
    if math.isinf(fit.mu.se) or math.isinf(fit.tau2.value):
        said.append("The exact predictive has no finite variance: no mixture of normals follows its far tails.")
    if not fit.converged:
        said.append("The fit itself did not reach its accuracy; do not use this prior.")
    return tuple(said)


def _score(mixture: NormalMixture, theta: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return density and derivative of the log density at theta."""
    parts = mixture.log_parts(theta)
    top = parts.max(axis=-1, keepdims=True)
    parts = np.exp(parts - top)
    total = parts.sum(axis=-1)
    slope = (np.array(mixture.mean) - theta[..., None]) / np.square(mixture.sd)
    return np.exp(top[..., 0]) * total, (parts * slope).sum(axis=-1) / total


def _elir(mixture: NormalMixture) -> float:
    def values(theta: NDArray[np.float64]) -> NDArray[np.float64]:
        density, slope = _score(mixture, theta)
        # By parts the mean of -(log p)'' is the mean of the squared score, which cannot cancel.
        return np.array([density, density * slope**2])

    panels = adapted(values, mixture.edges(), AGREEMENT)
    nodes, factor = panels.nodes()
    if not panels.converged:
        raise ModelError("elir: the quadrature over the prior did not reach its accuracy")
    density, information = (factor * values(nodes)).sum(axis=(1, 2))
    return float(information / density)


def _morita(mixture: NormalMixture) -> float:
    at = np.array([mixture.moments()[0]])
    parts = np.exp(mixture.log_parts(at)[0] - mixture.log_parts(at)[0].max())
    share = parts / parts.sum()
    variance = np.square(mixture.sd)
    slope = (np.array(mixture.mean) - at) / variance
    curvature = float(share @ (1.0 / variance) - (share @ slope**2 - (share @ slope) ** 2))
    if curvature <= 0.0:
        raise ModelError(
            "morita: the prior curves upwards at its mean (components on both sides of it); use method='elir'"
        )
    return curvature


def _moment(mixture: NormalMixture) -> float:
    return 1.0 / mixture.moments()[1] ** 2


ESS: Mapping[str, Callable[[NormalMixture], float]] = {"elir": _elir, "morita": _morita, "moment": _moment}
"""Information that a prior holds, in units of one over the square of an effect."""
