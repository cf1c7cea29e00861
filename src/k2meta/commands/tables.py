"""`k2meta tables`: every table of the report as CSV, at full precision."""

from __future__ import annotations

from pathlib import Path

import typer

from k2meta import io
from k2meta.commands.options import RESULTS, Into, ResultsFolder
from k2meta.tables import TABLES, build_tables


def tables(results: ResultsFolder = RESULTS, into: Into = Path("reports/tables")) -> None:
    """Write the tables: pooled results, effects with their routes, what was left out, leave-one-out, queries."""
    settings = io.read_config(results / "config.json")
    queries = io.read_records(results / "records.json").queries
    analyses = [io.read_analysis(results, spec, settings, queries) for spec in settings.analyses]
    for name, table in build_tables(analyses, queries).items():
        io.write_table(into / f"{name}.csv", table.header, table.values)
    typer.echo(f"tables: {', '.join(TABLES)} in {into}")
