"""Drawings inside the page: inline ones may hold plain shapes only, embedded ones are written compactly."""

from __future__ import annotations

import re
from string import ascii_letters
from xml.etree import ElementTree

_SHAPES = frozenset({"svg", "title", "desc", "g", "line", "rect", "path", "circle", "polygon", "polyline", "text"})
_LOADS = re.compile(r"url\(|javascript:|data:", re.IGNORECASE)


class UnsafeDrawingError(ValueError):
    """An inline SVG holds something other than plain shapes."""


def plain_shapes(svg: str) -> str:
    """Return an inline SVG unchanged when it draws plain shapes only.

    Raises
    ------
    UnsafeDrawingError
        For declarations, scripts, links, event handlers, foreign elements, or anything that loads.
    """
    if "<!" in svg or "<?" in svg:
        raise UnsafeDrawingError("an inline drawing holds a declaration; write the svg element alone")
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError as error:
        raise UnsafeDrawingError(f"an inline drawing is not well-formed: {error}") from error
    for element in root.iter():
        _check(element)
    return svg


def _check(element: ElementTree.Element) -> None:
    name = element.tag.rpartition("}")[2]
    if name not in _SHAPES:
        raise UnsafeDrawingError(f"an inline drawing holds <{name}>; allowed are {', '.join(sorted(_SHAPES))}")
    for key, value in element.attrib.items():
        short = key.rpartition("}")[2].lower()
        if short.startswith("on") or short == "href" or _LOADS.search(value):
            raise UnsafeDrawingError(f"an inline drawing holds the attribute {short}={value!r}")


def compact(svg: str) -> str:
    """Return the same drawing in fewer bytes.

    A figure is mostly glyphs: their outlines, and where each of them stands. Comments, metadata, blanks and groups
    that say nothing go; ids become short; paths become relative; coordinates keep a hundredth of a point, glyphs
    and their outlines a hundredth of the type size, neither of which anybody can see.
    """
    text = re.sub(r"<\?xml[^>]*>|<!DOCTYPE[^>]*>|<!--.*?-->|<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    text = re.sub(r">\s+<", "><", text.strip()).replace("xlink:href=", "href=")
    text = re.sub(r' xmlns:xlink="[^"]*"', "", text)
    text = re.sub(r'\sd="([^"]*)" transform="scale\(0\.015625\)"', _outline, text)
    text = re.sub(r'(?<=\sd=")[^"]*', lambda m: _relative(m.group(), HUNDREDTHS), text)
    text = re.sub(r'(<use [^>]*?) transform="translate\(([-\d.]+) 0\)"', r'\1 x="\2"', text)
    # Within a line of text a glyph stands in hundredths of the type size: one of them is a thirteenth of a point.
    text = re.sub(r'(<use [^>]*? x=")([^"]*)("/>)', lambda m: f"{m[1]}{float(m[2]):.0f}{m[3]}", text)
    text = re.sub(r"translate\([^)]*\)", lambda m: _rounded(m.group()).replace(" 0)", ")"), text)
    text = re.sub(r'(?<=style=")[^"]*', lambda m: re.sub(r"([:;]) ", r"\1", m.group()), text)
    return _plain_groups(_short_ids(text))


HUNDREDTHS = 100
FINER = 64
"""Glyph outlines come in this many parts of a hundredth of the type size; whole hundredths are kept."""


def _outline(found: re.Match[str]) -> str:
    return f' d="{_relative(found[1], 1, FINER)}"'


def _relative(path: str, finer: int, coarser: int = 1) -> str:
    """Return a path of M, L, Q, C and z with relative coordinates, rounded to ``coarser / finer``.

    Positions are rounded, and then their differences taken: rounding does not add up along the path. A path with
    another command is returned as it is.
    """
    tokens = re.findall(r"[A-Za-z]|-?\d+\.?\d*(?:e-?\d+)?", path)
    if not {token for token in tokens if token.isalpha()} <= set("MLQCz"):
        return path
    at, start, parts, i = (0, 0), (0, 0), [], 0
    while i < len(tokens):
        command = tokens[i]
        i += 1
        if command == "z":
            parts.append("z")
            at = start
            continue
        count = {"M": 1, "L": 1, "Q": 2, "C": 3}[command]
        numbers = [round(float(token) * finer / coarser) for token in tokens[i : i + 2 * count]]
        i += 2 * count
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        moved = [number for x, y in points for number in (x - at[0], y - at[1])]
        parts.append(_command(command, moved, finer))
        at = points[-1]
        start = at if command == "M" else start
    return "".join(parts)


def _command(command: str, moved: list[int], finer: int) -> str:
    if command == "L" and moved[1] == 0:
        command, moved = "h", moved[:1]
    elif command == "L" and moved[0] == 0:
        command, moved = "v", moved[1:]
    text = ""
    for number in moved:
        written = _written(number, finer)
        text += written if not text or written.startswith("-") else f" {written}"
    return command.lower() + text


def _written(number: int, finer: int) -> str:
    if number == 0 or finer == 1:
        return str(number)
    return re.sub(r"^(-?)0\.", r"\1.", f"{number / finer:.2f}".rstrip("0").rstrip("."))


def _plain_groups(text: str) -> str:
    """Take out groups around a single element that carry nothing themselves."""
    return re.sub(r"<g>(<path [^>]*/>)</g>", r"\1", text)


def _rounded(text: str) -> str:
    return re.sub(r"-?\d+\.\d{3,}", lambda m: f"{float(m.group()):.2f}".rstrip("0").rstrip("."), text)


def _short_ids(text: str) -> str:
    used = re.findall(r'(?<=\sid=")[^"]*', text)
    referenced = set(re.findall(r'(?:href="#|url\(#)([^")]*)', text))
    short = {name: _letters(n) for n, name in enumerate(dict.fromkeys(used)) if name in referenced}
    text = re.sub(r'\sid="([^"]*)"', lambda m: f' id="{short[m[1]]}"' if m[1] in short else "", text)
    return re.sub(r'(href="#|url\(#)([^")]*)', lambda m: m[1] + short.get(m[2], m[2]), text)


def _letters(number: int) -> str:
    """Count in letters: a, b, … Z, aa, ab …"""
    name = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, len(ascii_letters))
        name = ascii_letters[rest] + name
    return name
