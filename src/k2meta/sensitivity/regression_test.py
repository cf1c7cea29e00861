"""Regression tests for funnel-plot asymmetry: Egger et al. (1997) and the forms that came of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from k2meta.models.errors import InputError, UnknownMethodError
from k2meta.models.fit import Estimate
from k2meta.models.inputs import Vector, checked, checked_level
from k2meta.models.intervals import tested
from k2meta.models.meta_regression import ESTIMATORS
from k2meta.sensitivity.lines import Line, is_flat, residual_tau2, weighted_line
from k2meta.sensitivity.minimum import SMALL_STUDY_K, small_study_gate
from k2meta.shown import ShowsItself

MODELS = ("lm", "mixed")
INTERVALS = ("z", "t", "HKSJ", "HKSJ-guarded")

PREDICTORS: Mapping[str, Callable[[Vector, Vector], Vector]] = {
    "sei": lambda vi, ni: np.sqrt(vi),
    "vi": lambda vi, ni: vi,
    "ni": lambda vi, ni: ni,
    "ninv": lambda vi, ni: 1.0 / ni,
    "sqrtni": lambda vi, ni: np.sqrt(ni),
    "sqrtninv": lambda vi, ni: 1.0 / np.sqrt(ni),
}
"""What effects are regressed on, from variances and sample sizes: standard error, variance, size, ..."""

LIMIT_AT_ZERO = ("sei", "vi", "ninv", "sqrtninv")
"""Predictors that vanish for an infinitely large study, so that the intercept is its expected effect."""


@dataclass(frozen=True, slots=True)
class RegressionTest(ShowsItself):
    """A line through the funnel plot and the test of its slope.

    Attributes
    ----------
    k : int
        Number of studies that entered.
    method : str
        The test in words.
    predictor : str
        What the effects were regressed on.
    statistic, df, p : float or None
        Test of a slope of zero, two-sided; ``df`` is ``None`` for the normal distribution.
    intercept, slope : Estimate or None
        The line, the intercept in units of yi.
    limit : Estimate or None
        Expected effect of an infinitely large study; ``None`` where the predictor does not vanish there.
    tau2 : float or None
        Residual heterogeneity of the mixed model; ``None`` for "lm".
    dispersion : float or None
        Residual standard deviation in units of the standard errors ("lm"); ``None`` for the mixed model.
    converged : bool
        Whether tau2 reached its accuracy.
    not_run : str
        Why there is no result, as a sentence; empty when there is one.
    """

    k: int
    method: str
    predictor: str
    statistic: float | None = None
    df: float | None = None
    p: float | None = None
    intercept: Estimate | None = None
    slope: Estimate | None = None
    limit: Estimate | None = None
    tau2: float | None = None
    dispersion: float | None = None
    converged: bool = True
    not_run: str = ""
    warnings: tuple[str, ...] = ()


def regression_test(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    ni: ArrayLike | None = None,
    predictor: str = "sei",
    model: str = "lm",
    tau2: str = "REML",
    interval: str = "z",
    level: float = 0.95,
    minimum_k: int = SMALL_STUDY_K,
) -> RegressionTest:
    """Regress effects on a measure of study size and test the slope.

    Parameters
    ----------
    yi, vi : array_like, shape (k,)
        Effects and sampling variances.
    ni : array_like, shape (k,), optional
        Sample sizes; needed by "ni", "ninv", "sqrtni" and "sqrtninv".
    predictor : str
        A key of ``PREDICTORS``.
    model : {"lm", "mixed"}
        "lm" weights by 1 / vi and estimates a multiplicative dispersion, with t(k - 2); "mixed" adds a residual
        tau2 to the variances.
    tau2 : str
        Estimator of the residual tau2 of the mixed model, a key of ``meta_regression.ESTIMATORS``; "EE" sets it to
        zero.
    interval : {"z", "t", "HKSJ", "HKSJ-guarded"}
        Standard errors of the mixed model: of known weights with the normal distribution or with t(k - 2), or
        Knapp and Hartung's with t(k - 2), guarded never below those of known weights.
    level : float
        Coverage of the intervals of the coefficients.
    minimum_k : int
        Fewest studies on which the test runs (never fewer than three).

    Raises
    ------
    InputError
        Unusable effects, variances or sample sizes; the message names the index.
    UnknownMethodError
        An unknown predictor, model, estimator or interval.
    """
    _known(predictor, model, tau2, interval)
    data, level = checked(yi, vi), checked_level(level)
    sizes = _sizes(ni, data.k, needed=predictor not in ("sei", "vi"))
    method = f"{model} on {predictor}" if model == "lm" else f"mixed model ({tau2}, {interval}) on {predictor}"
    reason = small_study_gate(data.k, minimum_k)
    if reason:
        return RegressionTest(data.k, method, predictor, not_run=reason)
    x = PREDICTORS[predictor](data.vi, sizes)
    at_zero = predictor in LIMIT_AT_ZERO
    names = (method, predictor)
    if model == "lm":
        return dispersed_line(data.yi, data.vi, x, data.shift, names, level, limit_at_zero=at_zero)
    return _mixed_line(data.yi, data.vi, x, data.shift, names, level, at_zero, tau2, interval)


def egger(yi: ArrayLike, vi: ArrayLike, *, level: float = 0.95, minimum_k: int = SMALL_STUDY_K) -> RegressionTest:
    """Run the test of Egger et al. (1997): weighted regression on the standard error, t(k - 2).

    The slope here is the intercept of their regression of yi / SE on 1 / SE. See :func:`regression_test`.
    """
    return regression_test(yi, vi, level=level, minimum_k=minimum_k)


def dispersed_line(
    yi: Vector,
    vi: Vector,
    x: Vector,
    shift: float,
    names: tuple[str, str],
    level: float,
    *,
    limit_at_zero: bool = True,
    warnings: tuple[str, ...] = (),
) -> RegressionTest:
    """Fit a line with weights 1 / vi and an estimated dispersion to effects from which ``shift`` was taken.

    ``names`` are method and predictor in words. ``limit_at_zero`` says whether the intercept is the effect of an
    infinitely large study.
    """
    k, weight = len(yi), 1.0 / vi
    if is_flat(x, weight):
        return _not_run(k, names, f"{names[1]} is the same in all studies, so there is no slope", warnings)
    line = weighted_line(yi, x, weight)
    dispersion = math.sqrt(line.rss / (k - 2))
    found = _tested_line(k, line, shift, names, level, dispersion, float(k - 2), limit_at_zero)
    return replace(found, dispersion=dispersion, warnings=warnings)


def _mixed_line(
    yi: Vector,
    vi: Vector,
    x: Vector,
    shift: float,
    names: tuple[str, str],
    level: float,
    limit_at_zero: bool,
    tau2: str,
    interval: str,
) -> RegressionTest:
    k = len(yi)
    if is_flat(x, 1.0 / vi):
        return _not_run(k, names, f"{names[1]} is the same in all studies, so there is no slope")
    found = residual_tau2(yi, vi, x, tau2)
    line = weighted_line(yi, x, 1.0 / (vi + found.value))
    spread = math.sqrt(line.rss / (k - 2))
    factor = {"HKSJ": spread, "HKSJ-guarded": max(1.0, spread)}.get(interval, 1.0)
    df = None if interval == "z" else float(k - 2)
    result = _tested_line(k, line, shift, names, level, factor, df, limit_at_zero)
    return replace(result, tau2=found.value, converged=found.converged)


def _tested_line(
    k: int,
    line: Line,
    shift: float,
    names: tuple[str, str],
    level: float,
    factor: float,
    df: float | None,
    limit_at_zero: bool,
) -> RegressionTest:
    """Return the test of a slope whose standard error is ``factor`` times that of known weights."""
    slope = tested(line.slope, factor * math.sqrt(line.slope_variance), level, df)
    if slope.statistic is None:
        return _not_run(k, names, "the studies lie exactly on a line, so its slope has no error")
    intercept = tested(line.intercept + shift, factor * math.sqrt(line.intercept_variance), level, df)
    limit = intercept if limit_at_zero else None
    return RegressionTest(k, *names, slope.statistic, df, slope.p, intercept, slope, limit)


def _not_run(k: int, names: tuple[str, str], why: str, warnings: tuple[str, ...] = ()) -> RegressionTest:
    return RegressionTest(k, *names, not_run=f"k = {k}: test not run; {why}", warnings=warnings)


def _known(predictor: str, model: str, tau2: str, interval: str) -> None:
    for what, given, allowed in (
        ("predictor", predictor, list(PREDICTORS)),
        ("model", model, list(MODELS)),
        ("tau2", tau2, list(ESTIMATORS)),
        ("interval", interval, list(INTERVALS)),
    ):
        if given not in allowed:
            raise UnknownMethodError(what, given, allowed)


def _sizes(ni: ArrayLike | None, k: int, *, needed: bool) -> Vector:
    if ni is None:
        if needed:
            raise InputError("ni is missing: this predictor is made of the sample sizes")
        return np.ones(k)
    return positive("ni", ni, k)


def positive(name: str, values: ArrayLike, k: int) -> Vector:
    """Return k finite positive numbers as floats.

    Raises
    ------
    InputError
        Another shape, or a value that is not positive; the message names its index.
    """
    vector = np.asarray(values, dtype=float)
    if vector.shape != (k,):
        raise InputError(f"{name} has shape {vector.shape}; one value belongs to each of {k} studies")
    bad = np.flatnonzero(~((vector > 0) & np.isfinite(vector)))
    if bad.size:
        raise InputError(f"{name}[{bad[0]}] = {float(vector[bad[0]])!r}: it must be a positive number")
    return vector
