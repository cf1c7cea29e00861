"""Small whole reviews for the tests of records: tables as text and the dictionary that describes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from k2meta.records import RecordSet, build_records
from k2meta.types import Problem, ProjectError, Query, Table

PARTS = ("mean", "sd", "se", "median", "q1", "q3", "min", "max")
ARM_CELLS = tuple(
    f"{stage}_{part}_{arm}"
    for stage in ("baseline", "follow", "change")
    for part in PARTS
    for arm in ("treat", "ctrl")
)
ENDS = tuple(f"change_ci_{end}_{arm}" for end in ("low", "high") for arm in ("treat", "ctrl"))
DIFFERENCE = ("diff_estimate", "diff_se", "diff_ci_low", "diff_ci_high", "diff_ci_level")
EVENTS = ("events_treat", "total_treat", "events_ctrl", "total_ctrl")
SIZES = ("n_treat", "n_ctrl", "n_total")

MEASURES = ["MD", "ROM", "RR", "OR", "HR", "SMD", "PERCENT", "BETA"]
NUMBERS = (*ARM_CELLS, *ENDS, *DIFFERENCE, "percent_treat", "percent_ctrl", "p_value", "timepoint_months")
WORDS = ("role", "units", "scale", "analysis_set", "diff_kind", "adjusted_for", "p_printed", "source_locator")
WORDS += ("reported_result", "sign_note", "control_group")


def strings(*names: str) -> dict[str, dict[str, Any]]:
    """Return text columns without constraints."""
    return {name: {} for name in names}


COLUMNS: dict[str, dict[str, Any]] = {
    "trials": {
        "study_id": {"constraints": {"required": True, "pattern": "[A-Za-z0-9_-]{1,64}"}},
        **strings("label", "doi", "pmid", "registration", "country", "design", "comparator", "report_of"),
        "year": {"type": "integer"},
        "dose_ug_per_day": {"type": "number", "constraints": {"minimum": 0}},
        **{f"n_randomised_{arm}": {"type": "integer"} for arm in ("treat", "ctrl", "total")},
    },
    "extractions": {
        "extraction_id": {"constraints": {"required": True, "unique": True}},
        "study_id": {"constraints": {"required": True}},
        "outcome": {"constraints": {"required": True}},
        **strings(*WORDS, "n_source", "source_tier"),
        "diff_measure": {"constraints": {"enum": MEASURES}},
        **{name: {"type": "number"} for name in NUMBERS},
        **{name: {"type": "integer"} for name in (*SIZES, *EVENTS)},
    },
    "cohorts": {
        **strings("extraction_id", "study_id", "outcome", "p_printed", "source_locator"),
        "diff_measure": {"constraints": {"enum": ["RR", "OR", "HR", "PERCENT"]}},
        **{name: {"type": "number"} for name in (*DIFFERENCE, "p_value")},
        "n_total": {"type": "integer"},
    },
    "outcomes": strings(
        "outcome",
        "label",
        "unit",
        "better",
        "surrogate",
        "accepted_units",
        "value_kind",
        "level_low",
        "level_high",
        "integer",
    ),
    "queries": strings("query_id", "status", "column", "corrected_value", "reason", "by"),
}
OUTCOMES = (
    ("cac_agatston", "AU", "score", "0", "8000"),
    ("avc_agatston", "AU", "score", "0", "20000"),
    ("cfpwv", "m/s", "speed", "3", "25"),
    ("bapwv", "m/s", "speed", "3", "35"),
    ("cimt", "mm", "thickness", "0.2", "3"),
    ("dpucmgp", "pmol/L", "biomarker", "50", "5000"),
    ("jet_velocity", "m/s", "other", "", ""),
    ("events", "events", "events", "", ""),
    ("falls", "falls", "other", "", ""),
)
WHOLE = ("falls",)
"""Outcomes that count in whole numbers."""
NOTICE = ("doi", "pmid", "notice", "date", "source", "snapshot")
Row = Mapping[str, str]


def dictionary() -> dict[str, Any]:
    """Return the data dictionary of the test reviews."""
    return {
        "resources": [
            {"name": name, "schema": {"fields": [{"name": column, **rest} for column, rest in columns.items()]}}
            for name, columns in COLUMNS.items()
        ]
    }


def table(name: str, rows: Iterable[Row]) -> Table:
    """Return a table with every column of the dictionary, empty where a row says nothing."""
    columns = tuple(COLUMNS[name])
    filled = tuple({**dict.fromkeys(columns, ""), **row} for row in rows)
    return Table(f"data/{name}.csv", columns, filled)


def result(outcome: str = "cac_agatston", /, **cells: object) -> dict[str, str]:
    """Return one extraction of ``study`` (Trial) with a ``number`` (1); cells are text, exactly as printed."""
    study, number = cells.pop("study", "Trial"), cells.pop("number", 1)
    base = {
        "extraction_id": f"{study}-{outcome}-{number}",
        "study_id": str(study),
        "outcome": outcome,
        "units": {row[0]: row[1] for row in OUTCOMES}.get(outcome, ""),
        "scale": "raw",
        "source_locator": "Abstract",
    }
    return base | {name: str(value) for name, value in cells.items()}


def tables(
    extractions: Iterable[Row] = (),
    trials: Iterable[Row] | None = None,
    queries: Iterable[Row] = (),
    cohorts: Iterable[Row] = (),
    second: Iterable[Row] | None = None,
    notices: Iterable[Row] | None = None,
) -> dict[str, Table]:
    """Return the tables of a review; a trial is added for every study unless trials are given."""
    rows = list(extractions)
    if trials is None:
        trials = [{"study_id": study} for study in dict.fromkeys(row["study_id"] for row in rows)]
    keys = ("outcome", "unit", "value_kind", "level_low", "level_high")
    whole = [{"integer": "yes" if row[0] in WHOLE else ""} for row in OUTCOMES]
    found = {
        "trials": table("trials", trials),
        "extractions": table("extractions", rows),
        "cohorts": table("cohorts", cohorts),
        "outcomes": table(
            "outcomes",
            [
                dict(zip(keys, row, strict=True)) | {"better": "lower"} | extra
                for row, extra in zip(OUTCOMES, whole, strict=True)
            ],
        ),
        "queries": table("queries", queries),
    }
    for name, rows_of in (("extractions_second", second), ("retractions", notices)):
        if rows_of is not None:
            filled = tuple(rows_of)
            found[name] = Table(f"data/{name}.csv", tuple(filled[0]) if filled else NOTICE, filled)
    return found


def build(*extractions: Row, **other: Any) -> RecordSet:
    """Build the records of a review."""
    return build_records(tables(extractions, **other), dictionary())


def problems_of(given: Mapping[str, Table], described: Mapping[str, Any] | None = None) -> tuple[Problem, ...]:
    """Return every problem of a review that must not build."""
    try:
        build_records(given, described or dictionary())
    except ProjectError as error:
        return error.problems
    raise AssertionError("the review was built, so it has no problem")


def line(query_id: str, status: str = "open", **cells: str) -> dict[str, str]:
    """Return one line of queries.csv with a reason and a name."""
    return {"query_id": query_id, "status": status, "reason": "seen in the full text", "by": "AB"} | cells


def asked(*extractions: Row, **other: Any) -> tuple[Query, ...]:
    """Return every query of a review; an error-level one without a decision is recorded as open and kept."""
    queries = list(other.pop("queries", ()))
    problems: tuple[Problem, ...] = ()
    try:
        return build(*extractions, queries=queries, **other).queries
    except ProjectError as error:
        problems = error.problems
    wanted = [problem.fix.rsplit("data/queries.csv: ", 1)[-1].split(",")[0] for problem in problems]
    assert all(",open,,," in problem.fix for problem in problems), "\n".join(map(str, problems))
    return build(*extractions, queries=[*queries, *map(line, wanted)], **other).queries


def ids(queries: Iterable[Query]) -> list[str]:
    """Return check and severity of queries, sorted."""
    return sorted(f"{query.check} {query.severity}" for query in queries)
