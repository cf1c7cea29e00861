"""Likelihood-ratio intervals of the pooled effect and of tau2 (Hardy and Thompson 1996).

At a given tau2 the log-likelihood is a parabola in mu, so the region of high likelihood is a stack of intervals
centre(tau2) ± halfwidth(tau2), and its outermost points are a one-dimensional search. Where the likelihood has
two humps the region may have a gap; the interval given is its hull.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, chdtri

from k2meta.models.fit import Estimate
from k2meta.models.heterogeneity import (
    log_likelihood,
    maximum_likelihood,
    restricted_maximum_likelihood,
    scan_points,
)
from k2meta.models.inputs import Vector
from k2meta.models.interval_types import Tau2Interval
from k2meta.models.roots import bracketed_root
from k2meta.models.weighted import pooled


@dataclass(frozen=True, slots=True)
class Likelihood:
    """The likelihood of (mu, tau2) around its maximum.

    Attributes
    ----------
    yi, vi : ndarray, shape (k,)
        Effects and sampling variances.
    mu, tau2, height : float
        Maximum-likelihood estimates and the log-likelihood there, up to a constant.
    points : ndarray, shape (n,)
        Increasing tau2 of the scan, from zero to where no likelihood can rise again.
    """

    yi: Vector
    vi: Vector
    mu: float
    tau2: float
    height: float
    points: Vector

    def ratio(self, mu: float) -> tuple[float, float]:
        """Return the likelihood ratio statistic of a mean, and the tau2 most likely under it."""
        squares = (self.yi - mu) ** 2
        # The scan of the data ends where no likelihood about their mean rises; about a far mean it ends later.
        far = max(float(self.points[-1]), 1.01 * float(squares.max()))
        points = np.append(self.points, np.geomspace(self.points[-1], 4.0 * far, 12)[1:])
        weight = 1.0 / (self.vi + points[:, None])
        slope = (weight * (weight * squares - 1.0)).sum(axis=1)
        found = [] if slope[0] > 0 else [0.0]
        for i in np.flatnonzero((slope[:-1] > 0) & (slope[1:] <= 0)):
            found.append(bracketed_root(_slope(squares, self.vi), float(points[i]), float(points[i + 1])).value)
        heights = [-0.5 * float(np.sum(np.log(self.vi + t) + squares / (self.vi + t))) for t in found]
        best = int(np.argmax(heights))
        return max(0.0, 2.0 * (self.height - heights[best])), found[best]


def _slope(squares: Vector, vi: Vector) -> Callable[[float], float]:
    """Return twice the derivative in tau2 of the log-likelihood about a fixed mean."""

    def slope(tau2: float) -> float:
        weight = 1.0 / (vi + tau2)
        # Row sums as in the scan, so that a sign found there is found here.
        return float((weight * (weight * squares - 1.0)).sum())

    return slope


def likelihood(yi: Vector, vi: Vector) -> Likelihood:
    """Return the likelihood of (mu, tau2) with its maximum, for k >= 2."""
    tau2 = maximum_likelihood(yi, vi).value
    height = float(log_likelihood(yi, vi, np.array([tau2]), restricted=False)[0])
    return Likelihood(yi, vi, pooled(yi, 1.0 / (vi + tau2)), tau2, height, scan_points(yi, vi))


def noma_factor(vi: Vector, tau2: float) -> float:
    """Return Noma's (2011) Bartlett-type factor 1 + 2 sum(w^3) / (sum(w) sum(w^2)) of the likelihood ratio."""
    weight = 1.0 / (vi + tau2)
    w = weight / weight.max()
    return 1.0 + 2.0 * float(np.sum(w**3)) / float(w.sum() * np.sum(w**2))


def profile_likelihood(
    yi: Vector, vi: Vector, level: float, null: float = 0.0, *, bartlett: bool
) -> tuple[Estimate, float]:
    """Return the maximum-likelihood mean with its profile-likelihood interval.

    Parameters
    ----------
    yi, vi : ndarray, shape (k,)
        Effects and sampling variances, k >= 2.
    level : float
        Coverage.
    null : float
        Value of the effect that is tested.
    bartlett : bool
        Divide the likelihood ratio of each mean by :func:`noma_factor` at the tau2 most likely under that mean,
        which lengthens the interval for few studies.

    Returns
    -------
    tuple of Estimate and float
        The estimate, and the maximum-likelihood tau2 under it. Its limits are the hull of the means whose
        likelihood ratio is at most the chi-square(1) quantile, ``statistic`` is the signed root of the (corrected)
        ratio at ``null`` and ``se`` the Wald one at the maximum.
    """
    whole = likelihood(yi, vi)
    critical = float(chdtri(1, 1.0 - level))
    ends = [_end(whole, critical, side) for side in (-1.0, 1.0)]
    if bartlett:
        ends = [_corrected_end(whole, critical, end, side) for end, side in zip(ends, (-1.0, 1.0), strict=True)]
    ratio, tau2 = whole.ratio(null)
    if bartlett:
        ratio /= noma_factor(vi, tau2)
    se = 1.0 / math.sqrt(float(np.sum(1.0 / (vi + whole.tau2))))
    statistic = math.copysign(math.sqrt(ratio), whole.mu - null)
    mu = Estimate(whole.mu, se, ends[0], ends[1], level, None, statistic, float(chdtrc(1, ratio)))
    return mu, whole.tau2


def _end(whole: Likelihood, critical: float, side: float) -> float:
    """Return the outermost mean, to one side, whose likelihood ratio is at most ``critical``."""
    floor = whole.height - 0.5 * critical

    def reach(tau2: Vector) -> Vector:
        weight = 1.0 / (whole.vi + tau2[:, None])
        total = weight.sum(axis=1)
        room = log_likelihood(whole.yi, whole.vi, tau2, restricted=False) - floor
        half = np.sqrt(2.0 * np.maximum(room, 0.0) / total)
        centre = side * ((weight * whole.yi).sum(axis=1) / total)
        return np.where(room >= 0.0, centre + half, -np.inf)

    points = np.sort(np.append(whole.points, whole.tau2))
    beyond = 4.0 * points[-1]
    while reach(np.array([beyond]))[0] > -np.inf:
        points, beyond = np.append(points, beyond), 4.0 * beyond
    points = np.append(points, beyond)
    # The reach is flat at its top: each round narrows tau2 eightfold and the error of the top by its square.
    best = -math.inf
    for _ in range(14):
        heights = reach(points)
        i = int(np.argmax(heights))
        best = max(best, float(heights[i]))
        points = np.linspace(points[max(i - 1, 0)], points[min(i + 1, len(points) - 1)], 17)
    return side * best


def _corrected_end(whole: Likelihood, critical: float, inner: float, side: float) -> float:
    """Return where the corrected likelihood ratio is critical; the factor lies between one and three."""

    def excess(mu: float) -> float:
        ratio, tau2 = whole.ratio(mu)
        return ratio - critical * noma_factor(whole.vi, tau2)

    outer = _end(whole, 3.0 * critical, side)
    if excess(inner) >= 0.0:
        return inner
    # Rounding may leave the outer point a hair inside.
    while excess(outer) < 0.0:
        outer += 1e-9 * (outer - inner)
    return bracketed_root(excess, inner, outer).value


def profile_likelihood_of_tau2(yi: Vector, vi: Vector, level: float = 0.95, *, restricted: bool) -> Tau2Interval:
    """Return the tau2 whose (restricted) likelihood ratio is at most the chi-square(1) quantile, as a hull.

    Parameters
    ----------
    yi, vi : ndarray, shape (k,)
        Effects and sampling variances, k >= 2.
    level : float
        Coverage.
    restricted : bool
        Use the restricted likelihood, whose maximum is the REML estimate.
    """
    estimator = restricted_maximum_likelihood if restricted else maximum_likelihood
    top = estimator(yi, vi).value
    at_top = float(log_likelihood(yi, vi, np.array([top]), restricted=restricted)[0])
    floor = at_top - 0.5 * float(chdtri(1, 1.0 - level))

    def room(tau2: float) -> float:
        return float(log_likelihood(yi, vi, np.array([tau2]), restricted=restricted)[0]) - floor

    points = scan_points(yi, vi)
    while room(float(points[-1])) >= 0.0:
        points = np.append(points, 4.0 * points[-1])
    points = np.sort(np.append(points, top))
    inside = np.flatnonzero([room(float(tau2)) >= 0.0 for tau2 in points])
    first, last = int(inside[0]), int(inside[-1])
    low = bracketed_root(room, float(points[first - 1]), float(points[first])).value if first else 0.0
    return Tau2Interval(low, bracketed_root(room, float(points[last]), float(points[last + 1])).value)
