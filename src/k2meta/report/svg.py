"""Drawings inside the page: inline ones may hold plain shapes only, embedded ones are written compactly."""

from __future__ import annotations

import re
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

    A forest plot is mostly glyphs placed one by one. Comments, metadata and blanks go, ids become short,
    and coordinates keep two decimals: a hundredth of a point, or of a font unit, cannot be seen.
    """
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    text = re.sub(r">\s+<", "><", text).replace("xlink:href=", "href=")
    text = re.sub(r'(?<=\sd=")[^"]*', lambda m: _tight(_rounded(m.group())), text)
    text = re.sub(r"translate\([^)]*\)", lambda m: _rounded(m.group()).replace(" 0)", ")"), text)
    # A glyph moved along its line: the same place in half of the letters.
    text = re.sub(r'(<use\b[^>]*?)transform="translate\(([-.\d]+)\)"', r'\1x="\2"', text)
    return _short_ids(text)


def _tight(path: str) -> str:
    """Write the commands of a path without the blanks around their letters."""
    return re.sub(r"\s*([A-Za-z])\s*", r"\1", " ".join(path.split()))


def _rounded(text: str) -> str:
    return re.sub(r"-?\d+\.\d{3,}", lambda m: f"{float(m.group()):.2f}".rstrip("0").rstrip("."), text)


def _short_ids(text: str) -> str:
    used = re.findall(r'(?<=\sid=")[^"]*', text)
    referenced = set(re.findall(r'(?:href="#|url\(#)([^")]*)', text))
    short = {name: f"i{n}" for n, name in enumerate(dict.fromkeys(used)) if name in referenced}
    text = re.sub(r'\sid="([^"]*)"', lambda m: f' id="{short[m[1]]}"' if m[1] in short else "", text)
    return re.sub(r'(href="#|url\(#)([^")]*)', lambda m: m[1] + short.get(m[2], m[2]), text)
