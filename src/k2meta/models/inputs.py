"""Effects and variances, checked once and moved to where no digit is lost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from k2meta.models.errors import InputError

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Checked effects.

    Attributes
    ----------
    yi : ndarray, shape (k,)
        Effects minus ``shift``.
    vi : ndarray, shape (k,)
        Sampling variances, in squared units of the effects.
    shift : float
        The effect of the most precise study. Effects close to it are subtracted without rounding, and a study
        that carries nearly all the weight has a residual computed without cancellation.
    """

    yi: Vector
    vi: Vector
    shift: float

    @property
    def k(self) -> int:
        """Number of studies."""
        return len(self.yi)


def checked(yi: ArrayLike, vi: ArrayLike) -> Inputs:
    """Return effects and variances as centred float arrays.

    Raises
    ------
    InputError
        No study, lengths that differ, a shape other than (k,), a value that is not finite, or a variance that
        is not positive. The message names the index of the first offending value.
    """
    y = checked_effects(yi)
    v = vector("vi", vi)
    if len(y) != len(v):
        raise InputError(f"yi has {len(y)} values and vi has {len(v)}; one variance belongs to each effect")
    bad = np.flatnonzero(v <= 0)
    if bad.size:
        raise InputError(f"vi[{bad[0]}] = {float(v[bad[0]])!r}: a sampling variance must be positive")
    shift = float(y[np.argmin(v)])
    return Inputs(y - shift, v, shift)


def checked_effects(yi: ArrayLike) -> Vector:
    """Return effects (k,), k >= 1, as finite floats; :class:`InputError` names the first that is not one."""
    y = vector("yi", yi)
    if not len(y):
        raise InputError("yi is empty; a model needs at least one study")
    return y


def checked_level(level: float) -> float:
    """Return the coverage of an interval as a float strictly between zero and one.

    Raises
    ------
    InputError
        For any other value, such as a percentage.
    """
    if not is_number(level) or not 0.0 < level < 1.0:
        raise InputError(f"level = {level!r}: a coverage lies between 0 and 1, for example 0.95")
    return float(level)


def is_number(value: object) -> bool:
    """Say whether a value is one finite real number, and neither text nor truth nor a list of one."""
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


def vector(name: str, values: ArrayLike) -> Vector:
    try:
        vector = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be a sequence of numbers: {error}") from error
    if vector.ndim != 1:
        raise InputError(f"{name} must be one-dimensional; its shape is {vector.shape}")
    bad = np.flatnonzero(~np.isfinite(vector))
    if bad.size:
        raise InputError(f"{name}[{bad[0]}] = {float(vector[bad[0]])!r} is not a finite number")
    return vector
