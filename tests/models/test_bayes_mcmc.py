"""The sampled model stands beside the exact one: one compilation for two analyses of different size."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import k2meta as km
from k2meta.models.bayes_binomial import BinomialSampler
from k2meta.models.bayes_correlated import CorrelatedSampler
from k2meta.models.bayes_mcmc import CHAINS, DRAWS, HierarchicalSampler, gate, seed_for
from k2meta.models.bayes_mcmc_regression import RegressionSampler
from k2meta.models.bayes_student import StudentSampler
from k2meta.models.builder import Run
from k2meta.models.errors import InputError, PriorError
from tests.references import load

SETS = {
    "eight_schools": (km.priors.HalfNormal(8.0), None),
    "CrinsEtAl2014_AR": (km.priors.HalfNormal(0.5), km.priors.Normal(0.0, 4.0)),
}
# Interval ends of 20,000 draws: a quantile at 2.5 % has a standard error of about 0.03 standard deviations.
ENDS = 0.15
# Means of 20,000 draws with an effective sample size of 4,000 and more: 0.016 standard deviations each.
MEANS = 0.09


def data(name):
    reference = load("bayes")["datasets"][name]
    return np.array(reference["y"]), np.square(reference["sigma"])


@pytest.fixture(scope="module")
def sampler():
    return HierarchicalSampler()


@pytest.fixture(scope="module")
def results(sampler):
    found = {}
    for name, (tau_prior, mu_prior) in SETS.items():
        seed = seed_for(name, "bayes_mcmc", 20240611)
        found[name] = sampler.sample(*data(name), tau_prior=tau_prior, mu_prior=mu_prior, seed=seed)
    return found


@pytest.mark.parametrize("name", SETS)
def test_sampled_means_are_within_four_standard_errors_of_the_exact_ones(results, name):
    tau_prior, mu_prior = SETS[name]
    fit = results[name].fit
    exact = km.bayes_random_effects(*data(name), tau_prior=tau_prior, mu_prior=mu_prior)
    assert gate(fit, exact) == ()
    assert fit.converged
    assert (fit.mu.low, fit.mu.high) == pytest.approx((exact.mu.low, exact.mu.high), abs=ENDS * exact.mu.se)
    assert fit.prediction.high == pytest.approx(exact.prediction.high, abs=ENDS * exact.mu.se)
    assert fit.weights == pytest.approx(exact.weights, abs=0.01)
    for ours, theirs in zip(fit.studies, exact.studies, strict=True):
        assert (ours.value, ours.se) == pytest.approx((theirs.value, theirs.se), abs=ENDS * theirs.se)


def test_one_compilation_serves_analyses_of_different_size(sampler, results):
    assert sampler.compilations == 1
    shapes = {name: result.draws.theta.shape for name, result in results.items()}
    assert shapes == {"eight_schools": (CHAINS, DRAWS, 8), "CrinsEtAl2014_AR": (CHAINS, DRAWS, 6)}


def test_the_same_seed_gives_the_same_draws_and_another_seed_others(sampler):
    yi, vi = data("CrinsEtAl2014_AR")
    options = {"tau_prior": km.priors.HalfNormal(0.5), "draws": 2000}
    one, two, other = (sampler.sample(yi, vi, seed=seed, **options).draws for seed in (7, 7, 8))
    for field in ("mu", "tau", "theta"):
        assert np.array_equal(getattr(one, field), getattr(two, field))
    assert not np.array_equal(one.mu, other.mu)


def test_units_do_not_matter_to_the_sampler(sampler):
    yi, vi = data("eight_schools")
    one = sampler.sample(yi, vi, tau_prior=km.priors.HalfNormal(8.0), seed=3).draws
    far = sampler.sample(yi / 1024 + 4, vi / 1024**2, tau_prior=km.priors.HalfNormal(8.0 / 1024), seed=3).draws
    # The same trajectories until rounding turns one of them; the means then differ by Monte Carlo error.
    assert (far.mu.mean() - 4) * 1024 == pytest.approx(one.mu.mean(), abs=MEANS * one.mu.std())
    assert far.tau.mean() * 1024 == pytest.approx(one.tau.mean(), abs=MEANS * one.tau.std())


def test_the_gate_names_everything_that_is_wrong(results):
    fit = results["eight_schools"].fit
    worse = dataclasses.replace(
        fit,
        diagnostics=dataclasses.replace(fit.diagnostics, divergences=3, rhat=1.2, ess_tail=90.0, ebfmi=0.1),
        mu=dataclasses.replace(fit.mu, value=fit.mu.value + 1.0),
    )
    exact = km.bayes_random_effects(*data("eight_schools"), tau_prior=km.priors.HalfNormal(8.0))
    said = " ".join(gate(worse, exact))
    for words in ("3 divergent", "R-hat is 1.2", "(tail)", "E-BFMI is 0.10", "sampled mean of mu"):
        assert words in said
    with pytest.raises(InputError, match="not a sampled fit"):
        gate(exact, exact)


def test_too_few_draws_are_repeated_once_and_then_said(sampler):
    result = sampler.sample(
        *data("eight_schools"), tau_prior=km.priors.HalfNormal(8.0), seed=1, draws=50, tune=200
    )
    assert result.fit.options["draws"] == 100
    assert result.fit.options["target_accept"] == 0.999
    assert result.fit.options["attempts"] == 2
    assert not result.fit.converged
    assert any("did not pass" in sentence for sentence in result.fit.warnings)


@pytest.mark.parametrize(("first", "second"), [(0.8, 0.98), (0.99, 0.999), (0.999, 0.9999)])
def test_a_repetition_aims_at_a_higher_acceptance_however_high_the_first_was(first, second):
    run = Run(seed=1, draws=300, target_accept=first)
    assert (run.stricter().target_accept, run.stricter().draws, run.stricter().attempts) == (second, 600, 2)


def test_the_repetition_of_a_review_that_asks_for_small_steps_takes_smaller_ones(sampler):
    result = sampler.sample(
        *data("eight_schools"),
        tau_prior=km.priors.HalfNormal(8.0),
        seed=1,
        draws=50,
        tune=200,
        target_accept=0.999,
    )
    assert result.fit.options["attempts"] == 2
    assert result.fit.options["target_accept"] == 0.9999


def test_a_run_that_needs_no_repetition_is_the_first_attempt(results):
    for result in results.values():
        assert result.fit.options["draws"] == DRAWS
        assert result.fit.options["attempts"] == 1


def test_another_prior_is_refused(sampler):
    with pytest.raises(InputError, match="half-normal"):
        sampler.sample([0.1, 0.2], [0.1, 0.1], tau_prior=km.priors.HalfCauchy(1.0), seed=1)


BAD_SETTINGS = [
    ({"seed": -1}, r"seed = -1 must be a whole number of at least 0, for example 1"),
    ({"seed": 1.5}, r"seed = 1.5 must be a whole number"),
    ({"seed": 2**64}, r"seed = \d+ must be below 2\*\*64"),
    ({"chains": 0}, r"chains = 0 must be a whole number of at least 1, for example 4"),
    ({"chains": True}, r"chains = True must be a whole number"),
    ({"draws": 0}, r"draws = 0 must be a whole number of at least 4, for example 5000"),
    ({"tune": 0}, r"tune = 0 must be a whole number of at least 1, for example 1000"),
    ({"target_accept": 2}, r"target_accept = 2 must lie strictly between 0 and 1, for example 0.99"),
    ({"target_accept": float("nan")}, r"target_accept = nan must lie"),
    ({"target_accept": "high"}, r"target_accept = 'high' must lie"),
    ({"level": 1.0}, r"level"),
]


@pytest.mark.parametrize(("bad", "said"), BAD_SETTINGS, ids=lambda x: str(x))
def test_a_setting_that_the_sampler_cannot_take_is_refused_with_an_example(bad, said):
    with pytest.raises(InputError, match=said):
        HierarchicalSampler().sample(
            [0.1, 0.2], [0.1, 0.1], tau_prior=km.priors.HalfNormal(1.0), **{"seed": 1} | bad
        )


def test_the_least_settings_are_taken(sampler):
    result = sampler.sample(
        [0.1, 0.2], [0.1, 0.1], tau_prior=km.priors.HalfNormal(1.0), seed=np.int64(0), chains=1, draws=4, tune=1
    )
    assert not result.fit.converged


def test_what_is_no_prior_is_refused_by_every_sampler():
    half = km.priors.HalfNormal(1.0)
    asked = {
        "normal": lambda **p: HierarchicalSampler().sample([0.1, 0.2], [0.1, 0.1], seed=1, **p),
        "student": lambda **p: StudentSampler().sample([0.1, 0.2], [0.1, 0.1], df=4, seed=1, **p),
        "regression": lambda **p: RegressionSampler().sample([0.1, 0.2], [0.1, 0.1], None, seed=1, **p),
        "binomial": lambda **p: BinomialSampler().sample([1], [10], [2], [10], seed=1, **p),
        "correlated": lambda **p: CorrelatedSampler().sample([[0.1, 0.2]], [[0.1, 0.1]], rho_w=0.5, seed=1, **p),
    }
    for sample in asked.values():
        with pytest.raises(PriorError, match=r"mu_prior = 1.0 is no prior for mu; give Normal"):
            sample(tau_prior=half, mu_prior=1.0)
        with pytest.raises(PriorError, match=r"tau_prior = 0.5 is no prior for tau.*HalfNormal\(0.5\)"):
            sample(tau_prior=0.5)
    with pytest.raises(PriorError, match="slope_prior = 2 is no normal prior"):
        asked["regression"](tau_prior=half, slope_prior=2)
    with pytest.raises(PriorError, match="baseline_prior = None is no normal prior"):
        asked["binomial"](tau_prior=half, baseline_prior=None)


def test_seeds_depend_on_every_part_and_on_nothing_else():
    assert seed_for("cac", "bayes_mcmc", 1) == 0xC4A576BD  # sha256sum of 'cac', 'bayes_mcmc', '1' on three lines
    seeds = {seed_for("cac", "bayes_mcmc", 1), seed_for("pwv", "bayes_mcmc", 1), seed_for("cac", "bayes_mcmc", 2)}
    assert len({*seeds, seed_for("cacb", "ayes_mcmc", 1)}) == 4
    assert all(0 <= seed < 2**32 for seed in seeds)
