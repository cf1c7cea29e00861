"""The confidence function: nested intervals, the printed one among them, and p values at their limits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, t

import k2meta as km
from k2meta.models.errors import InputError
from k2meta.models.inputs import Vector
from k2meta.sensitivity.confidence_curve import LEVELS, confidence_curve
from tests import references

CLOSED = 1e-9
"""Relative to the width: both sides are one quantile times one standard error."""

BCG = references.load("metafor")["datasets"]["bcg_RR"]


def model(interval: str) -> object:
    def fit(yi: Vector, vi: Vector, level: float) -> km.Fit:
        return km.random_effects(yi, vi, interval=interval, prediction=None, level=level)

    return fit


@pytest.mark.parametrize("interval", ["z", "HKSJ", "KR", "PL", "HC"])
def test_intervals_are_nested_and_hold_the_printed_one(interval: str) -> None:
    tau2 = {"PL": "ML", "HC": "DL"}.get(interval, "REML")

    def fit(yi: Vector, vi: Vector, level: float) -> km.Fit:
        return km.random_effects(yi, vi, tau2=tau2, interval=interval, prediction=None, level=level)

    found = confidence_curve(BCG["yi"], BCG["vi"], fit)
    lows, highs = np.array([one.low for one in found]), np.array([one.high for one in found])
    assert np.all(np.diff(lows) < 0)
    assert np.all(np.diff(highs) > 0)
    printed = fit(np.array(BCG["yi"]), np.array(BCG["vi"]), 0.95).mu
    at = LEVELS.index(0.95)
    assert (lows[at], highs[at]) == (printed.low, printed.high)


@pytest.mark.parametrize("interval", ["z", "HKSJ"])
def test_one_minus_the_level_is_the_p_value_of_the_limits(interval: str) -> None:
    fit = km.random_effects(BCG["yi"], BCG["vi"], interval=interval)
    for one in confidence_curve(BCG["yi"], BCG["vi"], model(interval))[::7]:  # type: ignore[arg-type]
        statistic = abs(one.low - fit.mu.value) / fit.mu.se
        p = 2 * (norm.sf(statistic) if fit.mu.df is None else t.sf(statistic, fit.mu.df))
        assert p == pytest.approx(1 - one.level, rel=CLOSED)


@pytest.mark.parametrize("levels", [[], [0.5, 0.4], [0.5, 0.5], [0.0, 0.5], [0.5, 1.0]])
def test_levels_that_do_not_increase_within_zero_and_one_are_refused(levels: list[float]) -> None:
    with pytest.raises(InputError, match="levels must increase"):
        confidence_curve(BCG["yi"], BCG["vi"], model("z"), levels=levels)  # type: ignore[arg-type]
