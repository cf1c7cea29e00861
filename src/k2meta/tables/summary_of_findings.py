"""Summary of findings: one row per question, with what a person needs to rate its certainty."""

from __future__ import annotations

from collections.abc import Sequence

from k2meta.analysis import Analysis, Line, study_estimate
from k2meta.config import Spec
from k2meta.numbers import count, coverage, displayed, fixed, limits, percent, places
from k2meta.tables.parts import (
    derived,
    number,
    people,
    prediction_columns,
    show_count,
    show_fixed,
    show_text,
    typeset,
    weight_shares,
)
from k2meta.tables.types import Column, Row, TableData, Value
from k2meta.types import CERTAINTY_DOMAINS, Query

NOT_RATED = "not rated"
NOT_POOLED = "not pooled"


def summary_of_findings(analyses: Sequence[Analysis], queries: Sequence[Query] = ()) -> TableData:
    """Return one row per question in the layout of GRADE, certainty as people rated it in data/certainty.csv.

    Raw estimates stand on the scale of the analysis (ratios as natural logs). The last columns are inputs for a
    judgement of imprecision and inconsistency, never a judgement. Everything pooled in a row is of its leading
    model, named in ``method``; I2 is left out where that is Bayesian.
    """
    rows = tuple(_row(analysis) for analysis in analyses)
    ratios = any(analysis.spec.measure == "LOGRATIO" for analysis in analyses)
    return TableData(
        columns=_COLUMNS,
        rows=rows,
        caption="Summary of findings",
        notes=(*((RATIOS,) if ratios else ()), SPREAD),
    )


RATIOS = "A ratio becomes an absolute difference only with a baseline risk, and the data name none."
SPREAD = (
    "Effect, τ and the true effect in a new study are those of the leading model: CI where it is frequentist, CrI "
    "(credible interval) where it is Bayesian, and τ then is a posterior mean. The interval for a new study is of "
    "the same level as that of the effect. I² is the share of τ² in τ² plus the typical sampling variance, in "
    "percent, and is left out where a Bayesian model leads."
)
"""What belongs to which model."""


def _comparison(spec: Spec) -> str:
    if spec.contrast == "active_arm":
        return "the end with the beginning, inside the treated arms"
    better, worse = spec.favours_low, spec.favours_high
    return f"{better} against {worse}" if spec.lower_is_better else f"{worse} against {better}"


def _row(analysis: Analysis) -> Row:
    spec, crowd = analysis.spec, people(analysis.effects)
    share = weight_shares(analysis)
    return {
        "analysis": spec.id,
        "outcome": spec.title,
        "comparison": _comparison(spec),
        "k": analysis.k,
        "people": derived(analysis, "people", crowd.total) if crowd.known else None,
        "people_known_in": crowd.known,
        "measure": spec.measure,
        "unit": spec.unit,
        **_effect(analysis),
        **_rating(analysis),
        "relevance": "; ".join(_against(analysis, line) for line in spec.lines) or "no relevance line is named",
        **_spread(analysis),
        "weight_from_abstracts": derived(analysis, "weight_from.abstracts", share.abstracts)
        if analysis.k
        else None,
        "weight_on_assumptions": derived(analysis, "weight_from.assumed", share.assumed) if analysis.k else None,
        "missing": derived(analysis, "missing.studies", len(analysis.known_missing)),
    }


def _bar(analysis: Analysis) -> tuple[float, float, float, float] | None:
    """Return estimate, limits and standard error that lead the answer; those of the study where there is one."""
    lead = analysis.fits.get(analysis.lead)
    if lead is not None:
        return lead.mu.value, lead.mu.low, lead.mu.high, lead.mu.se
    if analysis.k != 1:
        return None
    alone = study_estimate(analysis.effects[0], analysis.level)
    return alone.value, alone.low, alone.high, alone.se


def _effect(analysis: Analysis) -> dict[str, Value]:
    bar, lead = _bar(analysis), analysis.fits.get(analysis.lead)
    value, low, high, se = bar or (None, None, None, None)
    excludes = None if low is None or high is None else not low <= 0 <= high
    return {
        "estimate": value,
        "low": low,
        "high": high,
        "precision": se,
        "level": lead.mu.level if lead else analysis.level if bar else None,
        "interval_kind": "" if bar is None else "CrI" if lead and lead.posterior is not None else "CI",
        "method": lead.method if lead else "",
        "excludes_zero": excludes,
    }


def _rating(analysis: Analysis) -> dict[str, Value]:
    found = next((r for r in analysis.judgements.certainty if r.analysis == analysis.spec.id), None)
    reasons = {name: found.reasons.get(name, "") if found else "" for name in CERTAINTY_DOMAINS}
    return {
        "certainty": found.certainty.replace("_", " ") if found else NOT_RATED,
        "certainty_by": found.by if found else "",
        "certainty_date": found.date if found else "",
        "certainty_source": found.source if found else "",
        **{f"certainty_{name}": reason for name, reason in reasons.items()},
    }


def _against(analysis: Analysis, line: Line) -> str:
    """Say where the interval lies against a relevance line: a fact for the person who rates imprecision."""
    bar = _bar(analysis)
    kind = "relevance line" if line.kind == "relevance" else "anchor"
    if bar is None:
        return f"{kind} {line.label}: {NOT_POOLED}"
    _, low, high, _ = bar
    where = "crosses"
    if low > line.value or high < line.value:
        beyond = high < line.value if line.value < 0 else low > line.value
        where = "lies wholly beyond" if beyond else "lies wholly short of"
    return f"the interval {where} the {kind} ({line.label})"


def _spread(analysis: Analysis) -> dict[str, Value]:
    lead = analysis.fits.get(analysis.lead)
    ends = lead.prediction if lead is not None else None
    return {
        "tau": lead.tau.value if lead else None,
        "tau2": lead.tau2.value if lead else None,
        "i2": lead.i2 if lead and lead.posterior is None else None,
        "prediction_low": ends.low if ends else None,
        "prediction_high": ends.high if ends else None,
    }


def _participants(row: Row) -> str:
    k, n, known = (number(row, name) for name in ("k", "people", "people_known_in"))
    if not k:
        return "no study"
    studies = f"({count(k)} {'study' if k == 1 else 'studies'})"
    if n is None:
        return f"number not seen {studies}"
    part = "" if known == k else f" in the {count(known or 0)} where it is stated"
    return f"{count(n)}{part} {studies}"


def _written(row: Row) -> str:
    value, low, high, se, level = (number(row, c) for c in ("estimate", "low", "high", "precision", "level"))
    if value is None or low is None or high is None or se is None or level is None:
        return "no usable number"
    measure, decimals = str(row["measure"]), places(str(row["measure"]), se)
    reach = limits(measure, low, high, decimals)
    shown, unit = fixed(displayed(measure, value), decimals), str(row["unit"])
    head = f"{unit or 'ratio'} {shown}" if measure in ("LOGRATIO", "RD") else f"{shown} {unit}".rstrip()
    if row["k"] == 1:
        return f"{head} ({coverage(level)} CI {reach}; {NOT_POOLED})"
    model = str(row["method"]).partition(",")[0]
    return f"{head} ({coverage(level)} {row['interval_kind']} {reach}; {model})"


def _certainty(row: Row) -> str:
    by = ", ".join(str(row[name]) for name in ("certainty_by", "certainty_date") if row[name])
    why = "; ".join(
        f"{name.replace('_', ' ')}: {row[f'certainty_{name}']}"
        for name in CERTAINTY_DOMAINS
        if row[f"certainty_{name}"]
    )
    said = f"{row['certainty']}{f' ({by})' if by else ''}{f'. {why}' if why else ''}"
    # A rating of others is only as good as the place where a reader can look it up.
    source = str(row["certainty_source"])
    return typeset(f"{said}. Printed in: {source}" if source else said)


def _tau(row: Row) -> str:
    tau, se = number(row, "tau"), number(row, "precision")
    return "\N{EN DASH}" if tau is None or se is None else fixed(tau, places(str(row["measure"]), se))


def _share(name: str) -> Column:
    label = {"weight_from_abstracts": "Weight from abstracts", "weight_on_assumptions": "Weight on assumptions"}

    def show(row: Row) -> str:
        value = number(row, name)
        return "\N{EN DASH}" if value is None else percent(value)

    return Column(name, label[name], show, numeric=True)


_COLUMNS = (
    Column("analysis"),
    Column("outcome", "Outcome", show_text("outcome")),
    Column("comparison", "What was compared", show_text("comparison")),
    Column("k"),
    Column("people"),
    Column("people_known_in"),
    Column("participants", "Participants (studies)", _participants, filed=False),
    Column("measure"),
    Column("unit"),
    Column("estimate"),
    Column("low"),
    Column("high"),
    Column("level"),
    Column("interval_kind"),
    Column("effect", "Effect", _written, filed=False),
    Column("excludes_zero"),
    Column("certainty", "Certainty", _certainty),
    *(Column(f"certainty_{name}") for name in ("by", "date", "source", *CERTAINTY_DOMAINS)),
    Column("method", "Leading model", lambda row: typeset(str(row["method"])) or NOT_POOLED),
    Column("relevance", "Interval against the relevance line", show_text("relevance")),
    Column("tau2"),
    Column("tau", "\N{GREEK SMALL LETTER TAU}", _tau, numeric=True),
    Column("i2", "I\N{SUPERSCRIPT TWO}, %", show_fixed("i2", 0), numeric=True),
    *prediction_columns("Effect in a new study"),
    _share("weight_from_abstracts"),
    _share("weight_on_assumptions"),
    Column("missing", "Known missing", show_count("missing"), numeric=True),
)

INPUTS = (
    "method",
    "relevance",
    "tau",
    "i2",
    "prediction",
    "weight_from_abstracts",
    "weight_on_assumptions",
    "missing",
)
"""Columns that are inputs for a judgement of certainty."""
