"""Summary of findings, risk of bias, missing results, flow and checklist: filled where people filled them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from k2meta import io
from k2meta.analysis import MissingResults
from k2meta.figures.lights import FILLS
from k2meta.numbers import plain
from k2meta.report.flow_svg import flow_diagram
from k2meta.report.html import SECTIONS
from k2meta.report.language import overclaims
from k2meta.report.lights_svg import lights
from k2meta.report.methods_text import anchor, methods_text
from k2meta.report.standards import bound_sentence, standards
from k2meta.report.svg import plain_shapes
from k2meta.tables import build_tables
from k2meta.tables.missing_results import STATUSES, statuses
from k2meta.tables.parts import ABSENT
from k2meta.tables.prisma_checklist import LOCATIONS, TO_FILL
from k2meta.types import PRISMA_ITEMS, FlowCount
from tests import samples
from tests.report.test_html import ATTACK, Page, render

SVG = "{http://www.w3.org/2000/svg}"


def judged(k: int = 5, measure: str = "MD"):
    return replace(samples.analysis(k, measure), judgements=samples.judgements(), missing_results=samples.bound())


def told(*analyses):
    return standards(analyses, build_tables(analyses, ()))


def cells(table, i: int = 0) -> dict[str, str]:
    return {c.id: plain(s.text) for c, s in zip(table.visible, table.shown[i], strict=True)}


def test_without_files_nothing_is_rated_and_nothing_is_assessed() -> None:
    found = told(samples.analysis(5), samples.analysis(1, identifier="one"))
    assert (found.rated, found.judged, found.lights, found.flow) == (0, 0, "", "")
    assert {row["certainty"] for row in found.findings.rows} == {"not rated"}
    assert {row[name] for row in found.bias.rows for name in ("d1", "d5", "overall")} == {"not assessed"}
    text = Page(render([samples.analysis(5)])).text
    for words in ("was not rated", "Risk of bias was not assessed", "No flow diagram is drawn", TO_FILL):
        assert words in text


def test_filled_judgements_are_printed_with_whoever_judged() -> None:
    text = Page(render([judged()])).text
    for words in (
        "very low (An invented reader). imprecision: few people",
        "judged for 2 trials",
        "Records screened (n = 30)",
        "page 9: Nobody paid.",
    ):
        assert words in text


def test_only_people_rate_certainty_however_wide_the_interval() -> None:
    for k, measure in ((2, "MD"), (9, "SMD"), (3, "LOGRATIO")):
        assert cells(told(samples.analysis(k, measure)).findings)["certainty"] == "not rated"


def test_a_row_of_findings_prints_people_effect_and_meaning() -> None:
    row = cells(told(judged()).findings)
    assert row["comparison"] == "vitamin K against control"
    assert row["participants"].endswith("(5 studies)")
    assert "Agatston units (95 % CI" in row["effect"]
    assert row["effect"].endswith("; random effects)")
    assert row["meaning"].startswith("Not shown. The interval includes zero")


@pytest.mark.parametrize(
    ("line", "words"), [(-1000.0, "lies wholly short of"), (-1e-9, "crosses"), (500.0, "lies wholly short of")]
)
def test_the_place_of_the_interval_against_the_relevance_line_is_a_fact(line: float, words: str) -> None:
    analysis = samples.analysis(5)
    spec = replace(analysis.spec, lines=(replace(analysis.spec.lines[0], value=line),))
    assert words in cells(told(replace(analysis, spec=spec)).inputs)["relevance"]


def test_the_matrix_gives_a_status_to_every_trial_of_every_question() -> None:
    first, second = samples.analysis(5), samples.analysis(3, identifier="other")
    found = told(first, second)
    assert all(len(row) == 1 + len(found.asked) for row in found.matrix)
    by_trial = {row[0]: row[1:] for row in found.matrix}
    assert by_trial["Author 2003"] == ("pooled", ABSENT)
    assert by_trial["Missing 2001"] == (STATUSES["known_missing"],) * 2
    # Trials that are only excluded, or give another result, miss nothing.
    assert not {"Missing 2003", "Missing 2005"} & set(by_trial)


def test_a_pooled_trial_is_never_missing() -> None:
    analysis = samples.analysis(3)
    again = replace(samples.dropped()[0], study_id="Trial0")
    assert statuses(replace(analysis, dropped=(again,)))["Trial0"] == "pooled"


@pytest.mark.parametrize("measure", ["MD", "SMD", "LOGRATIO"])
def test_the_bound_is_told_with_its_limits_and_without_overclaiming(measure: str) -> None:
    analysis = judged(5, measure)
    if measure != "MD":
        analysis = replace(analysis, missing_results=MissingResults(3, 0.3, -0.5, 0.4, -0.1, -0.4, 0.2))
    said = plain(bound_sentence(analysis))
    assert said.startswith(
        "Three trials measured it and give the pool no number. The leading interval now includes"
    )
    assert overclaims(said) == ()
    if measure == "LOGRATIO":
        assert "where their mean ratio lies between 0.61 and 1.49, and" in said
    if measure == "MD":
        assert "where their mean lies between −61 and 44 Agatston units, and exclude it elsewhere" in said


def test_a_pool_of_one_says_that_nothing_is_pooled_and_no_missing_result_says_nothing() -> None:
    one = replace(samples.analysis(1), missing_results=MissingResults(2, not_run="k = 1"))
    assert bound_sentence(one).endswith("Nothing is pooled yet that they could change.")
    assert bound_sentence(replace(one, missing_results=MissingResults(0, not_run="none"))) == ""


def test_every_section_that_the_checklist_names_is_on_the_page() -> None:
    config = io.read_settings(Path(__file__).parents[2] / "config" / "config.yaml")
    parts = {anchor(heading) for heading, _ in methods_text(config, [], {})}
    assert {name for _, name in LOCATIONS.values()} <= set(SECTIONS) | parts
    assert set(LOCATIONS) <= set(PRISMA_ITEMS)


def test_what_only_a_person_can_fill_stays_blank() -> None:
    rows = {row["item"]: row for row in told(samples.analysis(5)).checklist.rows}
    assert all(rows[item]["status"] == TO_FILL for item in ("2", "3", "7", "8", "23a", "24a", "24b", "25", "26"))
    assert rows["13d"]["status"] == ""


def test_each_light_carries_its_letter_and_a_missing_one_none() -> None:
    root = ElementTree.fromstring(plain_shapes(lights(("D1", "D2"), [("A", ("low", "not assessed"))])))
    rings = root.findall(f"{SVG}circle")
    assert [ring.get("fill") for ring in rings] == [FILLS["low"][0], "none"]
    letters = [text.text for text in root.findall(f"{SVG}text") if text.get("fill") == "#000000"]
    assert letters == ["L"]


def test_the_flow_keeps_its_boxes_apart_and_inside_the_drawing() -> None:
    flow = samples.judgements().flow
    other = (FlowCount("website_results", "Websites", 3), FlowCount("other_assessed", "Assessed " * 12, 3))
    for counts in (flow, (*flow, *other)):
        drawn = flow_diagram(counts)
        assert drawn == flow_diagram(counts)
        root = ElementTree.fromstring(plain_shapes(drawn))
        _, _, width, height = (float(part) for part in root.get("viewBox", "").split())
        boxes = [
            tuple(float(r.get(a, "")) for a in ("x", "y", "width", "height")) for r in root.iter(f"{SVG}rect")
        ]
        for i, (x, y, w, h) in enumerate(boxes):
            assert x + w <= width
            assert y + h <= height
            for x2, y2, w2, h2 in boxes[:i]:
                assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y


def test_the_flow_prints_every_number_and_reason_once() -> None:
    root = ElementTree.fromstring(flow_diagram(samples.judgements().flow))
    lines = [text.text for text in root.iter(f"{SVG}text")]
    assert lines.count("– no control (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}3)") == 1
    assert lines.count("– animals & plants (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}2)") == 1
    assert lines.count("Databases (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}30)") == 1


def test_hostile_judgements_are_printed_and_never_run() -> None:
    kept = samples.judgements()
    bias = tuple(replace(one, by=ATTACK, notes=ATTACK, source_url="javascript:alert(1)") for one in kept.bias)
    flow = tuple(replace(one, text=ATTACK, parts=((ATTACK, 1),) if one.parts else ()) for one in kept.flow)
    list_ = tuple(replace(one, text=ATTACK) for one in kept.checklist)
    rating = (replace(kept.certainty[0], by=ATTACK, source=ATTACK, reasons={"imprecision": ATTACK}),)
    hostile = replace(kept, bias=bias, flow=flow, checklist=list_, certainty=rating)
    html = render([replace(judged(), judgements=hostile)])
    assert html.count("<script") == 1
    assert "javascript:" not in html
    assert Page(html).open == []
