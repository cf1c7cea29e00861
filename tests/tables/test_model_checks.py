"""The checks of the sampled model: what is flagged, what it is called, how many digits are kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from k2meta.analysis import Analysis
from k2meta.models.check_types import SENSITIVE
from k2meta.numbers import plain
from k2meta.report import overclaims
from k2meta.report.check_words import checks_sentence
from k2meta.tables.model_checks import CHECKS, DECIMALS, UNUSUAL, model_checks
from k2meta.trace import traced
from tests import samples

DIAGNOSES = ("none", "prior-data conflict", "strong prior, weak likelihood")


def checked(k: int = 4, **changes: Any) -> Analysis:
    analysis = samples.analysis(k)
    names = tuple(effect.study_id for effect in analysis.effects)
    return replace(analysis, model_checks=samples.model_checks(names, **changes))


def rows(analysis: Analysis) -> dict[str, Any]:
    """Return the rows by their check; that of tau for power scaling."""
    return {str(row["check"]): row for row in model_checks([analysis]).rows}


def flagged(analysis: Analysis) -> set[str]:
    return {name for name, row in rows(analysis).items() if row["attention"]}


def test_a_model_that_fits_asks_for_no_attention() -> None:
    analysis = checked()
    assert set(rows(analysis)) == set(CHECKS) - {"gate"}
    assert flagged(analysis) == set()
    said = checks_sentence(analysis, model_checks([analysis]))
    assert said == "None of six checks of this model against its trials asks for attention."


@pytest.mark.parametrize(
    ("change", "check", "words"),
    [
        ({"pareto_k": 0.9}, "pareto_k", "Leaving out Author 2002 changes the posterior too much"),
        ({"difference": -0.5, "se": 0.1}, "elpd_difference", "predict a left-out trial better than the normal"),
        ({"scatter": 0.01}, "scatter", "scatter more than the model expects"),
        ({"scatter": 0.99}, "scatter", "scatter less than the model expects"),
        ({"furthest": 0.01}, "furthest", "Author 1999 lies further out than the model expects"),
        ({"diagnosis": "prior-data conflict"}, "power_scaling", "Prior and likelihood both move τ"),
        (
            {"diagnosis": "strong prior, weak likelihood"},
            "power_scaling",
            "the prior outweighs what the trials say",
        ),
    ],
)
def test_each_check_is_flagged_by_its_own_fault_alone(change: dict[str, Any], check: str, words: str) -> None:
    analysis = checked(**change)
    assert flagged(analysis) == {check}
    assert words in str(rows(analysis)[check]["says"])
    said = checks_sentence(analysis, model_checks([analysis]))
    assert said.startswith("Of six checks of this model against its trials, one asks for attention. ")
    assert words in said


@pytest.mark.parametrize(
    ("change", "other"), [({"scatter": UNUSUAL}, "scatter"), ({"furthest": UNUSUAL}, "furthest")]
)
def test_a_share_at_its_limit_is_not_flagged(change: dict[str, float], other: str) -> None:
    assert other not in flagged(checked(**change))


@pytest.mark.parametrize(
    ("k", "attention"), [(0.64, False), (0.66, True), (0.7, True), (0.74, True), (float("nan"), True)]
)
def test_the_shape_that_is_printed_decides(k: float, attention: bool) -> None:
    assert ("pareto_k" in flagged(checked(pareto_k=k))) == attention


@pytest.mark.parametrize("diagnosis", DIAGNOSES)
def test_a_prior_data_conflict_is_named_only_where_the_diagnostic_says_so(diagnosis: Any) -> None:
    analysis = checked(diagnosis=diagnosis)
    said = checks_sentence(analysis, model_checks([analysis]))
    assert ("prior-data conflict" in said) == (diagnosis == "prior-data conflict")


def test_student_t_effects_that_predict_better_within_their_error_are_not_flagged() -> None:
    analysis = checked(difference=-0.15, se=0.1)
    assert flagged(analysis) == set()
    assert "are not shown to predict a left-out trial better" in str(rows(analysis)["elpd_difference"]["says"])


def test_normal_effects_that_predict_better_beyond_their_error_are_said_to_and_not_flagged() -> None:
    analysis = checked(difference=0.307, se=0.073)
    assert flagged(analysis) == set()
    row = rows(analysis)["elpd_difference"]
    assert str(row["says"]).startswith("They predict a left-out trial less well than the normal random effects")
    assert "not shown" not in str(row["says"])


def test_no_comparison_is_printed_of_two_studies() -> None:
    analysis = checked()
    assert analysis.model_checks is not None
    alone = replace(analysis, model_checks=replace(analysis.model_checks, comparison=None))
    assert set(rows(alone)) == set(CHECKS) - {"elpd_difference", "gate"}


def test_numbers_end_where_their_monte_carlo_error_begins_in_the_file_too() -> None:
    found = rows(checked())
    assert (found["elpd_difference"]["value"], found["elpd_difference"]["se"]) == (0.146, 0.046)  # no draws
    assert found["power_scaling"]["value"] == round(0.0312, DECIMALS["sensitivity"])
    assert found["power_scaling"]["limit"] == SENSITIVE
    shown = {
        cells[0].text.partition(":")[0]: cells[1].text
        for cells in model_checks([checked()]).hiding("analysis").shown
    }
    assert shown[CHECKS["elpd_difference"]] == "0.15 (SE 0.05)"
    assert shown[CHECKS["pareto_k"]] == "0.3"
    assert shown[CHECKS["power_scaling"]] == "prior 0.03, likelihood 0.24"


def test_every_number_of_the_table_names_its_field() -> None:
    analysis = traced(checked())
    row = rows(analysis)["pareto_k"]
    assert row["value"].field == "sample.model_checks.loo.pareto_k.3"
    assert rows(analysis)["scatter"]["limit"].field == "sample.model_checks.unusual"
    assert [[plain(cell.text) for cell in cells] for cells in model_checks([analysis]).shown] == [
        [cell.text for cell in cells] for cells in model_checks([checked()]).shown
    ]


def test_a_question_without_a_sampled_fit_has_no_row_and_no_sentence() -> None:
    table = model_checks([samples.analysis(5), samples.analysis(1)])
    assert table.rows == ()
    assert checks_sentence(samples.analysis(5), table) == ""


@pytest.mark.parametrize("diagnosis", DIAGNOSES)
def test_the_words_claim_no_more_than_the_checks(diagnosis: Any) -> None:
    analysis = checked(pareto_k=0.9, difference=-1.0, scatter=0.99, furthest=0.01, diagnosis=diagnosis)
    table = model_checks([analysis])
    assert overclaims(" ".join((*table.notes, checks_sentence(analysis, table), *map(str, CHECKS.values())))) == ()
