"""`k2meta pdf`: the finished page on A4."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from k2meta import io
from k2meta.commands.options import Out
from k2meta.report.pdf import render_pdf

Page = Annotated[Path, typer.Option("--page", help="The report as HTML.")]


def pdf(page: Page = Path("reports/report.html"), out: Out = Path("reports/report.pdf")) -> None:
    """Print the report as a tagged PDF, with the sentences, numbers and figures of the page."""
    made = render_pdf(io.read_text(page))
    io.write_bytes(out, made.raw)
    typer.echo(f"pdf: {out} ({made.standard})")
    if made.why:
        typer.echo(f"pdf: PDF/UA-1 was not reached: {made.why}", err=True)
