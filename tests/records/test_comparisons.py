"""Checks that compare rows, words, extractors and lists: C19, C23, C24, C25, C28."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from k2meta.records import ask_rows
from k2meta.records.copied import chance_of_agreement
from k2meta.records.printed import read_printed
from tests.records.review import NOTICE, asked, build, dictionary, ids, line, problems_of, result, tables

ROOT = Path(__file__).parents[2]

# 4,000 pairs of arms: the standard error of a share of .02 is .0022; three of them.
SIMULATED = 0.007


# ---------------------------------------------------------------- C19


def test_a_sign_against_the_words_of_the_source_needs_a_note() -> None:
    row = result(diff_measure="MD", diff_estimate="12", reported_result="favours_treatment")
    (query,) = asked(row)
    assert (query.check, query.severity, query.columns) == ("C19", "error", ("diff_estimate", "reported_result"))
    assert "12 and lower is better, but reported_result says favours_treatment" in query.evidence
    assert asked({**row, "sign_note": "positive = less calcium in the table of the source"}) == ()
    assert asked({**row, "diff_estimate": "-12"}) == ()


def test_a_ratio_is_compared_with_one_and_arms_with_each_other() -> None:
    ratio = result("events", diff_measure="HR", diff_estimate="1.4", reported_result="favours_treatment")
    assert ids(asked(ratio)) == ["C19 error"]
    assert asked({**ratio, "reported_result": "favours_control"}) == ()
    arms = result(change_mean_treat="30", change_mean_ctrl="20", reported_result="favours_treatment")
    assert ids(asked(arms)) == ["C19 error"]


def test_a_difference_that_rounds_to_nothing_has_no_sign() -> None:
    assert asked(result("cfpwv", diff_measure="MD", diff_estimate="0.0", reported_result="favours_control")) == ()


def test_an_outcome_without_a_direction_is_asked_for_once_and_not_in_each_of_its_rows() -> None:
    given = tables([result()])
    rows = tuple(
        {**row, "better": "" if row["outcome"] == "cac_agatston" else "lower"} for row in given["outcomes"].rows
    )
    given["outcomes"] = type(given["outcomes"])("data/outcomes.csv", given["outcomes"].columns, rows)
    assert ask_rows(given, dictionary()) == ()
    for file in ("data/datapackage.json", "src/k2meta/schemas/datapackage.json"):
        package = json.loads((ROOT / file).read_text("utf-8"))
        (outcomes,) = (table for table in package["resources"] if table["name"] == "outcomes")
        (better,) = (field for field in outcomes["schema"]["fields"] if field["name"] == "better")
        assert better["constraints"] == {"enum": ["lower", "higher"], "required": True}


# ---------------------------------------------------------------- C23

TWIN = {"change_mean_treat": "203.4", "change_sd_treat": "118.7", "n_treat": "60", "n_ctrl": "58"}


def test_two_arms_with_one_mean_and_sd_are_asked_about() -> None:
    (query,) = asked(result(change_mean_ctrl="203.4", change_sd_ctrl="118.7", **TWIN))
    assert (query.check, query.severity) == ("C23", "warn")
    assert asked(result(change_mean_ctrl="203.4", change_sd_ctrl="118.6", **TWIN)) == ()


def test_coarse_digits_agree_by_chance_and_are_silent() -> None:
    arms = {"baseline_mean_treat": "9.8", "baseline_sd_treat": "2.1", "n_treat": "50", "n_ctrl": "50"}
    assert asked(result("cfpwv", baseline_mean_ctrl="9.8", baseline_sd_ctrl="2.1", **arms)) == ()


def test_an_arm_that_stands_in_another_study_is_asked_about() -> None:
    first = result(study="First", **TWIN, change_mean_ctrl="240.1", change_sd_ctrl="131.0")
    copied = result(study="Second", n_treat="71", n_ctrl="70", change_mean_treat="180.2", change_sd_treat="99.4")
    copied |= {"change_mean_ctrl": "203.4", "change_sd_ctrl": "118.7"}
    (query,) = asked(first, copied)
    assert query.query_id == "C23-Second-cac_agatston-1"
    assert "stand also in First-cac_agatston-1 (row 2, treatment)" in query.evidence
    trials = [{"study_id": "First"}, {"study_id": "Second", "report_of": "First"}]
    assert asked(first, copied, trials=trials) == ()


def test_the_chance_of_agreement_is_that_of_simulated_arms() -> None:
    rng = np.random.default_rng(23)
    n, sd, unit = 40, 2.0, 0.1
    samples = rng.normal(10.0, sd, (2, 4000, n))
    means, sds = samples.mean(axis=2).round(1), samples.std(axis=2, ddof=1).round(1)
    share = float(np.mean((means[0] == means[1]) & (sds[0] == sds[1])))
    mean, spread = read_printed("10.0"), read_printed("2.0")
    assert mean is not None
    assert spread is not None
    assert chance_of_agreement(mean, spread, n) == pytest.approx(share, abs=SIMULATED)
    assert unit / (sd * math.sqrt(2 / n)) < 1


def many_digits(ends: str) -> list[dict[str, str]]:
    rows = []
    for i in range(20):
        numbers = {
            "baseline_mean_treat": 210 + 7 * i,
            "baseline_mean_ctrl": 310 + 7 * i,
            "change_mean_treat": 410 + 7 * i,
        }
        cells = {
            name: f"{value}{ends[(3 * i + j) % len(ends)]}" for j, (name, value) in enumerate(numbers.items())
        }
        rows.append(result("jet_velocity", number=i + 1, timepoint_months=i + 1, **cells))
    return rows


def test_last_digits_of_sixty_numbers_are_spread_evenly() -> None:
    assert asked(*many_digits("0123456789")) == ()
    (query,) = asked(*many_digits("05"))
    assert (query.check, query.file, query.study_id) == ("C23", "data/trials.csv", "Trial")
    assert "last digits of 60 printed numbers (0: 30, 1: 0" in query.evidence
    assert asked(*many_digits("05")[:16]) == ()


# ---------------------------------------------------------------- C24

PAPER = {"study_id": "Trial", "doi": "10.1000/xyz.123", "pmid": "12345678"}


def notice(**cells: str) -> dict[str, str]:
    row = dict.fromkeys(NOTICE, "") | {
        "notice": "retraction",
        "source": "Retraction Watch",
        "snapshot": "2026-11-01",
    }
    return row | cells


def test_a_retracted_paper_is_an_error_and_its_results_stay_out_while_it_is_open() -> None:
    by_doi = notice(doi="https://doi.org/10.1000/XYZ.123", date="2025-03")
    (query,) = asked(result(), trials=[PAPER], notices=[by_doi])
    assert (query.query_id, query.severity, query.columns) == ("C24-Trial", "error", ("doi",))
    assert "retraction of 2025-03 (Retraction Watch, snapshot of 2026-11-01)" in query.evidence
    found = build(result(), trials=[PAPER], notices=[by_doi], queries=[line("C24-Trial")])
    assert found.records[0].open_errors == ("C24-Trial",)


def test_a_concern_is_an_error_and_a_correction_a_note() -> None:
    concern = notice(pmid="12345678", notice="expression_of_concern")
    assert ids(asked(trials=[PAPER], notices=[concern])) == ["C24 error"]
    assert ids(asked(trials=[PAPER], notices=[notice(pmid="12345678", notice="correction")])) == ["C24 note"]
    assert asked(trials=[PAPER], notices=[notice(doi="10.1000/other.1")]) == ()


def said(check: str, **files: object) -> str:
    notes = build(result(), trials=[PAPER], **files).notes
    return next(note.said for note in notes if note.check == check)


def test_without_a_snapshot_the_answer_is_not_checked_and_never_none() -> None:
    assert said("C24") == "Retractions: not checked (there is no data/retractions.csv)."
    assert said("C24", notices=[]).startswith("Retractions: not checked (data/retractions.csv holds no row")
    looked = said("C24", notices=[notice(doi="10.1000/other.1")])
    assert looked == (
        "Retractions: 1 of 1 trials and cohort papers were looked up by DOI or PMID; notices in the list: 1 "
        "(Retraction Watch; snapshot of 2026-11-01)."
    )


def test_a_snapshot_without_its_date_is_a_problem() -> None:
    (problem,) = problems_of(tables([result()], notices=[notice(doi="10.1000/other.1", snapshot="")]))
    assert (problem.file, problem.row, problem.column) == ("data/retractions.csv", 2, "snapshot")


# ---------------------------------------------------------------- C25


def test_a_cell_that_two_extractors_typed_differently_is_asked_about() -> None:
    first = result(change_mean_treat="203", n_treat="154")
    second = {"extraction_id": first["extraction_id"], "change_mean_treat": "230", "n_treat": "154"}
    (query,) = asked(first, second=[second])
    assert (query.check, query.severity, query.columns) == ("C25", "query", ("change_mean_treat",))
    assert 'change_mean_treat: "203" and "230"' in query.evidence
    assert "second: row 2" in query.evidence
    assert asked(first, second=[{**second, "change_mean_treat": "203"}]) == ()


def test_digits_that_only_one_extractor_kept_are_a_note() -> None:
    first = result("jet_velocity", change_mean_treat="0.040")
    second = {"extraction_id": first["extraction_id"], "change_mean_treat": "0.04"}
    assert ids(asked(first, second=[second])) == ["C25 note"]


def test_a_row_that_only_the_second_extractor_has_is_asked_about() -> None:
    second = [
        {"extraction_id": "Trial-cac_agatston-1", "n_treat": "9"},
        {"extraction_id": "Trial-cimt-1", "n_treat": "9"},
    ]
    (query,) = asked(result(n_treat="9"), second=second)
    assert (query.file, query.row, query.query_id) == ("data/extractions_second.csv", 3, "C25-Trial-cimt-1")


def test_a_correction_settles_what_two_extractors_typed() -> None:
    first = result(n_treat="145")
    second = [{"extraction_id": first["extraction_id"], "n_treat": "154"}]
    decided = line("C25-Trial-cac_agatston-1", "corrected", column="n_treat", corrected_value="154")
    found = build(first, second=second, queries=[decided])
    assert found.records[0].number("n_treat") == 154
    assert said("C25") == "Double entry: not compared (there is no data/extractions_second.csv)."
    assert found.notes[2].said == "Double entry: 1 of 1 extractions were compared cell by cell."


def test_a_misspelt_column_of_the_second_extractor_is_a_problem() -> None:
    (problem,) = problems_of(
        tables([result()], second=[{"extraction_id": "Trial-cac_agatston-1", "n_treatt": "9"}])
    )
    assert "did you mean n_treat" in problem.what


# ---------------------------------------------------------------- C28

ARMS = {"change_mean_treat": "203", "change_mean_ctrl": "254", "diff_measure": "MD", "timepoint_months": "24"}


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({**ARMS, "diff_estimate": "-25.5"}, "the difference per year (× 12 / 24)"),
        ({**ARMS, "diff_estimate": "-102"}, "the difference over 24 months if the arms are per year"),
        (
            {
                "follow_mean_treat": "203",
                "follow_mean_ctrl": "254",
                "diff_measure": "MD",
                "diff_estimate": "-0.224",
            },
            "the difference of the logarithms",
        ),
        (
            {"follow_mean_treat": "203", "follow_mean_ctrl": "254", "diff_measure": "MD", "diff_estimate": "0.80"},
            "the ratio of the means",
        ),
    ],
)
def test_a_difference_on_another_scale_than_its_arms_is_named(cells: dict[str, str], words: str) -> None:
    (query,) = asked(result(**cells))
    assert (query.check, query.severity) == ("C28", "error")
    assert words in query.evidence


def test_a_difference_that_no_scale_explains_stays_with_the_arms_check() -> None:
    assert ids(asked(result(**{**ARMS, "diff_estimate": "-33"}))) == ["C03 error"]
    assert asked(result(**{**ARMS, "diff_estimate": "-51"})) == ()


def test_absolute_changes_marked_as_percent_are_named() -> None:
    means = {"baseline_mean_treat": "9.8", "follow_mean_treat": "8.4", "change_mean_treat": "-1.4"}
    (query,) = asked(result("cfpwv", scale="pct_change", units="%", **means))
    assert query.check == "C28"
    assert "which is the absolute change" in query.evidence


def test_two_rows_that_differ_by_the_length_of_follow_up_are_named() -> None:
    total = result(timepoint_months="24", change_mean_treat="203", change_mean_ctrl="254")
    yearly = result(number=2, timepoint_months="24", change_mean_treat="101.5", change_mean_ctrl="127.0")
    (query,) = asked(total, yearly)
    assert (query.query_id, query.severity) == ("C28-Trial-cac_agatston-2", "error")
    assert "times 12 / 24 gives this row" in query.evidence
    assert asked(total, {**yearly, "change_mean_ctrl": "140.0"}) == ()
