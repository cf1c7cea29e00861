"""Words that claim too much: every pattern catches what it is for, and lets the honest sentence pass."""

from __future__ import annotations

import re

import pytest

from k2meta.report import generated, overclaims
from k2meta.report.language import OVERCLAIMS

# Fault -> sentences that must be caught, and sentences that say what is known and must pass.
CASES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "absence of evidence read as evidence of absence": (
        ("Vitamin K has no effect on stiffness.", "It was without benefit."),
        ("A difference is not shown and not ruled out.", "Observational: association, not effect"),
    ),
    "failure declared": (("Vitamin K does not work.", "It is useless."), ("The trial could not be used.",)),
    "equivalence": (
        ("MK-4 and MK-7 are equally effective.", "It makes no difference."),
        ("The paper says: no difference.", "Equal arms of 21 assumed."),
    ),
    "no better than control": (
        ("It is no better than placebo.",),
        ("Against placebo it includes zero.",),
    ),
    "denial of an effect": (
        ("Vitamin K does not slow calcification.", "It didn't lower the score."),
        ("It has not been shown to slow calcification.", "The decision at 0.05 does not change."),
    ),
    "evidence of absence": (
        ("This is evidence of no difference.",),
        ("Its certainty was not rated.",),
    ),
    "effect ruled out": (("The interval rules out a benefit.",), ("A difference is not ruled out.",)),
    "proof": (
        ("This proves that it helps.", "No proof is needed."),
        ("Improved, approved, waterproof.",),
    ),
    "last word": (("The result is conclusive.",), ("The trials include people on dialysis.",)),
    "certainty": (
        ("It clearly works.", "Success is guaranteed."),
        ("Certainty was not rated.",),
    ),
    "established as fact": (
        ("The trials demonstrated that it helps.",),
        ("No relevance value is established for this score.",),
    ),
    "cure": (("It cures calcified arteries.",), ("Security, obscure, curious.",)),
    "reversal": (("Vitamin K2 reverses calcification.",), ("The groups differ the other way round.",)),
    "cleaning": (
        ("Vitamin K2 cleans arteries.", "It dissolves calcium in the wall."),
        ("Clear rules choose the result of each trial.",),
    ),
    "rejuvenation": (("It gives younger arteries.",), ("Adults younger than 60 were excluded.",)),
    "cause from association": (("Vitamin K2 prevents heart disease.",), ("Vitamin K2 goes with fewer events.",)),
    "protection": (("It protects your heart.", "It saves lives."), ("The outcome is a surrogate for events.",)),
    "cause from diet": (
        ("A high intake lowers mortality.",),
        ("People with a high intake had fewer events.", "Intake goes with much else that people do."),
    ),
    "cause from cohorts": (("Cohorts show an effect of vitamin K2.",), ("Cohorts show an association.",)),
    "credit": (
        ("The score fell thanks to vitamin K.",),
        ("The score fell in the arm that took vitamin K.",),
    ),
    "risk of events from a surrogate": (
        ("It lowers the risk of heart attacks.",),
        ("It lowers the score by 20 AU.",),
    ),
    "headline arithmetic": (("It halves progression.",), ("Each doubling of the dose: −0.03.",)),
    "size in adjectives": (("A dramatic fall was seen.",), ("A fall of 20 Agatston units was seen.",)),
    "wonder": (("A breakthrough for arteries.",), ("The funnel is broken through at z = 2.",)),
    "promise": (("The results are promising.",), ("Three trials are registered and not published.",)),
    "works for all": (("It works for everyone.",), ("The work was done for this review.",)),
    "significance as praise": (("The fall was highly significant.",), ("Two significant digits of the SE.",)),
    "trend": (("There was a trend towards benefit.",), ("p = 0.23; the interval includes zero.",)),
    "a miss told as a near hit": (("The fall failed to reach significance.",), ("The interval includes zero.",)),
    "a surrogate not named": (
        ("It significantly reduced calcification.",),
        ("It significantly reduced calcification, a surrogate.",),
    ),
    "p of zero": (("The fall was seen (p = 0.00).",), ("p = 0.0019", "p < 0.001")),
    "safety": (("MK-7 is completely safe.", "It is harmless."), ("Serious harms were not extracted.",)),
    "advice": (("Everyone should take vitamin K2.",), ("A trial should say how many people were randomised.",)),
}


def test_every_pattern_has_its_cases_and_there_are_at_least_25() -> None:
    assert CASES.keys() == OVERCLAIMS.keys()
    assert len(OVERCLAIMS) >= 25


@pytest.mark.parametrize("fault", OVERCLAIMS)
def test_a_pattern_catches_its_overclaim_by_itself(fault: str) -> None:
    for sentence in CASES[fault][0]:
        assert re.search(OVERCLAIMS[fault], sentence, re.IGNORECASE), sentence
        assert overclaims(sentence), sentence


@pytest.mark.parametrize("fault", OVERCLAIMS)
def test_an_honest_sentence_passes_every_pattern(fault: str) -> None:
    for sentence in CASES[fault][1]:
        assert overclaims(sentence) == (), sentence


def test_phrases_come_in_reading_order() -> None:
    assert overclaims("It proves a dramatic cure.") == ("proves", "dramatic", "cure")


def test_what_others_wrote_is_left_out_and_the_rest_of_the_page_is_read() -> None:
    html = (
        '<p>Shown <span data-words="theirs">it <b>proves</b> <br>everything</span> here.</p>'
        '<style>.proof{}</style><img alt="a cure"><p title="safe">end</p>'
    )
    assert generated(html) == "Shown here. a cure safe end"
    assert overclaims(generated(html)) == ("cure",)


def test_a_page_that_forgets_to_mark_a_quotation_is_caught() -> None:
    assert overclaims(generated("<p>It proves everything</p>")) == ("proves",)
