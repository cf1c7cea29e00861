"""Many posteriors at once: the single fit, whatever the neighbours."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

import k2meta as km
from k2meta.models import bayes_batch
from k2meta.models.bayes_batch import bayes_pit_batch, bayes_random_effects_batch
from k2meta.models.errors import InputError

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
