"""Relations every pooled result must keep, whatever the data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import k2meta as km
from k2meta.models.heterogeneity import ESTIMATORS

# Sums in another order; a flat optimum doubles the number of lost digits.
SAME = 1e-7

quick = settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], database=None
)
# Effects and standard errors with few decimals, as papers print them.
effects = st.integers(-300, 300).map(lambda n: n / 100)
errors = st.integers(3, 150).map(lambda n: n / 100)
studies = st.lists(st.tuples(effects, errors), min_size=2, max_size=9)
names = st.sampled_from(sorted(ESTIMATORS))


def arrays(rows):
    yi, se = np.array(rows).T
    return yi, se**2


def summary(fit, shift=0.0, scale=1.0):
    return [
        (fit.mu.value - shift) / scale,
        fit.mu.se / scale,
        fit.tau2.value / scale**2,
        fit.tau2.low / scale**2,
        fit.tau2.high / scale**2,
        fit.q.value,
        fit.i2 / 100,
    ]


def same(one, other, spread):
    assert one == pytest.approx(other, rel=SAME, abs=SAME * max(1.0, spread))


@quick
@given(studies, names, st.floats(-1e3, 1e3))
def test_a_shift_moves_the_mean_and_nothing_else(rows, name, shift):
    yi, vi = arrays(rows)
    one, other = km.random_effects(yi, vi, tau2=name), km.random_effects(yi + shift, vi, tau2=name)
    same(summary(one), summary(other, shift=shift), 1.0)


@quick
@given(studies, names, st.sampled_from([1e-3, 0.1, 7.0, 1e3]))
def test_a_scale_scales_effects_and_squares_variances(rows, name, scale):
    yi, vi = arrays(rows)
    one, other = km.random_effects(yi, vi, tau2=name), km.random_effects(yi * scale, vi * scale**2, tau2=name)
    same(summary(one), summary(other, scale=scale), 1.0)


@quick
@given(studies, names)
def test_a_change_of_sign_mirrors_the_interval(rows, name):
    yi, vi = arrays(rows)
    one, other = km.random_effects(yi, vi, tau2=name), km.random_effects(-yi, vi, tau2=name)
    same([one.mu.value, one.mu.low, one.mu.high], [-other.mu.value, -other.mu.high, -other.mu.low], 1.0)
    same(summary(one)[1:], summary(other)[1:], 1.0)


@quick
@given(studies, names, st.randoms(use_true_random=False))
def test_the_order_of_the_studies_does_not_matter(rows, name, random):
    order = list(range(len(rows)))
    random.shuffle(order)
    yi, vi = arrays(rows)
    one, other = km.random_effects(yi, vi, tau2=name), km.random_effects(yi[order], vi[order], tau2=name)
    same(summary(one), summary(other), 1.0)
    same([one.weights[i] for i in order], list(other.weights), 1.0)


@quick
@given(studies)
def test_paule_mandel_leaves_one_mean_square_and_reml_no_slope(rows):
    yi, vi = arrays(rows)
    tau2 = km.random_effects(yi, vi, tau2="PM").tau2.value
    weight = 1 / (vi + tau2)
    q = np.sum(weight * (yi - np.sum(weight * yi) / np.sum(weight)) ** 2)
    assert q == pytest.approx(len(yi) - 1, rel=1e-9) if tau2 > 0 else q <= len(yi) - 1 + 1e-9
    assert km.random_effects(yi, vi).converged


@settings(quick, max_examples=25)
@given(studies, st.floats(-50, 50), st.sampled_from([0.01, 5.0, 1e3]))
def test_the_posterior_moves_with_shift_and_scale(rows, shift, scale):
    yi, vi = arrays(rows)
    one = km.bayes_random_effects(yi, vi, tau_prior=km.priors.HalfNormal(0.5), mu_prior=km.priors.Normal(0, 2))
    other = km.bayes_random_effects(
        (yi + shift) * scale,
        vi * scale**2,
        tau_prior=km.priors.HalfNormal(0.5 * scale),
        mu_prior=km.priors.Normal(shift * scale, 2 * scale),
    )
    pairs = [(one.mu, other.mu, shift), (one.tau, other.tau, 0.0)]
    for a, b, moved in pairs:
        for field in ("value", "low", "high", "median"):
            assert getattr(b, field) / scale - moved == pytest.approx(
                getattr(a, field), abs=1e-8 * a.se + 1e-12 * abs(moved)
            )
    # Densities of k effects in units `scale` times larger.
    assert other.log_evidence == pytest.approx(one.log_evidence - len(yi) * np.log(scale), abs=1e-8)
