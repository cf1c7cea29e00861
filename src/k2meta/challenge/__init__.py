"""The challenge: errors put into tables on purpose, and how many of them the data checks find."""

from __future__ import annotations

from k2meta.challenge.errors import ERRORS, ErrorType
from k2meta.challenge.review import Review, shipped_reviews
from k2meta.challenge.score import Clean, Outcome, Score, run_challenge
from k2meta.challenge.synthetic import KINDS, Kind, synthetic_review
from k2meta.challenge.words import clean_met, met, missed, readme, table, target

__all__ = [
    "ERRORS",
    "KINDS",
    "Clean",
    "ErrorType",
    "Kind",
    "Outcome",
    "Review",
    "Score",
    "clean_met",
    "met",
    "missed",
    "readme",
    "run_challenge",
    "shipped_reviews",
    "synthetic_review",
    "table",
    "target",
]
