"""The permutation test of the pooled effect: signs are exchangeable where true effects scatter about zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from k2meta.models.batch.api import Batch, kernels, plan
from k2meta.models.errors import InputError
from k2meta.models.inputs import Vector, checked
from k2meta.sensitivity.gosh import counted, fit_masks, random_masks
from k2meta.shown import ShowsItself

MOST_STUDIES = 20
"""Up to here all signs are tried: 2^19 refits, since turning every sign leaves the size of the statistic."""

PERMUTATIONS = 100_000
"""Random signs drawn for more studies than that, unless told."""

SMALLEST_K = 2
TIE = 1e-9
"""Statistics closer than this, relative, are the same but for rounding: a tie counts as at least as extreme."""


@dataclass(frozen=True, slots=True)
class PermutationTest(ShowsItself):
    """The permutation test of mu = 0.

    Attributes
    ----------
    statistic : float or None
        The observed mu / SE(mu); ``None`` where the test was not run.
    p : float or None
        Two-sided p value; ``None`` where the test was not run.
    permutations : int
        Number of sign patterns, the observed one among them.
    exact : bool
        Whether these are all 2^k patterns.
    smallest_p : float
        The least p value that these patterns allow; above 0.05 the test cannot reject at five per cent.
    mcse : float
        Monte Carlo standard error of p; zero where it is exact.
    not_run : str
        Why the test was not run, as a sentence; empty where it was.
    """

    statistic: float | None
    p: float | None
    permutations: int
    exact: bool
    smallest_p: float
    mcse: float
    not_run: str = ""


def permutation_test(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    permutations: int | None = None,
    seed: int = 0,
    tau2: str = "REML",
    interval: str = "HKSJ-guarded",
) -> PermutationTest:
    """Test mu = 0 by refitting the model under changed signs of the effects (Follmann and Proschan 1999).

    Assumes that each effect is distributed symmetrically about zero when mu = 0, and nothing else.

    Parameters
    ----------
    yi, vi : array_like, shape (k,)
        Effects and sampling variances.
    permutations : int or None
        ``None`` tries all 2^k patterns for k up to ``MOST_STUDIES`` and ``PERMUTATIONS`` random ones beyond. A
        number draws that many, or tries all where there are no more.
    seed : int
        Seed of the random signs.
    tau2, interval : str
        The model that is refitted; ``interval`` names the standard error in the statistic.

    Returns
    -------
    PermutationTest
        From random signs p is (1 + count) / (1 + permutations), which counts the observed pattern and is never
        zero (Phipson and Smyth 2010). Fewer than two studies: not run.

    Raises
    ------
    InputError
        Unusable effects or variances, or fewer than one permutation.
    UnknownMethodError
        A name that is not registered.
    """
    data, made = checked(yi, vi), plan(tau2, interval, 0.95, np.size(yi))
    if permutations is not None and permutations < 1:
        raise InputError(f"permutations = {permutations!r}: at least one is needed")
    if data.k < SMALLEST_K:
        reason = f"k = {data.k}: the permutation test needs at least {SMALLEST_K} studies, so it was not run."
        return PermutationTest(None, None, 0, False, 1.0, 0.0, reason)
    all_of_them = 2**data.k
    exact = data.k <= MOST_STUDIES if permutations is None else all_of_them <= permutations
    if exact:
        signs = counted(0, all_of_them // 2, data.k)
    else:
        drawn = random_masks(np.random.default_rng(seed), permutations or PERMUTATIONS, data.k)
        signs = np.concatenate([np.zeros_like(drawn[:1]), drawn])
    effects = np.array(yi, dtype=np.float64)
    statistics = _statistics(fit_masks(effects, data.vi, signs, kernels().SIGNS, made))
    observed = float(statistics[0])
    p = float(np.mean(np.abs(statistics) >= abs(observed) * (1.0 - TIE)))
    count = all_of_them if exact else len(signs)
    mcse = 0.0 if exact else float(np.sqrt(p * (1.0 - p) / count))
    return PermutationTest(observed, p, count, exact, (2.0 if exact else 1.0) / count, mcse)


def _statistics(fits: Batch) -> Vector:
    """Return mu / SE of every fit; infinite where only the standard error is zero, and zero where mu is too."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(fits.mu / fits.se, nan=0.0, posinf=np.inf, neginf=-np.inf)
