"""`k2meta effects`: records to one effect per trial and analysis."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from k2meta import io
from k2meta.claims import claim_problems
from k2meta.commands.options import CONFIG, RESULTS, ConfigFile, Into
from k2meta.config import against_data
from k2meta.effects.conversions import variants
from k2meta.effects.select import select
from k2meta.types import ProjectError

RecordsFile = Annotated[Path, typer.Option("--records", help="Records of the first stage.")]


def effects(
    config: ConfigFile = CONFIG,
    records: RecordsFile = RESULTS / "records.json",
    into: Into = RESULTS / "effects",
) -> None:
    """Choose one result per trial for every analysis and derive yi and vi from it."""
    settings = io.read_config(config)
    found = io.read_records(records)
    outcomes = {outcome.id: outcome for outcome in found.outcomes}
    problems = (
        *against_data(settings, found.outcomes, found.columns, found.allowed),
        *claim_problems(found.claims, settings),
    )
    if problems:
        raise ProjectError(problems)
    for spec in settings.analyses:
        selection = select(found.records, outcomes, spec)
        io.write_effects(into / f"{spec.id}.csv", selection.effects)
        io.write_dropped(into / f"{spec.id}.dropped.json", selection.dropped)
        other = variants(selection, found.records, outcomes, spec)
        io.write_variants(into / f"{spec.id}.variants.json", other)
        typer.echo(f"effects: {spec.id}: {len(selection.effects)} in the pool, {len(selection.dropped)} beside it")
