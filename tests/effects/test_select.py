"""Selection: one result per trial, nothing silently dropped."""

from __future__ import annotations

import dataclasses

from k2meta.config import Spec
from k2meta.effects.select import select
from k2meta.types import Cell, Outcome, Record
from tests import samples

OUTCOMES = {
    "cac_agatston": Outcome("cac_agatston", "coronary calcification", "AU", True, True),
    "distensibility": Outcome("distensibility", "distensibility", "10^-3/mmHg", False, True),
}
ARMS: dict[str, Cell] = {
    "change_mean_treat": 27.0,
    "change_sd_treat": 80.0,
    "change_mean_ctrl": 37.0,
    "change_sd_ctrl": 90.0,
}


def record(identifier: str, study: str = "Shea2009", outcome: str = "cac_agatston", **cells: Cell) -> Record:
    base: dict[str, Cell] = {"role": "main", "units": "AU", "scale": "raw", "source_tier": "primary_abstract"}
    known = {"trial", "open_errors", "corrections"}
    extra = {name: cells.pop(name) for name in known & set(cells)}
    return Record(
        extraction_id=identifier,
        study_id=study,
        outcome=outcome,
        source="trials",
        file="data/extractions.csv",
        row=2,
        cells={**base, **cells},
        trial=extra.get("trial") or {"label": study, "design_class": "rct", "n_randomised_total": 42.0},  # type: ignore[arg-type]
        corrections=extra.get("corrections") or {},  # type: ignore[arg-type]
        open_errors=extra.get("open_errors") or (),  # type: ignore[arg-type]
    )


def spec(**changes: object) -> Spec:
    return dataclasses.replace(samples.spec(), **changes)  # type: ignore[arg-type]


def test_every_record_of_the_outcome_is_an_effect_or_dropped_with_a_reason() -> None:
    records = [
        record("a", n_treat=20.0, n_ctrl=22.0, **ARMS),
        record("b", n_treat=20.0, n_ctrl=22.0, role="subgroup", **ARMS),
        record("c", study="Holden2023", role="text_only", reported_result="no_difference"),
        record("d", study="Lees2021", change_mean_treat=1.0, change_mean_ctrl=2.0),
        record(
            "e", study="Vossen2026", n_treat=75.0, n_ctrl=75.0, source_tier="secondary_machine_written", **ARMS
        ),
        record("f", study="Ikari2016", trial={"label": "Ikari 2016", "design_class": "single_arm"}, **ARMS),
        record("g", study="Haroon2023", n_treat=1.0, n_ctrl=1.0, open_errors=("C01-g",), **ARMS),
    ]
    found = select(records, OUTCOMES, spec())
    assert [effect.extraction_id for effect in found.effects] == ["a"]
    kinds = {entry.extraction_id: entry.kind for entry in found.dropped}
    assert kinds == {
        "b": "not_poolable",
        "c": "known_missing",
        "d": "not_poolable",
        "e": "not_poolable",
        "f": "excluded",
        "g": "open_query",
    }
    assert all(entry.reason for entry in found.dropped)


def test_one_result_per_trial_by_outcome_route_source_then_follow_up() -> None:
    sizes: dict[str, Cell] = {"n_treat": 20.0, "n_ctrl": 22.0}
    full = {**sizes, **ARMS}
    records = [
        record("year1", timepoint_months=12.0, **full),
        record("year2", timepoint_months=24.0, **full),
        record("review", timepoint_months=36.0, **{**full, "source_tier": "secondary_review"}),
        record(
            "interval",
            timepoint_months=48.0,
            diff_measure="MD",
            diff_estimate=-9.0,
            diff_ci_low=-20.0,
            diff_ci_high=2.0,
        ),
    ]
    found = select(records, OUTCOMES, spec())
    assert [effect.extraction_id for effect in found.effects] == ["year2"]
    assert {entry.kind for entry in found.dropped} == {"other_result"}


def test_a_second_report_of_the_same_people_never_enters_beside_the_first() -> None:
    sizes: dict[str, Cell] = {"n_treat": 20.0, "n_ctrl": 22.0}
    sister: dict[str, Cell] = {"label": "Hasific 2025", "design_class": "rct", "report_of": "Shea2009"}
    records = [
        record("first", **sizes, **ARMS),
        record("second", study="Hasific2025", trial=sister, **sizes, **ARMS),  # type: ignore[arg-type]
    ]
    found = select(records, OUTCOMES, spec())
    assert [effect.extraction_id for effect in found.effects] == ["first"]


def test_borrowed_and_assumed_arm_sizes_are_said_and_only_where_they_count() -> None:
    lender = record("lender", role="copy", source_tier="secondary_machine_written", n_treat=155.0, n_ctrl=149.0)
    borrower = record("borrower", n_source="lender", **ARMS)
    assumed = record("assumed", study="Kurnatowska2015", n_total=42.0, **ARMS)
    interval = record(
        "interval",
        study="Lees2021",
        n_total=90.0,
        diff_measure="MD",
        diff_estimate=-141.0,
        diff_ci_low=-320.0,
        diff_ci_high=38.0,
    )
    found = {e.extraction_id: e for e in select([lender, borrower, assumed, interval], OUTCOMES, spec()).effects}
    assert "155 and 149 borrowed from lender" in found["borrower"].assumptions[0]
    assert "machine-written" in found["borrower"].assumptions[0]
    assert "equal arms of 21 assumed" in found["assumed"].assumptions[0]
    assert found["interval"].assumptions == ()
    assert (found["interval"].n_treat, found["interval"].people) == (None, 90.0)


def test_arm_sizes_in_doubt_are_an_assumption_where_they_count_and_are_said_where_not() -> None:
    doubt: dict[str, Cell] = {"n_note": "those randomised"}
    sizes: dict[str, Cell] = {"n_treat": 45.0, "n_ctrl": 44.0, **doubt}
    interval: dict[str, Cell] = {
        "diff_measure": "MD",
        "diff_estimate": -9.0,
        "diff_ci_low": -20.0,
        "diff_ci_high": 2.0,
    }
    rows = [record("arms", **sizes, **ARMS), record("interval", study="Lees2021", **sizes, **interval)]
    arms, printed = select(rows, OUTCOMES, spec()).effects
    assert arms.assumptions == ("arm sizes 45 and 44: those randomised",)
    assert printed.assumptions == ()
    assert printed.derivation[-1] == "people counted, not used here: arm sizes 45 and 44: those randomised"
    assert printed.people == 89.0
    (bridged,) = select(rows[1:], OUTCOMES, spec(measure="SMD")).effects
    assert bridged.assumed


def test_the_totals_of_counted_events_may_be_in_doubt_too() -> None:
    counts: dict[str, Cell] = {"events_treat": 1.0, "total_treat": 182.0, "events_ctrl": 4.0, "total_ctrl": 183.0}
    ratio = spec(measure="LOGRATIO", ratio="RR")
    (effect,) = select([record("a", n_note="from another page", **counts)], OUTCOMES, ratio).effects
    assert effect.assumptions == ("arm sizes 182 and 183: from another page",)


def test_what_is_left_out_is_called_what_it_is_and_names_the_cell_it_lacks() -> None:
    interval: dict[str, Cell] = {"change_ci_low_treat": 225.0, "change_ci_high_treat": 326.0, "p_value": 0.64}
    medians: dict[str, Cell] = {"follow_median_treat": 184.0, "follow_median_ctrl": 214.0}
    records = [
        record("no-sizes", change_mean_treat=275.0, change_mean_ctrl=292.0, **interval),
        record(
            "no-spread", study="Lees2021", change_mean_treat=1.0, change_mean_ctrl=2.0, n_treat=5.0, n_ctrl=6.0
        ),
        record("year2", study="Vossen2026", timepoint_months=24.0, **medians),
        record("again", study="Vossen2026", timepoint_months=24.0, role="copy", **medians),
        record("year1", study="Vossen2026", timepoint_months=12.0, role="copy", **medians),
    ]
    reasons = {entry.extraction_id: entry.reason for entry in select(records, OUTCOMES, spec()).dropped}
    assert reasons == {
        "no-sizes": "a spread is visible, but not the number of people in each arm, which this scale needs",
        "no-spread": "no standard deviation, standard error, interval or exact p value is visible",
        "year2": "printed as medians; this analysis does not convert medians",
        "again": "second report of the same result",
        "year1": "another visit than those of the other rows of this trial",
    }


def test_inside_the_active_arm_people_are_held_against_those_of_that_arm() -> None:
    trial: dict[str, Cell] = {"design_class": "rct", "n_randomised_treat": 182.0, "n_randomised_total": 365.0}
    row = record("a", n_treat=155.0, n_ctrl=149.0, trial=trial, **ARMS)  # type: ignore[arg-type]
    (inside,) = select([row], OUTCOMES, spec(contrast="active_arm")).effects
    assert (inside.people, inside.randomised) == (155.0, 182.0)


def test_a_result_of_a_part_of_the_people_is_taken_and_says_which_part() -> None:
    part = record("part", subset="men without heart disease", n_treat=10.0, n_ctrl=12.0, **ARMS)
    smaller = record("smaller", role="subgroup", n_treat=4.0, n_ctrl=5.0, **ARMS)
    whole = record("whole", study="Lees2021", n_treat=20.0, n_ctrl=22.0, **ARMS)
    found = select([part, smaller, whole], OUTCOMES, spec())
    assert [effect.subset for effect in found.effects] == ["men without heart disease", ""]
    assert found.effects[0].derivation[0] == "a part of the people randomised: men without heart disease"
    assert (found.effects[0].people, found.effects[0].randomised) == (22.0, 42.0)
    assert found.dropped[0].reason == "result of a subgroup of the people analysed"


def test_directions_are_harmonised_on_a_bridged_scale() -> None:
    better = record(
        "up",
        outcome="distensibility",
        n_treat=45.0,
        n_ctrl=45.0,
        diff_measure="MD",
        diff_estimate=-0.23,
        diff_ci_low=-0.75,
        diff_ci_high=0.29,
    )
    bridged = spec(measure="SMD", outcomes=("cac_agatston", "distensibility"))
    (effect,) = select([better], OUTCOMES, bridged).effects
    assert effect.yi > 0  # less distensible is worse: positive where lower is better
    assert "sign turned" in effect.derivation[-1]


def test_another_unit_is_not_pooled_as_a_mean_difference() -> None:
    found = select([record("a", n_treat=20.0, n_ctrl=22.0, **{**ARMS, "units": "mg"})], OUTCOMES, spec())
    assert found.effects == ()
    assert found.dropped[0].reason == "printed in mg, not in AU"


def test_a_corrected_cell_is_said_beside_the_number_it_carries() -> None:
    row = record(
        "a", n_treat=20.0, n_ctrl=22.0, corrections={"diff_estimate": "17"},  # type: ignore[arg-type]
        diff_measure="MD", diff_estimate=-17.0, diff_ci_low=-86.0, diff_ci_high=53.0,
    )  # fmt: skip
    (effect,) = select([row], OUTCOMES, spec()).effects
    assert "corrected from the printed 17" in effect.assumptions[0]
