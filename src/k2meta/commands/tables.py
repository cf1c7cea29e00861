"""`k2meta tables`: every table of the report as CSV, at full precision."""

from __future__ import annotations

from pathlib import Path

import typer

from k2meta import io
from k2meta.claims import decide, read_claims
from k2meta.commands.options import RESULTS, Into, ResultsFolder
from k2meta.tables import build_tables
from k2meta.tables.claims import claims


def tables(results: ResultsFolder = RESULTS, into: Into = Path("reports/tables")) -> None:
    """Write the tables: pooled results, effects with their routes, what was left out, refits, queries, claims."""
    settings = io.read_config(results / "config.json")
    found = io.read_records(results / "records.json")
    queries = found.queries
    analyses = [io.read_analysis(results, spec, settings, queries) for spec in settings.analyses]
    tables = build_tables(analyses, queries)
    if found.claims:
        tables["claims"] = claims(decide(read_claims(found.claims), analyses))
    for name, table in tables.items():
        io.write_table(into / f"{name}.csv", table.header, table.values)
    typer.echo(f"tables: {', '.join(tables)} in {into}")
