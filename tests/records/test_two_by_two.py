"""Counts of two arms against the p value and the ratio that are printed beside them."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from k2meta.records.arithmetic import arms_against_difference, p_disagrees, standard_errors_disagree
from k2meta.records.identity import trial_counted_twice, twins_note
from k2meta.records.two_by_two import fisher, p_values
from k2meta.records.view import Finding, Project, View

TABLES = [(3, 152, 10, 139), (0, 20, 5, 15), (7, 93, 9, 91), (50, 50, 20, 80), (1, 1, 1, 1), (12, 0, 9, 3)]
# Both sum the same probabilities in double precision, in another order.
TO_ROUNDING = 1e-9


def row(**cells: str) -> View:
    counts = {"events_treat": "3", "total_treat": "155", "events_ctrl": "10", "total_ctrl": "149"}
    trial = {"design": cells.pop("design", "parallel RCT")}
    return View("extractions", "data/extractions.csv", 2, "A-ev-1", "A", {**counts, **cells}, trial)


def found(view: View) -> dict[str, tuple[Finding, ...]]:
    project = Project(extractions=(view,))
    checks = {"C03": arms_against_difference, "C04": standard_errors_disagree, "C05": p_disagrees}
    return {name: asked for name, check in checks.items() if (asked := check(view, project))}


@pytest.mark.parametrize("table", TABLES)
def test_the_tests_of_a_table_are_those_of_a_library(table: tuple[int, int, int, int]) -> None:
    a, b, c, d = table
    square = [[a, b], [c, d]]
    own = p_values((float(a), float(b), float(c), float(d)))
    assert math.isclose(own["Fisher"], stats.fisher_exact(square).pvalue, rel_tol=TO_ROUNDING)
    for name, corrected in (("chi-squared", False), ("with Yates' correction", True)):
        p = stats.chi2_contingency(square, correction=corrected).pvalue
        assert math.isclose(own[name], p, rel_tol=TO_ROUNDING)
    assert math.isclose(fisher((a, b, c, d)), fisher((c, d, a, b)), rel_tol=TO_ROUNDING)


@pytest.mark.parametrize("p", ["0.048", "0.05", "0.041", "0.08", "0.0"])
def test_a_p_that_a_common_test_gives_is_silent(p: str) -> None:
    assert not found(row(p_value=p))


def test_the_printed_p_of_a_known_abstract_is_that_of_fisher() -> None:
    assert round(fisher((3.0, 152.0, 10.0, 139.0)), 3) == 0.048


def test_a_p_that_no_common_test_gives_is_asked_about() -> None:
    (finding,) = found(row(p_value="0.48"))["C05"]
    assert finding.severity == "warn"
    assert "3/155 against 10/149" in finding.evidence
    assert "Fisher 0.048" in finding.evidence
    (flip,) = found(row(p_value="0.48", events_treat="1", events_ctrl="20"))["C05"]
    assert flip.severity == "error"
    assert "the decision at 0.05 turns" in flip.evidence


@pytest.mark.parametrize(
    "other",
    [
        {"diff_kind": "log-rank test"},
        {"adjusted_for": "age"},
        {"diff_measure": "HR"},
        {"design": "cluster-randomised"},
        {"total_ctrl": ""},
    ],
)
def test_a_p_that_need_not_follow_from_the_counts_is_not_asked_about(other: dict[str, str]) -> None:
    assert not found(row(p_value="0.48", **other))


def ratio(estimate: str, low: str, high: str, **cells: str) -> View:
    ends = {"diff_estimate": estimate, "diff_ci_low": low, "diff_ci_high": high, "diff_ci_level": "95"}
    return row(**{"diff_measure": "RR", **ends, **cells})


def test_a_ratio_that_the_counts_do_not_give_is_an_error() -> None:
    asked = found(ratio("0.58", "0.16", "2.07"))
    assert list(asked) == ["C03"]
    (finding,) = asked["C03"]
    assert finding.severity is None
    assert "3/155 against 10/149 give RR 0.288" in finding.evidence
    assert "treatment and control are exchanged" in found(ratio("3.47", "0.97", "12.4"))["C03"][0].evidence


def test_ratios_of_the_counts_are_silent_whichever_usual_estimator_was_taken() -> None:
    assert not found(ratio("0.29", "0.08", "1.03"))
    assert not found(ratio("0.27", "0.07", "1.02", diff_measure="OR"))
    peto = math.exp((3 - 13 * 155 / 304) / (155 * 149 * 13 * 291 / (304**2 * 303)))
    assert "C03" not in found(ratio(f"{peto:.2f}", "0.1", "0.9", diff_measure="OR"))


def test_an_adjusted_ratio_is_a_note_and_a_hazard_ratio_is_left_alone() -> None:
    assert found(ratio("0.58", "0.16", "2.07", adjusted_for="age"))["C03"][0].severity == "note"
    assert not found(ratio("0.58", "0.16", "2.07", diff_measure="HR"))


def test_an_interval_that_is_too_narrow_for_its_counts_is_asked_about() -> None:
    (finding,) = found(ratio("0.29", "0.22", "0.38"))["C04"]
    assert "counts: SE of ln RR = 0.648" in finding.evidence


def trial(name: str, number: int, **cells: str) -> View:
    own = {"study_id": name, "country": "DK", "year": "2010", "n_randomised_total": "365", **cells}
    return View("trials", "data/trials.csv", number, name, name, own)


def test_without_doses_trials_of_one_size_country_intervention_and_year_are_asked_about() -> None:
    first, same = trial("A", 2, intervention="MK-7 720 ug"), trial("B", 3, intervention="mk-7  720 ug")
    other = trial("C", 4, intervention="MK-7 360 ug")
    project = Project(trials=(first, same, other))
    (finding,) = trial_counted_twice(same, project)
    assert "number randomised, country, intervention and year (365, DK" in finding.evidence
    assert trial_counted_twice(other, project) == ()


def test_what_is_missing_for_that_comparison_is_said() -> None:
    complete = ("country", "year", "intervention", "n_randomised_treat", "n_randomised_ctrl")
    assert twins_note(complete) == ""
    assert twins_note((*complete[:2], "dose_ug_per_day", "n_randomised_total")) == ""
    assert "not compared (no column country, intervention in" in twins_note(("year", "n_randomised_total"))
