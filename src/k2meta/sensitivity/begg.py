"""Rank correlation between effects and their variances: Begg and Mazumdar (1994)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from k2meta.models.inputs import Vector, checked
from k2meta.models.weighted import leverage_complement, pooled
from k2meta.sensitivity.minimum import SMALL_STUDY_K, small_study_gate
from k2meta.shown import ShowsItself

EXACT_K = 150
"""Most studies for which every permutation is counted; the work grows with the fourth power of k, and the normal
approximation is as good as exact long before."""


@dataclass(frozen=True, slots=True)
class RankTest(ShowsItself):
    """Kendall's rank correlation between standardised effects and sampling variances.

    Attributes
    ----------
    tau : float or None
        Kendall's tau (tau-b with ties); positive when less precise studies have larger effects.
    p : float or None
        Two-sided.
    exact : bool
        Whether ``p`` comes from the permutation distribution; with ties, or with more than ``EXACT_K`` studies, it
        is the normal approximation.
    """

    k: int
    tau: float | None
    p: float | None
    exact: bool
    not_run: str = ""
    warnings: tuple[str, ...] = ()


def begg(yi: ArrayLike, vi: ArrayLike, *, minimum_k: int = SMALL_STUDY_K) -> RankTest:
    """Test the funnel plot for asymmetry by ranks.

    Effects are standardised as (yi - mu) / sqrt(vi - 1 / sum(1 / vi)) with mu the common effect.

    Parameters
    ----------
    yi, vi : array_like, shape (k,)
        Effects and sampling variances.
    minimum_k : int
        Fewest studies on which the test runs.

    Raises
    ------
    InputError
        Unusable effects or variances; the message names the index.
    """
    data = checked(yi, vi)
    reason = small_study_gate(data.k, minimum_k, least=2)
    if reason:
        return RankTest(data.k, None, None, False, reason)
    weight = 1.0 / data.vi
    standard = (data.yi - pooled(data.yi, weight)) / np.sqrt(data.vi * leverage_complement(weight))
    return _kendall(standard, data.vi)


def _kendall(a: Vector, b: Vector) -> RankTest:
    k = len(a)
    upper = np.triu_indices(k, 1)
    signs_a = np.sign(np.subtract.outer(a, a))[upper]
    signs_b = np.sign(np.subtract.outer(b, b))[upper]
    score = float(signs_a @ signs_b)
    untied = math.sqrt(float(np.sum(signs_a != 0)) * float(np.sum(signs_b != 0)))
    if untied == 0.0:
        return RankTest(k, None, None, False, "test not run: all variances or all standardised effects are equal")
    tied = bool(np.any(signs_a == 0) or np.any(signs_b == 0))
    if not tied and k <= EXACT_K:
        return RankTest(k, score / untied, _exact_p(score, k), True)
    p = 2.0 * float(ndtr(-abs(score) / math.sqrt(_tied_variance(a, b))))
    why = "Some values are tied" if tied else f"There are more than {EXACT_K} studies"
    return RankTest(
        k, score / untied, p, False, "", (f"{why}: p is the normal approximation, not the exact one.",)
    )


def _exact_p(score: float, k: int) -> float:
    """Return the two-sided p value of Kendall's score (concordant minus discordant pairs) without ties.

    The number of discordant pairs of a random permutation is a sum of independent uniforms on 0..j, j < k.
    """
    fewer = round((k * (k - 1) / 2 - abs(score)) / 2)
    distribution = np.ones(1)
    for j in range(1, k):
        distribution = np.convolve(distribution, np.full(j + 1, 1.0 / (j + 1)))[: fewer + 1]
    return min(1.0, 2.0 * float(distribution.sum()))


def _tied_variance(a: Vector, b: Vector) -> float:
    """Return the permutation variance of Kendall's score when values are tied (Kendall 1970)."""
    k = len(a)
    s, t = (np.unique(values, return_counts=True)[1].astype(float) for values in (a, b))
    n0, n1, n2 = (float(np.sum(c * (c - 1) * (2 * c + 5))) for c in (np.array([float(k)]), s, t))
    pairs = float(np.sum(s * (s - 1))) * float(np.sum(t * (t - 1))) / (2.0 * k * (k - 1))
    triples = float(np.sum(s * (s - 1) * (s - 2))) * float(np.sum(t * (t - 1) * (t - 2)))
    return (n0 - n1 - n2) / 18.0 + pairs + (triples / (9.0 * k * (k - 1) * (k - 2)) if k > 2 else 0.0)
