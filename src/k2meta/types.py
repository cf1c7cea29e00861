"""What travels between the stages before anything is pooled: problems, queries, records, effects.

Only data lives here. The stages import these names and nothing of each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Cell = str | float | None
"""One parsed cell: text, a finite number, or ``None`` for *not reported*."""

Severity = Literal["error", "warn", "query", "note"]
Status = Literal["open", "accepted", "corrected", "false_alarm"]


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file read as text: nothing is guessed, nothing is parsed.

    ``rows[i]`` maps every column to its text and stands in spreadsheet row ``i + 2``; an empty cell is ``""``.
    """

    file: str
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that makes a project unusable: what, where, why and how to mend it.

    One that a data check found names its ``check``, its ``query_id`` and every cell it is about.
    """

    file: str
    what: str
    fix: str
    row: int | None = None
    column: str | None = None
    value: str | None = None
    rule: str = ""
    check: str = ""
    query_id: str = ""
    severity: Severity = "error"
    columns: tuple[str, ...] = ()
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = self.file
        if self.row is not None:
            where += f" row {self.row}"
        if self.column is not None:
            where += f" column {self.column}"
        rule = f" ({self.rule})" if self.rule else ""
        return f"{where}: {self.what}{rule}. Fix: {self.fix}"


class ProjectError(Exception):
    """Every problem found at once; a command prints them and exits with code 2.

    ``queries`` and ``notes`` are what the data checks asked and said beside the problems.
    """

    def __init__(
        self,
        problems: tuple[Problem, ...],
        queries: tuple[Query, ...] = (),
        notes: tuple[CheckNote, ...] = (),
    ) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
        self.queries = queries
        self.notes = notes


@dataclass(frozen=True, slots=True)
class Query:
    """What a data check asks about one extraction (clinical-trial term "data query").

    ``recorded`` says whether ``data/queries.csv`` holds a line for it. An error-level query without a
    line stops the build; with a line and status ``open`` it keeps its record out of every pool (a query about
    one pool: out of that pool). ``values`` holds the text of ``columns`` as printed.
    """

    query_id: str
    check: str
    severity: Severity
    file: str
    row: int
    study_id: str
    extraction_id: str
    columns: tuple[str, ...]
    evidence: str
    rule: str
    fix: str
    status: Status = "open"
    recorded: bool = False
    reason: str = ""
    by: str = ""
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckNote:
    """What a check looked at, or why it looked at nothing: silence must not read as a clean result."""

    check: str
    said: str


@dataclass(frozen=True, slots=True)
class Record:
    """One extraction, validated and joined to its trial (or cohort).

    ``cells`` and ``trial`` hold every column of the two files, numbers parsed, empty cells ``None``.
    ``corrections`` maps a column to the value as printed, for cells changed through ``data/queries.csv``.
    ``open_errors`` keep the record out of every pool, ``pool_errors`` (by analysis id) out of that pool.
    """

    extraction_id: str
    study_id: str
    outcome: str
    source: Literal["trials", "cohorts"]
    file: str
    row: int
    cells: Mapping[str, Cell]
    trial: Mapping[str, Cell]
    corrections: Mapping[str, str] = field(default_factory=dict)
    open_errors: tuple[str, ...] = ()
    pool_errors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def number(self, column: str) -> float | None:
        """Return the number in a column of the extraction, or ``None`` where it is not reported."""
        value = self.cells.get(column)
        return value if isinstance(value, float) else None

    def text(self, column: str) -> str:
        """Return the text in a column of the extraction, or ``""`` where it is not reported."""
        value = self.cells.get(column)
        return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class Effect:
    """One ``yi, vi`` of one trial for one analysis, with the route by which it was derived.

    Attributes
    ----------
    yi : float
        Treatment minus control on the scale of the analysis (log scale for ratios).
    vi : float
        Sampling variance of ``yi``, in squared units of ``yi``.
    route : str
        Name of the derivation, a key of ``k2meta.effects.routes.ROUTES``.
    derivation : tuple of str
        The steps from the printed cells to ``yi`` and ``vi``, in words with numbers.
    assumptions : tuple of str
        Sentences; empty when nothing was assumed or borrowed.
    subset : str
        Which part of the people randomised the result is of, in words; empty where it is of no chosen part.
    randomised : float or None
        People randomised in the trial, where that is printed.
    events_treat, events_ctrl : float or None
        People with an event among ``n_treat`` and ``n_ctrl``, where the effect was derived from such counts.
    moderators : mapping of str to Cell
        Covariates of the analysis by column: numbers or categories, ``None`` where the trial does not state one.
    """

    study_id: str
    label: str
    yi: float
    vi: float
    measure: str
    n_treat: float | None
    n_ctrl: float | None
    route: str
    extraction_id: str
    derivation: tuple[str, ...]
    assumptions: tuple[str, ...]
    outcome: str
    unit: str
    months: float | None
    intervention: str
    population: str
    source_tier: str
    source_locator: str
    source_url: str
    reference: str
    n_total: float | None = None
    subset: str = ""
    randomised: float | None = None
    events_treat: float | None = None
    events_ctrl: float | None = None
    moderators: Mapping[str, Cell] = field(default_factory=dict)

    @property
    def assumed(self) -> bool:
        """Whether any input was assumed or borrowed rather than printed for this result."""
        return bool(self.assumptions)

    @property
    def people(self) -> float | None:
        """Number of people behind the result: both arms, or the total where only that is printed."""
        if self.n_treat is not None and self.n_ctrl is not None:
            return self.n_treat + self.n_ctrl
        return self.n_total


@dataclass(frozen=True, slots=True)
class Variant:
    """The effects of one analysis under other conversions: one cell of the multiverse.

    ``correlation`` of baseline with follow-up is ``None`` where none is borrowed; ``medians`` says whether
    converted medians are in the pool; ``configured`` marks the variant that the settings ask for. ``yi`` and
    ``vi`` have one number per entry of ``labels``.
    """

    correlation: float | None
    medians: bool
    configured: bool
    labels: tuple[str, ...]
    yi: tuple[float, ...]
    vi: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row of the outcome dictionary: canonical unit, which way is better, whether it stands in for health."""

    id: str
    label: str
    unit: str
    lower_is_better: bool
    surrogate: bool


DropKind = Literal["known_missing", "not_poolable", "other_result", "open_query", "excluded"]


@dataclass(frozen=True, slots=True)
class Dropped:
    """A record that belongs to an analysis by its outcome and is not in the pool, with the reason.

    ``known_missing``: the trial measured the outcome and no poolable number is visible.
    ``not_poolable``: numbers are printed but no route leads to ``yi, vi`` on this scale.
    ``other_result``: another result of the same trial was taken by the declared priority.
    ``open_query``: an open error-level data query keeps it out.
    ``excluded``: the analysis does not include this design, role or source.
    ``reported`` is what the paper says in words: ``no_difference``, ``favours_treatment``,
    ``favours_control``, ``not_seen`` or ``""``.
    """

    study_id: str
    label: str
    extraction_id: str
    outcome: str
    kind: DropKind
    reason: str
    reported: str
    n_total: float | None
    source_tier: str
    source_locator: str
    source_url: str


BIAS_WORDS = ("low", "some concerns", "high", "no information")
"""Judgements of a domain of risk of bias; ``""`` stands for not assessed."""

CERTAINTY_WORDS = ("high", "moderate", "low", "very_low")
"""Ratings of the certainty of evidence, highest first."""

CERTAINTY_DOMAINS = ("risk_of_bias", "inconsistency", "indirectness", "imprecision", "publication_bias")
"""What GRADE may lower a rating for: columns of data/certainty.csv, with the reason in words."""


@dataclass(frozen=True, slots=True)
class BiasJudgement:
    """What somebody judged about one trial, or one outcome of it; ``domains`` are five, ``""`` not assessed."""

    study_id: str
    outcome: str
    tool: str
    domains: tuple[str, ...]
    overall: str
    by: str
    source_locator: str
    source_url: str
    notes: str


@dataclass(frozen=True, slots=True)
class CertaintyRating:
    """How certain somebody rated the evidence of one analysis; ``reasons`` by domain, empty ones left out."""

    analysis: str
    certainty: str
    reasons: Mapping[str, str]
    by: str
    date: str
    source: str


@dataclass(frozen=True, slots=True)
class FlowCount:
    """One box of a PRISMA flow diagram: its name, its text, its number and what the number is made of.

    ``n`` is ``None`` where the box is empty; ``parts`` are reasons or sources with their numbers.
    """

    box: str
    text: str
    n: int | None
    parts: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ChecklistEntry:
    """What somebody filled in for one item of the reporting checklist."""

    item: str
    location: str
    text: str
    by: str


@dataclass(frozen=True, slots=True)
class Judgements:
    """What people judged or counted about a review; every part is empty where its file is not there."""

    bias: tuple[BiasJudgement, ...] = ()
    certainty: tuple[CertaintyRating, ...] = ()
    flow: tuple[FlowCount, ...] = ()
    checklist: tuple[ChecklistEntry, ...] = ()


NO_JUDGEMENTS = Judgements()
"""What a review without any file of judgements holds."""


PRISMA_ITEMS: dict[str, str] = {
    "1": "Title",
    "2": "Abstract",
    "3": "Why the review was done",
    "4": "Questions of the review",
    "5": "Which studies are eligible",
    "6": "Where was searched, and when",
    "7": "Search strategies in full",
    "8": "How studies were selected",
    "9": "How data were collected",
    "10a": "Outcomes sought",
    "10b": "Other variables sought",
    "11": "How risk of bias was assessed",
    "12": "Effect measures",
    "13a": "Which studies enter which synthesis",
    "13b": "Conversions and missing statistics",
    "13c": "How results are tabulated and drawn",
    "13d": "Models of synthesis",
    "13e": "How heterogeneity is explored",
    "13f": "Sensitivity analyses planned",
    "14": "How missing results are assessed",
    "15": "How certainty is assessed",
    "16a": "Flow of records and studies",
    "16b": "Near misses, and why excluded",
    "17": "Characteristics of studies",
    "18": "Risk of bias of each study",
    "19": "Results of each study",
    "20a": "Studies and bias behind each synthesis",
    "20b": "Results of each synthesis",
    "20c": "Heterogeneity found",
    "20d": "Sensitivity analyses found",
    "21": "Missing results found",
    "22": "Certainty for each outcome",
    "23a": "Results among other evidence",
    "23b": "Limits of the evidence",
    "23c": "Limits of the review",
    "23d": "What follows for practice and research",
    "24a": "Registration",
    "24b": "Protocol",
    "24c": "Changes to the protocol",
    "25": "Funding and support",
    "26": "Competing interests",
    "27": "Data, code and materials",
}
"""Items of the PRISMA 2020 checklist (doi:10.1136/bmj.n71) by number, with short names of our own."""
