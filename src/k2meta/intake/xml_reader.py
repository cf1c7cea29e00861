"""A small, safe XML reader: no DOCTYPE, no entities of a file's own, limits of depth and number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from k2meta.intake.types import Source, refuse

MAX_DEPTH = 100
MAX_ELEMENTS = 2_000_000
MAX_BYTES = 100_000_000


@dataclass(slots=True)
class Element:
    """One element: its name, attributes, line, text before its first child, and children."""

    name: str
    attributes: dict[str, str]
    line: int
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def walk(self) -> Iterator[Element]:
        """Return every element below this one, in order."""
        for child in self.children:
            yield child
            yield from child.walk()

    def child(self, name: str) -> Element | None:
        """Return the first child with a name."""
        return next((child for child in self.children if child.name == name), None)

    def words(self, name: str) -> str:
        """Return the text of the first child with a name, blanks made single."""
        found = self.child(name)
        return " ".join(found.text.split()) if found else ""


def parse(source: Source) -> Element:
    """Return the root element.

    Raises
    ------
    ProjectError
        Not XML (with the line), a DOCTYPE or an entity, too large, too deep.
    """
    if len(source.raw) > MAX_BYTES:
        what = f"holds {len(source.raw):,} bytes; at most {MAX_BYTES:,} are read"
        raise refuse(source.name, what, "split the file")
    reader = _Reader(source.name)
    try:
        reader.parser.Parse(source.raw, True)
    except expat.ExpatError as error:
        what = f"is not XML: {expat.ErrorString(error.code)}"
        raise refuse(source.name, what, "export the file again", row=error.lineno) from None
    except (UnicodeDecodeError, LookupError, ValueError) as error:
        raise refuse(source.name, f"is not XML: {error}", "export the file again, as UTF-8") from None
    return reader.root.children[0]


class _Reader:
    def __init__(self, file: str) -> None:
        self.file, self.count = file, 0
        self.root = Element("", {}, 0)
        self.stack = [self.root]
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.EntityDeclHandler = self._doctype

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.count += 1
        line = self.parser.CurrentLineNumber
        if len(self.stack) > MAX_DEPTH or self.count > MAX_ELEMENTS:
            what = f"is nested deeper than {MAX_DEPTH} or holds more than {MAX_ELEMENTS:,} elements"
            raise refuse(self.file, what, "check where the file comes from", row=line)
        element = Element(name, attributes, line)
        self.stack[-1].children.append(element)
        self.stack.append(element)

    def _end(self, _name: str) -> None:
        self.stack.pop()

    def _text(self, text: str) -> None:
        if not self.stack[-1].children:
            self.stack[-1].text += text

    def _doctype(self, *_: object) -> None:
        what = "declares a document type or an entity; such files can read others or fill the memory"
        raise refuse(
            self.file, what, "export it again, or remove the declaration", row=self.parser.CurrentLineNumber
        )
