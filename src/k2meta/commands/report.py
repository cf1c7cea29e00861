"""`k2meta report`: all of it, on one page."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import typer

from k2meta import io
from k2meta.analysis import Analysis
from k2meta.claims import decide, read_claims
from k2meta.commands.options import DRAWINGS, NARROW, RESULTS, Folder, Out, ResultsFolder
from k2meta.config import Config
from k2meta.figures import caption, not_drawn, strip
from k2meta.numbers import TracedCount
from k2meta.report import FigureAsset, ReviewMeta, generated, overclaims, render_html
from k2meta.report.methods_sources import methods_references
from k2meta.report.methods_text import methods_text
from k2meta.tables import build_tables
from k2meta.tables.parts import gate_failures
from k2meta.trace import numbered, numbers, traced

Provenance = Annotated[Path, typer.Option("--provenance", help="Provenance of this build.")]
Figures = Annotated[Path, typer.Option("--figures", help="Folder of the drawn figures.")]
Strict = Annotated[
    bool, typer.Option("--strict", help="Exit with 1 when a sampled fit fails its gate, or the page overclaims.")
]


def report(
    folder: Folder = Path(),
    results: ResultsFolder = RESULTS,
    figures: Figures = Path("reports/figures"),
    provenance: Provenance = Path("reports/provenance.json"),
    out: Out = Path("reports/report.html"),
    strict: Strict = False,
) -> None:
    """Render the report as one HTML file that needs no network."""
    settings = io.read_config(results / "config.json")
    found = io.read_records(results / "records.json")
    analyses = [io.read_analysis(results, spec, settings, found.queries) for spec in settings.analyses]
    asked = {name for spec in settings.analyses for name in spec.outcomes}
    gates = _gates(analyses, settings)
    told = [traced(analysis) for analysis in analyses]
    built = io.read_json(provenance)
    labels = {outcome.id: outcome.label for outcome in found.outcomes}
    page = render_html(
        _meta(settings),
        told,
        _assets(figures, results / DRAWINGS, told, settings),
        build_tables(told, found.queries),
        found.queries,
        found.trials,
        _shown(built),
        io.read_bibliography(folder / "data" / "references.bib"),
        strips={analysis.spec.id: strip(analysis) for analysis in analyses},
        gates=gates,
        outcomes=labels,
        surrogates=[outcome.label for outcome in found.outcomes if outcome.surrogate and outcome.id in asked],
        check_notes=found.notes,
        claims=decide(numbered(read_claims(found.claims), "claims"), told),
        methods=methods_text(numbered(settings, "config"), told, _shown(built)["software"], labels),
        methods_bibliography=methods_references(settings, _methods_bibliography()),
        not_drawn={
            analysis.spec.id: {name: why for name in settings.figures if (why := not_drawn(name, analysis))}
            for analysis in told
        },
    )
    io.write_text(out, page)
    io.write_numbers(out.with_name("numbers.csv"), numbers(page))
    typer.echo(f"report: {out}")
    failures = [f"{name}: {sentence}" for name, said in gates.items() for sentence in said]
    failures += [
        f"the page says more than an interval can carry: {phrase!r}" for phrase in overclaims(generated(page))
    ]
    if strict and failures:
        typer.echo("\n".join(failures), err=True)
        raise typer.Exit(1)


def _methods_bibliography() -> tuple[dict[str, str], ...]:
    with resources.as_file(resources.files("k2meta.report") / "methods.bib") as path:
        return io.read_bibliography(path)


def _meta(settings: Config) -> ReviewMeta:
    review = settings.review
    return ReviewMeta(
        title=review.title,
        version=review.version,
        data_date=review.data_date,
        question_lead=review.question,
        limits=review.limits,
        search_note=review.search,
        authors=review.authors,
        small_k=TracedCount(settings.lead.small_k, "config.lead.small_k"),
        protocol=review.protocol,
        deviations=review.deviations,
        changes=review.changes,
    )


def _gates(analyses: Sequence[Analysis], settings: Config) -> dict[str, tuple[str, ...]]:
    """Return the failures of each sampled fit, by analysis."""
    ids = {model.estimator: model.id for model in settings.models}
    sampled = ids.get("bayes_mcmc", "")
    return {
        analysis.spec.id: gate_failures(analysis, analysis.fits[sampled])
        for analysis in analyses
        if sampled in analysis.fits
    }


def _assets(
    folder: Path, drawings: Path, analyses: Sequence[Analysis], settings: Config
) -> dict[tuple[str, str], FigureAsset]:
    assets = {}
    for analysis in analyses:
        for name in settings.figures:
            stem = folder / f"{analysis.spec.id}_{name}"
            drawing, narrow = drawings / f"{stem.name}.svg", drawings / f"{stem.name}{NARROW}"
            if drawing.exists():
                table = io.read_table(stem.with_suffix(".csv"))
                assets[analysis.spec.id, name] = FigureAsset(
                    svg=io.read_text(drawing),
                    alt=io.read_text(stem.with_suffix(".alt.txt")).strip(),
                    columns=table.columns,
                    rows=tuple(tuple(row.values()) for row in table.rows),
                    caption=caption(name, analysis),
                    file=f"{folder.name}/{stem.name}.csv",
                    narrow=io.read_text(narrow) if narrow.exists() else "",
                )
    return assets


def _shown(provenance: dict[str, Any]) -> dict[str, Any]:
    """Return the part of the provenance that the page prints; the interpreter's version stays in the file."""
    software = {name: version for name, version in provenance["software"].items() if name != "python"}
    inputs = {name: entry["sha256"] for name, entry in provenance["inputs"].items()}
    return {"how to rebuild": provenance["rebuild"], "software": software, "inputs (SHA-256)": inputs}
