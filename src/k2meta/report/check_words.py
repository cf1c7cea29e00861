"""The checks of the model against its studies in a sentence: how many there are, and which ask for attention."""

from __future__ import annotations

from k2meta.analysis import Analysis
from k2meta.numbers import number_word
from k2meta.report import words
from k2meta.tables.parts import tallied
from k2meta.tables.types import TableData


def checks_sentence(analysis: Analysis, table: TableData) -> str:
    """Say which checks of the model against its studies ask for attention, and what that changes.

    ``table`` holds the rows of this question (`k2meta.tables.model_checks`); without rows nothing is said.
    """
    if not table.rows:
        return ""
    flagged = [str(row["says"]) for row in table.rows if row["attention"]]
    ran, asking = (
        number_word(tallied(analysis, f"model_checks.{name}", n))
        for name, n in (("run", len(table.rows)), ("attention", len(flagged)))
    )
    noun = words.noun(analysis.spec)
    if not flagged:
        return f"None of {ran} checks of this model against its {noun}s asks for attention."
    verb = "asks" if len(flagged) == 1 else "ask"
    return f"Of {ran} checks of this model against its {noun}s, {asking} {verb} for attention. {' '.join(flagged)}"
