"""Retractions and expressions of concern: C24, from a dated snapshot that the reviewer supplies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from k2meta.records.identity import identifiers_in
from k2meta.records.schema import Field, Schema
from k2meta.records.view import Finding, Project, View
from k2meta.types import Severity, Table

NOTICES: dict[str, Severity] = {"retraction": "error", "expression_of_concern": "error", "correction": "note"}
"""Kinds of notice with the severity of a match."""

SCHEMA = Schema(
    "retractions",
    {
        field.name: field
        for field in (
            Field("doi"),
            Field("pmid"),
            Field("notice", required=True, enum=tuple(NOTICES)),
            Field("date", pattern=r"[0-9]{4}(-[0-9]{2}){0,2}"),
            Field("source", required=True),
            Field("snapshot", required=True, pattern=r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
        )
    },
)
"""Columns of data/retractions.csv: one notice per row, ``doi`` and ``pmid`` of the paper it is about."""

Notices = Mapping[str, tuple[Mapping[str, str], ...]]


def by_identifier(table: Table | None) -> Notices:
    """Return the notices by every DOI and PMID they name."""
    found: dict[str, tuple[Mapping[str, str], ...]] = {}
    for row in table.rows if table else ():
        for key in _keys(row):
            found[key] = (*found.get(key, ()), row)
    return found


def retracted(view: View, project: Project) -> tuple[Finding, ...]:
    """C24: the paper of a row is under no retraction or expression of concern in the snapshot."""
    keys = _keys(view.cells)
    notices = {id(row): row for key in sorted(keys) for row in project.notices.get(key, ())}
    if not notices:
        return ()
    rows = list(notices.values())
    worst: Severity = "error" if any(NOTICES[row["notice"]] == "error" for row in rows) else "note"
    words = "; ".join(
        f"{row['notice'].replace('_', ' ')}{' of ' + row['date'] if row.get('date') else ''} "
        f"({row['source']}, snapshot of {row['snapshot']})"
        for row in rows
    )
    columns = tuple(c for c in ("doi", "pmid") if identifiers_in(view.cells, c) & set(project.notices))
    fix = "read the notice; leave the query open to keep the paper out, or accept it with the reason"
    return (Finding(columns, f"{view.study_id}: {words}", fix, worst),)


def _keys(cells: Mapping[str, str]) -> frozenset[str]:
    return identifiers_in(cells, "doi") | identifiers_in(cells, "pmid")


def retraction_note(table: Table | None, views: Sequence[View]) -> str:
    """Say what was looked up; without a snapshot nothing was, and the sentence says so."""
    if table is None:
        return "Retractions: not checked (there is no data/retractions.csv)."
    if not table.rows:
        return "Retractions: not checked (data/retractions.csv holds no row, so no snapshot is known)."
    known = sum(bool(_keys(view.cells)) for view in views)
    dates = sorted({row["snapshot"] for row in table.rows})
    sources = ", ".join(sorted({row["source"] for row in table.rows}))
    return (
        f"Retractions: {known} of {len(views)} trials and cohort papers were looked up by DOI or PMID; "
        f"notices in the list: {len(table.rows)} ({sources}; snapshot of {' and '.join(dates)})."
    )
