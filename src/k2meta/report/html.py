"""The report as one HTML file: no script, no request, no clock."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from k2meta.analysis import Analysis
from k2meta.report import words
from k2meta.report.cards import Question, query_notes, question, trial_rows
from k2meta.report.methods import fitted_models, priors, read_as, relevance_lines
from k2meta.report.svg import plain_shapes
from k2meta.report.types import FigureAsset, ReviewMeta
from k2meta.tables import TableData
from k2meta.tables.parts import MARKS, link, text
from k2meta.types import Cell, Query

if TYPE_CHECKING:
    from jinja2 import Environment

SECTIONS: dict[str, str] = {
    "answer": "The answer",
    "trials": "Which trials, which results",
    "queries": "Data queries",
    "questions": "Question by question",
    "cohorts": "Cohorts, apart",
    "limits": "What this review is not",
    "methods": "Methods",
    "provenance": "Provenance and references",
}
"""Sections of the page in order: anchor and heading."""


BESIDE = 6
"""Up to this many missing results stand in the margin of their pool; more stand below it."""


def render_html(
    review: ReviewMeta,
    analyses: Sequence[Analysis],
    figures: Mapping[tuple[str, str], FigureAsset],
    tables: Mapping[str, TableData],
    queries: Sequence[Query],
    trials: Sequence[Mapping[str, Cell]],
    provenance: Mapping[str, Any],
    bibliography: Sequence[Mapping[str, str]],
    *,
    strips: Mapping[str, str] | None = None,
    gates: Mapping[str, tuple[str, ...]] | None = None,
    outcomes: Mapping[str, str] | None = None,
    not_drawn: Mapping[str, Mapping[str, str]] | None = None,
) -> str:
    """Render the whole report.

    Parameters
    ----------
    figures : mapping
        By (analysis id, figure id); used are ``forest``, ``prior_posterior`` and those of ``FURTHER_NAMES``.
    tables : mapping
        What ``k2meta.tables.build_tables`` returns.
    provenance : mapping
        Heading to text, to a sequence of lines (printed as commands), or to a mapping of names to text;
        a deeper mapping is printed as the settings it holds.
    bibliography : sequence of mapping
        ``key``, ``text`` or any of ``author``, ``title``, ``year``, ``note``; ``doi`` or ``url``.
    strips : mapping, optional
        Analysis id to the inline SVG of its card; plain shapes only.
    gates : mapping, optional
        Analysis id to the failures of the sampler's diagnostics gate, empty where it passed.
    outcomes : mapping, optional
        Outcome id to the label people read.
    not_drawn : mapping, optional
        Analysis id to the reasons why figures are not drawn, by the id of the figure.

    Returns
    -------
    str
        One HTML file, the same for the same input.

    Raises
    ------
    UnsafeDrawingError
        When a strip holds anything but plain shapes.
    jinja2.UndefinedError
        When a template asks for something that is not there.
    """
    reasons = not_drawn or {}
    questions = tuple(
        _question(a, figures, tables, strips or {}, gates or {}, outcomes or {}, reasons.get(a.spec.id, {}))
        for a in analyses
    )
    page = {
        "review": review,
        "sections": {name: (i, label) for i, (name, label) in enumerate(SECTIONS.items(), start=1)},
        "headline": tuple(q for q in questions if q.card.headline),
        "others": tuple(q for q in questions if not q.card.headline),
        "of_trials": tuple(q for q in questions if not q.card.label),
        "of_cohorts": tuple(q for q in questions if q.card.label),
        "trials": trial_rows(trials, analyses),
        "open_queries": query_notes([q for q in queries if q.status == "open"]),
        "decided_queries": query_notes([q for q in queries if q.status != "open"]),
        "beside": BESIDE,
        "counts": _counts(queries),
        "read_as": read_as(analyses),
        "surrogates": tuple(dict.fromkeys(a.spec.caveat for a in analyses if a.spec.caveat)),
        "models": fitted_models(analyses),
        "priors": priors(analyses),
        "lines": relevance_lines(analyses),
        "provenance": tuple(_block(name, value) for name, value in provenance.items()),
        "bibliography": tuple(_reference(entry) for entry in bibliography),
        "marks": MARKS,
    }
    return _environment().get_template("report.html.j2").render(page)


def _question(
    analysis: Analysis,
    figures: Mapping[tuple[str, str], FigureAsset],
    tables: Mapping[str, TableData],
    strips: Mapping[str, str],
    gates: Mapping[str, tuple[str, ...]],
    outcomes: Mapping[str, str],
    not_drawn: Mapping[str, str],
) -> Question:
    from markupsafe import Markup

    name = analysis.spec.id
    # The one place where text enters the page unescaped, hence the check that it draws plain shapes only.
    strip = Markup(plain_shapes(strips[name])) if strips.get(name) else ""
    return question(analysis, strip, figures, tables, outcomes, gates.get(name), not_drawn)


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("k2meta.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.finalize = _tie
    environment.filters["first_up"] = words.first_up
    return environment


def _tie(value: object) -> object:
    """Keep a number on one line with its per cent sign, and a p value with its letter."""
    if type(value) is str:
        value = re.sub(r"(\d) %", "\\1\N{NO-BREAK SPACE}%", value)
        value = re.sub(r"\bp ([=<>]) (\d)", "p\N{NO-BREAK SPACE}\\1\N{NO-BREAK SPACE}\\2", value)
    return value


def _counts(queries: Sequence[Query]) -> dict[str, int]:
    open_ones = sum(query.status == "open" for query in queries)
    return {"found": len(queries), "open": open_ones, "decided": len(queries) - open_ones}


def _block(name: str, value: object) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """Return heading, kind (pairs, lines, text or settings) and the written rows of one part of the provenance."""
    heading = words.first_up(name.replace("_", " "))
    if isinstance(value, Mapping):
        if all(_is_flat(cell) for cell in value.values()):
            return heading, "pairs", tuple((str(key), _flat(cell)) for key, cell in value.items())
        return heading, "settings", (("", json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False)),)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return heading, "lines", tuple(("", str(line)) for line in value)
    return heading, "text", (("", str(value)),)


def _is_flat(cell: object) -> bool:
    cells = cell.values() if isinstance(cell, Mapping) else (cell,)
    return all(isinstance(c, str | int | float) for c in cells)


def _flat(cell: object) -> str:
    return ", ".join(f"{k} {v}" for k, v in cell.items()) if isinstance(cell, Mapping) else str(cell)


def _reference(entry: Mapping[str, str]) -> tuple[str, str, str]:
    parts = (entry.get("author", ""), entry.get("title", ""), text(entry.get("year", "")), entry.get("note", ""))
    written = entry.get("text") or ". ".join(p.rstrip(".") for p in parts if p and p != "\N{EN DASH}") + "."
    href = f"https://doi.org/{entry['doi']}" if entry.get("doi") else link(entry.get("url", ""))
    return entry.get("key", ""), written, href
