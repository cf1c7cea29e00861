"""A sheet of paper measured in points, on which a figure is placed item by item from the top down."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from k2meta.figures.style import BODY, INK, Letters, rc
from k2meta.figures.text import Weight, extent

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure as Canvas

Align = Literal["left", "right", "center"]


@cache
def _canvas_type() -> type[Canvas]:
    from matplotlib.figure import Figure

    class Drawn(Figure):
        """A figure that is drawn under the settings of the house, whoever shows or saves it.

        Text was measured unhinted; hinted, as matplotlib draws it by default, it would run into its neighbours.
        """

        letters: Letters = "outlines"

        def draw(self, renderer: Any) -> None:
            with rc(self.letters):
                super().draw(renderer)

    return Drawn


class Sheet:
    """A figure whose only coordinates are points: x from the left edge, y from the top edge.

    The height need not be known while drawing; ``finish`` sets it. Items carry a ``gid``, which becomes the
    id of the element in the SVG.
    """

    def __init__(self, width: float) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.transforms import Affine2D

        self.width = width
        self.figure = _canvas_type()(figsize=(width / 72, 1))
        FigureCanvasAgg(self.figure)
        # Points from the upper left corner to inches from the lower left one: known when the height is.
        self._to_inches = Affine2D()
        self._transform = self._to_inches + self.figure.dpi_scale_trans
        self._ids: dict[str, int] = {}

    def _place(self, item: Artist, gid: str | None) -> None:
        # Straight on the figure: axes would clip every item, follow its extent, and bring ticks that nobody sees.
        item.set_gid(self._id(gid))
        item.set_transform(self._transform)
        self.figure.add_artist(item)

    def _id(self, gid: str | None) -> str | None:
        # An id may stand only once in a document: the second item of a name is name-2.
        if gid is None:
            return None
        self._ids[gid] = self._ids.get(gid, 0) + 1
        return gid if self._ids[gid] == 1 else f"{gid}-{self._ids[gid]}"

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = BODY,
        colour: str = INK,
        align: Align = "left",
        weight: Weight = "normal",
        gid: str | None = None,
    ) -> None:
        """Place one line of text with its baseline at ``y``; empty text places nothing."""
        if not text:
            return
        from matplotlib.text import Text

        # Placed by its left edge, from our own unhinted measure: alignment then does not depend on the backend.
        shift = {"left": 0.0, "center": 0.5, "right": 1.0}[align] * extent(text, size, weight).width
        self._place(Text(x - shift, y, text, fontsize=size, color=colour, fontweight=weight), gid)

    def line(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        *,
        colour: str = INK,
        width: float = 0.6,
        dash: tuple[float, ...] | None = None,
        gid: str | None = None,
        z: float = 2.0,
    ) -> None:
        """Draw a straight line between two points."""
        from matplotlib.lines import Line2D

        (x0, y0), (x1, y1) = start, end
        style: Any = "-" if dash is None else (0, dash)
        self._place(Line2D([x0, x1], [y0, y1], color=colour, linewidth=width, linestyle=style, zorder=z), gid)

    def strokes(
        self,
        ends: Sequence[tuple[tuple[float, float], tuple[float, float]]],
        *,
        colour: str,
        width: float,
        gid: str | None = None,
        round_ends: bool = False,
        z: float = 2.0,
    ) -> None:
        """Draw many straight lines of one kind as one element; a short one with round ends is a dot."""
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        if not ends:
            return
        points = [point for pair in ends for point in pair]
        path = Path(points, [Path.MOVETO, Path.LINETO] * len(ends))
        patch = PathPatch(path, facecolor="none", edgecolor=colour, lw=width, zorder=z)
        patch.set_capstyle("round" if round_ends else "butt")
        self._place(patch, gid)
        # Snapped to pixels, a dot has no length and is not drawn.
        patch.set_snap(False)

    def curve(
        self,
        x: Sequence[float],
        y: Sequence[float],
        *,
        colour: str,
        width: float = 1.2,
        dash: tuple[float, ...] | None = None,
        gid: str | None = None,
    ) -> None:
        """Draw a line through points."""
        from matplotlib.lines import Line2D

        style: Any = "-" if dash is None else (0, dash)
        line = Line2D(x, y, color=colour, linewidth=width, linestyle=style, zorder=2.5, solid_joinstyle="round")
        self._place(line, gid)

    def polygon(
        self,
        corners: Sequence[tuple[float, float]],
        *,
        fill: str,
        edge: str | None = None,
        width: float = 0.8,
        gid: str | None = None,
        z: float = 3.0,
    ) -> None:
        """Draw a closed polygon, with an outline where ``edge`` names its colour."""
        from matplotlib.patches import Polygon

        patch = Polygon(corners, closed=True, facecolor=fill, zorder=z, joinstyle="miter")
        patch.set_edgecolor(edge or "none")
        patch.set_linewidth(width if edge else 0.0)
        self._place(patch, gid)

    def marker(
        self, x: float, y: float, size: float, *, shape: str, colour: str = INK, gid: str | None = None
    ) -> None:
        """Draw a filled marker whose width is ``size`` points (``shape`` as matplotlib names it)."""
        from matplotlib.lines import Line2D

        mark = Line2D(
            [x], [y], marker=shape, markersize=size, color=colour, markeredgewidth=0, linestyle="none", zorder=3
        )
        self._place(mark, gid)

    def disc(self, x: float, y: float, size: float, *, fill: str, edge: str, gid: str | None = None) -> None:
        """Draw an outlined disc whose diameter is ``size`` points."""
        from matplotlib.lines import Line2D

        mark = Line2D(
            [x],
            [y],
            marker="o",
            markersize=size,
            markerfacecolor=fill,
            markeredgecolor=edge,
            markeredgewidth=0.9,
            linestyle="none",
            zorder=2,
        )
        self._place(mark, gid)

    def finish(self, height: float) -> Canvas:
        """Cut the sheet at ``height`` points and return the figure."""
        self.figure.set_size_inches(self.width / 72, height / 72)
        self._to_inches.clear().scale(1 / 72, -1 / 72).translate(0, height / 72)
        return self.figure
