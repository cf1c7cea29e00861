"""Popular claims: one row per claim with its verdict and the numbers it rests on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from k2meta.claims import Decided, Decision
from k2meta.tables.types import Column, Row, TableData

JOIN = " | "


def claims(decided: Sequence[Decided]) -> TableData:
    """Return one row per claim; parts of a claim stand between bars, in the order of its rules.

    ``estimate``, ``low`` and ``high`` are those of the part that sets the verdict (``deciding_analysis``), on the
    scale of its analysis (ratios as natural logs), at full precision. ``faithful`` is a person's judgement,
    everything from ``verdict`` to ``beside`` is computed.
    """
    return TableData(
        columns=tuple(Column(name) for name in _HEADER),
        rows=tuple(_row(one) for one in decided),
        caption="Popular claims and their verdicts",
    )


def _row(one: Decided) -> Row:
    claim = one.claim
    deciding = one.deciding
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
        "deciding_analysis": deciding.part.analysis,
        "estimate": deciding.value,
        "low": deciding.low,
        "high": deciding.high,
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
        "not_applied": claim.not_applied,
        "notes": claim.notes,
    }


def _parts(one: Decided, cell: Callable[[Decision], str]) -> str:
    cells = [cell(part) for part in one.decisions]
    return JOIN.join(cells) if any(cells) else ""


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
    "deciding_analysis",
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
    "not_applied",
    "notes",
)
