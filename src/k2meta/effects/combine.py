"""Several arms of one trial as one arm: what one group of all their participants would have printed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from k2meta.effects.errors import RecoverError
from k2meta.effects.inputs import checked_inputs, refuse_where
from k2meta.shown import ShowsItself


@dataclass(frozen=True, slots=True)
class CombinedArm(ShowsItself):
    """Mean, standard deviation and size of the participants of several arms together."""

    m: float
    sd: float
    n: float


@dataclass(frozen=True, slots=True)
class CombinedEvents(ShowsItself):
    """Events and participants of several arms together."""

    x: float
    n: float


def combine_arms(m: ArrayLike, sd: ArrayLike, n: ArrayLike) -> CombinedArm:
    """Return the mean, SD and size of j arms taken as one (the Cochrane Handbook's formula, for any number).

    The SD holds the scatter within the arms and between their means: the sum of squares is sum (n - 1) sd^2 +
    sum n (m - mean)^2, so that the result is what the pooled raw data would give.

    Parameters
    ----------
    m, sd, n : array_like, shape (j,)
        Mean, standard deviation and participants of each arm, in one unit.

    Raises
    ------
    RecoverError
        A value that is not possible (with its index), lengths that differ, or one participant in all.
    """
    arms = checked_inputs({"m": m, "sd": sd, "n": n}, RecoverError)
    total = arms["n"].sum()
    if not total > 1:
        raise RecoverError("arms with a single participant in all have no standard deviation")
    mean = np.average(arms["m"], weights=arms["n"])
    squares = ((arms["n"] - 1) * arms["sd"] ** 2 + arms["n"] * (arms["m"] - mean) ** 2).sum()
    return CombinedArm(float(mean), float(np.sqrt(squares / (total - 1))), float(total))


def combine_events(x: ArrayLike, n: ArrayLike) -> CombinedEvents:
    """Return the events and participants of j arms taken as one.

    Raises
    ------
    RecoverError
        A value that is not possible, or more events than participants (with its index).
    """
    arms = checked_inputs({"x": x, "n": n}, RecoverError)
    refuse_where(arms["x"] > arms["n"], "more events (x) than participants (n)", RecoverError)
    return CombinedEvents(float(arms["x"].sum()), float(arms["n"].sum()))
