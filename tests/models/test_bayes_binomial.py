"""The binomial-normal model: next to the normal one for large counts, next to quadrature for small ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import expit, xlog1py, xlogy

import k2meta as km
from k2meta.models.bayes_binomial import BinomialSampler
from k2meta.models.bayes_mcmc import MCSE_ALLOWED
from k2meta.models.errors import ImproperPosteriorError, InputError
from k2meta.models.gate import checks

TAU = km.priors.HalfNormal(0.5)
MU = km.priors.Normal(0.0, 2.0)
# Posterior standard deviations and shares from an effective sample size of 2,000 and more: 1.6 % each.
SD = 0.06
# Share of the posterior below an end of the interval, effectively 2,000 draws and more: 0.0035 each.
TAIL = 0.015
# How far the normal approximation itself is off with about 1,000 events in a group, in standard deviations of mu.
APPROXIMATION = 0.1

# Rare events: the first study has none, the second and the last none in one group.
SMALL = ([0, 0, 1, 2, 3], [50, 60, 55, 40, 30], [0, 4, 2, 5, 0], [50, 55, 50, 40, 30])


@pytest.fixture(scope="module")
def sampler():
    return BinomialSampler()


@pytest.fixture(scope="module")
def large():
    rng = np.random.default_rng(1)
    people = np.full(8, 4000.0)
    odds = np.exp(rng.normal(-0.2, 0.15, 8)) / 3.0
    return rng.binomial(4000, odds / (1 + odds)).astype(float), people, rng.binomial(4000, 0.25, 8).astype(float)


@pytest.fixture(scope="module")
def of_large(sampler, large):
    events, people, controls = large
    return sampler.sample(events, people, controls, people, tau_prior=TAU, seed=1)


@pytest.fixture(scope="module")
def of_small(sampler):
    return sampler.sample(*SMALL, tau_prior=TAU, mu_prior=MU, seed=1, draws=2000)


def by_quadrature(ai, n1i, ci, n2i, baseline_sd=10.0):
    """Grid of mu and tau with posterior weights; baseline and effect of each study integrate out by sums."""
    theta, alpha = np.linspace(-16, 16, 1601), np.linspace(-45, 20, 651)
    node, share = np.polynomial.hermite_e.hermegauss(41)
    share = share / share.sum()
    mu, tau = np.meshgrid(np.linspace(-8, 6, 141), np.linspace(0.005, 2.5, 120), indexing="ij")
    log = -0.5 * (mu / MU.sd) ** 2 - 0.5 * (tau / TAU.scale) ** 2
    p1, p2 = expit(alpha[None, :] + theta[:, None]), expit(alpha)
    for a, n1, c, n2 in zip(ai, n1i, ci, n2i, strict=True):
        joint = xlogy(a, p1) + xlog1py(n1 - a, -p1) + xlogy(c, p2) + xlog1py(n2 - c, -p2)
        each = np.log(np.exp(joint - 0.5 * (alpha / baseline_sd) ** 2).sum(axis=1))
        log += np.log(np.exp(np.interp(mu[..., None] + tau[..., None] * node, theta, each)) @ share)
    weight = np.exp(log - log.max())
    return mu, tau, weight / weight.sum()


def test_large_counts_agree_with_the_exact_normal_model_on_log_odds_ratios(of_large, large):
    events, people, controls = large
    sizes = km.effect_sizes("OR", ai=events, bi=people - events, ci=controls, di=people - controls)
    exact, fit = km.bayes_random_effects(sizes.yi, sizes.vi, tau_prior=TAU), of_large.fit
    assert checks(fit) == ()
    slack = APPROXIMATION * exact.mu.se
    assert fit.mu.value == pytest.approx(exact.mu.value, abs=slack + MCSE_ALLOWED * fit.diagnostics.mcse_mu)
    assert fit.tau.value == pytest.approx(exact.tau.value, abs=slack + MCSE_ALLOWED * fit.diagnostics.mcse_tau)
    assert fit.mu.se == pytest.approx(exact.mu.se, rel=SD)
    assert fit.q.value == pytest.approx(exact.q.value, rel=1e-12)  # closed form
    assert fit.weights == pytest.approx(exact.weights, abs=0.005)
    for ours, theirs in zip(fit.studies, exact.studies, strict=True):
        assert ours.value == pytest.approx(theirs.value, abs=0.1 * theirs.se)


def test_rare_events_agree_with_quadrature(of_small):
    mu, tau, weight = by_quadrature(*SMALL)
    fit, d = of_small.fit, of_small.fit.diagnostics
    assert checks(fit) == ()
    assert abs(fit.mu.value - (weight * mu).sum()) <= MCSE_ALLOWED * d.mcse_mu
    assert abs(fit.tau.value - (weight * tau).sum()) <= MCSE_ALLOWED * d.mcse_tau
    assert fit.mu.se == pytest.approx(math.sqrt((weight * mu**2).sum() - (weight * mu).sum() ** 2), rel=SD)
    assert weight[mu < fit.mu.low].sum() == pytest.approx(0.025, abs=TAIL)


def test_a_study_without_events_says_next_to_nothing(sampler, of_large, large):
    events, people, controls = (np.append(x, extra) for x, extra in zip(large, (0.0, 80.0, 0.0), strict=True))
    fit = sampler.sample(events, people, controls, people, tau_prior=TAU, seed=1).fit
    without = of_large.fit
    assert checks(fit) == ()
    allowed = MCSE_ALLOWED * math.hypot(fit.diagnostics.mcse_mu, without.diagnostics.mcse_mu)
    assert abs(fit.mu.value - without.mu.value) <= allowed
    assert fit.weights[8] < 0.01
    assert sum(fit.weights) == pytest.approx(1.0)
    assert fit.q == without.q
    assert "1 of 9 studies have no event" in fit.warnings[0]
    assert fit.studies[8].se > 2 * max(study.se for study in fit.studies[:8])


def test_baselines_are_the_log_odds_of_group_two(of_large, large):
    _, people, controls = large
    means = of_large.draws.baseline.mean(axis=(0, 1))
    assert means == pytest.approx(np.log(controls / (people - controls)), abs=0.02)  # half a standard error


def test_one_compilation_serves_all_and_the_same_seed_gives_the_same_fit(sampler, of_small, of_large):
    again = sampler.sample(*SMALL, tau_prior=TAU, mu_prior=MU, seed=1, draws=2000)
    assert np.array_equal(again.draws.baseline, of_small.draws.baseline)
    assert again.fit == of_small.fit
    assert sampler.compilations == 1


def test_too_few_draws_are_repeated_once_and_then_said(sampler):
    fit = sampler.sample(*SMALL, tau_prior=TAU, mu_prior=MU, seed=1, draws=50, tune=200).fit
    assert fit.options["draws"] == 100
    assert not fit.converged
    assert "The sampler did not pass its checks; do not use this fit." in fit.warnings


def test_no_event_anywhere_returns_the_priors_and_says_so(sampler):
    fit = sampler.sample([0, 0], [40, 50], [0, 0], [40, 50], tau_prior=TAU, mu_prior=MU, seed=1, draws=2000).fit
    assert fit.mu.se == pytest.approx(MU.sd, rel=0.15)
    assert fit.q.p is None
    assert (fit.i2_share.low, fit.i2_share.high) == (None, None)
    assert "2 of 2 studies have no event" in fit.warnings[0]
    assert "prior of the baseline" in fit.warnings[1]


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (([1.5], [10], [1], [10]), r"ai\[0\] = 1.5 is not a whole number"),
        (([1, 11], [10, 10], [1, 1], [10, 10]), r"ai\[1\] is larger than n1i\[1\]"),
        (([1], [10], [-1], [10]), "cannot be negative"),
        (([0], [0], [1], [10]), "group without people"),
        (([1, 2], [10], [1], [10]), "lengths differ"),
        (([], [], [], []), "at least one study"),
        (([math.nan], [10], [1], [10]), "not a finite number"),
    ],
)
def test_impossible_counts_are_refused(sampler, counts, message):
    with pytest.raises(InputError, match=message):
        sampler.sample(*counts, tau_prior=TAU, seed=1)


@pytest.mark.parametrize("events", [[0, 0], [10, 10]])
def test_a_flat_prior_needs_events_and_people_without_one_in_group_one(sampler, events):
    with pytest.raises(ImproperPosteriorError, match="give mu_prior"):
        sampler.sample(events, [10, 10], [1, 2], [10, 10], tau_prior=TAU, seed=1)
