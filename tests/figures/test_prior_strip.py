"""The strip of priors: one row per prior from the fits, the leading one marked, every text legible."""

from __future__ import annotations

import dataclasses
import math

import pytest

from k2meta.figures import prior_strip
from tests import samples
from tests.figures import hostile, look


@pytest.mark.parametrize(("k", "measure"), [(2, "MD"), (5, "SMD"), (8, "LOGRATIO")])
def test_every_prior_has_its_row_of_data_at_full_precision(k: int, measure: str) -> None:
    analysis = samples.analysis(k, measure)
    table = prior_strip(analysis).table
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert len(rows) == len(analysis.prior_strip) >= 6
    fit = analysis.fits["bayes_exact"]
    (lead,) = [row for row in rows if row["lead"] == "yes"]
    assert fit.prediction is not None
    names = ("mean", "median", "low", "high", "new_low", "tau_median")
    assert tuple(lead[name] for name in names) == pytest.approx(
        (fit.mu.value, fit.mu.median, fit.mu.low, fit.mu.high, fit.prediction.low, fit.tau.median), rel=1e-9
    )
    assert lead["p_below_zero"] == pytest.approx(fit.prob(mu_below=0.0), rel=1e-9)


def test_every_posterior_has_its_bars_and_a_prior_without_one_says_so() -> None:
    analysis = samples.analysis(2)
    figure = prior_strip(analysis)
    given = [row for row in analysis.prior_strip if row.not_run == ""]
    assert len(given) < len(analysis.prior_strip)
    means = look.drawn(figure.figure, "-mean")
    assert len(means) == len(given)
    assert len(look.drawn(figure.figure, "-new-interval")) == len(given)
    texts = [item.get_text() for item, _ in look.texts(figure.figure)]
    assert texts.count("no proper posterior") == len(analysis.prior_strip) - len(given)


def test_the_leading_prior_is_bold_and_its_interval_reaches_through_every_row() -> None:
    figure = prior_strip(samples.analysis(5)).figure
    bold = [item.get_text() for item, _ in look.texts(figure) if item.get_weight() == "bold"]
    assert "Half-normal, scale 45" in bold
    assert len(look.drawn(figure, "lead-end") | look.drawn(figure, "lead-end-2")) == 2


def test_the_words_for_those_who_cannot_see_it_name_every_prior() -> None:
    alt = prior_strip(samples.analysis(5, "SMD")).alt
    assert "Mean under 11 priors of τ: Half-normal, scale 0.25: −0.35 (−0.71 to 0.03);" in alt
    assert "Half-normal, scale 0.5 (leading)" in alt
    assert "Rhodes et al. 2015" in alt


def test_a_ratio_is_drawn_and_told_at_its_median() -> None:
    analysis = samples.analysis(8, "LOGRATIO")
    apart = [dataclasses.replace(row, mean=9.0) for row in analysis.prior_strip]
    figure = prior_strip(dataclasses.replace(analysis, prior_strip=tuple(apart)))
    texts = [item.get_text() for item, _ in look.texts(figure.figure)]
    assert "Median, 95 % CrI" in texts
    fit = analysis.fits["bayes_exact"]
    assert fit.mu.median is not None
    shown = f"{math.exp(fit.mu.median):.2f} ({math.exp(fit.mu.low):.2f} to {math.exp(fit.mu.high):.2f})"
    assert shown in texts
    assert f"Median under {len(apart)} priors of τ" in figure.alt
    assert shown in figure.alt


@pytest.mark.parametrize("seed", range(12))
def test_no_text_meets_another_or_leaves_the_canvas(seed: int) -> None:
    figure = prior_strip(hostile.analysis(seed)).figure
    assert look.overlaps(figure) == []
    assert look.outside(figure) == []


@pytest.mark.parametrize("k", [0, 1])
def test_without_a_posterior_the_figure_says_so(k: int) -> None:
    figure = prior_strip(samples.analysis(k))
    assert "No posterior under any prior to show." in {item.get_text() for item, _ in look.texts(figure.figure)}
    assert figure.table.rows == ()


@pytest.mark.parametrize("form", ["svg", "png"])
def test_two_drawings_have_the_same_bytes(form: str) -> None:
    first, second = (prior_strip(samples.analysis(3)).figure for _ in range(2))
    assert look.saved(first, form) == look.saved(second, form)


def test_a_leading_prior_of_another_kind_joins_the_strip() -> None:
    from k2meta.commands.sensitivity import under_priors

    analysis, chosen = samples.analysis(5, "SMD"), {"family": "empirical", "name": "rhodes2015_smd_biomarker"}
    rows = under_priors(analysis.effects, analysis.spec, samples.bayesian(chosen), 0.95)
    assert [row.lead for row in rows] == [True] + [False] * 11
    alt = prior_strip(dataclasses.replace(analysis, prior_strip=rows)).alt
    assert "biological markers (leading)" in alt
