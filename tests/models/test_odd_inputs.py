"""The failure zoo: inputs on which programs print a negative variance, a NaN or nothing at all."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

import k2meta as km
from k2meta.models.errors import InputError, UnknownMethodError
from k2meta.models.heterogeneity import ESTIMATORS

INTERVALS = ("z", "t", "HKSJ", "HKSJ-guarded")
# Two routes to the same double-precision number.
SAME = 1e-12


def numbers(fit) -> list[float]:
    parts = [fit.mu, fit.tau2, fit.q, fit.i2_share, fit.h2_share, *fit.studies]
    parts += [fit.prediction] if fit.prediction else []
    values = [v for part in parts for v in dataclasses.asdict(part).values() if isinstance(v, float)]
    return [*values, *fit.weights]


def test_homogeneous_effects_give_tau2_zero_where_statsmodels_goes_negative():
    from statsmodels.stats.meta_analysis import combine_effects

    yi, vi = np.array([0.10, 0.11, 0.09, 0.10, 0.105]), np.array([0.04, 0.05, 0.03, 0.06, 0.05])
    with np.errstate(invalid="ignore"):
        peer = combine_effects(yi, vi, method_re="dl")
    assert peer.tau2 < 0
    assert peer.i2 < 0
    for name in ESTIMATORS:
        fit = km.random_effects(yi, vi, tau2=name)
        # Sidik-Jonkman is positive by construction.
        assert fit.tau2.value == 0.0 or name == "SJ"
        assert 0.0 <= fit.i2 < 100.0
        assert np.isfinite(numbers(fit)).all()
    fit = km.random_effects(yi, vi, tau2="DL")
    assert fit.at_boundary
    assert (fit.tau2.low, fit.tau2.high) == (0.0, 0.0)
    assert any("better than chance" in sentence for sentence in fit.warnings)
    assert fit.mu.se == pytest.approx(1 / math.sqrt(np.sum(1 / vi)), rel=SAME)
    assert km.random_effects(yi, vi, tau2="DL", interval="HKSJ").mu.se < fit.mu.se


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("interval", INTERVALS)
def test_one_study_is_answered_by_its_own_normal_interval(name, interval):
    fit = km.random_effects([1.5], [0.25], tau2=name, interval=interval)
    assert (fit.mu.value, fit.mu.se) == (1.5, 0.5)
    assert (fit.mu.low, fit.mu.high) == pytest.approx((0.520018007729973, 2.479981992270027), rel=SAME)
    assert (fit.tau2.value, fit.tau2.low, fit.tau2.high) == (0.0, None, None)
    assert (fit.i2, fit.h2, fit.q.df, fit.q.p, fit.prediction) == (0.0, 1.0, 0, None, None)
    assert fit.weights == (1.0,)
    assert any("One study" in sentence for sentence in fit.warnings)


def test_two_studies_have_an_interval_that_says_it_is_uninformative_and_no_prediction():
    fit = km.random_effects([0.1, 0.5], [0.04, 0.05])
    assert fit.mu.df == 1.0
    assert fit.prediction is None
    assert any("uninformative" in sentence for sentence in fit.warnings)
    assert any("no prediction interval" in sentence for sentence in fit.warnings)


def test_three_studies_are_predicted_with_a_warning_and_five_without():
    three = km.random_effects([0.1, 0.5, 0.9], [0.04, 0.05, 0.06])
    assert three.prediction is not None
    assert any("rests on 3 studies" in sentence for sentence in three.warnings)
    five = km.random_effects([0.1, 0.5, 0.9, 0.4, -0.4], [0.04, 0.05, 0.06, 0.04, 0.05])
    assert five.warnings == ()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_identical_effects_give_finite_answers(name):
    yi, vi = [0.3] * 4, [0.1, 0.2, 0.3, 0.4]
    plain = km.random_effects(yi, vi, tau2=name, interval="HKSJ")
    assert (plain.mu.value, plain.mu.se, plain.mu.statistic, plain.mu.p) == (0.3, 0.0, None, None)
    guarded = km.random_effects(yi, vi, tau2=name)
    assert guarded.mu.se == pytest.approx(1 / math.sqrt(sum(1 / v for v in vi)), rel=SAME)
    assert guarded.tau2.value == 0.0
    assert guarded.q.value == 0.0
    assert np.isfinite(numbers(guarded)).all()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_one_giant_trial_keeps_its_digits(name):
    # A trial with 1e12 times the precision of the others; its residual and 1 - weight would cancel.
    yi, vi = [1.0, 1.5, 0.0, 2.0 + 0.25], [1e-12, 1.0, 1.0, 1.0]
    fit = km.random_effects(yi, vi, tau2=name)
    assert fit.converged
    assert np.isfinite(numbers(fit)).all()
    gaps = [0.5, -1.0, 1.25]
    q = sum(g * g for g in gaps) - sum(gaps) ** 2 / (1e12 + 3)
    assert fit.q.value == pytest.approx(q, rel=1e-13)
    typical = 3 / (3 + 3 * 1e12 / (1e12 + 3) - 6 / (1e12 + 3))  # (k - 1) / trace(P), written without cancellation
    assert fit.i2 == pytest.approx(100 * fit.tau2.value / (fit.tau2.value + typical), rel=1e-9)


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1e3, 1e6])
def test_a_change_of_units_changes_no_digit(name, scale):
    yi, vi = np.array([0.1, 0.9, -0.4, 0.35, 1.3]), np.array([0.04, 0.09, 0.02, 0.2, 0.05])
    one, other = km.random_effects(yi, vi, tau2=name), km.random_effects(yi * scale, vi * scale**2, tau2=name)
    assert other.tau2.value / scale**2 == pytest.approx(one.tau2.value, rel=1e-11)
    assert other.tau2.high / scale**2 == pytest.approx(one.tau2.high, rel=1e-11)
    assert other.mu.value / scale == pytest.approx(one.mu.value, rel=1e-11)
    assert other.mu.p == pytest.approx(one.mu.p, rel=1e-9)
    assert other.i2 == pytest.approx(one.i2, rel=1e-11)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_variances_from_a_millionth_to_a_million_converge(name):
    vi = 10.0 ** np.arange(-6, 7)
    yi = np.where(np.arange(13) % 2, 1.0, -1.0) * np.sqrt(vi) * 1.5
    fit = km.random_effects(yi, vi, tau2=name)
    assert fit.converged
    assert np.isfinite(numbers(fit)).all()
    assert sum(fit.weights) == pytest.approx(1.0, rel=SAME)


def test_a_huge_common_shift_costs_no_digits():
    yi, vi = np.array([0.25, 0.875, -0.5, 0.375]), np.array([0.04, 0.09, 0.02, 0.2])
    near, far = km.random_effects(yi, vi), km.random_effects(yi + 2.0**30, vi)
    assert far.tau2.value == near.tau2.value
    assert far.q.value == near.q.value
    assert far.mu.value - 2.0**30 == pytest.approx(near.mu.value, abs=2.0**-22)
    flat = {"tau_prior": km.priors.HalfNormal(0.5)}
    near, far = km.bayes_random_effects(yi, vi, **flat), km.bayes_random_effects(yi + 2.0**30, vi, **flat)
    assert far.mu.se == near.mu.se


@pytest.mark.parametrize(
    ("yi", "vi", "message"),
    [
        ([], [], "at least one study"),
        ([1.0, 2.0], [1.0], "yi has 2 values and vi has 1"),
        ([1.0, math.nan], [1.0, 1.0], r"yi\[1\] = nan"),
        ([1.0, 2.0], [1.0, math.inf], r"vi\[1\] = inf"),
        ([1.0, 2.0, 3.0], [1.0, 0.0, 1.0], r"vi\[1\] = 0.0"),
        ([1.0, 2.0, 3.0], [1.0, 1.0, -2.0], r"vi\[2\] = -2.0"),
        ([[1.0, 2.0]], [1.0, 2.0], "one-dimensional"),
        (["a", "b"], [1.0, 2.0], "sequence of numbers"),
    ],
)
def test_unusable_input_is_refused_with_its_place(yi, vi, message):
    for pool in (
        km.random_effects,
        km.common_effect,
        lambda y, v: km.bayes_random_effects(y, v, tau_prior=km.priors.HalfNormal(1.0)),
    ):
        with pytest.raises(InputError, match=message):
            pool(yi, vi)


@pytest.mark.parametrize("level", [0.0, 1.0, 95, -0.5, math.nan])
def test_a_level_outside_zero_to_one_is_refused(level):
    with pytest.raises(InputError, match="level"):
        km.random_effects([1.0, 2.0], [1.0, 1.0], level=level)


@pytest.mark.parametrize(
    ("options", "allowed"),
    [
        ({"tau2": "reml"}, "REML, ML, DL"),
        ({"interval": "wald"}, "z, t, HKSJ, HKSJ-guarded"),
        ({"prediction": "t"}, r"z, t\(k-1\), t\(k-2\), None"),
    ],
)
def test_an_unknown_method_is_refused_with_the_known_ones(options, allowed):
    with pytest.raises(UnknownMethodError, match=allowed):
        km.random_effects([1.0, 2.0], [1.0, 1.0], **options)


def test_numbers_of_a_fit_are_plain_floats():
    rng = np.random.default_rng(2)
    for k in (1, 2, 3, 7):
        yi, vi = rng.normal(size=k), rng.uniform(0.01, 1, k)
        fits = [km.random_effects(yi, vi, tau2=name) for name in ESTIMATORS]
        fits += [km.common_effect(yi, vi), km.bayes_random_effects(yi, vi, tau_prior=km.priors.HalfCauchy(0.5))]
        for fit in fits:
            parts = [fit.mu, fit.tau, fit.tau2, fit.q, fit.i2_share, fit.h2_share, fit.diagnostics, *fit.studies]
            values = [v for part in parts for v in dataclasses.asdict(part).values()]
            values += [fit.i2, fit.h2, *fit.weights, *(fit.mu.shortest or ()), *(fit.tau.shortest or ())]
            assert {type(v) for v in values} <= {float, int, bool, str, tuple, type(None)}
