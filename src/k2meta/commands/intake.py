"""`k2meta import` and `k2meta export`: other people's formats to our tables, and back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from k2meta import io
from k2meta.types import Problem, ProjectError

if TYPE_CHECKING:
    from k2meta.config import Config
    from k2meta.intake import Intake, Pool

LOG = "import-log.csv"
STAGES = ("follow", "change")


class NamesItsFormats(TyperCommand):
    """A command whose help names the formats and spellings that are registered, looked up when it is printed."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        from k2meta.intake import ACCEPT, EXPORTERS, IMPORTERS

        formats = IMPORTERS if self.name == "import" else EXPORTERS
        spellings = "; ".join(f"{name} ({words})" for name, words in ACCEPT.items())
        named = {"format": f"One of {', '.join(formats)}.", "accept": f"Repeatable: {spellings}."}
        params: list[Any] = [*self.params]
        for param in params:
            if param.name in named:
                param.help = f"{param.help} {named[param.name]}"
        super().format_help(ctx, formatter)


def import_files(
    format: Annotated[str, typer.Argument(help="Format of the files (config/README.md).")],
    files: Annotated[list[Path], typer.Argument(help="Files of that format, or a zip archive of them.")],
    into: Annotated[Path, typer.Option("--into", help="Project folder; its data/ is written.")],
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite data files that exist.")] = False,
    accept: Annotated[list[str] | None, typer.Option("--accept", help="A spelling that may be read.")] = None,
    constants: Annotated[list[str] | None, typer.Option("--set", help="COLUMN=VALUE for its empty cells.")] = None,
    stage: Annotated[str, typer.Option("--stage", help="Arm means are: follow or change.")] = "",
    stage_of: Annotated[list[str] | None, typer.Option("--stage-of", help="TITLE=STAGE of one outcome.")] = None,
    measure: Annotated[str, typer.Option("--measure", help="What yi measures: MD, SMD, RR, OR, HR, ROM.")] = "",
    outcome: Annotated[str, typer.Option("--outcome", help="Outcome of a file without a column for it.")] = "",
    treatment: Annotated[str, typer.Option("--treatment", help="Name of the treatment arm.")] = "",
    control: Annotated[str, typer.Option("--control", help="Name of the control arm.")] = "",
    control_first: Annotated[bool, typer.Option("--control-first", help="Group 1 is the control.")] = False,
    separator: Annotated[str, typer.Option("--separator", help="What separates the columns.")] = ",",
    decimal_comma: Annotated[bool, typer.Option("--decimal-comma", help="1,5 is one and a half.")] = False,
    encoding: Annotated[str, typer.Option("--encoding", help="Encoding of the files.")] = "utf-8",
    mapping: Annotated[Path | None, typer.Option("--mapping", help="Mapping of the format mapping.")] = None,
) -> None:
    """Write data/ from other formats, with a log of every decision; exit code 1: a file contradicts itself."""
    from k2meta.intake import ACCEPT, IMPORTERS, Options, Source, dictionary, log_file

    problems = [
        *_unknown("the format", [format], IMPORTERS),
        *_unknown("--accept", accept or [], ACCEPT),
        *_unknown("--stage", [stage] if stage else [], STAGES),
        *_unknown("--stage-of", [one.rpartition("=")[2] for one in stage_of or []], STAGES),
        *_not_one_character(separator),
        *_no_pairs(constants or []),
    ]
    if problems:
        raise ProjectError(tuple(problems))
    data = into / "data"
    options = Options(
        encoding=encoding,
        separator=separator,
        decimal_comma=decimal_comma,
        accept=frozenset(accept or ()),
        constants=dict(one.split("=", 1) for one in constants or []),
        stage=stage,  # type: ignore[arg-type]
        measure=measure,
        outcome=outcome,
        treatment=treatment,
        control=control,
        control_first=control_first,
        mapping=io.read_yaml(mapping)[0] if mapping else None,
        mapping_name=mapping.name if mapping else "mapping",
        trials=_known_trials(data),
        stages={one.rpartition("=")[0]: one.rpartition("=")[2] for one in stage_of or []},
    )
    found = IMPORTERS[format]([Source(path.name, io.read_raw(path)) for path in files], options)
    out = {**found.files, LOG: _log(data, log_file(found.decisions), fresh="trials.csv" in found.files)}
    if "datapackage.json" not in out and not (data / "datapackage.json").exists():
        out["datapackage.json"] = dictionary()
    kept = {name: raw for name, raw in out.items() if name == LOG}
    io.write_together(data, {name: raw for name, raw in out.items() if name != LOG}, replace=replace, beside=kept)
    _tell(found, sorted(out))
    raise typer.Exit(1 if found.queries else 0)


def _unknown(what: str, given: Iterable[str], known: Iterable[str]) -> list[Problem]:
    names = list(known)
    return [
        Problem(what, f"{one!r} is not offered", f"use one of {', '.join(names)}")
        for one in given
        if one not in names
    ]


def _no_pairs(given: Iterable[str]) -> list[Problem]:
    fix = "write for example --set design_class=rct"
    return [Problem("--set", f"{one!r} is not COLUMN=VALUE", fix) for one in given if "=" not in one]


def _not_one_character(separator: str) -> list[Problem]:
    if len(separator) == 1 and separator not in '"\r\n' and separator.isascii():
        return []
    return [Problem("--separator", f"{separator!r} is not one character", "use ',' or ';' or $'\\t'")]


def _log(data: Path, log: bytes, *, fresh: bool) -> bytes:
    """Return the log to write: an import beside an earlier one adds to its log, one in its place starts anew."""
    path = data / LOG
    if not path.exists() or (fresh and (data / "trials.csv").exists()):
        return log
    return io.read_raw(path) + log.partition(b"\n")[2]


def _known_trials(data: Path) -> dict[str, str]:
    """Return label to study_id of the trials that the project has."""
    path = data / "trials.csv"
    if not path.exists():
        return {}
    rows = io.read_table(path, "data/trials.csv").rows
    return {row.get("label", ""): row.get("study_id", "") for row in rows}


def _tell(found: Intake, names: list[str]) -> None:
    counts = {name: raw.count(b"\n") - 1 for name, raw in found.files.items() if name.endswith(".csv")}
    typer.echo(f"import: {', '.join(f'{rows} rows in data/{name}' for name, rows in counts.items())}")
    left = sum(decision.kind == "left_out" for decision in found.decisions)
    typer.echo(
        f"  {len(found.decisions)} decisions in data/{LOG}, {left} things left out; wrote {', '.join(names)}"
    )
    for query in found.queries:
        row = f" row {query.row}" if query.row is not None else ""
        typer.echo(f"  query: {query.file}{row} column {query.column} ({query.key}): {query.why}")
    typer.echo("  next: k2meta check asks for what the format does not hold")


def export_project(
    format: Annotated[str, typer.Argument(help="Format to write (config/README.md).")],
    folder: Annotated[Path, typer.Argument(help="Project folder: holds data/ and config/.")],
    into: Annotated[Path, typer.Option("--into", help="Folder to write to.")],
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite files that exist.")] = False,
) -> None:
    """Write the project's effects or data in another format."""
    from k2meta.intake import EXPORTERS, Project

    problems = _unknown("the format", [format], EXPORTERS)
    if problems:
        raise ProjectError(tuple(problems))
    tables, dictionary = io.read_project(folder)
    files = {name.removeprefix("data/"): raw for name, raw in io.read_inputs(folder).items()}
    files.pop(LOG, None)
    pools = _pools(folder, io.read_settings(folder / "config" / "config.yaml")) if format == "metafor" else ()
    out = EXPORTERS[format](Project(files, tables, dictionary, pools))
    io.write_together(into, out, replace=replace)
    typer.echo(f"export: wrote {', '.join(sorted(out))}")


def _pools(folder: Path, settings: Config) -> tuple[Pool, ...]:
    """Return every analysis with its effects, and the result of the frequentist model that leads."""
    from k2meta.commands.fits import fit
    from k2meta.commands.records import collect
    from k2meta.config import against_data
    from k2meta.effects.select import select
    from k2meta.intake import Headline, Pool

    found = collect(folder, settings)
    if wrong := against_data(settings, found.outcomes, found.columns, found.allowed):
        raise ProjectError(wrong)
    outcomes = {outcome.id: outcome for outcome in found.outcomes}
    by_id = {record.extraction_id: record for record in found.records}
    model = settings.model(settings.lead.model)
    pools = []
    for spec in settings.analyses:
        effects = select(found.records, outcomes, spec).effects
        result = fit(model, spec, effects, settings.level)
        options: dict[str, Any] = {"tau2": "none", "interval": "z", **model.options}
        head = Headline(options["tau2"], options["interval"], settings.level)
        if result is not None:
            mu = result.mu
            head = Headline(head.tau2, head.interval, head.level, mu.value, mu.low, mu.high, result.tau2.value)
        pools.append(Pool(spec.id, spec.ratio or spec.measure, effects, by_id, head))
    return tuple(pools)
