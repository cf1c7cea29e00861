"""One cell at a time: text to a number or a plain statement of what stands there instead."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from k2meta.records.printed import NUMBER


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a cell and how to mend it."""

    what: str
    fix: str
    rule: str


_MINUS_LIKE = "\N{MINUS SIGN}\N{EN DASH}\N{EM DASH}\N{FIGURE DASH}\N{NON-BREAKING HYPHEN}\N{HYPHEN}"
_MINUS = re.compile(f"[{_MINUS_LIKE}]")
_BLANKS = (
    "\N{NO-BREAK SPACE}\N{THIN SPACE}\N{NARROW NO-BREAK SPACE}\N{FIGURE SPACE} '\N{RIGHT SINGLE QUOTATION MARK}"
)
_GROUPED = re.compile(rf"[+-]?[1-9][0-9]{{0,2}}(?:[,{_BLANKS}][0-9]{{3}})+(?:\.[0-9]+)?")
_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+")
_BOUND = re.compile(r"[<>≤≥~≈=].*")
_ABSENT = re.compile(
    r"n\.?/?[arsd]\.?|#n/a|none|null|missing|unknown|not (reported|stated|seen|given|available)|[-.?–—]+", re.I
)
_MONTHS = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DATE = re.compile(
    rf"[0-9]{{1,4}}[-./ ]{_MONTHS}(?:[-./ ][0-9]{{2,4}})?|{_MONTHS}[-./ ][0-9]{{1,4}}"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}|[0-9]{1,2}/[0-9]{1,2}",
    re.I,
)
_RANGE = re.compile(r"[+-]?[0-9.]+ ?(?:to|-|;|,) ?[+-]?[0-9.]+")
_PAIR = re.compile(r"[+-]?[0-9.]+ ?(?:\(.*\)|\[.*\]|±.*|\+/-.*)")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean X?`` for the nearest known word, or nothing where none is near."""
    options = list(known)
    same = [option for option in options if option.casefold() == word.casefold()]
    close = same or get_close_matches(word, options, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def parse_number(text: str, column: str = "") -> float | Fault:
    """Parse a number exactly, or say what stands in its place.

    Parameters
    ----------
    text : str
        A non-empty cell.
    column : str
        Its column; a bound such as ``<0.001`` is sent to ``p_printed`` from ``p_value``.
    """
    if NUMBER.fullmatch(text):
        value = float(text)
        if math.isfinite(value):
            return value
        return Fault(f'"{text}" is too large for a number', "check the exponent", "a number is finite")
    return _fault(text, column)


def parse_integer(text: str, column: str = "") -> float | Fault:
    """Parse a whole number (returned as a float, as every number of a record)."""
    value = parse_number(text, column)
    if isinstance(value, float) and not re.fullmatch(r"[+-]?[0-9]+", text):
        return Fault(f'"{text}" is not a whole number', "write digits only", "whole number")
    return value


def _fault(text: str, column: str) -> Fault:
    """Name what stands in a number cell, most specific first."""
    rule = "numbers are written with ASCII digits and a decimal point"
    ascii_minus = _MINUS.sub("-", text)
    if text.strip() != text and NUMBER.fullmatch(text.strip()):
        return Fault(f'"{text}" has blanks around the number', f"write {text.strip()}", rule)
    if text != ascii_minus and NUMBER.fullmatch(ascii_minus):
        dash = f"U+{ord(text[0]):04X}"
        what = f'"{text}" has a typographic minus ({dash})'
        return Fault(what, f"write {ascii_minus} with a hyphen-minus", rule)
    if _GROUPED.fullmatch(ascii_minus):
        digits = re.sub(rf"[,{_BLANKS}]", "", ascii_minus)
        also = (
            f", or {ascii_minus.replace(',', '.')} if the comma is decimal" if ascii_minus.count(",") == 1 else ""
        )
        return Fault(f'"{text}" has a thousands separator', f"write {digits}{also}", rule)
    if _COMMA.fullmatch(ascii_minus):
        return Fault(f'"{text}" has a decimal comma', f"write {ascii_minus.replace(',', '.')}", rule)
    return _fault_of_words(text, ascii_minus, column)


def _fault_of_words(text: str, ascii_minus: str, column: str) -> Fault:
    """Name what stands in a number cell where it is no single number."""
    rule = "a number cell holds one number or nothing"
    if re.fullmatch(r"[+-]?(nan|inf(inity)?)", text, re.I):
        return Fault(f'"{text}" is not a finite number', "leave the cell empty", rule)
    if _BOUND.fullmatch(text):
        words = f"leave p_value empty and write {text} in p_printed" if column == "p_value" else "leave it empty"
        return Fault(f'"{text}" is a bound, not a number', words, rule)
    if _ABSENT.fullmatch(text):
        return Fault(f'"{text}" stands for a missing value', "leave the cell empty", rule)
    if _DATE.fullmatch(text):
        what = f'"{text}" is a date; a spreadsheet may have converted a number'
        return Fault(what, "type the printed number again in a cell formatted as text", rule)
    if text.endswith("%") and NUMBER.fullmatch(text[:-1].strip()):
        number = text[:-1].strip()
        fix = f"write {number} if the units are %; a change in percent of baseline has scale pct_change, units %"
        return Fault(f'"{text}" carries a percent sign', fix, rule)
    if _PAIR.fullmatch(ascii_minus) or _RANGE.fullmatch(ascii_minus):
        return Fault(f'"{text}" holds more than one number', "give each number its own column", rule)
    return Fault(f'"{text}" is text in a number cell', "write the number, or leave the cell empty", rule)
