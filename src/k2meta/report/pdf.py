"""The report as a PDF: the blocks of the page through Typst, with bundled fonts and no clock."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from k2meta.report.blocks import document

if TYPE_CHECKING:
    from typst import PDFStandard

ACCESSIBLE: PDFStandard = "ua-1"
"""PDF/UA-1: tagged, with a title, a language and words for every picture."""


@dataclass(frozen=True, slots=True)
class Pdf:
    """A PDF and what it claims to be.

    Attributes
    ----------
    raw : bytes
        The file.
    standard : str
        ``"PDF/UA-1"``, or ``"tagged PDF"`` where the text holds letters that no carried font has.
    why : str
        Why the standard was not reached, in the words of the typesetter; empty where it was.
    """

    raw: bytes
    standard: str
    why: str = ""


def render_pdf(page: str) -> Pdf:
    """Print the finished page on A4.

    Parameters
    ----------
    page : str
        The report as `k2meta.report.render_html` writes it.

    Returns
    -------
    Pdf
        The same bytes for the same page: no time stamp, no font of the machine, no network.

    Raises
    ------
    typst.TypstError
        When the template does not suit the page, which no text in the page can cause.
    """
    import typst

    try:
        return Pdf(_compiled(page, [ACCESSIBLE]), "PDF/UA-1")
    except typst.TypstError as error:
        return Pdf(_compiled(page, []), "tagged PDF", str(error))


def _compiled(page: str, standards: list[PDFStandard]) -> bytes:
    import matplotlib
    import typst

    # The figures are set in the font in which their text was measured; it comes with matplotlib.
    drawn = str(Path(matplotlib.get_data_path(), "fonts", "ttf"))
    template = resources.files("k2meta.report").joinpath("templates", "report.typ").read_bytes()
    return typst.compile(
        template,
        format="pdf",
        font_paths=typst.Fonts(include_system_fonts=False, font_paths=[drawn]),
        sys_inputs={"document": json.dumps(document(page), ensure_ascii=False)},
        pdf_standards=standards,
        timestamp=0,
    )
