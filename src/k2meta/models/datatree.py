"""Stored draws as ArviZ knows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from k2meta.models.errors import InputError

if TYPE_CHECKING:
    from xarray import DataTree

DIMS: Mapping[str, tuple[str, ...]] = {"theta": ("study",), "baseline": ("study",)}
"""Dimensions of a parameter after chain and draw; one that is not here has none."""


def as_datatree(draws: Mapping[str, NDArray[np.float64]], labels: Sequence[str]) -> DataTree:
    """Return posterior draws as an ``xarray.DataTree`` with named dimensions, for every function of ArviZ.

    Parameters
    ----------
    draws : mapping of str to ndarray
        As :func:`k2meta.io.read_draws` gives them: ``mu`` and ``tau`` of shape (chain, draw), ``theta`` of shape
        (chain, draw, study).
    labels : sequence of str
        Names of the studies, in the order of the effects.

    Raises
    ------
    InputError
        A parameter whose shape is another, or labels that do not fit it.
    """
    import arviz as az

    for name, values in draws.items():
        tail = (len(labels),) * len(DIMS.get(name, ()))
        if values.ndim != 2 + len(tail) or values.shape[2:] != tail:
            wanted = ", ".join(("chain", "draw", *DIMS.get(name, ())))
            raise InputError(f"{name} has shape {values.shape}; it needs ({wanted}) with {len(labels)} studies")
    dims = {name: list(dims) for name, dims in DIMS.items() if name in draws}
    tree: DataTree = az.from_dict({"posterior": dict(draws)}, coords={"study": list(labels)}, dims=dims)
    return tree
