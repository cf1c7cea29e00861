"""Step-function selection model: the chance of being seen depends on the p value (Vevea and Hedges 1995).

Effects are normal with mean mu and variance tau2 + vi before selection. A result whose one-sided p value lies in
the j-th interval is seen with relative probability delta_j, and delta_1 = 1. One step at 0.025 is the
three-parameter selection model.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, ndtr, ndtri

from k2meta.models.errors import InputError, UnknownMethodError
from k2meta.models.fit import Estimate
from k2meta.models.heterogeneity import maximum_likelihood
from k2meta.models.inputs import Inputs, Vector, checked, checked_level
from k2meta.models.intervals import tested
from k2meta.models.weighted import pooled
from k2meta.sensitivity.minimum import SMALL_STUDY_K, small_study_gate
from k2meta.shown import ShowsItself

ALTERNATIVES = ("greater", "less", "two-sided")

START_DELTA = (0.1, 0.5, 2.0)
START_TAU2 = (0.1, 1.0, 3.0)
"""Starting points: all later weights at once, and tau2 as multiples of tau2 + a tenth of the typical variance."""

LOG_DELTA = 14.0
"""Farthest log weight searched: a millionth or a million times the first one."""

DECREMENT = 1e-12
"""Largest Newton decrement, in units of the log-likelihood, at which a point is called an optimum."""

NEWTON_STEPS = 60


@dataclass(frozen=True, slots=True)
class SelectionModel(ShowsItself):
    """Maximum-likelihood fit of a step-function selection model.

    Attributes
    ----------
    steps : tuple of float
        Upper ends of the p value intervals; the last one is 1.
    counts : tuple of int
        Studies in each interval.
    mu : Estimate or None
        Mean before selection, with the normal interval.
    tau2, tau2_se : float or None
        Between-study variance before selection; no standard error on the boundary.
    delta, delta_se : tuple of float, tuple of float or None
        Relative probabilities of being seen, the first one 1 by definition; below one means that larger p values
        are seen less often.
    log_likelihood : float or None
        At the maximum.
    unadjusted : float or None
        Mean of the same model without selection (all delta = 1, ML).
    lrt, lrt_df, lrt_p : float, int, float or None
        Likelihood-ratio test of no selection.
    converged, at_boundary : bool
        Whether the gradient vanishes at a proven maximum; whether tau2 is zero.
    """

    k: int
    steps: tuple[float, ...]
    alternative: str
    counts: tuple[int, ...]
    mu: Estimate | None = None
    tau2: float | None = None
    tau2_se: float | None = None
    delta: tuple[float, ...] = ()
    delta_se: tuple[float | None, ...] = ()
    log_likelihood: float | None = None
    unadjusted: float | None = None
    lrt: float | None = None
    lrt_df: int | None = None
    lrt_p: float | None = None
    converged: bool = True
    at_boundary: bool = False
    not_run: str = ""
    warnings: tuple[str, ...] = ()


def selection_model(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    steps: Sequence[float] = (0.025,),
    alternative: str = "greater",
    level: float = 0.95,
    minimum_k: int = SMALL_STUDY_K,
) -> SelectionModel:
    """Fit a step-function selection model by maximum likelihood.

    Parameters
    ----------
    yi, vi : array_like, shape (k,)
        Effects and sampling variances.
    steps : sequence of float
        Increasing p values at which the chance of being seen may change.
    alternative : {"greater", "less", "two-sided"}
        The p values: one-sided for positive effects, for negative effects, or two-sided.
    level : float
        Coverage of the interval of mu.
    minimum_k : int
        Fewest studies on which the model is fitted (never fewer than parameters).

    Returns
    -------
    SelectionModel
        Not run where an interval of p values holds no study, whose weight then has no estimate.

    Raises
    ------
    InputError
        Unusable effects, variances or steps; the message names the index.
    UnknownMethodError
        An unknown alternative.
    """
    if alternative not in ALTERNATIVES:
        raise UnknownMethodError("alternative", alternative, ALTERNATIVES)
    data, level, ends = checked(yi, vi), checked_level(level), _ends(steps)
    problem = _Problem.of(data, ends, alternative)
    counts = tuple(int(n) for n in np.bincount(problem.interval, minlength=len(ends)))
    reason = small_study_gate(data.k, minimum_k, least=len(ends) + 2)
    if not reason and 0 in counts:
        empty = counts.index(0)
        low = ends[empty - 1] if empty else 0.0
        reason = (
            f"not run: no study has a p value between {low:g} and {ends[empty]:g}, so its weight has no estimate"
        )
    if reason:
        return SelectionModel(data.k, ends, alternative, counts, not_run=reason)
    return _fitted(problem, data, ends, alternative, counts, level)


@dataclass(frozen=True, slots=True)
class _Problem:
    """The likelihood of (mu, tau2, delta_2, ...), for effects turned so that small p values are large effects.

    ``cuts[i, j]`` is the effect at which the p value of study i is the end of interval j; with two-sided p values
    the mirror image counts too. ``scale`` is the unit of the effects in which the search runs.
    """

    yi: Vector
    vi: Vector
    cuts: NDArray[np.float64]
    interval: NDArray[np.intp]
    two_sided: bool
    sign: float
    scale: float

    @classmethod
    def of(cls, data: Inputs, ends: tuple[float, ...], alternative: str) -> _Problem:
        """Return the problem in units of the square root of the typical total variance."""
        sign = -1.0 if alternative == "less" else 1.0
        two_sided = alternative == "two-sided"
        scale = math.sqrt(float(np.median(data.vi)))
        y, v = sign * (data.yi + data.shift) / scale, data.vi / scale**2
        z = np.abs(y) / np.sqrt(v) if two_sided else y / np.sqrt(v)
        p = (2.0 if two_sided else 1.0) * ndtr(-z)
        inner = np.asarray(ends[:-1])
        cuts = np.sqrt(v)[:, None] * -ndtri(inner / 2.0 if two_sided else inner)
        return cls(y, v, cuts, np.searchsorted(inner, p, side="left"), two_sided, sign, scale)

    def log_likelihood(self, theta: Vector) -> float:
        """Return the log-likelihood at (mu, tau2, delta_2, ...)."""
        total = self.vi + theta[1]
        delta = np.append(1.0, theta[2:])
        above, _, _ = self._tails(theta)
        # Telescoped: the chance of being seen is delta_J plus the jumps times the chance beyond each cut.
        seen = delta[-1] + (above * (delta[:-1] - delta[1:])).sum(axis=1)
        normal = -0.5 * (np.log(2.0 * np.pi * total) + (self.yi - theta[0]) ** 2 / total)
        return float(np.sum(np.log(delta)[self.interval] + normal - np.log(seen)))

    def gradient(self, theta: Vector) -> Vector:
        """Return the slopes of the log-likelihood in (mu, tau2, delta_2, ...)."""
        total, residual = self.vi + theta[1], self.yi - theta[0]
        delta = np.append(1.0, theta[2:])
        jumps = delta[:-1] - delta[1:]
        above, by_mu, by_tau2 = self._tails(theta)
        seen = delta[-1] + (above * jumps).sum(axis=1)
        slope_mu = np.sum(residual / total - (by_mu * jumps).sum(axis=1) / seen)
        slope_tau2 = np.sum(0.5 * (residual**2 / total - 1.0) / total - (by_tau2 * jumps).sum(axis=1) / seen)
        chance = np.diff(np.column_stack([above, np.ones(len(seen))]), axis=1)
        counts = np.bincount(self.interval, minlength=len(delta))[1:]
        slope_delta = counts / delta[1:] - np.sum(chance / seen[:, None], axis=0)
        return np.concatenate([[slope_mu, slope_tau2], slope_delta])

    def _tails(self, theta: Vector) -> tuple[Vector, Vector, Vector]:
        """Return the chance of a p value below each step and its slopes in mu and tau2, shape (k, steps) each."""
        total = (self.vi + theta[1])[:, None]
        sd = np.sqrt(total)
        chance, by_mu, by_tau2 = np.zeros((3, *self.cuts.shape))
        for side in (1.0, -1.0) if self.two_sided else (1.0,):
            t = (side * theta[0] - self.cuts) / sd
            density = np.exp(-0.5 * t * t) / math.sqrt(2.0 * math.pi)
            chance += ndtr(t)
            by_mu += side * density / sd
            by_tau2 -= 0.5 * density * t / total
        return chance, by_mu, by_tau2

    def hessian(self, theta: Vector) -> NDArray[np.float64]:
        """Return second derivatives as central differences of the gradient."""
        size = len(theta)
        rows = np.empty((size, size))
        for i in range(size):
            # Central differences need room below: tau2 may not go below minus the smallest variance.
            room = float(self.vi.min()) + theta[1] if i == 1 else (abs(theta[i]) if i > 1 else 1.0)
            step = 1e-5 * room
            up, down = theta.copy(), theta.copy()
            up[i] += step
            down[i] -= step
            rows[i] = (self.gradient(up) - self.gradient(down)) / (2.0 * step)
        return (rows + rows.T) / 2.0


@dataclass(frozen=True, slots=True)
class _Optimum:
    theta: Vector
    height: float
    converged: bool


def _ends(steps: Sequence[float]) -> tuple[float, ...]:
    ends = [float(step) for step in steps]
    for i, step in enumerate(ends):
        if not 0.0 < step < 1.0 or (i and step <= ends[i - 1]):
            raise InputError(f"steps[{i}] = {step!r}: steps are increasing p values between 0 and 1")
    if not ends:
        raise InputError("steps is empty; a selection model needs at least one, for example 0.025")
    return (*ends, 1.0)


def _search(problem: _Problem, start: Vector) -> Vector:
    """Climb from one start, in mu, tau2 >= 0 and log weights."""
    from scipy.optimize import minimize

    def natural(u: Vector) -> Vector:
        return np.concatenate([u[:2], np.exp(u[2:])])

    def downhill(u: Vector) -> tuple[float, Vector]:
        theta = natural(u)
        slope = problem.gradient(theta)
        slope[2:] *= theta[2:]
        return -problem.log_likelihood(theta), -slope

    bounds = [(None, None), (0.0, None), *[(-LOG_DELTA, LOG_DELTA)] * (len(start) - 2)]
    first = np.concatenate([start[:2], np.log(start[2:])])
    found = minimize(downhill, first, jac=True, method="L-BFGS-B", bounds=bounds)
    return natural(np.asarray(found.x, dtype=float))


def _polish(problem: _Problem, theta: Vector) -> _Optimum:
    """Newton steps with halving to the last digits; tau2 rests on zero while the likelihood falls from there."""
    height = problem.log_likelihood(theta)
    decrement = math.inf
    for _ in range(NEWTON_STEPS):
        slope, curvature = problem.gradient(theta), problem.hessian(theta)
        free = np.ones(len(theta), dtype=bool)
        free[1] = theta[1] > 0.0 or slope[1] > 0.0
        move, definite = _newton(slope[free], curvature[np.ix_(free, free)])
        decrement = float(slope[free] @ move) if definite else math.inf
        if not definite:
            break
        step = np.zeros(len(theta))
        step[free] = move
        better = _halved(problem, theta, step, height)
        if better is None:
            break
        theta, height = better.theta, better.height
        if decrement < DECREMENT * 1e-6:
            break
    return _Optimum(theta, height, decrement < DECREMENT)


def _newton(slope: Vector, curvature: NDArray[np.float64]) -> tuple[Vector, bool]:
    values, vectors = np.linalg.eigh(-curvature)
    if not np.all(values > 0.0):
        return slope, False
    return np.asarray(vectors @ ((vectors.T @ slope) / values)), True


def _halved(problem: _Problem, theta: Vector, step: Vector, height: float) -> _Optimum | None:
    """Return the first of ever shorter steps that does not go down, or ``None``."""
    for halving in range(30):
        moved = theta + step * 0.5**halving
        moved[1] = max(0.0, float(moved[1]))
        if np.all(moved[2:] > 0.0):
            reached = problem.log_likelihood(moved)
            if reached > height:
                return _Optimum(moved, reached, False)
    return None


def _best(problem: _Problem, without: Vector, weights: int) -> _Optimum:
    """Return the highest optimum reached from a grid of starts around the fit without selection."""
    mu, tau2 = float(without[0]), float(without[1])
    found = []
    for delta in START_DELTA:
        for multiple in START_TAU2:
            start = np.array([mu, multiple * (tau2 + 0.1), *[delta] * weights])
            found.append(_search(problem, start))
    found.sort(key=lambda theta: -problem.log_likelihood(theta))
    return max((_polish(problem, theta) for theta in found[:3]), key=lambda optimum: optimum.height)


def _fitted(
    problem: _Problem,
    data: Inputs,
    ends: tuple[float, ...],
    alternative: str,
    counts: tuple[int, ...],
    level: float,
) -> SelectionModel:
    weights = len(ends) - 1
    plain = maximum_likelihood(problem.yi, problem.vi)
    mean = pooled(problem.yi, 1.0 / (problem.vi + plain.value))
    without = np.array([mean, plain.value, *[1.0] * weights])
    best = _best(problem, without, weights)
    se = _standard_errors(problem, best.theta)
    unit = problem.scale
    rescaled = data.k * math.log(unit)
    lrt = max(0.0, 2.0 * (best.height - problem.log_likelihood(without)))
    boundary = best.theta[1] == 0.0
    mu = tested(float(best.theta[0]) * unit * problem.sign, float(se[0]) * unit, level, None)
    return SelectionModel(
        k=data.k,
        steps=ends,
        alternative=alternative,
        counts=counts,
        mu=mu,
        tau2=float(best.theta[1]) * unit**2,
        tau2_se=None if boundary else float(se[1]) * unit**2,
        delta=(1.0, *(float(value) for value in best.theta[2:])),
        delta_se=(None, *(float(value) for value in se[2:])),
        log_likelihood=best.height - rescaled,
        unadjusted=mean * unit * problem.sign,
        lrt=lrt,
        lrt_df=weights,
        lrt_p=float(chdtrc(weights, lrt)),
        converged=best.converged and plain.converged,
        at_boundary=bool(boundary),
        warnings=_warnings(counts, best.converged, bool(boundary)),
    )


def _standard_errors(problem: _Problem, theta: Vector) -> Vector:
    """Return standard errors from the observed information; NaN for tau2 on its boundary."""
    free = np.ones(len(theta), dtype=bool)
    free[1] = theta[1] > 0.0
    information = -problem.hessian(theta)[np.ix_(free, free)]
    se = np.full(len(theta), math.nan)
    with contextlib.suppress(np.linalg.LinAlgError):
        se[free] = np.sqrt(np.diag(np.linalg.inv(information)))
    return se


def _warnings(counts: tuple[int, ...], converged: bool, boundary: bool) -> tuple[str, ...]:
    said = []
    if min(counts) < 4:
        said.append(
            f"Only {min(counts)} of the studies fall into one interval of p values; its weight is hardly known."
        )
    if boundary:
        said.append("tau2 is estimated as zero; the standard errors take it as known.")
    if not converged:
        said.append("The likelihood has no proven maximum here; do not use this fit.")
    return tuple(said)
