"""The sign-flip permutation test of the pooled effect (Follmann and Proschan 1999) and its interval.

Under a true effect mu0 and symmetric errors, y - mu0 and its negative are equally likely in every study. The test
refits tau2 under each pattern of signs and compares |mean - mu0| / SE with the observed one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from k2meta.models.fit import Estimate
from k2meta.models.inputs import Inputs, Vector
from k2meta.models.interval_types import Pooled
from k2meta.models.roots import bracketed_roots
from k2meta.models.weighted import leverage_complement, trace_p

Matrix = NDArray[np.float64]

EXACT_K = 10
"""Up to this many studies all 2^k patterns of signs are compared; above it, DRAWS random ones with a seed."""

DRAWS = 999
"""Random patterns of signs, beside the observed one: p values are multiples of 1/1000."""

TIE = 1e-8
"""Statistics closer than this, relatively, are equal: an iterative tau2 repeats to about its square root."""

WIDTH = 1e-10
"""Width, in standard errors, at which an end of the interval is found."""

POINTS_PER_DECADE = 8
"""Density of the scan for optima under every pattern: the score changes over a factor of two."""

BLOCK = 2_000_000
"""Most elements of one scan array."""


def sign_patterns(k: int, seed: int) -> Matrix:
    """Return patterns of signs, shape (n, k), the first of them all plus.

    All of them for ``k`` up to :data:`EXACT_K`, except that of a pattern and its negative, which give the same
    absolute statistic, only the one with a plus for the first study is kept.
    """
    if k <= EXACT_K:
        bits = (np.arange(2 ** (k - 1))[:, None] >> np.arange(k - 1)) & 1
        return np.hstack([np.ones((len(bits), 1)), 1.0 - 2.0 * bits])
    drawn = np.random.default_rng(seed).integers(0, 2, (DRAWS, k))
    return np.vstack([np.ones((1, k)), 1.0 - 2.0 * drawn])


def permutation_interval(data: Inputs, tau2_method: str, tau2: float, level: float, seed: int) -> Pooled:
    """Return the random-effects mean with its permutation p value and interval.

    Parameters
    ----------
    data : Inputs
        Checked effects, k >= 2.
    tau2_method : str
        Estimator refitted under every pattern, a key of :data:`REFITTED`.
    tau2 : float
        Its estimate for the effects as they are.
    level : float
        Coverage.
    seed : int
        Seed of the random patterns; not used up to :data:`EXACT_K` studies.

    Returns
    -------
    Pooled
        The interval holds the means not rejected at 1 - level, next to the estimate. With so few studies that no
        pattern is rare enough to reject (k <= 5 at 0.95) its limits are infinite and a note says so.

    """
    signs, estimator = sign_patterns(data.k, seed), REFITTED[tau2_method]
    weight = 1.0 / (data.vi + tau2)
    value, se = float(weight @ data.yi / weight.sum()), 1.0 / math.sqrt(float(weight.sum()))

    def p_value(null: float) -> float:
        found = np.abs(_statistics(signs * (data.yi - null), data.vi, estimator))
        return float(np.mean(found >= found[0] * (1.0 - TIE)))

    p = p_value(-data.shift)
    notes: tuple[str, ...] = ()
    low, high = -math.inf, math.inf
    if 1.0 / len(signs) <= 1.0 - level:
        low, high = (_end(p_value, value, side * se, 1.0 - level) for side in (-1.0, 1.0))
    else:
        notes = (_too_few(data.k, len(signs), level),)
    mu = value + data.shift
    estimate = Estimate(mu, se, low + data.shift, high + data.shift, level, None, mu / se, p)
    return Pooled(estimate, tuple(float(w) for w in weight / weight.sum()), notes)


def _too_few(k: int, patterns: int, level: float) -> str:
    return (
        f"{k} studies have {2 * patterns} patterns of signs, so no permutation p value is below "
        f"{1 / patterns:.3g}: no effect can be excluded at {100 * level:g} %, "
        "and the permutation interval is unbounded."
    )


def _end(p_value: Callable[[float], float], centre: float, step: float, alpha: float) -> float:
    """Return the end of the interval in the direction of ``step``, one standard error, by doubling and halving."""
    inside, outside = centre, centre + step
    while p_value(outside) > alpha:
        inside, outside = outside, outside + 2.0 * (outside - centre)
    while abs(outside - inside) > WIDTH * abs(step):
        middle = 0.5 * (inside + outside)
        if middle in (inside, outside):
            break
        inside, outside = (middle, outside) if p_value(middle) > alpha else (inside, middle)
    return outside


def _statistics(y: Matrix, vi: Vector, estimator: Callable[[Matrix, Vector], Vector]) -> Vector:
    weight = 1.0 / (vi + estimator(y, vi)[:, None])
    total = weight.sum(axis=1)
    result: Vector = (weight * y).sum(axis=1) / np.sqrt(total)
    return result


def _moments(name: str) -> Callable[[Matrix, Vector], Vector]:
    def estimate(y: Matrix, vi: Vector) -> Vector:
        weight = 1.0 / vi if name == "DL" else np.ones_like(vi)
        residual = y - (y @ weight / weight.sum())[:, None]
        excess = (residual * residual) @ weight - float((weight * leverage_complement(weight)) @ vi)
        return np.asarray(np.maximum(0.0, excess / trace_p(weight)))

    return estimate


def _paule_mandel(y: Matrix, vi: Vector) -> Vector:
    df = y.shape[1] - 1

    def shortfall(tau2: Vector) -> Vector:
        weight = 1.0 / (vi + tau2[:, None])
        residual = y - ((weight * y).sum(axis=1) / weight.sum(axis=1))[:, None]
        return np.asarray(df - (weight * residual * residual).sum(axis=1))

    zero = np.zeros(len(y))
    upper = ((y - y.mean(axis=1, keepdims=True)) ** 2).sum(axis=1) / df + vi.min()
    # Where Q(0) is already below its expectation the estimate is zero: these rows have no root to find.
    positive = shortfall(zero) < 0.0
    return np.where(positive, bracketed_roots(shortfall, zero, upper, 1e-15 * upper), 0.0)


def _maximum(restricted: bool) -> Callable[[Matrix, Vector], Vector]:
    def estimate(y: Matrix, vi: Vector) -> Vector:
        points = _scan(y, vi)
        rising = np.vstack(
            [
                _rising(part, vi, points, restricted)
                for part in np.array_split(y, 1 + y.size * points.size // BLOCK)
            ]
        )
        row, i = np.nonzero(rising[:, :-1] & ~rising[:, 1:])
        some = y[row]
        root = bracketed_roots(
            lambda tau2: -_score(some, vi, tau2, restricted), points[i], points[i + 1], np.zeros(len(row))
        )
        best = np.zeros(len(y))
        height = np.where(rising[:, 0], -np.inf, _log_likelihood(y, vi, best, restricted))
        for r, tau2, h in zip(row, root, _log_likelihood(some, vi, root, restricted), strict=True):
            if h > height[r]:
                best[r], height[r] = tau2, h
        return best

    return estimate


def _scan(y: Matrix, vi: Vector) -> Vector:
    # The bound of heterogeneity.scan_points, for the most spread pattern.
    spread = float(np.max(((y - y.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)))
    bound = 1.01 * max(float(vi.max()), 4.0 * spread / (y.shape[1] - 1))
    floor = 1e-4 * float(vi.min())
    count = 2 + math.ceil(POINTS_PER_DECADE * math.log10(bound / floor))
    return np.concatenate([[0.0], np.geomspace(floor, bound, count)])


def _rising(y: Matrix, vi: Vector, points: Vector, restricted: bool) -> NDArray[np.bool_]:
    """Return whether the log-likelihood of each row rises at each point, shape (rows, points).

    Sums over studies are matrix products: (residuals)^2 expands into powers of y about a centre common to all.
    """
    weight = 1.0 / (vi + points[:, None])
    total = weight.sum(axis=1)
    squares = weight * weight
    mean = y @ weight.T / total
    fit = (y * y) @ squares.T - 2.0 * mean * (y @ squares.T) + mean * mean * squares.sum(axis=1)
    trace = total - squares.sum(axis=1) / total if restricted else total
    result: NDArray[np.bool_] = fit > trace
    return result


def _score(y: Matrix, vi: Vector, tau2: Vector, restricted: bool) -> Vector:
    weight = 1.0 / (vi + tau2[:, None])
    total = weight.sum(axis=1)
    residual = weight * (y - ((weight * y).sum(axis=1) / total)[:, None])
    trace = total - (weight * weight).sum(axis=1) / total if restricted else total
    result: Vector = (residual * residual).sum(axis=1) - trace
    return result


def _log_likelihood(y: Matrix, vi: Vector, tau2: Vector, restricted: bool) -> Vector:
    weight = 1.0 / (vi + tau2[:, None])
    total = weight.sum(axis=1)
    residual = y - ((weight * y).sum(axis=1) / total)[:, None]
    twice = (np.log(weight) - weight * residual * residual).sum(axis=1)
    result: Vector = twice - np.log(total) if restricted else twice
    return result


REFITTED: Mapping[str, Callable[[Matrix, Vector], Vector]] = {
    "REML": _maximum(True),
    "ML": _maximum(False),
    "DL": _moments("DL"),
    "HE": _moments("HE"),
    "PM": _paule_mandel,
    "EB": _paule_mandel,
}
"""Estimators of tau2 for many patterns at once: effects (n, k) and variances (k,) to tau2 (n,)."""
