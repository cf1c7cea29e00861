"""Adaptive Gauss-Legendre quadrature over tau >= 0, whatever the scales of prior and likelihood.

With tau = unit * sinh(x) the half line is linear near zero and logarithmic far out, so that structure on any scale
above ``unit`` has a width of order one in x. Panels are halved until the integrals agree with those over their
halves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from k2meta.models.inputs import Vector
from k2meta.models.roots import EPS, STEPS

NODES = 16
"""Gauss-Legendre nodes of one panel."""

AGREEMENT = 1e-11
"""Largest difference between a panel and its halves, as a share of the whole integral."""

DEPTH = 40
"""Most halvings of one panel; a smooth density needs fewer than ten."""

MOST_PANELS = 2000
"""Panels under refinement at which to give up: the density is then not smooth at any scale."""

REACH = 240.0
"""Largest x searched: tau up to e^240 units, whose square still is a finite number."""

NEGLIGIBLE = 42.0
"""Log ratio to the peak below which an integrand is left out; e^-42 is below 1e-18."""

LAST_STEP = 1e-8
"""Last step of Newton's method for a quantile, as a share of its panel."""

CURVED = 2.0
"""How much larger the curvature of a log density may be between two points than at them and their neighbours."""

HIDDEN = 1.0
"""Log ratio by which a height may rise unseen between two points; the panels resolve such peaks."""

ROUNDS = 16
"""Most rounds of closer looks; each is eight times closer, and the last digits are reached by then."""

INSIDE = np.arange(1, 8) / 8.0
"""Where a closer look is taken between two points, as shares of their distance."""

LogDensity = Callable[[Vector], Vector]
Integrands = Callable[[Vector], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class HalfLine:
    """A density on tau >= 0 with its panels.

    Attributes
    ----------
    unit : float
        Unit of the map tau = unit sinh(x).
    low, high : ndarray, shape (P,)
        Ends of the panels in x, increasing and adjacent.
    tau, weight, density : ndarray, shape (P * NODES,)
        Nodes, their probabilities (summing to one) and the normalised density.
    log_total : float
        Log of the integral of the unnormalised density.
    log_density : callable
        The unnormalised log density of tau.
    levels : int
        Rounds of halving.
    converged : bool
        Whether every panel agrees with its halves.
    error : float
        By how much the panels differ from their halves, summed, for the worst integrand and as a share of the
        integral of its size. The halves are far more accurate, so this is the error of the panels.
    """

    unit: float
    low: Vector
    high: Vector
    tau: Vector
    weight: Vector
    density: Vector
    log_total: float
    log_density: LogDensity
    levels: int
    converged: bool
    error: float

    def pdf(self, tau: Vector) -> Vector:
        """Return the normalised density, shape (n,)."""
        result: Vector = np.exp(self.log_density(tau) - self.log_total)
        return result

    def cdf(self, tau: Vector) -> Vector:
        """Return the distribution function of tau, shape (n,): whole panels, and part of the one tau lies in."""
        return np.asarray(self.below_and_density(tau)[0])

    def below_and_density(self, tau: Vector) -> NDArray[np.float64]:
        """Return the distribution function and the density at tau, shape (2, n), in one look at the posterior."""
        x = np.minimum(np.arcsinh(tau / self.unit), self.high[-1])
        mass = self.weight.reshape(-1, NODES).sum(axis=1)
        i = np.minimum(np.searchsorted(self.high, x), len(mass) - 1)
        inside, density = self._inside(self.low[i], x, tau)
        return np.array([np.cumsum(mass)[i] - mass[i] + inside, density])

    def _inside(self, low: Vector, x: Vector, tau: Vector) -> tuple[Vector, Vector]:
        """Return the probability between low[i] and x[i], both in the panel i, and the density at tau[i]."""
        nodes, factor = _panel_nodes(low, x)
        there = self.unit * np.sinh(nodes)
        density = self.pdf(np.append(there.ravel(), tau))
        slope = factor * np.sqrt(self.unit**2 + there * there)
        part: Vector = (slope * density[: there.size].reshape(there.shape)).sum(axis=1)
        return part, density[there.size :]

    def quantile(self, p: Vector) -> Vector:
        """Return quantiles of tau, shape (n,): whole panels are summed and the last one is integrated in part."""
        mass = self.weight.reshape(-1, NODES).sum(axis=1)
        above = np.cumsum(mass)
        i = np.minimum(np.searchsorted(above, p), len(mass) - 1)
        left, low, high = self.low[i], self.low[i], self.high[i]
        # A panel's own sum and its partial integrals agree to about AGREEMENT; within that the end is the root.
        wanted = np.clip(p - (above[i] - mass[i]), 0.0, mass[i])
        x = low + (high - low) * (wanted / np.maximum(mass[i], np.finfo(np.float64).tiny))
        close = LAST_STEP * (high - low)
        for _ in range(STEPS):
            tau = self.unit * np.sinh(x)
            inside, density = self._inside(left, x, tau)
            excess = inside - wanted
            low, high = np.where(excess < 0.0, x, low), np.where(excess < 0.0, high, x)
            with np.errstate(divide="ignore", invalid="ignore"):
                new = x - excess / (density * np.sqrt(self.unit**2 + tau * tau))
            new = np.where((new >= low) & (new <= high), new, 0.5 * (low + high))
            step, x = np.abs(new - x), new
            # Newton's method squares its error: after so small a step none is left.
            if np.all((step <= close) | (excess == 0.0)):
                break
        return self.unit * np.sinh(x)


def integrate_half_line(
    log_density: LogDensity,
    integrands: Integrands,
    unit: float,
    *,
    upper: float | None,
    power: int,
    noise: Vector | None = None,
) -> HalfLine:
    """Return the quadrature of a density on the half line.

    Parameters
    ----------
    log_density : callable
        Unnormalised log density of tau, shape (n,) to (n,); continuous up to ``upper``.
    integrands : callable
        Factors, shape (n,) to (q, n), whose expectations must be accurate besides the total.
    unit : float
        A scale below which the density is smooth.
    upper : float or None
        End of the support, ``None`` for infinity.
    power : int
        Largest power of tau among the factors: how far out the tail still counts.
    noise : ndarray, shape (q,), optional
        Absolute rounding error of each factor; zero for those that cannot cancel.
    """
    end = REACH if upper is None else min(REACH, math.asinh(upper / unit))

    def tau_at(x: NDArray[np.float64]) -> Vector:
        return np.minimum(unit * np.sinh(x.ravel()), math.inf if upper is None else upper)

    def height(x: Vector) -> Vector:
        return np.asarray(log_density(tau_at(x)) + np.log(np.cosh(x)))

    edges, peak = _edges(height, end, power)

    def values(nodes: NDArray[np.float64]) -> NDArray[np.float64]:
        mass = np.exp(height(nodes.ravel()) - peak)
        stacked = np.vstack([mass, mass * integrands(tau_at(nodes))])
        return stacked.reshape(-1, *nodes.shape)

    # A log density far from zero is known to so many digits and no more: asking for better would never end.
    agreement = AGREEMENT + 32.0 * EPS * abs(peak)
    floor = None if noise is None else np.concatenate([[0.0], noise])
    panels = adapted(values, edges, agreement, floor)
    nodes, factor = panels.nodes()
    tau = tau_at(nodes)
    mass = factor.ravel() * np.exp(height(nodes.ravel()) - peak)
    total = float(mass.sum())
    log_total = peak + math.log(total) + math.log(unit)
    density = np.exp(log_density(tau) - log_total)
    return HalfLine(
        unit=unit,
        low=panels.low,
        high=panels.high,
        tau=tau,
        weight=mass / total,
        density=density,
        log_total=log_total,
        log_density=log_density,
        levels=panels.levels,
        converged=panels.converged,
        error=panels.error,
    )


def _edges(height: LogDensity, end: float, power: int) -> tuple[Vector, float]:
    """Return first panels, narrowing towards peaks until none can hide between nodes, and the greatest height."""
    x = np.linspace(0.0, end, 4 * math.ceil(end) + 33)
    grid = height(x)
    tail = grid + power * np.log(np.maximum(np.sinh(x), 1.0))
    fine, found = _closer(height, x, grid)
    tops = _tops(found)
    closest = [_climbed(height, float(fine[i]), float(found[i]), float(_step(fine, i)), end) for i in tops]
    best = max(closest, key=lambda top: top.height)
    peak = best.height
    seen = (grid > peak - NEGLIGIBLE) | (tail > tail.max() - NEGLIGIBLE)
    last = np.append(x[seen], [top.x for top in closest if top.height > peak - NEGLIGIBLE]).max()
    stop = float(x[min(int(np.searchsorted(x, last, side="right")), len(x) - 1)])
    edges: list[Vector] = [np.linspace(0.0, stop, 1 + math.ceil(stop))]
    for top in closest:
        # The first panels see a lower peak that the grid sees.
        if top is best or (top.width < 0.5 * x[1] and top.height > peak - NEGLIGIBLE):
            steps = 0.5 ** np.arange(60)
            steps = steps[steps >= top.width]
            edges.append(np.asarray(np.concatenate([top.x - steps, top.x + steps, [top.x]])))
    every = np.concatenate(edges)
    return np.unique(every[(every >= 0.0) & (every <= stop)]), peak


def _step(x: Vector, i: int) -> float:
    """Return the distance from point i of increasing x to the further of its neighbours."""
    return float(np.diff(x[max(i - 1, 0) : i + 2]).max())


def _tops(height: Vector) -> NDArray[np.intp]:
    """Return where a height is the largest of its neighbourhood, without those that cannot count."""
    left, right = np.append(-np.inf, height[:-1]), np.append(height[1:], -np.inf)
    # Of equal heights side by side the first is taken, as argmax does.
    return np.flatnonzero((height > left) & (height >= right) & (height > height.max() - NEGLIGIBLE - 1.0))


def _closer(height: LogDensity, x: Vector, found: Vector) -> tuple[Vector, Vector]:
    """Return points and heights with more points wherever a peak that counts may hide between two of them.

    A likelihood of studies in conflict, against a prior that rules the conflict out, has narrow peaks of thousands
    of log units. Every part of such a height changes on a scale of one in x, so that its curvature between two
    points is at most ``CURVED`` times what their neighbours show: that bounds how far it rises between them.
    """
    some = np.isfinite(found)
    x, found = x[some], found[some]
    for _ in range(ROUNDS):
        rise, ends = hidden_rise(x, found), np.maximum(found[:-1], found[1:])
        hides = (rise > HIDDEN) & (ends + rise > found.max() - NEGLIGIBLE) & (np.diff(x) > 1e-14 * (1.0 + x[1:]))
        if not hides.any():
            break
        between = (x[:-1, None] + np.diff(x)[:, None] * INSIDE)[hides].ravel()
        order = np.argsort(np.append(x, between), kind="stable")
        x, found = np.append(x, between)[order], np.append(found, height(between))[order]
    return x, found


def hidden_rise(x: Vector, height: Vector) -> Vector:
    """Return how far a smooth height may rise above the higher of two neighbouring points, shape (..., n - 1).

    Parameters
    ----------
    x, height : ndarray, shape (..., n)
        Increasing points, n >= 3, and finite heights there.

    Notes
    -----
    A parabola through both points with curvature m tops the higher one by (m w^2 - 2 d)^2 / (8 m w^2), with w
    their distance and d the difference of their heights, if its top lies between them, and by nothing otherwise.
    """
    w, d = np.diff(x), np.diff(height)
    slope = d / w
    curvature = np.abs(2.0 * np.diff(slope) / (w[..., :-1] + w[..., 1:]))
    curvature = np.concatenate([curvature[..., :1], curvature, curvature[..., -1:]], axis=-1)
    bend = CURVED * np.maximum(curvature[..., :-1], curvature[..., 1:]) * w * w
    over = np.maximum(bend - 2.0 * np.abs(d), 0.0)
    return np.asarray(over * over / (8.0 * np.maximum(bend, np.finfo(np.float64).tiny)))


@dataclass(frozen=True, slots=True)
class _Top:
    """A peak of the height: where, how high, and the scale on which it falls."""

    x: float
    height: float
    width: float


def _climbed(height: LogDensity, x: float, top: float, width: float, end: float) -> _Top:
    """Return the peak near x, looked at ever closer until its shape is seen."""
    while width > 1e-14 * (1.0 + x):
        near = np.linspace(max(0.0, x - width), min(end, x + width), 33)
        closer = height(near)
        # Wide peaks need no more than the height of the grid to a factor of e.
        if float(closer.max()) - top < 1.0 and closer[[0, -1]].min() > top - 2.0:
            break
        x, top = float(near[np.argmax(closer)]), max(top, float(closer.max()))
        width /= 8.0
    return _Top(x, top, width)


@dataclass(frozen=True, slots=True)
class Panels:
    """Panels on which integrands are resolved.

    Attributes
    ----------
    low, high : ndarray, shape (P,)
        Their ends, increasing and adjacent.
    levels : int
        Rounds of halving.
    converged : bool
        Whether every panel agrees with its halves.
    error : float
        By how much the panels differ from their halves, summed, for the worst integrand and as a share of the
        integral of its size.
    """

    low: Vector
    high: Vector
    levels: int
    converged: bool
    error: float

    def nodes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the nodes of every panel and their weights, both of shape (P, NODES)."""
        return _panel_nodes(self.low, self.high)


def adapted(
    values: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    edges: Vector,
    agreement: float,
    noise: Vector | None = None,
) -> Panels:
    """Return panels halved until integrals over them agree with those over their halves.

    Parameters
    ----------
    values : callable
        From nodes, shape (P, NODES), to q integrands, shape (q, P, NODES); smooth between the edges.
    edges : ndarray, shape (P + 1,)
        Ends of the first panels, increasing.
    agreement : float
        Largest difference of one panel, as a share of the integral of the size of the integrand.
    noise : ndarray, shape (q,), optional
        Rounding of each integrand as a share of the first: an integrand that is nothing but rounding, such as a
        mean that is zero everywhere, is not refined.
    """
    low, high = edges[:-1], edges[1:]
    whole, size = _integrals(values, low, high)
    scale = size.sum(axis=1)
    if noise is not None:
        scale = scale + noise * scale[0] / agreement
    kept_low, kept_high = [], []
    missed = np.zeros(len(scale))
    levels = 0
    while True:
        levels += 1
        middle = 0.5 * (low + high)
        halves_low = np.column_stack([low, middle]).ravel()
        halves_high = np.column_stack([middle, high]).ravel()
        halves, _ = _integrals(values, halves_low, halves_high)
        error = np.abs(halves.reshape(len(whole), -1, 2).sum(axis=2) - whole)
        good = np.all(error <= agreement * scale[:, None], axis=0)
        kept_low.append(low[good])
        kept_high.append(high[good])
        missed += error[:, good].sum(axis=1)
        if good.all() or levels == DEPTH or low.size > MOST_PANELS:
            break
        again = np.repeat(~good, 2)
        low, high, whole = halves_low[again], halves_high[again], halves[:, again]
    # Panels that never agreed are kept as their halves; the caller is told.
    missed += error[:, ~good].sum(axis=1)
    all_low = np.concatenate([*kept_low, halves_low[np.repeat(~good, 2)]])
    all_high = np.concatenate([*kept_high, halves_high[np.repeat(~good, 2)]])
    order = np.argsort(all_low)
    # An integrand that is zero everywhere is integrated without error.
    share = float(np.max(missed / np.where(scale > 0.0, scale, 1.0)))
    return Panels(all_low[order], all_high[order], levels, bool(good.all()), share)


def _integrals(
    values: Callable[[NDArray[np.float64]], NDArray[np.float64]], low: Vector, high: Vector
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    nodes, factor = _panel_nodes(low, high)
    integrand = values(nodes)
    return (factor * integrand).sum(axis=2), (factor * np.abs(integrand)).sum(axis=2)


def _panel_nodes(low: Vector, high: Vector) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    node, weight = _gauss_legendre()
    half = 0.5 * (high - low)
    return (0.5 * (low + high))[:, None] + half[:, None] * node, half[:, None] * weight


@cache
def _gauss_legendre() -> tuple[Vector, Vector]:
    node, weight = np.polynomial.legendre.leggauss(NODES)
    return node, weight
