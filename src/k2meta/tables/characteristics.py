"""Characteristics of the trials, as journals ask for them: who, what, against what, how long, how many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from k2meta.analysis import Analysis
from k2meta.numbers import Traced, plain
from k2meta.tables.parts import show_text, text, whole
from k2meta.tables.types import Column, Row, Shown, TableData, Value
from k2meta.types import Cell


def characteristics(trials: Sequence[Mapping[str, Cell]], analyses: Sequence[Analysis]) -> TableData:
    """Return one row per trial of the data, protocols and excluded designs included.

    Parameters
    ----------
    trials : sequence of mapping
        Parsed rows of ``data/trials.csv``; a missing column reads as not reported.
    analyses : sequence of Analysis
        Whose pools are named beside each trial.
    """
    pools: dict[str, list[str]] = {}
    for analysis in analyses:
        for effect in analysis.effects:
            pools.setdefault(effect.study_id, []).append(analysis.spec.title)
    return TableData(
        columns=_COLUMNS,
        rows=tuple(_row(trial, pools) for trial in trials),
        caption="Characteristics of the trials",
        notes=("A dash means that the trial does not report it, or that it was not seen.",),
    )


def _row(trial: Mapping[str, Cell], pools: Mapping[str, Sequence[str]]) -> Row:
    study = text(trial.get("study_id"))
    printed = {name: trial.get(name) for name in ("design", "population", "country", "comparator")}
    return {
        "study_id": study,
        "label": text(trial.get("label")) if trial.get("label") else study,
        **printed,
        "intervention": plain(intervention(trial)),
        "duration_months": trial.get("duration_months"),
        "randomised": randomised(trial),
        "pools": "; ".join(pools.get(study, ())) or "none",
        "link": trial_link(trial),
    }


def intervention(trial: Mapping[str, Cell]) -> str:
    """Return what was given, with its dose where the trial reports one."""
    given = text(of_trial(trial, "intervention" if trial.get("intervention") else "vitamer"))
    dose = of_trial(trial, "dose_ug_per_day")
    return given if dose is None else f"{given}, {whole(dose)} µg a day"


def randomised(trial: Mapping[str, Cell]) -> Value:
    """Return the number of people randomised: the printed total, else the sum of both arms, else nothing."""
    total = trial.get("n_randomised_total")
    arms = [trial.get("n_randomised_treat"), trial.get("n_randomised_ctrl")]
    numbers = [n for n in arms if isinstance(n, float | int)]
    return _traced(trial, "n_randomised_total", sum(numbers) if total is None and len(numbers) == 2 else total)


def of_trial(trial: Mapping[str, Cell], column: str) -> Cell:
    """Return a cell of the trial table, a number under the id of its cell."""
    return _traced(trial, column, trial.get(column))


def _traced(trial: Mapping[str, Cell], column: str, value: Cell) -> Cell:
    if isinstance(value, bool) or not isinstance(value, float | int):
        return value
    return Traced(value, f"trials.{trial.get('study_id')}.{column}")


def trial_link(trial: Mapping[str, Cell]) -> str:
    """Return the public page of a trial: its DOI, PubMed entry or registration, in that order."""
    if trial.get("doi"):
        return f"https://doi.org/{trial['doi']}"
    if isinstance(pmid := trial.get("pmid"), str | float | int) and pmid:
        return f"https://pubmed.ncbi.nlm.nih.gov/{text(pmid) if isinstance(pmid, str) else int(pmid)}/"
    registration = str(trial.get("registration") or "")
    return f"https://clinicaltrials.gov/study/{registration}" if registration.startswith("NCT") else ""


def _label(row: Row) -> Shown:
    return Shown(text(row["label"]), href=str(row["link"]))


_COLUMNS = (
    Column("study_id"),
    Column("label", "Trial", _label),
    Column("design", "Design", show_text("design")),
    Column("population", "Population", show_text("population")),
    Column("country", "Country", show_text("country")),
    Column("intervention", "Intervention", show_text("intervention")),
    Column("comparator", "Comparator", show_text("comparator")),
    Column("duration_months", "Months", show_text("duration_months"), numeric=True),
    Column("randomised", "Randomised", lambda row: whole(row["randomised"]), numeric=True),
    Column("pools", "In the pool of", show_text("pools")),
    Column("link"),
)
