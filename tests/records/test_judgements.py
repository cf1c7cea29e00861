"""Files of human judgements: read as written, refused with their place, sums of the flow followed step by step."""

from __future__ import annotations

import json
from importlib import resources

import pytest

from k2meta.records.judgements import SCHEMAS, against_pools, judgement_problems, read_judgements
from k2meta.records.validate import validate
from k2meta.types import PRISMA_ITEMS, Judgements, Table

FLOW = {
    "database_results": "100",
    "register_results": "20",
    "duplicates": "15",
    "excluded_automatic": "3",
    "excluded_other": "2",
    "records_screened": "100",
    "records_excluded": "60",
    "dbr_sought_reports": "40",
    "dbr_notretrieved_reports": "4",
    "dbr_assessed": "36",
    "dbr_excluded": "no control, 20; animals, 6",
    "other_sought_reports": "5",
    "other_notretrieved_reports": "1",
    "other_assessed": "4",
    "other_excluded": "no control, 2",
    "new_studies": "10",
    "new_reports": "12",
    "total_studies": "10",
    "total_reports": "12",
}


def table(name: str, rows: list[dict[str, str]]) -> Table:
    columns = tuple(SCHEMAS[name].fields)
    return Table(f"data/{name}.csv", columns, tuple({**dict.fromkeys(columns, ""), **row} for row in rows))


def flow(**changes: str) -> Table:
    return table("prisma_flow", [{"data": name, "n": n} for name, n in {**FLOW, **changes}.items()])


def said(found: Table) -> list[str]:
    return [str(problem) for problem in judgement_problems({found.file.split("/")[1].removesuffix(".csv"): found})]


def test_the_checklist_has_27_items() -> None:
    assert sorted({int(item.rstrip("abcdef")) for item in PRISMA_ITEMS}) == list(range(1, 28))


def test_a_flow_that_adds_up_is_read_with_its_reasons() -> None:
    assert said(flow()) == []
    counts = {count.box: count for count in read_judgements({"prisma_flow": flow()}).flow}
    assert counts["dbr_excluded"].n == 26
    assert counts["dbr_excluded"].parts == (("no control", 20), ("animals", 6))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"duplicates": "14"}, "records_screened says 100"),
        (
            {"records_excluded": "61"},
            "records_screened 100 - records_excluded 61 = 39, and dbr_sought_reports says 40",
        ),
        ({"dbr_notretrieved_reports": "5"}, "dbr_assessed says 36"),
        ({"other_assessed": "3", "dbr_excluded": "25"}, "other_assessed says 3"),
        ({"dbr_excluded": "no control, 21; animals, 6"}, "new_reports says 12"),
        ({"total_studies": "11"}, "total_studies says 11"),
        ({"new_studies": "13", "total_studies": "13"}, "new_studies 13 is more than new_reports 12"),
        ({"total_studies_ma": "11"}, "total_studies_ma 11 is more than the 10 studies"),
    ],
)
def test_a_step_that_does_not_add_up_is_named_with_both_numbers(changes: dict[str, str], message: str) -> None:
    found = said(flow(**changes))
    assert any(message in problem for problem in found), found
    assert all("data/prisma_flow.csv row" in problem for problem in found)


def test_every_broken_step_is_named_at_once() -> None:
    assert len(said(flow(duplicates="14", dbr_notretrieved_reports="5", total_studies="9"))) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"records_screened": "xxx"}, "xxx"),
        ({"dbr_excluded": "Reason1, xxx"}, "is not a whole number or a list"),
        ({"records_screned": "5"}, "did you mean records_screened?"),
    ],
)
def test_a_cell_that_is_no_number_is_refused_and_sums_wait(changes: dict[str, str], message: str) -> None:
    (found,) = said(flow(**changes))
    assert message in found


def test_an_empty_box_is_not_zero_and_asks_no_sum() -> None:
    assert said(flow(records_screened="", records_excluded="NA")) == []


def test_titles_of_the_template_hold_no_number() -> None:
    rows = [{"data": "NA", "n": "0"}, {"data": "screening", "n": "0"}, {"data": "new_studies", "n": "3"}]
    assert [count.box for count in read_judgements({"prisma_flow": table("prisma_flow", rows)}).flow] == [
        "new_studies"
    ]


def test_a_judgement_of_nobody_is_refused() -> None:
    rows = [{"study_id": "A", "d1": "low"}, {"study_id": "B", "d1": "low", "by": "me"}, {"study_id": "C"}]
    (found,) = said(table("risk_of_bias", rows))
    assert "row 2 column by: the row holds a judgement and does not say whose" in found


def test_two_rows_of_one_trial_are_refused() -> None:
    rows = [{"study_id": "A", "overall": "low", "by": "me"}] * 2
    assert "already stands in row 2" in said(table("risk_of_bias", rows))[0]


def test_words_nobody_knows_and_trials_nobody_knows_are_refused_together() -> None:
    package = json.loads(resources.files("k2meta").joinpath("schemas/datapackage.json").read_text("utf-8"))
    package["resources"] = [r for r in package["resources"] if r["name"] != "risk_of_bias"]
    tables = {
        "risk_of_bias": table("risk_of_bias", [{"study_id": "Z", "d1": "lo", "overall": "unclear", "by": "me"}]),
        "certainty": table("certainty", [{"analysis": "a", "certainty": "good", "by": "me", "date": "May"}]),
        "prisma_checklist": table("prisma_checklist", [{"item": "28", "by": "me"}, {"item": "1"}]),
        "trials": Table("data/trials.csv", ("study_id",), ({"study_id": "A"},)),
    }
    text = "\n".join(str(problem) for problem in validate(tables, package)[1])
    for place in ("study_id", "d1", "overall", "certainty", "date", "item", "by"):
        assert f"column {place}:" in text, place
    assert '"Z" is not in data/trials.csv' in text


def test_the_columns_of_risk_of_bias_are_those_that_the_importers_write() -> None:
    package = json.loads(resources.files("k2meta").joinpath("schemas/datapackage.json").read_text("utf-8"))
    (written,) = [r for r in package["resources"] if r["name"] == "risk_of_bias"]
    assert [field["name"] for field in written["schema"]["fields"]] == list(SCHEMAS["risk_of_bias"].fields)


def test_a_rating_of_an_unknown_analysis_and_a_pool_larger_than_the_flow_are_named() -> None:
    rows = [{"analysis": "stifness", "certainty": "low", "by": "me", "imprecision": "few people"}]
    found = read_judgements({"certainty": table("certainty", rows), "prisma_flow": flow()})
    assert found.certainty[0].reasons == {"imprecision": "few people"}
    rating, pool = (str(problem) for problem in against_pools(found, {"stiffness": 11, "other": 10}))
    assert "did you mean stiffness?" in rating
    assert "stiffness pools 11 studies" in pool


def test_without_files_there_is_no_judgement() -> None:
    assert read_judgements({}) == Judgements()
    assert judgement_problems({}) == []
