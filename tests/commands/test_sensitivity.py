"""What the stage writes of each refit: the tau of a row is that of its fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from k2meta import io
from k2meta.commands.fits import estimator
from k2meta.commands.sensitivity import left_out, under_conversions
from k2meta.figures import leave_one_out_plot
from k2meta.figures.words import significant
from k2meta.types import Variant
from tests import samples

CONFIG = io.read_settings(Path(__file__).parents[2] / "config" / "config.yaml")
ROWS = samples.effects(3)
YI, VI = np.array([row.yi for row in ROWS]), np.array([row.vi for row in ROWS])
SPEC = CONFIG.analyses[0]


@pytest.fixture(scope="module")
def lead():
    """Return the model that leads an answer of three trials: a posterior."""
    return estimator(CONFIG.model(CONFIG.lead.small_k_model), SPEC, CONFIG.level)


def test_without_a_study_tau_is_that_of_the_fit(lead) -> None:
    found = left_out(ROWS, SPEC, CONFIG)
    for i, row in enumerate(found):
        fit = lead(np.delete(YI, i), np.delete(VI, i))
        assert row.tau == fit.tau.value
        assert row.tau != np.sqrt(fit.tau2.value)


def test_under_other_conversions_tau_is_that_of_the_fit(lead) -> None:
    labels = tuple(row.label for row in ROWS)
    other = Variant(0.5, True, True, labels, tuple(YI.tolist()), tuple(VI.tolist()))
    alone = replace(other, labels=labels[:1], yi=other.yi[:1], vi=other.vi[:1])
    found, lost = under_conversions((other, alone), 3, SPEC, CONFIG)
    assert found.tau == lead(YI, VI).tau.value
    assert lost.tau is None


def test_the_figure_writes_the_tau_of_the_fits(lead) -> None:
    analysis = replace(samples.analysis(3), leave_one_out=left_out(ROWS, SPEC, CONFIG))
    figure = leave_one_out_plot.draw(analysis)
    drawn = {text.get_text() for text in figure.figure.findobj(lambda one: hasattr(one, "get_text"))}
    expected = {significant(lead(np.delete(YI, i), np.delete(VI, i)).tau.value) for i in range(3)}
    assert expected <= drawn
