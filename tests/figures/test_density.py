"""The prior-posterior figure: exact densities, clear labels, and what is said without a posterior."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from numpy.typing import NDArray

import k2meta as km
from k2meta.analysis import Analysis
from k2meta.figures import prior_posterior, words
from k2meta.figures.figure import PlotData
from tests import samples
from tests.figures import hostile, look

AREA = 2e-3
"""Absolute: a drawn density holds the probability of its window; 400 trapezoids are off by less than this."""


def curve(table: PlotData, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows = [row for row in table.rows if row[0] == name]
    return np.array([row[1] for row in rows], float), np.array([row[2] for row in rows], float)


def half_normal(scale: float) -> km.priors.HalfNormal:
    return km.priors.HalfNormal(scale)


def test_the_prior_of_the_mean_is_named_in_the_figure_and_in_its_words() -> None:
    figure = prior_posterior(samples.analysis(5))
    assert "Prior of the mean: flat." in figure.alt
    assert "Prior of the mean: flat" in {item.get_text() for item, _ in look.texts(figure.figure)}


@pytest.mark.parametrize(("k", "measure"), [(2, "SMD"), (5, "MD"), (8, "LOGRATIO")])
def test_the_drawn_posterior_of_mu_holds_the_probability_below_zero(k: int, measure: str) -> None:
    analysis = samples.analysis(k, measure)
    fit = analysis.fits["bayes_exact"]
    x, y = curve(prior_posterior(analysis).table, "posterior of mu")
    below = x <= 0
    area = np.trapezoid(y[below], x[below]) + y[below][-1] * -x[below][-1]
    assert area == pytest.approx(fit.prob(mu_below=0.0) - fit.prob(mu_below=float(x[0])), abs=AREA)
    assert np.trapezoid(y, x) == pytest.approx(
        fit.prob(mu_below=float(x[-1])) - fit.prob(mu_below=float(x[0])), abs=AREA
    )


def test_the_drawn_posterior_of_tau_holds_its_credible_interval() -> None:
    analysis = samples.analysis(5)
    tau = analysis.fits["bayes_exact"].tau
    x, y = curve(prior_posterior(analysis).table, "posterior of tau")
    assert np.trapezoid(y[x <= tau.high], x[x <= tau.high]) == pytest.approx(0.975, abs=0.01)


def test_the_prior_is_drawn_as_given_and_left_out_where_it_is_not() -> None:
    analysis, prior = samples.analysis(5), half_normal(45.0)
    x, y = curve(prior_posterior(analysis, lambda tau: np.exp(prior.logpdf(tau))).table, "prior of tau")
    assert y == pytest.approx(math.sqrt(2 / math.pi) / 45 * np.exp(-0.5 * (x / 45) ** 2))
    assert len(curve(prior_posterior(analysis).table, "prior of tau")[0]) == 0


def test_a_prior_with_a_pole_at_zero_does_not_flatten_the_posterior() -> None:
    figure = prior_posterior(samples.analysis(5), lambda tau: 1 / tau).figure
    posterior = look.drawn(figure, "posterior-of-tau")["posterior-of-tau"].get_ydata()
    prior = look.drawn(figure, "prior-of-tau")["prior-of-tau"].get_ydata()
    assert np.ptp(posterior) > 0.5 * np.ptp(prior)


@pytest.mark.parametrize("seed", range(12))
def test_no_text_meets_another_or_leaves_the_canvas(seed: int) -> None:
    figure = prior_posterior(hostile.analysis(seed), half_normal_density).figure
    assert look.overlaps(figure) == []
    assert look.outside(figure) == []


def half_normal_density(tau: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.exp(half_normal(0.5).logpdf(tau)))


@pytest.mark.parametrize(
    ("k", "said"), [(0, "No posterior to show."), (1, "One trial: not pooled, no posterior.")]
)
def test_without_a_posterior_the_figure_says_so(k: int, said: str) -> None:
    figure = prior_posterior(samples.analysis(k))
    assert said in {item.get_text() for item, _ in look.texts(figure.figure)}
    assert figure.table.rows == ()


def test_a_pool_without_a_bayesian_fit_has_no_posterior_to_show() -> None:
    base = samples.analysis(5)
    fits = {name: fit for name, fit in base.fits.items() if fit.posterior is None}
    assert prior_posterior(dataclasses.replace(base, fits=fits)).alt.startswith("No posterior to show.")


@pytest.mark.parametrize(("k", "measure"), [(2, "SMD"), (5, "MD")])
def test_the_drawn_density_of_a_new_study_holds_its_prediction_interval(k: int, measure: str) -> None:
    analysis = samples.analysis(k, measure)
    prediction = analysis.fits["bayes_exact"].prediction
    assert prediction is not None
    x, y = curve(prior_posterior(analysis).table, "new study")
    inside = (x >= prediction.low) & (x <= prediction.high)
    assert x[0] < prediction.low < prediction.high < x[-1]
    step = x[1] - x[0]
    # Up to one step of the grid is cut off at either end, where the density is low.
    assert np.trapezoid(y[inside], x[inside]) == pytest.approx(0.95, abs=AREA + 2 * step * y[inside][0])


def texts_of(analysis: Analysis) -> str:
    return " | ".join(item.get_text() for item, _ in look.texts(prior_posterior(analysis).figure))


def test_the_areas_are_told_with_what_they_rest_on_and_follow_the_direction() -> None:
    analysis = samples.analysis(5)
    fit = analysis.fits["bayes_exact"]
    said = texts_of(analysis)
    assert f"P(μ < 0) {words.probability(fit.prob(mu_below=0.0))}" in said
    assert f"P(μ < −100) {words.probability(fit.prob(mu_below=-100.0))}" in said
    assert "the probability that the mean effect is below zero, given this model and prior" in said
    higher = dataclasses.replace(analysis, spec=dataclasses.replace(analysis.spec, lower_is_better=False))
    assert f"P(μ > 0) {words.probability(1 - fit.prob(mu_below=0.0))}" in texts_of(higher)


def test_the_side_of_benefit_and_what_lies_beyond_the_line_are_shaded() -> None:
    figure = prior_posterior(samples.analysis(5, "SMD")).figure
    benefit = look.drawn(figure, "benefit")["benefit"].get_xy()
    beyond = look.drawn(figure, "beyond")["beyond"].get_xy()
    assert beyond[:, 0].max() < benefit[:, 0].max()
    assert beyond[:, 0].min() == pytest.approx(benefit[:, 0].min())


def test_the_alternative_text_is_of_the_posterior_that_is_drawn() -> None:
    analysis = samples.analysis(5)
    drawn = analysis.fits["bayes_exact"]
    assert analysis.lead != "bayes_exact"
    alt = prior_posterior(analysis).alt
    assert words.estimate(analysis.spec, drawn.mu, "95 % credible interval", words.decimals(analysis)) in alt
    assert drawn.prediction is not None
    assert words.predicted(analysis.spec, drawn.prediction, words.decimals(analysis)) in alt
