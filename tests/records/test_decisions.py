"""Decisions in queries.csv: what they need, what they change, and what an open one keeps out."""

from __future__ import annotations

import pytest

from tests.records.review import build, line, problems_of, result, tables

OUTSIDE = {"diff_measure": "MD", "diff_estimate": "-86", "diff_ci_low": "-854", "diff_ci_high": "-117"}
HAROON = result("dpucmgp", study="Haroon2023", **OUTSIDE)
QUERY = "C01-Haroon2023-dpucmgp-1"
SLIP = result("avc_agatston", diff_measure="MD", diff_estimate="17", diff_ci_low="-86", diff_ci_high="53")
SLIP |= {"change_mean_treat": "275", "change_mean_ctrl": "292"}
SLIP_QUERY = "C02-Trial-avc_agatston-1"


def test_an_error_without_a_decision_stops_the_build_and_shows_the_line_to_paste() -> None:
    (problem,) = problems_of(tables([HAROON]))
    assert (problem.file, problem.row, problem.column, problem.value) == (
        "data/extractions.csv",
        2,
        "diff_estimate",
        "-86",
    )
    assert problem.fix.endswith(f"data/queries.csv: {QUERY},open,,,<why>,<who>")
    assert problem.rule.startswith("C01: ")


def test_an_open_decision_keeps_the_query_and_the_record_out_of_pools() -> None:
    found = build(HAROON, queries=[line(QUERY)])
    assert [(q.query_id, q.status, q.recorded) for q in found.queries] == [(QUERY, "open", True)]
    assert found.records[0].open_errors == (QUERY,)


@pytest.mark.parametrize("status", ["accepted", "false_alarm"])
def test_a_settled_decision_frees_the_record(status: str) -> None:
    found = build(HAROON, queries=[line(QUERY, status)])
    assert found.records[0].open_errors == ()
    assert (found.queries[0].status, found.queries[0].reason, found.queries[0].by) == (
        status,
        "seen in the full text",
        "AB",
    )


def test_a_correction_changes_the_record_and_keeps_what_was_printed() -> None:
    found = build(SLIP, queries=[line(SLIP_QUERY, "corrected", column="diff_estimate", corrected_value="-17")])
    record = found.records[0]
    assert record.number("diff_estimate") == -17
    assert record.corrections == {"diff_estimate": "17"}
    assert record.open_errors == ()
    assert [(query.query_id, query.status) for query in found.queries] == [(SLIP_QUERY, "corrected")]


def test_a_correction_that_does_not_silence_its_check_is_a_problem() -> None:
    wrong = line(SLIP_QUERY, "corrected", column="diff_estimate", corrected_value="-71")
    found = problems_of(tables([SLIP], queries=[wrong]))
    assert [(p.file, p.row) for p in found if "does not resolve" in p.what] == [("data/queries.csv", 2)]


def test_a_correction_that_breaks_another_rule_is_a_problem() -> None:
    moved = line(QUERY, "corrected", column="diff_estimate", corrected_value="-200")
    (problem,) = problems_of(tables([HAROON], queries=[moved]))
    assert problem.rule.startswith("C02: ")


def test_a_correction_of_several_cells_takes_one_line_each() -> None:
    row = result("bapwv", units="cm/s", baseline_mean_treat="1834")
    identifier = "C14-Trial-bapwv-1"
    lines = [
        line(identifier, "corrected", column="units", corrected_value="m/s"),
        line(identifier, "corrected", column="baseline_mean_treat", corrected_value="18.34"),
    ]
    assert build(row, queries=lines).records[0].corrections == {"units": "cm/s", "baseline_mean_treat": "1834"}


@pytest.mark.parametrize(
    ("value", "column", "place"),
    [("1,7", "diff_estimate", "corrected_value"), ("-17", "diff_estimat", "column")],
)
def test_a_correction_obeys_the_dictionary(value: str, column: str, place: str) -> None:
    wrong = line(SLIP_QUERY, "corrected", column=column, corrected_value=value)
    found = problems_of(tables([SLIP], queries=[wrong]))
    assert ("data/queries.csv", 2, place) in [(p.file, p.row, p.column) for p in found]


def test_a_decision_about_nothing_is_a_problem() -> None:
    (problem,) = problems_of(tables([result()], queries=[line("C01-Trial-cac_agatston-1")]))
    assert (problem.row, problem.column) == (2, "query_id")
    assert problem.fix.startswith("remove the line")


@pytest.mark.parametrize("column", ["reason", "by"])
def test_a_settled_decision_needs_a_reason_and_a_name(column: str) -> None:
    found = problems_of(tables([HAROON], queries=[line(QUERY, "accepted", **{column: ""})]))
    assert ("data/queries.csv", 2, column) in [(p.file, p.row, p.column) for p in found]


def test_two_decisions_about_one_query_are_a_problem() -> None:
    (problem,) = problems_of(tables([HAROON], queries=[line(QUERY), line(QUERY, "accepted")]))
    assert (problem.row, problem.what) == (3, f'"{QUERY}" already has a decision in row 2')


def test_a_misspelt_status_shows_the_right_one() -> None:
    found = problems_of(tables([HAROON], queries=[line(QUERY, "acepted")]))
    assert "is not a status; did you mean accepted?" in " ".join(problem.what for problem in found)


def test_an_id_names_the_column_only_where_one_check_asks_twice_on_a_row() -> None:
    changes = {"change_mean_treat": "5", "change_mean_ctrl": "5", "baseline_mean_treat": "100"}
    changes |= {"follow_mean_treat": "101", "baseline_mean_ctrl": "100", "follow_mean_ctrl": "101"}
    found = build(result(**changes)).queries
    assert [query.query_id for query in found] == [
        "C08-Trial-cac_agatston-1-baseline_mean_ctrl",
        "C08-Trial-cac_agatston-1-baseline_mean_treat",
    ]
    only_one = build(result(**{**changes, "change_mean_ctrl": "1"})).queries
    assert [query.query_id for query in only_one] == ["C08-Trial-cac_agatston-1"]


def test_an_open_query_about_a_trial_holds_for_all_its_results() -> None:
    pair = [{"study_id": name, "registration": "NCT03243890"} for name in ("First", "Second")]
    rows = [result(study="First"), result(study="Second"), result("cimt", study="Second")]
    found = build(*rows, trials=pair, queries=[line("C15-Second")])
    assert [record.open_errors for record in found.records] == [(), ("C15-Second",), ("C15-Second",)]


def test_queries_come_by_file_row_and_check() -> None:
    cohort = {"extraction_id": "C-1", "study_id": "C", "outcome": "events", "diff_measure": "HR"}
    cohort |= {"diff_estimate": "0.7", "diff_ci_low": "0.5", "diff_ci_high": "0.9"}
    rows = [result(n_treat="9", source_locator=""), SLIP | {"source_locator": "", "study_id": "Trial"}]
    found = build(*rows, cohorts=[cohort], queries=[line(SLIP_QUERY)]).queries
    assert [(query.file, query.row, query.check) for query in found] == [
        ("data/cohorts.csv", 2, "C26"),
        ("data/extractions.csv", 2, "C26"),
        ("data/extractions.csv", 3, "C02"),
        ("data/extractions.csv", 3, "C26"),
    ]


def test_a_record_holds_every_column_parsed_and_its_trial() -> None:
    trials = [{"study_id": "Trial", "year": "2009", "country": "USA"}]
    record = build(result(n_treat="200", change_mean_treat="27.0"), trials=trials).records[0]
    assert (record.source, record.row, record.number("n_treat"), record.number("change_mean_treat")) == (
        "trials",
        2,
        200.0,
        27.0,
    )
    assert (record.cells["p_value"], record.trial["year"], record.trial["country"]) == (None, 2009.0, "USA")


def test_a_cohort_record_is_its_own_trial() -> None:
    cohort = {"extraction_id": "C-1", "study_id": "Rotterdam", "outcome": "events", "n_total": "4807"}
    record = build(cohorts=[cohort]).records[0]
    assert (record.source, record.trial["n_total"]) == ("cohorts", 4807.0)


def test_trials_and_outcomes_come_along() -> None:
    found = build(result("cfpwv"), trials=[{"study_id": "Trial", "year": "2009"}])
    assert found.trials[0]["year"] == 2009.0
    speed = next(outcome for outcome in found.outcomes if outcome.id == "cfpwv")
    assert (speed.unit, speed.lower_is_better) == ("m/s", True)
