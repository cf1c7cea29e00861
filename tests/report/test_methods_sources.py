"""Papers behind the methods: those of the settings, whole entries, none that nothing uses."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from k2meta import io
from k2meta.config import Config, Conversions, Model
from k2meta.report import methods_sources as sources
from k2meta.report import methods_text as written
from k2meta.report.methods_sources import methods_references
from tests.report.test_html import Page, render

CONFIG = io.read_settings(Path(__file__).parents[2] / "config" / "config.yaml")
ENTRIES = io.read_bibliography(Path(sources.__file__).with_name("methods.bib"))
OPTIONS = (
    sources.TAU2,
    sources.INTERVALS,
    sources.PREDICTIONS,
    sources.TAU2_INTERVALS,
    sources.EMPIRICAL,
    sources.CHECKS,
)
GROUPS = (
    sources.ALWAYS,
    sources.SAMPLED,
    sources.SMD,
    sources.STRIP,
    sources.STRIP_OF_SMD,
    sources.MEDIANS,
)


def keys(config: Config) -> list[str]:
    return [entry["key"].removeprefix("method-") for entry in methods_references(config, ENTRIES)]


def bare(**changes: object) -> Config:
    spec = replace(CONFIG.analyses[0], measure="MD", conversions=Conversions())
    return replace(replace(CONFIG, models=(), sensitivity=(), analyses=(spec,)), **changes)  # type: ignore[arg-type]


def test_every_paper_that_an_option_names_is_in_the_bibliography_and_none_besides() -> None:
    named = {key for words in OPTIONS for found in words.values() for key in found} | {
        k for g in GROUPS for k in g
    }
    assert {entry["key"] for entry in ENTRIES} == {f"method-{key}" for key in named}


def test_every_option_with_a_paper_is_one_of_the_settings() -> None:
    words = (
        written.TAU2,
        written.INTERVALS,
        written.PREDICTIONS,
        written.TAU2_INTERVALS,
        written.EMPIRICAL,
        written.CHECKS,
    )
    assert all(set(papers) <= set(offered) for papers, offered in zip(OPTIONS, words, strict=True))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["key"])
def test_an_entry_can_be_looked_up(entry: dict[str, str]) -> None:
    # A volume that was seen nowhere is left out; the DOI leads to the paper.
    assert all(entry.get(name) for name in ("author", "title", "journal", "year", "doi"))
    assert re.fullmatch(r"10\.\d{4,}/\S+", entry["doi"])
    # The key names the first author and the year, as a reader would.
    assert entry["key"].endswith(entry["year"])


def test_dois_are_not_shared() -> None:
    assert len({entry["doi"].lower() for entry in ENTRIES}) == len(ENTRIES)


def test_only_the_papers_of_the_settings_are_named() -> None:
    assert keys(bare()) == ["page2021"]
    assert "olkin2012" in keys(bare(sensitivity=("gosh",)))
    model = Model("m", "random_effects", {"tau2": "DL", "interval": "z", "prediction": "z"})
    assert keys(bare(models=(model,))) == ["dersimonian1986", "page2021", "viechtbauer2007"]
    guarded = replace(model, options={**model.options, "interval": "HKSJ-guarded", "tau2_interval": "PL"})
    assert {"hartung2001", "sidik2002", "rover2015"} <= set(keys(bare(models=(guarded,))))
    assert "viechtbauer2007" not in keys(bare(models=(guarded,)))
    medians = replace(CONFIG.analyses[0], conversions=Conversions(None, "normal"))
    assert {"luo2018", "wan2014", "shi2023"} <= set(keys(bare(analyses=(medians,))))
    prior = Model("b", "bayes_exact", {"tau_prior": {"family": "empirical", "name": "turner2015_log_or"}})
    assert "turner2015" in keys(bare(models=(prior,)))


def test_the_shipped_review_names_what_its_methods_name() -> None:
    asked = {"luo2018", "wan2014", "shi2023", "rhodes2015", "bartos2021", "page2021", "hartung2001", "sidik2002"}
    assert asked <= set(keys(CONFIG))


def test_the_page_prints_them_with_journal_volume_and_pages() -> None:
    page = render([], methods_bibliography=methods_references(bare(sensitivity=("gosh",)), ENTRIES))
    text = Page(page).text
    assert "Research Synthesis Methods 2012; 3(3):214–223." in text
    assert "BMJ 2021; 372:n71." in text
    assert 'href="https://doi.org/10.1002/jrsm.1053"' in page
    assert "Papers behind the methods" not in Page(render([])).text
