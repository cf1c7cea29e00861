"""The permutation test of the pooled effect."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import k2meta as km
from k2meta.models.errors import InputError
from k2meta.sensitivity.permutation_test import permutation_test
from tests.references import load

REFERENCE = load("permutation_gosh")["permutest_exact"]
MODELS = {"DL_z": ("DL", "z"), "REML_z": ("REML", "z"), "REML_knha": ("REML", "HKSJ")}


@pytest.mark.parametrize("name", REFERENCE)
@pytest.mark.parametrize("key", MODELS)
def test_the_exact_p_value_is_that_of_metafor(name, key):
    data, (tau2, interval) = REFERENCE[name], MODELS[key]
    found = permutation_test(data["yi"], data["vi"], tau2=tau2, interval=interval)
    # Both count patterns: the shares are equal, not close.
    assert found.p == data["permutest_exact"][key]["pval"]
    assert found.permutations == data["permutest_exact"][key]["permutations"]
    assert found.exact


def test_the_exact_p_value_is_a_plain_count_over_single_fits():
    yi, vi = np.array([0.4, 0.9, -0.1, 0.35]), np.array([0.04, 0.09, 0.02, 0.2])
    sizes = []
    for signs in itertools.product((1.0, -1.0), repeat=4):
        mu = km.random_effects(yi * signs, vi).mu
        sizes.append(abs(mu.value / mu.se))
    expected = np.mean(np.array(sizes) >= sizes[0] * (1 - 1e-9))
    found = permutation_test(yi, vi)
    assert found.p == expected
    assert found.smallest_p == 2 / 16
    assert abs(found.statistic) == pytest.approx(sizes[0], rel=1e-12)


def test_random_signs_approach_the_exact_p_value_within_their_error():
    data = REFERENCE["collins1985b_OR"]
    exact = permutation_test(data["yi"], data["vi"])
    drawn = permutation_test(data["yi"], data["vi"], permutations=500, seed=4)
    assert (exact.exact, drawn.exact, drawn.permutations) == (True, False, 501)
    assert abs(drawn.p - exact.p) < 4 * drawn.mcse
    assert drawn.p == permutation_test(data["yi"], data["vi"], permutations=500, seed=4).p
    assert drawn.mcse > 0 == exact.mcse


def test_a_random_p_value_is_never_zero():
    rng = np.random.default_rng(1)
    found = permutation_test(5 + 0.01 * rng.normal(size=40), np.full(40, 0.01), permutations=1000)
    assert found.p == found.smallest_p == 1 / 1001


def test_one_study_is_not_tested_and_the_result_says_why():
    found = permutation_test([1.0], [0.1])
    assert (found.statistic, found.p, found.permutations) == (None, None, 0)
    assert "needs at least 2 studies" in found.not_run
    assert permutation_test([1.0, 1.1], [0.1, 0.1]).not_run == ""


def test_equal_effects_have_the_smallest_p_value():
    found = permutation_test([0.3] * 5, [0.1] * 5, interval="HKSJ")
    assert found.p == found.smallest_p == 2 / 32


def test_unusable_input_is_refused():
    with pytest.raises(InputError, match=r"yi\[0\]"):
        permutation_test([np.nan, 1.0], [1.0, 1.0])
    with pytest.raises(InputError, match="at least one is needed"):
        permutation_test([1.0, 2.0], [1.0, 1.0], permutations=0)
