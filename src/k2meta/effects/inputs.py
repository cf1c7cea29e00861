"""Inputs of the effect measures: checked, and brought to one length."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from k2meta.effects.errors import EffectError, MeasureError
from k2meta.effects.sizes import Array

# The least possible value of an argument; `ABOVE` is exclusive. Names missing here may be any finite number.
AT_LEAST = dict.fromkeys(("sd", "sd1", "sd2", "ai", "bi", "ci", "di", "x", "x1", "x2"), 0.0) | dict.fromkeys(
    ("n", "n1", "n2"), 1.0
)
ABOVE = dict.fromkeys(("t", "t1", "t2", "ratio", "se"), 0.0)


def checked_inputs(
    inputs: Mapping[str, ArrayLike], error: Callable[[str], EffectError] = MeasureError
) -> dict[str, Array]:
    """Return every input as a float array of shape (k,); a single value serves all studies.

    Raises
    ------
    EffectError
        A value that is not finite or not possible for its name (with its index), an input that is not a
        sequence of numbers, or lengths that differ.
    """
    arrays = {name: _vector(name, value, error) for name, value in inputs.items()}
    for name, values in arrays.items():
        _check_range(name, values, error)
    k = max((len(values) for values in arrays.values()), default=0)
    for name, values in arrays.items():
        if len(values) not in (1, k) or not len(values):
            lengths = ", ".join(f"{one} {len(array)}" for one, array in arrays.items())
            raise error(f"{name} has {len(values)} values where another input has {k} (lengths: {lengths})")
    return {name: np.broadcast_to(values, (k,)) for name, values in arrays.items()}


def refuse_where(bad: NDArray[np.bool_], why: str, error: Callable[[str], EffectError] = MeasureError) -> None:
    """Raise ``error`` with the first index at which ``bad`` holds."""
    found = np.flatnonzero(np.atleast_1d(bad))
    if found.size:
        raise error(f"study [{found[0]}]: {why}")


def _vector(name: str, value: ArrayLike, error: Callable[[str], EffectError]) -> Array:
    try:
        vector = np.atleast_1d(np.asarray(value, dtype=float))
    except (TypeError, ValueError) as reason:
        raise error(f"{name} must be a number or a sequence of numbers: {reason}") from reason
    if vector.ndim != 1:
        raise error(f"{name} has shape {vector.shape}; one value per study is needed, shape (k,)")
    return vector


def _check_range(name: str, values: Array, error: Callable[[str], EffectError]) -> None:
    bad = ~np.isfinite(values) | (values < AT_LEAST.get(name, -np.inf)) | (values <= ABOVE.get(name, -np.inf))
    if name == "r":
        bad |= np.abs(values) > 1
    if name == "level":
        bad |= (values <= 0) | (values >= 1)
    if np.any(bad):
        index = int(np.argmax(bad))
        raise error(f"{name}[{index}] = {values[index]:g} is not a possible value")
