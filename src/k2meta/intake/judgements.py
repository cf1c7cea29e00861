"""Risk-of-bias judgements: the four words of the RoB 2 instrument, and nothing read into others."""

from __future__ import annotations

from k2meta.intake.draft import Draft, Row
from k2meta.intake.types import Kind, Read

WORDS = {
    **dict.fromkeys(("low", "low risk", "low risk of bias", "l"), "low"),
    **dict.fromkeys(("some concerns", "some concern", "s"), "some concerns"),
    **dict.fromkeys(("high", "high risk", "high risk of bias", "h"), "high"),
    **dict.fromkeys(("no information", "no info", "ni", "n"), "no information"),
}
ROB2 = (
    "Bias arising from the randomization process",
    "Bias due to deviations from intended interventions",
    "Bias due to missing outcome data",
    "Bias in measurement of the outcome",
    "Bias in selection of the reported result",
    "Overall bias",
)
FIELDS = ("d1", "d2", "d3", "d4", "d5", "overall")


def judge(draft: Draft, row: Row, field: str, read: Read) -> None:
    """Write one judgement; an empty cell stays empty, an unknown word is a problem."""
    text = " ".join(read.text.split())
    if not text:
        return
    found = WORDS.get(text.casefold())
    if found is None:
        why = "RoB 2 has Low, Some concerns, High and No information"
        fix = "write one of them; judgements of another instrument (RoB 1, ROBINS-I) have other domains"
        draft.problems.append(read.problem(f'"{text}" is no judgement of RoB 2', fix, why))
        return
    row[field] = found
    kind: Kind = "copied" if found == text else "cleaned"
    draft.log(kind, read, "risk_of_bias", row["study_id"], field, found, "judgement of the file")
