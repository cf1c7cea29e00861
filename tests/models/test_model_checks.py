"""Checks of a sampled model, each held against an exact refit, a slow loop or a simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from scipy.stats import t as student

import k2meta as km
from k2meta.models import exact_loo
from k2meta.models.bayes_mcmc import HierarchicalSampler
from k2meta.models.check_types import Loo
from k2meta.models.errors import InputError, PriorError
from k2meta.models.exact_loo import exact_leave_one_out
from k2meta.models.model_checks import (
    POWERS,
    _diagnosis,
    compare,
    log_likelihood,
    log_prior,
    loo,
    power_scaling,
    predictive_check,
)
from tests.references import load

TAU, MU = km.priors.HalfNormal(8.0), km.priors.Normal(0.0, 20.0)
# 16,000 draws with an effective sample size of 3,000 and more, reweighted by at most a quarter of a power: a mean
# is good to four times 0.02 standard deviations, a standard deviation to 5 %.
MEAN, SD = 0.09, 0.05
# Log predictive densities are means of ratios near one: 0.01 each at most.
ELPD = 0.03
# The nodes that integrate out a Student-t random effect; draws and studies know no log density to a thousandth.
NODES = 1e-5
# One integral by two quadratures; tails of the sum over mu and tau are left out at a relative 1e-12.
QUADRATURE = 1e-8
# Steps of 0.025 in mu and tau, and 4,000 quantiles of t: a thousandth of a density.
PLAIN = 2e-3
# What halving the steps may move: a log density is printed to two decimals.
HALVED = 1e-5
# Frequencies of 40,000 replications and of as many draws.
SHARE = 0.012


@pytest.fixture(scope="module")
def schools():
    reference = load("bayes")["datasets"]["eight_schools"]
    return np.array(reference["y"]), np.square(reference["sigma"])


@pytest.fixture(scope="module")
def draws(schools):
    result = HierarchicalSampler(8).sample(
        *schools, tau_prior=TAU, mu_prior=MU, seed=12, draws=4000, target_accept=0.98
    )
    assert result.fit.converged
    return result.draws


@pytest.fixture(scope="module")
def pointwise(draws, schools):
    return log_likelihood(draws.mu, draws.tau, *schools)


def test_the_likelihood_is_that_of_an_effect_with_its_true_effect_integrated_out(draws, schools, pointwise):
    yi, vi = schools
    assert pointwise.shape == (*draws.mu.shape, 8)
    mu, tau = draws.mu[1, 7], draws.tau[1, 7]
    by_hand = [
        math.log(
            quad(
                lambda theta, y=y, v=v: norm.pdf(y, theta, math.sqrt(v)) * norm.pdf(theta, mu, tau),
                mu - 12 * tau,
                mu + 12 * tau,
                points=[mu],
            )[0]
        )
        for y, v in zip(yi, vi, strict=True)
    ]
    assert pointwise[1, 7] == pytest.approx(by_hand, rel=1e-8)


@pytest.mark.parametrize("df", [2.5, 4.0, 30.0, 200.0])
def test_student_t_random_effects_are_integrated_out_too(df):
    yi, vi, mu, tau = [0.0, 9.0, -40.0], [1.0, 0.05, 4.0], 0.5, 1.3
    ours = log_likelihood(np.full((1, 1), mu), np.full((1, 1), tau), yi, vi, df=np.full((1, 1), df))[0, 0]
    for y, v, log in zip(yi, vi, ours, strict=True):
        sd = math.sqrt(v)
        density, _ = quad(
            lambda e, y=y, sd=sd: norm.pdf(e, 0, sd) * student.pdf((y - e - mu) / tau, df) / tau,
            -12 * sd - abs(y),
            12 * sd + abs(y),
            points=[0.0, y - mu],
            limit=400,
            epsabs=0,
            epsrel=1e-10,
        )
        assert log == pytest.approx(math.log(density), abs=NODES)


def test_leaving_one_out_agrees_with_exact_refits_without_each_study(draws, schools, pointwise):
    yi, vi = schools
    found = loo(draws.mu, draws.tau, pointwise)
    exact = km.bayes_random_effects(yi, vi, tau_prior=TAU, mu_prior=MU).log_evidence
    for i, ours in enumerate(found.pointwise):
        rest = np.arange(8) != i
        without = km.bayes_random_effects(yi[rest], vi[rest], tau_prior=TAU, mu_prior=MU).log_evidence
        # p(y_i | the others) is a ratio of evidences.
        assert ours == pytest.approx(exact - without, abs=ELPD)
    assert found.elpd == pytest.approx(sum(found.pointwise), rel=1e-12)
    assert found.unreliable == ()
    assert 0.0 < found.p_loo < 3.0


@pytest.mark.parametrize("mu_prior", [MU, None])
def test_quadrature_over_mu_and_tau_agrees_with_the_exact_fit(schools, mu_prior):
    yi, vi = schools
    ours = exact_leave_one_out(yi, vi, tau_prior=TAU, mu_prior=mu_prior)
    for i, log in enumerate(ours):
        rest = np.arange(8) != i
        post = km.bayes_random_effects(yi[rest], vi[rest], tau_prior=TAU, mu_prior=mu_prior).posterior
        spread = np.hypot(post.mu_sd, np.sqrt(np.square(post.tau) + vi[i]))
        assert log == pytest.approx(math.log(norm.pdf(yi[i], post.mu_mean, spread) @ post.weight), abs=QUADRATURE)


@pytest.mark.parametrize("df", [2.5, 4.0])
def test_student_t_effects_are_left_out_as_a_plain_grid_leaves_them(df):
    yi, vi, prior = np.array([0.0, 0.3, 2.5]), np.array([0.04, 0.02, 0.09]), km.priors.HalfNormal(0.5)
    ours = exact_leave_one_out(yi, vi, tau_prior=prior, mu_prior=km.priors.Normal(0.0, 1.0), df=df)
    # Midpoints of a fine grid; a random effect is integrated out on a grid of quantiles of t, which is as fine.
    mu, tau = np.linspace(-4, 6, 401)[:, None], (np.arange(120) + 0.5) / 120 * 3.0
    effect = student.ppf((np.arange(4000) + 0.5) / 4000, df)
    each = np.array(
        [
            [norm.pdf(y, mu + t * effect, math.sqrt(v)).mean(axis=1) for t in tau]
            for y, v in zip(yi, vi, strict=True)
        ]
    )
    weight = norm.pdf(mu[:, 0]) * np.exp(-0.5 * (tau[:, None] / 0.5) ** 2)
    for i, log in enumerate(ours):
        others = np.delete(each, i, axis=0).prod(axis=0) * weight
        assert log == pytest.approx(math.log((others * each[i]).sum() / others.sum()), abs=PLAIN)


@pytest.mark.parametrize("df", [None, 2.5, 4.0])
@pytest.mark.parametrize(
    ("yi", "vi", "scale"),
    [
        ([-0.3, 0.2], [0.01, 0.02], 0.5),
        ([0.0, 0.1, 5.0], [1e-4, 1e-4, 1e-2], 0.5),
        (np.linspace(-90, 40, 9), np.geomspace(4, 6e4, 9), 45.0),
    ],
)
def test_half_the_steps_give_the_same_predictive_densities(monkeypatch, yi, vi, scale, df):
    prior = km.priors.HalfNormal(scale)
    once = exact_leave_one_out(yi, vi, tau_prior=prior, df=df)
    for name in ("STEP_MU", "STEP_TAU"):
        monkeypatch.setattr(exact_loo, name, getattr(exact_loo, name) / 2)
    assert exact_leave_one_out(yi, vi, tau_prior=prior, df=df) == pytest.approx(once, abs=HALVED)


def test_moving_and_scaling_the_effects_moves_the_predictive_densities_with_them():
    yi, vi = np.array([0.2, -0.1, 0.6]), np.array([0.02, 0.05, 0.03])
    here = exact_leave_one_out(yi, vi, tau_prior=km.priors.HalfNormal(0.5), df=4)
    there = exact_leave_one_out(64 * yi + 1000, 64**2 * vi, tau_prior=km.priors.HalfNormal(32.0), df=4)
    assert np.add(there, math.log(64)) == pytest.approx(here, abs=HALVED)


def test_what_cannot_be_left_out_is_refused():
    prior = km.priors.HalfNormal(0.5)
    with pytest.raises(InputError, match="no other one"):
        exact_leave_one_out([0.1], [0.1], tau_prior=prior)
    with pytest.raises(InputError, match="df = -1"):
        exact_leave_one_out([0.1, 0.2], [0.1, 0.1], tau_prior=prior, df=-1)
    with pytest.raises(PriorError, match="HalfNormal"):
        exact_leave_one_out([0.1, 0.2], [0.1, 0.1], tau_prior=0.5)


def test_two_models_are_compared_study_by_study(draws, schools, pointwise):
    one = loo(draws.mu, draws.tau, pointwise)
    worse = loo(draws.mu, draws.tau, log_likelihood(draws.mu + 15.0, draws.tau, *schools))
    found = compare("right", one, "shifted", worse)
    assert found.difference == pytest.approx(one.elpd - worse.elpd, rel=1e-9)
    assert found.difference > 0.0
    each = np.subtract(one.pointwise, worse.pointwise)
    assert found.se == pytest.approx(math.sqrt(8) * each.std(), rel=1e-12)
    assert compare("a", one, "b", one).difference == 0.0
    short = Loo(0.0, 0.0, 0.0, (0.0,), (0.0,), 0.7)
    with pytest.raises(InputError, match="8 studies and b 1"):
        compare("a", one, "b", short)


def test_a_study_whose_ratios_explode_is_named():
    loose = Loo(0.0, 0.0, 0.0, (0.0,) * 3, (0.2, 0.9, math.nan), 0.7)
    assert loose.unreliable == (1, 2)


def test_predictive_probabilities_are_the_frequencies_of_replicated_effects(draws, schools):
    yi, vi = schools
    yi = yi + np.array([0, 0, 0, 0, 0, 0, 60.0, 0])
    found = predictive_check(draws.mu, draws.tau, yi, vi)
    rng = np.random.default_rng(1)
    some = rng.integers(draws.mu.size, size=40_000)
    mu, tau = draws.mu.ravel()[some, None], draws.tau.ravel()[some, None]
    sd = np.sqrt(vi + tau**2)
    replicated = mu + tau * rng.standard_normal((40_000, 8)) + np.sqrt(vi) * rng.standard_normal((40_000, 8))
    assert found.pit == pytest.approx((replicated < yi).mean(axis=0), abs=SHARE)
    seen, new = (y - mu for y in (yi, replicated))
    assert found.chi2_p == pytest.approx((((new / sd) ** 2).sum(1) > ((seen / sd) ** 2).sum(1)).mean(), abs=SHARE)
    assert found.extreme_p == pytest.approx((np.abs(new / sd).max(1) > np.abs(seen / sd).max(1)).mean(), abs=SHARE)
    assert found.extreme == 6
    assert found.extreme_p < 0.01


def test_effects_that_scatter_as_the_model_says_raise_no_alarm(draws, schools):
    found = predictive_check(draws.mu, draws.tau, *schools)
    assert 0.1 < found.chi2_p <= 1.0
    assert 0.1 < found.extreme_p <= 1.0
    assert all(0.05 < p < 0.95 for p in found.pit)


def sensitivity(draws, pointwise, tau_prior, mu_prior):
    prior = log_prior(draws.mu, draws.tau, tau_prior, mu_prior)
    return {one.parameter: one for one in power_scaling({"mu": draws.mu, "tau": draws.tau}, prior, pointwise)}


def test_a_scaled_prior_moves_the_posterior_where_an_exact_refit_with_it_is(draws, schools, pointwise):
    found = sensitivity(draws, pointwise, TAU, MU)
    for power in POWERS:
        # A normal density to a power is a normal one with a standard deviation smaller by its root.
        refit = km.bayes_random_effects(
            *schools,
            tau_prior=km.priors.HalfNormal(TAU.scale / math.sqrt(power)),
            mu_prior=km.priors.Normal(MU.mean, MU.sd / math.sqrt(power)),
        )
        for name, exact in (("mu", refit.mu), ("tau", refit.tau)):
            ours = next(s for s in found[name].scaled if (s.component, s.power) == ("prior", power))
            assert ours.mean == pytest.approx(exact.value, abs=MEAN * exact.se)
            assert ours.sd == pytest.approx(exact.se, rel=SD)


def test_a_scaled_likelihood_moves_the_posterior_where_a_grid_puts_it(draws, schools, pointwise):
    found = sensitivity(draws, pointwise, TAU, MU)
    mu, tau = np.meshgrid(np.linspace(-60, 70, 521), 0.1 * (np.arange(500) + 0.5), indexing="ij")
    likelihood = sum(norm.logpdf(y, mu, np.sqrt(v + tau**2)) for y, v in zip(*schools, strict=True))
    for power in POWERS:
        log = power * likelihood - 0.5 * (mu / MU.sd) ** 2 - 0.5 * (tau / TAU.scale) ** 2
        weight = np.exp(log - log.max())
        weight /= weight.sum()
        for name, x in (("mu", mu), ("tau", tau)):
            mean = (weight * x).sum()
            sd = math.sqrt((weight * x**2).sum() - mean**2)
            ours = next(s for s in found[name].scaled if (s.component, s.power) == ("likelihood", power))
            assert ours.mean == pytest.approx(mean, abs=MEAN * sd)
            assert ours.sd == pytest.approx(sd, rel=SD)


def normal_draws(mean, sd):
    return np.random.default_rng(3).normal(mean, sd, (4, 2000))


@pytest.mark.parametrize(
    ("prior", "likelihood", "words"),
    [
        # Mean and standard deviation of a normal prior and of a normal likelihood of mu.
        ((0.0, 100.0), (1.0, 1.0), "none"),
        ((0.0, 1.0), (8.0, 1.0), "prior-data conflict"),
        ((0.0, 1.0), (0.0, 30.0), "strong prior, weak likelihood"),
    ],
)
def test_the_diagnosis_says_which_of_prior_and_likelihood_decides(prior, likelihood, words):
    precision = prior[1] ** -2 + likelihood[1] ** -2
    mean = (prior[0] * prior[1] ** -2 + likelihood[0] * likelihood[1] ** -2) / precision
    x = normal_draws(mean, precision**-0.5)
    found = power_scaling({"mu": x}, norm.logpdf(x, *prior), norm.logpdf(x, *likelihood)[..., None])[0]
    assert found.diagnosis == words


def test_a_flat_prior_of_mu_leaves_the_prior_of_tau(draws):
    flat = log_prior(draws.mu, draws.tau, TAU, None)
    assert flat == pytest.approx(-0.5 * (draws.tau / 8.0) ** 2 + math.log(math.sqrt(2 / math.pi) / 8.0), rel=1e-12)
    both = log_prior(draws.mu, draws.tau, TAU, MU)
    assert both - flat == pytest.approx(norm.logpdf(draws.mu, 0, 20), rel=1e-9)


def test_the_reading_of_power_scaling_is_that_of_the_two_printed_decimals() -> None:
    assert _diagnosis(0.0449, 1.0) == "none"
    assert _diagnosis(0.0451, 0.0451) == "prior-data conflict"
    assert _diagnosis(0.0451, 0.0449) == "strong prior, weak likelihood"
