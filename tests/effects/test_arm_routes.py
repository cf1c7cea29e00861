"""The change inside the active arm, from the cells that a paper prints."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from k2meta.effects.arm_routes import derive_active_arm
from k2meta.effects.routes import Printed
from k2meta.effects.select import select
from tests.effects.test_select import OUTCOMES, record, spec

# Closed forms against a second derivation of the same formula: only the order of operations differs.
RELATIVE = 1e-12
# A p value printed to three digits and turned back through a t quantile.
THROUGH_P = 1e-9


def printed(n1: float | None = 20.0, n2: float | None = 22.0, scale: str = "raw", **cells: float) -> Printed:
    return Printed(cells, scale, "", n1, n2)


def test_sd_and_n_give_the_variance_of_the_mean() -> None:
    found = derive_active_arm(printed(change_mean_treat=58.1, change_sd_treat=106.5))
    assert found is not None
    name, derived = found
    assert (name, derived.yi) == ("active_sd", 58.1)
    assert derived.vi == pytest.approx(106.5**2 / 20, rel=RELATIVE)


def test_a_standard_error_needs_no_n() -> None:
    found = derive_active_arm(printed(None, None, change_mean_treat=27.0, change_se_treat=6.0))
    assert found is not None
    assert (found[0], found[1].vi) == ("active_se", 36.0)


def test_an_interval_of_the_arm_is_read_by_the_t_distribution() -> None:
    low, high = 275 - 50.0, 275 + 50.0
    cells = {"change_mean_treat": 275.0, "change_ci_low_treat": low, "change_ci_high_treat": high}
    found = derive_active_arm(printed(182.0, 183.0, **cells))
    assert found is not None
    assert found[0] == "active_ci"
    assert found[1].vi == pytest.approx((50 / stats.t.ppf(0.975, 181)) ** 2, rel=THROUGH_P)


def test_a_p_value_between_the_arms_gives_the_spread_of_one_and_says_so() -> None:
    rng_sd, n1, n2, m1, m2 = 260.0, 155.0, 149.0, 203.0, 254.0
    t = (m1 - m2) / (rng_sd * math.sqrt(1 / n1 + 1 / n2))
    p = 2 * stats.t.sf(abs(t), n1 + n2 - 2)
    found = derive_active_arm(printed(n1, n2, change_mean_treat=m1, change_mean_ctrl=m2, p_value=p))
    assert found is not None
    assert found[0] == "active_p"
    assert found[1].vi == pytest.approx(rng_sd**2 / n1, rel=THROUGH_P)
    assert "the same in both arms" in found[1].assumption


@pytest.mark.parametrize(
    "cells",
    [
        {"change_mean_treat": 1.0},
        {"change_mean_treat": 1.0, "change_mean_ctrl": 1.0, "p_value": 0.5},
        {"baseline_mean_treat": 513.0, "follow_mean_treat": 588.0, "follow_sd_treat": 872.0},
    ],
)
def test_what_carries_no_spread_of_the_change_gives_nothing(cells: dict[str, float]) -> None:
    assert derive_active_arm(printed(**cells)) is None


def test_a_percent_change_is_not_read_as_native_units() -> None:
    assert derive_active_arm(printed(scale="pct_change", change_mean_treat=-17.0, change_sd_treat=4.0)) is None


def test_an_analysis_inside_the_arm_takes_single_arm_results_and_counts_one_arm() -> None:
    trial = {"label": "Ikari 2016", "design_class": "single_arm"}
    records = [
        record("a", study="Ikari2016", role="within_arm", n_treat=26.0, trial=trial,
               change_mean_treat=75.0, change_sd_treat=150.0),
        record("b", study="Shea2009", n_treat=200.0, n_ctrl=188.0, change_mean_treat=27.0, change_se_treat=6.0,
               change_mean_ctrl=37.0, change_se_ctrl=7.0),
        record("c", study="Lees2021", diff_estimate=-141.0, diff_se=90.0, diff_measure="MD"),
    ]  # fmt: skip
    inside = spec(contrast="active_arm", where={"design_class": ("rct", "single_arm")})
    found = select(records, OUTCOMES, inside)
    assert [(e.extraction_id, e.yi, e.people, e.n_ctrl) for e in found.effects] == [
        ("a", 75.0, 26.0, None),
        ("b", 27.0, 200.0, None),
    ]
    assert [d.kind for d in found.dropped] == ["not_poolable"]
    between = select(records, OUTCOMES, spec(where={"design_class": ("rct", "single_arm")}))
    assert {d.extraction_id: d.kind for d in between.dropped}["a"] == "known_missing"
