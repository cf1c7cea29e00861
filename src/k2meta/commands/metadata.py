"""`k2meta metadata`: how to cite the software and the data, in the formats that archives read."""

from __future__ import annotations

from pathlib import Path

import typer

from k2meta import io
from k2meta.citation import data_package, software
from k2meta.commands.options import Folder
from k2meta.types import Problem, ProjectError


def metadata(folder: Folder = Path()) -> None:
    """Write CITATION.cff, .zenodo.json and codemeta.json from pyproject.toml and config.yaml.

    Version, authors and licence of data/datapackage.json are set too; its other fields are left as they are.
    """
    for name, raw in metadata_files(folder).items():
        io.write_bytes(folder / name, raw)
        typer.echo(f"metadata: {name}")


def metadata_files(folder: Path) -> dict[str, bytes]:
    """Return the files that `metadata` writes, by name relative to the project."""
    project = io.read_toml(folder / "pyproject.toml").get("project", {})
    wanted = (
        "name",
        "version",
        "description",
        "license",
        "authors",
        "keywords",
        "requires-python",
        "dependencies",
    )
    found = [
        Problem("pyproject.toml", f"[project] has no {name}", f"add {name}")
        for name in wanted
        if name not in project
    ]
    if found:
        raise ProjectError(tuple(found))
    settings, _ = io.read_yaml(folder / "config" / "config.yaml", "config/config.yaml")
    io.checked_settings(settings, folder / "config" / "config.yaml")
    package = io.read_json(folder / "data" / "datapackage.json", "data/datapackage.json")
    made = software(project, settings["review"])
    return {**made, "data/datapackage.json": data_package(package, project, settings["review"])}
