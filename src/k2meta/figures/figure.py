"""What a drawing function returns: the figure, its words for those who cannot see it, and its numbers."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

from k2meta.types import Cell

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from k2meta.figures.style import Letters


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

    def svg(self, letters: Letters = "outlines") -> str:
        """Return the drawing as SVG text, the same at every call.

        Letters as ``"outlines"`` look the same everywhere; as ``"text"`` they can be searched, selected and read
        by programs, and whoever shows them has to have the font.
        """
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        from k2meta.figures.style import SAVE_METADATA, rc

        buffer, sheet = BytesIO(), cast(Any, self.figure)
        sheet.letters = letters
        with rc(letters):
            canvas: Any = FigureCanvasSVG(sheet)
            canvas.print_svg(buffer, metadata=SAVE_METADATA["svg"])
        # A canvas takes the figure over; give it back to the one that measures and saves.
        sheet.set_canvas(FigureCanvasAgg(sheet))
        sheet.letters = "outlines"
        return buffer.getvalue().decode("utf-8")

    def _repr_html_(self) -> str:
        """Show the drawing in a notebook, with its words for those who cannot see it."""
        source = b64encode(self.svg().encode("utf-8")).decode("ascii")
        return f'<img src="data:image/svg+xml;base64,{source}" alt="{escape(self.alt)}">'

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Say in a terminal what the drawing shows."""
        printer.text(type(self).__name__ if cycle else self.alt)

    def __getattr__(self, name: str) -> Any:
        """Answer as the matplotlib figure does, ``savefig`` and all, for what is not said here."""
        if name.startswith("__") or name == "figure":
            raise AttributeError(name)
        return getattr(self.figure, name)
