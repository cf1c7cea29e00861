"""The bubble plot: every trial at its covariate and effect, area by weight, and the line of the regression."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from k2meta.analysis import Analysis, LinePoint, Moderation, Moderator, Slope
from k2meta.figures import bubble
from k2meta.models.meta_regression import meta_regression, predict
from tests import samples
from tests.figures import look

# Marker sizes and positions come back from matplotlib as they went in.
POSITION = 1e-6


def moderated(k: int = 8, measure: str = "LOGRATIO") -> Analysis:
    base = samples.analysis(k, measure)
    at = [10.0 + 5 * i for i in range(k)]
    effects = tuple(
        dataclasses.replace(e, moderators={"latitude": x}) for e, x in zip(base.effects, at, strict=True)
    )
    fit = meta_regression([e.yi for e in effects], [e.vi for e in effects], {"latitude": at})
    grid = np.linspace(at[0], at[-1], 5)
    line = tuple(
        LinePoint(float(x), p.value, p.low, p.high, p.prediction_low, p.prediction_high)
        for x, p in zip(grid, predict(fit, grid), strict=True)
    )
    row = Moderation(
        Moderator("latitude", "absolute latitude", "number", "degree"),
        k=k,
        missing=(),
        exploratory=True,
        reference="",
        level=0.95,
        slopes=tuple(Slope(c.name, c.value, c.se, c.low, c.high, c.p, 0.04) for c in fit.coefficients),
        tau2=fit.tau2.value if fit.tau2 else None,
        tau2_without=fit.tau2_without,
        r2=fit.r2,
        line=line,
    )
    return dataclasses.replace(base, effects=effects, moderation=(row,))


def test_area_is_proportional_to_the_weight_in_the_regression() -> None:
    analysis = moderated()
    drawn = look.drawn(bubble(analysis).figure, "-study")
    sizes = sorted(item.get_markersize() ** 2 for item in drawn.values())
    weights = sorted(1 / (e.vi + (analysis.moderation[0].tau2 or 0.0)) for e in analysis.effects)
    assert len(sizes) == 8
    assert [size / sizes[-1] for size in sizes] == pytest.approx([w / weights[-1] for w in weights], rel=POSITION)


def test_a_higher_effect_stands_higher_and_a_larger_covariate_further_right() -> None:
    analysis = moderated()
    found = [
        (item.get_xdata()[0], item.get_ydata()[0])
        for item in look.drawn(bubble(analysis).figure, "-study").values()
    ]
    by_x = sorted(found)
    yi = [effect.yi for effect in analysis.effects]  # the covariate grows from trial to trial
    assert np.argsort([-y for _, y in by_x]).tolist() == np.argsort(yi).tolist()


def test_the_table_holds_every_trial_and_the_line() -> None:
    analysis = moderated()
    rows = bubble(analysis).table.rows
    assert [row[0] for row in rows] == ["study"] * 8 + ["line"] * 5
    assert [row[3] for row in rows[:8]] == [effect.yi for effect in analysis.effects]
    assert max(row[6] for row in rows[:8]) == 1.0


@pytest.mark.parametrize("measure", ["MD", "SMD", "LOGRATIO"])
def test_the_alternative_text_says_the_line_and_the_status(measure: str) -> None:
    analysis = moderated(measure=measure)
    alt = bubble(analysis).alt
    assert "by absolute latitude (exploratory)" in alt
    first = analysis.moderation[0].line[0].value
    assert f"at {10}" in alt
    assert (f"{math.exp(first):.2f}" if measure == "LOGRATIO" else "") in alt


def test_nothing_is_drawn_outside_the_sheet_and_two_renders_are_the_same() -> None:
    figure = bubble(moderated()).figure
    assert look.outside(figure) == []
    assert look.overlaps(figure) == []
    assert look.saved(figure, "svg") == look.saved(bubble(moderated()).figure, "svg")


def test_the_key_names_the_dashed_lines_only_where_they_are_drawn() -> None:
    analysis = moderated()
    row = analysis.moderation[0]
    far = tuple(dataclasses.replace(point, prediction_low=-1e3, prediction_high=1e3) for point in row.line)
    beyond = dataclasses.replace(analysis, moderation=(dataclasses.replace(row, line=far),))
    for one, said in ((analysis, "Dashed: a new study."), (beyond, "A new study could lie beyond this axis.")):
        words = " ".join(item.get_text() for item, _ in look.texts(bubble(one).figure))
        assert said in words
        assert ("Dashed" in words) == (one is analysis)


def test_limits_for_a_new_study_are_cut_where_they_leave_the_axis_and_never_shown_on_one_side_only() -> None:
    analysis = moderated()
    row = analysis.moderation[0]
    edge = dataclasses.replace(row.line[-1], prediction_low=-1e3, prediction_high=1e3)
    cut = dataclasses.replace(analysis, moderation=(dataclasses.replace(row, line=(*row.line[:-1], edge)),))
    figure = bubble(cut).figure
    frame = sorted(float(y) for line in look.drawn(figure, "axis").values() for y in line.get_ydata())
    ends = [look.drawn(figure, name)[name].get_ydata() for name in ("prediction-high", "prediction-low")]
    assert [min(ends[0]), max(ends[1])] == pytest.approx([frame[0], frame[-1]], abs=POSITION)
    far = tuple(dataclasses.replace(point, prediction_low=-1e3) for point in row.line)
    one_side = dataclasses.replace(analysis, moderation=(dataclasses.replace(row, line=far),))
    assert look.drawn(bubble(one_side).figure, "prediction-high") == {}
