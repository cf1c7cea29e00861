"""Fail-safe numbers: how many unseen null results would overturn the pool. Shipped for completeness, discouraged.

The number assumes that unseen studies average to exactly nothing, ignores heterogeneity, and has no distribution;
a large one is no evidence of absence of bias. Selection models and trim-and-fill answer a better question.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from k2meta.models.errors import InputError, UnknownMethodError
from k2meta.models.inputs import Vector, checked
from k2meta.models.weighted import pooled
from k2meta.shown import ShowsItself

DISCOURAGED = (
    "Fail-safe numbers are discouraged: they presume unseen studies that average to zero, and no heterogeneity."
)


@dataclass(frozen=True, slots=True)
class FailSafeN(ShowsItself):
    """A fail-safe number.

    Attributes
    ----------
    method : str
        ``"Rosenthal"``, ``"Orwin"`` or ``"Rosenberg"``.
    n : int or None
        Number of added studies, rounded up; zero when the result is not significant to begin with.
    p : float or None
        Of the observed studies: one-sided in the direction of the effect (Rosenthal) or two-sided (Rosenberg).
    mean, target : float or None
        Observed mean, and the mean that the added studies would bring about (Orwin).
    """

    k: int
    method: str
    n: int | None
    p: float | None
    mean: float | None
    target: float | None
    not_run: str = ""
    warnings: tuple[str, ...] = (DISCOURAGED,)


def fail_safe_n(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    method: str = "Rosenthal",
    alpha: float = 0.05,
    target: float | None = None,
    weighted: bool = False,
) -> FailSafeN:
    """Return a fail-safe number; see the module for why not to lean on it.

    Parameters
    ----------
    yi, vi : array_like, shape (k,)
        Effects and sampling variances.
    method : {"Rosenthal", "Orwin", "Rosenberg"}
        Studies that raise Stouffer's combined one-sided p above ``alpha``; that shrink the mean to ``target``;
        that raise the two-sided p of the common effect above ``alpha``, each with the average weight.
    alpha : float
        Significance level (Rosenthal, Rosenberg).
    target : float, optional
        Mean to be reached (Orwin); half the observed one unless given.
    weighted : bool
        Whether Orwin's mean is the common effect instead of the plain mean.

    Raises
    ------
    InputError
        Unusable effects, variances or ``alpha``, or a ``target`` on the other side of zero than the mean.
    UnknownMethodError
        An unknown method.
    """
    if method not in METHODS:
        raise UnknownMethodError("method", method, METHODS)
    if not 0.0 < alpha < 1.0:
        raise InputError(f"alpha = {alpha!r}: a significance level lies between 0 and 1")
    data = checked(yi, vi)
    effects = data.yi + data.shift
    if method == "Orwin":
        return _orwin(effects, data.vi, target, weighted)
    return METHODS[method](effects, data.vi, alpha)


def _rosenthal(yi: Vector, vi: Vector, alpha: float) -> FailSafeN:
    k, total = len(yi), float(np.sum(yi / np.sqrt(vi)))
    number = (total / float(ndtri(alpha))) ** 2 - k
    p = float(ndtr(-abs(total) / math.sqrt(k)))
    return FailSafeN(k, "Rosenthal", max(0, math.ceil(number)), p, None, None)


def _rosenberg(yi: Vector, vi: Vector, alpha: float) -> FailSafeN:
    k, weight = len(yi), 1.0 / vi
    total, information = float(weight @ yi), float(weight.sum())
    number = ((total / float(ndtri(alpha / 2.0))) ** 2 - information) * k / information
    p = 2.0 * float(ndtr(-abs(total) / math.sqrt(information)))
    return FailSafeN(k, "Rosenberg", max(0, math.ceil(number)), p, total / information, None)


def _orwin(yi: Vector, vi: Vector, target: float | None, weighted: bool) -> FailSafeN:
    k = len(yi)
    mean = pooled(yi, 1.0 / vi) if weighted else float(yi.mean())
    goal = mean / 2.0 if target is None else float(target)
    if mean == 0.0:
        return FailSafeN(k, "Orwin", None, None, mean, None, "not run: the mean is already zero")
    if not goal / mean > 0.0:
        raise InputError(f"target = {goal!r}: it must lie on the same side of zero as the mean, {mean!r}")
    # Relative rounding: half the mean must give exactly k, not k + 1.
    number = k * (mean - goal) / goal
    return FailSafeN(k, "Orwin", max(0, math.ceil(number - 1e-12 * k)), None, mean, goal)


METHODS: Mapping[str, Callable[..., FailSafeN]] = {
    "Rosenthal": _rosenthal,
    "Orwin": _orwin,
    "Rosenberg": _rosenberg,
}
