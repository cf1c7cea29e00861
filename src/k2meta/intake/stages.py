"""Whether a registry's outcome is a value at baseline, a value at follow-up or a change: read from its words.

Only plain wordings are read. Where the words speak of a change, a difference, a rate or a baseline in any other
way, nobody but the user can say what the numbers are.
"""

from __future__ import annotations

import re

_CHANGE = re.compile(
    r"\bchanges?\b.*\bfrom baseline\b|\bfrom baseline\b.*\bchanges?\b|\bchange-from-baseline\b", re.I
)
_BASELINE = re.compile(
    r"(.*\bat )?baseline( (values?|visit|measurement|assessment))?|baseline [a-z][a-z -]*", re.I
)
_LATER = re.compile(
    r"\b(and|or|to|vs|versus|minus|after|until|through|over|follow-?up|end|final)\b|[0-9] ?(d|w|mo|y)", re.I
)
_NOT_A_SPEED_OF_CHANGE = ("heart", "pulse", "filtration", "respiratory", "sedimentation", "metabolic", "flow")
_RATE = "".join(f"(?<!{word} )" for word in _NOT_A_SPEED_OF_CHANGE) + r"\brates?\b"
_SPEAKS = re.compile(
    rf"\b(chang|differen|progress|increas|decreas|reduc|declin|improv|slope|annuali[sz]|delta)|{_RATE}"
    r"|\bper (year|month|week)\b|/ ?(years?|yr|months?|weeks?)\b",
    re.I,
)
_SPEAKS_OF_BASELINE = re.compile(r"\bbaseline\b", re.I)
_PERCENT_CHANGE = re.compile(
    r"(\bper ?cent(age)?|%)[ -]*(change|increase|decrease|progression|difference|reduction)"
    r"|\b(change|increase|decrease|progression|reduction)s? \(?in (per ?cent|%)"
    r"|(\bper ?cent(age)?|%) (of|from) (the )?baseline",
    re.I,
)
_PERCENT = re.compile(r"\s*(%|per ?cent(age)?)\s*", re.I)


def is_baseline(words: str) -> bool:
    """Whether words name values at baseline and nothing later: ``Baseline``, ``PWV at baseline``."""
    return bool(_BASELINE.fullmatch(words.strip())) and not _LATER.search(words) and not _SPEAKS.search(words)


def stage_in_words(title: str, group: str, beside: str, *, has_baseline_group: bool) -> str:
    """Return what the numbers of an outcome are by its words.

    Parameters
    ----------
    title, group : str
        Title of the outcome, and of the class of values inside it (often a visit).
    beside : str
        Unit and description.
    has_baseline_group : bool
        Whether another class of the outcome holds the values at baseline, which explains the word elsewhere.

    Returns
    -------
    str
        ``baseline``, ``change``, ``follow``, or ``""`` where the words speak of a change or a baseline unclearly.
    """
    if is_baseline(group):
        return "baseline"
    if _CHANGE.search(f"{title} {group}"):
        return "change"
    if not group and is_baseline(title):
        return "baseline"
    words = f"{title} {group} {beside}"
    unclear = _SPEAKS.search(words) or (_SPEAKS_OF_BASELINE.search(words) and not has_baseline_group)
    return "" if unclear else "follow"


def percent_of_baseline(title: str, unit: str) -> bool | None:
    """Return whether a change is in percent of baseline; ``None`` where the unit is a bare percent sign.

    An outcome may itself be a percentage (HbA1c): then a change in percent is one of percentage points.
    """
    if _PERCENT_CHANGE.search(title) or _PERCENT_CHANGE.search(unit):
        return True
    return None if _PERCENT.fullmatch(unit) else False
