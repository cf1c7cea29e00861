"""One question with everything known about it: what figures, tables and the report are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from k2meta.config import Line, PatientSD, Spec
from k2meta.models.fit import Estimate, Fit
from k2meta.types import Dropped, Effect, Query

__all__ = ["Analysis", "Comparison", "LeftOut", "Line", "PatientSD", "Spec"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The pooled estimate without one study."""

    study_id: str
    label: str
    mu: Estimate
    tau2: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """One number computed by two engines: ours and an independent one."""

    quantity: str
    ours: float
    other: float
    engine: str
    agrees: bool
    note: str


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything about one question, ready to be drawn, tabulated and put into words.

    ``fits`` maps a model id of the config to its fit; it is empty when fewer than two trials can be
    pooled. ``lead`` names the fit whose interval leads the answer, ``beside`` the one printed next to it.
    """

    spec: Spec
    effects: tuple[Effect, ...]
    dropped: tuple[Dropped, ...]
    queries: tuple[Query, ...]
    fits: Mapping[str, Fit]
    lead: str
    beside: str
    leave_one_out: tuple[LeftOut, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def k(self) -> int:
        """Number of trials in the pool."""
        return len(self.effects)

    @property
    def known_missing(self) -> tuple[Dropped, ...]:
        """Trials that measured the outcome and give the pool no number: one entry per trial outside the pool."""
        pooled = {effect.study_id for effect in self.effects}
        kinds = ("open_query", "not_poolable", "known_missing")
        waiting = [entry for entry in self.dropped if entry.kind in kinds and entry.study_id not in pooled]
        # Of several entries of a trial the one that explains most: a number in doubt, a number that is printed,
        # what the paper says in words.
        best: dict[str, Dropped] = {}
        for entry in sorted(waiting, key=lambda entry: (kinds.index(entry.kind), entry.reported == "")):
            best.setdefault(entry.study_id, entry)
        return tuple(best[study] for study in dict.fromkeys(entry.study_id for entry in waiting))
