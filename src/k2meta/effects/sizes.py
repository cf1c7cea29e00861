"""What every effect measure returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from k2meta.shown import ShowsItself

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EffectSizes(ShowsItself):
    """Effect sizes of k studies.

    Attributes
    ----------
    yi : (k,) array
        Group 1 minus group 2 (or first minus second condition), on the log scale for ratios.
    vi : (k,) array
        Sampling variances, in squared units of ``yi``.
    corrected : tuple of int
        Indexes of the studies whose counts were changed by the rule for zero cells; empty without a rule.
    """

    yi: Array
    vi: Array
    corrected: tuple[int, ...] = ()
