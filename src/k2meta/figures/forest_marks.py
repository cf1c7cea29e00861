"""The drawn part of a forest row: squares, diamonds and bars, cut with an arrow where they leave the plot."""

from __future__ import annotations

import math
from collections.abc import Callable

from k2meta.figures.forest_rows import Bar, Row
from k2meta.figures.scale import Scale
from k2meta.figures.sheet import Sheet
from k2meta.figures.style import ESTIMATE, INK, PREDICTION

SQUARE = 9.0
"""Side of the square of the heaviest study, in points; areas are proportional to weight."""
BARB = 5.0
"""Length of the arrowhead of a diamond that leaves the plot, in points."""
HAIRLINE = 2.5
"""A square with a smaller side gets a tick through its centre, so that it is seen."""


def draw(
    sheet: Sheet, scale: Scale, row: Row, gid: str, y: float, heaviest: float | None, *, shrunken: bool = True
) -> None:
    """Draw the mark of one row at ``y``; ``shrunken`` says whether shrunken estimates are drawn."""
    _, low, high = row.bar
    if row.kind == "group":
        return
    if row.kind == "prediction":
        bar(sheet, scale, y, low, high, PREDICTION, 3.2, gid)
    elif row.kind == "study":
        bar(sheet, scale, y, low, high, INK, 0.8, gid)
        _square(sheet, scale, row, gid, y, heaviest)
        if shrunken and row.shrunken is not None:
            _, near, far = row.shrunken
            bar(sheet, scale, y + 6.0, near, far, ESTIMATE, 1.2, f"{gid}-shrunken")
    else:
        _diamond(sheet, scale, row, gid, y)


def _square(sheet: Sheet, scale: Scale, row: Row, gid: str, y: float, heaviest: float | None) -> None:
    value = row.bar[0]
    share = row.weight / heaviest if row.weight is not None and heaviest else 0.5
    side = SQUARE * math.sqrt(share)
    if not scale.shows(value):
        # The interval's own arrow stands at the edge; a second one says that the estimate is out there too.
        shape, inward = (">", -4.5) if value > scale.high else ("<", 4.5)
        sheet.marker(scale.x(value) + 1.6 * inward, y, 4.5, shape=shape, gid=f"{gid}-beyond")
        return
    sheet.marker(scale.x(value), y, side, shape="s", gid=f"{gid}-square")
    if side < HAIRLINE:
        sheet.line((scale.x(value), y - 2.5), (scale.x(value), y + 2.5), width=0.8, z=3, gid=f"{gid}-tick")


def bar(
    sheet: Sheet, scale: Scale, y: float, low: float, high: float, colour: str, thick: float, gid: str
) -> None:
    sheet.line((scale.x(low), y), (scale.x(high), y), colour=colour, width=thick, gid=f"{gid}-interval")
    size = max(4.5, 1.6 * thick)
    if low < scale.low:
        sheet.marker(scale.left + size / 2, y, size, shape="<", colour=colour, gid=f"{gid}-arrow-low")
    if high > scale.high:
        sheet.marker(scale.right - size / 2, y, size, shape=">", colour=colour, gid=f"{gid}-arrow-high")


def _diamond(sheet: Sheet, scale: Scale, row: Row, gid: str, y: float) -> None:
    half = 5.0 if row.kind == "lead" else 3.6
    upper = _outline(scale, row.bar, half)
    corners = [(x, y - up) for x, up in upper] + [(x, y + up) for x, up in reversed(upper)]
    fill = ESTIMATE if row.kind == "lead" else "white"
    sheet.polygon(corners, fill=fill, edge=ESTIMATE, width=0.9, gid=f"{gid}-diamond")


def _outline(scale: Scale, bar: Bar, half: float) -> list[tuple[float, float]]:
    """Return the upper edge of a diamond; where it leaves the plot it is cut and ends in an arrowhead."""
    value, low, high = bar

    def height(at: float) -> float:
        if at == value:
            return half
        reach = value - low if at < value else high - value
        return half * max(0.0, 1 - abs(at - value) / reach) if reach > 0 else 0.0

    knots = sorted(min(max(knot, scale.low), scale.high) for knot in bar)
    upper = [(scale.x(knot), height(knot)) for knot in knots]
    if low < scale.low:
        upper = [
            (scale.left, 0.0),
            *_barb(scale.left + BARB, scale, height),
            *_beyond(upper, scale.left + BARB, 1),
        ]
    if high > scale.high:
        barb = _barb(scale.right - BARB, scale, height)
        upper = [*_beyond(upper, scale.right - BARB, -1), *reversed(barb), (scale.right, 0.0)]
    return upper


def _barb(x: float, scale: Scale, height: Callable[[float], float]) -> list[tuple[float, float]]:
    value = scale.low + (x - scale.left) / (scale.right - scale.left) * (scale.high - scale.low)
    return [(x, height(value) + 2.2), (x, height(value))]


def _beyond(upper: list[tuple[float, float]], x: float, side: int) -> list[tuple[float, float]]:
    return [(at, up) for at, up in upper if side * (at - x) > 0]
