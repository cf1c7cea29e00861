"""`k2meta …`: one thin command per stage (read, call, write), and the tools people type."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from k2meta.commands.calibrate import calibrate
from k2meta.commands.challenge import challenge
from k2meta.commands.check import check
from k2meta.commands.crate import crate
from k2meta.commands.effects import effects
from k2meta.commands.figures import figures
from k2meta.commands.fits import fits
from k2meta.commands.intake import NamesItsFormats, export_project, import_files
from k2meta.commands.mcmc import mcmc
from k2meta.commands.metadata import metadata
from k2meta.commands.new import new
from k2meta.commands.pdf import pdf
from k2meta.commands.provenance import provenance
from k2meta.commands.records import records
from k2meta.commands.report import report
from k2meta.commands.sensitivity import sensitivity
from k2meta.commands.tables import tables
from k2meta.commands.trace import trace
from k2meta.models.errors import ModelError
from k2meta.types import ProjectError

STAGES = (records, effects, fits, mcmc, sensitivity, figures, tables, provenance, report, pdf, crate)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Clinical-trial meta-analysis, reproducible from the printed cell to the sentence.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("k2meta"))
        raise typer.Exit


@app.callback()
def _start(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and stop.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


for name, tool in (
    ("new", new),
    ("import", import_files),
    ("check", check),
    ("trace", trace),
    ("export", export_project),
    ("challenge", challenge),
    ("calibrate", calibrate),
    ("metadata", metadata),
):
    kind = NamesItsFormats if name in ("import", "export") else None
    app.command(name, rich_help_panel="For people", cls=kind)(tool)
for stage in STAGES:
    app.command(rich_help_panel="Stages, in the order in which snakemake runs them")(stage)


def main() -> None:
    """Run a command; a project that cannot be used is explained on standard error, with exit code 2."""
    try:
        app()
    except ProjectError as error:
        count = len(error.problems)
        print(f"k2meta: {count} problem{'s' if count > 1 else ''}; nothing was written.", file=sys.stderr)
        for problem in error.problems:
            print(f"  {problem}", file=sys.stderr)
        sys.exit(2)
    except ModelError as error:
        # Settings that are each allowed and do not go together, such as Kenward-Roger with DerSimonian-Laird.
        print(f"k2meta: {error}. Fix: change the model in config/config.yaml (config/README.md)", file=sys.stderr)
        sys.exit(2)
