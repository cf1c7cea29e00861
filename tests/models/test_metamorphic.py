"""Twenty-six relations that hold between fits, whatever the data: no reference number is needed to know them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

import k2meta as km
from k2meta.models.fit import Fit

# A root of the score is bracketed to the last digits, but a flat likelihood turns rounding of the inputs into a
# larger share of tau2; everything else follows from tau2.
ROOT = 1e-6
# Closed forms: sums of at most a dozen terms.
SUM = 1e-9

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Data:
    """Effects and variances of one invented meta-analysis."""

    yi: Vector
    vi: Vector


@st.composite
def data(draw: st.DrawFn, least: int = 2, most: int = 9) -> Data:
    k = draw(st.integers(least, most))
    yi = draw(st.lists(st.floats(-3, 3, width=32), min_size=k, max_size=k))
    vi = draw(st.lists(st.floats(-3, 1, width=32), min_size=k, max_size=k))
    return Data(np.array(yi, dtype=float), 10 ** np.array(vi, dtype=float))


def reml(d: Data, **options: object) -> Fit:
    return km.random_effects(d.yi, d.vi, **options)  # type: ignore[arg-type]


def common(d: Data) -> Fit:
    return km.common_effect(d.yi, d.vi)


def spread(d: Data) -> float:
    """A length by which differences of means count as nothing."""
    return float(np.ptp(d.yi)) + float(np.sqrt(d.vi.max()))


def near(value: float, d: Data, share: float = ROOT) -> object:
    return pytest.approx(value, rel=share, abs=share * spread(d))


@given(data(), st.floats(-1e3, 1e3))
def test_01_a_shift_moves_the_mean_and_nothing_else(d: Data, c: float) -> None:
    one, other = reml(d), reml(Data(d.yi + c, d.vi))
    assert other.mu.value - c == near(one.mu.value, d)
    assert other.mu.se == near(one.mu.se, d)
    assert other.tau2.value == near(one.tau2.value, d)


@given(data(), st.floats(1e-4, 1e4))
def test_02_a_change_of_unit_changes_the_unit(d: Data, c: float) -> None:
    one, other = reml(d), reml(Data(c * d.yi, c**2 * d.vi))
    assert other.mu.value / c == near(one.mu.value, d)
    assert other.mu.high / c == near(one.mu.high, d)
    assert other.tau2.value / c**2 == near(one.tau2.value, d)


@given(data())
def test_03_a_turned_sign_turns_the_interval(d: Data) -> None:
    one, other = reml(d), reml(Data(-d.yi, d.vi))
    assert other.mu.value == near(-one.mu.value, d)
    assert other.mu.low == near(-one.mu.high, d)
    assert other.tau2.value == near(one.tau2.value, d)


@given(data(), st.randoms(use_true_random=False))
def test_04_the_order_of_studies_does_not_count(d: Data, random: object) -> None:
    order = list(range(len(d.yi)))
    random.shuffle(order)  # type: ignore[attr-defined]
    one, other = reml(d), reml(Data(d.yi[order], d.vi[order]))
    assert other.mu.value == near(one.mu.value, d)
    assert np.array(other.weights) == pytest.approx(np.array(one.weights)[order], abs=ROOT)


@given(data())
def test_05_every_study_twice_at_double_variance_is_the_same_common_effect(d: Data) -> None:
    one, other = common(d), common(Data(np.tile(d.yi, 2), np.tile(2 * d.vi, 2)))
    assert other.mu.value == near(one.mu.value, d, SUM)
    assert other.mu.se == pytest.approx(one.mu.se, rel=SUM)


@given(data(), st.floats(0.05, 0.95))
def test_06_a_study_split_in_two_is_the_same_common_effect(d: Data, share: float) -> None:
    yi = np.append(d.yi, d.yi[0])
    vi = np.append(d.vi, d.vi[0] / (1 - share))
    vi[0] = d.vi[0] / share
    one, other = common(d), common(Data(yi, vi))
    assert other.mu.value == near(one.mu.value, d, SUM)
    assert other.q.value == pytest.approx(one.q.value, rel=SUM, abs=SUM)


@given(data(), st.floats(-3, 3))
def test_07_a_study_of_infinite_variance_says_nothing(d: Data, y: float) -> None:
    one, other = common(d), common(Data(np.append(d.yi, y), np.append(d.vi, 1e14)))
    assert other.mu.value == near(one.mu.value, d, SUM)
    assert other.mu.se == pytest.approx(one.mu.se, rel=SUM)


@given(data())
def test_08_without_heterogeneity_random_effects_are_the_common_effect(d: Data) -> None:
    fit = reml(d, interval="z")
    assume(fit.tau2.value == 0)
    assert fit.mu.value == near(common(d).mu.value, d, SUM)
    assert fit.mu.se == pytest.approx(common(d).mu.se, rel=SUM)


@given(data(least=3))
def test_09_a_fit_without_the_last_study_is_the_fit_of_the_others(d: Data) -> None:
    from k2meta.sensitivity import SENSITIVITY

    left_out = SENSITIVITY["leave_one_out"](d.yi, d.vi, lambda y, v: km.random_effects(y, v))
    # repr, because the standard error of tau at zero is NaN, which equals nothing
    assert repr(left_out[-1]) == repr(reml(Data(d.yi[:-1], d.vi[:-1])))


@given(data())
def test_10_weights_are_shares(d: Data) -> None:
    for fit in (reml(d), common(d)):
        assert sum(fit.weights) == pytest.approx(1, abs=SUM)
        assert min(fit.weights) > 0


@given(data())
def test_11_the_mean_lies_among_the_studies_and_is_their_weighted_mean(d: Data) -> None:
    for fit in (reml(d), common(d)):
        slack = SUM * spread(d)
        assert d.yi.min() - slack <= fit.mu.value <= d.yi.max() + slack
        assert fit.mu.value == near(float(np.dot(fit.weights, d.yi)), d, SUM)


@given(data())
def test_12_the_guard_is_never_narrower_than_either_interval_it_guards(d: Data) -> None:
    guarded = reml(d).mu.se
    assert guarded == max(reml(d, interval="HKSJ").mu.se, reml(d, interval="t").mu.se)


@given(data())
def test_13_a_higher_level_holds_the_lower_one(d: Data) -> None:
    narrow, wide = reml(d, level=0.8).mu, reml(d, level=0.99).mu
    assert wide.low < narrow.low <= narrow.value <= narrow.high < wide.high


@given(data())
def test_14_the_t_interval_holds_the_normal_one(d: Data) -> None:
    t, z = reml(d, interval="t").mu, reml(d, interval="z").mu
    assert t.low < z.low < z.high < t.high


@given(data(least=3))
def test_15_a_new_study_is_less_certain_than_the_mean(d: Data) -> None:
    fit = reml(d)
    assert fit.prediction is not None
    slack = SUM * spread(d)
    assert fit.prediction.low <= fit.mu.low + slack
    assert fit.prediction.high >= fit.mu.high - slack


@given(data(), st.floats(1e-3, 1e3), st.floats(-10, 10))
def test_16_q_has_no_unit_and_no_origin(d: Data, c: float, shift: float) -> None:
    one, other = common(d).q, common(Data(c * (d.yi + shift), c**2 * d.vi)).q
    assert other.value == pytest.approx(one.value, rel=1e-6, abs=1e-6)


@given(data())
def test_17_moment_estimators_are_zero_exactly_when_q_is_below_its_degrees_of_freedom(d: Data) -> None:
    q = common(d).q
    assume(abs(q.value - q.df) > 1e-6)
    for method in ("DL", "PM"):
        assert (reml(d, tau2=method).tau2.value == 0) == (q.value < q.df)


@given(data(), st.sampled_from(["DL", "DL2", "CA2", "HE", "HS", "HSk", "SJ", "ML", "REML", "EB", "PM", "PMM"]))
def test_18_a_variance_is_never_negative(d: Data, method: str) -> None:
    fit = reml(d, tau2=method)
    assert fit.tau2.value >= 0
    assert fit.converged
    assert fit.at_boundary == (fit.tau2.value == 0)


@given(data())
def test_19_the_q_profile_interval_holds_the_estimate_of_paule_and_mandel(d: Data) -> None:
    # Q(tau2) = k - 1 lies between its 2.5 % and 97.5 % quantiles, so PM lies inside, or all three are cut at zero.
    fit = reml(d, tau2="PM")
    assert fit.tau2.low is not None
    assert fit.tau2.high is not None
    slack = ROOT * spread(d) ** 2
    assert fit.tau2.low - slack <= fit.tau2.value <= fit.tau2.high + slack


@given(data(), st.floats(0, 20))
def test_20_no_other_tau2_has_a_higher_restricted_likelihood(d: Data, tau2: float) -> None:
    def height(t: float) -> float:
        w = 1 / (d.vi + t)
        mu = np.dot(w, d.yi) / w.sum()
        return float(-0.5 * (np.log(d.vi + t).sum() + np.log(w.sum()) + np.dot(w, (d.yi - mu) ** 2)))

    assert height(reml(d).tau2.value) >= height(tau2) - 1e-9


@given(data())
def test_21_a_shrunken_effect_lies_between_its_study_and_the_mean(d: Data) -> None:
    fit = reml(d)
    slack = SUM * spread(d)
    for y, study in zip(d.yi, fit.studies, strict=True):
        assert min(y, fit.mu.value) - slack <= study.value <= max(y, fit.mu.value) + slack


@given(data(), st.floats(1e-3, 10))
def test_22_with_equal_variances_the_estimators_of_tau2_are_one(d: Data, v: float) -> None:
    equal = Data(d.yi, np.full_like(d.vi, v))
    expected = max(0.0, float(np.var(d.yi, ddof=1)) - v)
    for method in ("DL", "PM", "HE", "REML", "EB"):
        assert reml(equal, tau2=method).tau2.value == pytest.approx(
            expected, rel=ROOT, abs=ROOT * spread(equal) ** 2
        )


@given(data(), st.floats(1e-3, 10))
def test_23_with_equal_variances_the_guard_is_the_t_test_or_the_wald_interval(d: Data, v: float) -> None:
    fit = reml(Data(d.yi, np.full_like(d.vi, v)))
    k = len(d.yi)
    assert fit.mu.value == near(float(d.yi.mean()), d, SUM)
    expected = np.sqrt(max(np.var(d.yi, ddof=1), v) / k)
    assert fit.mu.se == pytest.approx(expected, rel=ROOT)
    assert fit.mu.high == near(fit.mu.value + fit.mu.se * stats.t.ppf(0.975, k - 1), d)


@given(data(), st.floats(1e-3, 10))
def test_24_a_study_at_the_mean_does_not_move_it(d: Data, v: float) -> None:
    one = common(d)
    other = common(Data(np.append(d.yi, one.mu.value), np.append(d.vi, v)))
    assert other.mu.value == near(one.mu.value, d, SUM)
    assert other.q.value == pytest.approx(one.q.value, rel=SUM, abs=SUM)
    assert other.mu.se < one.mu.se


@given(data())
def test_25_i2_and_h2_say_the_same(d: Data) -> None:
    fit = reml(d)
    assert 0 <= fit.i2 < 100
    assert fit.i2 == pytest.approx(100 * (1 - 1 / fit.h2), rel=SUM, abs=SUM)


@given(data(), st.sampled_from(["z", "t", "HKSJ", "HKSJ-guarded"]))
def test_26_the_test_and_the_interval_agree(d: Data, interval: str) -> None:
    mu = reml(d, interval=interval).mu
    if mu.p is None:
        assert mu.se == 0  # identical studies leave plain Hartung-Knapp no width, and nothing to test
        return
    assume(abs(mu.p - 0.05) > 1e-9)
    assert (mu.p < 0.05) == (mu.low > 0 or mu.high < 0)
