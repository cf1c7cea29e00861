"""A straight line through effects, weighted: what the regression tests for small-study effects share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from k2meta.models.heterogeneity import Tau2
from k2meta.models.inputs import Vector
from k2meta.models.meta_regression import ESTIMATORS, error_contrasts

FLAT = 1e-10
"""A predictor whose weighted standard deviation is below this share of its size has no slope to estimate."""


@dataclass(frozen=True, slots=True)
class Line:
    """A weighted least-squares line y = intercept + slope x.

    ``intercept_variance`` and ``slope_variance`` hold for known weights (inverse variances); ``rss`` is the
    weighted residual sum of squares, chi-square(k - 2) when the weights are right.
    """

    intercept: float
    slope: float
    intercept_variance: float
    slope_variance: float
    rss: float


def is_flat(x: Vector, weight: Vector) -> bool:
    """Return whether the predictor is the same for all studies, as far as rounding can tell."""
    centre = float(weight @ x / weight.sum())
    spread = float(weight @ (x - centre) ** 2 / weight.sum())
    return math.sqrt(spread) <= FLAT * float(np.max(np.abs(x)))


def weighted_line(yi: Vector, x: Vector, weight: Vector) -> Line:
    """Return the line through k >= 3 points; all arrays have shape (k,), and ``x`` is not flat."""
    total = float(weight.sum())
    centre_x, centre_y = float(weight @ x) / total, float(weight @ yi) / total
    dx, dy = x - centre_x, yi - centre_y
    sxx = float(weight @ (dx * dx))
    slope = float(weight @ (dx * dy)) / sxx
    residual = dy - slope * dx
    return Line(
        intercept=centre_y - slope * centre_x,
        slope=slope,
        intercept_variance=1.0 / total + centre_x**2 / sxx,
        slope_variance=1.0 / sxx,
        rss=float(weight @ (residual * residual)),
    )


def residual_tau2(yi: Vector, vi: Vector, x: Vector, method: str) -> Tau2:
    """Return the heterogeneity that a line leaves, by a key of ``meta_regression.ESTIMATORS``."""
    return ESTIMATORS[method](error_contrasts(yi, vi, np.column_stack([np.ones_like(x), x])))
