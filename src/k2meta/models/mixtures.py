"""Quantiles and intervals of mixtures of normals, by bracketed roots of the exact distribution function."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from k2meta.models.errors import PriorError
from k2meta.models.inputs import Vector
from k2meta.models.roots import bracketed_root, bracketed_roots

SUM = 1e-9
"""Largest distance from one of a sum of weights."""

OUTLINE = 9
"""How many components of a large mixture say where panels begin."""

SPOTS = np.array([-40.0, -16.0, -8.0, -4.0, -2.0, 0.0, 2.0, 4.0, 8.0, 16.0, 40.0])
"""Where panels begin, in standard deviations of a component."""

CANDIDATES = 13
"""Lower tail areas at which the width of an interval is looked at before the shortest one is polished."""


@dataclass(frozen=True, slots=True)
class Mixtures:
    """Several mixtures of normals with common weights.

    Attributes
    ----------
    weight : ndarray, shape (J,)
        Weights, summing to one.
    mean, sd : ndarray, shape (n, J)
        Means and standard deviations of the components of n mixtures.
    """

    weight: Vector
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]

    def cdf(self, x: Vector) -> Vector:
        """Return the distribution function of mixture i at x[i], shape (n,)."""
        result: Vector = ndtr((x[:, None] - self.mean) / self.sd) @ self.weight
        return result

    def pdf(self, x: Vector) -> Vector:
        """Return the density of mixture i at x[i], shape (n,)."""
        z = (x[:, None] - self.mean) / self.sd
        result: Vector = (np.exp(-0.5 * z * z) / self.sd) @ self.weight / np.sqrt(2.0 * np.pi)
        return result

    def quantile(self, p: float | Vector) -> Vector:
        """Return the quantile p (or p[i]) of mixture i, shape (n,).

        A quantile of a mixture lies between the smallest and the largest quantile of its components.
        """
        share = np.broadcast_to(np.asarray(p, dtype=float), self.mean.shape[:1])
        component = self.mean + ndtri(share)[:, None] * self.sd
        resolution = 1e-13 * self.sd.min(axis=1)
        # Widened, so that rounding of the weights cannot remove the sign change when all components agree.
        margin = 1e-9 * self.sd.max(axis=1)
        low, high = component.min(axis=1) - margin, component.max(axis=1) + margin
        return bracketed_roots(lambda x: self.cdf(x) - share, low, high, resolution)

    def repeated(self, row: int, n: int) -> Mixtures:
        """Return n copies of one mixture, to ask it for n quantiles at once."""
        shape = (n, self.weight.size)
        return Mixtures(self.weight, np.broadcast_to(self.mean[row], shape), np.broadcast_to(self.sd[row], shape))


@dataclass(frozen=True, slots=True)
class NormalMixture:
    """One mixture of normals, as it is reported and handed on.

    Attributes
    ----------
    weight : tuple of float
        Positive weights, summing to one.
    mean, sd : tuple of float
        Means and standard deviations of the components, in units of the effects.
    """

    weight: tuple[float, ...]
    mean: tuple[float, ...]
    sd: tuple[float, ...]

    def __post_init__(self) -> None:
        parts = [np.asarray(part, dtype=np.float64) for part in (self.weight, self.mean, self.sd)]
        if len({part.shape for part in parts}) > 1 or parts[0].ndim != 1 or not parts[0].size:
            raise PriorError("NormalMixture: weight, mean and sd must hold one number for each component")
        if not all(np.isfinite(part).all() for part in parts):
            raise PriorError("NormalMixture: weights, means and standard deviations must be finite")
        if parts[0].min() <= 0.0 or abs(parts[0].sum() - 1.0) > SUM or parts[2].min() <= 0.0:
            raise PriorError(
                "NormalMixture: weights must be positive and add up to one, standard deviations be positive"
            )

    def log_parts(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the log of each weighted component density at x, shape (..., J)."""
        w, m, s = (np.asarray(part, dtype=np.float64) for part in (self.weight, self.mean, self.sd))
        z = (x[..., None] - m) / s
        result: NDArray[np.float64] = np.log(w / s) - 0.5 * (z * z + np.log(2.0 * np.pi))
        return result

    def pdf(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the density at x, of the shape of x."""
        result: NDArray[np.float64] = np.exp(self.log_parts(x)).sum(axis=-1)
        return result

    def cdf(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the distribution function at x, of the shape of x."""
        result: NDArray[np.float64] = ndtr((x[..., None] - np.array(self.mean)) / np.array(self.sd)) @ self.weight
        return result

    def moments(self) -> tuple[float, float]:
        """Return mean and standard deviation."""
        return mixture_moments(self.rows(), 0)

    def edges(self) -> Vector:
        """Return where panels may begin that no component is too narrow for, increasing.

        Neighbours in a mixture over nodes of tau hardly differ: of a large one only some components are asked.
        """
        some = np.arange(len(self.weight))
        if len(some) > OUTLINE:
            some = np.unique(np.linspace(0, len(some) - 1, OUTLINE).astype(int))
        mean, sd = np.array(self.mean)[some], np.array(self.sd)[some]
        return np.unique((mean[:, None] + sd[:, None] * SPOTS).ravel())

    def rows(self) -> Mixtures:
        """Return the mixture as one row, for its quantiles."""
        return Mixtures(np.array(self.weight), np.array([self.mean]), np.array([self.sd]))


def mixture_moments(mixtures: Mixtures, row: int) -> tuple[float, float]:
    """Return mean and standard deviation of one mixture."""
    mean = float(mixtures.weight @ mixtures.mean[row])
    variance = mixtures.weight @ (mixtures.sd[row] ** 2 + (mixtures.mean[row] - mean) ** 2)
    return mean, math.sqrt(float(variance))


def each_quantile(
    weight: NDArray[np.float64], mean: NDArray[np.float64], sd: NDArray[np.float64], size: Vector, p: float
) -> Vector:
    """Return the quantile p of b mixtures of normals, shape (b,), to 1e-12 of their standard deviations ``size``.

    Newton's method on the probit scale, on which a mixture is nearly a straight line, kept between the smallest
    and the largest quantile of the components.
    """
    z = float(ndtri(p))
    ends = mean + z * sd
    margin = 1e-9 * sd.max(axis=1)
    low, high = ends.min(axis=1) - margin, ends.max(axis=1) + margin
    result = (weight * ends).sum(axis=1)
    active = np.arange(len(result))
    for _ in range(200):
        w, s, x = weight[active], sd[active], result[active]
        t = (x[:, None] - mean[active]) / s
        below = (w * ndtr(t)).sum(axis=1)
        density = (w * np.exp(-0.5 * t * t) / s).sum(axis=1)
        reached = ndtri(below)
        under = below < p
        low[active] = np.where(under, x, low[active])
        high[active] = np.where(under, high[active], x)
        new = x + (z - reached) * np.exp(-0.5 * reached * reached) / density
        outside = ~((new >= low[active]) & (new <= high[active]))
        new[outside] = 0.5 * (low[active] + high[active])[outside]
        result[active] = new
        # Newton's method squares its error: after so small a step none is left.
        active = active[np.abs(new - x) > 1e-7 * size[active]]
        if not active.size:
            break
    return result


def shortest_interval(
    quantile: Callable[[Vector], Vector],
    density: Callable[[Vector], Vector],
    level: float,
    *,
    from_the_edge: bool,
) -> tuple[float, float]:
    """Return the shortest interval with probability ``level``: its ends have equal density, or one is the edge.

    Parameters
    ----------
    quantile, density : callable
        Quantile function and density of a continuous distribution, both from shape (n,) to shape (n,).
    level : float
        Probability of the interval.
    from_the_edge : bool
        Whether the distribution begins at its zero quantile, so that an interval may begin there.
    """
    tail = 1.0 - level
    below = tail * np.linspace(0.0 if from_the_edge else 1e-7, 1.0 - 1e-7, CANDIDATES)
    low, high = quantile(below), quantile(below + level)
    best = int(np.argmin(high - low))

    def imbalance(p: float) -> float:
        ends = density(quantile(np.array([p, p + level])))
        return float(ends[0] - ends[1])

    left, right = float(below[max(best - 1, 0)]), float(below[min(best + 1, CANDIDATES - 1)])
    if imbalance(left) < 0.0 < imbalance(right):
        p = bracketed_root(imbalance, left, right).value
        ends = quantile(np.array([p, p + level]))
        return float(ends[0]), float(ends[1])
    return float(low[best]), float(high[best])
