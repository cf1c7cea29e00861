"""Effects regressed on one study-level characteristic at a time, as an analysis of the settings asks for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from k2meta.analysis import Moderation
from k2meta.config import Config, Moderator, Spec
from k2meta.models.errors import ModelError
from k2meta.models.fit import Estimate
from k2meta.models.meta_regression import ESTIMATORS, INTERVALS, MetaRegression, meta_regression
from k2meta.types import Cell, Effect

Trial = Mapping[str, Cell]


def moderation(
    rows: Sequence[Effect], spec: Spec, trials: Sequence[Trial], settings: Config
) -> tuple[Moderation, ...]:
    """Return one meta-regression for each moderator of an analysis, with the leading model's tau2 and interval."""
    options = settings.model(settings.lead.model).options
    tau2, interval = options.get("tau2", "REML"), options.get("interval", "HKSJ-guarded")
    by_id = {trial["study_id"]: trial for trial in trials}
    return tuple(
        _moderation(
            rows,
            moderator,
            by_id,
            tau2=tau2 if tau2 in ESTIMATORS else "REML",
            interval=interval if interval in INTERVALS else "HKSJ-guarded",
            level=settings.level,
        )
        for moderator in spec.moderators
    )


def _moderation(
    rows: Sequence[Effect],
    moderator: Moderator,
    trials: Mapping[Cell, Trial],
    *,
    tau2: str,
    interval: str,
    level: float,
) -> Moderation:
    known = [(row, value) for row in rows if (value := _value(row, moderator, trials)) is not None]
    slope, exploratory, not_run = None, False, _too_few(moderator, [value for _, value in known])
    if not not_run:
        fit = _regression(known, moderator, tau2, interval, level)
        if isinstance(fit, str) or fit.not_run:
            not_run = fit if isinstance(fit, str) else str(fit.not_run)
        else:
            slope, exploratory = _estimate(fit), fit.exploratory
    return Moderation(
        id=moderator.id,
        label=moderator.label,
        kind=moderator.kind,
        values=tuple((row.label, value) for row, value in known),
        groups=tuple(name for name, _ in moderator.groups),
        slope=slope,
        exploratory=exploratory,
        not_run=not_run,
    )


def _estimate(fit: MetaRegression) -> Estimate:
    found = fit.coefficients[1]
    return Estimate(
        found.value, found.se, found.low, found.high, fit.level, found.df, statistic=found.statistic, p=found.p
    )


def _regression(
    known: Sequence[tuple[Effect, str | float]], moderator: Moderator, tau2: str, interval: str, level: float
) -> MetaRegression | str:
    """Return the regression, or in words why the characteristic cannot be regressed on."""
    names = [name for name, _ in moderator.groups]
    x = [_number(value, moderator, names) for _, value in known]
    yi, vi = np.array([row.yi for row, _ in known]), np.array([row.vi for row, _ in known])
    try:
        return meta_regression(yi, vi, {moderator.id: x}, tau2=tau2, interval=interval, level=level)
    except ModelError as error:
        return f"Not run: {error}."


def _number(value: str | float, moderator: Moderator, names: Sequence[str]) -> float:
    if isinstance(value, str):
        return float(names.index(value))
    return math.log2(value) if moderator.kind == "log2" else value


def _value(row: Effect, moderator: Moderator, trials: Mapping[Cell, Trial]) -> str | float | None:
    """Return the characteristic of a study, or ``None`` where it is not stated or outside the comparison."""
    trial = trials.get(row.study_id, {})
    if any(trial.get(column) not in allowed for column, allowed in moderator.where.items()):
        return None
    cell = trial.get(moderator.column)
    if moderator.kind == "groups":
        return next((name for name, values in moderator.groups if cell in values), None)
    usable = isinstance(cell, float) and (cell > 0 or moderator.kind == "linear")
    return cell if usable else None


def _too_few(moderator: Moderator, values: Sequence[str | float]) -> str:
    """Say why a comparison has nothing to compare, or nothing."""
    absent = [name for name, _ in moderator.groups if name not in values]
    if absent:
        return f"Not run: No study of {' or '.join(absent)} is in the pool."
    if not values:
        return "Not run: No study of the pool states it."
    if moderator.kind != "groups" and len(set(values)) < 2:
        return "Not run: The studies of the pool do not differ in it."
    return ""
