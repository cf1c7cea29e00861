"""Assurance against closed forms, refitted data on a grid, a simulation loop, and its limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

import k2meta as km
from k2meta.models.assurance import assurance
from k2meta.models.bayes_batch import bayes_random_effects_batch
from k2meta.models.errors import ImproperPosteriorError, InputError, PriorError
from k2meta.models.priors import HalfCauchy, HalfNormal, Normal, Uniform
from tests.references import load

# Closed forms; the outer rule is asked for 1e-9.
EXACT = 1e-8
# Refits on a grid: the batch engine promises 1e-8 of each.
REFIT = 1e-7
# A crossing on a straight line between two of 400 points: the square of their distance times a curvature.
STRAIGHT = 2e-4

DATA = load("bayes")["datasets"]
CRINS = np.array(DATA["CrinsEtAl2014_AR"]["y"]), np.square(DATA["CrinsEtAl2014_AR"]["sigma"])
SCHOOLS = np.array(DATA["eight_schools"]["y"]), np.square(DATA["eight_schools"]["sigma"])
HALF = HalfNormal(0.5)
Z = float(ndtri(0.975))


def probabilities(trial):
    return [
        trial.excludes_zero_below,
        trial.excludes_zero_above,
        *trial.sure_below,
        *trial.sure_above,
        *([] if trial.excludes_relevance_below is None else [trial.excludes_relevance_below]),
        *([] if trial.excludes_relevance_above is None else [trial.excludes_relevance_above]),
    ]


@pytest.mark.parametrize("variance", [0.5, 0.02, 1e-4])
def test_without_heterogeneity_it_is_the_textbook_formula(variance):
    yi, vi = np.array([-0.3, -0.1, -0.4]), np.array([0.04, 0.06, 0.05])
    found = assurance(yi, vi, tau_prior=HalfNormal(1e-9), new_vi=[variance], relevance=-0.1, certainty=[0.9])
    mean, now = float((yi / vi).sum() / (1 / vi).sum()), float(1.0 / (1.0 / vi).sum())
    after = math.sqrt(now * variance / (now + variance))
    moves = now / math.sqrt(now + variance)
    trial = found.trials[0]
    expected = [
        ndtr((-Z * after - mean) / moves),
        ndtr((-Z * after + mean) / moves),
        ndtr((ndtri(0.1) * after - mean) / moves),
        ndtr((ndtri(0.1) * after + mean) / moves),
        ndtr((-0.1 - Z * after - mean) / moves),
        ndtr((0.1 - Z * after + mean) / moves),
    ]
    assert probabilities(trial) == pytest.approx(expected, abs=EXACT)
    assert trial.width == pytest.approx(2.0 * Z * after, rel=EXACT)
    assert (found.low, found.high) == pytest.approx((mean - Z * now**0.5, mean + Z * now**0.5), rel=EXACT)


def refitted(data, results, variance, tau_prior, mu_prior):
    """Pool the studies and one new result, for every result."""
    Y = np.column_stack([np.tile(data[0], (len(results), 1)), results])
    V = np.column_stack([np.tile(data[1], (len(results), 1)), np.full(len(results), variance)])
    return bayes_random_effects_batch(Y, V, tau_prior=tau_prior, mu_prior=mu_prior)


@pytest.mark.parametrize(
    ("data", "tau_prior", "mu_prior", "variance"),
    [(CRINS, HalfCauchy(0.5), Normal(0.0, 4.0), 0.3), (SCHOOLS, HalfNormal(10.0), None, 16.0)],
    ids=["six studies, heavy tails", "eight schools"],
)
def test_width_and_probabilities_are_those_of_pooling_every_result_anew(data, tau_prior, mu_prior, variance):
    post = km.bayes_random_effects(*data, tau_prior=tau_prior, mu_prior=mu_prior).posterior
    sd = np.sqrt(np.square(post.mu_sd) + np.square(post.tau) + variance)
    predictive = km.NormalMixture(post.weight, post.mu_mean, tuple(sd))
    centre, spread = predictive.moments()
    # Dense in the middle, and far enough out for a heavy tail; the sine of a grid makes a trapezoid converge.
    u = np.linspace(-7.0, 7.0, 401)
    results = centre + 0.5 * spread * np.sinh(u)
    weight = predictive.pdf(results) * 0.5 * spread * np.cosh(u) * (u[1] - u[0])
    after = refitted(data, results, variance, tau_prior, mu_prior)
    assert after.converged.all()
    found = assurance(*data, tau_prior=tau_prior, mu_prior=mu_prior, new_vi=[variance])
    trial = found.trials[0]
    assert weight.sum() == pytest.approx(1.0, abs=REFIT)
    assert trial.width == pytest.approx(weight @ (after.high - after.low), rel=REFIT)
    # What is expected of the probability tomorrow is the probability today.
    assert found.below_zero == pytest.approx(weight @ after.prob_below_zero, abs=REFIT)

    def area(height):
        # Where the refitted curve passes zero, a straight line between two of the points stands for it.
        turns = np.flatnonzero((height[:-1] > 0.0) != (height[1:] > 0.0))
        share = height[turns] / (height[turns] - height[turns + 1])
        at = results[turns] + share * (results[turns + 1] - results[turns])
        ends = np.concatenate([[0.0], predictive.cdf(at), [1.0]])
        return float(np.diff(ends)[0 if height[0] > 0.0 else 1 :: 2].sum())

    plain = [
        area(-after.high),
        area(after.low),
        *(area(after.prob_below_zero - mark) for mark in (0.95, 0.975)),
        *(area(1.0 - after.prob_below_zero - mark) for mark in (0.95, 0.975)),
    ]
    assert probabilities(trial) == pytest.approx(plain, abs=STRAIGHT)


def test_a_plain_simulation_of_new_trials_agrees_within_four_standard_errors():
    draws, per_arm, sd, line = 6000, 40, 1.2, -0.5
    variance = 2.0 * sd**2 / per_arm
    post = km.bayes_random_effects(*CRINS, tau_prior=HALF).posterior
    rng = np.random.default_rng(20)
    node = rng.choice(len(post.tau), size=draws, p=np.array(post.weight) / sum(post.weight))
    mu = rng.normal(np.array(post.mu_mean)[node], np.array(post.mu_sd)[node])
    theta = rng.normal(mu, np.array(post.tau)[node])
    after = refitted(CRINS, rng.normal(theta, math.sqrt(variance)), variance, HALF, None)
    found = assurance(*CRINS, tau_prior=HALF, n_per_arm=[per_arm], patient_sd=sd, relevance=line)
    trial = found.trials[0]
    assert trial.vi == variance
    events = [
        (trial.excludes_zero_below, after.high < 0.0),
        (trial.sure_below[0], after.prob_below_zero > 0.95),
        (trial.sure_below[1], after.prob_below_zero > 0.975),
        (trial.excludes_relevance_below, after.high < line),
        (trial.excludes_relevance_above, after.low > line),
        (trial.width, after.high - after.low),
    ]
    for expected, seen in events:
        error = seen.std() / math.sqrt(draws)
        assert abs(seen.mean() - expected) <= 4.0 * max(error, 1.0 / draws)


def test_a_new_trial_without_patients_changes_nothing():
    found = assurance(*CRINS, tau_prior=HALF, new_vi=[1e14], relevance=-1.2)
    fit = km.bayes_random_effects(*CRINS, tau_prior=HALF)
    trial = found.trials[0]
    assert trial.width == pytest.approx(fit.mu.high - fit.mu.low, rel=1e-7)
    assert (found.low, found.high) == pytest.approx((fit.mu.low, fit.mu.high), rel=1e-9)
    assert found.below_zero == pytest.approx(fit.prob(mu_below=0.0), abs=1e-10)
    now = [fit.mu.high < 0.0, fit.mu.low > 0.0, True, True, False, False, fit.mu.high < -1.2, fit.mu.low > -1.2]
    assert probabilities(trial) == pytest.approx([float(one) for one in now], abs=1e-12)


def test_endless_patients_settle_the_sign_without_heterogeneity_and_not_with_it():
    common = assurance([-0.1, -0.2], [0.04, 0.05], tau_prior=HalfNormal(1e-10), new_vi=[1e-16])
    trial = common.trials[0]
    assert trial.excludes_zero_below == pytest.approx(common.below_zero, abs=1e-6)
    assert trial.excludes_zero_above == pytest.approx(1.0 - common.below_zero, abs=1e-6)
    assert trial.width < 1e-7
    spread = assurance([-0.1, -0.2], [0.04, 0.05], tau_prior=HALF, new_vi=[1e-16]).trials[0]
    assert spread.excludes_zero_below + spread.excludes_zero_above < 0.5
    assert spread.width > 0.5


def test_more_patients_are_worth_more_and_less_each():
    trials = assurance(
        *SCHOOLS, tau_prior=HalfNormal(10.0), n_per_arm=[25, 100, 400, 1600], patient_sd=70.0
    ).trials
    width = np.array([trial.width for trial in trials])
    assert np.all(np.diff(width) < 0.0)
    assert np.all(np.diff([trial.excludes_zero_above for trial in trials]) > 0.0)
    assert [trial.n_per_arm for trial in trials] == [25.0, 100.0, 400.0, 1600.0]


def test_effects_with_the_other_sign_give_the_mirror_image():
    here = assurance(*CRINS, tau_prior=HALF, new_vi=[0.2], relevance=-1.0).trials[0]
    there = assurance(-CRINS[0], CRINS[1], tau_prior=HALF, new_vi=[0.2], relevance=1.0).trials[0]
    assert there.excludes_zero_above == pytest.approx(here.excludes_zero_below, abs=1e-11)
    assert there.sure_above == pytest.approx(here.sure_below, abs=1e-11)
    assert there.excludes_relevance_above == pytest.approx(here.excludes_relevance_below, abs=1e-11)
    assert there.width == pytest.approx(here.width, rel=1e-11)


def test_a_shift_of_effects_prior_and_lines_moves_nothing_else():
    here = assurance(CRINS[0] + 1.0, CRINS[1], tau_prior=HALF, mu_prior=Normal(1.0, 2.0), new_vi=[0.2])
    there = assurance(CRINS[0], CRINS[1], tau_prior=HALF, mu_prior=Normal(0.0, 2.0), new_vi=[0.2], relevance=-1.0)
    assert there.trials[0].excludes_relevance_below == pytest.approx(here.trials[0].excludes_zero_below, abs=1e-11)
    assert there.trials[0].width == pytest.approx(here.trials[0].width, rel=1e-11)


def test_a_result_too_good_to_fit_may_undo_a_conclusion():
    # After a result far off heterogeneity grows: the probability of benefit first rises and then falls.
    yi, vi = np.array([-0.5, -0.55, -0.45]), np.array([0.04, 0.04, 0.04])
    results = np.array([-0.6, -1.2, -6.0])
    after = refitted((yi, vi), results, 0.01, HalfCauchy(0.5), None).prob_below_zero
    assert after[1] > after[0] - 0.05
    assert after[2] < after[0]
    trial = assurance(yi, vi, tau_prior=HalfCauchy(0.5), new_vi=[0.01]).trials[0]
    grid = np.sinh(np.linspace(-6.0, 6.0, 121))
    good = refitted((yi, vi), grid, 0.01, HalfCauchy(0.5), None).prob_below_zero > 0.975
    turns = np.flatnonzero(good[:-1] != good[1:])
    assert len(turns) == 2
    post = km.bayes_random_effects(yi, vi, tau_prior=HalfCauchy(0.5)).posterior
    sd = np.sqrt(np.square(post.mu_sd) + np.square(post.tau) + 0.01)
    cdf = km.NormalMixture(post.weight, post.mu_mean, tuple(sd)).cdf
    least = cdf(grid[turns[1:]]) - cdf(grid[turns[:1] + 1])
    most = cdf(grid[turns[1:] + 1]) - cdf(grid[turns[:1]])
    assert least[0] <= trial.sure_below[1] <= most[0] < least[0] + 0.2
    assert trial.error < EXACT


def test_the_stated_error_is_small_and_honest():
    found = assurance(*SCHOOLS, tau_prior=HalfNormal(10.0), new_vi=[100.0, 1.0])
    for trial in found.trials:
        assert trial.converged
        assert 0.0 <= trial.error < EXACT
        assert 0.0 <= trial.width_error < EXACT
    assert found.warnings == ()


def test_a_width_that_heavy_tails_make_infinite_is_infinite_and_said():
    found = assurance([0.3], [0.04], tau_prior=HalfCauchy(0.5), new_vi=[0.05])
    assert found.trials[0].width == math.inf
    assert any("infinite" in sentence for sentence in found.warnings)
    assert 0.0 < found.trials[0].excludes_zero_above < 1.0


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "give n_per_arm with patient_sd, or new_vi"),
        ({"n_per_arm": [20]}, "give n_per_arm with patient_sd"),
        ({"n_per_arm": [20, 0], "patient_sd": 1.0}, r"n_per_arm\[1\] = 0.0"),
        ({"n_per_arm": [], "patient_sd": 1.0}, "n_per_arm is empty"),
        ({"n_per_arm": [20], "patient_sd": 0.0}, "patient_sd = 0.0"),
        ({"n_per_arm": [20], "patient_sd": 1.0, "new_vi": [0.1]}, "not both"),
        ({"n_per_arm": [20], "new_vi": [0.1, 0.2]}, "n_per_arm has 1 values and new_vi has 2"),
        ({"new_vi": [-0.1]}, r"new_vi\[0\] = -0.1"),
        ({"new_vi": [math.nan]}, r"new_vi\[0\] = nan"),
        ({"new_vi": [0.1], "relevance": math.inf}, "relevance = inf"),
        ({"new_vi": [0.1], "certainty": [95.0]}, "certainty = 95.0"),
        ({"new_vi": [0.1], "level": 95.0}, "level = 95.0"),
    ],
)
def test_impossible_plans_are_refused(options, why):
    with pytest.raises(InputError, match=why):
        assurance(*CRINS, tau_prior=HALF, **options)


def test_what_is_no_prior_and_what_leaves_no_posterior_are_refused():
    with pytest.raises(PriorError, match=r"tau_prior = 0.5 is no prior"):
        assurance(*CRINS, tau_prior=0.5, new_vi=[0.1])
    with pytest.raises(PriorError, match="mu_prior"):
        assurance(*CRINS, tau_prior=HALF, mu_prior=(0.0, 4.0), new_vi=[0.1])
    with pytest.raises(ImproperPosteriorError, match="improper"):
        assurance([0.1, 0.2], [0.1, 0.1], tau_prior=Uniform(), new_vi=[0.1])
