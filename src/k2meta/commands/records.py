"""`k2meta records`: data files to validated records and data queries."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import typer

from k2meta import io
from k2meta.commands.options import CONFIG, RESULTS, ConfigFile, Folder, Out
from k2meta.commands.pools import pools, weighed
from k2meta.config import Config
from k2meta.records import against_pools, build_records, question_pools
from k2meta.records.schema import allowed_values
from k2meta.types import NO_JUDGEMENTS, ProjectError


def collect(folder: Path, settings: Config | None) -> io.Records:
    """Return the records of a project; without settings the checks of whole pools are left out."""
    tables, dictionary = io.read_project(folder)
    found = build_records(tables, dictionary)
    if settings is not None:
        outcomes = {outcome.id: outcome for outcome in found.outcomes}
        pools_of = partial(pools, outcomes=outcomes, settings=settings)
        found = question_pools(found, pools_of, partial(weighed, settings=settings))
        if found.judgements != NO_JUDGEMENTS:
            sizes = {
                pool.analysis: len({m.effect.study_id for m in pool.members}) for pool in pools_of(found.records)
            }
            if wrong := against_pools(found.judgements, sizes):
                raise ProjectError(wrong, found.queries, found.notes)
    read = [tables[name] for name in ("trials", "extractions", "cohorts") if name in tables]
    columns = {column for table in read for column in table.columns}
    claims = tuple(dict(row) for row in tables["claims"].rows) if "claims" in tables else ()
    return io.Records(
        found.outcomes,
        found.trials,
        found.records,
        found.queries,
        tuple(sorted(columns)),
        found.notes,
        claims,
        found.judgements,
        allowed_values(dictionary, [name for name in ("trials", "extractions", "cohorts") if name in tables]),
    )


def records(folder: Folder = Path(), config: ConfigFile = CONFIG, out: Out = RESULTS / "records.json") -> None:
    """Validate the data files, join extractions to their trials, ask the data queries of rows and of pools."""
    found = collect(folder, io.read_config(config))
    io.write_records(out, found)
    io.write_judgements(out.with_name("judgements.json"), found.judgements)
    waiting = sum(query.status == "open" and query.severity != "note" for query in found.queries)
    typer.echo(f"records: {len(found.records)} results of {len(found.trials)} trials, {waiting} open data queries")
