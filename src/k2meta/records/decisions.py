"""What people decided about data queries: the lines of queries.csv."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from k2meta.records.cells import nearest
from k2meta.types import Problem, Status, Table

STATUSES: tuple[Status, ...] = ("open", "accepted", "corrected", "false_alarm")
_PLACEHOLDER = re.compile(r"\s*<[^<>]*>\s*")
RULE = "a data query is resolved in data/queries.csv"


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision about one query; ``corrections`` maps a column to its corrected text."""

    query_id: str
    status: Status
    reason: str
    by: str
    file: str
    row: int
    corrections: Mapping[str, str] = field(default_factory=dict)


def read_decisions(table: Table | None) -> tuple[dict[str, Decision], list[Problem]]:
    """Read the decisions by query id, with every line that cannot be one.

    A query that needs several cells corrected takes one ``corrected`` line per column.
    """
    decisions: dict[str, Decision] = {}
    problems: list[Problem] = []
    if table is None:
        return decisions, problems
    for row, cells in enumerate(table.rows, start=2):
        line = {
            name: cells.get(name, "")
            for name in ("query_id", "status", "column", "corrected_value", "reason", "by")
        }
        wrong = list(_line_problems(table.file, row, line))
        wrong += _repeats(table.file, row, line, decisions.get(line["query_id"]))
        problems += wrong
        if wrong or line["status"] not in STATUSES:
            continue
        before = decisions.get(line["query_id"])
        corrections = dict(before.corrections) if before else {}
        if line["status"] == "corrected":
            corrections[line["column"]] = line["corrected_value"]
        status: Status = next(status for status in STATUSES if status == line["status"])
        first = before.row if before else row
        decisions[line["query_id"]] = Decision(
            line["query_id"], status, line["reason"], line["by"], table.file, first, corrections
        )
    return decisions, problems


def _line_problems(file: str, row: int, line: Mapping[str, str]) -> Iterable[Problem]:
    """Name what a single line lacks."""
    status = line["status"]
    if status not in STATUSES:
        what = f'"{status}" is not a status{nearest(status, STATUSES)}'
        yield Problem(file, what, f"use one of {', '.join(STATUSES)}", row, "status", status, RULE)
        return
    for column in ("reason", "by"):
        if _PLACEHOLDER.fullmatch(line[column]):
            wanted = "reason" if column == "reason" else "name"
            what = f'"{line[column]}" is the placeholder of the advice, no {wanted}'
            fix = "say why" if column == "reason" else "say who decided"
            yield Problem(file, what, fix, row, column, line[column], RULE)
    if status != "open":
        for column in ("reason", "by"):
            if not line[column]:
                what = f'the decision "{status}" has no {"reason" if column == "reason" else "name"}'
                fix = "say why" if column == "reason" else "say who decided"
                yield Problem(file, what, fix, row, column, "", RULE)
    if status == "corrected":
        for column in ("column", "corrected_value"):
            if not line[column]:
                fix = "name the column and write the corrected value"
                yield Problem(file, f'the decision "corrected" has no {column}', fix, row, column, "", RULE)
    elif line["corrected_value"]:
        what = f'a corrected value stands beside the status "{status}"'
        fix = 'set status to "corrected", or clear the value'
        yield Problem(file, what, fix, row, "corrected_value", line["corrected_value"], RULE)


def _repeats(file: str, row: int, line: Mapping[str, str], before: Decision | None) -> Iterable[Problem]:
    """Name a second line for one query that does not correct another column."""
    if before is None:
        return
    both = before.status == line["status"] == "corrected"
    if not both or line["column"] in before.corrections:
        what = f'"{line["query_id"]}" already has a decision in row {before.row}'
        yield Problem(file, what, "keep one line", row, "query_id", line["query_id"], RULE)
