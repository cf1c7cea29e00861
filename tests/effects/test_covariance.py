"""Covariances of effects that share a control, against a numerical delta method on independent arms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import k2meta as km
from k2meta.effects.covariance import shared_control, smd_common_sd
from k2meta.effects.errors import MeasureError

EXACT = 1e-10  # one formula written twice
DELTA = 1e-4  # central differences (1e-8) and the O(1/n) by which n - 1 differs from n, arms of 1e5 and more

LARGE = {"m": [4.0, 5.0, 5.6], "sd": [2.0, 2.0, 2.0], "n": [200_000.0, 100_000.0, 300_000.0]}  # the control first
RISKS = {"p": [0.3, 0.2, 0.15], "n": [200_000.0, 100_000.0, 300_000.0]}


def delta_method(
    function: Callable[[np.ndarray], np.ndarray], at: np.ndarray, variances: np.ndarray
) -> np.ndarray:
    """Return J diag(variances) J' with the Jacobian by central differences."""
    steps = 1e-4 * np.maximum(np.abs(at), 1)
    columns = []
    for i, step in enumerate(steps):
        up, down = at.copy(), at.copy()
        up[i] += step
        down[i] -= step
        columns.append((function(up) - function(down)) / (2 * step))
    jacobian = np.array(columns).T
    return jacobian @ np.diag(variances) @ jacobian.T


def against_control(m: np.ndarray, variance: np.ndarray, n: np.ndarray) -> dict[str, Any]:
    sd = np.sqrt(variance)
    return {"m1": m[1:], "sd1": sd[1:], "n1": n[1:], "m2": m[0], "sd2": sd[0], "n2": n[0]}


@pytest.mark.parametrize("measure", ["MD", "SMD"])
def test_covariances_of_means_are_those_of_the_delta_method(measure: str) -> None:
    m, sd, n = (np.array(LARGE[name]) for name in ("m", "sd", "n"))

    def effects(x: np.ndarray) -> np.ndarray:
        return km.effect_sizes(measure, **against_control(x[:3], x[3:], n)).yi

    expected = delta_method(effects, np.r_[m, sd**2], np.r_[sd**2 / n, 2 * sd**4 / n])
    found = shared_control(measure, ["A", "A"], **repeat_control(against_control(m, sd**2, n)))
    np.testing.assert_allclose(found.V, expected, rtol=DELTA)


def repeat_control(inputs: dict[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.broadcast_to(value, (2,)) for name, value in inputs.items()}


def test_the_covariance_over_one_common_sd_is_that_of_the_delta_method() -> None:
    m, sd, n = (np.array(LARGE[name]) for name in ("m", "sd", "n"))

    def effects(x: np.ndarray) -> np.ndarray:
        return smd_common_sd(m=x[:3], sd=np.sqrt(x[3:]), n=n).yi

    expected = delta_method(effects, np.r_[m, sd**2], np.r_[sd**2 / n, 2 * sd**4 / n])
    np.testing.assert_allclose(smd_common_sd(m=m, sd=sd, n=n).V, expected, rtol=DELTA)


@pytest.mark.parametrize("measure", ["RR", "OR"])
def test_covariances_of_events_are_those_of_the_delta_method(measure: str) -> None:
    p, n = np.array(RISKS["p"]), np.array(RISKS["n"])

    def tables(x: np.ndarray) -> dict[str, np.ndarray]:
        a, c = x[1:] * n[1:], np.full(2, x[0] * n[0])
        return {"ai": a, "bi": n[1:] - a, "ci": c, "di": n[0] - c}

    expected = delta_method(lambda x: km.effect_sizes(measure, **tables(x)).yi, p, p * (1 - p) / n)
    np.testing.assert_allclose(shared_control(measure, [1, 1], **tables(p)).V, expected, rtol=DELTA)


def test_with_two_arms_the_common_sd_is_the_ordinary_smd() -> None:
    pair = smd_common_sd(m=[4.1, 5.2], sd=[1.6, 1.3], n=[7, 8])
    plain = km.effect_sizes("SMD", m1=5.2, sd1=1.3, n1=8, m2=4.1, sd2=1.6, n2=7)
    assert pair.yi[0] == pytest.approx(plain.yi[0], rel=EXACT)
    assert pair.V[0, 0] == pytest.approx(plain.vi[0], rel=EXACT)


def test_the_common_sd_pools_all_arms_and_counts_their_degrees_of_freedom() -> None:
    found = smd_common_sd(m=[4.1, 5.2, 4.6], sd=[1.6, 1.3, 1.9], n=[7, 8, 6])
    pooled = math.sqrt((6 * 1.6**2 + 7 * 1.3**2 + 5 * 1.9**2) / 18)
    j = math.gamma(9) / (math.sqrt(9) * math.gamma(8.5))
    g1, g2 = j * 1.1 / pooled, j * 0.5 / pooled
    np.testing.assert_allclose(found.yi, [g1, g2], rtol=EXACT)
    shared = 1 / 7 + g1 * g2 / 42
    by_hand = [[1 / 8 + 1 / 7 + g1**2 / 42, shared], [shared, 1 / 6 + 1 / 7 + g2**2 / 42]]
    np.testing.assert_allclose(found.V, by_hand, rtol=EXACT)


ARMS = {
    "m1": [5.0, 6.0, 4.0, 5.5],
    "sd1": [2.0, 2.1, 1.0, 2.2],
    "n1": [20, 22, 40, 25],
    "m2": [4.0, 4.0, 3.9, 4.0],
    "sd2": [1.9, 1.9, 1.1, 1.9],
    "n2": [21, 21, 38, 21],
}


def test_blocks_follow_the_trial_labels_and_trials_are_independent() -> None:
    found = shared_control("MD", ["A", "A", "B", "A"], **ARMS)
    plain = km.effect_sizes("MD", **ARMS)
    np.testing.assert_array_equal(np.diag(found.V), plain.vi)
    np.testing.assert_array_equal(found.yi, plain.yi)
    shared = 1.9**2 / 21
    assert found.V[0, 1] == found.V[0, 3] == found.V[3, 1] == pytest.approx(shared, rel=EXACT)
    np.testing.assert_array_equal(found.V[2, [0, 1, 3]], 0)


@st.composite
def many_arms(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    k = draw(st.integers(2, 5))
    measure = draw(st.sampled_from(["MD", "SMD", "RR", "OR"]))
    if measure in ("MD", "SMD"):
        floats, sizes = st.floats(0.5, 5), st.integers(3, 300)
        treated = {
            name: [draw(one) for _ in range(k)] for name, one in (("m1", floats), ("sd1", floats), ("n1", sizes))
        }
        return measure, treated | {
            name: [draw(one)] * k for name, one in (("m2", floats), ("sd2", floats), ("n2", sizes))
        }
    counts = st.integers(1, 300)
    treated = {name: [draw(counts) for _ in range(k)] for name in ("ai", "bi")}
    return measure, treated | {name: [draw(counts)] * k for name in ("ci", "di")}


@given(many_arms())
@settings(max_examples=100)
def test_the_covariance_is_symmetric_and_positive_definite(case: tuple[str, dict[str, Any]]) -> None:
    measure, inputs = case
    V = shared_control(measure, ["one"] * len(next(iter(inputs.values()))), **inputs).V
    np.testing.assert_array_equal(V, V.T)
    np.linalg.cholesky(V)  # raises when V is not positive definite


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: shared_control("ROM", ["A"] * 4, **ARMS), "handled for MD, SMD, RR, OR, not for 'ROM'"),
        (lambda: shared_control("MD", ["A", "A"], **ARMS), "trial has 2 labels and there are 4 comparisons"),
        (lambda: shared_control("MD", ["A", "A", "A", "B"], **ARMS), r"study \[2\]: m2 = 3.9 differs from 4"),
        (lambda: smd_common_sd(m=[1], sd=[1], n=[9]), "at least two arms"),
        (lambda: smd_common_sd(m=[1, 2], sd=[0, 0], n=[9, 9]), "pooled SD above zero"),
    ],
)
def test_what_shares_no_control_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        call()
