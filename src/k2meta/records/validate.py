"""Tables against the data dictionary: every problem of every file, never only the first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from k2meta.records.cells import Fault, nearest
from k2meta.records.double_entry import second_schema
from k2meta.records.judgements import SCHEMAS as JUDGEMENTS
from k2meta.records.notices import SCHEMA as RETRACTIONS
from k2meta.records.printed import read_printed
from k2meta.records.schema import Field, ForeignKey, Schema, parse_cell, read_schemas
from k2meta.types import Problem, Table

NEEDED = ("trials", "extractions", "outcomes")
"""Tables without which there is no review; cohorts, queries and claims may be absent."""

_KEYS = {
    "trials": ("study_id",),
    "extractions": ("extraction_id",),
    "cohorts": ("extraction_id",),
    "outcomes": ("outcome",),
}
_REFERENCES = {
    "trials": (ForeignKey(("report_of",), "trials", ("study_id",)),),
    "extractions": (
        ForeignKey(("study_id",), "trials", ("study_id",)),
        ForeignKey(("outcome",), "outcomes", ("outcome",)),
        ForeignKey(("n_source",), "extractions", ("extraction_id",)),
    ),
    "cohorts": (ForeignKey(("outcome",), "outcomes", ("outcome",)),),
}
_ALWAYS = {"trials": ("study_id",), "extractions": ("extraction_id", "study_id", "outcome")}
_ALWAYS |= {"outcomes": ("outcome", "label", "unit", "better", "surrogate"), "cohorts": _ALWAYS["extractions"]}
_ALWAYS |= {"prisma_flow": ("data", "n")}
_ALWAYS |= {"queries": ("query_id", "status", "column", "corrected_value", "reason", "by")}
_NEVER_NEGATIVE = re.compile(r"(.*_)?(sd|se)(_.*)?|n_.*|total_.*|events_.*")


def validate(
    tables: Mapping[str, Table], dictionary: Mapping[str, Any]
) -> tuple[dict[str, Schema], list[Problem]]:
    """Hold every table against the dictionary.

    Returns
    -------
    schemas : dict of str to Schema
        By table name.
    problems : list of Problem
        Everything that makes the project unusable, in the order of the tables.
    """
    schemas, problems = read_schemas(dictionary)
    for name in NEEDED:
        if name not in tables:
            what = f"the table {name} is missing"
            problems.append(Problem(f"data/{name}.csv", what, f"add data/{name}.csv", rule="required file"))
    if schemas:
        # Files a review may add without a line in its dictionary.
        schemas.setdefault("retractions", RETRACTIONS)
        schemas = {**JUDGEMENTS, **schemas}
        if "extractions" in schemas:
            schemas.setdefault("extractions_second", second_schema(schemas["extractions"]))
    for name, table in tables.items():
        if name not in schemas and not schemas:
            continue
        if name not in schemas:
            fix = f'add a resource named "{name}" to data/datapackage.json'
            problems.append(Problem(table.file, "the data dictionary does not describe this file", fix))
            continue
        problems += _columns(table, schemas[name])
        problems += _cells(table, schemas[name])
        problems += _identifiers(table, schemas[name])
        problems += _references(table, schemas[name], tables)
    problems += _shared_ids(tables)
    problems += _windows(tables.get("outcomes"))
    return schemas, _one_per_cell(problems)


def _one_per_cell(problems: Iterable[Problem]) -> list[Problem]:
    """Keep the first problem of a cell: a rule may stand in the dictionary and in the code."""
    seen: dict[tuple[object, ...], Problem] = {}
    for problem in problems:
        cell = (problem.file, problem.row, problem.column)
        key = (*cell, problem.what) if problem.row is None or problem.column is None else cell
        seen.setdefault(key, problem)
    return list(seen.values())


def _columns(table: Table, schema: Schema) -> Iterable[Problem]:
    """Name unknown columns and missing required ones; a misspelt one is named once.

    A column that the dictionary does not require may be left out: it reads as empty.
    """
    required = (name for name, field in schema.fields.items() if field.required)
    needed = dict.fromkeys((*required, *_ALWAYS.get(schema.name, ())))
    missing = [column for column in needed if column not in table.columns]
    absent = [column for column in schema.fields if column not in table.columns]
    rule = "the columns are those of data/datapackage.json"
    fix = "rename or remove the column, or describe it in data/datapackage.json"
    if schema is RETRACTIONS or schema in JUDGEMENTS.values():
        rule, fix = "the columns of this file stand in data/README.md", "rename or remove the column"
    for column in table.columns:
        if column in schema.fields:
            continue
        guess = nearest(column, absent) or nearest(column, schema.fields)
        what = f"{column} is not a column{guess}"
        yield Problem(table.file, what, fix, 1, column, rule=rule)
        missing = [name for name in missing if guess != f"; did you mean {name}?"]
    for column in missing:
        what = f"the column {column} is missing"
        yield Problem(table.file, what, "add the column", 1, column, rule=rule)


def _cells(table: Table, schema: Schema) -> Iterable[Problem]:
    """Name every cell that its field does not allow."""
    fields = [schema.fields[column] for column in table.columns if column in schema.fields]
    for number, row in enumerate(table.rows, start=2):
        for field in fields:
            text = row[field.name]
            parsed = parse_cell(field, text, schema.missing)
            fault = parsed if isinstance(parsed, Fault) else _negative(field, parsed, text)
            if fault:
                yield Problem(table.file, fault.what, fault.fix, number, field.name, text, fault.rule)


def _negative(field: Field, value: object, text: str) -> Fault | None:
    """Name a negative standard deviation, standard error or count."""
    if isinstance(value, float) and value < 0 and _NEVER_NEGATIVE.fullmatch(field.name):
        rule = "a spread or a count is never negative"
        return Fault(f"{text} is negative", "check the number and its column", rule)
    return None


def _identifiers(table: Table, schema: Schema) -> Iterable[Problem]:
    """Name empty and repeated keys and repeated values of unique columns."""
    keys = {schema.primary_key, _KEYS.get(schema.name, ())}
    keys |= {(field.name,) for field in schema.fields.values() if field.unique}
    for key in sorted(key for key in keys if key and set(key) <= set(table.columns)):
        first: dict[tuple[str, ...], int] = {}
        for number, row in enumerate(table.rows, start=2):
            value = tuple(row[column] for column in key)
            if not any(value):
                if key in (schema.primary_key, _KEYS.get(schema.name, ())):
                    what = "the row has no identifier"
                    yield Problem(table.file, what, "give it a unique one", number, key[0], "", "unique")
            elif value in first:
                text = ", ".join(value)
                what = f'"{text}" already stands in row {first[value]}'
                yield Problem(table.file, what, "give each row its own", number, key[0], text, "unique")
            else:
                first[value] = number


def _references(table: Table, schema: Schema, tables: Mapping[str, Table]) -> Iterable[Problem]:
    """Name values that point to no row of the table they refer to."""
    keys = dict.fromkeys((*_REFERENCES.get(schema.name, ()), *schema.foreign_keys))
    for key in keys:
        target = tables.get(key.table)
        if (
            target is None
            or not set(key.columns) <= set(table.columns)
            or not set(key.there) <= set(target.columns)
        ):
            continue
        known = {tuple(row[column] for column in key.there) for row in target.rows}
        for number, row in enumerate(table.rows, start=2):
            value = tuple(row[column] for column in key.columns)
            if not any(value) or value in known:
                continue
            text = ", ".join(value)
            guess = nearest(text, (", ".join(entry) for entry in known))
            yield Problem(
                table.file,
                f'"{text}" is not in {target.file}{guess}',
                f"correct the spelling, or add a row to {target.file}",
                number,
                key.columns[0],
                text,
                f"{key.columns[0]} refers to {target.file}",
            )


def _windows(table: Table | None) -> Iterable[Problem]:
    """Name windows of plausible levels without any level inside."""
    for number, row in enumerate(table.rows if table else (), start=2):
        low, high = (read_printed(row.get(f"level_{end}", "")) for end in ("low", "high"))
        if table and low and high and low.value > high.value:
            what = f"level_low is {low}, above level_high {high}: no level is plausible"
            yield Problem(table.file, what, "swap the two", number, "level_low", str(low), "plausible levels")


def _shared_ids(tables: Mapping[str, Table]) -> Iterable[Problem]:
    """Name extraction ids used in both extractions and cohorts: queries could not tell them apart."""
    if "extractions" not in tables or "cohorts" not in tables:
        return
    taken = {row.get("extraction_id", ""): n for n, row in enumerate(tables["extractions"].rows, start=2)}
    for number, row in enumerate(tables["cohorts"].rows, start=2):
        text = row.get("extraction_id", "")
        if text and text in taken:
            what = f'"{text}" already stands in {tables["extractions"].file} row {taken[text]}'
            fix = "give each row its own"
            yield Problem(tables["cohorts"].file, what, fix, number, "extraction_id", text, "unique")
