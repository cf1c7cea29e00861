"""`k2meta check DIR`: what is wrong with a project, and what its data checks ask."""

from __future__ import annotations

from pathlib import Path

import typer

from k2meta import io
from k2meta.claims import claim_problems
from k2meta.commands.options import Folder
from k2meta.commands.records import collect
from k2meta.config import against_data
from k2meta.types import Problem, ProjectError, Query


def check(folder: Folder = Path()) -> None:
    """Check settings and data: exit code 0 clean, 1 open queries, 2 unusable (every problem is printed)."""
    problems: list[Problem] = []
    config = found = None
    try:
        config = io.read_settings(folder / "config" / "config.yaml")
    except ProjectError as error:
        problems.extend(error.problems)
    try:
        found = collect(folder)
    except ProjectError as error:
        problems.extend(error.problems)
    if config is not None and found is not None:
        problems.extend(against_data(config, [outcome.id for outcome in found.outcomes], found.columns))
        problems.extend(claim_problems(found.claims, config))
    if problems or found is None:
        raise ProjectError(tuple(problems))
    waiting = [query for query in found.queries if query.status == "open" and query.severity != "note"]
    _show(waiting, decided=len(found.queries) - len(waiting))
    raise typer.Exit(1 if waiting else 0)


def _show(waiting: list[Query], decided: int) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(highlight=False)
    console.print(f"{len(waiting)} open data queries; {decided} decided or noted.")
    for query in waiting:
        console.print()
        console.print(Text.assemble((query.query_id, "bold"), f"  {query.severity}  {query.rule}"))
        for what, words in (
            ("where", f"{query.file} row {query.row}: {', '.join(query.columns)}"),
            ("numbers", query.evidence),
            ("fix", query.fix),
            ("decision", query.reason),
        ):
            if words:
                console.print(Padding(Text(f"{what}: {words}"), (0, 0, 0, 2)))
    if waiting:
        console.print("\nDecisions go to data/queries.csv. An open error keeps its record out of every pool.")
