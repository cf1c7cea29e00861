"""Meta-regression against metafor at tightened tolerances, its relations, and what it refuses."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import k2meta as km
from k2meta.models.design import CollinearityError
from k2meta.models.errors import InputError, UnknownMethodError
from k2meta.models.meta_regression import (
    ESTIMATORS,
    error_contrasts,
    meta_regression,
    permutation_test,
    predict,
)
from tests.references import load

# Promised against a true optimum. The reference solves normal equations whose condition is the square of ours
# (years around 1990 beside an intercept), which costs it digits in coefficients, not in our answer.
RELATIVE = 1e-8
# Where the reference stops at a tau2 of 1e-14 the optimum is zero, and I2 (percent) follows.
TAU2_ZERO = 1e-13
I2_ZERO = 1e-9
# The same numbers by two routes of our own: rounding only.
OWN = 1e-11
# Goldens of the methods page carry six digits and stop at the default tolerance of the reference.
PRINTED = 2e-4

REFERENCE = load("meta_regression")
SETS = REFERENCE["datasets"]
CASES = [(name, model) for name, data in SETS.items() for model in data["models"]]
BLOCKS = {"z": "z", "HKSJ": "knha"}
BCG = SETS["bcg_RR"]
LATITUDE = BCG["models"]["ablat"]["X"][0]

cases = pytest.mark.parametrize(("name", "model"), CASES)


def near(value, expected, *, absolute=1e-12):
    assert value == pytest.approx(expected, rel=RELATIVE, abs=absolute)


def fitted(name, model, **options):
    data = SETS[name]
    entry = data["models"][model]
    X = dict(zip(entry["columns"], entry["X"], strict=True))
    return meta_regression(data["yi"], data["vi"], X, **options)


def field(fit, what):
    return [getattr(one, what) for one in fit.coefficients]


def test_the_reference_grid_does_not_shrink():
    assert len(CASES) == 26
    for name, model in CASES:
        assert set(SETS[name]["models"][model]["fits"]) == {"EE", "DL", "HE", "SJ", "ML", "REML", "PM"}


@pytest.mark.parametrize("tau2", ["EE", "DL", "HE", "SJ", "ML", "REML", "PM"])
@cases
def test_heterogeneity_agrees(name, model, tau2):
    expected = SETS[name]["models"][model]["fits"][tau2]
    fit = fitted(name, model, tau2=tau2)
    assert fit.converged
    near(fit.tau2.value, expected["tau2"], absolute=TAU2_ZERO)
    near(fit.i2, expected["I2"], absolute=I2_ZERO)
    near(fit.h2, expected["H2"])
    near(fit.q_residual.value, expected["QE"])
    near(fit.q_residual.p, expected["QEp"])
    if tau2 not in ("EE", "PM"):
        near(fit.tau2.se, expected["se_tau2"])
    # Where there was no heterogeneity to explain the reference prints zero and we say so instead.
    if fit.r2 is None:
        assert expected["R2"] == 0
        assert fit.tau2_without == 0
        assert any("R2 is not defined" in sentence for sentence in fit.warnings)
    else:
        near(fit.r2, expected["R2"])


@pytest.mark.parametrize("interval", BLOCKS)
@pytest.mark.parametrize("tau2", ["EE", "DL", "HE", "SJ", "ML", "REML", "PM"])
@cases
def test_coefficients_tests_and_predictions_agree(name, model, tau2, interval):
    entry = SETS[name]["models"][model]
    expected = entry["fits"][tau2][BLOCKS[interval]]
    fit = fitted(name, model, tau2=tau2, interval=interval)
    near(field(fit, "value"), expected["beta"])
    near(field(fit, "se"), expected["se"])
    near(field(fit, "p"), expected["pval"])
    near(field(fit, "low"), expected["ci_lb"])
    near(field(fit, "high"), expected["ci_ub"])
    near(fit.q_model.value, expected["QM"])
    near(fit.q_model.p, expected["QMp"])
    at_mean = predict(fit, np.mean(entry["X"], axis=1)[None, :])[0]
    mean = expected["predict_at_mean_x"]
    near([at_mean.value, at_mean.se, at_mean.low], [mean["pred"], mean["se"], mean["ci_lb"]])
    if tau2 != "EE":
        near([at_mean.prediction_low, at_mean.prediction_high], [mean["pi_lb"], mean["pi_ub"]])


@cases
def test_leverages_inflation_and_q_profile_agree(name, model):
    entry = SETS[name]["models"][model]
    fit = fitted(name, model)
    near(list(fit.hat), entry["hat_REML"])
    assert sum(fit.hat) == pytest.approx(len(fit.names), rel=OWN)
    near([fit.tau2.low, fit.tau2.high], entry["q_profile_REML"])
    near(list(fit.vif), entry["vif_REML"] or [1.0])


def test_bcg_on_latitude_gives_the_printed_numbers():
    fit = meta_regression(BCG["yi"], BCG["vi"], {"ablat": LATITUDE}, interval="z")
    assert field(fit, "value") == pytest.approx([0.251464, -0.0291017], rel=PRINTED)
    assert field(fit, "se") == pytest.approx([0.249104, 0.00719555], rel=PRINTED)
    assert fit.tau2.value == pytest.approx(0.0763547, rel=PRINTED)
    assert fit.i2 == pytest.approx(68.3931, rel=PRINTED)
    assert fit.r2 == pytest.approx(75.6245, rel=PRINTED)
    assert fit.q_model.value == pytest.approx(16.3571, rel=PRINTED)
    assert (fit.q_residual.value, fit.q_residual.df) == (pytest.approx(30.7331, rel=PRINTED), 11)


@pytest.mark.parametrize("tau2", [name for name in ESTIMATORS if name != "EE"])
def test_an_intercept_alone_is_the_random_effects_model(tau2):
    alone = meta_regression(BCG["yi"], BCG["vi"], None, tau2=tau2, interval="HKSJ")
    pooled = km.random_effects(BCG["yi"], BCG["vi"], tau2=tau2, interval="HKSJ")
    assert alone.tau2.value == pytest.approx(pooled.tau2.value, rel=OWN)
    assert alone.coefficients[0].value == pytest.approx(pooled.mu.value, rel=OWN)
    assert alone.coefficients[0].se == pytest.approx(pooled.mu.se, rel=OWN)
    assert alone.i2 == pytest.approx(pooled.i2, rel=OWN)
    assert (alone.q_model, alone.vif, alone.r2) == (None, (), None)


def test_the_score_is_zero_in_fifty_digits_though_variances_span_twelve_orders():
    v = 10.0 ** np.linspace(-6, 6, 10)
    x = np.arange(10.0) % 4
    y = 5.0 + x + 3.0 * np.sqrt(v) * np.array([1, -1, 1, 1, -1, -1, 1, -1, 1, -1])
    fit = meta_regression(y, v, x)
    assert fit.tau2.value > 0

    def score(tau2):
        W = mpmath.diag([1 / (mpmath.mpf(float(one)) + tau2) for one in v])
        X = mpmath.matrix([[1, float(one)] for one in x])
        P = W - W * X * (X.T * W * X) ** -1 * X.T * W
        Py = P * mpmath.matrix([float(one) for one in y])
        return (Py.T * Py)[0] - sum(P[i, i] for i in range(10))

    with mpmath.workdps(50):
        root = mpmath.findroot(score, fit.tau2.value)
        assert abs(root / fit.tau2.value - 1) < 1e-10


def test_the_guard_never_narrows_and_plain_knapp_hartung_may():
    guarded = fitted("hart1999_IRR", "year", interval="HKSJ-guarded")
    plain = fitted("hart1999_IRR", "year", interval="HKSJ")
    wald = fitted("hart1999_IRR", "year", interval="t")
    assert field(plain, "se") < field(wald, "se")
    assert field(guarded, "se") == field(wald, "se")
    assert any("Knapp-Hartung factor is below one" in sentence for sentence in plain.warnings)


@given(st.floats(-8, 8), st.floats(-100, 100), st.integers(0, 2**32 - 1))
def test_a_change_of_units_changes_units_only(power, shift, seed):
    rng = np.random.default_rng(seed)
    y, v, x = rng.normal(size=9), rng.uniform(0.1, 1.0, 9), rng.normal(size=(9, 2))
    c = 2.0 ** round(power)
    base = meta_regression(y, v, x)
    moved = meta_regression(c * y, c**2 * v, np.column_stack([x[:, 0] / c, x[:, 1] - shift]))
    assert moved.tau2.value == pytest.approx(c**2 * base.tau2.value, rel=1e-9, abs=1e-12 * c**2)
    one, two = field(base, "value"), field(moved, "value")
    assert two[1] == pytest.approx(c**2 * one[1], rel=1e-9, abs=1e-10 * c**2)
    assert two[2] == pytest.approx(c * one[2], rel=1e-9, abs=1e-10 * c)
    assert moved.q_model.value == pytest.approx(base.q_model.value, rel=1e-8, abs=1e-10)


@given(st.permutations(range(13)))
def test_the_order_of_studies_does_not_matter(order):
    y, v, x = (np.array(one)[list(order)] for one in (BCG["yi"], BCG["vi"], LATITUDE))
    base, turned = meta_regression(BCG["yi"], BCG["vi"], LATITUDE), meta_regression(y, v, x)
    assert turned.tau2.value == pytest.approx(base.tau2.value, rel=1e-10)
    assert field(turned, "p") == pytest.approx(field(base, "p"), rel=1e-9)


def test_effects_on_a_line_leave_nothing_to_test():
    x = np.arange(6.0)
    fit = meta_regression(2.0 + 0.0 * x, np.ones(6), x)
    assert fit.tau2.value == 0.0
    assert fit.at_boundary
    assert fit.q_residual.value == 0.0
    assert fit.q_model.p is None
    assert "exactly on the regression" in fit.q_model.not_run


@pytest.mark.parametrize(
    "entry", REFERENCE["permutation"], ids=lambda entry: f"{entry['dataset']}-{entry['tau2']}"
)
def test_exact_permutation_agrees(entry):
    data = SETS[entry["dataset"]]
    X = np.array(data["models"][entry["model"]]["X"]).T
    found = permutation_test(data["yi"], data["vi"], X, tau2=entry["tau2"], interval="z")
    assert found.exact
    # Shares of the same rearrangements: equal up to rounding.
    assert found.p == pytest.approx(entry["pval"], rel=1e-12)
    assert found.p_model == pytest.approx(entry["QMp"], rel=1e-12)


def test_random_permutations_repeat_with_their_seed_and_are_never_zero():
    y, v = BCG["yi"], BCG["vi"]
    one, two = (permutation_test(y, v, LATITUDE, tau2="DL", permutations=99, seed=7) for _ in range(2))
    assert one == two
    assert (one.exact, one.permutations) == (False, 100)
    assert 0.01 <= one.p[1] <= 0.1
    assert one.p_model == one.p[1]


def test_fewer_than_ten_studies_for_each_covariate_are_exploratory():
    assert any("Exploratory: 13 studies for 2 covariates" in s for s in fitted("bcg_RR", "ablat_year").warnings)
    assert not fitted("bcg_RR", "ablat").exploratory


@pytest.mark.parametrize("k", [1, 2])
def test_without_a_degree_of_freedom_it_is_not_run_and_says_why(k):
    fit = meta_regression(np.arange(k), np.ones(k), np.arange(k))
    assert fit.tau2 is None
    assert fit.coefficients == ()
    assert "3 are needed" in fit.not_run
    assert permutation_test(np.arange(k), np.ones(k), np.arange(k)).not_run == fit.not_run
    with pytest.raises(InputError, match="Not run"):
        predict(fit, [1.0])


def test_three_studies_and_one_moderator_leave_one_degree_of_freedom():
    fit = meta_regression([0.1, 0.5, 0.2], [0.1, 0.2, 0.1], [1.0, 2.0, 4.0])
    assert fit.coefficients[1].df == 1.0
    assert fit.not_run is None


def test_columns_that_determine_each_other_are_named():
    x = np.array([1.0, 2.0, 4.0, 7.0, 11.0, 3.0])
    free = np.array([1.0, 0.0, 2.0, 5.0, 1.0, 1.0])
    X = {"dose": x, "age": free, "months": 12.0 * x + 3.0}
    with pytest.raises(CollinearityError, match="'dose', 'months' determine each other") as caught:
        meta_regression(free, np.ones(6), X)
    assert caught.value.columns == ("dose", "months")
    with pytest.raises(CollinearityError, match="'flat' is constant"):
        meta_regression(free, np.ones(6), {"dose": x, "flat": np.full(6, 0.1)})
    with pytest.raises(CollinearityError, match="'a', 'b', 'c'"):
        meta_regression(free, np.ones(6), {"a": x, "b": free, "c": x - 2.0 * free})


def test_years_beside_an_intercept_are_not_taken_for_collinear():
    fit = meta_regression([0.1, 0.4, 0.2, 0.6], np.full(4, 0.1), [2001.0, 2003.0, 2008.0, 2011.0])
    assert fit.vif == pytest.approx([1.0])


def test_near_collinearity_is_warned_of_by_name():
    x = np.array([1.0, 2.0, 4.0, 7.0, 11.0, 3.0])
    fit = meta_regression(x % 3, np.ones(6), {"a": x, "b": x + np.array([0.0, 0.1, 0.0, -0.1, 0.1, 0.0])})
    assert min(fit.vif) > 10
    assert any("a, b" in sentence for sentence in fit.warnings)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([1.0, 2.0, np.nan, 1.0], r"X\[2, 0\] \(column 'x1'\) = nan"),
        ([1.0, 2.0], r"shape \(2, 1\); it needs one row for each of the 4"),
        ([["a"], ["b"], ["c"], ["d"]], "code groups as 0/1"),
        ({"dose": [1.0, 2.0]}, r"'dose' has shape \(2,\); it needs 4"),
    ],
)
def test_unusable_moderators_are_refused_by_place(X, message):
    with pytest.raises(InputError, match=message):
        meta_regression([0.1, 0.2, 0.3, 0.4], np.ones(4), X)


@pytest.mark.parametrize(("options", "what"), [({"tau2": "reml"}, "tau2"), ({"interval": "KR"}, "interval")])
def test_unknown_methods_list_the_known_ones(options, what):
    with pytest.raises(UnknownMethodError, match=f"{what}: .* choose one of"):
        meta_regression([0.1, 0.2, 0.3], np.ones(3), [1.0, 2.0, 4.0], **options)


def test_names_that_do_not_fit_and_a_design_without_columns_are_refused():
    with pytest.raises(InputError, match="names has 2 entries and X has 1"):
        meta_regression([0.1, 0.2, 0.3], np.ones(3), [1.0, 2.0, 4.0], names=["a", "b"])
    with pytest.raises(InputError, match="nothing is to be estimated"):
        meta_regression([0.1, 0.2, 0.3], np.ones(3), None, intercept=False)
    with pytest.raises(InputError, match="permutations = 0"):
        permutation_test([0.1, 0.2, 0.3], np.ones(3), [1.0, 2.0, 4.0], permutations=0)


def test_contrasts_carry_the_generalised_q_of_the_textbook():
    y, v = np.array(BCG["yi"]), np.array(BCG["vi"])
    X = np.column_stack([np.ones(13), LATITUDE])
    contrasts = error_contrasts(y, v, X)
    for tau2 in (0.0, 0.05, 3.0):
        W = np.diag(1.0 / (v + tau2))
        P = W - W @ X @ np.linalg.solve(X.T @ W @ X, X.T @ W)
        assert contrasts.q(tau2) == pytest.approx(y @ P @ y, rel=1e-9)
        assert contrasts.trace(tau2) == pytest.approx(np.trace(P), rel=1e-9)
