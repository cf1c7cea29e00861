"""Small-study checks against metafor and R's lm(), at their limits, and by what must not change them."""

from __future__ import annotations

import importlib
import itertools
import math

import numpy as np
import pytest

import k2meta as km
from k2meta.models.errors import InputError, UnknownMethodError
from k2meta.sensitivity import (
    begg,
    egger,
    excess_significance,
    fail_safe_n,
    harbord,
    pet_peese,
    peters,
    pustejovsky_rodgers,
    regression_test,
    trim_and_fill,
)
from tests.references import load

# Closed forms on both sides.
CLOSED = 1e-10

# REML on both sides; metafor at tightened tolerances, and a tau2 of zero reached from above.
ITERATED = 1e-8
ZERO_TAU2 = 1e-9

# metafor refits trimmed and filled studies at its default tolerance for REML.
DEFAULT_REML = 1e-4

REFERENCE = load("small_study")
DATASETS = REFERENCE["datasets"]
BCG = DATASETS["bcg_RR"]
TAU2 = {"FE": "EE"}


def numbers(test):
    """The line and the test of its slope, as the references hold them."""
    return {
        "stat": test.statistic,
        "pval": test.p,
        "coef": [test.intercept.value, test.slope.value],
        "coef_se": [test.intercept.se, test.slope.se],
    }


def near(value, tolerance):
    """What a number must be close to, or ``None`` where the reference has none."""
    return None if value is None else pytest.approx(value, rel=tolerance)


def compare(test, expected, tolerance):
    for key, value in numbers(test).items():
        assert value == pytest.approx(expected[key], rel=tolerance, abs=1e-12), key


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_every_regression_test_agrees_with_metafor(name):
    data = DATASETS[name]
    for key, expected in data["regtest"].items():
        model, *rest, predictor = key.split("_")
        options = {"model": "lm"}
        if model == "rma":
            options = {"model": "mixed", "tau2": TAU2.get(rest[0], rest[0]), "interval": rest[1]}
            options["interval"] = {"knha": "HKSJ"}.get(options["interval"], options["interval"])
        found = regression_test(data["yi"], data["vi"], ni=data["ni"], predictor=predictor, minimum_k=3, **options)
        assert found.converged
        compare(found, expected, ITERATED)
        assert found.df == expected["dfs"]
        if expected["limit_est"] is None:
            assert found.limit is None
        else:
            limit = [found.limit.value, found.limit.low, found.limit.high]
            theirs = [expected[bound] for bound in ("limit_est", "limit_ci_lb", "limit_ci_ub")]
            assert limit == pytest.approx(theirs, rel=ITERATED, abs=1e-11)
        if model == "rma":
            assert found.tau2 == pytest.approx(expected["fit_tau2"], rel=ITERATED, abs=ZERO_TAU2)
        else:
            assert found.dispersion == pytest.approx(expected["sigma"], rel=CLOSED)


def test_eggers_test_of_the_bcg_trials():
    found = egger(BCG["yi"], BCG["vi"])
    assert found.statistic == pytest.approx(-1.40128, abs=5e-6)
    assert found.df == 11


def test_eggers_slope_is_the_intercept_of_the_published_form():
    yi, se = np.array(BCG["yi"]), np.sqrt(BCG["vi"])
    published = np.linalg.lstsq(np.column_stack([np.ones(13), 1 / se]), yi / se, rcond=None)[0]
    found = egger(BCG["yi"], BCG["vi"])
    assert [found.slope.value, found.intercept.value] == pytest.approx(published, rel=CLOSED)


def test_a_shift_of_all_effects_leaves_the_test_of_asymmetry_alone():
    yi = np.array(BCG["yi"]) + 100.0
    for model in ("lm", "mixed"):
        here, there = (regression_test(y, BCG["vi"], model=model) for y in (BCG["yi"], yi))
        # One hundred costs two of sixteen digits.
        assert there.statistic == pytest.approx(here.statistic, rel=1e-9)
        assert there.intercept.value == pytest.approx(here.intercept.value + 100.0, rel=1e-12)


@pytest.mark.parametrize("name", sorted(REFERENCE["tables"]))
def test_peters_and_harbord_agree_with_weighted_lm_of_r(name):
    table = REFERENCE["tables"][name]
    cells = [table[cell] for cell in ("ai", "bi", "ci", "di")]
    # R was given the tables that hold both events and non-events.
    compare(peters(*cells, minimum_k=3), table["peters"], CLOSED)
    found = harbord(*cells, minimum_k=3)
    # R has the published form, Z / sqrt(V) on sqrt(V): intercept and slope change places.
    assert [found.slope.value, found.intercept.value] == pytest.approx(table["harbord"]["coef"], rel=CLOSED)
    assert [found.slope.se, found.intercept.se] == pytest.approx(table["harbord"]["coef_se"], rel=CLOSED)
    assert found.p == pytest.approx(2 * _t_tail(found.statistic, found.df), rel=CLOSED)


def _t_tail(statistic, df):
    from scipy.stats import t

    return t.sf(abs(statistic), df)


def test_a_table_without_events_is_left_out_and_said():
    a, b, c, d = (REFERENCE["tables"]["bcg_RR"][cell] for cell in ("ai", "bi", "ci", "di"))
    for test in (peters, harbord):
        found = test([0, *a], [50, *b], [0, *c], [50, *d])
        assert found.k == 13
        assert found.warnings == ("Tables 0 hold only events or none: they say nothing and are left out.",)
        assert numbers(found) == numbers(test(a, b, c, d))


def test_exchanging_the_groups_turns_the_sign_of_peters_and_harbord():
    a, b, c, d = (REFERENCE["tables"]["bcg_RR"][cell] for cell in ("ai", "bi", "ci", "di"))
    for test in (peters, harbord):
        assert test(c, d, a, b).statistic == pytest.approx(-test(a, b, c, d).statistic, rel=CLOSED)


def test_impossible_tables_are_refused_with_their_index():
    with pytest.raises(InputError, match=r"ci\[1\]"):
        peters([1, 2], [3, 4], [1, -2], [5, 6])
    with pytest.raises(InputError, match="table 1 has a group without people"):
        harbord([1, 0], [3, 0], [1, 2], [5, 6])
    with pytest.raises(InputError, match="lengths"):
        harbord([1, 2], [3], [1, 2], [5, 6])


def test_pustejovsky_and_rodgers_agrees_with_weighted_lm_of_r():
    data = REFERENCE["pustejovsky_rodgers"]
    found = pustejovsky_rodgers(data["yi"], data["vi"], n1=data["n1"], n2=data["n2"], minimum_k=3)
    compare(found, data["fit"], CLOSED)


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_the_rank_test_agrees_with_metafor(name):
    data = DATASETS[name]
    found = begg(data["yi"], data["vi"], minimum_k=2)
    expected = data["ranktest"]
    assert (found.tau, found.p) == pytest.approx((expected["tau"], expected["pval"]), rel=CLOSED)


def test_the_exact_p_of_the_rank_test_counts_permutations():
    from k2meta.sensitivity.begg import _kendall

    a, b = np.array([0.3, -0.1, 0.7, 0.2, 1.1]), np.array([1.0, 2.0, 4.0, 3.0, 5.0])
    tau = _kendall(a, b).tau
    all_tau = [_kendall(a, np.array(order)).tau for order in itertools.permutations(b)]
    assert _kendall(a, b).p == pytest.approx(np.mean([abs(one) >= abs(tau) - 1e-9 for one in all_tau]))


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_trim_and_fill_agrees_with_metafor(name):
    data = DATASETS[name]
    for key, expected in data["trimfill"].items():
        method, estimator, side = key.split("_")
        found = trim_and_fill(
            data["yi"],
            data["vi"],
            estimator=estimator,
            side=side,
            tau2=TAU2.get(method, method),
            interval="z",
            minimum_k=3,
        )
        if "error" in expected:
            assert found.not_run == f"not run: {estimator} has no value for these data"
            continue
        assert (found.k0, found.side, found.converged) == (expected["k0"], expected["side"], True), key
        tolerance = DEFAULT_REML if method == "REML" else CLOSED
        fit = found.fit
        ours = [fit.mu.value, fit.mu.se, fit.mu.low, fit.mu.high, fit.tau2.value, fit.q.value]
        theirs = [expected[one] for one in ("beta", "se", "ci_lb", "ci_ub", "tau2", "QE")]
        assert ours == pytest.approx(theirs, rel=tolerance, abs=tolerance), key
        assert found.k0_se == near(expected["se_k0"], tolerance)
        assert found.p_none_missing == expected.get("p_k0")
        if "filled_yi" in expected:
            filled = np.sort(np.atleast_1d(expected["filled_yi"]))
            assert np.sort(found.filled_yi) == pytest.approx(filled, rel=tolerance, abs=tolerance)


def test_trim_and_fill_of_the_bcg_trials_adds_one_study_on_the_right():
    found = trim_and_fill(BCG["yi"], BCG["vi"])
    assert (found.k0, found.side) == (1, "right")
    assert found.fit.mu.value == pytest.approx(-0.657083, abs=5e-7)
    assert found.warnings


def test_filled_studies_mirror_the_trimmed_ones_about_the_pool_of_the_rest():
    data = DATASETS["raudenbush1985"]
    yi, vi = np.array(data["yi"]), np.array(data["vi"])
    found = trim_and_fill(yi, vi)
    order = np.argsort(yi)
    kept, trimmed = order[: -found.k0], order[-found.k0 :]
    centre = km.random_effects(yi[kept], vi[kept]).mu.value
    assert found.side == "left"
    assert found.filled_yi == pytest.approx(2 * centre - yi[trimmed], rel=1e-11)
    whole = km.random_effects(np.append(yi, found.filled_yi), np.append(vi, found.filled_vi))
    assert found.fit.mu.value == pytest.approx(whole.mu.value, rel=1e-12)


def test_turning_all_signs_turns_the_side():
    data = DATASETS["linde2005_RR"]
    here = trim_and_fill(data["yi"], data["vi"], tau2="DL")
    there = trim_and_fill(-np.array(data["yi"]), data["vi"], tau2="DL")
    assert (here.side, there.side, there.k0) == ("left", "right", here.k0)
    assert there.fit.mu.value == pytest.approx(-here.fit.mu.value, rel=CLOSED)


def test_trimming_that_goes_in_a_circle_ends_and_is_said(monkeypatch):
    # Real data do it rarely, so the estimator is made to: two missing, none, two, ...
    module = importlib.import_module("k2meta.sensitivity.trim_and_fill")
    answers = itertools.cycle([2.0, 0.0])
    monkeypatch.setitem(module.MISSING, "L0", lambda ranks: module._Missing(next(answers), 1.0))
    found = trim_and_fill(BCG["yi"], BCG["vi"], tau2="EE")
    assert (found.k0, found.converged) == (2, False)
    assert "go in a circle" in found.warnings[-1]


def test_identical_effects_miss_no_study():
    for estimator in ("L0", "R0", "Q0"):
        found = trim_and_fill([0.3] * 10, np.linspace(0.1, 0.5, 10), estimator=estimator, side="left")
        assert (found.k0, found.filled_yi) == (0, ())


def test_equal_standard_errors_give_no_slope_no_side_and_a_reason():
    yi, vi = np.linspace(-1.0, 1.0, 10), np.full(10, 0.1)
    assert "sei is the same in all studies" in egger(yi, vi).not_run
    assert "sei is the same in all studies" in regression_test(yi, vi, model="mixed").not_run
    assert "name the side" in trim_and_fill(yi, vi).not_run
    assert "all variances" in begg(yi, vi).not_run
    assert pet_peese(yi, vi).not_run


def test_studies_exactly_on_a_line_have_no_test_and_a_reason():
    vi = np.array([1.0, 4.0, 9.0, 16.0, 25.0, 36.0, 49.0, 64.0, 81.0, 100.0])
    assert "exactly on a line" in egger(np.zeros(10), vi).not_run


SIX = ([0.1, 0.4, 0.2, 0.6, -0.1, 0.3], [0.1, 0.2, 0.05, 0.3, 0.15, 0.12])


@pytest.mark.parametrize(
    "check",
    [egger, begg, trim_and_fill, pet_peese, excess_significance, regression_test],
)
def test_fewer_than_ten_studies_are_not_tested_and_the_result_says_so(check):
    found = check(*SIX)
    assert found.not_run == ("k = 6: test not run; tests for small-study effects need at least 10 studies")
    assert not check(*SIX, minimum_k=6).not_run


def test_fewer_than_ten_tables_or_standardised_differences_are_not_tested():
    sizes = [20, 30, 40, 50, 60, 70]
    found = pustejovsky_rodgers(*SIX, n1=sizes, n2=sizes)
    assert found.not_run.startswith("k = 6: test not run")
    for test in (peters, harbord):
        assert test([1, 2], [9, 8], [2, 3], [8, 7]).not_run.startswith("k = 2: test not run")


def test_no_wish_makes_a_line_out_of_two_studies():
    found = egger([0.1, 0.2], [0.1, 0.2], minimum_k=1)
    assert found.not_run.endswith("need at least 3 studies")


def test_the_conditional_estimator_follows_its_rule():
    precise = np.array([0.01, 0.02, 0.04, 0.08, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5])
    wobble = 0.05 * np.sqrt(precise) * np.array([1, -1] * 5)
    for intercept, chosen in ((1.0, "PEESE"), (0.0, "PET")):
        yi = intercept + np.sqrt(precise) + wobble
        found = pet_peese(yi, precise)
        assert found.chosen == chosen
        assert found.estimate == (found.peese.limit if chosen == "PEESE" else found.pet.limit)
        assert (found.pet.limit.p < 0.10) == (chosen == "PEESE")
    reference = pet_peese(BCG["yi"], BCG["vi"])
    assert reference.pet.limit.value == pytest.approx(BCG["regtest"]["lm_sei"]["limit_est"], rel=CLOSED)
    assert reference.peese.limit.value == pytest.approx(BCG["regtest"]["lm_vi"]["limit_est"], rel=CLOSED)


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_fail_safe_numbers_agree_with_metafor(name):
    data = DATASETS[name]
    for key, expected in data["fsn"].items():
        method, _, weighted = key.partition("_")
        found = fail_safe_n(data["yi"], data["vi"], method=method, weighted=bool(weighted))
        assert found.n == expected["fsnum"], key
        assert found.p == near(expected["pval"], CLOSED)
        if method == "Orwin":
            assert (found.mean, found.target) == pytest.approx((expected["meanes"], expected["target"]))
        assert "discouraged" in found.warnings[0]


def test_orwins_target_lies_between_zero_and_the_mean():
    with pytest.raises(InputError, match="same side of zero"):
        fail_safe_n(BCG["yi"], BCG["vi"], method="Orwin", target=0.1)
    assert fail_safe_n([0.2, -0.2], [0.1, 0.1], method="Orwin").not_run


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_excess_significance_agrees_with_metafor(name):
    data = DATASETS[name]
    for key, expected in data["tes"].items():
        found = excess_significance(
            data["yi"], data["vi"], alternative=key.replace("two.sided", "two-sided"), minimum_k=1
        )
        assert found.observed == expected["O"]
        assert found.expected == pytest.approx(expected["E"], rel=CLOSED)
        assert found.power == pytest.approx(expected["power"], rel=CLOSED)
        if expected["test"] == "chi2":
            assert (found.statistic, found.p) == pytest.approx((expected["X2"], expected["pval"]), rel=CLOSED)
        else:
            assert found.p_exact == pytest.approx(expected["pval"], rel=CLOSED)


def test_both_p_values_of_excess_significance_were_compared():
    kinds = {one["test"] for data in DATASETS.values() for one in data["tes"].values()}
    assert kinds == {"chi2", "exact"}


def test_unknown_names_are_refused_with_the_known_ones():
    yi, vi = BCG["yi"], BCG["vi"]
    for call, known in (
        (lambda: regression_test(yi, vi, predictor="n"), "sqrtninv"),
        (lambda: regression_test(yi, vi, model="wls"), "lm, mixed"),
        (lambda: regression_test(yi, vi, tau2="XX"), "REML"),
        (lambda: regression_test(yi, vi, interval="KR"), "HKSJ"),
        (lambda: trim_and_fill(yi, vi, estimator="M0"), "L0, R0, Q0"),
        (lambda: trim_and_fill(yi, vi, side="up"), "left, right"),
        (lambda: fail_safe_n(yi, vi, method="X"), "Orwin"),
        (lambda: excess_significance(yi, vi, alternative="two.sided"), "two-sided"),
    ):
        with pytest.raises(UnknownMethodError, match=known):
            call()


def test_sample_sizes_are_asked_for_where_they_are_needed():
    with pytest.raises(InputError, match="ni is missing"):
        regression_test(BCG["yi"], BCG["vi"], predictor="ninv")
    with pytest.raises(InputError, match=r"ni\[0\]"):
        regression_test(BCG["yi"], BCG["vi"], predictor="ninv", ni=[0, *BCG["ni"][1:]])
    with pytest.raises(InputError, match="n2 has shape"):
        pustejovsky_rodgers(BCG["yi"], BCG["vi"], n1=BCG["ni"], n2=[1.0])


@pytest.mark.parametrize("alpha", [0.0, 1.0, math.nan])
def test_a_significance_level_lies_between_zero_and_one(alpha):
    for call in (pet_peese, fail_safe_n, excess_significance):
        with pytest.raises(InputError, match="alpha"):
            call(BCG["yi"], BCG["vi"], alpha=alpha)


def test_a_certain_result_is_no_surprise():
    found = excess_significance([10.0] * 10, [1e-4] * 10)
    assert (found.observed, found.p) == (10, None)
    assert "every power is one" in found.not_run


def test_the_rank_test_of_very_many_studies_is_the_normal_approximation_and_says_so():
    rng = np.random.default_rng(3)
    found = begg(rng.normal(size=151), rng.uniform(0.1, 1.0, 151))
    assert not found.exact
    assert found.warnings[0].startswith("There are more than 150 studies")
    assert begg(rng.normal(size=150), rng.uniform(0.1, 1.0, 150)).exact
