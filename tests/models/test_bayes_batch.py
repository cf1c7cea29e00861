"""Many posteriors at once: the single fit, whatever the neighbours."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

import k2meta as km
from k2meta.models import bayes_batch
from k2meta.models.bayes_batch import bayes_pit_batch, bayes_random_effects_batch
from k2meta.models.errors import InputError, PriorError
from k2meta.models.quadrature import hidden_rise

# In posterior standard deviations, as the docstring promises.
SAME = 1e-8
# Effects of 1e6 with standard errors of 0.1 are themselves known to 1e-9 of a standard error.
FAR = 1e-7

P = km.priors
TAU = (P.HalfNormal(0.5), P.HalfCauchy(0.5), P.Exponential(0.3), P.HalfT(3.0, 1.0), P.Uniform(4.0), P.Uniform())
SHIPPED = (*TAU, *P.EMPIRICAL.values())
MU = (None, P.Normal(0.0, 4.0))


def hostile(rows, studies, seed=4):
    """Variances from 1e-6 to 1e6, a dominant trial, equal effects, a far origin, six studies or more."""
    rng = np.random.default_rng(seed)
    Y = np.full((rows, studies), np.nan)
    V = Y.copy()
    for row in range(rows):
        k = int(rng.integers(6, studies + 1))
        v = (rng.uniform(0.01, 0.3, k), 10.0 ** rng.uniform(-6, 6, k), np.r_[1e-4, np.ones(k - 1)])[row % 3]
        y = rng.normal(0, np.sqrt(v + rng.choice([0, 0.01, 1, 10])))
        if row % 7 == 0:
            y[:] = 0.3
        if row % 11 == 0:
            y += rng.choice([-1e6, 1e3])
        where = rng.permutation(studies)[:k]
        Y[row, where], V[row, where] = y, v
    return Y, V


def assert_same_as_single(batch, row, fit):
    far = FAR if abs(fit.mu.value) > 100 * fit.mu.se else SAME
    assert batch.mu_sd[row] == pytest.approx(fit.mu.se, rel=far)
    for ours, theirs, unit in (
        (batch.mu_mean, fit.mu.value, fit.mu.se),
        (batch.low, fit.mu.low, fit.mu.se),
        (batch.high, fit.mu.high, fit.mu.se),
        (batch.tau_mean, fit.tau.value, fit.tau.se),
        (batch.tau_median, fit.tau.median, fit.tau.se),
        (batch.prob_below_zero, fit.prob(mu_below=0.0), 1.0),
    ):
        assert math.isfinite(unit)
        assert ours[row] == pytest.approx(theirs, rel=0, abs=far * unit)
    if fit.log_evidence is None:
        assert math.isnan(batch.log_evidence[row])
    else:
        assert batch.log_evidence[row] == pytest.approx(fit.log_evidence, rel=1e-12, abs=SAME)


@pytest.mark.parametrize("mu_prior", MU, ids=["flat", "normal"])
@pytest.mark.parametrize("tau_prior", SHIPPED, ids=lambda p: p.describe())
def test_a_row_of_the_batch_is_the_single_fit(tau_prior, mu_prior):
    Y, V = hostile(22, 15)
    batch = bayes_random_effects_batch(Y, V, tau_prior=tau_prior, mu_prior=mu_prior)
    assert batch.converged.all()
    for row in range(len(Y)):
        here = ~np.isnan(Y[row])
        fit = km.bayes_random_effects(Y[row, here], V[row, here], tau_prior=tau_prior, mu_prior=mu_prior)
        assert_same_as_single(batch, row, fit)


def test_a_heavy_tailed_standard_deviation_is_that_of_thirty_digits():
    y, v, scale = (0.0, 1.0, -0.4), (0.1, 0.2, 0.05), 0.5
    batch = bayes_random_effects_batch([y], [v], tau_prior=P.HalfCauchy(scale))

    def given(tau):
        w = [1 / (mpmath.mpf(one) + tau**2) for one in v]
        mean = sum(a * b for a, b in zip(w, y, strict=True)) / sum(w)
        fit = sum(a * (b - mean) ** 2 for a, b in zip(w, y, strict=True))
        density = mpmath.sqrt(mpmath.fprod(w) / sum(w)) * mpmath.exp(-fit / 2) / (1 + (tau / scale) ** 2)
        return density, density * mean, density * (1 / sum(w) + mean**2)

    with mpmath.workdps(30):
        ends = [0, 0.1, 0.3, 1, 3, 10, 100, 10_000, mpmath.inf]
        total, first, second = (mpmath.quad(lambda t, i=i: given(t)[i], ends) for i in range(3))
        sd = float(mpmath.sqrt(second / total - (first / total) ** 2))
    assert batch.mu_mean[0] == pytest.approx(float(first / total), abs=SAME * sd)
    assert batch.mu_sd[0] == pytest.approx(sd, rel=SAME)
    single = km.bayes_random_effects(y, v, tau_prior=P.HalfCauchy(scale))
    assert single.mu.se == pytest.approx(sd, rel=SAME)


@pytest.mark.parametrize("k", [1, 2, 3, 4, 200])
def test_few_and_many_studies_are_the_single_fit(k):
    rng = np.random.default_rng(k)
    V = rng.uniform(0.02, 0.4, (6, k))
    Y = rng.normal(-0.3, np.sqrt(V + 0.1))
    batch = bayes_random_effects_batch(Y, V, tau_prior=P.HalfNormal(0.5), mu_prior=P.Normal(0, 4), level=0.8)
    for row in range(6):
        fit = km.bayes_random_effects(
            Y[row], V[row], tau_prior=P.HalfNormal(0.5), mu_prior=P.Normal(0, 4), level=0.8
        )
        assert_same_as_single(batch, row, fit)
    assert (batch.nodes > 0).all()


def test_a_moment_that_heavy_tails_make_infinite_is_infinite_in_the_batch():
    y, v = [0.1, 0.5], [0.1, 0.2]
    batch = bayes_random_effects_batch([y], [v], tau_prior=P.HalfCauchy(0.5))
    fit = km.bayes_random_effects(y, v, tau_prior=P.HalfCauchy(0.5))
    assert batch.mu_sd[0] == fit.mu.se == math.inf
    assert batch.tau2[0] == math.inf
    assert batch.low[0] == pytest.approx(fit.mu.low, rel=SAME)
    assert batch.tau_median[0] == pytest.approx(fit.tau.median, rel=SAME)


def test_more_nodes_change_nothing_beyond_the_promise(monkeypatch):
    Y, V = hostile(22, 15)
    usual = bayes_random_effects_batch(Y, V, tau_prior=P.HalfNormal(0.5))
    monkeypatch.setattr(bayes_batch, "RULES", (256,))
    finer = bayes_random_effects_batch(Y, V, tau_prior=P.HalfNormal(0.5))
    assert (usual.nodes[usual.nodes > 0] < 256).any()
    far = np.where(np.abs(finer.mu) > 100 * finer.se, FAR, SAME)
    for name in ("mu_mean", "mu_sd", "low", "high", "tau_median"):
        assert np.all(np.abs(getattr(usual, name) - getattr(finer, name)) <= far * finer.se), name


def test_a_row_no_rule_resolves_goes_to_the_adaptive_engine(monkeypatch):
    Y, V = hostile(3, 15)
    usual = bayes_random_effects_batch(Y, V, tau_prior=P.HalfNormal(0.5))
    monkeypatch.setattr(bayes_batch, "RULES", (8,))
    handed_on = bayes_random_effects_batch(Y, V, tau_prior=P.HalfNormal(0.5))
    assert (handed_on.nodes == 0).all()
    assert handed_on.converged.all()
    assert np.all(np.abs(usual.high - handed_on.high) <= FAR * usual.se)


def test_neighbours_and_chunks_do_not_change_a_row(monkeypatch):
    Y, V = hostile(22, 15)
    together = bayes_random_effects_batch(Y, V, tau_prior=P.HalfNormal(0.5))
    monkeypatch.setattr(bayes_batch, "ROWS", 5)
    apart = bayes_random_effects_batch(Y, V, tau_prior=P.HalfNormal(0.5))
    # Sums over nodes may be added in another order; nothing else may differ.
    assert together.mu_mean == pytest.approx(apart.mu_mean, rel=1e-12)
    assert together.tau_median == pytest.approx(apart.tau_median, rel=1e-9)


def test_a_row_that_cannot_be_run_says_why():
    nan = math.nan
    Y, V = [[nan, nan], [0.1, nan], [0.1, 0.2]], [[nan, nan], [0.1, nan], [0.1, 0.2]]
    improper = bayes_random_effects_batch(Y, V, tau_prior=P.Uniform())
    assert improper.k.tolist() == [0, 1, 2]
    assert improper.not_run[0] == "No study is present, so there is nothing to pool."
    assert "improper" in improper.not_run[1]
    assert "improper" in improper.not_run[2]
    assert not improper.converged.any()
    proper = bayes_random_effects_batch(Y, V, tau_prior=P.HalfNormal(1.0))
    assert list(proper.not_run) == [0]
    assert proper.converged.tolist() == [False, True, True]
    assert np.isfinite(proper.mu_mean[1:]).all()


@pytest.mark.parametrize(
    ("Y", "V", "why"),
    [
        ([[0.1, 0.2]], [[0.1, 0.0]], r"Y\[0, 1\].*positive"),
        ([[0.1, math.inf]], [[0.1, 0.1]], r"Y\[0, 1\].*finite"),
        ([[0.1, math.nan]], [[0.1, 0.1]], r"Y\[0, 1\].*absent study is NaN in both"),
        ([[0.1, 0.2]], [[0.1]], "shape"),
        ([0.1, 0.2], [0.1, 0.1], "shape"),
        ([["a"]], [[0.1]], "matrices of numbers"),
    ],
)
def test_unusable_rows_are_refused_by_index(Y, V, why):
    with pytest.raises(InputError, match=why):
        bayes_random_effects_batch(Y, V, tau_prior=P.HalfNormal(0.5))


def test_the_distribution_functions_are_one_half_at_the_medians():
    Y, V = hostile(11, 15)
    fits = [
        km.bayes_random_effects(y[~np.isnan(y)], v[~np.isnan(v)], tau_prior=P.HalfNormal(0.5))
        for y, v in zip(Y, V, strict=True)
    ]
    mu, tau = [f.mu.median for f in fits], [f.tau.median for f in fits]
    pit = bayes_pit_batch(Y, V, mu, tau, tau_prior=P.HalfNormal(0.5))
    assert pit.converged.all()
    assert pit.mu == pytest.approx(np.full(11, 0.5), abs=FAR)
    assert pit.tau == pytest.approx(np.full(11, 0.5), abs=SAME)
    ends = bayes_pit_batch(Y, V, [f.mu.low for f in fits], [f.tau.high for f in fits], tau_prior=P.HalfNormal(0.5))
    assert ends.mu == pytest.approx(np.full(11, 0.025), abs=FAR)
    assert ends.tau == pytest.approx(np.full(11, 0.975), abs=SAME)


def test_values_that_are_not_one_for_each_row_are_refused():
    with pytest.raises(InputError, match="one for each of the 1 rows"):
        bayes_pit_batch([[0.1]], [[0.1]], [0.0], [-1.0], tau_prior=P.HalfNormal(0.5))


# Effects that contradict each other under priors that rule the contradiction out: one mode of tau lies at zero and
# one far out, where it is so narrow in log(tau) that a coarse look passes it by.
CONTRADICTING = (
    ((-807.30065122, 633.10411749), (78.37035266, 2.77726669), P.Exponential(1e-3)),
    ((271.6, 1038.8, -10943.5, -23333.1), (61.0, 1438.7, 354.3, 1767.0), P.Exponential(1.3458e-4)),
)
# The grid is a trapezoid of 400,000 points in log(tau); the tenth part of them gives the same eight digits.
GRID = 1e-6


def log_likelihood(y, v, tau):
    """Return the log likelihood of tau under a flat mu, and mean and variance of mu given tau, plainly."""
    w = 1.0 / (np.asarray(v) + tau[:, None] ** 2)
    total = w.sum(axis=1)
    mean = w @ np.asarray(y) / total
    q = (w * (np.asarray(y) - mean[:, None]) ** 2).sum(axis=1)
    return 0.5 * (np.log(w).sum(axis=1) - np.log(total) - q), mean, 1.0 / total


def by_a_grid(y, v, prior):
    """Return mean and SD of mu and median of tau from a plain grid of tau."""
    tau = np.append(0.0, np.exp(np.linspace(math.log(1e-9), math.log(1e5), 400_000)))
    seen, mean, variance = log_likelihood(y, v, tau)
    height = seen + prior.logpdf(tau)
    density = np.exp(height - height.max())
    step = np.diff(tau)
    share = density * (np.append(step, 0.0) + np.append(0.0, step))
    share /= share.sum()
    centre = share @ mean
    sd = math.sqrt(share @ (variance + (mean - centre) ** 2))
    return centre, sd, np.interp(0.5, np.cumsum(share), tau)


@pytest.mark.parametrize(("y", "v", "prior"), CONTRADICTING)
def test_a_far_mode_is_not_missed(y, v, prior):
    mean, sd, median = by_a_grid(y, v, prior)
    batch = bayes_random_effects_batch([y], [v], tau_prior=prior)
    fit = km.bayes_random_effects(y, v, tau_prior=prior)
    for found in ((fit.mu.value, fit.mu.se), (batch.mu[0], batch.se[0])):
        assert found == pytest.approx((mean, sd), rel=0, abs=GRID * sd)
    assert batch.converged[0]
    assert (fit.tau.median, batch.tau_median[0]) == pytest.approx((median, median), rel=1e-3)


def two_modes(rng, family):
    """Return effects and variances, and a prior whose scale makes the modes at zero and far out of like height."""
    k = int(rng.integers(2, 7))
    v, y = 10.0 ** rng.uniform(0, 3.5, k), rng.normal(size=k) * 10.0 ** rng.uniform(2.5, 4.5)
    tau = np.append(0.0, np.exp(np.linspace(math.log(1e-4), math.log(1e6), 4001)))
    seen = log_likelihood(y, v, tau)[0]
    power = 1.0 if family is P.Exponential else 2.0
    far, low, high = tau > 0.1 * math.sqrt(v.min()), -6.0, 8.0
    gap = rng.uniform(-25.0, 25.0)
    for _ in range(60):
        middle = 0.5 * (low + high)
        top = (seen - (tau / 10.0**middle) ** power / power)[far].max() - seen[0]
        low, high = (middle, high) if top < gap else (low, middle)
    return y, v, family(10.0**low)


@pytest.mark.parametrize("family", [P.Exponential, P.HalfNormal])
def test_rows_with_two_far_modes_are_the_single_fit_and_the_single_fit_is_the_grid(family):
    rng = np.random.default_rng(20)
    for row in range(30):
        y, v, prior = two_modes(rng, family)
        batch = bayes_random_effects_batch([y], [v], tau_prior=prior)
        fit = km.bayes_random_effects(y, v, tau_prior=prior)
        assert fit.converged
        assert batch.converged[0]
        ours = (batch.mu[0], batch.se[0])
        assert ours == pytest.approx((fit.mu.value, fit.mu.se), rel=0, abs=SAME * fit.mu.se), (row, prior)
        # Between two modes there is next to no probability: an end is as good as its probability.
        ends = [fit.prob(mu_below=end) for end in (batch.low[0], batch.high[0])]
        assert ends == pytest.approx([0.025, 0.975], rel=0, abs=SAME), (row, prior)
        if row % 10 == 0:
            mean, sd, _ = by_a_grid(y, v, prior)
            assert ours == pytest.approx((mean, sd), rel=0, abs=GRID * sd), (row, prior)


@pytest.mark.parametrize("scale", [1e-4, 1e-2, 1.0, 100.0])
@pytest.mark.parametrize("family", [P.HalfNormal, P.Exponential, lambda s: P.HalfT(3.0, s), P.Uniform])
def test_conflicting_studies_are_the_single_fit_under_priors_of_every_scale(family, scale):
    rng = np.random.default_rng(int(1e4 * scale))
    V = 10.0 ** rng.uniform(0, 3.5, (8, 5))
    Y = rng.normal(size=(8, 5)) * 10.0 ** rng.uniform(1, 4.5, (8, 1))
    batch = bayes_random_effects_batch(Y, V, tau_prior=family(scale))
    for row in range(8):
        assert_same_as_single(batch, row, km.bayes_random_effects(Y[row], V[row], tau_prior=family(scale)))


@pytest.mark.parametrize("spread", [1e-3, 0.03])
def test_a_narrow_prior_far_from_the_data_is_found(spread):
    y, v, prior = (0.1, 0.4, -0.2), (0.04, 0.1, 0.02), P.LogNormalVariance(9.0, spread)
    batch = bayes_random_effects_batch([y], [v], tau_prior=prior)
    assert_same_as_single(batch, 0, km.bayes_random_effects(y, v, tau_prior=prior))
    assert batch.tau_median[0] == pytest.approx(math.exp(4.5), rel=spread)


def test_a_row_whose_tau_is_as_good_as_zero_is_answered_and_harms_no_neighbour():
    vi = [0.644236350872137] * 3
    Y, V = [[0.0, 0.1, 0.2], [0.0, 1.0, 0.5]], [vi, [0.1, 0.2, 0.3]]
    both = bayes_random_effects_batch(Y, V, tau_prior=P.HalfNormal(1e-6))
    for row in range(2):
        assert_same_as_single(both, row, km.bayes_random_effects(Y[row], V[row], tau_prior=P.HalfNormal(1e-6)))
    alone = bayes_random_effects_batch(Y[:1], V[:1], tau_prior=P.HalfNormal(1e-6))
    assert alone.high[0] == pytest.approx(0.1 + 1.959963984540054 * math.sqrt(vi[0] / 3), rel=1e-9)


def test_no_smooth_height_rises_further_between_two_points_than_is_allowed_for():
    rng = np.random.default_rng(3)
    x, fine = np.linspace(0.0, 12.0, 49), np.linspace(0.0, 12.0, 48 * 16 + 1)
    for _ in range(200):
        places, sizes = rng.uniform(0, 12, 5), 10.0 ** rng.uniform(0, 4, 5)
        falls = [size / (1.0 + np.exp(2.0 * (fine - place))) for size, place in zip(sizes, places, strict=True)]
        height = -sum(falls) - 10.0 ** rng.uniform(-8, -1) * np.exp(2.0 * fine)
        inside = np.lib.stride_tricks.sliding_window_view(height, 17)[::16].max(axis=1)
        known = height[::16]
        allowed = np.maximum(known[:-1], known[1:]) + hidden_rise(x, known)
        assert np.all(inside <= allowed + 1e-9 * sizes.sum())


def test_a_jeffreys_prior_is_made_of_the_variances_of_each_row():
    rng = np.random.default_rng(8)
    V = rng.uniform(0.01, 0.3, (6, 9)) * 10.0 ** np.arange(-3, 3)[:, None]
    Y = rng.normal(0.0, np.sqrt(2.0 * V))
    batch = bayes_random_effects_batch(Y, V, tau_prior=P.Jeffreys())
    assert (batch.nodes > 0).all()
    for row in range(6):
        fit = km.bayes_random_effects(Y[row], V[row], tau_prior=P.Jeffreys(tuple(V[row])))
        assert_same_as_single(batch, row, fit)
    for given in (bayes_random_effects_batch, lambda *a, **o: bayes_pit_batch(*a, np.zeros(6), np.ones(6), **o)):
        with pytest.raises(PriorError, match=r"not those of the 9 studies pooled.*give Jeffreys\(\)"):
            given(Y, V, tau_prior=P.Jeffreys(tuple(V[0])))


def test_a_row_beyond_every_scale_of_the_prior_says_so_and_harms_no_neighbour():
    Y, V = [[0.1, 0.2], [1e-60, 2e-60], [0.1, 0.4]], [[0.1, 0.1], [1e-120, 1e-120], [0.2, 0.1]]
    batch = bayes_random_effects_batch(Y, V, tau_prior=P.HalfNormal(0.5))
    assert list(batch.not_run) == [1]
    assert "units of the effects" in batch.not_run[1]
    assert batch.converged.tolist() == [True, False, True]
    assert_same_as_single(batch, 2, km.bayes_random_effects(Y[2], V[2], tau_prior=P.HalfNormal(0.5)))
