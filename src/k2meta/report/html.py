"""The report as one HTML file: no request, no clock, and one small script that it reads well without."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import sha256
from importlib import resources
from typing import TYPE_CHECKING, Any

from k2meta.analysis import Analysis
from k2meta.claims import Decided
from k2meta.figures.font import subset
from k2meta.figures.text import Weight
from k2meta.numbers import CITED, Traced, TracedCount, count, plain
from k2meta.report import words
from k2meta.report.cards import ASSOCIATION, Question, query_notes, question, trial_rows
from k2meta.report.claims import claims_page
from k2meta.report.methods import fitted_models, priors, read_as, relevance_lines
from k2meta.report.methods_text import anchor
from k2meta.report.standards import standards
from k2meta.report.svg import letters, plain_shapes
from k2meta.report.types import FigureAsset, ReviewMeta
from k2meta.tables import TableData
from k2meta.tables.parts import MARKS, link, text, typeset
from k2meta.trace import Number, chain, numbers
from k2meta.types import Cell, CheckNote, Query

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

SECTIONS: dict[str, str] = {
    "answer": "The answer",
    "findings": "Summary of findings",
    "trials": "Which trials, which results",
    "missing": "Known missing results",
    "queries": "Data queries",
    "questions": "Question by question",
    "cohorts": "Cohorts, apart",
    "claims": "Popular claims against the evidence",
    "bias": "Risk of bias",
    "flow": "How the trials were found",
    "prisma": "PRISMA 2020 checklist",
    "limits": "What this review is not",
    "methods": "Methods",
    "numbers": "Where each number comes from",
    "provenance": "Provenance and references",
}
"""Sections of the page in order: anchor and heading; those of cohorts and claims only where there are any."""

_TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)

LONG = 20
"""A word of more letters is a hash, an address or an id, and may be broken anywhere; no word of a language is."""

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
    surrogates: Sequence[str] = (),
    check_notes: Sequence[CheckNote] = (),
    claims: Sequence[Decided] = (),
    methods: Sequence[tuple[str, tuple[str, ...]]] = (),
    methods_bibliography: Sequence[Mapping[str, str]] = (),
    not_drawn: Mapping[str, Mapping[str, str]] | None = None,
) -> str:
    """Render the whole report.

    Parameters
    ----------
    figures : mapping
        By (analysis id, figure id); figure ids are the keys of ``k2meta.figures.FIGURES``.
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
    surrogates : sequence of str, optional
        Labels of the outcomes in question that the outcome dictionary calls surrogates.
    check_notes : sequence of CheckNote, optional
        What the data checks looked at or could not look at.
    claims : sequence of Decided, optional
        Popular claims with their verdicts; without one their section is absent.
    methods : sequence of (str, tuple of str), optional
        Headings and paragraphs of the methods section (`k2meta.report.methods_text`).
    methods_bibliography : sequence of mapping, optional
        Papers behind the methods (`k2meta.report.methods_sources`), as ``bibliography`` has them.
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
    from markupsafe import Markup

    reasons = not_drawn or {}
    questions = tuple(
        _question(a, figures, tables, strips or {}, gates or {}, outcomes or {}, reasons.get(a.spec.id, {}))
        for a in analyses
    )
    of_cohorts = tuple(q for q in questions if q.card.label == ASSOCIATION)
    asked = {"claims": bool(claims), "cohorts": bool(of_cohorts)}
    shown = [name for name in SECTIONS if asked.get(name, True)]
    kept = standards(analyses, tables)
    page = {
        "standards": kept,
        "lights": Markup(plain_shapes(kept.lights)) if kept.lights else "",
        "flow": Markup(plain_shapes(kept.flow)) if kept.flow else "",
        "review": review,
        "sections": {name: (i, SECTIONS[name]) for i, name in enumerate(shown, start=1)},
        "claims": claims_page(claims, analyses),
        "methods": methods,
        "methods_bibliography": tuple(_reference(entry) for entry in methods_bibliography),
        "headline": tuple(q for q in questions if q.card.headline),
        "others": tuple(q for q in questions if not q.card.headline),
        "of_trials": tuple(q for q in questions if q.card.label != ASSOCIATION),
        "of_cohorts": of_cohorts,
        "trials": trial_rows(trials, analyses),
        "open_queries": query_notes([q for q in queries if q.status == "open"]),
        "decided_queries": query_notes([q for q in queries if q.status != "open"]),
        "beside": BESIDE,
        "counts": _counts(queries),
        "check_notes": tuple(note.said for note in check_notes),
        "read_as": read_as(analyses),
        "surrogates": tuple(surrogates),
        "caveats": tuple(dict.fromkeys(a.spec.caveat for a in analyses if a.spec.caveat)),
        "models": fitted_models(analyses),
        "priors": priors(analyses),
        "lines": relevance_lines(analyses),
        "sources": partial(_sources, analyses),
        "provenance": tuple(_block(name, value) for name, value in provenance.items()),
        "bibliography": tuple(_reference(entry) for entry in bibliography),
        "marks": MARKS,
        **_script(),
        "faces": _faces(figures),
        "between": words.BETWEEN,
    }
    return _environment().get_template("report.html.j2").render(page)


def _script() -> dict[str, object]:
    """Return the script of the page, and the hash by which its policy lets this script run and no other."""
    from markupsafe import Markup

    source = resources.files("k2meta.report").joinpath("templates/script.js").read_text("utf-8")
    digest = b64encode(sha256(source.encode()).digest()).decode()
    return {"script": Markup(source), "script_hash": f"sha256-{digest}"}


def _faces(figures: Mapping[tuple[str, str], FigureAsset]) -> tuple[tuple[Weight, str], ...]:
    """Return the font of the figures by weight, cut down to what they write: all of them share it."""
    used = letters(svg for asset in figures.values() for svg in (asset.svg, asset.narrow) if svg)
    return tuple((weight, b64encode(subset(text, weight)).decode()) for weight, text in used.items())


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
    # Drawings are the only text that enters the page unescaped, hence the check that it draws plain shapes only.
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
    environment.finalize = _written
    environment.filters["anchor"] = anchor
    environment.filters["first_up"] = words.first_up
    environment.filters["plain"] = plain
    environment.filters["tally"] = tally
    environment.filters["has_long_word"] = has_long_word
    return environment


def _written(value: object) -> object:
    """Keep a number on one line with its per cent sign and a p value with its letter; say which field it is."""
    if isinstance(value, Traced | TracedCount):
        value = count(value)
    if type(value) is not str:
        return value
    value = re.sub(r"(\d) %", "\\1\N{NO-BREAK SPACE}%", value)
    value = re.sub(r"\bp ([=<>]) (?=[\d\ue000])", "p\N{NO-BREAK SPACE}\\1\N{NO-BREAK SPACE}", value)
    return _cited(value) if CITED.search(value) else value


def has_long_word(said: object) -> bool:
    """Return whether a cell holds a word that no column of a printed table can be as wide as."""
    return any(len(word) > LONG for word in re.split(r"[\s/-]+", plain(str(said))))


def tally(things: Sequence[object] | int, name: str) -> TracedCount:
    """Return how many things are listed, as a number with an id of its own."""
    found = things if isinstance(things, int) else len(things)
    return TracedCount(found, re.sub(r"[^A-Za-z0-9_.:-]+", "_", name))


def _cited(sentence: str) -> Markup:
    """Turn the marks of cited numbers into elements that carry the id and the full value of their field."""
    from markupsafe import Markup

    parts, end = [Markup()], 0
    for found in CITED.finditer(sentence):
        field, raw, written = found.groups()
        number = Markup('<data value="{}" data-from="{}">{}</data>').format(raw, field, written)
        parts += [Markup.escape(sentence[end : found.start()]), number]
        end = found.end()
    return Markup().join([*parts, Markup.escape(sentence[end:])])


def _sources(analyses: Sequence[Analysis], body: str) -> tuple[tuple[str, str, tuple[tuple[str, ...], ...]], ...]:
    """Return, by question, each number of the sentences: written, full value, id, and what made it.

    The cells of tables stand at full precision in the files of the tables, so they are not repeated here.
    """
    found = numbers(_TABLE.sub("", body))
    return tuple(
        (analysis.spec.id, analysis.spec.title, rows)
        for analysis in analyses
        if (rows := tuple(_source(n, analyses) for n in found if n.id.startswith(f"{analysis.spec.id}.")))
    )


def _source(number: Number, analyses: Sequence[Analysis]) -> tuple[str, ...]:
    made = chain(number.id, analyses)
    return ", ".join(number.written), typeset(repr(number.value)), number.id, typeset(made.made_by)


def _counts(queries: Sequence[Query]) -> dict[str, int]:
    open_ones = sum(query.status == "open" for query in queries)
    found = {"found": len(queries), "open": open_ones, "decided": len(queries) - open_ones}
    return {name: TracedCount(n, f"queries.{name}") for name, n in found.items()}


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
    year = text(entry.get("year", ""))
    parts = (entry.get("author", ""), entry.get("title", ""), _printed_in(entry, year), entry.get("note", ""))
    written = entry.get("text") or ". ".join(p.rstrip(".") for p in parts if p and p != "\N{EN DASH}") + "."
    href = f"https://doi.org/{entry['doi']}" if entry.get("doi") else link(entry.get("url", ""))
    return entry.get("key", ""), written, href


def _printed_in(entry: Mapping[str, str], year: str) -> str:
    """Write the journal with year, volume and pages, as far as the entry has them."""
    volume = entry.get("volume", "")
    if volume and entry.get("number"):
        volume += f"({entry['number']})"
    place = ":".join(filter(None, (volume, entry.get("pages", ""))))
    return "; ".join(filter(None, (" ".join(filter(None, (entry.get("journal", ""), year))), place)))
