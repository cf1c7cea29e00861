"""Claims are decided by intervals: every rule on every side, few trials, doubts, parts, moderators."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import pytest

from k2meta.analysis import Analysis, Moderation, Moderator, Slope
from k2meta.claims import DECISIONS, Part, decide, read_claims
from k2meta.claims.decide import decision
from k2meta.models.fit import Fit
from k2meta.report import overclaims, verdict
from tests import samples

BELOW, ABOVE, AROUND = (-2.0, -1.0), (1.0, 2.0), (-1.0, 1.0)


def moved(fit: Fit, interval: tuple[float, float]) -> Fit:
    low, high = interval
    return replace(fit, mu=replace(fit.mu, value=(low + high) / 2, se=0.25, low=low, high=high))


def pool(
    k: int, lead: tuple[float, float], beside: tuple[float, float] | None = None, **changes: object
) -> Analysis:
    found = samples.analysis(k, str(changes.pop("measure", "MD")))
    fits = {**found.fits, found.lead: moved(found.fits[found.lead], lead)}
    fits[found.beside] = moved(found.fits[found.beside], beside or lead)
    return replace(found, fits=fits, spec=replace(found.spec, **changes))  # type: ignore[arg-type]


def part(rule: str = "pooled_effect", **changes: object) -> Part:
    return replace(Part(rule, "sample", direction="lower"), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("interval", "direction", "word"),
    [
        (BELOW, "lower", "supported"),
        (BELOW, "higher", "contradicted"),
        (ABOVE, "lower", "contradicted"),
        (ABOVE, "higher", "supported"),
        (AROUND, "lower", "not shown"),
        (AROUND, "higher", "not shown"),
        ((-1.0, 0.0), "lower", "not shown"),
    ],
)
def test_the_interval_decides_on_the_side_that_the_claim_names(
    interval: tuple[float, float], direction: str, word: str
) -> None:
    found = decision(part(direction=direction), {"sample": pool(5, interval)})
    assert found.verdict == word
    assert (found.low, found.high) == interval
    assert found.number in found.sentence


def test_a_word_for_not_shown_never_says_that_nothing_happens() -> None:
    found = decision(part(), {"sample": pool(5, AROUND)})
    assert "not shown and not ruled out" in found.reading


@pytest.mark.parametrize(
    ("lead", "beside", "word"),
    [
        (BELOW, BELOW, "supported"),
        (BELOW, AROUND, "not testable"),
        (AROUND, BELOW, "not testable"),
        (BELOW, ABOVE, "not testable"),
        (ABOVE, AROUND, "not testable"),
        (AROUND, ABOVE, "not testable"),
        (ABOVE, ABOVE, "contradicted"),
        (AROUND, AROUND, "not shown"),
    ],
)
def test_with_few_trials_both_intervals_must_say_the_same(
    lead: tuple[float, float], beside: tuple[float, float], word: str
) -> None:
    found = decision(part(), {"sample": pool(3, lead, beside)})
    assert found.verdict == word
    assert found.short == ("too few trials" if word == "not testable" else "")


def test_one_trial_and_no_trial_are_too_few() -> None:
    one = decision(part(), {"sample": samples.analysis(1)})
    none = decision(part(), {"sample": samples.analysis(0)})
    assert (one.verdict, one.short) == (none.verdict, none.short) == ("not testable", "too few trials")
    assert "Author 1999" in one.pool
    assert one.value == samples.effects(1)[0].yi
    assert none.number == ""


def test_the_claim_and_the_card_never_disagree() -> None:
    for k, lead, beside in product((2, 3, 5, 12), (BELOW, ABOVE, AROUND), (BELOW, ABOVE, AROUND)):
        analysis = pool(k, lead, beside)
        card, claim = verdict(analysis).word, decision(part(), {"sample": analysis}).verdict
        assert claim == {"too few trials": "not testable"}.get(card, card)


def test_a_pool_says_where_the_true_effect_of_a_new_trial_would_lie_and_at_which_level() -> None:
    same = samples.analysis(5)
    said = decision(part(), {"sample": same}).pool
    assert "The true effect in a new trial would lie between −81 and 8 (95 % prediction interval; with τ" in said
    fit = same.fits[same.lead]
    assert fit.prediction is not None
    wider = replace(fit, prediction=replace(fit.prediction, low=-99.0, high=0.004))
    other = decision(part(), {"sample": replace(same, fits={**same.fits, same.lead: wider})}).pool
    assert "between −99 and 0.004 (95 % prediction interval)." in other


def test_cohorts_decide_no_effect_however_clear_they_are() -> None:
    found = decision(part(), {"sample": pool(12, BELOW, source="cohorts")})
    assert found.verdict == "not testable"
    assert found.short == "association only"
    assert "association" in found.reading


def test_a_relevant_difference_is_stated_beside_the_verdict() -> None:
    small = decision(part(threshold=3.0), {"sample": pool(5, BELOW)})
    large = decision(part(threshold=1.5), {"sample": pool(5, BELOW)})
    assert small.verdict == large.verdict == "supported"
    assert "stays below 3 Agatston units" in small.reading
    assert "reaches 1.5 Agatston units" in large.reading


@pytest.mark.parametrize(("ratio", "word"), [(0.2, "contains"), (0.01, "does not contain")])
def test_a_printed_association_is_held_against_the_interval_and_decides_nothing(ratio: float, word: str) -> None:
    found = decision(part(compared_with=ratio), {"sample": pool(5, BELOW, measure="LOGRATIO")})
    assert found.verdict == "supported"
    assert f"interval {word} the {ratio:g}" in found.reading


def test_a_marker_that_moves_is_necessary_and_not_sufficient() -> None:
    words = {
        name: decision(part("necessary_marker"), {"sample": pool(5, interval)}).verdict
        for name, interval in (("below", BELOW), ("above", ABOVE), ("around", AROUND))
    }
    assert words == {"below": "not shown", "above": "contradicted", "around": "not shown"}


def test_a_within_arm_rule_reads_within_arm_analyses_only() -> None:
    between = decision(part("within_arm"), {"sample": pool(5, BELOW)})
    assert between.verdict == "not testable"
    within = decision(part("within_arm"), {"sample": pool(5, ABOVE, contrast="active_arm")})
    assert within.verdict == "contradicted"
    half = [1.959963984540054 * math.sqrt(one.vi) for one in samples.effects(5)]
    rose = sum(one.yi > width for one, width in zip(samples.effects(5), half, strict=True))
    assert f"above zero in {rose} of 5" in within.reading


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(0.8, 1.2, "supported"), (0.8, 1.4, "not shown"), (1.05, 1.2, "supported"), (1.3, 1.9, "contradicted")],
)
def test_an_excess_of_harm_is_judged_by_a_margin(low: float, high: float, word: str) -> None:
    analysis = pool(5, (math.log(low), math.log(high)), measure="LOGRATIO")
    assert decision(part("no_excess", threshold=1.25), {"sample": analysis}).verdict == word


def test_a_margin_is_held_against_both_intervals_of_few_trials() -> None:
    low, wide = (math.log(0.8), math.log(1.2)), (math.log(0.8), math.log(1.4))
    asked = part("no_excess", threshold=1.25)
    verdicts = [
        decision(asked, {"sample": pool(3, low, beside, measure="LOGRATIO")}).verdict for beside in (low, wide)
    ]
    assert verdicts == ["supported", "not testable"]


@pytest.mark.parametrize(
    ("interval", "of_the_effect", "of_the_doubt"),
    [
        (BELOW, "supported", "contradicted"),
        (AROUND, "not shown", "supported"),
        (ABOVE, "contradicted", "supported"),
    ],
)
def test_a_claim_that_doubts_turns_the_verdict(
    interval: tuple[float, float], of_the_effect: str, of_the_doubt: str
) -> None:
    analyses = {"sample": pool(5, interval)}
    assert decision(part(), analyses).verdict == of_the_effect
    doubted = decision(part(stance="doubts"), analyses)
    assert doubted.verdict == of_the_doubt
    assert "The claim says that this has not been shown" in doubted.reading


def test_a_doubt_about_what_cannot_be_tested_is_not_supported_by_that() -> None:
    few = {"sample": pool(3, ABOVE, AROUND, contrast="active_arm")}
    for rule in ("pooled_effect", "within_arm"):
        found = decision(part(rule, stance="doubts"), few)
        assert (found.verdict, found.short) == ("not testable", "too few trials")
        assert "Neither of them lies wholly on the side that the claim names." in found.reading
    assert decision(part(stance="doubts"), {"sample": samples.analysis(1)}).verdict == "not testable"


def test_the_condition_of_two_intervals_is_part_of_every_printed_rule_that_reads_a_pool() -> None:
    pooled = ("pooled_effect", "within_arm", "necessary_marker", "no_excess")
    assert all("the guarded interval beside it must say the same" in DECISIONS[name].words for name in pooled)


def test_what_of_a_written_rule_is_not_applied_is_kept_apart_from_why_nothing_decides() -> None:
    said = "the second half, as no question asks it"
    partly, undecided = read_claims([row(why_not=said), row(rule="not_testable", why_not=said)])
    assert (partly.not_applied, partly.parts[0].why_not) == (said, said)
    assert (undecided.not_applied, undecided.parts[0].why_not) == ("", said)


def moderated(
    interval: tuple[float, float] | None, *, k: int = 4, p: float | None = None, kind: str = "log2"
) -> Analysis:
    base = samples.analysis(max(5, k))
    groups = (("K1", ("K1",)), ("K2", ("MK-7",))) if kind == "groups" else ()
    dose = Moderator("dose_ug", "daily dose, µg", kind, id="dose", groups=groups)  # type: ignore[arg-type]
    cells = [groups[i > 0][0] if groups else 90.0 * 2**i for i in range(k)]
    effects = tuple(
        replace(effect, moderators={"dose": cells[i] if i < k else None}) for i, effect in enumerate(base.effects)
    )
    slopes: tuple[Slope, ...] = ()
    if interval is not None:
        slopes = tuple(Slope(name, sum(interval) / 2, 0.25, *interval, p, p) for name in ("intercept", "K2"))
    one = Moderation(
        dose, k, (), k < 10, "", 0.95, "" if slopes else "Not run: no study of K1 is in the pool.", slopes
    )
    return replace(base, effects=effects, moderation=(one,))


@pytest.mark.parametrize(
    ("interval", "direction", "word"),
    [
        (BELOW, "lower", "supported"),
        (BELOW, "higher", "contradicted"),
        (AROUND, "lower", "not shown"),
        (BELOW, "", "not testable"),
        (None, "lower", "not testable"),
    ],
)
def test_a_slope_decides_by_its_interval_and_direction(
    interval: tuple[float, float] | None, direction: str, word: str
) -> None:
    asked = part("slope", moderator="dose", direction=direction)
    found = decision(asked, {"sample": moderated(interval)})
    assert found.verdict == word
    if word in ("supported", "contradicted", "not shown"):
        assert "Exploratory: 4 trials, fewer than ten for each covariate." in found.reading
        assert found.pool.startswith("Daily dose, µg, per doubling: ")
    if not direction:
        assert found.short == "no direction claimed"
        assert "90 to 720" in found.reading


def test_ten_trials_are_not_called_exploratory() -> None:
    found = decision(part("slope", moderator="dose"), {"sample": moderated(BELOW, k=10)})
    assert found.verdict == "supported"
    assert "Exploratory" not in found.reading


@pytest.mark.parametrize(
    ("p", "direction", "word"),
    [
        (0.05, "lower", "supported"),
        (0.05, "higher", "contradicted"),
        (0.10, "lower", "not shown"),
        (0.7, "lower", "not shown"),
        (None, "lower", "not testable"),
    ],
)
def test_groups_differ_below_a_p_of_a_tenth_in_the_direction_claimed(
    p: float | None, direction: str, word: str
) -> None:
    asked = part("subgroup", moderator="dose", direction=direction)
    interval = None if p is None else (-2.0, 0.5)
    found = decision(asked, {"sample": moderated(interval, p=p, kind="groups")})
    assert found.verdict == word
    if p is None:
        assert found.reading == "No study of K1 is in the pool."
    else:
        assert "K1 1, K2 3" in found.reading
        assert "not randomised to the groups" in found.reading


def test_a_description_decides_nothing() -> None:
    found = decision(part("descriptive", moderator="dose"), {"sample": moderated(BELOW)})
    assert (found.verdict, found.short) == ("not testable", "descriptive")
    assert found.number == "daily dose, µg: 90 to 720"


def row(**cells: str) -> dict[str, str]:
    base = {
        "claim_id": "C01",
        "article": "a",
        "claim": "It helps",
        "claim_type": "slowing",
        "faithful": "faithful",
    }
    return {**base, "rule": "pooled_effect", "analysis": "sample", "direction": "lower", **cells}


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [
        (BELOW, BELOW, "supported"),
        (BELOW, AROUND, "not shown"),
        (AROUND, ABOVE, "contradicted"),
        (BELOW, None, "not testable"),
        (AROUND, None, "not shown"),
    ],
)
def test_a_claim_of_two_parts_is_as_good_as_its_weakest(
    first: tuple[float, float], second: tuple[float, float] | None, word: str
) -> None:
    other = samples.analysis(1) if second is None else pool(5, second)
    analyses = [pool(5, first), replace(other, spec=replace(other.spec, id="other"))]
    cells = {"rule": "pooled_effect|pooled_effect", "analysis": "sample|other", "direction": "lower|lower"}
    (one,) = decide(read_claims([row(**cells)]), analyses)
    assert one.verdict == word
    assert len(one.decisions) == 2


def test_labels_say_what_the_article_leans_on() -> None:
    claims = read_claims(
        [
            row(evidence="animal|observational"),
            row(evidence="randomised"),
            row(rule="within_arm", evidence="none"),
            row(stance="doubts"),
        ]
    )
    labels = [one.labels for one in decide(claims, [pool(5, AROUND)])]
    assert labels == [
        ("animal study", "association"),
        (),
        ("no study named", "decided within one arm"),
        ("says that it is not shown",),
    ]


def test_what_stands_beside_a_claim_never_decides_it() -> None:
    cohorts = pool(5, BELOW, source="cohorts", id="cohorts")
    (one,) = decide(read_claims([row(beside="cohorts")]), [pool(5, AROUND), cohorts])
    assert one.verdict == "not shown"
    assert one.beside[0].startswith("An association, which decides nothing here: ")
    assert one.decisions[0].number not in one.beside[0]


def test_every_rule_says_itself_in_words_and_in_honest_ones() -> None:
    words = [rule.words for rule in DECISIONS.values()]
    assert len(set(words)) == len(words)
    assert all(overclaims(sentence) == () for sentence in words)


def test_no_sentence_of_a_decision_overclaims_or_prints_a_python_word() -> None:
    for k, measure, rule in product((0, 1, 2, 3, 5, 12), ("MD", "SMD", "LOGRATIO"), DECISIONS):
        analysis = replace(samples.analysis(k, measure), moderation=moderated(AROUND, p=0.5).moderation)
        asked = part(rule, moderator="dose", threshold=1.25, compared_with=0.5)
        sentence = decision(asked, {"sample": analysis}).sentence
        assert overclaims(sentence) == ()
        assert not {"nan", "None", "inf", "True"} & set(sentence.replace("(", " ").replace(")", " ").split())
