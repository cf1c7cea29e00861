"""The quadrature against an independent one, against R's bayesmeta, and against scipy on hostile scales."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, stats

import k2meta as km
from k2meta.models.bayes_exact import conditional
from k2meta.models.errors import ImproperPosteriorError
from tests.references import load

# In posterior standard deviations; the reference is good to about 1e-8.
EXACT = 1e-6
# bayesmeta at its default accuracy is off by up to 4e-3 of the standard deviation of mu.
BAYESMETA = 5e-3
# scipy.integrate.quad with a relative tolerance of 1e-11, moments that cancel lose some of it.
QUAD = 1e-8

REFERENCE = load("bayes")["datasets"]
CASES = [(name, fit) for name, data in sorted(REFERENCE.items()) for fit in sorted(data["fits"])]
TAU = {
    "halfnormal_0.5": km.priors.HalfNormal(0.5),
    "halfnormal_1": km.priors.HalfNormal(1.0),
    "halfcauchy_0.5": km.priors.HalfCauchy(0.5),
    "uniform": km.priors.Uniform(),
}
MU = {"flat": None, "normal_0_4": km.priors.Normal(0.0, 4.0)}


def fitted(name, key):
    data = REFERENCE[name]
    tau, mu = key.split("__")
    return km.bayes_random_effects(data["y"], np.square(data["sigma"]), tau_prior=TAU[tau], mu_prior=MU[mu])


def test_the_reference_grid_does_not_shrink():
    assert len(REFERENCE) == 3
    assert len(CASES) == 24


@pytest.mark.parametrize(("name", "key"), CASES)
def test_posteriors_agree_with_an_independent_quadrature(name, key):
    fit, exact = fitted(name, key), REFERENCE[name]["fits"][key]["exact"]
    for ours, theirs in ((fit.mu, exact["mu"]), (fit.tau, exact["tau"])):
        found = (ours.value, ours.median, ours.se, ours.low, ours.high, *ours.shortest)
        fields = ("mean", "median", "sd", "central_lb", "central_ub", "shortest_lb", "shortest_ub")
        assert found == pytest.approx([theirs[field] for field in fields], rel=0, abs=EXACT * theirs["sd"])
    new = exact["theta_new"]
    assert (fit.prediction.low, fit.prediction.high) == pytest.approx(
        (new["central_lb"], new["central_ub"]), rel=0, abs=EXACT * new["sd"]
    )
    for study, mean, sd in zip(fit.studies, exact["shrinkage_mean"], exact["shrinkage_sd"], strict=True):
        assert (study.value, study.se) == pytest.approx((mean, sd), rel=0, abs=EXACT * sd)
    assert fit.prob(mu_below=0.0) == pytest.approx(exact["mu"]["P_lt_0"], abs=EXACT)
    if fit.log_evidence is not None:
        assert fit.log_evidence == pytest.approx(exact["log_normalizer"], abs=1e-9)


def test_evidence_is_given_for_proper_priors_only():
    given = [fitted(name, key).log_evidence is not None for name, key in CASES]
    proper = ["uniform" not in key and "flat" not in key for _, key in CASES]
    assert given == proper
    assert sum(given) == 9


@pytest.mark.parametrize(("name", "key"), CASES)
def test_posteriors_agree_with_bayesmeta_as_far_as_it_is_accurate(name, key):
    fit, theirs = fitted(name, key), REFERENCE[name]["fits"][key]["bayesmeta"]
    assert fit.mu.value == pytest.approx(theirs["mu"]["mean"], abs=BAYESMETA * fit.mu.se)
    assert fit.mu.shortest == pytest.approx(
        (theirs["mu"]["shortest_lb"], theirs["mu"]["shortest_ub"]), abs=BAYESMETA * fit.mu.se
    )
    assert fit.tau.median == pytest.approx(theirs["tau"]["median"], abs=BAYESMETA * fit.tau.se)


def test_the_published_eight_schools_analysis_is_reproduced():
    data = REFERENCE["eight_schools"]
    mu_prior = km.priors.Normal(0, 50)
    fit = km.bayes_random_effects(
        data["y"], np.square(data["sigma"]), tau_prior=km.priors.HalfCauchy(25), mu_prior=mu_prior
    )
    near = BAYESMETA * fit.mu.se
    assert (fit.mu.value, fit.mu.se) == pytest.approx((7.985729, 4.995762), abs=near)
    assert fit.mu.shortest == pytest.approx((-1.823353, 17.824562), abs=near)
    assert (fit.tau.median, fit.tau.value) == pytest.approx((4.758539, 5.884511), abs=5e-7)
    without = conditional(np.array(data["y"]), np.square(data["sigma"]), np.zeros(1), mu_prior).log_likelihood[0]
    assert math.exp(without - fit.log_evidence) == pytest.approx(4.464142, abs=5e-7)


def test_the_published_crins_analysis_is_reproduced():
    fit = fitted("CrinsEtAl2014_AR", "halfnormal_0.5__normal_0_4")
    near = BAYESMETA * fit.mu.se
    assert (fit.mu.value, fit.mu.se) == pytest.approx((-1.576437, 0.329530), abs=near)
    assert (fit.mu.low, fit.mu.high) == pytest.approx((-2.238347, -0.933241), abs=near)
    assert fit.tau.median == pytest.approx(0.344502, abs=5e-7)
    assert fit.prob(mu_below=0.0) == pytest.approx(0.99993813, abs=5e-6)


def plain_log_posterior(yi, vi, tau_prior, mu_prior, tau):
    """Return log p(y | tau) p(tau) by the k-variate normal density, with mu integrated out under its prior."""
    covariance = np.diag(vi + tau**2) + mu_prior.sd**2
    prior = float(tau_prior.logpdf(np.array([tau]))[0])
    return stats.multivariate_normal(np.full(len(yi), mu_prior.mean), covariance).logpdf(yi) + prior


PRIORS = [
    km.priors.HalfNormal(0.3),
    km.priors.HalfCauchy(0.3),
    km.priors.HalfT(3.0, 0.3),
    km.priors.Exponential(0.3),
    km.priors.Uniform(2.0),
]


@pytest.mark.parametrize("prior", PRIORS, ids=lambda prior: prior.describe())
@pytest.mark.parametrize("k", [1, 2, 3, 6])
def test_evidence_and_moments_agree_with_scipy_on_the_multivariate_normal(prior, k):
    yi, vi = np.array([0.4, -0.2, 0.9, 0.1, 0.5, -0.6])[:k], np.array([0.04, 0.1, 0.02, 0.3, 0.05, 0.07])[:k]
    mu_prior = km.priors.Normal(0.1, 1.5)
    fit = km.bayes_random_effects(yi, vi, tau_prior=prior, mu_prior=mu_prior)

    def integral(power):
        def integrand(x):
            tau = math.exp(x)
            return tau ** (1 + power) * math.exp(plain_log_posterior(yi, vi, prior, mu_prior, tau))

        end = math.log(2.0) if isinstance(prior, km.priors.Uniform) else 30.0
        points = [-9.0, -3.0, -1.5, -0.7, 0.2, 2.0, 8.0]
        pieces = [-40.0, *[p for p in points if p < end], end]
        bits = [
            integrate.quad(integrand, a, b, epsrel=1e-11, epsabs=0, limit=200)[0]
            for a, b in itertools.pairwise(pieces)
        ]
        return math.fsum(bits)

    total = integral(0)
    assert fit.log_evidence == pytest.approx(math.log(total), abs=QUAD)
    # With a half-Cauchy and one study the mean of tau converges like 1 / tau: not reached by this check's range.
    if not (isinstance(prior, km.priors.HalfCauchy) and k == 1):
        assert fit.tau.value == pytest.approx(integral(1) / total, rel=QUAD)


@pytest.mark.parametrize("prior", [km.priors.HalfNormal, km.priors.HalfCauchy, km.priors.Exponential])
@pytest.mark.parametrize("ratio", [1e-6, 1e-3, 1e3, 1e6])
def test_priors_a_million_times_wider_or_narrower_than_the_data_stay_right(prior, ratio):
    yi, vi = np.array([0.4, -0.2, 0.9, 0.1]), np.array([0.04, 0.1, 0.02, 0.3])
    tau_prior, mu_prior = prior(0.3 * ratio), km.priors.Normal(0.0, 10.0)
    fit = km.bayes_random_effects(yi, vi, tau_prior=tau_prior, mu_prior=mu_prior)
    assert fit.converged
    assert len(fit.posterior.tau) < 400

    def integrand(x, power):
        tau = math.exp(x)
        value = math.exp(plain_log_posterior(yi, vi, tau_prior, mu_prior, tau))
        return tau ** (1 + power) * value

    edges = np.linspace(-40.0, 36.0, 60)
    total, first = (
        math.fsum(
            integrate.quad(integrand, a, b, args=(power,), epsrel=1e-10, epsabs=1e-300)[0]
            for a, b in itertools.pairwise(edges)
        )
        for power in (0, 1)
    )
    assert fit.log_evidence == pytest.approx(math.log(total), abs=QUAD)
    assert fit.tau.value == pytest.approx(first / total, rel=QUAD)


@pytest.mark.parametrize(("k", "mu_prior"), [(1, None), (2, None), (1, km.priors.Normal(0.0, 1.0))])
def test_an_improper_posterior_is_refused(k, mu_prior):
    with pytest.raises(ImproperPosteriorError, match="improper posterior"):
        km.bayes_random_effects([0.1, 0.3][:k], [0.1] * k, tau_prior=km.priors.Uniform(), mu_prior=mu_prior)


def test_an_infinite_moment_is_infinite_and_said():
    fit = km.bayes_random_effects([0.1, 0.3, 0.7], [0.1, 0.1, 0.2], tau_prior=km.priors.Uniform())
    assert (fit.tau.value, fit.tau2.value, fit.mu.se) == (math.inf, math.inf, math.inf)
    assert math.isfinite(fit.tau.median)
    assert -10 < fit.mu.low < fit.mu.high < 10
    assert any("infinite" in sentence for sentence in fit.warnings)


def test_one_study_and_a_proper_prior_give_the_prior_of_tau_back():
    prior = km.priors.HalfNormal(0.5)
    fit = km.bayes_random_effects([0.3], [0.04], tau_prior=prior)
    assert fit.tau.value == pytest.approx(0.5 * math.sqrt(2 / math.pi), rel=1e-9)
    assert fit.tau.high == pytest.approx(stats.halfnorm(scale=0.5).ppf(0.975), rel=1e-8)
    assert fit.mu.value == pytest.approx(0.3, rel=1e-12)
    assert fit.mu.se == pytest.approx(math.sqrt(0.04 + 0.25), rel=1e-9)
    assert fit.studies[0].se == pytest.approx(0.2, rel=1e-9)


def test_a_prior_of_almost_no_heterogeneity_gives_the_common_effect():
    yi, vi = [0.4, -0.2, 0.9, 0.1], [0.04, 0.1, 0.02, 0.3]
    fit, common = km.bayes_random_effects(yi, vi, tau_prior=km.priors.HalfNormal(1e-7)), km.common_effect(yi, vi)
    assert (fit.mu.value, fit.mu.se, fit.mu.low) == pytest.approx(
        (common.mu.value, common.mu.se, common.mu.low), rel=1e-9
    )
    assert fit.weights == pytest.approx(common.weights, rel=1e-9)


def test_intervals_hold_the_probability_they_promise():
    fit = fitted("bcg_RR", "halfnormal_0.5__flat")
    assert fit.prob(mu_below=fit.mu.low) == pytest.approx(0.025, abs=1e-10)
    assert fit.prob(mu_below=fit.mu.high) == pytest.approx(0.975, abs=1e-10)
    low, high = fit.mu.shortest
    assert fit.prob(mu_below=high) - fit.prob(mu_below=low) == pytest.approx(0.95, abs=1e-10)
    assert high - low < fit.mu.high - fit.mu.low
    assert sum(fit.posterior.weight) == pytest.approx(1.0, abs=1e-12)
    assert list(fit.posterior.tau) == sorted(fit.posterior.tau)


def test_a_confidence_interval_has_no_posterior_probability():
    with pytest.raises(ValueError, match="no posterior"):
        km.random_effects([0.1, 0.2], [0.1, 0.1]).prob(mu_below=0.0)


def test_data_far_outside_the_prior_cost_no_endless_refinement():
    # The log density is near -1e9 here, so its rounding alone is larger than the accuracy asked for elsewhere.
    yi, vi = np.array([0.0, 3e5, -2e5, 1e5]), np.array([0.1, 0.2, 0.1, 0.3])
    fit = km.bayes_random_effects(yi, vi, tau_prior=km.priors.Uniform(20.0))
    assert fit.converged
    assert len(fit.posterior.tau) < 400
    assert 19.99 < fit.tau.low < fit.tau.high <= 20.0


@pytest.mark.parametrize("effects", [(-0.5, -0.55, -0.45), (0.0, 0.0, 0.0), (-1.0, 1.0)])
@pytest.mark.parametrize(
    "prior", [km.priors.HalfNormal(0.5), km.priors.HalfCauchy(0.5)], ids=lambda p: p.describe()
)
def test_effects_in_mirror_image_cost_no_endless_refinement(effects, prior):
    # Their mean is the same for every tau, and beside that of the most precise study nothing but rounding.
    fit = km.bayes_random_effects(effects, [0.04] * len(effects), tau_prior=prior)
    assert fit.converged
    assert len(fit.posterior.tau) < 600
    assert fit.mu.value == pytest.approx(sum(effects) / len(effects), abs=1e-15)
    assert fit.diagnostics.quadrature_error < 1e-10
