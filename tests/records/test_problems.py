"""Bad input: every problem of every file at once, each with its file, row, column, value and mend."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k2meta.records import build_records
from k2meta.records.cells import Fault, parse_number
from k2meta.types import Problem, Table
from tests.records.review import Row, dictionary, problems_of, result, tables

CELL = "baseline_mean_treat"


def only(given_tables: Mapping[str, Table]) -> Problem:
    """Return the one problem of a review that has exactly one."""
    (problem,) = problems_of(given_tables)
    return problem


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ("0,85", "has a decimal comma", "write 0.85"),
        ("1,834", "has a thousands separator", "write 1834, or 1.834 if the comma is decimal"),
        ("1\N{NO-BREAK SPACE}834", "has a thousands separator", "write 1834"),
        ("12\N{THIN SPACE}345.6", "has a thousands separator", "write 12345.6"),
        ("\N{MINUS SIGN}86", "typographic minus (U+2212)", "write -86 with a hyphen-minus"),
        ("\N{EN DASH}86", "typographic minus (U+2013)", "write -86 with a hyphen-minus"),
        ("inf", "is not a finite number", "leave the cell empty"),
        ("NaN", "is not a finite number", "leave the cell empty"),
        ("1e999", "is too large", "check the exponent"),
        ("NR", "stands for a missing value", "leave the cell empty"),
        ("#N/A", "stands for a missing value", "leave the cell empty"),
        ("-", "stands for a missing value", "leave the cell empty"),
        ("09-Oct", "is a date", "cell formatted as text"),
        ("9.10.2020", "is a date", "cell formatted as text"),
        ("2020-10-09", "is a date", "cell formatted as text"),
        ("95%", "carries a percent sign", "write 95"),
        ("12.3 (4.5)", "holds more than one number", "its own column"),
        ("\N{MINUS SIGN}86 to 53", "holds more than one number", "its own column"),
        ("<0.001", "is a bound, not a number", "leave it empty"),
        (" 12", "has blanks around the number", "write 12"),
        ("twelve", "is text in a number cell", "write the number"),
        ("1_000", "is text in a number cell", "write the number"),
        ("١٢", "is text in a number cell", "write the number"),
    ],
)
def test_a_cell_that_is_no_number_is_named_with_its_place_and_mend(text: str, what: str, fix: str) -> None:
    problem = only(tables([result(number=1), result(number=2, **{CELL: text})]))
    assert (problem.file, problem.row, problem.column, problem.value) == ("data/extractions.csv", 3, CELL, text)
    assert what in problem.what
    assert fix in problem.fix


def test_a_bound_in_the_p_column_is_sent_to_the_words_column() -> None:
    problem = only(tables([result(p_value="<0.001")]))
    assert (problem.column, problem.fix) == ("p_value", "leave p_value empty and write <0.001 in p_printed")


@pytest.mark.parametrize("text", ["0.85", "-86", "+5", ".5", "5.", "1e-3", "1.20E+02", "007"])
def test_plain_numbers_are_parsed_exactly(text: str) -> None:
    assert parse_number(text) == float(text)


@given(st.text(min_size=1, max_size=30))
def test_any_text_is_a_finite_number_or_a_fault_that_quotes_it(text: str) -> None:
    parsed = parse_number(text)
    assert (text in parsed.what) if isinstance(parsed, Fault) else parsed == float(text)


def test_a_misspelt_column_is_named_once_with_the_right_one() -> None:
    given_tables = tables([result()])
    old = given_tables["extractions"]
    columns = tuple("units_" if column == "units" else column for column in old.columns)
    rows = tuple({name.replace("units", "units_"): text for name, text in row.items()} for row in old.rows)
    problem = only({**given_tables, "extractions": Table(old.file, columns, rows)})
    assert (problem.file, problem.row, problem.column) == ("data/extractions.csv", 1, "units_")
    assert problem.what == "units_ is not a column; did you mean units?"


def without(column: str) -> dict[str, Table]:
    given_tables = tables([result()])
    old = given_tables["extractions"]
    rows = tuple({name: text for name, text in row.items() if name != column} for row in old.rows)
    columns = tuple(name for name in old.columns if name != column)
    return {**given_tables, "extractions": Table(old.file, columns, rows)}


def test_a_missing_column_that_is_required_is_named() -> None:
    problem = only(without("study_id"))
    assert (problem.row, problem.column, problem.what) == (1, "study_id", "the column study_id is missing")


def test_a_column_that_is_not_required_may_be_left_out() -> None:
    build_records(without("diff_se"), dictionary())


def test_a_repeated_extraction_id_names_the_first_row() -> None:
    problem = only(tables([result(), result()]))
    assert (problem.row, problem.column, problem.value) == (3, "extraction_id", "Trial-cac_agatston-1")
    assert "already stands in row 2" in problem.what


def test_an_extraction_and_a_cohort_estimate_never_share_an_id() -> None:
    cohort = {"extraction_id": "Trial-cac_agatston-1", "study_id": "Cohort", "outcome": "events"}
    problem = only(tables([result()], cohorts=[cohort]))
    assert (problem.file, problem.row) == ("data/cohorts.csv", 2)


@pytest.mark.parametrize(
    ("change", "column", "value", "guess"),
    [
        ({"study_id": "Trail"}, "study_id", "Trail", "did you mean Trial?"),
        ({"outcome": "cac_agaston"}, "outcome", "cac_agaston", "did you mean cac_agatston?"),
        (
            {"n_source": "Trial-cac_agatston-3"},
            "n_source",
            "Trial-cac_agatston-3",
            "did you mean Trial-cac_agatston-1?",
        ),
        ({"diff_measure": "ROMM"}, "diff_measure", "ROMM", "did you mean ROM?"),
    ],
)
def test_an_unknown_word_is_named_with_the_nearest_known_one(
    change: Row, column: str, value: str, guess: str
) -> None:
    problem = only(tables([{**result(), **change}], trials=[{"study_id": "Trial"}]))
    assert (problem.row, problem.column, problem.value) == (2, column, value)
    assert guess in problem.what


def test_a_value_outside_its_list_shows_the_list() -> None:
    problem = only(tables([result(diff_measure="difference")]))
    assert problem.fix == "use one of MD, ROM, RR, OR, HR, SMD, PERCENT, BETA"


@pytest.mark.parametrize("column", ["change_sd_treat", "change_se_ctrl", "diff_se", "n_treat", "events_ctrl"])
def test_a_negative_spread_or_count_is_refused_though_the_dictionary_sets_no_bound(column: str) -> None:
    problem = only(tables([result(**{column: "-6"})]))
    assert (problem.row, problem.column, problem.what) == (2, column, "-6 is negative")


def test_a_fraction_of_a_person_is_refused() -> None:
    assert only(tables([result(n_treat="12.5")])).what == '"12.5" is not a whole number'


def test_the_constraints_of_the_dictionary_hold() -> None:
    trials = [{"study_id": "Trial one", "dose_ug_per_day": "-1"}, {"study_id": ""}]
    found = problems_of(tables(trials=trials))
    assert [(p.row, p.column) for p in found] == [(2, "dose_ug_per_day"), (2, "study_id"), (3, "study_id")]
    assert [p.what for p in found][:2] == ["-1 is below 0", '"Trial one" does not match [A-Za-z0-9_-]{1,64}']


def test_a_rule_that_nothing_would_test_is_refused_in_the_dictionary() -> None:
    described = dictionary()
    described["resources"][0]["schema"]["fields"][0] = {"name": "study_id", "constraints": {"minLength": 3}}
    described["resources"][0]["schema"]["fields"][1] = {"name": "label", "type": "geopoint"}
    found = problems_of(tables(), described)
    assert [problem.file for problem in found] == ["data/datapackage.json"] * 2
    assert any('the constraint "minLength"' in problem.what for problem in found)
    assert any('the type "geopoint"' in problem.what for problem in found)


@pytest.mark.parametrize(
    "described", [{}, {"resources": []}, {"resources": [3]}, {"resources": [{"name": "trials"}]}]
)
def test_a_broken_dictionary_is_a_problem_and_not_a_traceback(described: dict[str, object]) -> None:
    found = problems_of(tables(), described or {"resources": None})
    assert [problem.file for problem in found] == ["data/datapackage.json"]


def test_a_missing_file_is_named() -> None:
    given_tables = tables([result()])
    del given_tables["outcomes"]
    assert [problem.file for problem in problems_of(given_tables)] == ["data/outcomes.csv"]


def test_every_problem_of_every_file_comes_at_once_in_order() -> None:
    rows = [result(diff_estimate="0,85"), result(number=2, study="Nobody", n_treat="NR")]
    cohort = {"extraction_id": "C-1", "study_id": "C", "outcome": "event"}
    outside = {"diff_estimate": "-86", "diff_ci_low": "-854", "diff_ci_high": "-117"}
    rows.append(result("dpucmgp", **outside))
    bad_line = {"query_id": "C01-x", "status": "closed"}
    found = problems_of(tables(rows, [{"study_id": "Trial", "year": "MMIX"}], [bad_line], [cohort]))
    assert [(p.file.removeprefix("data/"), p.row, p.column) for p in found] == [
        ("cohorts.csv", 2, "outcome"),
        ("extractions.csv", 2, "diff_estimate"),
        ("extractions.csv", 3, "n_treat"),
        ("extractions.csv", 3, "study_id"),
        ("extractions.csv", 4, "diff_estimate"),
        ("queries.csv", 2, "status"),
        ("trials.csv", 2, "year"),
    ]
