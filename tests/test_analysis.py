"""The level of the settings is the coverage of every interval, also of those of single studies."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from scipy import stats

import k2meta as km
from k2meta.analysis import Analysis, study_estimate
from k2meta.claims import Part
from k2meta.claims.decide import decision
from k2meta.figures import forest, strip
from k2meta.figures.forest_presets import PRESETS
from k2meta.numbers import plain
from k2meta.report import words
from k2meta.tables import TABLES
from tests import samples

# Two routes to the same normal quantile: the standard library's and SciPy's.
QUANTILE = 1e-12


def at(level: float, k: int) -> Analysis:
    """Return an analysis whose fits and studies have another level; its first study is the doubtful one."""
    found = samples.analysis(k, refitted=False)
    # Zero lies inside the 95 % interval of the first study and outside its 90 % interval.
    first = replace(found.effects[0], yi=-18.0, vi=100.0)
    fits = {name: replace(fit, mu=replace(fit.mu, level=level)) for name, fit in found.fits.items()}
    return replace(found, effects=(first, *found.effects[1:]), fits=fits, level=level)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.975])
def test_the_interval_of_a_study_is_the_normal_one_of_its_level(level: float) -> None:
    effect = samples.effects(1)[0]
    found = study_estimate(effect, level)
    assert (found.low, found.high) == pytest.approx(
        stats.norm.interval(level, effect.yi, math.sqrt(effect.vi)), rel=QUANTILE
    )
    assert (found.value, found.se, found.level) == (effect.yi, math.sqrt(effect.vi), level)


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize(("level", "excludes"), [(0.9, True), (0.95, False)])
def test_the_forest_plot_and_the_table_of_effects_agree_about_zero(k: int, level: float, excludes: bool) -> None:
    analysis = at(level, k)
    table = forest(analysis).table
    drawn = dict(zip(table.columns, table.rows[0], strict=True))
    row = TABLES["effects"]([analysis], ()).rows[0]
    assert (drawn["low"], drawn["high"]) == (row["low"], row["high"])
    assert (row["high"] < 0) is excludes
    assert row["level"] == level


def test_everything_that_shows_a_single_study_names_the_level_of_the_settings() -> None:
    analysis = at(0.9, 1)
    head = next(c.label for c in TABLES["effects"]([analysis], ()).visible if c.id == "interval")
    finding = TABLES["summary_of_findings"]([analysis], ()).rows[0]
    claim = decision(Part("pooled_effect", "sample", direction="lower"), {"sample": analysis})
    assert head == "90 % CI"
    assert (finding["level"], finding["excludes_zero"]) == (0.9, True)
    for text in (strip(analysis), words.estimate_line(analysis), plain(claim.number)):
        assert "90 % CI" in text
        assert "95 %" not in text
    assert claim.high == finding["high"] == study_estimate(analysis.effects[0], 0.9).high


@pytest.mark.parametrize("preset", PRESETS)
def test_a_forest_plot_of_one_study_is_headed_by_the_level_that_was_asked_for(preset: str) -> None:
    texts = [
        text.get_text()
        for text in km.forest([-18.0], [100.0], level=0.9, preset=preset).figure.findobj()
        if hasattr(text, "get_text")
    ]
    assert any("90 %" in text for text in texts)
    assert not any("95 %" in text for text in texts)
