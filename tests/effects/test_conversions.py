"""The multiverse of conversions: which sets are tried, what they change, and when there are none."""

from __future__ import annotations

import dataclasses

import pytest

from k2meta.config import Conversions, Correlation, Spec
from k2meta.effects.conversions import CORRELATIONS, variants
from k2meta.effects.select import select
from k2meta.types import Outcome, Record, Variant
from tests.effects.test_routes import ARMS, EELDERINK

OUTCOMES = {"score": Outcome("score", "Score", "points", True, False)}


def record(study: str, n: float, **cells: float) -> Record:
    return Record(
        extraction_id=f"{study}-score-1",
        study_id=study,
        outcome="score",
        source="trials",
        file="data/extractions.csv",
        row=2,
        cells={**cells, "n_treat": n, "n_ctrl": n, "units": "points", "scale": "raw", "role": "main"},
        trial={"study_id": study, "label": study, "latitude": 44.0, "form": None},
    )


PLAIN = {"change_mean_treat": -1.0, "change_sd_treat": 2.0, "change_mean_ctrl": 0.0, "change_sd_ctrl": 2.0}
RECORDS = (record("A", 40.0, **PLAIN), record("B", 30.0, **ARMS), record("C", 20.0, **EELDERINK))


def spec(correlation: float | None, medians: str) -> Spec:
    borrowed = None if correlation is None else Correlation(correlation, "A")
    return Spec(
        id="score",
        title="Score",
        question="?",
        source="trials",
        outcomes=("score",),
        measure="MD",
        unit="points",
        lower_is_better=True,
        favours_low="treatment",
        favours_high="control",
        where={},
        caveat="None.",
        lines=(),
        patient_sd=None,
        headline=True,
        scale_note="",
        conversions=Conversions(borrowed, medians),  # type: ignore[arg-type]
    )


def tried(one: Spec) -> tuple[Variant, ...]:
    return variants(select(RECORDS, OUTCOMES, one), RECORDS, OUTCOMES, one)


def test_a_pool_of_printed_numbers_has_no_other_conversions() -> None:
    assert tried(spec(None, "")) == ()


def test_every_correlation_is_crossed_with_and_without_medians() -> None:
    found = tried(spec(0.7, "normal"))
    assert len(found) == 2 * len(CORRELATIONS)
    assert {(one.correlation, one.medians) for one in found} == {
        (r, m) for r in CORRELATIONS for m in (True, False)
    }
    assert [one.correlation for one in found if one.configured] == [0.7]
    assert all(("C" in one.labels) == one.medians for one in found)


def test_a_correlation_of_the_settings_that_is_not_in_the_sweep_is_tried_too() -> None:
    found = tried(spec(0.65, ""))
    assert [one.correlation for one in found] == sorted({*CORRELATIONS, 0.65})
    assert [one.correlation for one in found if one.configured] == [0.65]


def test_the_configured_set_is_the_pool_and_a_higher_correlation_narrows_the_trial_that_borrows_it() -> None:
    one = spec(0.7, "normal")
    found = tried(one)
    chosen = next(variant for variant in found if variant.configured)
    assert chosen.vi == tuple(effect.vi for effect in select(RECORDS, OUTCOMES, one).effects)
    at = chosen.labels.index("B")
    sweep = [variant.vi[at] for variant in sorted(found, key=lambda v: v.correlation or 0) if variant.medians]
    assert sweep == sorted(sweep, reverse=True)
    assert len(set(sweep)) == len(CORRELATIONS)
    others = {variant.vi[:at] for variant in found}
    assert len(others) == 1


def test_only_medians_give_two_sets() -> None:
    found = tried(spec(None, "normal"))
    assert [(one.correlation, one.medians, one.configured) for one in found] == [
        (None, True, True),
        (None, False, False),
    ]


@pytest.mark.parametrize(("kind", "value"), [("number", 44.0), ("category", "44")])
def test_a_covariate_comes_from_the_trial_as_the_kind_it_was_declared(kind: str, value: object) -> None:
    from k2meta.config import Moderator

    declared = (Moderator("latitude", "latitude", kind), Moderator("form", "form", "category"))  # type: ignore[arg-type]
    one = dataclasses.replace(spec(None, ""), moderators=declared)
    assert select(RECORDS, OUTCOMES, one).effects[0].moderators == {"latitude": value, "form": None}


def test_why_medians_are_not_converted_is_said_in_words() -> None:
    unasked = {d.study_id: d.reason for d in select(RECORDS, OUTCOMES, spec(None, "")).dropped}
    assert unasked["C"] == "printed as medians; this analysis does not convert medians"
    skewed = record("S", 75.0, **{**EELDERINK, "change_q1_treat": -390.0, "change_q3_treat": 400.0})
    kept = select((skewed,), OUTCOMES, spec(None, "normal")).dropped
    assert kept[0].reason == "printed as medians; not converted: skewed for normal data by the test of Shi 2023"
