"""Any CSV file with a small mapping: which column is which of ours, constants, conversions of units.

The mapping is YAML::

    columns: {Author: author, Year: year, Mean K2: change_mean_treat, "95% CI": diff_ci}
    constants: {outcome: cac_agatston, design_class: rct, units: AU}
    multiply: {PWV: {by: 0.01, from: cm/s, to: m/s}}
    ignore: [Comment]

Every column of the file is named in ``columns`` or in ``ignore``. ``author`` and ``year`` make a label;
``diff_ci``, ``change_ci_treat`` and ``change_ci_ctrl`` hold an interval in one cell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from k2meta.intake.draft import Draft, Row, numeric_fields, schemas
from k2meta.intake.hygiene import Sheet, read_sheet
from k2meta.intake.types import Intake, Options, Read, Source, refuse
from k2meta.records.cells import nearest
from k2meta.types import Problem, ProjectError

INTERVALS = {
    "diff_ci": ("diff_ci_low", "diff_ci_high"),
    "change_ci_treat": ("change_ci_low_treat", "change_ci_high_treat"),
    "change_ci_ctrl": ("change_ci_low_ctrl", "change_ci_high_ctrl"),
}
AUTHOR = "author"
"""Author and year make the label."""
KEYS = ("columns", "constants", "multiply", "ignore")
_OWN = (AUTHOR, "study_id", "label", "year", "outcome", "extraction_id")


def read(sources: Sequence[Source], options: Options) -> Intake:
    """Read CSV files by a mapping.

    Raises
    ------
    ProjectError
        With every problem of the mapping, or else of every file.
    """
    if options.mapping is None:
        raise refuse("--mapping", "the format mapping needs a mapping file", "add --mapping FILE.yaml")
    plan: Any = options.mapping
    problems = list(_plan_problems(options.mapping_name, plan))
    if problems:
        raise ProjectError(tuple(problems))
    draft = Draft(options)
    label = [column for column, field in plan["columns"].items() if field in ("label", "study_id", AUTHOR)]
    for source in sources:
        sheet = read_sheet(source.name, source.raw, options, label)
        draft.decisions += sheet.decisions
        if _fits(sheet, plan, draft):
            for i in range(len(sheet.rows)):
                _row(sheet, i, plan, draft)
            for column in plan.get("ignore", []):
                draft.left_out(Read(sheet.file, 1, column, ""), "named in ignore")
    return draft.finish()


def _plan_problems(name: str, plan: Any) -> Sequence[Problem]:
    """Return everything that is wrong with a mapping."""
    if not isinstance(plan, dict) or not isinstance(plan.get("columns"), dict) or not plan["columns"]:
        return [Problem(name, "the mapping has no columns", "write columns: {column of the file: column of ours}")]
    found = [
        Problem(name, f"unknown key {key!r}{nearest(str(key), KEYS)}", f"use {', '.join(KEYS)}")
        for key in plan
        if key not in KEYS
    ]
    constants, multiply, ignore = (plan.get(key) or {} for key in KEYS[1:])
    if not isinstance(constants, dict) or not isinstance(multiply, dict) or not _are_names(ignore):
        return [*found, Problem(name, "constants and multiply are maps, ignore is a list", "see config/README.md")]
    ours = {*schemas()["trials"].fields, *schemas()["extractions"].fields, *INTERVALS, AUTHOR}
    for column, field in (*plan["columns"].items(), *((key, key) for key in constants)):
        if not isinstance(column, str) or not isinstance(field, str) or field not in ours:
            what = f"{column}: {field} is no column of ours{nearest(str(field), ours)}"
            found.append(Problem(name, what, "use a column of data/trials.csv or data/extractions.csv"))
    targets = [field for field in plan["columns"].values() if isinstance(field, str)]
    for field in sorted({one for one in targets if targets.count(one) > 1}):
        found.append(Problem(name, f"{field} is given twice", "map one column to it"))
    if not {"label", "study_id", AUTHOR} & set(targets):
        found.append(Problem(name, "no column names the study", "map one to label, or to author (with year)"))
    if "outcome" not in targets and "outcome" not in constants:
        found.append(Problem(name, "no column names the outcome", "map one to outcome, or add it to constants"))
    found += _multiply_problems(name, multiply, plan["columns"])
    return found


def _are_names(ignore: object) -> bool:
    """Whether ``ignore`` is a list of names; left out, it is empty."""
    return ignore == {} or (isinstance(ignore, list) and all(isinstance(one, str) for one in ignore))


def _multiply_problems(name: str, multiply: Mapping[Any, Any], columns: Mapping[Any, Any]) -> list[Problem]:
    found = []
    for column, rule in multiply.items():
        good = isinstance(rule, dict) and set(rule) == {"by", "from", "to"} and _decimal(rule["by"]) is not None
        field = columns.get(column)
        if not good or not isinstance(field, str) or field not in numeric_fields():
            fix = "write multiply: {column: {by: 0.01, from: cm/s, to: m/s}} for a mapped column of numbers"
            found.append(Problem(name, f"multiply of {column} cannot be used", fix))
    return found


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() and found != 0 else None


def _fits(sheet: Sheet, plan: Mapping[str, Any], draft: Draft) -> bool:
    """Note columns of the file that are not mapped, and mapped ones that it lacks."""
    named = {*plan["columns"], *(plan.get("ignore") or [])}
    before = len(draft.problems)
    for column in sheet.columns:
        if column not in named:
            what = f'the column "{column}" is in neither columns nor ignore{nearest(column, map(str, named))}'
            draft.problems.append(Problem(sheet.file, what, "add it to the mapping", 1, column))
    for column in plan["columns"]:
        if column not in sheet.columns:
            what = f'there is no column "{column}"{nearest(str(column), sheet.columns)}'
            draft.problems.append(Problem(sheet.file, what, "correct the mapping", 1, str(column)))
    return len(draft.problems) == before


def _row(sheet: Sheet, i: int, plan: Mapping[str, Any], draft: Draft) -> None:
    """Read one row."""
    place = {field: sheet.cell(i, column) for column, field in plan["columns"].items()}
    constants = {
        key: Read("mapping", None, key, _plain(value)) for key, value in (plan.get("constants") or {}).items()
    }
    cells = {**constants, **{field: read for field, read in place.items() if read.text or field not in constants}}
    label = cells.get("label") or _author(cells) or cells["study_id"]
    study = draft.trial(label, cells.get("year"), cells.get("study_id"))
    name = cells["outcome"]
    identifier = name.text if re.fullmatch(r"[a-z0-9_]+", name.text) else ""
    if not name.text:
        draft.problems.append(name.problem("the outcome is empty", "name the outcome in this row"))
    outcome = draft.outcome(name, identifier)
    given = cells["extraction_id"].text if "extraction_id" in cells else ""
    kind = "imported by a mapping"
    row = draft.extraction(study, outcome, Read(sheet.file, sheet.numbers[i], "", ""), kind, given)
    record = next((one for one in draft.rows["trials"] if one["study_id"] == study), {"study_id": study})
    multiply = {plan["columns"][column]: rule for column, rule in (plan.get("multiply") or {}).items()}
    for field, read in cells.items():
        if field in _OWN:
            continue
        if field in multiply and read.text:
            _converted(row, field, read, multiply[field], draft)
        else:
            _cell(row, record, field, read, draft)


def _author(cells: Mapping[str, Read]) -> Read | None:
    """Return author and year as one label."""
    author, year = cells.get(AUTHOR), cells.get("year")
    if author is None or year is None or not author.text or year.text in author.text:
        return author
    return Read(author.file, author.row, f"{author.column} + {year.column}", f"{author.text} {year.text}")


def _plain(value: object) -> str:
    return "" if value is None else ("yes" if value is True else "no" if value is False else str(value))


def _cell(row: Row, record: Row, field: str, read: Read, draft: Draft) -> None:
    """Write a cell of the result or of its trial."""
    if field in INTERVALS:
        draft.interval(row, *INTERVALS[field], read)
    elif field in numeric_fields():
        draft.number(row, field, read)
    elif field in schemas()["extractions"].fields:
        draft.text("extractions", row, field, read)
    else:
        draft.trial_cell(record, field, read)


def _converted(row: Row, field: str, read: Read, rule: Mapping[str, Any], draft: Draft) -> None:
    """Write a number in another unit, multiplied exactly in decimal digits."""
    found, factor = draft.cleaned(read, True), _decimal(rule["by"])
    if found is None or not found.text or factor is None:
        return
    product = Decimal(found.text) * factor
    if not product.is_finite() or abs(product.adjusted()) > 300:
        draft.problems.append(read.problem(f'"{read.text}" is too large to convert', "check the number"))
        return
    why = f"× {rule['by']}: {rule['from']} → {rule['to']}"
    draft.put("derived", row, field, f"{product:f}" if abs(product.adjusted()) < 20 else f"{product:e}", read, why)
