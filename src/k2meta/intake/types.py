"""What an importer is given and gives back: bytes with options in, files with a log of every decision out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from k2meta.types import Problem, ProjectError

Stage = Literal["", "follow", "change"]
Kind = Literal["copied", "cleaned", "derived", "named", "set", "left_out", "query"]
"""What happened to a cell.

``copied``: written as read. ``cleaned``: another spelling of the same number, by an option. ``derived``: computed,
with the formula. ``named``: an identifier or a class made from the words of the file. ``set``: stated by the user.
``left_out``: nothing of ours holds it. ``query``: it does not agree with something else in the file.
"""


@dataclass(frozen=True, slots=True)
class Source:
    """One input file: the name to show, and its bytes."""

    name: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Options:
    """What the user states because a file does not say it.

    Attributes
    ----------
    encoding, separator, decimal_comma
        How a CSV file is written.
    accept : frozenset of str
        Names of `k2meta.intake.hygiene.ACCEPT`: spellings that may be read.
    constants : mapping
        ``column`` or ``table.column`` to the value that empty cells of it take.
    stage : {"", "follow", "change"}
        Whether arm means are values at follow-up or changes from baseline.
    stages : mapping
        Title of an outcome in the file to what its values are: ``follow`` or ``change``.
    measure : str
        What effects on a printed or ``yi`` scale are: MD, SMD, RR, OR, HR, ROM.
    outcome : str
        Outcome of a file that has no column for it.
    treatment, control : str
        Names of the two arms, where the file does not order them.
    control_first : bool
        Group 1 of the file is the control.
    mapping : object
        The parsed mapping file of the format ``mapping``; ``mapping_name`` is its name.
    trials : mapping
        Label to ``study_id`` of the trials that the project already has.
    """

    encoding: str = "utf-8"
    separator: str = ","
    decimal_comma: bool = False
    accept: frozenset[str] = frozenset()
    constants: Mapping[str, str] = field(default_factory=dict)
    stage: Stage = ""
    measure: str = ""
    outcome: str = ""
    treatment: str = ""
    control: str = ""
    control_first: bool = False
    mapping: object = None
    mapping_name: str = "mapping"
    trials: Mapping[str, str] = field(default_factory=dict)
    stages: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Read:
    """A cell where it was read: file, row (line of an XML file), column and text."""

    file: str
    row: int | None
    column: str
    text: str

    def problem(self, what: str, fix: str, rule: str = "") -> Problem:
        """Return a problem at this place."""
        return Problem(self.file, what, fix, self.row, self.column, self.text, rule)


@dataclass(frozen=True, slots=True)
class Decision:
    """One line of the import log: what was read where, what was written where, and why."""

    kind: Kind
    file: str
    row: int | None
    column: str
    read: str
    table: str
    key: str
    field: str
    wrote: str
    why: str


LOG_COLUMNS = tuple(Decision.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Intake:
    """The result of an import: contents by file name inside ``data/``, and every decision, in the order taken."""

    files: Mapping[str, bytes]
    decisions: tuple[Decision, ...]

    @property
    def queries(self) -> tuple[Decision, ...]:
        """What the file says twice and differently."""
        return tuple(decision for decision in self.decisions if decision.kind == "query")


def refuse(file: str, what: str, fix: str, *, row: int | None = None) -> ProjectError:
    """Return the error of a file that cannot be read at all."""
    return ProjectError((Problem(file, what, fix, row),))
