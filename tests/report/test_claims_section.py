"""The section of popular claims: counts that add up, one row per claim, what is theirs marked as theirs."""

from __future__ import annotations

import re
from dataclasses import replace

from k2meta.analysis import Analysis
from k2meta.claims import VERDICTS, Decided, decide, read_claims
from k2meta.numbers import CITED
from k2meta.report.claims import UNDECIDED, claims_page
from k2meta.tables.claims import claims as claims_table
from k2meta.trace import numbered, traced
from tests import samples
from tests.report.test_html import Page, render

LOW = {"direction": "lower"}


def named(identifier: str, k: int) -> Analysis:
    return samples.analysis(k, identifier=identifier)


ANALYSES = [named("first", 5), named("second", 1), named("third", 3)]


def row(identifier: str, article: str, rule: str, **cells: str) -> dict[str, str]:
    base = {
        "claim_id": identifier,
        "article": article,
        "claim": f"{identifier} proves it",
        "claim_type": "slowing",
    }
    return {**base, "faithful": "overstated", "rule": rule, **cells}


ROWS = [
    row("C01", "article 1", "pooled_effect", analysis="first", **LOW),
    row("C02", "article 1", "pooled_effect", analysis="second", study="A rat study", evidence="animal", **LOW),
    row(
        "C03",
        "article 2",
        "not_testable",
        why_not="Nothing was measured.",
        reported_value="MD -17.4 (-34,-1)",
    ),
    row("C04", "article 2", "pooled_effect|pooled_effect", analysis="third|first", direction="lower|lower"),
]


def decided() -> tuple[Decided, ...]:
    return decide(read_claims(ROWS), ANALYSES)


def test_counts_add_up_and_follow_the_verdicts() -> None:
    page = claims_page(decided(), ANALYSES)
    assert page is not None
    counts = [int(n) for n in re.findall(r"(\d+) (?:supported|not shown|contradicted|not testable)", page.summary)]
    assert sum(counts) == len(ROWS)
    assert counts == [sum(one.verdict == word for one in decided()) for word in VERDICTS]
    assert [sum(int(cell) for cell in article[2:6]) for article in page.articles] == [2, 2]
    assert page.told == "4 overstated"
    assert "(1 of these for lack of trials)" in page.summary


def test_every_count_of_a_traced_section_has_an_id_of_its_own() -> None:
    analyses = [traced(analysis) for analysis in ANALYSES]
    page = claims_page(decide(numbered(read_claims(ROWS), "claims"), analyses), analyses)
    assert page is not None
    ids = {
        field: raw for field, raw, _ in CITED.findall(" ".join((page.summary, page.told, *sum(page.articles, ()))))
    }
    assert ids["claims.all"] == repr(float(len(ROWS)))
    assert float(ids["claims.told.overstated"]) == len(ROWS)
    assert len([field for field in ids if field.startswith("claims.articles.article_1.")]) == 2 + len(VERDICTS)
    assert not re.search(r"\d", CITED.sub("", page.summary + page.told))


def test_every_claim_has_one_row_under_the_question_that_decides_it() -> None:
    page = claims_page(decided(), ANALYSES)
    assert page is not None
    assert sorted(row.id for group in page.groups for row in group.rows) == ["C01", "C02", "C03", "C04"]
    assert [group.anchor for group in page.groups] == ["q-first", "q-second", "q-third", ""]
    assert page.groups[-1].title == UNDECIDED
    assert page.groups[-1].rows[0].why == ("Nothing was measured.",)


def test_a_part_that_another_question_decides_is_named() -> None:
    analyses = [replace(a, spec=replace(a.spec, title=a.spec.id.upper())) for a in ANALYSES]
    page = claims_page(decide(read_claims(ROWS), analyses), analyses)
    assert page is not None
    (two_parts,) = page.groups[2].rows
    assert [where for where, _ in two_parts.numbers] == ["", "FIRST"]
    assert two_parts.why[1].startswith("FIRST: ")


def test_the_number_with_its_interval_stands_in_the_row() -> None:
    found = decided()
    html = render(ANALYSES, claims=found)
    section = html[html.index('<section id="claims"') : html.index('<section id="limits"')]
    assert section.count('<tr role="row" id="claim-') == len(ROWS)
    assert Page(html).open == []
    text = Page(section).text
    assert all(part.number in text.replace("\N{NO-BREAK SPACE}", " ") for one in found for part in one.decisions)
    assert "MD −17.4 (−34,−1)" in text


def test_what_of_a_rule_is_not_applied_stands_in_the_row() -> None:
    rows = [{**ROWS[0], "why_not": "the second half, as no question asks it"}, *ROWS[1:]]
    html = render(ANALYSES, claims=decide(read_claims(rows), ANALYSES))
    said = "Of what was written down for it, not applied: the second half, as no question asks it."
    assert html.count(said) == 1


def test_what_the_articles_say_is_marked_as_theirs() -> None:
    html = render(ANALYSES, claims=decided())
    assert html.count('<span data-words="theirs">C01 proves it</span>') == 1
    assert "A rat study" in html


def test_without_claims_there_is_no_section() -> None:
    assert claims_page((), ANALYSES) is None
    html = render(ANALYSES, claims=())
    assert 'id="claims"' not in html
    assert "Popular claims" not in html


def test_the_table_has_one_row_per_claim_and_the_numbers_of_the_deciding_part() -> None:
    table = claims_table(decided())
    assert [row["claim_id"] for row in table.rows] == ["C01", "C02", "C03", "C04"]
    lead = ANALYSES[0].fits[ANALYSES[0].lead].mu
    numbers = tuple(table.rows[0][name] for name in ("estimate", "low", "high"))
    assert numbers == (lead.value, lead.low, lead.high)
    assert table.rows[2]["estimate"] is None
    deciding = decided()[3].deciding
    assert table.rows[3]["deciding_analysis"] == deciding.part.analysis
    assert table.rows[3]["estimate"] == deciding.value
    fields = [f"first.fits.{ANALYSES[0].lead}.mu.{name}" for name in ("value", "low", "high")]
    assert table.rows[0]["fields"] == " ".join(fields)
    assert all(len(values) == len(table.header) for values in table.values)
