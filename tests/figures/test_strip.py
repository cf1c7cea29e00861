"""The strip of a card: well-formed, deterministic, in proportion, and the same in words."""

from __future__ import annotations

import dataclasses
import re
from xml.etree import ElementTree

import pytest

from k2meta.analysis import Analysis
from k2meta.figures import strip
from tests import samples

POSITION = 0.006
"""Coordinates are written with two decimals."""


def elements(analysis: Analysis) -> dict[str, list[ElementTree.Element]]:
    found: dict[str, list[ElementTree.Element]] = {}
    for element in ElementTree.fromstring(strip(analysis)):
        found.setdefault(element.get("class", element.tag.rpartition("}")[2]), []).append(element)
    return found


def numbers(element: ElementTree.Element) -> list[float]:
    return [float(text) for text in re.findall(r"-?[0-9.]+", element.get("d", ""))]


@pytest.mark.parametrize("measure", ["MD", "SMD", "LOGRATIO"])
@pytest.mark.parametrize("k", [2, 3, 8])
def test_point_interval_and_zero_stand_in_proportion(k: int, measure: str) -> None:
    analysis = samples.analysis(k, measure)
    mu = analysis.fits[analysis.lead].mu
    found = elements(analysis)
    start, _, end = numbers(found["k2-estimate"][0])
    point = float(found["k2-estimate"][1].get("cx", "nan"))
    zero = numbers(found["k2-zero"][0])[0]
    per_unit = (end - start) / (mu.high - mu.low)
    assert point == pytest.approx(start + per_unit * (mu.value - mu.low), abs=2 * POSITION)
    assert zero == pytest.approx(start - per_unit * mu.low, abs=4 * POSITION)
    assert "k2-prediction" in found


def test_the_title_holds_k_estimate_interval_and_direction() -> None:
    title = elements(samples.analysis(5))["title"][0].text or ""
    assert title.startswith("5 trials: −36 Agatston units (95 % CI −81 to 8); 95 % prediction interval ")
    assert title.endswith("negative favours vitamin K")


def test_one_trial_shows_its_own_interval_and_no_trial_shows_nothing() -> None:
    single = elements(samples.analysis(1))
    assert (single["title"][0].text or "").startswith("One trial, not pooled: ")
    assert "k2-prediction" not in single
    assert strip(samples.analysis(0)) == ""


def test_a_prediction_interval_far_wider_than_the_estimate_is_cut_with_arrows() -> None:
    base = samples.analysis(5)
    lead = base.fits["reml_hksj"]
    assert lead.prediction is not None
    far = dataclasses.replace(lead, prediction=dataclasses.replace(lead.prediction, low=-1e6, high=1e6))
    marks = elements(dataclasses.replace(base, fits={**base.fits, "reml_hksj": far}))["k2-prediction"]
    assert sum("z" in (mark.get("d") or "") for mark in marks) == 2
    assert all(0 <= value <= 320 for value in numbers(marks[0]))


def test_text_of_the_config_cannot_leave_the_title() -> None:
    base = samples.analysis(5)
    spec = dataclasses.replace(base.spec, favours_low='</title><script>"x"</script>')
    found = elements(dataclasses.replace(base, spec=spec))
    assert "script" not in found
    assert "<script>" in (found["title"][0].text or "")


def test_two_strips_are_the_same_text() -> None:
    assert strip(samples.analysis(4)) == strip(samples.analysis(4))
