"""How a forest plot is laid out: the habits of four kinds of journals, as values and not as code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from k2meta.figures.style import SMALL, WIDTH

COLUMNS = ("people", "weight", "estimate", "plot", "risk_of_bias")
"""What may stand to the right of the labels, by the name that config.yaml uses."""

PAGE_COLUMN = 0.85 * WIDTH
"""Width in points at which a page-wide figure is still read: the text column of the report."""
JOURNAL_COLUMN = 85 / 25.4 * 72
"""Width in points of one journal column, 85 mm."""
LEAST_TYPE = 6.0
"""Smallest type, in points, at the width at which a figure is shown."""


@dataclass(frozen=True, slots=True)
class Preset:
    """One layout.

    Attributes
    ----------
    columns : tuple of str
        Columns to the right of the labels, from left to right, from ``COLUMNS``.
    brackets : (str, str, str)
        What opens, divides and closes an interval.
    width, shown : float
        Width of the sheet, and the smallest width at which it is meant to be shown, both in points: at ``shown``
        the smallest type has at least ``LEAST_TYPE`` points.
    details : bool
        Whether rows have a second line, shrunken estimates and the model beside the leading one.
    banded : bool
        Whether every other study stands on a tint.
    favour : str
        How the journal spells the word for what a result speaks for.
    """

    columns: tuple[str, ...]
    brackets: tuple[str, str, str]
    width: float = WIDTH
    shown: float = PAGE_COLUMN
    details: bool = True
    banded: bool = False
    favour: str = "favour"


PRESETS: Mapping[str, Preset] = {
    "cochrane": Preset(("people", "weight", "estimate", "plot", "risk_of_bias"), ("[", ",", "]")),
    "jama": Preset(("people", "estimate", "plot", "weight", "risk_of_bias"), ("(", " to", ")"), favour="favor"),
    "bmj": Preset(("people", "plot", "weight", "estimate", "risk_of_bias"), ("(", " to", ")"), banded=True),
    "compact": Preset(
        ("plot", "estimate"),
        ("(", " to", ")"),
        width=JOURNAL_COLUMN * SMALL / (LEAST_TYPE + 0.05),
        shown=JOURNAL_COLUMN,
        details=False,
    ),
}
"""Every layout by the name that config.yaml uses."""


def chosen(preset: str, columns: Sequence[str] | None) -> Preset:
    """Return a preset, with other columns where they are given.

    Raises
    ------
    ValueError
        An unknown preset or column, a column twice, or no plot among the columns; the message names the choices.
    """
    if preset not in PRESETS:
        raise ValueError(f"preset {preset!r} is not known; choose one of {', '.join(PRESETS)}")
    if columns is None:
        return PRESETS[preset]
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown:
        raise ValueError(f"column {unknown[0]!r} is not known; choose from {', '.join(COLUMNS)}")
    if len(set(columns)) != len(columns) or "plot" not in columns:
        raise ValueError("each column stands once, and the plot is one of them")
    return replace(PRESETS[preset], columns=tuple(columns))
