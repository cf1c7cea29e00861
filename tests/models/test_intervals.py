"""Intervals of the pooled effect, of tau2 and of a new effect, against metafor, pimeta, closed forms and loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

import k2meta as km
from k2meta.models.bootstrap import confidence_distribution
from k2meta.models.counts import mantel_haenszel, peto
from k2meta.models.errors import InputError, UnknownMethodError
from k2meta.models.generalised_q import (
    WEIGHTS,
    confidence_density,
    distribution,
    generalised_q_interval,
    weighted_sum_of_squares,
)
from k2meta.models.heterogeneity import maximum_likelihood, restricted_maximum_likelihood
from k2meta.models.inputs import checked
from k2meta.models.kenward_roger import kenward_roger
from k2meta.models.permutation import DRAWS, sign_patterns
from k2meta.models.pooling import ALL_INTERVALS
from k2meta.models.prediction import PREDICTIONS
from k2meta.models.profile_likelihood import likelihood, noma_factor
from k2meta.models.q_shares import q_based_shares
from k2meta.models.tau2_intervals import TAU2_INTERVALS
from tests.references import load

# Roots in both programs at tightened tolerances.
ROOT = 1e-9
# CompQuadForm's series behind the reference's generalised-Q limits stops at about this.
SERIES = 1e-8
# The reference integrates with a relative tolerance of 1e-4 per call and lands within this.
QUADRATURE = 1e-7
# Closed forms; inputs have 15 digits.
CLOSED = 1e-12
# pimeta prints seven digits, but of searches that stop at about 1e-5.
PIMETA = 3e-5
# Stated absolute error of a probability of Q: with variances within two decades, and across nine.
PROBABILITY = 1e-12
DISTRIBUTION_ERROR = 2e-10
# 25,000 draws: the SE of a 2.5 % quantile of this distribution is about 0.006.
DRAWN = 0.02

EFFECTS = load("metafor")["datasets"]
REFERENCE = load("intervals")["datasets"]
TABLES = load("intervals")["tables"]
names = pytest.mark.parametrize("name", sorted(REFERENCE))

# The systolic blood pressure trials shipped with pimeta.
SBP = np.array([0.00, 0.10, -0.40, -0.80, -0.63, 0.22, -0.34, -0.51, 0.03, -0.81])
SBP_SE = np.array(
    [
        0.42347717, 0.21939179, 0.02551067, 0.19898325, 0.30102594,
        0.30102594, 0.07142988, 0.10204269, 0.12245123, 0.30102594,
    ]
)  # fmt: skip


def data_of(name):
    return np.array(EFFECTS[name]["yi"]), np.array(EFFECTS[name]["vi"])


def test_the_reference_grid_of_intervals_does_not_shrink():
    assert set(REFERENCE) == set(EFFECTS)
    assert len(REFERENCE) == 21
    assert sum("permutation" in data for data in REFERENCE.values()) == 8
    assert all(len(data["tau2"]) == 4 and len(data["generalised_q"]) == 3 for data in REFERENCE.values())
    assert set(TABLES) == {"bcg", "collins1985b", "egger2001", "li2007"}


@names
@pytest.mark.parametrize(
    ("key", "tau2", "kind"),
    [("PL_REML", "REML", "PL"), ("PL_ML", "ML", "PL"), ("Wald_REML", "REML", "Wald"), ("Wald_ML", "ML", "Wald")],
)
def test_profile_likelihood_and_wald_intervals_of_tau2_agree(name, key, tau2, kind):
    found = km.random_effects(*data_of(name), tau2=tau2, tau2_interval=kind).tau2
    expected = REFERENCE[name]["tau2"][key]
    assert (found.low, found.high) == pytest.approx((expected["low"], expected["high"]), rel=ROOT, abs=1e-12)
    assert found.interval_method == kind


@names
@pytest.mark.parametrize("weights", WEIGHTS)
def test_generalised_q_estimates_and_intervals_agree(name, weights):
    fit = km.random_effects(
        *data_of(name), tau2="GENQ", tau2_interval="generalised-Q", tau2_weights=weights, prediction=None
    )
    expected = REFERENCE[name]["generalised_q"][weights]
    assert fit.tau2.value == pytest.approx(EFFECTS[name]["moments"][weights]["tau2"], rel=CLOSED, abs=1e-13)
    # A limit next to zero is compared in units of the variances.
    slack = 1e-9 * float(np.min(EFFECTS[name]["vi"]))
    assert (fit.tau2.low, fit.tau2.high) == pytest.approx(
        (expected["low"], expected["high"]), rel=SERIES, abs=slack
    )


@names
def test_henmi_copas_intervals_agree(name):
    yi, vi = data_of(name)
    mu, expected = km.random_effects(yi, vi, interval="HC").mu, REFERENCE[name]["henmi_copas"]
    assert mu.value == pytest.approx(expected["beta"], rel=CLOSED, abs=1e-15)
    assert mu.se == pytest.approx(expected["se"], rel=CLOSED)
    half = 0.5 * (expected["ci_ub"] - expected["ci_lb"])
    assert (mu.high - mu.value, mu.value - mu.low) == pytest.approx((half, half), rel=QUADRATURE)
    # The test belongs to the interval: moved onto its upper end, zero has p = 0.05.
    edge = km.random_effects(yi - mu.high, vi, interval="HC").mu
    assert edge.p == pytest.approx(0.05, rel=1e-8)


@pytest.mark.parametrize("tau2", ["DL", "REML"])
def test_exact_permutation_p_values_agree(tau2):
    compared = 0
    for name, data in REFERENCE.items():
        if "permutation" in data:
            mu = km.random_effects(*data_of(name), tau2=tau2, interval="permutation").mu
            assert mu.p == pytest.approx(data["permutation"][tau2], rel=CLOSED), name
            compared += 1
    assert compared == 8


def test_four_published_intervals_of_tau2_for_collins_1985b_are_met():
    yi, vi = data_of("collins1985b_OR")
    published = {
        "Q-profile": (0.0723, 2.2027),
        "PL-ML": (0.0266, 1.1308),
        "PL-REML": (0.0427, 1.4747),
        # Cut, not rounded, in the source. It is the gamma approximation, and the exact interval ends at 1.43.
        "Biggerstaff-Tweedie": (0.0481, 2.3551),
    }
    for kind, (low, high) in published.items():
        found = km.random_effects(yi, vi, tau2_interval=kind).tau2
        assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4), kind
    exact = km.random_effects(yi, vi, tau2_interval="generalised-Q").tau2
    assert exact.high == pytest.approx(1.4312, abs=5e-5)


@pytest.mark.parametrize(
    ("interval", "low", "high"),
    [("KR", -0.5815315, -0.0759492), ("PL", -0.5435008, -0.1089345), ("PL-Bartlett", -0.5732713, -0.0780627)],
)
def test_confidence_intervals_of_pimeta_are_met(interval, low, high):
    mu = km.random_effects(SBP, SBP_SE**2, interval=interval).mu
    assert (mu.low, mu.high) == pytest.approx((low, high), abs=PIMETA)


def test_kenward_roger_meets_every_digit_of_pimeta_at_its_own_tau2():
    # Its REML estimate is 1e-4 short of the optimum; the printed digits follow from it.
    printed = kenward_roger(SBP_SE**2, 0.06995102)
    assert printed.df == pytest.approx(6.950759, abs=5e-7)
    half = stats.t.ppf(0.975, printed.df) * printed.se
    assert 2 * half == pytest.approx(-0.0759492 + 0.5815315, abs=2e-7)


def test_the_prediction_interval_of_pimeta_is_met_within_its_sampling_error():
    found = km.random_effects(SBP, SBP_SE**2, prediction="bootstrap").prediction
    assert (found.low, found.high) == pytest.approx((-0.8807, 0.2240), abs=DRAWN)


def test_partlett_riley_intervals_follow_their_formulas():
    yi, vi = data_of("bcg_RR")
    hk = km.random_effects(yi, vi, prediction="PR-HK", interval="z").prediction
    same = km.random_effects(yi, vi, prediction="t(k-2)", interval="HKSJ").prediction
    assert (hk.low, hk.high) == (same.low, same.high)
    fit = km.random_effects(yi, vi, prediction="PR-KR", interval="KR")
    half = stats.t.ppf(0.975, fit.mu.df - 1) * math.sqrt(fit.tau2.value + fit.mu.se**2)
    assert fit.prediction.df == fit.mu.df - 1
    assert (fit.prediction.low, fit.prediction.high) == pytest.approx(
        (fit.mu.value - half, fit.mu.value + half), rel=1e-10
    )


def ruben(ratio, q, terms=1500):
    """P(sum lambda chi-square(1) <= q) as a mixture of chi-square distributions; every term is positive."""
    least = ratio.min()
    rest = 1 - least / ratio
    powers = [0.5 * float(np.sum(rest**j)) for j in range(1, terms)]
    share = [float(np.prod(np.sqrt(least / ratio)))]
    for j in range(1, terms):
        share.append(sum(powers[j - 1 - i] * share[i] for i in range(j)) / j)
    missing = 1 - sum(share)
    return float(np.array(share) @ stats.chi2.cdf(q / least, len(ratio) + 2 * np.arange(terms))), missing


@pytest.mark.parametrize("k", [2, 4, 13, 60])
def test_the_distribution_of_q_agrees_with_rubens_series(k):
    rng = np.random.default_rng(k)
    vi = np.exp(rng.normal(0, 0.5, k))
    for weight in (1 / vi, np.ones(k)):
        weight = weight / weight.sum()
        for tau2 in (0.0, 1.0):
            root = np.sqrt(vi + tau2)
            matrix = root[:, None] * (np.diag(weight) - np.outer(weight, weight)) * root
            ratio = np.linalg.eigvalsh(matrix)[1:]
            for share in (0.2, 1.0, 2.0):
                q = share * float(ratio.sum())
                series, missing = ruben(ratio, q, 400)
                assert missing < PROBABILITY
                found = distribution(q, vi, np.array([tau2]), weight)[0]
                assert found == pytest.approx(series, abs=PROBABILITY)


@pytest.mark.parametrize("k", [2, 3, 10, 100, 1000])
def test_the_distribution_of_q_is_chi_square_for_equal_variances(k):
    for p in (1e-6, 0.025, 0.5, 0.975, 1 - 1e-9):
        q = stats.chi2.ppf(p, k - 1) / k
        found = distribution(q, np.ones(k), np.zeros(1), np.full(k, 1 / k))[0]
        assert found == pytest.approx(stats.chi2.cdf(q * k, k - 1), abs=PROBABILITY)


@pytest.mark.parametrize("giant", [1e-8, 1e-3, 1e3, 1e5, 1e7])
def test_the_distribution_of_q_survives_one_extreme_variance(giant):
    vi, weight = np.array([1.0, giant, 1.0]), np.full(3, 1 / 3)
    root = np.sqrt(vi)
    small, large = np.linalg.eigvalsh(root[:, None] * (np.diag(weight) - np.outer(weight, weight)) * root)[1:]
    for q in (0.3 * (small + large), 3 * (small + large)):

        def integrand(z, q=q):
            return 2 * stats.norm.pdf(z) * stats.chi2.cdf((q - small * z * z) / large, 1)

        direct, _ = quad(integrand, 0, min(40.0, math.sqrt(q / small)), epsabs=1e-14, limit=400, points=[1, 5])
        # eigvalsh keeps the small root to rounding of the large one.
        assert distribution(q, vi, np.zeros(1), weight)[0] == pytest.approx(direct, abs=1e-9)


def test_the_confidence_density_is_the_slope_of_the_distribution():
    yi, vi = data_of("bcg_RR")
    weight = (1 / vi) / np.sum(1 / vi)
    q = weighted_sum_of_squares(yi, weight)
    for tau2 in (0.05, 0.3, 2.0):
        step = 1e-5 * tau2
        down, up = distribution(q, vi, np.array([tau2 - step, tau2 + step]), weight)
        slope = confidence_density(q, vi, np.array([tau2]), weight)[0]
        assert slope == pytest.approx((down - up) / (2 * step), rel=1e-7)


@names
def test_generalised_q_limits_have_their_tail_probabilities(name):
    yi, vi = data_of(name)
    weight = (1 / vi) / np.sum(1 / vi)
    q = weighted_sum_of_squares(yi, weight)
    limits = generalised_q_interval(yi, vi, 0.9)
    at_high, at_low = distribution(q, vi, np.array([limits.high, limits.low]), weight)
    assert at_high == pytest.approx(0.05, abs=1e-11)
    assert at_low == pytest.approx(0.95, abs=1e-11) if limits.low > 0 else at_low <= 0.95


@names
def test_confidence_in_tau_adds_up_to_one(name):
    given = confidence_distribution(*data_of(name))
    assert float(given.weight.sum()) == pytest.approx(1.0, abs=1e-9)
    assert np.all(given.weight >= 0)


@pytest.mark.parametrize("decades", [2, 3, 9])
def test_probabilities_of_q_stay_right_when_variances_span_decades(decades):
    rng = np.random.default_rng(3)
    for _ in range(25):
        k = int(rng.integers(3, 12))
        vi = 10.0 ** rng.uniform(0, decades, k)
        data = checked(rng.normal(0, np.sqrt(vi) * 10.0 ** rng.uniform(-1, 2)), vi)
        given = confidence_distribution(data.yi, data.vi)
        # The density, integrated on its own, adds up to one with the atom that the distribution gives.
        assert float(given.weight.sum()) == pytest.approx(1.0, abs=DISTRIBUTION_ERROR)
        for weight in (1 / data.vi, np.ones(k)):
            weight = weight / weight.sum()
            q = weighted_sum_of_squares(data.yi, weight)
            steps = np.diff(distribution(q, data.vi, given.tau**2, weight))
            assert steps.max() <= DISTRIBUTION_ERROR


def test_the_bootstrap_prediction_interval_is_the_limit_of_its_draws():
    yi, vi = data_of("collins1985b_OR")
    found = km.random_effects(yi, vi, prediction="bootstrap").prediction
    rng = np.random.default_rng(4)
    weight = (1 / vi) / np.sum(1 / vi)
    q = weighted_sum_of_squares(yi, weight)
    grid = np.concatenate([[0.0], np.geomspace(1e-6, 1e6, 6000)])
    # tau2 by inverting its confidence distribution on a fine grid, then the recipe of the paper as it stands.
    tau2 = np.interp(rng.random(200_000), 1 - distribution(q, vi, grid, weight), grid)
    w = 1 / (vi + tau2[:, None])
    mean = (w @ yi) / w.sum(axis=1)
    se = np.sqrt((w * (yi - mean[:, None]) ** 2).sum(axis=1) / (8 * w.sum(axis=1)))
    drawn = mean + rng.normal(size=len(tau2)) * np.sqrt(tau2) - rng.standard_t(8, len(tau2)) * se
    # The SE of a 2.5 % quantile from 200,000 draws is about 0.008 here.
    assert np.quantile(drawn, [0.025, 0.975]) == pytest.approx([found.low, found.high], abs=0.03)


@names
@pytest.mark.parametrize("interval", ["PL", "PL-Bartlett"])
def test_the_ends_of_a_profile_likelihood_interval_have_the_critical_ratio(name, interval):
    yi, vi = data_of(name)
    fit = km.random_effects(yi, vi, interval=interval, level=0.9)
    whole = likelihood(yi, vi)
    for end in (fit.mu.low, fit.mu.high):
        ratio, tau2 = whole.ratio(end)
        # On a dense grid of tau2 no likelihood at this mean is higher.
        grid = np.concatenate([[0.0], np.geomspace(1e-6, 1e3, 20_000) * float(vi.mean())])
        heights = -0.5 * (np.log(vi + grid[:, None]) + (yi - end) ** 2 / (vi + grid[:, None])).sum(axis=1)
        assert 2 * (whole.height - heights.max()) >= ratio - 1e-9
        factor = noma_factor(vi, tau2) if interval == "PL-Bartlett" else 1.0
        assert ratio / factor == pytest.approx(stats.chi2.ppf(0.9, 1), rel=1e-8)
        # The test belongs to the interval: moved onto its end, zero has p = 0.1.
        edge = km.random_effects(yi - end, vi, interval=interval).mu
        assert edge.p == pytest.approx(0.1, rel=1e-7)


@pytest.mark.parametrize("k", [2, 3, 9])
def test_kenward_roger_is_the_t_interval_for_equal_variances(k):
    rng = np.random.default_rng(k)
    # Spread wide enough for a positive tau2, where REML gives the sample variance.
    yi, vi = rng.normal(0, 2, k), np.full(k, 0.01)
    kr, t = (km.random_effects(yi, vi, interval=i).mu for i in ("KR", "t"))
    assert kr.df == pytest.approx(k - 1, rel=1e-9)
    assert (kr.low, kr.high) == pytest.approx((t.low, t.high), rel=1e-9)


def test_kenward_roger_is_never_surer_than_wald():
    for name in REFERENCE:
        yi, vi = data_of(name)
        assert km.random_effects(yi, vi, interval="KR").mu.se >= km.random_effects(yi, vi, interval="z").mu.se


def test_a_permutation_p_value_changes_at_the_ends_of_its_interval():
    yi, vi = data_of("collins1985b_OR")
    mu = km.random_effects(yi, vi, tau2="DL", interval="permutation").mu
    width = mu.high - mu.low
    for end, outward in ((mu.low, -1.0), (mu.high, 1.0)):
        inside, outside = (
            km.random_effects(yi - end + side * outward * 1e-6 * width, vi, tau2="DL", interval="permutation").mu.p
            for side in (1.0, -1.0)
        )
        assert outside <= 0.05 < inside


@pytest.mark.parametrize("tau2", ["DL", "HE", "PM", "EB", "ML", "REML"])
def test_the_permutation_test_agrees_with_a_loop_over_all_signs(tau2):
    yi, vi = data_of("hart1999_IRR")

    def statistic(values):
        fit = km.random_effects(values, vi, tau2=tau2, interval="z", prediction=None)
        return abs(fit.mu.statistic)

    observed = statistic(yi)
    patterns = [1.0 - 2.0 * np.array(list(np.binary_repr(i, 6)), dtype=float) for i in range(64)]
    p = np.mean([statistic(signs * yi) >= observed * (1 - 1e-8) for signs in patterns])
    assert km.random_effects(yi, vi, tau2=tau2, interval="permutation").mu.p == p


def test_random_sign_patterns_repeat_with_their_seed_and_come_near_the_exact_answer():
    yi, vi = data_of("bcg_RR")
    one, same, other = (km.random_effects(yi, vi, tau2="DL", interval="permutation", seed=s) for s in (1, 1, 2))
    assert one == same
    assert one.options["seed"] == 1
    assert one.mu.p * (DRAWS + 1) == pytest.approx(round(one.mu.p * (DRAWS + 1)), abs=1e-9)
    assert 1 / (DRAWS + 1) <= one.mu.p < 0.01
    # 999 draws put the ends of the interval within a few per cent of its width.
    width = one.mu.high - one.mu.low
    assert (other.mu.low, other.mu.high) == pytest.approx((one.mu.low, one.mu.high), abs=0.2 * width)


def test_all_sign_patterns_are_there_up_to_their_negatives():
    signs = sign_patterns(5, 0)
    both = {tuple(row) for row in np.vstack([signs, -signs])}
    assert len(both) == 2 * len(signs) == 32


def test_five_studies_cannot_exclude_anything_by_permutation_and_the_fit_says_so():
    fit = km.random_effects(*data_of("berkey1998_PD"), interval="permutation")
    assert (fit.mu.low, fit.mu.high) == (-math.inf, math.inf)
    assert any("unbounded" in said for said in fit.warnings)
    assert math.isfinite(km.random_effects(*data_of("berkey1998_PD"), interval="permutation", level=0.9).mu.low)


@pytest.mark.parametrize("interval", ALL_INTERVALS)
@pytest.mark.parametrize("k", [1, 2, 3])
def test_every_interval_answers_one_two_and_three_studies(interval, k):
    yi, vi = [0.4, -0.1, 0.9][:k], [0.04, 0.09, 0.02][:k]
    fit = km.random_effects(yi, vi, interval=interval)
    assert not math.isnan(fit.mu.low + fit.mu.high) or "unbounded" in " ".join(fit.warnings)
    assert fit.mu.low <= fit.mu.value <= fit.mu.high
    assert 0 < fit.mu.p <= 1
    if k == 1:
        own = km.random_effects(yi, vi, interval="z").mu
        assert fit.mu == own


@pytest.mark.parametrize("kind", TAU2_INTERVALS)
@pytest.mark.parametrize("k", [2, 3])
def test_every_interval_of_tau2_answers_few_studies_and_holds_an_estimate(kind, k):
    yi, vi = [0.4, -0.9, 0.9][:k], [0.04, 0.09, 0.02][:k]
    tau2 = km.random_effects(yi, vi, tau2_interval=kind).tau2
    assert 0.0 <= tau2.low <= tau2.value <= tau2.high < math.inf


@pytest.mark.parametrize("kind", PREDICTIONS)
def test_predictions_start_at_three_studies_and_say_why_below(kind):
    yi, vi = [0.4, -0.9, 0.9, 0.1], [0.04, 0.09, 0.02, 0.05]
    two = km.random_effects(yi[:2], vi[:2], prediction=kind)
    assert two.prediction is None
    assert any("no prediction interval" in said for said in two.warnings)
    four = km.random_effects(yi, vi, prediction=kind)
    assert four.prediction.low < four.mu.value < four.prediction.high


@pytest.mark.parametrize("interval", ALL_INTERVALS)
def test_identical_effects_give_tau2_zero_and_a_finite_interval(interval):
    fit = km.random_effects([0.3] * 7, [0.1, 0.2, 0.3, 0.4, 0.1, 0.2, 0.3], interval=interval)
    assert fit.tau2.value == 0.0
    assert math.isfinite(fit.mu.low)
    assert math.isfinite(fit.mu.high)
    assert fit.mu.low <= fit.mu.value <= fit.mu.high


def test_predictions_that_cannot_be_made_say_why():
    same = km.random_effects([0.3] * 4, [0.1, 0.2, 0.3, 0.4], prediction="bootstrap")
    assert same.prediction is None
    assert any("All effects are equal" in said for said in same.warnings)
    giant = km.random_effects([0.3, 0.9, -0.5], [1e-6, 1.0, 2.0], prediction="PR-KR")
    assert giant.prediction is None
    assert any("degrees of freedom" in said for said in giant.warnings)
    assert any("too wide" in s for s in km.random_effects([0.3, 0.9], [1e-6, 1.0], interval="KR").warnings)


def test_a_wald_interval_of_tau2_without_a_standard_error_is_not_run_and_says_so():
    fit = km.random_effects(*data_of("bcg_RR"), tau2="PMM", tau2_interval="Wald")
    assert (fit.tau2.low, fit.tau2.high, fit.i2_share.low, fit.h2_share.high) == (None, None, None, None)
    assert any("no Wald interval" in said for said in fit.warnings)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval": "KR", "tau2": "DL"}, "tau2 with KR: 'DL' is not known; choose one of REML"),
        ({"prediction": "PR-KR", "tau2": "PM"}, "tau2 with PR-KR"),
        ({"interval": "permutation", "tau2": "SJ"}, "tau2 with permutation"),
        ({"tau2_interval": "profile"}, "Q-profile, generalised-Q"),
        ({"tau2": "GENQ", "tau2_weights": "n"}, "inv_v, equal, inv_sqrt_v"),
    ],
)
def test_methods_that_do_not_go_together_are_refused_with_those_that_do(options, message):
    with pytest.raises(UnknownMethodError, match=message):
        km.random_effects([0.1, 0.5, 0.3], [0.1, 0.1, 0.2], **options)


def test_a_negative_seed_is_refused():
    with pytest.raises(InputError, match="seed"):
        km.random_effects([0.1, 0.5], [0.1, 0.1], seed=-1)


@pytest.mark.parametrize("interval", [i for i in ALL_INTERVALS if i != "permutation"])
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_intervals_do_not_depend_on_the_unit_or_the_origin(interval, scale):
    yi, vi = np.array([0.1, 0.9, -0.4, 0.35, 1.3]), np.array([0.04, 0.09, 0.02, 0.2, 0.05])
    one = km.random_effects(yi, vi, interval=interval).mu
    other = km.random_effects((yi + 2.0) * scale, vi * scale**2, interval=interval).mu
    assert (other.low / scale - 2.0, other.high / scale - 2.0) == pytest.approx((one.low, one.high), rel=1e-9)
    mirrored = km.random_effects(-yi, vi, interval=interval).mu
    assert (-mirrored.high, -mirrored.low, mirrored.p) == pytest.approx((one.low, one.high, one.p), rel=1e-9)


@names
def test_the_score_is_zero_at_our_optimum_with_fifty_digits(name):
    mpmath = pytest.importorskip("mpmath")
    yi, vi = data_of(name)
    data = checked(yi, vi)
    for estimator, restricted in ((restricted_maximum_likelihood, True), (maximum_likelihood, False)):
        tau2 = estimator(data.yi, data.vi).value
        with mpmath.workdps(50):

            def score(t, restricted=restricted):
                w = [1 / (mpmath.mpf(float(v)) + t) for v in vi]
                total = mpmath.fsum(w)
                mean = mpmath.fsum(a * mpmath.mpf(float(y)) for a, y in zip(w, yi, strict=True)) / total
                squares = mpmath.fsum((a * (mpmath.mpf(float(y)) - mean)) ** 2 for a, y in zip(w, yi, strict=True))
                trace = total - (mpmath.fsum(a * a for a in w) / total if restricted else 0)
                return squares - trace

            if tau2 == 0.0:
                assert score(mpmath.mpf(0)) <= 0
                continue
            # The score changes its sign within 1e-12 of our root: a zero is in between, proved at 50 digits.
            below, above = (score(mpmath.mpf(tau2) * (1 + s * mpmath.mpf("1e-12"))) for s in (-1, 1))
            assert below > 0 > above


@pytest.mark.parametrize("name", sorted(TABLES))
@pytest.mark.parametrize("key", ["MH_OR", "MH_RR", "MH_RD", "PETO"])
def test_mantel_haenszel_and_peto_agree(name, key):
    table = TABLES[name]
    cells = (table["ai"], table["bi"], table["ci"], table["di"])
    fit = peto(*cells) if key == "PETO" else mantel_haenszel(*cells, measure=key[3:])
    expected = table[key]
    pairs = [
        (fit.mu.value, "beta"), (fit.mu.se, "se"), (fit.mu.statistic, "stat"), (fit.mu.p, "pval"),
        (fit.mu.low, "ci_lb"), (fit.mu.high, "ci_ub"), (fit.q.value, "QE"), (fit.q.p, "QEp"),
        (fit.i2, "I2"), (fit.h2, "H2"),
    ]  # fmt: skip
    for value, field in pairs:
        assert value == pytest.approx(expected[field], rel=1e-11), field
    assert sum(fit.weights) == pytest.approx(1.0, rel=CLOSED)
    assert fit.i2_share.low <= fit.i2 <= fit.i2_share.high


def test_one_table_is_answered_by_its_own_measure():
    a, b, c, d = 12.0, 88.0, 20.0, 70.0
    odds = mantel_haenszel([a], [b], [c], [d])
    assert odds.mu.value == pytest.approx(math.log(a * d / (b * c)), rel=CLOSED)
    # For one table the Robins-Breslow-Greenland variance is Woolf's.
    assert odds.mu.se == pytest.approx(math.sqrt(1 / a + 1 / b + 1 / c + 1 / d), rel=CLOSED)
    risk = mantel_haenszel([a], [b], [c], [d], measure="RR")
    assert risk.mu.se == pytest.approx(math.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)), rel=CLOSED)
    assert odds.q.p is None
    assert any("not estimable" in said for said in odds.warnings)


def test_swapping_the_groups_changes_the_sign_and_nothing_else():
    t = TABLES["li2007"]
    for pool in (peto, mantel_haenszel, lambda *x: mantel_haenszel(*x, measure="RD")):
        one = pool(t["ai"], t["bi"], t["ci"], t["di"])
        other = pool(t["ci"], t["di"], t["ai"], t["bi"])
        assert (-other.mu.value, other.mu.se) == pytest.approx((one.mu.value, one.mu.se), rel=1e-9)


def test_a_table_without_events_changes_no_ratio():
    cells, more = ([5, 3], [45, 40], [9, 8], [41, 30]), ([5, 3, 0], [45, 40, 20], [9, 8, 0], [41, 30, 22])
    for pool in (peto, mantel_haenszel, lambda *x: mantel_haenszel(*x, measure="RR")):
        one, other = pool(*cells), pool(*more)
        assert (one.mu, one.q) == (other.mu, other.q)
        assert other.weights[2] == 0.0


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (([], [], [], []), "at least one study"),
        (([1], [2], [3], [4, 5]), "lengths differ"),
        (([1, -1], [2, 2], [3, 3], [4, 4]), r"ai\[1\] = -1.0"),
        (([1, 0], [2, 0], [3, 3], [4, 4]), "index 1: a group without people"),
        (([0, 0], [5, 5], [0, 0], [4, 4]), "undefined|not estimable"),
        (([math.nan], [2], [3], [4]), r"ai\[0\] = nan"),
    ],
)
def test_unusable_tables_are_refused_with_their_place(cells, message):
    for pool in (mantel_haenszel, peto):
        with pytest.raises(InputError, match=message):
            pool(*cells)


def test_an_unknown_measure_of_tables_is_refused():
    with pytest.raises(UnknownMethodError, match="OR, RR, RD"):
        mantel_haenszel([1], [2], [3], [4], measure="HR")


def test_test_based_limits_of_i2_follow_higgins_and_thompson():
    # Q = 20 on 9 df by hand: ln H2 = ln(20/9), SE(ln H) = (ln 20 - ln 9) / (2 (sqrt 40 - sqrt 17)).
    se = (math.log(20) - math.log(9)) / (2 * (math.sqrt(40) - math.sqrt(17)))
    i2, h2 = q_based_shares(20.0, 9)
    factor = math.exp(2 * stats.norm.ppf(0.975) * se)
    assert (h2.low, h2.high) == pytest.approx((max(1, 20 / 9 / factor), 20 / 9 * factor), rel=1e-12)
    assert (i2.value, i2.high) == pytest.approx((55.0, 100 * (1 - 1 / h2.high)), rel=1e-12)
    # Q <= k: the other formula.
    se = math.sqrt((1 - 1 / (3 * 8**2)) / 16)
    assert q_based_shares(8.0, 9)[1].high == pytest.approx(
        8 / 9 * math.exp(2 * stats.norm.ppf(0.975) * se), rel=1e-12
    )
    assert q_based_shares(1.0, 1)[0].low is None
    assert q_based_shares(0.0, 0)[1].value == 1.0
