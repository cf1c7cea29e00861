"""One question with everything known about it: what figures, tables and the report are drawn from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from k2meta.config import Line, Moderator, PatientSD, Spec
from k2meta.models.check_types import ModelChecks
from k2meta.models.fit import Estimate, Fit
from k2meta.numbers import beside
from k2meta.refits import NOTHING, MissingResults, Refits
from k2meta.shown import ShowsItself
from k2meta.types import NO_JUDGEMENTS, Dropped, Effect, Judgements, Query

__all__ = [
    "Analysis",
    "Averaged",
    "AveragedModel",
    "Comparison",
    "Conversion",
    "Influence",
    "LeftOut",
    "Line",
    "LinePoint",
    "MissingResults",
    "ModelChecks",
    "Moderation",
    "Moderator",
    "PatientSD",
    "Slope",
    "SmallStudyTest",
    "Spec",
    "UnderPrior",
]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The pooled estimate without one study; ``tau`` is that of the fit itself, for a posterior its mean."""

    study_id: str
    label: str
    mu: Estimate
    tau2: float
    tau: float


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

    ``estimate``, ``low`` and ``high`` hold the adjusted mean effect where the method gives one, ``level`` the
    coverage of that interval, ``method`` what was fitted, in words.
    """

    test: str
    p: float | None
    estimate: float | None
    low: float | None
    high: float | None
    not_run: str
    level: float | None = None
    method: str = ""


@dataclass(frozen=True, slots=True)
class UnderPrior:
    """The posterior under one prior of tau, or the reason why there is none.

    ``mean``, ``median``, ``low`` and ``high`` are those of mu, ``new_low`` and ``new_high`` of the true effect in
    a new study, ``below_zero`` is the probability that mu is negative. ``lead`` marks the prior of the fit that is
    drawn. ``source`` names an empirical prior by whom it was estimated; ``reference`` says of every prior where
    family and scale come from. ``density`` is that of the prior at the values ``at`` of tau, empty where improper.
    """

    prior: str
    source: str
    lead: bool
    mean: float | None
    low: float | None
    high: float | None
    new_low: float | None
    new_high: float | None
    tau_median: float | None
    below_zero: float | None
    not_run: str
    median: float | None = None
    reference: str = ""
    at: tuple[float, ...] = ()
    density: tuple[float, ...] = ()

    def centre(self, measure: str) -> float | None:
        """Return the posterior mean; of a ratio the median, which is the same on the log scale and off it."""
        return self.median if measure == "LOGRATIO" else self.mean


@dataclass(frozen=True, slots=True)
class AveragedModel:
    """One of the models of an average: its mu and tau in words, its probability before and after the data."""

    effect: str
    heterogeneity: str
    prior: float
    posterior: float


@dataclass(frozen=True, slots=True)
class Averaged:
    """The average over models with and without an effect and heterogeneity, or the reason why there is none.

    ``effect`` and ``heterogeneity`` are posterior probabilities that the component is there, ``prior_effect`` and
    ``prior_heterogeneity`` those before the data, ``log_bf_*`` natural logs of the inclusion Bayes factors (above
    zero: for the component). ``mu`` averages over all models, the lump at zero included; ``mu_source`` says where
    the prior of mu comes from.
    """

    mu_prior: str
    mu_source: str
    tau_prior: str
    models: tuple[AveragedModel, ...]
    prior_effect: float | None
    effect: float | None
    log_bf_effect: float | None
    prior_heterogeneity: float | None
    heterogeneity: float | None
    log_bf_heterogeneity: float | None
    mu: Estimate | None
    below_zero: float | None
    above_zero: float | None
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
class Conversion:
    """The leading model under one set of conversions; ``mu`` is ``None`` where fewer than two studies are left.

    ``correlation`` of baseline with follow-up is ``None`` where none is borrowed; ``medians`` says whether
    converted medians are in the pool; ``configured`` marks the set that the answer uses. ``tau`` is that of the
    fit itself: for a posterior its mean, which is not the root of the mean of ``tau2``.
    """

    correlation: float | None
    medians: bool
    configured: bool
    k: int
    mu: Estimate | None
    tau2: float | None
    tau: float | None


@dataclass(frozen=True, slots=True)
class Slope:
    """One coefficient of a meta-regression, on the scale of the analysis, with its p by permutation."""

    name: str
    value: float
    se: float
    low: float
    high: float
    p: float | None
    p_permutation: float | None


@dataclass(frozen=True, slots=True)
class LinePoint:
    """The mean effect at one value of a covariate, its interval and the interval for a new study."""

    at: float
    value: float
    low: float
    high: float
    prediction_low: float
    prediction_high: float


@dataclass(frozen=True, slots=True)
class Moderation:
    """What one covariate explains of the differences between studies, or the reason why it was not run.

    ``slopes`` hold the intercept first; that of ``kind: log2`` is per doubling. ``reference`` is the category or
    group that the others are compared with, ``""`` for a number. ``exploratory`` says that there are fewer than
    ten studies for each covariate declared so far. ``r2`` is the percentage of tau2 explained, ``p`` the test of
    all slopes on ``df`` and ``df_residual`` degrees of freedom, ``missing`` the studies that do not state the
    covariate or stand outside the comparison.
    """

    moderator: Moderator
    k: int
    missing: tuple[str, ...]
    exploratory: bool
    reference: str
    level: float
    not_run: str = ""
    slopes: tuple[Slope, ...] = ()
    tau2: float | None = None
    tau2_without: float | None = None
    r2: float | None = None
    i2: float | None = None
    p: float | None = None
    df: int | None = None
    df_residual: float | None = None
    line: tuple[LinePoint, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Id of the moderator, unique in its analysis."""
        return self.moderator.id


@dataclass(frozen=True, slots=True)
class Analysis(ShowsItself):
    """Everything about one question, ready to be drawn, tabulated and put into words.

    ``fits`` maps a model id of the config to its fit; it is empty when fewer than two trials can be
    pooled. ``lead`` names the fit whose interval leads the answer, ``beside`` the one printed next to it.
    ``level`` is the coverage of every interval, also of those of single studies. ``model_checks`` are those of the
    sampled fit.
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
    level: float
    influence: tuple[Influence, ...] = ()
    refits: Refits = NOTHING
    small_study: tuple[SmallStudyTest, ...] = ()
    prior_strip: tuple[UnderPrior, ...] = ()
    averaged: Averaged | None = None
    conversions: tuple[Conversion, ...] = ()
    moderation: tuple[Moderation, ...] = ()
    model_checks: ModelChecks | None = None
    missing_results: MissingResults | None = None
    judgements: Judgements = NO_JUDGEMENTS

    @property
    def k(self) -> int:
        """Number of trials in the pool."""
        return len(self.effects)

    @property
    def known_missing(self) -> tuple[Dropped, ...]:
        """Trials that measured the outcome and give the pool no number: one entry per trial outside the pool."""
        return known_missing(self.effects, self.dropped)


def study_estimate(effect: Effect, level: float) -> Estimate:
    """Return one study with its normal interval of coverage ``level``, on the scale of the analysis."""
    se = math.sqrt(effect.vi)
    half = NormalDist().inv_cdf(0.5 + level / 2) * se
    low, high = beside(effect.yi, "low", effect.yi - half), beside(effect.yi, "high", effect.yi + half)
    return Estimate(effect.yi, se, low, high, level)


def known_missing(effects: Sequence[Effect], dropped: Sequence[Dropped]) -> tuple[Dropped, ...]:
    """Return one entry per study that measured the outcome and has no number in the pool."""
    pooled = {effect.study_id for effect in effects}
    kinds = ("open_query", "not_poolable", "known_missing")
    waiting = [entry for entry in dropped if entry.kind in kinds and entry.study_id not in pooled]
    # Of several entries of a trial the one that explains most: a number in doubt, a number that is printed,
    # what the paper says in words.
    best: dict[str, Dropped] = {}
    for entry in sorted(waiting, key=lambda entry: (kinds.index(entry.kind), entry.reported == "")):
        best.setdefault(entry.study_id, entry)
    return tuple(best[study] for study in dict.fromkeys(entry.study_id for entry in waiting))
