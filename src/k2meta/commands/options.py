"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path, typer.Argument(help="Project folder: holds data/ and config/.")]
ConfigFile = Annotated[Path, typer.Option("--config", help="Merged settings of this run.")]
ResultsFolder = Annotated[Path, typer.Option("--results", help="Folder of the earlier stages' results.")]
Into = Annotated[Path, typer.Option("--into", help="Folder to write to.")]
Out = Annotated[Path, typer.Option("--out", help="File to write.")]

RESULTS = Path("results")
CONFIG = RESULTS / "config.json"
DRAWINGS = "figures"
"""Folder of the results with the figures as the page shows them."""
NARROW = ".narrow.svg"
"""Ending of a figure there that is drawn for the screen of a phone."""
