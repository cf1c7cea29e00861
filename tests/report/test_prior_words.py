"""What the priors do to the answer: every number of the sentences is one of the fits, and none says too much."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product

import pytest

import k2meta as km
from k2meta.analysis import Analysis, Averaged
from k2meta.numbers import displayed, fixed, percent, places
from k2meta.report import overclaims, prior_words, words
from k2meta.report.cards import gate, question
from k2meta.tables import build_tables
from tests import samples

# Sums of our own integrals: the average asks the same quadrature in another order.
OWN = 1e-9


def every_sample() -> list[Analysis]:
    found = [samples.analysis(k, m) for k, m in product((0, 1, 2, 3, 5, 12), ("MD", "SMD", "LOGRATIO"))]
    return [*found, *(replace(a, spec=replace(a.spec, source="cohorts", lower_is_better=False)) for a in found)]


def averaged(analysis: Analysis) -> Averaged:
    assert analysis.averaged is not None
    return analysis.averaged


@pytest.mark.parametrize(("k", "measure"), [(2, "MD"), (5, "SMD"), (4, "LOGRATIO")])
def test_the_sentence_holds_the_smallest_and_largest_number_of_the_strip(k: int, measure: str) -> None:
    analysis = samples.analysis(k, measure)
    said = prior_words.strip_sentence(analysis)
    decimals = places(measure, analysis.fits[analysis.lead].mu.se)
    rows = [row for row in analysis.prior_strip if row.not_run == ""]
    for name in ("median" if measure == "LOGRATIO" else "mean", "low", "high"):
        values = [getattr(row, name) for row in rows]
        low, high = (fixed(displayed(measure, value), decimals) for value in (min(values), max(values)))
        assert (low if low == high else f"{low} to {high}") in said
    assert f"{words.number_word(len(rows))} priors" in said.lower()


def test_a_ratio_is_told_by_its_median_and_never_by_the_mean_of_its_logarithm() -> None:
    analysis = samples.analysis(4, "LOGRATIO")
    fit = analysis.fits["bayes_exact"]
    # Far apart, so that one cannot be read for the other.
    skew = replace(fit, mu=replace(fit.mu, value=-1.0, median=-0.5))
    rows = tuple(replace(row, mean=-1.0) for row in analysis.prior_strip)
    analysis = replace(analysis, fits={**analysis.fits, "bayes_exact": skew}, prior_strip=rows)
    first, *_ = words.posterior_sentences(analysis)
    assert re.search(r"^Posterior median .*0\.61 \(95 % CrI ", first)  # exp(-0.5)
    assert first.endswith("is that of a ratio of 0.37.")  # exp(-1)
    assert "the posterior median is" in prior_words.strip_sentence(analysis)
    assert "0.37" not in prior_words.strip_sentence(analysis)
    assert "posterior mean" not in " ".join(words.posterior_sentences(analysis))
    assert "The mean on the log scale, averaged over these models, is that of" in " ".join(
        prior_words.averaged_sentences(analysis)
    )


def test_two_studies_leave_the_answer_to_the_prior_and_five_do_not() -> None:
    assert prior_words.strip_sentence(samples.analysis(2)).startswith(
        "With two trials the prior of τ is the answer:"
    )
    assert "is the answer" not in prior_words.strip_sentence(samples.analysis(5))


def test_two_studies_whose_interval_hardly_moves_are_not_said_to_rest_on_the_prior() -> None:
    analysis = samples.analysis(2)
    same = tuple(replace(row, low=-90.0, high=10.0) for row in analysis.prior_strip if row.not_run == "")
    assert "is the answer" not in prior_words.strip_sentence(replace(analysis, prior_strip=same))


@pytest.mark.parametrize(
    ("lead", "other", "said"),
    [
        ((-2.0, 1.0), (-2.0, 1.0), "Under every one of them the interval includes zero."),
        ((-2.0, -1.0), (-2.0, -1.0), "Under every one of them the interval excludes zero."),
        ((-2.0, 1.0), (-2.0, -1.0), "Under the prior of the fit the interval includes zero; under one of the"),
        ((-2.0, -1.0), (-2.0, 1.0), "Under the prior of the fit the interval excludes zero; under one of the"),
        ((-2.0, -1.0), (1.0, 2.0), "it reads differently (half-normal with scale 0.25)."),
    ],
)
def test_the_sentence_says_whether_the_reading_rests_on_the_prior(
    lead: tuple[float, float], other: tuple[float, float], said: str
) -> None:
    analysis = samples.analysis(5, "SMD")
    rows = [replace(row, mean=sum(lead) / 2, low=lead[0], high=lead[1]) for row in analysis.prior_strip]
    rows[0] = replace(rows[0], mean=sum(other) / 2, low=other[0], high=other[1])
    assert said in prior_words.strip_sentence(replace(analysis, prior_strip=tuple(rows)))


def test_a_prior_without_a_posterior_is_named() -> None:
    said = prior_words.strip_sentence(samples.analysis(2))
    assert said.endswith("With two trials the prior uniform (improper) leaves no proper posterior.")


@pytest.mark.parametrize(("measure", "sd"), [("MD", 180.0), ("SMD", 2.0), ("LOGRATIO", 4.0)])
def test_the_average_is_that_of_the_library_under_the_prior_it_names(measure: str, sd: float) -> None:
    analysis = samples.analysis(5, measure)
    scale = 45.0 if measure == "MD" else 0.5
    expected = km.model_averaging(
        [effect.yi for effect in analysis.effects],
        [effect.vi for effect in analysis.effects],
        mu_priors=[km.priors.Normal(0.0, sd)],
        tau_priors=[km.priors.HalfNormal(scale)],
    )
    found = averaged(analysis)
    assert expected.effect is not None
    assert found.effect == pytest.approx(expected.effect.posterior, rel=OWN)
    said = " ".join(prior_words.averaged_sentences(analysis))
    assert f"from 50 % before the data to {words.probability(expected.effect.posterior)} after" in said
    assert f"standard deviation {sd:g}" in said
    assert "flat prior of the mean, for which no Bayes factor exists" in said


def test_a_normal_prior_of_the_fit_is_the_prior_of_the_average_too() -> None:
    from k2meta.commands.sensitivity import averaged as average

    rows = samples.effects(5, "SMD")
    model = samples.bayesian(mu_prior={"mean": 0.1, "sd": 0.7})
    found = average(rows, samples.spec("SMD"), model, 0.95)
    assert found is not None
    assert found.mu_prior == "normal with mean 0.1 and standard deviation 0.7"
    said = " ".join(prior_words.averaged_sentences(replace(samples.analysis(5, "SMD"), averaged=found)))
    assert "flat prior" not in said


@pytest.mark.parametrize(
    ("log_bf", "said"),
    [
        (0.6931471805599453, "Bayes factor 2 for it"),
        (-1.0986122886681098, "Bayes factor 3 against it"),
        (9.0, "Bayes factor more than 1000 for it"),
        (-1e6, "Bayes factor more than 1000 against it"),
    ],
)
def test_a_bayes_factor_says_what_it_speaks_for(log_bf: float, said: str) -> None:
    analysis = samples.analysis(5)
    found = replace(averaged(analysis), log_bf_effect=log_bf)
    assert said in prior_words.averaged_sentences(replace(analysis, averaged=found))[0]


def test_an_average_that_was_not_reached_is_not_printed() -> None:
    analysis = samples.analysis(5)
    found = replace(averaged(analysis), not_run="the quadrature did not reach its accuracy")
    assert prior_words.averaged_sentences(replace(analysis, averaged=found)) == (
        "Models were not averaged: the quadrature did not reach its accuracy.",
    )


def test_fewer_than_two_studies_have_nothing_to_say_about_priors() -> None:
    for k in (0, 1):
        assert prior_words.strip_sentence(samples.analysis(k)) == ""
        assert prior_words.averaged_sentences(samples.analysis(k)) == ()


def test_no_sentence_overclaims_or_prints_a_python_word() -> None:
    for analysis in every_sample():
        for said in (prior_words.strip_sentence(analysis), *prior_words.averaged_sentences(analysis)):
            assert overclaims(said) == ()
            assert not {"nan", "None", "inf"} & set(re.split(r"[\s(),;:]+", said))
            assert not re.search(r"(?<![\w.])-\d", said)


def test_a_cohort_has_an_association_and_no_effect_of_a_treatment() -> None:
    analysis = samples.analysis(5)
    cohorts = replace(analysis, spec=replace(analysis.spec, source="cohorts"))
    said = " ".join((prior_words.strip_sentence(cohorts), *prior_words.averaged_sentences(cohorts)))
    assert "with and without an association" in said
    assert "effect" not in said
    assert "trial" not in said


def test_the_agreement_line_ends_both_means_where_the_monte_carlo_error_begins() -> None:
    analysis = samples.analysis(5)
    exact = analysis.fits["bayes_exact"]
    found = replace(
        exact.diagnostics, rhat=1.001, ess_bulk=3100.0, ess_tail=2900.0, divergences=0, mcse_mu=0.034, ebfmi=0.9
    )
    fit = replace(exact, posterior=None, diagnostics=found, mu=replace(exact.mu, value=exact.mu.value + 0.05))
    shown = gate(replace(analysis, fits={**analysis.fits, "bayes_mcmc": fit}), ())
    assert shown is not None
    assert f"The sampled posterior mean is {fixed(fit.mu.value, 2)}, the exact one {fixed(exact.mu.value, 2)}" in (
        shown.sentence
    )
    assert "1.5 Monte Carlo standard errors apart" in shown.sentence


def test_a_sampled_fit_is_compared_with_the_exact_fit_of_its_own_priors() -> None:
    analysis = samples.analysis(5)
    exact = analysis.fits["bayes_exact"]
    other = replace(exact, options={**exact.options, "tau_prior": "half-Cauchy with scale 45"})
    found = replace(exact.diagnostics, rhat=1.001, mcse_mu=0.034)
    fits = {"wide": other, "sampled": replace(exact, posterior=None, diagnostics=found), "exact": exact}
    from k2meta.tables.parts import exact_twin

    whole = replace(analysis, fits=fits, lead="wide", beside="exact")
    assert exact_twin(whole, fits["sampled"]) is exact
    assert exact_twin(replace(whole, fits={"wide": other}), fits["sampled"]) is None


def test_the_part_of_a_question_holds_the_strip_and_the_average() -> None:
    analysis = samples.analysis(5)
    part = question(analysis, "", {}, build_tables([analysis], ()), {}, None)
    assert len(part.under_priors.rows) == len(analysis.prior_strip) >= 6
    assert part.averaged[0].count(percent(0.5)) == 2
    assert "source" in [column.id for column in part.under_priors.visible]
    assert all(row["source"] for row in part.under_priors.rows)
    assert part.prior_strip is None  # no drawing was handed in
