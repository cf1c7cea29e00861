"""Reporting standards: summary of findings, risk of bias, missing results, flow and checklist, as view models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from k2meta.analysis import Analysis, MissingResults
from k2meta.figures.lights import FILLS
from k2meta.numbers import count, fixed, number_word, places
from k2meta.report import words
from k2meta.report.flow_svg import flow_diagram
from k2meta.report.lights_svg import lights
from k2meta.tables import Column, TableData
from k2meta.tables.missing_results import STATUSES, statuses, study_labels
from k2meta.tables.parts import ABSENT
from k2meta.tables.risk_of_bias import DOMAINS
from k2meta.tables.summary_of_findings import INPUTS, SPREAD


@dataclass(frozen=True, slots=True)
class Standards:
    """What the sections on reporting standards print.

    ``lights`` and ``flow`` are inline drawings, empty where nobody judged or counted. ``matrix`` has one row per
    trial: its label and one status per title of ``asked``. ``bounds`` are title and sentences by question.
    """

    findings: TableData
    inputs: TableData
    rated: int
    bias: TableData
    judged: int
    lights: str
    asked: tuple[str, ...]
    matrix: tuple[tuple[str, ...], ...]
    bounds: tuple[tuple[str, str], ...]
    flow: str
    boxes: tuple[tuple[str, str, str], ...]
    checklist: TableData


def standards(analyses: Sequence[Analysis], tables: Mapping[str, TableData]) -> Standards:
    """Gather the sections on reporting standards from analyses and their tables."""
    found, bias = tables["summary_of_findings"], tables["risk_of_bias"]
    trials = [analysis for analysis in analyses if analysis.spec.source == "trials"]
    flow = analyses[0].judgements.flow if analyses else ()
    return Standards(
        findings=replace(
            with_meaning(found, analyses).hiding(*INPUTS),
            notes=tuple(note for note in found.notes if note != SPREAD),
        ),
        inputs=replace(found.hiding("comparison", "effect", "certainty"), caption=_INPUTS, notes=(SPREAD,)),
        rated=sum(bool(row["certainty_by"]) for row in found.rows),
        bias=bias,
        judged=len({row["study_id"] for row in bias.rows if _lit(row)}),
        lights=_lights(bias),
        asked=tuple(analysis.spec.title for analysis in trials),
        matrix=_matrix(trials),
        bounds=tuple((a.spec.title, said) for a in trials if (said := bound_sentence(a))),
        flow=flow_diagram(flow),
        boxes=tuple(
            (one.text, count(one.n), "; ".join(f"{name} {count(n)}" for name, n in one.parts))
            for one in flow
            if one.n is not None
        ),
        checklist=tables["prisma_checklist"],
    )


_INPUTS = "Inputs for a judgement of imprecision and inconsistency; nothing here is a judgement"


def with_meaning(table: TableData, analyses: Sequence[Analysis]) -> TableData:
    """Return the summary of findings with a last column that says in words what each row means."""
    said = {analysis.spec.id: _meaning(analysis) for analysis in analyses}
    rows = tuple({**row, "meaning": said[str(row["analysis"])]} for row in table.rows)
    column = Column("meaning", "What it means", lambda row: str(row["meaning"]), filed=False)
    return replace(table, columns=(*table.columns, column), rows=rows)


def _meaning(analysis: Analysis) -> str:
    said = words.verdict(analysis)
    return f"{words.first_up(said.word)}. {said.sentence}"


def _lit(row: Mapping[str, object]) -> bool:
    return any(row[name] in FILLS for name in (*DOMAINS, "overall"))


def _lights(table: TableData) -> str:
    heads = (*(name.upper() for name in DOMAINS), "Overall")
    rows = [
        (str(shown[0].text), [str(row[name]) for name in (*DOMAINS, "overall")])
        for row, shown in zip(table.rows, table.shown, strict=True)
        if _lit(row)
    ]
    return lights(heads, rows)


def _matrix(trials: Sequence[Analysis]) -> tuple[tuple[str, ...], ...]:
    known = [statuses(analysis) for analysis in trials]
    return tuple(
        (label, *(STATUSES[found[study]] if study in found else ABSENT for found in known))
        for study, label in study_labels(trials).items()
    )


def bound_sentence(analysis: Analysis) -> str:
    """Say where the missing results would have to lie to change the reading; empty where none is known."""
    found = analysis.missing_results
    if found is None or found.missing == 0:
        return ""
    spec, n = analysis.spec, found.missing
    who = f"{words.first_up(number_word(n))} {words.noun(spec)}{'' if n == 1 else 's'} measured it and "
    who += f"{'gives' if n == 1 else 'give'} the pool no number."
    lead = analysis.fits.get(analysis.lead)
    if found.not_run or lead is None:
        return f"{who} Nothing is pooled yet that {'it' if n == 1 else 'they'} could change."
    return f"{who} {_bound(analysis, found, words.side(spec, lead.mu.low, lead.mu.high) == 'neither')}"


def _bound(analysis: Analysis, found: MissingResults, includes: bool) -> str:
    spec, lead = analysis.spec, analysis.fits[analysis.lead]
    ends = (found.includes_from, found.includes_to, found.value, found.low, found.high, found.se)
    if any(end is None for end in ends):
        return ""
    start, end, value, low, high, se = (end for end in ends if end is not None)
    decimals, nothing = places(spec.measure, lead.mu.se), words.zero(spec)
    scale = " on the log scale" if spec.measure == "LOGRATIO" else ""
    between = words.limits(spec, start, end, decimals).replace(" to ", " and ")
    # A ratio names itself before its number, a difference has its unit after it.
    unitless = spec.measure in words.UNITLESS
    mean, unit = (f"mean {spec.unit or 'ratio'}", "") if unitless else ("mean", f" {spec.unit}".rstrip())
    now = "includes" if includes else "excludes"
    return (
        f"The leading interval now {now} {nothing}. With them, each at the precision of a typical pooled "
        f"{words.noun(spec)} (SE {fixed(se, decimals)}{scale}), it would include {nothing} where their "
        f"{mean} lies between {between}{unit}, and exclude it elsewhere. "
        f"Were their mean {nothing}, the pool would be {words.amount(spec, value, decimals)} "
        f"({words.limits(spec, low, high, decimals)})."
    )
