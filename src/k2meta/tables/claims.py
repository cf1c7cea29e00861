"""Popular claims: one row per claim with its verdict and the numbers it rests on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from k2meta.claims import Decided, Decision
from k2meta.tables.types import Column, Row, TableData, Value

JOIN = " | "


def claims(decided: Sequence[Decided]) -> TableData:
    """Return one row per claim; parts of a claim stand between bars, in the order of its rules.

    ``estimate``, ``low`` and ``high`` stand on the scale of the analysis (ratios as natural logs), at full
    precision. ``faithful`` is a person's judgement, everything from ``verdict`` to ``fields`` is computed.
    """
    return TableData(
        columns=tuple(Column(name) for name in _HEADER),
        rows=tuple(_row(one) for one in decided),
        caption="Popular claims and their verdicts",
    )


def _row(one: Decided) -> Row:
    claim = one.claim
    return {
        "claim_id": claim.id,
        "article": claim.article,
        "claim": claim.text,
        "claim_type": claim.kind,
        "evidence": JOIN.join(claim.evidence),
        "verdict": one.verdict,
        "why_undecided": one.short,
        "labels": JOIN.join(one.labels),
        "rule": _parts(one, lambda part: part.part.rule),
        "stance": _parts(one, lambda part: part.part.stance),
        "analysis": _parts(one, lambda part: part.part.analysis),
        "verdict_of_part": _parts(one, lambda part: part.verdict),
        "number": _parts(one, lambda part: part.number),
        "estimate": _values(one, lambda part: part.value),
        "low": _values(one, lambda part: part.low),
        "high": _values(one, lambda part: part.high),
        "reading": _parts(one, lambda part: part.sentence),
        "fields": _parts(one, lambda part: " ".join(part.fields)),
        "beside": JOIN.join(one.beside),
        "faithful": claim.faithful,
        "study": claim.study,
        "species_design": claim.design,
        "reported_value": claim.reported,
        "source_url": claim.url,
        "source_locator": claim.locator,
        "decision_rule": claim.prose_rule,
        "notes": claim.notes,
    }


def _parts(one: Decided, cell: Callable[[Decision], str]) -> str:
    cells = [cell(part) for part in one.decisions]
    return JOIN.join(cells) if any(cells) else ""


def _values(one: Decided, cell: Callable[[Decision], float | None]) -> Value:
    """Return a number for a claim of one part, and numbers between bars for a claim of several."""
    cells = [cell(part) for part in one.decisions]
    if len(cells) == 1:
        return cells[0]
    return JOIN.join("" if value is None else repr(value) for value in cells)


_HEADER = (
    "claim_id",
    "article",
    "claim",
    "claim_type",
    "evidence",
    "verdict",
    "why_undecided",
    "labels",
    "rule",
    "stance",
    "analysis",
    "verdict_of_part",
    "number",
    "estimate",
    "low",
    "high",
    "reading",
    "fields",
    "beside",
    "faithful",
    "study",
    "species_design",
    "reported_value",
    "source_url",
    "source_locator",
    "decision_rule",
    "notes",
)
