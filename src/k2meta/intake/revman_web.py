"""The CSV files of RevMan Web and Covidence: study information, study arms, study results, RoB 2.

``Study results`` has one row per arm, or per contrast with its reference arm. Which arm is the treatment is stated
by ``--treatment`` and ``--control`` (names of arms, or of the interventions they are mapped to). Of a ratio
``Mean`` and ``SE`` are logarithms, while ``Exp mean`` and its limits are the ratio.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from k2meta.intake.archive import unpacked
from k2meta.intake.draft import Draft, Row
from k2meta.intake.hygiene import Sheet, read_sheet
from k2meta.intake.judgements import FIELDS, ROB2, judge
from k2meta.intake.oracle import measure_of
from k2meta.intake.types import Intake, Options, Read, Source
from k2meta.types import Problem

INFORMATION = ("Study", "Year")
ARMS = ("Study", "Arm", "Description", "Intervention")
RESULTS = (
    *(
        "Study",
        "Outcome",
        "Data type",
        "Effect measure",
        "Arm",
        "Reference arm",
        "Sample size",
        "Cases",
        "Mean",
        "SD",
    ),
    *("SE", "Variance", "CI level", "CI start", "CI end", "Exp mean", "Exp CI start", "Exp CI end", "t-test"),
    *("z-test", "P value", "Covariance method", "Covariance", "Other arm 1", "Other arm 2", "Correlation arm 1"),
    *("Correlation arm 2", "Correlation", "Other mean", "Other SE", "Other variance", "Other CI level"),
    *("Other CI start", "Other CI end", "Other exp mean", "Other exp CI start", "Other exp CI end"),
    *("Other t-test", "Other z-test", "Other P value", "Footnotes"),
)
RATIOS = ("RR", "OR", "HR", "ROM")
CHANGE = ", change from baseline"
ABSENT = ("#N/A", "N/A")
FOOTNOTE = ("extraction_id", "study_id", "outcome", "units", "scale", "timepoint_months")
"""Cells of ours that the format has no place for: our exports write them into the footnote of a result."""
_NOTED = re.compile(rf"(?:^|; )({'|'.join(FOOTNOTE)}) ([^;]+)")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def read(sources: Sequence[Source], options: Options) -> Intake:
    """Read the files, or a zip archive with them; at least the study results.

    Raises
    ------
    ProjectError
        With every problem of every file.
    """
    draft = Draft(options)
    sheets = [_sheet(source, options) for source in unpacked(sources, (".csv",))]
    results = [one for one in sheets if {"Study", "Outcome", "Arm"} <= set(one.columns)]
    arms = [one for one in sheets if {"Study", "Arm", "Intervention"} <= set(one.columns) and one not in results]
    if not results:
        fix = "name the study results file: it has the columns Study, Outcome and Arm"
        draft.problems.append(Problem(sheets[0].file if sheets else "", "no file holds study results", fix, 1))
        return draft.finish()
    known = _own_identifiers(results)
    for sheet in (one for one in sheets if one not in results and one not in arms):
        _information(sheet, known, draft)
    mapped = {(row["Study"], row["Arm"]): row["Intervention"] for one in arms for row in one.rows}
    for sheet in results:
        draft.decisions += sheet.decisions
        _results(sheet, mapped, known, draft)
    return draft.finish()


def _noted(footnote: str) -> dict[str, str]:
    """Return our cells in a footnote; none where it is not one of ours."""
    return dict(_NOTED.findall(footnote)) if footnote.startswith(f"{FOOTNOTE[0]} ") else {}


def _own_identifiers(results: Sequence[Sheet]) -> dict[str, Read]:
    """Return the ``study_id`` of each study that the footnotes of our own exports name."""
    found: dict[str, Read] = {}
    for sheet in results:
        for i, row in enumerate(sheet.rows):
            cell = sheet.cell(i, "Footnotes")
            identifier = _noted(cell.text).get("study_id", "")
            if _ID.fullmatch(identifier):
                found.setdefault(row["Study"], Read(cell.file, cell.row, cell.column, identifier))
    return found


def _sheet(source: Source, options: Options) -> Sheet:
    return read_sheet(source.name, source.raw, options, ("Study",))


def _information(sheet: Sheet, known: Mapping[str, Read], draft: Draft) -> None:
    """Read study information (labels, years) or judgements."""
    columns = [f"{domain} (judgement)" for domain in ROB2]
    judged = set(columns) <= set(sheet.columns)
    if "Study" not in sheet.columns:
        draft.problems.append(
            Problem(sheet.file, "the column Study is missing", "name a file of RevMan Web", 1, "Study")
        )
        return
    for i in range(len(sheet.rows)):
        year = next((sheet.cell(i, name) for name in ("Year", "Study year") if name in sheet.columns), None)
        study = draft.trial(sheet.cell(i, "Study"), year, known.get(sheet.rows[i]["Study"]))
        if judged:
            row = {"study_id": study, "tool": "RoB 2", "source_locator": f"{sheet.file} row {sheet.numbers[i]}"}
            draft.rows["risk_of_bias"].append(row)
            for field, column in zip(FIELDS, columns, strict=True):
                judge(draft, row, field, sheet.cell(i, column))
    for column in sheet.columns:
        if column not in ("Study", "Year", "Study year", *columns):
            draft.left_out(Read(sheet.file, 1, column, ""), "a column of the file that no column of ours holds")


def _results(sheet: Sheet, mapped: Mapping[tuple[str, str], str], known: Mapping[str, Read], draft: Draft) -> None:
    """Read arm rows, two and two, and contrast rows."""
    if not draft.options.treatment or not draft.options.control:
        names = sorted({row["Arm"] for row in sheet.rows} | {name for name in mapped.values() if name})
        what = f"it is not stated which arm is the treatment ({'; '.join(names[:12])})"
        fix = "add --treatment and --control with names of arms or of their interventions"
        draft.problems.append(Problem(sheet.file, what, fix))
        return
    rows: dict[tuple[str, str, str], Row] = {}
    for i, cells in enumerate(sheet.rows):
        side = _side(cells["Study"], cells["Arm"], mapped, draft)
        reference = cells.get("Reference arm", "")
        other = _side(cells["Study"], reference, mapped, draft) if reference else ""
        if not side or (reference and {side, other} != {"treat", "ctrl"}):
            draft.left_out(sheet.cell(i, "Arm"), "neither --treatment nor --control")
            continue
        row = _row(sheet, i, rows, known, draft)
        if reference:
            _contrast(sheet, i, row, side == "ctrl", draft)
        else:
            _arm(sheet, i, row, side, draft)


def _side(study: str, arm: str, mapped: Mapping[tuple[str, str], str], draft: Draft) -> str:
    names = (arm, mapped.get((study, arm), ""))
    if draft.options.treatment in names:
        return "treat"
    return "ctrl" if draft.options.control in names else ""


def _row(
    sheet: Sheet, i: int, rows: dict[tuple[str, str, str], Row], known: Mapping[str, Read], draft: Draft
) -> Row:
    """Return the result that a row belongs to: one per study, outcome and footnote."""
    cells = sheet.rows[i]
    footnote = cells.get("Footnotes", "")
    key = (cells["Study"], cells["Outcome"], footnote)
    if key not in rows:
        study = draft.trial(sheet.cell(i, "Study"), None, known.get(cells["Study"]))
        noted, place = _noted(footnote), sheet.cell(i, "Footnotes")
        name = cells["Outcome"].removesuffix(CHANGE)
        own = noted.get("outcome", "")
        own = own if re.fullmatch(r"[a-z0-9_]+", own) else ""
        outcome = draft.outcome(Read(sheet.file, sheet.numbers[i], "Outcome", name), own)
        locator = Read(sheet.file, sheet.numbers[i], "", "")
        kind = "imported: RevMan Web CSV"
        rows[key] = draft.extraction(study, outcome, locator, kind, noted.get("extraction_id", ""))
        if "units" in noted:
            draft.text("extractions", rows[key], "units", Read(*_at(place), noted["units"]))
        if noted.get("scale") in ("raw", "log", "pct_change"):
            draft.put("copied", rows[key], "scale", noted["scale"], place, "as in the footnote")
        if "timepoint_months" in noted:
            draft.number(rows[key], "timepoint_months", Read(*_at(place), noted["timepoint_months"]))
        if footnote and not noted:
            draft.left_out(sheet.cell(i, "Footnotes"), "no column of ours holds it")
    return rows[key]


def _at(read: Read) -> tuple[str, int | None, str]:
    return read.file, read.row, read.column


def _arm(sheet: Sheet, i: int, row: Row, side: str, draft: Draft) -> None:
    cells = sheet.rows[i]
    if cells.get("Cases", "") not in ("", *ABSENT):
        draft.number(row, f"events_{side}", sheet.cell(i, "Cases"), ABSENT)
        draft.number(row, f"total_{side}", sheet.cell(i, "Sample size"), ABSENT)
        return
    draft.number(row, f"n_{side}", sheet.cell(i, "Sample size"), ABSENT)
    if cells.get("Mean", "") in ("", *ABSENT):
        return
    stage = draft.stage(sheet.cell(i, "Mean"), cells["Outcome"])
    draft.number(row, f"{stage}_mean_{side}", sheet.cell(i, "Mean"), ABSENT)
    draft.number(row, f"{stage}_sd_{side}", sheet.cell(i, "SD"), ABSENT)
    draft.number(row, f"{stage}_se_{side}", sheet.cell(i, "SE"), ABSENT)
    limits = [cells.get(name, "") not in ("", *ABSENT) for name in ("CI start", "CI end")]
    if all(limits) and stage == "change" and cells.get("CI level", "").strip("%") in ("95", "0.95"):
        draft.number(row, f"change_ci_low_{side}", sheet.cell(i, "CI start"), ABSENT)
        draft.number(row, f"change_ci_high_{side}", sheet.cell(i, "CI end"), ABSENT)
    elif any(limits):
        draft.left_out(sheet.cell(i, "CI start"), "only 95 % intervals of mean changes have a column of ours")
    if "scale" not in row:
        draft.put("named", row, "scale", "raw", sheet.cell(i, "Data type"), "means of the arms")


def _contrast(sheet: Sheet, i: int, row: Row, turned: bool, draft: Draft) -> None:
    """Write a contrast; one against the treatment as reference is refused, for its sign would be turned."""
    cells = sheet.rows[i]
    measure = measure_of(cells.get("Effect measure", ""))
    place = sheet.cell(i, "Effect measure")
    if turned:
        fix = "state the contrast against the control in RevMan, or swap --treatment and --control"
        draft.problems.append(sheet.cell(i, "Reference arm").problem("the reference arm is the treatment", fix))
        return
    if measure not in ("MD", "SMD", *RATIOS):
        draft.left_out(place, "no column of ours holds this measure")
        return
    draft.put("named", row, "diff_measure", measure, place, "effect measure of the contrast")
    if "scale" not in _noted(cells.get("Footnotes", "")):
        draft.put("named", row, "scale", "log" if measure in RATIOS else "raw", place, "scale of the measure")
    level = sheet.cell(i, "CI level")
    percent = Read(level.file, level.row, level.column, level.text.strip("% "))
    draft.number(row, "diff_ci_level", percent, ABSENT)
    names = ("Mean", "CI start", "CI end")
    if measure in RATIOS:
        names = ("Exp mean", "Exp CI start", "Exp CI end")
    for name, field in zip(names, ("diff_estimate", "diff_ci_low", "diff_ci_high"), strict=True):
        draft.number(row, field, sheet.cell(i, name), ABSENT)
    if measure in RATIOS and not row.get("diff_estimate"):
        _exponentiated(sheet, i, row, draft)
    draft.number(row, "diff_se", sheet.cell(i, "SE"), ABSENT)
    draft.number(row, "p_value", sheet.cell(i, "P value"), ABSENT)


def _exponentiated(sheet: Sheet, i: int, row: Row, draft: Draft) -> None:
    """Write a ratio from its logarithm, where the file has no ratio."""
    read = sheet.cell(i, "Mean")
    found = draft.cleaned(read, True, ABSENT)
    if found is not None and found.text and abs(float(found.text)) < 700:
        text = f"{math.exp(float(found.text)):.15g}"
        draft.put("derived", row, "diff_estimate", text, read, "Mean is a logarithm: ratio = exp(Mean)")
