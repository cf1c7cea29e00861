"""Effects that arrive as an estimate with its uncertainty: generic inverse variance, ratios with an interval."""

from __future__ import annotations

import numpy as np

from k2meta.effects.errors import MeasureError
from k2meta.effects.inputs import refuse_where
from k2meta.effects.sizes import Array, EffectSizes


def generic(
    *,
    yi: Array,
    se: Array | None = None,
    low: Array | None = None,
    high: Array | None = None,
    level: Array | None = None,
) -> EffectSizes:
    """Return estimates on their own scale with the variance from ``se``, or from the interval ``low, high``.

    The interval is read with the normal quantile at its ``level`` (.95 without).
    """
    if se is not None and low is None and high is None:
        return EffectSizes(yi, se**2)
    if se is not None or low is None or high is None:
        raise MeasureError("GEN: give either se, or low together with high")
    refuse_where((low >= high) | (yi < low) | (yi > high), "the estimate does not lie in its interval low < high")
    return EffectSizes(yi, ((high - low) / (2 * _quantile(level))) ** 2)


def log_ratio(*, ratio: Array, low: Array, high: Array, level: Array | None = None) -> EffectSizes:
    """Return the log of a printed ratio (hazard, odds, risk or rate) with the variance from its interval.

    The interval is taken on the log scale with the normal quantile at its ``level`` (.95 without).
    """
    refuse_where((low <= 0) | (low >= high), "the limits of a ratio are above zero, low below high")
    return generic(yi=np.log(ratio), low=np.log(low), high=np.log(high), level=level)


def _quantile(level: Array | None) -> Array:
    from scipy.special import ndtri

    return np.asarray(ndtri(0.5 + (0.95 if level is None else level) / 2))
