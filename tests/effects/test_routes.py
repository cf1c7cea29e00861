"""Routes from printed cells to yi and vi, on the numbers of the shipped trials and on consistent rows."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from k2meta.effects.recover import RecoverError, critical_value, se_from_ci, se_from_p
from k2meta.effects.routes import ROUTES, Printed, derive

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


def test_events_give_the_log_risk_ratio_and_a_zero_cell_gives_none() -> None:
    _, found = derive(
        printed(events_treat=3, total_treat=155, events_ctrl=10, total_ctrl=149), "LOGRATIO"
    ) or pytest.fail("no route")
    assert found.yi == pytest.approx(math.log((3 / 155) / (10 / 149)), rel=EXACT)
    assert derive(printed(events_treat=0, total_treat=13, events_ctrl=4, total_ctrl=13), "LOGRATIO") is None


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
    assert list(ROUTES)[-1] == "arms_final"


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
