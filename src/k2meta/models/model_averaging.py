"""Bayesian model averaging over {no effect, effect} x {no heterogeneity, heterogeneity} x priors, exactly.

Evidences are exact, so posterior model probabilities are too. Averaged posteriors are mixtures of normals for mu
and of quadratures for tau, with a lump of probability at zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logsumexp

from k2meta.models.bayes_exact import PRUNE, given_tau, tail_power, tau_posterior
from k2meta.models.bayes_factors import (
    exponential,
    log_evidence_without_heterogeneity,
    refuse_improper,
)
from k2meta.models.errors import InputError, PriorError
from k2meta.models.fit import Estimate
from k2meta.models.inputs import Inputs, Vector, checked, checked_level, is_number
from k2meta.models.mixtures import Mixtures
from k2meta.models.priors import Normal, TauPrior, check_several
from k2meta.models.quadrature import HalfLine
from k2meta.models.roots import bracketed_roots
from k2meta.shown import ShowsItself

MIN_K = 2
"""Fewest studies that say anything about heterogeneity."""

NO_EFFECT = "mu = 0"
NO_HETEROGENEITY = "tau = 0"


@dataclass(frozen=True, slots=True)
class AveragedModel:
    """One of the models: its priors in words, its probabilities, and its posterior of mu.

    Attributes
    ----------
    effect, heterogeneity : str
        Prior of mu and of tau in words; ``"mu = 0"`` and ``"tau = 0"`` for the models without.
    prior, posterior : float
        Probability of the model before and after the data.
    log_evidence : float
        Natural log of the marginal likelihood.
    mu_mean, mu_sd : float
        Posterior mean and standard deviation of mu, in units of the effects; both zero without an effect.
    """

    effect: str
    heterogeneity: str
    prior: float
    posterior: float
    log_evidence: float
    mu_mean: float
    mu_sd: float


@dataclass(frozen=True, slots=True)
class Inclusion:
    """Probability that a component is there, before and after the data.

    ``log_bf10`` is the natural log of the inclusion Bayes factor, posterior odds over prior odds: above zero the
    data speak for the component.
    """

    prior: float
    posterior: float
    log_bf10: float

    @property
    def bf10(self) -> float:
        """Return the inclusion Bayes factor; infinite where it is beyond the largest number."""
        return exponential(self.log_bf10)


@dataclass(frozen=True, slots=True)
class ModelAverage(ShowsItself):
    """Posterior over models, and the averages it gives.

    Attributes
    ----------
    k : int
        Number of studies.
    models : tuple of AveragedModel
        Every model; empty where ``not_run`` says why, and then what follows is ``None``.
    effect, heterogeneity : Inclusion or None
        Inclusion of an effect (mu not zero) and of heterogeneity (tau not zero).
    mu, tau : Estimate or None
        Averages over all models, the lump at zero included: mean, SD, median and equal-tailed interval.
    mu_with_effect, tau_with_heterogeneity : Estimate or None
        Averages over the models that have the component.
    below_zero, above_zero : float or None
        Averaged posterior probabilities that mu is negative and positive; the rest lies on zero.
    converged : bool
        Whether every quadrature reached its accuracy.
    not_run : str
        Why nothing was averaged; empty otherwise.
    """

    k: int
    models: tuple[AveragedModel, ...] = ()
    effect: Inclusion | None = None
    heterogeneity: Inclusion | None = None
    mu: Estimate | None = None
    tau: Estimate | None = None
    mu_with_effect: Estimate | None = None
    tau_with_heterogeneity: Estimate | None = None
    below_zero: float | None = None
    above_zero: float | None = None
    converged: bool = True
    not_run: str = ""


@dataclass(frozen=True, slots=True)
class _Fitted:
    """One model: its priors (0.0 for mu = 0, None for tau = 0) and its posterior; mu on the shifted scale."""

    mu: Normal | float
    tau_prior: TauPrior | None
    log_prior: float
    log_evidence: float
    line: HalfLine | None
    weight: Vector
    mean: Vector
    sd: Vector


def model_averaging(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    mu_priors: Sequence[Normal],
    tau_priors: Sequence[TauPrior],
    prior_effect: float = 0.5,
    prior_heterogeneity: float = 0.5,
    level: float = 0.95,
) -> ModelAverage:
    """Average the normal-normal model over the presence of an effect, of heterogeneity, and over priors.

    Parameters
    ----------
    yi, vi : array_like, shape (k,)
        Effects and sampling variances; with one study ``not_run`` is set.
    mu_priors : sequence of Normal
        Priors of mu where there is an effect; they share ``prior_effect`` equally.
    tau_priors : sequence of TauPrior
        Proper priors of tau where there is heterogeneity; they share ``prior_heterogeneity`` equally.
    prior_effect, prior_heterogeneity : float
        Prior probabilities of an effect and of heterogeneity, independent of each other.
    level : float
        Probability of every interval.

    Raises
    ------
    InputError
        Unusable effects, variances, level or probabilities.
    PriorError
        No prior for a component, or an improper one.
    """
    data, level = checked(yi, vi), checked_level(level)
    _check(mu_priors, tau_priors, prior_effect, prior_heterogeneity)
    if data.k < MIN_K:
        return ModelAverage(data.k, not_run="k = 1: not averaged; one study says nothing about heterogeneity")
    fitted = [
        _fit(data, mu, tau, p + q)
        for mu, p in _shares(0.0, mu_priors, prior_effect)
        for tau, q in _shares(None, tau_priors, prior_heterogeneity)
    ]
    seen = np.array([model.log_prior + model.log_evidence for model in fitted])
    log_posterior = seen - logsumexp(seen)
    effect = np.array([isinstance(model.mu, Normal) for model in fitted])
    heterogeneity = np.array([model.tau_prior is not None for model in fitted])
    share = np.exp(log_posterior)
    mu_zero, tau_zero = float(share[~effect].sum()), float(share[~heterogeneity].sum())
    mixture = _mixture(fitted, _within(log_posterior, effect))
    lines = _lines(fitted, _within(log_posterior, heterogeneity))
    least = min(tail_power(data.k, prior, flat=0) for prior in tau_priors)
    below = float(mixture.cdf(np.array([-data.shift]))[0])
    return ModelAverage(
        k=data.k,
        models=tuple(_described(model, float(p), data.shift) for model, p in zip(fitted, share, strict=True)),
        effect=_inclusion(log_posterior, effect, prior_effect),
        heterogeneity=_inclusion(log_posterior, heterogeneity, prior_heterogeneity),
        mu=_mu(mixture, data.shift, mu_zero, level),
        tau=_tau(lines, least, tau_zero, level),
        mu_with_effect=_mu(mixture, data.shift, 0.0, level),
        tau_with_heterogeneity=_tau(lines, least, 0.0, level),
        below_zero=(1.0 - mu_zero) * below,
        above_zero=(1.0 - mu_zero) * (1.0 - below),
        converged=all(model.line.converged for model in fitted if model.line),
    )


def _check(
    mu_priors: Sequence[Normal], tau_priors: Sequence[TauPrior], effect: float, heterogeneity: float
) -> None:
    for name, p in (("prior_effect", effect), ("prior_heterogeneity", heterogeneity)):
        if not is_number(p) or not 0.0 < p < 1.0:
            raise InputError(f"{name} = {p!r}: a prior probability must lie strictly between 0 and 1")
    check_several("mu_priors", mu_priors, "[Normal(0, 1)]")
    check_several("tau_priors", tau_priors, "[HalfNormal(0.5)]")
    for name, priors in (("mu_priors", mu_priors), ("tau_priors", tau_priors)):
        if not priors:
            raise PriorError(f"{name} is empty; give at least one prior")
    if not all(isinstance(prior, Normal) for prior in mu_priors):
        raise PriorError("mu_priors: every model with an effect needs a proper prior for mu, a Normal")
    for prior in tau_priors:
        refuse_improper(prior)


def _shares[P, Q](absent: Q, priors: Sequence[P], present: float) -> list[tuple[P | Q, float]]:
    """Return the absent component and its priors, each with the log of its prior probability."""
    return [(absent, math.log1p(-present)), *((prior, math.log(present / len(priors))) for prior in priors)]


def _fit(data: Inputs, mu: Normal | float, tau_prior: TauPrior | None, log_prior: float) -> _Fitted:
    if tau_prior is None:
        tau, weight, line = np.zeros(1), np.ones(1), None
        log_evidence = log_evidence_without_heterogeneity(data, mu)
    else:
        line = tau_posterior(data, tau_prior, mu)
        keep = line.weight >= PRUNE
        tau, weight, log_evidence = line.tau[keep], line.weight[keep] / line.weight[keep].sum(), line.log_total
    given = given_tau(data, tau, mu)
    return _Fitted(mu, tau_prior, log_prior, log_evidence, line, weight, given.mean, np.sqrt(given.variance))


def _within(log_posterior: Vector, has: NDArray[np.bool_]) -> Vector:
    """Return probabilities of the models given that they have a component, shape (M,); zero for the others."""
    there = np.where(has, log_posterior, -np.inf)
    result: Vector = np.exp(there - logsumexp(there))
    return result


def _inclusion(log_posterior: Vector, has: NDArray[np.bool_], prior: float) -> Inclusion:
    # Both sums in logs: the component may be certain to the last digit, and its odds still are a number.
    odds = float(logsumexp(log_posterior[has]) - logsumexp(log_posterior[~has]))
    return Inclusion(prior, float(expit(odds)), odds - math.log(prior) + math.log1p(-prior))


def _mixture(fitted: list[_Fitted], share: Vector) -> Mixtures:
    """Return mu given an effect, on the shifted scale, as one mixture of normals."""
    parts = [(model, s) for model, s in zip(fitted, share, strict=True) if isinstance(model.mu, Normal)]
    weight = np.concatenate([s * model.weight for model, s in parts])
    mean = np.concatenate([model.mean for model, _ in parts])
    sd = np.concatenate([model.sd for model, _ in parts])
    keep = weight >= PRUNE
    return Mixtures(weight[keep] / weight[keep].sum(), mean[None, keep], sd[None, keep])


def _described(model: _Fitted, posterior: float, shift: float) -> AveragedModel:
    mean, sd = 0.0, 0.0
    if isinstance(model.mu, Normal):
        centre = float(model.weight @ model.mean)
        mean = centre + shift
        sd = math.sqrt(float(model.weight @ (model.sd**2 + (model.mean - centre) ** 2)))
    return AveragedModel(
        effect=model.mu.describe() if isinstance(model.mu, Normal) else NO_EFFECT,
        heterogeneity=model.tau_prior.describe() if model.tau_prior else NO_HETEROGENEITY,
        prior=math.exp(model.log_prior),
        posterior=posterior,
        log_evidence=model.log_evidence,
        mu_mean=mean,
        mu_sd=sd,
    )


def _mu(mixture: Mixtures, shift: float, at_zero: float, level: float) -> Estimate:
    centre = float(mixture.weight @ mixture.mean[0])
    variance = float(mixture.weight @ (mixture.sd[0] ** 2 + (mixture.mean[0] - centre) ** 2))
    below = float(mixture.cdf(np.array([-shift]))[0])

    def quantile(p: Vector) -> Vector:
        return mixture.repeated(0, len(p)).quantile(p) + shift

    return _estimate(quantile, centre + shift, math.sqrt(variance), below, at_zero, level)


@dataclass(frozen=True, slots=True)
class _Lines:
    """Tau given heterogeneity: posteriors of tau with the probabilities of their models."""

    parts: tuple[tuple[HalfLine, float], ...]

    def moment(self, order: int) -> float:
        return math.fsum(share * float(line.weight @ line.tau**order) for line, share in self.parts)

    def quantile(self, p: Vector) -> Vector:
        """Return quantiles, shape (n,), which lie between the smallest and the largest of the parts."""
        parts = np.array([line.quantile(p) for line, share in self.parts if share >= PRUNE])
        # Widened, so that rounding cannot remove the sign change when all parts agree.
        low, high = parts.min(axis=0) * (1.0 - 1e-9), parts.max(axis=0) * (1.0 + 1e-9)
        kept = math.fsum(share for _, share in self.parts if share >= PRUNE)

        def excess(tau: Vector) -> Vector:
            return sum(s / kept * line.cdf(tau) for line, s in self.parts if s >= PRUNE) - p

        return bracketed_roots(excess, low, high, 1e-13 * high)


def _lines(fitted: list[_Fitted], share: Vector) -> _Lines:
    return _Lines(tuple((model.line, float(s)) for model, s in zip(fitted, share, strict=True) if model.line))


def _tau(lines: _Lines, power: float, at_zero: float, level: float) -> Estimate:
    mean = lines.moment(1) if power > 2.0 else math.inf
    sd = math.sqrt(max(lines.moment(2) - mean * mean, 0.0)) if power > 3.0 else math.inf
    return _estimate(lines.quantile, mean, sd, 0.0, at_zero, level)


def _estimate(
    quantile: Callable[[Vector], Vector], mean: float, sd: float, below: float, at_zero: float, level: float
) -> Estimate:
    """Return a summary of a continuous distribution (``below``: its mass under zero) with a lump at zero."""
    wanted = np.array([0.5 * (1.0 - level), 0.5, 0.5 * (1.0 + level)])
    rest = 1.0 - at_zero
    left, right = wanted < rest * below, wanted > rest * below + at_zero
    found = np.zeros(3)
    if left.any():
        found[left] = quantile(wanted[left] / rest)
    if right.any():
        found[right] = quantile((wanted[right] - at_zero) / rest)
    spread = math.inf if math.isinf(sd) else math.sqrt(rest * (sd * sd + at_zero * mean * mean))
    low, median, high = (float(value) for value in found)
    return Estimate(value=rest * mean, se=spread, low=low, high=high, level=level, median=median)
