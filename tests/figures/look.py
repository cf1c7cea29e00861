"""Measures a drawn figure as a reader's eye would: where texts stand, what is drawn, which bytes are saved."""

from __future__ import annotations

import io
from itertools import combinations
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from k2meta.figures.style import SAVE_METADATA, rc

DPI = 200
"""Resolution at which extents are taken: a pixel is then about a third of a point."""


def texts(figure: Figure) -> list[tuple[Text, Bbox]]:
    """Return every text that is drawn with its bounding box in pixels."""
    figure.set_dpi(DPI)
    assert isinstance(figure.canvas, FigureCanvasAgg)
    renderer = figure.canvas.get_renderer()  # type: ignore[no-untyped-call]
    return [(item, item.get_window_extent(renderer)) for item in figure.findobj(Text) if item.get_text()]


def overlaps(figure: Figure) -> list[tuple[str, str]]:
    """Return the pairs of texts whose boxes share any area."""
    return [
        (a.get_text(), b.get_text())
        for (a, one), (b, two) in combinations(texts(figure), 2)
        if min(one.x1, two.x1) > max(one.x0, two.x0) and min(one.y1, two.y1) > max(one.y0, two.y0)
    ]


def outside(figure: Figure) -> list[str]:
    """Return the texts that leave the canvas."""
    placed, canvas = texts(figure), figure.bbox
    return [
        item.get_text()
        for item, box in placed
        if box.x0 < 0 or box.y0 < 0 or box.x1 > canvas.width or box.y1 > canvas.height
    ]


def drawn(figure: Figure, ending: str) -> dict[str, Any]:
    """Return the artists whose id ends in ``ending``, by id."""
    found = [item for item in figure.findobj() if (item.get_gid() or "").endswith(ending)]
    by_id = {str(item.get_gid()): item for item in found}
    assert len(by_id) == len(found), f"an id is used twice: {ending}"
    return by_id


def saved(figure: Figure, form: str) -> bytes:
    """Return the bytes of a figure saved as the pipeline saves it."""
    buffer = io.BytesIO()
    with rc():
        figure.savefig(buffer, format=form, metadata=SAVE_METADATA[form], dpi=100)
    return buffer.getvalue()
