"""The covariates that an analysis declares, as columns of numbers for the meta-regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from k2meta.analysis import LinePoint, Moderation, Moderator, Slope
from k2meta.config import Config, Spec
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
        stated = [row for row in rows if row.moderators.get(moderator.column) is not None]
        reference, columns = _columns(moderator, [row.moderators[moderator.column] for row in stated])
        used += len(columns)
        empty = Moderation(
            moderator,
            k=len(stated),
            missing=tuple(row.label for row in rows if row not in stated),
            exploratory=len(stated) < STUDIES_PER_COVARIATE * used,
            reference=reference,
            level=settings.level,
        )
        found.append(_regressed(empty, stated, columns, spec, settings))
    return tuple(found)


def _columns(moderator: Moderator, cells: Sequence[Cell]) -> tuple[str, dict[str, list[float]]]:
    """Return the reference category and the columns of a covariate: its numbers, or one indicator per category."""
    if moderator.kind == "number":
        return "", {moderator.label: [cell for cell in cells if isinstance(cell, float)]}
    names = [f"{cell:g}" if isinstance(cell, float) else str(cell) for cell in cells]
    first, *others = sorted(set(names)) or [""]
    return first, {other: [float(name == other) for name in names] for other in others}


def _regressed(
    empty: Moderation, stated: Sequence[Effect], columns: dict[str, list[float]], spec: Spec, settings: Config
) -> Moderation:
    if len(stated) < 2 or not columns:
        why = "fewer than two studies state it" if len(stated) < 2 else "every study is in one category"
        return replace(empty, not_run=f"Not run: {why}.")
    options = settings.model(settings.lead.model).options
    # What leads the answer may have no counterpart in a regression (profile likelihood, Henmi-Copas).
    tau2, interval = options.get("tau2", ""), options.get("interval", "")
    done = SENSITIVITY["moderation"](
        np.array([row.yi for row in stated]),
        np.array([row.vi for row in stated]),
        columns,
        tau2=tau2 if tau2 in ESTIMATORS else "REML",
        interval=interval if interval in INTERVALS else "HKSJ",
        level=settings.level,
        seed=seed_for(spec.id, empty.moderator.column, settings.seed),
    )
    if done.regression is None:
        return replace(empty, not_run=done.not_run)
    fit, test = done.regression, done.regression.q_model
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
            LinePoint(at, one.value, one.low, one.high, one.prediction_low, one.prediction_high)
            for at, one in zip(done.at, done.line, strict=True)
        ),
        warnings=fit.warnings,
    )
