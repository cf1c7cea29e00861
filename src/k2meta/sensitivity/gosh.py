"""GOSH: the model refitted on every subset of the studies (Olkin, Dahabreh and Trikalinos 2012)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from k2meta.models.batch.api import Batch, Plan, kernels, plan, run
from k2meta.models.errors import InputError
from k2meta.models.inputs import Vector, checked
from k2meta.shown import ShowsItself

MOST_STUDIES = 20
"""Up to here every subset is fitted: 2^20 - 1 = 1 048 575 of them."""

RANDOM_SUBSETS = 1_000_000
"""Subsets drawn for more studies than that, unless told."""


@dataclass(frozen=True, slots=True)
class Gosh(ShowsItself):
    """One fit per subset of k studies.

    Attributes
    ----------
    fits : Batch
        Arrays of shape (n,): pooled effect, tau2, I2 and so on of every subset; ``fits.k`` is its size.
    members : ndarray of uint8, shape (n, ceil(k / 8))
        Which studies are in: bit ``j % 8`` of byte ``j // 8`` stands for study j.
    exact : bool
        Whether these are all 2^k - 1 subsets with at least one study, or a random sample of them.
    """

    fits: Batch
    members: NDArray[np.uint8]
    exact: bool

    def includes(self, study: int) -> NDArray[np.bool_]:
        """Return for each subset whether a study (counted from zero) is in it, shape (n,)."""
        return (self.members[:, study >> 3] >> (study & 7) & 1).astype(bool)


def gosh(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    subsets: int | None = None,
    seed: int = 0,
    tau2: str = "REML",
    interval: str = "HKSJ-guarded",
) -> Gosh:
    """Fit every subset of the studies, or a random sample of the subsets.

    Parameters
    ----------
    yi, vi : array_like, shape (k,)
        Effects and sampling variances.
    subsets : int or None
        ``None`` fits all 2^k - 1 subsets for k up to ``MOST_STUDIES`` and ``RANDOM_SUBSETS`` random ones beyond. A
        number fits that many random ones, or all where there are no more.
    seed : int
        Seed of the random subsets. Each is drawn with equal probability and independently, so that one may recur.
    tau2, interval : str
        As in :func:`k2meta.models.batch.random_effects_batch`.

    Returns
    -------
    Gosh
        In the order of the binary numbers 1, 2, 3 ... whose bits are the studies, where all are fitted. A subset
        of one study is that study with tau2 = 0.

    Raises
    ------
    InputError
        Unusable effects or variances, or fewer than one subset.
    UnknownMethodError
        A name that is not registered.
    """
    data = checked(yi, vi)
    if subsets is not None and subsets < 1:
        raise InputError(f"subsets = {subsets!r}: at least one subset is needed")
    all_of_them = 2**data.k - 1
    exact = data.k <= MOST_STUDIES if subsets is None else all_of_them <= subsets
    members = counted(1, all_of_them + 1, data.k) if exact else _drawn(subsets or RANDOM_SUBSETS, data.k, seed)
    effects = np.array(yi, dtype=np.float64)
    return Gosh(
        fit_masks(effects, data.vi, members, kernels().MEMBERS, plan(tau2, interval, 0.95, data.k)), members, exact
    )


def fit_masks(yi: Vector, vi: Vector, masks: NDArray[np.uint8], meaning: int, made: Plan) -> Batch:
    """Fit one data set under many masks, shape (n, ceil(k / 8)); no (n, k) array is made.

    ``meaning`` is ``kernels().MEMBERS``, where a bit lets a study take part, or ``SIGNS``, where it turns the
    sign of its effect.
    """

    def fit(start: int, stop: int, out: Vector, flags: NDArray[np.uint8], k: NDArray[np.int32]) -> None:
        part = masks[start:stop]
        kernels().fit_masks(made.method, made.error, made.tables, yi, vi, part, meaning, out, flags, k, start)

    return run(len(masks), len(yi), made, fit)


def counted(start: int, stop: int, k: int) -> NDArray[np.uint8]:
    """Return the binary numbers from ``start`` to ``stop - 1`` as masks of k bits, lowest first."""
    numbers = np.arange(start, stop, dtype="<u4")
    return np.ascontiguousarray(numbers.view(np.uint8).reshape(-1, 4)[:, : (k + 7) // 8])


def random_masks(rng: np.random.Generator, count: int, k: int) -> NDArray[np.uint8]:
    """Return masks whose first k bits are fair coins and whose other bits are zero."""
    masks = rng.integers(0, 256, (count, (k + 7) // 8), dtype=np.uint8)
    masks[:, -1] &= 0xFF >> (-k % 8)
    return masks


def _drawn(count: int, k: int, seed: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    masks = random_masks(rng, count, k)
    while (empty := np.flatnonzero(~masks.any(axis=1))).size:
        masks[empty] = random_masks(rng, empty.size, k)
    return masks
