"""The wide CSV that metafor users have: one study per row, arms or effects in columns.

``m1i sd1i n1i m2i sd2i n2i`` (means), ``ai bi ci di`` or ``ai n1i ci n2i`` (counts), ``yi`` with ``vi`` or ``sei``
(effects; ``vi`` is a **variance**), ``ti`` and ``pi`` (test statistic and p of the difference). Group 1 is the
treatment. Rows are read by what they hold, arms before effects.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from k2meta.intake.draft import Draft, Row, numeric_fields
from k2meta.intake.hygiene import Sheet, read_sheet
from k2meta.intake.types import Intake, Options, Read, Source
from k2meta.types import Problem

MEANS = {"m1i": "mean_treat", "sd1i": "sd_treat", "m2i": "mean_ctrl", "sd2i": "sd_ctrl"}
COUNTS = ("ai", "bi", "ci", "di")
EFFECTS = ("yi", "vi", "sei")
TESTS = ("ti", "pi")
LABELS = ("study", "slab", "label", "author", "trial")
NAMES = ("study_id", "extraction_id", "outcome", "year", "stage")
RATIOS = ("RR", "OR", "HR", "ROM")
MEASURES = ("MD", "SMD", *RATIOS)
ABSENT = ("NA",)
"""R writes a missing value as NA, numbers and text alike."""

REFUSED = {
    "ri": "a correlation between two measurements of one group",
    "x1i": "events of a person-time table",
    "t1i": "person-time",
    "mi": "the mean of a single group",
    "xi": "the events of a single group",
}


def read(sources: Sequence[Source], options: Options) -> Intake:
    """Read one or more wide CSV files.

    Raises
    ------
    ProjectError
        With every problem of every file.
    """
    draft = Draft(options)
    for source in sources:
        sheet = read_sheet(source.name, source.raw, options, LABELS)
        draft.decisions += sheet.decisions
        if _usable(sheet, draft):
            for i in range(len(sheet.rows)):
                _row(sheet, i, draft)
            _leftovers(sheet, draft)
    return draft.finish()


def _usable(sheet: Sheet, draft: Draft) -> bool:
    """Note what the file lacks as a whole; return whether its rows can be read."""
    has = set(sheet.columns)
    before = len(draft.problems)
    if not has & set(LABELS):
        what = "no column names the study"
        draft.problems.append(Problem(sheet.file, what, f"name a column {' or '.join(LABELS)}", 1))
    means, counts = {"m1i", "m2i"} <= has, {"ai", "ci"} <= has
    if not (means or counts or "yi" in has):
        what = "no column holds arms (m1i …, ai …) or effects (yi with vi or sei)"
        draft.problems.append(Problem(sheet.file, what, "name the columns as metafor does, or use mapping", 1))
    for name in sorted(has & set(REFUSED)):
        fix = "remove the column if another one holds the result, or use mapping"
        draft.problems.append(
            Problem(sheet.file, f"{name} is {REFUSED[name]}; no column of ours holds it", fix, 1, name)
        )
    effects = [i for i, row in enumerate(sheet.rows) if _effect_row(row)]
    if effects and "measure" not in has and draft.options.measure not in MEASURES:
        what = "yi does not say what it measures"
        draft.problems.append(Problem(sheet.file, what, f"add --measure, one of {', '.join(MEASURES)}", 1, "yi"))
    return len(draft.problems) == before


def _effect_row(row: Mapping[str, str]) -> bool:
    """Whether a row has no arms and an effect."""
    arms = all(row.get(name) not in (None, "", "NA") for name in ("m1i", "m2i"))
    counts = all(row.get(name) not in (None, "", "NA") for name in ("ai", "ci"))
    return not (arms or counts) and row.get("yi") not in (None, "", "NA")


def _row(sheet: Sheet, i: int, draft: Draft) -> None:
    """Read one study."""
    label = next((sheet.cell(i, name) for name in LABELS if sheet.rows[i].get(name)), sheet.cell(i, LABELS[0]))
    year = sheet.cell(i, "year")
    if label.column in ("author", "trial") and year.text and year.text not in label.text:
        label = Read(label.file, label.row, f"{label.column} + year", f"{label.text} {year.text}")
    study = draft.trial(label, year, sheet.cell(i, "study_id") if "study_id" in sheet.columns else None)
    outcome_cell = sheet.cell(i, "outcome")
    outcome = (
        draft.outcome(outcome_cell, outcome_cell.text if _is_id(outcome_cell.text) else "")
        if outcome_cell.text
        else draft.single_outcome(sheet.file)
    )
    place = Read(sheet.file, sheet.numbers[i], "", "")
    row = draft.extraction(study, outcome, place, "imported: metafor CSV", sheet.rows[i].get("extraction_id", ""))
    _arms(sheet, i, row, draft)
    if _effect_row(sheet.rows[i]):
        _effect(sheet, i, row, draft)
    _tests(sheet, i, row, draft)
    if not numeric_fields() & set(row) - {"n_treat", "n_ctrl"}:
        draft.put("named", row, "role", "text_only", place, "no poolable number in the row")


def _tests(sheet: Sheet, i: int, row: Row, draft: Draft) -> None:
    """Write a t statistic (its sign turned with the arms) and a p value."""
    statistic, p = sheet.cell(i, "ti"), sheet.cell(i, "pi")
    found = draft.cleaned(statistic, True, ABSENT)
    if found is not None and found.text:
        if draft.options.control_first:
            why = "sign turned: group 1 is the control; minus ti"
            draft.put("derived", row, "statistic", digits(-float(found.text)), statistic, why)
        else:
            draft.put(found.kind, row, "statistic", found.text, statistic, found.why)
        draft.put("named", row, "statistic_kind", "t", statistic, "ti holds t statistics")
    draft.number(row, "p_value", p, ABSENT)


def _is_id(text: str) -> bool:
    return text.replace("_", "").isalnum() and text.isascii() and text == text.lower()


def _arms(sheet: Sheet, i: int, row: Row, draft: Draft) -> None:
    """Write the arms: means, counts and sizes."""
    first, second = ("ctrl", "treat") if draft.options.control_first else ("treat", "ctrl")
    sides = {"1": first, "2": second}
    cells = sheet.rows[i]
    if all(cells.get(name) not in (None, "", "NA") for name in ("m1i", "m2i")):
        stated = cells.get("stage", "")
        stage = stated if stated in ("follow", "change") else draft.stage(sheet.cell(i, "m1i"))
        for name, field in MEANS.items():
            quantity = field.split("_")[0]
            side = sides[name[-2]]
            draft.number(row, f"{stage}_{quantity}_{side}", sheet.cell(i, name), ABSENT)
        draft.put("named", row, "scale", "raw", sheet.cell(i, "m1i"), "means of the arms")
    for name in ("n1i", "n2i"):
        if name in sheet.columns:
            draft.number(row, f"n_{sides[name[1]]}", sheet.cell(i, name), ABSENT)
    if all(cells.get(name) not in (None, "", "NA") for name in ("ai", "ci")):
        _counts(sheet, i, row, draft, sides)


def _counts(sheet: Sheet, i: int, row: Row, draft: Draft, sides: dict[str, str]) -> None:
    """Write events and totals; a total that is not in the file is the sum of its two cells."""
    for events, rest, total, arm in (("ai", "bi", "n1i", "1"), ("ci", "di", "n2i", "2")):
        side = sides[arm]
        read = sheet.cell(i, events)
        with_event = draft.number(row, f"events_{side}", read, ABSENT)
        if sheet.rows[i].get(total, "") not in ("", "NA"):
            draft.number(row, f"total_{side}", sheet.cell(i, total), ABSENT)
        elif sheet.rows[i].get(rest, "") not in ("", "NA"):
            other = sheet.cell(i, rest)
            without = draft.cleaned(other, True, ABSENT)
            if without is None or with_event is None:
                continue
            people = with_event + float(without.text or "nan")
            if not people.is_integer():
                draft.problems.append(other.problem(f'"{other.text}" is not a whole number', "write a count"))
                continue
            both = Read(read.file, read.row, f"{events} + {rest}", f"{read.text} + {other.text}")
            draft.put("derived", row, f"total_{side}", f"{people:.0f}", both, f"total = {events} + {rest}")
        else:
            what = f"{events} has no total"
            draft.problems.append(read.problem(what, f"add the column {rest} or {total}"))


def _effect(sheet: Sheet, i: int, row: Row, draft: Draft) -> None:
    """Write an effect with its standard error; logarithms of ratios are written as the ratio."""
    measure = sheet.rows[i].get("measure") or draft.options.measure
    if measure not in MEASURES:
        cell = sheet.cell(i, "measure")
        fix = f"use one of {', '.join(MEASURES)}"
        draft.problems.append(cell.problem(f'no column of ours holds the measure "{measure}"', fix))
        return
    effect = sheet.cell(i, "yi")
    value = draft.cleaned(effect, True, ABSENT)
    if value is None or not value.text:
        return
    draft.put("named", row, "diff_measure", measure, effect, "stated by the column measure or by --measure")
    draft.put("named", row, "scale", "log" if measure in RATIOS else "raw", effect, "scale of the measure")
    yi = float(value.text)
    if draft.options.control_first:
        value_text, yi, turned = digits(-yi), -yi, "sign turned: group 1 is the control; "
    else:
        value_text, turned = value.text, ""
    if measure in RATIOS:
        if abs(yi) > 700:
            draft.problems.append(effect.problem(f'"{effect.text}" is no logarithm of a ratio', "check the scale"))
            return
        why = f"{turned}ratio = exp(yi), to 15 digits"
        draft.put("derived", row, "diff_estimate", digits(math.exp(yi)), effect, why)
    elif turned:
        draft.put("derived", row, "diff_estimate", value_text, effect, f"{turned}diff_estimate = -yi")
    else:
        draft.put(value.kind, row, "diff_estimate", value_text, effect, value.why)
    _standard_error(sheet, i, row, draft)


def _standard_error(sheet: Sheet, i: int, row: Row, draft: Draft) -> None:
    """Write the standard error: ``sei`` as read, or the root of the variance ``vi``."""
    if sheet.rows[i].get("sei", "") not in ("", "NA"):
        draft.number(row, "diff_se", sheet.cell(i, "sei"), ABSENT)
        return
    read = sheet.cell(i, "vi")
    variance = draft.cleaned(read, True, ABSENT)
    if variance is None:
        return
    if not variance.text or float(variance.text) <= 0:
        fix = "write the sampling variance (not the standard error), or add the column sei"
        draft.problems.append(read.problem(f'"{read.text}" is no variance above zero', fix))
        return
    se = math.sqrt(float(variance.text))
    draft.put("derived", row, "diff_se", digits(se), read, "vi is a variance: SE = √vi, to 15 digits")


def digits(value: float) -> str:
    """Return a number to 15 significant digits: printed ones survive a logarithm and a square there and back."""
    return f"{value:.15g}"


def _leftovers(sheet: Sheet, draft: Draft) -> None:
    """Log each column that nothing was read from."""
    arms = any(sheet.rows[i].get(name) for i in range(len(sheet.rows)) for name in ("m1i", "ai"))
    known = {*LABELS, *NAMES, *MEANS, *COUNTS, *TESTS, "n1i", "n2i", "measure", *EFFECTS}
    for column in sheet.columns:
        place = Read(sheet.file, 1, column, "")
        if column not in known:
            draft.left_out(place, "a column of the file that no column of ours holds")
        elif column in EFFECTS and arms and not any(_effect_row(row) for row in sheet.rows):
            draft.left_out(place, "the arms are read; effects are derived from them again")
