"""What a claim is, and what is decided about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

VerdictWord = Literal["supported", "not shown", "contradicted", "not testable"]
Stance = Literal["asserts", "doubts"]
Direction = Literal["lower", "higher", ""]

VERDICTS: tuple[VerdictWord, ...] = ("supported", "not shown", "contradicted", "not testable")
"""The four words, in the order in which they are counted."""

EVIDENCE: dict[str, str] = {
    "randomised": "",
    "single_arm": "one arm, no control",
    "pharmacokinetic": "blood levels",
    "observational": "association",
    "animal": "animal study",
    "review": "review or opinion",
    "guideline": "guideline",
    "none": "no study named",
    "cannot_tell": "study not identified",
}
"""Kinds of study that an article leans on, and the label each puts beside its claim."""


@dataclass(frozen=True, slots=True)
class Part:
    """One decision that a claim asks for.

    Attributes
    ----------
    rule : str
        Key of ``k2meta.claims.DECISIONS``.
    analysis, moderator : str
        Ids of the settings; empty where the rule needs none.
    direction : {"lower", "higher", ""}
        Where the claim puts the effect on the scale of the analysis; empty where it names no direction.
    threshold : float or None
        What the rule compares with (a relevant difference, a margin, a p value); on the scale people read.
    compared_with : float or None
        A printed observational estimate that the interval is held against, on the scale people read.
    stance : {"asserts", "doubts"}
        Whether the claim says that the effect is there, or that it has not been shown.
    why_not : str
        Why nothing here can decide, in words (rule ``not_testable``).
    """

    rule: str
    analysis: str = ""
    moderator: str = ""
    direction: Direction = ""
    threshold: float | None = None
    compared_with: float | None = None
    stance: Stance = "asserts"
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """One row of ``data/claims.csv``: the claim as paraphrased, its source, and the parts that decide it.

    ``faithful`` is a person's judgement of how the article tells its source, never computed here. ``not_applied``
    is what of the rule in words no part applies, and why; empty where the parts apply all of it.
    """

    id: str
    article: str
    text: str
    kind: str
    study: str
    design: str
    evidence: tuple[str, ...]
    reported: str
    url: str
    locator: str
    faithful: str
    prose_rule: str
    notes: str
    parts: tuple[Part, ...]
    not_applied: str
    beside: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What one part of a claim comes to.

    Attributes
    ----------
    short : str
        Why nothing can be decided, in two or three words; empty where the numbers decide.
    number : str
        The number that decides, with its interval and unit, as people read it; empty where there is none.
    pool : str
        What was pooled, as a sentence.
    reading : str
        What the number says about the claim, as a sentence.
    value, low, high : float or None
        The same number at full precision, on the scale of the analysis (ratios as natural logs).
    fields : tuple of str
        Where the numbers stand: ``analysis.fits.model.mu`` and the like.
    """

    part: Part
    verdict: VerdictWord
    reading: str
    short: str = ""
    number: str = ""
    pool: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    fields: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """What was pooled and what it says, in one go."""
        return " ".join(filter(None, (self.pool, self.reading)))

    def because(self, verdict: VerdictWord, reading: str, short: str = "") -> Decision:
        """Return the same numbers with another verdict and what it rests on."""
        return replace(self, verdict=verdict, reading=reading, short=short)


@dataclass(frozen=True, slots=True)
class Decided:
    """A claim with its verdict, the decisions it rests on, and what stands beside it without deciding."""

    claim: Claim
    verdict: VerdictWord
    short: str
    decisions: tuple[Decision, ...]
    labels: tuple[str, ...]
    beside: tuple[str, ...]

    @property
    def deciding(self) -> Decision:
        """The first part that comes to the verdict of the whole claim."""
        return next(part for part in self.decisions if part.verdict == self.verdict)
