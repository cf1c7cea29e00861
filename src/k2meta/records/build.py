"""From tables to records: validate, check, join the decisions, or say everything that is wrong at once."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from k2meta.records.catalogue import CHECKS, POOL_CHECKS
from k2meta.records.cells import Fault, nearest
from k2meta.records.decisions import RULE, Decision, read_decisions
from k2meta.records.double_entry import double_entry_note
from k2meta.records.identity import twins_note
from k2meta.records.judgements import judgement_problems, read_judgements
from k2meta.records.notices import by_identifier, retraction_note
from k2meta.records.pool import Pool, PoolsOf, Weigh, ask_pools
from k2meta.records.schema import Field, Schema, parse_cell
from k2meta.records.validate import validate
from k2meta.records.view import Check, Finding, Project, View
from k2meta.records.whole_numbers import is_whole
from k2meta.types import (
    NO_JUDGEMENTS,
    Cell,
    CheckNote,
    Judgements,
    Outcome,
    Problem,
    ProjectError,
    Query,
    Record,
    Table,
)

_Key = tuple[str, str, str, str]
_TABLES = ("trials", "extractions", "cohorts")
_SECOND = "extractions_second"
POOLS_WAIT = "Checks of whole pools: not run before the errors are mended or decided."


@dataclass(frozen=True, slots=True)
class RecordSet:
    """Validated extractions in file order (cohorts last), queries by file, row and check, trials, outcomes.

    ``notes`` say what the checks that need more than the tables looked at; ``decisions`` are the lines of
    queries.csv about whole pools, answered by `k2meta.records.question_pools`.
    """

    records: tuple[Record, ...]
    queries: tuple[Query, ...]
    trials: tuple[dict[str, Cell], ...]
    outcomes: tuple[Outcome, ...]
    notes: tuple[CheckNote, ...] = ()
    decisions: tuple[Decision, ...] = ()
    judgements: Judgements = NO_JUDGEMENTS


@dataclass(frozen=True, slots=True)
class _Fired:
    """A finding with the check, the row and the query id it belongs to."""

    check: Check
    view: View
    finding: Finding
    query_id: str

    @property
    def key(self) -> _Key:
        return (self.check.id, self.view.table, self.view.id, self.finding.columns[0])

    @property
    def is_error(self) -> bool:
        return (self.finding.severity or self.check.severity) == "error"


def build_records(tables: Mapping[str, Table], dictionary: Mapping[str, Any]) -> RecordSet:
    """Validate tables, run every data check and join the decisions of ``queries.csv``.

    Parameters
    ----------
    tables : mapping of str to Table
        ``trials``, ``extractions`` and ``outcomes``; ``cohorts``, ``queries`` and ``claims`` may be absent.
    dictionary : mapping
        The parsed Frictionless data package that describes them.

    Returns
    -------
    RecordSet
        Records with corrected cells applied, and every query the checks ask.

    Raises
    ------
    ProjectError
        With every problem of every file: cells the dictionary does not allow, broken references, decisions
        that answer nothing, and error-level findings for which no decision is recorded.
    """
    schemas, problems = validate(tables, dictionary)
    printed = _project(tables, schemas, problems)
    decisions, wrong_lines = read_decisions(tables.get("queries"))
    problems += wrong_lines
    problems += judgement_problems(tables)
    first = _run(printed)
    corrections, wrong_values = _corrections(first, decisions, schemas)
    problems += wrong_values
    corrected = _apply(printed, corrections)
    second = _run(corrected) if corrections else first
    problems += _unanswered(first, second, decisions)
    if not problems:
        problems += _pointless(first, second, decisions)
    queries = _queries(first, second, decisions)
    if problems:
        notes = (*_notes(tables, corrected), CheckNote("C16 to C22", POOLS_WAIT))
        raise ProjectError(tuple(sorted(problems, key=_place)), queries, notes)
    return RecordSet(
        records=_records(printed, corrected, schemas, _open_errors(second, queries)),
        queries=queries,
        trials=tuple(_parsed(view.cells, schemas["trials"]) for view in corrected.rows("trials")),
        outcomes=tuple(_outcome(row) for row in tables["outcomes"].rows),
        notes=_notes(tables, corrected),
        decisions=tuple(decision for decision in decisions.values() if _about_a_pool(decision)),
        judgements=read_judgements(tables),
    )


def question_pools(found: RecordSet, pools_of: PoolsOf, weigh: Weigh) -> RecordSet:
    """Ask the checks of whole pools, join their decisions, and keep out of a pool what an open error is about.

    Parameters
    ----------
    found : RecordSet
        What `build_records` returned.
    pools_of : callable
        From records to one `Pool` per analysis; called again whenever an open error changed a pool.
    weigh : callable
        Returns a pool with the weights and residuals of its members.

    Raises
    ------
    ProjectError
        Error-level findings without a decision, and decisions that answer nothing.
    """
    others = frozenset(q.study_id for q in found.queries if q.check == "C15" and q.status == "false_alarm")

    def pools(records: Sequence[Record]) -> list[Pool]:
        return [replace(pool, apart=others) for pool in pools_of(records)]

    answer = ask_pools(found.records, found.decisions, POOL_CHECKS, pools, weigh)
    queries = tuple(sorted((*found.queries, *answer.queries), key=_order))
    if answer.problems:
        raise ProjectError(tuple(sorted(answer.problems, key=_place)), queries, found.notes)
    return replace(found, queries=queries, records=answer.records)


def _order(query: Query) -> tuple[str, int, str, str]:
    return (query.file, query.row, query.check, query.query_id)


def ask_rows(tables: Mapping[str, Table], dictionary: Mapping[str, Any]) -> tuple[Query, ...]:
    """Return what the row checks ask about tables as printed, decisions left aside.

    Raises
    ------
    ProjectError
        With every cell the dictionary does not allow and every broken reference.
    """
    schemas, problems = validate(tables, dictionary)
    if problems:
        raise ProjectError(tuple(sorted(problems, key=_place)))
    fired = _run(_project(tables, schemas, ()))
    return _queries(fired, fired, {})


def _about_a_pool(decision: Decision) -> bool:
    return decision.query_id.split("-", 1)[0] in POOL_CHECKS


def _notes(tables: Mapping[str, Table], project: Project) -> tuple[CheckNote, ...]:
    """Say what the checks looked at that need more than the tables of results."""
    whole = sum(is_whole(view) for view in project.extractions)
    grim = "GRIM: nothing to ask; it tests means of whole numbers, and no outcome is marked as such (integer)."
    if any(view.text("events_treat") for view in project.extractions):
        grim += " Counts of people have no mean; C11 asks about them."
    if whole:
        grim = f"GRIM: {whole} of {len(project.extractions)} extractions are of outcomes in whole numbers."
    looked_up = [*project.trials, *project.cohorts]
    twins = twins_note(tables["trials"].columns) if "trials" in tables else ""
    return (
        CheckNote("C12", grim),
        *((CheckNote("C15", twins),) if twins else ()),
        CheckNote("C24", retraction_note(tables.get("retractions"), looked_up)),
        CheckNote("C25", double_entry_note(tables.get("extractions_second"), project)),
    )


def _place(problem: Problem) -> tuple[str, int, str]:
    return (problem.file, problem.row or 0, problem.column or "")


def _project(tables: Mapping[str, Table], schemas: Mapping[str, Schema], problems: Iterable[Problem]) -> Project:
    """Join every row to its trial, its outcome and the row that lends its arm sizes."""
    bad = {(problem.file, problem.row, problem.column) for problem in problems}
    rows = {name: _texts(tables.get(name), schemas.get(name), bad) for name in (*_TABLES, _SECOND, "outcomes")}
    trials = {row.get("study_id", ""): row for row in rows["trials"]}
    outcomes = {row.get("outcome", ""): row for row in rows["outcomes"]}
    lenders = {row.get("extraction_id", ""): row for row in rows["extractions"]}
    views: dict[str, tuple[View, ...]] = {}
    for name in (*_TABLES, _SECOND):
        table = tables.get(name)
        views[name] = tuple(
            View(
                table=name,
                file=table.file if table else "",
                row=number,
                id=row.get("study_id" if name == "trials" else "extraction_id", ""),
                study_id=row.get("study_id", ""),
                cells=row,
                trial=row if name in ("trials", "cohorts") else trials.get(row.get("study_id", ""), {}),
                outcome=outcomes.get(row.get("outcome", ""), {}),
                lender=lenders.get(row.get("n_source", ""), {}) if name == "extractions" else {},
            )
            for number, row in enumerate(rows[name], start=2)
        )
    second = views.pop(_SECOND)
    return Project(**views, second=second, notices=by_identifier(tables.get("retractions")))


def _texts(
    table: Table | None, schema: Schema | None, bad: Container[tuple[str, int | None, str | None]]
) -> list[dict[str, str]]:
    """Return the rows of a table; missing-value markers, and cells that are a problem already, are emptied."""
    if table is None:
        return []
    missing = schema.missing if schema else ("",)
    return [
        {
            column: ""
            if text in missing or (_is_number(schema, column) and (table.file, row, column) in bad)
            else text
            for column, text in cells.items()
        }
        for row, cells in enumerate(table.rows, start=2)
    ]


def _is_number(schema: Schema | None, column: str) -> bool:
    return schema is not None and column in schema.fields and schema.fields[column].numeric


def _run(project: Project) -> list[_Fired]:
    """Run every check on every row it reads; a query id names a column where one check fires twice on a row."""
    fired: list[_Fired] = []
    for check in CHECKS.values():
        for table in check.tables:
            for view in project.rows(table):
                found = check.function(view, project)
                for finding in found:
                    suffix = f"-{finding.columns[0]}" if len(found) > 1 else ""
                    fired.append(_Fired(check, view, finding, f"{check.id}-{view.id}{suffix}"))
    return fired


def _corrections(
    fired: Iterable[_Fired], decisions: Mapping[str, Decision], schemas: Mapping[str, Schema]
) -> tuple[dict[tuple[str, str], dict[str, str]], list[Problem]]:
    """Return the corrected cells by table and row id, with every value its column does not allow."""
    corrections: dict[tuple[str, str], dict[str, str]] = {}
    problems: list[Problem] = []
    for item in fired:
        decision = decisions.get(item.query_id)
        fields = schemas[item.view.table].fields if item.view.table in schemas else {}
        for column, text in decision.corrections.items() if decision else ():
            fault = _column_fault(column, text, fields)
            if fault and decision:
                where = "column" if column not in fields else "corrected_value"
                problems.append(Problem(decision.file, fault.what, fault.fix, decision.row, where, text, RULE))
            else:
                corrections.setdefault((item.view.table, item.view.id), {})[column] = text
    return corrections, problems


def _column_fault(column: str, text: str, fields: Mapping[str, Field]) -> Fault | None:
    if column not in fields:
        return Fault(f"{column} is not a column{nearest(column, fields)}", "name a column of the row", RULE)
    parsed = parse_cell(fields[column], text)
    return parsed if isinstance(parsed, Fault) else None


def _apply(project: Project, corrections: Mapping[tuple[str, str], Mapping[str, str]]) -> Project:
    """Return the project with the corrected cells, also where other rows refer to them."""

    def mended(table: str, identifier: str, cells: Mapping[str, str]) -> Mapping[str, str]:
        return {**cells, **corrections.get((table, identifier), {})}

    def view(old: View) -> View:
        cells = mended(old.table, old.id, old.cells)
        trial = mended("trials", old.study_id, old.trial) if old.table == "extractions" else cells
        lender = mended("extractions", old.lender.get("extraction_id", ""), old.lender)
        return replace(old, cells=cells, trial=trial, lender=lender)

    trials, extractions, cohorts = (tuple(view(old) for old in project.rows(table)) for table in _TABLES)
    return replace(project, trials=trials, extractions=extractions, cohorts=cohorts)


def _unanswered(first: list[_Fired], second: list[_Fired], decisions: Mapping[str, Decision]) -> Iterable[Problem]:
    """Name error-level findings without a decision, and corrections that do not silence their check."""
    still = {item.key for item in second}
    for item in _all(first, second):
        decision = decisions.get(item.query_id)
        column = item.finding.columns[0]
        value = item.view.text(column)
        rule = f"{item.check.id}: {item.check.rule}"
        if decision is None and item.is_error and item.key in still:
            line = f"{item.query_id},open,,,<why>,<who>"
            fix = f"{item.finding.fix}; or record a decision as a line of data/queries.csv: {line}"
            query = _query(item, None, True)
            yield Problem(
                *(query.file, query.evidence, fix, query.row, column, value, rule),
                check=query.check,
                query_id=query.query_id,
                columns=query.columns,
                values=query.values,
            )
        elif decision is not None and decision.status == "corrected" and item.key in still:
            now = next(other for other in second if other.key == item.key)
            what = f'the corrected value does not resolve "{item.query_id}": {now.finding.evidence}'
            fix = "check the corrected value, or choose another status"
            yield Problem(decision.file, what, fix, decision.row, "corrected_value", None, rule)


def _all(first: list[_Fired], second: list[_Fired]) -> list[_Fired]:
    """Return the findings on the printed cells, then those that only the corrected cells raise."""
    known = {item.key for item in first}
    return first + [item for item in second if item.key not in known]


def _pointless(first: list[_Fired], second: list[_Fired], decisions: Mapping[str, Decision]) -> Iterable[Problem]:
    """Name decisions that answer no finding: a stale line would hide the next one."""
    ids = {item.query_id for item in _all(first, second)}
    for decision in decisions.values():
        if decision.query_id not in ids and not _about_a_pool(decision):
            what = f'there is no such finding as "{decision.query_id}"{nearest(decision.query_id, sorted(ids))}'
            fix = "remove the line, or correct its query_id"
            yield Problem(decision.file, what, fix, decision.row, "query_id", decision.query_id, RULE)


def _queries(first: list[_Fired], second: list[_Fired], decisions: Mapping[str, Decision]) -> tuple[Query, ...]:
    """Return every finding as a query with its decision, by file, row and check."""
    still = {item.key for item in second}
    queries = [_query(item, decisions.get(item.query_id), item.key in still) for item in _all(first, second)]
    return tuple(sorted(queries, key=_order))


def _query(item: _Fired, decision: Decision | None, still_fires: bool) -> Query:
    """Return one finding as a query; one that another correction silenced counts as corrected."""
    view, finding = item.view, item.finding
    query = Query(
        query_id=item.query_id,
        check=item.check.id,
        severity=finding.severity or item.check.severity,
        file=view.file,
        row=view.row,
        study_id=view.study_id,
        extraction_id="" if view.table == "trials" else view.id,
        columns=finding.columns,
        evidence=finding.evidence,
        rule=item.check.rule,
        fix=finding.fix,
        values=tuple(view.text(column) for column in finding.columns),
    )
    if decision is not None:
        return replace(query, status=decision.status, recorded=True, reason=decision.reason, by=decision.by)
    return query if still_fires else replace(query, status="corrected", reason="another correction resolves it")


def _open_errors(second: list[_Fired], queries: Iterable[Query]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the open error-level queries that the corrected rows still raise, by table and row id."""
    status = {query.query_id: query.status for query in queries}
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for item in second:
        if item.is_error and status.get(item.query_id) == "open":
            key = (item.view.table, item.view.id)
            found[key] = (*found.get(key, ()), item.query_id)
    return found


def _records(
    printed: Project,
    corrected: Project,
    schemas: Mapping[str, Schema],
    open_errors: Mapping[tuple[str, str], tuple[str, ...]],
) -> tuple[Record, ...]:
    """Return one record per extraction; an open query about a trial holds for all its extractions."""
    records = []
    sources: tuple[tuple[Literal["extractions", "cohorts"], Literal["trials", "cohorts"]], ...]
    sources = (("extractions", "trials"), ("cohorts", "cohorts"))
    for table, source in sources:
        for before, view in zip(printed.rows(table), corrected.rows(table), strict=True):
            blocked = open_errors.get((table, view.id), ())
            blocked += open_errors.get(("trials", view.study_id), ()) if source == "trials" else ()
            records.append(
                Record(
                    extraction_id=view.id,
                    study_id=view.study_id,
                    outcome=view.text("outcome"),
                    source=source,
                    file=view.file,
                    row=view.row,
                    cells=_parsed(view.cells, schemas[table]),
                    trial=_parsed(view.trial, schemas[source]),
                    corrections={c: before.cells[c] for c in view.cells if view.cells[c] != before.cells[c]},
                    open_errors=blocked,
                )
            )
    return tuple(records)


def _outcome(row: Mapping[str, str]) -> Outcome:
    return Outcome(row["outcome"], row["label"], row["unit"], row["better"] == "lower", row["surrogate"] == "yes")


def _parsed(cells: Mapping[str, str], schema: Schema) -> dict[str, Cell]:
    """Parse the cells of a valid row."""
    parsed: dict[str, Cell] = {}
    for column, text in cells.items():
        value = parse_cell(schema.fields[column], text)
        parsed[column] = None if isinstance(value, Fault) else value
    return parsed
