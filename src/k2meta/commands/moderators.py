"""The covariates that an analysis declares, as columns of numbers for the meta-regression."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from k2meta.analysis import LinePoint, Moderation, Moderator, Slope
from k2meta.config import Config, Model, Spec
from k2meta.models.bayes_mcmc import seed_for
from k2meta.models.meta_regression import ESTIMATORS, INTERVALS, STUDIES_PER_COVARIATE
from k2meta.sensitivity import SENSITIVITY
from k2meta.types import Cell, Effect


def moderation(rows: Sequence[Effect], spec: Spec, settings: Config) -> tuple[Moderation, ...]:
    """Regress the effects on each declared covariate alone.

    At most one covariate per ten trials counts as prespecified: each column counts, in the order of the settings,
    and from the first one too many on they are labelled exploratory.
    """
    found, used = [], 0
    for moderator in spec.moderators:
        stated = [row for row in rows if row.moderators.get(moderator.id) is not None]
        cells = [row.moderators[moderator.id] for row in stated]
        reference, columns = _columns(moderator, cells)
        used += len(columns)
        empty = Moderation(
            moderator,
            k=len(stated),
            missing=tuple(row.label for row in rows if row not in stated),
            exploratory=len(stated) < STUDIES_PER_COVARIATE * used,
            reference=reference,
            level=settings.level,
        )
        why = _nothing_to_compare(moderator, cells)
        found.append(replace(empty, not_run=why) if why else _regressed(empty, stated, columns, spec, settings))
    return tuple(found)


def _nothing_to_compare(moderator: Moderator, cells: Sequence[Cell]) -> str:
    """Say why studies cannot be compared in a covariate, or nothing."""
    absent = [name for name, _ in moderator.groups if name not in cells]
    if absent:
        return f"Not run: no study of {' or '.join(absent)} is in the pool."
    if len(cells) < 2:
        return "Not run: fewer than two studies state it."
    if len(set(cells)) < 2:
        return "Not run: the studies that state it do not differ in it."
    return ""


def _columns(moderator: Moderator, cells: Sequence[Cell]) -> tuple[str, dict[str, list[float]]]:
    """Return the reference and the columns of a covariate: numbers, their log2, or indicators of categories."""
    numbers = [cell for cell in cells if isinstance(cell, float)]
    if moderator.kind == "number":
        return "", {moderator.label: numbers}
    if moderator.kind == "log2":
        return "", {f"{moderator.label}, per doubling": [math.log2(cell) for cell in numbers]}
    if moderator.kind == "groups":
        (reference, _), (other, _) = moderator.groups
        return reference, {other: [float(cell == other) for cell in cells]}
    names = [f"{cell:g}" if isinstance(cell, float) else str(cell) for cell in cells]
    first, *others = sorted(set(names)) or [""]
    return first, {other: [float(name == other) for name in names] for other in others}


def in_regression(model: Model) -> tuple[str, str]:
    """Return the estimator of tau2 and the interval of a model, or the defaults where a regression has none such.

    What leads the answer may have no counterpart there (profile likelihood, Henmi-Copas, the common effect).
    """
    tau2, interval = model.options.get("tau2"), model.options.get("interval")
    return (
        str(tau2) if tau2 in ESTIMATORS else "REML",
        str(interval) if interval in INTERVALS else "HKSJ-guarded",
    )


def _regressed(
    empty: Moderation, stated: Sequence[Effect], columns: dict[str, list[float]], spec: Spec, settings: Config
) -> Moderation:
    tau2, interval = in_regression(settings.model(settings.lead.model))
    done = SENSITIVITY["moderation"](
        np.array([row.yi for row in stated]),
        np.array([row.vi for row in stated]),
        columns,
        tau2=tau2,
        interval=interval,
        level=settings.level,
        seed=seed_for(spec.id, empty.id, settings.seed),
    )
    if done.regression is None:
        return replace(empty, not_run=done.not_run)
    fit, test = done.regression, done.regression.q_model
    doublings = empty.moderator.kind == "log2"
    return replace(
        empty,
        slopes=tuple(
            Slope(one.name, one.value, one.se, one.low, one.high, one.p, shuffled)
            for one, shuffled in zip(fit.coefficients, done.permutation.p, strict=True)
        ),
        tau2=fit.tau2.value,
        tau2_without=fit.tau2_without,
        r2=fit.r2,
        i2=fit.i2,
        p=test.p,
        df=test.df,
        df_residual=test.df_residual,
        line=tuple(
            LinePoint(
                2**at if doublings else at, one.value, one.low, one.high, one.prediction_low, one.prediction_high
            )
            for at, one in zip(done.at, done.line, strict=True)
        ),
        warnings=fit.warnings,
    )
