"""Routes from printed cells to yi and vi, on the numbers of the shipped trials and on consistent rows."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from k2meta.effects.recover import RecoverError, critical_value, se_from_ci, se_from_p
from k2meta.effects.routes import CONVERTED, IMPUTED, ROUTES, Printed, derive

EXACT = 1e-12  # one formula written twice


def printed(
    scale: str = "raw", diff_measure: str = "", n: tuple[float, float] | None = None, **cells: float
) -> Printed:
    n1, n2 = n or (None, None)
    return Printed(cells, scale, diff_measure, n1, n2)


SHEA = printed(
    n=(200, 188), change_mean_treat=27, change_se_treat=6, change_mean_ctrl=37, change_se_ctrl=7
)  # mean ± SEM, as the abstract says
LEES = printed(
    diff_measure="MD", n=(45, 45), diff_estimate=-141, diff_ci_low=-320, diff_ci_high=38, diff_ci_level=95
)
AVADEC = printed(n=(155, 149), change_mean_treat=203, change_mean_ctrl=254, p_value=0.089)
HAROON = printed(diff_measure="ROM", n=(69, 69), diff_estimate=0.85, diff_ci_low=0.55, diff_ci_high=1.31)


def test_standard_errors_of_the_arms_are_not_read_as_standard_deviations() -> None:
    name, found = derive(SHEA, "MD") or pytest.fail("no route")
    assert name == "arms_se"
    assert found.yi == -10
    assert found.vi == pytest.approx(6**2 + 7**2, rel=EXACT)


def test_a_difference_with_its_interval_uses_the_normal_quantile() -> None:
    name, found = derive(LEES, "MD") or pytest.fail("no route")
    assert (name, found.yi) == ("diff_ci", -141)
    assert math.sqrt(found.vi) == pytest.approx((38 + 320) / (2 * stats.norm.ppf(0.975)), rel=EXACT)
    assert not found.uses_arm_sizes


def test_an_exact_p_gives_back_the_t_test_it_came_from() -> None:
    name, found = derive(AVADEC, "MD") or pytest.fail("no route")
    assert (name, found.yi) == ("diff_p", -51)
    t = found.yi / math.sqrt(found.vi)
    assert 2 * stats.t.sf(abs(t), 302) == pytest.approx(0.089, rel=1e-10)


def test_the_standard_error_of_a_ratio_is_that_of_its_logarithm() -> None:
    ratio = printed(diff_measure="HR", diff_estimate=0.5, diff_se=0.2)
    name, found = derive(ratio, "LOGRATIO") or pytest.fail("no route")
    assert name == "ratio_se"
    assert (found.yi, found.vi) == (pytest.approx(math.log(0.5), rel=EXACT), pytest.approx(0.04, rel=EXACT))
    assert derive(ratio, "MD") is None
    assert derive(printed(diff_measure="HR", diff_estimate=-0.5, diff_se=0.2), "LOGRATIO") is None


def test_a_printed_standardised_difference_enters_with_its_standard_error() -> None:
    smd = printed(diff_measure="SMD", diff_estimate=-0.3, diff_se=0.1)
    name, found = derive(smd, "SMD") or pytest.fail("no route")
    assert (name, found.yi, found.vi) == ("smd_se", -0.3, pytest.approx(0.01, rel=EXACT))
    assert derive(smd, "MD") is None


def test_a_ratio_is_pooled_on_the_log_scale() -> None:
    name, found = derive(HAROON, "LOGRATIO") or pytest.fail("no route")
    assert name == "ratio_ci"
    assert found.yi == pytest.approx(math.log(0.85), rel=EXACT)
    assert math.sqrt(found.vi) == pytest.approx(math.log(1.31 / 0.55) / (2 * stats.norm.ppf(0.975)), rel=EXACT)


def test_a_ratio_of_means_reaches_an_smd_through_its_test_statistic() -> None:
    _, found = derive(HAROON, "SMD") or pytest.fail("no route")
    t = math.log(0.85) / (math.log(1.31 / 0.55) / (2 * stats.norm.ppf(0.975)))
    assert found.yi == pytest.approx(t * math.sqrt(2 / 69), rel=0.01)  # Hedges' J is 0.9945 here
    assert found.uses_arm_sizes


def test_means_and_sds_and_the_t_statistic_they_imply_give_the_same_smd() -> None:
    m1, sd1, n1, m2, sd2, n2 = -0.36, 1.48, 111.0, 0.021, 1.22, 112.0
    t = stats.ttest_ind_from_stats(m1, sd1, int(n1), m2, sd2, int(n2)).statistic
    arms = printed(n=(n1, n2), change_mean_treat=m1, change_sd_treat=sd1, change_mean_ctrl=m2, change_sd_ctrl=sd2)
    _, from_arms = derive(arms, "SMD") or pytest.fail("no route")
    name, from_t = derive(printed(n=(n1, n2), statistic=float(t)), "SMD") or pytest.fail("no route")
    assert name == "statistic"
    assert from_t.yi == pytest.approx(from_arms.yi, rel=1e-10)
    assert from_t.vi == pytest.approx(from_arms.vi, rel=1e-10)


def test_events_give_the_log_risk_ratio() -> None:
    _, found = derive(
        printed(events_treat=3, total_treat=155, events_ctrl=10, total_ctrl=149), "LOGRATIO"
    ) or pytest.fail("no route")
    assert found.yi == pytest.approx(math.log((3 / 155) / (10 / 149)), rel=EXACT)


def counts(a: float, n1: float, c: float, n2: float, ratio: str) -> Printed:
    cells = {"events_treat": a, "total_treat": n1, "events_ctrl": c, "total_ctrl": n2}
    return Printed(cells, "raw", "", n1, n2, ratio=ratio)


def test_one_table_gives_risk_ratio_odds_ratio_and_risk_difference() -> None:
    a, n1, c, n2 = 4.0, 123.0, 11.0, 139.0
    by_hand = {
        "RR": (math.log((a / n1) / (c / n2)), 1 / a - 1 / n1 + 1 / c - 1 / n2),
        "OR": (math.log(a * (n2 - c) / (c * (n1 - a))), 1 / a + 1 / (n1 - a) + 1 / c + 1 / (n2 - c)),
        "RD": (a / n1 - c / n2, a * (n1 - a) / n1**3 + c * (n2 - c) / n2**3),
    }
    for kind, (yi, vi) in by_hand.items():
        measure = "RD" if kind == "RD" else "LOGRATIO"
        name, found = derive(counts(a, n1, c, n2, "" if kind == "RD" else kind), measure) or pytest.fail(
            "no route"
        )
        assert name == "events"
        assert (found.yi, found.vi) == pytest.approx((yi, vi), rel=EXACT)
        assert found.assumption == ""


def test_half_is_added_to_a_table_with_one_zero_and_said() -> None:
    _, found = derive(counts(0, 13, 4, 13, "RR"), "LOGRATIO") or pytest.fail("no route")
    assert found.yi == pytest.approx(math.log((0.5 / 14) / (4.5 / 14)), rel=EXACT)
    assert "1/2 added to every cell" in found.assumption


def test_a_table_without_any_event_gives_no_ratio_and_a_difference_of_zero() -> None:
    assert derive(counts(0, 13, 0, 14, "RR"), "LOGRATIO") is None
    _, found = derive(counts(0, 13, 0, 13, ""), "RD") or pytest.fail("no route")
    assert found.yi == 0
    assert found.vi > 0


def test_a_hazard_ratio_is_never_made_of_counts_nor_taken_for_a_risk_ratio() -> None:
    assert derive(counts(4, 123, 11, 139, "HR"), "LOGRATIO") is None
    cells = {"diff_estimate": 0.8, "diff_ci_low": 0.6, "diff_ci_high": 1.1}
    assert derive(Printed(cells, "log", "HR", None, None, ratio="RR"), "LOGRATIO") is None
    assert derive(Printed(cells, "log", "HR", None, None, ratio="HR"), "LOGRATIO") is not None


ARMS = {
    "baseline_mean_treat": 10.0,
    "baseline_sd_treat": 2.0,
    "follow_mean_treat": 8.5,
    "follow_sd_treat": 2.5,
    "baseline_mean_ctrl": 10.2,
    "baseline_sd_ctrl": 2.1,
    "follow_mean_ctrl": 10.0,
    "follow_sd_ctrl": 2.2,
}


def test_a_borrowed_correlation_gives_the_sd_of_change_that_is_not_printed() -> None:
    given = Printed(ARMS, "raw", "", 30, 32, r=0.6, r_source="Trial A")
    name, found = derive(given, "MD") or pytest.fail("no route")
    assert name == "arms_correlation"
    v1 = 2.0**2 + 2.5**2 - 2 * 0.6 * 2.0 * 2.5
    v2 = 2.1**2 + 2.2**2 - 2 * 0.6 * 2.1 * 2.2
    assert found.yi == pytest.approx(-1.5 + 0.2, rel=EXACT)
    assert found.vi == pytest.approx(v1 / 30 + v2 / 32, rel=EXACT)
    assert "borrowed from Trial A" in found.assumption


def test_without_a_correlation_to_borrow_the_final_values_are_used() -> None:
    name, _ = derive(Printed(ARMS, "raw", "", 30, 32), "MD") or pytest.fail("no route")
    assert name == "arms_final"


# Eelderink 2023, change of dp-ucMGP, 20 people in each arm: the one printed change in medians here.
EELDERINK = {
    "change_median_treat": -385.0,
    "change_q1_treat": -631.0,
    "change_q3_treat": -269.0,
    "change_median_ctrl": 39.0,
    "change_q1_ctrl": -188.0,
    "change_q3_ctrl": 183.0,
}


def test_medians_are_converted_only_where_the_analysis_asks_for_it() -> None:
    assert derive(Printed(EELDERINK, "raw", "", 20, 20), "MD") is None
    name, found = derive(Printed(EELDERINK, "raw", "", 20, 20, medians="normal"), "MD") or pytest.fail("no route")
    assert name == "change_medians"
    weight = 0.7 + 0.39 / 20  # Luo et al. 2018, quartiles and median
    mean1 = weight * (-631 - 269) / 2 + (1 - weight) * -385
    mean2 = weight * (-188 + 183) / 2 + (1 - weight) * 39
    wide = 2 * stats.norm.ppf((0.75 * 20 - 0.125) / (20 + 0.25))  # Wan et al. 2014
    sds = (631 - 269) / wide, (183 + 188) / wide
    assert found.yi == pytest.approx(mean1 - mean2, rel=1e-10)
    assert found.vi == pytest.approx(sds[0] ** 2 / 20 + sds[1] ** 2 / 20, rel=1e-10)


def test_medians_of_skewed_data_are_not_converted_as_normal() -> None:
    skewed = {
        f"follow_{cell}_{side}": v
        for side in ("treat", "ctrl")
        for cell, v in (("q1", 95.0), ("median", 135.0), ("q3", 421.0))
    }
    assert derive(Printed(skewed, "raw", "", 75, 75, medians="normal"), "MD") is None
    symmetric = {
        f"follow_{cell}_{side}": v
        for side in ("treat", "ctrl")
        for cell, v in (("q1", 90.0), ("median", 135.0), ("q3", 202.5))
    }
    name, found = derive(Printed(symmetric, "raw", "", 75, 75, medians="lognormal"), "MD") or pytest.fail(
        "no route"
    )
    assert name == "follow_medians"
    assert found.yi == 0


def test_arm_intervals_use_the_t_quantile_of_their_arm() -> None:
    arms = printed(
        n=(182, 183),
        change_mean_treat=275,
        change_ci_low_treat=225,
        change_ci_high_treat=326,
        change_mean_ctrl=292,
        change_ci_low_ctrl=246,
        change_ci_high_ctrl=338,
    )
    name, found = derive(arms, "MD") or pytest.fail("no route")
    assert name == "arms_ci"
    expected = math.hypot(101 / 2 / stats.t.ppf(0.975, 181), 92 / 2 / stats.t.ppf(0.975, 182))
    assert math.sqrt(found.vi) == pytest.approx(expected, rel=EXACT)


def test_final_values_are_trusted_least() -> None:
    both = printed(
        diff_measure="MD",
        n=(38, 39),
        diff_estimate=-0.8,
        diff_ci_low=-1.8,
        diff_ci_high=0.3,
        follow_mean_treat=9.9,
        follow_sd_treat=1.4,
        follow_mean_ctrl=10.9,
        follow_sd_ctrl=3.0,
    )
    name, found = derive(both, "MD") or pytest.fail("no route")
    assert (name, found.yi) == ("diff_ci", -0.8)
    assert list(ROUTES)[-3:] == ["arms_final", "change_medians", "follow_medians"]


@pytest.mark.parametrize(
    "cells",
    [
        printed(),
        printed(change_mean_treat=203.0, change_mean_ctrl=254.0),
        printed(
            scale="pct_change",
            n=(40, 40),
            change_mean_treat=1.0,
            change_sd_treat=1.0,
            change_mean_ctrl=0.0,
            change_sd_ctrl=1.0,
        ),
        printed(diff_measure="PERCENT", diff_estimate=-56.0, diff_ci_low=-80.0, diff_ci_high=-10.0),
        printed(n=(20, 20), change_median_treat=-385.0, change_median_ctrl=39.0),
        printed(diff_measure="MD", n=(20, 20), diff_estimate=0.0, p_value=0.5),
        printed(diff_measure="MD", diff_estimate=1.0, diff_ci_low=0.0, diff_ci_high=2.0, diff_ci_level=100.0),
    ],
)
def test_what_carries_no_variance_on_the_scale_gives_no_effect(cells: Printed) -> None:
    assert derive(cells, "MD") is None


def test_recovering_a_standard_error_refuses_what_carries_none() -> None:
    assert critical_value(0.95, 302) > critical_value(0.95)
    for call in (lambda: se_from_p(0.0, 0.5), lambda: se_from_p(1.0, 1.0), lambda: se_from_ci(2.0, 2.0)):
        with pytest.raises(RecoverError):
            call()


def test_tables_and_words_know_the_routes_that_convert() -> None:
    from k2meta.tables import parts

    assert (parts.IMPUTED, parts.CONVERTED) == (IMPUTED, CONVERTED)
    assert {*IMPUTED, *CONVERTED} <= set(ROUTES)
