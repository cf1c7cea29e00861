"""How the answer grew: the pool after each study, in a given order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from k2meta.models.errors import InputError
from k2meta.models.fit import Fit
from k2meta.models.inputs import Vector, checked
from k2meta.shown import ShowsItself


@dataclass(frozen=True, slots=True)
class CumulativeStep(ShowsItself):
    """The fit of all studies up to one. ``added`` is the index of that study in ``yi``."""

    added: int
    fit: Fit


def cumulative(
    yi: ArrayLike, vi: ArrayLike, fit_function: Callable[[Vector, Vector], Fit], *, order: Sequence[float | str]
) -> tuple[CumulativeStep, ...]:
    """Return one fit after each study was added.

    Parameters
    ----------
    yi, vi : array_like, shape (k,)
        Effects and sampling variances.
    fit_function : callable
        Takes effects and variances of shape (1,) to (k,) and returns a fit.
    order : sequence, length k
        What the studies are sorted by, increasing, such as the year of publication; ties keep their order.

    Returns
    -------
    tuple of CumulativeStep
        Of length k; the last fit is that of all studies.

    Raises
    ------
    InputError
        Unusable effects or variances, or an ``order`` of another length or without an order (NaN, mixed types).
    """
    data = checked(yi, vi)
    if len(order) != data.k:
        raise InputError(f"order has {len(order)} values and yi has {data.k}; one belongs to each study")
    bad = [i for i, key in enumerate(order) if key != key]
    if bad:
        raise InputError(f"order[{bad[0]}] is not a number; every study needs its place")
    try:
        sequence = sorted(range(data.k), key=lambda i: order[i])
    except TypeError as error:
        raise InputError(f"order mixes values that cannot be sorted: {error}") from error
    y, v = np.asarray(yi, dtype=float)[sequence], data.vi[sequence]
    return tuple(CumulativeStep(i, fit_function(y[: n + 1], v[: n + 1])) for n, i in enumerate(sequence))
