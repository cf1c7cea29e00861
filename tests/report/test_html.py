"""The page: one file, well-formed, offline, escaped, accessible, the same twice."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from itertools import product
from typing import Any

import pytest

from k2meta.analysis import Analysis, Comparison
from k2meta.claims import decide, read_claims
from k2meta.config import Change
from k2meta.report import FigureAsset, ReviewMeta, generated, overclaims, render_html
from k2meta.report.html import SECTIONS
from k2meta.report.methods_text import ELIGIBILITY, OUTCOMES
from k2meta.report.svg import FIGURE, UnsafeDrawingError, plain_shapes
from k2meta.tables import build_tables
from k2meta.tables.parts import gate_failures
from k2meta.types import Cell, CheckNote, Query
from tests import samples

NAMESPACE = "http://www.w3.org/2000/svg"

ATTACK = "<script>alert(1)</script>"
STRIP = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><title>strip</title><path d="M0 0h9"/></svg>'
DRAWING = (
    f'<svg xmlns="{NAMESPACE}"><text style="font-size: 8px">study</text>'
    '<text style="font-weight: 700; font-size: 8px">pool</text></svg>'
)
VOID = {"meta", "img", "br", "link", "input", "hr"}
MEGABYTES = 3.0

REVIEW = ReviewMeta(
    title="Vitamin K and calcification",
    version="0.1.0",
    data_date="2026-11-20",
    question_lead="Adults, randomised to vitamin K or to control.",
    limits=("There was no systematic search.", "Risk of bias was not assessed."),
    search_note="Trials were found by hand.",
    authors=("The authors",),
    small_k=3,
)
QUERIES = (
    Query("C01-x", "C01", "error", "data/extractions.csv", 7, "x", "x-1", ("diff",), "−86 is outside", "r", "f"),
    Query(
        "C02-y",
        "C02",
        "warn",
        "data/extractions.csv",
        3,
        "y",
        "y-1",
        (),
        "17 for −17",
        "r",
        "f",
        "corrected",
        True,
        "the arms agree on −17",
        "team",
    ),
)
TRIALS: tuple[dict[str, Cell], ...] = (
    {"study_id": "Trial0", "label": "Author 1999", "doi": "10.1/x", "n_randomised_total": 88.0},
    {"study_id": "Other", "label": None, "registration": "NCT00000001", "dose_ug_per_day": 180.0},
)
PROVENANCE: dict[str, Any] = {
    "inputs": {"data/trials.csv": {"bytes": 12, "sha256": "ab12"}},
    "rebuild": ["make report"],
    "settings": {"analyses": [{"id": "a", "where": {"vitamer": ["MK-7"]}}]},
    "note": "Byte-identical on one platform.",
}
CLAIMS: tuple[dict[str, str], ...] = (
    {
        "claim_id": "C01",
        "article": "article 1",
        "claim": "It proves to reverse everything",
        "claim_type": "reversal",
        "faithful": "overstated",
        "evidence": "animal",
        "rule": "pooled_effect|pooled_effect",
        "analysis": "md_5_trials|md_2_trials",
        "direction": "lower|lower",
    },
    {
        "claim_id": "C02",
        "article": "article 2",
        "claim": "It is safe",
        "claim_type": "safety",
        "faithful": "cannot tell",
        "evidence": "none",
        "rule": "not_testable",
        "why_not": "Nothing was extracted on harms.",
    },
)
BIBLIOGRAPHY = ({"key": "A1999", "author": "Author", "title": "A trial", "year": "1999", "doi": "10.1/x"},)


def named(k: int, measure: str, *, source: str = "trials") -> Analysis:
    found = samples.analysis(k, measure, identifier=f"{measure.lower()}_{k}_{source}")
    return replace(found, spec=replace(found.spec, headline=k == 5, source=source))  # type: ignore[arg-type]


def all_samples() -> list[Analysis]:
    trials = [named(k, measure) for k, measure in product((0, 1, 2, 3, 5), ("MD", "SMD", "LOGRATIO"))]
    return [*trials, named(5, "LOGRATIO", source="cohorts")]


def render(analyses: list[Analysis] | None = None, **changes: Any) -> str:
    chosen = all_samples() if analyses is None else analyses
    asset = FigureAsset('<svg xmlns="http://www.w3.org/2000/svg"/>', "Forest plot of k trials", ("a",), ((0.1,),))
    queries = changes.pop("queries", QUERIES)
    drawn = replace(asset, svg=DRAWING)
    settings: dict[str, Any] = {
        "review": REVIEW,
        "analyses": chosen,
        "figures": {(a.spec.id, name): drawn for a in chosen for name in ("forest", "prior_posterior")},
        "tables": build_tables(chosen, queries),
        "queries": queries,
        "trials": TRIALS,
        "provenance": PROVENANCE,
        "bibliography": BIBLIOGRAPHY,
        "methods": ((ELIGIBILITY, ("Trials of the data.",)), (OUTCOMES, ("Whatever was measured.",))),
        "strips": {a.spec.id: STRIP for a in chosen},
        "claims": decide(read_claims(CLAIMS), chosen)
        if {"md_5_trials", "md_2_trials"} <= {a.spec.id for a in chosen}
        else (),
    }
    return render_html(**{**settings, **changes})


class Page(HTMLParser):
    """Collects what the tests ask about, and refuses tags that do not close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.headings: list[int] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.ids: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if found.get("id"):
            self.ids.append(str(found["id"]))
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes out of order"

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def html() -> str:
    return render()


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_every_tag_closes_in_order(page: Page) -> None:
    assert page.open == []


def test_there_is_one_h1_and_no_heading_level_is_skipped(page: Page) -> None:
    assert page.headings.count(1) == 1
    assert page.headings[0] == 1
    assert all(b - a <= 1 for a, b in zip(page.headings, page.headings[1:], strict=False))


def test_every_section_is_there_in_order_and_linked_from_the_rail(page: Page) -> None:
    assert [i for i in page.ids if i in SECTIONS] == list(SECTIONS)
    assert len(set(page.ids)) == len(page.ids)
    targets = {a["href"][1:] for a in page.all("a") if (a["href"] or "").startswith("#")}  # type: ignore[index]
    assert set(SECTIONS) <= targets <= set(page.ids)


def test_every_figure_has_words_and_every_header_cell_a_scope(page: Page) -> None:
    figures = [svg for svg in page.all("svg") if svg.get("class") == FIGURE]
    assert figures
    assert all((svg["role"], svg["aria-label"]) == ("img", "Forest plot of k trials") for svg in figures)
    assert page.all("img") == []
    assert page.all("th")
    assert all(th["scope"] in ("col", "row") for th in page.all("th"))
    assert page.all("html")[0]["lang"] == "en"


def test_nothing_is_fetched_and_one_script_is_run(html: str, page: Page) -> None:
    assert {tag for tag, _ in page.tags} & {"link", "iframe", "object", "form", "base"} == set()
    assert page.all("script") == [{}]
    assert not {"src", "srcset", "poster"} & {name for _, attrs in page.tags for name in attrs}
    style = html[html.index("<style>") : html.index("</style>")]
    assert not re.search(r"@import|http", style)
    faces = re.findall(
        r"@font-face \{[^}]*font-weight: (\w+); src: url\(data:font/ttf;base64,[A-Za-z0-9+/=]+\)", style
    )
    assert faces == ["normal", "bold"]
    assert len(re.findall(r"url\(|@font-face", style)) == 2 * len(faces)
    # A drawing names its language by an address that nobody visits; there is no other in it.
    values = [
        (name, (value or "").replace(NAMESPACE, "")) for _, attrs in page.tags for name, value in attrs.items()
    ]
    assert {name for name, value in values if "http" in value} <= {"href", "http-equiv"}
    assert {tag for tag, attrs in page.tags if (attrs.get("href") or "").startswith("http")} == {"a"}


def test_the_content_security_policy_allows_inline_style_and_fonts_of_the_page_only(page: Page) -> None:
    (policy,) = [m["content"] for m in page.all("meta") if m.get("http-equiv")]
    assert policy is not None
    for rule in ("default-src 'none'", "font-src data:", "style-src 'unsafe-inline'"):
        assert rule in policy


def test_the_policy_runs_this_script_and_no_other(html: str, page: Page) -> None:
    script = html[html.index("<script>") + len("<script>") : html.index("</script>")]
    digest = b64encode(sha256(script.encode()).digest()).decode()
    (policy,) = [m["content"] or "" for m in page.all("meta") if m.get("http-equiv")]
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.count("script-src") == 1
    assert "'unsafe-inline'" not in policy.partition("script-src")[2]


def test_the_script_fetches_nothing_and_computes_no_statistic(html: str) -> None:
    script = html[html.index("<script>") : html.index("</script>")]
    assert not re.search(r"fetch|XMLHttp|import\b|eval|innerHTML|Function\(|https?:|localStorage|cookie", script)
    assert not re.search(r"Math\.|Date|parseFloat|toFixed", script)


def test_no_event_handler_and_no_scripted_address_reaches_the_page() -> None:
    analysis = named(3, "MD")
    first = replace(analysis.effects[0], source_url="javascript:alert(1)")
    html = render([replace(analysis, effects=(first, *analysis.effects[1:]))], claims=())
    assert "javascript:" not in html
    assert not any(name.startswith("on") for _, attrs in Page(html).tags for name in attrs)


def test_hostile_text_is_printed_and_never_run() -> None:
    analysis = named(5, "MD")
    effects = tuple(
        replace(e, label=ATTACK, derivation=(ATTACK,), assumptions=(ATTACK,), source_locator=f'"{ATTACK}')
        for e in analysis.effects
    )
    hostile = replace(
        analysis,
        effects=effects,
        dropped=tuple(replace(d, label=ATTACK, reason=ATTACK) for d in analysis.dropped),
        spec=replace(analysis.spec, title=ATTACK, question=ATTACK, unit=ATTACK, caveat=ATTACK),
        comparisons=(Comparison(ATTACK, 1.0, 1.0, ATTACK, True, ATTACK),),
    )
    html = render(
        [hostile],
        claims=decide(
            read_claims([{**CLAIMS[1], "claim": ATTACK, "study": ATTACK, "why_not": ATTACK}]), [hostile]
        ),
        review=replace(REVIEW, title=ATTACK, limits=(ATTACK,)),
        queries=(replace(QUERIES[0], evidence=ATTACK, reason=ATTACK),),
        trials=({"study_id": ATTACK, "label": ATTACK, "design": ATTACK, "notes": f'" onclick="{ATTACK}'},),
        provenance={ATTACK: {ATTACK: ATTACK}},
        bibliography=({"key": "x", "text": ATTACK},),
        figures={(hostile.spec.id, "forest"): FigureAsset("<svg/>", f'"{ATTACK}', (ATTACK,), ((ATTACK,),))},
    )
    assert html.count("<script") == 1  # the page's own
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    page = Page(html)
    assert page.open == []
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)


@pytest.mark.parametrize(
    "svg",
    [
        "<svg><script>alert(1)</script></svg>",
        "<svg onload='alert(1)'/>",
        "<svg><a href='javascript:alert(1)'/></svg>",
        "<svg><rect style='fill:url(http://x)'/></svg>",
        "<svg><foreignObject/></svg>",
        "<!DOCTYPE svg><svg/>",
        "<svg>",
    ],
)
def test_an_inline_drawing_may_hold_plain_shapes_only(svg: str) -> None:
    with pytest.raises(UnsafeDrawingError):
        plain_shapes(svg)


def test_a_plain_drawing_enters_the_page_unchanged(html: str) -> None:
    assert STRIP in html


def test_no_python_word_and_no_ascii_minus_number_is_printed(page: Page) -> None:
    words = set(re.split(r"[\s(),;:]+", page.text))
    assert not words & {"nan", "NaN", "None", "inf", "True", "False"}
    assert not re.search(r"(?<![\w.])-\d", page.text)


def test_no_generated_text_overclaims(html: str, page: Page) -> None:
    assert len(generated(html)) > len(page.text) / 2
    assert overclaims(generated(html)) == ()


def test_every_question_has_its_card_and_its_part(page: Page) -> None:
    for analysis in all_samples():
        assert f"q-{analysis.spec.id}" in page.ids
        assert page.all("a").count({"href": f"#q-{analysis.spec.id}"}) >= 1


def test_missing_studies_stand_by_name_next_to_their_pool(html: str) -> None:
    trials = html[html.index('<section id="trials"') : html.index('<section id="queries"')]
    pools = trials.split('<div class="pool')[1:]
    assert len(pools) == 15
    assert all("an open data query keeps it out" in pool for pool in pools)
    for pool in pools:
        assert all(name in pool for name in ("Missing 2001", "Missing 2002", "Missing 2004"))


def test_cohorts_stand_apart_and_carry_their_label(html: str) -> None:
    start = html.index('<section id="cohorts"')
    assert "Observational: association, not effect" in html[start:]
    assert "q-logratio_5_cohorts" not in html[html.index('<section id="questions"') : start]


def test_open_queries_come_first_and_are_counted(page: Page) -> None:
    assert "They asked 2 queries: 1 decided, 1 open." in page.text
    assert page.text.index("C01-x") < page.text.index("C02-y")


def sampled(analysis: Analysis) -> Analysis:
    exact = analysis.fits["bayes_exact"]
    found = replace(exact.diagnostics, rhat=1.001, ess_bulk=3100.0, ess_tail=2900.0, divergences=0, mcse_mu=0.4)
    found = replace(found, ebfmi=0.9)
    # Ends that no other number of the page has.
    mu = replace(exact.mu, low=-4321.5, high=8765.0)
    fit = replace(exact, model="bayes_mcmc", method="PyMC", posterior=None, diagnostics=found, mu=mu)
    return replace(analysis, fits={**analysis.fits, "bayes_mcmc": fit})


def test_a_failed_sampler_stands_in_a_visible_box() -> None:
    analysis = sampled(named(5, "MD"))
    name = analysis.spec.id
    failed = render([analysis], gates={name: ("3 divergences; none is allowed",)})
    assert 'class="gate"' in failed
    assert "3 divergences; none is allowed" in failed
    passed = render([analysis], gates={name: ()})
    assert 'class="gate"' not in passed
    assert "R-hat 1.001, bulk ESS 3100" in passed
    unknown = render([analysis])
    assert "The diagnostics gate was not run for the sampled fit." in unknown


def test_a_page_prints_no_number_of_a_sampled_fit_that_failed_its_gate() -> None:
    analysis = sampled(named(5, "MD"))
    fit = analysis.fits["bayes_mcmc"]
    divergent = replace(fit, diagnostics=replace(fit.diagnostics, divergences=3))
    failed = replace(analysis, fits={**analysis.fits, "bayes_mcmc": divergent})
    name = analysis.spec.id
    passed = Page(render([analysis], gates={name: ()})).text
    assert "8765" in passed
    assert "The sampled posterior mean is" in passed
    text = Page(render([failed], gates={name: gate_failures(failed, divergent)})).text
    assert "3 divergent transitions." in text
    assert "gate not passed, so no number is printed" in text
    assert "8765" not in text
    assert "The sampled posterior mean is" not in text
    assert "R-hat 1.001" in text


def test_the_checks_of_the_model_stand_below_a_sampled_fit_that_passed_its_gate() -> None:
    analysis = sampled(named(5, "MD"))
    checks = samples.model_checks(tuple(effect.study_id for effect in analysis.effects), pareto_k=0.93)
    checked = replace(analysis, model_checks=checks)
    name, said = analysis.spec.id, "checks of this model against its trials, one asks for attention."
    passed = re.sub(r"</?data\b[^>]*>", "", render([checked], gates={name: ()}))
    assert f"Of six {said}" in passed
    assert "6 checks of the model against its studies" in passed
    assert "prior 0.03, likelihood 0.24" in passed
    # Draws of a sampler that did not work check nothing.
    assert said not in render([checked], gates={name: ("3 divergences; none is allowed",)})
    assert "checks of the model against its studies" not in render([analysis], gates={name: ()})


def test_a_prior_without_a_scale_of_the_analysis_names_its_source() -> None:
    analysis = named(5, "SMD")
    exact = analysis.fits["bayes_exact"]
    told = {**exact.options, "tau_prior_source": "Rhodes et al. 2015: tau2 of standardised mean differences"}
    fits = {**analysis.fits, "bayes_exact": replace(exact, options=told)}
    text = Page(render([replace(analysis, fits=fits)])).text
    assert "tau prior: half-normal with scale 0.5 Rhodes et al. 2015: τ² of standardised mean differences" in text
    assert "a scale without unit" not in text


def test_the_part_on_priors_prints_the_strip_and_the_average(page: Page) -> None:
    assert "How much of it is the prior" in page.text
    assert "With two trials the prior of τ is the answer" not in page.text  # said beside its figure alone
    asset = FigureAsset("<svg xmlns='http://www.w3.org/2000/svg'/>", "Strip", ("a",), ((0.123,),))
    analysis = named(2, "MD")
    text = Page(render([analysis], figures={(analysis.spec.id, "prior_strip"): asset})).text
    assert "With two trials the prior of τ is the answer" in text
    assert "9 priors of τ, with what they give" in text
    assert "The 4 models of this average" in text
    assert "0.123" not in text  # the rows stand in a table written for people, not twice


def test_hashes_commands_and_settings_are_printed(page: Page) -> None:
    assert "bytes 12, sha256 ab12" in page.text
    assert "make report" in page.text
    assert '"vitamer": [ "MK-7" ]' in page.text


def test_an_empty_review_is_still_a_page() -> None:
    page = Page(render([], queries=(), trials=(), provenance={}, bibliography=()))
    assert page.headings.count(1) == 1
    asked = [name for name in SECTIONS if name not in ("claims", "cohorts")]
    assert [i for i in page.ids if i in SECTIONS] == asked
    assert "cohort" not in page.text.lower()


def part_of(html: str, analysis: Analysis) -> str:
    start = html.index(f'<article class="question" id="q-{analysis.spec.id}"')
    return html[start : html.index("</article>", start)]


@pytest.mark.parametrize(("k", "many"), [(0, "No trial"), (1, "One trial"), (2, "")])
def test_where_nothing_is_pooled_one_sentence_stands_for_what_is_not_drawn(k: int, many: str) -> None:
    analysis = named(k, "MD")
    why = f"k = {k}: not drawn for fewer than three trials."
    reasons = {analysis.spec.id: dict.fromkeys(("funnel", "cumulative", "baujat", "bubble"), why)}
    said = part_of(render([analysis], not_drawn=reasons), analysis)
    folded = f"{many}: no table of models, no funnel plot and no other figure of a pool."
    assert (folded in said) == bool(many)
    assert said.count("no table of models") == bool(many)
    assert said.count("not drawn for fewer") == (not many)
    assert (f"<li>Funnel plot; Cumulative analysis; Baujat plot: {why}</li>" in said) == (not many)
    assert ("Every model" in said) == (not many)


def test_the_page_is_the_same_twice_and_small(html: str) -> None:
    assert render() == html
    assert len(html.encode()) < MEGABYTES * 1e6


def test_a_card_counts_what_was_not_printed_apart_from_what_cannot_be_pooled(page: Page) -> None:
    assert "Measured, no usable number seen 1 trial; 1 more printed, not poolable here" in page.text


def test_a_used_result_says_of_which_people_it_is() -> None:
    analysis = named(3, "MD")
    first, second, third = analysis.effects
    people = [int(effect.people or 0) for effect in (first, second)]
    rows = (
        replace(first, subset="men without heart disease", randomised=people[0] + 61.0),
        replace(second, randomised=float(people[1])),
        third,
    )
    text = Page(render([replace(analysis, effects=rows)])).text
    assert f"months; men without heart disease; {people[0]} of {people[0] + 61} randomised" in text
    assert f"{people[1]} of {people[1]} randomised" not in text


def test_the_table_of_a_figure_names_its_rows_first_and_its_file() -> None:
    analysis = named(5, "MD")
    rows = tuple(("study", e.study_id, e.label, e.yi) for e in analysis.effects)
    asset = FigureAsset(
        "<svg/>", "Forest plot of studies", ("row", "study_id", "label", "yi"), rows, file="figures/x_forest.csv"
    )
    html = render([analysis], figures={(analysis.spec.id, "forest"): asset})
    table = html[html.index('<table data-file="figures/x_forest.csv">') :]
    assert re.findall(r'<th scope="col">([^<]*)</th>', table[: table.index("</thead>")]) == ["label", "row", "yi"]
    for effect in analysis.effects:
        assert f'<tr data-study="{effect.study_id}"><th scope="row">{effect.label}</th>' in table


def test_the_points_of_a_curve_stay_in_its_file() -> None:
    analysis = named(5, "MD")
    curve = FigureAsset("<svg/>", "Posterior of the mean effect.", ("x", "density"), ((0.123, 0.456),) * 101)
    text = Page(render([analysis], figures={(analysis.spec.id, "prior_posterior"): curve})).text
    assert "The 101 points of the curves are in the file of this figure." in text
    assert "0.456" not in text


def test_the_rows_of_a_figure_are_rounded_whether_they_come_as_numbers_or_as_text() -> None:
    analysis = named(5, "MD")
    drawn = FigureAsset("<svg/>", "Forest plot.", ("a", "b", "c"), ((-12.3456789, "-98.7654321", "Author 2019"),))
    text = Page(render([analysis], figures={(analysis.spec.id, "forest"): drawn})).text
    assert "−12.35 −98.77 Author 2019" in text


def test_what_was_not_checked_is_said_and_never_reads_as_none() -> None:
    said = "Retractions: not checked (there is no data/retractions.csv)."
    html = render(check_notes=(CheckNote("C24", said),))
    assert said in html
    assert "Retractions: none" not in html


def test_protocol_deviations_and_versions_are_printed_or_said_to_be_missing() -> None:
    bare = render([named(3, "MD")])
    assert "name no protocol and no registration" in bare
    assert "<h3>Versions</h3>" not in bare
    told = replace(
        REVIEW,
        protocol="Registered before the search: https://example.org/protocol",
        changes=(Change("2.0", "2026-02-03", "Two trials added."),),
    )
    page = render([named(3, "MD")], review=told)
    assert "Registered before the search" in page
    assert "No deviation from it is declared." in page
    assert "<dt>Version 2.0, 2026-02-03</dt><dd>Two trials added.</dd>" in page
    assert "<li>A later reading.</li>" in render(
        [named(3, "MD")], review=replace(told, deviations=("A later reading.",))
    )


def test_the_limits_name_the_outcomes_that_the_dictionary_calls_surrogates() -> None:
    named = render(surrogates=["Pulse wave velocity", "<i>score</i>"])
    assert "how long they live: Pulse wave velocity; &lt;i&gt;score&lt;/i&gt;." in named
    assert "Surrogates, which" not in render()
