"""Checks of a whole pool: C16, C17, C18, C20, C21, C22."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from k2meta.records.identity import identifiers_in
from k2meta.records.pool import Member, Pool, PoolFinding
from k2meta.records.printed import brief
from k2meta.records.view import Finding
from k2meta.types import Severity

SHARE = 0.5
"""Share of the weight above which C22 names a study."""

RESIDUAL = 3.0
"""Studentised deleted residual above which C22 names a study."""

RATIO = 1e7
"""Ratio of the largest to the smallest variance of a pool that C22 reports: sums of weights lose digits there."""

FEWEST = 3
"""Of two studies one always carries half the weight or more, and neither has a residual of its own."""

_STAGES = {
    "arms_sd": "change",
    "arms_se": "change",
    "arms_ci": "change",
    "arms_final": "final",
}
_ARM_ROUTES = (*_STAGES, "events")
_SPREAD = {
    "arms_sd": ("change_sd_treat", "change_sd_ctrl"),
    "arms_se": ("change_se_treat", "change_se_ctrl"),
    "arms_ci": ("change_ci_low_treat", "change_ci_high_treat", "change_ci_low_ctrl", "change_ci_high_ctrl"),
    "arms_final": ("follow_sd_treat", "follow_sd_ctrl", "follow_se_treat", "follow_se_ctrl"),
    "diff_se": ("diff_se",),
    "diff_ci": ("diff_ci_low", "diff_ci_high"),
    "ratio_ci": ("diff_ci_low", "diff_ci_high"),
    "diff_p": ("p_value",),
    "statistic": ("statistic",),
    "events": ("events_treat", "events_ctrl"),
}
_DEPENDENT = re.compile(r"\b(cross-?over|cluster)", re.I)
_CONTROL = ("n_ctrl", *(f"{s}_{p}_ctrl" for s in ("baseline", "follow", "change") for p in ("mean", "sd", "se")))
_EVENTS = ("events_ctrl", "total_ctrl")
_ONE_COMPARISON = (
    "keep one of the rows, combine the treatment arms into one row, or accept it where the group is split"
)


def shared_control(pool: Pool) -> tuple[PoolFinding, ...]:
    """C16: no control group stands in two effects of one pool (Senn 2009, overstating the precision)."""
    found = []
    for later, earlier in _pairs(pool):
        shared = _shared_control(pool, later, earlier)
        if shared and not pool.dependence:
            columns, words = shared
            evidence = (
                f"{later.record.extraction_id} and {earlier.record.extraction_id} use one control group: {words}"
            )
            found.append((later, Finding(columns, evidence, _ONE_COMPARISON)))
    return _one_each(found)


def _pairs(pool: Pool) -> Iterator[tuple[Member, Member]]:
    """Yield every later member with every earlier one."""
    for i, later in enumerate(pool.members):
        for earlier in pool.members[:i]:
            yield later, earlier


def _shared_control(pool: Pool, a: Member, b: Member) -> tuple[tuple[str, ...], str] | None:
    """Return the columns and words by which two effects have one control group, named or by its numbers."""
    names = [member.record.text("control_group") for member in (a, b)]
    if all(names):
        return (("control_group",), f"control_group {names[0]}") if names[0] == names[1] else None
    both = [c for c in _CONTROL if a.record.number(c) is not None and b.record.number(c) is not None]
    spread = [c for c in both if "_sd_" in c or "_se_" in c]
    same = a.record.outcome == b.record.outcome and _equal(a, b, both)
    if same and "n_ctrl" in both and spread and any("_mean_" in c for c in both):
        return tuple(both), ", ".join(f"{c} = {brief(a.record.number(c) or 0.0, 6)}" for c in both) + " in both"
    # Two trials of one size with as many events are common: counts prove a shared group within one trial only.
    if _same_people(pool, a, b) and a.record.number("events_ctrl") is not None and _equal(a, b, _EVENTS):
        return _EVENTS, f"{a.record.number('events_ctrl'):g} of {a.record.number('total_ctrl') or 0:g} in both"
    return None


def _equal(a: Member, b: Member, columns: tuple[str, ...] | list[str]) -> bool:
    return all(a.record.number(column) == b.record.number(column) for column in columns)


def _same_people(pool: Pool, a: Member, b: Member) -> str:
    """Return by what two effects describe one study: its id or a shared identifier; ``""`` where by nothing."""
    if a.effect.study_id == b.effect.study_id:
        return f"study {a.effect.study_id}"
    if {a.record.study_id, b.record.study_id} & pool.apart:
        return ""
    for column in ("registration", "doi", "pmid"):
        shared = _numbers(a.record.trial, column) & _numbers(b.record.trial, column)
        if shared:
            return f"{column} {', '.join(sorted(shared))}"
    return ""


def _numbers(trial: Mapping[str, object], column: str) -> frozenset[str]:
    value = trial.get(column)
    return identifiers_in({column: value}, column) if isinstance(value, str) else frozenset()


def mixed_stages(pool: Pool) -> tuple[PoolFinding, ...]:
    """C17: SDs of changes and of final values do not standardise one pool; a pool of mean differences notes it."""
    if pool.measure not in ("SMD", "MD"):
        return ()
    groups = {
        stage: [m for m in pool.members if _STAGES.get(m.effect.route) == stage] for stage in ("final", "change")
    }
    if not all(groups.values()):
        return ()
    fewer = min(groups, key=lambda stage: len(groups[stage]))
    other = "change" if fewer == "final" else "final"
    others = ", ".join(m.record.extraction_id for m in groups[other])
    found = []
    for member in groups[fewer]:
        evidence = (
            f"{member.record.extraction_id} is standardised by the SD of {_stage(fewer)}, {others} by the SD of "
            f"{_stage(other)}: the two SDs are different quantities"
        )
        if pool.measure == "MD":
            compare = "compares" if len(groups[other]) == 1 else "compare"
            evidence = (
                f"{member.record.extraction_id} compares {_stage(fewer)}; {others} {compare} {_stage(other)}"
            )
        fix = "pool one kind, or pool mean differences in a native unit"
        severity: Severity | None = None if pool.measure == "SMD" else "note"
        found.append((member, Finding(_spread(member), evidence, fix, severity)))
    return tuple(found)


def _stage(stage: str) -> str:
    return "final values" if stage == "final" else "changes"


def _spread(member: Member) -> tuple[str, ...]:
    """Return the printed columns that the variance of an effect came from."""
    columns = _SPREAD.get(member.effect.route, ())
    return tuple(column for column in columns if member.record.number(column) is not None)


def two_time_points(pool: Pool) -> tuple[PoolFinding, ...]:
    """C18: one study does not enter a pool with two time points."""
    return tuple(_of_one_study(pool, later_time=True))


def several_effects(pool: Pool) -> tuple[PoolFinding, ...]:
    """C21: one study gives a pool one effect, unless a model allows for their dependence."""
    return () if pool.dependence else tuple(_of_one_study(pool, later_time=False))


def _of_one_study(pool: Pool, *, later_time: bool) -> Iterator[PoolFinding]:
    """Yield each member whose study is in the pool already, with another time point or with the same one."""
    found = []
    for later, earlier in _pairs(pool):
        people = _same_people(pool, later, earlier)
        months = (later.effect.months, earlier.effect.months)
        apart = None not in months and months[0] != months[1]
        if not people or apart != later_time or _shared_control(pool, later, earlier):
            continue
        words = f"{later.record.extraction_id} and {earlier.record.extraction_id} are of one study ({people})"
        if later_time:
            words += f", at {months[0]:g} and {months[1]:g} months"
            fix = "keep one time point, the one the protocol names; set role of the other to copy"
            found.append((later, Finding(("timepoint_months",), words, fix)))
        else:
            fix = "keep one of the two, or set report_of of the second trial row"
            found.append((later, Finding(("study_id",), f"{words}; no model allows for it", fix)))
    yield from _one_each(found)


def design_ignored(pool: Pool) -> tuple[PoolFinding, ...]:
    """C20: a crossover or cluster trial is not pooled as two independent arms of independent people."""
    found = []
    for member in pool.members:
        design = member.record.trial.get("design")
        match = _DEPENDENT.search(design) if isinstance(design, str) else None
        if match is None or member.effect.route not in _ARM_ROUTES:
            continue
        crossover = match[1].casefold().startswith("cross")
        evidence = f'design is "{design}", and the variance comes from independent arms ({member.effect.route}): '
        evidence += "pairing is lost" if crossover else "people of one cluster are alike, so it is too small"
        kind = "paired" if crossover else "cluster-adjusted"
        fix = f"enter the {kind} difference with its SE or interval; leave the cells of the arms to a copy row"
        found.append((member, Finding(("study_id", *_spread(member)), evidence, fix)))
    return tuple(found)


def leverage(pool: Pool) -> tuple[PoolFinding, ...]:
    """C22: no study carries more than half the weight, lies far off the others, or is beyond number precision."""
    k = len(pool.members)
    if k < 2:
        return ()
    largest = max(member.effect.vi for member in pool.members)
    found = []
    for member in pool.members:
        said = []
        if k >= FEWEST and member.weight is not None and member.weight > SHARE:
            said.append(f"it carries {member.weight:.0%} of the weight of {k} studies")
        if k >= FEWEST and member.residual is not None and abs(member.residual) > RESIDUAL:
            said.append(f"its studentised deleted residual is {brief(member.residual)}")
        if largest >= RATIO * member.effect.vi:
            said.append(f"its variance is {brief(largest / member.effect.vi)} times below the largest")
        if said:
            evidence = f"{member.record.extraction_id}: {'; '.join(said)}"
            fix = "check its spread and sizes against the source; read the leave-one-out table before the answer"
            found.append((member, Finding(_spread(member), evidence, fix)))
    return tuple(found)


def _one_each(found: list[PoolFinding]) -> tuple[PoolFinding, ...]:
    """Join several findings of one check about one member: one query has one id."""
    joined: dict[str, PoolFinding] = {}
    for member, finding in found:
        key = member.record.extraction_id
        if key in joined:
            before = joined[key][1]
            finding = replace(
                before,
                columns=tuple(dict.fromkeys((*before.columns, *finding.columns))),
                evidence=f"{before.evidence}; {finding.evidence}",
            )
        joined[key] = (member, finding)
    return tuple(joined.values())
