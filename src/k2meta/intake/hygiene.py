"""CSV files as people have them: each unusual spelling is accepted by an option of its own, or refused in words.

Everything is read as text first. A number is accepted in the plain form (ASCII digits, a decimal point); `ACCEPT`
lists the other spellings. What is accepted keeps its digits: ``0.040`` is not ``0.04``.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from k2meta.intake.types import Decision, Kind, Options, Read, refuse
from k2meta.records.cells import Fault, parse_number
from k2meta.records.printed import NUMBER
from k2meta.types import Problem, ProjectError

ACCEPT = {
    "unicode-minus": "U+2212 and dashes before a number are a minus",
    "spaces": "no-break, thin and figure spaces around a number or between its thousands",
    "thousands": "1,834 is 1834 (with --decimal-comma: 1.834)",
    "missing-words": "NR, NA, n/a, not reported, - and the like are empty cells",
    "bound": "<0.001 in a p column goes to p_printed",
    "mean-sd": "12.3 (4.5) or 12.3 ± 4.5 in a mean column is mean and SD",
    "range": "-86 to 53 in an interval column is its two limits",
    "excel-date": "9-Oct is 9.10, where only one number can have been typed",
    "blank-columns": "columns without a name and without a value are left out",
    "blank-rows": "rows without a value are left out",
    "duplicate-headers": "the second column of a name is called name_2",
    "fill-down": "an empty study, author or year cell is that of the row above (merged cells)",
    "total-row": "a row labelled total, overall, pooled or summary is left out",
    "formula-text": "text that a spreadsheet would run is kept behind an apostrophe",
}

MINUS = "\N{MINUS SIGN}\N{EN DASH}\N{EM DASH}\N{FIGURE DASH}\N{NON-BREAKING HYPHEN}\N{HYPHEN}"
SPACES = "\N{NO-BREAK SPACE}\N{THIN SPACE}\N{NARROW NO-BREAK SPACE}\N{FIGURE SPACE}\N{HAIR SPACE}"
_LEADING_MINUS = re.compile(f"^[{MINUS}](?=[0-9.,])")
_MISSING = re.compile(
    r"n\.?/?[arsd]\.?|#n/a|none|null|missing|unknown|not (reported|stated|seen|given|available)|[-.?–—]+", re.I
)
_BOUND = re.compile(r"[<>≤≥] ?[0-9.,]+(?:[eE][+-]?[0-9]+)?")
_SIGNED = rf"[+-{MINUS}]?[0-9][0-9.,{SPACES}]*(?:[eE][+-]?[0-9]+)?"
_MEAN_SD = re.compile(rf"({_SIGNED})\s*(?:\(\s*(?:SD\s*)?([0-9][0-9.,]*)\s*\)|(?:±|\+/-)\s*([0-9][0-9.,]*))")
_RANGE = re.compile(rf"[(\[]?\s*({_SIGNED})\s*(?:to|;|\.\.)\s*({_SIGNED})\s*[)\]]?")
_TOTAL = re.compile(r"\W*(grand )?(total|overall|pooled|summary|subtotal)\b.*", re.I)
_FORMULA = re.compile(r"^[=+\-@\t\r]")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_MONTH = re.compile(r"0?([1-9]|[12][0-9]|3[01])[-. /]+(oct|nov|dec)[a-z]*\.?", re.I)
_GROUPS = {
    False: re.compile(r"-?[1-9][0-9]{0,2}(,[0-9]{3})+(\.[0-9]+)?"),
    True: re.compile(r"-?[1-9][0-9]{0,2}(\.[0-9]{3})+(,[0-9]+)?"),
}
_ENCODINGS = ("utf-8", "cp1252", "latin-1", "utf-16", "cp1250", "cp1251", "mac-roman")
MAX_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class Sheet:
    """A CSV file as text: ``rows[i]`` maps a column to its cell, ``numbers[i]`` is its row in the file."""

    file: str
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]
    numbers: tuple[int, ...]
    decisions: tuple[Decision, ...] = ()

    def cell(self, i: int, column: str) -> Read:
        """Return the cell of a row, empty where the column is missing."""
        return Read(self.file, self.numbers[i], column, self.rows[i].get(column, ""))


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A number as text in the plain form: ``kind`` and ``why`` say how it was read, ``also`` is a second one."""

    text: str
    kind: Kind = "copied"
    why: str = "as printed"
    also: str = ""


def decode(file: str, raw: bytes, options: Options) -> str:
    """Return the text of a file.

    Raises
    ------
    ProjectError
        Too large, empty, NUL bytes, an encoding that is not known or does not fit (with the row).
    """
    if options.encoding.lower() not in _ENCODINGS:
        raise refuse(
            file, f"the encoding {options.encoding} is not offered", f"use one of {', '.join(_ENCODINGS)}"
        )
    if len(raw) > MAX_BYTES:
        raise refuse(file, f"holds {len(raw):,} bytes; at most {MAX_BYTES:,} are read", "split the file")
    name = options.encoding.lower()
    if name == "utf-8" and raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise refuse(file, "is UTF-16", "add --encoding utf-16, or save it as UTF-8", row=1)
    if name == "utf-8":
        # The mark is no text: positions of bad bytes are counted without it.
        raw = raw.removeprefix(codecs.BOM_UTF8)
    try:
        text = raw.decode(name)
    except UnicodeDecodeError as error:
        row = raw[: error.start].count(b"\n") + 1
        what = f"byte 0x{raw[error.start]:02x} is not {options.encoding}"
        fix = "save the file as UTF-8, or add --encoding cp1252 if it comes from Windows"
        raise refuse(file, what, fix, row=row) from None
    if "\0" in text:
        row = text[: text.index("\0")].count("\n") + 1
        raise refuse(file, "holds a NUL byte: not a text file", "save it as CSV text, not as a workbook", row=row)
    if not text.strip():
        raise refuse(file, "the file is empty", "name a file with a header row and at least one row")
    return text


def read_sheet(file: str, raw: bytes, options: Options, labels: Sequence[str] = ()) -> Sheet:
    """Return a CSV file as text, with every problem of its shape.

    Parameters
    ----------
    labels : sequence of str
        Columns that name a study; merged cells and a total row are looked for there.

    Raises
    ------
    ProjectError
        With every problem of the shape, each with the option that would accept it.
    """
    rows = _parse(file, decode(file, raw, options), options)
    return _Shape(file, options, labels).sheet(rows)


def _parse(file: str, text: str, options: Options) -> list[list[str]]:
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=options.separator, strict=True))
    except csv.Error as error:
        raise refuse(
            file, f"is not CSV: {error}", "quote cells that hold a separator, a quote or a line break"
        ) from None
    rows = [[cell.strip(" \t\r\n") for cell in row] for row in rows]
    while rows and not any(rows[-1]):
        rows.pop()
    if not rows:
        raise refuse(file, "the file is empty", "name a file with a header row and at least one row")
    if len(rows[0]) == 1:
        for mark, name in ((";", "';'"), ("\t", "$'\\t'"), (",", "','")):
            if mark != options.separator and rows[0][0].count(mark):
                what = f"the header is one cell that holds {name}"
                raise refuse(file, what, f"add --separator {name}", row=1)
    if len(rows) == 1:
        raise refuse(file, "has a header and no rows", "name a file with at least one row")
    return rows


class _Shape:
    """Collects the problems and decisions of one file's shape."""

    def __init__(self, file: str, options: Options, labels: Sequence[str]) -> None:
        self.file, self.options, self.labels = file, options, labels
        self.problems: list[Problem] = []
        self.decisions: list[Decision] = []

    def allowed(self, name: str, what: str, row: int | None = None, column: str = "") -> bool:
        """Whether an option accepts what was met; if not, it is a problem that names the option."""
        if name in self.options.accept:
            why = f"--accept {name}: {ACCEPT[name]}"
            self.decisions.append(Decision("cleaned", self.file, row, column, what, "", "", "", "", why))
            return True
        fix = f"mend the file, or add --accept {name} ({ACCEPT[name]})"
        self.problems.append(Problem(self.file, what, fix, row, column or None))
        return False

    def sheet(self, rows: list[list[str]]) -> Sheet:
        header, keep = self._header(rows)
        body: list[Mapping[str, str]] = []
        numbers: list[int] = []
        for number, row in enumerate(rows[1:], start=2):
            cells = self._row(number, row, len(rows[0]), keep)
            if cells is None:
                continue
            named = dict(zip(header, cells, strict=True))
            label = next((named[name] for name in self.labels if named.get(name)), "")
            if label and _TOTAL.fullmatch(label):
                self.allowed("total-row", f'"{label}" looks like a total, not a study', number)
                continue
            body.append(self._filled(named, body[-1] if body else {}, number))
            numbers.append(number)
        if self.problems:
            raise ProjectError(tuple(self.problems))
        if not body:
            raise refuse(self.file, "has no rows of studies", "name a file with at least one row")
        return Sheet(self.file, header, tuple(body), tuple(numbers), tuple(self.decisions))

    def _header(self, rows: list[list[str]]) -> tuple[tuple[str, ...], list[int]]:
        names: list[str] = []
        keep: list[int] = []
        for i, name in enumerate(rows[0]):
            if not name:
                if any(i < len(row) and row[i] for row in rows[1:]):
                    what = f"column {i + 1} has values and no name"
                    self.problems.append(Problem(self.file, what, "name the column", 1))
                else:
                    self.allowed("blank-columns", f"column {i + 1} has no name and no value", 1)
                continue
            number = 2
            unique = name
            while unique in names:
                unique = f"{name}_{number}"
                number += 1
            if unique != name:
                self.allowed("duplicate-headers", f'the column "{name}" stands twice', 1, name)
            names.append(unique)
            keep.append(i)
        return tuple(names), keep

    def _row(self, number: int, row: list[str], width: int, keep: list[int]) -> list[str] | None:
        if not any(row):
            self.allowed("blank-rows", "the row is blank", number)
            return None
        if len(row) != width and any(row[width:] or ["missing"] if len(row) < width else row[width:]):
            what = f"has {len(row)} cells, the header has {width}"
            fix = "quote a cell that holds the separator, or add the missing separators"
            self.problems.append(Problem(self.file, what, fix, number))
            return None
        return [row[i] for i in keep]

    def _filled(self, cells: dict[str, str], above: Mapping[str, str], number: int) -> dict[str, str]:
        """Fill an empty label from the row above where the option says so."""
        for name in self.labels:
            if name in cells and not cells[name] and above.get(name):
                what = f"{name} is empty; the row above has {above[name]}"
                if self.allowed("fill-down", what, number, name):
                    cells = {**cells, name: above[name]}
        return cells


def clean_number(cell: Read, options: Options, *, words: Sequence[str] = (), pair: str = "") -> Cleaned | Problem:
    """Return a number in the plain form, or why it is refused and which option would accept it.

    Parameters
    ----------
    words : sequence of str
        Words that stand for a missing value in this format, accepted without an option.
    pair : {"", "mean-sd", "range"}
        Whether the cell may hold two numbers.
    """
    text = cell.text
    if text == "" or text in words:
        return Cleaned("", "copied" if not text else "cleaned", "stands for a missing value in this format")
    plain = _spelled(text, options)
    if isinstance(plain, Cleaned):
        fault = parse_number(plain.text, cell.column) if plain.text else None
        return cell.problem(fault.what, fault.fix, fault.rule) if isinstance(fault, Fault) else plain
    if pair and pair in plain.wanted and pair in options.accept:
        return _pair(cell, text, pair, options)
    if not plain.wanted:
        fault = parse_number(text, cell.column)
        if isinstance(fault, Fault):
            return cell.problem(fault.what, fault.fix, fault.rule)
        what = f'"{text}" has a point in a file of decimal commas'
        return cell.problem(what, "write the decimal sign of the file, or read it without --decimal-comma")
    return cell.problem(f'"{text}" is not a plain number', f"write the plain number{_or_add(cell, plain)}")


def _or_add(cell: Read, plain: _Wanted) -> str:
    """Return in words which options would read a number; JSON and XML have no decimal comma."""
    wanted = plain.wanted
    if cell.file.lower().endswith((".json", ".xml", ".rm5")):
        wanted = tuple(name for name in wanted if name != "decimal-comma" or not plain.either)
        if "decimal-comma" in wanted:
            return ""
    meaning = {name: f"--accept {name} ({what})" for name, what in ACCEPT.items()}
    meaning["decimal-comma"] = "--decimal-comma (the comma is the decimal sign)"
    if wanted != plain.wanted:
        meaning["thousands"] = "--accept thousands (1,834 is 1834)"
    options = [meaning[name] for name in wanted]
    if plain.either and len(options) > 1:
        return f", or add either {' or '.join(options)}"
    return f", or add {' and '.join(options)}"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Options that a spelling needs: all of them, or ``either``."""

    wanted: tuple[str, ...] = ()
    either: bool = False


def _spelled(text: str, options: Options) -> Cleaned | _Wanted:
    """Return the plain form of another spelling, or the options that it would need."""
    if NUMBER.fullmatch(text) and not (options.decimal_comma and "." in text):
        return Cleaned(text)
    used: list[str] = []
    now = text
    if any(mark in now for mark in SPACES):
        used.append("spaces")
        now = _unspaced(now)
    if _LEADING_MINUS.match(now):
        used.append("unicode-minus")
        now = "-" + now[1:]
    if _GROUPS[options.decimal_comma].fullmatch(now):
        used.append("thousands")
        now = now.replace("." if options.decimal_comma else ",", "")
    if options.decimal_comma:
        if "." in now:
            return _Wanted()
        now = now.replace(",", ".", 1)
    elif re.fullmatch(r"-?[0-9]+,[0-9]+", now):
        used.append("decimal-comma")
        now = now.replace(",", ".")
    if not NUMBER.fullmatch(now):
        return _whole(text, options)
    if set(used) <= options.accept:
        why = f"--accept {' '.join(used)}" if used else "decimal comma"
        return Cleaned(now, "cleaned", why)
    if used == ["thousands"]:
        # 1,834 is 1834 or 1.834: both options are offered, and neither is guessed.
        either = "." not in now and not options.decimal_comma
        return _Wanted(("thousands", "decimal-comma"), either=True) if either else _Wanted(("thousands",))
    return _Wanted(tuple(name for name in used if name not in options.accept))


def _unspaced(text: str) -> str:
    """Drop the spaces around a number and between its thousands; others stay and are refused."""
    bare = text.strip(SPACES + " ")
    grouped = re.fullmatch(rf"([+-{MINUS}]?[0-9]{{1,3}}(?:[{SPACES}][0-9]{{3}})+)([.,][0-9]+)?", bare)
    return re.sub(f"[{SPACES}]", "", bare) if grouped else bare


def _whole(text: str, options: Options) -> Cleaned | _Wanted:
    """Read what is no single number: a missing word, a bound, a date, two numbers."""
    if _MISSING.fullmatch(text):
        why = "--accept missing-words"
        return Cleaned("", "cleaned", why) if "missing-words" in options.accept else _Wanted(("missing-words",))
    date = _DAY_MONTH.fullmatch(text)
    if date:
        month = _MONTHS.index(date.group(2).lower()) + 1
        if "excel-date" in options.accept:
            why = f"--accept excel-date: a spreadsheet turned {date.group(1)}.{month} into a date; check the paper"
            return Cleaned(f"{date.group(1)}.{month}", "cleaned", why)
        return _Wanted(("excel-date",))
    if _MEAN_SD.fullmatch(text):
        return _Wanted(("mean-sd",))
    return _Wanted(("range",)) if _RANGE.fullmatch(text) else _Wanted()


def _pair(cell: Read, text: str, pair: str, options: Options) -> Cleaned | Problem:
    """Read two numbers of one cell, each by the options that single numbers need."""
    match = (_MEAN_SD if pair == "mean-sd" else _RANGE).fullmatch(text)
    if match is None:
        return cell.problem(f'"{text}" does not hold two numbers', "give each number its own column")
    found = []
    for part in (group for group in match.groups() if group is not None):
        one = clean_number(replace(cell, text=part.strip(" ")), options)
        if isinstance(one, Problem):
            return one
        found.append(one)
    why = "; ".join(dict.fromkeys([f"--accept {pair}", *(one.why for one in found if one.kind == "cleaned")]))
    return Cleaned(found[0].text, "cleaned", why, found[1].text)


def is_bound(text: str) -> bool:
    """Whether a cell is a bound such as ``<0.001``."""
    return _BOUND.fullmatch(text) is not None


def clean_text(cell: Read, options: Options) -> Cleaned | Problem:
    """Return a text cell; one that a spreadsheet would run needs the option, and gets an apostrophe."""
    text = cell.text
    if not _FORMULA.match(text) or NUMBER.fullmatch(text):
        return Cleaned(text)
    if "formula-text" in options.accept:
        return Cleaned(f"'{text}", "cleaned", "--accept formula-text: an apostrophe keeps it text")
    what = f'"{text[:40]}" would run as a formula in a spreadsheet'
    return cell.problem(what, f"reword it, or add --accept formula-text ({ACCEPT['formula-text']})")


def neutralised(text: str) -> str:
    """Return text that no spreadsheet runs as a formula (numbers are left alone)."""
    return f"'{text}" if _FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def to_csv(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    """Return a CSV file: UTF-8, LF, shortest-repr floats, formulas neutralised."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        texts = ("" if cell is None else repr(cell) if isinstance(cell, float) else str(cell) for cell in row)
        writer.writerow([neutralised(text) for text in texts])
    return buffer.getvalue().encode("utf-8")
