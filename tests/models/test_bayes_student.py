"""Student-t random effects: next to the exact normal model, next to quadrature, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import gammaln, roots_genlaguerre, stdtr, stdtrit

import k2meta as km
from k2meta.models.bayes_mcmc import MCSE_ALLOWED, gate
from k2meta.models.bayes_student import LogNormalDf, StudentSampler
from k2meta.models.errors import InputError, PriorError
from k2meta.models.gate import checks
from tests.references import load

PRIOR = km.priors.HalfNormal(8.0)
# A quantile at 2.5 % of 20,000 draws, effectively 4,000 and more, is uncertain by a tenth of its probability;
# the predictive one is smoother.
TAIL = 0.003
# Weights are means of 20,000 shares that vary by less than 0.1 from draw to draw.
WEIGHTS = 0.005
# Standard deviations from an effective sample size of 4,000 and more: 1.1 % each.
SD = 0.05


@pytest.fixture(scope="module")
def schools():
    reference = load("bayes")["datasets"]["eight_schools"]
    return np.array(reference["y"]), np.square(reference["sigma"])


@pytest.fixture(scope="module")
def sampler():
    return StudentSampler()


@pytest.fixture(scope="module")
def heavy(sampler, schools):
    return sampler.sample(*schools, df=4, tau_prior=PRIOR, seed=11)


def by_quadrature(yi, vi, df, scale):
    """Grid of mu and tau with posterior weights; theta integrates out as a gamma mixture of normals."""
    node, share = roots_genlaguerre(80, df / 2 - 1)
    share = share / math.exp(gammaln(df / 2))
    mu, tau = np.meshgrid(np.linspace(-45, 60, 211), np.linspace(0.02, 45, 150), indexing="ij")
    log = -0.5 * (tau / scale) ** 2
    for y, v in zip(yi, vi, strict=True):
        variance = v + (tau**2)[..., None] * (df / 2) / node
        log += np.log((np.exp(-0.5 * (y - mu)[..., None] ** 2 / variance) / np.sqrt(variance)) @ share)
    weight = np.exp(log - log.max())
    return mu, tau, weight / weight.sum()


def test_two_hundred_degrees_of_freedom_are_the_exact_normal_model_within_four_standard_errors(sampler, schools):
    fit = sampler.sample(*schools, df=200.0, tau_prior=PRIOR, seed=5).fit
    exact = km.bayes_random_effects(*schools, tau_prior=PRIOR)
    assert gate(fit, exact) == ()
    assert fit.converged
    assert fit.mu.se == pytest.approx(exact.mu.se, rel=SD)
    assert fit.weights == pytest.approx(exact.weights, abs=WEIGHTS)


def test_four_degrees_of_freedom_agree_with_quadrature_over_another_form_of_the_model(heavy, schools):
    mu, tau, weight = by_quadrature(*schools, 4.0, PRIOR.scale)
    fit, d = heavy.fit, heavy.fit.diagnostics
    assert checks(fit) == ()
    assert abs(fit.mu.value - (weight * mu).sum()) <= MCSE_ALLOWED * d.mcse_mu
    assert abs(fit.tau.value - (weight * tau).sum()) <= MCSE_ALLOWED * d.mcse_tau
    assert fit.mu.se == pytest.approx(math.sqrt((weight * mu**2).sum() - (weight * mu).sum() ** 2), rel=SD)
    for end, p in ((fit.prediction.low, 0.025), (fit.prediction.high, 0.975)):
        assert (weight * stdtr(4.0, (end - mu) / tau)).sum() == pytest.approx(p, abs=TAIL)
    exact = km.bayes_random_effects(*schools, tau_prior=PRIOR)
    assert gate(fit, exact)  # the normal model is another one, and the gate sees it


def test_draws_of_theta_are_student_t_about_mu_when_studies_say_nothing(sampler):
    # Variances of a million: theta is drawn from its prior, so t must have the quantiles of Student's t.
    draws = sampler.sample(
        [0.0] * 4, [1e6] * 4, df=3, tau_prior=km.priors.HalfNormal(1.0), mu_prior=km.priors.Normal(0, 1), seed=2
    ).draws
    t = ((draws.theta - draws.mu[..., None]) / draws.tau[..., None]).ravel()
    for p in (0.01, 0.1, 0.5, 0.9, 0.99):
        assert (t < stdtrit(3, p)).mean() == pytest.approx(p, abs=0.01)  # 80,000 draws: 0.002 each


def test_an_outlier_pulls_less_and_weighs_less_than_under_normal_effects(sampler, schools):
    yi, vi = schools
    yi = np.append(yi[:7], 80.0)
    fit = sampler.sample(yi, vi, df=3, tau_prior=PRIOR, seed=3, draws=3000).fit
    exact = km.bayes_random_effects(yi, vi, tau_prior=PRIOR)
    assert fit.mu.value < exact.mu.value - 1.0
    assert fit.weights[7] < 0.75 * exact.weights[7]
    assert sum(fit.weights) == pytest.approx(1.0)


def test_degrees_of_freedom_with_a_prior_are_summed_up_and_share_the_compiled_model(sampler, heavy, schools):
    found = sampler.sample(*schools, df=LogNormalDf(10.0, 1.0), tau_prior=PRIOR, seed=1, draws=3000)
    assert checks(found.fit) == ()
    # Eight schools say next to nothing about tails: the prior's median comes back.
    assert found.df.median == pytest.approx(10.0, rel=0.2)
    assert found.draws.df.min() > 2.0
    assert found.df.low < 4.0 < 50.0 < found.df.high
    assert "log-normal above 2 with median 10" in found.fit.options["df"]
    assert heavy.df is None
    assert heavy.fit.options["df"] == 4.0
    assert np.all(heavy.draws.df == 4.0)
    assert sampler.compilations == 1


def test_the_same_seed_gives_the_same_fit(sampler, schools, heavy):
    again = sampler.sample(*schools, df=4, tau_prior=PRIOR, seed=11)
    assert np.array_equal(again.draws.theta, heavy.draws.theta)
    assert again.fit == heavy.fit


def test_too_few_draws_are_repeated_once_and_then_said(sampler, schools):
    fit = sampler.sample(*schools, df=4, tau_prior=PRIOR, seed=1, draws=50, tune=200).fit
    assert fit.options["draws"] == 100
    assert not fit.converged
    assert any("Effective sample size" in sentence for sentence in checks(fit))
    assert "The sampler did not pass its checks; do not use this fit." in fit.warnings


def test_one_study_is_answered_and_said(sampler):
    fit = sampler.sample([0.4], [0.04], df=30, tau_prior=km.priors.HalfNormal(0.5), seed=4, draws=3000).fit
    assert fit.weights == (1.0,)
    assert fit.mu.value == pytest.approx(0.4, abs=0.1)
    assert fit.warnings[0].startswith("One study")


@pytest.mark.parametrize("df", [2.0, -1, math.nan, math.inf, "many"])
def test_degrees_of_freedom_without_a_variance_are_refused(sampler, df):
    with pytest.raises(InputError, match="degrees of freedom"):
        sampler.sample([0.1, 0.2], [0.1, 0.1], df=df, tau_prior=PRIOR, seed=1)


def test_impossible_priors_are_refused(sampler):
    with pytest.raises(PriorError, match="median"):
        LogNormalDf(2.0, 1.0)
    with pytest.raises(PriorError, match="sigma"):
        LogNormalDf(5.0, 0.0)
    with pytest.raises(InputError, match="half-normal"):
        sampler.sample([0.1, 0.2], [0.1, 0.1], df=4, tau_prior=km.priors.HalfCauchy(1.0), seed=1)
