"""Draws of every sampled model as ArviZ knows them, dimensions by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from k2meta.models.errors import InputError

if TYPE_CHECKING:
    from xarray import DataTree

    from k2meta.models.bayes_correlated import CorrelatedDraws
    from k2meta.models.bayes_mcmc_regression import RegressionDraws
    from k2meta.models.builder import Draws

Array = NDArray[Any]
Dims = tuple[str, ...]

DIMS: Mapping[str, tuple[Dims, ...]] = {
    "mu": ((), ("outcome",)),
    "tau": ((), ("outcome",)),
    "theta": (("study",), ("study", "outcome")),
    "baseline": (("study",),),
    "correlation": (("pair",),),
    "beta": (("coefficient",),),
}
"""Dimensions that a parameter may have after chain and draw; one that is not here has none."""

STATS = ("energy", "diverging")
"""What the sampler says of itself: a group of its own in ArviZ."""

PLURAL = {"study": "studies", "outcome": "outcomes", "pair": "pairs", "coefficient": "coefficients"}


def as_datatree(
    draws: Mapping[str, Array] | Draws | CorrelatedDraws | RegressionDraws,
    labels: Sequence[str] | None = None,
    *,
    outcomes: Sequence[str] | None = None,
    coefficients: Sequence[str] | None = None,
) -> DataTree:
    """Return posterior draws as an ``xarray.DataTree`` with named dimensions, for every function of ArviZ.

    Parameters
    ----------
    draws : mapping of str to ndarray, or the draws of a result
        ``result.draws`` of any sampled model, or what :func:`k2meta.io.read_draws` gives. After chain and draw,
        ``mu`` and ``tau`` have no dimension or that of the outcomes, ``theta`` that of the studies (and of the
        outcomes), ``baseline`` that of the studies, ``beta`` that of the coefficients and ``correlation`` that of
        the pairs of outcomes, in the order (0, 1), (0, 2), (1, 2), ... ``energy`` and ``diverging`` go to the
        group ``sample_stats``.
    labels : sequence of str, optional
        Names of the studies, in the order of the effects; numbered from zero where left out.
    outcomes, coefficients : sequence of str, optional
        Names of correlated outcomes and of regression coefficients; numbered from zero where left out. A pair of
        outcomes is named by both, joined by ``" ~ "``.

    Raises
    ------
    InputError
        A parameter whose shape is another, or names that do not fit it; every one of them is named.
    """
    import arviz as az

    found = _named(draws)
    given = {"study": labels, "outcome": outcomes, "coefficient": coefficients}
    posterior = {name: values for name, values in found.items() if name not in STATS}
    dims = {name: _dims(name, values) for name, values in posterior.items()}
    sizes = _sizes(posterior, dims, {name: names for name, names in given.items() if names is not None})
    coords = {dim: _coordinate(dim, n, given.get(dim), outcomes) for dim, n in sizes.items()}
    groups = {"posterior": posterior}
    if stats := {name: found[name] for name in STATS if name in found}:
        groups["sample_stats"] = stats
    tree: DataTree = az.from_dict(
        groups, coords=coords, dims={name: list(one) for name, one in dims.items() if one}
    )
    return tree


def _named(draws: object) -> dict[str, Array]:
    if isinstance(draws, Mapping):
        return dict(draws)
    if not dataclasses.is_dataclass(draws):
        raise InputError(f"draws = {draws!r}: give result.draws, or a mapping of parameters to arrays")
    values = {field.name: getattr(draws, field.name) for field in dataclasses.fields(draws)}
    return {name: value for name, value in values.items() if value is not None}


def _dims(name: str, values: Array) -> Dims:
    allowed = DIMS.get(name, ((),))
    found = next((dims for dims in allowed if np.ndim(values) == 2 + len(dims)), None)
    if found is None:
        wanted = " or ".join(_shape(dims) for dims in allowed)
        raise InputError(f"{name} has shape {np.shape(values)}; it needs {wanted}")
    return found


def _shape(dims: Dims) -> str:
    return f"({', '.join(('chain', 'draw', *dims))})"


def _sizes(
    posterior: Mapping[str, Array], dims: Mapping[str, Dims], given: Mapping[str, Sequence[str]]
) -> dict[str, int]:
    """Return the length of every dimension, on which names and parameters must agree."""
    sizes = {dim: len(names) for dim, names in given.items()}
    problems = []
    # A pair follows from the outcomes, so parameters that have them come first.
    for name in sorted(posterior, key=lambda name: "pair" in dims[name]):
        wrong = []
        for dim, n in zip(dims[name], posterior[name].shape[2:], strict=True):
            if dim == "pair" and "outcome" in sizes:
                sizes.setdefault(dim, sizes["outcome"] * (sizes["outcome"] - 1) // 2)
            if sizes.setdefault(dim, n) != n:
                wrong.append(f"{sizes[dim]} {PLURAL[dim]}")
        if wrong:
            shape = posterior[name].shape
            problems.append(f"{name} has shape {shape}; it needs {_shape(dims[name])} with {' and '.join(wrong)}")
    if problems:
        raise InputError("; ".join(problems))
    return {dim: n for dim, n in sizes.items() if dim in given or any(dim in one for one in dims.values())}


def _coordinate(
    dim: str, n: int, names: Sequence[str] | None, outcomes: Sequence[str] | None
) -> list[str] | list[int]:
    if dim == "pair":
        return [f"{first} ~ {second}" for first, second in _pairs(n, outcomes)]
    return list(names) if names is not None else list(range(n))


def _pairs(n: int, outcomes: Sequence[str] | None) -> Iterable[tuple[object, object]]:
    """Return n pairs of outcomes in the order in which their correlations stand."""
    pairs = ((i, j) for j in range(1, n + 1) for i in range(j))
    names: Sequence[object] = outcomes if outcomes is not None else range(n + 1)
    return [(names[i], names[j]) for (i, j), _ in zip(pairs, range(n), strict=False)]
