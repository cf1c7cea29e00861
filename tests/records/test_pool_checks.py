"""Checks of whole pools (C16, C17, C18, C20, C21, C22): what they ask, and how a decision changes the pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from k2meta.records import CHECKS, POOL_CHECKS, Member, Pool, RecordSet, build_records, question_pools
from k2meta.records.pool_checks import (
    design_ignored,
    leverage,
    mixed_stages,
    several_effects,
    shared_control,
    two_time_points,
)
from k2meta.types import Effect, ProjectError, Record
from tests.records.review import build, dictionary, line, result, tables

ARMS = {"n_treat": "40", "change_mean_treat": "0.1", "change_sd_treat": "1.1"}
CONTROL = {"n_ctrl": "41", "change_mean_ctrl": "0.4", "change_sd_ctrl": "1.3"}


def effect(
    record: Record, route: str = "arms_sd", yi: float = 0.0, vi: float = 1.0, months: float | None = 12
) -> Effect:
    return Effect(
        study_id=record.study_id, label=record.study_id, yi=yi, vi=vi, measure="MD", n_treat=40, n_ctrl=41,
        route=route, extraction_id=record.extraction_id, derivation=(), assumptions=(), outcome=record.outcome,
        unit="m/s", months=record.number("timepoint_months") or months, intervention="", population="",
        source_tier="", source_locator="", source_url="", reference="",
    )  # fmt: skip


def pool(
    *rows: dict[str, str], measure: str = "MD", trials: list[dict[str, str]] | None = None, **effects: object
) -> Pool:
    routes = effects.pop("routes", ["arms_sd"] * len(rows))
    records = build(*rows, trials=trials).records
    members = [Member(effect(r, route), r) for r, route in zip(records, routes, strict=True)]
    return Pool("stiffness", measure, tuple(members), **effects)


def test_every_check_of_the_catalogue_is_there() -> None:
    assert sorted({*CHECKS, *POOL_CHECKS}) == [f"C{n:02d}" for n in range(1, 31)]
    assert all(key == check.id and check.title and len(check.rule) > 20 for key, check in POOL_CHECKS.items())


# ---------------------------------------------------------------- C16


def two_doses(**second: str) -> tuple[dict[str, str], dict[str, str]]:
    low = result("cfpwv", study="LowDose", **ARMS, **CONTROL)
    high = result("cfpwv", study="HighDose", **{**ARMS, **CONTROL, "change_mean_treat": "-0.2", **second})
    return low, high


def test_one_control_group_in_two_comparisons_is_an_error() -> None:
    ((member, finding),) = shared_control(pool(*two_doses()))
    assert member.record.extraction_id == "HighDose-cfpwv-1"
    assert "n_ctrl = 41, change_mean_ctrl = 0.4, change_sd_ctrl = 1.3 in both" in finding.evidence


@pytest.mark.parametrize("other", [{"n_ctrl": "42"}, {"change_mean_ctrl": "0.5"}, {"change_sd_ctrl": "1.4"}])
def test_control_groups_that_differ_in_one_number_are_two(other: dict[str, str]) -> None:
    assert shared_control(pool(*two_doses(**other))) == ()


def test_a_named_control_group_is_shared_or_not_whatever_its_numbers() -> None:
    same = [{**row, "control_group": "Dose2010-placebo"} for row in two_doses(n_ctrl="39")]
    ((_, finding),) = shared_control(pool(*same))
    assert finding.columns == ("control_group",)
    apart = [{**row, "control_group": name} for row, name in zip(two_doses(), ("one", "two"), strict=True)]
    assert shared_control(pool(*apart)) == ()


def test_a_model_of_the_dependence_allows_a_shared_control() -> None:
    assert shared_control(pool(*two_doses(), dependence="multivariate")) == ()


def test_equal_counts_are_a_shared_control_within_one_trial_only() -> None:
    counts = {"events_ctrl": "4", "total_ctrl": "50", "total_treat": "51"}
    rows = [result("events", study=name, events_treat=n, **counts) for name, n in (("A", 3), ("B", 2))]
    assert shared_control(pool(*rows)) == ()
    one = [{"study_id": "A", "doi": "10.1000/abc.1"}, {"study_id": "B", "doi": "10.1000/abc.1"}]
    given = tables(rows, trials=one, queries=[line("C15-B", "accepted")])
    records = build_records(given, dictionary()).records
    both = Pool("deaths", "LOGRATIO", tuple(Member(effect(r, "events"), r) for r in records))
    assert [m.record.study_id for m, _ in shared_control(both)] == ["B"]


# ---------------------------------------------------------------- C17


def test_change_and_final_values_do_not_mix_in_a_pool_of_smds() -> None:
    rows = [result("cfpwv", study=name) for name in ("A", "B", "C", "D")]
    routes = ["arms_sd", "arms_se", "arms_final", "diff_ci"]
    ((member, finding),) = mixed_stages(pool(*rows, measure="SMD", routes=routes))
    assert (member.record.study_id, finding.severity) == ("C", None)
    ((_, noted),) = mixed_stages(pool(*rows, measure="MD", routes=routes))
    assert noted.severity == "note"
    assert mixed_stages(pool(*rows[:2], measure="SMD", routes=routes[:2])) == ()
    assert mixed_stages(pool(*rows, measure="LOGRATIO", routes=routes)) == ()


# ---------------------------------------------------------------- C18, C21


def test_two_time_points_of_one_study_are_an_error() -> None:
    early = result("cfpwv", timepoint_months="12")
    late = result("cfpwv", number=2, timepoint_months="24")
    both = pool(early, late)
    ((member, finding),) = two_time_points(both)
    assert member.record.extraction_id == "Trial-cfpwv-2"
    assert "at 24 and 12 months" in finding.evidence
    assert several_effects(both) == ()


def test_two_outcomes_of_one_study_need_a_model_of_their_dependence() -> None:
    both = pool(result("cfpwv"), result("cimt"))
    assert [m.record.outcome for m, _ in several_effects(both)] == ["cimt"]
    assert two_time_points(both) == ()
    assert several_effects(replace(both, dependence="CHE")) == ()


def test_studies_that_share_a_registration_are_one_unless_decided_to_be_two() -> None:
    rows = [result("cfpwv", study="A"), result("cfpwv", study="B", n_treat="7")]
    trials = [{"study_id": name, "registration": "NCT01234567"} for name in "AB"]
    records = build_records(tables(rows, trials=trials, queries=[line("C15-B", "accepted")]), dictionary()).records
    both = Pool("stiffness", "MD", tuple(Member(effect(r), r) for r in records))
    ((_, finding),) = several_effects(both)
    assert "registration nct01234567" in finding.evidence
    assert several_effects(replace(both, apart=frozenset({"B"}))) == ()


# ---------------------------------------------------------------- C20


@pytest.mark.parametrize(
    ("design", "route", "asked"),
    [
        ("crossover RCT", "arms_sd", True),
        ("Cross-over trial", "arms_final", True),
        ("cluster-randomised, 12 practices", "events", True),
        ("crossover RCT", "diff_se", False),
        ("cluster-randomised, 12 practices", "diff_ci", False),
        ("parallel RCT", "arms_sd", False),
    ],
)
def test_a_dependent_design_is_not_pooled_as_independent_arms(design: str, route: str, asked: bool) -> None:
    rows = [result("cfpwv", **ARMS, **CONTROL)]
    found = design_ignored(pool(*rows, trials=[{"study_id": "Trial", "design": design}], routes=[route]))
    assert bool(found) is asked


# ---------------------------------------------------------------- C22


def weighted(weights: Sequence[float], residuals: Sequence[float], variances: Sequence[float]) -> Pool:
    records = build(*(result("cfpwv", study=f"S{i}") for i in range(len(weights)))).records
    rows = zip(records, weights, residuals, variances, strict=True)
    return Pool("stiffness", "MD", tuple(Member(effect(r, vi=v), r, w, t) for r, w, t, v in rows))


def test_a_study_that_leads_its_pool_is_named_with_its_share() -> None:
    ((member, finding),) = leverage(weighted([0.70, 0.2, 0.1], [0.4, -0.3, 0.1], [1, 3, 5]))
    assert (member.record.study_id, "70% of the weight of 3 studies" in finding.evidence) == ("S0", True)
    assert leverage(weighted([0.50, 0.3, 0.2], [3.0, -3.0, 0.1], [1, 3, 5])) == ()


def test_a_study_far_off_and_a_variance_beyond_precision_are_named() -> None:
    ((_, finding),) = leverage(weighted([0.3, 0.3, 0.4], [0.4, -3.2, 0.1], [1, 3, 5]))
    assert "residual is −3.2" in finding.evidence
    ((member, _),) = leverage(weighted([0.4, 0.4, 0.2], [0, 0, 0], [1e-8, 1, 2]))
    assert member.record.study_id == "S0"


def test_of_two_studies_one_always_leads_and_nothing_is_asked() -> None:
    assert leverage(weighted([0.9, 0.1], [0, 0], [1, 9])) == ()
    assert leverage(weighted([1.0], [0], [1])) == ()


# ---------------------------------------------------------------- asking and answering


def stiffness(records: Sequence[Record]) -> list[Pool]:
    """Pool every record that no open error keeps out: what selection does, without its rules."""
    left = [r for r in records if not r.open_errors and "stiffness" not in r.pool_errors]
    return [Pool("stiffness", "MD", tuple(Member(effect(r), r) for r in left))]


def heavy_first(given: Pool) -> Pool:
    weights = [0.8, *[0.2] * (len(given.members) - 1)]
    return replace(given, members=tuple(replace(m, weight=w) for m, w in zip(given.members, weights, strict=True)))


def answered(*queries: dict[str, str], rows: Sequence[dict[str, str]]) -> RecordSet:
    return question_pools(build(*rows, queries=queries), stiffness, heavy_first)


QUERY = "C16-HighDose-cfpwv-1-stiffness"


def test_an_error_of_a_pool_without_a_decision_stops_the_build() -> None:
    with pytest.raises(ProjectError) as caught:
        answered(rows=two_doses())
    (problem,) = caught.value.problems
    assert (problem.row, problem.column, problem.value) == (3, "n_ctrl", "41")
    assert problem.fix.endswith(f"data/queries.csv: {QUERY},open,,,<why>,<who>")


def test_an_open_error_keeps_its_record_out_of_that_pool_only() -> None:
    found = answered(line(QUERY), rows=two_doses())
    assert [r.pool_errors for r in found.records] == [{}, {"stiffness": (QUERY,)}]
    assert [r.open_errors for r in found.records] == [(), ()]
    (query,) = found.queries
    assert (query.status, query.recorded, query.values) == ("open", True, ("41", "0.4", "1.3"))


def test_an_accepted_error_leaves_the_pool_as_it_is() -> None:
    found = answered(line(QUERY, "accepted"), rows=two_doses())
    assert [r.pool_errors for r in found.records] == [{}, {}]


def test_leverage_is_asked_of_the_pool_that_is_left() -> None:
    rows = [*two_doses(), *(result("cfpwv", study=f"S{i}") for i in range(2))]
    found = answered(line(QUERY), rows=rows)
    assert [q.query_id for q in found.queries] == ["C22-LowDose-cfpwv-1-stiffness", QUERY]
    assert "80% of the weight of 3 studies" in found.queries[0].evidence


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        (line("C16-HighDose-cfpwv-2-stiffness"), "there is no such finding"),
        (line(QUERY, "corrected", column="n_ctrl", corrected_value="20"), "no corrected cell answers it"),
    ],
)
def test_a_decision_that_answers_no_pool_is_a_problem(decision: dict[str, str], words: str) -> None:
    with pytest.raises(ProjectError) as caught:
        answered(decision, rows=two_doses())
    assert any(words in problem.what for problem in caught.value.problems)
