"""MAP priors against the exact predictive, and effective sample sizes against known answers and many digits."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

import k2meta as km
from k2meta.models.errors import InputError, ModelError, PriorError, UnknownMethodError
from k2meta.models.map_prior import ESS, effective_sample_size, map_prior, unit_variance
from k2meta.models.mixtures import NormalMixture
from k2meta.models.priors import HalfCauchy, HalfNormal, Normal
from tests.references import load

# Closed forms and integrals by the adaptive rule, which is asked for 1e-10.
EXACT = 1e-9
# Asked for where nothing else is said.
TOLERANCE = 1e-3

DATA = load("bayes")["datasets"]
FITS = {
    "bcg": ("bcg_RR", HalfNormal(0.5), None),
    "crins": ("CrinsEtAl2014_AR", HalfNormal(0.5), Normal(0.0, 4.0)),
    "crins, heavy tails": ("CrinsEtAl2014_AR", HalfCauchy(0.5), None),
    "eight schools": ("eight_schools", HalfCauchy(25.0), Normal(0.0, 50.0)),
}


def fitted(name):
    data, tau_prior, mu_prior = FITS[name]
    yi, vi = DATA[data]["y"], np.square(DATA[data]["sigma"])
    return km.bayes_random_effects(yi, vi, tau_prior=tau_prior, mu_prior=mu_prior)


@pytest.mark.parametrize("name", FITS)
def test_a_few_components_reach_the_tolerance_and_state_their_largest_error(name):
    fit = fitted(name)
    found = map_prior(fit)
    assert found.converged
    assert 2 <= len(found.mixture.weight) <= 5
    low, high = fit.prediction.low, fit.prediction.high
    theta = np.linspace(low - 6.0 * (high - low), high + 6.0 * (high - low), 20_001)
    # 2e4 points across, so the largest gap lies within 1e-3 of its size from one of them.
    gap = np.abs(found.exact.cdf(theta) - found.mixture.cdf(theta)).max()
    assert gap <= found.cdf_error <= TOLERANCE
    assert gap == pytest.approx(found.cdf_error, rel=1e-3)


@pytest.mark.parametrize("name", FITS)
def test_the_exact_predictive_is_that_of_the_fit(name):
    fit = fitted(name)
    exact = map_prior(fit, components=1, tolerance=0.5).exact
    ends = np.array([fit.prediction.low, fit.prediction.high])
    assert exact.cdf(ends) == pytest.approx([0.025, 0.975], abs=1e-10)


def test_one_component_has_mean_and_variance_of_the_exact_predictive():
    found = map_prior(fitted("bcg"), components=1)
    assert (found.mixture.mean[0], found.mixture.sd[0]) == pytest.approx(found.exact.moments(), rel=EXACT)
    assert not found.converged
    assert any("more than the 0.001 asked for" in sentence for sentence in found.warnings)


def test_every_component_more_brings_the_approximation_closer():
    fit = fitted("crins")
    found = [map_prior(fit, components=n) for n in range(1, 5)]
    assert [len(one.mixture.weight) for one in found] == [1, 2, 3, 4]
    divergences = [one.divergence for one in found]
    assert divergences == sorted(divergences, reverse=True)
    errors = [one.cdf_error for one in found]
    assert errors == sorted(errors, reverse=True)


def test_the_divergence_is_that_of_a_plain_sum_over_a_fine_grid():
    found = map_prior(fitted("crins"), components=2)
    theta = np.linspace(-15.0, 12.0, 20_001)
    p, q = found.exact.pdf(theta), found.mixture.pdf(theta)
    some = p > 1e-290
    plain = np.sum(p[some] * np.log(p[some] / q[some])) * (theta[1] - theta[0])
    assert found.divergence == pytest.approx(plain, rel=1e-6)


def test_without_heterogeneity_the_prior_is_the_common_effect():
    yi, vi = [0.4, -0.2, 0.9, 0.1], [0.04, 0.1, 0.02, 0.3]
    found = map_prior(km.bayes_random_effects(yi, vi, tau_prior=HalfNormal(1e-7)))
    common = km.common_effect(yi, vi).mu
    assert len(found.mixture.weight) == 1
    assert (found.mixture.mean[0], found.mixture.sd[0]) == pytest.approx((common.value, common.se), rel=1e-9)
    assert found.cdf_error < 1e-9


def test_a_robust_prior_is_the_map_prior_and_one_patient_of_doubt():
    fit = fitted("crins")
    plain = map_prior(fit)
    robust = map_prior(fit, robust_weight=0.2, robust_mean=0.0, patient_sd=2.0, arms=1)
    assert (robust.mixture.weight[-1], robust.mixture.mean[-1], robust.mixture.sd[-1]) == (0.2, 0.0, 2.0)
    theta = np.linspace(-6.0, 4.0, 101)
    vague = 0.5 * (1.0 + np.array([math.erf(t / 2.0 / math.sqrt(2.0)) for t in theta]))
    assert robust.mixture.cdf(theta) == pytest.approx(0.8 * plain.mixture.cdf(theta) + 0.2 * vague, abs=1e-13)
    assert robust.cdf_error == plain.cdf_error
    worth = [effective_sample_size(one, patient_sd=2.0, arms=1) for one in (plain, robust)]
    assert worth[1] < worth[0]
    centred = map_prior(fit, robust_weight=0.2, patient_sd=2.0)
    assert centred.mixture.mean[-1] == pytest.approx(plain.exact.moments()[0], rel=1e-12)
    assert centred.mixture.sd[-1] == 4.0


@pytest.mark.parametrize("method", ESS)
def test_a_normal_prior_is_worth_its_share_of_the_variance_of_one_patient(method):
    prior = Normal(-3.0, 0.25)
    assert effective_sample_size(prior, patient_sd=2.0, arms=1, method=method) == pytest.approx(64.0, rel=EXACT)
    assert effective_sample_size(prior, patient_sd=2.0, arms=2, method=method) == pytest.approx(256.0, rel=EXACT)


def test_a_two_arm_trial_of_the_effective_size_has_the_variance_of_the_prior():
    size = effective_sample_size(Normal(0.0, 0.3), patient_sd=1.5)
    per_arm = size / 2.0
    assert 2.0 * 1.5**2 / per_arm == pytest.approx(0.3**2, rel=EXACT)
    assert unit_variance(1.5, 2) == 9.0


MIXTURE = NormalMixture((0.5, 0.3, 0.2), (-1.0, -0.7, 0.4), (0.3, 0.9, 2.5))


def log_density(theta):
    parts = zip(MIXTURE.weight, MIXTURE.mean, MIXTURE.sd, strict=True)
    return mpmath.log(sum(w * mpmath.npdf(theta, m, s) for w, m, s in parts))


def test_the_expected_local_information_ratio_is_its_definition_in_many_digits():
    with mpmath.workdps(20):
        integral = mpmath.quad(
            lambda t: -mpmath.diff(log_density, t, 2) * mpmath.exp(log_density(t)),
            [-30, -8, -4, -2, -1.5, -1, -0.5, 0, 1, 3, 8, 30],
        )
    found = effective_sample_size(MIXTURE, patient_sd=3.0, arms=1)
    assert found == pytest.approx(9.0 * float(integral), rel=1e-8)


def test_the_other_two_are_their_definitions():
    mean = sum(w * m for w, m in zip(MIXTURE.weight, MIXTURE.mean, strict=True))
    second = sum(w * (m * m + s * s) for w, m, s in zip(MIXTURE.weight, MIXTURE.mean, MIXTURE.sd, strict=True))
    with mpmath.workdps(30):
        curvature = -mpmath.diff(log_density, mpmath.mpf(mean), 2)
    found = [effective_sample_size(MIXTURE, patient_sd=3.0, arms=1, method=name) for name in ("morita", "moment")]
    assert found == pytest.approx([9.0 * float(curvature), 9.0 / (second - mean**2)], rel=EXACT)


def updated(y, variance):
    """Return the posterior of MIXTURE after one effect y with a sampling variance."""
    w, m, s = (np.array(part) for part in (MIXTURE.weight, MIXTURE.mean, MIXTURE.sd))
    seen = s**2 + variance
    log = np.log(w) - 0.5 * np.log(seen) - 0.5 * (y - m) ** 2 / seen
    share = np.exp(log - log.max())
    share = np.maximum(share / share.sum(), 1e-300)
    mean, sd = (m * variance + y * s**2) / seen, np.sqrt(s**2 * variance / seen)
    return NormalMixture(tuple(share), tuple(mean), tuple(sd))


def test_only_the_expected_local_information_ratio_adds_the_patients_of_the_next_trial():
    patients, sd = 20, 3.0
    variance = sd**2 / patients
    y = np.linspace(-20.0, 20.0, 801)
    spread = np.sqrt(np.square(MIXTURE.sd) + variance)
    predictive = NormalMixture(MIXTURE.weight, MIXTURE.mean, tuple(spread)).pdf(y) * (y[1] - y[0])

    def gain(method):
        after = [effective_sample_size(updated(one, variance), patient_sd=sd, arms=1, method=method) for one in y]
        return predictive @ np.array(after) - effective_sample_size(MIXTURE, patient_sd=sd, arms=1, method=method)

    assert gain("elir") == pytest.approx(patients, rel=1e-7)
    assert abs(gain("moment") - patients) > 1.0


def test_a_narrow_component_far_away_is_not_missed():
    mixture = NormalMixture((0.5, 0.5), (0.0, 1000.0), (100.0, 0.01))
    # Far apart, the information of a mixture is the mean of that of its components.
    found = effective_sample_size(mixture, patient_sd=1.0, arms=1)
    assert found == pytest.approx(0.5 / 0.01**2 + 0.5 / 100.0**2, rel=1e-6)


def test_a_prior_that_curves_upwards_at_its_mean_leaves_nothing_to_morita():
    with pytest.raises(ModelError, match="curves upwards"):
        effective_sample_size(
            NormalMixture((0.5, 0.5), (-3.0, 3.0), (1.0, 1.0)), patient_sd=1.0, arms=1, method="morita"
        )


def test_heavy_tails_are_said_aloud():
    fit = km.bayes_random_effects([0.1, 0.5], [0.1, 0.2], tau_prior=HalfCauchy(0.5))
    assert any("no finite variance" in sentence for sentence in map_prior(fit).warnings)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"components": 0}, "components = 0"),
        ({"components": 7}, "components = 7"),
        ({"tolerance": 0.0}, "tolerance"),
        ({"robust_weight": 1.0, "patient_sd": 1.0}, "robust_weight"),
        ({"robust_weight": 0.2}, "patient_sd = None"),
        ({"robust_weight": 0.2, "patient_sd": -1.0}, "patient_sd = -1.0"),
        ({"robust_weight": 0.2, "patient_sd": 1.0, "arms": 3}, "arms = 3"),
        ({"robust_mean": math.nan}, "robust_mean"),
    ],
)
def test_impossible_wishes_are_refused(options, why):
    with pytest.raises(InputError, match=why):
        map_prior(fitted("bcg"), **options)


def test_a_fit_without_a_posterior_and_an_unknown_method_are_refused():
    with pytest.raises(InputError, match="needs the posterior"):
        map_prior(km.random_effects([0.1, 0.2], [0.1, 0.1]))
    with pytest.raises(UnknownMethodError, match="elir, morita, moment"):
        effective_sample_size(Normal(0.0, 1.0), patient_sd=1.0, method="ELIR")


@pytest.mark.parametrize(
    "parts",
    [
        ((), (), ()),
        ((1.0,), (0.0, 1.0), (1.0,)),
        ((0.5, 0.4), (0.0, 1.0), (1.0, 1.0)),
        ((1.5, -0.5), (0.0, 1.0), (1.0, 1.0)),
        ((1.0,), (math.nan,), (1.0,)),
        ((1.0,), (0.0,), (0.0,)),
    ],
)
def test_a_mixture_that_is_no_distribution_is_refused(parts):
    with pytest.raises(PriorError, match="NormalMixture"):
        NormalMixture(*parts)
