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
from k2meta.models.roots import EPS, bracketed_root

SUM = 1e-9
"""Largest distance from one of a sum of weights."""

OUTLINE = 9
"""How many components of a large mixture say where panels begin."""

SPOTS = np.array([-40.0, -16.0, -8.0, -4.0, -2.0, 0.0, 2.0, 4.0, 8.0, 16.0, 40.0])
"""Where panels begin, in standard deviations of a component."""

QUANTILE_STEPS = 200
"""Newton's method needs about five steps; bisection alone would need sixty per factor of two in scale."""

LAST_STEP = 1e-7
"""Difference from the wanted probit, in standard normal deviates, after which one step of Newton's method ends."""

SHORT = 1e-3
"""Longest last step, in standard deviations of the narrowest component."""

FINE = 1e-7
"""Last step to the upper end of an interval, as a share of its bracket: Newton's method squares its error."""

RESOLUTION = 1e-12
"""Width of the bracket of a lower end at which it is found, as a share of the first: densities know no more."""

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
        """Return the quantile p (or p[i]) of mixture i, shape (n,)."""
        return each_quantile(np.broadcast_to(self.weight, self.mean.shape), self.mean, self.sd, p)

    def below_and_density(self, x: Vector) -> NDArray[np.float64]:
        """Return the distribution function and the density of mixture i, or of the only one, at x[i], (2, n)."""
        z = (x[:, None] - self.mean) / self.sd
        return np.array(
            [ndtr(z) @ self.weight, (np.exp(-0.5 * z * z) / self.sd) @ self.weight / np.sqrt(2.0 * np.pi)]
        )

    def take(self, row: int) -> Mixtures:
        """Return one mixture alone."""
        return Mixtures(self.weight, self.mean[row : row + 1], self.sd[row : row + 1])

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
    weight: NDArray[np.float64], mean: NDArray[np.float64], sd: NDArray[np.float64], p: float | Vector
) -> Vector:
    """Return the quantile p, or p[i], of each of b mixtures of normals with tables (b, J), shape (b,).

    Newton's method on the probit scale, on which a mixture is nearly a straight line, kept between the smallest
    and the largest quantile of the components, where that of the mixture lies.
    """
    share = np.broadcast_to(np.asarray(p, dtype=np.float64), mean.shape[:1])
    wanted = ndtri(share)
    ends = mean + wanted[:, None] * sd
    # Widened, so that rounding of the weights cannot remove the root when all components agree.
    margin = 1e-9 * sd.max(axis=1)
    low, high = ends.min(axis=1) - margin, ends.max(axis=1) + margin
    least = sd.min(axis=1)
    result = (weight * ends).sum(axis=1)
    active = np.arange(len(result))
    for _ in range(QUANTILE_STEPS):
        w, s, x, z = weight[active], sd[active], result[active], wanted[active]
        t = (x[:, None] - mean[active]) / s
        below = (w * ndtr(t)).sum(axis=1)
        density = (w * np.exp(-0.5 * t * t) / s).sum(axis=1)
        reached = ndtri(below)
        under = below < share[active]
        low[active] = np.where(under, x, low[active])
        high[active] = np.where(under, high[active], x)
        with np.errstate(all="ignore"):
            new = x + (z - reached) * np.exp(-0.5 * reached * reached) / density
        outside = ~((new >= low[active]) & (new <= high[active]))
        new[outside] = 0.5 * (low[active] + high[active])[outside]
        result[active] = new
        # Newton's method squares its error: after so small a step none is left. In a valley between two modes a
        # hair of probability is a long way, and the density changes over it.
        near = (np.abs(z - reached) <= LAST_STEP) & (np.abs(new - x) <= SHORT * least[active])
        done = near | (reached == z) | (high[active] - low[active] <= 4.0 * EPS * np.abs(x))
        active = active[~done]
        if not active.size:
            break
    return result


def shortest_interval(
    quantile: Callable[[Vector], Vector],
    below_and_density: Callable[[Vector], NDArray[np.float64]],
    level: float,
    *,
    from_the_edge: bool,
) -> tuple[float, float]:
    """Return the shortest interval with probability ``level``: its ends have equal density, or one is the edge.

    Parameters
    ----------
    quantile : callable
        Quantile function of a continuous distribution, from shape (n,) to (n,).
    below_and_density : callable
        Its distribution function and its density, from shape (n,) to (2, n).
    level : float
        Probability of the interval.
    from_the_edge : bool
        Whether the distribution begins at its zero quantile, so that an interval may begin there.
    """
    tail = 1.0 - level
    below = tail * np.linspace(0.0 if from_the_edge else 1e-7, 1.0 - 1e-7, CANDIDATES)
    # One search for both ends of all candidates.
    low, high = quantile(np.concatenate([below, below + level])).reshape(2, -1)
    best = int(np.argmin(high - low))
    left, right = max(best - 1, 0), min(best + 1, CANDIDATES - 1)
    ends = below_and_density(np.array([low[left], high[left], low[right], high[right]]))[1]
    if not ends[0] - ends[1] < 0.0 < ends[2] - ends[3]:
        return float(low[best]), float(high[best])
    upper = _UpperEnd(below_and_density, level, float(high[left]), float(high[right]), float(high[best]))
    first, last = float(low[left]), float(low[right])
    start = bracketed_root(upper.imbalance, first, last, RESOLUTION * (last - first)).value
    return start, upper.of(start)[0]


@dataclass(slots=True)
class _UpperEnd:
    """The upper end of an interval of given probability, followed from one lower end to the next.

    ``low`` and ``high`` bracket it, ``last`` is where the search begins: the last one found.
    """

    below_and_density: Callable[[Vector], NDArray[np.float64]]
    level: float
    low: float
    high: float
    last: float

    def of(self, start: float) -> tuple[float, float]:
        """Return the upper end that belongs to a lower one, by Newton's method in the bracket, and its density."""
        low, high, x = self.low, self.high, self.last
        # One call answers for both ends: on a quadrature a call costs much and a point little.
        (first, below), (density, slope) = self.below_and_density(np.array([start, x])).tolist()
        wanted = first + self.level
        for _ in range(200):
            excess = below - wanted
            low, high = (x, high) if excess < 0.0 else (low, x)
            new = x - excess / slope if slope > 0.0 else math.inf
            new = new if low <= new <= high else 0.5 * (low + high)
            step, x = abs(new - x), new
            if step <= FINE * (self.high - self.low):
                break
            (below,), (slope,) = self.below_and_density(np.array([x])).tolist()
        self.last = x
        return x, density

    def imbalance(self, start: float) -> float:
        """Return by how much the density at a lower end exceeds that at the upper end that belongs to it."""
        end, density = self.of(start)
        return density - float(self.below_and_density(np.array([end]))[1, 0])
