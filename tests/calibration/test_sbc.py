"""Calibration by simulation: the exact engine passes, an engine with a fault does not, and the band is a band."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr

from k2meta.calibration import ENGINES, Pit, SampledEngine, ecdf_band, exact_engine, judged, sbc, simulate
from k2meta.calibration.engines import _rank
from k2meta.calibration.verdict import LEVELS, _coverage
from k2meta.models.bayes_mcmc import HierarchicalSampler
from k2meta.models.errors import ImproperPosteriorError, InputError, PriorError
from k2meta.models.priors import HalfCauchy, HalfNormal, Normal, Uniform

FOLDER = Path(__file__).parents[2] / "validation" / "calibration"
TAU = (HalfNormal(0.5), HalfCauchy(0.5), Uniform(2.0))
MU = Normal(0.0, 1.0)
SIMULATIONS, STUDIES, SEED = 64, 5, 20
# Of each band: nine of them (three priors, three parameters) then hold together in 91 of 100 cases.
LEVEL = 0.99
SETTINGS = {"tau_prior": TAU[0], "mu_prior": MU, "seed": SEED}
# Sums of binomial probabilities against SciPy's incomplete beta function.
P = 1e-9
# A grid in steps of 0.001 (a theta tied to mu by a small tau jumps there) and 0.005, halved by the midpoint rule.
GRID = 2e-5
# The band's level is set by 10 000 draws and checked by 4 000 others: four standard errors of the difference,
# and the counts are whole numbers, so that a level can only be reached in steps.
BAND = 0.02


def table():
    with (FOLDER / "table.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def answers():
    return simulate(SIMULATIONS, STUDIES, tau_prior=TAU[0], mu_prior=MU, seed=SEED)


@pytest.mark.parametrize("prior", TAU, ids=lambda p: p.describe())
def test_the_exact_engine_is_calibrated(prior):
    assert sbc(SIMULATIONS, STUDIES, tau_prior=prior, mu_prior=MU, seed=SEED, level=LEVEL).passed


def test_an_engine_told_half_the_variances_fails():
    engine = ENGINES["exact_half_vi"]()
    found = sbc(2 * SIMULATIONS, STUDIES, tau_prior=TAU[0], mu_prior=MU, seed=SEED, level=LEVEL, engine=engine)
    assert not found.tau.inside
    assert not found.passed


def test_an_engine_that_shifts_mu_fails_for_mu():
    def shifted(simulated):
        return exact_engine(replace(simulated, mu=simulated.mu + 0.4))

    found = sbc(SIMULATIONS, STUDIES, tau_prior=TAU[0], mu_prior=MU, seed=SEED, level=LEVEL, engine=shifted)
    assert not found.mu.inside
    assert found.tau.inside
    assert found.theta.inside


def test_too_wide_posteriors_fail_by_coverage():
    def timid(simulated):
        pit = exact_engine(simulated)
        return Pit(0.5 + 0.5 * (pit.mu - 0.5), pit.tau, pit.theta)

    found = sbc(SIMULATIONS, STUDIES, tau_prior=TAU[0], mu_prior=MU, seed=SEED, level=LEVEL, engine=timid)
    assert found.mu.coverage[0].value == 1.0
    assert not found.mu.coverage[0].kept
    assert found.mu.coverage[0].refuted
    assert not found.passed


@pytest.mark.parametrize(
    ("n", "held", "level"), [(64, 40, 0.5), (1000, 969, 0.95), (1000, 1000, 0.95), (20, 0, 0.8)]
)
def test_the_p_value_of_a_coverage_sums_binomial_probabilities(n, held, level):
    # The first ranks lie in the middle of the interval, the others at its ends: none is on an edge.
    pit = np.where(np.arange(n) < held, 0.5, 0.0005)
    found = next(one for one in judged(Pit(pit, pit, pit), 3, **SETTINGS).mu.coverage if one.level == level)
    chance = [math.comb(n, x) * level**x * (1 - level) ** (n - x) for x in range(n + 1)]
    assert found.value == held / n
    assert found.p == pytest.approx(min(1.0, 2 * min(sum(chance[: held + 1]), sum(chance[held:]))), rel=P)


def test_nine_coverages_of_a_right_engine_are_refuted_in_one_of_a_hundred_calibrations():
    # Uniform ranks are those of a right engine. Bonferroni and whole counts keep the chance below 1 %.
    rng, wrong = np.random.default_rng(8), 0
    for _ in range(1000):
        pit = rng.uniform(size=(3, 500))
        counts = [np.count_nonzero(abs(one - 0.5) <= level / 2) for one in pit for level in LEVELS]
        wrong += any(_refuted(count, 500, level) for count, level in zip(counts, LEVELS * 3, strict=True))
    assert 0 < wrong <= 10 + 3 * np.sqrt(10)


def _refuted(held, n, level):
    return _coverage(np.where(np.arange(n) < held, 0.5, 0.0005), level).refuted


def test_theta_lies_where_a_grid_of_tau_and_mu_puts_it():
    one = simulate(1, 3, tau_prior=HalfNormal(0.5), mu_prior=MU, seed=4)
    mu, tau = np.meshgrid(np.linspace(-3, 3, 6001), 0.005 * (np.arange(500) + 0.5), indexing="ij")
    log = -0.5 * mu**2 - 0.5 * (tau / 0.5) ** 2
    for y, v in zip(one.Y[0], one.V[0], strict=True):
        log += -0.5 * (y - mu) ** 2 / (v + tau**2) - 0.5 * np.log(v + tau**2)
    weight = np.exp(log - log.max())
    y, v = one.Y[0, 0], one.V[0, 0]
    precision = 1 / v + 1 / tau**2
    below = ndtr((one.theta[0] - (y / v + mu / tau**2) / precision) * np.sqrt(precision))
    assert exact_engine(one).theta[0] == pytest.approx((weight * below).sum() / weight.sum(), abs=GRID)


def test_a_simulation_is_the_same_alone_and_among_others(answers):
    alone = simulate(1, STUDIES, tau_prior=TAU[0], mu_prior=MU, seed=SEED, first=17)
    assert alone.mu[0] == answers.mu[17]
    assert alone.tau[0] == pytest.approx(answers.tau[17], rel=1e-12)  # a root is polished in company
    assert np.array_equal(alone.V[0], answers.V[17])
    assert alone.seed(0, "rank") == answers.seed(17, "rank")
    assert alone.seed(0, "rank") != alone.seed(0, "sampler")


@pytest.mark.parametrize("n", [64, 256])
def test_the_band_holds_as_many_uniform_samples_as_it_says(n):
    band = ecdf_band(n, level=0.9, seed=1)
    rng = np.random.default_rng(2)
    held = np.mean([band.inside(rng.uniform(size=n)) for _ in range(4000)])
    assert held == pytest.approx(0.9, abs=BAND)


def test_a_p_value_below_the_level_is_a_function_outside_the_band():
    band = ecdf_band(64, seed=1)
    rng = np.random.default_rng(3)
    samples = [rng.beta(a, a, size=64) for a in np.linspace(0.5, 1.5, 200)]
    inside = np.array([band.inside(s) for s in samples])
    p = np.array([band.p(s) for s in samples])
    assert 20 < inside.sum() < 180
    assert p[inside].min() > 0.05 - 1e-3
    assert p[~inside].max() < 0.05 + 1e-3


def test_the_truth_follows_its_prior():
    drawn = simulate(4000, 2, tau_prior=HalfNormal(0.5), mu_prior=Normal(2.0, 0.1), seed=5)
    # The second moments of the priors, to four standard errors of 4 000 draws (sqrt(2 / 4000) of each).
    assert np.mean(drawn.tau**2) == pytest.approx(0.25, abs=4 * 0.25 * np.sqrt(2 / 4000))
    assert np.mean((drawn.mu - 2.0) ** 2) == pytest.approx(0.01, abs=4 * 0.01 * np.sqrt(2 / 4000))


def test_an_improper_prior_has_no_truth_to_draw():
    with pytest.raises(ImproperPosteriorError, match="improper"):
        sbc(10, 3, tau_prior=Uniform(), mu_prior=MU, seed=1)


def test_a_bare_number_and_a_missing_prior_are_refused_with_an_example():
    with pytest.raises(PriorError, match=r"tau_prior = 0.5 is no prior for tau.*HalfNormal\(0.5\)"):
        sbc(10, 3, tau_prior=0.5, mu_prior=MU, seed=1)
    with pytest.raises(PriorError, match=r"mu_prior = None.*drawn from it.*Normal\(0, 1\)"):
        sbc(10, 3, tau_prior=TAU[0], mu_prior=None, seed=1)


def test_an_engine_that_answers_no_probability_is_refused():
    with pytest.raises(InputError, match="one probability"):
        sbc(10, 3, tau_prior=TAU[0], mu_prior=MU, seed=1, engine=lambda s: Pit(s.mu + 5.0, s.tau, s.tau))
    with pytest.raises(InputError, match="at least one"):
        sbc(0, 3, tau_prior=TAU[0], mu_prior=MU, seed=1)


def test_the_sampled_engine_stays_in_its_bands_and_one_told_another_prior_does_not():
    # Eight simulations are too few for a coverage; a published run of a thousand counts it.
    sampler = HierarchicalSampler(3)
    simulated = simulate(8, 3, tau_prior=HalfNormal(0.25), mu_prior=MU, seed=SEED)
    settings = {"tau_prior": HalfNormal(0.25), "mu_prior": MU, "seed": SEED, "level": LEVEL}
    pit, exact = SampledEngine(tune=500, sampler=sampler)(simulated), exact_engine(simulated)
    found = judged(pit, 3, **settings)
    for name, one in found.parameters.items():
        assert one.inside, name
        p = getattr(exact, name)
        # A rank among 99 nearly independent draws is binomial; half a step is added for the least of them.
        assert np.all(abs(one.pit - p) <= 4 * np.sqrt(p * (1 - p) / 99) + 0.015), name
    wrong = judged(SampledEngine(tune=500, told=0.1, sampler=sampler)(simulated), 3, **settings)
    assert not wrong.tau.inside
    assert not wrong.passed


def test_ranks_of_a_truth_among_draws_of_its_own_kind_are_uniform():
    # The truth of each row is one more draw of the same distribution: what ranks are made for.
    rng = np.random.default_rng(6)
    pit = np.array([_rank(rng.normal(size=99), rng.normal(), rng.uniform()) for _ in range(2000)])
    assert ecdf_band(2000, level=LEVEL).inside(pit)
    assert _rank(np.arange(99.0), -1.0, 0.0) == 0.0
    assert _rank(np.arange(99.0), 200.0, 0.5) == 0.995


def test_the_sampled_engine_refuses_a_prior_it_does_not_have():
    with pytest.raises(InputError, match="half-normal prior"):
        sbc(1, 3, tau_prior=HalfCauchy(0.5), mu_prior=MU, seed=1, engine=SampledEngine())
