"""Rows of ``data/claims.csv`` to claims, and everything that keeps a row from being decided, in words."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from k2meta.claims.rules import DECISIONS, NOT_TESTABLE
from k2meta.claims.types import EVIDENCE, Claim, Direction, Part, Stance
from k2meta.config import Config, Spec
from k2meta.types import Problem

FILE = "data/claims.csv"
SEPARATOR = "|"
PER_PART = ("analysis", "moderator", "direction", "threshold", "compared_with", "stance")
CHOICES = {"direction": ("lower", "higher"), "stance": ("asserts", "doubts")}
Row = Mapping[str, str]


def read_claims(rows: Sequence[Row]) -> tuple[Claim, ...]:
    """Read rows that `claim_problems` has nothing to say about."""
    return tuple(_claim(row) for row in rows)


def _claim(row: Row) -> Claim:
    return Claim(
        id=row["claim_id"],
        article=row["article"],
        text=row["claim"],
        kind=row["claim_type"],
        study=row.get("study", ""),
        design=row.get("species_design", ""),
        evidence=_cells(row, "evidence"),
        reported=row.get("reported_value", ""),
        url=row.get("source_url", ""),
        locator=row.get("source_locator", ""),
        faithful=row.get("faithful", ""),
        prose_rule=row.get("decision_rule", ""),
        notes=row.get("notes", ""),
        parts=_parts(row),
        not_applied="" if NOT_TESTABLE in _cells(row, "rule") else row.get("why_not", ""),
        beside=_cells(row, "beside"),
    )


def _cells(row: Row, column: str) -> tuple[str, ...]:
    """Return what a cell holds between its bars; nothing for an empty one."""
    text = row.get(column, "")
    return tuple(part.strip() for part in text.split(SEPARATOR)) if text else ()


def _parts(row: Row) -> tuple[Part, ...]:
    rules = _cells(row, "rule")
    columns = {name: _cells(row, name) or ("",) * len(rules) for name in PER_PART}
    return tuple(
        _part(rule, {name: cells[i] for name, cells in columns.items()}, row) for i, rule in enumerate(rules)
    )


def _part(rule: str, cells: Row, row: Row) -> Part:
    directions: dict[str, Direction] = {"lower": "lower", "higher": "higher"}
    stances: dict[str, Stance] = {"doubts": "doubts"}
    return Part(
        rule=rule,
        analysis=cells["analysis"],
        moderator=cells["moderator"],
        direction=directions.get(cells["direction"], ""),
        threshold=_number(cells["threshold"]),
        compared_with=_number(cells["compared_with"]),
        stance=stances.get(cells["stance"], "asserts"),
        why_not=row.get("why_not", ""),
    )


def _number(text: str) -> float | None:
    return float(text) if text else None


def claim_problems(rows: Sequence[Row], config: Config) -> tuple[Problem, ...]:
    """Return everything that keeps claims from being decided: unknown rules, analyses, moderators, bad cells.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of the file as text; row ``i`` of the sequence is row ``i + 2`` of the spreadsheet.
    config : Config
        The settings whose analyses and moderators the claims name.
    """
    if rows and "rule" not in rows[0]:
        what = "the column rule is missing: nothing says how a claim is decided"
        return (Problem(FILE, what, f"add it, with one of {', '.join((*DECISIONS, NOT_TESTABLE))}", 1, "rule"),)
    return tuple(problem for i, row in enumerate(rows, start=2) for problem in _row_problems(row, i, config))


def _row_problems(row: Row, number: int, config: Config) -> Iterator[Problem]:
    rules = _cells(row, "rule")
    if not rules:
        fix = f"name one of {', '.join((*DECISIONS, NOT_TESTABLE))}"
        yield Problem(FILE, "the claim has no rule", fix, number, "rule", "")
        return
    yield from _among(rules, (*DECISIONS, NOT_TESTABLE), number, "rule")
    yield from _among(_cells(row, "evidence"), EVIDENCE, number, "evidence")
    yield from _among(_cells(row, "beside"), [spec.id for spec in config.analyses], number, "beside")
    uneven = [name for name in PER_PART if len(_cells(row, name)) not in (0, len(rules))]
    for name in uneven:
        n = len(_cells(row, name))
        what = f"{n} part{'' if n == 1 else 's'}, and the column rule has {len(rules)}"
        yield Problem(FILE, what, "write one part for each rule, between bars", number, name, row[name])
    if NOT_TESTABLE in rules and not row.get("why_not"):
        yield Problem(
            FILE, "no reason is given", "say in words why nothing here decides it", number, "why_not", ""
        )
    if not uneven:
        for i, rule in enumerate(rules):
            cells = {name: _cells(row, name)[i] if _cells(row, name) else "" for name in PER_PART}
            yield from _part_problems(rule, cells, number, config)


def _part_problems(rule: str, cells: Row, number: int, config: Config) -> Iterator[Problem]:
    for name in DECISIONS[rule].needs if rule in DECISIONS else ():
        if not cells[name]:
            yield Problem(FILE, f"the rule {rule} needs it", f"fill in the {name}", number, name, "")
    for name, allowed in CHOICES.items():
        yield from _among([cells[name]] if cells[name] else [], allowed, number, name)
    for name in ("threshold", "compared_with"):
        if cells[name] and not _is_number(cells[name]):
            yield Problem(
                FILE, f"{cells[name]!r} is not a number above zero", "write 1.25", number, name, cells[name]
            )
    specs = {spec.id: spec for spec in config.analyses}
    if cells["analysis"]:
        yield from _among([cells["analysis"]], specs, number, "analysis")
    if cells["moderator"] and cells["analysis"] in specs:
        yield from _moderator_problems(rule, cells["moderator"], number, specs[cells["analysis"]], config)


def _moderator_problems(rule: str, name: str, number: int, spec: Spec, config: Config) -> Iterator[Problem]:
    yield from _among([name], [one.id for one in spec.moderators], number, "moderator")
    if "meta_regression" not in config.sensitivity:
        what, fix = "the settings do not run meta_regression", "add {id: meta_regression} to sensitivity"
        yield Problem(FILE, what, fix, number, "moderator", name)
    kinds = DECISIONS[rule].kinds if rule in DECISIONS else ()
    for one in spec.moderators:
        if one.id == name and kinds and one.kind not in kinds:
            what = f"the rule {rule} reads a moderator of kind {' or '.join(kinds)}, and {name} is {one.kind}"
            yield Problem(FILE, what, "name another moderator, or another rule", number, "moderator", name)


def _is_number(text: str) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return math.isfinite(value) and value > 0


def _among(values: Iterable[str], allowed: Iterable[str], number: int, column: str) -> Iterator[Problem]:
    known = list(allowed)
    for value in values:
        if value not in known:
            near = difflib.get_close_matches(value, known, n=1)
            listed = f"use one of {', '.join(known)}" if known else "name it in config/config.yaml first"
            fix = f"write {near[0]}" if near else listed
            yield Problem(FILE, f"{value!r} is not known", fix, number, column, value)
