"""A small review as rows of text, and what the data checks ask about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from k2meta.config import Spec
from k2meta.effects.select import select
from k2meta.records import POOL_CHECKS, Member, Pool, ask_rows, build_records
from k2meta.types import Query, Severity, Table

Row = Mapping[str, str]
Rows = tuple[Row, ...]
FLAGS: tuple[Severity, ...] = ("error", "warn", "query")
"""Severities that ask a person to act; a note does not."""


@dataclass(frozen=True, slots=True)
class Review:
    """Rows of one outcome with their trials.

    Attributes
    ----------
    outcome : str
        The outcome of every extraction and cohort row.
    rows : mapping of str to tuple of rows
        By table: ``trials``, ``extractions``, ``cohorts``, ``outcomes``.
    dictionary : mapping
        The data dictionary of the tables.
    """

    outcome: str
    rows: Mapping[str, Rows]
    dictionary: Mapping[str, Any] = field(repr=False)

    def with_row(self, table: str, key: str, changed: Row) -> Review:
        """Return the review with one row replaced (by its id), or appended where the id is new."""
        old = self.rows[table]
        known = any(row[key] == changed[key] for row in old)
        new = tuple(changed if row[key] == changed[key] else row for row in old) if known else (*old, changed)
        return replace(self, rows={**self.rows, table: new})

    @property
    def tables(self) -> dict[str, Table]:
        """The review as tables of text."""
        return {name: _table(name, rows) for name, rows in self.rows.items()}


@dataclass(frozen=True, slots=True)
class Flag:
    """One finding: its check, severity, and the row it is about."""

    check: str
    severity: Severity
    row: str
    evidence: str


def flags(review: Review, *, pools: bool) -> frozenset[Flag]:
    """Return every finding above a note, of rows and (where asked) of the pool of mean differences."""
    asked = ask_rows(review.tables, review.dictionary)
    found = {Flag(q.check, q.severity, q.extraction_id or q.study_id, q.evidence) for q in asked}
    if pools:
        found |= _pool_flags(review, asked)
    return frozenset(flag for flag in found if flag.severity in FLAGS)


def _pool_flags(review: Review, asked: Iterable[Query]) -> set[Flag]:
    """Return what the checks of whole pools ask; errors of rows are accepted, so that all rows are pooled."""
    lines = tuple(
        {
            "query_id": q.query_id,
            "status": "accepted",
            "column": "",
            "corrected_value": "",
            "reason": "-",
            "by": "-",
        }
        for q in asked
        if q.severity == "error"
    )
    tables = review.tables | ({"queries": _table("queries", lines)} if lines else {})
    found = build_records(tables, review.dictionary)
    spec = _spec(review.outcome)
    effects = select(found.records, {outcome.id: outcome for outcome in found.outcomes}, spec).effects
    records = {record.extraction_id: record for record in found.records}
    pool = Pool(spec.id, spec.measure, tuple(Member(effect, records[effect.extraction_id]) for effect in effects))
    return {
        Flag(check.id, finding.severity or check.severity, member.record.extraction_id, finding.evidence)
        for check in POOL_CHECKS.values()
        for member, finding in check.function(pool)
    }


def _table(name: str, rows: Rows) -> Table:
    columns = tuple(dict.fromkeys(column for row in rows for column in row))
    return Table(f"data/{name}.csv", columns, tuple({**dict.fromkeys(columns, ""), **row} for row in rows))


def _spec(outcome: str) -> Spec:
    """Return an analysis that pools the mean differences of one outcome, whatever the design."""
    return Spec(
        id="pool",
        title="",
        question="",
        unit="",
        favours_low="",
        favours_high="",
        caveat="",
        scale_note="",
        source="trials",
        outcomes=(outcome,),
        measure="MD",
        lower_is_better=True,
        where={},
        lines=(),
        patient_sd=None,
        headline=False,
    )


def shipped_reviews(tables: Mapping[str, Table], dictionary: Mapping[str, Any]) -> dict[str, Review]:
    """Return one review per outcome of a project, with all its trials; decisions are left aside."""
    found = {}
    for row in tables["outcomes"].rows:
        name = row["outcome"]
        rows: dict[str, Rows] = {"trials": tables["trials"].rows, "outcomes": (row,)}
        for table in ("extractions", "cohorts"):
            same = tuple(r for r in tables[table].rows if r["outcome"] == name) if table in tables else ()
            if same or table == "extractions":
                ids = {r["extraction_id"] for r in same}
                # A row that lends its arm sizes may be one of another outcome, which is not here.
                rows[table] = tuple(_alone(r, ids) for r in same)
        if any(rows.get(table) for table in ("extractions", "cohorts")):
            found[name] = Review(name, _without_empty(rows, tables), dictionary)
    return found


def _alone(row: Row, ids: set[str]) -> Row:
    source = row.get("n_source", "")
    return {**row, "n_source": source if source in ids else ""} if source else row


def _without_empty(rows: Mapping[str, Rows], tables: Mapping[str, Table]) -> dict[str, Rows]:
    """Return the rows; an empty table of extractions keeps its columns through one row that prints nothing."""
    kept = dict(rows)
    if not kept["extractions"]:
        first = tables["extractions"].rows[0]
        kept["extractions"] = ({**dict.fromkeys(first, ""), **_silent(first, rows)},)
    return kept


def _silent(first: Row, rows: Mapping[str, Rows]) -> Row:
    names = ("extraction_id", "study_id", "source_kind", "source_tier", "role")
    return {name: first.get(name, "") for name in names} | {"outcome": rows["outcomes"][0]["outcome"]}
