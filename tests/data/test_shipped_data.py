"""The shipped review: what its files promise, and the traps of its sources. Cells are compared as printed text."""

from __future__ import annotations

from pathlib import Path

import pytest

from k2meta import io
from k2meta.commands.records import collect
from k2meta.records import POOL_CHECKS, build_records
from k2meta.types import Table

ROOT = Path(__file__).parents[2]
TABLES, DICTIONARY = io.read_project(ROOT)
RESOURCES = {resource["name"]: resource for resource in DICTIONARY["resources"]}
TRIALS = {row["study_id"]: row for row in TABLES["trials"].rows}
ROWS = {row["extraction_id"]: row for row in TABLES["extractions"].rows}
COHORT_ROWS = TABLES["cohorts"].rows

MACHINE_WRITTEN_MAIN = {"Asemi2016-cimt-1"}
"""Main rows known from a machine-written page only; the rules of selection keep them out of every pool."""

KNOWN_MISSING = [
    ("Witham2020", "cfpwv", "no_difference"),
    ("LevySchousboe2021", "cfpwv", "no_difference"),
    ("DeVriese2020", "cfpwv", "no_difference"),
    ("Lees2021", "cfpwv", "no_difference"),
    ("Naiyarakseree2023", "cfpwv", "no_difference"),
    ("deVries2025", "cfpwv", "no_difference"),
    ("Witham2020", "aac", "no_difference"),
    ("Saritas2022", "cac_volume_progression", "favours_treatment"),
    ("Saritas2022", "tac_volume", "favours_treatment"),
    ("Holden2023", "cac_agatston", "no_difference"),
    ("Brandenburg2017", "avc_agatston", "favours_treatment"),
    ("LevySchousboe2021", "cac_agatston", "not_seen"),
    ("LevySchousboe2021", "aac", "not_seen"),
    ("DeVriese2020", "cac_agatston", "no_difference"),
    ("Oikonomaki2019", "aac", "not_seen"),
    ("Vossen2026", "cac_agatston", "favours_treatment"),
]

POOLABLE = {
    "Shea2009-cac_agatston-1": {
        "change_mean_treat": "27",
        "change_mean_ctrl": "37",
        "change_se_treat": "6",
        "change_se_ctrl": "7",
        "change_sd_treat": "",
        "n_treat": "200",
        "n_ctrl": "188",
    },
    "Diederichsen2022-cac_agatston-1": {
        "change_mean_treat": "203",
        "change_mean_ctrl": "254",
        "p_value": "0.089",
        "n_treat": "",
        "n_source": "Diederichsen2022-cac_agatston-3",
    },
    "Lees2021-cac_agatston-1": {"diff_estimate": "-141", "diff_ci_low": "-320", "diff_ci_high": "38"},
    "Kurnatowska2015-cac_agatston-1": {
        "change_sd_treat": "106.5",
        "change_sd_ctrl": "127.1",
        "n_total": "42",
        "n_treat": "",
    },
    "Haroon2023-cac_agatston-1": {"diff_measure": "ROM", "diff_estimate": "0.85", "diff_ci_high": "1.31"},
    "Knapen2015-cfpwv-1": {"change_sd_treat": "1.48", "change_sd_ctrl": "1.22", "n_treat": "111"},
    "Haroon2023-cfpwv-1": {"diff_estimate": "0.55", "diff_ci_low": "-0.5", "diff_ci_high": "1.6"},
    "Fulton2016-crpwv-1": {"diff_estimate": "-0.8", "diff_ci_low": "-1.8", "diff_ci_high": "0.3"},
}

SLIPS = {
    "Diederichsen2022-avc_agatston-1": ("17", "-86", "53"),
    "Diederichsen2022-peak_aortic_jet_velocity-1": ("0.04", "-0.11", "0.02"),
    "Haroon2023-dpucmgp-1": ("-86", "-854", "-117"),
}

JARGON = ("wiki", "wanted", "stored copy", "stored page", "read_file", "seed", "first-pass", "set by me", "github")


def numbers(name: str) -> list[str]:
    """Return the numeric columns of a table."""
    return [f["name"] for f in RESOURCES[name]["schema"]["fields"] if f["type"] in ("number", "integer")]


def is_number(text: str) -> bool:
    """Whether a cell is a plain number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_the_dictionary_describes_the_columns_of_every_file_in_order(table: Table) -> None:
    name = Path(table.file).stem
    assert [field["name"] for field in RESOURCES[name]["schema"]["fields"]] == list(table.columns)


def test_every_field_of_the_dictionary_is_explained() -> None:
    fields = [field for resource in RESOURCES.values() for field in resource["schema"]["fields"]]
    assert [field["name"] for field in fields if len(field["description"]) < 4] == []


def test_every_error_the_checks_find_has_a_decision_and_only_one_printed_result_stays_open() -> None:
    queries = build_records(TABLES, DICTIONARY).queries
    errors = {query.query_id: query.status for query in queries if query.severity == "error"}
    assert {name for name, status in errors.items() if status == "open"} == {
        "C01-Haroon2023-dpucmgp-1",
        "C01-Haroon2023-dpucmgp-2",
    }
    assert errors["C02-Diederichsen2022-avc_agatston-1"] == "corrected"
    assert errors["C14-Ikari2016-bapwv-1"] == "accepted"
    assert [query.query_id for query in queries if not query.recorded] == []


def test_the_pools_of_the_shipped_settings_raise_no_error_and_every_question_has_a_decision() -> None:
    found = collect(ROOT, io.read_settings(ROOT / "config" / "config.yaml"))
    asked = {query.query_id: query.status for query in found.queries if query.check in POOL_CHECKS}
    assert asked == {
        "C22-Shea2009-cac_agatston-1-cac_agatston": "accepted",
        "C22-Diederichsen2022-cac_agatston-1-cac_active_arm": "accepted",
    }
    assert [record.extraction_id for record in found.records if record.pool_errors] == []
    assert [note.said for note in found.notes if note.check == "C24"] == [
        "Retractions: not checked (there is no data/retractions.csv)."
    ]


@pytest.mark.parametrize("name", ["extractions", "cohorts"])
def test_every_row_with_a_number_says_where_it_stands(name: str) -> None:
    columns = numbers(name)
    unplaced = [
        row["extraction_id"]
        for row in TABLES[name].rows
        if any(row[column] for column in columns) and not row["source_locator"]
    ]
    assert unplaced == []


@pytest.mark.parametrize(("study", "outcome", "reported"), KNOWN_MISSING)
def test_a_trial_that_measured_and_printed_no_number_has_a_row(study: str, outcome: str, reported: str) -> None:
    rows = [r for r in ROWS.values() if r["study_id"] == study and r["outcome"] == outcome]
    said = [r for r in rows if r["role"] in ("text_only", "main") and r["reported_result"] == reported]
    assert said
    assert all(r["source_locator"] and r["source_url"] for r in said if r["source_tier"] == "primary_abstract")


@pytest.mark.parametrize("name", POOLABLE)
def test_the_rows_behind_the_pools_hold_the_printed_numbers(name: str) -> None:
    row = ROWS[name]
    assert row["role"] == "main"
    assert {column: row[column] for column in POOLABLE[name]} == POOLABLE[name]


@pytest.mark.parametrize("name", SLIPS)
def test_a_printed_slip_stays_as_printed(name: str) -> None:
    row = ROWS[name]
    assert (row["diff_estimate"], row["diff_ci_low"], row["diff_ci_high"]) == SLIPS[name]


def test_avadec_is_one_trial_with_its_second_reports() -> None:
    assert TRIALS["Hasific2025"]["report_of"] == "Diederichsen2022"
    assert TRIALS["Hasific2025"]["design_class"] == "secondary_report"
    avadec = [row for row in ROWS.values() if "Hasific" in row["analysis_set"] + row["source_locator"]]
    assert {row["study_id"] for row in avadec} == {"Diederichsen2022"}
    assert "Hasific2025" not in {row["study_id"] for row in ROWS.values()}


def test_one_main_row_per_trial_and_outcome() -> None:
    mains = [(row["study_id"], row["outcome"]) for row in ROWS.values() if row["role"] == "main"]
    assert [pair for pair in mains if mains.count(pair) > 1] == []


def test_a_machine_written_page_is_never_the_main_source_unless_listed() -> None:
    mains = {
        name
        for name, row in ROWS.items()
        if row["role"] == "main" and row["source_tier"] == "secondary_machine_written"
    }
    assert mains == MACHINE_WRITTEN_MAIN


def test_studies_without_their_own_control_have_no_main_row() -> None:
    outside = {name for name, trial in TRIALS.items() if trial["design_class"] != "rct"}
    assert {"Ikari2016", "Mansour2017", "IRIVASC2024", "Caluwe2014", "Hasific2025"} <= outside
    assert [name for name, row in ROWS.items() if row["study_id"] in outside and row["role"] == "main"] == []


def test_a_confounded_contrast_with_unreliable_signs_is_not_a_main_row() -> None:
    braam = [row["role"] for row in ROWS.values() if row["study_id"] == "Braam2004" and row["diff_estimate"]]
    assert len(braam) == 8
    assert set(braam) == {"other_contrast"}


def test_a_pulse_wave_velocity_of_unknown_site_is_not_carotid_femoral() -> None:
    assert "cfpwv" not in {row["outcome"] for row in ROWS.values() if row["study_id"] == "Eelderink2023"}
    assert ROWS["Eelderink2023-pwv_site_not_stated-1"]["change_sd_treat"] == "0.26"


def test_the_percentages_and_counts_of_the_avadec_composite_stand_in_one_row() -> None:
    row = ROWS["Diederichsen2022-cv_event-3"]
    columns = ("events_treat", "total_treat", "events_ctrl", "total_ctrl", "percent_treat", "percent_ctrl")
    assert [row[column] for column in columns] == ["3", "155", "10", "149", "1.9", "6.7"]


def test_a_p_that_is_no_exact_number_stands_apart() -> None:
    rows = (*ROWS.values(), *COHORT_ROWS)
    assert [row["extraction_id"] for row in rows if row["p_value"] and row["p_printed"]] == []
    assert [row["extraction_id"] for row in rows if is_number(row["p_printed"])] == []
    assert ROWS["DeVriese2020-cfpwv-1"]["p_printed"] == "0.56 (over 3 arms)"


def test_papers_on_the_same_people_share_their_cohort() -> None:
    cohorts = {row["publication_id"]: row["study_id"] for row in COHORT_ROWS}
    assert cohorts["Geleijnse2004"] == cohorts["EngelenRotterdam"] == "RotterdamStudy"
    assert cohorts["Bellinge2021"] == cohorts["Palmer2021"] == "DanishDietCancerHealth"
    assert {cohorts[name] for name in ("Zwakenberg2017", "Vissers2013", "Vissers2016", "Beulens2010")} == {
        "EPICNL"
    }
    ranks = [row["adjustment_rank"] for row in COHORT_ROWS if row["exposure"] == "dietary vitamin K2"]
    assert sorted(filter(None, ranks)) == ["1", "2"]


def test_animals_and_meta_analyses_are_marked_as_such() -> None:
    designs = {row["publication_id"]: row["design_class"] for row in COHORT_ROWS}
    assert designs["Schurgers2007"] == "animal"
    assert designs["Chen2019"] == "meta_analysis"


def test_all_claims_are_there() -> None:
    assert [row["claim_id"] for row in TABLES["claims"].rows] == [f"C{n:02d}" for n in range(1, 68)]


def test_every_outcome_of_the_dictionary_is_used() -> None:
    used = {row["outcome"] for row in (*ROWS.values(), *COHORT_ROWS)}
    assert {row["outcome"] for row in TABLES["outcomes"].rows} == used


def test_every_publication_with_an_identifier_has_a_reference() -> None:
    keys = {entry["key"] for entry in io.read_bibliography(ROOT / "data" / "references.bib")}
    named = {name for name, t in TRIALS.items() if t["doi"] or t["pmid"] or t["registration"]}
    assert (named | {row["publication_id"] for row in COHORT_ROWS}) - keys == set()


@pytest.mark.parametrize("path", sorted((ROOT / "data").iterdir()), ids=lambda path: path.name)
def test_the_files_are_plain_utf8_with_unix_line_ends_and_no_jargon(path: Path) -> None:
    raw = path.read_bytes()
    assert b"\r" not in raw
    assert not raw.startswith(b"\xef\xbb\xbf")
    assert raw.endswith(b"\n")
    words = raw.decode("utf-8").casefold()
    assert [word for word in JARGON if word in words] == []
