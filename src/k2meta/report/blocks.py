"""The page as plain blocks: what another format prints, in the order and with the words of the page.

Reading the finished page, and not the analyses again, is what keeps every sentence and number the same in all
formats: a section added to the page is in them too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from k2meta.report.svg import NARROW

Block = dict[str, Any]
"""``kind`` and what it holds; text is a list of runs ``{"t": text}`` with ``b``, ``sup``, ``code`` or ``href``."""

VOID = frozenset({"meta", "link", "img", "br", "hr", "input", "wbr"})
UNPRINTED = frozenset({"head", "nav", "script", "style", "template", "dialog", "button", "input", "noscript"})
INLINE = frozenset(
    {"a", "b", "strong", "em", "i", "sup", "sub", "code", "span", "data", "br", "abbr", "small", "q"}
)
STRIP = "k2-strip"
"""Class of a card's strip among the drawings of the page."""
SVG = "http://www.w3.org/2000/svg"
STROKES = {"k2-estimate": "#0072B2", "k2-prediction": "#7d93a6", "k2-line": "#59616a"}
"""Colours of a card's strip on white paper, as the style sheet of the page has them."""


class _Tree(HTMLParser):
    """Build an element tree of a page whose tags close in order (a test of the page holds that)."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.builder = ElementTree.TreeBuilder()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.builder.start(tag, {name: value or "" for name, value in attrs})
        if tag in VOID:
            self.builder.end(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.builder.start(tag, {name: value or "" for name, value in attrs})
        self.builder.end(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            self.builder.end(tag)

    def handle_data(self, data: str) -> None:
        self.builder.data(data)


def document(page: str) -> Block:
    """Return the page as data for another format.

    Parameters
    ----------
    page : str
        The report as `k2meta.report.render_html` writes it.

    Returns
    -------
    dict
        ``title``, ``lang`` and ``blocks``: headings, paragraphs, lists, facts, tables, figures, code and groups
        in reading order. A figure carries its SVG and its alternative text. The rows of a figure and the list of
        sources of the numbers are left to the files beside the report.
    """
    tree = _Tree()
    tree.feed(page)
    tree.close()
    root = tree.builder.close()
    main = root.find(".//main")
    return {
        "title": _flat(root.find(".//title")),
        "lang": root.get("lang", "en"),
        "blocks": list(_blocks(main if main is not None else root)),
    }


def _blocks(parent: Element) -> Iterator[Block]:
    """Yield the blocks inside an element; loose text between them is a paragraph of its own."""
    loose: list[Block] = _runs_of_text(parent.text)
    for child in parent:
        if child.tag in INLINE:
            loose += _inline(child)
        else:
            if _says(loose):
                yield {"kind": "par", "role": "", "text": _trimmed(loose)}
            loose = []
            yield from _block(child)
        loose += _runs_of_text(child.tail)
    if _says(loose):
        yield {"kind": "par", "role": "", "text": _trimmed(loose)}


def _block(element: Element) -> Iterator[Block]:
    tag, role = element.tag, element.get("class", "")
    if tag in UNPRINTED or element.get("hidden") is not None or {"skip", NARROW} & set(role.split()):
        return
    if re.fullmatch(r"h[1-6]", tag):
        yield {"kind": "heading", "level": int(tag[1]), "text": _text(element)}
    elif tag in ("p", "figcaption", "label"):
        if _says(text := _text(element)):
            yield {"kind": "par", "role": role, "text": text}
    elif tag in ("ul", "ol"):
        items = [list(_blocks(item)) for item in element if item.tag == "li"]
        yield {"kind": "list", "role": role, "ordered": tag == "ol", "items": [item for item in items if item]}
    elif tag == "dl":
        yield {"kind": "facts", "role": role, "rows": _facts(element)}
    elif tag == "table":
        yield _table(element)
    elif tag == "pre":
        yield {"kind": "code", "text": "".join(element.itertext()).rstrip("\n")}
    elif tag == "svg":
        kind = "strip" if STRIP in role.split() else "figure"
        alt = element.get("aria-label") or _flat(element.find("title"))
        yield {"kind": kind, "svg": _svg(element), "alt": alt}
    elif tag == "details":
        yield from _details(element)
    elif tag == "section" and element.get("id") == "numbers":
        yield from (block for block in _blocks(element) if block["kind"] in ("heading", "par"))
    else:
        yield from _group(element, tag, role)


def _group(element: Element, tag: str, role: str) -> Iterator[Block]:
    """Yield a group where its class means something to the eye, else what is in it."""
    if tag == "figure":
        # The rows of a figure are in its file; in print they would stand twice.
        inside = [block for block in _blocks(element) if block["kind"] != "group"]
        yield {"kind": "group", "role": "figure", "blocks": inside}
    elif tag == "aside" or set(role.split()) & {"card", "cards", "gate", "margin"}:
        yield {"kind": "group", "role": role or "margin", "blocks": list(_blocks(element))}
    else:
        yield from _blocks(element)


def _details(element: Element) -> Iterator[Block]:
    """Yield what a page unfolds: in print it is always open, under the words of its summary."""
    summary = element.find("summary")
    title = [] if summary is None else _text(summary)
    inside = [block for child in element if child.tag != "summary" for block in _block(child)]
    said = "".join(run["t"] for run in title)
    for block in inside:
        if block["kind"] == "table" and block["caption"] == said:
            block["caption"] = ""
    yield {"kind": "group", "role": "details", "title": title, "blocks": inside}


def _table(element: Element) -> Block:
    rows = [[(cell, _text(cell)) for cell in row if cell.tag in ("th", "td")] for row in element.iter("tr")]
    head = element.find("thead")
    n_head = 0 if head is None else len(head.findall("tr"))
    first = next((row for row in rows[:n_head] or rows), [])
    return {
        "kind": "table",
        "caption": _flat(element.find("caption")),
        "columns": max((len(row) for row in rows), default=0),
        "numeric": ["n" in cell.get("class", "").split() for cell, _ in first],
        "head": [[text for _, text in row] for row in rows[:n_head]],
        "rows": [[text for _, text in row] for row in rows[n_head:]],
    }


def _facts(element: Element) -> list[list[Any]]:
    terms = [_text(term) for term in element.iter("dt")]
    return [list(pair) for pair in zip(terms, (_text(said) for said in element.iter("dd")), strict=True)]


# --- text ------------------------------------------------------------------------------------


def _text(element: Element) -> list[Block]:
    return _trimmed(_inline(element, outer=True))


def _inline(element: Element, *, outer: bool = False, **style: Any) -> list[Block]:
    if element.tag in UNPRINTED and not (outer or element.tag == "button"):
        return []
    if not outer:
        style = {**style, **_style(element)}
    runs = [{"t": " "}] if element.tag == "br" else _runs_of_text(element.text, **style)
    for child in element:
        if child.tag == "span" and runs and not runs[-1]["t"].endswith(" "):
            # The page sets such parts apart by its layout.
            runs.append({"t": " · "})
        runs += _inline(child, **style)
        runs += _runs_of_text(child.tail, **style)
    return runs


def _style(element: Element) -> dict[str, Any]:
    href = element.get("href", "")
    if element.tag == "a" and href.startswith(("https://", "http://")):
        return {"href": href}
    names = {"b": "b", "strong": "b", "sup": "sup", "code": "code"}
    if element.tag == "span" and element.get("class"):
        return {"role": element.get("class")}
    return {names[element.tag]: True} if element.tag in names else {}


def _runs_of_text(text: str | None, **style: Any) -> list[Block]:
    """Return text as a run, blanks and line ends as one blank (a no-break space stays)."""
    return [{"t": re.sub(r"[ \t\r\n\f]+", " ", text), **style}] if text else []


def _trimmed(runs: list[Block]) -> list[Block]:
    kept = [dict(run) for run in runs if run["t"]]
    if kept:
        kept[0]["t"] = kept[0]["t"].lstrip(" ")
        kept[-1]["t"] = kept[-1]["t"].rstrip(" ")
    return [run for run in kept if run["t"]]


def _says(runs: list[Block]) -> bool:
    return any(run["t"].strip() for run in runs)


def _flat(element: Element | None) -> str:
    return "" if element is None else "".join(run["t"] for run in _text(element))


# --- drawings --------------------------------------------------------------------------------


def _svg(element: Element) -> str:
    """Return an inline drawing as a file of its own, in the letters of SVG (HTML reads tags in lower case)."""
    for name in ("viewBox", "preserveAspectRatio"):
        if (value := element.attrib.pop(name.lower(), None)) is not None:
            element.set(name, value)
    element.set("xmlns", SVG)
    for shape in element.iter():
        for name in ("fill", "stroke"):
            if shape.get(name) == "currentColor":
                shape.set(name, STROKES.get(shape.get("class", ""), "#1b1f24"))
    element.tail = None
    return ElementTree.tostring(element, encoding="unicode")
