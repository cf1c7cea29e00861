"""The refits that figures draw: each takes the effects of one analysis and returns what is written for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from k2meta.commands.fits import estimator
from k2meta.commands.moderators import in_regression
from k2meta.config import Config, Model, Spec
from k2meta.models.subgroups import subgroups
from k2meta.refits import (
    ConfidenceCurve,
    Cumulative,
    Grouped,
    Limits,
    Multiverse,
    Pull,
    Pulls,
    Specification,
    Step,
    SubsetMap,
    WithWithout,
    by_subgroup,
)
from k2meta.sensitivity import SENSITIVITY
from k2meta.sensitivity.gosh_map import MINIMUM_K, gosh_map
from k2meta.sensitivity.multiverse import Choice, standard_choices
from k2meta.sensitivity.pool import COMMON_EFFECT
from k2meta.types import Effect, Record

Vector = NDArray[np.float64]
NOT_STATED = "not stated"
GOSH_SUBSETS = 100_000
"""Subsets fitted for a figure: more would not be seen, and every one up to sixteen studies is among them."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The effects of one analysis, with where they came from."""

    rows: Sequence[Effect]
    spec: Spec
    settings: Config
    records: Mapping[str, Record]

    @property
    def yi(self) -> Vector:
        return np.array([row.yi for row in self.rows])

    @property
    def vi(self) -> Vector:
        return np.array([row.vi for row in self.rows])

    @property
    def k(self) -> int:
        return len(self.rows)

    @property
    def leading(self) -> Model:
        """The model that leads the answer for this many studies."""
        return self.settings.model(self.settings.lead.of(self.k)[0])

    @property
    def frequentist(self) -> Model:
        return self.settings.model(self.settings.lead.model)

    def cell(self, row: Effect, column: str) -> str:
        """Return a column of the trial or the extraction behind an effect; ``""`` where not stated."""
        record = self.records.get(row.extraction_id)
        value = None if record is None else record.trial.get(column, record.cells.get(column))
        return "" if value is None else f"{value:g}" if isinstance(value, float) else value


def pooling(model: Model) -> tuple[str, str]:
    """Return the estimator of tau2 and the interval of a frequentist model; the common effect is named too."""
    return str(model.options.get("tau2", COMMON_EFFECT)), str(model.options.get("interval", "z"))


def _cumulative(pool: Pool) -> Cumulative:
    if pool.k < 2:
        return Cumulative((), f"k = {pool.k}: nothing accumulates.")
    years = [pool.cell(row, "year") or pool.cell(row, "publication_id")[-4:] for row in pool.rows]
    undated = [row.label for row, year in zip(pool.rows, years, strict=True) if not year.isdigit()]
    if undated:
        return Cumulative((), f"No year is known for {', '.join(undated)}, so the studies have no order.")
    # One model throughout, the leading frequentist one: a change of engine on the way would look like news.
    fit = estimator(pool.frequentist, pool.spec, pool.settings.level)
    steps = SENSITIVITY["cumulative"](pool.yi, pool.vi, fit, order=[int(year) for year in years])
    found = [
        Step(row.study_id, row.label, years[step.added], n, step.fit.mu, step.fit.tau2.value)
        for n, step in enumerate(steps, start=1)
        for row in (pool.rows[step.added],)
    ]
    return Cumulative(tuple(found))


def _baujat(pool: Pool) -> Pulls:
    if pool.k < 3:
        return Pulls((), f"k = {pool.k}: at least three studies are needed to tell who pulls.")
    found = SENSITIVITY["baujat"](pool.yi, pool.vi)
    rows = zip(pool.rows, found.contribution, found.influence, strict=True)
    return Pulls(tuple(Pull(row.study_id, row.label, x, y) for row, x, y in rows))


def _gosh(pool: Pool) -> SubsetMap:
    if pool.k < MINIMUM_K:
        return SubsetMap(pool.k, 0, True, not_run=f"k = {pool.k}: subsets say little below {MINIMUM_K} studies.")
    tau2 = str(pool.frequentist.options.get("tau2", "DL"))
    found = SENSITIVITY["gosh"](pool.yi, pool.vi, subsets=GOSH_SUBSETS, seed=pool.settings.seed, tau2=tau2)
    drawn = gosh_map(found, pool.k)
    return SubsetMap(
        k=pool.k,
        subsets=int(drawn.counts.sum()),
        exact=found.exact,
        mu=tuple(drawn.mu.tolist()),
        i2=tuple(drawn.i2.tolist()),
        counts=tuple(tuple(row) for row in drawn.counts.tolist()),
        studies=tuple(
            WithWithout(row.study_id, row.label, tuple(drawn.inside[i].tolist()), tuple(drawn.outside[i].tolist()))
            for i, row in enumerate(pool.rows)
        ),
    )


def _multiverse(pool: Pool) -> Multiverse:
    if pool.k < 2:
        return Multiverse((), (), f"k = {pool.k}: not pooled.")
    level = pool.settings.level
    choices: dict[Choice, Any] = dict(standard_choices(level))
    bayesian = [model for model in pool.settings.models if model.estimator == "bayes_exact"]
    for model in (pool.frequentist, *bayesian):
        choices[_choice(model)] = estimator(model, pool.spec, level)
    found = SENSITIVITY["multiverse"](pool.yi, pool.vi, sets=_sets(pool.rows), choices=choices)
    headline = _choice(pool.leading)
    return Multiverse(
        specifications=tuple(
            Specification(
                one.data,
                one.choice.model,
                one.choice.tau2,
                one.choice.interval,
                one.k,
                one.mu,
                one.tau2,
                headline=one.choice == headline and one.data == ALL,
            )
            for one in found.universes
        ),
        left_out=found.left_out,
    )


ALL = "all studies"


def _choice(model: Model) -> Choice:
    if model.estimator == "random_effects":
        return Choice("random effects", str(model.options["tau2"]), str(model.options["interval"]))
    if model.estimator == "common_effect":
        return Choice("common effect", "", "z")
    return Choice("Bayesian", model.id, "credible")


def _sets(rows: Sequence[Effect]) -> dict[str, list[int]]:
    """Return which studies remain when doubtful sources and assumed values are left out."""
    return {
        ALL: list(range(len(rows))),
        "no secondary source": [i for i, row in enumerate(rows) if not row.source_tier.startswith("secondary")],
        "full text only": [i for i, row in enumerate(rows) if row.source_tier == "primary_full_text"],
        "nothing assumed": [i for i, row in enumerate(rows) if not row.assumed],
    }


def _subgroups(pool: Pool) -> Grouped:
    column = pool.spec.subgroups
    if not column or pool.k < 2:
        why = f"k = {pool.k}: not pooled." if column else "No subgroups are configured."
        return Grouped(column, (), None, None, None, None, "", False, why)
    labels = [pool.cell(row, column) or NOT_STATED for row in pool.rows]
    tau2, interval = in_regression(pool.frequentist)
    found = subgroups(pool.yi, pool.vi, labels, tau2=tau2, interval=interval, level=pool.settings.level)
    return by_subgroup(found, column.replace("_", " "))


def _confidence_curve(pool: Pool) -> ConfidenceCurve:
    model = pool.frequentist
    if pool.k < 2:
        return ConfidenceCurve(model.id, (), f"k = {pool.k}: not pooled.")

    def fit_at(yi: Vector, vi: Vector, level: float) -> Any:
        return estimator(model, pool.spec, level)(yi, vi)

    found = SENSITIVITY["confidence_curve"](pool.yi, pool.vi, fit_at)
    return ConfidenceCurve(model.id, tuple(Limits(one.level, one.low, one.high) for one in found))


REFITS: Mapping[str, Callable[[Pool], Any]] = {
    "cumulative": _cumulative,
    "baujat": _baujat,
    "gosh": _gosh,
    "multiverse": _multiverse,
    "subgroups": _subgroups,
    "confidence_curve": _confidence_curve,
}
"""What is refitted for a figure, by the id of the check in config.yaml."""
