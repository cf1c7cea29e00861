"""The font of the figures, as much of it as a page needs that shows their text."""

from __future__ import annotations

from io import BytesIO

from k2meta.figures.text import Weight, font_file

NAMES = (0, 1, 2, 3, 4, 5, 6, 13, 14)
"""What a font says about itself: its names, and the notice and licence that have to stay in every copy."""


def subset(characters: str, weight: Weight = "normal") -> bytes:
    """Return the font of the figures with these characters only, as a TrueType file.

    Kerning and ligatures stay, so that a line is as wide as it was measured. Hints go: the text is measured
    without them. The same characters give the same bytes: the file keeps the date of its font, and nothing is
    compressed, because what a compressor writes depends on its version.

    Parameters
    ----------
    characters : str
        In any order, repeated or not; one that the font lacks is left out.
    weight : {"normal", "bold"}
        Which face of the family.
    """
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont

    options = Options(
        name_IDs=list(NAMES), hinting=False, recalc_timestamp=False, notdef_outline=True, glyph_names=False
    )
    # Tables of a font editor and of formulas, which no browser asks for.
    options.drop_tables += ["FFTM", "MATH"]
    subsetter = Subsetter(options)
    subsetter.populate(text=characters)
    made = BytesIO()
    with TTFont(font_file(weight), recalcTimestamp=False) as font:
        subsetter.subset(font)
        font.save(made)
    return made.getvalue()
