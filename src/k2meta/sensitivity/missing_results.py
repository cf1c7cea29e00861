"""What known missing results could do to a pool: where they would have to lie to change its reading."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from k2meta.models.errors import InputError
from k2meta.models.inputs import vector
from k2meta.refits import MissingResults


def missing_results(
    vi: ArrayLike, missing: int, *, mu: float, low: float, high: float, tau2: float
) -> MissingResults:
    """Return the mean effect of missing studies at which an interval begins and ceases to include zero.

    Each missing study gets the median variance of the pooled ones. The between-study variance is held at that of
    the pool, and the interval keeps its width in standard errors, so with total weight W of the pool and w of the
    missing studies, the mean becomes ``(W mu + w x) / (W + w)`` and each arm of the interval shrinks by
    ``sqrt(W / (W + w))``: an equation linear in x for either end.

    Parameters
    ----------
    vi : array_like, shape (k,)
        Sampling variances of the pooled studies, in squared units of the effect.
    missing : int
        Number of studies that measured the outcome and gave no number.
    mu, low, high : float
        Pooled mean with its interval.
    tau2 : float
        Between-study variance of the pool.

    Returns
    -------
    MissingResults
        With ``not_run`` for fewer than two pooled studies or no missing one.

    Raises
    ------
    InputError
        A variance that is not positive, a negative ``tau2`` or an interval that does not hold its mean.
    """
    v = vector("vi", vi)
    if len(v) < 2:
        return MissingResults(
            missing, not_run=f"k = {len(v)}: nothing is pooled that missing results could change"
        )
    if missing < 1:
        return MissingResults(missing, not_run="no missing result is known")
    if np.any(v <= 0) or tau2 < 0 or not (math.isfinite(high - low) and low <= mu <= high):
        raise InputError("needs positive variances, tau2 of at least zero and a finite interval around its mean")
    typical = float(np.median(v))
    pooled, added = float(np.sum(1.0 / (v + tau2))), missing / (typical + tau2)
    total, shrink = pooled + added, math.sqrt(pooled / (pooled + added))
    below, above = (mu - low) * shrink, (high - mu) * shrink
    at_zero = pooled * mu / total
    return MissingResults(
        missing,
        se=math.sqrt(typical),
        # The upper end touches zero at the first, the lower end at the second.
        includes_from=(-above * total - pooled * mu) / added,
        includes_to=(below * total - pooled * mu) / added,
        value=at_zero,
        low=at_zero - below,
        high=at_zero + above,
    )
