"""The leading model under other conversions: how much an answer owes to what was not printed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from k2meta.models.fit import Fit

Vector = NDArray[np.float64]


def conversions(
    pools: Sequence[tuple[Vector, Vector]], fit: Callable[[Vector, Vector], Fit]
) -> tuple[Fit | None, ...]:
    """Fit one model to the same question under each set of conversions.

    Parameters
    ----------
    pools : sequence of pairs of arrays
        Effects and sampling variances, (k,) each, of one set of conversions; k may differ between sets.
    fit : callable
        The model: effects and variances to a fit.

    Returns
    -------
    tuple of Fit or None
        In the order of ``pools``; ``None`` where fewer than two studies are left to pool.
    """
    return tuple(fit(yi, vi) if len(yi) > 1 else None for yi, vi in pools)
