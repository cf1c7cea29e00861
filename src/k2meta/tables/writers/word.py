"""Word: the tables that go into a manuscript, in one file, the same bytes for the same tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from k2meta.numbers import plain
from k2meta.tables.types import Shown, TableData

if TYPE_CHECKING:
    from docx.document import Document
    from docx.oxml.xmlchemy import BaseOxmlElement
    from docx.table import Table, _Cell

CHOSEN = ("summary_of_findings", "pooled_results", "characteristics")
"""Tables in the order in which a manuscript prints them; one that a review does not have is left out."""

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a ZIP entry can carry: no clock enters the file."""

# What XML 1.0 cannot hold.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def word(tables: Mapping[str, TableData], title: str, authors: Sequence[str]) -> dict[str, bytes]:
    """Write the chosen tables as one Word file with landscape pages.

    Returns
    -------
    dict
        ``../tables.docx`` to bytes: beside the folder of the single tables.
    """
    from docx import Document
    from docx.shared import Pt

    document = Document()
    _landscape(document)
    document.styles["Normal"].font.size = Pt(8)
    document.add_heading(_text(title), level=1)
    for name in CHOSEN:
        if name in tables and tables[name].rows:
            _add(document, tables[name])
    _properties(document, title, authors)
    buffer = BytesIO()
    document.save(buffer)
    return {"../tables.docx": _without_clock(buffer.getvalue())}


def _landscape(document: Document) -> None:
    from docx.enum.section import WD_ORIENT
    from docx.shared import Mm

    page = document.sections[0]
    page.orientation = WD_ORIENT.LANDSCAPE
    page.page_width, page.page_height = Mm(297), Mm(210)
    page.left_margin = page.right_margin = Mm(18)


def _add(document: Document, table: TableData) -> None:
    document.add_heading(_text(table.caption), level=2)
    made = document.add_table(rows=1, cols=len(table.visible))
    for cell, column in zip(made.rows[0].cells, table.visible, strict=True):
        _fill(cell, Shown(column.label), column.numeric, bold=True)
    for row in table.shown:
        for cell, shown, column in zip(made.add_row().cells, row, table.visible, strict=True):
            _fill(cell, shown, column.numeric)
    _ruled(made)
    for note in table.notes:
        document.add_paragraph(_text(note))


def _fill(cell: _Cell, shown: Shown, numeric: bool, *, bold: bool = False) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Pt

    paragraph = cell.paragraphs[0]
    paragraph.paragraph_format.space_after = Pt(2)
    if numeric:
        paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    paragraph.add_run(_text(shown.text)).bold = bold
    if shown.mark:
        paragraph.add_run(",".join(shown.mark)).font.superscript = True


def _ruled(table: Table) -> None:
    """Draw a rule above, below and under the head, and repeat the head on every page."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    def rules(kind: str, *sides: str) -> BaseOxmlElement:
        borders = OxmlElement(kind)
        for side in sides:
            rule = OxmlElement(f"w:{side}")
            for name, value in (("val", "single"), ("sz", "6"), ("space", "0"), ("color", "auto")):
                rule.set(qn(f"w:{name}"), value)
            borders.append(rule)
        return borders

    properties = table._tbl.tblPr
    # Word wants the borders before these, in this order.
    later = [qn(f"w:{name}") for name in ("shd", "tblLayout", "tblCellMar", "tblLook")]
    place = next((i for i, child in enumerate(properties) if child.tag in later), len(properties))
    properties.insert(place, rules("w:tblBorders", "top", "bottom"))
    for cell in table.rows[0].cells:
        cell._tc.get_or_add_tcPr().append(rules("w:tcBorders", "bottom"))
    table.rows[0]._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))


def _properties(document: Document, title: str, authors: Sequence[str]) -> None:
    """Say what the file is; the dates of the empty template it grew from are removed."""
    properties = document.core_properties
    properties.title, properties.author = _text(title)[:255], _text("; ".join(authors))[:255]
    properties.comments = properties.last_modified_by = ""
    element = properties._element
    for child in list(element):
        if child.tag.rpartition("}")[2] in ("created", "modified", "lastPrinted"):
            element.remove(child)


def _text(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", plain(text))


def _without_clock(raw: bytes) -> bytes:
    """Pack the same entries again, each with the same fixed time."""
    buffer = BytesIO()
    with ZipFile(BytesIO(raw)) as old, ZipFile(buffer, "w", ZIP_DEFLATED) as new:
        for name in old.namelist():
            entry = ZipInfo(name, EPOCH)
            entry.compress_type, entry.external_attr, entry.create_system = ZIP_DEFLATED, 0o600 << 16, 3
            new.writestr(entry, old.read(name))
    return buffer.getvalue()
