"""The forest plot: geometry on hostile input, what each row holds, words, and bytes that repeat."""

from __future__ import annotations

import dataclasses
import math
import warnings

import matplotlib
import pytest

from k2meta.analysis import Analysis, Line
from k2meta.figures import FIGURES, FURTHER, PRESETS, forest
from k2meta.figures.style import ESTIMATE, WIDTH
from tests import samples
from tests.figures import hostile, look

AREA = 1e-2
"""Relative: squares must be proportional to weight to one percent, the accuracy at which anyone could tell."""
POSITION = 1e-6
"""Points: positions are computed in double precision, so anything more is another formula."""
LEAST_TYPE = 6.0
"""Points, at the width at which a layout is shown: one column for ``compact``, the text column for the others."""


def set_of_ids(drawn: matplotlib.figure.Figure, start: str) -> set[str]:
    return {str(item.get_gid()) for item in drawn.findobj() if (item.get_gid() or "").startswith(start)}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "hostile_seed" in metafunc.fixturenames:
        metafunc.parametrize("hostile_seed", range(500))


def test_no_text_meets_another_or_leaves_the_canvas_and_no_row_is_lost(hostile_seed: int) -> None:
    analysis = hostile.analysis(hostile_seed, refitted=False)
    for preset, layout in PRESETS.items():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            figure = forest(analysis, preset=preset).figure
            assert look.overlaps(figure) == [], preset
            assert look.outside(figure) == [], preset
        shown = set_of_ids(figure, "study-")
        for i in range(analysis.k):
            assert f"study-{i}-interval" in shown, preset
            assert f"study-{i}-square" in shown or f"study-{i}-beyond" in shown, preset
        assert sum(gid.endswith("-label") for gid in shown) == analysis.k
        missing = set_of_ids(figure, "missing-")
        assert sum(gid.endswith("-label") for gid in missing) == len(analysis.known_missing)
        smallest = min(float(item.get_fontsize()) for item, _ in look.texts(figure))
        assert smallest * layout.shown / (figure.get_figwidth() * 72) >= LEAST_TYPE, preset


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("k", [2, 3, 5, 20, 80])
def test_the_area_of_a_square_is_proportional_to_the_weight_of_the_leading_fit(k: int, preset: str) -> None:
    analysis = samples.analysis(k)
    squares = look.drawn(forest(analysis, preset=preset).figure, "-square")
    weights = analysis.fits[analysis.lead].weights
    ratios = [squares[f"study-{i}-square"].get_markersize() ** 2 / weights[i] for i in range(k)]
    assert max(ratios) / min(ratios) == pytest.approx(1, rel=AREA)


def test_squares_diamond_and_prediction_stand_where_the_fit_says() -> None:
    analysis = samples.analysis(6)
    figure = forest(analysis).figure
    fit = analysis.fits[analysis.lead]
    axis = look.drawn(figure, "zero")["zero"].get_xdata()[0]
    squares = look.drawn(figure, "-square")
    first, second = (squares[f"study-{i}-square"].get_xdata()[0] for i in range(2))
    per_unit = (second - first) / (analysis.effects[1].yi - analysis.effects[0].yi)
    diamond = look.drawn(figure, "lead-diamond")["lead-diamond"].get_xy()[:, 0]
    assert diamond.min() == pytest.approx(axis + per_unit * fit.mu.low, abs=POSITION)
    assert diamond.max() == pytest.approx(axis + per_unit * fit.mu.high, abs=POSITION)
    prediction = look.drawn(figure, "prediction-interval")["prediction-interval"].get_xdata()
    assert fit.prediction is not None
    assert list(prediction) == pytest.approx(
        [axis + per_unit * fit.prediction.low, axis + per_unit * fit.prediction.high], abs=POSITION
    )


def test_shrunken_bars_are_the_study_estimates_of_the_bayesian_fit() -> None:
    analysis = samples.analysis(5)
    bars = look.drawn(forest(analysis).figure, "-shrunken-interval")
    studies = analysis.fits["bayes_exact"].studies
    spans = [bars[f"study-{i}-shrunken-interval"].get_xdata() for i in range(5)]
    per_unit = {round((x[1] - x[0]) / (s.high - s.low), 6) for x, s in zip(spans, studies, strict=True)}
    assert len(per_unit) == 1


def test_an_interval_that_leaves_the_plot_ends_in_an_arrow_and_keeps_its_numbers() -> None:
    base = samples.analysis(6)
    wide = dataclasses.replace(base.effects[2], vi=base.effects[2].vi * 1e6)
    analysis = dataclasses.replace(base, effects=(*base.effects[:2], wide, *base.effects[3:]))
    figure = forest(analysis).figure
    assert {"study-2-arrow-low", "study-2-arrow-high"} <= set_of_ids(figure, "study-2")
    assert not any("arrow" in gid for gid in set_of_ids(figure, "study-1"))
    shown = forest(analysis).table.rows[2]
    low = shown[forest(analysis).table.columns.index("low")]
    assert low == pytest.approx(wide.yi - 1.959963984540054 * math.sqrt(wide.vi))


def test_an_estimate_far_from_all_others_gets_a_double_arrow_and_its_legend() -> None:
    base = samples.analysis(6)
    far = dataclasses.replace(base.effects[0], yi=-1e5)
    figure = forest(dataclasses.replace(base, effects=(far, *base.effects[1:]))).figure
    ids = set_of_ids(figure, "study-0")
    assert "study-0-beyond" in ids
    assert "study-0-square" not in ids
    assert any("estimate beyond the part shown" in item.get_text() for item, _ in look.texts(figure))


def words_of(analysis: Analysis) -> str:
    return "\n".join(item.get_text() for item, _ in look.texts(forest(analysis).figure))


def test_no_trial_gives_a_figure_that_says_so_and_lists_what_was_measured() -> None:
    text = words_of(samples.analysis(0))
    assert "No trial with a poolable number." in text
    assert "Measured, no poolable number: 3 trials" in text
    assert "reported: no difference" in text


def test_one_trial_is_shown_and_not_pooled() -> None:
    figure = forest(samples.analysis(1)).figure
    assert any(item.get_text() == "One trial: not pooled." for item, _ in look.texts(figure))
    assert look.drawn(figure, "-diamond") == {}
    assert list(look.drawn(figure, "-square")) == ["study-0-square"]


def test_two_trials_lead_with_the_bayesian_diamond_and_outline_the_frequentist_one() -> None:
    figure = forest(samples.analysis(2)).figure
    lead, beside = (look.drawn(figure, f"{kind}-diamond")[f"{kind}-diamond"] for kind in ("lead", "beside"))
    assert matplotlib.colors.to_hex(lead.get_facecolor()).upper() == ESTIMATE
    assert matplotlib.colors.to_hex(beside.get_facecolor()) == "#ffffff"
    text = words_of(samples.analysis(2))
    assert text.index("Bayesian random effects") < text.index("\nRandom effects")


def test_directions_unit_heterogeneity_and_marks_are_always_told() -> None:
    text = words_of(samples.analysis(5))
    for said in (
        "← Favours vitamin K",
        "Favours control →",
        "Agatston units; negative favours vitamin K",
        "anchor: 100 AU per year",
        "Q(4) = ",
        "k = 5.",
        "a = read as an abstract only; c = rests on an assumption",
        "95 % prediction interval",
    ):
        assert said in text, said
    assert "b = secondary source" not in text


def test_a_result_of_a_part_of_the_people_is_marked_and_its_people_are_named() -> None:
    analysis = samples.analysis(5)
    first, *others = analysis.effects
    part = dataclasses.replace(first, subset="men without heart disease")
    text = words_of(dataclasses.replace(analysis, effects=(part, *others)))
    assert "d = result of a part of the people randomised (men without heart disease)" in text.replace("\n", " ")
    assert "d = " not in words_of(analysis)


def test_a_change_inside_one_arm_is_no_difference_and_favours_nobody() -> None:
    between = samples.analysis(5)
    spec = dataclasses.replace(
        between.spec, contrast="active_arm", favours_low="a falling score", favours_high="a rising score"
    )
    text = words_of(dataclasses.replace(between, spec=spec))
    for said in (
        "Mean change, Agatston units; negative means a falling score",
        "← a falling score",
        "a rising score →",
    ):
        assert said in text, said
    assert "avour" not in text


def test_ratios_are_read_as_ratios_on_a_log_axis() -> None:
    analysis = samples.analysis(6, "LOGRATIO")
    figure = forest(analysis).figure
    ticks = {item.get_text() for item, _ in look.texts(figure) if (item.get_gid() or "").startswith("tick")}
    assert "1" in ticks
    assert not any(tick.startswith("−") for tick in ticks)
    estimate = forest(analysis).table.columns.index("estimate")
    yi = forest(analysis).table.columns.index("yi")
    for row in forest(analysis).table.rows[:6]:
        assert row[estimate] == pytest.approx(math.exp(float(row[yi] or 0)))


def test_a_reference_line_outside_the_plot_is_told_in_words() -> None:
    base = samples.analysis(5)
    spec = dataclasses.replace(base.spec, lines=(Line(-9000.0, "far", "nowhere", "relevance"),))
    assert "relevance: far (−9000 Agatston units) lies below the part shown" in words_of(
        dataclasses.replace(base, spec=spec)
    )


@pytest.mark.parametrize("label", ["שלום 2012", "مرحبا 2013", "張偉 2014", "🧬 2015", "", "\ud800", "$x^2$"])
def test_any_script_is_drawn_without_a_warning(label: str) -> None:
    base = samples.analysis(3)
    effects = tuple(dataclasses.replace(effect, label=label) for effect in base.effects)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = forest(dataclasses.replace(base, effects=effects))
        look.saved(figure.figure, "png")
    assert sum(gid.endswith("-square") for gid in set_of_ids(figure.figure, "study-")) == 3
    assert figure.table.rows[0][2] == label


@pytest.mark.parametrize("figure", sorted(FIGURES))
@pytest.mark.parametrize("form", ["svg", "png"])
def test_two_renders_give_the_same_bytes_whatever_the_settings_of_the_reader(figure: str, form: str) -> None:
    draw = FIGURES[figure]
    k = 7 if figure in FURTHER else 4
    first = look.saved(draw(samples.analysis(k)).figure, form)
    with matplotlib.rc_context(
        {"font.size": 20, "axes.linewidth": 5, "svg.hashsalt": "other", "font.family": "serif"}
    ):
        second = look.saved(draw(samples.analysis(k)).figure, form)
    assert first == second
    if form == "svg":
        assert b"<dc:date>" not in first
        assert b"matplotlib" not in first.split(b"<defs>")[0].lower()


@pytest.mark.parametrize("k", [0, 1, 2, 7])
@pytest.mark.parametrize("figure", ["forest", "prior_posterior"])
def test_the_alternative_text_holds_k_estimate_interval_and_prediction(figure: str, k: int) -> None:
    analysis = samples.analysis(k)
    alt = FIGURES[figure](analysis).alt
    assert f"{k} trial" in alt
    assert "Measured, no poolable number: 3 trials" in alt
    fit = analysis.fits.get(analysis.lead if figure == "forest" else "bayes_exact")
    if fit is not None:
        assert fit.prediction is not None
        for value in (fit.mu.value, fit.mu.low, fit.mu.high, fit.prediction.low, fit.prediction.high):
            assert f"{value:.0f}".replace("-", "−") in alt


def test_the_table_has_one_row_per_row_of_the_figure() -> None:
    analysis = samples.analysis(5)
    table = forest(analysis).table
    kinds = [row[0] for row in table.rows]
    assert kinds == ["study"] * 5 + ["lead", "beside", "prediction"] + ["missing"] * 3
    assert {len(row) for row in table.rows} == {len(table.columns)}


def test_a_figure_is_as_wide_as_a_page_of_two_columns() -> None:
    assert forest(samples.analysis(5)).figure.get_figwidth() * 72 == pytest.approx(WIDTH)


def test_a_diamond_that_leaves_the_plot_ends_in_an_arrowhead_at_its_edge() -> None:
    base = samples.analysis(5)
    beside = base.fits["bayes_exact"]
    wide = dataclasses.replace(beside, mu=dataclasses.replace(beside.mu, low=-1e4, high=1e4))
    figure = forest(dataclasses.replace(base, fits={**base.fits, "bayes_exact": wide})).figure
    corners = look.drawn(figure, "beside-diamond")["beside-diamond"].get_xy()
    edges = look.drawn(figure, "axis")["axis"].get_xdata()
    assert [corners[:, 0].min(), corners[:, 0].max()] == pytest.approx(sorted(edges), abs=POSITION)
    tips = corners[corners[:, 0] == corners[:, 0].max()]
    assert len({round(float(y), 6) for y in tips[:, 1]}) == 1


@pytest.mark.parametrize("seed", range(0, 60, 6))
def test_no_id_is_used_twice(seed: int) -> None:
    figure = forest(hostile.analysis(seed, refitted=False)).figure
    named = [
        item.get_gid() for item in figure.findobj() if item.get_gid() not in (None, "tick", "line", "line-label")
    ]
    assert len(named) == len(set(named))


def test_without_a_title_the_alternative_text_begins_with_the_number_of_studies() -> None:
    bare = samples.analysis(5)
    untitled = dataclasses.replace(bare, spec=dataclasses.replace(bare.spec, title=""))
    assert forest(untitled).alt.startswith("Forest plot. 5 trials. ")
