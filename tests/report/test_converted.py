"""Sentences about conversions and covariates: what was done, how far the answer moves, what it is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from k2meta.analysis import Analysis, Conversion
from k2meta.report import overclaims, words
from k2meta.tables.parts import weight_shares, weights
from tests import samples
from tests.figures.test_bubble import moderated

# A sum of weights that were normalised once.
SUM = 1e-12


def converted(intervals: list[tuple[float, float]]) -> Analysis:
    """Return five trials of which one borrows a correlation, one was converted from medians."""
    base = samples.analysis(5)
    routes = ("arms_correlation", "change_medians", "arms_sd", "arms_sd", "arms_sd")
    effects = tuple(
        replace(effect, route=route, assumptions=("converted",) if i < 2 else ())
        for i, (effect, route) in enumerate(zip(base.effects, routes, strict=True))
    )
    mu = base.fits[base.lead].mu
    rows = tuple(
        Conversion(
            0.5 + 0.1 * i, True, i == 0, 5, replace(mu, value=(low + high) / 2, low=low, high=high), 1.0, 1.0
        )
        for i, (low, high) in enumerate(intervals)
    )
    return replace(base, effects=effects, conversions=rows)


def test_the_reading_that_changes_is_counted() -> None:
    steady = " ".join(words.conversion_sentences(converted([(-90.0, -10.0), (-80.0, -20.0)])))
    assert "Whether the interval includes zero is the same in all of them." in steady
    moved = " ".join(words.conversion_sentences(converted([(-90.0, -10.0), (-80.0, 20.0), (-70.0, 30.0)])))
    assert "Whether the interval includes zero changes in 2 of 3." in moved
    assert "from −50 Agatston units (r = 0.5, with converted medians) to −20 Agatston units (r = 0.7" in moved
    assert "the width of its interval from 80 Agatston units to 100 Agatston units" in moved


def test_what_was_converted_is_named_by_trial() -> None:
    analysis = converted([(-90.0, -10.0)])
    first, second = (effect.label for effect in analysis.effects[:2])
    said = words.conversion_sentences(analysis)[0]
    assert said == (
        f"A borrowed correlation gives the SD of change of {first}; medians were converted to means for {second}."
    )


def test_sets_that_leave_too_few_trials_are_said() -> None:
    analysis = converted([(-90.0, -10.0)])
    lost = Conversion(None, False, False, 1, None, None, None)
    analysis = replace(analysis, conversions=(*analysis.conversions, lost))
    assert words.conversion_sentences(analysis)[-1] == "Under one more, fewer than two trials are left to pool."


def test_nothing_is_said_where_nothing_was_converted() -> None:
    assert words.conversion_sentences(samples.analysis(5)) == ()
    assert "borrowed" not in words.weight_sentence(samples.analysis(5))


def test_the_weight_on_conversions_is_part_of_the_weight_on_assumptions() -> None:
    analysis = converted([(-90.0, -10.0)])
    share, each = weight_shares(analysis), weights(analysis)
    assert (share.imputed, share.converted) == (each[0], each[1])
    assert share.assumed == pytest.approx(each[0] + each[1], rel=SUM)
    assert words.weight_sentence(analysis).endswith(
        f"({100 * each[0]:.0f} % on a borrowed correlation, {100 * each[1]:.0f} % on means converted from medians)"
    )


def test_the_weight_of_results_of_a_part_of_the_people_stands_in_the_answer() -> None:
    base = samples.analysis(5)
    first, *others = base.effects
    analysis = replace(base, effects=(replace(first, subset="men without heart disease"), *others))
    each = weights(analysis)
    assert weight_shares(analysis).subset == each[0]
    said = f", {100 * each[0]:.0f} % from results of a part of the people randomised"
    assert words.weight_sentence(analysis).endswith(said)
    assert said not in words.weight_sentence(base)


@pytest.mark.parametrize("measure", ["MD", "SMD", "LOGRATIO"])
def test_a_covariate_is_told_with_its_status_and_without_a_claim(measure: str) -> None:
    analysis = moderated(measure=measure)
    row = analysis.moderation[0]
    said = " ".join(words.moderation_sentences(row, analysis.spec))
    assert said.startswith("Absolute latitude (exploratory: fewer than ten studies for each covariate; eight")
    assert "Each degree of absolute latitude" in said
    assert ("multiplies the ratio by" in said) == (measure == "LOGRATIO")
    assert overclaims(said + words.BETWEEN) == ()
    plain = words.moderation_sentences(replace(row, exploratory=False, missing=("Author 1999",)), analysis.spec)
    assert plain[0].startswith("Absolute latitude (prespecified; ")
    assert plain[0].endswith("Not stated by: Author 1999.")


def test_a_regression_that_was_not_run_says_why() -> None:
    analysis = moderated()
    row = replace(analysis.moderation[0], slopes=(), line=(), not_run="Not run: every study is in one category.")
    assert words.moderation_sentences(row, analysis.spec) == (
        "Absolute latitude: not run, because every study is in one category.",
    )


def test_a_risk_difference_stands_after_its_name_and_has_no_unit() -> None:
    base = samples.analysis(5, "SMD")
    spec = replace(base.spec, measure="RD", unit="risk difference")
    analysis = replace(base, spec=spec)
    assert words.estimate_line(analysis).startswith("risk difference ")
    said = words.answer(analysis) + words.heterogeneity(analysis)
    assert "risk difference lower" not in said
    assert "risk difference (95" not in words.heterogeneity(analysis)
