"""Model averaging against evidences by scipy, single models and the averages taken by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, stats

import k2meta as km
from k2meta.models.bayes_factors import bayes_factor_effect, bayes_factor_heterogeneity
from k2meta.models.errors import InputError, PriorError
from k2meta.models.model_averaging import model_averaging
from k2meta.models.priors import EMPIRICAL, HalfCauchy, HalfNormal, Normal, Uniform

# Sums of our own integrals, each to about 1e-11, and quantiles from their roots.
OWN = 1e-9
# scipy.integrate.quad with a relative tolerance of 1e-11.
QUAD = 1e-9

YI, VI = np.array([0.4, -0.2, 0.9, 0.1, 0.5]), np.array([0.04, 0.1, 0.02, 0.3, 0.05])
MU = Normal(0.0, 1.0)
TAU = HalfNormal(0.5)


def scipy_evidence(effect, heterogeneity):
    """Return the evidence of one of the four models by the multivariate normal density and quad."""

    def density(tau):
        covariance = np.diag(VI + tau**2) + (MU.sd**2 if effect else 0.0)
        return stats.multivariate_normal(np.zeros(len(YI)), covariance).pdf(YI)

    if not heterogeneity:
        return float(density(0.0))
    edges = [0.0, 0.2, 0.5, 1.0, 2.0, 5.0]
    return math.fsum(
        integrate.quad(lambda t: density(t) * stats.halfnorm(scale=0.5).pdf(t), a, b, epsrel=1e-11, epsabs=0)[0]
        for a, b in itertools.pairwise(edges)
    )


def test_the_four_models_have_the_probabilities_of_their_evidences():
    found = model_averaging(YI, VI, mu_priors=[MU], tau_priors=[TAU], prior_effect=0.3, prior_heterogeneity=0.8)
    expected = {(e, h): scipy_evidence(e, h) for e in (False, True) for h in (False, True)}
    prior = {(e, h): (0.3 if e else 0.7) * (0.8 if h else 0.2) for e, h in expected}
    total = math.fsum(prior[one] * expected[one] for one in expected)
    assert found.converged
    assert len(found.models) == 4
    for model in found.models:
        one = (model.effect != "mu = 0", model.heterogeneity != "tau = 0")
        assert model.prior == pytest.approx(prior[one], rel=1e-14)
        assert model.log_evidence == pytest.approx(math.log(expected[one]), abs=QUAD)
        assert model.posterior == pytest.approx(prior[one] * expected[one] / total, rel=QUAD)
    effect = math.fsum(prior[True, h] * expected[True, h] for h in (False, True)) / total
    assert found.effect.posterior == pytest.approx(effect, rel=QUAD)
    assert found.effect.bf10 == pytest.approx(effect / (1.0 - effect) / (0.3 / 0.7), rel=QUAD)


def test_inclusion_bayes_factors_become_those_of_two_models_when_the_other_question_is_settled():
    nearly = 1.0 - 1e-12
    effect = model_averaging(YI, VI, mu_priors=[MU], tau_priors=[TAU], prior_heterogeneity=nearly).effect
    pair = bayes_factor_effect(YI, VI, tau_prior=TAU, mu_prior=MU)
    assert effect.log_bf10 == pytest.approx(-pair.log_bf01, abs=OWN)
    heterogeneity = model_averaging(YI, VI, mu_priors=[MU], tau_priors=[TAU], prior_effect=nearly).heterogeneity
    pair = bayes_factor_heterogeneity(YI, VI, tau_prior=TAU, mu_prior=MU)
    assert heterogeneity.log_bf10 == pytest.approx(-pair.log_bf01, abs=OWN)


def test_averages_become_the_full_model_when_both_questions_are_settled():
    nearly = 1.0 - 1e-13
    found = model_averaging(
        YI, VI, mu_priors=[MU], tau_priors=[TAU], prior_effect=nearly, prior_heterogeneity=nearly
    )
    fit = km.bayes_random_effects(YI, VI, tau_prior=TAU, mu_prior=MU)
    for ours, theirs in ((found.mu, fit.mu), (found.tau, fit.tau)):
        assert (ours.value, ours.se, ours.low, ours.median, ours.high) == pytest.approx(
            (theirs.value, theirs.se, theirs.low, theirs.median, theirs.high), rel=OWN
        )
    assert found.below_zero == pytest.approx(fit.prob(mu_below=0.0), rel=OWN)


def test_averaged_quantiles_of_mu_hold_the_probability_they_promise():
    mu_priors, tau_priors = [Normal(0.0, 0.5), Normal(0.0, 2.0)], [TAU, HalfCauchy(0.3), Uniform(1.5)]
    found = model_averaging(YI, VI, mu_priors=mu_priors, tau_priors=tau_priors)
    fits = {
        (mu.describe(), tau.describe()): km.bayes_random_effects(YI, VI, tau_prior=tau, mu_prior=mu)
        for mu in mu_priors
        for tau in tau_priors
    }

    def below(x):
        total = 0.0
        for model in found.models:
            if model.effect == "mu = 0":
                total += model.posterior * (x >= 0.0)
            elif model.heterogeneity == "tau = 0":
                total += model.posterior * stats.norm(model.mu_mean, model.mu_sd).cdf(x)
            else:
                total += model.posterior * fits[model.effect, model.heterogeneity].prob(mu_below=x)
        return total

    assert below(found.mu.low) == pytest.approx(0.025, abs=OWN)
    assert below(found.mu.median) == pytest.approx(0.5, abs=OWN)
    assert below(found.mu.high) == pytest.approx(0.975, abs=OWN)
    assert found.below_zero == pytest.approx(below(-1e-14), abs=OWN)
    # The lower 5 % quantile falls into the lump.
    assert below(-1e-14) < 0.05 < below(0.0)
    assert model_averaging(YI, VI, mu_priors=mu_priors, tau_priors=tau_priors, level=0.9).mu.low == 0.0
    assert found.below_zero + found.above_zero + 1.0 - found.effect.posterior == pytest.approx(1.0, abs=1e-12)
    mean = sum(model.posterior * model.mu_mean for model in found.models)
    second = sum(model.posterior * (model.mu_mean**2 + model.mu_sd**2) for model in found.models)
    assert (found.mu.value, found.mu.se) == pytest.approx((mean, math.sqrt(second - mean**2)), rel=1e-11)


def test_averaged_quantiles_of_tau_hold_the_probability_they_promise():
    tau_priors = [TAU, EMPIRICAL["rhodes2015_smd"]]
    found = model_averaging(YI, VI, mu_priors=[MU], tau_priors=tau_priors)

    def unnormalised(u, model):
        tau = math.exp(u)
        sd = MU.sd if model.effect != "mu = 0" else 0.0
        prior = next(prior for prior in tau_priors if prior.describe() == model.heterogeneity)
        density = stats.multivariate_normal(np.zeros(5), np.diag(VI + tau**2) + sd**2).logpdf(YI)
        return math.exp(density + float(prior.logpdf(np.array([tau]))[0]) + u - model.log_evidence)

    def above(x):
        edges = [math.log(x), 0.0, 1.0, 3.0, 12.0]
        return math.fsum(
            model.posterior * integrate.quad(unnormalised, a, b, args=(model,), epsrel=1e-10, epsabs=0)[0]
            for model in found.models
            if model.heterogeneity != "tau = 0"
            for a, b in itertools.pairwise(edges)
        )

    with_it = found.heterogeneity.posterior
    assert above(found.tau_with_heterogeneity.median) == pytest.approx(0.5 * with_it, rel=QUAD)
    assert above(found.tau_with_heterogeneity.high) == pytest.approx(0.025 * with_it, rel=QUAD)
    assert above(found.tau.high) == pytest.approx(0.025, rel=QUAD)


def test_homogeneous_studies_put_the_averaged_tau_on_zero():
    found = model_averaging(np.full(6, 0.3), np.full(6, 0.05), mu_priors=[MU], tau_priors=[TAU])
    assert (found.tau.low, found.tau.median) == (0.0, 0.0)
    assert found.heterogeneity.posterior < 0.5
    assert 0.0 < found.tau_with_heterogeneity.low < found.tau.high


def test_naming_a_prior_twice_changes_no_average():
    once = model_averaging(YI, VI, mu_priors=[MU], tau_priors=[TAU])
    twice = model_averaging(YI, VI, mu_priors=[MU, MU], tau_priors=[TAU, TAU])
    assert len(twice.models) == 9
    assert twice.effect.log_bf10 == pytest.approx(once.effect.log_bf10, abs=1e-12)
    assert (twice.mu.high, twice.tau.high) == pytest.approx((once.mu.high, once.tau.high), rel=OWN)


def test_a_certain_component_still_has_finite_odds():
    found = model_averaging(YI + 20.0, VI, mu_priors=[Normal(0.0, 20.0)], tau_priors=[HalfNormal(0.1)])
    assert found.effect.posterior == 1.0
    assert 100.0 < found.effect.log_bf10 < math.inf


def test_one_study_is_not_averaged_and_the_reason_is_given():
    found = model_averaging([0.3], [0.04], mu_priors=[MU], tau_priors=[TAU])
    assert found.not_run.startswith("k = 1")
    assert (found.models, found.effect, found.mu, found.tau) == ((), None, None, None)


@pytest.mark.parametrize("p", [0.0, 1.0, -0.1, math.nan])
def test_a_prior_probability_that_settles_the_question_is_refused(p):
    with pytest.raises(InputError, match="prior_effect"):
        model_averaging(YI, VI, mu_priors=[MU], tau_priors=[TAU], prior_effect=p)
    with pytest.raises(InputError, match="prior_heterogeneity"):
        model_averaging(YI, VI, mu_priors=[MU], tau_priors=[TAU], prior_heterogeneity=p)


@pytest.mark.parametrize(
    ("mu_priors", "tau_priors", "words"),
    [
        ([], [TAU], "mu_priors is empty"),
        ([MU], [], "tau_priors is empty"),
        ([None], [TAU], "mu_priors"),
        ([MU], [Uniform()], "improper"),
    ],
)
def test_missing_and_improper_priors_are_refused(mu_priors, tau_priors, words):
    with pytest.raises(PriorError, match=words):
        model_averaging(YI, VI, mu_priors=mu_priors, tau_priors=tau_priors)
