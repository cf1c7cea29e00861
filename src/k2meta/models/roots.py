"""Bracketed roots: the answer never leaves an interval on which the sign is known to change."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from k2meta.models.errors import ModelError

Vector = NDArray[np.float64]

EPS = float(np.finfo(float).eps)
STEPS = 200
"""Chandrupatla's method needs about ten steps; bisection alone would need sixty per factor of two in scale."""


@dataclass(frozen=True, slots=True)
class Root:
    """A root, the steps taken and whether the bracket closed to the last digits."""

    value: float
    iterations: int
    converged: bool


def bracketed_root(function: Callable[[float], float], low: float, high: float, resolution: float = 0.0) -> Root:
    """Return a root of a continuous function between two points of opposite sign.

    Chandrupatla's method: inverse quadratic interpolation where it is safe, else bisection. Stops when the
    bracket is four units in the last place wide, so that the answer does not depend on the unit of measurement,
    or as narrow as ``resolution``.

    Raises
    ------
    ModelError
        When the function has the same sign at both ends.
    """
    a, b = high, low
    fa, fb = function(a), function(b)
    if fa == 0.0 or fb == 0.0:
        return Root(a if fa == 0.0 else b, 0, True)
    if (fa > 0) == (fb > 0):
        raise ModelError(f"no sign change between {low!r} and {high!r}")
    t = 0.5
    for step in range(1, STEPS + 1):
        x = a + t * (b - a)
        fx = function(x)
        if (fx > 0) == (fa > 0):
            c, fc = a, fa
        else:
            c, fc, b, fb = b, fb, a, fa
        a, fa = x, fx
        best = a if abs(fa) < abs(fb) else b
        width = abs(b - a)
        tolerance = max(4.0 * EPS * abs(best), resolution)
        if fx == 0.0 or width <= tolerance:
            return Root(best, step, True)
        t = _next_step(a, b, c, fa, fb, fc, tolerance / (2.0 * width))
    return Root(best, STEPS, False)


def _next_step(a: float, b: float, c: float, fa: float, fb: float, fc: float, least: float) -> float:
    """Return where in the bracket to look next, as a share of it: interpolated where that is safe, else half."""
    xi = (a - b) / (c - b)
    phi = (fa - fb) / (fc - fb)
    if phi**2 < xi and (1.0 - phi) ** 2 < 1.0 - xi:
        t = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
        if math.isfinite(t):
            return min(max(t, least), 1.0 - least)
    return 0.5


def bracketed_roots(function: Callable[[Vector], Vector], low: Vector, high: Vector, resolution: Vector) -> Vector:
    """Return the roots of many increasing functions at once.

    Parameters
    ----------
    function : callable
        Maps points of shape (n,) to values of shape (n,), element by element, increasing in each.
    low, high : ndarray, shape (n,)
        Points at which the values are at most zero and at least zero.
    resolution : ndarray, shape (n,)
        Width at which a bracket is narrow enough, or four units in the last place where that is wider.

    Notes
    -----
    Chandrupatla's method as in :func:`bracketed_root`, one step for all elements together.
    """
    a, b = high.astype(float), low.astype(float)
    fa, fb = function(a), function(b)
    c, fc = b.copy(), fb.copy()
    t = np.full(a.shape, 0.5)
    for _ in range(STEPS):
        x = a + t * (b - a)
        fx = function(x)
        same = (fx > 0) == (fa > 0)
        c, fc = np.where(same, a, b), np.where(same, fa, fb)
        b, fb = np.where(same, b, a), np.where(same, fb, fa)
        a, fa = x, fx
        best = np.where(np.abs(fa) < np.abs(fb), a, b)
        width = np.abs(b - a)
        tolerance = np.maximum(4.0 * EPS * np.abs(best), resolution)
        if np.all((width <= tolerance) | (fa == 0.0)):
            break
        t = _next_steps(a, b, c, fa, fb, fc, tolerance / (2.0 * np.maximum(width, tolerance)))
    return best


def _next_steps(a: Vector, b: Vector, c: Vector, fa: Vector, fb: Vector, fc: Vector, least: Vector) -> Vector:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        xi = (a - b) / (c - b)
        phi = (fa - fb) / (fc - fb)
        t = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
        safe = (phi**2 < xi) & ((1.0 - phi) ** 2 < 1.0 - xi) & np.isfinite(t)
    return np.where(safe, np.clip(t, least, 1.0 - least), 0.5)
