"""The Bayesian normal-normal model without sampling.

Given tau, the effects y_i ~ N(mu, v_i + tau^2) and a flat or normal prior for mu make the posterior of mu, of
every theta_i and of a new theta normal. What is left is one integral over tau; every posterior is a mixture of
normals over its nodes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from k2meta.models.common_effect import cochran_q
from k2meta.models.errors import ImproperPosteriorError, PriorError
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
from k2meta.models.mixtures import Mixtures, mixture_moments, shortest_interval
from k2meta.models.priors import (
    Normal,
    TauPrior,
    check_mu_prior,
    check_tau_prior,
    of_studies,
    out_of_scale,
)
from k2meta.models.quadrature import HalfLine, Integrands, LogDensity, integrate_half_line
from k2meta.models.weighted import typical_variance

PRUNE = 1e-16
"""Nodes that carry less of the posterior than rounding does are not stored in the fit."""

ROUNDING = 1e-14
"""Rounding error of a mean given tau, as a share of the largest effect: some tens of roundings."""

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


MuPrior = Normal | float | None
"""What is known of mu: a prior, a known value, or nothing (flat, density one)."""


def given_tau(data: Inputs, tau: Vector, mu: MuPrior) -> Conditional:
    """Return mu given tau on the shifted scale of ``data``, and the log likelihood of tau.

    Parameters
    ----------
    data : Inputs
        Effects, shifted, and their variances.
    tau : ndarray, shape (n,)
        Between-study standard deviations.
    mu : Normal, float or None
        Prior or known value of mu on the scale of the effects before the shift; ``None`` is flat.
    """
    if isinstance(mu, Normal):
        return conditional(data.yi, data.vi, tau, Normal(mu.mean - data.shift, mu.sd))
    if mu is None:
        return conditional(data.yi, data.vi, tau, None)
    known = mu - data.shift
    weight = 1.0 / (data.vi + (tau * tau)[:, None])
    seen = 0.5 * np.log(weight).sum(axis=1) - 0.5 * weight @ (data.yi - known) ** 2
    seen -= 0.5 * data.k * math.log(2.0 * math.pi)
    return Conditional(np.full(len(tau), known), np.zeros(len(tau)), seen, weight)


def tau_posterior(data: Inputs, tau_prior: TauPrior, mu: MuPrior) -> HalfLine:
    """Return the posterior of tau; its ``log_total`` is the log evidence where all priors are proper.

    Raises
    ------
    PriorError
        Something that is no prior, one of other studies, or one beyond every scale of the effects.
    ImproperPosteriorError
        Too few studies for the tail of the prior of tau.
    """
    power = tail_power(data.k, tau_prior, flat=int(mu is None))
    scale = float(np.abs(data.yi).max()) + math.sqrt(float(data.vi.min()))
    absurd = out_of_scale(mu, scale) if isinstance(mu, Normal) else ""
    if absurd:
        raise PriorError(absurd)

    def log_likelihood(tau: Vector) -> Vector:
        return given_tau(data, tau, mu).log_likelihood

    # A flat mu has a second moment only where tau has one; under a prior it always has.
    spread = power > 3.0 or mu is not None

    def moments(tau: Vector) -> NDArray[np.float64]:
        given = given_tau(data, tau, mu)
        return np.vstack([given.mean / scale, *([given.variance / scale**2] if spread else [])])

    noise = np.array([ROUNDING, *([0.0] if spread else [])])
    return integrate_tau(log_likelihood, moments, noise, data.vi, scale, tau_prior, power)


def integrate_tau(
    log_likelihood: LogDensity,
    moments: Integrands,
    noise: Vector,
    vi: Vector,
    scale: float,
    tau_prior: TauPrior,
    power: float,
) -> HalfLine:
    """Return the posterior of tau from its log likelihood.

    Parameters
    ----------
    log_likelihood : callable
        From tau, shape (n,), to the log likelihood with all else integrated out.
    moments : callable
        From tau, shape (n,), to factors (q, n) whose expectations must be accurate besides those of tau.
    noise : ndarray, shape (q,)
        Absolute rounding error of each of these factors; zero for those that cannot cancel.
    vi : ndarray, shape (k,)
        Sampling variances; below the smallest of them the likelihood is smooth.
    scale : float
        Size of the effects, which the moments of tau are measured by.
    tau_prior : TauPrior
        Prior of tau.
    power : float
        Where the posterior of tau falls as tau**-power, from :func:`tail_power`.
    """
    # The second moment is asked for only where it is finite.
    order = 2 if power > 3.0 else 0
    tau_prior = of_studies(tau_prior, vi)
    absurd = out_of_scale(tau_prior, scale)
    if absurd:
        raise PriorError(absurd)
    spread = math.sqrt(float(vi.min()))
    unit = spread if tau_prior.width is None else min(spread, tau_prior.width)

    def log_density(tau: Vector) -> Vector:
        return log_likelihood(tau) + tau_prior.logpdf(tau)

    def integrands(tau: Vector) -> NDArray[np.float64]:
        return np.vstack([moments(tau), (tau / scale) ** order])

    upper = getattr(tau_prior, "upper", None)
    noise = np.append(noise, 0.0)
    # Far beyond every scale a density underflows to the zero that it is there.
    with np.errstate(over="ignore", under="ignore"):
        return integrate_half_line(log_density, integrands, unit, upper=upper, power=order, noise=noise)


def tail_power(k: int, tau_prior: TauPrior, *, flat: int) -> float:
    """Return a where the posterior of tau falls as tau**-a; moments of order a - 1 and more are infinite.

    Parameters
    ----------
    k : int
        Number of studies.
    tau_prior : TauPrior
        Prior of tau.
    flat : int
        Number of coefficients (mu, or those of a regression) with a flat prior.

    Raises
    ------
    PriorError
        Something that is no prior of tau.
    ImproperPosteriorError
        When a is one or less.
    """
    check_tau_prior(tau_prior)
    # Each study contributes 1 / tau; integrating a coefficient over a flat prior gives one tau back.
    power = tau_prior.tail + (k - flat)
    if power <= 1.0:
        studies = "study" if k == 1 else "studies"
        raise ImproperPosteriorError(
            f"tau ~ {tau_prior.describe()} with {k} {studies} leaves an improper posterior; "
            "use a proper prior for tau, for example HalfNormal"
        )
    return power


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
    PriorError
        Something that is no prior of tau or mu, one of other studies, or one beyond every scale of the effects.
    ImproperPosteriorError
        Too few studies for an improper prior of tau.
    """
    data, level = checked(yi, vi), checked_level(level)
    check_mu_prior(mu_prior)
    power = tail_power(data.k, tau_prior, flat=int(mu_prior is None))
    line = tau_posterior(data, tau_prior, mu_prior)
    # Moments need every node: under a heavy tail the far ones weigh little and count for much.
    some = line.weight > 0.0
    tau, weight = line.tau[some], line.weight[some] / line.weight[some].sum()
    given = given_tau(data, tau, mu_prior)
    mixtures = _mixtures(data, tau, weight, given)
    ends = central_intervals(mixtures, level)
    tau_found = tau_estimate(line, level, power)
    i2, h2 = posterior_shares(data.vi, tau_found)
    return Fit(
        model=model or "bayes_exact",
        method="Bayesian random effects, exact by quadrature",
        options={
            "tau_prior": tau_prior.describe(),
            "mu_prior": mu_prior.describe() if mu_prior else "flat",
            "level": level,
        },
        k=data.k,
        mu=mixture_estimate(mixtures, 0, ends[0], data.shift, level, infinite=mu_prior is None and power <= 3.0),
        tau2=_tau2(line, tau_found, power, level),
        tau=tau_found,
        i2=i2.value,
        h2=h2.value,
        i2_share=i2,
        h2_share=h2,
        q=cochran_q(data),
        prediction=Prediction(
            ends[1][0] + data.shift, ends[1][1] + data.shift, None, "posterior predictive", level
        ),
        weights=expected_weights(weight, given),
        studies=shrunken(mixtures, 2, ends, data.shift),
        diagnostics=Diagnostics(
            converged=line.converged, at_boundary=False, iterations=line.levels, quadrature_error=line.error
        ),
        posterior=_posterior(tau, weight, line.density[some], given, data.shift),
        log_evidence=line.log_total if tau_prior.proper and mu_prior is not None else None,
        warnings=_warnings(data.k, power, line),
        yi=tuple(np.asarray(yi, dtype=float).tolist()),
        vi=tuple(data.vi.tolist()),
    )


def _mixtures(data: Inputs, tau: Vector, weight: Vector, given: Conditional) -> Mixtures:
    """Return mu, the effect of a new study and the k true effects as mixtures over tau: rows 0, 1, 2 to k + 1."""
    theta, variance = true_effects(data.yi, data.vi, tau, given.mean, given.variance)
    mean = np.vstack([given.mean, given.mean, theta])
    sd = np.sqrt(np.vstack([given.variance, given.variance + tau**2, variance]))
    return Mixtures(weight, mean, sd)


def true_effects(
    y: Vector, v: Vector, tau: Vector, mean: NDArray[np.float64], variance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and variance of the k true effects given tau, each of shape (k, n).

    Parameters
    ----------
    y, v : ndarray, shape (k,)
        Effects and sampling variances.
    tau : ndarray, shape (n,)
        Between-study standard deviations.
    mean, variance : ndarray, shape (n,) or (k, n)
        Those of the effect expected of each study, given tau.
    """
    precision = 1.0 / (v[:, None] + tau * tau)
    pull = precision * v[:, None]
    # 1 - pull loses its digits when tau is small, tau^2 w does not.
    kept = tau**2 * precision
    return pull * mean + kept * y[:, None], kept * v[:, None] + pull**2 * variance


def mixture_estimate(
    mixtures: Mixtures, row: int, ends: tuple[float, float], shift: float, level: float, *, infinite: bool
) -> Estimate:
    """Return the summary of one mixture, moved back by ``shift``.

    Parameters
    ----------
    mixtures : Mixtures
        Mixtures of normals, of which ``row`` is meant.
    ends : tuple of float
        Its equal-tailed interval, before the shift.
    infinite : bool
        Whether heavy tails make its standard deviation infinite.
    """
    mean, sd = mixture_moments(mixtures, row)
    short = shortest_interval(
        lambda p: mixtures.repeated(row, len(p)).quantile(p),
        mixtures.take(row).below_and_density,
        level,
        from_the_edge=False,
    )
    return Estimate(
        value=mean + shift,
        se=math.inf if infinite else sd,
        low=ends[0] + shift,
        high=ends[1] + shift,
        level=level,
        median=float(mixtures.repeated(row, 1).quantile(0.5)[0]) + shift,
        shortest=(short[0] + shift, short[1] + shift),
    )


def tau_estimate(line: HalfLine, level: float, power: float) -> Estimate:
    """Return the summary of tau, its infinite moments infinite; ``power`` is that of :func:`tail_power`."""
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
        shortest=shortest_interval(line.quantile, line.below_and_density, level, from_the_edge=True),
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


def central_intervals(mixtures: Mixtures, level: float) -> list[tuple[float, float]]:
    """Return the equal-tailed interval of every mixture."""
    low, high = (mixtures.quantile(p) for p in ((1.0 - level) / 2.0, (1.0 + level) / 2.0))
    return list(zip(low.tolist(), high.tolist(), strict=True))


def shrunken(
    mixtures: Mixtures, first: int, ends: Sequence[tuple[float, float]], shift: float
) -> tuple[StudyEstimate, ...]:
    """Return the true effects of the studies, which are the mixtures from ``first`` on."""
    rows = []
    for i in range(first, len(ends)):
        mean, sd = mixture_moments(mixtures, i)
        rows.append(StudyEstimate(mean + shift, sd, ends[i][0] + shift, ends[i][1] + shift))
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
