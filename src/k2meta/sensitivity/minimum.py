"""The smallest number of studies on which a check is run, and the sentence that says why it was not."""

from __future__ import annotations

SMALL_STUDY_K = 10
"""Below this many studies a test for small-study effects has too little power to tell chance from asymmetry
(the rule of the Cochrane Handbook)."""

LINE_K = 3
"""A straight line through two studies leaves no degree of freedom for its error."""


def small_study_gate(k: int, minimum_k: int, least: int = LINE_K) -> str:
    """Return why a small-study check does not run on ``k`` studies, or ``""`` when it does.

    ``minimum_k`` is what the caller asks for; ``least`` is where the arithmetic itself ends.
    """
    needed = max(minimum_k, least)
    if k >= needed:
        return ""
    return f"k = {k}: test not run; tests for small-study effects need at least {needed} studies"
