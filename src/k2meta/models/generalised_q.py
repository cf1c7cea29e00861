"""The exact distribution of the generalised Q statistic, and the intervals of tau2 that follow from it.

For fixed weights a, Q_a = sum a (y - mu_a)^2 is a weighted sum of k - 1 chi-squares with one degree of freedom.
Its Laplace transform is elementary, with singularities on the negative real axis only, and is inverted along a
parabola through the saddle point: rounding accuracy with a fixed number of nodes, whatever the weights and
however many studies, where a series needs ever more terms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc

from k2meta.models.errors import UnknownMethodError
from k2meta.models.inputs import Vector
from k2meta.models.interval_types import Tau2Interval
from k2meta.models.roots import bracketed_root, bracketed_roots
from k2meta.models.weighted import leverage_complement, pooled, trace_p, trace_psps

Complex = NDArray[np.complex128]

CONTOUR_NODES = 96
"""Nodes on the upper half of the contour."""

CONTOUR_END = 10.5
"""Where the contour ends, in units of the width sigma that the transform alone has at the saddle point. With the
bend used here exp(q Re s) falls at least like exp(-y^2 / (3 sigma^2)) by Cauchy's inequality: below 1e-15."""

NO_TAIL = 5e-13
"""Upper tails proved smaller than this are zero: so far out the integrand turns faster than the nodes follow."""

BEND = 0.05
"""Relative step of the differences that give width and slope of the contour; they need two digits only."""

WEIGHTS: Mapping[str, Callable[[Vector], Vector]] = {
    "inv_v": lambda vi: 1.0 / vi,
    "equal": np.ones_like,
    "inv_sqrt_v": lambda vi: 1.0 / np.sqrt(vi),
}
"""Name in the config: fixed weights of the generalised Q as a function of the sampling variances."""


def moment_weights(vi: Vector, name: str) -> Vector:
    """Return the weights of the generalised Q under a registered name, shape (k,)."""
    if name not in WEIGHTS:
        raise UnknownMethodError("tau2_weights", name, WEIGHTS)
    return WEIGHTS[name](vi)


def weighted_sum_of_squares(yi: Vector, weight: Vector) -> float:
    """Return Q_a = sum a (y - mu_a)^2 for fixed weights a."""
    residual = yi - pooled(yi, weight)
    return float(weight @ (residual * residual))


@dataclass(frozen=True, slots=True)
class _Contour:
    """Points s of shape (n, nodes) and the factors that turn values of a transform into a probability."""

    point: Complex
    factor: Complex


@dataclass(frozen=True, slots=True)
class _Transform:
    """E exp(-s Q) at points s and the derivative of its logarithm in tau2, both of shape (n, nodes)."""

    value: Complex
    slope: Complex


def _decline(s: Vector, total: Vector, weight: Vector) -> Vector:
    """Return -d log E exp(-s Q) / ds for real s > 0, shape (n,): the mean of Q when tilted by exp(-s Q).

    ``total`` has shape (n, k): the variances v + tau2. det(I + 2 s S A) is prod(1 + x) mean(1 / (1 + x)) with
    x = 2 s a (v + tau2) and a mean with weights a, so no eigenvalue is needed.
    """
    rate = 2.0 * weight * total
    inverse = 1.0 / (1.0 + rate * s[:, None])
    mean = (weight * inverse).sum(axis=1)
    drop = (weight * rate * inverse * inverse).sum(axis=1) / mean
    result: Vector = 0.5 * ((rate * inverse).sum(axis=1) - drop)
    return result


def _tail_bound(q: float, total: Vector, weight: Vector) -> Vector:
    """Return Chernoff's upper bound of P(Q > q), shape (n,), the best of a few exponents."""
    # No eigenvalue exceeds the largest a S, nor their sum; a study that is nearly all the weight needs the latter.
    spread = (weight * (1.0 - weight) * total).sum(axis=1)
    steepest = 0.5 / np.minimum((weight * total).max(axis=1), spread)
    bounds = []
    for share in (0.1, 0.2, 0.4, 0.6, 0.8, 0.9):
        rest = 1.0 - 2.0 * share * steepest[:, None] * weight * total
        mean = (weight / rest).sum(axis=1)
        log_transform = -0.5 * (np.log(np.abs(rest)).sum(axis=1) + np.log(np.abs(mean)))
        bounds.append(log_transform - share * steepest * q)
    result: Vector = np.exp(np.minimum(np.min(bounds, axis=0), 0.0))
    return result


def _contour(q: float, total: Vector, weight: Vector) -> _Contour:
    """Return the upper half of a parabola through the saddle point of exp(s q) E exp(-s Q) / s, for each row.

    The parabola has the bend of steepest descent of exp(s q) E exp(-s Q), and its nodes are even in u with
    y = s0 sinh(u): close together near the pole at zero, which may be far nearer than sigma is wide.
    """
    least = np.full(len(total), 1.0 / q)
    # The transform falls no faster than s^-(k-1)/2, which brackets the saddle.
    most = least * 0.5 * (total.shape[1] + 1.0)
    saddle = bracketed_roots(
        lambda s: q - _decline(s, total, weight) - 1.0 / s, least * (1.0 - 1e-9), most * (1.0 + 1e-9), 1e-2 * least
    )
    up, here, down = (_decline(saddle * (1.0 + d), total, weight) for d in (BEND, 0.0, -BEND))
    # Far out in the tail the differences are rounding. With the rates rho = 1 / (s + p) of the transform,
    # decline = sum rho / 2, curvature = sum rho^2 / 2 and bend = sum rho^3 / (3 sum rho^2), which Cauchy's
    # inequality and rho <= 1 / s bound.
    curvature = (down - up) / (2.0 * BEND * saddle)
    curvature = np.clip(curvature, 2.0 * here * here / (total.shape[1] - 1.0), here / saddle)
    bend = (up - 2.0 * here + down) / (BEND * saddle) ** 2 / (6.0 * curvature)
    bend = np.clip(bend, curvature / (3.0 * here), 1.0 / (3.0 * saddle))[:, None]
    end = np.arcsinh(CONTOUR_END / np.sqrt(curvature) / saddle)[:, None]
    u = end * (np.arange(CONTOUR_NODES) + 0.5) / CONTOUR_NODES
    start = saddle[:, None]
    y = start * np.sinh(u)
    point = start - bend * y * y + 1j * y
    slope = (1j - 2.0 * bend * y) * start * np.cosh(u) * (end / CONTOUR_NODES)
    # Twice the upper half, over 2 pi i; the caller takes the real part.
    return _Contour(point, np.exp(q * point) * slope / (1j * np.pi))


def _transform(contour: _Contour, total: Vector, weight: Vector) -> _Transform:
    scale = 2.0 * contour.point[:, :, None] * weight
    x: Complex = 1.0 + scale * total[:, None, :]
    share = weight / x
    mean = share.sum(axis=2)
    # The square roots before the product: each factor is on its principal branch, their product is not.
    value = np.exp(-0.5 * np.log(x).sum(axis=2)) / np.sqrt(mean)
    inner = scale / x
    return _Transform(
        np.asarray(value, dtype=np.complex128), -0.5 * (inner.sum(axis=2) - (share * inner).sum(axis=2) / mean)
    )


def distribution(q: float, vi: Vector, tau2: Vector, weight: Vector) -> Vector:
    """Return P(Q_a <= q) at many tau2, shape (n,).

    Parameters
    ----------
    q : float
        Value of Q_a, zero or larger.
    vi : ndarray, shape (k,)
        Sampling variances.
    tau2 : ndarray, shape (n,)
        Between-study variances.
    weight : ndarray, shape (k,)
        Fixed positive weights a, summing to one.

    Notes
    -----
    Absolute error at most 2e-10, measured over variances spread across nine decades; within two decades it is
    below 1e-12. The tests hold both.
    """
    if q <= 0.0:
        return np.zeros_like(tau2)
    total = vi + tau2[:, None]
    contour = _contour(q, total, weight)
    value = _transform(contour, total, weight).value
    inside = np.clip((value * contour.factor / contour.point).sum(axis=1).real, 0.0, 1.0)
    return np.where(_tail_bound(q, total, weight) < NO_TAIL, 1.0, inside)


def confidence_density(q: float, vi: Vector, tau2: Vector, weight: Vector) -> Vector:
    """Return -d P(Q_a <= q) / d tau2 at many tau2, shape (n,), for q > 0.

    The density of the confidence distribution of tau2. Arguments as for :func:`distribution`.
    """
    total = vi + tau2[:, None]
    contour = _contour(q, total, weight)
    found = _transform(contour, total, weight)
    inside = -(found.value * found.slope * contour.factor / contour.point).sum(axis=1).real
    return np.where(_tail_bound(q, total, weight) < NO_TAIL, 0.0, np.maximum(inside, 0.0))


def generalised_q_interval(yi: Vector, vi: Vector, level: float = 0.95, weights: str = "inv_v") -> Tau2Interval:
    """Return the generalised-Q interval of tau2 (Jackson 2013), exact for normal effects.

    The limits are the tau2 at which the observed Q_a has the upper and the lower tail probability
    (1 - level) / 2.

    Parameters
    ----------
    yi, vi : ndarray, shape (k,)
        Effects and sampling variances, k >= 2.
    level : float
        Coverage.
    weights : {"inv_v", "equal", "inv_sqrt_v"}
        Fixed weights of Q_a.

    Raises
    ------
    UnknownMethodError
        A name of weights that is not registered.
    """
    weight = moment_weights(vi, weights)
    # The distribution of Q / c under weights a / c is the same; a sum of one keeps every unit in range.
    weight = weight / weight.sum()
    q = weighted_sum_of_squares(yi, weight)
    return _inverted(lambda tau2: float(distribution(q, vi, np.array([tau2]), weight)[0]), q, vi, weight, level)


def biggerstaff_tweedie(yi: Vector, vi: Vector, level: float = 0.95) -> Tau2Interval:
    """Return the interval of Biggerstaff and Tweedie (1997): Q with weights 1 / v, taken as gamma.

    The gamma distribution has the exact mean and variance of Q at each tau2. It is the approximation that the
    generalised-Q interval with weights 1 / v makes exact.
    """
    weight = 1.0 / vi
    q = weighted_sum_of_squares(yi, weight)

    def cdf(tau2: float) -> float:
        mean = len(vi) - 1 + tau2 * trace_p(weight)
        variance = 2.0 * trace_psps(weight, vi + tau2)
        return float(gammainc(mean * mean / variance, q * mean / variance))

    return _inverted(cdf, q, vi, weight, level)


def _inverted(cdf: Callable[[float], float], q: float, vi: Vector, weight: Vector, level: float) -> Tau2Interval:
    tail = (1.0 - level) / 2.0
    at_zero = cdf(0.0)
    if at_zero <= tail:
        return Tau2Interval(0.0, 0.0, True)
    # At this tau2 the expectation of Q is its observed value plus what sampling alone gives: past the bulk.
    start = (q + float((weight * leverage_complement(weight)) @ vi)) / trace_p(weight)
    high = _crossing(cdf, tail, start)
    low = _crossing(cdf, 1.0 - tail, start) if at_zero > 1.0 - tail else 0.0
    return Tau2Interval(low, high, False)


def _crossing(cdf: Callable[[float], float], probability: float, start: float) -> float:
    upper = start
    while cdf(upper) > probability:
        upper *= 4.0
    return bracketed_root(lambda tau2: cdf(tau2) - probability, 0.0, upper).value
