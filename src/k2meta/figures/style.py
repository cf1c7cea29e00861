"""Type, colour and the settings under which a figure repeats byte for byte.

A colour means one thing: blue the pooled estimate and what the model says, grey-blue prediction, purple the
prior, vermillion a flag. Everything else is ink. No meaning rests on colour alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

INK = "#1a1a1a"
MUTED = "#595959"
RULE = "#b8b8b8"
ESTIMATE = "#0072B2"
PREDICTION = "#6F8FAF"
PRIOR = "#CC79A7"
FLAG = "#D55E00"

WIDTH = 518.4
"""Width of a figure in points: 7.2 inches, a journal page of two columns."""

DISPLAY, BODY, SMALL = 10.0, 8.0, 7.3
"""Type sizes in points; the smallest stays above 6 pt when the figure is shown at 85 % of its width."""

SAVE_METADATA: dict[str, dict[str, None]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}
"""Metadata to save a figure with, by format: no clock and no version enters a file. Save under ``rc``."""

_SETTINGS: dict[str, Any] = {
    "svg.hashsalt": "k2meta",
    "text.parse_math": False,
    "text.usetex": False,
    "text.hinting": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": BODY,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.bbox": None,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.titlesize": BODY,
    "axes.labelsize": BODY,
    "text.color": INK,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.width": 0.6,
    "xtick.major.size": 3.0,
    "lines.solid_capstyle": "butt",
}


Letters = Literal["outlines", "text"]
"""What letters are in an SVG: outlines need no font; text can be searched and selected, and needs the font."""


@contextmanager
def rc(letters: Letters = "outlines") -> Iterator[None]:
    """Draw and save under the settings of the house, whatever the reader's own matplotlib settings are."""
    import matplotlib

    base: dict[Any, Any] = {
        name: value
        for name, value in matplotlib.rcParamsDefault.items()
        if not name.startswith(("backend", "interactive", "toolbar", "webagg", "tk.", "figure.hooks"))
    }
    base.update(_SETTINGS)
    base["svg.fonttype"] = {"outlines": "path", "text": "none"}[letters]
    with matplotlib.rc_context(base):
        yield
