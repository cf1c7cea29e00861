"""The bound on missing results against a plain loop that adds the studies one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from k2meta.models.errors import InputError
from k2meta.sensitivity import SENSITIVITY

# The grid of the loop is this share of the distance between the two limits wide.
GRID = 1e-3

# Both sides add k + m terms once; only the last digits differ.
CLOSED = 1e-12

POOLS = [
    ([-20.0, -5.0, 3.0, -30.0], [100.0, 64.0, 225.0, 81.0], 5, 40.0, 2.6),
    ([-0.9, -1.1, -0.8], [0.01, 0.02, 0.04], 2, 0.0, 1.96),
    ([0.5, 0.1], [0.3, 0.1], 1, 0.2, 12.7),
]


def pooled(yi, vi, tau2):
    weight = [1.0 / (v + tau2) for v in vi]
    return sum(w * y for w, y in zip(weight, yi, strict=True)) / sum(weight), 1.0 / math.sqrt(sum(weight))


def bound(yi, vi, missing, tau2, width):
    mu, se = pooled(yi, vi, tau2)
    run = SENSITIVITY["missing_results"]
    return run(vi, missing, mu=mu, low=mu - width * se, high=mu + width * se, tau2=tau2)


def with_missing(yi, vi, missing, tau2, width, x):
    typical = sorted(vi)[len(vi) // 2] if len(vi) % 2 else sum(sorted(vi)[len(vi) // 2 - 1 : len(vi) // 2 + 1]) / 2
    mu, se = pooled([*yi, *[x] * missing], [*vi, *[typical] * missing], tau2)
    return mu, mu - width * se, mu + width * se


@pytest.mark.parametrize(("yi", "vi", "missing", "tau2", "width"), POOLS)
def test_the_interval_includes_zero_exactly_between_the_two_limits(yi, vi, missing, tau2, width) -> None:
    found = bound(yi, vi, missing, tau2, width)
    apart = found.includes_to - found.includes_from
    inside = []
    for x in np.arange(found.includes_from - apart, found.includes_to + apart, GRID * apart):
        _, low, high = with_missing(yi, vi, missing, tau2, width, float(x))
        if low <= 0 <= high:
            inside.append(float(x))
    assert inside[0] == pytest.approx(found.includes_from, abs=GRID * apart)
    assert inside[-1] == pytest.approx(found.includes_to, abs=GRID * apart)


@pytest.mark.parametrize(("yi", "vi", "missing", "tau2", "width"), POOLS)
def test_the_pool_with_a_mean_of_zero_is_the_pool_of_all_studies(yi, vi, missing, tau2, width) -> None:
    found = bound(yi, vi, missing, tau2, width)
    expected = with_missing(yi, vi, missing, tau2, width, 0.0)
    assert (found.value, found.low, found.high) == pytest.approx(expected, rel=CLOSED)


def test_more_missing_studies_can_lie_nearer_to_zero_and_still_change_the_reading() -> None:
    few, many = (bound(*POOLS[1][:2], m, 0.0, 1.96) for m in (1, 10))
    assert 0 < many.includes_from < few.includes_from


def test_an_interval_need_not_be_symmetric() -> None:
    found = SENSITIVITY["missing_results"]([1.0, 1.0], 2, mu=1.0, low=-1.0, high=2.0, tau2=0.0)
    shrink = math.sqrt(0.5)
    for x, arm in ((found.includes_from, shrink), (found.includes_to, -2.0 * shrink)):
        assert (2.0 * 1.0 + 2.0 * x) / 4.0 + arm == pytest.approx(0.0, abs=CLOSED)


@pytest.mark.parametrize(
    ("vi", "missing", "why"), [([], 3, "k = 0"), ([1.0], 3, "k = 1"), ([1.0, 2.0], 0, "known")]
)
def test_without_a_pool_or_without_a_missing_study_it_says_why(vi, missing, why) -> None:
    found = SENSITIVITY["missing_results"](vi, missing, mu=0.0, low=-1.0, high=1.0, tau2=0.0)
    assert why in found.not_run
    assert found.value is None
    assert found.missing == missing


@pytest.mark.parametrize(
    "wrong", [{"tau2": -1.0}, {"low": 0.5}, {"high": math.inf}, {"vi": [1.0, 0.0]}, {"vi": [1.0, math.nan]}]
)
def test_impossible_input_is_refused(wrong) -> None:
    given = {"vi": [1.0, 2.0], "mu": 0.0, "low": -1.0, "high": 1.0, "tau2": 0.0, **wrong}
    with pytest.raises(InputError):
        SENSITIVITY["missing_results"](given.pop("vi"), 2, **given)
