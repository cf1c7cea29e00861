"""`k2meta tables`: every table of the report as CSV at full precision, and as LaTeX and Word for manuscripts."""

from __future__ import annotations

from pathlib import Path

import typer

from k2meta import io
from k2meta.claims import decide, read_claims
from k2meta.commands.options import RESULTS, Into, ResultsFolder
from k2meta.tables import build_tables
from k2meta.tables.characteristics import characteristics
from k2meta.tables.claims import claims
from k2meta.tables.writers import WRITERS


def tables(results: ResultsFolder = RESULTS, into: Into = Path("reports/tables")) -> None:
    """Write the tables: pooled results, effects with their routes, what was left out, refits, queries, claims."""
    settings = io.read_config(results / "config.json")
    found = io.read_records(results / "records.json")
    queries = found.queries
    analyses = [io.read_analysis(results, spec, settings, queries) for spec in settings.analyses]
    made = {**build_tables(analyses, queries), "characteristics": characteristics(found.trials, analyses)}
    if found.claims:
        made["claims"] = claims(decide(read_claims(found.claims), analyses))
    for name, table in made.items():
        io.write_table(into / f"{name}.csv", table.header, table.values)
    for write in WRITERS.values():
        for name, raw in write(made, settings.review.title, settings.review.authors).items():
            io.write_bytes(into / name, raw)
    typer.echo(f"tables: {', '.join(made)} in {into} as CSV, {' and '.join(WRITERS)}")
