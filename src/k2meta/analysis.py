"""One question with everything known about it: what figures, tables and the report are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from k2meta.config import Line, PatientSD, Spec
from k2meta.models.fit import Estimate, Fit
from k2meta.refits import NOTHING, Refits
from k2meta.types import Dropped, Effect, Query, RiskOfBias

__all__ = ["Analysis", "Comparison", "Influence", "LeftOut", "Line", "PatientSD", "SmallStudyTest", "Spec"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The pooled estimate without one study."""

    study_id: str
    label: str
    mu: Estimate
    tau2: float


@dataclass(frozen=True, slots=True)
class Influence:
    """What leaving out one study does to the pool, in the field's diagnostics.

    ``rstudent`` is the studentised deleted residual, ``hat`` the leverage, ``tau2`` the heterogeneity of the rest.
    """

    study_id: str
    label: str
    rstudent: float
    dffits: float
    cooks_d: float
    cov_ratio: float
    hat: float
    tau2: float
    influential: bool


@dataclass(frozen=True, slots=True)
class SmallStudyTest:
    """One test or adjustment for small-study effects, or the reason why it was not run.

    ``estimate``, ``low`` and ``high`` hold the adjusted mean effect where the method gives one.
    """

    test: str
    p: float | None
    estimate: float | None
    low: float | None
    high: float | None
    not_run: str


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
    ``risk_of_bias`` holds the judgements that people made of its studies, if any.
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
    influence: tuple[Influence, ...] = ()
    refits: Refits = NOTHING
    risk_of_bias: tuple[RiskOfBias, ...] = ()
    small_study: tuple[SmallStudyTest, ...] = ()

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
