"""The 67 claims of the shipped review: rules filled in faithfully from the rule in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from k2meta import io
from k2meta.claims import Claim, claim_problems, read_claims

ROOT = Path(__file__).parents[2]
CONFIG = io.read_settings(ROOT / "config" / "config.yaml")
ROWS = io.read_table(ROOT / "data" / "claims.csv", "data/claims.csv").rows
CLAIMS = read_claims(ROWS)
SPECS = {spec.id: spec for spec in CONFIG.analyses}

# Opening of the rule in words -> machine-readable rules that can be a faithful reading of it.
READINGS = {
    "pooled MD (treat-control) in change of CAC": {"pooled_effect"},
    "pooled within-arm mean change": {"within_arm"},
    "pooled RR of deaths": {"pooled_effect"},
    "pooled RR of CV events": {"pooled_effect"},
    "pooled RR of serious adverse events": {"no_excess", "not_testable"},
    "pooled MD in cfPWV": {"pooled_effect"},
    "pooled MD in AVC": {"pooled_effect"},
    "pooled MD in dp-ucMGP": {"necessary_marker"},
    "meta-regression on": {"slope"},
    "subgroup by vitamer": {"subgroup"},
    "subgroup K2+D": {"subgroup", "not_testable"},
    "n/a (descriptive": {"descriptive"},
    "not testable": {"not_testable"},
    "keep as an animal row": {"not_testable"},
    "treatment x statin": {"not_testable"},
}
OUTCOME = {
    "pooled MD (treat-control) in change of CAC": "cac_agatston",
    "pooled within-arm mean change": "cac_agatston",
    "pooled RR of deaths": "mortality",
    "pooled RR of CV events": "cv_event",
    "pooled MD in cfPWV": "cfpwv",
    "pooled MD in AVC": "avc_agatston",
    "pooled MD in dp-ucMGP": "dpucmgp",
}


def opening(claim: Claim) -> str:
    return next(words for words in READINGS if claim.prose_rule.startswith(words))


def test_every_claim_can_be_decided_or_says_why_not() -> None:
    assert claim_problems(ROWS, CONFIG) == ()
    assert len(CLAIMS) == 67
    assert all(claim.parts for claim in CLAIMS)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_the_rule_is_a_reading_of_the_rule_in_words(claim: Claim) -> None:
    words = opening(claim)
    assert READINGS[words] & {part.rule for part in claim.parts}


@pytest.mark.parametrize("claim", [c for c in CLAIMS if opening(c) in OUTCOME], ids=lambda claim: claim.id)
def test_the_analysis_reads_the_outcome_of_the_rule_in_words(claim: Claim) -> None:
    wanted = OUTCOME[opening(claim)]
    assert wanted in {SPECS[part.analysis].outcomes[0] for part in claim.parts}


def test_no_claim_is_decided_by_cohorts() -> None:
    assert {SPECS[part.analysis].source for claim in CLAIMS for part in claim.parts if part.analysis} == {"trials"}
    assert {SPECS[name].source for claim in CLAIMS for name in claim.beside} == {"cohorts"}


def test_an_animal_claim_and_a_cohort_claim_are_marked_as_such() -> None:
    for claim in CLAIMS:
        design = claim.design.casefold()
        assert ("rat" in design.replace("rct", "").split() or "rat " in design or "rat," in design) <= (
            "animal" in claim.evidence
        ), claim.id
        assert ("cohort" in design) <= bool({"observational"} & set(claim.evidence)), claim.id


def test_a_within_arm_rule_reads_an_analysis_inside_the_active_arm() -> None:
    parts = [part for claim in CLAIMS for part in claim.parts]
    assert all(
        (part.rule == "within_arm") == (SPECS[part.analysis].contrast == "active_arm")
        for part in parts
        if part.analysis
    )


# Words of a rule or of its outcomes that no question of this review applies -> what the claim has to say so.
NOT_APPLIED = {
    "also ln-ratio": "the ratio of scores on the log scale",
    "zero-event arms by beta-binomial": "the beta-binomial or Mantel-Haenszel pool",
    "early effect (<24 mo) CI excluding 0 contradicts": "the second half",
    "CIMT": "the carotid intima-media thickness",
    "beta MD": "the stiffness index beta",
    "AAC": "the calcification of the abdominal aorta",
    "; then ": "the second step",
}


@pytest.mark.parametrize("words", NOT_APPLIED)
def test_what_of_a_rule_no_question_applies_is_said_with_the_claim(words: str) -> None:
    asked = [
        claim.not_applied
        for claim, row in zip(CLAIMS, ROWS, strict=True)
        if row["rule"] != "not_testable" and words in f"{row['testable_on_outcome']} {row['decision_rule']}"
    ]
    assert asked
    assert all(NOT_APPLIED[words] in said for said in asked)


def test_claims_that_only_say_it_is_not_shown_are_marked_as_doubts() -> None:
    doubting = {claim.id for claim in CLAIMS if {part.stance for part in claim.parts} == {"doubts"}}
    assert doubting == {"C05", "C06", "C34"}
