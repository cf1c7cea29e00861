"""Regression tests for odds ratios from 2x2 tables: Peters et al. (2006) and Harbord et al. (2006).

A log odds ratio and its standard error are functions of the same four counts, so that Egger's test finds
asymmetry where there is none; these two use a measure of size that does not depend on the effect.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from k2meta.models.errors import InputError
from k2meta.models.inputs import Vector, checked_level
from k2meta.sensitivity.minimum import SMALL_STUDY_K, small_study_gate
from k2meta.sensitivity.regression_test import RegressionTest, dispersed_line

HALF = 0.5
"""Added to the four cells of a table that has an empty one, for its log odds ratio (not for its weight)."""


@dataclass(frozen=True, slots=True)
class _Tables:
    """Counts of the tables with events and non-events, each of shape (k,), and what was left out."""

    ai: Vector
    bi: Vector
    ci: Vector
    di: Vector
    warnings: tuple[str, ...]

    @property
    def n(self) -> Vector:
        return np.asarray(self.ai + self.bi + self.ci + self.di)


def peters(
    ai: ArrayLike,
    bi: ArrayLike,
    ci: ArrayLike,
    di: ArrayLike,
    *,
    level: float = 0.95,
    minimum_k: int = SMALL_STUDY_K,
) -> RegressionTest:
    """Regress log odds ratios on one over the sample size, weighted by events times non-events over n.

    Parameters
    ----------
    ai, bi, ci, di : array_like, shape (k,)
        Events and non-events of the treatment group, then of the control group. One half is added to every cell
        of a table with an empty one; tables without any event, or with events only, are left out with a warning.
    level : float
        Coverage of the intervals of the coefficients.
    minimum_k : int
        Fewest studies on which the test runs (never fewer than three).

    Returns
    -------
    RegressionTest
        ``k`` counts the tables that entered.

    Raises
    ------
    InputError
        Counts that are negative, not finite, or of different lengths; the message names the index.
    """
    tables, level = _tables(ai, bi, ci, di), checked_level(level)
    method, predictor = "weighted regression of the log odds ratio on 1 / n (Peters)", "ninv"
    reason = small_study_gate(len(tables.ai), minimum_k)
    if reason:
        return RegressionTest(len(tables.ai), method, predictor, not_run=reason, warnings=tables.warnings)
    cells = (tables.ai, tables.bi, tables.ci, tables.di)
    empty = np.any([cell == 0 for cell in cells], axis=0)
    a, b, c, d = (cell + np.where(empty, HALF, 0.0) for cell in cells)
    log_or = np.log(a) - np.log(b) - np.log(c) + np.log(d)
    variance = 1.0 / (tables.ai + tables.ci) + 1.0 / (tables.bi + tables.di)
    return dispersed_line(
        log_or, variance, 1.0 / tables.n, 0.0, (method, predictor), level, warnings=tables.warnings
    )


def harbord(
    ai: ArrayLike,
    bi: ArrayLike,
    ci: ArrayLike,
    di: ArrayLike,
    *,
    level: float = 0.95,
    minimum_k: int = SMALL_STUDY_K,
) -> RegressionTest:
    """Regress the score over its information, Z / V, on 1 / sqrt(V), weighted by V.

    Z is observed minus expected events of the treatment group and V its hypergeometric variance, so Z / V is
    Peto's log odds ratio. The slope is the intercept of the paper's regression of Z / sqrt(V) on sqrt(V).
    Parameters and errors are those of :func:`peters`; no continuity correction is needed, but a table with an
    empty group has no variance and is refused there too.
    """
    tables, level = _tables(ai, bi, ci, di), checked_level(level)
    method, predictor = "weighted regression of Z / V on 1 / sqrt(V) (Harbord)", "1 / sqrt(V)"
    reason = small_study_gate(len(tables.ai), minimum_k)
    if reason:
        return RegressionTest(len(tables.ai), method, predictor, not_run=reason, warnings=tables.warnings)
    n, treated, events = tables.n, tables.ai + tables.bi, tables.ai + tables.ci
    score = tables.ai - treated * events / n
    information = treated * (n - treated) * events * (n - events) / (n * n * (n - 1.0))
    estimate, variance = score / information, 1.0 / information
    return dispersed_line(
        estimate, variance, np.sqrt(variance), 0.0, (method, predictor), level, warnings=tables.warnings
    )


def _tables(ai: ArrayLike, bi: ArrayLike, ci: ArrayLike, di: ArrayLike) -> _Tables:
    counts = {name: _counts(name, cell) for name, cell in zip("abcd", (ai, bi, ci, di), strict=True)}
    lengths = {len(cell) for cell in counts.values()}
    if len(lengths) > 1:
        raise InputError(f"the four columns of counts have lengths {[len(cell) for cell in counts.values()]}")
    a, b, c, d = counts.values()
    hollow = np.flatnonzero((a + b == 0) | (c + d == 0))
    if hollow.size:
        raise InputError(f"table {hollow[0]} has a group without people")
    silent = (a + c == 0) | (b + d == 0)
    where = ", ".join(str(i) for i in np.flatnonzero(silent))
    warnings = (f"Tables {where} hold only events or none: they say nothing and are left out.",) if where else ()
    kept = ~silent
    return _Tables(a[kept], b[kept], c[kept], d[kept], warnings)


def _counts(name: str, values: ArrayLike) -> Vector:
    vector = np.asarray(values, dtype=float)
    if vector.ndim != 1:
        raise InputError(f"{name}i must be one-dimensional; its shape is {vector.shape}")
    bad = np.flatnonzero(~((vector >= 0) & np.isfinite(vector)))
    if bad.size:
        raise InputError(f"{name}i[{bad[0]}] = {float(vector[bad[0]])!r} is not a count")
    return vector
