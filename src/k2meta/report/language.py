"""Words that say more than a meta-analysis can: found by pattern, in any text the report prints."""

from __future__ import annotations

import re

OVERCLAIMS: dict[str, str] = {
    "absence of evidence read as evidence of absence": (
        r"\bno (?:effect|impact|benefit|harm|difference in effect)s?\b|\bineffective\b|\bdoes(?: not|n't) work\b"
        r"|\bequally effective\b|\bmakes no difference\b"
    ),
    "proof": r"\b(?:dis)?prove[sdn]?\b|\bproof\b|\bconclusive(?:ly)?\b|\bdefinitive(?:ly)?\b|\bbeyond doubt\b",
    "cure or reversal": r"\bcure[sd]?\b|\brevers(?:e|es|ed|al|ing)\b|\bclean(?:s|ed|ing)?\b[^.]{0,20}\barter",
    "cause from association": (
        r"\bvitamin k\d?\s+(?:prevents?|saves?|protects?|stops?|removes?|dissolves?)\b"
        r"|\bprotects? (?:the|your) (?:heart|arteries)\b|\bsaves? lives\b"
    ),
    "size in adjectives": (
        r"\b(?:strong(?:ly)?|dramatic(?:ally)?|remarkabl[ey]|impressive(?:ly)?|huge|massive(?:ly)?"
        r"|substantial(?:ly)?|powerful(?:ly)?|breakthrough|miracle)\b"
    ),
    "significance as praise": (
        r"\b(?:highly|marginally|nearly|almost|borderline|clinically) significant\b"
        r"|\btrend(?:s|ed|ing)? to(?:ward|wards)?\b|\bfailed to reach\b"
    ),
    "p of zero": r"\bp\s*=\s*0?\.0+\b(?!\d)",
}
"""What is looked for, by the fault it would be (patterns are searched without regard to case)."""

_COMPILED = tuple(re.compile(pattern, re.IGNORECASE) for pattern in OVERCLAIMS.values())


def overclaims(text: str) -> tuple[str, ...]:
    """Return every phrase of ``text`` that claims more than an interval can carry, in reading order."""
    hits = [(m.start(), m.group()) for pattern in _COMPILED for m in pattern.finditer(text)]
    return tuple(phrase for _, phrase in sorted(hits))
