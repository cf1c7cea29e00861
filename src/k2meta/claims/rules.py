"""The registry of decision rules: what each decides by, what it needs, and what it is called on the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from k2meta.analysis import Analysis
from k2meta.claims.effects import necessary_marker, no_excess, pooled_effect, within_arm
from k2meta.claims.moderators import P_BETWEEN, descriptive, slope, subgroup
from k2meta.claims.types import Decision, Part


@dataclass(frozen=True, slots=True)
class Rule:
    """A decision function, the cells of ``data/claims.csv`` it cannot do without, and the rule in words.

    ``kinds`` are the kinds of moderator that it reads, none where it reads any or reads no moderator. ``limit`` is
    the number that stands in the words as ``{limit}``.
    """

    decide: Callable[[Part, Analysis], Decision]
    needs: tuple[str, ...]
    words: str
    kinds: tuple[str, ...] = ()
    limit: float | None = None


AGREE = (
    " Where studies are few and a Bayesian interval leads, the guarded interval beside it must say the same: "
    "where the two do not agree, there are too few trials."
)
"""The condition that every rule adds which reads a pooled interval."""

DECISIONS: dict[str, Rule] = {
    "pooled_effect": Rule(
        pooled_effect,
        ("analysis", "direction"),
        "The interval that leads the answer: wholly on the side that the claim names, supported; wholly on the "
        "other side, contradicted; zero (for ratios, one) inside, not shown." + AGREE,
    ),
    "within_arm": Rule(
        within_arm,
        ("analysis", "direction"),
        "The mean change inside the active arm, by its interval: wholly on the side that the claim names, "
        "supported; wholly on the other side, contradicted; zero inside, not shown. Descriptive: what a treatment "
        "does takes a control arm." + AGREE,
    ),
    "necessary_marker": Rule(
        necessary_marker,
        ("analysis", "direction"),
        "A marker that has to move if the claim holds: necessary and not sufficient, so it cannot support it. "
        "Its interval wholly on the other side, contradicted; else not shown." + AGREE,
    ),
    "no_excess": Rule(
        no_excess,
        ("analysis", "direction", "threshold"),
        "The interval of the ratio of harms: below the margin named before, supported; else above one, "
        "contradicted; else not shown." + AGREE,
    ),
    "slope": Rule(
        slope,
        ("analysis", "moderator"),
        "A meta-regression: the interval of the slope wholly on the side that the claim names.",
        ("number", "log2"),
    ),
    "subgroup": Rule(
        subgroup,
        ("analysis", "moderator", "direction"),
        "The difference between two groups of trials: p below {limit} and the direction as claimed.",
        ("groups",),
        P_BETWEEN,
    ),
    "descriptive": Rule(
        descriptive,
        ("analysis", "moderator"),
        "A description of the trials in the pool; a description decides nothing.",
    ),
}
"""Every rule that reads an analysis, by its name in the column ``rule`` of ``data/claims.csv``."""

NOT_TESTABLE = "not_testable"
"""The rule of a claim that no analysis can decide; the column ``why_not`` says why."""
