"""The CSV of robvis: ``Study, D1 … D5, Overall`` and perhaps ``Weight``, one study per row."""

from __future__ import annotations

from collections.abc import Sequence

from k2meta.intake.draft import Draft, slug
from k2meta.intake.hygiene import Sheet, read_sheet
from k2meta.intake.judgements import FIELDS, judge
from k2meta.intake.types import Intake, Options, Read, Source
from k2meta.types import Problem

COLUMNS = ("D1", "D2", "D3", "D4", "D5", "Overall")


def read(sources: Sequence[Source], options: Options) -> Intake:
    """Read judgements into ``risk_of_bias.csv``; studies are matched to the trials of the project by label.

    Raises
    ------
    ProjectError
        With every problem of every file.
    """
    draft = Draft(options)
    for source in sources:
        sheet = read_sheet(source.name, source.raw, options, ("Study",))
        draft.decisions += sheet.decisions
        missing = [name for name in ("Study", *COLUMNS) if name not in sheet.columns]
        others = [name for name in sheet.columns if name in ("D6", "D7")]
        for name in missing:
            fix = "RoB 2 has five domains and an overall judgement; name the columns Study, D1 … D5, Overall"
            draft.problems.append(Problem(source.name, f"the column {name} is missing", fix, 1, name))
        for name in others:
            fix = "ROBINS-I and RoB 1 have other domains; only RoB 2 tables are read"
            draft.problems.append(Problem(source.name, f"there is a domain {name}", fix, 1, name))
        if not missing and not others:
            _rows(sheet, draft)
    return draft.finish()


def _rows(sheet: Sheet, draft: Draft) -> None:
    seen: dict[str, int] = {}
    for i in range(len(sheet.rows)):
        study = sheet.cell(i, "Study")
        identifier = known_trial(draft, study)
        if identifier in seen:
            what = f"{study.text} already stands in row {seen[identifier]}"
            draft.problems.append(study.problem(what, "keep one row per study"))
            continue
        seen[identifier] = sheet.numbers[i]
        row = {"study_id": identifier, "tool": "RoB 2", "source_locator": f"{sheet.file} row {sheet.numbers[i]}"}
        draft.rows["risk_of_bias"].append(row)
        draft.log(
            "named", study, "risk_of_bias", identifier, "tool", "RoB 2", "five domains and an overall judgement"
        )
        for column, field in zip(COLUMNS, FIELDS, strict=True):
            judge(draft, row, field, sheet.cell(i, column))
    for column in sheet.columns:
        if column not in ("Study", *COLUMNS):
            draft.left_out(
                Read(sheet.file, 1, column, ""), "judgements have no such column (weights are computed)"
            )


def known_trial(draft: Draft, study: Read) -> str:
    """Return the ``study_id`` of a label: that of the project's trials, else letters and digits of the label."""
    text = " ".join(study.text.split())
    trials = draft.options.trials
    identifier = trials.get(text) or (text if text in trials.values() else "")
    if trials and not identifier:
        fix = "write the label as in data/trials.csv, or add the trial there"
        draft.problems.append(study.problem(f'"{text}" is not a trial of the project', fix))
    if not text:
        draft.problems.append(study.problem("the study has no name", "name the study in this row"))
    found = identifier or slug(text) or "Study"
    draft.log("named", study, "risk_of_bias", found, "study_id", found, "label of the study")
    return found
