"""The tables of an import while it is read: every cell that is written leaves a line in the log.

An importer walks its file and tells a `Draft` what it found; the draft makes identifiers, cleans numbers, collects
every problem and, at the end, either raises them all or returns the files.
"""

from __future__ import annotations

import json
import re
import shlex
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from k2meta.intake.hygiene import Cleaned, clean_number, clean_text, is_bound, to_csv
from k2meta.intake.types import LOG_COLUMNS, Decision, Intake, Kind, Options, Read
from k2meta.records.cells import Fault, nearest
from k2meta.records.schema import Schema, parse_cell, read_schemas
from k2meta.types import Problem, ProjectError

TABLES = ("trials", "extractions", "outcomes")
# Columns that a researcher has to see, even where the format has nothing for them.
SHOWN = {
    "trials": ("study_id", "label", "year", "registration", "design_class", "report_of", "notes"),
    "extractions": (
        *("extraction_id", "study_id", "outcome", "role", "timepoint_months", "units", "scale", "analysis_set"),
        *("n_treat", "n_ctrl", "source_url", "source_locator", "source_kind", "source_tier", "confidence"),
    ),
    "outcomes": ("outcome", "label", "unit", "accepted_units", "better", "value_kind", "surrogate", "note"),
    "risk_of_bias": (
        *("study_id", "outcome", "tool", "d1", "d2", "d3", "d4", "d5", "overall"),
        *("by", "source_locator", "source_url", "notes"),
    ),
}
_IDENTIFIERS = ("study_id", "extraction_id", "outcome", "report_of", "n_source")
Row = dict[str, str]


@cache
def dictionary() -> bytes:
    """Return the data dictionary of a project that has none: our columns, without the classes of one review."""
    return resources.files("k2meta").joinpath("schemas/datapackage.json").read_bytes()


@cache
def schemas() -> Mapping[str, Schema]:
    """Return the schemas of our tables."""
    found, problems = read_schemas(json.loads(dictionary()))
    if problems:
        raise ProjectError(tuple(problems))
    return found


def slug(label: str) -> str:
    """Return at most 28 letters and digits of a label, without accents: ``De Meyere 1992`` → ``DeMeyere1992``."""
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"[^A-Za-z0-9]", "", plain)[:28]


def outcome_slug(label: str) -> str:
    """Return an outcome identifier: lower case, digits and underscores, at most 28 characters."""
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode("ascii").lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:28].strip("_")


class Draft:
    """Tables, decisions and problems of one import."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.rows: dict[str, list[Row]] = {"trials": [], "extractions": [], "outcomes": [], "risk_of_bias": []}
        self.decisions: list[Decision] = []
        self.problems: list[Problem] = []
        self._trials: dict[str, Row] = {}
        self._outcomes: dict[str, Row] = {}
        self._titles: set[str] = set()
        self._unclear: dict[str, dict[str, None]] = {}
        self._taken: dict[str, set[str]] = {"trials": set(), "extractions": set(), "outcomes": set()}

    # ------------------------------------------------------------ log

    def log(self, kind: Kind, read: Read, table: str, key: str, field: str, wrote: str, why: str) -> None:
        """Add a line to the log."""
        line = Decision(kind, read.file, read.row, read.column, read.text, table, key, field, wrote, why)
        self.decisions.append(line)

    def left_out(self, read: Read, why: str) -> None:
        """Log something that no column of ours holds."""
        self.log("left_out", read, "", "", "", "", why)

    def query(self, read: Read, key: str, field: str, wrote: str, why: str) -> None:
        """Log that the file does not agree with itself; nothing is changed for it."""
        self.log("query", read, "extractions", key, field, wrote, why)

    # ------------------------------------------------------------ rows

    def trial(self, label: Read, year: Read | None = None, identifier: Read | None = None) -> str:
        """Return the identifier of the trial with this label, adding it where it is new."""
        text = " ".join(label.text.split())
        if not text:
            self.problems.append(label.problem("the study has no name", "name the study in this row"))
            return ""
        if text in self._trials:
            row = self._trials[text]
        else:
            row = {"study_id": self._study_id(text, year, identifier)}
            self._trials[text] = row
            self.rows["trials"].append(row)
            given = identifier is not None and identifier.text == row["study_id"]
            why = "identifier of the file" if given else "letters and digits of the label"
            self.log(
                "copied" if given else "named",
                identifier if given and identifier else label,
                "trials",
                row["study_id"],
                "study_id",
                row["study_id"],
                why,
            )
            self.text("trials", row, "label", Read(label.file, label.row, label.column, text))
        if year is not None and year.text:
            self.trial_cell(row, "year", year)
        return row["study_id"]

    def _study_id(self, label: str, year: Read | None, identifier: Read | None) -> str:
        if identifier is not None and re.fullmatch(r"[A-Za-z0-9_-]{1,64}", identifier.text):
            base = identifier.text
        else:
            base = slug(label) or "Study"
            if year is not None and re.fullmatch(r"[0-9]{4}", year.text) and year.text not in label:
                base += year.text
        return self._unique("trials", base, "_")

    def _unique(self, table: str, base: str, mark: str, number: int = 0) -> str:
        """Return an identifier that the table does not have: the base, else the base with the next number."""
        found = f"{base}{mark}{number}" if number else base
        number = number or 1
        while found in self._taken[table]:
            number += 1
            found = f"{base}{mark}{number}"
        self._taken[table].add(found)
        return found

    def trial_cell(self, row: Row, field: str, read: Read) -> None:
        """Write a cell of a trial; another value in a later row is a problem, never overwritten in silence."""
        before = row.get(field, "")
        cleaned = self.cleaned(read, field in _numeric("trials"))
        if cleaned is None or not cleaned.text or cleaned.text == before:
            return
        if before:
            what = f"{row['study_id']} has {before} in an earlier row"
            self.problems.append(read.problem(what, "give one trial one value, or two trials two names"))
            return
        row[field] = cleaned.text
        self.log(cleaned.kind, read, "trials", row["study_id"], field, cleaned.text, cleaned.why)

    def outcome(self, label: Read, identifier: str = "") -> str:
        """Return the identifier of an outcome, adding it where it is new; the user's own name comes first."""
        text = " ".join(label.text.split())
        known = self._outcomes.get(text)
        if known is not None:
            return known["outcome"]
        found = self._unique("outcomes", identifier or outcome_slug(text) or "outcome", "_")
        row = {"outcome": found}
        self._outcomes[text] = row
        self.rows["outcomes"].append(row)
        why = "--outcome" if found == self.options.outcome else "words of the file"
        self.log("named", label, "outcomes", found, "outcome", found, why)
        if text:
            self.text("outcomes", row, "label", Read(label.file, label.row, label.column, text))
        return found

    def single_outcome(self, file: str) -> str:
        """Return the outcome of a file without a column for it: ``--outcome``, which must be given."""
        if not re.fullmatch(r"[a-z0-9_]+", self.options.outcome):
            what = (
                f'the outcome is "{self.options.outcome}"'
                if self.options.outcome
                else "no column names the outcome"
            )
            fix = "add --outcome NAME in lower-case letters, digits and underscores, such as --outcome cfpwv"
            problem = Problem(file, what, fix)
            if problem not in self.problems:
                self.problems.append(problem)
            return "outcome"
        return self.outcome(Read("", None, "--outcome", self.options.outcome), self.options.outcome)

    def extraction(self, study: str, outcome: str, locator: Read, kind: str, identifier: str = "") -> Row:
        """Add a result and return its row; where it stands in the file is its locator."""
        given = re.fullmatch(r"[A-Za-z0-9_-]{1,64}", identifier) and identifier not in self._taken["extractions"]
        base = identifier if given else f"{study}-{outcome}"[:58]
        number = self._unique("extractions", base, "-", number=0 if given else 1)
        place = f"{locator.file} row {locator.row}" if locator.row is not None else locator.file
        row = {"extraction_id": number, "study_id": study, "outcome": outcome, "role": "main"}
        self.rows["extractions"].append(row)
        self.log(
            "named", locator, "extractions", number, "role", "main", "one result of one study in one analysis"
        )
        self.put(
            "named", row, "source_locator", f"{place}{locator.column}", locator, "where it stands in the file"
        )
        self.put("named", row, "source_kind", kind, locator, "what was imported")
        return row

    # ------------------------------------------------------------ cells

    def put(self, kind: Kind, row: Row, field: str, text: str, read: Read, why: str) -> None:
        """Write a cell of a result and log it."""
        row[field] = text
        self.log(kind, read, "extractions", row["extraction_id"], field, text, why)

    def text(self, table: str, row: Row, field: str, read: Read) -> None:
        """Write a text cell of any table as it was read."""
        cleaned = clean_text(read, self.options)
        if isinstance(cleaned, Problem):
            self.problems.append(cleaned)
        elif cleaned.text:
            row[field] = cleaned.text
            key = row.get("extraction_id") or row.get("study_id") or row.get("outcome", "")
            self.log(cleaned.kind, read, table, key, field, cleaned.text, cleaned.why)

    def cleaned(self, read: Read, numeric: bool, words: Iterable[str] = (), pair: str = "") -> Cleaned | None:
        """Return a cleaned cell, or ``None`` after noting its problem."""
        found = (
            clean_number(read, self.options, words=tuple(words), pair=pair)
            if numeric
            else clean_text(read, self.options)
        )
        if isinstance(found, Problem):
            self.problems.append(found)
            return None
        return found

    def number(self, row: Row, field: str, read: Read, words: Iterable[str] = ()) -> float | None:
        """Write a number of a result; return its value, or ``None`` where the cell is empty or refused.

        A mean column may hold its SD as well, and a p column a bound, where the options say so.
        """
        if field == "p_value" and is_bound(read.text):
            self._bound(row, read)
            return None
        partner = field.replace("_mean_", "_sd_") if "_mean_" in field else ""
        cleaned = self.cleaned(read, True, words, "mean-sd" if partner in _numeric("extractions") else "")
        if cleaned is None:
            return None
        if not cleaned.text:
            if read.text:
                self.log("cleaned", read, "extractions", row["extraction_id"], field, "", cleaned.why)
            return None
        if cleaned.also:
            self._fill(row, partner, cleaned.also, read, cleaned)
        return self._fill(row, field, cleaned.text, read, cleaned)

    def interval(self, row: Row, low: str, high: str, read: Read, words: Iterable[str] = ()) -> None:
        """Write an interval that stands in one cell."""
        cleaned = self.cleaned(read, True, words, "range")
        if cleaned is None or not cleaned.text:
            return
        if not cleaned.also:
            self.problems.append(read.problem(f'"{read.text}" is one number', "write both limits"))
            return
        self._fill(row, low, cleaned.text, read, cleaned)
        self._fill(row, high, cleaned.also, read, cleaned)

    def _fill(self, row: Row, field: str, text: str, read: Read, cleaned: Cleaned) -> float | None:
        whole = schemas()["extractions"].fields[field].type == "integer"
        if whole and re.fullmatch(r"[+-]?[0-9]+\.0+", text):
            text = text.split(".")[0]
        if row.get(field) and row[field] != text:
            what = f"{field} of {row['extraction_id']} is {row[field]} already"
            self.problems.append(read.problem(what, "keep one of the two"))
            return None
        if whole and not re.fullmatch(r"[+-]?[0-9]+", text):
            self.problems.append(read.problem(f'"{read.text}" is not a whole number', "write how many people"))
            return None
        kind: Kind = "cleaned" if text != read.text else cleaned.kind
        self.put(kind, row, field, text, read, cleaned.why)
        return float(text)

    def _bound(self, row: Row, read: Read) -> None:
        if "bound" in self.options.accept:
            self.put("cleaned", row, "p_printed", read.text, read, "--accept bound: not an exact p")
        else:
            fix = "add --accept bound (it goes to p_printed), or write the exact p"
            self.problems.append(read.problem(f'"{read.text}" is a bound, not a number', fix))

    def stage(self, read: Read, words: str = "") -> str:
        """Return ``follow`` or ``change`` for arm means: as the user states for the outcome, words that say so, or
        the option for all; else a problem.

        ``words`` is the title of the outcome, or ``""`` where the file has none.
        """
        if words:
            self._titles.add(words)
        if words in self.options.stages:
            return self.options.stages[words]
        if re.search(r"\bchange from baseline\b", words, re.I):
            return "change"
        if self.options.stage:
            return self.options.stage
        if words:
            self._unclear.setdefault(read.file, {})[words] = None
            return "follow"
        what = "the file does not say whether arm means are values at follow-up or changes from baseline"
        problem = Problem(read.file, what, "add --stage follow or --stage change")
        if problem not in self.problems:
            self.problems.append(problem)
        return "follow"

    def _stages(self) -> Iterator[Problem]:
        """Name the outcomes whose values nobody has called changes or values, and stated titles that are none."""
        for file, titles in self._unclear.items():
            listed = "; ".join(f'"{title}"' for title in titles)
            what = (
                f"the file does not say whether these are values at follow-up or changes from baseline: {listed}"
            )
            words = " ".join(f"--stage-of {shlex.quote(f'{title}=change')}" for title in titles)
            fix = f"add --stage follow or --stage change for all of them, or one by one {words} (or =follow)"
            yield Problem(file, what, fix)
        for title in self.options.stages:
            if title not in self._titles:
                known = ", ".join(sorted(self._titles)) or "none"
                what = f'no outcome with arm means is called "{title}"{nearest(title, self._titles)}'
                yield Problem("--stage-of", what, f"write one of: {known}", value=title)

    # ------------------------------------------------------------ end

    def finish(self) -> Intake:
        """Return the files, or raise every problem."""
        self._constants()
        self.problems += self._stages()
        if not any(self.rows.values()) and not self.problems:
            self.problems.append(Problem("", "nothing was found to import", "check the format and the files"))
        if self.problems:
            raise ProjectError(tuple(dict.fromkeys(self.problems)))
        files = {f"{table}.csv": _csv(table, rows) for table, rows in self.rows.items() if rows}
        return Intake(files, tuple(self.decisions))

    def _constants(self) -> None:
        for name, value in self.options.constants.items():
            table, field = self._constant_place(name)
            if not table:
                continue
            fault = parse_cell(schemas()[table].fields[field], value)
            if isinstance(fault, Fault):
                self.problems.append(Problem(f"--set {name}", fault.what, fault.fix, value=value, rule=fault.rule))
                continue
            empty = [row for row in self.rows[table] if not row.get(field)]
            for row in empty:
                row[field] = value
            read = Read("", None, f"--set {name}", value)
            self.log("set", read, table, "", field, value, f"stated by the user for {len(empty)} rows without it")

    def _constant_place(self, name: str) -> tuple[str, str]:
        """Return the table and the column that ``--set`` names, or nothing after noting the problem."""
        table, _, field = name.rpartition(".")
        homes = [one for one in (*TABLES, "risk_of_bias") if field in schemas()[one].fields and table in ("", one)]
        filled = [one for one in homes if self.rows[one]] or homes
        if field in _IDENTIFIERS:
            self.problems.append(Problem(f"--set {name}", "an identifier is not a constant", "remove it"))
        elif not homes:
            known = [column for one in TABLES for column in schemas()[one].fields]
            fix = "use a column of data/trials.csv, extractions.csv or outcomes.csv"
            self.problems.append(Problem(f"--set {name}", f"no column has this name{nearest(field, known)}", fix))
        elif len(filled) > 1:
            fix = " or ".join(f"--set {one}.{field}" for one in filled)
            self.problems.append(Problem(f"--set {name}", f"{' and '.join(filled)} have this column", fix))
        else:
            return filled[0], field
        return "", ""


@cache
def _numeric(table: str) -> frozenset[str]:
    return frozenset(name for name, field in schemas()[table].fields.items() if field.numeric)


def numeric_fields() -> frozenset[str]:
    """Return the number columns of the extractions table."""
    return _numeric("extractions")


def _csv(table: str, rows: list[Row]) -> bytes:
    used = {field for row in rows for field in row}
    columns = [name for name in schemas()[table].fields if name in used or name in SHOWN[table]]
    return to_csv(columns, [[row.get(name, "") for name in columns] for row in rows])


def log_file(decisions: Iterable[Decision]) -> bytes:
    """Return the import log as CSV."""
    rows: list[list[Any]] = [[getattr(line, name) for name in LOG_COLUMNS] for line in decisions]
    return to_csv(LOG_COLUMNS, rows)
