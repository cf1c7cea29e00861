"""Hedges' exact small-sample correction."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from k2meta.effects.errors import MeasureError
from k2meta.effects.sizes import Array


def hedges_j(df: ArrayLike) -> Array:
    """Return the exact small-sample correction of the standardised mean difference.

    J(m) = Gamma(m/2) / (sqrt(m/2) Gamma((m - 1)/2)) (Hedges 1981). The ratio of the gamma functions is evaluated
    as one Pochhammer symbol: the difference of two log-gammas loses eight digits at m = 1e8.

    Parameters
    ----------
    df : array_like
        Degrees of freedom m of the standardiser, at least 2 (n1 + n2 - 2 for a pooled SD).

    Raises
    ------
    MeasureError
        Fewer than 2 degrees of freedom: the standardised difference has no mean to correct.
    """
    from scipy.special import poch

    m = np.asarray(df, dtype=float)
    if not np.all(m >= 2):
        where = int(np.argmin(np.where(m >= 2, np.inf, -np.inf)))
        raise MeasureError(
            f"study [{where}]: Hedges' J needs at least 2 degrees of freedom, got {m.reshape(-1)[where]:g}"
        )
    return np.asarray(poch((m - 1) / 2, 0.5) / np.sqrt(m / 2))
