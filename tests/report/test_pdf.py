"""The PDF: the page again, tagged, with words for every picture, the same twice."""

from __future__ import annotations

import io
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pypdf
import pypdfium2
import pytest

from k2meta.figures import forest
from k2meta.report import FigureAsset
from k2meta.report.blocks import Block, document
from k2meta.report.pdf import Pdf, render_pdf
from tests.figures.golden import tree
from tests.report.test_html import ATTACK, REVIEW, named, render

SHIPPED = (Path(__file__).parents[2] / "reports" / "report.html").read_text("utf-8")
HOSTILE = '#panic("x") $x^2$ *b* _i_ `c` \\ "); #read("report.typ") // @ref <label> = - + https://x.example'

# A page with two lines of small print has 0.1 % of its pixels grey or darker; a page that failed to draw has none.
INK = (0.0003, 0.6)
SIDE = 21 / 25.4 * 72  # margin of the sheet on either side, as the template sets it
OVERHANG = 0.5  # points by which the box of a letter may reach over the end of its line


def squeezed(text: str) -> str:
    """Text without any blank, hyphen or line end: where lines break does not count, letters and digits do."""
    return re.sub(r"[\s\u00ad\u2010\u00a0\u2009-]+", "", text)


def text_of(pdf: Pdf) -> str:
    """Text of all pages without the running foot, so that a sentence over two pages is in one piece."""
    pages = pypdf.PdfReader(io.BytesIO(pdf.raw)).pages
    foot = (re.compile(rf"^.*{i} / {len(pages)}$", re.MULTILINE) for i in range(1, len(pages) + 1))
    return "".join(one.sub("", page.extract_text()) for one, page in zip(foot, pages, strict=True))


def every(blocks: list[Block]) -> list[Block]:
    inside = [
        [*block.get("blocks", []), *(b for item in block.get("items", []) for b in item)] for block in blocks
    ]
    return [b for block, more in zip(blocks, inside, strict=True) for b in (block, *every(more))]


def said(runs: list[Block]) -> str:
    return "".join(run["t"] for run in runs)


@pytest.fixture(scope="module")
def shipped() -> Pdf:
    return render_pdf(SHIPPED)


def test_the_shipped_report_reaches_the_standard_for_accessible_documents(shipped: Pdf) -> None:
    assert (shipped.standard, shipped.why) == ("PDF/UA-1", "")
    reader = pypdf.PdfReader(io.BytesIO(shipped.raw))
    assert reader.root_object["/MarkInfo"]["/Marked"]
    assert reader.root_object["/Lang"] == "en"
    assert reader.metadata is not None
    assert reader.metadata.title == document(SHIPPED)["title"]
    assert b"pdfuaid:part" in reader.root_object["/Metadata"].get_object().get_data()


def test_every_sentence_and_cell_of_the_page_is_in_the_pdf(shipped: Pdf) -> None:
    found = every(document(SHIPPED)["blocks"])
    printed = squeezed(text_of(shipped))
    sentences = [said(block["text"]) for block in found if block["kind"] in ("par", "heading")]
    cells = [said(cell) for block in found if block["kind"] == "table" for row in block["rows"] for cell in row]
    facts = [said(part) for block in found if block["kind"] == "facts" for row in block["rows"] for part in row]
    assert len(sentences) > 300
    assert len(cells) > 1500
    whole = [squeezed(text) for text in (*sentences, *cells, *facts)]
    missing = [text for text in whole if text not in printed]
    assert not missing
    pages = pypdf.PdfReader(io.BytesIO(shipped.raw)).pages
    first, two = (squeezed("".join(page.extract_text() for page in pages[:n])) for n in (1, 2))
    answers = [b for b in found if b["kind"] == "par" and b["role"] in ("verdict", "line")]
    assert len(answers) >= 2 * SHIPPED.count('<article class="card')
    headline = 2 * SHIPPED.count('<article class="card">')
    assert headline
    assert all(squeezed(said(answer["text"])) in first for answer in answers[:headline])
    assert all(squeezed(said(answer["text"])) in two for answer in answers)


def words_of(blocks: list[Block]) -> list[str]:
    """Every text of the page that is printed: sentences, headings, titles, cells, facts, code and figures."""
    found = []
    for block in every(blocks):
        rows = [*block.get("head", []), *block.get("rows", [])]
        found += [said(cell) for row in rows for cell in row]
        found += [said(block["text"])] if block["kind"] in ("par", "heading") else []
        found += [said(block["title"])] if "title" in block else []
        found += [block[name] for name in ("caption", "text") if isinstance(block.get(name), str)]
        found += ElementTree.fromstring(block["svg"]).itertext() if block["kind"] == "figure" else []
    return found


def numbers_beyond(pdf: Pdf, page: str) -> Counter[str]:
    """Digit groups that the PDF prints more often than its page."""
    told = " ".join(words_of(document(page)["blocks"]))
    printed = text_of(pdf)
    for long in sorted({word for word in re.split(r"[\s/–—-]+", told) if len(word) > 20}, key=len, reverse=True):
        # A hash that runs over the end of a line is one word.
        printed = re.sub("\n?".join(map(re.escape, long)), long, printed)
    return Counter(re.findall(r"\d+", printed)) - Counter(re.findall(r"\d+", told))


def test_no_number_of_the_pdf_is_its_own(shipped: Pdf) -> None:
    # tests/workflow/test_no_orphans.py finds the source of every number of the page, hence of a PDF that prints no
    # other. More often than the page it prints heads of tables that run over a page, and places of numbered lists.
    found = every(document(SHIPPED)["blocks"])
    heads = " ".join(said(cell) for b in found if b["kind"] == "table" for row in b["head"] for cell in row)
    places = {str(i) for b in found if b["kind"] == "list" and b["ordered"] for i in range(1, len(b["items"]) + 1)}
    assert set(numbers_beyond(shipped, SHIPPED)) <= {*re.findall(r"\d+", heads), *places}


def test_a_number_that_only_the_pdf_prints_is_found() -> None:
    page = render([named(5, "MD")])
    more = page.replace('<section id="limits"', '<p>Of these, 7177 were small.</p><section id="limits"', 1)
    assert numbers_beyond(render_pdf(more), page)["7177"] == 1


def test_every_number_of_a_card_is_printed_as_on_the_page() -> None:
    page = render([named(5, "MD")])
    cards = [b for b in every(document(page)["blocks"]) if b.get("role") == "line"]
    printed = squeezed(text_of(render_pdf(page)))
    numbers = re.findall(r"\d+(?:\.\d+)?", " ".join(said(card["text"]) for card in cards))
    assert len(numbers) >= 5
    assert all(number in printed for number in numbers)


def test_every_picture_has_its_words_and_is_drawn_as_lines_not_as_pixels(shipped: Pdf) -> None:
    pictures = [b for b in every(document(SHIPPED)["blocks"]) if b["kind"] in ("figure", "strip")]
    assert len(pictures) >= 20
    assert all(picture["alt"] and picture["svg"].startswith(("<svg", "<?xml")) for picture in pictures)
    reader = pypdf.PdfReader(io.BytesIO(shipped.raw))
    figures = [one for one in _structure(reader) if one.get("/S") == "/Figure"]
    assert sorted(squeezed(str(f["/Alt"])) for f in figures) == sorted(squeezed(p["alt"]) for p in pictures)
    assert not any(page.images for page in reader.pages)


def test_the_words_of_a_figure_are_words_in_the_font_it_was_drawn_in() -> None:
    analysis = named(5, "MD")
    figure = forest(analysis)
    asset = FigureAsset(figure.svg("text"), figure.alt)
    made = render_pdf(render([analysis], figures={(analysis.spec.id, "forest"): asset}))
    assert made.standard == "PDF/UA-1"
    printed, drawn = squeezed(text_of(made)), tree(figure.svg())["texts"]
    assert len(drawn) > 20
    assert all(squeezed(text) in printed for text in drawn)
    fonts = re.findall(rb"/BaseFont\s*/[A-Z]{6}\+([\w-]+)", made.raw)
    assert {b"DejaVuSans", b"DejaVuSans-Bold"} <= {font.removesuffix(b"-Identity-H") for font in fonts}


def _structure(reader: pypdf.PdfReader) -> list[pypdf.generic.DictionaryObject]:
    found, waiting = [], [reader.root_object["/StructTreeRoot"]["/K"]]
    while waiting:
        one = waiting.pop().get_object()
        if isinstance(one, pypdf.generic.ArrayObject):
            waiting += list(one)
        elif isinstance(one, pypdf.generic.DictionaryObject):
            found.append(one)
            waiting += [one["/K"]] if "/K" in one else []
    return found


def test_every_page_is_drawn_on_a4(shipped: Pdf) -> None:
    pages = pypdfium2.PdfDocument(shipped.raw)
    assert len(pages) > 5
    for page in pages:
        assert page.get_size() == pytest.approx((595.28, 841.89), abs=0.01)
        grey = page.render(scale=0.5, grayscale=True).to_numpy()
        assert INK[0] < (grey < 200).mean() < INK[1]


def beyond_the_margins(pdf: Pdf) -> list[str]:
    """Return the texts that leave the text block to the left or right, or the sheet, with their pages."""
    found = []
    for number, page in enumerate(pypdfium2.PdfDocument(pdf.raw), start=1):
        (width, height), text = page.get_size(), page.get_textpage()
        for i in range(text.count_rects()):
            left, bottom, right, top = box = text.get_rect(i)
            inside = left > SIDE - OVERHANG and right < width - SIDE + OVERHANG and bottom > 0 and top < height
            found += [] if inside else [f"page {number}: {text.get_text_bounded(*box)}"]
    return found


def test_no_text_lies_outside_the_margins(shipped: Pdf) -> None:
    assert beyond_the_margins(shipped) == []


def test_a_long_word_in_a_narrow_column_breaks_and_stays_one_word_of_the_text() -> None:
    long = "0123456789abcdef" * 6
    cells = "".join(f"<td>{name} {long}</td>" for name in ("a", "b", "c", "d"))
    made = render_pdf(
        '<html lang="en"><head><title>T</title></head><body><main><h1>T</h1><table><thead><tr>'
        '<th scope="col">H</th><th scope="col">H</th><th scope="col">H</th><th scope="col">H</th></tr></thead>'
        f"<tr>{cells}</tr></table><p>{long * 3}</p></main></body></html>"
    )
    assert beyond_the_margins(made) == []
    assert squeezed(text_of(made)).count(long) == 4 + 3


def test_two_runs_give_the_same_bytes_and_no_clock(shipped: Pdf) -> None:
    assert render_pdf(SHIPPED) == shipped
    metadata = pypdf.PdfReader(io.BytesIO(shipped.raw)).metadata
    assert metadata is not None
    assert metadata.creation_date is None or metadata.creation_date.year == 1970


def test_hostile_text_is_printed_and_never_evaluated() -> None:
    review = replace(REVIEW, title=f"{HOSTILE} {ATTACK}", limits=(HOSTILE,))
    made = render_pdf(render([named(2, "MD")], review=review))
    assert made.standard == "PDF/UA-1"
    assert text_of(made).replace("\n", "").count("#panic") >= 2


def test_letters_that_no_font_has_cost_the_standard_and_not_the_report() -> None:
    made = render_pdf(render([named(2, "MD")], review=replace(REVIEW, title="維生素 K")))
    assert made.standard == "tagged PDF"
    assert made.why
    assert len(pypdf.PdfReader(io.BytesIO(made.raw)).pages) > 0


def test_what_a_script_needs_and_what_is_hidden_is_not_printed() -> None:
    page = (
        '<html lang="en"><head><title>T</title></head><body><main><h1>T</h1>loose <b>text</b>'
        "<script>let x = 1</script><dialog>panel</dialog><p hidden>gone</p><button>press</button>"
        '<table><thead><tr><th scope="col"><button>Head</button></th></tr></thead><tr><td>cell</td></tr></table>'
        "</main></body></html>"
    )
    found = document(page)["blocks"]
    assert [block["kind"] for block in found] == ["heading", "par", "table"]
    assert said(found[1]["text"]) == "loose text"
    assert said(found[2]["head"][0][0]) == "Head"


def test_parts_of_a_line_that_the_page_sets_apart_do_not_run_together() -> None:
    body = "<p>C02-x<span>warn</span></p><p><span><b>Rule</b> r</span><span><b>So far</b> s</span></p>"
    found = document(f"<html><main>{body}</main></html>")["blocks"]
    assert [said(block["text"]) for block in found] == ["C02-x · warn", "Rule r · So far s"]
