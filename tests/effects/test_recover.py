"""Recovering what a paper did not print: every function gives back the number a full report would have held."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from k2meta.effects import recover
from k2meta.effects.combine import combine_arms, combine_events
from k2meta.effects.recover import RecoverError

EXACT = 1e-10  # one formula written twice
LIMIT = 1e-3  # a large-sample limit, reached at n = 1e6


def test_p_and_interval_of_one_test_give_one_standard_error() -> None:
    estimate, se, df = -1.7, 0.6, 31
    t = estimate / se
    p_t, p_z = 2 * stats.t.sf(abs(t), df), 2 * stats.norm.sf(abs(t))
    for found in (
        recover.se_from_p(estimate, p_t, df=df),
        recover.se_from_p(estimate, p_z),
        recover.se_from_ci(estimate - stats.t.ppf(0.975, df) * se, estimate + stats.t.ppf(0.975, df) * se, df=df),
    ):
        assert found == pytest.approx(se, rel=EXACT)


@pytest.mark.parametrize("df", [None, 12])
def test_a_tiny_p_value_keeps_its_digits(df: float | None) -> None:
    # 1 - p is 1 exactly in double precision below 1e-16; the lower tail is not.
    se = recover.se_from_p(3.0, 1e-30, df=df)
    tail = stats.norm.sf(3.0 / se) if df is None else stats.t.sf(3.0 / se, df)
    assert 2 * tail == pytest.approx(1e-30, rel=1e-6)


def test_the_iqr_of_a_large_normal_sample_gives_its_sd() -> None:
    q1, q3 = stats.norm.ppf([0.25, 0.75], 10, 3)
    assert recover.sd_from_iqr(q1, q3, 1e6) == pytest.approx(3, rel=LIMIT)


@pytest.mark.parametrize("n", [5, 20, 100])
def test_the_expected_range_of_normal_values_gives_the_sd(n: int) -> None:
    draws = np.random.default_rng(3).normal(10, 3, size=(60_000, n))
    mean_range = (draws.max(1) - draws.min(1)).mean()
    # Blom's approximation to the expected extreme is within two per cent from n = 5 on.
    assert recover.sd_from_range(0, mean_range, n) == pytest.approx(3, rel=0.02)


arms = st.lists(
    st.lists(st.floats(-100, 100), min_size=2, max_size=12).filter(lambda values: np.ptp(values) > 1e-3),
    min_size=1,
    max_size=4,
)


@given(arms)
def test_combined_arms_equal_the_raw_data_of_all_their_people(raw: list[list[float]]) -> None:
    found = combine_arms([np.mean(a) for a in raw], [np.std(a, ddof=1) for a in raw], [len(a) for a in raw])
    together = np.concatenate(raw)
    assert found.n == len(together)
    assert found.m == pytest.approx(together.mean(), rel=1e-9, abs=1e-9)
    assert found.sd == pytest.approx(together.std(ddof=1), rel=1e-9)


def test_two_combined_arms_match_the_handbook_formula() -> None:
    n1, m1, s1, n2, m2, s2 = 30, 5.0, 2.0, 20, 6.5, 3.0
    between = n1 * n2 / (n1 + n2) * (m1**2 + m2**2 - 2 * m1 * m2)
    sd = math.sqrt(((n1 - 1) * s1**2 + (n2 - 1) * s2**2 + between) / (n1 + n2 - 1))
    found = combine_arms([m1, m2], [s1, s2], [n1, n2])
    assert (found.n, found.m) == (50, pytest.approx(5.6, rel=EXACT))
    assert found.sd == pytest.approx(sd, rel=EXACT)


def test_events_of_arms_add_up() -> None:
    found = combine_events([3, 5], [40, 42])
    assert (found.x, found.n) == (8, 82)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: recover.se_from_ci(2, 1), "no width"),
        (lambda: recover.se_from_ci(1, math.inf), "no width"),
        (lambda: recover.se_from_ci(1, 2, level=95), "between 0 and 1"),
        (lambda: recover.se_from_ci(1, 2, df=0), "degrees of freedom"),
        (lambda: recover.se_from_p(0, 0.3), "no standard error"),
        (lambda: recover.se_from_p(2, 1.0), "no standard error"),
        (lambda: recover.se_from_p(2, 0.03, df=-1), "degrees of freedom"),
        (lambda: recover.sd_from_se(-1, 10), "no standard deviation"),
        (lambda: recover.sd_from_range(3, 3, 20), "no width"),
        (lambda: recover.sd_from_iqr(1, 3, 1), "at least 2 values"),
        (lambda: combine_arms([1, 2], [1, -1], [5, 5]), r"sd\[1\] = -1"),
        (lambda: combine_arms([1], [0], [1]), "single participant"),
        (lambda: combine_events([1, 7], [5, 5]), r"study \[1\]: more events"),
    ],
)
def test_numbers_that_carry_nothing_are_refused(call: object, message: str) -> None:
    with pytest.raises(RecoverError, match=message):
        call()  # type: ignore[operator]
