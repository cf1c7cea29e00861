"""The interval of Henmi and Copas (2010): common-effect weights, random-effects uncertainty.

The common-effect mean gives small studies, which suffer more from selective publication, less weight than the
random-effects mean does; the interval still allows for heterogeneity.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import gammainc

from k2meta.models.fit import Estimate
from k2meta.models.heterogeneity import dersimonian_laird
from k2meta.models.inputs import Vector
from k2meta.models.roots import bracketed_root
from k2meta.models.weighted import leverage_complement, pooled, trace_p, trace_psps

PANELS = np.array([0.0, 0.25, 1.0, 2.5, 5.0, 10.0])
"""Ends of the Gauss-Legendre panels, in standard deviations beyond the point where the integrand begins."""

NODES = 24
"""Nodes of one panel: all together agree with twice as many to 1e-12."""


@dataclass(frozen=True, slots=True)
class _Moments:
    """Variance of the mean d, and mean and variance of Q given d, as polynomials in d^2."""

    variance: float
    mean: tuple[float, float]
    spread: tuple[float, float]


def henmi_copas(yi: Vector, vi: Vector, level: float, null: float = 0.0) -> Estimate:
    """Return the common-effect mean with the interval of Henmi and Copas (2010).

    Parameters
    ----------
    yi, vi : ndarray, shape (k,)
        Effects and sampling variances, k >= 2.
    level : float
        Coverage.
    null : float
        Value of the effect that is tested.

    Returns
    -------
    Estimate
        ``se`` is sqrt((1 + t sum(w^2) / sum(w)) / sum(w)) with w = 1 / v and the DerSimonian-Laird t. The pivot
        (mean - mu) / se has the distribution worked out in the paper: Q given the mean is taken as gamma with its
        exact conditional mean and variance, and one integral over the mean is left.
    """
    weight = 1.0 / vi
    tau2 = dersimonian_laird(yi, vi).value
    total, ratio = float(weight.sum()), float(weight @ weight) / float(weight.sum())
    se = math.sqrt((1.0 + tau2 * ratio) / total)
    tail = _two_sided_tail(weight, vi, tau2)
    # At tau2 = 0 the pivot never exceeds the normal one, and each doubling halves the tail at the least.
    upper = 4.0 + math.sqrt(1.0 + tau2 * ratio)
    while tail(upper) > 1.0 - level:
        upper *= 2.0
    factor = bracketed_root(lambda u: tail(u) - (1.0 - level), 1e-8, upper).value
    value = pooled(yi, weight)
    statistic = (value - null) / se
    return Estimate(
        value, se, value - factor * se, value + factor * se, level, None, statistic, tail(abs(statistic))
    )


def _two_sided_tail(weight: Vector, vi: Vector, tau2: float) -> Callable[[float], float]:
    """Return the function u -> P(|mean - mu| > u SE(Q)).

    SE grows with Q, so beyond |d| = u / sqrt(sum w) the event is that Q is below the value at which SE = |d| / u.
    """
    given = _conditional_moments(weight, vi, tau2)
    total, slope, df = float(weight.sum()), trace_p(weight), len(vi) - 1
    ratio = float(weight @ weight) / total
    sd = math.sqrt(given.variance)
    steps, factor = _panels()

    def tail(u: float) -> float:
        if u == 0.0:
            return 1.0
        start = u / math.sqrt(total) / sd
        r = start + steps
        d2 = (r * sd) ** 2
        bound = df + slope * np.maximum(total * d2 / u**2 - 1.0, 0.0) / ratio
        mean = given.mean[0] + given.mean[1] * d2
        spread = given.spread[0] + given.spread[1] * d2
        below = gammainc(mean * mean / spread, bound * mean / spread)
        normal = np.exp(-0.5 * r * r) / math.sqrt(2.0 * math.pi)
        return min(1.0, 2.0 * float(factor @ (below * normal)))

    return tail


def _conditional_moments(weight: Vector, vi: Vector, tau2: float) -> _Moments:
    """Return the moments of d = mean - mu and of Q given d, for normal effects with variances S = V + tau2.

    Q = y'By with B = W - ww' / sum(w), and given d the effects have mean S w d / (w'S w / sum w) and the variance
    S - S w w' S / w'S w. As B V w = B 1 = 0, everything follows from b = B w.
    """
    total = float(weight.sum())
    sampled = vi + tau2
    explained = float(weight**2 @ sampled)
    b = weight * (weight - float(weight @ weight) / total)
    bw, bsb = float(weight @ b), float(b @ (sampled * b))
    drift = tau2 / (explained / total)
    flat = float((weight * leverage_complement(weight)) @ sampled) - tau2**2 * bw / explained
    squares = trace_psps(weight, sampled) - 2.0 * tau2**2 * bsb / explained + (tau2**2 * bw / explained) ** 2
    pull = 4.0 * drift**2 * (bsb - tau2**2 * bw**2 / explained)
    return _Moments(explained / total**2, (flat, drift**2 * bw), (2.0 * squares, max(pull, 0.0)))


@cache
def _panels() -> tuple[Vector, Vector]:
    node, weight = np.polynomial.legendre.leggauss(NODES)
    half = 0.5 * np.diff(PANELS)[:, None]
    return (PANELS[:-1, None] + half * (1.0 + node)).ravel(), (half * weight).ravel()
