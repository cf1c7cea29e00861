"""The data dictionary: the part of the Frictionless Table Schema that the shipped tables use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from k2meta.records.cells import Fault, nearest, parse_integer, parse_number
from k2meta.types import Cell, Problem

FILE = "data/datapackage.json"
_NUMERIC = ("number", "integer", "year")
_TYPES = ("string", *_NUMERIC)
_CONSTRAINTS = ("required", "unique", "enum", "minimum", "maximum", "pattern")


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a table as the dictionary describes it."""

    name: str
    type: str = "string"
    required: bool = False
    unique: bool = False
    enum: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    pattern: str = ""

    @property
    def numeric(self) -> bool:
        """Whether the cells of this column are numbers."""
        return self.type in _NUMERIC


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """Columns of a table whose values must stand in the columns of another one."""

    columns: tuple[str, ...]
    table: str
    there: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Schema:
    """One table as the dictionary describes it."""

    name: str
    fields: Mapping[str, Field]
    primary_key: tuple[str, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    missing: tuple[str, ...] = ("",)


def read_schemas(dictionary: Mapping[str, Any]) -> tuple[dict[str, Schema], list[Problem]]:
    """Read the table schemas of a parsed Frictionless data package, with every problem of the package."""
    resources = dictionary.get("resources") if isinstance(dictionary, Mapping) else None
    if not isinstance(resources, list) or not resources:
        fix = "list one resource per CSV file"
        return {}, [Problem(FILE, "the package lists no resources", fix, rule="Frictionless data package")]
    problems: list[Problem] = []
    schemas: dict[str, Schema] = {}
    for number, resource in enumerate(resources, start=1):
        try:
            schema = _schema(str(resource["name"]), resource["schema"])
            problems += [
                problem for item in resource["schema"]["fields"] for problem in _unsupported(schema.name, item)
            ]
        except (KeyError, TypeError, ValueError, AttributeError):
            what = f"resource {number} has no readable name, fields, keys or bounds"
            problems.append(Problem(FILE, what, "describe it as a Frictionless table schema"))
        else:
            schemas[schema.name] = schema
    return schemas, problems


def allowed_values(dictionary: Mapping[str, Any], names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return by column the values that the dictionary lists for it in any of the named tables."""
    schemas, _ = read_schemas(dictionary)
    found: dict[str, tuple[str, ...]] = {}
    free: set[str] = set()
    for name in names:
        for field in schemas[name].fields.values() if name in schemas else ():
            if field.enum:
                found[field.name] = tuple(dict.fromkeys((*found.get(field.name, ()), *field.enum)))
            else:
                free.add(field.name)
    return {column: values for column, values in found.items() if column not in free}


def _schema(name: str, schema: Mapping[str, Any]) -> Schema:
    """Read the schema of one resource."""
    return Schema(
        name,
        {str(item["name"]): _field(str(item["name"]), item) for item in schema["fields"]},
        _names(schema.get("primaryKey", ())),
        tuple(_foreign_key(name, key) for key in schema.get("foreignKeys", ())),
        tuple(dict.fromkeys(("", *schema.get("missingValues", ())))),
    )


def _names(value: str | Sequence[str]) -> tuple[str, ...]:
    """Read a column name or a list of them."""
    return (value,) if isinstance(value, str) else tuple(value)


def _foreign_key(table: str, key: Mapping[str, Any]) -> ForeignKey:
    """Read a foreign key; an empty resource name means the table itself."""
    reference = key["reference"]
    return ForeignKey(_names(key["fields"]), reference.get("resource") or table, _names(reference["fields"]))


def _field(name: str, item: Mapping[str, Any]) -> Field:
    """Read one field with its constraints."""
    rules = item.get("constraints", {})
    pattern = str(rules.get("pattern", ""))
    return Field(
        name,
        str(item.get("type", "string")),
        bool(rules.get("required", False)),
        bool(rules.get("unique", False)),
        tuple(str(value) for value in rules.get("enum", ())),
        None if rules.get("minimum") is None else float(rules["minimum"]),
        None if rules.get("maximum") is None else float(rules["maximum"]),
        pattern if _compiles(pattern) else "",
    )


def _compiles(pattern: str) -> bool:
    """Whether a pattern is a regular expression."""
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _unsupported(resource: str, item: Mapping[str, Any]) -> Iterable[Problem]:
    """Name what the dictionary asks for and nothing here would test: it must not pass in silence."""
    where = f'field "{item.get("name", "")}" of resource "{resource}"'
    kind = item.get("type", "string")
    if kind not in _TYPES:
        yield Problem(FILE, f'{where} has the type "{kind}"', f"use one of {', '.join(_TYPES)}")
    for rule in item.get("constraints", {}):
        if rule not in _CONSTRAINTS:
            yield Problem(FILE, f'{where} has the constraint "{rule}"', f"use one of {', '.join(_CONSTRAINTS)}")
    if not _compiles(str(item.get("constraints", {}).get("pattern", ""))):
        yield Problem(FILE, f"{where} has a pattern that is not a regular expression", "mend the pattern")


def parse_cell(field: Field, text: str, missing: Sequence[str] = ("",)) -> Cell | Fault:
    """Parse one cell by its field: text, a finite number, ``None`` where empty, or its fault."""
    if text in missing:
        if field.required:
            return Fault("the cell is empty", "fill it in", "required by the data dictionary")
        return None
    if field.numeric:
        parse = parse_number if field.type == "number" else parse_integer
        value = parse(text, field.name)
        return value if isinstance(value, Fault) else (_out_of_range(field, text, value) or value)
    if field.enum and text not in field.enum:
        what = f'"{text}" is not an allowed value{nearest(text, field.enum)}'
        return Fault(what, f"use one of {', '.join(field.enum)}", "enum of the data dictionary")
    if field.pattern and not re.fullmatch(field.pattern, text):
        return _out_of_form(field, text)
    return text


_FORMS = {
    "[A-Za-z0-9_-]{1,64}": "letters, digits, _ and - (at most 64, no blank)",
    "[a-z0-9_]+": "lower-case letters, digits and _",
    "10\\.[0-9]{4,9}/\\S+": "a DOI such as 10.1234/abcd, without an address in front",
    "[0-9]{1,9}": "a number of at most nine digits",
    "https?://\\S+": "an address that begins with http:// or https://",
    "[0-9]{4}-[0-9]{2}-[0-9]{2}": "a date as YYYY-MM-DD",
    "[0-9]{4}(-[0-9]{2}){0,2}": "a date as YYYY, YYYY-MM or YYYY-MM-DD",
}
"""Forms of the shipped dictionaries in words."""


def _out_of_form(field: Field, text: str) -> Fault:
    """Name text that is not of the form of its field, in words where the form has some."""
    words = _FORMS.get(field.pattern, f"text of the form {field.pattern} (pattern of the data dictionary)")
    bare = re.sub(r"^(https?://(dx\.)?doi\.org/|doi:?\s*)", "", text, flags=re.I)
    fix = f"write {bare}" if bare != text and re.fullmatch(field.pattern, bare) else "write it in that form"
    return Fault(f'"{text}" is not {words}', fix, "form of the data dictionary")


def _out_of_range(field: Field, text: str, value: float) -> Fault | None:
    """Name a number outside the bounds or the enumeration of its field."""
    rule = "range of the data dictionary"
    if field.minimum is not None and value < field.minimum:
        return Fault(f"{text} is below {field.minimum:g}", "check the number against its source", rule)
    if field.maximum is not None and value > field.maximum:
        return Fault(f"{text} is above {field.maximum:g}", "check the number against its source", rule)
    if field.enum and value not in [float(option) for option in field.enum]:
        return Fault(f"{text} is not an allowed value", f"use one of {', '.join(field.enum)}", rule)
    return None
