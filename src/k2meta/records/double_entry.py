"""Two extractors, one paper: C25."""

from __future__ import annotations

from dataclasses import replace

from k2meta.records.printed import read_printed
from k2meta.records.schema import Schema
from k2meta.records.view import Finding, Project, View
from k2meta.types import Severity, Table


def second_schema(first: Schema) -> Schema:
    """Return the schema of data/extractions_second.csv: the columns of the extractions, only the id required."""
    fields = {
        name: replace(field, required=name == "extraction_id", unique=name == "extraction_id")
        for name, field in first.fields.items()
    }
    return replace(first, name="extractions_second", fields=fields, foreign_keys=())


def extractors_disagree(view: View, project: Project) -> tuple[Finding, ...]:
    """C25: the second extractor typed the same cells, and has no row that the first one lacks."""
    if not project.second:
        return ()
    if view.table == "extractions_second":
        if any(other.id == view.id for other in project.extractions):
            return ()
        evidence = f"only the second extractor has {view.id}"
        return (Finding(("extraction_id",), evidence, "add the row to data/extractions.csv, or remove it there"),)
    other = next((other for other in project.second if other.id == view.id), None)
    if other is None:
        return ()  # a second extractor may read a sample: the note of the check says how many rows were compared
    apart = [c for c in other.cells if c in view.cells and _differs(view.text(c), other.text(c))]
    if not apart:
        return ()
    words = ", ".join(f'{c}: "{view.text(c)}" and "{other.text(c)}"' for c in apart)
    only_digits = all(_same_value(view.text(c), other.text(c)) for c in apart)
    severity: Severity | None = "note" if only_digits else None
    evidence = f"the two extractors differ (second: row {other.row}): {words}"
    evidence += "; the values agree, the printed digits do not" if only_digits else ""
    fix = f"look at the source ({view.text('source_locator') or 'no locator'}) and correct the wrong one"
    return (Finding(tuple(apart), evidence, fix, severity),)


def _differs(here: str, there: str) -> bool:
    return " ".join(here.split()).casefold() != " ".join(there.split()).casefold()


def _same_value(here: str, there: str) -> bool:
    a, b = read_printed(here), read_printed(there)
    return a is not None and b is not None and a.value == b.value


def double_entry_note(table: Table | None, project: Project) -> str:
    """Say how many rows were compared."""
    if table is None:
        return "Double entry: not compared (there is no data/extractions_second.csv)."
    both = {view.id for view in project.extractions} & {view.id for view in project.second}
    return f"Double entry: {len(both)} of {len(project.extractions)} extractions were compared cell by cell."
