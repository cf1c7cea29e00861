"""Sums over inverse-variance weights, arranged so that one giant trial costs no digits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from k2meta.models.inputs import Vector


def pooled(yi: Vector, weight: Vector) -> float:
    """Return the weighted mean of effects; both have shape (k,)."""
    return float(weight @ yi / weight.sum())


def others(values: Vector) -> Vector:
    """Return for each of k positive values the sum of all the other ones, shape (k,).

    ``total - value`` cancels only for a value that is most of the total, so that one is summed directly.
    """
    result: Vector = values.sum() - values
    top = int(np.argmax(values))
    result[top] = values[:top].sum() + values[top + 1 :].sum()
    return result


def leverage_complement(weight: Vector) -> Vector:
    """Return one minus each study's share of the weight, shape (k,)."""
    result: Vector = others(weight) / weight.sum()
    return result


def trace_p(weight: Vector) -> float:
    """Return the trace of P = W - w w' / sum(w), that is sum(w) - sum(w^2) / sum(w)."""
    return float(weight @ leverage_complement(weight))


def trace_psps(weight: Vector, variance: Vector) -> float:
    """Return the trace of P S P S for P = W - w w' / sum(w) and S = diag(variance).

    Twice this is the variance of the quadratic form y'Py of normal effects with variances ``variance``.
    """
    diagonal = weight * leverage_complement(weight) * variance
    off = weight**2 * variance
    return float(diagonal @ diagonal + off @ others(off) / weight.sum() ** 2)


def generalised_q(yi: Vector, vi: Vector) -> Callable[[float], float]:
    """Return Q(tau2) = sum w (y - mu)^2 with w = 1 / (vi + tau2).

    It decreases in tau2 and follows chi-square(k - 1) at the true one.
    """

    def q(tau2: float) -> float:
        weight = 1.0 / (vi + tau2)
        residual = yi - pooled(yi, weight)
        return float(weight @ (residual * residual))

    return q


def typical_variance(vi: Vector) -> float:
    """Return the typical sampling variance (Higgins and Thompson 2002): (k - 1) / trace(P) at tau2 = 0."""
    return (len(vi) - 1) / trace_p(1.0 / vi)
