"""Every reasonable analysis at once: sets of studies times models times estimators of tau2 times intervals.

Steegen, Tuerlinckx, Gelman and Vanpaemel (2016) call it a multiverse; drawn in order of its estimates it is the
specification curve of Simonsohn, Simmons and Nelson (2020). No choice is preferred here: the caller says which
specification is the headline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from k2meta.models.common_effect import common_effect
from k2meta.models.errors import InputError, ModelError
from k2meta.models.fit import Estimate, Fit
from k2meta.models.inputs import Vector, checked
from k2meta.models.random_effects import random_effects

TAU2 = ("REML", "ML", "PM", "DL", "HE", "SJ")
"""Estimators of tau2: likelihood, moments, and the one that is never zero. EB equals PM and is not repeated."""

INTERVALS = ("z", "HKSJ", "HKSJ-guarded")
"""Intervals that go with every estimator of tau2."""

ONLY_WITH: tuple[tuple[str, str], ...] = (("REML", "KR"), ("ML", "PL"))
"""Intervals derived for one estimator of tau2 only."""

MINIMUM_K = 2

ModelFunction = Callable[[Vector, Vector], Fit]


@dataclass(frozen=True, slots=True, order=True)
class Choice:
    """What is chosen beside the set of studies; ``tau2`` and ``interval`` are empty where a model has none."""

    model: str
    tau2: str
    interval: str


@dataclass(frozen=True, slots=True)
class Universe:
    """One specification and what it gave; ``mu`` and ``tau2`` in (squared) units of the effects."""

    data: str
    choice: Choice
    k: int
    mu: Estimate
    tau2: float


@dataclass(frozen=True, slots=True)
class Multiverse:
    """All specifications in the order of the sets and choices; ``left_out`` says which failed, and why."""

    universes: tuple[Universe, ...]
    left_out: tuple[str, ...]


def standard_choices(level: float = 0.95) -> dict[Choice, ModelFunction]:
    """Return the frequentist models of the multiverse: common effect, and random effects by TAU2 and INTERVALS."""
    pairs = [*product(TAU2, INTERVALS), *ONLY_WITH]
    found: dict[Choice, ModelFunction] = {Choice("common effect", "", "z"): partial(common_effect, level=level)}
    for tau2, interval in pairs:
        fit = partial(random_effects, tau2=tau2, interval=interval, prediction=None, level=level)
        found[Choice("random effects", tau2, interval)] = fit
    return found


def multiverse(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    sets: Mapping[str, Sequence[int]],
    choices: Mapping[Choice, ModelFunction],
) -> Multiverse:
    """Fit every choice to every set of studies.

    Parameters
    ----------
    yi, vi : array_like, shape (k,)
        Effects and sampling variances, in squared units of ``yi``.
    sets : mapping of str to sequence of int
        Name of each set of studies and their positions. A set equal to an earlier one is the same analysis and is
        not fitted again.
    choices : mapping of Choice to callable
        Models, for example :func:`standard_choices`; each takes effects and variances of shape (n,).

    Returns
    -------
    Multiverse
        A set of fewer than two studies, and a model that cannot answer a set, are named in ``left_out``.

    Raises
    ------
    InputError
        Unusable effects or variances, or a position outside them.
    """
    data = checked(yi, vi)
    y = data.yi + data.shift
    done: dict[tuple[int, ...], str] = {}
    universes: list[Universe] = []
    left_out: list[str] = []
    for name, positions in sets.items():
        members = tuple(sorted(set(positions)))
        if members and not 0 <= members[0] <= members[-1] < data.k:
            raise InputError(f"set {name!r} names a study that is not there; positions run from 0 to {data.k - 1}")
        if members in done:
            left_out.append(f"{name}: the same studies as {done[members]}.")
        elif len(members) < MINIMUM_K:
            studies = "one study" if members else "no study"
            left_out.append(f"{name}: {studies} left, nothing to pool.")
        else:
            found, failed = _fitted(name, y[list(members)], data.vi[list(members)], choices)
            universes += found
            left_out += failed
        done.setdefault(members, name)
    return Multiverse(tuple(universes), tuple(left_out))


def _fitted(
    name: str, y: Vector, v: Vector, choices: Mapping[Choice, ModelFunction]
) -> tuple[list[Universe], list[str]]:
    found, failed = [], []
    for choice, model in choices.items():
        said = f"{name}, {', '.join(part for part in (choice.model, choice.tau2, choice.interval) if part)}"
        try:
            fit = model(y, v)
        except ModelError as error:
            failed.append(f"{said}: {error}.")
            continue
        why = _unusable(fit.mu)
        if why:
            failed.append(f"{said}: {why}.")
        else:
            found.append(Universe(name, choice, len(y), fit.mu, fit.tau2.value))
    return found, failed


def _unusable(mu: Estimate) -> str:
    if not np.isfinite([mu.value, mu.low, mu.high]).all():
        return "no finite interval"
    # Below one degree of freedom t has no mean, and Kenward-Roger limits run to powers of ten without a meaning.
    return "fewer than one degree of freedom" if mu.df is not None and mu.df < 1.0 else ""
