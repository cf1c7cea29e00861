"""Numbers of a built page that no source holds: what is read, what counts as a source, what is left over.

A digit group of the page is at home in one of these places:

* inside ``<data value data-from>``, which names a field of the results;
* in a cell of a table that names the file it repeats (``data-file``), where that cell rounds to the cell shown;
* in text that stands word for word in data/, config/, results/ or the provenance (names, reasons, rules);
* in the number of a heading, which the order of the sections makes.

The text of a figure is drawn from the file beside it, which the figure's own tests hold; it is not read here.
The title of a card's strip cannot hold elements: each of its numbers has to be one that a cited number writes.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import yaml

from k2meta import io

INLINE = {"a", "b", "code", "sup", "span", "i", "em"}
VOID = {"meta", "img", "br", "link", "input", "hr"}
UNREAD = {"style", "script"}
AS_SET = "as-set"
"""Class of a setting of the review that may be a bare number: its version, its date."""
CITED = "\N{WHITE SQUARE}"
"""Stands in a run of text where a cited number stood."""

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_WORD = re.compile(r"[^\s(),;:]*\d(?:[^\s(),;:]*[^\s(),;:.])?")
_COMPOUND = re.compile(r"[^\W\d]|\d[-.]\d+[-.]\d")
"""What tells a text from a bare number: a letter, or the two separators of a date, a version or an address."""


@dataclass(frozen=True)
class Run:
    """A run of text that people read as one piece, and the table cell in which it stands, if any."""

    text: str
    where: str
    file: str = ""
    row: int = -1
    column: str = ""


@dataclass
class _Table:
    file: str
    head: list[str] = field(default_factory=list)
    row: int = -1
    column: int = -1


class Runs(HTMLParser):
    """The page as runs of text, without what is cited and without the numbers of headings."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.runs: list[Run] = []
        self.drawn: list[str] = []
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self._tables: list[_Table] = []
        self._text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag not in INLINE | {"data"} or found.get("class") == AS_SET:
            self._flush()
        self._text += " " * (tag in INLINE)
        if tag in VOID:
            return
        self._open.append((tag, found))
        if tag == "table":
            self._tables.append(_Table(found.get("data-file") or ""))
        elif tag == "tr" and self._tables and not self._inside("thead"):
            self._tables[-1].row += 1
            self._tables[-1].column = -1
        elif tag in ("td", "th") and self._tables:
            self._tables[-1].column += 1

    def handle_endtag(self, tag: str) -> None:
        if tag not in INLINE | {"data"} or self._open[-1][1].get("class") == AS_SET:
            self._flush()
        self._text += CITED if tag == "data" else " " * (tag in INLINE)
        if tag == "table":
            self._tables.pop()
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if any(tag in UNREAD for tag, _ in self._open) or self._inside("data"):
            return
        if self._inside("svg", "k2-figure"):
            return
        if self._inside("svg"):
            self.drawn.append(normal(data))
            return
        if self._open and self._open[-1][1].get("class") == "number":
            return
        self._text += data

    def _inside(self, tag: str, role: str = "") -> bool:
        return any(name == tag and role in (found.get("class") or "") for name, found in self._open)

    def _flush(self) -> None:
        text, self._text = normal(self._text), ""
        table = self._tables[-1] if self._tables else None
        if table is not None and self._open and self._open[-1][0] == "th" and self._inside("thead"):
            table.head.append(text)
        if not re.search(r"\d", text):
            return
        if self._open and self._open[-1][1].get("class") == AS_SET:
            self.runs.append(Run(text, AS_SET))
            return
        where = next((str(a["id"]) for _, a in reversed(self._open) if a.get("id")), "page")
        if table is None or self._inside("caption") or self._inside("thead"):
            self.runs.append(Run(text, where))
            return
        column = table.head[table.column] if table.column < len(table.head) else ""
        self.runs.append(Run(text, where, table.file, table.row, column))


def normal(text: str) -> str:
    """Write text in one form: small letters, plain minus signs and blanks, Greek letters of models in full."""
    text = re.sub(r"[\u2212\u2013\u2010\u2011]", "-", text.lower()).replace("τ²", "tau2").replace("\u2009", "")
    return " ".join(text.split())


class Sources:
    """Everything a page may repeat: texts word for word, and the cells of the published tables."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = {normal(text) for text in _leaves(io.read_json(folder / "results" / "config.json"))}
        methods = Path(io.__file__).parent / "report" / "methods.bib"
        self.references = _references(folder / "data" / "references.bib") | _references(methods)
        with (folder / "reports" / "numbers.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        self.listed = {
            "id": {normal(row["id"]) for row in rows},
            "full value": {normal(repr(float(row["value"]))) for row in rows},
            "written": {normal(form) for row in rows for form in row["written"].split(io.JOIN)},
        }
        self._texts: dict[str, set[str]] = {}
        for text in _strings(folder):
            self._add(normal(text))
        # A version may be one digit, which is a source only beside its word.
        self._add(normal(f"version {io.read_json(folder / 'results' / 'config.json')['review']['version']}"))

    def _add(self, text: str) -> None:
        text = text.rstrip(".")
        if _COMPOUND.search(text) and (word := _WORD.search(text)):
            self._texts.setdefault(word.group(), set()).add(text)

    def without(self, run: Run) -> str:
        """Return a run of text with everything taken out that stands so in a source, longest first."""
        text = run.text
        texts = set(self.references.get(run.where, ()))
        texts |= {t for word in _WORD.findall(text) for t in self._texts.get(word, ()) if t in text}
        for source in sorted(texts, key=len, reverse=True):
            text = re.sub(rf"(?<!\w){re.escape(source)}(?!\w)", " ", text)
        return text


def _strings(folder: Path) -> Iterator[str]:
    for path in sorted((folder / "data").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            yield from (cell for row in csv.reader(file) for cell in row)
    yield from _leaves(yaml.safe_load((folder / "config" / "config.yaml").read_text("utf-8")))
    for path in sorted((folder / "results").rglob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            yield from (part for row in csv.reader(file) for cell in row for part in cell.split(io.JOIN))
    for path in [*sorted((folder / "results").rglob("*.json")), folder / "reports" / "provenance.json"]:
        yield from _leaves(json.loads(path.read_text("utf-8")))


def _references(path: Path) -> dict[str, set[str]]:
    """Return by the anchor of a reference what its line may hold: the fields of its entry, and its address."""
    if not path.exists():
        return {}
    found = {}
    for entry in io.read_bibliography(path):
        fields = {normal(value).rstrip(".") for value in entry.values()}
        found[f"ref-{entry['key']}"] = fields | {f"https://doi.org/{normal(entry.get('doi', ''))}"} - {""}
    return found


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (leaf for pair in value.items() for one in pair for leaf in _leaves(one))
    elif isinstance(value, list):
        yield from (leaf for item in value for leaf in _leaves(item))


def orphans(page: str, sources: Sources, allowed: Iterable[str] = ()) -> list[Run]:
    """Return the runs of a page in which a digit is left that no source holds."""
    tables: dict[str, list[dict[str, str]]] = {}
    found = []
    for run in Runs(page).runs:
        if run.file and _filed(run, sources.folder, tables):
            continue
        if run.where == AS_SET and run.text in sources.settings:
            continue
        if run.where == "numbers" and set(run.text.split(", ")) <= sources.listed.get(run.column, set()):
            continue
        left = sources.without(run)
        for literal in allowed:
            left = left.replace(literal, " ")
        if re.search(r"\d", left):
            found.append(Run(left, run.where, run.file, run.row, run.column))
    return found


def orphans_in_strips(page: str, sources: Sources, allowed: Iterable[str] = ()) -> list[str]:
    """Return the numbers in the titles of the strips that no cited number of the page writes."""
    known = {number for form in sources.listed["written"] for number in NUMBER.findall(form)}
    found = []
    for title in Runs(page).drawn:
        left = sources.without(Run(title, "strip"))
        for literal in allowed:
            left = left.replace(literal, " ")
        found += [f"{number} in {title}" for number in NUMBER.findall(left) if number not in known]
    return found


def _filed(run: Run, folder: Path, tables: dict[str, list[dict[str, str]]]) -> bool:
    """Whether a cell repeats, rounded, the cell of its file that stands in the same row and column.

    A column that people read and the file does not hold under that name repeats nothing.
    """
    if run.file not in tables:
        with (folder / "reports" / run.file).open(encoding="utf-8", newline="") as file:
            tables[run.file] = list(csv.DictReader(file))
    value = normal(tables[run.file][run.row].get(run.column, ""))
    if run.text == value:
        return True
    try:
        shown, full = float(run.text), float(value)
    except ValueError:
        return False
    digits = len(re.sub(r"^-?0\.0*|e.*|\D", "", run.text))
    return math.isclose(shown, full, rel_tol=0.51 * 10.0 ** (1 - digits), abs_tol=0.0)
