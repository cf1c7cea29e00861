"""Drawings inside the page: plain shapes only, and the figures of matplotlib rewritten to be such."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from k2meta.figures.text import Weight

_SHAPES = frozenset({"svg", "title", "desc", "g", "line", "rect", "path", "circle", "polygon", "polyline", "text"})
FIGURE = "k2-figure"
"""Class of a figure among the drawings of a page."""

WIDE, NARROW = "k2-wide", "k2-narrow"
"""Further class of a figure that is drawn twice: for a page or paper, and for the screen of a phone."""

_UNSEEN = frozenset({"metadata", "defs"})
_SAID_ONCE = ("font-family", "text-anchor: start", "stroke-dashoffset: 0")
"""What matplotlib writes at every element and what a page says once, or what holds without being said."""

# The joins and ends are those that matplotlib sets for every element in a style sheet of its own.
_ROOT_STYLE = "font-family:DejaVu Sans,Verdana,sans-serif;stroke-linejoin:round;stroke-linecap:butt"
_LOADS = re.compile(r"url\(|javascript:|data:|\\", re.IGNORECASE)


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


def _check(element: Element) -> None:
    name = element.tag.rpartition("}")[2]
    if name not in _SHAPES:
        raise UnsafeDrawingError(f"an inline drawing holds <{name}>; allowed are {', '.join(sorted(_SHAPES))}")
    for key, value in element.attrib.items():
        short = key.rpartition("}")[2].lower()
        loads = short != "aria-label" and _LOADS.search(value)
        if short.startswith("on") or short == "href" or loads:
            raise UnsafeDrawingError(f"an inline drawing holds the attribute {short}={value!r}")


def inline(svg: str, alt: str, screen: str = "") -> str:
    """Return a figure of matplotlib as a drawing that may stand inside a page, in few bytes.

    Declarations, metadata, ids and groups that say nothing go, and a marker stands as a path where it is used: no
    element refers to another one, so that many figures may share a page. Paths become relative, and coordinates
    keep a hundredth of a point, which nobody can see. Text stays text; the page brings its font along.

    Parameters
    ----------
    svg : str
        As ``k2meta.figures.Figure.svg("text")`` writes it.
    alt : str
        What the figure says, for those who cannot see it; its inner text is then not read out.
    screen : str
        ``WIDE`` or ``NARROW`` for one of two drawings of a figure, of which the page shows the one that suits.

    Raises
    ------
    UnsafeDrawingError
        When the figure holds anything but plain shapes.
    """
    root = _parsed(svg)
    attributes = {"class": f"{FIGURE} {screen}".strip(), "role": "img", "aria-label": alt, "style": _ROOT_STYLE}
    if box := root.get("viewBox"):
        attributes["viewBox"] = box
    drawing = Element("svg", attributes)
    named = {f"#{element.get('id')}": element for element in root.iter() if element.get("id")}
    drawing.extend(_plain(root, named))
    return plain_shapes(ElementTree.tostring(drawing, encoding="unicode"))


def letters(svgs: Iterable[str]) -> dict[Weight, str]:
    """Return the characters that figures write, each once and in order, by the weight they are set in."""
    found: dict[Weight, set[str]] = {"normal": set(), "bold": set()}
    for svg in svgs:
        for element in _parsed(svg).iter():
            if _name(element) == "text":
                bold = "font-weight: 700" in element.get("style", "")
                found["bold" if bold else "normal"] |= set("".join(element.itertext()))
    return {weight: "".join(sorted(characters)) for weight, characters in found.items() if characters}


def _parsed(svg: str) -> Element:
    try:
        return ElementTree.fromstring(svg)
    except ElementTree.ParseError as error:
        raise UnsafeDrawingError(f"a drawing is not well-formed: {error}") from error


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _plain(parent: Element, named: Mapping[str, Element]) -> Iterator[Element]:
    """Yield what is inside an element as plain shapes."""
    for child in parent:
        name = _name(child)
        if name in _UNSEEN:
            continue
        if name == "use":
            yield _placed(child, named)
            continue
        tidied = Element(name, _tidied(child.attrib))
        tidied.text = child.text if name == "text" else None
        inside = list(_plain(child, named))
        if name == "g" and not tidied.attrib:
            yield from inside
        else:
            tidied.extend(inside)
            yield tidied


def _placed(use: Element, named: Mapping[str, Element]) -> Element:
    """Return the shape that is used, where it is used; its own style goes before the one of its place."""
    shape = named[use.get("{http://www.w3.org/1999/xlink}href", "")]
    style = "; ".join(filter(None, (use.get("style"), shape.get("style"))))
    at = f"translate({_rounded(use.get('x', '0'))} {_rounded(use.get('y', '0'))})"
    return Element(_name(shape), _tidied({**shape.attrib, "style": style, "transform": at}))


def _tidied(attributes: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in attributes.items() if name != "id"}
    if kept.get("transform", "").startswith("rotate(-0 "):
        del kept["transform"]
    if "style" in kept:
        kept["style"] = _rules(kept["style"])
    if "d" in kept:
        kept["d"] = _relative(kept["d"])
    return {name: _rounded(value) if name in ("x", "y") else value for name, value in kept.items()}


def _rules(style: str) -> str:
    """Return a style without what is said once; of a property that is named twice the second counts."""
    said = (part.strip() for part in style.split(";"))
    kept = dict(_rounded(part).split(": ", 1) for part in said if part and not part.startswith(_SAID_ONCE))
    return ";".join(f"{name}:{value}" for name, value in kept.items())


HUNDREDTHS = 100
"""Parts of a point that a path keeps."""


def _relative(path: str) -> str:
    """Return a path of M, L, Q, C and z with relative coordinates, rounded to hundredths.

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
        numbers = [round(float(token) * HUNDREDTHS) for token in tokens[i : i + 2 * count]]
        i += 2 * count
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        moved = [number for x, y in points for number in (x - at[0], y - at[1])]
        parts.append(_command(command, moved))
        at = points[-1]
        start = at if command == "M" else start
    return "".join(parts)


def _command(command: str, moved: list[int]) -> str:
    if command == "L" and moved[1] == 0:
        command, moved = "h", moved[:1]
    elif command == "L" and moved[0] == 0:
        command, moved = "v", moved[1:]
    text = ""
    for number in moved:
        written = _written(number)
        text += written if not text or written.startswith("-") else f" {written}"
    return command.lower() + text


def _written(number: int) -> str:
    if number == 0:
        return "0"
    return re.sub(r"^(-?)0\.", r"\1.", f"{number / HUNDREDTHS:.2f}".rstrip("0").rstrip("."))


def _rounded(text: str) -> str:
    return re.sub(r"-?\d+\.\d{3,}", lambda m: f"{float(m.group()):.2f}".rstrip("0").rstrip("."), text)
