"""Measures a drawn figure as a reader's eye would: where texts stand, what is drawn, which bytes are saved."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from k2meta.figures.style import SAVE_METADATA, rc

DPI = 200
"""Resolution at which extents are taken: a pixel is then about a third of a point."""


def texts(figure: Figure) -> list[tuple[Text, Bbox]]:
    """Return every text that is drawn with its bounding box in pixels; the last figure is not measured twice."""
    if not _LAST or _LAST[0][0] is not figure:
        _LAST[:] = [(figure, _measure(figure))]
    return _LAST[0][1]


_LAST: list[tuple[Figure, list[tuple[Text, Bbox]]]] = []


def _measure(figure: Figure) -> list[tuple[Text, Bbox]]:
    figure.set_dpi(DPI)
    assert isinstance(figure.canvas, FigureCanvasAgg)
    renderer = figure.canvas.get_renderer()  # type: ignore[no-untyped-call]
    return [(item, item.get_window_extent(renderer)) for item in figure.findobj(Text) if item.get_text()]


def overlaps(figure: Figure) -> list[tuple[str, str]]:
    """Return the pairs of texts whose boxes share any area."""
    placed = texts(figure)
    if not placed:
        return []
    x0, y0, x1, y1 = np.array([[box.x0, box.y0, box.x1, box.y1] for _, box in placed]).T
    wide = np.minimum(x1[:, None], x1) > np.maximum(x0[:, None], x0)
    high = np.minimum(y1[:, None], y1) > np.maximum(y0[:, None], y0)
    pairs = np.argwhere(np.triu(wide & high, 1))
    return [(placed[i][0].get_text(), placed[j][0].get_text()) for i, j in pairs]


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
