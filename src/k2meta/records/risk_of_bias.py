"""Risk of bias: judgements that people made, read and checked, never computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import get_args

from k2meta.types import Judgement, Problem, ProjectError, RiskOfBias, Table

DOMAINS = ("d1", "d2", "d3", "d4", "d5")
COLUMNS = ("study_id", "outcome", "tool", *DOMAINS, "overall", "by", "source_locator", "source_url", "notes")
"""Columns of the file; ``study_id`` and ``overall`` are required, an empty judgement is *not assessed*."""

JUDGEMENTS: tuple[Judgement, ...] = get_args(Judgement)


def judgements(table: Table | None) -> tuple[RiskOfBias, ...]:
    """Return the rows of the file; none where there is no file.

    Raises
    ------
    ProjectError
        Every unknown or missing column, unknown judgement and trial judged twice for one outcome, all at once.
    """
    if table is None:
        return ()
    found = [*_columns(table), *_cells(table)]
    if found:
        raise ProjectError(tuple(found))
    return tuple(_row(row) for row in table.rows)


def _columns(table: Table) -> Iterator[Problem]:
    for column in table.columns:
        if column not in COLUMNS:
            yield Problem(table.file, "unknown column", f"use {', '.join(COLUMNS)}", 1, column)
    for column in ("study_id", "overall"):
        if column not in table.columns:
            yield Problem(table.file, "the column is missing", "add it", 1, column)


def _cells(table: Table) -> Iterator[Problem]:
    seen: dict[tuple[str, str], int] = {}
    for number, row in enumerate(table.rows, start=2):
        for column in (*DOMAINS, "overall"):
            value = row.get(column, "")
            if value and value.casefold() not in JUDGEMENTS:
                fix = f"write one of {', '.join(JUDGEMENTS)}, or leave it empty for not assessed"
                yield Problem(table.file, f"{value!r} is no judgement", fix, number, column, value)
        if not row.get("study_id"):
            yield Problem(table.file, "no trial is named", "write its study_id", number, "study_id")
        key = (row.get("study_id", ""), row.get("outcome", ""))
        if key in seen:
            what = f"{key[0]} is judged twice for the same outcome (first in row {seen[key]})"
            yield Problem(table.file, what, "keep one of the two rows", number, "study_id", key[0])
        seen.setdefault(key, number)


def _row(row: Mapping[str, str]) -> RiskOfBias:
    return RiskOfBias(
        study_id=row["study_id"],
        outcome=row.get("outcome", ""),
        tool=row.get("tool", ""),
        domains=tuple(_judgement(row.get(column, "")) for column in DOMAINS),
        overall=_judgement(row["overall"]),
        by=row.get("by", ""),
        source_locator=row.get("source_locator", ""),
        source_url=row.get("source_url", ""),
        notes=row.get("notes", ""),
    )


def _judgement(text: str) -> Judgement | None:
    return next((one for one in JUDGEMENTS if one == text.casefold()), None)
