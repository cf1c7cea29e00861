"""What a data check sees: the printed text of one row, its trial, its outcome and the rows beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from k2meta.records.printed import Printed, read_printed
from k2meta.types import Severity

RATIOS = ("ROM", "RR", "OR", "HR")
"""Measures printed as ratios, whose intervals are symmetric on the log scale."""

ARMS = ("treat", "ctrl")
ARM_WORDS = {"treat": "treatment", "ctrl": "control"}


@dataclass(frozen=True, slots=True)
class View:
    """One row of trials, extractions or cohorts as the checks read it.

    Attributes
    ----------
    table, file, row : str, str, int
        Table name, file name and spreadsheet row.
    id, study_id : str
        The extraction id (the study id for a row of trials) and the study.
    cells, trial, outcome : mapping of str to str
        Text of the row, of its trial and of its line in the outcome dictionary; empty where there is none.
    lender : mapping of str to str
        The extraction that lends its arm sizes (``n_source``).
    """

    table: str
    file: str
    row: int
    id: str
    study_id: str
    cells: Mapping[str, str]
    trial: Mapping[str, str] = field(default_factory=dict)
    outcome: Mapping[str, str] = field(default_factory=dict)
    lender: Mapping[str, str] = field(default_factory=dict)

    def text(self, column: str) -> str:
        """Return the text of a cell, ``""`` where the column is empty or absent."""
        return self.cells.get(column, "")

    def printed(self, column: str) -> Printed | None:
        """Return the printed number of a cell, ``None`` where it holds none."""
        return read_printed(self.text(column))

    def size(self, column: str) -> float | None:
        """Return a count of people, borrowed from the lending extraction where this row prints none."""
        own = any(self.text(name) for name in ("n_treat", "n_ctrl", "n_total"))
        number = read_printed((self.cells if own else self.lender).get(column, ""))
        return number.value if number else None

    def randomised(self, arm: str) -> float | None:
        """Return the randomised number of an arm (``treat``, ``ctrl``) or of the trial (``total``)."""
        number = read_printed(self.trial.get(f"n_randomised_{arm}", ""))
        return number.value if number else None

    @property
    def measure(self) -> str:
        """The measure of the printed difference."""
        return self.text("diff_measure")

    @property
    def is_ratio(self) -> bool:
        """Whether the printed difference is a ratio."""
        return self.measure in RATIOS

    @property
    def is_adjusted(self) -> bool:
        """Whether the printed difference comes from an adjusted model, by its column or its words."""
        words = self.text("diff_kind").casefold()
        return bool(self.text("adjusted_for")) or ("adjusted" in words and "unadjusted" not in words)

    @property
    def level(self) -> float:
        """Coverage of the printed interval as a share, 0.95 where none is printed."""
        number = self.printed("diff_ci_level")
        if number is None or not 0 < number.value < 100:
            return 0.95
        return number.value / 100 if number.value > 1 else number.value


@dataclass(frozen=True, slots=True)
class Project:
    """All rows of a review, for checks that compare rows.

    ``second`` holds the rows of a second extractor, ``notices`` the rows of a retraction snapshot by DOI and PMID
    (``k2meta.records.notices``).
    """

    trials: tuple[View, ...] = ()
    extractions: tuple[View, ...] = ()
    cohorts: tuple[View, ...] = ()
    second: tuple[View, ...] = ()
    notices: Mapping[str, tuple[Mapping[str, str], ...]] = field(default_factory=dict)

    def rows(self, table: str) -> tuple[View, ...]:
        """Return the rows of one table."""
        return {
            "trials": self.trials,
            "extractions": self.extractions,
            "cohorts": self.cohorts,
            "extractions_second": self.second,
        }[table]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found on one row.

    ``severity`` is ``None`` for the check's own; ``turned`` says that the sign (or direction) of the
    estimate is the whole trouble, so that its size may still be used by other checks.
    """

    columns: tuple[str, ...]
    evidence: str
    fix: str
    severity: Severity | None = None
    turned: bool = False


CheckFunction = Callable[[View, Project], tuple[Finding, ...]]


@dataclass(frozen=True, slots=True)
class Check:
    """One entry of the catalogue: id, title, default severity, function, rule in words, tables it reads."""

    id: str
    title: str
    severity: Severity
    function: CheckFunction
    rule: str
    tables: tuple[str, ...] = ("extractions",)
