"""Figures inside the page: plain shapes with text, the drawing that the file shows, safe to stand side by side."""

from __future__ import annotations

import re
from io import BytesIO
from xml.etree import ElementTree

import numpy as np
import pytest
from fontTools.ttLib import TTFont

from k2meta.figures import forest
from k2meta.figures.font import subset
from k2meta.figures.text import width
from k2meta.report import FigureAsset
from k2meta.report.blocks import document
from k2meta.report.svg import FIGURE, UnsafeDrawingError, inline, letters
from tests import samples
from tests.figures import golden

# A hundredth of a point is kept, so half of one may be lost.
LOST = 0.005 + 1e-9
FONT_UNITS = 2048
"""Parts of the type size in which the font states how wide a letter is."""

XLINK = 'xmlns:xlink="http://www.w3.org/1999/xlink"'


def svg(inside: str) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" {XLINK} viewBox="0 0 9 9">{inside}</svg>'


def shown(inside: str, alt: str = "Alt.") -> str:
    """What stands inside the root of an inline drawing."""
    found = re.fullmatch(r"<svg [^>]*?(?:/>|>(.*)</svg>)", inline(svg(inside), alt))
    assert found is not None
    return found[1] or ""


@pytest.mark.parametrize("name", golden.CASES)
def test_every_figure_stands_in_a_page_with_all_its_words_and_no_reference(name: str) -> None:
    figure = golden.CASES[name]()
    drawing = ElementTree.fromstring(inline(figure.svg("text"), figure.alt))
    assert (drawing.get("class"), drawing.get("role"), drawing.get("aria-label")) == (FIGURE, "img", figure.alt)
    assert [text.text for text in drawing.iter("text")] == golden.tree(figure.svg())["texts"]
    assert {element.tag for element in drawing.iter()} <= {"svg", "g", "path", "text"}
    assert not {"id", "clip-path"} & {key for element in drawing.iter() for key in element.attrib}


@pytest.mark.parametrize("name", golden.CASES)
def test_a_figure_with_text_has_the_shapes_of_the_one_with_outlines(name: str) -> None:
    figure = golden.CASES[name]()
    outlined = golden.tree(figure.svg())["elements"]
    # Every letter of the outlined figure is a use of its outline; what is left are markers, which become paths.
    drawn = ElementTree.fromstring(inline(figure.svg("text"), figure.alt))
    outlines = len(re.findall('<use xlink:href="#DejaVu', figure.svg()))
    assert len(list(drawn.iter("path"))) == outlined["path"] + outlined["use"] - outlines


def test_asking_for_text_leaves_the_figure_as_it_was() -> None:
    figure = forest(samples.analysis(3))
    before = figure.svg()
    assert figure.svg("text") == figure.svg("text") != before
    assert figure.svg() == before


def test_a_marker_stands_as_a_path_where_it_is_used_in_the_style_of_both() -> None:
    assert shown(
        '<defs><path id="m1" d="M 0 1 \nL 2 -3.5" style="stroke: #ffffff"/></defs>'
        '<g id="study"><use xlink:href="#m1" x="66.640625" y="3" style="fill: #1a1a1a; stroke: #000000"/></g>'
    ) == ('<path d="m0 1l2-4.5" style="fill:#1a1a1a;stroke:#ffffff" transform="translate(66.64 3)" />')


def test_text_keeps_its_place_size_weight_and_colour_and_is_escaped() -> None:
    style = "font-weight: 700; font-size: 7.3px; font-family: 'DejaVu Sans'; text-anchor: start; fill: #595959"
    placed = 'x="8" y="27.2941" transform="rotate(-0 8 27.2941)"'
    text = f'<g id="text_1"><text style="{style}" {placed}>p &lt; 5</text></g>'
    assert (
        shown(text) == '<text style="font-weight:700;font-size:7.3px;fill:#595959" x="8" y="27.29">p &lt; 5</text>'
    )


def test_alternative_text_cannot_end_its_attribute_and_may_name_anything() -> None:
    alt = '"><script>alert(1)</script> data: url(x) javascript:'
    drawing = inline(svg(""), alt)
    assert "<script" not in drawing
    assert ElementTree.fromstring(drawing).get("aria-label") == alt


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        "<g onload='alert(1)'/>",
        "<image href='x'/>",
        "<path style='fill: url(#a)'/>",
        "<path style='fill: u\\72l(http://x)'/>",
        "<g clip-path='url(#a)'/>",
        "<style>*{}</style>",
        "<foreignObject/>",
        "<a xlink:href='javascript:alert(1)'/>",
    ],
)
def test_what_is_no_plain_shape_is_refused(inside: str) -> None:
    with pytest.raises(UnsafeDrawingError):
        inline(svg(inside), "Alt.")


def test_a_drawing_that_is_cut_off_is_refused() -> None:
    with pytest.raises(UnsafeDrawingError, match="not well-formed"):
        inline("<svg><g>", "Alt.")


def test_a_compact_path_ends_where_the_path_ended() -> None:
    numbers = np.random.default_rng(5).uniform(-400, 400, (200, 2))
    path = "M 0.004 0.004 " + " ".join(f"L {x:.6f} {y:.6f}" for x, y in numbers) + " z"
    short = re.search(r'd="([^"]*)"', shown(f'<path d="{path}"/>'))
    assert short is not None
    moves = re.findall(r"([mlhvz])([-. 0-9]*)", short[1])
    at = np.zeros(2)
    for (command, text), wanted in zip(moves[1:-1], numbers, strict=True):
        step = [float(value) for value in re.findall(r"-?[.0-9]+", text)]
        at += {"l": step, "h": [*step, 0.0], "v": [0.0, *step]}[command]
        # The differences do not add up.
        assert np.abs(at - wanted).max() <= LOST
    assert moves[-1][0] == "z"


def test_an_arc_is_left_as_it_is() -> None:
    assert 'd="M 1.234567 0 A 5 5 0 0 1 2 2"' in shown('<path d="M 1.234567 0 A 5 5 0 0 1 2 2"/>')


# --- the font --------------------------------------------------------------------------------


def test_the_letters_of_figures_are_told_apart_by_weight() -> None:
    one = svg('<text style="font-size: 8px">ba</text><text style="font-weight: 700; font-size: 8px">c</text>')
    assert letters([one, svg("<text>a\u2212</text>")]) == {"normal": "ab\u2212", "bold": "c"}
    assert letters([svg("")]) == {}


def opened(raw: bytes) -> TTFont:
    return TTFont(BytesIO(raw))


def test_the_font_holds_the_characters_asked_for_and_few_others() -> None:
    font = opened(subset("τ²−1", "bold"))
    assert set(map(chr, font.getBestCmap())) == set("τ²−1")
    assert font["name"].getDebugName(4) == "DejaVu Sans Bold"
    assert len(subset("τ²−1")) < 20_000


def test_the_font_is_the_same_bytes_whatever_the_order_and_the_day() -> None:
    assert subset("cab") == subset("abc")
    assert opened(subset("abc"))["head"].modified == opened(subset("xyz"))["head"].modified


def test_the_font_carries_its_copyright_and_its_licence() -> None:
    names = opened(subset("a"))["name"]
    assert "Bitstream" in names.getDebugName(0)
    assert "Permission is hereby granted" in names.getDebugName(13)


@pytest.mark.parametrize("weight", ["normal", "bold"])
def test_a_letter_is_as_wide_in_the_page_as_it_was_measured(weight: str) -> None:
    font = opened(subset("Mi−5τ", weight))  # type: ignore[arg-type]
    assert font["head"].unitsPerEm == FONT_UNITS
    for letter in "Mi−5τ":
        advance = font["hmtx"][font.getBestCmap()[ord(letter)]][0]
        # What measures text counts in 64ths of a point.
        assert 100 * advance / FONT_UNITS == pytest.approx(width(letter, 100, weight), abs=1 / 32)  # type: ignore[arg-type]


def test_of_a_figure_drawn_twice_the_page_has_both_and_paper_the_wide_one() -> None:
    asset = FigureAsset(svg("<text>wide</text>"), "Alt.", narrow=svg("<text>narrow</text>"))
    drawn = str(asset.drawing)
    assert re.findall(r'class="([^"]*)"', drawn) == ["k2-figure k2-wide", "k2-figure k2-narrow"]
    blocks = document(f"<html><main><figure>{drawn}</figure></main></html>")["blocks"]
    (figure,) = blocks[0]["blocks"]
    assert "wide" in figure["svg"]
    assert "narrow" not in figure["svg"]
    assert re.findall(r'class="([^"]*)"', str(FigureAsset(svg(""), "Alt.").drawing)) == ["k2-figure"]
