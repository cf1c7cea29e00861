"""`k2meta trace NUMBER-ID`: from a printed number back to the printed cells it was made from."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from k2meta import io
from k2meta.commands.options import RESULTS, ResultsFolder
from k2meta.trace import Chain, Number, Part, chain
from k2meta.types import Problem, ProjectError

NumberId = Annotated[str, typer.Argument(help="Id of a number, such as cac_agatston.fits.reml_hksj.mu.low.")]
Numbers = Annotated[Path, typer.Option("--numbers", help="The numbers of the report, by id.")]


def trace(
    number_id: NumberId, results: ResultsFolder = RESULTS, numbers: Numbers = Path("reports/numbers.csv")
) -> None:
    """Show what a number of the report was made from, down to the printed cells.

    Every number of the report carries its id: click on it, or look in reports/numbers.csv.
    """
    number = _find(number_id, io.read_numbers(numbers))
    settings = io.read_config(results / "config.json")
    found = io.read_records(results / "records.json")
    analyses = [io.read_analysis(results, spec, settings, found.queries) for spec in settings.analyses]
    places = {record.extraction_id: f"{record.file} row {record.row}" for record in found.records}
    typer.echo("\n".join(_written(number, chain(number_id, analyses), places)))


def _find(number_id: str, numbers: Sequence[Number]) -> Number:
    known = {number.id: number for number in numbers}
    if number_id not in known:
        near = difflib.get_close_matches(number_id, known, n=3, cutoff=0.5)
        fix = f"perhaps {' or '.join(near)}" if near else "take an id from its first column"
        raise ProjectError((Problem("reports/numbers.csv", f"no number has the id {number_id!r}", fix),))
    return known[number_id]


def _written(number: Number, made: Chain, places: dict[str, str]) -> list[str]:
    lines = [f"{number.id} = {number.value!r}", f"  written: {'; '.join(number.written)}"]
    lines += [f"  made by: {made.made_by}"]
    for part in made.parts:
        lines += ["", *_part(part, places.get(part.extraction_id, ""))]
    return lines


def _part(part: Part, place: str) -> list[str]:
    weight = "" if part.weight is None else f", weight {100 * part.weight:.1f} %"
    lines = [f"  {part.label}{weight}: effect {part.effect!r}, variance {part.variance!r}"]
    lines += [f"    step: {step}" for step in part.steps]
    lines += [f"    assumed: {sentence}" for sentence in part.assumptions]
    lines += [f"    extraction: {part.extraction_id}{f' ({place})' if place else ''}"]
    lines += [f"    printed: {' '.join(filter(None, (part.locator, part.url)))}"]
    return lines
