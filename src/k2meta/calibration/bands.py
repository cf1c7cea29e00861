"""Simultaneous bands for the empirical distribution function of values that should be uniform."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from k2meta.models.errors import InputError
from k2meta.models.inputs import Vector, checked_level
from k2meta.shown import ShowsItself

DRAWS = 10_000
"""Uniform samples that set the pointwise level of a band; its simultaneous level is then good to 0.002 at 95 %."""

POINTS = 100
"""Most points at which the distribution function is looked at."""


@dataclass(frozen=True, slots=True)
class Band(ShowsItself):
    """A simultaneous band for the distribution function of ``n`` uniform values.

    Attributes
    ----------
    n : int
        Number of values.
    level : float
        Probability that the whole function stays inside, for uniform values.
    at : ndarray, shape (K,)
        Where the function is looked at: 1 / K to 1.
    low, high : ndarray, shape (K,)
        The band, as shares of n; its limits are inside.
    extreme : ndarray, shape (DRAWS,)
        For each simulated uniform sample the least pointwise p value, increasing.
    """

    n: int
    level: float
    at: Vector
    low: Vector
    high: Vector
    extreme: Vector

    def ecdf(self, values: Vector) -> Vector:
        """Return the share of values at or below each point, shape (K,)."""
        return np.searchsorted(np.sort(values), self.at, side="right") / len(values)

    def inside(self, values: Vector) -> bool:
        """Return whether the function of ``n`` values stays in the band."""
        share = self.ecdf(values)
        return bool(np.all((share >= self.low) & (share <= self.high)))

    def p(self, values: Vector) -> float:
        """Return the p value of uniformity: the share of uniform samples whose worst point is as bad."""
        counts = np.rint(self.ecdf(values) * self.n).astype(np.int64)
        worst = _two_sided(self.n, self.at)[counts, np.arange(len(self.at))].min()
        # The sample itself counts as one of the draws, so that no p value is zero.
        as_bad = np.searchsorted(self.extreme, worst * (1.0 + 1e-9), side="right")
        return float((as_bad + 1.0) / (len(self.extreme) + 1.0))


def ecdf_band(n: int, *, level: float = 0.95, seed: int = 0) -> Band:
    """Return the simultaneous band of Säilynoja, Bürkner and Vehtari (2022) for n values.

    At a point z the number of values at or below it is binomial(n, z). The band holds the counts whose two-sided
    p value is at least gamma, the same at every point; gamma is found by simulating uniform samples, so that
    ``level`` of them stay inside at all points at once.

    Parameters
    ----------
    n : int
        Number of values, n >= 1.
    level : float
        Simultaneous coverage.
    seed : int
        Seed of the simulated samples.

    Raises
    ------
    InputError
        No value, or a level that is not strictly between zero and one.
    """
    if n < 1:
        raise InputError(f"n = {n}: a band needs at least one value")
    level = checked_level(level)
    cells = min(n, POINTS)
    at = np.arange(1, cells + 1) / cells
    table = _two_sided(n, at)
    # Counts in equal cells are multinomial: no sample has to be drawn, let alone sorted.
    counts = np.random.default_rng(seed).multinomial(n, np.full(cells, 1.0 / cells), size=DRAWS).cumsum(axis=1)
    extreme = np.sort(table[counts, np.arange(cells)].min(axis=1))
    gamma = extreme[int((1.0 - level) * DRAWS)]
    kept = table >= gamma * (1.0 - 1e-9)
    low = np.argmax(kept, axis=0) / n
    high = (n - np.argmax(kept[::-1], axis=0)) / n
    return Band(n, level, at, low, high, extreme)


def _two_sided(n: int, at: Vector) -> NDArray[np.float64]:
    """Return the two-sided p value of each count 0 to n at each point, shape (n + 1, K)."""
    from scipy.special import bdtr, bdtrc

    count = np.arange(n + 1.0)[:, None]
    above = np.vstack([np.ones(len(at)), bdtrc(count[:-1], n, at)])
    result: NDArray[np.float64] = np.minimum(1.0, 2.0 * np.minimum(bdtr(count, n, at), above))
    return result
