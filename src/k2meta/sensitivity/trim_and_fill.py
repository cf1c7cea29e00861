"""Trim and fill: how many studies a symmetric funnel would lack, and the pool with them imagined.

Duval and Tweedie (2000), Journal of the American Statistical Association 95, 89-98, and Biometrics 56, 455-463.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from k2meta.models.common_effect import common_effect
from k2meta.models.errors import UnknownMethodError
from k2meta.models.fit import Fit
from k2meta.models.inputs import Vector, checked, checked_level
from k2meta.models.meta_regression import ESTIMATORS as RESIDUAL_ESTIMATORS
from k2meta.models.pooling import ALL_INTERVALS, matched
from k2meta.models.random_effects import random_effects
from k2meta.sensitivity.lines import is_flat, residual_tau2, weighted_line
from k2meta.sensitivity.minimum import SMALL_STUDY_K, small_study_gate
from k2meta.sensitivity.pool import COMMON_EFFECT, known_tau2, pool
from k2meta.shown import ShowsItself

SIDES = ("auto", "left", "right")

TIED = 1e-12
"""Deviations that differ by less than this share of the largest one are tied: mirror images about a rounded mean
would otherwise be ranked by its last digit."""

IMAGINED = (
    "Filled studies are imagined: they show how much the pool depends on a symmetric funnel, and asymmetry has "
    "other causes than missing studies."
)
CUT_BETWEEN_EQUALS = (
    "The cut fell between studies with equal effects and different variances: the later one in the data was "
    "trimmed, and another order may give another result."
)


@dataclass(frozen=True, slots=True)
class TrimAndFill(ShowsItself):
    """Studies that appear to be missing on one side of the funnel, and the pool that holds them.

    Attributes
    ----------
    k : int
        Number of observed studies.
    estimator : str
        ``"L0"``, ``"R0"`` or ``"Q0"``.
    side : str
        Where studies are missing: ``"left"`` (small effects) or ``"right"``; ``""`` when not run.
    k0 : int or None
        Estimated number of missing studies; ``None`` when not run.
    k0_se : float or None
        Large-sample standard error of the estimator, at its value before rounding; ``None`` where that variance
        is not positive, or where trimming goes in a circle.
    p_none_missing : float or None
        Probability, when no study is missing, of a run of extreme ranks longer than ``k0`` (R0); ``None`` for the
        other estimators, or where trimming goes in a circle.
    filled_yi, filled_vi : tuple of float
        Imagined effects and variances, of length ``k0``, from the mirror image of the least to that of the most
        extreme study.
    fit : Fit or None
        Model of the observed and the imagined studies.
    converged : bool
        Whether trimming reached a number that repeats, and each tau2 on the way its accuracy.
    not_run : str
        Why there is no result, as a sentence; empty when there is one.
    """

    k: int
    estimator: str
    side: str = ""
    k0: int | None = None
    k0_se: float | None = None
    p_none_missing: float | None = None
    filled_yi: tuple[float, ...] = ()
    filled_vi: tuple[float, ...] = ()
    fit: Fit | None = None
    converged: bool = True
    not_run: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Missing:
    """An estimate of the number of missing studies, before rounding, and its large-sample variance."""

    number: float
    variance: float

    @property
    def studies(self) -> int:
        return max(0, round(self.number))


@dataclass(frozen=True, slots=True)
class _Step:
    """The mean of what some trimming left, and what the ranks about it say of all studies."""

    centre: float
    missing: _Missing
    converged: bool


@dataclass(frozen=True, slots=True)
class _Trimmed:
    """Where trimming ended: ``order`` sorts the studies, the last ``k0`` are trimmed.

    ``circle`` holds the numbers that come back for ever; it is empty where one number repeats.
    """

    k0: int
    step: _Step
    order: np.ndarray[tuple[int], np.dtype[np.intp]]
    circle: tuple[int, ...]
    cut_between_equals: bool
    converged: bool


def trim_and_fill(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    estimator: str = "L0",
    side: str = "auto",
    tau2: str = "REML",
    interval: str = "HKSJ-guarded",
    level: float = 0.95,
    minimum_k: int = SMALL_STUDY_K,
) -> TrimAndFill:
    """Trim the studies without a counterpart, and pool all studies with mirror images of the trimmed ones.

    Studies are ranked by their distance from the mean of the studies left, the most extreme ones of the heavy side
    are trimmed, and this repeats until their number does. Each trimmed study is then mirrored about the last mean
    with its own variance.

    Parameters
    ----------
    yi, vi : array_like, shape (k,)
        Effects and sampling variances.
    estimator : {"L0", "R0", "Q0"}
        Estimator of the number of missing studies, a key of ``MISSING``: L0 and Q0 from the rank sum of the heavy
        side, R0 from the run of its extreme ranks. Q0 has no value where the rank sum is too large.
    side : {"auto", "left", "right"}
        Where studies are missing. "auto" regresses effects on their standard errors: right where less precise
        studies have smaller effects (negative slope), left where they have larger ones.
    tau2 : str
        Estimator of the between-study variance of every pool and of that regression (REML in the regression where
        an estimator has no form for it); "EE" for the common effect.
    interval : str
        Interval of mu in the fit, as in :func:`k2meta.models.random_effects.random_effects`; the common effect
        has the normal one.
    level : float
        Coverage of the intervals of the fit.
    minimum_k : int
        Fewest studies on which the check runs (never fewer than three).

    Raises
    ------
    InputError
        Unusable effects, variances or level; the message names the index.
    UnknownMethodError
        An unknown estimator, side or interval, or an estimator of tau2 the interval is not derived for.
    """
    _known(estimator, side, tau2, interval)
    data, level = checked(yi, vi), checked_level(level)
    reason = small_study_gate(data.k, minimum_k)
    if reason:
        return TrimAndFill(data.k, estimator, not_run=reason)
    side = _lighter_side(data.yi, data.vi, tau2) if side == "auto" else side
    if not side:
        why = "effects have no slope on their standard errors that tells the side: name the side"
        return TrimAndFill(data.k, estimator, not_run=f"not run: {why}")
    # On the axis that points to the heavy side, studies are trimmed from the top.
    sign = 1.0 if side == "left" else -1.0
    trimmed = _trim(sign * data.yi, data.vi, tau2, estimator)
    if trimmed is None:
        return TrimAndFill(data.k, estimator, not_run=f"not run: {estimator} has no value for these data")
    gone = trimmed.order[data.k - trimmed.k0 :]
    filled_yi = (2.0 * sign * trimmed.step.centre - data.yi[gone]) + data.shift
    whole = np.append(data.yi + data.shift, filled_yi), np.append(data.vi, data.vi[gone])
    return TrimAndFill(
        k=data.k,
        estimator=estimator,
        side=side,
        k0=trimmed.k0,
        k0_se=_standard_error(trimmed),
        p_none_missing=0.5 ** (trimmed.k0 + 1) if estimator == "R0" and not trimmed.circle else None,
        filled_yi=tuple(float(one) for one in filled_yi),
        filled_vi=tuple(float(one) for one in data.vi[gone]),
        fit=_fit(*whole, tau2, interval, level),
        converged=trimmed.converged,
        warnings=_warnings(trimmed),
    )


def _lighter_side(yi: Vector, vi: Vector, tau2: str) -> str:
    """Return the side on which less precise studies seem to be missing, or ``""`` where no slope tells."""
    sei = np.sqrt(vi)
    if is_flat(sei, 1.0 / vi):
        return ""
    found = residual_tau2(yi, vi, sei, tau2 if tau2 in RESIDUAL_ESTIMATORS else "REML")
    slope = weighted_line(yi, sei, 1.0 / (vi + found.value)).slope
    if slope == 0.0:
        return ""
    return "right" if slope < 0.0 else "left"


def _trim(yi: Vector, vi: Vector, tau2: str, estimator: str) -> _Trimmed | None:
    """Return where trimming from the top ends; ``None`` where the estimator has no value on the way."""
    # The papers do not say which of equal effects goes first; a stable order makes it the later one on both sides.
    order = np.argsort(yi, kind="stable")
    steps: dict[int, _Step] = {}
    k0 = 0
    while k0 not in steps:
        kept = order[: len(yi) - k0]
        rest = pool(yi[kept], vi[kept], tau2)
        missing = MISSING[estimator](_signed_ranks(yi - rest.mu))
        if missing is None:
            return None
        steps[k0] = _Step(rest.mu, missing, rest.converged)
        k0 = missing.studies
    # What follows depends on k0 alone: a number seen before either repeats at once or comes back for ever.
    visited = list(steps)
    circle = tuple(visited[visited.index(k0) :])
    equals = any(_cuts_between_equals(yi[order], vi[order], cut) for cut in visited)
    if len(circle) > 1:
        most = max(circle)
        return _Trimmed(most, steps[most], order, circle, equals, converged=False)
    accurate = all(step.converged for step in steps.values())
    return _Trimmed(k0, steps[k0], order, (), equals, accurate)


def _cuts_between_equals(yi: Vector, vi: Vector, k0: int) -> bool:
    """Return whether the last ``k0`` of sorted studies are cut off between equal effects of unequal variances."""
    if k0 == 0:
        return False
    level = vi[yi == yi[-k0]]
    return bool(yi[-k0 - 1] == yi[-k0] and np.any(level != level[0]))


def _signed_ranks(deviation: Vector) -> Vector:
    """Return the ranks of k absolute deviations, averaged over ties, with the signs of the deviations."""
    size = np.abs(deviation)
    order = np.argsort(size)
    margin = TIED * float(size[order[-1]])
    group = np.concatenate([[0], np.cumsum(np.diff(size[order]) > margin)])
    count = np.bincount(group)
    last = np.cumsum(count)
    rank = np.empty(len(size))
    rank[order] = (last - (count - 1) / 2.0)[group]
    signed: Vector = np.where(size > margin, np.sign(deviation), 0.0) * rank
    return signed


def _linear(signed_ranks: Vector) -> _Missing:
    """Return L0, linear in the rank sum T of the positive deviations: (4 T - n (n + 1)) / (2 n - 1)."""
    n = len(signed_ranks)
    number = (4.0 * _rank_sum(signed_ranks) - n * (n + 1)) / (2 * n - 1)
    return _Missing(number, 16.0 * _rank_sum_variance(n, number) / (2 * n - 1) ** 2)


def _run_length(signed_ranks: Vector) -> _Missing:
    """Return R0, one less than the number of positive deviations beyond all others in size."""
    barrier = max(0.0, float(np.max(-signed_ranks)))
    number = float(np.sum(signed_ranks > barrier)) - 1.0
    return _Missing(number, 2.0 * max(0.0, number) + 2.0)


def _quadratic(signed_ranks: Vector) -> _Missing | None:
    """Return Q0 = n - 1/2 - sqrt(2 n^2 - 4 T + 1/4); ``None`` where there is no root."""
    n = len(signed_ranks)
    square = 2.0 * n * n - 4.0 * _rank_sum(signed_ranks) + 0.25
    if square <= 0.0:
        return None
    root = math.sqrt(square)
    number = n - 0.5 - root
    # The derivative of Q0 by T is 2 / root.
    return _Missing(number, 4.0 * _rank_sum_variance(n, number) / square)


MISSING: Mapping[str, Callable[[Vector], _Missing | None]] = {"L0": _linear, "R0": _run_length, "Q0": _quadratic}
"""Estimators of the number of missing studies, from signed ranks that are positive on the heavy side."""


def _rank_sum(signed_ranks: Vector) -> float:
    return float(np.sum(signed_ranks[signed_ranks > 0.0]))


def _rank_sum_variance(n: int, k0: float) -> float:
    """Return the variance of the rank sum of the positive deviations when the k0 lowest studies are missing.

    At k0 = 0 it is that of Wilcoxon's signed-rank statistic.
    """
    wilcoxon = n * (n + 1) * (2 * n + 1)
    return (wilcoxon + 10 * k0**3 + 27 * k0**2 + 17 * k0 - 18 * n * k0**2 - 18 * n * k0 + 6 * n**2 * k0) / 24.0


def _standard_error(trimmed: _Trimmed) -> float | None:
    variance = trimmed.step.missing.variance
    return math.sqrt(variance) if variance > 0.0 and not trimmed.circle else None


def _warnings(trimmed: _Trimmed) -> tuple[str, ...]:
    equals = (CUT_BETWEEN_EQUALS,) if trimmed.cut_between_equals else ()
    if not trimmed.circle:
        return (IMAGINED, *equals)
    numbers = ", ".join(str(one) for one in trimmed.circle)
    circle = f"The numbers of trimmed studies go in a circle ({numbers}); the largest, {trimmed.k0}, was taken."
    return (IMAGINED, *equals, circle)


def _fit(yi: Vector, vi: Vector, tau2: str, interval: str, level: float) -> Fit:
    if tau2 == COMMON_EFFECT:
        return common_effect(yi, vi, level=level, model="trim_and_fill")
    return random_effects(yi, vi, tau2=tau2, interval=interval, level=level, model="trim_and_fill")


def _known(estimator: str, side: str, tau2: str, interval: str) -> None:
    for what, given, allowed in (
        ("estimator", estimator, tuple(MISSING)),
        ("side", side, SIDES),
        ("interval", interval, ALL_INTERVALS),
    ):
        if given not in allowed:
            raise UnknownMethodError(what, given, allowed)
    known_tau2(tau2)
    if tau2 != COMMON_EFFECT:
        matched(interval, tau2)
