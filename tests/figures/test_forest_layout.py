"""Layouts of the forest plot: presets, columns, subgroups, risk of bias, and the plot without a pipeline."""

from __future__ import annotations

import dataclasses
from io import BytesIO

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas

import k2meta as km
from k2meta.analysis import Analysis
from k2meta.figures import PRESETS, forest
from k2meta.figures.style import rc
from k2meta.refits import Group, Grouped
from k2meta.types import BiasJudgement, Judgements
from tests import references, samples
from tests.figures import look

POSITION = 1e-6
"""Points: positions are computed in double precision."""
PRINTED = 5e-3
"""Half a unit of the second decimal, as numbers stand in the figure."""

BCG = references.load("metafor")["datasets"]["bcg_RR"]
ALLOCATION = ["random"] * 4 + ["alternate"] * 2 + ["random"] * 3 + ["systematic"] * 4


def said(figure: Canvas) -> str:
    return "\n".join(item.get_text() for item, _ in look.texts(figure))


def left_of(figure: Canvas, text: str) -> float:
    return next(box.x0 for item, box in look.texts(figure) if item.get_text() == text)


def test_the_columns_stand_in_the_order_of_the_preset() -> None:
    analysis = samples.analysis(5)
    order = {}
    for preset in PRESETS:
        figure = forest(analysis, preset=preset).figure
        weight = left_of(figure, "Weight") if preset != "compact" else 0.0
        numbers = left_of(figure, "Difference")
        plot = look.drawn(figure, "axis")["axis"].get_window_extent().x0
        order[preset] = (weight, numbers, plot)
    weight, numbers, plot = order["cochrane"]
    assert weight < numbers < plot
    weight, numbers, plot = order["jama"]
    assert numbers < plot < weight
    weight, numbers, plot = order["bmj"]
    assert plot < weight < numbers
    assert order["compact"][2] < order["compact"][1]


def test_compact_is_drawn_for_one_journal_column_and_still_has_its_prediction_row() -> None:
    figure = forest(samples.analysis(5), preset="compact").figure
    assert figure.get_figwidth() * 72 == pytest.approx(PRESETS["compact"].width)
    assert "prediction-interval" in look.drawn(figure, "prediction-interval")
    assert "95 % prediction interval: a new trial" in said(figure)
    assert look.drawn(figure, "-shrunken-interval") == {}


def test_columns_of_the_settings_replace_those_of_the_preset() -> None:
    figure = forest(samples.analysis(5), columns=["plot", "weight"]).figure
    assert "Weight" in said(figure)
    assert "Difference" not in said(figure)
    assert "People" not in said(figure)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "lancet"}, "preset 'lancet' is not known; choose one of cochrane, jama, bmj, compact"),
        ({"columns": ["plot", "colour"]}, "column 'colour' is not known"),
        ({"columns": ["people"]}, "the plot is one of them"),
        ({"columns": ["plot", "plot"]}, "each column stands once"),
    ],
)
def test_an_unknown_layout_is_refused_with_what_can_be_chosen(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        forest(samples.analysis(3), **options)  # type: ignore[arg-type]


def grouped(k: int) -> Analysis:
    analysis = samples.analysis(k)
    mu = analysis.fits[analysis.lead].mu
    halves = tuple(range(k // 2)), tuple(range(k // 2, k))
    groups = (Group("MK-7", halves[0], mu, 1.0), Group("K1", halves[1], dataclasses.replace(mu, value=5.0), 1.0))
    found = Grouped("vitamer", groups, 1.767, 2.0, None, 0.413, "meta-regression with a common tau2", True)
    return dataclasses.replace(analysis, refits=dataclasses.replace(analysis.refits, subgroups=found))


def test_each_subgroup_has_its_heading_its_studies_and_its_diamond_and_the_test_is_printed() -> None:
    analysis = grouped(7)
    figure = forest(analysis).figure
    heights = {
        str(item.get_gid()): box.y0
        for item, box in look.texts(figure)
        if (item.get_gid() or "").endswith("-label") and not (item.get_gid() or "").startswith(("missing", "line"))
    }
    order = sorted((gid for gid in heights if "-" in gid), key=lambda gid: -heights[gid])
    wanted = ["group-0", "study-0", "study-1", "study-2", "subtotal-0"]
    wanted += ["group-1", "study-3", "study-4", "study-5", "study-6", "subtotal-1"]
    assert [gid.removesuffix("-label") for gid in order[: len(wanted)]] == wanted
    assert set(look.drawn(figure, "-diamond")) == {"subtotal-0-diamond", "subtotal-1-diamond", "lead-diamond",
                                                   "beside-diamond"}  # fmt: skip
    assert "(vitamer): Q_M(2) = 1.77, p = 0.41; meta-regression with a common τ²; exploratory" in " ".join(
        said(figure).split()
    )


def test_the_diamond_of_a_subgroup_stands_where_its_interval_says() -> None:
    analysis = grouped(6)
    figure = forest(analysis).figure
    lead, first = (
        look.drawn(figure, name)[name].get_xy()[:, 0] for name in ("lead-diamond", "subtotal-0-diamond")
    )
    assert [first.min(), first.max()] == pytest.approx([lead.min(), lead.max()], abs=POSITION)


def test_subgroups_that_do_not_hold_every_study_once_are_not_drawn() -> None:
    analysis = grouped(6)
    assert analysis.refits.subgroups is not None
    lost = dataclasses.replace(analysis.refits.subgroups, groups=analysis.refits.subgroups.groups[:1])
    figure = forest(
        dataclasses.replace(analysis, refits=dataclasses.replace(analysis.refits, subgroups=lost))
    ).figure
    assert {f"study-{i}-square" for i in range(6)} == set(look.drawn(figure, "-square"))
    assert look.drawn(figure, "subtotal-0-diamond") == {}


def judged(**outcomes: str) -> Analysis:
    analysis = samples.analysis(3)
    rows = tuple(
        BiasJudgement("Trial0", outcome, "RoB 2", ("low", "high", "", "no information", "some concerns"), overall,
                   "A. Person", "", "", "")
        for outcome, overall in outcomes.items()
    )  # fmt: skip
    return dataclasses.replace(analysis, judgements=Judgements(bias=rows))


LONG_NAMES = {
    "favours_low": "a treatment with quite a long name",
    "favours_high": "a control with quite a long name",
}


def crowded(unit: float) -> Analysis:
    """Return judged trials between arms with long names, with estimates of about ``unit``."""
    analysis = judged(cac_agatston="high")
    effects = tuple(
        dataclasses.replace(effect, yi=effect.yi * unit, vi=effect.vi * unit**2, label="A Trial Group, 1999")
        for effect in analysis.effects
    )
    return dataclasses.replace(analysis, effects=effects, spec=dataclasses.replace(analysis.spec, **LONG_NAMES))


def test_between_long_names_and_lights_one_column_of_people_stands_for_two_arms() -> None:
    analysis = crowded(100.0)
    figure = forest(analysis).figure
    texts = [item.get_text() for item, _ in look.texts(figure)]
    everybody = [effect.people or 0.0 for effect in analysis.effects]
    assert {f"{n:.0f}" for n in everybody} <= set(texts)
    assert "People" in texts
    assert f"{analysis.effects[0].n_treat:.0f}" not in texts
    assert look.drawn(figure, "-light-0") != {}
    assert look.overlaps(figure) == look.outside(figure) == []


def test_a_column_of_people_without_room_is_said_to_be_left_out() -> None:
    left_out = "no room for the column of people"
    assert left_out not in " ".join(said(forest(crowded(1.0)).figure).split())
    wide = crowded(1e5)
    fits = {
        name: dataclasses.replace(fit, mu=dataclasses.replace(fit.mu, se=1e-5)) for name, fit in wide.fits.items()
    }
    figure = forest(dataclasses.replace(wide, fits=fits))
    assert left_out in " ".join(said(figure.figure).split())
    assert {"n_treat", "n_ctrl"} <= set(figure.table.columns)


def test_without_judgements_there_are_no_lights_and_no_word_about_them() -> None:
    figure = forest(samples.analysis(3)).figure
    assert look.drawn(figure, "-light-0") == {}
    assert "isk of bias" not in said(figure)


def test_every_light_has_its_letter_and_a_trial_nobody_judged_has_none() -> None:
    analysis = judged(cac_agatston="high")
    figure = forest(analysis)
    lights = {gid for i in range(6) for gid in look.drawn(figure.figure, f"-light-{i}")}
    assert lights == {f"study-0-light-{i}" for i in (0, 1, 3, 4, 5)}
    texts = [item.get_text() for item, _ in look.texts(figure.figure)]
    assert [texts.count(letter) for letter in ("L", "H", "N", "S", "–")] == [1, 2, 1, 1, 1 + 2 * 6]
    assert "D1 randomisation process" in " ".join(said(figure.figure).split())
    assert figure.table.rows[0][-1] == "low; high; not assessed; no information; some concerns; high"
    assert figure.table.rows[1][-1] == "; ".join(["not assessed"] * 6)


def test_a_judgement_of_the_outcome_goes_before_one_of_the_whole_trial_and_other_outcomes_do_not_count() -> None:
    note = forest(judged(other="high", cac_agatston="low", **{"": "high"})).table.rows[0][-1]
    assert str(note).endswith("; low")
    assert forest(judged(other="high")).table.rows[0][-1] == ""


def test_effects_alone_give_the_published_pool_of_the_bcg_trials() -> None:
    figure = km.forest(BCG["yi"], BCG["vi"], labels=[f"Trial {i}" for i in range(13)], measure="LOGRATIO")
    lead = next(row for row in figure.table.rows if row[0] == "lead")
    wanted = BCG["fits"]["REML"]["adhoc"]
    at = [figure.table.columns.index(name) for name in ("estimate", "low", "high")]
    assert [np.log(float(lead[i] or 0)) for i in at] == pytest.approx(
        [wanted["beta"], wanted["ci_lb"], wanted["ci_ub"]], rel=1e-8
    )
    assert "13 trials" in figure.alt


def test_a_fit_brings_its_effects_and_is_not_fitted_again() -> None:
    for fit in (
        km.common_effect(BCG["yi"], BCG["vi"]),
        km.random_effects(BCG["yi"], BCG["vi"], tau2="DL", interval="z", level=0.9),
        km.bayes_random_effects(BCG["yi"], BCG["vi"], tau_prior=km.priors.HalfNormal(0.5)),
    ):
        assert fit.yi == tuple(BCG["yi"])
        assert fit.vi == tuple(BCG["vi"])
        figure = km.forest(fit, measure="LOGRATIO")
        lead = next(row for row in figure.table.rows if row[0] == "lead")
        assert float(lead[figure.table.columns.index("low")] or 0) == pytest.approx(np.exp(fit.mu.low), rel=1e-12)
        assert sum(row[0] == "study" for row in figure.table.rows) == 13


def test_groups_give_the_published_test_of_moderators_by_allocation() -> None:
    groups = km.subgroups(BCG["yi"], BCG["vi"], ALLOCATION)
    figure = km.forest(BCG["yi"], BCG["vi"], measure="LOGRATIO", groups=ALLOCATION, grouped_by="allocation")
    assert groups.q_between is not None
    assert f"(allocation): F(2, 10) = {groups.q_between.value:.3f}" in " ".join(figure.alt.split())
    assert set(look.drawn(figure.figure, "-diamond")) == {f"subtotal-{i}-diamond" for i in range(3)} | {
        "lead-diamond"
    }


def test_a_prior_adds_the_bayesian_diamond_and_the_shrunken_bars() -> None:
    figure = km.forest(BCG["yi"], BCG["vi"], measure="LOGRATIO", tau_prior=km.priors.HalfNormal(0.5))
    assert len(look.drawn(figure.figure, "-shrunken-interval")) == 13
    assert "Bayesian random effects" in said(figure.figure)


@pytest.mark.parametrize("k", [0, 1, 2, 80])
@pytest.mark.parametrize("preset", PRESETS)
def test_any_number_of_studies_is_drawn_without_a_pipeline(k: int, preset: str) -> None:
    figure = km.forest(BCG["yi"][:1] * k, BCG["vi"][:1] * k, labels=["same"] * k, preset=preset)
    assert look.overlaps(figure.figure) == []
    assert sum(row[0] == "study" for row in figure.table.rows) == k


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([0.1, 0.2],), {}, "vi is missing"),
        (([0.1, 0.2], [0.1]), {}, "yi has 2 values and vi has 1"),
        (([0.1, 0.2], [0.1, -0.1]), {}, r"vi\[1\] = -0.1"),
        (([0.1, 0.2], [0.1, 0.1]), {"labels": ["a"]}, "labels has 1 values for 2 studies"),
        (([0.1, 0.2], [0.1, 0.1]), {"groups": ["a"]}, "groups has 1 values for 2 studies"),
        ((km.random_effects([0.1, 0.2], [0.1, 0.1]), [0.1, 0.1]), {}, "vi is given with a fit"),
        (
            (dataclasses.replace(km.random_effects([0.1, 0.2], [0.1, 0.1]), yi=()),),
            {},
            "does not carry its effects",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_the_reason(
    arguments: tuple[object, ...], options: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        km.forest(*arguments, **options)  # type: ignore[arg-type]


def test_a_figure_shows_itself_in_a_notebook_and_answers_as_a_matplotlib_figure() -> None:
    figure = km.forest([0.1, 0.2], [0.1, 0.2], labels=['<b>"bold"</b>', "two"], title='a "quoted" <title>')
    html = figure._repr_html_()
    assert html.startswith('<img src="data:image/svg+xml;base64,')
    assert "a &quot;quoted&quot; &lt;title&gt;" in html
    assert isinstance(figure.figure, Canvas)
    assert figure.get_size_inches()[0] == figure.figure.get_figwidth()
    assert figure.svg() == figure.svg()
    with pytest.raises(AttributeError):
        _ = figure.no_such_thing


def test_a_figure_saved_by_the_reader_looks_as_the_one_saved_by_the_pipeline() -> None:
    figure = km.forest([0.1, 0.2], [0.1, 0.2], labels=["one", "two"])
    buffers = BytesIO(), BytesIO()
    with matplotlib.rc_context({"text.hinting": "force_autohint", "lines.linewidth": 9}):
        figure.savefig(buffers[0], format="rgba", dpi=100)
    with rc():
        figure.figure.savefig(buffers[1], format="rgba", dpi=100)
    assert buffers[0].getvalue() == buffers[1].getvalue()


def test_the_public_room_of_figures_is_reached_from_the_package() -> None:
    figure = km.figures.forest(samples.analysis(4), preset="jama")
    assert isinstance(figure.figure, Canvas)


def counts(k: int = 6) -> Analysis:
    """Return ratios of events in two arms, in two subgroups; the last study was printed as a ratio only."""
    analysis = grouped(k)
    effects = tuple(
        dataclasses.replace(effect, n_treat=1000.0 + i, n_ctrl=500.0 + i)
        if i == k - 1
        else dataclasses.replace(
            effect, n_treat=1000.0 + i, n_ctrl=500.0 + i, events_treat=20.0 + i, events_ctrl=i
        )
        for i, effect in enumerate(analysis.effects)
    )
    return dataclasses.replace(analysis, effects=effects)


@pytest.mark.parametrize("preset", [name for name, layout in PRESETS.items() if "people" in layout.columns])
def test_counts_are_shown_as_events_and_total_by_arm_with_their_subtotals(preset: str) -> None:
    figure = forest(counts(), preset=preset)
    texts = [item.get_text() for item, _ in look.texts(figure.figure)]
    assert texts.count("Events/total") == 1
    assert "People" not in texts
    for written in ("20/1000", "0/500", "24/1004", "4/504", "–/1005", "–/505", "63/3003", "3/1503"):
        assert texts.count(written) == 1, written
    # One study of the second subgroup, and so of the whole pool, has no counts: its events are not summed.
    for written in ("–/3012", "–/1512", "–/6015", "–/3015"):
        assert texts.count(written) == 1, written
    at = [figure.table.columns.index(name) for name in ("events_treat", "n_treat", "events_ctrl", "n_ctrl")]
    assert [figure.table.rows[1][i] for i in at] == [20.0, 1000.0, 0.0, 500.0]
    assert "events_treat" not in forest(samples.analysis(3)).table.columns


@pytest.mark.parametrize("preset", PRESETS)
def test_the_word_for_what_a_result_speaks_for_is_spelled_as_the_journal_does(preset: str) -> None:
    text = said(forest(samples.analysis(5), preset=preset).figure)
    other = {"jama": "avour"}.get(preset, "avor")
    assert other not in text
    assert ("Favors control →" in text) == (preset == "jama")


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", ["low intake of vitamin K", "an intake of vitamin K below the median", "W" * 24])
def test_no_name_of_up_to_forty_letters_is_cut_beside_the_axis(preset: str, name: str) -> None:
    base = samples.analysis(5)
    for side in ("favours_low", "favours_high"):
        figure = forest(
            dataclasses.replace(base, spec=dataclasses.replace(base.spec, **{side: name})), preset=preset
        )
        gid = side.replace("_", "-")
        lines = [
            item.get_text() for item, _ in look.texts(figure.figure) if (item.get_gid() or "").startswith(gid)
        ]
        assert name in " ".join(lines)
        assert not {"→", "←"} & set(lines)
        assert look.overlaps(figure.figure) == look.outside(figure.figure) == []
