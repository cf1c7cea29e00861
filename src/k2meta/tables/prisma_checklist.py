"""The PRISMA 2020 checklist: filled where this report holds the item, visibly blank where only a person can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from k2meta.analysis import Analysis
from k2meta.numbers import count
from k2meta.tables.parts import listed, typeset
from k2meta.tables.types import Column, Row, Shown, TableData
from k2meta.types import PRISMA_ITEMS, ChecklistEntry, Query

TO_FILL = "to be filled by a person"

LOCATIONS: dict[str, tuple[str, str]] = {
    "1": ("Title of this page", "answer"),
    "4": ("Question below the title", "answer"),
    "5": ("Methods: eligibility criteria", "methods-eligibility-criteria"),
    "6": ("How the trials were found", "flow"),
    "10a": ("Methods: outcomes and effect measures", "methods-outcomes-and-effect-measures"),
    "11": ("Risk of bias", "bias"),
    "12": ("Methods: outcomes and effect measures", "methods-outcomes-and-effect-measures"),
    "13a": ("Which trials, which results", "trials"),
    "13b": ("From the printed cell to the effect", "questions"),
    "13c": ("Question by question", "questions"),
    "13d": ("Methods", "methods"),
    "13e": ("Question by question", "questions"),
    "13f": ("Question by question", "questions"),
    "14": ("Known missing results", "missing"),
    "15": ("Summary of findings", "findings"),
    "16a": ("How the trials were found", "flow"),
    "16b": ("Which trials, which results", "trials"),
    "17": ("Which trials, which results", "trials"),
    "18": ("Risk of bias", "bias"),
    "19": ("Question by question", "questions"),
    "20b": ("Question by question", "questions"),
    "20c": ("Question by question", "questions"),
    "20d": ("Question by question", "questions"),
    "21": ("Known missing results", "missing"),
    "22": ("Summary of findings", "findings"),
    "23b": ("What this review is not", "limits"),
    "23c": ("What this review is not", "limits"),
    "27": ("Provenance and references", "provenance"),
}
"""Items that this report holds: words and anchor of the section or its part; the rest is left to a person."""


def prisma_checklist(analyses: Sequence[Analysis], queries: Sequence[Query] = ()) -> TableData:
    """Return one row per item of the checklist; what a person wrote in data/prisma_checklist.csv comes first."""
    filled = {entry.item: entry for entry in (analyses[0].judgements.checklist if analyses else ())}
    rows = tuple(_row(item, topic, filled) for item, topic in PRISMA_ITEMS.items())
    blank = sum(row["status"] == TO_FILL for row in rows)
    to_fill, items = (
        count(listed(analyses, f"page.prisma.{name}", n)) for name, n in (("blank", blank), ("items", len(rows)))
    )
    notes = (
        "Items follow PRISMA 2020 (Page et al. 2021, doi:10.1136/bmj.n71), with short names of our own; the "
        "wording of each item is there.",
        "A link says that the section speaks of the item, not that a reader will find it complete. "
        f"{to_fill} of {items} rows {'is' if blank == 1 else 'are'} {TO_FILL}.",
    )
    return TableData(_COLUMNS, rows, "PRISMA 2020 checklist", notes)


def _row(item: str, topic: str, filled: Mapping[str, ChecklistEntry]) -> Row:
    entry, (words, anchor) = filled.get(item), LOCATIONS.get(item, ("", ""))
    known = bool(anchor) or entry is not None
    return {
        "item": item,
        "topic": topic,
        "section": words,
        "anchor": anchor,
        "location": entry.location if entry else "",
        "text": entry.text if entry else "",
        "by": entry.by if entry else "",
        "status": "" if known else TO_FILL,
    }


def _location(row: Row) -> Shown:
    person = ": ".join(str(row[name]) for name in ("location", "text") if row[name])
    if person:
        return Shown(typeset(person), f"#{row['anchor']}" if row["anchor"] else "")
    return Shown(str(row["section"] or row["status"]), f"#{row['anchor']}" if row["anchor"] else "")


_COLUMNS = (
    Column("item", "Item", lambda row: str(row["item"])),
    Column("topic", "Topic", lambda row: str(row["topic"])),
    Column("section"),
    Column("anchor"),
    Column("location", "Where", _location),
    Column("text"),
    Column("by", "Filled by", lambda row: str(row["by"]) or ("this report" if row["anchor"] else "nobody yet")),
    Column("status"),
)
