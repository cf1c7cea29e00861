"""Files of other programs, read as bytes, and what an import made of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from k2meta.intake import IMPORTERS, Intake, Options, Source
from k2meta.types import ProjectError

FILES = Path(__file__).parent / "files"
ROOT = Path(__file__).parents[2]


def source(name: str, *changes: tuple[str, str], encoding: str = "utf-8") -> Source:
    """Return a file, with changes to its text."""
    text = (FILES / name).read_bytes().decode(encoding)
    for old, new in changes:
        assert old in text, f"{old!r} is not in {name}"
        text = text.replace(old, new, 1)
    return Source(name, text.encode(encoding))


def text(name: str, content: str) -> Source:
    """Return a file made of a text."""
    return Source(name, content.encode("utf-8"))


def rows(found: Intake, table: str) -> list[dict[str, str]]:
    """Return the rows of a table that an import wrote."""
    return list(csv.DictReader(io.StringIO(found.files[f"{table}.csv"].decode("utf-8"), newline="")))


def refusals(format: str, sources: list[Source], **options: object) -> list[str]:
    """Return the problems of an import that must be refused."""
    with pytest.raises(ProjectError) as error:
        IMPORTERS[format](sources, Options(**options))  # type: ignore[arg-type]
    return [str(problem) for problem in error.value.problems]


@pytest.fixture
def bring() -> Callable[..., Intake]:
    """Import files."""

    def call(format: str, *sources: Source, **options: object) -> Intake:
        return IMPORTERS[format](list(sources), Options(**options))  # type: ignore[arg-type]

    return call
