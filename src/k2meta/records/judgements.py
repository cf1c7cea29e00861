"""What people judged or counted about a review: optional files, read into plain values; nothing is judged here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from k2meta.records.cells import nearest
from k2meta.records.schema import Field, ForeignKey, Schema
from k2meta.types import (
    BIAS_WORDS,
    CERTAINTY_DOMAINS,
    CERTAINTY_WORDS,
    PRISMA_ITEMS,
    BiasJudgement,
    CertaintyRating,
    ChecklistEntry,
    FlowCount,
    Judgements,
    Problem,
    Table,
)

DOMAINS = ("d1", "d2", "d3", "d4", "d5")
_WEB = r"https?://\S+"


def _schema(name: str, *fields: Field, key: tuple[str, ...] = (), keys: tuple[ForeignKey, ...] = ()) -> Schema:
    # The template of the flow writes NA where a cell does not apply.
    missing = ("", "NA") if name == "prisma_flow" else ("",)
    return Schema(name, {field.name: field for field in fields}, key, keys, missing)


SCHEMAS: dict[str, Schema] = {
    schema.name: schema
    for schema in (
        _schema(
            "risk_of_bias",
            Field("study_id", required=True),
            *(Field(name) for name in ("outcome", "tool")),
            *(Field(name, enum=BIAS_WORDS) for name in (*DOMAINS, "overall")),
            *(Field(name) for name in ("by", "source_locator")),
            Field("source_url", pattern=_WEB),
            Field("notes"),
            key=("study_id", "outcome"),
            keys=(
                ForeignKey(("study_id",), "trials", ("study_id",)),
                ForeignKey(("outcome",), "outcomes", ("outcome",)),
            ),
        ),
        _schema(
            "certainty",
            Field("analysis", required=True, unique=True),
            Field("certainty", required=True, enum=CERTAINTY_WORDS),
            *(Field(name) for name in CERTAINTY_DOMAINS),
            Field("by", required=True),
            Field("date", pattern=r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
            Field("source"),
            key=("analysis",),
        ),
        _schema(
            "prisma_flow",
            *(Field(name) for name in ("data", "node", "box", "description", "boxtext", "tooltips", "url", "n")),
        ),
        _schema(
            "prisma_checklist",
            Field("item", required=True, unique=True, enum=tuple(PRISMA_ITEMS)),
            *(Field(name) for name in ("location", "text")),
            Field("by", required=True),
            key=("item",),
        ),
    )
}
"""Columns of the files of judgements, for a review whose data dictionary does not describe them."""

IDENTIFIED = ("database_results", "register_results")
REMOVED = ("duplicates", "excluded_automatic", "excluded_other")
LISTS = ("dbr_excluded", "other_excluded", "database_specific_results", "register_specific_results")
"""Boxes that hold reasons or sources with a number each: ``no control, 12; animals, 3``."""

BOXES = (
    *("previous_studies", "previous_reports", *IDENTIFIED, "database_specific_results"),
    *("register_specific_results", "website_results", "organisation_results", "citations_results", *REMOVED),
    *("records_screened", "records_excluded", "dbr_sought_reports", "dbr_notretrieved_reports"),
    *("other_sought_reports", "other_notretrieved_reports", "dbr_assessed", "dbr_excluded", "other_assessed"),
    *("other_excluded", "new_studies", "new_reports", "total_studies", "total_reports", "total_studies_ma"),
)
"""Boxes of the PRISMA 2020 flow diagram that hold a number, by their names in the PRISMA2020 template."""

_HEADINGS = ("", "NA", "identification", "screening", "included")
_WHOLE = re.compile(r"[0-9]{1,9}")
_PART = re.compile(r"(.+?),\s*([0-9]{1,9})")


def judgement_problems(tables: Mapping[str, Table]) -> list[Problem]:
    """Return what the dictionary cannot find: judgements of nobody, boxes nobody knows, sums that do not add."""
    found = list(_judged_by_nobody(tables.get("risk_of_bias")))
    found += _twice(tables.get("risk_of_bias"))
    flow = tables.get("prisma_flow")
    if flow is not None:
        unreadable = list(_unreadable(flow))
        found += unreadable or _sums(flow)
    return found


def _judged_by_nobody(table: Table | None) -> Iterator[Problem]:
    for number, row in enumerate(table.rows if table else (), start=2):
        judged = any(row.get(name) for name in (*DOMAINS, "overall"))
        if table and judged and not row.get("by") and not row.get("source_locator"):
            what = "the row holds a judgement and does not say whose"
            fix = "fill by (who judged) or source_locator (where the judgement is printed)"
            yield Problem(table.file, what, fix, number, "by", "", "a judgement has an author")


def _twice(table: Table | None) -> Iterator[Problem]:
    """Name repeated trials also where the dictionary of the review declares no key."""
    first: dict[tuple[str, str], int] = {}
    for number, row in enumerate(table.rows if table else (), start=2):
        key = (row.get("study_id", ""), row.get("outcome", ""))
        if table and key in first:
            what = f'"{", ".join(filter(None, key))}" already stands in row {first[key]}'
            yield Problem(
                table.file, what, "keep one row per trial and outcome", number, "study_id", key[0], "unique"
            )
        first.setdefault(key, number)


def _boxes(table: Table) -> Iterator[tuple[int, str, str]]:
    """Return row, name and number as text of every box; titles of the template hold no number."""
    for number, row in enumerate(table.rows, start=2):
        name, text = row.get("data", "").strip(), row.get("n", "").strip()
        if name not in _HEADINGS:
            yield number, name, "" if text == "NA" else text


def _unreadable(table: Table) -> Iterator[Problem]:
    first: dict[str, int] = {}
    problem = partial(Problem, table.file)
    for number, name, text in _boxes(table):
        if name not in BOXES:
            what = f'"{name}" is no box of the PRISMA 2020 flow diagram{nearest(name, BOXES)}'
            yield problem(what, "use the names of the PRISMA2020 template", number, "data", name)
        elif name in first:
            what = f'the box "{name}" already stands in row {first[name]}'
            yield problem(what, "keep one row per box", number, "data", name, "unique")
        elif text and not _WHOLE.fullmatch(text) and (name not in LISTS or _parts(text) is None):
            what = f'"{text}" is not a whole number'
            fix = "write a whole number, or leave the cell empty"
            if name in LISTS:
                what, fix = (
                    f'{what} or a list such as "no control, 12; animals, 3"',
                    "write one of them, or nothing",
                )
            yield problem(what, fix, number, "n", text)
        first.setdefault(name, number)


def _parts(text: str) -> tuple[tuple[str, int], ...] | None:
    """Read ``reason, 12; reason, 3``; ``None`` where a part has no number."""
    found = [_PART.fullmatch(part.strip()) for part in text.split(";") if part.strip()]
    return None if None in found else tuple((part[1].strip(), int(part[2])) for part in found if part)


def _count(row: Mapping[str, str], name: str, text: str) -> FlowCount:
    words = row.get("boxtext", "")
    label = (words if words not in ("", "NA") else name).strip()
    if not text or _WHOLE.fullmatch(text):
        return FlowCount(name, label, int(text) if text else None)
    parts = _parts(text) or ()
    return FlowCount(name, label, sum(n for _, n in parts), parts)


def _flow(table: Table | None) -> tuple[FlowCount, ...]:
    if table is None:
        return ()
    return tuple(_count(table.rows[number - 2], name, text) for number, name, text in _boxes(table))


def _sums(table: Table) -> Iterator[Problem]:
    """Name every step of the flow whose numbers do not add up; a step with an empty box is not asked."""
    n = {count.box: count.n for count in _flow(table)}
    rows = {name: number for number, name, _ in _boxes(table)}
    for total, minus, result in (
        (IDENTIFIED, REMOVED, "records_screened"),
        (("records_screened",), ("records_excluded",), "dbr_sought_reports"),
        (("dbr_sought_reports",), ("dbr_notretrieved_reports",), "dbr_assessed"),
        (("other_sought_reports",), ("other_notretrieved_reports",), "other_assessed"),
        (("dbr_assessed", "other_assessed"), ("dbr_excluded", "other_excluded"), _included(n)),
        (("previous_studies", "new_studies"), (), "total_studies" if n.get("total_studies") else ""),
        (("previous_reports", "new_reports"), (), "total_reports" if n.get("total_reports") else ""),
    ):
        plus, printed = [n[name] for name in total if n.get(name) is not None], n.get(result)
        if not plus or printed is None:
            continue
        expected = sum(filter(None, plus)) - sum(n.get(name) or 0 for name in minus)
        if expected != printed:
            terms = " + ".join(f"{name} {n[name]}" for name in total if n.get(name) is not None)
            terms += "".join(f" - {name} {n[name]}" for name in minus if n.get(name) is not None)
            what = f"{terms} = {expected}, and {result} says {printed}"
            fix = "correct the number that is wrong; every step of the flow must add up"
            yield Problem(table.file, what, fix, rows[result], "n", str(printed), "PRISMA flow")
    yield from _fewer(table, n, rows)


def _included(n: Mapping[str, int | None]) -> str:
    """Return the box that the assessed reports lead to: reports where they are counted, else studies."""
    return "new_reports" if n.get("new_reports") else "new_studies"


def _fewer(table: Table, n: Mapping[str, int | None], rows: Mapping[str, int]) -> Iterator[Problem]:
    """Name parts that are larger than their whole."""
    for part, whole in (("new_studies", "new_reports"), ("total_studies", "total_reports")):
        small, large = n.get(part), n.get(whole)
        if small and large and small > large:
            what = f"{part} {small} is more than {whole} {large}, and every study has a report"
            yield Problem(table.file, what, "correct one of them", rows[part], "n", str(small), "PRISMA flow")
    pooled, studies = n.get("total_studies_ma"), included_studies(n)
    if pooled and studies is not None and pooled > studies:
        what = f"total_studies_ma {pooled} is more than the {studies} studies of the review"
        fix = "correct one of them"
        yield Problem(table.file, what, fix, rows["total_studies_ma"], "n", str(pooled), "PRISMA flow")


def included_studies(n: Mapping[str, int | None]) -> int | None:
    """Return the number of studies that a flow ends with, or ``None`` where that box is empty."""
    return n.get("total_studies") or n.get("new_studies")


def read_judgements(tables: Mapping[str, Table]) -> Judgements:
    """Return what tables without problems hold; a missing file leaves its part empty."""

    def rows(name: str) -> Iterable[Mapping[str, str]]:
        return tables[name].rows if name in tables else ()

    return Judgements(
        bias=tuple(_bias(row) for row in rows("risk_of_bias")),
        certainty=tuple(_certainty(row) for row in rows("certainty")),
        flow=_flow(tables.get("prisma_flow")),
        checklist=tuple(
            ChecklistEntry(row["item"], row.get("location", ""), row.get("text", ""), row["by"])
            for row in rows("prisma_checklist")
        ),
    )


def _bias(row: Mapping[str, str]) -> BiasJudgement:
    def cell(name: str) -> str:
        return row.get(name, "")

    return BiasJudgement(
        study_id=cell("study_id"),
        outcome=cell("outcome"),
        tool=cell("tool"),
        domains=tuple(cell(name) for name in DOMAINS),
        overall=cell("overall"),
        by=cell("by"),
        source_locator=cell("source_locator"),
        source_url=cell("source_url"),
        notes=cell("notes"),
    )


def _certainty(row: Mapping[str, str]) -> CertaintyRating:
    reasons = {name: row[name] for name in CERTAINTY_DOMAINS if row.get(name)}
    return CertaintyRating(
        row["analysis"], row["certainty"], reasons, row["by"], row.get("date", ""), row.get("source", "")
    )


def against_pools(judgements: Judgements, studies: Mapping[str, int]) -> tuple[Problem, ...]:
    """Return ratings of analyses that the settings do not know, and pools with more studies than the flow.

    Parameters
    ----------
    judgements : Judgements
        As `read_judgements` returns them.
    studies : mapping of str to int
        By analysis of the settings, the number of studies that its forest plot shows.
    """
    found = []
    for number, rating in enumerate(judgements.certainty, start=2):
        if rating.analysis not in studies:
            what = f'"{rating.analysis}" is no analysis of config/config.yaml{nearest(rating.analysis, studies)}'
            fix = "write the id of an analysis, or remove the row"
            found.append(Problem("data/certainty.csv", what, fix, number, "analysis", rating.analysis))
    n = {count.box: count.n for count in judgements.flow}
    for box, most in (
        ("the studies included", included_studies(n)),
        ("total_studies_ma", n.get("total_studies_ma")),
    ):
        for analysis, k in studies.items():
            if most and k > most:
                what = f"{analysis} pools {k} studies, more than {box} in the flow ({most})"
                fix = "correct the flow, or find out which study is missing from it"
                found.append(Problem("data/prisma_flow.csv", what, fix, None, "n", str(most), "PRISMA flow"))
    return tuple(found)
