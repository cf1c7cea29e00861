"""Run the challenge: inject, ask, count."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from k2meta.challenge.errors import ERRORS, ErrorType
from k2meta.challenge.review import Flag, Review, Row, flags
from k2meta.challenge.synthetic import KINDS, synthetic_review

MOST_TABLES = 20
"""Synthetic tables tried per injection wanted before an error type is given up as impossible."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How often one error was caught in one kind of table.

    Attributes
    ----------
    error, table : str
        Id of the error type; ``PWV``, ``CAC`` or ``shipped``.
    injections, rows : int
        Errors injected, and distinct clean rows they were injected into.
    caught, caught_by_error : int
        Injections that raised a new finding above a note, and one at error level.
    checks : mapping of str to int
        By check, injections in which it fired.
    """

    error: str
    table: str
    injections: int
    rows: int
    caught: int
    caught_by_error: int
    checks: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Clean:
    """How many clean rows were flagged all the same, above a note and at error level, and by which checks."""

    table: str
    rows: int
    flagged: int
    flagged_by_error: int
    checks: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Score:
    """All outcomes of a run, with what it was run with."""

    seed: int
    injections: int
    outcomes: tuple[Outcome, ...]
    clean: tuple[Clean, ...]


def run_challenge(seed: int, injections: int, shipped: Mapping[str, Review]) -> Score:
    """Inject every error type into synthetic and shipped tables and count what the checks say.

    Parameters
    ----------
    seed : int
        Every table and every injection draws from a generator named after it and this number.
    injections : int
        Per error type and kind of table.
    shipped : mapping
        Reviews by outcome (`shipped_reviews`); empty leaves real rows out.
    """
    outcomes: list[Outcome] = []
    clean: list[Clean] = []
    for kind in KINDS:
        tables = _Synthetic(kind, seed)
        outcomes += [
            _count(error, kind, _in_synthetic(error, tables, injections))
            for error in ERRORS.values()
            if kind in error.kinds
        ]
        clean.append(tables.clean(injections))
    asked = {name: flags(review, pools=False) for name, review in shipped.items()}
    for error in ERRORS.values() if shipped else ():
        outcomes.append(_count(error, "shipped", _in_shipped(error, shipped, asked, seed, injections)))
    return Score(seed, injections, tuple(outcomes), tuple(clean))


def generator(*names: object) -> Generator:
    """Return a generator whose seed is the SHA-256 of what it is for."""
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


_Trial = tuple[str, frozenset[Flag]]


class _Synthetic:
    """Synthetic tables of one outcome with what the checks ask about them while clean, made when first needed."""

    def __init__(self, kind: str, seed: int) -> None:
        self.kind, self.seed = kind, seed
        self._made: list[tuple[Review, frozenset[Flag]]] = []

    def __getitem__(self, number: int) -> tuple[Review, frozenset[Flag]]:
        while len(self._made) <= number:
            rng = generator(self.kind, len(self._made), self.seed)
            review = synthetic_review(KINDS[self.kind], rng)
            self._made.append((review, flags(review, pools=True)))
        return self._made[number]

    def clean(self, count: int) -> Clean:
        """Count the flags on the rows of the first tables; a flag on a trial counts for its row."""
        rows, flagged, errors = 0, 0, 0
        checks: Counter[str] = Counter()
        for number in range(count):
            review, found = self[number]
            for row in review.rows["extractions"]:
                rows += 1
                mine = [f for f in found if f.row in (row["extraction_id"], row["study_id"]) and f.check != "C22"]
                flagged += bool(mine)
                errors += any(f.severity == "error" for f in mine)
                checks.update({f.check for f in mine})
        return Clean(self.kind, rows, flagged, errors, dict(sorted(checks.items())))


def _in_synthetic(error: ErrorType, tables: _Synthetic, wanted: int) -> Iterator[_Trial]:
    done = 0
    for number in range(MOST_TABLES * wanted):
        if done == wanted:
            return
        review, before = tables[number]
        rng = generator(error.id, tables.kind, number, tables.seed)
        rows = review.rows["extractions"]
        trial = _inject(error, review, "extractions", [rows[i] for i in rng.permutation(len(rows))], before, rng)
        if trial is not None:
            done += 1
            yield f"{number}/{trial[0]}", trial[1]


def _in_shipped(
    error: ErrorType, shipped: Mapping[str, Review], asked: Mapping[str, frozenset[Flag]], seed: int, wanted: int
) -> Iterator[_Trial]:
    """Yield injections into rows of the shipped review about which nothing is asked, taken with replacement."""
    eligible: list[tuple[str, str, Row]] = []
    for name, review in shipped.items():
        doubtful = {flag.row for flag in asked[name]}
        for table in error.tables:
            for row in review.rows.get(table, ()):
                rng = generator(error.id, row["extraction_id"], seed)
                if not {row["extraction_id"], row["study_id"]} & doubtful and error.inject(
                    review, table, row, rng
                ):
                    eligible.append((name, table, row))
    for number in range(wanted if eligible else 0):
        rng = generator(error.id, "shipped", number, seed)
        name, table, row = eligible[int(rng.integers(len(eligible)))]
        trial = _inject(error, shipped[name], table, [row], asked[name], rng)
        if trial is not None:
            yield trial


def _inject(
    error: ErrorType, review: Review, table: str, rows: Sequence[Row], before: frozenset[Flag], rng: Generator
) -> _Trial | None:
    """Return the first row that can hold the error, with the new findings about it."""
    for row in rows:
        injected = error.inject(review, table, row, rng)
        if injected is not None:
            after = flags(injected.review, pools=error.needs_pool)
            return row["extraction_id"], frozenset(f for f in after - before if f.row in injected.rows)
    return None


def _count(error: ErrorType, table: str, trials: Iterator[_Trial]) -> Outcome:
    found = list(trials)
    checks = Counter(check for _, new in found for check in {flag.check for flag in new})
    return Outcome(
        error=error.id,
        table=table,
        injections=len(found),
        rows=len({row for row, _ in found}),
        caught=sum(bool(new) for _, new in found),
        caught_by_error=sum(any(flag.severity == "error" for flag in new) for _, new in found),
        checks=dict(sorted(checks.items())),
    )
