"""Text measured before it is placed: widths, line breaks, ellipses, and characters the font does not have."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.ft2font import FT2Font

Weight = Literal["normal", "bold"]

ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
NO_BREAK = "\N{NO-BREAK SPACE}"
THIN_SPACE = "\N{THIN SPACE}"
ABSENT_GLYPH = "\N{WHITE SQUARE}"
"""Stands for a character that the bundled font does not have, so that no label depends on installed fonts."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Size of one line of text in points: advance width, height above and depth below the baseline."""

    width: float
    ascent: float
    descent: float


def font_file(weight: Weight) -> str:
    """Return the path of the bundled font."""
    from matplotlib.font_manager import FontProperties, findfont

    return str(findfont(FontProperties(family="DejaVu Sans", weight=weight)))


@cache
def _font(weight: Weight) -> FT2Font:
    from matplotlib.font_manager import get_font

    return get_font(font_file(weight))


def legible(text: str) -> str:
    """Return text on one line that the bundled font can draw, one square for each character it lacks.

    Control, format and unassigned characters (among them line breaks, direction overrides and half
    surrogate pairs) are taken out; runs of white space become one space.
    """
    font = _font("normal")
    kept: list[str] = []
    for char in unicodedata.normalize("NFC", text):
        if char in (THIN_SPACE, NO_BREAK):
            kept.append(char)
        elif char.isspace():
            kept.append(" ")
        elif unicodedata.category(char) in ("Cc", "Cf", "Cs", "Cn") or _is_variation_selector(char):
            continue
        else:
            kept.append(char if font.get_char_index(ord(char)) else ABSENT_GLYPH)
    return re.sub(" +", " ", "".join(kept)).strip()


def _is_variation_selector(char: str) -> bool:
    return 0xFE00 <= ord(char) <= 0xFE0F or 0xE0100 <= ord(char) <= 0xE01EF


@cache
def extent(text: str, size: float, weight: Weight = "normal") -> Extent:
    """Measure one line of text in points, unhinted, so that the measure holds in SVG and in PNG alike."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    prop = FontProperties(family="DejaVu Sans", size=size, weight=weight)
    width, height, descent = TextToPath().get_text_width_height_descent(text or " ", prop, False)
    return Extent(float(width), float(height - descent), float(descent))


def width(text: str, size: float, weight: Weight = "normal") -> float:
    """Return the width of one line of text in points."""
    return extent(text, size, weight).width


def elided(text: str, size: float, room: float, weight: Weight = "normal") -> str:
    """Return the text, cut with an ellipsis where it is wider than ``room`` points."""
    if width(text, size, weight) <= room:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if width(text[:middle].rstrip() + ELLIPSIS, size, weight) <= room:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + ELLIPSIS


def wrapped(
    text: str, size: float, room: float, weight: Weight = "normal", lines: int | None = None
) -> tuple[str, ...]:
    """Break text at plain spaces into lines of at most ``room`` points; excess over ``lines`` is elided."""
    done: list[str] = []
    rest = text.split(" ")
    while rest:
        last = lines is not None and len(done) == lines - 1
        if last:
            done.append(elided(" ".join(rest), size, room, weight))
            break
        taken = 1
        while taken < len(rest) and width(" ".join(rest[: taken + 1]), size, weight) <= room:
            taken += 1
        done.append(elided(" ".join(rest[:taken]), size, room, weight))
        rest = rest[taken:]
    return tuple(done)
