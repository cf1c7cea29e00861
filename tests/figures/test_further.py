"""Funnel, cumulative, leave-one-out, drapery, specification curve, Baujat, GOSH: geometry, numbers, words."""

from __future__ import annotations

import dataclasses
import math
import warnings

import numpy as np
import pytest

import k2meta as km
from k2meta.analysis import Analysis, SmallStudyTest
from k2meta.config import DRAWS
from k2meta.figures import FIGURES, FURTHER, Figure, caption, not_drawn, words
from k2meta.figures.panel import no_room
from k2meta.figures.style import WIDTH
from k2meta.numbers import CITED, number_word, plain
from k2meta.refits import Refits
from k2meta.report import overclaims
from k2meta.trace import chain, traced
from tests import samples
from tests.figures import hostile, look

POSITION = 1e-6
"""Points: positions are computed in double precision."""
LEAST_TYPE = 6.0
"""Points, at 85 % of the page width, which is the text column of the report."""


def draw(name: str, analysis: Analysis) -> Figure:
    return FIGURES[name](analysis)


def said(figure: Figure) -> str:
    return " ".join(" ".join(item.get_text() for item, _ in look.texts(figure.figure)).split())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "hostile_seed" in metafunc.fixturenames:
        many = metafunc.config.getoption("--thorough")
        metafunc.parametrize("hostile_seed", range(500 if many else 25))


def test_no_text_meets_another_or_leaves_the_canvas(hostile_seed: int) -> None:
    analysis = hostile.analysis(hostile_seed)
    for name in FURTHER:
        if not_drawn(name, analysis):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            figure = draw(name, analysis)
            assert look.overlaps(figure.figure) == [], name
            assert look.outside(figure.figure) == [], name
        smallest = min(float(item.get_fontsize()) for item, _ in look.texts(figure.figure))
        assert smallest * 0.85 * WIDTH / (figure.figure.get_figwidth() * 72) >= LEAST_TYPE, name
        named = [item.get_gid() for item in figure.figure.findobj() if item.get_gid()]
        unnumbered = [gid for gid in named if gid not in ("tick", "y-tick", "line", "line-label", "option")]
        assert len(unnumbered) == len(set(unnumbered)), name


@pytest.mark.parametrize("k", [2, 3, 6, 40, 80])
@pytest.mark.parametrize("name", FURTHER)
def test_the_alternative_text_holds_the_summary_and_the_finding_and_claims_no_more(name: str, k: int) -> None:
    analysis = samples.analysis(k)
    if not_drawn(name, analysis):
        assert caption(name, analysis) == ""
        return
    figure = draw(name, analysis)
    # The cumulative plot is of the frequentist model throughout, also where a Bayesian one leads.
    fit = analysis.fits["reml_hksj" if name == "cumulative" else analysis.lead]
    assert f"{k} trials" in figure.alt
    assert f"{fit.mu.value:.0f}".replace("-", "−") in figure.alt
    assert caption(name, analysis) in figure.alt
    assert overclaims(figure.alt) == ()
    assert {len(row) for row in figure.table.rows} == {len(figure.table.columns)}


@pytest.mark.parametrize(
    ("name", "least"),
    [("funnel", 3), ("cumulative", 3), ("drapery", 2), ("specification_curve", 2), ("leave_one_out", 3),
     ("baujat", 3), ("gosh", 6)],
)  # fmt: skip
def test_below_its_smallest_k_a_figure_says_why_it_is_not_drawn(name: str, least: int) -> None:
    few = samples.analysis(least - 1)
    assert not_drawn(name, few) == f"k = {least - 1}: not drawn for fewer than {number_word(least)} trials."
    with pytest.raises(ValueError, match=f"fewer than {number_word(least)} trials"):
        draw(name, few)
    assert not_drawn(name, samples.analysis(least)) == ""


@pytest.mark.parametrize("name", DRAWS)
def test_a_figure_whose_check_was_not_run_says_so(name: str) -> None:
    bare = {"refits": Refits(), "leave_one_out": (), "prior_strip": (), "moderation": ()}
    analysis = dataclasses.replace(samples.analysis(7), **bare)
    assert "was not" in not_drawn(name, analysis) or "were not" in not_drawn(name, analysis)


@pytest.mark.parametrize("name", sorted(FURTHER.keys() - {"cumulative"}))
def test_the_numbers_of_a_caption_name_their_fields(name: str) -> None:
    analysis = samples.analysis(7)
    said = caption(name, traced(analysis))
    assert plain(said) == caption(name, analysis)
    fields = [field for field, _, _ in CITED.findall(said)]
    assert fields
    assert all(field.startswith(f"{analysis.spec.id}.") for field in fields)


def test_the_numbers_of_the_multiverse_are_counted_under_names_of_their_own() -> None:
    analysis = samples.analysis(7)
    found = analysis.refits.multiverse
    assert found is not None
    told = {field: float(raw) for field, raw, _ in CITED.findall(caption("specification_curve", traced(analysis)))}
    at = f"{analysis.spec.id}.refits.multiverse"
    assert told[f"{at}.analyses"] == len(found.specifications)
    sides = [told[f"{at}.{name}"] for name in ("below_null", "above_null", "including_null")]
    assert sum(sides) == len(found.specifications)
    assert chain(f"{at}.analyses", [analysis]).made_by == "multiverse"


def test_the_figures_that_the_report_words_itself_are_always_drawn() -> None:
    assert not_drawn("forest", samples.analysis(0)) == caption("forest", samples.analysis(5)) == ""


# ---------------------------------------------------------------- funnel


def test_the_funnel_has_every_study_at_its_effect_and_standard_error() -> None:
    analysis = samples.analysis(7)
    figure = draw("funnel", analysis).figure
    points = look.drawn(figure, "-point")
    assert len(points) == 7
    zero, pooled = (look.drawn(figure, gid)[gid].get_xdata()[0] for gid in ("zero", "pooled"))
    per_unit = (pooled - zero) / analysis.fits["reml_hksj"].mu.value
    x = [points[f"study-{i}-point"].get_xdata()[0] for i in range(7)]
    assert x == pytest.approx([zero + per_unit * effect.yi for effect in analysis.effects], abs=POSITION)
    y = np.array([points[f"study-{i}-point"].get_ydata()[0] for i in range(7)])
    errors = np.array([math.sqrt(effect.vi) for effect in analysis.effects])
    slope, _ = np.polyfit(errors, y, 1)
    assert slope > 0  # down the page: imprecise studies stand at the bottom
    assert np.ptp(y - slope * errors) < POSITION


def test_the_contours_end_where_one_study_alone_has_their_p_value() -> None:
    figure = draw("funnel", samples.analysis(7)).figure
    zero = look.drawn(figure, "zero")["zero"].get_xdata()[0]
    funnel = look.drawn(figure, "funnel-high")["funnel-high"]
    wide = np.ptp(funnel.get_xdata()) / np.ptp(funnel.get_ydata()) / 1.959963984540054  # points per unit of SE
    for i, z in enumerate((2.5758293035489004, 1.959963984540054, 1.6448536269514722)):
        corners = look.drawn(figure, f"contour-{i}")[f"contour-{i}"].get_xy()
        apex = corners[:, 1].min()
        inner = [(x, y) for x, y in corners if y > apex + 1 and x > zero]
        x, y = min(inner, key=lambda corner: corner[1])
        assert (x - zero) / (y - apex) == pytest.approx(z * wide, rel=1e-9)


def test_asymmetry_is_never_claimed_for_fewer_than_ten_studies() -> None:
    text = said(draw("funnel", samples.analysis(7)))
    assert "k = 7: test not run" in text
    assert "No asymmetry can be read off 7 trials" in text


@pytest.mark.parametrize(("p", "words"), [(0.2, "asymmetry was not shown"), (0.04, "asymmetric beyond chance")])
def test_with_enough_studies_the_test_is_quoted_and_not_the_eye(p: float, words: str) -> None:
    tested = (SmallStudyTest("Egger's regression test", p, None, None, None, ""),)
    analysis = dataclasses.replace(samples.analysis(12), small_study=tested)
    assert words in caption("funnel", analysis)
    assert f"p = {p:.2f}"[:8] in caption("funnel", analysis).replace("0.20", "0.20")


# ---------------------------------------------------------------- rows


def test_leave_one_out_has_a_row_for_each_study_and_one_for_the_pool() -> None:
    analysis = samples.analysis(7)
    figure = draw("leave_one_out", analysis)
    assert len(look.drawn(figure.figure, "-point")) == 8
    table = {row[0]: row[2] for row in figure.table.rows}
    for i, effect in enumerate(analysis.effects):
        rest = [e for j, e in enumerate(analysis.effects) if j != i]
        fit = km.random_effects([e.yi for e in rest], [e.vi for e in rest])
        assert table[effect.study_id] == pytest.approx(fit.mu.value, rel=1e-12)
    band = look.drawn(figure.figure, "reference")["reference"].get_xy()[:, 0]
    bar = look.drawn(figure.figure, "row-7-interval")["row-7-interval"].get_xdata()
    assert [band.min(), band.max()] == pytest.approx(list(bar), abs=POSITION)


def test_the_last_row_of_the_cumulative_plot_is_the_whole_pool() -> None:
    analysis = samples.analysis(7)
    figure = draw("cumulative", analysis)
    fit = analysis.fits["reml_hksj"]
    assert figure.table.rows[-1][4:7] == pytest.approx((fit.mu.value, fit.mu.low, fit.mu.high), rel=1e-12)
    assert [row[3] for row in figure.table.rows] == [1, 2, 3, 4, 5, 6, 7]


def test_the_cumulative_caption_says_since_when_the_reading_holds() -> None:
    analysis = samples.analysis(4)
    assert analysis.refits.cumulative is not None
    steps = list(analysis.refits.cumulative.steps)
    for i, (low, high) in enumerate(((-3.0, 1.0), (-3.0, 1.0), (-3.0, -1.0), (-3.0, -1.0))):
        steps[i] = dataclasses.replace(steps[i], mu=dataclasses.replace(steps[i].mu, low=low, high=high))
    grown = dataclasses.replace(analysis.refits.cumulative, steps=tuple(steps))
    turned = dataclasses.replace(analysis, refits=dataclasses.replace(analysis.refits, cumulative=grown))
    assert "the interval excludes zero since Author 2001. Drawn is" in caption("cumulative", turned)


def test_words_of_the_cumulative_plot_are_of_the_model_that_is_drawn() -> None:
    analysis = samples.analysis(3)
    lead, drawn = analysis.fits["bayes_exact"], analysis.fits["reml_hksj"]
    assert analysis.lead == "bayes_exact"
    assert lead.mu.low != drawn.mu.low
    alt = draw("cumulative", analysis).alt
    end = words.estimate(analysis.spec, drawn.mu, "95 % CI", words.decimals(analysis))
    drawn_is = f"Drawn is random effects (τ² by REML, HKSJ-guarded interval); with all of them: {end}."
    assert caption("cumulative", analysis).endswith(drawn_is)
    assert alt.count(end) == 2
    assert "Bayesian" not in alt
    assert "credible" not in alt


def test_a_single_study_is_written_with_its_estimate_and_interval() -> None:
    analysis = samples.analysis(1)
    effect = analysis.effects[0]
    half = 1.959963984540054 * effect.vi**0.5
    ends = words.interval(analysis.spec.measure, effect.yi - half, effect.yi + half, words.decimals(analysis))
    said = words.summary(analysis)
    assert f"Not pooled. {effect.label}: " in said
    assert f"Agatston units (95 % CI {ends})" in said


# ---------------------------------------------------------------- drapery


def test_the_drapery_of_the_pool_passes_through_its_interval_and_peaks_at_the_estimate() -> None:
    analysis = samples.analysis(7)
    rows = [row for row in draw("drapery", analysis).table.rows if row[0] == "pooled"]
    fit = analysis.fits["reml_hksj"]
    at_five = [float(row[2] or 0) for row in rows if float(row[3] or 0) == pytest.approx(0.05, abs=1e-12)]
    assert at_five == pytest.approx([fit.mu.low, fit.mu.high], rel=1e-12)
    assert next(row[2] for row in rows if row[3] == 1.0) == fit.mu.value


def test_the_drapery_of_a_study_and_of_the_posterior_are_two_sided_tails() -> None:
    from scipy.stats import norm

    analysis = samples.analysis(3)
    rows = draw("drapery", analysis).table.rows
    first = analysis.effects[0]
    for row in [row for row in rows if row[0] == "study" and row[1] == first.label][::20]:
        tail = 2 * norm.sf(abs(float(row[2] or 0) - first.yi) / math.sqrt(first.vi))
        assert row[3] == pytest.approx(tail, abs=1e-12)
    post = analysis.fits["bayes_exact"]
    for row in [row for row in rows if row[0] == "posterior"][::20]:
        below = post.prob(mu_below=float(row[2] or 0))
        assert row[3] == pytest.approx(2 * min(below, 1 - below), abs=1e-12)


# ---------------------------------------------------------------- specification curve


def test_the_specification_curve_is_in_order_and_marks_one_headline() -> None:
    analysis = samples.analysis(7)
    figure = draw("specification_curve", analysis)
    columns = figure.table.columns
    values = [float(row[columns.index("estimate")] or 0) for row in figure.table.rows]
    assert values == sorted(values)
    heads = [row for row in figure.table.rows if row[columns.index("headline")]]
    assert len(heads) == 1
    fit = analysis.fits["reml_hksj"]
    assert heads[0][columns.index("low")] == pytest.approx(fit.mu.low, rel=1e-12)
    assert len(look.drawn(figure.figure, "headline-points")["headline-points"].get_path().vertices) == 2


def test_the_specification_curve_draws_every_analysis_once_and_every_choice_of_it() -> None:
    analysis = samples.analysis(7)
    assert analysis.refits.multiverse is not None
    count = len(analysis.refits.multiverse.specifications)
    figure = draw("specification_curve", analysis).figure
    drawn = sum(len(item.get_path().vertices) // 2 for item in look.drawn(figure, "-intervals").values())
    assert drawn == count
    marks = [
        item for item in figure.findobj() if (item.get_gid() or "").startswith(("choices", "headline-choice"))
    ]
    assert sum(len(item.get_path().vertices) // 2 for item in marks) == 3 * count


def test_the_caption_of_the_specification_curve_counts_on_which_side_the_intervals_lie() -> None:
    analysis = samples.analysis(7)
    assert analysis.refits.multiverse is not None
    rows = analysis.refits.multiverse.specifications
    below, above = sum(one.mu.high < 0 for one in rows), sum(one.mu.low > 0 for one in rows)
    text = caption("specification_curve", analysis)
    assert text.startswith(f"{len(rows)} reasonable analyses")
    both = len(rows) - below - above
    assert f"Intervals wholly below zero: {below}; wholly above: {above}; including it: {both}." in text


# ---------------------------------------------------------------- Baujat, GOSH


def test_the_baujat_plot_names_the_study_that_makes_most_of_q() -> None:
    analysis = samples.analysis(7)
    found = km.baujat([e.yi for e in analysis.effects], [e.vi for e in analysis.effects])
    most = int(np.argmax(found.contribution))
    share = found.contribution[most] / sum(found.contribution)
    assert f"{analysis.effects[most].label} contributes most to the heterogeneity ({100 * share:.1f} % of Q)" in (
        caption("baujat", analysis)
    )
    points = look.drawn(draw("baujat", analysis).figure, "-point")
    x = [points[f"study-{i}-point"].get_xdata()[0] for i in range(7)]
    assert np.corrcoef(x, found.contribution)[0, 1] == pytest.approx(1, abs=1e-12)


def test_the_gosh_plot_draws_every_cell_that_holds_a_subset_and_counts_them_all() -> None:
    analysis = samples.analysis(7)
    assert analysis.refits.gosh is not None
    figure = draw("gosh", analysis)
    counts = np.array(analysis.refits.gosh.counts)
    cells = [item for item in figure.figure.findobj() if (item.get_gid() or "").startswith("cell-")]
    assert len(cells) == np.count_nonzero(counts)
    assert counts.sum() == 2**7 - 1 - 7
    assert "All 120 subsets of two or more trials" in figure.alt
    assert sum(float(row[7] or 0) for row in figure.table.rows if row[0] == "cell") == 120


def test_the_gosh_caption_names_the_study_that_moves_the_subsets_most() -> None:
    analysis = samples.analysis(7)
    assert analysis.refits.gosh is not None
    shift = {one.label: abs(one.inside[1] - one.outside[1]) for one in analysis.refits.gosh.studies}
    assert f"with {max(shift, key=lambda label: shift[label])} and" in caption("gosh", analysis)


def test_labels_without_room_are_counted_in_the_right_number() -> None:
    assert no_room(1) == "1 label had no room; the table names every point"
    assert no_room(2).startswith("2 labels had")
