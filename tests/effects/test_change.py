"""Standard deviations of change, the correlation behind them, its sweep, and crossover trials."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import k2meta as km
from k2meta.effects.change import SWEEP, change_sd, change_sweep, crossover, implied_r
from k2meta.effects.errors import MeasureError, RecoverError

EXACT = 1e-10  # one formula written twice

TRIAL = {
    "change1": [-0.6, -0.2],
    "sd_baseline1": [2.0, 1.5],
    "sd_final1": [2.2, 1.4],
    "n1": [40, 31],
    "change2": [0.1, 0.0],
    "sd_baseline2": [1.9, 1.6],
    "sd_final2": [2.1, 1.7],
    "n2": [42, 29],
}


def test_the_sd_of_a_change_is_that_of_the_differences() -> None:
    rng = np.random.default_rng(1)
    before = rng.normal(size=25)
    after = 0.6 * before + rng.normal(size=25)
    found = change_sd(before.std(ddof=1), after.std(ddof=1), np.corrcoef(before, after)[0, 1])
    assert found[0] == pytest.approx((after - before).std(ddof=1), rel=EXACT)


@given(st.floats(0.1, 10), st.floats(0.1, 10), st.floats(-1, 1))
def test_the_implied_correlation_is_the_one_that_went_in(one: float, two: float, r: float) -> None:
    found = implied_r(one, two, change_sd(one, two, r))
    # Solving back divides a rounding error in squared SDs by 2 sd1 sd2: the ratio of the SDs is up to 100.
    assert found[0] == pytest.approx(r, abs=1e-10)


def test_three_sds_that_no_correlation_joins_are_refused_by_index() -> None:
    with pytest.raises(
        RecoverError, match=r"study \[1\]: SDs 2, 2 and 5 of the change imply a correlation of -2.12"
    ):
        implied_r([2, 2], [2, 2], [2, 5])
    with pytest.raises(RecoverError, match=r"study \[0\]: an SD of zero"):
        implied_r(0, 2, 2)


def test_equal_sds_without_any_change_imply_a_correlation_of_one() -> None:
    assert implied_r(0.1 + 0.2, 0.3, 0.0)[0] == pytest.approx(1, abs=1e-12)
    assert change_sd(2.0, 2.0, 1.0)[0] == 0


def test_a_sweep_holds_one_row_per_correlation_and_one_column_per_trial() -> None:
    found = change_sweep("MD", **TRIAL)
    assert found.yi.shape == found.vi.shape == found.sd1.shape == found.sd2.shape == (len(SWEEP), 2)
    assert (found.r[0], found.r[-1]) == (0.5, 0.9)
    np.testing.assert_allclose(found.yi, np.tile([-0.7, -0.2], (len(SWEEP), 1)), rtol=EXACT)
    by_hand = (2.0**2 + 2.2**2 - 2 * 0.5 * 2.0 * 2.2) / 40 + (1.9**2 + 2.1**2 - 2 * 0.5 * 1.9 * 2.1) / 42
    assert found.vi[0, 0] == pytest.approx(by_hand, rel=EXACT)


def test_a_higher_correlation_gives_smaller_variances_and_larger_standardised_effects() -> None:
    raw, standardised = change_sweep("MD", **TRIAL), change_sweep("SMD", **TRIAL)
    assert np.all(np.diff(raw.vi, axis=0) < 0)
    assert np.all(np.diff(np.abs(standardised.yi), axis=0) > 0)


def test_the_sweep_is_for_raw_or_standardised_differences_only() -> None:
    with pytest.raises(MeasureError, match="MD or SMD, not 'ROM'"):
        change_sweep("ROM", **TRIAL)
    with pytest.raises(RecoverError, match=r"r\[1\] = 1.2"):
        change_sweep("MD", r=[0.5, 1.2], **TRIAL)


BOTH = {"m1": 8.1, "sd1": 2.0, "m2": 9.0, "sd2": 2.4, "n": 18}


def test_a_crossover_difference_has_the_variance_of_paired_values() -> None:
    found = crossover("MD", r=0.6, **BOTH)
    assert found.yi[0] == pytest.approx(-0.9, rel=EXACT)
    assert found.vi[0] == pytest.approx((2.0**2 + 2.4**2 - 2 * 0.6 * 2.0 * 2.4) / 18, rel=EXACT)


def test_a_crossover_smd_keeps_the_standardiser_of_a_parallel_trial() -> None:
    d = -0.9 / math.sqrt((2.0**2 + 2.4**2) / 2)
    found = crossover("SMD", r=0.6, **BOTH)
    assert found.yi[0] == pytest.approx(d, rel=EXACT)
    # The standard error as the Cochrane Handbook writes it.
    assert math.sqrt(found.vi[0]) == pytest.approx(
        math.sqrt(1 / 18 + d**2 / 36) * math.sqrt(2 * (1 - 0.6)), rel=EXACT
    )


def test_a_crossover_without_correlation_counts_each_person_twice() -> None:
    paired = crossover("MD", r=0.0, **BOTH)
    parallel = km.effect_sizes("MD", m1=8.1, sd1=2.0, n1=18, m2=9.0, sd2=2.4, n2=18)
    assert paired.vi[0] == pytest.approx(parallel.vi[0], rel=EXACT)


def test_a_crossover_is_for_raw_or_standardised_differences_only() -> None:
    with pytest.raises(MeasureError, match="MD or SMD, not 'OR'"):
        crossover("OR", r=0.5, **BOTH)
    with pytest.raises(MeasureError, match="SD above zero"):
        crossover("SMD", r=0.5, **{**BOTH, "sd1": 0, "sd2": 0})
