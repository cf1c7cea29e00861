"""The strip of priors: each row is the posterior the full model gives."""

from __future__ import annotations

import math

import numpy as np
import pytest

import k2meta as km
from k2meta.models.errors import InputError, PriorError
from k2meta.models.prior_strip import prior_strip, standard_priors
from k2meta.models.priors import EMPIRICAL, HalfNormal, Jeffreys, Normal

# The same quadrature asked for fewer rows: panels may be halved elsewhere.
SAME = 1e-9

YI, VI = np.array([0.4, -0.2, 0.9, 0.1]), np.array([0.04, 0.1, 0.02, 0.3])


@pytest.mark.parametrize("mu_prior", [None, Normal(0.2, 0.5)])
@pytest.mark.parametrize("k", [3, 4])
def test_every_row_is_the_posterior_of_the_full_model(mu_prior, k):
    priors = (*standard_priors(0.5), *EMPIRICAL.values(), Jeffreys(tuple(VI[:k])))
    rows = prior_strip(YI[:k] + 10.0, VI[:k], tau_priors=priors, mu_prior=mu_prior, level=0.9)
    assert len(rows) == len(priors) >= 6
    for row, prior in zip(rows, priors, strict=True):
        fit = km.bayes_random_effects(YI[:k] + 10.0, VI[:k], tau_prior=prior, mu_prior=mu_prior, level=0.9)
        assert row.tau_prior == prior.describe()
        found = (
            row.mean,
            row.median,
            row.low,
            row.high,
            row.tau_median,
            row.below_zero,
            row.new_low,
            row.new_high,
        )
        mu, new = fit.mu, fit.prediction
        expected = (
            mu.value,
            mu.median,
            mu.low,
            mu.high,
            fit.tau.median,
            fit.prob(mu_below=0.0),
            new.low,
            new.high,
        )
        assert found == pytest.approx(expected, rel=SAME, abs=1e-12)
        assert row.not_run == ""


def test_a_wider_prior_widens_the_interval():
    rows = prior_strip(YI, VI, tau_priors=[HalfNormal(scale) for scale in (0.05, 0.2, 0.5, 1.0, 4.0)])
    widths = [row.high - row.low for row in rows]
    assert widths == sorted(widths)
    assert [row.tau_median for row in rows] == sorted(row.tau_median for row in rows)


def test_a_prior_that_leaves_no_posterior_says_so_and_the_others_stay():
    rows = prior_strip(YI[:2], VI[:2], tau_priors=standard_priors(0.5))
    assert [bool(row.not_run) for row in rows] == [False] * 7 + [True]
    assert "improper posterior" in rows[-1].not_run
    assert rows[-1].mean is None


def test_one_study_has_a_row_for_every_proper_prior():
    rows = prior_strip([0.3], [0.04], tau_priors=(*standard_priors(0.5)[:7], *EMPIRICAL.values()))
    assert [row.not_run for row in rows] == [""] * 13
    assert [row.mean for row in rows] == pytest.approx([0.3] * 13, rel=1e-12)


def test_the_standard_priors_follow_the_unit_of_measurement():
    here = prior_strip(YI, VI, tau_priors=standard_priors(0.5))
    there = prior_strip(8.0 * YI, 64.0 * VI, tau_priors=standard_priors(4.0))
    for a, b in zip(here, there, strict=True):
        assert (b.mean, b.low, b.high, b.tau_median) == pytest.approx(
            (8.0 * a.mean, 8.0 * a.low, 8.0 * a.high, 8.0 * a.tau_median), rel=1e-10
        )


def test_no_prior_and_no_scale_are_refused():
    with pytest.raises(PriorError, match="empty"):
        prior_strip(YI, VI, tau_priors=[])
    for scale in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(InputError, match="scale"):
            standard_priors(scale)
