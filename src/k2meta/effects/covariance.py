"""Sampling covariances of effects that share a control arm (Gleser and Olkin 2009).

Two effects of one trial against the same control are correlated through it; a pool that takes them as independent
counts the control twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from k2meta.effects.errors import MeasureError
from k2meta.effects.inputs import checked_inputs
from k2meta.effects.measures import effect_sizes
from k2meta.effects.sizes import Array
from k2meta.shown import ShowsItself


@dataclass(frozen=True, slots=True)
class EffectCovariance(ShowsItself):
    """Effects of k comparisons with their sampling covariance.

    Attributes
    ----------
    yi : (k,) array
        Effects, treatment minus control.
    V : (k, k) array
        Sampling covariances, in squared units of ``yi``: the variances on the diagonal, zero between trials.
    """

    yi: Array
    V: Array


Shared = Callable[[Mapping[str, Array], Array], Array]


def _mean_difference(a: Mapping[str, Array], yi: Array) -> Array:
    return np.full((len(yi), len(yi)), a["sd2"][0] ** 2 / a["n2"][0])


def _smd(a: Mapping[str, Array], yi: Array) -> Array:
    """Each effect over the pooled SD of its own pair: the control is in both pooled variances."""
    total = a["n1"] + a["n2"]
    control: Array = 1 / a["n2"][0] + a["n2"][0] * np.outer(yi / total, yi / total) / 2
    return control


def _log_risk_ratio(a: Mapping[str, Array], yi: Array) -> Array:
    return np.full((len(yi), len(yi)), 1 / a["ci"][0] - 1 / (a["ci"][0] + a["di"][0]))


def _log_odds_ratio(a: Mapping[str, Array], yi: Array) -> Array:
    return np.full((len(yi), len(yi)), 1 / a["ci"][0] + 1 / a["di"][0])


# Measure -> (columns of the control, covariance through the control of the effects of one trial).
SHARED_CONTROL: dict[str, tuple[tuple[str, ...], Shared]] = {
    "MD": (("m2", "sd2", "n2"), _mean_difference),
    "SMD": (("m2", "sd2", "n2"), _smd),
    "RR": (("ci", "di"), _log_risk_ratio),
    "OR": (("ci", "di"), _log_odds_ratio),
}


def shared_control(measure: str, trial: Sequence[object], **inputs: Any) -> EffectCovariance:
    """Return effects and their block-diagonal sampling covariance when comparisons of a trial share the control.

    Parameters
    ----------
    measure : {"MD", "SMD", "RR", "OR"}
        The off-diagonal covariances: MD sd2^2/n2; RR 1/ci - 1/n2; OR 1/ci + 1/di; SMD, each g over the pooled SD
        of its own pair of arms, 1/n2 + g_i g_j n2 / (2 N_i N_j) with N the size of the pair. (With one SD pooled
        over all arms the last term is g_i g_j / (2 N) with N the size of the trial: `smd_common_sd`.)
    trial : sequence of length k
        Which comparisons belong to one trial, and so share its control.
    **inputs : array_like, shape (k,)
        As for `effect_sizes`, the control repeated in each comparison. A zero cell is refused.

    Raises
    ------
    MeasureError
        Another measure, inputs `effect_sizes` refuses, or comparisons of one trial whose controls differ (with the
        index).
    """
    if measure not in SHARED_CONTROL:
        raise MeasureError(f"a shared control is handled for {', '.join(SHARED_CONTROL)}, not for {measure!r}")
    columns, between = SHARED_CONTROL[measure]
    found = effect_sizes(measure, **inputs)
    arrays = checked_inputs(inputs)
    V = np.diag(found.vi)
    for rows in _blocks(trial, len(found.yi)):
        block = {name: values[rows] for name, values in arrays.items()}
        _one_control(block, columns, rows)
        shared = between(block, found.yi[rows])
        np.fill_diagonal(shared, found.vi[rows])
        V[np.ix_(rows, rows)] = shared
    return EffectCovariance(found.yi, V)


def smd_common_sd(*, m: ArrayLike, sd: ArrayLike, n: ArrayLike) -> EffectCovariance:
    """Return the SMDs of one trial's arms against its control, over the SD pooled over *all* arms.

    Gleser and Olkin 2009, one variance in all arms: J and the pooled SD have N - (k + 1) degrees of freedom, N the
    size of the trial; variances 1/n_i + 1/n_0 + g_i^2/(2 N), covariances 1/n_0 + g_i g_j/(2 N).

    Parameters
    ----------
    m, sd, n : array_like, shape (k + 1,)
        Mean, SD and participants of each arm, the control *first*.

    Raises
    ------
    MeasureError
        Fewer than two arms, inputs that are not possible, or a pooled SD of zero.
    """
    from k2meta.effects.hedges import hedges_j

    arms = checked_inputs({"m": m, "sd": sd, "n": n})
    means, sizes, total = arms["m"], arms["n"], arms["n"].sum()
    if len(means) < 2:
        raise MeasureError("a comparison needs at least two arms, the control first")
    df = total - len(means)
    j = hedges_j(df)
    pooled = np.sqrt(((sizes - 1) * arms["sd"] ** 2).sum() / df)
    if pooled == 0:
        raise MeasureError("a standardised mean difference needs a pooled SD above zero")
    g = j * (means[1:] - means[0]) / pooled
    return EffectCovariance(g, np.diag(1 / sizes[1:]) + 1 / sizes[0] + np.outer(g, g) / (2 * total))


def _blocks(trial: Sequence[object], k: int) -> list[NDArray[np.intp]]:
    """Return the indexes of the comparisons of each trial, in order of appearance."""
    if len(trial) != k:
        raise MeasureError(f"trial has {len(trial)} labels and there are {k} comparisons")
    members: dict[object, list[int]] = {}
    for i, label in enumerate(trial):
        members.setdefault(label, []).append(i)
    return [np.array(rows, dtype=np.intp) for rows in members.values()]


def _one_control(block: Mapping[str, Array], columns: tuple[str, ...], rows: NDArray[np.intp]) -> None:
    for name in columns:
        other = np.flatnonzero(block[name] != block[name][0])
        if other.size:
            raise MeasureError(
                f"study [{rows[other[0]]}]: {name} = {block[name][other[0]]:g} differs from {block[name][0]:g} of "
                f"the same trial at [{rows[0]}]; comparisons that share a control repeat its numbers"
            )
