"""Bayesian meta-regression against the fit without moderators, a plain grid, many digits, and what it refuses."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

import k2meta as km
from k2meta.models.bayes_regression import bayes_meta_regression
from k2meta.models.design import CollinearityError
from k2meta.models.errors import ImproperPosteriorError, InputError, PriorError
from k2meta.models.priors import EMPIRICAL, HalfCauchy, HalfNormal, Jeffreys, Normal, Uniform
from tests.references import load

# Two routes of our own to the same numbers, in posterior standard deviations.
SAME = 1e-10
# Asked of the engine, against thirty digits.
EXACT = 1e-8
# The trapezoid on the plain grid has 40 000 points and is itself good to about this.
GRID = 1e-8

BCG = load("meta_regression")["datasets"]["bcg_RR"]
YI, VI = np.array(BCG["yi"]), np.array(BCG["vi"])
LATITUDE = np.array(BCG["models"]["ablat"]["X"][0], dtype=float)
HALF = HalfNormal(0.5)

TAU = [HALF, HalfCauchy(0.5), Uniform(), Uniform(2.0), Jeffreys(tuple(VI)), *EMPIRICAL.values()]


def numbers(one):
    return [one.value, one.se, one.low, one.high, one.median, *one.shortest]


@pytest.mark.parametrize("mu_prior", [None, Normal(0.2, 0.7)], ids=["flat", "normal"])
@pytest.mark.parametrize("tau_prior", TAU, ids=lambda prior: prior.describe())
def test_an_intercept_alone_is_the_fit_without_moderators(tau_prior, mu_prior):
    fit = km.bayes_random_effects(YI, VI, tau_prior=tau_prior, mu_prior=mu_prior)
    found = bayes_meta_regression(YI, VI, None, tau_prior=tau_prior, beta_prior=[mu_prior])
    near = SAME * fit.mu.se
    assert numbers(found.coefficients[0]) == pytest.approx(numbers(fit.mu), rel=0, abs=near)
    assert numbers(found.tau) == pytest.approx(numbers(fit.tau), rel=SAME, abs=SAME)
    for ours, theirs in zip(found.studies, fit.studies, strict=True):
        expected = (theirs.value, theirs.se, theirs.low, theirs.high)
        assert (ours.value, ours.se, ours.low, ours.high) == pytest.approx(expected, rel=0, abs=near)
    assert found.below_zero[0] == pytest.approx(fit.prob(mu_below=0.0), abs=SAME)
    assert (found.log_evidence is None) == (fit.log_evidence is None)
    if fit.log_evidence is not None:
        assert found.log_evidence == pytest.approx(fit.log_evidence, abs=SAME)
    new = found.predict(np.empty((1, 0)))[0].new
    assert (new.low, new.high) == pytest.approx((fit.prediction.low, fit.prediction.high), rel=0, abs=near)


def plain_grid(X, scale, at):
    """Return what a dense grid over tau says: a loop over normal equations, a flat beta, half-normal tau."""
    u = np.linspace(0.0, 1.0, 40_001)
    grid = 6.0 * scale * u * u
    mean, variance, logs = [], [], []
    for tau in grid:
        w = 1.0 / (VI + tau * tau)
        information = X.T @ (w[:, None] * X)
        beta = np.linalg.solve(information, X.T @ (w * YI))
        rest = YI - X @ beta
        logs.append(0.5 * np.log(w).sum() - 0.5 * np.linalg.slogdet(information)[1] - 0.5 * w @ rest**2)
        logs[-1] -= 0.5 * (tau / scale) ** 2
        mean.append(beta)
        variance.append(np.linalg.inv(information))
    weight = np.exp(np.array(logs) - max(logs)) * u
    weight[[0, -1]] /= 2.0
    weight /= weight.sum()
    mean, variance = np.array(mean), np.array(variance)
    centre = weight @ mean
    sd = np.sqrt(weight @ (np.diagonal(variance, axis1=1, axis2=2) + (mean - centre) ** 2))
    line = mean @ at
    spread = np.einsum("i,nij,j->n", at, variance, at) + grid**2
    new = weight @ line
    pull = VI[2] / (VI[2] + grid**2)
    theta = weight @ (pull * (mean @ X[2]) + (1.0 - pull) * YI[2])
    return centre, sd, weight @ grid, (new, math.sqrt(weight @ (spread + (line - new) ** 2))), theta


def test_two_coefficients_agree_with_a_plain_loop_over_a_dense_grid():
    X = np.column_stack([np.ones(13), LATITUDE])
    centre, sd, tau, new, theta = plain_grid(X, 0.5, np.array([1.0, 30.0]))
    fit = bayes_meta_regression(YI, VI, {"latitude": LATITUDE}, tau_prior=HALF)
    assert fit.names == ("intercept", "latitude")
    for one, value, se in zip(fit.coefficients, centre, sd, strict=True):
        assert one.value == pytest.approx(value, abs=GRID * se)
        assert one.se == pytest.approx(se, rel=GRID)
    assert fit.tau.value == pytest.approx(tau, rel=GRID)
    there = fit.predict([30.0])[0]
    assert (there.new.value, there.new.se) == pytest.approx(new, rel=GRID)
    assert there.mean.value == pytest.approx(new[0], rel=GRID)
    assert fit.studies[2].value == pytest.approx(theta, rel=GRID)
    assert fit.below_zero[1] > 0.99
    assert fit.log_evidence is None


@pytest.mark.parametrize(
    "tau_prior", [HALF, HalfCauchy(0.5), EMPIRICAL["bartos2021_smd"]], ids=lambda p: p.describe()
)
def test_the_evidence_is_that_of_the_marginal_normal_density_in_thirty_digits(tau_prior):
    y, v, x = YI[:4], VI[:4], LATITUDE[:4] / 50.0
    priors = {"intercept": Normal(0.1, 1.5), "x": Normal(-0.5, 2.0)}

    def prior(tau):
        if isinstance(tau_prior, HalfNormal):
            return mpmath.sqrt(2 / mpmath.pi) / tau_prior.scale * mpmath.exp(-((tau / tau_prior.scale) ** 2) / 2)
        if isinstance(tau_prior, HalfCauchy):
            return 2 / (mpmath.pi * tau_prior.scale * (1 + (tau / tau_prior.scale) ** 2))
        a, b = mpmath.mpf(tau_prior.shape), mpmath.mpf(tau_prior.scale)
        return b**a / mpmath.gamma(a) * tau ** (-a - 1) * mpmath.exp(-b / tau)

    def density(tau):
        covariance = mpmath.matrix(4, 4)
        for i in range(4):
            for j in range(4):
                covariance[i, j] = 1.5**2 + 4.0 * mpmath.mpf(x[i]) * mpmath.mpf(x[j])
            covariance[i, i] += mpmath.mpf(v[i]) + tau**2
        gap = mpmath.matrix(
            [mpmath.mpf(y[i]) - mpmath.mpf(0.1) + mpmath.mpf(0.5) * mpmath.mpf(x[i]) for i in range(4)]
        )
        q = (gap.T * mpmath.lu_solve(covariance, gap))[0]
        return prior(tau) * mpmath.exp(-q / 2) / mpmath.sqrt((2 * mpmath.pi) ** 4 * mpmath.det(covariance))

    with mpmath.workdps(20):
        ends = [mpmath.mpf(10) ** -9, 0.03, 0.1, 0.3, 0.7, 2, 8, 100, mpmath.inf]
        total = mpmath.quad(density, ends)
        first = mpmath.quad(lambda tau: tau * density(tau), ends)
    fit = bayes_meta_regression(y, v, {"x": x}, tau_prior=tau_prior, beta_prior=priors)
    # The missing first billionth of tau holds less than 1e-8 of any of these densities.
    assert fit.log_evidence == pytest.approx(float(mpmath.log(total)), abs=EXACT)
    assert fit.tau.value == pytest.approx(float(first / total), rel=EXACT)


def test_moderators_moved_and_stretched_move_and_stretch_their_coefficients():
    fit = bayes_meta_regression(YI, VI, LATITUDE, tau_prior=HALF)
    other = bayes_meta_regression(YI + 8.0, VI, (LATITUDE - 32.0) / 16.0, tau_prior=HALF)
    slope, moved = fit.coefficients[1], other.coefficients[1]
    assert numbers(moved) == pytest.approx([16.0 * one for one in numbers(slope)], rel=SAME)
    assert other.coefficients[0].value - 8.0 == pytest.approx(fit.predict([32.0])[0].mean.value, rel=1e-9)
    assert numbers(other.tau) == pytest.approx(numbers(fit.tau), rel=SAME)


def test_without_an_intercept_group_means_share_tau():
    groups = {"near": (LATITUDE < 30).astype(float), "far": (LATITUDE >= 30).astype(float)}
    apart = bayes_meta_regression(YI, VI, groups, tau_prior=HALF, intercept=False)
    together = bayes_meta_regression(YI, VI, groups["far"], tau_prior=HALF)
    assert numbers(apart.coefficients[0]) == pytest.approx(numbers(together.coefficients[0]), rel=1e-9)
    far = together.predict([1.0])[0].mean
    assert numbers(apart.coefficients[1]) == pytest.approx(numbers(far), rel=1e-9)


def test_one_giant_study_and_a_shift_of_1e8_keep_the_digits():
    v = np.array([1e-6, 1.0, 1e6, 0.3, 0.5, 0.2])
    y, x = np.array([1.0, 1.5, 0.0, 2.25, -0.5, 0.5]), np.array([0.0, 1.0, 2.0, 3.0, 1.0, 0.0])
    near = bayes_meta_regression(y, v, x, tau_prior=HALF)
    far = bayes_meta_regression(y + 2.0**27, v, x, tau_prior=HALF)
    assert near.converged
    assert far.converged
    assert numbers(far.coefficients[1]) == pytest.approx(numbers(near.coefficients[1]), rel=1e-12)
    assert far.coefficients[0].value - 2.0**27 == pytest.approx(near.coefficients[0].value, abs=2.0**-25)
    # Given tau = 0 the giant study is the intercept: what is left is where tau puts it.
    tight = bayes_meta_regression(y, v, x, tau_prior=HalfNormal(1e-9))
    weight = 1.0 / v
    X = np.column_stack([np.ones(6), x])
    with mpmath.workdps(30):
        information = mpmath.matrix((X.T * weight) @ X)
        exact = mpmath.lu_solve(information, mpmath.matrix((X.T * weight) @ y))
    assert tight.coefficients[1].value == pytest.approx(float(exact[1]), rel=1e-9)


def test_a_prior_identifies_what_the_data_cannot():
    twice = {"a": LATITUDE, "b": 2.0 * LATITUDE}
    with pytest.raises(CollinearityError, match="'a', 'b' determine each other"):
        bayes_meta_regression(YI, VI, twice, tau_prior=HALF)
    fit = bayes_meta_regression(YI, VI, twice, tau_prior=HALF, beta_prior={"b": Normal(0.0, 0.01)})
    assert fit.coefficients[1].se > fit.coefficients[2].se
    assert (fit.coefficients[2].value, fit.coefficients[2].se) == pytest.approx((0.0, 0.01), rel=1e-9, abs=1e-9)
    assert any("cannot tell apart (a, b)" in sentence for sentence in fit.warnings)


def test_a_column_that_does_not_vary_is_refused_by_name():
    with pytest.raises(CollinearityError, match="'year' is constant"):
        bayes_meta_regression(YI, VI, {"year": np.full(13, 1970.0)}, tau_prior=HALF)


def test_too_few_studies_are_refused_and_just_enough_give_the_prior_of_tau_back():
    with pytest.raises(ImproperPosteriorError, match=r"2 studies cannot identify 3 .*\(intercept, x1, x2\)"):
        bayes_meta_regression(YI[:2], VI[:2], [[1.0, 2.0], [3.0, 5.0]], tau_prior=HALF)
    with pytest.raises(ImproperPosteriorError, match="improper posterior"):
        bayes_meta_regression(YI[:3], VI[:3], LATITUDE[:3], tau_prior=Uniform())
    fit = bayes_meta_regression(YI[:2], VI[:2], LATITUDE[:2], tau_prior=HALF)
    assert fit.tau.value == pytest.approx(0.5 * math.sqrt(2.0 / math.pi), rel=1e-9)
    assert any("what its prior says" in sentence for sentence in fit.warnings)


def test_a_heavy_tail_makes_flat_coefficients_infinitely_uncertain_and_says_so():
    prior = {"x1": Normal(0.0, 0.1)}
    fit = bayes_meta_regression(YI[:3], VI[:3], LATITUDE[:3], tau_prior=HalfCauchy(0.5), beta_prior=prior)
    assert fit.tau.value < math.inf
    heavy = bayes_meta_regression(YI[:3], VI[:3], LATITUDE[:3], tau_prior=HalfCauchy(0.5))
    assert [one.se for one in heavy.coefficients] == [math.inf, math.inf]
    assert any("infinite" in sentence for sentence in heavy.warnings)
    assert math.isfinite(heavy.coefficients[1].low)


@pytest.mark.parametrize(
    ("prior", "why"),
    [
        ({"dose": Normal(0.0, 1.0)}, "names 'dose'; the coefficients are intercept, x1"),
        (Normal(0.0, 1.0), "must map names to priors"),
        ([None], "one for each of intercept, x1"),
        ({"x1": 0.5}, r"of 'x1' = 0.5 is no Normal"),
    ],
)
def test_a_prior_that_fits_no_coefficient_is_refused(prior, why):
    with pytest.raises(PriorError, match=why):
        bayes_meta_regression(YI, VI, LATITUDE, tau_prior=HALF, beta_prior=prior)


def test_unusable_moderators_and_rows_are_refused():
    with pytest.raises(InputError, match=r"X\[1, 0\] .* = nan"):
        bayes_meta_regression([0.1, 0.2, 0.3], [0.1] * 3, [1.0, math.nan, 2.0], tau_prior=HALF)
    fit = bayes_meta_regression(YI, VI, LATITUDE, tau_prior=HALF)
    for rows in ([[1.0, 2.0, 3.0]], [math.nan], [["a"]]):
        with pytest.raises(InputError, match="X must hold"):
            fit.predict(rows)


def test_the_stated_error_is_that_of_halved_panels():
    fit = bayes_meta_regression(YI, VI, LATITUDE, tau_prior=HalfCauchy(0.5))
    assert fit.converged
    # Below what the panels are asked for: 1e-11 in each of them.
    assert 0.0 < fit.error < 1e-10
