"""Subgroups: one pooled effect for each, and the test that they differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, fdtrc

from k2meta.models.common_effect import cochran_q
from k2meta.models.errors import UnknownMethodError
from k2meta.models.fit import Estimate, Fit, QTest
from k2meta.models.inputs import Vector, checked, checked_level
from k2meta.models.meta_regression import (
    ESTIMATORS,
    INTERVALS,
    STUDIES_PER_COVARIATE,
    ModelTest,
    few_per_covariate,
    meta_regression,
)
from k2meta.models.multilevel import Codes, coded
from k2meta.models.random_effects import random_effects
from k2meta.shown import ShowsItself


@dataclass(frozen=True, slots=True)
class Subgroup:
    """One subgroup.

    Attributes
    ----------
    name : str
        Its label.
    k : int
        Number of studies.
    members : tuple of int
        Their positions in the effects given.
    mu : Estimate or None
        Pooled effect; ``None`` where it was not run.
    tau2 : float or None
        Between-study variance used: its own or the common one; ``None`` for one study with a tau2 of its own.
    q : QTest
        Cochran's Q within the subgroup.
    weights : tuple of float
        Weights of its studies; they sum to one.
    fit : Fit or None
        The whole random-effects fit where every subgroup has its own tau2.
    """

    name: str
    k: int
    members: tuple[int, ...]
    mu: Estimate | None
    tau2: float | None
    q: QTest
    weights: tuple[float, ...]
    fit: Fit | None = None


@dataclass(frozen=True, slots=True)
class Subgroups(ShowsItself):
    """Pooled effects by subgroup and the test between them.

    Attributes
    ----------
    groups : tuple of Subgroup
        In order of appearance.
    tau2_common : bool
        Whether one tau2 serves all subgroups.
    q_between : ModelTest or None
        Test that all subgroups share one effect; ``None`` with a reason in ``not_run``.
    test : str
        Which test that is, in words.
    exploratory : bool
        Whether there are fewer than ten studies for each subgroup beyond the first.
    converged : bool
        Whether every tau2 reached its accuracy.
    warnings : tuple of str
        Sentences meant for the reader.
    not_run : str or None
        Why the subgroups are not compared, as a sentence.
    """

    groups: tuple[Subgroup, ...]
    tau2_common: bool
    q_between: ModelTest | None
    test: str
    exploratory: bool
    converged: bool
    warnings: tuple[str, ...] = ()
    not_run: str | None = None


def subgroups(
    yi: ArrayLike,
    vi: ArrayLike,
    groups: ArrayLike | Sequence[object],
    *,
    tau2: str = "REML",
    tau2_common: bool = True,
    interval: str = "HKSJ",
    level: float = 0.95,
) -> Subgroups:
    """Pool effects by subgroup and test whether the subgroups differ.

    Parameters
    ----------
    yi, vi : array_like, shape (k,)
        Effects and sampling variances, in squared units of ``yi``.
    groups : array_like, shape (k,)
        Label of each study's subgroup.
    tau2 : str
        Estimator of the between-study variance.
    tau2_common : bool
        One tau2 for all subgroups, from the meta-regression on their indicators, or one for each.
    interval : {"HKSJ", "HKSJ-guarded", "t", "z"}
        Intervals and test. With a common tau2 it is that of the meta-regression. With separate ones ``z`` compares
        the pooled effects by a weighted sum of squares on chi-square(G - 1), and the others by Welch's F with
        k - 1 degrees of freedom behind each standard error.
    level : float
        Coverage of the intervals.

    Returns
    -------
    Subgroups
        With ``not_run`` set where there is one subgroup, where no degree of freedom is left, or, with separate
        tau2, where a subgroup has one study.

    Raises
    ------
    InputError
        Unusable effects, variances, labels or level; the message names the index.
    UnknownMethodError
        A name that is not registered.

    Notes
    -----
    Welch (1951) for the F test of means with variances estimated on different degrees of freedom.
    """
    if tau2 not in ESTIMATORS or tau2 == "EE":
        raise UnknownMethodError("tau2", tau2, [name for name in ESTIMATORS if name != "EE"])
    if interval not in INTERVALS:
        raise UnknownMethodError("interval", interval, INTERVALS)
    data, level = checked(yi, vi), checked_level(level)
    y = data.yi + data.shift
    codes, names = coded("groups", groups, data.k)
    members = [np.flatnonzero(codes == code) for code in range(len(names))]
    pool = _common if tau2_common else _separate
    return pool(y, data.vi, codes, names, members, tau2, interval, level)


def _within(y: Vector, v: Vector) -> QTest:
    return cochran_q(checked(y, v))


def _labels(k: int, count: int) -> tuple[bool, tuple[str, ...]]:
    if k >= STUDIES_PER_COVARIATE * (count - 1):
        return False, ()
    return True, (few_per_covariate(k, count - 1),)


def _common(
    y: Vector,
    v: Vector,
    codes: Codes,
    names: Sequence[str],
    members: Sequence[Codes],
    tau2: str,
    interval: str,
    level: float,
) -> Subgroups:
    """Return subgroups that share tau2: the meta-regression on their indicators."""
    count = len(names)
    test = (
        f"meta-regression with a common tau2 ({tau2}), {'chi-square' if interval == 'z' else 'F'} test, {interval}"
    )
    exploratory, warnings = _labels(len(y), count)
    dummies = (codes[:, None] == np.arange(count)).astype(float)
    contrast = meta_regression(y, v, dummies[:, 1:], names=names[1:], tau2=tau2, interval=interval, level=level)
    if contrast.tau2 is None:
        blank = tuple(
            Subgroup(name, len(own), tuple(own.tolist()), None, None, _within(y[own], v[own]), ())
            for name, own in zip(names, members, strict=True)
        )
        return Subgroups(blank, True, None, test, exploratory, False, warnings, contrast.not_run)
    means = meta_regression(y, v, dummies, names=names, intercept=False, tau2=tau2, interval=interval, level=level)
    found = []
    for one, own in zip(means.coefficients, members, strict=True):
        mu = Estimate(one.value, one.se, one.low, one.high, level, one.df, one.statistic, one.p)
        weight = 1.0 / (v[own] + contrast.tau2.value)
        shares = tuple((weight / weight.sum()).tolist())
        within = _within(y[own], v[own])
        found.append(Subgroup(one.name, len(own), tuple(own.tolist()), mu, contrast.tau2.value, within, shares))
    reason = None if count > 1 else "Not run: there is one subgroup, so there is nothing to compare."
    said = tuple(one for one in contrast.warnings if one not in warnings and "R2" not in one)
    converged = contrast.converged and means.converged
    return Subgroups(tuple(found), True, contrast.q_model, test, exploratory, converged, warnings + said, reason)


def _separate(
    y: Vector,
    v: Vector,
    codes: Codes,
    names: Sequence[str],
    members: Sequence[Codes],
    tau2: str,
    interval: str,
    level: float,
) -> Subgroups:
    """Return subgroups that each have a tau2 of their own."""
    found, said = [], []
    for name, own in zip(names, members, strict=True):
        fit = random_effects(y[own], v[own], tau2=tau2, interval=interval, level=level)
        known = fit.tau2.value if len(own) > 1 else None
        found.append(Subgroup(name, len(own), tuple(own.tolist()), fit.mu, known, fit.q, fit.weights, fit))
        said += [f"{name}: {sentence}" for sentence in fit.warnings]
    exploratory, warnings = _labels(len(y), len(names))
    between, reason = _between(found, interval)
    kind = "Wald chi-square" if interval == "z" else f"Welch's F with {interval} standard errors"
    converged = all(one.fit is not None and one.fit.converged for one in found)
    return Subgroups(tuple(found), False, between, f"{kind}, separate tau2 ({tau2})", exploratory, converged,
                     (*warnings, *said), reason)  # fmt: skip


def _between(found: Sequence[Subgroup], interval: str) -> tuple[ModelTest | None, str | None]:
    if len(found) < 2:
        return None, "Not run: there is one subgroup, so there is nothing to compare."
    single = [one.name for one in found if one.k == 1]
    if single:
        names = ", ".join(repr(name) for name in single)
        return None, f"Not run: {names} has one study and no tau2 of its own; a common tau2 can be compared."
    mu = np.array([one.mu.value if one.mu else math.nan for one in found])
    se = np.array([one.mu.se if one.mu else math.nan for one in found])
    if not np.all(se > 0.0):
        name = found[int(np.argmin(se))].name
        return None, f"Not run: all effects of {name!r} are equal, so its standard error by this method is zero."
    names_tested = tuple(one.name for one in found)
    if interval == "z":
        value, df = _spread(mu, se), len(found) - 1
        return ModelTest(value, df, None, float(chdtrc(df, value)), names_tested), None
    return welch_test(mu, se, np.array([one.k - 1.0 for one in found]), names_tested), None


def _spread(mu: Vector, se: Vector) -> float:
    weight = se**-2.0
    shifted = mu - mu[np.argmin(se)]
    return float(weight @ (shifted - weight @ shifted / weight.sum()) ** 2)


def welch_test(mu: Vector, se: Vector, df: Vector, names: tuple[str, ...]) -> ModelTest:
    """Return Welch's F test that G independent means are equal.

    Parameters
    ----------
    mu, se, df : ndarray, shape (G,)
        Means, standard errors and the degrees of freedom behind each standard error.
    names : tuple of str
        Names of the means.
    """
    count, weight = len(mu), se**-2.0
    lack = float(np.sum((1.0 - weight / weight.sum()) ** 2 / df))
    value = _spread(mu, se) / (count - 1) / (1.0 + 2.0 * (count - 2) / (count**2 - 1) * lack)
    residual = (count**2 - 1) / (3.0 * lack)
    return ModelTest(value, count - 1, residual, float(fdtrc(count - 1, residual, value)), names)
