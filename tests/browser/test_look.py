"""What a reader sees of the shipped report: phone, laptop and paper; light and dark; with and without scripts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from k2meta.figures.text import Weight, width
from tests.browser.conftest import LAPTOP, Open

PHONE = {"width": 390, "height": 844}
A4 = {"width": 794, "height": 1123}  # at 96 dots per inch
PAPER = {"width": 673, "height": 987}  # A4 within the margins of the style sheet, 178 mm by 261 mm
MEGABYTES = 3.0
BLANK_PNG = 8_000  # an empty page of one colour is smaller than this, a page of text several times larger
POINTS = 0.5  # a line of a figure is up to 500 points wide; both count its letters in parts of a point
READABLE = 6.0  # CSS pixels: the smallest type of a figure on a phone
BLANK = 1.0  # the box of a line ends behind the blank that belongs to its last letter, about half a point
PICKY = ("serious", "critical")


def grave(page: Page) -> list[str]:
    """Return what axe-core calls serious or critical, up to three places each."""
    return [
        f"{one['id']}: {node['target']} {node.get('failureSummary', '')}"
        for one in Axe().run(page).response["violations"]
        if one["impact"] in PICKY
        for node in one["nodes"][:3]
    ]


@pytest.fixture(scope="session")
def review(shipped: tuple[Path, Path]) -> Path:
    """Return the folder of the shipped review."""
    return shipped[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, LAPTOP, A4], ids=["phone", "laptop", "print"])
def test_the_page_is_drawn_and_never_wider_than_its_window(
    review: Path, opened: Open, viewport: dict[str, int], scheme: str
) -> None:
    page = opened(review, viewport, color_scheme=scheme)
    if viewport is A4:
        page.emulate_media(media="print")
    assert len(page.screenshot()) > BLANK_PNG
    wide = page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth]")
    assert max(wide) <= viewport["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_with_every_part_open(review: Path, opened: Open, scheme: str) -> None:
    page = opened(review, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert grave(page) == []


def test_on_paper_no_table_leaves_the_sheet_and_no_word_of_a_cell_is_broken(review: Path, opened: Open) -> None:
    page = opened(review, PAPER)
    page.emulate_media(media="print")
    beyond, broken, cells = page.evaluate(
        """(() => {
             const shown = [...document.querySelectorAll('main :is(th, td)')].filter(one => one.checkVisibility());
             const broken = [];
             for (const cell of shown.filter(one => one.className !== 'long')) {
               const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
               for (let node; (node = walker.nextNode());)
                 for (const word of node.textContent.matchAll(/[\\p{L}\\p{N}]+/gu)) {
                   const range = document.createRange();
                   range.setStart(node, word.index);
                   range.setEnd(node, word.index + word[0].length);
                   if (new Set([...range.getClientRects()].map(box => box.top)).size > 1) broken.push(word[0]);
                 }
             }
             const beyond = shown.filter(one => one.getBoundingClientRect().right > innerWidth + 0.5);
             return [beyond.map(one => one.textContent), broken, shown.length] })()"""
    )
    assert beyond == []
    assert broken == []
    assert cells > 100


def test_axe_would_find_pale_text_and_a_number_without_a_name(built: Path, opened: Open) -> None:
    page = opened(built)
    page.add_style_tag(content=".lead { color: #ccc; }")
    page.evaluate("document.querySelector('data[role]').textContent = ''")
    assert {finding.partition(":")[0] for finding in grave(page)} == {"color-contrast", "aria-command-name"}


def test_the_page_asks_nobody_and_complains_of_nothing(review: Path, opened: Open) -> None:
    page = opened(review)
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.reload()
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    page.mouse.wheel(0, 20_000)
    page.wait_for_timeout(200)
    assert [url for url in asked if not url.startswith(("data:", page.url))] == []
    assert said == []


def test_a_script_that_is_not_the_page_own_does_not_run(review: Path, opened: Open, tmp_path: Path) -> None:
    text = (review / "reports" / "report.html").read_text("utf-8")
    (tmp_path / "reports").mkdir()
    evil = text.replace("</body>", "<script>document.title = 'changed'</script></body>")
    (tmp_path / "reports" / "report.html").write_text(evil, "utf-8")
    page = opened(tmp_path)
    assert page.title() != "changed"
    assert page.locator("button.sort").count() > 0  # while its own did


def test_the_file_is_small_enough_to_send(review: Path) -> None:
    assert (review / "reports" / "report.html").stat().st_size <= MEGABYTES * 1e6


def test_the_answer_stands_on_the_first_screen_of_a_laptop(review: Path, opened: Open) -> None:
    page = opened(review)
    cards = page.locator(".cards:not(.more) .card")
    assert cards.count() >= 1
    for i in range(cards.count()):
        for part in (".verdict", ".line", ".why"):
            box = cards.nth(i).locator(part).bounding_box()
            assert box is not None
            assert box["y"] + box["height"] <= LAPTOP["height"], f"{part} of card {i + 1} is below the fold"


def test_the_text_of_every_figure_is_as_wide_as_it_was_measured(review: Path, opened: Open) -> None:
    page = opened(review)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    drawn = page.evaluate(
        """[...document.querySelectorAll('.k2-figure text')].filter(one => one.checkVisibility()).map(one => {
             const { fontSize, fontWeight } = getComputedStyle(one);
             return [one.textContent, parseFloat(fontSize), fontWeight, one.getComputedTextLength()] })"""
    )
    assert len(drawn) > 1000
    faces = page.evaluate("document.fonts.ready.then(all => [...all].map(one => one.weight + ' ' + one.status))")
    assert faces == ["normal loaded", "bold loaded"]
    weights: dict[str, Weight] = {"400": "normal", "700": "bold"}
    for text, size, weight, length in drawn:
        assert length == pytest.approx(width(text, size, weights[weight]), abs=POINTS), text


def test_no_text_of_a_figure_leaves_its_sheet(review: Path, opened: Open) -> None:
    page = opened(review)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    outside = page.evaluate(
        """blank => [...document.querySelectorAll('.k2-figure:not(.k2-narrow) text')].filter(one => {
             const text = one.getBoundingClientRect(), sheet = one.closest('svg').getBoundingClientRect();
             return text.left < sheet.left || text.right > sheet.right + blank || text.bottom > sheet.bottom
           }).map(one => one.textContent)""",
        BLANK,
    )
    assert outside == []


def test_the_words_of_a_figure_can_be_selected(review: Path, opened: Open) -> None:
    page = opened(review)
    selected = page.locator(".k2-figure").first.evaluate(
        "one => { getSelection().selectAllChildren(one); return getSelection().toString() }"
    )
    assert "95 % prediction interval" in selected


def test_no_card_is_clipped_on_a_phone(review: Path, opened: Open) -> None:
    page = opened(review, PHONE)
    cut = page.evaluate(
        """[...document.querySelectorAll('.card, .card *:not(svg *)')]
           .filter(one => one.getBoundingClientRect().left < 0
                          || one.getBoundingClientRect().right > innerWidth + 0.5)
           .map(one => one.outerHTML.slice(0, 80))"""
    )
    assert cut == []


def test_a_phone_shows_the_whole_forest_plot_in_letters_that_can_be_read(review: Path, opened: Open) -> None:
    page = opened(review, PHONE)
    plots = page.evaluate(
        """[...document.querySelectorAll('figure:has(.k2-narrow)')].map(one => {
             const shown = [...one.querySelectorAll('svg')].filter(svg => svg.checkVisibility());
             const [svg, parts] = [shown[0], [...shown[0].querySelectorAll('path, text')]];
             const boxes = parts.map(part => part.getBoundingClientRect());
             const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
             const type = parts.filter(part => part.textContent).map(text => getComputedStyle(text).fontSize);
             return { drawings: shown.length, class: svg.getAttribute('class'),
                      letters: scale * Math.min(...type.map(parseFloat)),
                      left: Math.min(...boxes.map(box => box.left)),
                      right: Math.max(...boxes.map(box => box.right)) } })"""
    )
    assert (
        len(plots)
        == page.locator(".k2-narrow").count()
        == page.locator(".sheet[aria-label='Forest plot']").count()
    )
    for plot in plots:
        assert (plot["drawings"], plot["class"]) == (1, "k2-figure k2-narrow")
        assert 0 <= plot["left"] < plot["right"] <= PHONE["width"]
        assert plot["letters"] >= READABLE
    laptop = opened(review)
    assert laptop.locator(".k2-wide").first.is_visible()
    assert not laptop.locator(".k2-narrow").first.is_visible()


def test_without_scripts_everything_can_be_read(review: Path, opened: Open) -> None:
    with_scripts, without = opened(review), opened(review, java_script_enabled=False)
    assert without.locator("button.sort").count() == 0
    for kind in ("h1, h2, h3, h4", ".card .verdict", ".card .line", ".question > p", "main table caption"):
        told = [text for text in without.locator(kind).all_text_contents() if text.strip()]
        assert told == [text for text in with_scripts.locator(kind).all_text_contents() if text.strip()]
        assert told
    assert without.locator("main h2").first.is_visible()
    assert all(without.locator(".card .line").nth(i).is_visible() for i in range(2))
    part = without.locator("details:has(table)").first
    table = part.locator("table").first
    assert not table.is_visible()
    part.locator("summary").first.click()
    assert table.is_visible()
    assert not without.locator("#panel").is_visible()


def test_paper_keeps_the_answer_the_sentences_and_the_figures(review: Path, opened: Open) -> None:
    page = opened(review)
    page.locator("input.filter").first.evaluate("one => { one.closest('details')?.setAttribute('open', '') }")
    page.emulate_media(media="print")
    assert not page.locator(".rail").is_visible()
    assert page.locator("input.filter:visible").count() == 0
    for part in (
        ".card .verdict",
        ".card .line",
        ".question > h3",
        "figure .k2-figure:not(.k2-narrow)",
        "#limits li",
        ".references li",
    ):
        shown = page.locator(part)
        assert shown.count() > 0
        assert all(shown.nth(i).is_visible() for i in range(shown.count())), part
    pdf = page.pdf(format="A4", prefer_css_page_size=True)
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert pages > 3
    assert set(re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+ [\d.]+)\]", pdf)) <= {b"594.95996 841.91998", b"595 842"}
