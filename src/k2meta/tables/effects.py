"""One row per study and question: which number, by which route, on which assumptions, from where."""

from __future__ import annotations

from collections.abc import Sequence

from k2meta.analysis import Analysis, study_estimate
from k2meta.numbers import beside, coverage, fixed, of
from k2meta.tables.parts import (
    ABSENT,
    MARKS,
    TIERS,
    headed,
    link,
    marks,
    number,
    precision,
    scale,
    show_count,
    show_interval,
    show_text,
    show_value,
    typeset,
    weights,
)
from k2meta.tables.types import Column, Row, Shown, TableData
from k2meta.types import Effect, Query


def effects(analyses: Sequence[Analysis], queries: Sequence[Query] = ()) -> TableData:
    """Return every effect with its derivation; ``low`` and ``high`` are the normal interval of its ``level``."""
    rows = [
        _row(analysis, effect, weight)
        for analysis in analyses
        for effect, weight in zip(analysis.effects, weights(analysis), strict=True)
    ]
    # One level for all questions: it is a setting.
    head = f"{coverage(analyses[0].level)} CI" if analyses else "CI"
    return TableData(
        columns=headed(_COLUMNS, "interval", head),
        rows=tuple(rows),
        caption="How each effect was derived",
        notes=("; ".join(f"{letter} {words}" for letter, words in MARKS.items()) + ".",),
    )


def _row(analysis: Analysis, effect: Effect, weight: float) -> Row:
    alone = study_estimate(effect, analysis.level)
    return {
        "analysis": analysis.spec.id,
        "study_id": effect.study_id,
        "label": effect.label,
        "outcome": effect.outcome,
        "measure": effect.measure,
        "unit": analysis.spec.unit,
        "scale": scale(analysis.spec),
        "yi": effect.yi,
        "vi": effect.vi,
        "se": alone.se,
        "precision": precision(analysis, alone.se),
        "low": alone.low,
        "high": alone.high,
        "level": alone.level,
        "weight": weight if analysis.fits else None,
        "n_treat": effect.n_treat,
        "n_ctrl": effect.n_ctrl,
        "people": None if effect.people is None else beside(effect.yi, "people", effect.people),
        "randomised": effect.randomised,
        "subset": effect.subset,
        "months": effect.months,
        "intervention": effect.intervention,
        "population": effect.population,
        "route": effect.route,
        "derivation": "; ".join(effect.derivation),
        "assumed": effect.assumed,
        "assumptions": "; ".join(effect.assumptions),
        "marks": marks(effect),
        "extraction_id": effect.extraction_id,
        "reference": effect.reference,
        "source_tier": effect.source_tier,
        "source_locator": effect.source_locator,
        "source_url": effect.source_url,
    }


def _study(row: Row) -> Shown:
    locator = str(row["source_locator"])
    return Shown(str(row["label"]), link(str(row["source_url"])), locator, str(row["marks"]))


def _source(row: Row) -> str:
    tier = TIERS.get(str(row["source_tier"]), str(row["source_tier"]))
    locator = str(row["source_locator"])
    return f"{locator} ({tier})" if locator else tier


def _assumptions(row: Row) -> str:
    return typeset(str(row["assumptions"])) or "none"


def _weight(row: Row) -> str:
    weight = number(row, "weight")
    return ABSENT if weight is None else fixed(of(weight, 100 * weight), 0)


_COLUMNS = (
    Column("analysis", "Question", show_text("analysis")),
    Column("study_id"),
    Column("label", "Study", _study),
    Column("outcome"),
    Column("measure"),
    Column("unit"),
    Column("scale"),
    Column("n_treat", "n, treated", show_count("n_treat"), numeric=True),
    Column("n_ctrl", "n, control", show_count("n_ctrl"), numeric=True),
    Column("people", "n, all", show_count("people"), numeric=True),
    Column("randomised"),
    Column("subset"),
    Column("yi", "Effect", show_value("yi"), numeric=True),
    Column("vi"),
    Column("se"),
    Column("low"),
    Column("high"),
    Column("level"),
    Column("interval", "CI", show_interval("low", "high"), numeric=True, filed=False),
    Column("weight", "Weight, %", _weight, numeric=True),
    Column("months"),
    Column("intervention"),
    Column("population"),
    Column("route"),
    Column("derivation", "From the printed cells", show_text("derivation")),
    Column("assumed"),
    Column("assumptions", "Assumed", _assumptions),
    Column("marks"),
    Column("extraction_id"),
    Column("reference"),
    Column("source_tier"),
    Column("source_locator", "Where it is printed", _source),
    Column("source_url"),
)
