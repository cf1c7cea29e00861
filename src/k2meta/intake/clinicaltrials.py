"""Results of ClinicalTrials.gov, version 2 JSON: one study, a list of them, or ``{"studies": […]}``.

Every value is a string. The two arms are named by ``--treatment`` and ``--control`` (titles or ids of groups), or
are the two groups of an analysis, in its order: the first minus (or over) the second. Where an analysis counts the
other way round, its sign is turned and the log says so. Whether values are changes is read from plain words of the
title; anything less plain has to be stated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from k2meta.intake.draft import Draft, Row, numeric_fields
from k2meta.intake.hygiene import decode, is_bound
from k2meta.intake.stages import is_baseline, percent_of_baseline, stage_in_words
from k2meta.intake.types import Intake, Options, Read, Source, refuse
from k2meta.records.cells import nearest
from k2meta.types import Problem

ABSENT = ("NA", "N/A")
MEANS = ("MEAN", "LEASTSQUARESMEAN", "LSMEAN")
COUNTS = ("COUNTOFPARTICIPANTS", "NUMBEROFPARTICIPANTS")
RATIO_WORDS = {"ODDSRATIO": "OR", "RISKRATIO": "RR", "RELATIVERISK": "RR", "HAZARDRATIO": "HR"}
Path = str
Json = Mapping[str, Any]


def read(sources: Sequence[Source], options: Options) -> Intake:
    """Read results of the registry.

    Raises
    ------
    ProjectError
        With every problem of every file.
    """
    draft = Draft(options)
    for source in sources:
        for study in _studies(source, options):
            _study(source.name, study, draft)
    return draft.finish()


def _studies(source: Source, options: Options) -> Sequence[Json]:
    """Return the studies of a file."""
    text = decode(source.name, source.raw, options)
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise refuse(source.name, f"is not JSON: {error.msg}", "download it again", row=error.lineno) from None
    except (RecursionError, ValueError):
        raise refuse(
            source.name, "is JSON that no registry writes: too deep, or a number too long", "download it again"
        ) from None
    if isinstance(found, dict):
        found = found.get("studies", [found])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise refuse(source.name, "holds no study", "save the answer of /api/v2/studies/NCT… as it is")
    return found


def _get(value: Any, *path: str | int) -> Any:
    """Return what stands at a path, or ``None`` where a step is missing or of another kind."""
    for step in path:
        if isinstance(step, int) and isinstance(value, list) and step < len(value):
            value = value[step]
        elif isinstance(step, str) and isinstance(value, Mapping):
            value = value.get(step)
        else:
            return None
    return value


def _items(value: Any, *path: str) -> list[Json]:
    """Return the objects of a list; anything else counts as none."""
    found = _get(value, *path)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _words(value: Any, *path: str | int) -> str:
    """Return a text, or ``""``; numbers are spelled as they are written."""
    found = _get(value, *path)
    return (
        " ".join(str(found).split())
        if isinstance(found, str | int | float) and not isinstance(found, bool)
        else ""
    )


def _bare(text: str) -> str:
    return re.sub(r"[^A-Z0-9%.]", "", text.upper())


def _study(file: str, study: Json, draft: Draft) -> None:
    identification = _get(study, "protocolSection", "identificationModule")
    nct = _words(identification, "nctId")
    measures = _items(study, "resultsSection", "outcomeMeasuresModule", "outcomeMeasures")
    if not re.fullmatch(r"NCT[0-9]{8}", nct):
        fix = "save the whole answer, with its protocolSection"
        draft.problems.append(Problem(file, f'the study number "{nct}" is not of the form NCT01234567', fix))
        return
    if not measures:
        draft.problems.append(Problem(file, f"{nct} has no posted results", "name a study with results"))
        return
    label = Read(file, None, "nctId", _words(identification, "acronym") or nct)
    trial = draft.trial(label, None, Read(file, None, "nctId", nct))
    record = draft.rows["trials"][-1]
    draft.text("trials", record, "registration", Read(file, None, "nctId", nct))
    draft.text("trials", record, "title", Read(file, None, "briefTitle", _words(identification, "briefTitle")))
    unnamed = list(_unnamed_arms(file, nct, measures, draft.options))
    draft.problems += unnamed
    for number, measure in enumerate(measures if not unnamed else (), start=1):
        _measure(_Place(file, nct, trial, number), measure, draft)


def _unnamed_arms(file: str, nct: str, measures: Sequence[Json], options: Options) -> Iterator[Problem]:
    """Refuse arms that no outcome measure has: a misspelt name would drop every result in silence."""
    if not options.treatment and not options.control:
        return
    arms = {"--treatment": options.treatment, "--control": options.control}
    groups = [{_words(one, "id"): _words(one, "title") for one in _items(m, "groups")} for m in measures]
    titles = dict.fromkeys(title for group in groups for title in group.values())
    wrong = False
    for option, name in arms.items():
        if any(_named(name, group) for group in groups):
            continue
        wrong = True
        what = (
            f'{nct}: no group is called "{name}"{nearest(name, titles)}'
            if name
            else f"{nct}: only the other arm is named"
        )
        if any(name in (*group, *group.values()) for group in groups):
            what = f'{nct}: several groups are called "{name}" in each outcome measure'
        yield Problem(file, what, f"write one of the groups: {'; '.join(titles)} (or its id)", None, option, name)
    if not wrong and not any(all(_named(name, group) for name in arms.values()) for group in groups):
        what = f"{nct}: no outcome measure has both groups"
        yield Problem(file, what, f"name two groups of one measure: {'; '.join(titles)}", None, " and ".join(arms))


def _named(name: str, groups: Mapping[str, str]) -> str:
    """Return the id of the one group with this id or title, ``""`` where there is none or more than one."""
    match = [key for key, title in groups.items() if name and name in (key, title)]
    return match[0] if len(match) == 1 else ""


class _Place:
    """Where a result stands: file, study and outcome measure."""

    def __init__(self, file: str, nct: str, trial: str, number: int) -> None:
        self.file, self.nct, self.trial, self.number = file, nct, trial, number

    def cell(self, path: str, text: str) -> Read:
        """Return a cell with its path inside the outcome measure."""
        return Read(self.file, None, f"{self.nct} outcomeMeasures[{self.number - 1}].{path}", text)


def _measure(place: _Place, measure: Json, draft: Draft) -> None:
    """Read one outcome measure: one result for each of its classes."""
    title = place.cell("title", _words(measure, "title"))
    arms = _arms(place, measure, draft)
    if arms is None:
        return
    outcome = draft.outcome(title)
    classes = _items(measure, "classes")
    for index, one in enumerate(classes):
        categories = _items(one, "categories")
        if len(categories) != 1:
            draft.left_out(place.cell(f"classes[{index}]", _words(one, "title")), "counts in several categories")
            continue
        row = _result(place, outcome, title, draft)
        _when(row, place, measure, one, draft)
        _values(row, place, f"classes[{index}]", measure, one, arms, draft)
    for index, analysis in enumerate(_items(measure, "analyses")):
        if len(classes) > 1:
            draft.left_out(place.cell(f"analyses[{index}]", ""), "the analysis does not say which class it is of")
            continue
        _analysis(place, index, analysis, outcome, title, arms, draft)


def _result(place: _Place, outcome: str, title: Read, draft: Draft) -> Row:
    locator = Read(place.file, None, f", {place.nct}, outcome measure {place.number}", "")
    row = draft.extraction(place.trial, outcome, locator, "imported: ClinicalTrials.gov results")
    draft.put("named", row, "source_tier", "registry", title, "results of a trial registry")
    address = f"https://clinicaltrials.gov/study/{place.nct}"
    draft.put("named", row, "source_url", address, title, "page of the study")
    return row


def _when(row: Row, place: _Place, measure: Json, one: Json, draft: Draft) -> None:
    """Write unit and class; a time frame is a time only where it is one number of months."""
    unit = place.cell("unitOfMeasure", _words(measure, "unitOfMeasure"))
    draft.text("extractions", row, "units", unit)
    name = place.cell("classes.title", _words(one, "title"))
    draft.text("extractions", row, "analysis_set", name)
    for path, text in (("classes.title", name.text), ("timeFrame", _words(measure, "timeFrame"))):
        months = re.fullmatch(r"(?:at |month )?([0-9]+(?:\.[0-9]+)?)(?: months?)?", text.strip(), re.I)
        if months and re.search("month", text, re.I):
            draft.put(
                "copied", row, "timepoint_months", months.group(1), place.cell(path, text), "months of the file"
            )
            return
    frame = place.cell("timeFrame", _words(measure, "timeFrame"))
    if frame.text:
        draft.left_out(frame, "not one number of months: timepoint_months stays empty")


def _arms(place: _Place, measure: Json, draft: Draft) -> dict[str, str] | None:
    """Return the group ids of both arms: ``treat`` and ``ctrl``."""
    groups = {_words(group, "id"): _words(group, "title") for group in _items(measure, "groups")}
    listed = "; ".join(f"{key} {title}" for key, title in groups.items())
    options = draft.options
    if options.treatment or options.control:
        found = {"treat": _named(options.treatment, groups), "ctrl": _named(options.control, groups)}
        if all(found.values()):
            return found
        draft.left_out(place.cell("groups", listed), "no two groups are named as --treatment and --control say")
        return None
    pairs = {tuple(_get(one, "groupIds") or ()) for one in _items(measure, "analyses")}
    pair = next(iter(pairs)) if len(pairs) == 1 else ()
    if len(pair) == 2 and len(groups) == 2 and set(pair) == set(groups):
        why = "order of the groups in the analysis: the first minus the second"
        draft.log("named", place.cell("analyses.groupIds", " − ".join(map(str, pair))), "", "", "", listed, why)
        return {"treat": str(pair[0]), "ctrl": str(pair[1])}
    what = f"{place.nct}, outcome measure {place.number}: it is not stated which group is the treatment ({listed})"
    fix = "add --treatment and --control with the titles or ids of the groups"
    draft.problems.append(Problem(place.file, what, fix))
    return None


def _values(
    row: Row, place: _Place, path: str, measure: Json, one: Json, arms: Mapping[str, str], draft: Draft
) -> None:
    """Write the values of both arms."""
    values = {_words(m, "groupId"): m for c in _items(one, "categories") for m in _items(c, "measurements")}
    kind, spread = _bare(_words(measure, "paramType")), _bare(_words(measure, "dispersionType"))
    numbers = kind in MEANS or kind == "MEDIAN"
    stage = _stage(place, measure, one, draft) if numbers else "follow"
    writer = _writer(kind, spread, stage)
    for side, group in arms.items():
        count = _denominator(measure, one, group)
        size = place.cell(f"{path}.denoms[{group}]", count)
        draft.number(row, f"total_{side}" if kind in COUNTS else f"n_{side}", size, ABSENT)
        for key, field in writer.items():
            read = place.cell(f"{path}.measurements[{group}].{key}", _words(values.get(group, {}), key))
            if field:
                draft.number(row, field.format(side=side), read, ABSENT)
            elif read.text:
                draft.left_out(read, f"{_words(measure, 'paramType')} with {_words(measure, 'dispersionType')}")
    if numbers:
        _scale(row, place, stage, measure, draft)
    if stage == "baseline":
        draft.put("named", row, "role", "baseline", place.cell("title", _words(measure, "title")), "baseline only")
    elif not any(writer.values()):
        draft.put("named", row, "role", "text_only", place.cell("paramType", kind), "no poolable number is held")


def _scale(row: Row, place: _Place, stage: str, measure: Json, draft: Draft) -> None:
    """Write the scale of arm values: a change in percent of baseline is none in the unit of the outcome."""
    unit = place.cell("unitOfMeasure", _words(measure, "unitOfMeasure"))
    percent = percent_of_baseline(_words(measure, "title"), unit.text) if stage == "change" else False
    if percent is False:
        draft.put(
            "named", row, "scale", "raw", place.cell("paramType", _words(measure, "paramType")), "arm values"
        )
        return
    draft.put("named", row, "scale", "pct_change", unit, "a change in percent")
    draft.put("named", row, "units", "%", unit, "percent of baseline")
    if percent is None:
        why = "read as percent of baseline; where the outcome is itself a percentage (HbA1c), write raw into scale"
        draft.query(unit, row["extraction_id"], "scale", "pct_change", why)


def _stage(place: _Place, measure: Json, one: Json, draft: Draft) -> str:
    """Return what the values of a class are: by its words, else as the user states."""
    title = place.cell("title", _words(measure, "title"))
    others = [_words(group, "title") for group in _items(measure, "classes")]
    beside = f"{_words(measure, 'unitOfMeasure')} {_words(measure, 'description')}"
    frame = _words(measure, "timeFrame")
    # "Baseline, 12 months" is a time frame of values too; one that speaks of a change is not.
    beside += f" {frame}" if "chang" in frame.casefold() else ""
    if title.text in draft.options.stages and not is_baseline(_words(one, "title")):
        return draft.stage(title, title.text)
    found = stage_in_words(
        title.text, _words(one, "title"), beside, has_baseline_group=any(is_baseline(other) for other in others)
    )
    if found == "follow" and draft.options.stage:
        return draft.options.stage
    return found or draft.stage(title, title.text)


def _writer(kind: str, spread: str, stage: str) -> dict[str, str]:
    """Return which column takes which part of a measurement; ``""`` where none of ours holds it."""
    held = {"value": "", "spread": "", "lowerLimit": "", "upperLimit": ""}
    if kind in COUNTS:
        return {**held, "value": "events_{side}"}
    if kind in MEANS:
        held["value"] = f"{stage}_mean_{{side}}"
        if spread == "STANDARDDEVIATION":
            held["spread"] = f"{stage}_sd_{{side}}"
        elif spread in ("STANDARDERROR", "STANDARDERROROFTHEMEAN"):
            held["spread"] = f"{stage}_se_{{side}}"
        elif spread in ("95%CONFIDENCEINTERVAL", "95%CI") and stage == "change":
            held |= {"lowerLimit": "change_ci_low_{side}", "upperLimit": "change_ci_high_{side}"}
    elif kind == "MEDIAN":
        held["value"] = f"{stage}_median_{{side}}"
        if spread == "INTERQUARTILERANGE":
            held |= {"lowerLimit": f"{stage}_q1_{{side}}", "upperLimit": f"{stage}_q3_{{side}}"}
    # No column holds a standard error at baseline.
    return {part: field if field.format(side="treat") in numeric_fields() else "" for part, field in held.items()}


def _denominator(measure: Json, one: Json, group: str) -> str:
    """Return the number of participants of a group: of the class where it has its own, else of the measure."""
    for owner in (one, measure):
        for denominator in _items(owner, "denoms"):
            if _bare(_words(denominator, "units")) == "PARTICIPANTS":
                for count in _items(denominator, "counts"):
                    if _words(count, "groupId") == group:
                        return _words(count, "value")
    return ""


def _analysis(
    place: _Place, index: int, analysis: Json, outcome: str, title: Read, arms: Mapping[str, str], draft: Draft
) -> None:
    """Write one statistical analysis: into the arms' row if it is the first, else into a row of its own."""

    def cell(key: str) -> Read:
        return place.cell(f"analyses[{index}].{key}", _words(analysis, key))

    pair = [str(one) for one in _get(analysis, "groupIds") or ()]
    if sorted(pair) != sorted(arms.values()):
        draft.left_out(cell("groupIds"), "not an analysis of the two arms")
        return
    measure = _measure_of(_words(analysis, "paramType"))
    if not measure:
        why = f"{_words(analysis, 'statisticalMethod')}: no column of ours holds this parameter"
        draft.left_out(cell("paramType"), why)
    own = [
        row for row in draft.rows["extractions"] if row["study_id"] == place.trial and row["outcome"] == outcome
    ]
    row = own[0] if own and index == 0 else _result(place, outcome, title, draft)
    if measure:
        _contrast(row, measure, analysis, pair[0] == arms["ctrl"], cell, draft)
    draft.text("extractions", row, "diff_kind", cell("statisticalMethod"))
    value = cell("pValue")
    if is_bound(value.text):
        draft.put("copied", row, "p_printed", value.text, value, "not an exact p")
    else:
        draft.number(row, "p_value", value, ABSENT)


def _measure_of(words: str) -> str:
    bare = _bare(words)
    for start, measure in RATIO_WORDS.items():
        if bare.startswith(start):
            return measure
    return "MD" if "MEANDIFFERENCE" in bare or "DIFFERENCEINMEANS" in bare or "LSMEANDIFF" in bare else ""


def _contrast(
    row: Row, measure: str, analysis: Json, turned: bool, cell: Callable[[str], Read], draft: Draft
) -> None:
    """Write an estimate with its interval; one that counts control minus treatment is turned."""
    ratio = measure != "MD"
    draft.put("named", row, "diff_measure", measure, cell("paramType"), "parameter of the analysis")
    if ratio or row.get("scale") != "pct_change":
        draft.put("named", row, "scale", "log" if ratio else "raw", cell("paramType"), "scale of the measure")
    two_sided = _bare(_words(analysis, "ciNumSides")) in ("", "TWOSIDED", "2SIDED")
    keys = {"paramValue": "diff_estimate"}
    if two_sided:
        draft.number(row, "diff_ci_level", cell("ciPctValue"), ABSENT)
        keys |= {"ciLowerLimit": "diff_ci_low", "ciUpperLimit": "diff_ci_high"}
    elif cell("ciPctValue").text:
        draft.left_out(cell("ciNumSides"), "a one-sided interval: no column of ours holds it")
    swapped = {"diff_ci_low": "diff_ci_high", "diff_ci_high": "diff_ci_low", "diff_estimate": "diff_estimate"}
    for key, field in keys.items():
        if not turned:
            draft.number(row, field, cell(key), ABSENT)
            continue
        found = draft.cleaned(cell(key), True, ABSENT)
        if found is None or not found.text or (ratio and float(found.text) <= 0):
            continue
        value = float(found.text)
        text = f"{1 / value:.15g}" if ratio else _turned(found.text)
        why = "the analysis counts control first: " + (f"1 / {key}" if ratio else f"minus {key}")
        draft.put("derived", row, swapped[field], text, cell(key), why)
    if not ratio and "STANDARDERROR" in _bare(_words(analysis, "dispersionType")):
        draft.number(row, "diff_se", cell("dispersionValue"), ABSENT)
    _direction(row, measure, cell, draft)


def _turned(text: str) -> str:
    """Return a number with its sign turned and its digits kept."""
    return text[1:] if text.startswith("-") else text if float(text) == 0 else f"-{text.removeprefix('+')}"


def _direction(row: Row, measure: str, cell: Callable[[str], Read], draft: Draft) -> None:
    """Ask where the arm means point the other way than the difference between them."""
    if measure != "MD":
        return
    for stage in ("change", "follow"):
        means = [row.get(f"{stage}_mean_{side}") for side in ("treat", "ctrl")]
        if means[0] and means[1] and row.get("diff_estimate"):
            arms = float(means[0]) - float(means[1])
            if arms * float(row["diff_estimate"]) < 0:
                why = f"the arm means give {arms:.6g}; the order of the groups may be the other way round"
                draft.query(cell("paramValue"), row["extraction_id"], "diff_estimate", row["diff_estimate"], why)
