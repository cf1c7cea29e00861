"""Leave-one-out cross-validation by quadrature: nothing is sampled, so every digit is the same on every run.

The predictive density of an effect given the others is a ratio of two evidences, p(y) / p(y without y_i), each an
integral over mu and tau of likelihoods whose true effects are integrated out. That holds under a flat prior of mu
too, where neither evidence exists by itself but both have the same missing constant.

Both integrals are trapezoidal sums in coordinates in which the integrand is analytic and dies out at either end,
so that they converge exponentially: tau is a hyperbolic sine, and mu runs along a sum of inverse hyperbolic sines
that is steep near every effect.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from k2meta.models.builder import checked_priors
from k2meta.models.errors import InputError
from k2meta.models.inputs import Inputs, Vector, checked
from k2meta.models.model_checks import log_likelihood
from k2meta.models.priors import HalfNormal, Normal

STEP_MU, STEP_TAU = 0.5, 0.125
"""Steps of the sums; halving both moves no predictive density of ordinary effects by 1e-5 of itself (a test)."""

MANY = 8
"""Effects from which on the whole step is used; with fewer it is a share of it."""

FURTHEST_TAU = 20.0
"""Prior scales of tau beyond which nothing is looked for: a half-normal prior puts less than 1e-80 there."""

FURTHEST_MU = 1000.0
"""How far mu goes, in widths of all that is known: a t density with 4 df falls as the fifth power."""


def exact_leave_one_out(
    yi: ArrayLike, vi: ArrayLike, *, tau_prior: HalfNormal, mu_prior: Normal | None = None, df: float | None = None
) -> tuple[float, ...]:
    """Return the log predictive density of each effect given the others.

    Parameters
    ----------
    yi, vi : array_like, shape (k,)
        Effects and sampling variances, k >= 2.
    tau_prior : HalfNormal
        Prior of tau, in units of ``yi``.
    mu_prior : Normal or None
        Prior of mu; ``None`` is flat.
    df : float, optional
        Degrees of freedom of Student-t random effects with scale tau; normal ones where left out.

    Returns
    -------
    tuple of float, length k
        They sum to the expected log predictive density; higher is better.

    Raises
    ------
    InputError
        Unusable effects or variances, fewer than two studies, degrees of freedom that are not positive and finite.
    PriorError
        Something that is no prior.
    """
    data = checked(yi, vi)
    checked_priors(tau_prior, mu_prior)
    if data.k < 2:
        raise InputError("one study: there is no other one to predict it from")
    if df is not None and not 0.0 < df < math.inf:
        raise InputError(f"df = {df!r} must be a positive finite number, for example 4")
    tau, log_tau = _tau_nodes(data, tau_prior)
    mu, log_mu = _mu_nodes(data, tau_prior, mu_prior)
    grid_mu, grid_tau = (
        np.broadcast_to(mu, (tau.size, mu.size)),
        np.broadcast_to(tau[:, None], (tau.size, mu.size)),
    )
    tails = None if df is None else np.full(grid_mu.shape, float(df))
    each = log_likelihood(grid_mu, grid_tau, data.yi, data.vi, df=tails).reshape(-1, data.k)
    weight = (log_tau[:, None] + log_mu).ravel()
    together = weight + each.sum(axis=1)
    everything = float(np.logaddexp.reduce(together))
    return tuple(everything - float(np.logaddexp.reduce(together - each[:, i])) for i in range(data.k))


def _tau_nodes(data: Inputs, prior: HalfNormal) -> tuple[Vector, Vector]:
    """Return nodes of tau and the logs of their weights, the prior in them; shape (n,)."""
    # Everything depends on tau squared alone: the sum over the half line is half of one over the whole line, and
    # nodes half a step from zero keep clear of tau = 0.
    unit = min(math.sqrt(float(data.vi.min())), prior.scale)
    n = math.ceil(math.asinh(FURTHEST_TAU * prior.scale / unit) / STEP_TAU)
    x = STEP_TAU * (np.arange(n) + 0.5)
    tau = unit * np.sinh(x)
    return tau, prior.logpdf(tau) + np.log(unit * np.cosh(x) * STEP_TAU)


def _mu_nodes(data: Inputs, tau_prior: HalfNormal, prior: Normal | None) -> tuple[Vector, Vector]:
    """Return nodes of mu, less the shift of the data, and the logs of their weights, the prior in them; (n,)."""
    centre, width = data.yi, np.sqrt(data.vi)
    if prior is not None:
        centre, width = np.append(centre, prior.mean - data.shift), np.append(width, prior.sd)
    known = float(np.ptp(centre) + width.max()) + FURTHEST_TAU * tau_prior.scale
    low, high = float(centre.min()) - FURTHEST_MU * known, float(centre.max()) + FURTHEST_MU * known

    def along(mu: Vector) -> Vector:
        result: Vector = np.arcsinh((mu[:, None] - centre) / width).sum(axis=1)
        return result

    first, last = along(np.array([low, high]))
    # Few centres share the line among few steep places, so their steps are finer.
    n = math.ceil((last - first) / (STEP_MU * min(1.0, centre.size / MANY)))
    wanted = first + (last - first) * (np.arange(n) + 0.5) / n
    below, above = np.full(n, low), np.full(n, high)
    # Bisection until the ends meet in double precision.
    while np.any((middle := 0.5 * (below + above)) != below) and np.any(middle != above):
        under = along(middle) < wanted
        below, above = np.where(under, middle, below), np.where(under, above, middle)
        if np.all((above - below) <= 4.0 * np.spacing(np.maximum(np.abs(below), np.abs(above)))):
            break
    mu = 0.5 * (below + above)
    slope = (1.0 / np.hypot(width, mu[:, None] - centre)).sum(axis=1)
    log_weight = math.log((last - first) / n) - np.log(slope)
    return mu, log_weight + (prior.logpdf(mu + data.shift) if prior is not None else 0.0)
