"""Bayes factors against an independent quadrature, a published one, the Savage-Dickey ratio and scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

import k2meta as km
from k2meta.models.bayes_factors import bayes_factor_effect, bayes_factor_heterogeneity
from k2meta.models.errors import InputError, PriorError
from k2meta.models.priors import EMPIRICAL, HalfCauchy, HalfNormal, Jeffreys, Normal, Uniform
from tests.references import load

# The reference quadrature is good to about 1e-8 of an evidence; a factor of 1e-26 loses no relative digits.
EXACT = 1e-8
# Two of our own integrals, each to about 1e-11.
OWN = 1e-10

REFERENCE = load("bayes")["datasets"]
TAU = {"halfnormal_0.5": HalfNormal(0.5), "halfnormal_1": HalfNormal(1.0), "halfcauchy_0.5": HalfCauchy(0.5)}
MU = {"flat": None, "normal_0_4": Normal(0.0, 4.0)}
CASES = [(name, tau, mu) for name in sorted(REFERENCE) for tau in TAU for mu in MU]

YI, VI = np.array([0.4, -0.2, 0.9, 0.1]), np.array([0.04, 0.1, 0.02, 0.3])


@pytest.mark.parametrize(("name", "tau", "mu"), CASES)
def test_bayes_factors_agree_with_an_independent_quadrature(name, tau, mu):
    data = REFERENCE[name]
    exact = data["fits"][f"{tau}__{mu}"]["exact"]
    yi, vi = data["y"], np.square(data["sigma"])
    found = bayes_factor_heterogeneity(yi, vi, tau_prior=TAU[tau], mu_prior=MU[mu])
    assert found.converged
    assert found.bf01 == pytest.approx(exact["BF_tau0"], rel=EXACT)
    if MU[mu] is not None:
        effect = bayes_factor_effect(yi, vi, tau_prior=TAU[tau], mu_prior=MU[mu])
        assert effect.bf01 == pytest.approx(exact["BF_mu0"], rel=EXACT)
        assert found.log_evidence_alternative == effect.log_evidence_alternative
        assert effect.log_evidence_alternative == pytest.approx(exact["log_normalizer"], abs=EXACT)


def test_the_published_bayes_factor_of_the_eight_schools_is_reproduced():
    data = REFERENCE["eight_schools"]
    found = bayes_factor_heterogeneity(
        data["y"], np.square(data["sigma"]), tau_prior=HalfCauchy(25.0), mu_prior=Normal(0.0, 50.0)
    )
    # Six decimals are printed.
    assert found.bf01 == pytest.approx(4.464142, abs=5e-7)
    assert found.bf10 == pytest.approx(1.0 / 4.464142, rel=5e-7)


@pytest.mark.parametrize("null", [0.0, 0.3, -1.0])
@pytest.mark.parametrize("k", [1, 2, 4])
def test_the_bayes_factor_of_the_effect_is_the_savage_dickey_ratio(null, k):
    prior, mu_prior = HalfNormal(0.5), Normal(0.1, 1.5)
    found = bayes_factor_effect(YI[:k], VI[:k], tau_prior=prior, mu_prior=mu_prior, null=null)
    post = km.bayes_random_effects(YI[:k], VI[:k], tau_prior=prior, mu_prior=mu_prior).posterior
    density = np.dot(post.weight, stats.norm(post.mu_mean, post.mu_sd).pdf(null))
    assert found.bf01 == pytest.approx(density / stats.norm(0.1, 1.5).pdf(null), rel=OWN)


def test_the_evidence_without_heterogeneity_is_the_multivariate_normal_density():
    found = bayes_factor_heterogeneity(YI, VI, tau_prior=HalfNormal(0.5), mu_prior=Normal(0.1, 1.5))
    expected = stats.multivariate_normal(np.full(4, 0.1), np.diag(VI) + 1.5**2).logpdf(YI)
    assert found.log_evidence_null == pytest.approx(expected, abs=1e-12)


def test_a_shift_of_effects_prior_and_null_changes_nothing():
    prior = HalfNormal(0.5)
    here = bayes_factor_effect(YI, VI, tau_prior=prior, mu_prior=Normal(0.0, 1.0))
    there = bayes_factor_effect(YI + 64.0, VI, tau_prior=prior, mu_prior=Normal(64.0, 1.0), null=64.0)
    # Effects of order one lose about two digits beside 64.
    assert there.log_bf01 == pytest.approx(here.log_bf01, abs=1e-11)


def test_overwhelming_evidence_stays_a_number_in_logs():
    found = bayes_factor_effect(YI + 1e4, VI, tau_prior=HalfNormal(0.01), mu_prior=Normal(0.0, 1e4))
    assert found.bf01 == 0.0
    assert found.bf10 == math.inf
    assert math.isfinite(found.log_bf01)


@pytest.mark.parametrize("improper", [Uniform(), Jeffreys(tuple(VI))])
def test_an_improper_prior_of_tau_is_refused(improper):
    with pytest.raises(PriorError, match="improper"):
        bayes_factor_heterogeneity(YI, VI, tau_prior=improper)
    with pytest.raises(PriorError, match="improper"):
        bayes_factor_effect(YI, VI, tau_prior=improper, mu_prior=Normal(0.0, 1.0))


def test_a_flat_mu_is_refused_where_mu_is_tested():
    with pytest.raises(PriorError, match="flat"):
        bayes_factor_effect(YI, VI, tau_prior=HalfNormal(0.5), mu_prior=None)


def test_a_null_value_that_is_no_number_is_refused():
    with pytest.raises(InputError, match="null"):
        bayes_factor_effect(YI, VI, tau_prior=HalfNormal(0.5), mu_prior=Normal(0.0, 1.0), null=math.nan)


def test_one_study_gives_no_bayes_factor_of_heterogeneity_and_says_why():
    found = bayes_factor_heterogeneity([0.3], [0.04], tau_prior=HalfNormal(0.5), mu_prior=Normal(0.0, 1.0))
    assert (found.log_bf01, found.bf01, found.bf10) == (None, None, None)
    assert found.not_run.startswith("k = 1")


@pytest.mark.parametrize("name", EMPIRICAL)
@pytest.mark.parametrize(
    ("yi", "vi"),
    [
        ([0.4, -0.2, 0.9, 0.1, 0.3], [1e-6, 1.0, 1e6, 0.1, 1e3]),
        ([0.1, 0.1], [1e-12, 1e-12]),
        (np.linspace(-1.0, 1.0, 200), np.linspace(0.01, 0.2, 200)),
    ],
    ids=["variance ratio 1e12", "two giant identical studies", "200 studies"],
)
def test_extreme_studies_leave_a_finite_bayes_factor(name, yi, vi):
    for compare in (bayes_factor_effect, bayes_factor_heterogeneity):
        found = compare(yi, vi, tau_prior=EMPIRICAL[name], mu_prior=Normal(0.0, 1.0))
        assert found.converged
        assert math.isfinite(found.log_bf01)
