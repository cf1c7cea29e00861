"""`k2meta check DIR`: what is wrong with a project, and what its data checks ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from k2meta import io
from k2meta.claims import claim_problems
from k2meta.commands.options import Folder
from k2meta.commands.pools import pools
from k2meta.commands.records import collect
from k2meta.config import Config, against_data
from k2meta.types import CheckNote, Problem, ProjectError, Query

if TYPE_CHECKING:
    from rich.console import Console


class Format(StrEnum):
    """How the answer is written."""

    text = "text"
    json = "json"


FormatOption = Annotated[Format, typer.Option("--format", help="text for people, json for machines.")]


def check(folder: Folder = Path(), form: FormatOption = Format.text) -> None:
    """Check settings and data: exit code 0 clean, 1 open queries, 2 unusable (every problem is printed)."""
    looked = _look(folder)
    named = {problem.query_id for problem in looked.problems}
    waiting = [
        query
        for query in looked.queries
        if query.status == "open" and query.severity != "note" and query.query_id not in named
    ]
    code = 2 if looked.problems else 1 if waiting else 0
    if form is Format.json:
        _print_json(("clean", "open queries", "unusable")[code], code, looked)
    else:
        _show(looked, waiting)
    raise typer.Exit(code)


@dataclass
class _Looked:
    """What is wrong with a project, and what its data checks ask and say."""

    problems: list[Problem] = field(default_factory=list)
    queries: tuple[Query, ...] = ()
    notes: tuple[CheckNote, ...] = ()


def _look(folder: Path) -> _Looked:
    """Return every problem of settings and data with every query and note: one never hides the other."""
    looked = _Looked()
    config: Config | None = None
    found = None
    try:
        config = io.read_settings(folder / "config" / "config.yaml")
    except ProjectError as error:
        looked.problems.extend(error.problems)
    try:
        found = collect(folder, config)
        looked.queries, looked.notes = found.queries, found.notes
    except ProjectError as error:
        looked.problems.extend(error.problems)
        looked.queries, looked.notes = error.queries, error.notes
    if config is not None and found is not None:
        looked.problems.extend(against_data(config, found.outcomes, found.columns, found.allowed))
        looked.problems.extend(claim_problems(found.claims, config))
        looked.notes += _empty_pools(found, config)
    return looked


def _empty_pools(found: io.Records, config: Config) -> tuple[CheckNote, ...]:
    """Say which analyses pool nothing, and whether any row has their outcome and passes their ``where``."""
    outcomes = {outcome.id: outcome for outcome in found.outcomes}
    pooled = {pool.analysis: pool.members for pool in pools(found.records, outcomes=outcomes, settings=config)}
    notes = []
    for spec in config.analyses:
        if pooled.get(spec.id):
            continue
        rows = [one for one in found.records if one.source == spec.source and one.outcome in spec.outcomes]
        passing = sum(
            all(one.trial.get(name, one.cells.get(name)) in values for name, values in spec.where.items())
            for one in rows
        )
        why = f"rows with its outcomes: {len(rows)}; of these pass its where: {passing}"
        notes.append(CheckNote("empty", f"The analysis {spec.id} pools nothing: {why}."))
    return tuple(notes)


def _print_json(status: str, code: int, looked: _Looked) -> None:
    """Print one JSON object; it has the same keys whatever was found."""
    answer: dict[str, Any] = {"status": status, "exit_code": code, "problems": tuple(looked.problems)}
    answer |= {"queries": looked.queries, "notes": looked.notes}
    typer.echo(io.json_text(answer), nl=False)


def _show(looked: _Looked, waiting: Sequence[Query]) -> None:
    """Print one small table per error and open query, the worst first, and what was not looked at."""
    from rich.console import Console
    from rich.text import Text

    # In a pipe nothing is folded, so that a line to copy stays one line.
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=10_000)
    named = {problem.query_id for problem in looked.problems if problem.query_id}
    decided = len(looked.queries) - len(waiting) - sum(query.query_id in named for query in looked.queries)
    counted = f"{len(waiting)} open data quer{'y' if len(waiting) == 1 else 'ies'}; {decided} decided or noted."
    if looked.problems:
        n = len(looked.problems)
        counted = f"{n} error{'s' if n > 1 else ''}: the project cannot be used before; {counted}"
    console.print(counted)
    for problem in looked.problems:
        _card(console, problem.query_id or "problem", problem.severity, _problem_rows(problem))
    order = ("error", "warn", "query")
    for query in sorted(waiting, key=lambda query: order.index(query.severity)):
        _card(console, query.query_id, query.severity, _rows(query))
    console.print()
    for note in looked.notes:
        console.print(Text(f"{note.check}  {note.said}"))
    if waiting or named:
        console.print(
            "\nDecisions go to data/queries.csv. An open error keeps its record out of the pools it names,"
        )
        console.print("one about a row or a trial out of every pool.")


def _card(console: Console, title: str, severity: str, rows: Sequence[tuple[str, str]]) -> None:
    """Print one finding as a small table; what is empty is left out."""
    from rich.table import Table
    from rich.text import Text

    console.print()
    console.print(Text.assemble((title, "bold"), f"  {severity}"))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for label, words in rows:
        if words:
            grid.add_row(Text(f"  {label}"), Text(words))
    console.print(grid)


def _cells(columns: Sequence[str], values: Sequence[str]) -> str:
    return ", ".join(f"{c} = {v}" if v else f"{c} (empty)" for c, v in zip(columns, values, strict=True))


def _problem_rows(problem: Problem) -> list[tuple[str, str]]:
    """Return label and words of an error."""
    place = problem.file if problem.row is None else f"{problem.file} row {problem.row}"
    if not problem.columns and problem.column is not None:
        place += f" column {problem.column}"
    return [
        ("file", place),
        ("cells", _cells(problem.columns, problem.values)),
        ("rule", problem.rule.removeprefix(f"{problem.check}: ")),
        ("numbers" if problem.check else "what", problem.what),
        ("fix", problem.fix),
    ]


def _rows(query: Query) -> list[tuple[str, str]]:
    """Return label and words of one open query."""
    return [
        ("file", f"{query.file} row {query.row}"),
        ("cells", _cells(query.columns, query.values)),
        ("rule", query.rule),
        ("numbers", query.evidence),
        ("fix", query.fix),
        ("so far", query.reason),
    ]
