"""Review Manager 5 files (``.rm5``): every result of every analysis, its stored numbers derived again.

Group 1 is the treatment. Means and counts are read as entered; ``EFFECT_SIZE``, ``CI_START`` and ``CI_END`` are
Review Manager's own results on the displayed scale, so they are compared, not copied; so are the pooled results of
analyses and subgroups. Of an inverse-variance row
``ESTIMATE`` and ``SE`` are logarithms where the measure is a ratio. Stored ``LOG_…`` attributes are decimal
logarithms and are not read.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from k2meta.intake.draft import Draft, Row
from k2meta.intake.oracle import RATIOS, agrees, limits, measure_of, rederived
from k2meta.intake.pooled_oracle import METHODS, MODELS, Method, Studies, bare, compare
from k2meta.intake.types import Intake, Options, Read, Source
from k2meta.intake.xml_reader import Element, parse
from k2meta.types import Problem

DATA = {"DICH_DATA", "CONT_DATA", "IV_DATA", "IPD_DATA"}
OUTCOMES = {"DICH_OUTCOME", "CONT_OUTCOME", "IV_OUTCOME", "IPD_OUTCOME"}
STORED = {"EFFECT_SIZE": "estimate", "CI_START": "low", "CI_END": "high"}
POOLED = {**STORED, "TAU2": "tau2", "CHI2": "q", "I2": "i2", "Z": "z"}
ARMS = ("m1", "sd1", "n1", "m2", "sd2", "n2")
COUNTS = ("e1", "n1", "e2", "n2")


def read(sources: Sequence[Source], options: Options) -> Intake:
    """Read Review Manager 5 files.

    Raises
    ------
    ProjectError
        With every problem of every file; a DOCTYPE is always refused.
    """
    draft = Draft(options)
    for source in sources:
        root = parse(source)
        if root.name != "COCHRANE_REVIEW":
            fix = "name a Review Manager 5 file, whose root element is COCHRANE_REVIEW"
            draft.problems.append(Problem(source.name, f"the root element is {root.name}", fix, root.line))
            continue
        names = {one.attributes.get("ID", ""): one for one in root.walk() if one.name == "STUDY"}
        for comparison in (one for one in root.walk() if one.name == "COMPARISON"):
            for outcome in (one for one in comparison.walk() if one.name.endswith("_OUTCOME")):
                _outcome(source.name, comparison, outcome, names, draft)
        if not draft.rows["extractions"] and not draft.problems:
            fix = "only files with analyses can be imported"
            draft.problems.append(Problem(source.name, "holds no analysis with study data", fix))
    return draft.finish()


def decoded(identifier: str) -> str:
    """Return an identifier without the escapes of XML names: ``STD-ISIS_x002d_2`` is ``STD-ISIS-2``."""
    return re.sub(r"_x([0-9a-fA-F]{4})_", lambda match: chr(int(match.group(1), 16)), identifier)


def _outcome(file: str, comparison: Element, outcome: Element, names: dict[str, Element], draft: Draft) -> None:
    """Read one analysis."""
    label = outcome.words("NAME")
    place = Read(file, outcome.line, "NAME", label)
    if outcome.name not in OUTCOMES:
        draft.left_out(place, "an analysis without numbers")
        return
    words = outcome.attributes.get("EFFECT_MEASURE") or outcome.words("EFFECT_MEASURE")
    measure = measure_of(words)
    rows = [(group, one) for group in (outcome, *outcome.children) for one in group.children if one.name in DATA]
    if not rows:
        draft.left_out(place, "an analysis without studies")
        return
    if not measure:
        fix = "export the analysis with one of the measures of Review Manager"
        draft.problems.append(
            Problem(file, f'the effect measure "{words}" is not known', fix, outcome.line, "EFFECT_MEASURE")
        )
        return
    several = _several([one for _, one in rows])
    identifier = draft.outcome(place)
    comparisons = comparison.words("NAME")
    studies: dict[int, Studies] = {id(group): Studies() for group, _ in rows}
    for group, one in rows:
        study = names.get(one.attributes.get("STUDY_ID", ""))
        trial = _trial(file, one, study, draft)
        locator = Read(file, one.line, f", comparison {comparison.attributes.get('NO', '')} ({comparisons})", "")
        row = draft.extraction(trial, identifier, locator, "imported: Review Manager 5 file")
        if group is not outcome:
            name = Read(file, group.line, "NAME", group.words("NAME"))
            draft.text("extractions", row, "analysis_set", name)
            if one.attributes.get("STUDY_ID") in several:
                draft.put("named", row, "role", "subgroup", name, "the study stands in several subgroups")
        _numbers(file, outcome, one, measure, row, draft, studies[id(group)])
    _pools(file, outcome, measure, identifier, studies, draft)


def _pools(
    file: str, outcome: Element, measure: str, identifier: str, studies: Mapping[int, Studies], draft: Draft
) -> None:
    """Compare the stored results of an analysis and of its subgroups with those of its own studies."""
    given = outcome.attributes
    level = _level(outcome, "CI_TOTAL")
    random = MODELS.get(bare(given.get("RANDOM", "")))
    method = Method(measure, METHODS.get(bare(given.get("METHOD", "")), ""), random, level=level)
    whole = Studies([row for part in studies.values() for row in part.rows])
    whole.unread = next((part.unread for part in studies.values() if part.unread), "")
    if given.get("SWAP_EVENTS") == "YES":
        whole.unread = "the analysis swaps events and non-events"
    totals = given.get("TOTALS", "YES")
    subgroups = [group for group in outcome.children if id(group) in studies]
    for group in (outcome, *subgroups):
        # Without totals the file stores zeros.
        hidden = totals == "NO" or (totals == "SUB" and group is outcome)
        if hidden or group.attributes.get("ESTIMABLE") == "NO":
            continue
        stored = {
            part: Read(file, group.line, name, group.attributes.get(name, "")) for name, part in POOLED.items()
        }
        if "CHI2" not in group.attributes and group is outcome and not subgroups:
            # Beside CHI2, and with subgroups, Q is the test between the subgroups.
            stored["q"] = Read(file, group.line, "Q", group.attributes.get("Q", ""))
        own = whole if group is outcome else Studies(studies[id(group)].rows, whole.unread)
        label = outcome.words("NAME") if group is outcome else f"{outcome.words('NAME')}, {group.words('NAME')}"
        compare(stored, method, own, identifier, label, draft)


def _several(rows: Sequence[Element]) -> set[str]:
    """Return the studies that stand in an analysis more than once."""
    ids = Counter(row.attributes.get("STUDY_ID", "") for row in rows)
    return {one for one, times in ids.items() if times > 1}


def _trial(file: str, one: Element, study: Element | None, draft: Draft) -> str:
    identifier = one.attributes.get("STUDY_ID", "")
    if study is None:
        label = decoded(identifier).removeprefix("STD-").replace("-", " ")
        return draft.trial(Read(file, one.line, "STUDY_ID", label))
    label = study.attributes.get("NAME") or decoded(identifier).removeprefix("STD-").replace("-", " ")
    year = Read(file, study.line, "YEAR", study.attributes.get("YEAR", ""))
    return draft.trial(
        Read(file, study.line, "NAME", label), year if re.fullmatch("[0-9]{4}", year.text) else None
    )


def _numbers(
    file: str, outcome: Element, one: Element, measure: str, row: Row, draft: Draft, studies: Studies
) -> None:
    """Write the numbers of one study, compare the stored result, and keep what the pooled result is made of."""

    def cell(name: str) -> Read:
        return Read(file, one.line, name, one.attributes.get(name, ""))

    def number(field: str, name: str) -> float | None:
        return draft.number(row, field, cell(name))

    level = _level(outcome)
    if one.name == "CONT_DATA":
        stage = draft.stage(cell("MEAN_1"), outcome.words("NAME"))
        cells = {
            "m1": number(f"{stage}_mean_treat", "MEAN_1"),
            "sd1": number(f"{stage}_sd_treat", "SD_1"),
            "n1": number("n_treat", "TOTAL_1"),
            "m2": number(f"{stage}_mean_ctrl", "MEAN_2"),
            "sd2": number(f"{stage}_sd_ctrl", "SD_2"),
            "n2": number("n_ctrl", "TOTAL_2"),
        }
        draft.put("named", row, "scale", "raw", cell("MEAN_1"), "means of the arms")
        studies.add(_known(cells), ARMS)
        _compare(one, rederived(measure, _known(cells), level), cell, row, draft)
    elif one.name == "DICH_DATA":
        cells = {
            "e1": number("events_treat", "EVENTS_1"),
            "n1": number("total_treat", "TOTAL_1"),
            "e2": number("events_ctrl", "EVENTS_2"),
            "n2": number("total_ctrl", "TOTAL_2"),
        }
        studies.add(_known(cells), COUNTS)
        if outcome.attributes.get("SWAP_EVENTS") == "YES":
            what = "the analysis swaps events and non-events"
            draft.query(cell("EVENTS_1"), row["extraction_id"], "events_treat", row.get("events_treat", ""), what)
        else:
            _compare(one, rederived(measure, _known(cells), level), cell, row, draft)
    elif one.name == "IV_DATA":
        found = _inverse_variance(one, measure, level, cell, row, draft)
        if one.attributes.get("ESTIMABLE") != "NO":
            studies.add(found, ("yi", "se"))
    else:
        studies.unread = "observed minus expected events are not read"
        draft.left_out(cell("O_E"), "observed minus expected events: no column of ours holds them")
        draft.put("named", row, "role", "text_only", cell("O_E"), "no poolable number is held")


def _known(cells: dict[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in cells.items() if value is not None}


def _level(outcome: Element, name: str = "CI_STUDY") -> float:
    """Return the level of the intervals of the studies (``CI_TOTAL``: of the pooled results), in percent."""
    text = outcome.attributes.get(name, "95")
    return float(text) if re.fullmatch(r"[0-9]{2}(\.[0-9]+)?", text) else 95.0


def _inverse_variance(
    one: Element, measure: str, level: float, cell: Callable[[str], Read], row: Row, draft: Draft
) -> dict[str, float]:
    """Write an estimate (a logarithm as the ratio) with its SE; return both on the scale of the model."""
    for total, field in (("TOTAL_1", "n_treat"), ("TOTAL_2", "n_ctrl")):
        # An inverse-variance analysis without arm sizes stores zeros.
        if one.attributes.get(total, "0").strip() not in ("", "0"):
            draft.number(row, field, cell(total))
    name = "ESTIMATE" if "ESTIMATE" in one.attributes else "EFFECT_SIZE"
    logarithm = measure in (*RATIOS, "IRR")
    if measure not in ("MD", "SMD", "RR", "OR", "HR", "ROM"):
        draft.left_out(cell(name), f"no column of ours holds the measure {measure}")
        return {}
    draft.put("named", row, "diff_measure", measure, cell(name), "effect measure of the analysis")
    draft.put("named", row, "scale", "log" if logarithm else "raw", cell(name), "scale of the measure")
    se = draft.number(row, "diff_se", cell("SE"))
    read = cell(name)
    if logarithm and name == "ESTIMATE":
        cleaned = draft.cleaned(read, True)
        if cleaned is None or not cleaned.text or abs(float(cleaned.text)) > 700:
            return {}
        value = float(cleaned.text)
        text = f"{math.exp(value):.15g}"
        draft.put("derived", row, "diff_estimate", text, read, "ESTIMATE is a logarithm: ratio = exp(ESTIMATE)")
    else:
        found = draft.number(row, "diff_estimate", read)
        if found is None:
            return {}
        value = math.log(found) if logarithm and found > 0 else found
    if se is None:
        return {}
    _compare(one, limits(value, se, level, logarithm), cell, row, draft)
    return {"yi": value, "se": se} if se > 0 else {}


def _compare(one: Element, ours: dict[str, float], cell: Callable[[str], Read], row: Row, draft: Draft) -> None:
    """Compare the stored result of a study with ours; a difference is a query, and nothing is changed for it."""
    if one.attributes.get("ESTIMABLE") == "NO" or not ours:
        return
    for name, part in STORED.items():
        read = cell(name)
        if read.text and not agrees(read.text, ours[part]):
            why = f"the file stores {read.text}; its own numbers give {ours[part]:.6g}"
            draft.query(read, row["extraction_id"], part, f"{ours[part]:.15g}", why)
