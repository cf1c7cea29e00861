"""The densities of the priors of the strip: those of the priors, one panel each, every text legible."""

from __future__ import annotations

import numpy as np
import pytest

from k2meta.figures import prior_densities
from k2meta.models.priors import EMPIRICAL, HalfNormal
from tests import samples
from tests.figures import hostile, look


@pytest.mark.parametrize(("k", "measure"), [(2, "MD"), (5, "SMD"), (8, "LOGRATIO")])
def test_the_data_are_the_densities_of_the_priors(k: int, measure: str) -> None:
    analysis = samples.analysis(k, measure)
    table = prior_densities(analysis).table
    scale = 45.0 if measure == "MD" else 0.5
    priors = {prior.describe(): prior for prior in (HalfNormal(scale), HalfNormal(scale / 2))}
    if measure == "SMD":
        priors["rhodes"] = EMPIRICAL["rhodes2015_smd"]
    for words, prior in priors.items():
        rows = [(at, density) for name, at, density in table.rows if name in (words, prior.describe())]
        at, density = np.array(rows, dtype=float).T
        assert density == pytest.approx(np.exp(prior.logpdf(at)), rel=1e-12)
    # A half-normal prior holds all but a few millionths of its probability below four of its scales.
    at, density = np.array([row[1:] for row in table.rows if row[0] == f"half-normal with scale {scale:g}"]).T
    assert density.sum() * (at[1] - at[0]) == pytest.approx(1.0, abs=1e-3)


def test_every_prior_has_its_panel_and_an_improper_one_says_that_it_has_no_density() -> None:
    analysis = samples.analysis(5, "SMD")
    figure = prior_densities(analysis)
    proper = [row for row in analysis.prior_strip if row.density]
    assert len(proper) == len(analysis.prior_strip) - 2  # Jeffreys and the flat one
    assert len(look.drawn(figure.figure, "-density")) == len(proper)
    texts = [item.get_text() for item, _ in look.texts(figure.figure)]
    assert texts.count("improper: no density") == 2
    assert f"Densities of {len(analysis.prior_strip)} priors of τ" in figure.alt
    assert "Half-normal, scale 0.5 (leading)" in figure.alt
    assert figure.alt.count("improper, no density") == 2


def test_the_leading_prior_is_bold() -> None:
    figure = prior_densities(samples.analysis(5)).figure
    bold = [item.get_text() for item, _ in look.texts(figure) if item.get_weight() == "bold"]
    assert "Half-normal, scale 45" in bold


@pytest.mark.parametrize("seed", range(8))
def test_no_text_meets_another_or_leaves_the_canvas(seed: int) -> None:
    figure = prior_densities(hostile.analysis(seed)).figure
    assert look.overlaps(figure) == []
    assert look.outside(figure) == []


@pytest.mark.parametrize("k", [0, 1])
def test_without_a_strip_the_figure_says_so(k: int) -> None:
    figure = prior_densities(samples.analysis(k))
    assert "No density of a prior to show." in {item.get_text() for item, _ in look.texts(figure.figure)}
    assert figure.table.rows == ()
