"""Sentences: the verdict by its rule, numbers with unit and interval, nothing beyond them."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from k2meta.analysis import Analysis
from k2meta.models.fit import Estimate, Fit
from k2meta.report import overclaims, words
from tests import samples

BENEFIT, HARM, NEITHER = (-2.0, -1.0), (1.0, 2.0), (-1.0, 1.0)


def moved(fit: Fit, interval: tuple[float, float]) -> Fit:
    low, high = interval
    return replace(fit, mu=replace(fit.mu, value=(low + high) / 2, low=low, high=high))


def with_intervals(
    k: int,
    lead: tuple[float, float],
    beside: tuple[float, float],
    measure: str = "MD",
    lower_is_better: bool = True,
) -> Analysis:
    analysis = samples.analysis(k, measure)
    fits = dict(analysis.fits)
    fits[analysis.lead] = moved(fits[analysis.lead], lead)
    fits[analysis.beside] = moved(fits[analysis.beside], beside)
    return replace(analysis, fits=fits, spec=replace(analysis.spec, lower_is_better=lower_is_better))


def every_sample() -> list[Analysis]:
    found = [samples.analysis(k, m) for k, m in product((0, 1, 2, 3, 5, 12), ("MD", "SMD", "LOGRATIO"))]
    cohorts = [replace(a, spec=replace(a.spec, source="cohorts")) for a in found]
    higher = [replace(a, spec=replace(a.spec, lower_is_better=False)) for a in found]
    return [*found, *cohorts, *higher]


def sentences(analysis: Analysis) -> list[str]:
    return [
        words.answer(analysis),
        words.estimate_line(analysis),
        words.lead_sentence(analysis),
        words.beside_sentence(analysis),
        words.few(analysis),
        words.heterogeneity(analysis),
        words.prediction(analysis),
        *words.posterior_sentences(analysis),
        words.left_out_sentence(analysis),
        words.forest_caption(analysis),
        words.posterior_caption(analysis),
        words.weight_sentence(analysis),
    ]


@pytest.mark.parametrize("measure", ["MD", "SMD", "LOGRATIO"])
@pytest.mark.parametrize(
    ("interval", "lower_is_better", "word"),
    [
        (BENEFIT, True, "supported"),
        (HARM, True, "contradicted"),
        (NEITHER, True, "not shown"),
        (BENEFIT, False, "contradicted"),
        (HARM, False, "supported"),
        (NEITHER, False, "not shown"),
        ((-1.0, 0.0), True, "not shown"),
        ((0.0, 1.0), True, "not shown"),
    ],
)
def test_from_four_studies_on_the_leading_interval_decides_alone(
    interval: tuple[float, float], lower_is_better: bool, word: str, measure: str
) -> None:
    for beside in (BENEFIT, HARM, NEITHER):
        for k in (4, 5):
            assert words.verdict(with_intervals(k, interval, beside, measure, lower_is_better)).word == word


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize(
    ("lead", "beside", "word"),
    [
        (BENEFIT, BENEFIT, "supported"),
        (HARM, HARM, "contradicted"),
        (NEITHER, NEITHER, "not shown"),
        (BENEFIT, NEITHER, "too few trials"),
        (NEITHER, BENEFIT, "too few trials"),
        (HARM, NEITHER, "too few trials"),
        (BENEFIT, HARM, "too few trials"),
    ],
)
def test_two_or_three_studies_decide_only_where_both_intervals_agree(
    lead: tuple[float, float], beside: tuple[float, float], word: str, k: int
) -> None:
    assert words.verdict(with_intervals(k, lead, beside)).word == word


def test_no_study_and_one_study_are_said_and_not_pooled() -> None:
    assert words.verdict(samples.analysis(0)).word == "no trial"
    assert words.verdict(samples.analysis(1)).word == "one trial: not pooled"
    assert "95 % CI" in words.estimate_line(samples.analysis(1))


def test_a_cohort_question_speaks_of_cohorts_and_association() -> None:
    analysis = with_intervals(5, NEITHER, NEITHER)
    cohorts = replace(analysis, spec=replace(analysis.spec, source="cohorts"))
    assert "an association is not shown" in words.verdict(cohorts).sentence
    assert "cohort" in words.answer(cohorts)
    assert "benefit" not in " ".join(words.posterior_sentences(cohorts))
    assert words.prediction(cohorts).startswith("The true association in a new cohort")
    assert "trial" not in words.answer(cohorts).replace(analysis.spec.question, "")


def test_supported_says_what_it_does_not_show() -> None:
    supported = with_intervals(5, BENEFIT, BENEFIT)
    assert words.verdict(supported).sentence.endswith(supported.spec.caveat)


def test_the_answer_holds_estimate_unit_interval_and_prediction() -> None:
    line = words.estimate_line(samples.analysis(5))
    assert line == (
        "−36 Agatston units over 24 months (95 % CI −81 to 8; the true effect in a new trial would lie, with 95 % "
        "probability, between −81 and 8; with τ estimated as zero this only repeats the interval of the mean)."
    )


def test_a_prediction_that_repeats_the_interval_of_the_mean_says_so_and_no_other_does() -> None:
    same = samples.analysis(5)
    lead = same.fits[same.lead]
    assert lead.tau2.value == 0
    assert lead.prediction is not None
    wider = replace(lead, prediction=replace(lead.prediction, low=lead.mu.low - 10))
    other = replace(same, fits={**same.fits, same.lead: wider})
    for sentence in (words.estimate_line, words.prediction):
        assert words.REPEATED in sentence(same) or words.first_up(words.REPEATED) in sentence(same)
        assert "repeats" not in sentence(other)


def test_a_limit_that_would_be_read_as_zero_shows_its_side() -> None:
    difference = with_intervals(5, (-40.0, 0.32), NEITHER)
    assert "95 % CI −40 to 0.3;" in words.estimate_line(difference)
    assert "(from 40 fewer to 0.3 more Agatston units)" in words.verdict(difference).sentence
    ratio = with_intervals(5, (-0.6931471805599453, 0.0032), NEITHER, "LOGRATIO")
    assert "0.50 to 1.003;" in words.estimate_line(ratio)
    assert "from 50 % lower to 0.3 % higher" in words.verdict(ratio).sentence


def test_ratios_are_written_as_ratios() -> None:
    analysis = with_intervals(5, (-0.6931471805599453, 0.0), NEITHER, "LOGRATIO")
    assert "0.50 to 1.00" in words.estimate_line(analysis)
    assert "from 50 % lower to 0 %)" in words.verdict(analysis).sentence


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-62.4, 22.1, "from 62 fewer to 22 more Agatston units"),
        (-62.4, -22.1, "from 62 to 22 fewer Agatston units"),
        (22.1, 62.4, "from 22 to 62 more Agatston units"),
    ],
)
def test_an_interval_is_told_as_what_it_includes(low: float, high: float, said: str) -> None:
    assert words.span(samples.spec(), low, high, 0) == said


def test_a_speed_is_lower_or_higher_with_its_unit_at_both_ends() -> None:
    spec = replace(samples.spec(), unit="m/s")
    assert words.span(spec, -0.8, 0.1, 1) == "from 0.8 m/s lower to 0.1 m/s higher"
    assert words.span(spec, -0.8, -0.1, 1) == "from 0.8 to 0.1 m/s lower"


def test_one_study_with_more_than_half_of_the_weight_is_named() -> None:
    analysis = samples.analysis(3)
    fits = {m: replace(f, weights=(0.2, 0.7, 0.1)) for m, f in analysis.fits.items()}
    assert words.dominance(replace(analysis, fits=fits)) == (
        f"One trial ({analysis.effects[1].label}) carries 70 % of the weight."
    )
    fits = {m: replace(f, weights=(0.5, 0.3, 0.2)) for m, f in analysis.fits.items()}
    assert words.dominance(replace(analysis, fits=fits)) == ""


def test_missing_results_stand_in_the_answer() -> None:
    said = words.missing_sentence(samples.analysis(5))
    assert said == (
        "Two more trials measured it, and no usable number of their results is visible. "
        "One more trial is kept out by an open data query."
    )


def test_two_studies_call_the_guarded_interval_uninformative() -> None:
    assert "uninformative" in words.few(samples.analysis(2))
    assert "uninformative" not in words.few(samples.analysis(3))
    assert words.few(samples.analysis(4)) == ""


def test_the_probability_of_benefit_follows_the_direction_of_the_outcome() -> None:
    analysis = samples.analysis(5)
    higher = replace(analysis, spec=replace(analysis.spec, lower_is_better=False))
    below = analysis.fits["bayes_exact"].prob(mu_below=0.0)
    assert words.probability(below) in words.posterior_sentences(analysis)[1]
    assert words.probability(1 - below) in words.posterior_sentences(higher)[1]


@pytest.mark.parametrize(
    ("p", "said"),
    [(1.0, "more than 99 %"), (0.0, "less than 1 %"), (0.954, "95 %"), (0.99, "99 %"), (0.995, "more than 99 %")],
)
def test_a_probability_is_never_certainty(p: float, said: str) -> None:
    assert words.probability(p) == said


def test_sampled_numbers_end_where_their_monte_carlo_error_begins() -> None:
    fit = samples.analysis(5).fits["reml_hksj"]
    sampled = replace(
        fit,
        mu=Estimate(-36.123456, 1, -40, -30),
        diagnostics=replace(fit.diagnostics, rhat=1.0, mcse_mu=0.034),
    )
    assert words.sampled_digits(sampled) == ("−36.12", "0.03")
    assert words.sampled_digits(fit) is None


def test_leaving_out_names_the_study_on_which_the_reading_rests() -> None:
    analysis = with_intervals(5, BENEFIT, BENEFIT)
    rows = [replace(r, mu=replace(r.mu, low=-2.0, high=-1.0)) for r in analysis.leave_one_out]
    rows[2] = replace(rows[2], mu=replace(rows[2].mu, low=-1.0, high=1.0))
    said = words.left_out_sentence(replace(analysis, leave_one_out=tuple(rows)))
    assert said.endswith("changes without Author 2001.")


def test_leaving_out_is_held_against_the_interval_that_leads() -> None:
    # The Bayesian interval leads three trials and excludes zero; the guarded one beside it does not.
    analysis = with_intervals(3, BENEFIT, NEITHER)
    rows = tuple(replace(r, mu=replace(r.mu, low=-2.0, high=-1.0)) for r in analysis.leave_one_out)
    said = words.left_out_sentence(replace(analysis, leave_one_out=rows))
    assert said.endswith("Whether the interval includes zero does not depend on one trial.")


def test_a_length_that_not_every_study_states_says_so() -> None:
    analysis = samples.analysis(3)
    assert words.duration(analysis) == "over 24 months"
    first, *others = analysis.effects
    some = replace(analysis, effects=(replace(first, months=None), *others))
    assert words.duration(some) == "over 24 months where stated"


def test_no_sentence_overclaims_or_prints_a_python_word() -> None:
    for analysis in every_sample():
        for sentence in sentences(analysis):
            assert overclaims(sentence) == ()
            assert not {"nan", "None", "inf"} & set(sentence.replace("(", " ").replace(")", " ").split())
            assert "-" not in sentence.replace("t(k-1)", "").replace("HKSJ-guarded", "").replace(
                "Between-", ""
            ).replace("Q-profile", "").replace("half-normal", ""), sentence
