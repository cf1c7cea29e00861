"""A pool as the checks of whole pools see it, and how their queries are asked and answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from k2meta.records.cells import nearest
from k2meta.records.decisions import RULE, Decision
from k2meta.records.view import Finding
from k2meta.types import Effect, Problem, Query, Record, Severity


@dataclass(frozen=True, slots=True)
class Member:
    """One effect of a pool with the record it was derived from.

    ``weight`` is its share of the pool's weight (0 to 1) and ``residual`` its studentised deleted residual;
    both are ``None`` where they were not computed.
    """

    effect: Effect
    record: Record
    weight: float | None = None
    residual: float | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    """The effects that one analysis would pool.

    Attributes
    ----------
    analysis, measure : str
        Id of the analysis and its measure (``MD``, ``SMD``, ``LOGRATIO``).
    members : tuple of Member
        In the order of the pool.
    dependence : str
        The model that allows for several effects of one study; ``""`` where there is none.
    apart : frozenset of str
        Studies that share an identifier with another one and were decided to be other people.
    """

    analysis: str
    measure: str
    members: tuple[Member, ...]
    dependence: str = ""
    apart: frozenset[str] = frozenset()


PoolFinding = tuple[Member, Finding]
PoolsOf = Callable[[Sequence[Record]], Sequence[Pool]]
Weigh = Callable[[Pool], Pool]


@dataclass(frozen=True, slots=True)
class PoolCheck:
    """One check of a whole pool: id, title, default severity, function, rule in words.

    ``after`` marks a check of the pool that is left when open errors are out, with its weights.
    """

    id: str
    title: str
    severity: Severity
    function: Callable[[Pool], tuple[PoolFinding, ...]]
    rule: str
    after: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What the pool checks asked: queries with their decisions, records with what keeps them out, problems."""

    queries: tuple[Query, ...]
    records: tuple[Record, ...]
    problems: tuple[Problem, ...]


def ask_pools(
    records: Sequence[Record],
    decisions: Iterable[Decision],
    checks: Mapping[str, PoolCheck],
    pools_of: PoolsOf,
    weigh: Weigh,
) -> Answer:
    """Ask every pool check, again after each open error has taken its record out of the pool.

    Parameters
    ----------
    records : sequence of Record
        Of the whole review.
    decisions : iterable of Decision
        Lines of queries.csv about pools.
    checks : mapping
        ``POOL_CHECKS``.
    pools_of : callable
        From records to one `Pool` per analysis.
    weigh : callable
        Returns a pool with the weights and residuals of its members.
    """
    by_id = {decision.query_id: decision for decision in decisions}
    asked: dict[str, Query] = {}
    left = tuple(records)
    while True:
        new = _run(pools_of(left), checks, after=False, known=asked)
        queries = [_decided(query, by_id.get(query.query_id)) for query, _ in new]
        asked |= {query.query_id: query for query in queries}
        blocked = {
            (query.extraction_id, analysis): query.query_id
            for query, (_, analysis) in zip(queries, new, strict=True)
            if _keeps_out(query)
        }
        if not blocked:
            break
        left = tuple(_without(record, blocked) for record in left)
    for query, _ in _run([weigh(pool) for pool in pools_of(left)], checks, after=True, known=asked):
        asked[query.query_id] = _decided(query, by_id.get(query.query_id))
    problems = (*_unanswered(asked.values()), *_pointless(asked, by_id))
    return Answer(tuple(asked.values()), left, problems)


def _keeps_out(query: Query) -> bool:
    return query.severity == "error" and query.status == "open" and query.recorded


def _run(
    pools: Iterable[Pool], checks: Mapping[str, PoolCheck], *, after: bool, known: Mapping[str, Query]
) -> list[tuple[Query, str]]:
    """Return the queries that are not known yet, each with its analysis."""
    found = []
    for pool in pools:
        for check in checks.values():
            for member, finding in check.function(pool) if check.after == after else ():
                query = _query(check, pool, member.record, finding)
                if query.query_id not in known:
                    found.append((query, pool.analysis))
    return found


def _query(check: PoolCheck, pool: Pool, record: Record, finding: Finding) -> Query:
    return Query(
        query_id=f"{check.id}-{record.extraction_id}-{pool.analysis}",
        check=check.id,
        severity=finding.severity or check.severity,
        file=record.file,
        row=record.row,
        study_id=record.study_id,
        extraction_id=record.extraction_id,
        columns=finding.columns,
        evidence=f"pool {pool.analysis}: {finding.evidence}",
        rule=check.rule,
        fix=finding.fix,
        values=tuple(_text(record, column) for column in finding.columns),
    )


def _text(record: Record, column: str) -> str:
    value = record.cells.get(column, record.trial.get(column))
    return "" if value is None else f"{value:g}" if isinstance(value, float) else value


def _decided(query: Query, decision: Decision | None) -> Query:
    if decision is None:
        return query
    return replace(query, status=decision.status, recorded=True, reason=decision.reason, by=decision.by)


def _without(record: Record, blocked: Mapping[tuple[str, str], str]) -> Record:
    """Return a record with the open errors that keep it out of single pools."""
    errors = dict(record.pool_errors)
    for (extraction, analysis), query_id in blocked.items():
        if extraction == record.extraction_id:
            errors[analysis] = (*errors.get(analysis, ()), query_id)
    return replace(record, pool_errors=errors) if errors != record.pool_errors else record


def _unanswered(queries: Iterable[Query]) -> Iterable[Problem]:
    """Name error-level queries without a decision, and corrections of what no cell can correct."""
    for query in queries:
        column = query.columns[0] if query.columns else None
        if query.severity == "error" and not query.recorded:
            line = f"{query.query_id},open,,,<why>,<who>"
            fix = f"{query.fix}; or record a decision as a line of data/queries.csv: {line}"
            value = query.values[0] if query.values else None
            rule = f"{query.check}: {query.rule}"
            yield Problem(
                *(query.file, query.evidence, fix, query.row, column, value, rule),
                check=query.check,
                query_id=query.query_id,
                columns=query.columns,
                values=query.values,
            )


def _pointless(asked: Mapping[str, Query], decisions: Mapping[str, Decision]) -> Iterable[Problem]:
    for name, decision in decisions.items():
        if name not in asked:
            what = f'there is no such finding as "{name}"{nearest(name, sorted(asked))}'
            fix = "remove the line, or correct its query_id"
            yield Problem(decision.file, what, fix, decision.row, "query_id", name, RULE)
        elif decision.status == "corrected":
            what = f'"{name}" is about a whole pool: no corrected cell answers it'
            fix = "use open, accepted or false_alarm; what is pooled is changed in config/config.yaml"
            yield Problem(decision.file, what, fix, decision.row, "status", "corrected", RULE)
