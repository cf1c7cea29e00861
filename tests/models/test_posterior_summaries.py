"""What an exact fit says of a new study, of each study, and of mu and tau together."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate

import k2meta as km
from k2meta.models.errors import InputError, ModelError
from tests.models.test_bayes_exact import CASES, EXACT, REFERENCE, fitted

# Another quadrature, scipy's, with a relative tolerance of 1e-11 on each of two nested integrals.
NESTED = 1e-8

YI, VI = [0.4, -0.2, 0.9, 0.1], [0.04, 0.1, 0.02, 0.3]
FIT = km.bayes_random_effects(YI, VI, tau_prior=km.priors.HalfNormal(0.5), mu_prior=km.priors.Normal(0.0, 2.0))


@pytest.mark.parametrize(("name", "key"), CASES)
def test_the_effect_in_a_new_study_agrees_with_an_independent_quadrature(name, key):
    fit, theirs = fitted(name, key), REFERENCE[name]["fits"][key]["exact"]["theta_new"]
    new = fit.new_effect()
    found = (new.value, new.median, new.se, new.low, new.high, *new.shortest)
    fields = ("mean", "median", "sd", "central_lb", "central_ub", "shortest_lb", "shortest_ub")
    assert found == pytest.approx([theirs[field] for field in fields], rel=0, abs=EXACT * theirs["sd"])
    assert fit.prob(new_below=0.0) == pytest.approx(theirs["P_lt_0"], abs=EXACT)
    assert (new.low, new.high) == pytest.approx((fit.prediction.low, fit.prediction.high), rel=1e-12)


def density_of(study, tau):
    """Return what makes the posterior of tau and, given tau, mean and variance of one true effect, plainly."""
    v = np.array(VI) + tau * tau
    precision = 1.0 / 4.0 + (1.0 / v).sum()
    mean = (np.array(YI) / v).sum() / precision
    log = -0.5 * (np.log(v).sum() + math.log(precision) + (np.square(YI) / v).sum() - mean**2 * precision)
    pull = VI[study] / v[study]
    centre = pull * mean + (1.0 - pull) * YI[study]
    return math.exp(log - 2.0 * tau * tau), centre, (1.0 - pull) * VI[study] + pull**2 / precision


@pytest.mark.parametrize("study", range(4))
def test_the_true_effect_of_a_study_has_the_median_and_the_shortest_interval_of_its_density(study):
    from scipy.special import ndtr

    def whole(part):
        return integrate.quad(part, 0.0, 5.0, epsrel=1e-12, epsabs=0, limit=200)[0]

    total = whole(lambda t: density_of(study, t)[0])

    def below(x):
        def part(t):
            weight, centre, variance = density_of(study, t)
            return weight * ndtr((x - centre) / math.sqrt(variance))

        return whole(part) / total

    def density(x):
        def part(t):
            weight, centre, variance = density_of(study, t)
            return weight * math.exp(-0.5 * (x - centre) ** 2 / variance) / math.sqrt(2.0 * math.pi * variance)

        return whole(part) / total

    found = FIT.true_effects()[study]
    assert (found.value, found.se) == (FIT.studies[study].value, FIT.studies[study].se)
    assert (found.low, found.high) == pytest.approx((FIT.studies[study].low, FIT.studies[study].high), rel=1e-10)
    assert below(found.median) == pytest.approx(0.5, abs=NESTED)
    low, high = found.shortest
    assert below(high) - below(low) == pytest.approx(0.95, abs=NESTED)
    assert density(low) == pytest.approx(density(high), rel=1e-5)
    assert high - low < found.high - found.low


def test_the_joint_density_has_the_marginals_of_the_fit():
    mu = np.linspace(FIT.mu.value - 12 * FIT.mu.se, FIT.mu.value + 12 * FIT.mu.se, 4001)
    joint = FIT.joint_density(mu)
    assert joint.density.shape == (4001, len(FIT.posterior.tau))
    over_mu = np.trapezoid(joint.density, mu, axis=0)
    # Far nodes of tau spread mu beyond the grid, and count for nothing.
    near = joint.density_of_tau > 1e-2 * joint.density_of_tau.max()
    assert over_mu[near] == pytest.approx(joint.density_of_tau[near], rel=1e-6)
    of_mu = (joint.density / joint.density_of_tau) @ joint.weight
    below = np.trapezoid(np.where(mu <= 0.0, of_mu, 0.0), mu)
    assert np.trapezoid(of_mu, mu) == pytest.approx(1.0, abs=1e-8)
    assert below == pytest.approx(FIT.prob(mu_below=0.0), abs=2.0 * of_mu.max() * (mu[1] - mu[0]))


def test_a_new_study_is_wider_than_the_mean_and_nearer_to_a_coin_toss():
    assert FIT.new_effect().se == pytest.approx(math.hypot(FIT.mu.se, math.sqrt(FIT.tau2.value)), rel=1e-14)
    assert 0.5 > FIT.prob(new_below=0.0) > FIT.prob(mu_below=0.0)
    narrow = FIT.new_effect(0.5)
    assert narrow.level == 0.5
    assert FIT.prob(new_below=narrow.high) - FIT.prob(new_below=narrow.low) == pytest.approx(0.5, abs=1e-10)


def test_a_moment_that_heavy_tails_make_infinite_is_infinite_in_a_new_study():
    fit = km.bayes_random_effects([0.1, 0.5], [0.1, 0.2], tau_prior=km.priors.HalfCauchy(0.5))
    new = fit.new_effect()
    assert new.se == math.inf
    assert new.low < new.shortest[1] < math.inf


@pytest.mark.parametrize(
    "ask",
    [
        lambda fit: fit.prob(mu_below=0.0),
        lambda fit: fit.prob(new_below=0.0),
        lambda fit: fit.new_effect(),
        lambda fit: fit.true_effects(),
        lambda fit: fit.joint_density([0.0]),
    ],
)
def test_a_fit_without_a_posterior_answers_none_of_it(ask):
    with pytest.raises(ModelError, match=r"no posterior.*fit with bayes_random_effects"):
        ask(km.random_effects(YI, VI))


def test_impossible_questions_are_refused():
    for given in ({}, {"mu_below": 0.0, "new_below": 0.0}):
        with pytest.raises(InputError, match="one of the two"):
            FIT.prob(**given)
    with pytest.raises(InputError, match="new_below = 'a' must be a finite number"):
        FIT.prob(new_below="a")
    with pytest.raises(InputError, match="level"):
        FIT.new_effect(95)
    with pytest.raises(InputError, match=r"mu\[0\]"):
        FIT.joint_density([math.nan])
