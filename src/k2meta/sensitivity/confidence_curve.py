"""The interval of the mean at every level of confidence: what a drapery plot draws for the pooled effect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from k2meta.models.errors import InputError
from k2meta.models.fit import Fit
from k2meta.models.inputs import Vector

LEVELS: tuple[float, ...] = (*(round(0.02 * i, 2) for i in range(1, 48)), 0.95, 0.96, 0.97, 0.98, 0.99, 0.995)
"""Levels at which the curve is computed: close together where an interval is read off, denser in the tail."""


@dataclass(frozen=True, slots=True)
class LevelInterval:
    """The interval of the mean at one level, in units of the effects."""

    level: float
    low: float
    high: float


def confidence_curve(
    yi: ArrayLike,
    vi: ArrayLike,
    fit_at: Callable[[Vector, Vector, float], Fit],
    *,
    levels: Sequence[float] = LEVELS,
) -> tuple[LevelInterval, ...]:
    """Return the interval of mu at every level, by the method of the model itself.

    One minus the level is the two-sided p value of the limits. Refitting, rather than taking one distribution for
    granted, makes the curve pass through the printed interval whatever the method is.

    Parameters
    ----------
    yi, vi : array_like, shape (k,)
        Effects and sampling variances, k >= 2.
    fit_at : callable
        Takes effects, variances and a level, and returns a fit.
    levels : sequence of float
        Increasing, strictly between zero and one.

    Raises
    ------
    InputError
        Levels that do not increase within (0, 1); and from ``fit_at`` for effects no model can use.
    """
    if list(levels) != sorted(set(levels)) or not levels or not 0.0 < levels[0] <= levels[-1] < 1.0:
        raise InputError("levels must increase and lie strictly between 0 and 1")
    y, v = np.asarray(yi, dtype=float), np.asarray(vi, dtype=float)
    fits = [(level, fit_at(y, v, level).mu) for level in levels]
    return tuple(LevelInterval(level, mu.low, mu.high) for level, mu in fits)
