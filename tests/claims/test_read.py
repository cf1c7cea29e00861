"""A row of claims that cannot be decided is named with its row, column, value and fix, every problem at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from k2meta import io
from k2meta.claims import DECISIONS, NOT_TESTABLE, claim_problems, read_claims
from k2meta.config import Config

ROOT = Path(__file__).parents[2]
ROW = {
    "claim_id": "C01",
    "article": "article 1",
    "claim": "It slows calcification",
    "claim_type": "slowing",
    "evidence": "randomised",
    "rule": "pooled_effect",
    "analysis": "cac_agatston",
    "moderator": "",
    "direction": "lower",
    "threshold": "",
    "compared_with": "",
    "stance": "",
    "beside": "",
    "why_not": "",
}


@pytest.fixture(scope="module")
def config() -> Config:
    return io.read_settings(ROOT / "config" / "config.yaml")


def test_a_good_row_has_no_problem(config: Config) -> None:
    assert claim_problems([ROW], config) == ()


@pytest.mark.parametrize(
    ("cells", "column", "words"),
    [
        ({"rule": "pooled_efect"}, "rule", ["'pooled_efect' is not known", "write pooled_effect"]),
        ({"rule": ""}, "rule", ["the claim has no rule", "not_testable"]),
        ({"analysis": "cac_agatson"}, "analysis", ["'cac_agatson'", "write cac_agatston"]),
        ({"analysis": ""}, "analysis", ["pooled_effect needs it"]),
        ({"direction": ""}, "direction", ["pooled_effect needs it"]),
        ({"direction": "down"}, "direction", ["'down' is not known", "lower, higher"]),
        ({"stance": "doubt"}, "stance", ["write doubts"]),
        ({"threshold": "one"}, "threshold", ["'one' is not a number above zero"]),
        ({"threshold": "nan"}, "threshold", ["'nan' is not a number above zero"]),
        ({"compared_with": "-0.4"}, "compared_with", ["'-0.4' is not a number above zero"]),
        ({"beside": "cohort"}, "beside", ["'cohort' is not known"]),
        ({"evidence": "randomized"}, "evidence", ["write randomised"]),
        ({"rule": "not_testable"}, "why_not", ["no reason is given"]),
        ({"rule": "slope", "moderator": "dose"}, "moderator", ["'dose' is not known", "config/config.yaml first"]),
        ({"rule": "slope"}, "moderator", ["slope needs it"]),
        ({"rule": "pooled_effect|within_arm", "direction": "lower|lower"}, "analysis", ["1 part,", "has 2"]),
        ({"rule": "no_excess"}, "threshold", ["no_excess needs it"]),
    ],
)
def test_a_problem_names_row_column_and_fix(
    config: Config, cells: dict[str, str], column: str, words: list[str]
) -> None:
    found = [problem for problem in claim_problems([ROW, {**ROW, **cells}], config) if problem.column == column]
    assert len(found) == 1
    assert (found[0].file, found[0].row) == ("data/claims.csv", 3)
    assert all(word in str(found[0]) for word in words), str(found[0])


def test_every_problem_of_every_row_is_found_at_once(config: Config) -> None:
    rows = [{**ROW, "rule": "nonsense", "direction": "sideways"}, {**ROW, "analysis": "nowhere"}]
    assert [(p.row, p.column) for p in claim_problems(rows, config)] == [
        (2, "rule"),
        (2, "direction"),
        (3, "analysis"),
    ]


def test_claims_without_the_column_rule_are_explained_once(config: Config) -> None:
    bare = {name: ROW[name] for name in ("claim_id", "article", "claim", "claim_type")}
    (found,) = claim_problems([bare, bare], config)
    assert found.column == "rule"
    assert all(rule in found.fix for rule in (*DECISIONS, NOT_TESTABLE))


def test_a_moderator_that_the_settings_do_not_run_is_explained(config: Config) -> None:
    quiet = replace(config, sensitivity=tuple(one for one in config.sensitivity if one != "meta_regression"))
    row = {**ROW, "rule": "slope", "analysis": "calcification_any", "moderator": "mk7_dose"}
    assert claim_problems([row], config) == ()
    (found,) = claim_problems([row], quiet)
    assert "add {id: meta_regression} to sensitivity" in str(found)


@pytest.mark.parametrize(("rule", "moderator"), [("slope", "k1_or_k2"), ("subgroup", "mk7_dose")])
def test_a_rule_does_not_read_a_moderator_of_another_kind(config: Config, rule: str, moderator: str) -> None:
    row = {**ROW, "rule": rule, "analysis": "calcification_any", "moderator": moderator}
    (found,) = claim_problems([row], config)
    assert found.column == "moderator"
    assert f"the rule {rule} reads a moderator of kind" in found.what
    assert claim_problems([{**row, "rule": "descriptive"}], config) == ()


def test_parts_stand_between_bars_and_empty_cells_mean_the_default() -> None:
    (claim,) = read_claims(
        [
            {
                **ROW,
                "rule": "pooled_effect|within_arm",
                "analysis": "cac_agatston|cac_active_arm",
                "direction": "lower|lower",
                "threshold": "|2.5",
                "stance": "asserts|doubts",
            }
        ]
    )
    assert [part.rule for part in claim.parts] == ["pooled_effect", "within_arm"]
    assert [part.threshold for part in claim.parts] == [None, 2.5]
    assert [part.stance for part in claim.parts] == ["asserts", "doubts"]
    assert claim.beside == ()
