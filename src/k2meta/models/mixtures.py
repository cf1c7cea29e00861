"""Quantiles and intervals of mixtures of normals, by bracketed roots of the exact distribution function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from k2meta.models.inputs import Vector
from k2meta.models.roots import bracketed_root, bracketed_roots

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
