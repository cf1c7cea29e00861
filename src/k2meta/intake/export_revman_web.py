"""The import files of RevMan Web: study information, arms and results; what they cannot hold is listed."""

from __future__ import annotations

import math
from collections.abc import Mapping

from k2meta.intake.hygiene import to_csv
from k2meta.intake.pools import Project
from k2meta.intake.revman_web import ARMS, CHANGE, FOOTNOTE, INFORMATION, RESULTS
from k2meta.types import Table

Cells = Mapping[str, str]
SIDES = {"treat": "Treatment", "ctrl": "Control"}
RATIOS = ("RR", "OR", "HR", "ROM")
CONTRASTS = ("MD", "SMD", *RATIOS)
OF_A_CONTRAST = ("diff_estimate", "diff_ci_low", "diff_ci_high", "diff_ci_level", "diff_se", "p_value")


def export(project: Project) -> dict[str, bytes]:
    """Return the CSV files; results are the ``main`` rows, as printed, under the label of their trial.

    Arms are called ``Treatment`` and ``Control``. The footnote of a result holds its identifiers and what else our
    importer reads back: units, scale and time. ``notes.csv`` lists every other cell of a trial or a result that
    the files do not hold, and the rows whose printed numbers a data query has doubted.
    """
    trials = {row["study_id"]: row for row in project.tables["trials"].rows}
    outcomes = {row["outcome"]: row for row in project.tables["outcomes"].rows}
    names = _unique_labels(project.tables["trials"])
    results: list[dict[str, str]] = []
    notes: list[list[str]] = []
    doubts = _doubts(project)
    used: dict[str, None] = {}
    for row in project.tables["extractions"].rows:
        lines, why = _result(row, names[row["study_id"]], outcomes[row["outcome"]])
        results += lines
        if lines:
            used[row["study_id"]] = None
        said = [why, *(doubts.get(row["extraction_id"], ()) if lines else ())]
        notes += [[row["extraction_id"], one] for one in said if one]
    notes += [[one, lost] for one in used if (lost := _not_of_a_trial(trials[one]))]
    arms = [[names[study], arm, _about(trials[study], side), arm] for study in used for side, arm in SIDES.items()]
    return {
        "study-information.csv": to_csv(INFORMATION, [[names[one], trials[one].get("year", "")] for one in used]),
        "study-arms.csv": to_csv(ARMS, arms),
        "study-results.csv": to_csv(RESULTS, [[line.get(name, "") for name in RESULTS] for line in results]),
        "notes.csv": to_csv(("id", "note"), notes),
    }


def _doubts(project: Project) -> dict[str, list[str]]:
    """Return the decisions of ``queries.csv`` by the result they are about: printed numbers are exported."""
    found: dict[str, list[str]] = {}
    rows = project.tables["queries"].rows if "queries" in project.tables else ()
    for row in project.tables["extractions"].rows:
        name = row["extraction_id"]
        for query in rows:
            about = query["query_id"].partition("-")[2]
            if about == name or about.startswith(f"{name}-"):
                value = f": {query['column']} = {query['corrected_value']}" if query["column"] else ""
                said = f"exported as printed; data/queries.csv has {query['query_id']} ({query['status']}{value})"
                found.setdefault(name, []).append(said)
    return found


def _unique_labels(trials: Table) -> dict[str, str]:
    """Return the label of each trial; a label that two trials share gets the identifier behind it."""
    labels = [row["label"] for row in trials.rows]
    return {
        row["study_id"]: row["label"] if labels.count(row["label"]) == 1 else f"{row['label']} ({row['study_id']})"
        for row in trials.rows
    }


def _about(trial: Cells, side: str) -> str:
    if side == "ctrl":
        return trial.get("comparator", "")
    return trial.get("vitamer", "") or trial.get("intervention", "")


def _not_of_a_trial(trial: Cells) -> str:
    """Name the cells of a trial that the files do not hold."""
    treatment = "vitamer" if trial.get("vitamer") else "intervention"
    held = {"study_id", "label", "year", "comparator", treatment}
    lost = [column for column in trial if trial[column] and column not in held]
    return f"not held: {', '.join(lost)}" if lost else ""


def _footnote(row: Cells) -> str:
    """Return identifiers and cells that the format has no place for; ``;`` parts them, so no cell may hold one."""
    cells = ((name, row.get(name, "")) for name in FOOTNOTE)
    return "; ".join(f"{name} {cell}" for name, cell in cells if cell and ";" not in cell)


def _result(row: Cells, study: str, outcome: Cells) -> tuple[list[dict[str, str]], str]:
    """Return the rows of one result, and what of it the format does not hold."""
    if row["role"] != "main":
        return [], f"its role is {row['role']}"
    stage = next((one for one in ("change", "follow") if row.get(f"{one}_mean_treat")), "")
    name = (outcome["label"] or outcome["outcome"]) + (CHANGE if stage == "change" else "")
    head = {"Study": study, "Outcome": name, "Footnotes": _footnote(row)}
    lines = [line for side in SIDES for line in _arm(row, side, stage, head)]
    contrast = bool(row.get("diff_estimate")) and row.get("diff_measure") in CONTRASTS
    if contrast:
        lines.append(_contrast(row, head))
    if not lines:
        return [], "no arm values and no difference that the format holds"
    lost = [column for column in row if row[column] and not _held(column, row, stage, contrast)]
    return lines, f"not held: {', '.join(lost)}" if lost else ""


def _held(column: str, row: Cells, stage: str, contrast: bool) -> bool:
    """Whether the files hold a cell of a result."""
    if column == "role":
        return True
    if column in FOOTNOTE:
        return ";" not in row[column]
    if column in (*OF_A_CONTRAST, "diff_measure"):
        return contrast
    if column.startswith("total_"):
        return bool(row.get(column.replace("total_", "events_")))
    return column.endswith(("_treat", "_ctrl")) and not _lost(column, stage)


def _lost(column: str, stage: str) -> bool:
    if column.startswith(("baseline_", "percent_")) or "median" in column or "_q1_" in column or "_q3_" in column:
        return True
    return column.startswith("follow_" if stage == "change" else "change_")


def _arm(row: Cells, side: str, stage: str, head: Cells) -> list[dict[str, str]]:
    """Return the rows of one arm: counts, or a mean with its spread, or the number analysed alone."""
    arm = {**head, "Arm": SIDES[side]}
    lines = []
    if row.get(f"events_{side}"):
        counts = {"Cases": row[f"events_{side}"], "Sample size": row.get(f"total_{side}", "")}
        lines.append({**arm, "Data type": "Dichotomous", **counts})
    mean = row.get(f"{stage}_mean_{side}", "") if stage else ""
    if mean or row.get(f"n_{side}"):
        line = {**arm, "Data type": "Continuous", "Mean": mean, "Sample size": row.get(f"n_{side}", "")}
        line |= {"SD": row.get(f"{stage}_sd_{side}", ""), "SE": row.get(f"{stage}_se_{side}", "")}
        low, high = (row.get(f"{stage}_ci_{end}_{side}", "") for end in ("low", "high"))
        if low and high:
            line |= {"CI level": "95%", "CI start": low, "CI end": high}
        lines.append(line)
    return lines


def _contrast(row: Cells, head: Cells) -> dict[str, str]:
    """Return the row of a difference; of a ratio the logarithm stands beside it."""
    measure = row["diff_measure"]
    ratio = measure in RATIOS
    line = {**head, "Arm": SIDES["treat"], "Reference arm": SIDES["ctrl"], "Effect measure": measure}
    line["Data type"] = "Dichotomous" if ratio and measure != "ROM" else "Continuous"
    level = row.get("diff_ci_level", "")
    line |= {
        "SE": row.get("diff_se", ""),
        "P value": row.get("p_value", ""),
        "CI level": f"{level}%" if level else "",
    }
    cells = [row["diff_estimate"], row.get("diff_ci_low", ""), row.get("diff_ci_high", "")]
    columns = ("Exp mean", "Exp CI start", "Exp CI end") if ratio else ("Mean", "CI start", "CI end")
    line |= dict(zip(columns, cells, strict=True))
    if ratio and float(row["diff_estimate"]) > 0:
        line["Mean"] = f"{math.log(float(row['diff_estimate'])):.15g}"
    return line
