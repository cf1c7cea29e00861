"""Bad input: every problem of every file at once, each with its file, row, column, value and mend."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k2meta.records import build_records
from k2meta.records.cells import Fault, parse_number
from k2meta.records.decisions import read_decisions
from k2meta.records.identity import identifiers_in
from k2meta.records.notices import by_identifier
from k2meta.records.schema import Field, parse_cell, read_schemas
from k2meta.types import Problem, Table
from tests.records.review import Row, dictionary, problems_of, result, tables

CELL = "baseline_mean_treat"
ROOT = Path(__file__).parents[2]


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
    form = "letters, digits, _ and - (at most 64, no blank)"
    assert [p.what for p in found][:2] == ["-1 is below 0", f'"Trial one" is not {form}']


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


def test_every_dictionary_has_the_optional_columns_that_the_manual_of_the_data_names() -> None:
    manual = (ROOT / "data" / "README.md").read_text("utf-8")
    named = {
        (name, table or "extractions")
        for name, table in re.findall(r"^`(\w+)` \((?:in `(\w+)\.csv`, )?optional\)", manual, re.M)
    }
    assert named >= {("control_group", "extractions"), ("integer", "outcomes")}
    shipped = ("data", "src/k2meta/schemas", "src/k2meta/templates/new_review/data", "examples/*/data")
    found = [path for folder in shipped for path in ROOT.glob(f"{folder}/datapackage.json")]
    assert len(found) >= 7
    for path in found:
        schemas, wrong = read_schemas(json.loads(path.read_text("utf-8")))
        assert not wrong
        for name, table in named:
            assert name in schemas[table].fields, f"{name} is not in {path.relative_to(ROOT)}"


def test_an_unknown_column_may_be_described_in_the_dictionary_and_one_of_a_list_of_notices_may_not() -> None:
    given_tables = dict(tables([result(number=1)]))
    table = given_tables["extractions"]
    rows = tuple({**row, "colour": "red"} for row in table.rows)
    given_tables["extractions"] = Table(table.file, (*table.columns, "colour"), rows)
    (problem,) = (p for p in problems_of(given_tables) if p.column == "colour")
    assert problem.fix == "rename or remove the column, or describe it in data/datapackage.json"
    header = ("doi", "notice", "source", "snapshot", "RetractionNature")
    row = dict(zip(header, ("10.1234/x", "retraction", "a list", "2026-01-01", "Retraction"), strict=True))
    notices = Table("data/retractions.csv", header, (row,))
    (problem,) = problems_of({**tables([result(number=1)]), "retractions": notices})
    assert (problem.fix, problem.rule) == (
        "rename or remove the column",
        "the columns of this file stand in data/README.md",
    )


@pytest.mark.parametrize(
    ("form", "text", "what", "fix"),
    [
        (
            "10\\.[0-9]{4,9}/\\S+",
            "https://doi.org/10.1234/ab",
            "is not a DOI such as",
            "write 10.1234/ab",
        ),
        ("10\\.[0-9]{4,9}/\\S+", "doi: 10.1234/ab", "without an address", "write 10.1234/ab"),
        ("[0-9]{1,9}", "PMC12", "is not a number of at most nine digits", "write it in that form"),
        ("[A-Z]x", "ab", "is not text of the form [A-Z]x", "write it in that form"),
    ],
)
def test_a_form_is_said_in_words_with_the_text_to_write(form: str, text: str, what: str, fix: str) -> None:
    fault = parse_cell(Field("doi", pattern=form), text)
    assert isinstance(fault, Fault)
    assert what in fault.what
    assert fault.fix == fix


def test_a_window_without_any_level_inside_is_refused() -> None:
    given_tables = dict(tables([result(number=1)]))
    outcomes = given_tables["outcomes"]
    row = {**outcomes.rows[0], "level_low": "250", "level_high": "70"}
    given_tables["outcomes"] = Table(outcomes.file, tuple(row), (row, *outcomes.rows[1:]))
    (problem,) = problems_of(given_tables)
    assert (problem.file, problem.row, problem.column) == (outcomes.file, 2, "level_low")
    assert "level_low is 250, above level_high 70" in problem.what


@pytest.mark.parametrize("column", ["reason", "by"])
def test_the_placeholders_of_the_advice_are_no_decision(column: str) -> None:
    cells = {"query_id": "C01-x", "status": "open", "column": "", "corrected_value": "", "reason": "r", "by": "b"}
    line = {**cells, column: "<why>" if column == "reason" else "<who>"}
    found, wrong = read_decisions(Table("data/queries.csv", tuple(line), (line,)))
    assert not found
    assert (wrong[0].row, wrong[0].column) == (2, column)
    assert "is the placeholder of the advice" in wrong[0].what


def test_the_oldest_pmids_are_looked_up() -> None:
    trial = {"study_id": "Old1950", "pmid": "4321", "doi": "10.1234/abc"}
    assert identifiers_in(trial, "pmid") == {"4321"}
    row = {"doi": "", "pmid": "PMID: 4321", "notice": "retraction"}
    notices = by_identifier(Table("data/retractions.csv", tuple(row), (row,)))
    assert set(notices) == {"4321"}
