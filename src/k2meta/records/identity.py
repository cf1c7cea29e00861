"""Who was studied and where the numbers stand: C15, C26, C27."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache

from k2meta.records.printed import read_printed
from k2meta.records.view import Finding, Project, View

_RESULT = re.compile(
    r"(baseline|follow|change)_.*|diff_(estimate|se|ci_low|ci_high)|p_value|statistic"
    r"|(n|events|total|percent)_(treat|ctrl|total)"
)
_COMPARED = re.compile(r"(baseline|follow|change)_.*|diff_(estimate|se|ci_low|ci_high)|p_value|events_.*")
_SAME_RESULT = ("study_id", "outcome", "timepoint_months", "units", "scale", "diff_measure")


def trial_counted_twice(view: View, project: Project) -> tuple[Finding, ...]:
    """C15: two rows of trials describe different people, unless report_of says otherwise."""
    if view.text("report_of"):
        return ()
    found: list[str] = []
    columns: dict[str, None] = {}
    for other in project.trials:
        shared = _shared(view.cells, other.cells) if other.row < view.row and not other.text("report_of") else {}
        if shared:
            found.append(
                f"{other.id} (row {other.row}): same {', '.join(shared.values())}{_conflict(view, other)}"
            )
            columns |= dict.fromkeys(shared)
    if not found:
        return ()
    evidence = f"{view.id} repeats {'; '.join(found)}"
    first = found[0].split(" ", 1)[0]
    fix = f"if both report the same participants, set report_of of {view.id} to {first}"
    return (Finding(tuple(columns), evidence, fix),)


def _shared(here: Mapping[str, str], there: Mapping[str, str]) -> dict[str, str]:
    """Return the columns in which two trials share an identifier, with the identifier in words."""
    shared = {}
    for column, words in (("registration", "registration"), ("doi", "DOI"), ("pmid", "PMID")):
        same = identifiers_in(here, column) & identifiers_in(there, column)
        if same:
            shared[column] = f"{words} {', '.join(sorted(same))}"
    treatment = next((one for one in TREATMENTS if here.get(one) and there.get(one)), "")
    fingerprint = [
        (_randomised(t), t.get("country"), " ".join(t.get(treatment, "").casefold().split()), t.get("year"))
        for t in (here, there)
    ]
    if not shared and all(fingerprint[0]) and fingerprint[0] == fingerprint[1]:
        n, country, year = fingerprint[0][0], fingerprint[0][1], fingerprint[0][3]
        words = TREATMENTS[treatment]
        shared["n_randomised_total"] = (
            f"number randomised, country, {words} and year ({n:g}, {country}, {here[treatment]}, {year})"
        )
    return shared


TREATMENTS = {"dose_ug_per_day": "dose", "intervention": "intervention"}
"""Columns that say what was given, and their words: the first that two trials have tells them apart."""


def twins_note(columns: Collection[str]) -> str:
    """Say why trials without a shared identifier were not compared by what they are; ``""`` where they were."""
    absent = [name for name in ("country", "year") if name not in columns]
    absent += [] if any(name in columns for name in TREATMENTS) else ["intervention"]
    sizes = {f"n_randomised_{arm}" for arm in ("total", "treat", "ctrl")}
    if "n_randomised_total" not in columns and not sizes - {"n_randomised_total"} <= set(columns):
        absent.append("n_randomised_total")
    if not absent:
        return ""
    listed = ", ".join(absent)
    return (
        f"Trials of one size, country, treatment and year: not compared (no column {listed} in data/trials.csv)."
    )


def identifiers_in(cells: Mapping[str, str], column: str) -> frozenset[str]:
    """Return the registration numbers, DOIs or PMIDs in a column, in one spelling.

    The oldest PMIDs have a single digit; of a DOI or a registration number five are asked, so that words of a cell
    are none.
    """
    return _identifiers(cells.get(column, ""), 1 if column == "pmid" else 5)


@lru_cache(maxsize=16384)  # every trial is compared with every other one
def _identifiers(text: str, digits: int) -> frozenset[str]:
    plain = re.sub(r"https?://(dx\.)?doi\.org/|doi:|pmid:?", " ", text.casefold())
    return frozenset(part for part in re.split(r"[;,|\s]+", plain) if sum(c.isdigit() for c in part) >= digits)


def _randomised(trial: Mapping[str, str]) -> float | None:
    numbers = [read_printed(trial.get(f"n_randomised_{arm}", "")) for arm in ("total", "treat", "ctrl")]
    if numbers[0]:
        return numbers[0].value
    return numbers[1].value + numbers[2].value if numbers[1] and numbers[2] else None


def _conflict(view: View, other: View) -> str:
    """Say when the two rows also disagree on how many were randomised."""
    here, there = _randomised(view.cells), _randomised(other.cells)
    if here is None or there is None or here == there:
        return ""
    return f"; and they disagree on the number randomised, {there:g} against {here:g}"


def number_without_source(view: View, project: Project) -> tuple[Finding, ...]:
    """C26: every printed number names the place where it stands."""
    if view.text("source_locator"):
        return ()
    columns = tuple(c for c in view.cells if _RESULT.fullmatch(c) and view.printed(c))
    if not columns:
        return ()
    shown = ", ".join(f"{column} = {view.printed(column)}" for column in columns[:3])
    more = f" and {len(columns) - 3} more" if len(columns) > 3 else ""
    fix = "write the page, table or section into source_locator"
    return (Finding(("source_locator", *columns), f"{shown}{more}, and source_locator is empty", fix),)


def conflicts_with_primary(view: View, project: Project) -> tuple[Finding, ...]:
    """C27: a secondary source prints the same number as the primary one, within rounding."""
    if not view.text("source_tier").startswith("secondary"):
        return ()
    for other in project.rows(view.table):
        if not other.text("source_tier").startswith("primary") or not _same_result(view, other):
            continue
        pairs = [(c, view.printed(c), other.printed(c)) for c in view.cells if _COMPARED.fullmatch(c)]
        differing = [(c, a, b) for c, a, b in pairs if a and b and not a.interval.overlaps(b.interval)]
        if differing:
            words = ", ".join(f"{column}: {ours} here, {theirs} there" for column, ours, theirs in differing)
            evidence = f"differs from the primary source ({other.id}, row {other.row}): {words}"
            columns = tuple(column for column, _, _ in differing)
            return (Finding(columns, evidence, "trust the primary source; check both pages"),)
    return ()


def _same_result(view: View, other: View) -> bool:
    """Whether two rows report one result: same study, outcome, time, scale, and neither is a subgroup."""
    roles = {view.text("role") or "main", other.text("role") or "main"}
    same_role = len(roles) == 1 or roles <= {"main", "copy"}
    same_people = view.text("analysis_set") == other.text("analysis_set") or roles <= {"main", "copy"}
    return same_role and same_people and all(view.text(c) == other.text(c) for c in _SAME_RESULT)
