"""Checks of a sampled model by its draws: cross-validation, posterior prediction, power scaling.

All of them use the likelihood of an effect given mu and tau, its true effect integrated out. The one that is
conditional on theta_i would ask how well a second measurement in the same trial is predicted, and leaving out the
only effect that informs theta_i makes its importance ratios useless (Merkle, Furr and Rabe-Hesketh 2019).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from k2meta.models.check_types import (
    SENSITIVE,
    Diagnosis,
    Loo,
    LooComparison,
    PowerScaling,
    PredictiveCheck,
    Scaled,
)
from k2meta.models.errors import InputError
from k2meta.models.inputs import Vector, checked
from k2meta.models.priors import Normal, TauPrior

Array = NDArray[np.float64]

POWERS = (0.8, 1.25)
"""Weights given to prior or likelihood: by a quarter less and more, far enough to see and near enough to trust."""

COMPONENTS: tuple[Literal["prior", "likelihood"], ...] = ("prior", "likelihood")
SAMPLES = ("chain", "draw")

TAIL = 1e-14
"""Probability of a gamma precision left out at either end of its quadrature."""

NODES = 64
"""Gauss-Legendre nodes of each of the two panels over the logarithm of that precision."""


def log_likelihood(
    mu: Array, tau: Array, yi: ArrayLike, vi: ArrayLike, *, df: Array | float | None = None
) -> Array:
    """Return the log density of each effect given mu and tau, its true effect integrated out.

    Parameters
    ----------
    mu, tau : ndarray, shape (chain, draw)
        Draws.
    yi, vi : array_like, shape (k,)
        Effects and sampling variances.
    df : float or ndarray, shape (chain, draw), optional
        Degrees of freedom of Student-t random effects with scale tau; normal ones where left out.

    Returns
    -------
    ndarray, shape (chain, draw, k)

    Raises
    ------
    InputError
        Unusable effects or variances.
    """
    data = checked(yi, vi)
    residual = data.yi + data.shift - mu[..., None]
    if df is None:
        return _log_normal(residual, data.vi + tau[..., None] ** 2)
    tails = np.broadcast_to(np.asarray(df, dtype=np.float64), mu.shape)
    each = []
    for i, v in enumerate(data.vi):
        log_precision, log_weight = _gamma_nodes(tails, residual[..., i] / tau)
        density = _log_normal(residual[..., i, None], v + tau[..., None] ** 2 * np.exp(-log_precision))
        each.append(np.logaddexp.reduce(log_weight + density, axis=-1))
    return np.stack(each, axis=-1)


def _log_normal(residual: Array, variance: Array) -> Array:
    result: Array = -0.5 * (np.log(2.0 * math.pi * variance) + residual**2 / variance)
    return result


def _gamma_nodes(df: Array, t: Array) -> tuple[Array, Array]:
    """Return log precisions and log weights of a gamma(df / 2, df / 2), shape (..., 2 NODES).

    Student's t is a normal with such a precision. In its logarithm the integrand is smooth; one panel covers the
    precision, a second one its lower tail as far as an effect t scales from mu, seen without error, leads.
    """
    from scipy.special import gammainccinv, gammaincinv, gammaln

    # Quantiles of one number are computed once; they do not change when it fills an array.
    half = (df.ravel()[:1].reshape((1,) * df.ndim) if np.ptp(df) == 0.0 else df) / 2.0
    low, high = np.log(gammaincinv(half, TAIL) / half), np.log(gammainccinv(half, TAIL) / half)
    lowest = np.minimum(low, np.log(gammaincinv(half + 0.5, TAIL)) - np.log(half + 0.5 * t * t))
    node, weight = np.polynomial.legendre.leggauss(NODES)
    panels = []
    for a, b in ((lowest, low), (low, high)):
        middle, reach = 0.5 * (a + b)[..., None], 0.5 * (b - a)[..., None]
        with np.errstate(divide="ignore"):  # an empty panel has weight zero
            panels.append(np.broadcast_arrays(middle + reach * node + 0.0 * t[..., None], np.log(reach * weight)))
    x, log_weight = (np.concatenate(parts, axis=-1) for parts in zip(*panels, strict=True))
    shape = half[..., None]
    return x, log_weight + shape * (np.log(shape) + x) - shape * np.exp(x) - gammaln(shape)


def log_prior(mu: Array, tau: Array, tau_prior: TauPrior, mu_prior: Normal | None) -> Array:
    """Return the log prior of each draw, shape (chain, draw); a flat prior of mu contributes nothing."""
    flat: Array = tau_prior.logpdf(tau.ravel()) + (mu_prior.logpdf(mu.ravel()) if mu_prior else 0.0)
    return flat.reshape(mu.shape)


def loo(mu: Array, tau: Array, pointwise: Array) -> Loo:
    """Return leave-one-out cross-validation by Pareto-smoothed importance sampling (Vehtari et al. 2017, 2024).

    Parameters
    ----------
    mu, tau : ndarray, shape (chain, draw)
        Draws; their autocorrelation sets how far the ratios are smoothed.
    pointwise : ndarray, shape (chain, draw, k)
        From :func:`log_likelihood`.
    """
    import arviz as az

    tree = az.from_dict({"posterior": {"mu": mu, "tau": tau}, "log_likelihood": {"y": pointwise}})
    with warnings.catch_warnings():
        # What they say is in pareto_k.
        warnings.simplefilter("ignore", UserWarning)
        found = az.loo(tree, pointwise=True, var_name="y")
    return Loo(
        elpd=float(found.elpd),
        se=float(found.se),
        p_loo=float(found.p),
        pointwise=tuple(np.asarray(found.elpd_i, dtype=float).tolist()),
        pareto_k=tuple(np.asarray(found.pareto_k, dtype=float).tolist()),
        good_k=float(found.good_k),
    )


def compare(model: str, one: Loo, other_model: str, other: Loo) -> LooComparison:
    """Return by how much the first of two models predicts better, from the same effects in the same order.

    Raises
    ------
    InputError
        Different numbers of studies.
    """
    return compare_pointwise(model, one.pointwise, other_model, other.pointwise)


def compare_pointwise(model: str, one: Sequence[float], other_model: str, other: Sequence[float]) -> LooComparison:
    """Return by how much the first of two models predicts better, from log predictive densities of each study.

    Parameters
    ----------
    one, other : sequence of float, length k
        Log predictive density of each effect given the others, in the same order.

    Raises
    ------
    InputError
        Different numbers of studies.
    """
    if len(one) != len(other):
        raise InputError(f"{model} has {len(one)} studies and {other_model} {len(other)}")
    each = np.array(one) - np.array(other)
    return LooComparison(model, other_model, float(each.sum()), float(math.sqrt(len(each)) * each.std()))


def predictive_check(mu: Array, tau: Array, yi: ArrayLike, vi: ArrayLike) -> PredictiveCheck:
    """Return how the effects look among effects replicated from a model with normal random effects.

    Nothing is simulated: given mu and tau the replicated effects are independent normals, so each probability is
    a mean of known ones over the draws. The chi-square discrepancy is that of Gelman, Meng and Stern (1996).

    Parameters
    ----------
    mu, tau : ndarray, shape (chain, draw)
        Draws.
    yi, vi : array_like, shape (k,)
        Effects and sampling variances.

    Raises
    ------
    InputError
        Unusable effects or variances.
    """
    from scipy.special import chdtrc, ndtr

    data = checked(yi, vi)
    z = (data.yi + data.shift - mu.reshape(-1, 1)) / np.sqrt(data.vi + tau.reshape(-1, 1) ** 2)
    furthest = np.abs(z).max(axis=1)
    # The largest of k absolute normals lies below m with probability (2 Phi(m) - 1)^k.
    extreme = -np.expm1(data.k * np.log1p(-2.0 * ndtr(-furthest)))
    return PredictiveCheck(
        pit=tuple(ndtr(z).mean(axis=0).tolist()),
        chi2_p=float(chdtrc(data.k, (z * z).sum(axis=1)).mean()),
        extreme_p=float(extreme.mean()),
        extreme=int(np.argmax(np.abs(z).mean(axis=0))),
    )


def power_scaling(draws: Mapping[str, Array], prior: Array, pointwise: Array) -> tuple[PowerScaling, ...]:
    """Return how each parameter answers to more and less weight of prior and likelihood (Kallioinen et al. 2024).

    The draws are weighted with the prior or the likelihood to the power of minus a fifth and a quarter, smoothed
    as ArviZ does; nothing is sampled again.

    Parameters
    ----------
    draws : mapping of str to ndarray, shape (chain, draw)
        The parameters.
    prior : ndarray, shape (chain, draw)
        From :func:`log_prior`.
    pointwise : ndarray, shape (chain, draw, k)
        From :func:`log_likelihood`.
    """
    import arviz as az

    tree = az.from_dict(
        {"posterior": dict(draws), "log_prior": {"prior": prior}, "log_likelihood": {"likelihood": pointwise}}
    )
    totals = {"prior": tree.log_prior["prior"], "likelihood": tree.log_likelihood["likelihood"]}
    totals["likelihood"] = totals["likelihood"].sum([d for d in totals["likelihood"].dims if d not in SAMPLES])
    moved = {component: az.psense(tree, group=component, alphas=POWERS) for component in COMPONENTS}
    weights = {(c, power): _weight(totals[c], power) for c in COMPONENTS for power in POWERS}
    found = []
    for name, x in draws.items():
        prior_moves, likelihood_moves = (float(moved[component][name]) for component in COMPONENTS)
        scaled = tuple(_scaled(c, power, x.ravel(), weight) for (c, power), weight in weights.items())
        diagnosis = _diagnosis(prior_moves, likelihood_moves)
        found.append(PowerScaling(name, prior_moves, likelihood_moves, diagnosis, scaled))
    return tuple(found)


def _weight(log_density: Any, power: float) -> Vector:
    """Return the smoothed weights of the draws, shape (n,), from a labelled array of log densities."""
    weight = np.exp(np.asarray(log_density.azstats.power_scale_lw(alpha=power, dim=list(SAMPLES)))).ravel()
    result: Vector = weight / weight.sum()
    return result


def _scaled(component: Literal["prior", "likelihood"], power: float, x: Vector, weight: Vector) -> Scaled:
    mean = float(weight @ x)
    return Scaled(component, power, mean, math.sqrt(float(weight @ (x - mean) ** 2)))


def _diagnosis(prior: float, likelihood: float) -> Diagnosis:
    # Draws tell two decimals apart at best: the printed value and its reading must not differ from run to run.
    prior, likelihood = round(prior, 2), round(likelihood, 2)
    if prior < SENSITIVE:
        return "none"
    return "prior-data conflict" if likelihood >= SENSITIVE else "strong prior, weak likelihood"
