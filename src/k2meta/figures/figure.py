"""What a drawing function returns: the figure, its words for those who cannot see it, and its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from k2meta.types import Cell

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas


@dataclass(frozen=True, slots=True)
class PlotData:
    """The numbers a figure was drawn from, unrounded; every row has one cell per column."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawn figure, not yet saved.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
        The drawing; saved under ``style.rc()`` with ``style.SAVE_METADATA``, two builds give the same bytes.
    alt : str
        Alternative text made from the fit: number of trials, estimate, interval, prediction.
    table : PlotData
        What was drawn, as plain data.
    """

    figure: Canvas
    alt: str
    table: PlotData
