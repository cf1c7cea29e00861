"""Each format against numbers that are known from elsewhere, and its traps."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest

import k2meta as km
from k2meta.effects.routes import Printed, derive
from k2meta.intake import IMPORTERS, Intake, Source
from k2meta.intake.draft import numeric_fields
from k2meta.intake.revman5 import decoded
from tests.intake.conftest import FILES, ROOT, refusals, rows, source, text
from tests.references import load

# Ratios and roots are written with 15 significant digits: half a unit of the last is at most 5e-15 of the number,
# so is the error of its logarithm, and twice that the error of its square.
TO_THE_DIGITS = 1.1e-14
# Against R: its escalc() works in double precision by the same formulas.
AGAINST_R = 1e-12

Bring = Callable[..., Intake]
BCG = load("metafor")["datasets"]["bcg_RR"]


def effect(row: dict[str, str], measure: str) -> tuple[str, float, float]:
    """Derive one effect from an imported row by the routes of the pipeline."""
    cells = {name: float(value) for name, value in row.items() if value and name in numeric_fields()}
    printed = Printed(
        cells, row.get("scale") or "raw", row.get("diff_measure", ""), cells.get("n_treat"), cells.get("n_ctrl")
    )
    found = derive(printed, measure)  # type: ignore[arg-type]
    assert found is not None, row
    return found[0], found[1].yi, found[1].vi


def test_bcg_counts_give_the_log_risk_ratios_of_r(bring: Bring) -> None:
    found = rows(bring("metafor", source("bcg_counts.csv"), outcome="tb"), "extractions")
    effects = [effect(row, "LOGRATIO") for row in found]
    assert {route for route, _, _ in effects} == {"events"}
    np.testing.assert_allclose([yi for _, yi, _ in effects], BCG["yi"], rtol=AGAINST_R)
    np.testing.assert_allclose([vi for _, _, vi in effects], BCG["vi"], rtol=AGAINST_R)
    fit = km.random_effects([yi for _, yi, _ in effects], [vi for _, _, vi in effects])
    assert fit.tau2.value == pytest.approx(0.31324326, abs=5e-9)  # the published REML estimate, to its digits


def test_bcg_effects_survive_the_log_scale_and_the_variance(bring: Bring) -> None:
    found = rows(bring("metafor", source("bcg_effects.csv"), outcome="tb", measure="RR"), "extractions")
    effects = [effect(row, "LOGRATIO") for row in found]
    assert {route for route, _, _ in effects} == {"ratio_se"}
    np.testing.assert_allclose([yi for _, yi, _ in effects], BCG["yi"], rtol=0, atol=TO_THE_DIGITS)
    np.testing.assert_allclose([vi for _, _, vi in effects], BCG["vi"], rtol=TO_THE_DIGITS)


def test_means_are_read_by_the_stage_that_the_user_states(bring: Bring) -> None:
    file = source("normand_means.csv")
    with (FILES / "normand_means.csv").open(encoding="utf-8") as lines:
        printed = list(csv.DictReader(lines))
    for stage, route in (("change", "arms_sd"), ("follow", "arms_final")):
        found = rows(bring("metafor", file, outcome="stay", stage=stage), "extractions")
        for row, line in zip(found, printed, strict=True):
            assert [row[f"{stage}_mean_treat"], row[f"{stage}_sd_ctrl"]] == [line["m1i"], line["sd2i"]]
            name, yi, vi = effect(row, "MD")
            assert (name, yi) == (route, float(line["m1i"]) - float(line["m2i"]))
            se2 = float(line["sd1i"]) ** 2 / float(line["n1i"]) + float(line["sd2i"]) ** 2 / float(line["n2i"])
            assert vi == pytest.approx(se2, rel=1e-14)
    assert "--stage follow or --stage change" in refusals("metafor", [file], outcome="stay")[0]


def test_group_one_can_be_the_control(bring: Bring) -> None:
    straight = rows(bring("metafor", source("bcg_counts.csv"), outcome="tb"), "extractions")[0]
    turned = rows(bring("metafor", source("bcg_counts.csv"), outcome="tb", control_first=True), "extractions")[0]
    assert straight["events_treat"] == turned["events_ctrl"] == "4"
    effects = bring("metafor", source("bcg_effects.csv"), outcome="tb", measure="RR", control_first=True)
    ratio = float(rows(effects, "extractions")[0]["diff_estimate"])
    assert math.log(ratio) == pytest.approx(-BCG["yi"][0], abs=TO_THE_DIGITS)


def test_a_test_statistic_turns_with_the_arms_and_a_row_without_numbers_is_words_only(bring: Bring) -> None:
    file = text("t.csv", "study,m1i,m2i,ti,pi,n1i,n2i\nA,,,-2.50,0.013,20,21\nB,NA,NA,NA,NA,30,31\n")
    first, second = rows(bring("metafor", file, outcome="x"), "extractions")
    assert [first["statistic"], first["statistic_kind"], first["p_value"], first["role"]] == [
        "-2.50",
        "t",
        "0.013",
        "main",
    ]
    assert [second["role"], second["n_treat"]] == ["text_only", "30"]
    turned, _ = rows(bring("metafor", file, outcome="x", control_first=True), "extractions")
    assert [turned["statistic"], turned["n_treat"], turned["n_ctrl"]] == ["2.5", "21", "20"]


def test_identifiers_stay_unique(bring: Bring) -> None:
    content = "study,extraction_id,yi,vi\nA,A-x-1,1,2\nA,A-x-1,1,2\nA,,3,4\nÄ,,1,2\n漢,,1,2\n字,=1,1,2\n"
    found = bring("metafor", text("t.csv", content), outcome="x", measure="MD")
    ids = [row["extraction_id"] for row in rows(found, "extractions")]
    assert len(set(ids)) == 6
    assert ids[0] == "A-x-1"
    assert [row["study_id"] for row in rows(found, "trials")] == ["A", "A_2", "Study", "Study_2"]


def test_a_variance_is_not_taken_for_a_standard_error(bring: Bring) -> None:
    found = bring("metafor", text("t.csv", "study,yi,vi\nA 2001,-1.5,42.25\n"), outcome="x", measure="MD")
    assert rows(found, "extractions")[0]["diff_se"] == "6.5"
    assert any(line.kind == "derived" and "variance" in line.why for line in found.decisions)
    (problem,) = refusals("metafor", [text("t.csv", "study,yi,vi\nA,1,0\n")], outcome="x", measure="MD")
    assert "t.csv row 2 column vi" in problem
    assert "no variance above zero" in problem


def test_metafor_files_that_do_not_say_enough_are_refused_with_the_option() -> None:
    assert "add --measure" in refusals("metafor", [source("bcg_effects.csv")], outcome="tb")[0]
    assert "add --outcome" in refusals("metafor", [source("bcg_counts.csv")])[0]
    (problem,) = refusals("metafor", [text("t.csv", "study,m1i,m2i,ri\nA,1,2,0.5\n")], outcome="x", stage="change")
    assert "ri is a correlation" in problem


@pytest.mark.parametrize("layout", ["v1", "v2"])
def test_both_layouts_of_a_cochrane_package_give_the_same_rows(layout: str, bring: Bring) -> None:
    files = [source(f"{layout}-{name}.csv") for name in ("data-rows", "overall-estimates-and-settings")]
    found = bring("cochrane", *files)
    got = rows(found, "extractions")
    assert len(got) == 10
    assert not found.queries
    effects = [effect(row, "LOGRATIO") for row in got]
    assert [route for route, _, _ in effects] == ["events"] * 5 + ["ratio_se"] * 5
    for half in (effects[:5], effects[5:]):
        np.testing.assert_allclose([yi for _, yi, _ in half], BCG["yi"][:5], rtol=0, atol=1e-12)
        np.testing.assert_allclose([vi for _, _, vi in half], BCG["vi"][:5], rtol=1e-12)


def test_a_log_scale_read_as_displayed_is_a_query(bring: Bring) -> None:
    settings = source("v2-overall-estimates-and-settings.csv")
    wrong = settings.raw.decode().replace("Contrast level,TRUE", "Contrast level,FALSE")
    found = bring("cochrane", source("v2-data-rows.csv"), text(settings.name, wrong))
    assert {line.column for line in found.queries} == {"Mean", "CI start", "CI end"}
    assert "its own numbers give" in found.queries[0].why


def test_judgements_of_a_cochrane_package_become_risk_of_bias(bring: Bring) -> None:
    names = ("data-rows", "overall-estimates-and-settings", "risk-of-bias")
    (row,) = rows(bring("cochrane", *(source(f"v2-{name}.csv") for name in names)), "risk_of_bias")
    assert row["study_id"] == "Aronson1948"
    assert [row[name] for name in ("d1", "d2", "overall")] == ["low", "some concerns", "some concerns"]


def test_an_analysis_without_settings_is_refused() -> None:
    problems = refusals("cochrane", [source("v1-data-rows.csv")])
    assert "overall-estimates-and-settings.csv" in problems[0]


def test_review_manager_results_are_derived_again_to_the_stored_digits(bring: Bring) -> None:
    found = bring("revman5", source("sore_throat.rm5"), stage="follow")
    assert not found.queries
    got = rows(found, "extractions")
    assert [row["events_treat"] for row in got[:4]] == ["4", "0", "3", "0"]
    assert got[0]["role"] == "main"
    assert got[0]["analysis_set"] == "GABHS-positive throat swab"
    assert [row["label"] for row in rows(found, "trials")] == [
        "Brink 1951",
        "Bennike 1951",
        "De Meyere 1992",
        "MacDonald 1951",
    ]
    assert effect(got[4], "MD")[1] == -20
    route, yi, vi = effect(got[5], "LOGRATIO")
    assert (route, round(yi, 12), round(vi, 12)) == ("ratio_se", -0.5, 0.04)


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [
        ('EVENTS_1="4"', 'EVENTS_1="5"', "EFFECT_SIZE"),
        ('EFFECT_SIZE="0.066006600660066"', 'EFFECT_SIZE="0.067"', "EFFECT_SIZE"),
        ('MEAN_1="55"', 'MEAN_1="75"', "EFFECT_SIZE"),
        ('SD_1="47"', 'SD_1="4.7"', "CI_START"),
        ('ESTIMATE="-0.5"', 'ESTIMATE="0.5"', "EFFECT_SIZE"),
        ('SE="0.2"', 'SE="0.4"', "CI_END"),
    ],
)
def test_a_stored_result_that_its_data_do_not_give_is_a_query(
    old: str, new: str, column: str, bring: Bring
) -> None:
    found = bring("revman5", source("sore_throat.rm5", (old, new)), stage="follow")
    assert column in {line.column for line in found.queries}
    assert all("its own numbers give" in line.why and line.row for line in found.queries)


def test_identifiers_of_review_manager_are_decoded() -> None:
    assert decoded("STD-ISIS_x002d_2") == "STD-ISIS-2"


BOMB = '<!DOCTYPE r [<!ENTITY a "1234567890"><!ENTITY b "&a;&a;&a;&a;">]><COCHRANE_REVIEW>&b;</COCHRANE_REVIEW>'
OUTSIDE = '<!DOCTYPE r SYSTEM "file:///etc/passwd"><COCHRANE_REVIEW/>'


@pytest.mark.parametrize("xml", [BOMB, OUTSIDE, "<!DOCTYPE COCHRANE_REVIEW><COCHRANE_REVIEW/>"])
def test_a_document_type_is_refused_before_anything_is_expanded(xml: str) -> None:
    (problem,) = refusals("revman5", [text("x.rm5", xml)])
    assert "declares a document type" in problem


@pytest.mark.parametrize(
    ("xml", "words"),
    [
        ("<a>", "is not XML"),
        ("", "is not XML"),
        ("<a/>", "the root element is a"),
        ("<COCHRANE_REVIEW/>", "no analysis"),
        ("<a>" * 200 + "</a>" * 200, "nested deeper"),
    ],
)
def test_other_xml_is_refused_in_words(xml: str, words: str) -> None:
    assert words in refusals("revman5", [text("x.rm5", xml)])[0]


ARMS = {"treatment": "Vitamin K2", "control": "Placebo"}


def test_registry_results_follow_the_named_arms_not_the_order_of_the_groups(bring: Bring) -> None:
    found = bring("clinicaltrials", source("registry.json"), **ARMS)
    change, median, events, *_ = rows(found, "extractions")
    assert [change[f"change_mean_{side}"] for side in ("treat", "ctrl")] == ["203", "254"]
    assert [change[f"change_se_{side}"] for side in ("treat", "ctrl")] == ["18.0", "19.5"]
    assert [change["n_treat"], change["timepoint_months"], change["units"]] == ["180", "24", "Agatston units"]
    # The analysis counts placebo minus vitamin K2: sign and limits are turned, and the level is 90 %.
    assert [change[f"diff_{part}"] for part in ("estimate", "ci_low", "ci_high", "ci_level")] == [
        "-51",
        "-95",
        "-7",
        "90",
    ]
    assert [median.get(f"follow_{part}", "") for part in ("median_ctrl", "q1_ctrl", "q3_ctrl", "q1_treat")] == [
        "1834",
        "210",
        "2950",
        "",
    ]
    assert [events["events_treat"], events["total_treat"], events["diff_measure"]] == ["4", "180", "OR"]
    assert [events["diff_ci_level"], events["p_value"], events["p_printed"]] == ["97.5", "", "<0.001"]
    assert events["timepoint_months"] == ""
    (trial,) = rows(found, "trials")
    assert (trial["registration"], trial["label"]) == ("NCT00000000", "INVENTED")
    assert {row["source_tier"] for row in rows(found, "extractions")} == {"registry"}
    assert not found.queries


def test_without_names_the_order_of_the_analysis_sets_the_sign(bring: Bring) -> None:
    study = json.loads(source("registry.json").raw)
    measures = study["resultsSection"]["outcomeMeasuresModule"]["outcomeMeasures"]
    del measures[1]
    first = rows(bring("clinicaltrials", text("r.json", json.dumps(study))), "extractions")[0]
    assert [first["change_mean_treat"], first["diff_estimate"]] == ["254", "51"]


def test_a_difference_against_its_own_arms_is_a_query(bring: Bring) -> None:
    file = source("registry.json", ('"paramValue": "51"', '"paramValue": "-51"'))
    (query,) = bring("clinicaltrials", file, **ARMS).queries
    assert "the arm means give -51" in query.why


def test_a_registry_file_that_does_not_name_its_arms_is_refused() -> None:
    (problem,) = refusals("clinicaltrials", [source("registry.json")])
    assert "OG000 Placebo; OG001 Vitamin K2" in problem


@pytest.mark.parametrize(
    ("json_text", "words"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "too deep"),
        ('{"a": ' + "9" * 5000 + "}", "number too long"),
        ("[1]", "holds no study"),
        ("{}", "not of the form NCT"),
        ('{"protocolSection": {"identificationModule": {"nctId": "NCT00000000"}}}', "no posted results"),
    ],
)
def test_other_json_is_refused_in_words(json_text: str, words: str) -> None:
    assert words in refusals("clinicaltrials", [text("r.json", json_text)])[0]


def registry(title: str, unit: str = "m/s", description: str = "", classes: tuple[str, ...] = ("",)) -> Source:
    """Return a registry file with one outcome of means, the same in each class of values."""
    study = json.loads(source("registry.json").raw)
    module = study["resultsSection"]["outcomeMeasuresModule"]
    (first, *_) = module["outcomeMeasures"]
    del first["analyses"]
    first |= {"title": title, "unitOfMeasure": unit, "description": description}
    first["classes"] = [{**first["classes"][0], "title": one} for one in classes]
    module["outcomeMeasures"] = [first]
    return text("r.json", json.dumps(study))


def means(row: Mapping[str, str]) -> set[str]:
    return {column.split("_")[0] for column, cell in row.items() if "_mean_" in column and cell}


UNCLEAR = (
    "Change in PWV",
    "PWV change at 12 months",
    "Mean change in PWV",
    "Progression of CAC",
    "Difference in PWV from baseline to 12 months",
    "Rate of change in PWV",
    "Percent Change in Calcium Score",
    "Absolute CAC Progression From Baseline",
    "PWV at baseline and 12 months",
)


@pytest.mark.parametrize("title", UNCLEAR)
def test_a_title_that_speaks_of_a_change_unclearly_waits_for_the_user(bring: Bring, title: str) -> None:
    (problem,) = refusals("clinicaltrials", [registry(title)], **ARMS)
    assert f'"{title}"' in problem
    assert f"--stage-of '{title}=change'" in problem
    for stage in ("change", "follow"):
        for stated in ({"stage": stage}, {"stages": {title: stage}}):
            (row,) = rows(bring("clinicaltrials", registry(title), **ARMS, **stated), "extractions")
            assert means(row) == {stage}


@pytest.mark.parametrize(
    ("unit", "description"),
    [("m/s/year", ""), ("percent change", ""), ("m/s", "Measured at baseline and the end")],
)
def test_unit_and_description_are_read_like_the_title(unit: str, description: str) -> None:
    (problem,) = refusals("clinicaltrials", [registry("Pulse Wave Velocity", unit, description)], **ARMS)
    assert "values at follow-up or changes from baseline" in problem


@pytest.mark.parametrize(
    ("title", "stage", "role"),
    [
        ("Change From Baseline in PWV", "change", "main"),
        ("PWV, change at 12 months from baseline", "change", "main"),
        ("PWV at baseline", "baseline", "baseline"),
        ("Baseline PWV", "baseline", "baseline"),
        ("Pulse Wave Velocity", "follow", "main"),
        ("Heart rate", "follow", "main"),
    ],
)
def test_plain_titles_say_themselves_what_the_values_are(bring: Bring, title: str, stage: str, role: str) -> None:
    (row,) = rows(bring("clinicaltrials", registry(title), **ARMS), "extractions")
    assert (means(row), row["role"]) == ({stage}, role)
    assert row["scale"] == "raw"


def test_a_class_of_values_at_baseline_is_no_result(bring: Bring) -> None:
    file = registry("PWV at baseline and 12 months", classes=("Baseline", "12 months"))
    first, second = rows(bring("clinicaltrials", file, **ARMS), "extractions")
    assert (means(first), first["role"]) == ({"baseline"}, "baseline")
    assert (means(second), second["role"]) == ({"follow"}, "main")


def test_a_percent_change_is_not_on_the_scale_of_the_outcome(bring: Bring) -> None:
    plain = bring(
        "clinicaltrials", registry("Percent Change From Baseline in CAC", "percentage of baseline"), **ARMS
    )
    (row,) = rows(plain, "extractions")
    assert (row["scale"], row["units"], means(row)) == ("pct_change", "%", {"change"})
    assert not plain.queries
    bare = bring("clinicaltrials", registry("Change From Baseline in HbA1c", "percent"), **ARMS)
    (query,) = bare.queries
    assert (query.field, query.wrote) == ("scale", "pct_change")
    assert "HbA1c" in query.why


def test_a_stated_title_that_the_file_does_not_have_is_refused() -> None:
    problems = refusals("clinicaltrials", [registry("Change in PWV")], **ARMS, stages={"Chnge in PWV": "change"})
    assert any('"Chnge in PWV"; did you mean Change in PWV?' in problem for problem in problems)


@pytest.mark.parametrize(
    ("arms", "words"),
    [
        ({"treatment": "K2", "control": "Placebo"}, 'no group is called "K2"'),
        ({"treatment": "Vitamin K", "control": "Placebo"}, "did you mean Vitamin K2?"),
        ({"treatment": "Vitamin K2"}, "--control: NCT00000000: only the other arm is named"),
    ],
)
def test_an_arm_that_no_outcome_has_is_refused_with_the_groups(arms: dict[str, str], words: str) -> None:
    (problem,) = refusals("clinicaltrials", [source("registry.json")], **arms)
    assert words in problem.replace(" column --control", " --control")
    assert "Placebo; Vitamin K2" in problem


def test_robvis_judgements_are_matched_to_the_trials_of_the_project(bring: Bring) -> None:
    trials = {"Aronson 1948": "A48", "Ferguson & Simes 1949": "F49"}
    found = bring("robvis", source("robvis.csv"), trials=trials)
    first, second = rows(found, "risk_of_bias")
    assert [first["study_id"], first["d2"], first["overall"]] == ["A48", "some concerns", "some concerns"]
    assert [second["d1"], second["d3"]] == ["high", "no information"]
    header = "study_id,outcome,tool,d1,d2,d3,d4,d5,overall,by,source_locator,source_url,notes"
    assert found.files["risk_of_bias.csv"].decode().splitlines()[0] == header
    assert list(found.files) == ["risk_of_bias.csv"]
    problems = refusals(
        "robvis", [source("robvis.csv", ("Aronson 1948,Low", "Aaronson 1948,Unclear"))], trials=trials
    )
    assert "is not a trial of the project" in problems[0]
    assert '"Unclear" is no judgement of RoB 2' in problems[1]


def test_the_dictionary_of_an_import_describes_our_columns_as_the_shipped_one_does() -> None:
    from k2meta.intake import dictionary

    def fields(package: dict[str, object]) -> dict[tuple[str, str], str]:
        return {
            (resource["name"], field["name"]): field["type"]  # type: ignore[index]
            for resource in package["resources"]  # type: ignore[attr-defined]
            for field in resource["schema"]["fields"]  # type: ignore[index]
        }

    shipped = fields(json.loads((ROOT / "data" / "datapackage.json").read_text("utf-8")))
    ours = {key: kind for key, kind in fields(json.loads(dictionary())).items() if key[0] != "risk_of_bias"}
    assert ours.items() <= shipped.items()
    assert len(ours) > 100


def test_every_format_is_documented() -> None:
    manual = (ROOT / "config" / "README.md").read_text("utf-8")
    assert [name for name in IMPORTERS if f"`{name}`" not in manual] == []
