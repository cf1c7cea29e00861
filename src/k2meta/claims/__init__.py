"""Claims: what popular articles say, decided by the fits. Verdicts are computed, never typed."""

from __future__ import annotations

from k2meta.claims.decide import decide
from k2meta.claims.read import claim_problems, read_claims
from k2meta.claims.rules import DECISIONS, NOT_TESTABLE, Rule
from k2meta.claims.types import VERDICTS, Claim, Decided, Decision, Part

__all__ = [
    "DECISIONS",
    "NOT_TESTABLE",
    "VERDICTS",
    "Claim",
    "Decided",
    "Decision",
    "Part",
    "Rule",
    "claim_problems",
    "decide",
    "read_claims",
]
