"""The stated rule for zero cells: which counts get how much, and which studies were changed.

A correction moves the estimate, so that none is applied without being asked for and the result names every study
that was changed.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from k2meta.effects.errors import MeasureError
from k2meta.effects.sizes import Array

RULES = {
    "none": "counts are used as printed; where the effect is then not defined, an error names the study",
    "only0": "1/2 is added to every cell of the studies with a zero cell",
    "if0all": "1/2 is added to every cell of all studies if any study has a zero cell",
    "all": "1/2 is added to every cell of all studies",
}


def corrected(inputs: Mapping[str, Array], rule: str, add: float) -> tuple[dict[str, Array], tuple[int, ...]]:
    """Return the inputs after the rule, and the indexes of the studies it changed.

    Cells are ``ai bi ci di``, the events ``x1 x2`` or ``x`` of rates (time is never changed), and ``x`` with its
    complement for proportions (so that ``n`` grows by twice ``add``).

    Raises
    ------
    MeasureError
        An unknown rule, an ``add`` that is not a positive number, or a rule for a measure without counts.
    """
    if rule not in RULES:
        raise MeasureError(f"unknown zero_cells {rule!r}; use one of {', '.join(RULES)}")
    if rule == "none":
        return dict(inputs), ()
    if not 0 < add < np.inf:
        raise MeasureError(f"add = {add:g}: a correction of zero cells is a number above zero")
    cells = _cells(inputs)
    if not cells:
        raise MeasureError("zero_cells is for measures of counts; this one has none")
    zero = np.any(np.array(list(cells.values())) == 0, axis=0)
    where = zero if rule == "only0" else np.full(zero.shape, rule == "all" or bool(zero.any()))
    return _added(inputs, where, add), tuple(int(i) for i in np.flatnonzero(where))


def _cells(inputs: Mapping[str, Array]) -> dict[str, Array]:
    cells = {name: inputs[name] for name in ("ai", "bi", "ci", "di", "x", "x1", "x2") if name in inputs}
    if {"x", "n"} <= set(inputs):
        cells["n - x"] = inputs["n"] - inputs["x"]
    return cells


def _added(inputs: Mapping[str, Array], where: NDArray[np.bool_], add: float) -> dict[str, Array]:
    changed = dict(inputs)
    for name in _cells(inputs):
        if name in changed:
            changed[name] = changed[name] + add * where
    if "n - x" in _cells(inputs):
        changed["n"] = changed["n"] + 2 * add * where
    return changed
