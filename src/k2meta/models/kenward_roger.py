"""The Kenward-Roger standard error of the pooled effect, with Satterthwaite degrees of freedom."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from k2meta.models.inputs import Vector
from k2meta.models.weighted import trace_psps

LOW_DF = 2.0
"""Below this a t distribution has no variance and its interval says hardly anything."""


@dataclass(frozen=True, slots=True)
class KenwardRoger:
    """Adjusted standard error of the pooled effect, and its degrees of freedom."""

    se: float
    df: float


def kenward_roger(vi: Vector, tau2: float) -> KenwardRoger:
    """Return the Kenward-Roger standard error and degrees of freedom at the REML estimate of tau2.

    Parameters
    ----------
    vi : ndarray, shape (k,)
        Sampling variances, k >= 2.
    tau2 : float
        REML estimate; zero is allowed.

    Notes
    -----
    Kenward and Roger (1997) for one mean. With s_j = sum w^j, w = 1 / (v + tau2), and the expected restricted
    information I = trace(P P) / 2 of tau2, the variance 1 / s1 grows by twice (s3 - s2^2 / s1) / (I s1^2), which
    counts that the weights are estimated. For one mean the scale factor of the paper is one and the degrees of
    freedom are 2 A^2 / Var(A) = 2 I / (A s2)^2, with the *adjusted* variance A as Partlett and Riley (2017) and
    their software use it; the unadjusted one would give more. Equal variances give k - 1.
    """
    weight = 1.0 / (vi + tau2)
    # In units of the largest weight, so that no power overflows.
    top = float(weight.max())
    w = weight / top
    total = float(w.sum())
    information = 0.5 * trace_psps(w, np.ones_like(w))
    variance = 1.0 / total + 2.0 * _spread(w) / (information * total**2)
    df = 2.0 * information / (variance * float(w @ w)) ** 2
    return KenwardRoger(math.sqrt(variance / top), df)


def _spread(w: Vector) -> float:
    """Return sum(w^3) - sum(w^2)^2 / sum(w) = sum w (w - c)^2 with c = sum(w^2) / sum(w), without cancellation."""
    top = int(np.argmax(w))
    # w_i - c = sum_j w_j (w_i - w_j) / sum(w): for the largest weight the difference itself is exact.
    gap = w - float(w @ w) / float(w.sum())
    gap[top] = float(w @ (w[top] - w)) / float(w.sum())
    return float(w @ (gap * gap))
