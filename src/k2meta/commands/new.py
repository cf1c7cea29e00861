"""`k2meta new NAME`: a working review in a folder of its own, to be edited."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Annotated

import typer

import k2meta
from k2meta import io
from k2meta.types import Problem, ProjectError

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

Name = Annotated[str, typer.Argument(help="Name of the folder to make: letters, digits, _ and -, at most 64.")]
Parent = Annotated[Path, typer.Option("--into", help="Folder to make it in.")]


def new(name: Name, into: Parent = Path()) -> None:
    """Write a review that builds at once: settings with comments, invented example data, README."""
    folder = into / name
    problems = tuple(_problems(name, into, folder))
    if problems:
        raise ProjectError(problems)
    files = io.write_project(folder, io.read_template("new_review"))
    typer.echo(f"new: {folder} with {len(files)} files; every number in it is an invented example.")
    typer.echo(f"  k2meta check {shlex.quote(str(folder))}")
    typer.echo(f"  snakemake -s {_snakefile()} --directory {shlex.quote(str(folder))} --cores 2")
    typer.echo(f"Then read {folder / 'reports' / 'report.html'}, and replace the example.")


def _problems(name: str, into: Path, folder: Path) -> list[Problem]:
    if not NAME.fullmatch(name) or name.startswith("-"):
        fix = "use letters, digits, _ and - (at most 64, no - in front); name the place with --into"
        return [Problem("k2meta new", f"{name!r} is no name of a review", fix, value=name, rule="names")]
    if not into.is_dir():
        what, fix = "the folder to make it in does not exist", "create it, or name another with --into"
        return [Problem(str(into), what, fix)]
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        return [Problem(str(folder), "there is a file of that name", "choose another name")]
    if folder.is_dir() and any(folder.iterdir()):
        return [Problem(str(folder), "the folder is not empty", "choose another name, or empty it first")]
    return []


def _snakefile() -> str:
    """Return the Snakefile of the checkout that this package runs from, or words for where it would be."""
    # src/k2meta/__init__.py of a checkout; a wheel in site-packages has no Snakefile beside it.
    found = Path(k2meta.__file__).parents[2] / "Snakefile"
    return shlex.quote(str(found)) if found.is_file() else "path/to/k2meta/Snakefile"
