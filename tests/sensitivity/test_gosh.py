"""GOSH: every subset is the fit of its studies."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import k2meta as km
from k2meta.models.errors import InputError
from k2meta.sensitivity.gosh import gosh
from tests.references import load

# Sums in another order.
SAME = 1e-12
# metafor stops at a step of 1e-11 in tau2 and rounds its output to fifteen digits.
METAFOR = 1e-8
YI = [0.10, 0.90, -0.40, 0.35, 1.30, 0.20]
VI = [0.04, 0.09, 0.02, 0.20, 0.05, 0.10]


def test_every_subset_is_the_fit_of_its_studies():
    found = gosh(YI, VI)
    assert found.exact
    assert len(found.fits) == 2**6 - 1
    seen = set()
    for row in range(len(found.fits)):
        members = [j for j in range(6) if found.includes(j)[row]]
        seen.add(tuple(members))
        fit = km.random_effects([YI[j] for j in members], [VI[j] for j in members])
        assert found.fits.k[row] == len(members)
        assert found.fits.mu[row] == pytest.approx(fit.mu.value, rel=SAME)
        assert found.fits.tau2[row] == pytest.approx(fit.tau2.value, rel=SAME, abs=SAME * min(VI))
    assert seen == {c for n in range(1, 7) for c in itertools.combinations(range(6), n)}


def test_gosh_agrees_with_metafor():
    reference = load("permutation_gosh")
    theirs, data = reference["gosh"], reference["permutest_exact"][reference["gosh"]["dataset"]]
    ours = gosh(data["yi"], data["vi"]).fits
    assert theirs["mask"] == list(range(1, len(ours) + 1))
    scale = min(data["vi"])
    np.testing.assert_array_equal(ours.k, theirs["k"])
    np.testing.assert_allclose(ours.mu, theirs["mu"], rtol=METAFOR)
    np.testing.assert_allclose(ours.tau2, theirs["tau2"], rtol=METAFOR, atol=METAFOR * scale)
    np.testing.assert_allclose(ours.q, theirs["QE"], rtol=METAFOR, atol=METAFOR)
    np.testing.assert_allclose(ours.i2, theirs["I2"], rtol=METAFOR, atol=100 * METAFOR)


def test_more_than_twenty_studies_are_sampled_by_seed():
    rng = np.random.default_rng(0)
    vi = rng.uniform(0.01, 0.3, 27)
    yi = rng.normal(0, np.sqrt(vi))
    one, same, other = (gosh(yi, vi, subsets=2000, seed=seed) for seed in (1, 1, 2))
    assert not one.exact
    np.testing.assert_array_equal(one.fits.mu, same.fits.mu)
    assert not np.array_equal(one.fits.mu, other.fits.mu)
    members = np.column_stack([one.includes(j) for j in range(27)])
    np.testing.assert_array_equal(members.sum(axis=1), one.fits.k)
    # Every study is in half of the subsets: five standard errors of a share of 2000.
    assert np.abs(members.mean(axis=0) - 0.5).max() < 5 * 0.5 / np.sqrt(2000)
    fit = km.random_effects(yi[members[0]], vi[members[0]])
    assert one.fits.mu[0] == pytest.approx(fit.mu.value, rel=SAME, abs=SAME * fit.mu.se)


def test_a_random_subset_is_never_empty():
    found = gosh([1.0, 2.0, 4.0], [1.0, 1.0, 2.0], subsets=6, seed=3)
    assert not found.exact
    assert found.fits.k.min() >= 1
    assert gosh([1.0, 2.0, 4.0], [1.0, 1.0, 2.0], subsets=7).exact


def test_one_study_has_one_subset():
    found = gosh([0.5], [0.04])
    assert (found.fits.mu.tolist(), found.fits.tau2.tolist(), found.fits.k.tolist()) == ([0.5], [0.0], [1])


def test_unusable_input_is_refused():
    with pytest.raises(InputError, match=r"vi\[1\]"):
        gosh([1.0, 2.0], [1.0, 0.0])
    with pytest.raises(InputError, match="at least one subset"):
        gosh([1.0, 2.0], [1.0, 1.0], subsets=0)
