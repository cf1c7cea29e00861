"""Small results the interval modules share."""

from __future__ import annotations

from dataclasses import dataclass

from k2meta.models.fit import Estimate


@dataclass(frozen=True, slots=True)
class Tau2Interval:
    """Confidence limits of tau2; ``null_set`` when even tau2 = 0 leaves less spread than the interval allows.

    Both limits are ``None`` where the interval was not computed, and ``not_run`` says why in a sentence.
    """

    low: float | None
    high: float | None
    null_set: bool = False
    not_run: str = ""


@dataclass(frozen=True, slots=True)
class Pooled:
    """A pooled effect with its interval, as one method of inference gives it.

    Attributes
    ----------
    mu : Estimate
        Pooled effect in the units and at the origin of the effects given.
    weights : tuple of float
        Shares of the studies in it, summing to one.
    notes : tuple of str
        Sentences for the reader: why a limit is infinite or a test was not run.
    """

    mu: Estimate
    weights: tuple[float, ...]
    notes: tuple[str, ...] = ()
