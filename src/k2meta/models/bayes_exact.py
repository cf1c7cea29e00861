"""The Bayesian normal-normal model without sampling.

Given tau, the effects y_i ~ N(mu, v_i + tau^2) and a flat or normal prior for mu make the posterior of mu, of
every theta_i and of a new theta normal. What is left is one integral over tau; every posterior is a mixture of
normals over its nodes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from k2meta.models.common_effect import cochran_q
from k2meta.models.errors import ImproperPosteriorError
from k2meta.models.fit import (
    Diagnostics,
    Estimate,
    Fit,
    Heterogeneity,
    Posterior,
    Prediction,
    Share,
    StudyEstimate,
)
from k2meta.models.inputs import Inputs, Vector, checked, checked_level
from k2meta.models.mixtures import Mixtures, shortest_interval
from k2meta.models.priors import Normal, TauPrior
from k2meta.models.quadrature import HalfLine, integrate_half_line
from k2meta.models.weighted import typical_variance

PRUNE = 1e-16
"""Nodes that carry less of the posterior than rounding does are not stored in the fit."""

FEW = 5
"""Below this many studies the prior for tau is a large part of the answer."""


@dataclass(frozen=True, slots=True)
class Conditional:
    """Posterior of mu given tau, and the log likelihood of tau with mu integrated out; all of shape (n,).

    ``weight`` has shape (n, k): the precision 1 / (v_i + tau^2) of each study.
    """

    mean: Vector
    variance: Vector
    log_likelihood: Vector
    weight: NDArray[np.float64]


def conditional(yi: Vector, vi: Vector, tau: Vector, mu_prior: Normal | None) -> Conditional:
    """Return mu given tau, with mu integrated out of the likelihood under its prior.

    Parameters
    ----------
    yi, vi : ndarray, shape (k,)
        Effects and sampling variances.
    tau : ndarray, shape (n,)
        Between-study standard deviations.
    mu_prior : Normal or None
        Prior of mu; for ``None`` the flat prior with density one, which leaves the likelihood a constant short
        of an evidence.
    """
    weight = 1.0 / (vi + (tau * tau)[:, None])
    total = weight.sum(axis=1)
    centre = weight @ yi / total
    residual = yi - centre[:, None]
    fit = 0.5 * np.log(weight).sum(axis=1) - 0.5 * np.einsum("ij,ij->i", weight, residual**2)
    fit -= 0.5 * len(yi) * math.log(2.0 * math.pi)
    if mu_prior is None:
        return Conditional(centre, 1.0 / total, fit + 0.5 * np.log(2.0 * math.pi / total), weight)
    # The pooled mean is sufficient: it was seen with variance 1 / total around mu, and mu around its prior.
    spread = mu_prior.sd**2 + 1.0 / total
    gap = centre - mu_prior.mean
    seen = fit - 0.5 * np.log(total * spread) - 0.5 * gap * gap / spread
    mean = mu_prior.mean + gap * mu_prior.sd**2 / spread
    return Conditional(mean, mu_prior.sd**2 / (total * spread), seen, weight)


def bayes_random_effects(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    tau_prior: TauPrior,
    mu_prior: Normal | None = None,
    level: float = 0.95,
    model: str = "",
) -> Fit:
    """Pool effects with priors for tau and mu, exactly.

    Parameters
    ----------
    yi : array_like, shape (k,)
        Effects, k >= 1.
    vi : array_like, shape (k,)
        Sampling variances, in squared units of ``yi``.
    tau_prior : TauPrior
        Prior of the between-study standard deviation, in units of ``yi``; see :mod:`k2meta.models.priors`.
    mu_prior : Normal or None
        Prior of the pooled effect; ``None`` is flat.
    level : float
        Probability of every interval.
    model : str
        Identifier written into the fit; ``"bayes_exact"`` when empty.

    Returns
    -------
    Fit
        Posterior means, standard deviations and equal-tailed intervals; ``mu`` and ``tau`` with median and
        shortest interval. ``tau2.value`` is the posterior mean of tau squared; ``i2`` and ``h2`` are posterior
        medians. ``weights`` are expected shares of the studies in the mean of mu, the prior's share left out.
        Where heavy tails make a moment infinite it is ``inf`` and a warning says so.

    Raises
    ------
    InputError
        Unusable effects, variances or level; the message names the index.
    ImproperPosteriorError
        Too few studies for an improper prior of tau.
    """
    data, level = checked(yi, vi), checked_level(level)
    centred = None if mu_prior is None else Normal(mu_prior.mean - data.shift, mu_prior.sd)
    power = _tail_power(data.k, tau_prior, mu_prior)
    line = _posterior_of_tau(data, tau_prior, centred, power)
    # Moments need every node: under a heavy tail the far ones weigh little and count for much.
    some = line.weight > 0.0
    tau, weight = line.tau[some], line.weight[some] / line.weight[some].sum()
    given = conditional(data.yi, data.vi, tau, centred)
    mixtures = _mixtures(data, tau, weight, given)
    ends = [mixtures.quantile(p) + data.shift for p in ((1.0 - level) / 2.0, (1.0 + level) / 2.0)]
    tau_estimate = _tau(line, level, power)
    i2, h2 = posterior_shares(data.vi, tau_estimate)
    return Fit(
        model=model or "bayes_exact",
        method="Bayesian random effects, exact by quadrature",
        options={
            "tau_prior": tau_prior.describe(),
            "mu_prior": mu_prior.describe() if mu_prior else "flat",
            "level": level,
        },
        k=data.k,
        mu=_mu(data, mixtures, ends, level, infinite=mu_prior is None and power <= 3.0),
        tau2=_tau2(line, tau_estimate, power, level),
        tau=tau_estimate,
        i2=i2.value,
        h2=h2.value,
        i2_share=i2,
        h2_share=h2,
        q=cochran_q(data),
        prediction=Prediction(float(ends[0][1]), float(ends[1][1]), None, "posterior predictive", level),
        weights=expected_weights(weight, given),
        studies=_studies(data, mixtures, ends),
        diagnostics=Diagnostics(converged=line.converged, at_boundary=False, iterations=line.levels),
        posterior=_posterior(tau, weight, line.density[some], given, data.shift),
        log_evidence=line.log_total if tau_prior.proper and mu_prior is not None else None,
        warnings=_warnings(data.k, power, line),
        yi=tuple(np.asarray(yi, dtype=float).tolist()),
        vi=tuple(data.vi.tolist()),
    )


def _tail_power(k: int, tau_prior: TauPrior, mu_prior: Normal | None) -> float:
    """Return a where the posterior of tau falls as tau**-a; moments of order a - 1 and more are infinite."""
    # Each study contributes 1 / tau; integrating mu over a flat prior gives one tau back.
    power = tau_prior.tail + (k if mu_prior else k - 1)
    if power <= 1.0:
        studies = "study" if k == 1 else "studies"
        raise ImproperPosteriorError(
            f"tau ~ {tau_prior.describe()} with {k} {studies} leaves an improper posterior; "
            "use a proper prior for tau, for example HalfNormal"
        )
    return power


def _posterior_of_tau(data: Inputs, prior: TauPrior, mu_prior: Normal | None, power: float) -> HalfLine:
    order = 2 if power > 3.0 else 0
    spread = math.sqrt(float(data.vi.min()))
    unit = spread if prior.width is None else min(spread, prior.width)
    scale = float(np.abs(data.yi).max()) + spread

    def log_density(tau: Vector) -> Vector:
        return conditional(data.yi, data.vi, tau, mu_prior).log_likelihood + prior.logpdf(tau)

    def integrands(tau: Vector) -> NDArray[np.float64]:
        given = conditional(data.yi, data.vi, tau, mu_prior)
        rows = [given.mean / scale, (tau / scale) ** order]
        if order or mu_prior:
            rows.append(given.variance / scale**2)
        return np.vstack(rows)

    upper = getattr(prior, "upper", None)
    return integrate_half_line(log_density, integrands, unit, upper=upper, power=order)


def _mixtures(data: Inputs, tau: Vector, weight: Vector, given: Conditional) -> Mixtures:
    """Return mu, the effect of a new study and the k true effects as mixtures over tau: rows 0, 1, 2 to k + 1."""
    pull = given.weight.T * data.vi[:, None]
    theta = pull * given.mean + (1.0 - pull) * data.yi[:, None]
    # 1 - pull loses its digits when tau is small, tau^2 w does not.
    variance = (tau**2 * given.weight.T) * data.vi[:, None] + pull**2 * given.variance
    mean = np.vstack([given.mean, given.mean, theta])
    sd = np.sqrt(np.vstack([given.variance, given.variance + tau**2, variance]))
    return Mixtures(weight, mean, sd)


def _mu(data: Inputs, mixtures: Mixtures, ends: list[Vector], level: float, *, infinite: bool) -> Estimate:
    mean, sd = _moments(mixtures, 0)
    short = shortest_interval(
        lambda p: mixtures.repeated(0, len(p)).quantile(p),
        lambda x: mixtures.repeated(0, len(x)).pdf(x),
        level,
        from_the_edge=False,
    )
    return Estimate(
        value=mean + data.shift,
        se=math.inf if infinite else sd,
        low=float(ends[0][0]),
        high=float(ends[1][0]),
        level=level,
        median=float(mixtures.repeated(0, 1).quantile(0.5)[0]) + data.shift,
        shortest=(short[0] + data.shift, short[1] + data.shift),
    )


def _moments(mixtures: Mixtures, row: int) -> tuple[float, float]:
    mean = float(mixtures.weight @ mixtures.mean[row])
    variance = mixtures.weight @ (mixtures.sd[row] ** 2 + (mixtures.mean[row] - mean) ** 2)
    return mean, math.sqrt(float(variance))


def _tau(line: HalfLine, level: float, power: float) -> Estimate:
    mean = float(line.weight @ line.tau)
    sd = math.sqrt(float(line.weight @ (line.tau - mean) ** 2))
    low, median, high = line.quantile(np.array([(1.0 - level) / 2.0, 0.5, (1.0 + level) / 2.0]))
    return Estimate(
        value=mean if power > 2.0 else math.inf,
        se=sd if power > 3.0 else math.inf,
        low=float(low),
        high=float(high),
        level=level,
        median=float(median),
        shortest=shortest_interval(line.quantile, line.pdf, level, from_the_edge=True),
    )


def _tau2(line: HalfLine, tau: Estimate, power: float, level: float) -> Heterogeneity:
    # A tail of tau^-power has a mean of tau2 above the third power and a variance above the fifth.
    mean = float(line.weight @ line.tau**2) if power > 3.0 else math.inf
    sd = math.sqrt(float(line.weight @ (line.tau**2 - mean) ** 2)) if power > 5.0 else None
    return Heterogeneity(
        value=mean,
        se=sd,
        low=tau.low**2,
        high=tau.high**2,
        method="posterior mean of tau2",
        interval_method="equal-tailed credible interval",
        level=level,
    )


def posterior_shares(vi: Vector, tau: Estimate) -> tuple[Share, Share]:
    """Return posterior medians and intervals of I2 (percent) and H2; no interval for one study."""
    i2_name = "posterior median of 100 tau2 / (tau2 + typical variance)"
    h2_name = "posterior median of 1 + tau2 / typical variance"
    if len(vi) == 1 or tau.median is None:
        return Share(0.0, None, None, i2_name), Share(1.0, None, None, h2_name)
    typical = typical_variance(vi)
    # Both rise with tau, so quantiles of tau become quantiles of the shares.
    value, low, high = (t * t / typical for t in (tau.median, tau.low, tau.high))
    return (
        Share(100.0 * value / (1.0 + value), 100.0 * low / (1.0 + low), 100.0 * high / (1.0 + high), i2_name),
        Share(1.0 + value, 1.0 + low, 1.0 + high, h2_name),
    )


def _studies(data: Inputs, mixtures: Mixtures, ends: list[Vector]) -> tuple[StudyEstimate, ...]:
    rows = []
    for i in range(2, data.k + 2):
        mean, sd = _moments(mixtures, i)
        rows.append(StudyEstimate(mean + data.shift, sd, float(ends[0][i]), float(ends[1][i])))
    return tuple(rows)


def expected_weights(weight: Vector, given: Conditional) -> tuple[float, ...]:
    """Return each study's expected share in the conditional mean of mu, scaled to sum to one over the studies."""
    share = weight @ (given.weight * given.variance[:, None])
    return tuple(float(w) for w in share / share.sum())


def _posterior(tau: Vector, weight: Vector, density: Vector, given: Conditional, shift: float) -> Posterior:
    keep = weight >= PRUNE
    return Posterior(
        tau=tuple(tau[keep].tolist()),
        weight=tuple((weight[keep] / weight[keep].sum()).tolist()),
        density=tuple(density[keep].tolist()),
        mu_mean=tuple((given.mean[keep] + shift).tolist()),
        mu_sd=tuple(np.sqrt(given.variance[keep]).tolist()),
    )


def _warnings(k: int, power: float, line: HalfLine) -> tuple[str, ...]:
    said = []
    if k == 1:
        said.append("One study: nothing is pooled, and heterogeneity is what its prior says.")
    elif k < FEW:
        said.append(f"With {k} studies the prior of the heterogeneity is a large part of the answer.")
    if power <= 3.0:
        said.append("The tails are so heavy that a posterior variance is infinite: read medians and intervals.")
    if not line.converged:
        said.append("The quadrature did not reach its accuracy; do not use this fit.")
    return tuple(said)
