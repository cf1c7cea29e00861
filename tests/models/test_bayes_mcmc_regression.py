"""The sampled meta-regression: next to a dense grid, next to the exact model, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

import k2meta as km
from k2meta.models.bayes_mcmc import MCSE_ALLOWED
from k2meta.models.bayes_mcmc_regression import RegressionSampler
from k2meta.models.design import CollinearityError
from k2meta.models.errors import InputError
from k2meta.models.gate import ESS_AT_LEAST, RHAT_BELOW
from tests.references import load

PRIOR = km.priors.HalfNormal(0.5)
# Standard deviations of 8,000 draws with an effective sample size of 3,000 and more: 1.3 % each.
SD = 0.06
# A quantile at 2.5 % of such draws has a standard error of about 0.04 standard deviations.
END = 0.16
SAMPLING = {"seed": 5, "draws": 2000, "target_accept": 0.95}


@pytest.fixture(scope="module")
def bcg():
    reference = load("meta_regression")["datasets"]["bcg_RR"]
    latitude = np.array(reference["models"]["ablat"]["X"], dtype=float).ravel()
    return np.array(reference["yi"]), np.array(reference["vi"]), latitude


@pytest.fixture(scope="module")
def sampler():
    return RegressionSampler(coefficients=3)


def by_grid(yi, vi, X, scale, priors):
    """Moments by a midpoint rule over tau; given tau, coefficients and true effects are normal.

    A normal prior of a coefficient is one more observation of it.
    """
    some = [j for j, prior in enumerate(priors) if prior is not None]
    seen = np.array([priors[j].mean for j in some])
    rows = np.eye(X.shape[1])[some]
    y, A = np.append(yi, seen), np.vstack([X, rows])
    log, beta, cov, theta = [], [], [], []
    taus = 10 * scale * (np.arange(4000) + 0.5) / 4000
    for tau in taus:
        w = np.append(1 / (vi + tau**2), [1 / priors[j].sd ** 2 for j in some])
        information = A.T @ (w[:, None] * A)
        b = np.linalg.solve(information, A.T @ (w * y))
        r = y - A @ b
        log.append(0.5 * np.log(w).sum() - 0.5 * np.linalg.slogdet(information)[1] - 0.5 * r @ (w * r))
        log[-1] -= 0.5 * (tau / scale) ** 2
        beta.append(b)
        cov.append(np.linalg.inv(information))
        pull = vi / (vi + tau**2)
        theta.append(pull * (X @ b) + (1 - pull) * yi)
    weight = np.exp(np.array(log) - max(log))
    weight /= weight.sum()
    beta, mean = np.array(beta), weight @ np.array(beta)
    second = np.einsum("n,nij->ij", weight, np.array(cov) + beta[:, :, None] * beta[:, None, :])
    sd = np.sqrt(np.diag(second) - mean**2)
    tau_mean = weight @ taus
    return mean, sd, tau_mean, math.sqrt(weight @ taus**2 - tau_mean**2), weight @ np.array(theta)


@pytest.mark.parametrize(
    ("mu_prior", "slope_prior"), [(None, None), (km.priors.Normal(0.0, 1.0), km.priors.Normal(0.0, 0.02))]
)
def test_latitude_agrees_with_a_dense_grid_with_flat_and_with_normal_priors(sampler, bcg, mu_prior, slope_prior):
    yi, vi, latitude = bcg
    found = sampler.sample(
        yi, vi, {"latitude": latitude}, tau_prior=PRIOR, mu_prior=mu_prior, slope_prior=slope_prior, **SAMPLING
    )
    X = np.column_stack([np.ones(13), latitude])
    mean, sd, tau, tau_sd, theta = by_grid(yi, vi, X, PRIOR.scale, (mu_prior, slope_prior))
    assert found.names == ("intercept", "latitude")
    assert found.diagnostics.converged
    for ours, mcse, theirs, spread in zip(found.coefficients, found.mcse, mean, sd, strict=True):
        assert abs(ours.value - theirs) <= MCSE_ALLOWED * mcse
        assert ours.se == pytest.approx(spread, rel=SD)
    assert abs(found.tau.value - tau) <= MCSE_ALLOWED * found.diagnostics.mcse_tau
    assert found.tau.se == pytest.approx(tau_sd, rel=SD)
    for ours, theirs in zip(found.studies, theta, strict=True):
        # The mean of 8,000 draws, effectively 3,000 and more.
        assert abs(ours.value - theirs) <= MCSE_ALLOWED * ours.se / math.sqrt(3000)


def test_the_intercept_alone_is_the_exact_model(sampler, bcg):
    yi, vi, _ = bcg
    found = sampler.sample(yi, vi, None, tau_prior=PRIOR, **SAMPLING)
    exact = km.bayes_random_effects(yi, vi, tau_prior=PRIOR)
    mu = found.coefficients[0]
    assert abs(mu.value - exact.mu.value) <= MCSE_ALLOWED * found.mcse[0]
    assert abs(found.tau.value - exact.tau.value) <= MCSE_ALLOWED * found.diagnostics.mcse_tau
    assert (mu.low, mu.high) == pytest.approx((exact.mu.low, exact.mu.high), abs=END * exact.mu.se)
    here = found.at([1.0])
    assert here.mean == mu
    assert here.prediction.high == pytest.approx(exact.prediction.high, abs=END * exact.mu.se)
    for ours, theirs in zip(found.studies, exact.studies, strict=True):
        assert (ours.value, ours.se) == pytest.approx((theirs.value, theirs.se), abs=END * theirs.se)


def test_one_compilation_serves_another_number_of_studies_and_of_coefficients(sampler, bcg):
    yi, vi, latitude = bcg
    late = (np.arange(13) > 6).astype(float)
    for k, X in ((13, None), (9, latitude[:9]), (13, np.column_stack([latitude, late]))):
        found = sampler.sample(yi[:k], vi[:k], X, tau_prior=PRIOR, **SAMPLING)
        assert found.draws.theta.shape[-1] == k
        assert (
            found.draws.beta.shape[-1] == len(found.names) == (1 if X is None else 1 + np.atleast_2d(X.T).shape[0])
        )
        assert found.diagnostics.rhat < RHAT_BELOW
        assert found.diagnostics.ess_bulk > ESS_AT_LEAST
    assert sampler.compilations == 1


def test_the_mean_at_a_latitude_is_read_off_the_draws_and_a_new_study_is_less_certain(sampler, bcg):
    yi, vi, latitude = bcg
    found = sampler.sample(yi, vi, latitude, tau_prior=PRIOR, **SAMPLING)
    at = found.at([1.0, 40.0])
    assert at.mean.value == pytest.approx(
        found.coefficients[0].value + 40 * found.coefficients[1].value, rel=1e-12
    )
    assert at.prediction.low < at.mean.low < at.mean.high < at.prediction.high
    with pytest.raises(InputError, match="intercept, x1"):
        found.at([1.0])


def test_the_unit_of_a_moderator_only_moves_the_decimal_point(sampler, bcg):
    yi, vi, latitude = bcg
    one = sampler.sample(yi, vi, latitude, tau_prior=PRIOR, **SAMPLING)
    far = sampler.sample(yi, vi, latitude * 2.0**20, tau_prior=PRIOR, **SAMPLING)
    assert far.coefficients[1].value * 2.0**20 == pytest.approx(one.coefficients[1].value, rel=1e-6)


def test_the_same_seed_gives_the_same_draws(sampler, bcg):
    yi, vi, latitude = bcg
    one, two = (sampler.sample(yi, vi, latitude, tau_prior=PRIOR, **SAMPLING).draws for _ in range(2))
    assert np.array_equal(one.beta, two.beta)
    assert np.array_equal(one.theta, two.theta)


def test_few_trials_for_a_covariate_are_called_exploratory(sampler, bcg):
    yi, vi, latitude = bcg
    assert not sampler.sample(yi, vi, latitude, tau_prior=PRIOR, **SAMPLING).exploratory
    found = sampler.sample(yi[:6], vi[:6], latitude[:6], tau_prior=PRIOR, **SAMPLING)
    assert found.exploratory
    assert found.warnings[0].startswith("Exploratory: 6 studies for 1 covariate")


def test_what_cannot_be_estimated_is_refused_by_name(sampler, bcg):
    yi, vi, latitude = bcg
    with pytest.raises(CollinearityError, match="'one' is constant"):
        sampler.sample(yi, vi, {"one": np.ones(13)}, tau_prior=PRIOR, seed=1)
    with pytest.raises(CollinearityError, match="determine each other"):
        sampler.sample(yi, vi, np.column_stack([latitude, 2 * latitude]), tau_prior=PRIOR, seed=1)
    with pytest.raises(InputError, match=r"RegressionSampler\(coefficients=4\)"):
        sampler.sample(yi, vi, np.random.default_rng(1).normal(size=(13, 3)), tau_prior=PRIOR, seed=1)
    with pytest.raises(InputError, match="half-normal"):
        sampler.sample(yi, vi, latitude, tau_prior=km.priors.HalfCauchy(1.0), seed=1)
    with pytest.raises(InputError, match="level"):
        sampler.sample(yi, vi, latitude, tau_prior=PRIOR, seed=1, level=95.0)
    with pytest.raises(TypeError, match="chain"):
        sampler.sample(yi, vi, latitude, tau_prior=PRIOR, seed=1, chain=4)
