"""The map of a GOSH: every subset of two or more studies is counted once, where a plain loop puts it."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

import k2meta as km
from k2meta.sensitivity.gosh_map import COLUMNS, ROWS, gosh_map

LOOP = 1e-8
"""Relative: the batch engine and the single fit reach the same optimum to this."""

YI = [0.1, 0.35, -0.2, 0.6, 0.05, 0.9]
VI = [0.02, 0.05, 0.04, 0.03, 0.06, 0.02]


def test_the_map_counts_what_a_plain_loop_over_the_subsets_counts() -> None:
    found = gosh_map(km.gosh(YI, VI, tau2="DL"), 6)
    subsets = [c for size in range(2, 7) for c in combinations(range(6), size)]
    fits = [km.random_effects([YI[i] for i in c], [VI[i] for i in c], tau2="DL") for c in subsets]
    mu = np.array([fit.mu.value for fit in fits])
    assert found.counts.sum() == len(subsets) == 57
    assert found.counts.shape == (ROWS, COLUMNS)
    assert (found.mu[0], found.mu[-1]) == pytest.approx((mu.min(), mu.max()), rel=LOOP)
    zero = sum(fit.i2 < found.i2[1] for fit in fits)
    assert found.counts[0].sum() == zero
    for study in range(6):
        has = np.array([study in c for c in subsets])
        assert found.inside[study] == pytest.approx(np.percentile(mu[has], [25, 50, 75]), rel=LOOP)
        assert found.outside[study] == pytest.approx(np.percentile(mu[~has], [25, 50, 75]), rel=LOOP)


def test_studies_that_are_all_equal_have_a_map_of_one_place() -> None:
    found = gosh_map(km.gosh([0.2] * 6, [0.1] * 6, tau2="DL"), 6)
    assert np.count_nonzero(found.counts) == 1
    assert found.counts.sum() == 57
