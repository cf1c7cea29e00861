"""What the script adds, by keyboard: sorting, filters, the panel of a number, the estimate without a study."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page

from tests.browser.conftest import Open


@pytest.fixture
def page(built: Path, opened: Open) -> Page:
    """Return the report of the tiny project with every part open."""
    page = opened(built)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    return page


def table_of(page: Page, caption: str) -> Locator:
    return page.locator("table", has=page.locator("caption", has_text=caption)).first


def column(table: Locator, number: int) -> list[str]:
    return table.locator(f"tbody tr > :nth-child({number})").all_text_contents()


def values(table: Locator, number: int) -> list[float]:
    cells = table.locator(f"tbody tr > :nth-child({number}) data").evaluate_all("all => all.map(one => one.value)")
    return [float(cell) for cell in cells]


def test_a_table_sorts_by_keyboard_up_down_and_back(page: Page) -> None:
    table = table_of(page, "Leaving out one study at a time")
    head = table.locator("thead th").nth(1)
    first = values(table, 2)
    assert len(first) > 2
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert values(table, 2) == sorted(first)
    page.keyboard.press("Space")
    assert head.get_attribute("aria-sort") == "descending"
    assert values(table, 2) == sorted(first, reverse=True)
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") is None
    assert values(table, 2) == first


def test_only_one_column_of_a_table_is_marked_as_sorted(page: Page) -> None:
    table = table_of(page, "Leaving out one study at a time")
    for i in (0, 1):
        table.locator("thead button").nth(i).click()
    assert table.locator("th[aria-sort]").count() == 1
    table.locator("thead button").nth(0).click()
    names = column(table, 1)
    assert names == sorted(names)


def test_what_is_not_stated_comes_last_whichever_way_a_column_is_sorted(page: Page) -> None:
    heads = page.locator("main table thead th")
    dashed = heads.evaluate_all(
        """all => all.findIndex(head => {
             const rows = [...head.closest('table').tBodies[0].rows];
             const told = rows.map(row => row.cells[head.cellIndex].textContent.trim());
             return head.querySelector('button') && told.includes('–') && new Set(told).size > 2; })"""
    )
    assert dashed >= 0
    head = heads.nth(dashed)
    for _ in ("ascending", "descending"):
        head.locator("button").click()
        told = head.evaluate(
            """one => [...one.closest('table').tBodies[0].rows]
                      .map(row => row.cells[one.cellIndex].textContent.trim())"""
        )
        stated = [cell != "–" for cell in told]
        assert stated == sorted(stated, reverse=True)


def test_a_filter_keeps_the_rows_that_hold_the_words(page: Page) -> None:
    box = page.locator("input.filter").first
    rows = (
        page.locator(".scroll", has=page.locator("table"))
        .nth(
            page.locator(".scroll").evaluate_all(
                "all => all.findIndex(one => one.previousElementSibling?.matches('.filter'))"
            )
        )
        .locator("tbody tr")
    )
    before = rows.count()
    word = rows.nth(1).locator("th").inner_text().strip()
    box.fill(word.upper())
    kept = [rows.nth(i).inner_text() for i in range(before) if rows.nth(i).is_visible()]
    assert 0 < len(kept) < before
    assert all(word.lower() in text.lower() for text in kept)
    box.fill("no trial is called so")
    assert not any(rows.nth(i).is_visible() for i in range(before))
    assert page.get_by_text("No row holds this.").is_visible()
    box.fill("")
    assert all(rows.nth(i).is_visible() for i in range(before))


def test_a_number_opens_its_panel_by_enter_and_closes_by_escape(page: Page, built: Path) -> None:
    number = page.locator('.card .line data[data-from="stiffness.fits.bayes_exact.mu.value"]').first
    number.focus()
    page.keyboard.press("Enter")
    panel = page.get_by_role("dialog")
    assert panel.is_visible()
    fit = json.loads((built / "results" / "fits" / "stiffness" / "bayes_exact.json").read_text("utf-8"))
    text = panel.inner_text()
    assert "stiffness.fits.bayes_exact.mu.value" in text
    assert repr(fit["mu"]["value"]).replace("-", "\N{MINUS SIGN}") in text
    assert fit["method"] in text
    with (built / "results" / "effects" / "stiffness.csv").open(encoding="utf-8", newline="") as file:
        pooled = list(csv.DictReader(file))
    rows = panel.locator("table tbody tr")
    assert rows.count() == len(pooled) >= 2
    for row in pooled:
        assert rows.filter(has_text=row["label"]).count() == 1
    page.keyboard.press("Escape")
    assert not panel.is_visible()
    assert number.evaluate("one => one === document.activeElement")


OPEN = """one => {
  for (let up = one.closest('details'); up; up = up.parentElement.closest('details')) up.open = true
}"""


def test_the_panel_of_one_effect_shows_its_own_steps_and_not_those_of_the_pool(page: Page) -> None:
    effect = page.locator('#q-stiffness tbody data[data-from^="stiffness.effects."]').first
    effect.evaluate(OPEN)
    effect.click()
    panel = page.get_by_role("dialog")
    assert panel.is_visible()
    assert not panel.locator("table").is_visible()
    panel.get_by_role("button", name="Close").click()


def test_a_number_of_a_table_opens_its_panel_by_click_and_closes_by_its_button(page: Page) -> None:
    cell = table_of(page, "Leaving out one study at a time").locator("tbody data").first
    cell.click()
    panel = page.get_by_role("dialog")
    assert str(cell.get_attribute("data-from")) in panel.inner_text()
    panel.get_by_role("button", name="Close").click()
    assert not panel.is_visible()


def test_a_study_of_the_forest_leads_to_the_estimate_without_it(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = false)")
    study = page.locator("#q-stiffness tr[data-study]").nth(1)
    study.evaluate("one => one.closest('details').open = true")
    name = study.get_attribute("data-study")
    study.locator("button.study").focus()
    page.keyboard.press("Enter")
    picked = page.locator("tr[aria-current=true]")
    assert picked.count() == 1
    assert picked.get_attribute("data-without") == name
    assert picked.is_visible()
    assert picked.evaluate("one => one === document.activeElement")
    box = picked.bounding_box()
    assert box is not None
    assert 0 <= box["y"] <= 800


def test_every_pooled_study_has_its_leave_one_out_row(page: Page, built: Path) -> None:
    rows = json.loads((built / "results" / "sensitivity" / "stiffness" / "leave_one_out.json").read_text("utf-8"))
    studies = {row["study_id"] for row in rows}
    assert studies
    for attribute in ("data-study", "data-without"):
        found = page.locator(f"#q-stiffness tr[{attribute}]").evaluate_all(
            "(all, name) => all.map(one => one.getAttribute(name))", attribute
        )
        assert studies <= set(found)
