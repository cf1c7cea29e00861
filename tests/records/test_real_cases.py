"""Printed results that went wrong in public, each caught by its check, and clean ones that stay silent."""

from __future__ import annotations

import pytest

from tests.records.review import Row, asked, ids, result


def interval(estimate: str, low: str, high: str, measure: str = "MD", **cells: object) -> dict[str, str]:
    outcome = str(cells.pop("outcome", "cac_agatston"))
    numbers = {"diff_estimate": estimate, "diff_ci_low": low, "diff_ci_high": high, "diff_ci_level": "95"}
    return result(outcome, diff_measure=measure, **numbers, **cells)


def arms(treat: tuple[str, str], ctrl: tuple[str, str], spread: str = "sd", **cells: object) -> dict[str, str]:
    named = {"change_mean_treat": treat[0], f"change_{spread}_treat": treat[1]}
    named |= {"change_mean_ctrl": ctrl[0], f"change_{spread}_ctrl": ctrl[1]}
    outcome = str(cells.pop("outcome", "cac_agatston"))
    return result(outcome, **named, **cells)


def test_avadec_abstract_prints_the_valve_difference_with_the_wrong_sign() -> None:
    row = interval(
        "17", "-86", "53", outcome="avc_agatston", change_mean_treat="275", change_mean_ctrl="292", p_value="0.64"
    )
    (query,) = asked(row)
    assert (query.query_id, query.severity) == ("C02-Trial-avc_agatston-1", "error")
    assert "sign slip" in query.evidence
    assert "(−86 + 53) / 2 = −16.5" in query.evidence
    assert "275 − 292 = −17" in query.evidence


def test_avadec_abstract_prints_the_jet_velocity_with_the_wrong_sign() -> None:
    (query,) = asked(interval("0.04", "-0.11", "0.02", outcome="jet_velocity", p_value="0.21"))
    assert query.check == "C02"
    assert "the negated estimate −0.04 fits" in query.evidence


def test_haroon_2023_prints_an_estimate_outside_its_own_interval() -> None:
    (query,) = asked(interval("-86", "-854", "-117", outcome="dpucmgp"))
    assert (query.check, query.severity) == ("C01", "error")
    assert "lies above the upper limit −117" in query.evidence


def test_lees_2019_pooled_a_hazard_ratio_on_the_raw_scale() -> None:
    (query,) = asked(interval("0.45", "0.07", "0.83", "HR", outcome="events", p_value="0.02"))
    assert (query.check, query.severity) == ("C02", "error")
    assert "symmetric on the raw scale" in query.evidence


def test_li_2023_prints_a_negative_limit_of_a_risk_ratio() -> None:
    (query,) = asked(interval("0.92", "-0.79", "1.07", "RR", outcome="events", p_value="0.29"))
    assert (query.check, query.severity, query.columns) == ("C29", "error", ("diff_ci_low",))
    assert "diff_ci_low = −0.79" in query.evidence


ASEMI = {"outcome": "cimt", "p_value": "0.02"}


def test_asemi_2016_prints_a_p_that_its_standard_deviations_do_not_give() -> None:
    (query,) = asked(arms(("-0.04", "0.22"), ("0.04", "0.09"), n_treat=33, n_ctrl=33, **ASEMI))
    assert (query.check, query.severity) == ("C05", "error")
    assert "the decision at 0.05 turns" in query.evidence
    assert "0.08 / 0.0414 = 1.93" in query.evidence


def test_assumed_arm_sizes_prove_no_decision_flip() -> None:
    (query,) = asked(arms(("-0.04", "0.22"), ("0.04", "0.09"), n_total=66, **ASEMI))
    assert (query.check, query.severity) == ("C05", "warn")
    assert "33 and 33 of 66 assumed" in query.evidence


KURNATOWSKA = arms(("58.1", "106.5"), ("74.4", "127.1"), study="Kurnatowska2015", n_total=42, p_value="0.7")
OTHERS = (KURNATOWSKA, arms(("31", "98"), ("44", "120"), study="Second", n_treat=60, n_ctrl=61))


def test_shea_2009_standard_errors_typed_as_standard_deviations_are_asked_about() -> None:
    (query,) = asked(arms(("27", "6"), ("37", "7"), study="Shea2009", n_treat=200, n_ctrl=188), *OTHERS)
    assert (query.query_id, query.severity) == ("C06-Shea2009-cac_agatston-1", "query")
    assert "× √194" in query.evidence


def test_a_printed_p_proves_that_the_numbers_of_shea_2009_are_standard_errors() -> None:
    shea = arms(("27", "6"), ("37", "7"), study="Shea2009", n_treat=200, n_ctrl=188, p_value="0.26")
    found = {query.check: query for query in asked(shea, *OTHERS)}
    assert found["C06"].severity == "error"
    assert "they are standard errors" in found["C06"].evidence


def test_shea_2009_entered_as_standard_errors_is_silent() -> None:
    shea = arms(("27", "6"), ("37", "7"), "se", study="Shea2009", n_treat=200, n_ctrl=188, p_value="0.26")
    assert asked(shea, *OTHERS) == ()


def test_small_standard_deviations_that_give_the_printed_p_are_not_asked_about() -> None:
    narrow = arms(("-0.06", "0.26"), ("0.27", "0.43"), study="Narrow", n_treat=20, n_ctrl=20, outcome="cfpwv")
    wide = arms(("-0.36", "1.48"), ("0.021", "1.22"), study="Wide", n_treat=111, n_ctrl=112, outcome="cfpwv")
    assert ids(asked(narrow, wide)) == ["C06 query"]
    assert asked({**narrow, "p_value": "0.006"}, wide) == ()


def test_ikari_2016_prints_centimetres_per_second() -> None:
    levels = {"baseline_mean_treat": "1834", "follow_mean_treat": "1821"}
    (query,) = asked(result("bapwv", units="cm/s", **levels))
    assert (query.check, query.severity, query.columns[0]) == ("C14", "error", "units")
    assert "1834 is 18.3 m/s" in query.evidence
    (query,) = asked(result("bapwv", units="m/s", **levels))
    assert query.columns == ("baseline_mean_treat", "follow_mean_treat")
    assert "read as cm/s it is 18.3 m/s (× 0.01)" in query.evidence


def test_nanomoles_are_not_picomoles() -> None:
    (query,) = asked(result("dpucmgp", units="nmol/L", baseline_mean_treat="0.72"))
    assert "1 nmol/L = 1000 pmol/L, so 0.72 is 720 pmol/L" in query.evidence


AVADEC = {
    "study_id": "Diederichsen2022",
    "registration": "NCT03243890",
    "n_randomised_total": "365",
    "doi": "10.1161/CIRCULATIONAHA.121.057008",
}
HASIFIC = {"study_id": "Hasific2023", "registration": "NCT03243890", "n_randomised_total": "389"}


def test_avadec_and_hasific_2023_are_one_trial() -> None:
    (query,) = asked(trials=[AVADEC, HASIFIC])
    assert (query.query_id, query.severity, query.extraction_id) == ("C15-Hasific2023", "error", "")
    assert "365 against 389" in query.evidence


def test_a_second_report_that_names_its_trial_is_silent() -> None:
    assert asked(trials=[AVADEC, {**HASIFIC, "report_of": "Diederichsen2022"}]) == ()


def test_two_trials_of_one_size_country_dose_and_year_are_asked_about() -> None:
    one = {"n_randomised_treat": "33", "n_randomised_ctrl": "33", "country": "Iran", "dose_ug_per_day": "180"}
    pair = [{**one, "study_id": "A2016", "year": "2016"}, {**one, "study_id": "B2016", "year": "2016"}]
    assert [query.query_id for query in asked(trials=pair)] == ["C15-B2016"]
    assert asked(trials=[pair[0], {**pair[1], "year": "2017"}]) == ()


def test_hasific_2023_percentages_are_whole_counts() -> None:
    people: Row = {"total_treat": "155", "total_ctrl": "149", "percent_treat": "1.9", "percent_ctrl": "6.7"}
    assert asked(result("events", **people)) == ()
    (query,) = asked(result("events", **{**people, "percent_ctrl": "6.9"}))
    assert query.check == "C11"
    assert "no count of 149 gives 6.9 %" in query.evidence


def test_a_fall_of_14_2_percent_from_9_8_to_8_4_is_consistent() -> None:
    means = {"baseline_mean_treat": "9.8", "follow_mean_treat": "8.4", "change_mean_treat": "-14.2"}
    assert asked(result("cfpwv", scale="pct_change", **means)) == ()


def test_a_percentage_entered_as_an_absolute_change_is_named() -> None:
    means = {"baseline_mean_treat": "9.8", "follow_mean_treat": "8.4", "change_mean_treat": "-14.2"}
    (query,) = asked(result("cfpwv", **means))
    assert (query.check, query.severity) == ("C28", "error")
    assert "which is the change in percent" in query.evidence


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(
            arms(("-0.36", "1.48"), ("0.021", "1.22"), outcome="cfpwv", n_treat=111, n_ctrl=112, p_value="0.040"),
            id="Knapen 2015, p .037 recomputed, .040 printed",
        ),
        pytest.param(interval("-141", "-320", "38", p_value="0.124"), id="Lees 2021"),
        pytest.param(interval("0.85", "0.55", "1.31", "ROM", scale="log", units="ratio"), id="Haroon 2023 CAC"),
        pytest.param(interval("0.82", "0.34", "1.98", "ROM", scale="log", units="ratio"), id="Haroon 2023 AVC"),
        pytest.param(interval("-0.8", "-1.8", "0.3", outcome="cfpwv", p_value="0.15"), id="Fulton 2016"),
        pytest.param(interval("0.55", "-0.5", "1.6", outcome="cfpwv"), id="Haroon 2023 cfPWV"),
        pytest.param(interval("-1380", "-2029", "-730", outcome="dpucmgp"), id="Levy-Schousboe 2021"),
        pytest.param(
            interval("0.28", "0.13", "0.63", "OR", outcome="events", p_value="0.002"), id="Bellinge 2022"
        ),
        pytest.param(
            interval("0.34", "0.19", "0.61", "HR", outcome="events", p_value="0.0003"), id="De Vriese 2020"
        ),
        pytest.param(KURNATOWSKA, id="Kurnatowska 2015"),
    ],
)
def test_a_clean_printed_result_is_silent(row: Row) -> None:
    assert asked(row) == ()
