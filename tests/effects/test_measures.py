"""Effect sizes against published numbers, reference software and a plain loop."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import k2meta as km
from k2meta.effects.measures import MEASURES, MeasureError, hedges_j, smd_from_d
from tests.references import load

CLOSED = 1e-10  # closed forms: only rounding separates two right implementations
PRINTED = 5e-7  # the golden numbers are printed to six digits

REFERENCE = load("escalc")

# What the reference of 177 cases holds and is not compared: number of cases, and why. The two sums may not shrink.
NOT_COMPARED = {
    "no measure of ours, because it describes association and not a treatment effect": (
        ("PHI", 7),
        ("YUQ", 7),
        ("YUY", 7),
        ("RTET", 7),
        ("RPB", 3),
        ("RBIS", 1),
        ("PCOR", 1),
        ("ZPCOR", 1),
        ("SPCOR", 1),
    ),
    "no measure of ours, because it takes a normal trait where OR2D and D2OR take a logistic one": (
        ("PBIT", 7),
        ("OR2DN", 7),
        ("D2ORN", 1),
    ),
    "no measure of ours, because it describes a group or an instrument and compares nothing": (
        ("IRS", 1),
        ("IRFT", 1),
        ("SMN", 1),
        ("CVLN", 1),
        ("SDLN", 1),
        ("ARAW", 1),
        ("AHW", 1),
        ("ABT", 1),
        ("REH", 1),
    ),
    "no measure of ours: matched binary pairs": (
        ("MPRD", 1),
        ("MPRR", 1),
        ("MPOR", 1),
        ("MPORC", 1),
        ("MPPETO", 1),
    ),
    "the reference itself holds an error and no number": (("UCOR", 3), ("COR", 1), ("R2", 1), ("ZR2", 1)),
}
SAME = {"OR2DL": "OR2D", "D2ORL": "D2OR"}  # metafor's longer names of the logistic conversion
NEVER_CORRECTED = (
    "AS",
    "PAS",
    "PFT",
    "IRSD",
)  # metafor's default rule is "none" for these, "only0" for other counts
COUNTS = {"ai", "x1i", "xi"}

SMD_EXAMPLE = {"m1": 5.2, "sd1": 1.3, "n1": 8, "m2": 4.1, "sd2": 1.6, "n2": 7}


def test_standardised_mean_difference_matches_the_golden_example() -> None:
    assert hedges_j(13)[()] == pytest.approx(0.940982, abs=PRINTED)
    ls = km.effect_sizes("SMD", **SMD_EXAMPLE)
    assert ls.yi[0] == pytest.approx(0.715717, abs=PRINTED)
    assert ls.vi[0] == pytest.approx(0.284932, abs=PRINTED)
    assert km.effect_sizes("SMD", vtype="UB", **SMD_EXAMPLE).vi[0] == pytest.approx(0.290590, abs=PRINTED)


@pytest.mark.parametrize(
    ("measure", "yi", "vi"),
    [("SMD1", 0.597180847881347, 0.293330354648306), ("SMD1H", 0.597180847881347, 0.250849885898306)],
)
def test_glass_delta_matches_metafor_3_8_1(measure: str, yi: float, vi: float) -> None:
    found = km.effect_sizes(measure, **SMD_EXAMPLE)
    assert found.yi[0] == pytest.approx(yi, rel=CLOSED)
    assert found.vi[0] == pytest.approx(vi, rel=CLOSED)


def title(case: dict[str, Any]) -> str:
    return f"{case['measure']} {case['table']} {case.get('options', {})}"


def our_names(table: dict[str, list[float]]) -> dict[str, np.ndarray]:
    """Drop metafor's trailing i (m1i -> m1); the cells of a 2x2 table keep theirs."""
    return {
        name if name in ("ai", "bi", "ci", "di") else name.removesuffix("i"): np.array(column)
        for name, column in table.items()
    }


def rule_of(case: dict[str, Any]) -> dict[str, Any]:
    """Return the rule for zero cells metafor applied to a case, as our arguments."""
    options = case.get("options", {})
    if not COUNTS & set(REFERENCE["tables"][case["table"]]):
        return {}
    default = "none" if case["measure"] in NEVER_CORRECTED else "only0"
    return {"zero_cells": options.get("to", default), "add": options.get("add", 0.5)}


@pytest.mark.parametrize("case", REFERENCE["cases"], ids=title)
def test_effect_sizes_match_the_reference(case: dict[str, Any]) -> None:
    inputs, measure, rule = (
        our_names(REFERENCE["tables"][case["table"]]),
        SAME.get(case["measure"], case["measure"]),
        rule_of(case),
    )
    options = {"vtype": case["options"]["vtype"]} if "vtype" in case.get("options", {}) else {}
    yi, vi = (np.array(case[name], dtype=float) for name in ("yi", "vi"))
    usable = np.isfinite(yi) & (vi > 0)
    assert usable.any()
    kept = {name: column[usable] for name, column in inputs.items()}
    found = km.effect_sizes(measure, **kept, **options, **rule)
    np.testing.assert_allclose(found.yi, yi[usable], rtol=CLOSED, atol=1e-15)
    np.testing.assert_allclose(found.vi, vi[usable], rtol=CLOSED)
    if not usable.all() and rule["zero_cells"] == "none" and not case.get("options", {}).get("drop00"):
        with pytest.raises(MeasureError, match=rf"study \[{int(np.argmin(usable))}\]"):
            km.effect_sizes(measure, **inputs)


def test_the_reference_grid_does_not_shrink() -> None:
    left_out = [case for cases in NOT_COMPARED.values() for case in cases]
    assert len(REFERENCE["cases"]) == 107
    assert len(REFERENCE["cases"]) + sum(count for _, count in left_out) == 177
    compared = {case["measure"] for case in REFERENCE["cases"]} - {"COR"}
    assert not compared & {name for name, _ in left_out}
    without_reference = set(MEASURES) - {SAME.get(name, name) for name in compared}
    # These have their own tests: here by hand and against a run of metafor, and by simulation in the relations.
    assert without_reference == {"COR", "SMD1", "SMD1H", "SMCRP", "DPPC2", "HR", "GEN"}


def test_mean_difference_is_treatment_minus_control_with_welch_variance() -> None:
    found = km.effect_sizes("MD", m1=[27.0], sd1=[84.85], n1=[200], m2=[37.0], sd2=[95.98], n2=[188])
    assert found.yi[0] == -10
    assert found.vi[0] == pytest.approx(84.85**2 / 200 + 95.98**2 / 188, rel=CLOSED)


def test_revman_formula_is_the_approximate_correction_with_its_own_variance() -> None:
    found = km.effect_sizes("SMD", vtype="RevMan", **SMD_EXAMPLE)
    pooled = math.sqrt((7 * 1.3**2 + 6 * 1.6**2) / 13)
    g = (5.2 - 4.1) / pooled * (1 - 3 / (4 * 15 - 9))
    assert found.yi[0] == pytest.approx(g, rel=CLOSED)
    assert math.sqrt(found.vi[0]) == pytest.approx(math.sqrt(15 / 56 + g**2 / (2 * (15 - 3.94))), rel=CLOSED)


@pytest.mark.parametrize("m", [2, 3, 10, 38, 1000, 1e5, 1e8])
def test_hedges_j_is_exact_for_small_and_huge_samples(m: float) -> None:
    # Gamma(x + 1) = x Gamma(x) gives J(m) J(m - 1) = (m - 2) / sqrt(m (m - 1)) without any gamma function.
    exact = (m - 1) / math.sqrt(m * (m + 1))
    assert hedges_j(m)[()] * hedges_j(m + 1)[()] == pytest.approx(exact, rel=1e-11)
    if m < 300:
        product = math.gamma(m / 2) / (math.sqrt(m / 2) * math.gamma((m - 1) / 2))
        assert hedges_j(m)[()] == pytest.approx(product, rel=1e-12)


def test_smd_turns_its_sign_and_keeps_its_variance_when_the_arms_are_swapped() -> None:
    one = smd_from_d(0.4, 20, 31)
    other = smd_from_d(-0.4, 31, 20)
    assert other.yi == -one.yi
    assert other.vi == pytest.approx(float(one.vi), rel=1e-14)


TABLES = {"ai": [0, 3, 12], "bi": [20, 17, 88], "ci": [4, 5, 9], "di": [16, 25, 91]}


def test_a_zero_cell_is_refused_by_its_index_until_a_rule_is_stated() -> None:
    with pytest.raises(MeasureError, match=r"study \[0\].*zero cell"):
        km.effect_sizes("OR", **TABLES)
    found = km.effect_sizes("OR", zero_cells="only0", **TABLES)
    assert found.yi[0] == pytest.approx(math.log(0.5 * 16.5 / (20.5 * 4.5)), rel=CLOSED)


@pytest.mark.parametrize(("rule", "changed"), [("only0", (0,)), ("all", (0, 1, 2)), ("if0all", (0, 1, 2))])
def test_the_result_names_the_tables_the_rule_changed(rule: str, changed: tuple[int, ...]) -> None:
    assert km.effect_sizes("RR", zero_cells=rule, **TABLES).corrected == changed


def test_rules_for_zero_cells_leave_tables_without_zeros_alone() -> None:
    whole = {name: cells[1:] for name, cells in TABLES.items()}
    plain = km.effect_sizes("RR", **whole)
    for rule in ("only0", "if0all"):
        found = km.effect_sizes("RR", zero_cells=rule, **whole)
        assert found.corrected == ()
        np.testing.assert_array_equal(found.yi, plain.yi)


def test_a_printed_hazard_ratio_becomes_a_log_with_the_variance_of_its_interval() -> None:
    found = km.effect_sizes("HR", ratio=[0.85, 0.7], low=[0.55, 0.5], high=[1.31, 0.98], level=[0.95, 0.90])
    np.testing.assert_allclose(found.yi, np.log([0.85, 0.7]), rtol=CLOSED)
    # Normal quantiles as every table prints them.
    widths = np.log([1.31 / 0.55, 0.98 / 0.5]) / (2 * np.array([1.959963984540054, 1.6448536269514722]))
    np.testing.assert_allclose(found.vi, widths**2, rtol=CLOSED)


def test_generic_effects_take_a_standard_error_or_an_interval() -> None:
    by_se = km.effect_sizes("GEN", yi=[-1.0], se=[0.5])
    by_ci = km.effect_sizes("GEN", yi=[-1.0], low=[-1 - 0.9799819922700271], high=[-1 + 0.9799819922700271])
    assert by_se.vi[0] == 0.25
    assert by_ci.vi[0] == pytest.approx(0.25, rel=CLOSED)


def test_the_result_does_not_change_with_the_callers_array() -> None:
    r = np.array([0.2, 0.4])
    found = km.effect_sizes("COR", r=r, n=30)
    r[0] = 0.9
    assert found.yi.tolist() == [0.2, 0.4]
    found.yi[0] = 0.1  # and it can be worked with, though n came as one value
    assert found.yi.tolist() == [0.1, 0.4]


def test_one_value_serves_all_studies() -> None:
    one = km.effect_sizes("MC", m1=[3, 4], m2=[1, 1], sd1=[2, 2], sd2=[2, 3], n=[10, 20], r=0.7)
    two = km.effect_sizes("MC", m1=[3, 4], m2=[1, 1], sd1=[2, 2], sd2=[2, 3], n=[10, 20], r=[0.7, 0.7])
    np.testing.assert_array_equal(one.vi, two.vi)


CHANGE = {"m1": 3, "m2": 1, "sd1": 2, "sd2": 2, "n": 10, "r": 0.5}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: km.effect_sizes("SND", m1=1), "unknown measure 'SND'; use one of MD, SMD, SMDH"),
        (lambda: km.effect_sizes("SMD", vtype="XX", **SMD_EXAMPLE), "unknown vtype 'XX'; use one of LS, LS2, UB"),
        (lambda: km.effect_sizes("SMDH", vtype="UB", **SMD_EXAMPLE), "SMDH has one variance formula"),
        (
            lambda: km.effect_sizes("MD", **{**SMD_EXAMPLE, "sd1": -1.3}),
            r"sd1\[0\] = -1.3 is not a possible value",
        ),
        (lambda: km.effect_sizes("MD", **{**SMD_EXAMPLE, "n2": [7, math.nan]}), r"n2\[1\] = nan"),
        (lambda: km.effect_sizes("MD", **{**SMD_EXAMPLE, "m1": [1, 2], "m2": [1, 2, 3]}), "m1 has 2 values"),
        (lambda: km.effect_sizes("MD", **{**SMD_EXAMPLE, "m1": []}), "m1 has 0 values"),
        (lambda: km.effect_sizes("MD", **{**SMD_EXAMPLE, "m1": [[1.0]]}), r"m1 has shape \(1, 1\)"),
        (lambda: km.effect_sizes("MD", **{**SMD_EXAMPLE, "m1": "five"}), "m1 must be a number"),
        (lambda: km.effect_sizes("MD", m1=1, sd1=1), "MD: missing input n1, m2, sd2, n2"),
        (lambda: km.effect_sizes("MD", **SMD_EXAMPLE, r=0.5), "MD: unknown input r; it takes m1"),
        (lambda: km.effect_sizes("SMD", **{**SMD_EXAMPLE, "n1": 1, "n2": 2}), "at least 2 degrees of freedom"),
        (lambda: km.effect_sizes("SMD", **{**SMD_EXAMPLE, "n1": 1, "n2": 1}), r"study \[0\]: a pooled SD needs"),
        (lambda: km.effect_sizes("SMD", **{**SMD_EXAMPLE, "sd1": 0, "sd2": 0}), "pooled SD above zero"),
        (lambda: km.effect_sizes("SMDH", **{**SMD_EXAMPLE, "n2": 1}), r"study \[0\]: SMDH needs at least 2"),
        (lambda: km.effect_sizes("SMD1", **{**SMD_EXAMPLE, "sd2": 0}), "SD of the control above zero"),
        (lambda: km.effect_sizes("ROM", **{**SMD_EXAMPLE, "m2": -4.1}), r"study \[0\]: .*two means of one sign"),
        (lambda: km.effect_sizes("MC", **{**CHANGE, "r": [0.5, 1.2]}), r"r\[1\] = 1.2 is not a possible value"),
        (lambda: km.effect_sizes("SMCC", **{**CHANGE, "r": 1}), r"study \[0\]: SMCC needs an SD of the change"),
        (lambda: km.effect_sizes("ZCOR", r=[0.1, 1.0], n=[20, 20]), r"study \[1\]: Fisher's z is not finite"),
        (lambda: km.effect_sizes("ZCOR", r=[0.1], n=[3]), "more than 3 pairs"),
        (lambda: km.effect_sizes("PR", x=[3, 11], n=[10, 10]), r"study \[1\]: more events"),
        (lambda: km.effect_sizes("PLO", x=[3, 10], n=[10, 10]), r"study \[1\]: the logit proportion"),
        (lambda: km.effect_sizes("RD", ai=[2, 0], bi=[8, 9], ci=[1, 0], di=[9, 9]), r"study \[1\]: RD has no"),
        (lambda: km.effect_sizes("PETO", ai=[2, 0], bi=[8, 9], ci=[1, 0], di=[9, 9]), r"study \[1\]: Peto's"),
        (lambda: km.effect_sizes("IRR", x1=[2, 0], t1=5, x2=[1, 1], t2=5), r"study \[1\]: the log rate ratio"),
        (lambda: km.effect_sizes("IRR", x1=2, t1=[5, 0], x2=1, t2=5), r"t1\[1\] = 0 is not a possible value"),
        (lambda: km.effect_sizes("RR", zero_cells="0.5", **TABLES), "unknown zero_cells '0.5'; use one of none"),
        (lambda: km.effect_sizes("RR", zero_cells="all", add=0, **TABLES), "a number above zero"),
        (lambda: km.effect_sizes("MD", zero_cells="all", **SMD_EXAMPLE), "for measures of counts"),
        (lambda: km.effect_sizes("HR", ratio=0.45, low=-0.07, high=0.83), r"study \[0\]: the limits of a ratio"),
        (lambda: km.effect_sizes("HR", ratio=0.45, low=0.5, high=0.83), "does not lie in its interval"),
        (lambda: km.effect_sizes("GEN", yi=1), "give either se, or low together with high"),
        (lambda: km.effect_sizes("GEN", yi=1, low=0, high=2, level=95), r"level\[0\] = 95"),
    ],
)
def test_bad_input_is_a_typed_error_that_names_what_is_wrong(call: Callable[[], object], message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        call()
