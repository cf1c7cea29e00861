"""`k2meta records`: data files to validated records and data queries."""

from __future__ import annotations

from pathlib import Path

import typer

from k2meta import io
from k2meta.commands.options import RESULTS, Folder, Out
from k2meta.records import build_records


def collect(folder: Path) -> io.Records:
    """Return the records of a project."""
    tables, dictionary = io.read_project(folder)
    found = build_records(tables, dictionary)
    read = [tables[name] for name in ("trials", "extractions", "cohorts") if name in tables]
    columns = {column for table in read for column in table.columns}
    claims = tuple(dict(row) for row in tables["claims"].rows) if "claims" in tables else ()
    return io.Records(found.outcomes, found.trials, found.records, found.queries, tuple(sorted(columns)), claims)


def records(folder: Folder = Path(), out: Out = RESULTS / "records.json") -> None:
    """Validate the data files, join extractions to their trials and ask the data queries."""
    found = collect(folder)
    io.write_records(out, found)
    waiting = sum(query.status == "open" and query.severity != "note" for query in found.queries)
    typer.echo(f"records: {len(found.records)} results of {len(found.trials)} trials, {waiting} open data queries")
