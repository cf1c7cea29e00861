"""The PRISMA 2020 flow diagram as one plain inline SVG: the same boxes give the same bytes."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.sax.saxutils import escape

from k2meta.types import FlowCount

_WIDTH, _GAP, _LINE, _PAD, _DOWN, _CHARACTERS = 290, 36, 17, 10, 30, 40

_Step = tuple[str, tuple[str, ...]]
_MAIN: tuple[_Step, ...] = (
    ("Records identified", ("database_results", "register_results")),
    ("", ("records_screened",)),
    ("", ("dbr_sought_reports",)),
    ("", ("dbr_assessed",)),
    ("Included", ("previous_studies", "new_studies", "new_reports", "total_studies", "total_reports")),
)
_SIDE: tuple[_Step, ...] = (
    ("Removed before screening", ("duplicates", "excluded_automatic", "excluded_other")),
    ("", ("records_excluded",)),
    ("", ("dbr_notretrieved_reports",)),
    ("", ("dbr_excluded",)),
    ("", ()),
)
_OTHER: tuple[_Step, ...] = (
    ("Identified by other methods", ("website_results", "organisation_results", "citations_results")),
    ("", ()),
    ("", ("other_sought_reports", "other_notretrieved_reports")),
    ("", ("other_assessed", "other_excluded")),
    ("", ()),
)


@dataclass(frozen=True, slots=True)
class _Box:
    x: int
    lines: tuple[str, ...]

    @property
    def height(self) -> int:
        return _LINE * len(self.lines) + 2 * _PAD


def flow_diagram(counts: Sequence[FlowCount]) -> str:
    """Return the drawing of a flow, or an empty string where no box holds a number.

    Boxes without a number are left out, and so is the column of other methods where all of it is zero.
    """
    by_name = {count.box: count for count in counts}
    if not any(count.n is not None for count in counts):
        return ""
    columns = [_MAIN, _SIDE]
    if any(by_name[name].n for _, names in _OTHER for name in names if name in by_name):
        columns.append(_OTHER)
    grid = [
        [_box(i * (_WIDTH + _GAP), step, by_name) for i, step in enumerate(row)]
        for row in zip(*columns, strict=True)
    ]
    tops, y = [], 1
    for row in grid:
        tops.append(y)
        tall = max((box.height for box in row if box), default=0)
        y += tall + (_DOWN if tall else 0)
    width, height = len(columns) * (_WIDTH + _GAP) - _GAP + 2, y - _DOWN + 2
    parts = [_drawn(box, top) for top, row in zip(tops, grid, strict=True) for box in row if box]
    parts += _arrows(grid, tops)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="-1 0 {width} {height}" font-size="13">'
    return f"{head}<title>{escape(flow_words(counts))}</title>{''.join(parts)}</svg>"


def flow_words(counts: Sequence[FlowCount]) -> str:
    """Return the flow as one sentence, for whoever does not see the drawing."""
    said = [f"{count.text} {count.n}" for count in counts if count.n is not None]
    return f"Flow of records and studies: {'; '.join(said)}."


def _box(x: int, step: _Step, by_name: Mapping[str, FlowCount]) -> _Box | None:
    heading, names = step
    found = [by_name[name] for name in names if name in by_name and by_name[name].n is not None]
    # A review that updates no earlier one leaves these at zero.
    found = [one for one in found if one.n or not one.box.startswith(("previous", "total"))]
    lines = [f"{heading}:"] if heading and found else []
    for one in found:
        lines += _wrapped(_counted(one.text, one.n), "")
        lines += [line for words, n in one.parts for line in _wrapped(_counted(words, n), "\N{EN DASH} ")]
    return _Box(x, tuple(lines)) if lines else None


def _counted(words: str, n: int | None) -> str:
    """Write a number behind its words, never broken over two lines."""
    return f"{words} (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{n})"


def _wrapped(words: str, mark: str) -> list[str]:
    return textwrap.wrap(mark + words, _CHARACTERS) or [""]


def _drawn(box: _Box, top: int) -> str:
    frame = (
        f'<rect x="{box.x}" y="{top}" width="{_WIDTH}" height="{box.height}" fill="none" stroke="currentColor"/>'
    )
    texts = [
        f'<text x="{box.x + _PAD}" y="{top + _PAD + _LINE * i + 13}" fill="currentColor">{escape(line)}</text>'
        for i, line in enumerate(box.lines)
    ]
    return frame + "".join(texts)


def _arrows(grid: Sequence[Sequence[_Box | None]], tops: Sequence[int]) -> list[str]:
    parts = []
    for column in (0, 2):
        boxes = [(row[column], top) for row, top in zip(grid, tops, strict=True) if column < len(row)]
        standing = [(box, top) for box, top in boxes if box]
        for (upper, start), (_, end) in pairwise(standing):
            x = upper.x + _WIDTH // 2
            parts.append(_path(f"M{x} {start + upper.height}V{end}") + _tip(x, end, 0, -1))
    for row, top in zip(grid, tops, strict=True):
        main, side = row[0], row[1]
        if main and side:
            y = top + min(main.height, side.height) // 2
            parts.append(_path(f"M{_WIDTH} {y}H{side.x}") + _tip(side.x, y, -1, 0))
    return parts + _join(grid, tops)


def _join(grid: Sequence[Sequence[_Box | None]], tops: Sequence[int]) -> list[str]:
    """Lead the column of other methods into the box of what is included."""
    last, included = grid[-2], grid[-1][0]
    if len(last) < 3 or included is None:
        return []
    other = last[2]
    if other is None:
        return []
    x, y = other.x + _WIDTH // 2, tops[-1] + included.height // 2
    return [_path(f"M{x} {tops[-2] + other.height}V{y}H{_WIDTH}") + _tip(_WIDTH, y, 1, 0)]


def _path(d: str) -> str:
    return f'<path d="{d}" fill="none" stroke="currentColor"/>'


def _tip(x: int, y: int, dx: int, dy: int) -> str:
    """Draw an arrow head that ends at a point; ``dx, dy`` lead from the point back along the arrow."""
    back = (x + 7 * dx, y + 7 * dy)
    ends = [(back[0] + 4 * dy, back[1] + 4 * dx), (back[0] - 4 * dy, back[1] - 4 * dx)]
    points = " ".join(f"{a},{b}" for a, b in ((x, y), *ends))
    return f'<polygon points="{points}" fill="currentColor"/>'
