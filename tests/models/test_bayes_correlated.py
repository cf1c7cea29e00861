"""Several outcomes of the same trials: next to a dense grid, next to each outcome alone, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import beta

import k2meta as km
from k2meta.models.bayes_correlated import LKJ, CorrelatedSampler
from k2meta.models.bayes_mcmc import MCSE_ALLOWED
from k2meta.models.errors import InputError, PriorError
from tests.references import load

PRIOR = km.priors.HalfNormal(0.2)
SAMPLING = {"draws": 3000, "target_accept": 0.95}
# 12,000 draws with an effective sample size of 2,000 and more: 1.6 % of a standard deviation.
SD = 0.08
ESS = 2000
# A probability at a quantile of such draws, or a variance of a correlation: four standard errors.
SHARE = 0.05
NAMES = ("probing depth", "attachment level")


@pytest.fixture(scope="module")
def berkey():
    """Five periodontal trials, two outcomes each: effects, variances and the correlation within each trial."""
    reference = load("multivariate")["berkey1998"]
    yi, V = np.array(reference["yi"]).reshape(5, 2), np.array(reference["V"])
    vi = np.diag(V).reshape(5, 2)
    rho = np.array([V[2 * i, 2 * i + 1] for i in range(5)]) / np.sqrt(vi.prod(axis=1))
    return yi, vi, rho


@pytest.fixture(scope="module")
def sampler():
    return CorrelatedSampler(studies=6)


def by_grid(yi, vi, rho_w, scale, eta):
    """Means and standard deviations by a grid over both tau and their correlation; mu integrates out.

    Every trial contributes the inverse covariance of what it reports, written out for two outcomes.
    """
    # Half-normal beyond 4.5 scales: 7e-6 of the prior.
    axis = 4.5 * scale * (np.arange(48) + 0.5) / 48
    one, two, rho = np.meshgrid(axis, axis, np.linspace(-1, 1, 82)[:-1] + 1 / 81, indexing="ij")
    log = -0.5 * (one**2 + two**2) / scale**2 + (eta - 1) * np.log1p(-(rho**2))
    shape = one.shape
    information, score = np.zeros((*shape, 2, 2)), np.zeros((*shape, 2))
    for y, v, r in zip(yi, vi, rho_w, strict=True):
        seen = np.isfinite(y)
        C = np.empty((*shape, 2, 2))
        C[..., 0, 0], C[..., 1, 1] = v[0] + one**2, v[1] + two**2
        C[..., 0, 1] = C[..., 1, 0] = r * math.sqrt(abs(v[0] * v[1])) + rho * one * two if seen.all() else 0.0
        W = np.zeros_like(C)
        index = np.ix_(seen, seen)
        W[..., index[0], index[1]] = np.linalg.inv(C[..., index[0], index[1]])
        log += 0.5 * np.linalg.slogdet(W[..., index[0], index[1]])[1]
        filled = np.where(seen, y, 0.0)
        information += W
        score += W @ filled
        log -= 0.5 * np.einsum("i,...ij,j->...", filled, W, filled)
    cov = np.linalg.inv(information)
    mean = np.einsum("...ij,...j->...i", cov, score)
    log += 0.5 * np.linalg.slogdet(cov)[1] + 0.5 * np.einsum("...i,...i->...", mean, score)
    weight = np.exp(log - log.max())
    weight /= weight.sum()

    def moments(x, extra=0.0):
        first = (weight * x).sum()
        return first, math.sqrt((weight * (x**2 + extra)).sum() - first**2)

    mu = [moments(mean[..., j], cov[..., j, j]) for j in range(2)]
    return mu, [moments(one), moments(two)], moments(rho)


def cut(berkey):
    yi, vi, rho = berkey
    yi, vi = yi.copy(), vi.copy()
    yi[0, 1] = vi[0, 1] = yi[3, 0] = vi[3, 0] = np.nan
    return yi, vi, rho


@pytest.mark.parametrize("some_missing", [False, True])
def test_two_outcomes_agree_with_a_dense_grid_also_where_a_trial_reports_one(sampler, berkey, some_missing):
    yi, vi, rho = cut(berkey) if some_missing else berkey
    found = sampler.sample(yi, vi, rho_w=rho, tau_prior=PRIOR, between=LKJ(2.0), names=NAMES, seed=3, **SAMPLING)
    mu, tau, between = by_grid(yi, vi, rho, PRIOR.scale, 2.0)
    assert found.diagnostics.converged
    for j, one in enumerate(found.outcomes):
        assert one.k == np.isfinite(yi[:, j]).sum()
        assert abs(one.mu.value - mu[j][0]) <= MCSE_ALLOWED * one.mcse_mu
        assert one.mu.se == pytest.approx(mu[j][1], rel=SD)
        assert abs(one.tau.value - tau[j][0]) <= MCSE_ALLOWED * one.mcse_tau
        assert one.tau.se == pytest.approx(tau[j][1], rel=SD)
    correlation = found.correlations[NAMES]
    assert abs(correlation.value - between[0]) <= MCSE_ALLOWED * between[1] / math.sqrt(ESS)
    assert correlation.se == pytest.approx(between[1], rel=SD)


def test_without_any_correlation_every_outcome_is_its_exact_univariate_fit(sampler, berkey):
    yi, vi, _ = cut(berkey)
    found = sampler.sample(yi, vi, rho_w=0.0, tau_prior=PRIOR, between=0.0, seed=4, **SAMPLING)
    assert found.diagnostics.converged
    for j, one in enumerate(found.outcomes):
        seen = np.isfinite(yi[:, j])
        exact = km.bayes_random_effects(yi[seen, j], vi[seen, j], tau_prior=PRIOR)
        assert one.alone.mu.value == pytest.approx(exact.mu.value, rel=1e-12)
        assert abs(one.mu.value - exact.mu.value) <= MCSE_ALLOWED * one.mcse_mu
        assert abs(one.tau.value - exact.tau.value) <= MCSE_ALLOWED * one.mcse_tau
        assert one.prediction.high == pytest.approx(exact.prediction.high, abs=0.15 * exact.mu.se)
        assert abs(one.borrowed) < 100 * 2 * SD
        for ours, theirs in zip(np.array(one.studies)[seen], exact.studies, strict=True):
            assert abs(ours.value - theirs.value) <= MCSE_ALLOWED * theirs.se / math.sqrt(ESS)
            assert ours.se == pytest.approx(theirs.se, rel=SD)
    assert found.correlations["outcome 1", "outcome 2"].value == 0.0


def test_what_a_trial_did_not_report_is_told_by_what_it_did_report(sampler, berkey):
    yi, vi, rho = cut(berkey)
    # Trial 3 did not report the first outcome; on the second it lies above the others.
    vi[3, 1], yi[3, 1] = 1e-4, 0.4
    strong = sampler.sample(yi, vi, rho_w=rho, tau_prior=PRIOR, between=0.95, seed=5, **SAMPLING).outcomes[0]
    none = sampler.sample(yi, vi, rho_w=rho, tau_prior=PRIOR, between=0.0, seed=5, **SAMPLING).outcomes[0]
    assert strong.studies[3].value > none.studies[3].value + none.studies[3].se
    assert strong.studies[3].se < none.studies[3].se
    # Where nothing is known of it, it is a new trial.
    draws = sampler.sample(yi, vi, rho_w=rho, tau_prior=PRIOR, between=0.0, seed=5, **SAMPLING).draws
    low, high = np.quantile(draws.theta[..., 3, 0], [0.025, 0.975])
    assert (low, high) == pytest.approx((none.prediction.low, none.prediction.high), abs=0.1 * none.tau.high)


def test_correlated_outcomes_lend_strength_to_one_that_few_trials_report(sampler, berkey):
    yi, vi, rho = berkey
    yi, vi = yi.copy(), vi.copy()
    yi[2:, 1] = vi[2:, 1] = np.nan
    found = sampler.sample(yi, vi, rho_w=rho, tau_prior=PRIOR, between=0.9, seed=6, **SAMPLING)
    few = found.outcomes[1]
    assert few.k == 2
    assert few.borrowed > 10.0
    assert few.narrower > 5.0
    width = (few.mu.high - few.mu.low) / (few.alone.mu.high - few.alone.mu.low)
    assert few.narrower == pytest.approx(100 * (1 - width), rel=1e-12)


def test_a_sweep_of_the_correlation_within_trials_compiles_nothing_again(sampler, berkey):
    yi, vi, _ = cut(berkey)
    settings = {"tau_prior": PRIOR, "between": LKJ(2.0), "seed": 7, **SAMPLING}
    swept = sampler.sweep(yi, vi, (0.0, 0.5, 0.8), **settings)
    assert [one.options["rho_w"] for one in swept] == [0.0, 0.5, 0.8]
    assert sampler.compilations == 1
    again = sampler.sample(yi, vi, rho_w=0.5, **settings)
    assert np.array_equal(again.draws.mu, swept[1].draws.mu)
    assert np.array_equal(again.draws.theta, swept[1].draws.theta)
    # What the errors share, the true effects need not: the correlation between trials falls.
    between = [next(iter(one.correlations.values())).value for one in swept]
    assert between[0] > between[1] > between[2]


def test_the_prior_of_three_correlations_is_the_lkj_one():
    # Variances of 1e8 say nothing: each correlation keeps its marginal, beta on (-1, 1) with eta + m / 2 - 1.
    sampler = CorrelatedSampler(outcomes=3, studies=1)
    found = sampler.sample(
        [[0.0, 1.0, 2.0]],
        [[1e8] * 3],
        rho_w=0.0,
        tau_prior=km.priors.HalfNormal(1.0),
        mu_prior=km.priors.Normal(0, 1),
        between=LKJ(2.0),
        seed=8,
        draws=3000,
    )
    marginal = beta(2.5, 2.5, loc=-1, scale=2)
    draws = found.draws.correlation.reshape(-1, 3)
    for p in (0.1, 0.5, 0.9):
        assert (draws < marginal.ppf(p)).mean(axis=0) == pytest.approx([p] * 3, abs=SHARE)
    assert draws.var(axis=0) == pytest.approx([marginal.var()] * 3, abs=SHARE)
    assert list(found.correlations)[1] == ("outcome 1", "outcome 3")
    assert found.warnings[0].startswith("1 trials say little")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rho_w": 1.2}, "rho_w"),
        ({"rho_w": [0.1, 0.2, 0.3]}, "rho_w has shape"),
        ({"between": -1.0}, "between"),
        ({"names": ("a", "a")}, "names"),
        ({"tau_prior": (PRIOR,)}, "tau_prior"),
        ({"tau_prior": km.priors.HalfCauchy(1.0)}, "tau_prior"),
        ({"yi": [[0.1, np.nan], [0.2, np.nan]], "vi": [[0.1, np.nan]] * 2}, "outcome 1 is reported by no trial"),
        ({"yi": [[0.1, np.nan], [0.2, 0.3]]}, r"yi\[0, 1\]"),
        ({"vi": [[0.1, 0.1], [0.1, -0.1]]}, r"vi\[1, 1\] = -0.1"),
        ({"yi": [[0.1], [0.2]]}, "2 outcomes"),
        ({"yi": [[np.nan] * 2, [0.1, 0.2]], "vi": [[np.nan] * 2, [0.1, 0.1]]}, "trial 0 reports no outcome"),
        ({"level": 95.0}, "level"),
    ],
)
def test_impossible_input_is_refused_with_its_place(sampler, change, words):
    given = {"yi": [[0.1, 0.2], [0.2, 0.3]], "vi": [[0.1, 0.1], [0.1, 0.1]], "rho_w": 0.5, "tau_prior": PRIOR}
    given |= {"seed": 1, **change}
    with pytest.raises(InputError, match=words):
        sampler.sample(given.pop("yi"), given.pop("vi"), **given)


def test_one_outcome_and_an_impossible_prior_are_refused():
    with pytest.raises(InputError, match="two or more"):
        CorrelatedSampler(outcomes=1)
    with pytest.raises(PriorError, match="eta"):
        LKJ(0.0)
