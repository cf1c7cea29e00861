"""Rank plot of a calibration: how far ranks of the truth are from uniform, and how far chance may take them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from k2meta.figures.figure import Figure, PlotData
from k2meta.figures.scale import Scale
from k2meta.figures.sheet import Sheet
from k2meta.figures.style import BODY, DISPLAY, ESTIMATE, FLAG, INK, MUTED, SMALL, WIDTH, rc
from k2meta.figures.text import legible, wrapped
from k2meta.types import Cell

MARGIN = 8.0
LABELS = 30.0
GAP = 16.0
TALL = 104.0
"""Height of a panel, in points."""
BAND = "#E3E3E3"
Up = Callable[[float], float]
COLUMNS = ("parameter", "at", "ecdf", "low", "high")


@dataclass(frozen=True, slots=True)
class Panel:
    """The ranks of one parameter.

    Attributes
    ----------
    name : str
        The parameter.
    at : ndarray, shape (K,)
        Where the distribution function was looked at, increasing to one.
    share : ndarray, shape (K,)
        Share of fractional ranks at or below each point.
    low, high : ndarray, shape (K,)
        Simultaneous band of that share for uniform ranks.
    """

    name: str
    at: NDArray[np.float64]
    share: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @property
    def leaves(self) -> NDArray[np.bool_]:
        """Where the function leaves its band, shape (K,)."""
        outside: NDArray[np.bool_] = (self.share < self.low) | (self.share > self.high)
        return outside


def draw(title: str, panels: Sequence[Panel], level: float) -> Figure:
    """Draw the difference between the distribution of the ranks and the uniform one, one panel a parameter.

    Parameters
    ----------
    title : str
        Engine, prior and number of simulations.
    panels : sequence of Panel
        One a parameter, drawn side by side.
    level : float
        Simultaneous level of the bands.
    """
    with rc():
        sheet = Sheet(WIDTH)
        y = MARGIN + 0.78 * DISPLAY
        for line in wrapped(legible(title), DISPLAY, WIDTH - 2 * MARGIN, "bold", lines=3):
            sheet.text(MARGIN, y, line, size=DISPLAY, weight="bold")
            y += 1.35 * DISPLAY
        wide = (WIDTH - 2 * MARGIN - LABELS - GAP * (len(panels) - 1)) / len(panels)
        most = _most(panels)
        for i, panel in enumerate(panels):
            left = MARGIN + LABELS + i * (wide + GAP)
            bottom = _panel(sheet, panel, Scale(0.0, 1.0, left, left + wide), y, most, first=i == 0)
        bottom += 0.5 * SMALL
        for line in wrapped(_caption(level), SMALL, WIDTH - 2 * MARGIN):
            bottom += 1.3 * SMALL
            sheet.text(MARGIN, bottom, line, size=SMALL, colour=MUTED)
        figure = sheet.finish(bottom + MARGIN)
    return Figure(figure, _alt(title, panels, level), _data(panels))


def _caption(level: float) -> str:
    return (
        "Rank of the truth in its posterior: empirical minus uniform distribution function. Grey: where it stays "
        f"in {100 * level:g} of 100 calibrations of a right engine, at all points at once."
    )


def _most(panels: Sequence[Panel]) -> float:
    """Return the largest deviation to be shown, the same for every panel."""
    seen = [np.abs(line - panel.at).max() for panel in panels for line in (panel.share, panel.low, panel.high)]
    return 1.05 * float(max(seen))


def _panel(sheet: Sheet, panel: Panel, x: Scale, top: float, most: float, *, first: bool) -> float:
    """Draw one panel and return the baseline of its lowest label."""
    head = top + 0.3 * BODY
    word = "leaves its band" if panel.leaves.any() else "inside its band"
    sheet.text(x.left, head, f"{panel.name}: {word}", colour=FLAG if panel.leaves.any() else INK)
    roof = head + 0.8 * BODY
    middle = roof + TALL / 2

    def up(value: float) -> float:
        return middle - value / most * TALL / 2

    lower = [(x.x(float(a)), up(float(b - a))) for a, b in zip(panel.at, panel.low, strict=True)]
    upper = [(x.x(float(a)), up(float(b - a))) for a, b in zip(panel.at, panel.high, strict=True)]
    sheet.polygon([(x.left, up(0.0)), *upper, *reversed(lower)], fill=BAND, gid=f"band-{panel.name}", z=1.0)
    sheet.line((x.left, up(0.0)), (x.right, up(0.0)), colour=MUTED, width=0.4)
    points = [(x.left, up(0.0))]
    points += [(x.x(float(a)), up(float(b - a))) for a, b in zip(panel.at, panel.share, strict=True)]
    sheet.curve([p[0] for p in points], [p[1] for p in points], colour=ESTIMATE, gid=f"ranks-{panel.name}")
    for a, b in zip(panel.at[panel.leaves], panel.share[panel.leaves], strict=True):
        sheet.marker(x.x(float(a)), up(float(b - a)), 3.5, shape="D", colour=FLAG, gid=f"outside-{panel.name}")
    return _axes(sheet, x, up, most, roof + TALL, first=first)


def _axes(sheet: Sheet, x: Scale, up: Up, most: float, floor: float, *, first: bool) -> float:
    sheet.line((x.left, floor), (x.right, floor), gid="axis")
    base = floor + 4 + 0.78 * SMALL
    for value, label in ((0.0, "0"), (0.5, "0.5"), (1.0, "1")):
        sheet.line((x.x(value), floor), (x.x(value), floor + 3))
        sheet.text(x.x(value), base, label, size=SMALL, align="center")
    if first:
        tick = _round_down(most)
        for value in (-tick, 0.0, tick):
            sheet.line((x.left - 3, up(value)), (x.left, up(value)))
            text = "0" if value == 0.0 else f"{'−' if value < 0 else '+'}{tick:g}"
            sheet.text(x.left - 5, up(value) + 0.36 * SMALL, text, size=SMALL, align="right")
    return base


def _round_down(value: float) -> float:
    """Return the largest 1, 2 or 5 times a power of ten that is not above ``value``."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(max(step * power for step in (1.0, 2.0, 5.0) if step * power <= value))


def _alt(title: str, panels: Sequence[Panel], level: float) -> str:
    said = []
    for panel in panels:
        furthest = float(np.abs(panel.share - panel.at).max())
        outside = int(panel.leaves.sum())
        word = f"outside its band at {outside} of {len(panel.at)} points" if outside else "inside its band"
        said.append(f"{panel.name} {word}, furthest deviation {furthest:.3f}")
    return f"Rank plot, {title}, simultaneous {100 * level:g} % bands: {'; '.join(said)}."


def _data(panels: Sequence[Panel]) -> PlotData:
    rows: list[tuple[Cell, ...]] = []
    for panel in panels:
        for cells in zip(panel.at, panel.share, panel.low, panel.high, strict=True):
            rows.append((panel.name, *(float(cell) for cell in cells)))
    return PlotData(COLUMNS, tuple(rows))
