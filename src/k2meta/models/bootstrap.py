"""The prediction interval of Nagashima, Noma and Furukawa (2019), without the sampling.

Their parametric bootstrap draws tau2 from its confidence distribution, the one whose tail probabilities are those
of Cochran's Q, and then a new effect mean(tau2) + z tau - t SE(tau2) with z normal and t Student's with k - 1
degrees of freedom. Its quantiles are those of a mixture with one integral over tau and one over t or z. Both are
done here by quadrature: the limit of infinitely many draws, the same on every run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import gammaln, ndtr, stdtr

from k2meta.models.generalised_q import confidence_density, distribution, weighted_sum_of_squares
from k2meta.models.inputs import Vector
from k2meta.models.roots import bracketed_root

PANEL = 0.375
"""Width of a panel in asinh(tau / unit), a factor of 1.45 in tau."""

NODES = 12
"""Gauss-Legendre nodes of one panel. The weights add up to one within 1e-7 on every reference data set."""

SMALL, LARGE = 0.1, 1e6
"""The unit, in the smallest standard error, and the end of the panels, in the largest standard error or the spread
of the effects. Confidence left beyond the end is counted as half below and half above any effect."""

T_STEP, T_REACH = 0.08, 24.0
"""Step and end of the trapezoidal rule over y with t = sinh(y): t of 1e10, beyond which two degrees of freedom,
the fewest there are here, leave a probability of 1e-20."""

Z_STEP, Z_REACH = 0.25, 9.0
"""Step and end of the trapezoidal rule over z; the normal density beyond is below 1e-18."""


@dataclass(frozen=True, slots=True)
class ConfidenceDistribution:
    """Confidence distribution of tau as a mixture, and what each tau implies for the mean.

    Attributes
    ----------
    tau, weight : ndarray, shape (n,)
        Nodes, the first of them zero, and the confidence each carries.
    rest : float
        Confidence beyond the last node.
    mean, se : ndarray, shape (n,)
        Pooled effect and Hartung-Knapp standard error at each node.
    """

    tau: Vector
    weight: Vector
    rest: float
    mean: Vector
    se: Vector


def confidence_distribution(yi: Vector, vi: Vector) -> ConfidenceDistribution:
    """Return the confidence distribution of tau from Cochran's Q, for k >= 2 effects that are not all equal."""
    fixed = 1.0 / vi
    fixed = fixed / fixed.sum()
    q = weighted_sum_of_squares(yi, fixed)
    unit = SMALL * math.sqrt(float(vi.min()))
    end = LARGE * max(math.sqrt(float(vi.max())), float(np.ptp(yi)))
    x, factor = _panels(math.ceil(math.asinh(end / unit) / PANEL))
    tau = unit * np.sinh(x)
    density = confidence_density(q, vi, tau**2, fixed) * 2.0 * tau * unit * np.cosh(x)
    atom = 1.0 - float(distribution(q, vi, np.zeros(1), fixed)[0])
    tau = np.append(0.0, tau)
    weight = np.append(atom, factor * density)
    w = 1.0 / (vi + (tau**2)[:, None])
    mean = (w @ yi) / w.sum(axis=1)
    residual = yi - mean[:, None]
    se = np.sqrt((w * residual * residual).sum(axis=1) / ((len(vi) - 1) * w.sum(axis=1)))
    return ConfidenceDistribution(tau, weight, max(0.0, 1.0 - float(weight.sum())), mean, se)


def nagashima(yi: Vector, vi: Vector, level: float) -> tuple[float, float]:
    """Return the limits of the prediction interval, for k >= 3 effects that are not all equal."""
    given = confidence_distribution(yi, vi)
    tail = (1.0 - level) / 2.0
    return _quantile(tail, given, len(vi) - 1.0), _quantile(1.0 - tail, given, len(vi) - 1.0)


def _quantile(p: float, given: ConfidenceDistribution, df: float) -> float:
    middle = float(given.weight @ given.mean)
    step = float(given.weight @ (given.tau + given.se))

    def excess(x: float) -> float:
        return _below(x, given, df) - p

    low, high = middle - step, middle + step
    while excess(low) > 0.0:
        low = middle + 2.0 * (low - middle)
    while excess(high) < 0.0:
        high = middle + 2.0 * (high - middle)
    return bracketed_root(excess, low, high).value


def _below(x: float, given: ConfidenceDistribution, df: float) -> float:
    """Return the confidence that a new effect is below ``x``.

    Of the two sources of spread the wider one stays in closed form and the narrower is integrated numerically.
    """
    wide = given.tau >= given.se
    result = np.empty_like(given.tau)
    t, t_weight = _student(df)
    tau, se, gap = given.tau[wide, None], given.se[wide, None], x - given.mean[wide, None]
    result[wide] = ndtr((gap - se * t) / tau) @ t_weight
    z, z_weight = _normal()
    tau, se, gap = given.tau[~wide, None], given.se[~wide, None], x - given.mean[~wide, None]
    result[~wide] = stdtr(df, (gap - tau * z) / se) @ z_weight
    return float(given.weight @ result) + 0.5 * given.rest


@cache
def _panels(count: int) -> tuple[Vector, Vector]:
    node, weight = np.polynomial.legendre.leggauss(NODES)
    x = PANEL * (np.arange(count)[:, None] + 0.5 * (1.0 + node))
    return x.ravel(), np.tile(0.5 * PANEL * weight, count)


@cache
def _student(df: float) -> tuple[Vector, Vector]:
    y = np.arange(-T_REACH, T_REACH + T_STEP / 2, T_STEP)
    t = np.sinh(y)
    log_density = gammaln((df + 1) / 2) - gammaln(df / 2) - 0.5 * math.log(df * math.pi)
    weight = np.exp(log_density - (df + 1) / 2 * np.log1p(t * t / df)) * np.cosh(y)
    keep = weight > 1e-20
    return t[keep], weight[keep] / weight[keep].sum()


@cache
def _normal() -> tuple[Vector, Vector]:
    z = np.arange(-Z_REACH, Z_REACH + Z_STEP / 2, Z_STEP)
    weight = np.exp(-0.5 * z * z)
    return z, weight / weight.sum()
