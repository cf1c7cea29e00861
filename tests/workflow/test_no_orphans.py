"""No orphan numbers: every digit group of a built page comes from a field, a file or a text of the project."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from tests.orphans import Run, Sources, normal, orphans, orphans_in_strips

# What a template or a table may spell out, and why. A test below holds that each is still needed.
ALLOWED = {
    "k - 1 degrees of freedom": "a formula of the methods, not a number",
    "prisma 2020": "name of the checklist",
    "page et al. 2021, doi:10.1136/bmj.n71": "the paper that words the items of the checklist",
    "sha-256": "name of the hash beside the inputs",
}


def page_of(folder: Path) -> str:
    return (folder / "reports" / "report.html").read_text("utf-8")


def found(page: str, folder: Path, allowed: tuple[str, ...] = tuple(ALLOWED)) -> list[Run]:
    return orphans(page, Sources(folder), allowed)


def test_every_number_of_the_tiny_page_is_at_home(built: Path) -> None:
    assert found(page_of(built), built) == []
    assert orphans_in_strips(page_of(built), Sources(built), ALLOWED) == []


def test_every_number_of_the_shipped_page_is_at_home(shipped: tuple[Path, Path]) -> None:
    page = page_of(shipped[0])
    assert found(page, shipped[0]) == []
    assert orphans_in_strips(page, Sources(shipped[0]), ALLOWED) == []


def test_the_page_cites_more_than_it_spells_out(built: Path) -> None:
    # A walker that reads nothing would find no orphan either.
    assert len(re.findall("<data ", page_of(built))) > 200


@pytest.mark.parametrize("literal", ALLOWED)
def test_every_allowed_literal_is_needed(built: Path, literal: str) -> None:
    others = tuple(one for one in ALLOWED if one != literal)
    assert any(literal in run.text for run in found(page_of(built), built, others))


@pytest.mark.parametrize(
    "typed",
    [
        "<p>Of these, 17 were small.</p>",
        "<p>The interval covers 94.9\N{NO-BREAK SPACE}% of them.</p>",
        "<p>In 3 of them nobody was asked.</p>",
        "<table><thead><tr><th>k</th></tr></thead><tbody><tr><td>4</td></tr></tbody></table>",
        "<details><summary>12 more</summary></details>",
        "<p>Between \N{MINUS SIGN}1.2345 and 2.</p>",
    ],
)
def test_a_number_typed_into_a_template_is_an_orphan(built: Path, typed: str) -> None:
    mutated = page_of(built).replace('<section id="limits"', typed + '<section id="limits"')
    (run, *more) = found(mutated, built)
    assert more == []
    assert set(re.findall(r"\d+", run.text)) <= set(re.findall(r"\d+", typed))


def test_a_number_that_loses_its_field_is_an_orphan(built: Path) -> None:
    page = page_of(built)
    cited = re.search(r'<data value="[^"]*" data-from="stiffness\.fits\.[^"]*\.mu\.low">([^<]*)</data>', page)
    assert cited is not None
    assert found(page.replace(cited.group(), cited.group(1), 1), built)


def test_a_cell_that_differs_from_its_file_is_an_orphan(built: Path) -> None:
    page = page_of(built)
    table = re.search(r'<table data-file="figures/stiffness_forest\.csv">.*?</table>', page, re.DOTALL)
    assert table is not None
    cell = re.search(r"<td>(\N{MINUS SIGN}?0\.\d+)</td>", table.group())
    assert cell is not None
    wrong = table.group().replace(cell.group(), "<td>0.777</td>", 1)
    (run,) = found(page.replace(table.group(), wrong), built)
    assert run.text == "0.777"


def test_a_value_that_is_not_in_the_list_of_numbers_is_an_orphan(built: Path) -> None:
    page = page_of(built)
    start = page.index('<section id="numbers"')
    value = re.search(r"<td>(\N{MINUS SIGN}?0\.\d{6,})</td>", page[start:])
    assert value is not None
    mutated = page[:start] + page[start:].replace(value.group(1), "0.123456789", 1)
    assert [run.text for run in found(mutated, built)] == ["0.123456789"]


def test_the_words_of_every_figure_are_those_of_its_file(built: Path) -> None:
    files = {normal(path.read_text("utf-8")) for path in (built / "reports" / "figures").glob("*.alt.txt")}
    alts = re.findall(r'<svg class="k2-figure" [^>]*aria-label="([^"]*)"', page_of(built))
    assert alts
    assert {normal(unescape(alt)) for alt in alts} <= files
