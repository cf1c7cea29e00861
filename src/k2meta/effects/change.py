"""Standard deviations of change that were not printed, crossover trials, and how much the borrowed r matters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from k2meta.effects.errors import MeasureError, RecoverError
from k2meta.effects.inputs import checked_inputs, refuse_where
from k2meta.effects.measures import effect_sizes
from k2meta.effects.measures_change import change_variance
from k2meta.effects.sizes import Array, EffectSizes
from k2meta.shown import ShowsItself

SWEEP = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
"""Correlations of baseline with final that a sweep tries."""


@dataclass(frozen=True, slots=True)
class ChangeSweep(ShowsItself):
    """Effects of k trials under each of j correlations of baseline with final value.

    Attributes
    ----------
    measure : str
        ``MD`` or ``SMD``, of the changes.
    r : (j,) array
        Correlations, the same in both arms of all trials.
    sd1, sd2 : (j, k) arrays
        SD of the change in the treatment and the control arm, in the unit of the outcome.
    yi, vi : (j, k) arrays
        Effects and sampling variances: row i belongs to ``r[i]``. For MD only ``vi`` moves with r.
    """

    measure: str
    r: Array
    sd1: Array
    sd2: Array
    yi: Array
    vi: Array


def change_sd(sd_baseline: ArrayLike, sd_final: ArrayLike, r: ArrayLike) -> Array:
    """Return the SD of the change: sqrt(sd_baseline^2 + sd_final^2 - 2 r sd_baseline sd_final), shape (k,).

    Raises
    ------
    RecoverError
        A negative SD or a correlation outside [-1, 1]; the message names the index.
    """
    inputs = checked_inputs({"sd1": sd_baseline, "sd2": sd_final, "r": r}, RecoverError)
    return np.sqrt(change_variance(inputs["sd1"], inputs["sd2"], inputs["r"]))


def implied_r(sd_baseline: ArrayLike, sd_final: ArrayLike, sd_change: ArrayLike) -> Array:
    """Return the correlation of baseline with final that three printed SDs imply, shape (k,).

    Raises
    ------
    RecoverError
        An SD at baseline or at the end of zero, or SDs that no correlation in [-1, 1] joins: one of them is then
        misprinted, of other people, or a standard error. The message names the index.
    """
    named = {"sd1": sd_baseline, "sd2": sd_final, "sd": sd_change}
    inputs = checked_inputs(named, RecoverError)
    one, two, change = inputs["sd1"], inputs["sd2"], inputs["sd"]
    refuse_where((one == 0) | (two == 0), "an SD of zero implies no correlation", RecoverError)
    r = np.asarray((one**2 + two**2 - change**2) / (2 * one * two))
    # A printed triangle may be degenerate to the last bit; that is a correlation of one, not an error.
    r = np.where(np.abs(np.abs(r) - 1) < 1e-12, np.sign(r), r)
    bad = np.flatnonzero(np.abs(r) > 1)
    if bad.size:
        i = bad[0]
        raise RecoverError(
            f"study [{i}]: SDs {one[i]:g}, {two[i]:g} and {change[i]:g} of the change imply a correlation of "
            f"{r[i]:.3g}, outside [-1, 1]"
        )
    return r


def change_sweep(
    measure: str = "MD",
    *,
    change1: ArrayLike,
    sd_baseline1: ArrayLike,
    sd_final1: ArrayLike,
    n1: ArrayLike,
    change2: ArrayLike,
    sd_baseline2: ArrayLike,
    sd_final2: ArrayLike,
    n2: ArrayLike,
    r: ArrayLike = SWEEP,
) -> ChangeSweep:
    """Return the effects on change under each correlation of baseline with final.

    Parameters
    ----------
    measure : {"MD", "SMD"}
        SMD divides by the SD of the *change*, which itself moves with r.
    change1, change2 : array_like, shape (k,)
        Mean change from baseline in the treatment and the control arm.
    sd_baseline1, sd_final1, sd_baseline2, sd_final2 : array_like, shape (k,)
        SDs at baseline and at the end.
    n1, n2 : array_like, shape (k,)
        Participants.
    r : array_like, shape (j,)
        Correlations to try.

    Raises
    ------
    MeasureError, RecoverError
        Another measure, or inputs that `effect_sizes` or `change_sd` refuse.
    """
    if measure not in ("MD", "SMD"):
        raise MeasureError(f"a change sweep is for MD or SMD, not {measure!r}")
    tried = checked_inputs({"r": r}, RecoverError)["r"]
    rows = []
    for one in tried:
        sd1, sd2 = change_sd(sd_baseline1, sd_final1, one), change_sd(sd_baseline2, sd_final2, one)
        found = effect_sizes(measure, m1=change1, sd1=sd1, n1=n1, m2=change2, sd2=sd2, n2=n2)
        rows.append(np.broadcast_arrays(sd1, sd2, found.yi, found.vi))
    sd1, sd2, yi, vi = (np.array(column) for column in zip(*rows, strict=True))
    return ChangeSweep(measure, tried, sd1, sd2, yi, vi)


def crossover(
    measure: str,
    *,
    m1: ArrayLike,
    sd1: ArrayLike,
    m2: ArrayLike,
    sd2: ArrayLike,
    n: ArrayLike,
    r: ArrayLike,
) -> EffectSizes:
    """Return the effect of a crossover trial from the means under both treatments (Elbourne et al. 2002).

    The same n people had both treatments, so that the variance falls with the correlation r of their two values.
    Period and carry-over effects are taken to be absent.

    Parameters
    ----------
    measure : {"MD", "SMD"}
        MD: m1 - m2 with variance (sd1^2 + sd2^2 - 2 r sd1 sd2)/n. SMD: d = (m1 - m2)/s with s^2 = (sd1^2 +
        sd2^2)/2, the standardiser of a parallel trial, and variance 2 (1 - r) (1/n + d^2/(2 n)); no small-sample
        correction (`SMCRP` has it).
    m1, sd1, m2, sd2 : array_like, shape (k,)
        Mean and SD under treatment and under control.
    n : array_like, shape (k,)
        People who completed both periods.
    r : array_like, shape (k,)
        Correlation of a person's two values; one value serves all trials.

    Raises
    ------
    MeasureError
        Another measure, or inputs that are not possible (with their index).
    """
    given: dict[str, Any] = {"m1": m1, "sd1": sd1, "m2": m2, "sd2": sd2, "n": n, "r": r}
    if measure == "MD":
        return effect_sizes("MC", **given)
    if measure != "SMD":
        raise MeasureError(f"a crossover effect is for MD or SMD, not {measure!r}")
    a = checked_inputs(given)
    mean_variance = (a["sd1"] ** 2 + a["sd2"] ** 2) / 2
    refuse_where(mean_variance == 0, "a standardised mean difference needs an SD above zero")
    d = (a["m1"] - a["m2"]) / np.sqrt(mean_variance)
    return EffectSizes(d, 2 * (1 - a["r"]) * (1 / a["n"] + d**2 / (2 * a["n"])))
