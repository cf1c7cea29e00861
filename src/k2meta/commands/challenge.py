"""`k2meta challenge`: how many typing errors the data checks find, published as a page and a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from k2meta import io
from k2meta.commands.options import Folder

Seed = Annotated[int, typer.Option("--seed", help="Every table and injection derives its generator from it.")]
Injections = Annotated[int, typer.Option("--injections", min=1, help="Per error type and kind of table.")]
Into = Annotated[Path, typer.Option("--out", help="Folder for README.md and table.csv.")]


def challenge(
    folder: Folder = Path(),
    seed: Seed = 20261120,
    injections: Injections = 200,
    out: Into = Path("validation/challenge"),
) -> None:
    """Put typing errors into made-up tables and into the rows of a project, and count what the checks find."""
    from k2meta.challenge import missed, readme, run_challenge, shipped_reviews, table

    tables, dictionary = io.read_project(folder)
    score = run_challenge(seed, injections, shipped_reviews(tables, dictionary))
    io.write_text(out / "README.md", readme(score))
    io.write_table(out / "table.csv", *table(score))
    for sentence in missed(score):
        typer.echo(f"challenge: target missed: {sentence}")
    count = sum(outcome.injections for outcome in score.outcomes)
    typer.echo(f"challenge: {count} injected errors, results in {out}")
