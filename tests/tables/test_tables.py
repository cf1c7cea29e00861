"""Tables keep full precision for files and write each cell once for people."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

import k2meta as km
from k2meta.analysis import Analysis, Conversion
from k2meta.commands.priors import DOIS, reference
from k2meta.models.priors import EMPIRICAL, EMPIRICAL_SOURCES
from k2meta.tables import TABLES, build_tables
from k2meta.tables.parts import (
    gate_failures,
    held_back,
    link,
    missing,
    people,
    significant,
    text,
    unprinted,
    weight_shares,
)
from k2meta.tables.summary_of_findings import summary_of_findings
from k2meta.tables.writers import WRITERS
from k2meta.types import Query
from tests import samples

BIBLIOGRAPHY = Path(km.__file__).parent / "report" / "methods.bib"

# Sums of at most nine weights that were normalised once: a few units in the last place.
SUM = 1e-12

# The strip asks the same quadrature for fewer rows: panels may be halved elsewhere.
SAME_POSTERIOR = 1e-9

QUERY = Query("C01-x", "C01", "error", "data/extractions.csv", 7, "x", "x-1", ("a", "b"), "why", "rule", "fix")


def column(table_name: str, name: str, *analyses: object) -> list[object]:
    table = TABLES[table_name](analyses, ())  # type: ignore[arg-type]
    return [row[name] for row in table.rows]


def test_every_table_of_the_registry_is_built_and_is_rectangular() -> None:
    tables = build_tables([samples.analysis(5), samples.analysis(0, identifier="none")], [QUERY])
    estimates = {"pooled_results", "effects", "left_out", "leave_one_out", "influence", "small_study"}
    checks = {"prior_strip", "model_averaging", "model_checks", "conversions", "meta_regression"}
    human = {"summary_of_findings", "risk_of_bias", "missing_results", "missing_bounds", "prisma_checklist"}
    assert set(tables) == {*estimates, *checks, *human, "data_queries"}
    for table in tables.values():
        assert all(len(values) == len(table.header) for values in table.values)
        assert all(len(cells) == len(table.visible) for cells in table.shown)
        assert len(set(table.header)) == len(table.header)


def test_a_file_keeps_full_precision_where_people_read_rounded_numbers() -> None:
    analysis = samples.analysis(5)
    table = TABLES["pooled_results"]([analysis], [])
    row = table.rows[0]
    assert row["estimate"] == analysis.fits["reml_hksj"].mu.value
    shown = dict(zip([c.id for c in table.visible], table.shown[0], strict=True))
    assert shown["estimate"].text == "−36"
    assert len(repr(row["estimate"])) > 10


def test_pooled_results_hold_every_model_of_every_question() -> None:
    analyses = [samples.analysis(k, m) for k, m in ((2, "MD"), (5, "LOGRATIO"), (9, "SMD"))]
    table = TABLES["pooled_results"](analyses, [])
    assert [row["model"] for row in table.rows] == [model for a in analyses for model in a.fits]
    assert [row["leads"] for row in table.rows].count(True) == len(analyses)


@pytest.mark.parametrize(("k", "why"), [(0, "no study with a usable number"), (1, "one study: not pooled")])
def test_a_question_without_a_fit_keeps_a_row_that_says_why(k: int, why: str) -> None:
    (row,) = TABLES["pooled_results"]([samples.analysis(k)], []).rows
    assert (row["k"], row["method"], row["estimate"]) == (k, why, None)


def test_a_ratio_is_filed_as_a_log_and_read_as_a_ratio() -> None:
    table = TABLES["effects"]([samples.analysis(3, "LOGRATIO")], [])
    raw, shown = table.rows[0], dict(zip([c.id for c in table.visible], table.shown[0], strict=True))
    assert raw["scale"] == "natural log of the ratio"
    assert shown["yi"].text == f"{math.exp(raw['yi']):.2f}"  # type: ignore[arg-type]


def test_effects_carry_locator_link_and_marks() -> None:
    shown = TABLES["effects"]([samples.analysis(4)], []).hiding("analysis").shown
    assert [row[0].mark for row in shown] == ["c", "a", "", "ac"]
    assert shown[0][0].href == "https://example.org/trial"
    assert shown[0][0].title == "Abstract, Results"
    assert shown[0][-1].text == "Abstract, Results (full text)"


def test_left_out_results_keep_their_kind_and_reason() -> None:
    assert column("left_out", "kind", samples.analysis(5)) == [d.kind for d in samples.dropped()]


def test_leave_one_out_has_a_row_for_each_study() -> None:
    assert column("leave_one_out", "label", samples.analysis(5)) == [f"Author {1999 + i}" for i in range(5)]


def test_data_queries_are_filed_with_their_place() -> None:
    (row,) = TABLES["data_queries"]([], [QUERY]).rows
    assert (row["file"], row["row"], row["columns"], row["status"]) == (QUERY.file, 7, "a; b", "open")


def test_a_hidden_column_stays_in_the_file() -> None:
    table = TABLES["left_out"]([samples.analysis(2)], [])
    hidden = table.hiding("analysis")
    assert "analysis" in hidden.header
    assert "analysis" not in [c.id for c in hidden.visible]


def test_where_selects_the_rows_of_one_question() -> None:
    table = TABLES["effects"]([samples.analysis(3, identifier="a"), samples.analysis(2, identifier="b")], [])
    assert len(table.where("analysis", "b").rows) == 2


def test_people_are_counted_only_where_both_arms_are_known() -> None:
    from dataclasses import replace

    rows = samples.effects(3)
    crowd = people((replace(rows[0], n_treat=None), *rows[1:]))
    assert crowd.known == 2
    assert crowd.studies == 3
    assert crowd.total == sum(e.n_treat + e.n_ctrl for e in rows[1:])  # type: ignore[operator]


def test_weight_shares_add_up_to_the_weights_of_the_leading_fit() -> None:
    analysis = samples.analysis(9)
    weights = analysis.fits[analysis.lead].weights
    share = weight_shares(analysis)
    assert share.abstracts == pytest.approx(sum(weights[1::2]), abs=SUM)
    assert share.assumed == pytest.approx(sum(weights[::3]), abs=SUM)
    assert share.secondary == 0


def test_missing_studies_are_named_once_and_never_when_they_are_pooled() -> None:
    from dataclasses import replace

    analysis = samples.analysis(2)
    first = samples.dropped()[0]
    pooled = replace(first, study_id=analysis.effects[0].study_id)
    found = replace(analysis, dropped=(first, replace(first, extraction_id="again"), pooled))
    assert missing(found) == (first,)


def test_a_study_held_back_by_a_query_is_not_counted_as_unprinted() -> None:
    analysis = samples.analysis(2)
    assert [d.kind for d in unprinted(analysis)] == ["known_missing", "not_poolable"]
    assert [d.kind for d in held_back(analysis)] == ["open_query"]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "", "//x.org"])
def test_only_web_addresses_become_links(url: str) -> None:
    assert link(url) == ""


def test_cells_are_written_without_python_words() -> None:
    assert [text(v) for v in (None, "", True, 0.5, -1e-7, 3)] == ["–", "–", "yes", "0.5", "−1e−07", "3"]
    assert significant(123456.789, 3) == "123\N{THIN SPACE}457"
    assert significant(12345678.9, 3) == "1.23e+07"


def test_a_table_is_a_data_frame_at_full_precision() -> None:
    table = TABLES["pooled_results"]([samples.analysis(5)], [])
    frame = table.frame()
    assert list(frame.columns) == list(table.header)
    assert frame["estimate"].to_list() == [row["estimate"] for row in table.rows]


def divergent(measure: str = "MD") -> Analysis:
    """Return an analysis whose sampled fit has three divergent transitions, and ends that nothing else has."""
    analysis = samples.analysis(5, measure)
    exact = analysis.fits["bayes_exact"]
    found = replace(
        exact.diagnostics,
        rhat=1.0,
        ess_bulk=4e3,
        ess_tail=4e3,
        divergences=3,
        ebfmi=0.9,
        mcse_mu=0.1,
        mcse_tau=0.1,
    )
    mu = replace(exact.mu, low=-4321.5, high=8765.0)
    fit = replace(exact, method="PyMC", posterior=None, diagnostics=found, mu=mu)
    checks = samples.model_checks(tuple(effect.study_id for effect in analysis.effects))
    return replace(analysis, fits={**analysis.fits, checks.model: fit}, model_checks=checks)


def test_a_sampled_fit_that_failed_its_gate_keeps_its_row_and_prints_no_number() -> None:
    analysis = divergent()
    rows = TABLES["pooled_results"]([analysis], []).rows
    (row,) = [row for row in rows if row["gate"] is not None]
    assert row["gate"] == "not passed"
    assert str(row["method"]).startswith("PyMC: gate not passed")
    numbers = {name for name, value in row.items() if isinstance(value, float)}
    assert numbers <= {"people", "k", "people_known_in"}
    checks = TABLES["model_checks"]([analysis], [])
    assert [(row["check"], row["value"], row["attention"]) for row in checks.rows] == [("gate", None, True)]
    assert {cell.text for cell in checks.shown[0]} >= {"Sampler: PyMC", "–"}


def test_no_format_of_the_tables_prints_a_number_of_a_sampled_fit_that_failed_its_gate() -> None:
    failed = divergent()
    fit = failed.fits["bayes_mcmc"]
    passed = replace(fit, diagnostics=replace(fit.diagnostics, divergences=0))
    for analysis, there in ((failed, False), (replace(failed, fits={**failed.fits, "bayes_mcmc": passed}), True)):
        made = build_tables([analysis], [])
        filed = " ".join(str(value) for row in made["pooled_results"].values for value in row)
        written = [raw for write in WRITERS.values() for raw in write(made, "A review", ["A"]).values()]
        texts = [filed, *(document(raw) for raw in written)]
        assert any("8765" in text for text in texts[1:]) == ("8765" in filed) == there


def document(raw: bytes) -> str:
    """Return the text of a written table, out of the archive of a Word file."""
    if not raw.startswith(b"PK"):
        return raw.decode("utf-8")
    with ZipFile(BytesIO(raw)) as archive:
        return archive.read("word/document.xml").decode("utf-8")


def test_a_sampled_fit_without_an_exact_one_was_not_held_against_anything() -> None:
    analysis = divergent()
    fit = analysis.fits["bayes_mcmc"]
    alone = replace(analysis, fits={"bayes_mcmc": fit}, lead="bayes_mcmc")
    assert gate_failures(alone, fit) == ("The diagnostics gate was not run for the sampled fit.",)


def test_a_test_that_was_not_run_says_why_and_an_adjustment_shows_its_interval() -> None:
    table = TABLES["small_study"]([samples.analysis(5, "SMD")], [])
    cells = [{c.id: s.text for c, s in zip(table.visible, row, strict=True)} for row in table.shown]
    assert "k = 5: test not run" in cells[0]["not_run"]
    assert cells[1]["interval"] == "−0.50 to 0.10"


def test_the_strip_of_priors_files_every_posterior_and_marks_the_prior_of_the_fit() -> None:
    analysis = samples.analysis(2)
    table = TABLES["prior_strip"]([analysis], [])
    fit = analysis.fits["bayes_exact"]
    (lead,) = [row for row in table.rows if row["leads"]]
    assert (lead["estimate"], lead["low"], lead["prediction_high"]) == pytest.approx(
        (fit.mu.value, fit.mu.low, fit.prediction.high if fit.prediction else None), rel=SAME_POSTERIOR
    )
    assert {row["statistic"] for row in table.rows} == {"posterior mean"}
    assert [row["estimate"] is None for row in table.rows] == [bool(row["not_run"]) for row in table.rows]
    shown = [dict(zip([c.id for c in table.visible], row, strict=True)) for row in table.shown]
    assert "improper posterior" in shown[-1]["not_run"].text
    assert shown[-1]["interval"].text == "–"


@pytest.mark.parametrize("measure", ["MD", "SMD", "LOGRATIO"])
def test_every_prior_of_the_strip_has_its_source_with_a_doi_that_the_bibliography_holds(measure: str) -> None:
    rows = TABLES["prior_strip"]([samples.analysis(5, measure)], []).rows
    held = set(re.findall(r"doi = \{(.+?)\}", BIBLIOGRAPHY.read_text("utf-8")))
    assert set(DOIS.values()) <= held
    for row in rows:
        dois = re.findall(r"doi:(\S+?)[:;,)]*(?:\s|$)", str(row["source"]))
        assert dois, row["prior"]
        assert set(dois) <= held
    (lead,) = [str(row["source"]) for row in rows if row["leads"]]
    assert lead.startswith("scale 0.5 is proposed for log odds ratios by Friede et al. 2017")
    assert ("patient SDs" in lead) == (measure == "MD")


def test_an_empirical_prior_keeps_what_it_was_estimated_for() -> None:
    source = EMPIRICAL_SOURCES["turner2015_log_or"]
    said = reference(EMPIRICAL["turner2015_log_or"], samples.spec("LOGRATIO"), source)
    assert said == "Turner et al. 2015, doi:10.1002/sim.6381: tau2 of log odds ratios, in general"
    for name, source in EMPIRICAL_SOURCES.items():
        assert "doi:10." in reference(EMPIRICAL[name], samples.spec("SMD"), source), name


def test_the_strip_of_a_ratio_files_medians_and_says_so() -> None:
    analysis = samples.analysis(5, "LOGRATIO")
    table = TABLES["prior_strip"]([analysis], [])
    (lead,) = [row for row in table.rows if row["leads"]]
    assert lead["estimate"] == pytest.approx(analysis.fits["bayes_exact"].mu.median, rel=SAME_POSTERIOR)
    assert {row["statistic"] for row in table.rows} == {"posterior median"}
    assert any("of a ratio posterior medians" in note for note in table.notes)
    pooled = TABLES["pooled_results"]([analysis], [])
    assert any("exponential of that on the log scale" in note for note in pooled.notes)


def test_the_averaged_models_share_the_whole_probability_before_and_after() -> None:
    table = TABLES["model_averaging"]([samples.analysis(5, "SMD"), samples.analysis(1)], [])
    for name in ("prior_probability", "posterior_probability"):
        assert sum(row[name] for row in table.rows) == pytest.approx(1.0, abs=SUM)  # type: ignore[misc]
    assert len(table.rows) == 4


def test_influence_flags_a_study_in_words() -> None:
    table = TABLES["influence"]([samples.analysis(3)], [])
    flags = [dict(zip([c.id for c in table.visible], row, strict=True))["influential"].text for row in table.shown]
    assert flags == ["yes", "no", "no"]


def test_the_summary_says_what_was_compared_as_the_contrast_has_it() -> None:
    analysis = samples.analysis(3)
    inside = replace(analysis, spec=replace(analysis.spec, contrast="active_arm"))
    between, within = (summary_of_findings([one]).rows[0]["comparison"] for one in (analysis, inside))
    assert between == f"{analysis.spec.favours_low} against {analysis.spec.favours_high}"
    assert within == "the end with the beginning, inside the treated arms"


@pytest.mark.parametrize("k", [2, 3, 5])
def test_the_leading_fit_has_one_tau_in_every_table(k: int) -> None:
    analysis = samples.analysis(k)
    pooled = next(row for row in TABLES["pooled_results"]([analysis], []).rows if row["leads"])
    (summary,) = summary_of_findings([analysis]).rows
    assert pooled["tau"] == summary["tau"] == analysis.fits[analysis.lead].tau.value


@pytest.mark.parametrize(
    ("k", "kind", "model"), [(3, "CrI", "Bayesian random effects"), (5, "CI", "random effects")]
)
def test_a_summary_names_the_model_and_the_kind_of_interval(k: int, kind: str, model: str) -> None:
    table = summary_of_findings([samples.analysis(k)])
    shown = {c.id: cell.text for c, cell in zip(table.visible, table.shown[0], strict=True)}
    assert f"(95 % {kind} " in shown["effect"]
    assert shown["effect"].endswith(f"; {model})")
    assert shown["method"].startswith(model)
    # I2 belongs to a model whose tau2 is an estimate; beside a posterior it would be of another fit.
    assert (shown["i2"] == "–") == (kind == "CrI")


def test_tau_under_other_conversions_is_that_of_the_fit() -> None:
    analysis = samples.analysis(3)
    fit = analysis.fits["bayes_exact"]
    row = Conversion(0.5, True, True, 3, fit.mu, fit.tau2.value, fit.tau.value)
    table = TABLES["conversions"]([replace(analysis, conversions=(row,))], [])
    shown = {c.id: cell.text for c, cell in zip(table.visible, table.shown[0], strict=True)}
    # The root of the posterior mean of tau2 is another number than the posterior mean of tau.
    assert shown["tau"] == significant(fit.tau.value, 2) != significant(math.sqrt(fit.tau2.value), 2)
