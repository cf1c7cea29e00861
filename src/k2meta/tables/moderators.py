"""What goes with the size of an effect: one meta-regression per question and characteristic."""

from __future__ import annotations

from collections.abc import Sequence

from k2meta.analysis import Analysis, Moderation
from k2meta.tables.parts import precision, show_count, show_interval, show_p, show_text, show_value
from k2meta.tables.types import Column, Row, TableData
from k2meta.types import Query


def moderators(analyses: Sequence[Analysis], queries: Sequence[Query] = ()) -> TableData:
    """Return one row per question and moderator; one that was not run keeps a row that says why.

    ``slope`` stands in units of the analysis per unit, per doubling (``log2``), or for the second group minus
    the first (``groups``); ratios on the log scale.
    """
    return TableData(
        columns=_COLUMNS,
        rows=tuple(_row(analysis, one) for analysis in analyses for one in analysis.moderation),
        caption="What goes with the size of the effect",
        notes=("Trials were not randomised to these characteristics: a slope is an association between trials.",),
    )


def _row(analysis: Analysis, one: Moderation) -> Row:
    mu = one.slope
    return {
        "analysis": analysis.spec.id,
        "title": analysis.spec.title,
        "measure": analysis.spec.measure,
        "unit": analysis.spec.unit,
        "moderator": one.id,
        "label": one.label,
        "kind": one.kind,
        "groups": " | ".join(one.groups),
        "k": one.k,
        "slope": mu.value if mu else None,
        "precision": precision(analysis, mu.se) if mu else None,
        "se": mu.se if mu else None,
        "low": mu.low if mu else None,
        "high": mu.high if mu else None,
        "level": mu.level if mu else None,
        "df": mu.df if mu else None,
        "p": mu.p if mu else None,
        "exploratory": one.exploratory,
        "not_run": one.not_run,
        "studies": " | ".join(f"{label}: {value}" for label, value in one.values),
    }


_COLUMNS = (
    Column("analysis"),
    Column("title", "Question", show_text("title")),
    Column("measure"),
    Column("unit", "Unit", show_text("unit")),
    Column("moderator"),
    Column("label", "Characteristic", show_text("label")),
    Column("kind"),
    Column("groups"),
    Column("k", "k", show_count("k"), numeric=True),
    Column("slope", "Slope or difference", show_value("slope"), numeric=True),
    Column("se"),
    Column("low"),
    Column("high"),
    Column("interval", "Interval", show_interval("low", "high"), numeric=True, filed=False),
    Column("level"),
    Column("df"),
    Column("p", "p", show_p("p"), numeric=True),
    Column("exploratory"),
    Column("not_run", "Not run", show_text("not_run")),
    Column("studies"),
)
