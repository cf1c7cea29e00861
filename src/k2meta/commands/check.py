"""`k2meta check DIR`: what is wrong with a project, and what its data checks ask."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from k2meta import io
from k2meta.claims import claim_problems
from k2meta.commands.options import Folder
from k2meta.commands.records import collect
from k2meta.config import Config, against_data
from k2meta.types import CheckNote, Problem, ProjectError, Query


class Format(StrEnum):
    """How the answer is written."""

    text = "text"
    json = "json"


FormatOption = Annotated[Format, typer.Option("--format", help="text for people, json for machines.")]


def check(folder: Folder = Path(), form: FormatOption = Format.text) -> None:
    """Check settings and data: exit code 0 clean, 1 open queries, 2 unusable (every problem is printed)."""
    found, problems = _look(folder)
    if problems or found is None:
        if form is Format.json:
            _print_json("unusable", 2, problems=problems)
            raise typer.Exit(2)
        raise ProjectError(tuple(problems))
    waiting = [query for query in found.queries if query.status == "open" and query.severity != "note"]
    code = 1 if waiting else 0
    if form is Format.json:
        _print_json("open queries" if waiting else "clean", code, queries=found.queries, notes=found.notes)
    else:
        _show(waiting, len(found.queries) - len(waiting), found.notes)
    raise typer.Exit(code)


def _look(folder: Path) -> tuple[io.Records | None, list[Problem]]:
    """Return what the data hold and every problem of settings and data: one never hides the other."""
    problems: list[Problem] = []
    config: Config | None = None
    found = None
    try:
        config = io.read_settings(folder / "config" / "config.yaml")
    except ProjectError as error:
        problems.extend(error.problems)
    try:
        found = collect(folder, config)
    except ProjectError as error:
        problems.extend(error.problems)
    if config is not None and found is not None:
        problems.extend(against_data(config, found.outcomes, found.columns))
        problems.extend(claim_problems(found.claims, config))
    return found, problems


def _print_json(
    status: str,
    code: int,
    problems: Iterable[Problem] = (),
    queries: Iterable[Query] = (),
    notes: Iterable[CheckNote] = (),
) -> None:
    """Print one JSON object; it has the same keys whatever was found."""
    answer: dict[str, Any] = {"status": status, "exit_code": code}
    answer |= {"problems": tuple(problems), "queries": tuple(queries), "notes": tuple(notes)}
    typer.echo(io.json_text(answer), nl=False)


def _show(waiting: Sequence[Query], decided: int, notes: Iterable[CheckNote]) -> None:
    """Print one small table per open query, the worst first, and what was not looked at."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    console.print(
        f"{len(waiting)} open data quer{'y' if len(waiting) == 1 else 'ies'}; {decided} decided or noted."
    )
    order = ("error", "warn", "query")
    for query in sorted(waiting, key=lambda query: order.index(query.severity)):
        console.print()
        console.print(Text.assemble((query.query_id, "bold"), f"  {query.severity}"))
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        for label, words in _rows(query):
            grid.add_row(Text(f"  {label}"), Text(words))
        console.print(grid)
    console.print()
    for note in notes:
        console.print(Text(f"{note.check}  {note.said}"))
    if waiting:
        console.print(
            "\nDecisions go to data/queries.csv. An open error keeps its record out of the pools it names,"
        )
        console.print("one about a row or a trial out of every pool.")


def _rows(query: Query) -> list[tuple[str, str]]:
    """Return label and words of one open query; what is empty is left out."""
    cells = [f"{c} = {v}" if v else f"{c} (empty)" for c, v in zip(query.columns, query.values, strict=True)]
    rows = [
        ("file", f"{query.file} row {query.row}"),
        ("cells", ", ".join(cells)),
        ("rule", query.rule),
        ("numbers", query.evidence),
        ("fix", query.fix),
        ("so far", query.reason),
    ]
    return [(label, words) for label, words in rows if words]
