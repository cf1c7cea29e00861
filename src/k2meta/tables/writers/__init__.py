"""The tables in the formats that journals ask for, each a function from tables to files; nothing is saved here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from k2meta.tables.types import TableData
from k2meta.tables.writers.latex import latex
from k2meta.tables.writers.word import word

WRITERS: dict[str, Callable[[Mapping[str, TableData], str, Sequence[str]], dict[str, bytes]]] = {
    "tex": latex,
    "docx": word,
}
"""By ending: from the tables, the title and the authors of the review to file names beside the CSVs and bytes."""

__all__ = ["WRITERS"]
