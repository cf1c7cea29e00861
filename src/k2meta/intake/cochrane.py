"""Cochrane data packages: ``*-data-rows.csv`` with the settings, and perhaps the risk of bias, beside it.

Two layouts exist, before and since 23 September 2024; columns are found by name, and those that only one has are
not needed. ``GIV Mean`` and ``GIV SE`` stand on the **log** scale where the settings say ``Log-scale data`` TRUE,
while ``Mean``, ``CI start`` and ``CI end`` are always as displayed.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from k2meta.intake.archive import unpacked
from k2meta.intake.draft import Draft, Row
from k2meta.intake.hygiene import Sheet, read_sheet
from k2meta.intake.judgements import FIELDS, ROB2, judge
from k2meta.intake.oracle import agrees, limits, measure_of, rederived
from k2meta.intake.pooled_oracle import ESTIMATORS, INTERVALS, METHODS, MODELS, Method, Studies, bare, compare
from k2meta.intake.types import Intake, Options, Read, Source
from k2meta.types import Problem

ABSENT = ("#N/A", "N/A")
ARMS = {
    "Experimental cases": ("events_treat", "e1"),
    "Control cases": ("events_ctrl", "e2"),
    "Experimental mean": ("mean_treat", "m1"),
    "Experimental SD": ("sd_treat", "sd1"),
    "Control mean": ("mean_ctrl", "m2"),
    "Control SD": ("sd_ctrl", "sd2"),
}
DISPLAYED = {"Mean": "estimate", "CI start": "low", "CI end": "high"}
HETEROGENEITY = {"tau": "tau2", "chi": "q", "i": "i2"}
Settings = Mapping[tuple[str, str], tuple[Sheet, int]]


def read(sources: Sequence[Source], options: Options) -> Intake:
    """Read a data package: the zip archive, or its CSV files.

    Raises
    ------
    ProjectError
        With every problem of every file.
    """
    draft = Draft(options)
    files = [source for source in unpacked(sources, (".csv",)) if source.name.lower().endswith(".csv")]
    rows = [source for source in files if source.name.endswith("data-rows.csv")]
    settings = [source for source in files if source.name.endswith("overall-estimates-and-settings.csv")]
    if not rows or not settings:
        fix = "name the zip archive, or *-data-rows.csv and *-overall-estimates-and-settings.csv together"
        for found, what in ((rows, "data-rows.csv"), (settings, "overall-estimates-and-settings.csv")):
            if not found:
                name = sources[0].name if sources else ""
                draft.problems.append(Problem(name, f"no file whose name ends in {what}", fix))
        return draft.finish()
    known = _settings(settings, draft)
    for source in rows:
        sheet = read_sheet(source.name, source.raw, options, ("Study",))
        draft.decisions += sheet.decisions
        _rows(sheet, known, draft)
    for source in files:
        if source.name.endswith("risk-of-bias.csv"):
            _risk_of_bias(read_sheet(source.name, source.raw, options, ("Study",)), draft)
        elif source not in rows and source not in settings:
            draft.left_out(Read(source.name, None, "", ""), "a file of the package that is not read")
    return draft.finish()


def _settings(sources: Sequence[Source], draft: Draft) -> Settings:
    """Return the settings of each analysis by its group and number."""
    found: dict[tuple[str, str], tuple[Sheet, int]] = {}
    for source in sources:
        sheet = read_sheet(source.name, source.raw, draft.options)
        for i, row in enumerate(sheet.rows):
            found[row.get("Analysis group", ""), row.get("Analysis number", "")] = (sheet, i)
    return found


def _rows(sheet: Sheet, settings: Settings, draft: Draft) -> None:
    needed = ("Analysis group", "Analysis number", "Study")
    missing = [name for name in needed if name not in sheet.columns]
    for name in missing:
        draft.problems.append(
            Problem(sheet.file, f"the column {name} is missing", "export the package again", 1, name)
        )
    if missing:
        return
    keys = [(row["Analysis group"], row["Analysis number"], row["Study"]) for row in sheet.rows]
    several = {key for key, times in Counter(keys).items() if times > 1}
    studies: dict[tuple[str, str], Studies] = {}
    outcomes: dict[tuple[str, str], str] = {}
    for i, row in enumerate(sheet.rows):
        place = sheet.cell(i, "Analysis number")
        found = settings.get((row["Analysis group"], row["Analysis number"]))
        if found is None:
            what = f"analysis {row['Analysis group']}.{row['Analysis number']} is not in the settings"
            draft.problems.append(place.problem(what, "name the settings file of the same package"))
            continue
        analysis = (row["Analysis group"], row["Analysis number"])
        own = studies.setdefault(analysis, Studies())
        outcomes[analysis] = _row(sheet, i, found, keys[i] in several, draft, own)
    for analysis, outcome in outcomes.items():
        _pool(*settings[analysis], studies[analysis], outcome, draft)


def _pool(settings: Sheet, line: int, studies: Studies, outcome: str, draft: Draft) -> None:
    """Compare the pooled result of an analysis with that of its own studies."""
    row = settings.rows[line]
    if not outcome:
        return
    if row.get("Swap event and non-event", "").upper() == "TRUE":
        studies.unread = "the analysis swaps events and non-events"
    names = {column: part for column, part in DISPLAYED.items() if column in row}
    for column in settings.columns:
        match = re.fullmatch(r"heterogeneity (tau|chi|i)[²2]", column.strip(), re.I)
        names |= {column: HETEROGENEITY[match.group(1).lower()]} if match else {}
    stored = {part: settings.cell(line, name) for name, part in names.items() if row[name] not in ABSENT}
    model = MODELS.get(bare(row.get("Analysis model", "")))
    level = _level(settings, line, draft, ("CI/PI level", "Estimate CI", "CI level"))
    method = Method(
        measure_of(row.get("Effect measure", "")),
        METHODS.get(bare(row.get("Statistical method", "")), ""),
        model,
        ESTIMATORS.get(bare(row.get("Heterogeneity estimator", "")), ""),
        INTERVALS.get(bare(row.get("CI method", "")), ""),
        level,
    )
    compare(stored, method, studies, outcome, row.get("Analysis name", ""), draft)


def _row(sheet: Sheet, i: int, found: tuple[Sheet, int], several: bool, draft: Draft, studies: Studies) -> str:
    """Read the result of one study in one analysis; return its outcome, ``""`` where it cannot be read."""
    settings, line = found
    words = settings.rows[line].get("Effect measure", "")
    measure = measure_of(words)
    if not measure:
        cell = settings.cell(line, "Effect measure")
        draft.problems.append(
            cell.problem(f'the effect measure "{words}" is not known', "check the settings file")
        )
        return ""
    analysis = settings.rows[line]
    number = f"{analysis.get('Analysis group', '')}.{analysis.get('Analysis number', '')}"
    name = analysis.get("Analysis name") or sheet.rows[i].get("Analysis name", "")
    outcome = draft.outcome(Read(settings.file, settings.numbers[line], "Analysis name", f"{name} ({number})"))
    year = sheet.cell(i, "Study year")
    year = year if re.fullmatch(r"[0-9]{4}", year.text) else Read(year.file, year.row, year.column, "")
    study = draft.trial(sheet.cell(i, "Study"), year)
    locator = Read(sheet.file, sheet.numbers[i], f", analysis {number}", "")
    row = draft.extraction(study, outcome, locator, "imported: Cochrane data package")
    subgroup = sheet.cell(i, "Subgroup")
    if subgroup.text and subgroup.text not in ABSENT:
        draft.text("extractions", row, "analysis_set", subgroup)
        if several:
            draft.put("named", row, "role", "subgroup", subgroup, "the study stands in several subgroups")
    for column in ("O-E", "Variance", "Footnotes"):
        if sheet.rows[i].get(column, "") not in ("", *ABSENT):
            draft.left_out(sheet.cell(i, column), "no column of ours holds it")
    numbers = _numbers(sheet, i, measure, settings, line, row, draft)
    needed = ("e1", "n1", "e2", "n2") if "e1" in numbers else ("m1", "sd1", "n1", "m2", "sd2", "n2")
    studies.add(numbers, ("yi", "se") if "se" in numbers else needed)
    return outcome


def _numbers(
    sheet: Sheet, i: int, measure: str, settings: Sheet, line: int, row: Row, draft: Draft
) -> dict[str, float]:
    """Write arms where there are any, else the estimate; compare what is displayed; return what can be pooled."""
    analysis = settings.rows[line]
    has = {name for name, text in sheet.rows[i].items() if text not in ("", *ABSENT)}
    level = _level(settings, line, draft)
    counts = {"Experimental cases", "Control cases"} <= has and measure in ("RR", "OR", "RD", "PETO_OR")
    means = {"Experimental mean", "Control mean"} <= has
    giv = {"GIV Mean", "GIV SE"} <= has
    cells: dict[str, float | None] = {}
    for column, side, short in (("Experimental N", "treat", "n1"), ("Control N", "ctrl", "n2")):
        if column in has:
            field = f"total_{side}" if counts else f"n_{side}"
            cells[short] = draft.number(row, field, sheet.cell(i, column), ABSENT)
    if counts or (means and not giv):
        stage = draft.stage(sheet.cell(i, "Experimental mean"), analysis.get("Analysis name", "")) if means else ""
        for column, (field, short) in ARMS.items():
            is_count = "cases" in column
            if column in has and is_count == counts:
                full = field if is_count else f"{stage}_{field}"
                cells[short] = draft.number(row, full, sheet.cell(i, column), ABSENT)
        draft.put(
            "named",
            row,
            "scale",
            "log" if counts and measure != "RD" else "raw",
            sheet.cell(i, "Study"),
            "scale of the measure",
        )
        known = {name: value for name, value in cells.items() if value is not None}
        if analysis.get("Swap event and non-event", "").upper() != "TRUE":
            _compare(sheet, i, rederived(measure, known, level), row, draft)
        return known
    if giv:
        return _estimate(sheet, i, measure, analysis, level, row, draft)
    draft.put("named", row, "role", "text_only", sheet.cell(i, "Study"), "no poolable number in the row")
    return {}


def _level(
    settings: Sheet, line: int, draft: Draft, columns: Sequence[str] = ("CI/PI level", "Study CI")
) -> float:
    """Return the level of the intervals of the studies: ``95%`` in both layouts, under two names."""
    for column in columns:
        text = settings.rows[line].get(column, "")
        if re.fullmatch(r"[0-9]{2}(\.[0-9]+)?\s*%?", text):
            return float(text.rstrip("% "))
        if text and text not in ABSENT:
            cell = settings.cell(line, column)
            draft.problems.append(cell.problem(f'"{text}" is no level such as 95%', "check the settings file"))
    return 95.0


def _estimate(
    sheet: Sheet, i: int, measure: str, analysis: Mapping[str, str], level: float, row: Row, draft: Draft
) -> dict[str, float]:
    """Write an inverse-variance estimate on the displayed scale; its SE stays on the log scale for a ratio.

    Both are returned on the scale of the model.
    """
    logarithm = analysis.get("Log-scale data", "").upper() == "TRUE"
    read = sheet.cell(i, "GIV Mean")
    if measure not in ("MD", "SMD", "RR", "OR", "HR", "ROM"):
        draft.left_out(read, f"no column of ours holds the measure {measure}")
        return {}
    draft.put("named", row, "diff_measure", measure, read, "effect measure of the analysis")
    why = f"Log-scale data is {analysis.get('Log-scale data', '') or 'not stated'}"
    draft.put("named", row, "scale", "log" if logarithm else "raw", read, why)
    value, se = draft.cleaned(read, True, ABSENT), draft.number(row, "diff_se", sheet.cell(i, "GIV SE"), ABSENT)
    if value is None or not value.text:
        return {}
    giv = float(value.text)
    if logarithm and abs(giv) > 700:
        draft.problems.append(read.problem(f'"{read.text}" is no logarithm of a ratio', "check Log-scale data"))
        return {}
    if logarithm:
        text = f"{math.exp(giv):.15g}"
        draft.put(
            "derived", row, "diff_estimate", text, read, "GIV Mean is a logarithm here: ratio = exp(GIV Mean)"
        )
    else:
        draft.put(value.kind, row, "diff_estimate", value.text, read, value.why)
    if se is None:
        return {}
    _compare(sheet, i, limits(giv, se, level, logarithm), row, draft)
    return {"yi": giv, "se": se} if se > 0 else {}


def _compare(sheet: Sheet, i: int, ours: Mapping[str, float], row: Row, draft: Draft) -> None:
    """Compare the displayed result with ours; a difference is a query, and nothing is changed for it."""
    for column, part in DISPLAYED.items():
        read = sheet.cell(i, column)
        if ours and read.text not in ("", *ABSENT) and not agrees(read.text, ours[part]):
            why = f"the file displays {read.text}; its own numbers give {ours[part]:.6g}"
            draft.query(read, row["extraction_id"], part, f"{ours[part]:.15g}", why)


def _risk_of_bias(sheet: Sheet, draft: Draft) -> None:
    """Read RoB 2 judgements; the domains of another instrument are left out."""
    columns = [f"{domain} (judgement)" for domain in ROB2]
    if not set(columns) <= set(sheet.columns):
        draft.left_out(Read(sheet.file, 1, "", ""), "not the domains of RoB 2: no column of ours holds them")
        return
    for i in range(len(sheet.rows)):
        study = draft.trial(sheet.cell(i, "Study"))
        row = {"study_id": study, "tool": "RoB 2", "source_locator": f"{sheet.file} row {sheet.numbers[i]}"}
        draft.rows["risk_of_bias"].append(row)
        draft.log("named", sheet.cell(i, "Study"), "risk_of_bias", study, "tool", "RoB 2", "domains of the file")
        for field, column in zip(FIELDS, columns, strict=True):
            judge(draft, row, field, sheet.cell(i, column))
