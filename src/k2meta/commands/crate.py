"""`k2meta crate`: the RO-Crate of a build, at the root of the project."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import typer

from k2meta import io
from k2meta.citation import CRATE, run_crate
from k2meta.commands.options import CONFIG, ConfigFile, Folder, Out


def crate(folder: Folder = Path(), config: ConfigFile = CONFIG, out: Out = Path(CRATE)) -> None:
    """Write what went in, what ran and what came out, with sizes and SHA-256, as an RO-Crate."""
    workflow = folder / "Snakefile"
    made = run_crate(
        io.read_json(config)["review"],
        io.read_json(folder / "data" / "datapackage.json"),
        version("k2meta"),
        {**io.read_inputs(folder), "config/config.yaml": io.read_raw(folder / "config" / "config.yaml")},
        io.read_outputs(folder),
        {workflow.name: io.read_raw(workflow)} if workflow.exists() else {},
    )
    io.write_json(out, made)
    typer.echo(f"crate: {out}")
