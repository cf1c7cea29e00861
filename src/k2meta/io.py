"""The only module that opens files: one ``read_`` and ``write_`` pair per type.

Writing is whole or not at all: a temporary file beside the target is renamed over it. Text files are UTF-8 with
LF; JSON has sorted keys and shortest-repr floats; nothing written depends on the clock.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from k2meta import refits
from k2meta.analysis import (
    Analysis,
    Averaged,
    Comparison,
    Conversion,
    Influence,
    LeftOut,
    MissingResults,
    ModelChecks,
    Moderation,
    SmallStudyTest,
    UnderPrior,
)
from k2meta.config import Config, Model, Spec, parse, problems
from k2meta.models.fit import Fit
from k2meta.trace import Number
from k2meta.types import (
    NO_JUDGEMENTS,
    CheckNote,
    Dropped,
    Effect,
    Judgements,
    Outcome,
    Problem,
    ProjectError,
    Query,
    Record,
    Table,
    Variant,
)

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from matplotlib.figure import Figure as MplFigure
    from numpy.typing import NDArray
    from pybtex.database import Person

YamlPath = tuple[str | int, ...]
JOIN = " | "
FORMULA = re.compile(r"^[=+\-@\t\r]")
NUMBER = re.compile(r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")


class Records(msgspec.Struct, frozen=True):
    """What the first stage hands on: the outcome dictionary, the trials, the records, the queries, the columns.

    ``claims`` are the rows of ``data/claims.csv`` as text, none where a review has no such file. ``allowed`` holds
    the values of the columns to which the data dictionary gives a list of them.
    """

    outcomes: tuple[Outcome, ...]
    trials: tuple[dict[str, str | float | None], ...]
    records: tuple[Record, ...]
    queries: tuple[Query, ...]
    columns: tuple[str, ...]
    notes: tuple[CheckNote, ...] = ()
    claims: tuple[dict[str, str], ...] = ()
    judgements: Judgements = NO_JUDGEMENTS
    allowed: dict[str, tuple[str, ...]] = {}


# ---------------------------------------------------------------- text, JSON, YAML


def _fail(file: str, what: str, fix: str, **place: Any) -> ProjectError:
    return ProjectError((Problem(file=file, what=what, fix=fix, **place),))


def read_text(path: Path, file: str | None = None) -> str:
    """Return the text of a UTF-8 file (BOM allowed).

    Raises
    ------
    ProjectError
        Missing, unreadable, empty, not UTF-8 (with the line of the first bad byte), or holding a NUL byte.
    """
    name = file or path.name
    try:
        # The mark is no text: positions of bad bytes are counted without it.
        raw = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except FileNotFoundError:
        raise _fail(name, "the file is missing", f"create {name}, or run in the folder that holds it") from None
    except IsADirectoryError:
        raise _fail(name, "is a folder, not a file", f"put a file named {name} there") from None
    except NotADirectoryError:
        raise _fail(name, _not_a_folder(path), f"make it a folder that holds {path.name}") from None
    except OSError as error:
        raise _fail(name, f"cannot be read: {error.strerror}", "put a file there that can be read") from None
    if b"\0" in raw:
        row = raw[: raw.index(b"\0")].count(b"\n") + 1
        raise _fail(
            name, "holds a NUL byte: not a text file", "save it as plain UTF-8 text (CSV, not XLSX)", row=row
        )
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        row = raw[: error.start].count(b"\n") + 1
        byte = f"0x{raw[error.start]:02x}"
        what = f"byte {byte} is not UTF-8 (the file may be Windows-1252 or Latin-1)"
        raise _fail(name, what, "save it as UTF-8: in a spreadsheet choose 'CSV UTF-8'", row=row) from None
    if not text.strip():
        raise _fail(name, "the file is empty", "put its header row and at least one row into it, or remove it")
    return text


def _not_a_folder(path: Path) -> str:
    """Say which part of a path is a file where a folder is needed."""
    part = next((parent for parent in path.parents if parent.exists() and not parent.is_dir()), path)
    return f"{part.name} is a file, not a folder"


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, raw: bytes) -> None:
    """Write bytes, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_raw(path: Path) -> bytes:
    """Return the bytes of a file that somebody named."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise _fail(path.name, "the file is missing", "check the name and the folder") from None
    except OSError as error:
        raise _fail(path.name, f"cannot be read: {error.strerror}", "name a file that can be read") from None


def write_together(
    folder: Path, files: Mapping[str, bytes], *, replace: bool = False, beside: Mapping[str, bytes] | None = None
) -> None:
    """Write several files into a folder: all are on disk under other names before the first takes its place.

    Files ``beside`` them (a log that grows) may always take the place of an older one.

    Raises
    ------
    ProjectError
        Files that exist already, all of them named, unless they may be replaced; a folder that cannot be written.
    """
    taken = [name for name in files if (folder / name).exists()]
    if taken and not replace:
        fix = "choose another folder, or add --replace"
        raise ProjectError(tuple(Problem(name, "exists already and is not overwritten", fix) for name in taken))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".incoming.") as waiting:
            for name, raw in {**files, **(beside or {})}.items():
                write_bytes(Path(waiting) / name, raw)
            for name in (*files, *(beside or {})):
                (Path(waiting) / name).replace(folder / name)
    except (FileExistsError, NotADirectoryError):
        raise _fail(str(folder), _not_a_folder(folder / "x"), "name a folder with --into") from None
    except OSError as error:
        fix = "choose a place that you may write to, with --into"
        raise _fail(str(folder), f"cannot be written: {error.strerror}", fix) from None


def read_json(path: Path, file: str | None = None) -> Any:
    """Return parsed JSON; a syntax error is a `ProjectError` with its line."""
    name = file or path.name
    try:
        return json.loads(read_text(path, name))
    except json.JSONDecodeError as error:
        raise _fail(name, f"is not JSON: {error.msg}", "mend the syntax at this line", row=error.lineno) from None
    except (RecursionError, ValueError):
        raise _fail(
            name, "is nested too deeply, or holds a number too long", "write it as data, not as code"
        ) from None


def write_json(path: Path, value: Any) -> None:
    """Write JSON of plain values, dataclasses and structs: sorted keys, indented, final newline.

    Numbers that JSON lacks are written as the strings ``"nan"``, ``"inf"`` and ``"-inf"``.
    """
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """Return the text that `write_json` writes."""
    plain = _spelled_out(msgspec.to_builtins(value))
    return json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _spelled_out(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, dict):
        return {key: _spelled_out(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_spelled_out(item) for item in value]
    return value


def read_yaml(path: Path, file: str | None = None) -> tuple[Any, dict[YamlPath, int]]:
    """Return parsed YAML and the line of every key and item.

    Raises
    ------
    ProjectError
        Bad syntax or a duplicate key, each with its line.
    """
    import yaml

    name = file or path.name
    text = read_text(path, name)
    try:
        _no_alias(text, name)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        lines: dict[YamlPath, int] = {}
        duplicates: list[Problem] = []
        if root is not None:
            _walk_yaml(root, (), lines, duplicates, name)
        if duplicates:
            raise ProjectError(tuple(duplicates))
        return yaml.safe_load(text), lines
    except yaml.MarkedYAMLError as error:
        row = error.problem_mark.line + 1 if error.problem_mark else None
        what = f"is not YAML: {error.problem or error.context}"
        raise _fail(name, what, "mend the indentation or the quotes at this line", row=row) from None
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise _fail(name, f"is not YAML: {error}", "mend the syntax") from None
    except RecursionError:
        raise _fail(name, "is nested too deeply", "write it flat") from None


def _no_alias(text: str, file: str) -> None:
    """Refuse aliases: a few lines of them unfold to more than any memory holds."""
    import yaml

    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            row = event.start_mark.line + 1 if event.start_mark else None
            raise _fail(file, f"holds the alias *{event.anchor}", "write the value again", row=row)


def _walk_yaml(
    node: Any,
    path: tuple[str | int, ...],
    lines: dict[YamlPath, int],
    found: list[Problem],
    file: str,
) -> None:
    import yaml

    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            row = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise _fail(file, "a key is a list or a map", "write a name before the colon", row=row)
            if key.value in seen:
                what = f"the key {key.value!r} stands twice (first in line {seen[key.value]})"
                found.append(Problem(file, what, "keep one of the two", row, key.value))
            seen[key.value] = row
            _walk_yaml(value, (*path, key.value), lines, found, file)
            lines[(*path, key.value)] = row
    elif isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            _walk_yaml(item, (*path, i), lines, found, file)


# ---------------------------------------------------------------- settings


def checked_settings(settings: Mapping[str, Any], path: Path) -> None:
    """Raise every problem of merged settings, with lines of the project's own file."""
    _, lines = read_yaml(path, f"config/{path.name}")
    found = problems(settings, file=f"config/{path.name}", lines=lines)
    if found:
        raise ProjectError(found)


def read_settings(path: Path) -> Config:
    """Return the settings of a project's own file, raising every problem with its line."""
    settings, _ = read_yaml(path, f"config/{path.name}")
    checked_settings(settings, path)
    return parse(settings)


def read_config(path: Path) -> Config:
    """Return the merged settings that a run was started with."""
    return parse(read_json(path))


def write_config(path: Path, settings: Mapping[str, Any]) -> None:
    """Write merged settings; an unchanged file is left alone, so that nothing is rebuilt for it."""
    raw = json.dumps(settings, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if not path.exists() or path.read_text("utf-8") != raw:
        write_text(path, raw)


# ---------------------------------------------------------------- CSV


def read_table(path: Path, file: str | None = None) -> Table:
    """Return a CSV file as text.

    Raises
    ------
    ProjectError
        What `read_text` refuses, semicolons for commas, a duplicated or blank header, rows of another length.
    """
    name = file or path.name
    text = read_text(path, name)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        if "field limit" in str(error):
            what = f"a cell holds more than {csv.field_size_limit():,} characters"
            fix = "shorten it, or close the quote that opens it"
            raise _fail(name, what, fix, row=reader.line_num) from None
        fix = "quote cells that hold a comma, a quote or a line break"
        raise _fail(name, f"is not CSV: {error}", fix) from None
    while rows and not any(cell.strip() for cell in rows[-1]):
        rows.pop()
    if not rows:
        raise _fail(name, "the file is empty", "put its header row and at least one row into it, or remove it")
    header = [cell.strip() for cell in rows[0]]
    found = list(_header_problems(name, header))
    for i, row in enumerate(rows[1:], start=2):
        if not any(row):
            found.append(Problem(name, "is blank", "delete the row", row=i))
        elif len(row) != len(header):
            what = f"has {len(row)} cells, the header has {len(header)}"
            fix = "quote a cell that holds a comma, or add the missing commas"
            found.append(Problem(name, what, fix, row=i))
    if found:
        raise ProjectError(tuple(found))
    body = (dict(zip(header, (cell.strip() for cell in row), strict=True)) for row in rows[1:])
    return Table(name, tuple(header), tuple(body))


def _header_problems(name: str, header: Sequence[str]) -> Iterable[Problem]:
    if len(header) == 1 and ";" in header[0]:
        yield Problem(
            name, "columns are separated by semicolons", "save it with commas (and decimal points)", row=1
        )
        return
    for i, column in enumerate(header, start=1):
        if not column:
            yield Problem(name, f"column {i} has no name", "name it, or delete the column", row=1)
        elif column in header[: i - 1]:
            yield Problem(name, f"the column {column!r} stands twice", "keep one of the two", row=1, column=column)


def spreadsheet_safe(cell: object) -> str:
    """Return the text of a cell that no spreadsheet will run as a formula (numbers are left alone).

    A whole number is written without a decimal point, whatever type it was computed in: 66 people, not 66.0.
    """
    text = "" if cell is None else (repr(cell).removesuffix(".0") if isinstance(cell, float) else str(cell))
    return f"'{text}" if FORMULA.match(text) and not NUMBER.match(text) else text


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file for people and spreadsheets: full precision, formulas neutralised."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([spreadsheet_safe(column) for column in columns])
    writer.writerows([spreadsheet_safe(cell) for cell in row] for row in rows)
    write_text(path, buffer.getvalue())


def read_project(folder: Path) -> tuple[dict[str, Table], Any]:
    """Return the tables of a project's ``data/`` and its dictionary, raising every unreadable file at once."""
    tables: dict[str, Table] = {}
    found: list[Problem] = []
    dictionary: Any = {}
    optional = ("cohorts", "queries", "claims", "extractions_second", "retractions")
    judged = ("risk_of_bias", "certainty", "prisma_flow", "prisma_checklist")
    for name in ("trials", "extractions", "outcomes", *optional, *judged):
        path = folder / "data" / f"{name}.csv"
        # A link that leads nowhere is a file that cannot be read, not one that is not there.
        if name in ("trials", "extractions", "outcomes") or path.exists() or path.is_symlink():
            try:
                tables[name] = read_table(path, f"data/{name}.csv")
            except ProjectError as error:
                found.extend(error.problems)
    try:
        dictionary = read_json(folder / "data" / "datapackage.json", "data/datapackage.json")
    except ProjectError as error:
        found.extend(error.problems)
    if found:
        raise ProjectError(tuple(found))
    return tables, dictionary


def read_template(name: str) -> dict[str, bytes]:
    """Return the files of a template project of this package, by name relative to the project.

    A file named ``gitignore`` is a ``.gitignore`` of the project: here it must not hide anything.
    """
    root = resources.files("k2meta").joinpath("templates", name)
    files: dict[str, bytes] = {}

    def walk(folder: Traversable, prefix: str) -> None:
        for entry in folder.iterdir():
            if entry.is_dir():
                walk(entry, f"{prefix}{entry.name}/")
            else:
                files[f"{prefix}{entry.name}".replace("gitignore", ".gitignore")] = entry.read_bytes()

    walk(root, "")
    return dict(sorted(files.items()))


def write_project(folder: Path, files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Write a new project, whole or not at all; the folder must be missing or empty.

    Raises
    ------
    ProjectError
        Where the folder cannot be written.
    """
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
            whole = Path(scratch) / folder.name
            for name, raw in files.items():
                write_bytes(whole / name, raw)
            whole.replace(folder)
    except OSError as error:
        fix = "choose a place that you may write to, with --into"
        raise _fail(str(folder), f"cannot be written: {error.strerror}", fix) from None
    return tuple(files)


def read_inputs(folder: Path) -> dict[str, bytes]:
    """Return the content of every data file of a project, by its name relative to the project."""
    paths = sorted(path for path in (folder / "data").iterdir() if path.suffix in {".csv", ".json", ".bib"})
    return {f"data/{path.name}": path.read_bytes() for path in paths}


def read_outputs(folder: Path) -> dict[str, bytes]:
    """Return the content of every published file of a project, by its name relative to the project."""
    found = (path for path in (folder / "reports").rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(found)}


def read_toml(path: Path) -> dict[str, Any]:
    """Return a parsed TOML file; a syntax error is a `ProjectError`."""
    import tomllib

    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise _fail(path.name, f"is not TOML: {error}", "mend the syntax at this line") from None


def read_bibliography(path: Path) -> tuple[dict[str, str], ...]:
    """Return the entries of a BibTeX file: ``key``, ``kind`` and its fields; none when the file is missing."""
    if not path.exists():
        return ()
    from pybtex.database import BibliographyDataError
    from pybtex.database.input.bibtex import Parser
    from pybtex.richtext import Text
    from pybtex.scanner import PybtexSyntaxError

    name = f"data/{path.name}"
    try:
        entries = Parser(encoding="utf-8").parse_string(read_text(path, name)).entries
    except (PybtexSyntaxError, BibliographyDataError) as error:
        raise _fail(name, f"is not BibTeX: {error}", "mend this entry") from None
    return tuple(
        {
            "key": key,
            "kind": entry.type,
            **{field.lower(): str(Text.from_latex(value)) for field, value in entry.fields.items()},
            "author": ", ".join(_person(person) for person in entry.persons.get("author", [])),
        }
        for key, entry in entries.items()
    )


def _person(person: Person) -> str:
    from pybtex.richtext import Text

    # BibTeX's own word for authors that are left out.
    return "et al." if str(person) == "others" else str(Text.from_latex(str(person)))


# ---------------------------------------------------------------- stages


def _result(path: Path) -> bytes:
    """Return the bytes that an earlier stage wrote."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        fix = "run the stages before this one (snakemake does), or name the folder that holds it"
        raise _fail(str(path), "the result of an earlier stage is missing", fix) from None


def _decode[T](path: Path, kind: type[T]) -> T:
    raw = _result(path)
    try:
        return msgspec.json.decode(raw, type=kind, strict=kind is Records)
    except msgspec.MsgspecError as error:
        fix = "remove it and run snakemake again: the stage that writes it has changed"
        raise _fail(str(path), f"is not what this stage reads: {error}", fix) from None


def read_records(path: Path) -> Records:
    """Return the records stage."""
    return _decode(path, Records)


def write_records(path: Path, records: Records) -> None:
    """Write the records stage."""
    write_json(path, records)


EFFECT_COLUMNS = tuple(field for field in Effect.__dataclass_fields__ if field != "moderators")
MODERATOR = "moderator_"


def read_effects(path: Path) -> tuple[Effect, ...]:
    """Return the effects table of one analysis."""
    rows = []
    for row in csv.DictReader(io.StringIO(_result(path).decode("utf-8"), newline="")):
        plain: dict[str, Any] = {name: row[name] or None for name in EFFECT_COLUMNS}
        for name in ("derivation", "assumptions"):
            plain[name] = row[name].split(JOIN) if row[name] else []
        for name in EFFECT_COLUMNS:
            if plain[name] is None and Effect.__dataclass_fields__[name].type == "str":
                plain[name] = ""
        plain["moderators"] = {
            name.removeprefix(MODERATOR): float(cell) if NUMBER.match(cell) else cell or None
            for name, cell in row.items()
            if name.startswith(MODERATOR)
        }
        rows.append(msgspec.convert(plain, Effect, strict=False))
    return tuple(rows)


def write_effects(path: Path, effects: Sequence[Effect]) -> None:
    """Write the effects table of one analysis: one row per trial, its moderators in the last columns."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    moderators = tuple(effects[0].moderators) if effects else ()
    writer.writerow([*EFFECT_COLUMNS, "assumed", *(f"{MODERATOR}{name}" for name in moderators)])
    for effect in effects:
        cells = [getattr(effect, name) for name in EFFECT_COLUMNS]
        text = [JOIN.join(cell) if isinstance(cell, tuple) else _plain(cell) for cell in cells]
        covariates = [_plain(effect.moderators[name]) for name in moderators]
        writer.writerow([*text, str(effect.assumed).lower(), *covariates])
    write_text(path, buffer.getvalue())


def _plain(cell: object) -> str:
    return "" if cell is None else repr(cell) if isinstance(cell, float) else str(cell)


def read_dropped(path: Path) -> tuple[Dropped, ...]:
    """Return the records that are not in the pool of one analysis."""
    return _decode(path, tuple[Dropped, ...])


def write_dropped(path: Path, dropped: Sequence[Dropped]) -> None:
    """Write the records that are not in the pool of one analysis, each with its reason."""
    write_json(path, dropped)


def read_variants(path: Path) -> tuple[Variant, ...]:
    """Return one analysis under other conversions; empty where nothing was converted."""
    return _decode(path, tuple[Variant, ...])


def write_variants(path: Path, rows: Sequence[Variant]) -> None:
    """Write one analysis under other conversions."""
    write_json(path, rows)


def read_fit(path: Path) -> Fit | None:
    """Return a fit; ``None`` stands for *fewer than two trials: not pooled*."""
    return _decode(path, Fit | None)  # type: ignore[arg-type]


def write_fit(path: Path, fit: Fit | None) -> None:
    """Write a fit, or ``null`` where nothing was pooled."""
    write_json(path, fit)


def read_model_checks(path: Path) -> ModelChecks | None:
    """Return the checks of a sampled fit; ``None`` stands for *fewer than two trials: not pooled*."""
    return _decode(path, ModelChecks | None)  # type: ignore[arg-type]


def write_model_checks(path: Path, checks: ModelChecks | None) -> None:
    """Write the checks of a sampled fit, or ``null`` where nothing was pooled."""
    write_json(path, checks)


def read_left_out(path: Path) -> tuple[LeftOut, ...]:
    """Return the leave-one-out estimates of one analysis."""
    return _decode(path, tuple[LeftOut, ...])


def write_left_out(path: Path, rows: Sequence[LeftOut]) -> None:
    """Write the leave-one-out estimates of one analysis."""
    write_json(path, rows)


def read_comparisons(path: Path) -> tuple[Comparison, ...]:
    """Return the numbers of one analysis recomputed by a second engine."""
    return _decode(path, tuple[Comparison, ...])


def write_comparisons(path: Path, rows: Sequence[Comparison]) -> None:
    """Write the numbers of one analysis recomputed by a second engine."""
    write_json(path, rows)


def read_influence(path: Path) -> tuple[Influence, ...]:
    """Return the deletion diagnostics of one analysis."""
    return _decode(path, tuple[Influence, ...])


def write_influence(path: Path, rows: Sequence[Influence]) -> None:
    """Write the deletion diagnostics of one analysis."""
    write_json(path, rows)


def read_refits(folder: Path, checks: Iterable[str]) -> refits.Refits:
    """Return those refits of one analysis that are among ``checks``."""
    asked = [check for check in refits.CHECKS if check in checks]
    return refits.Refits(**{check: _decode(folder / f"{check}.json", refits.kind(check)) for check in asked})


def write_refit(path: Path, found: object) -> None:
    """Write one refit of one analysis."""
    write_json(path, found)


def read_small_study(path: Path) -> tuple[SmallStudyTest, ...]:
    """Return the tests for small-study effects of one analysis."""
    return _decode(path, tuple[SmallStudyTest, ...])


def write_small_study(path: Path, rows: Sequence[SmallStudyTest]) -> None:
    """Write the tests for small-study effects of one analysis."""
    write_json(path, rows)


def read_numbers(path: Path) -> tuple[Number, ...]:
    """Return the numbers of the report with their ids."""
    return tuple(
        Number(str(row["id"]), float(str(row["value"])), tuple(str(row["written"]).split(JOIN)))
        for row in read_table(path, f"reports/{path.name}").rows
    )


def write_numbers(path: Path, numbers: Sequence[Number]) -> None:
    """Write the numbers of the report, one per row, at full precision."""
    rows = [(number.id, number.value, JOIN.join(number.written)) for number in numbers]
    write_table(path, ("id", "value", "written"), rows)


def read_prior_strip(path: Path) -> tuple[UnderPrior, ...]:
    """Return the posteriors of one analysis under several priors of tau."""
    return _decode(path, tuple[UnderPrior, ...])


def write_prior_strip(path: Path, rows: Sequence[UnderPrior]) -> None:
    """Write the posteriors of one analysis under several priors of tau."""
    write_json(path, rows)


def read_averaged(path: Path) -> Averaged | None:
    """Return the model average of one analysis; ``None`` stands for *fewer than two trials: not pooled*."""
    return _decode(path, Averaged | None)  # type: ignore[arg-type]


def write_averaged(path: Path, averaged: Averaged | None) -> None:
    """Write the model average of one analysis, or ``null`` where nothing was pooled."""
    write_json(path, averaged)


def read_conversions(path: Path) -> tuple[Conversion, ...]:
    """Return the leading model of one analysis under other conversions."""
    return _decode(path, tuple[Conversion, ...])


def write_conversions(path: Path, rows: Sequence[Conversion]) -> None:
    """Write the leading model of one analysis under other conversions."""
    write_json(path, rows)


def read_moderation(path: Path) -> tuple[Moderation, ...]:
    """Return the meta-regressions of one analysis."""
    return _decode(path, tuple[Moderation, ...])


def write_moderation(path: Path, rows: Sequence[Moderation]) -> None:
    """Write the meta-regressions of one analysis."""
    write_json(path, rows)


def read_missing_results(path: Path) -> MissingResults:
    """Return what the known missing results of one analysis could do to its pool."""
    return _decode(path, MissingResults)


def write_missing_results(path: Path, found: MissingResults) -> None:
    """Write what the known missing results of one analysis could do to its pool."""
    write_json(path, found)


def read_judgements(path: Path) -> Judgements:
    """Return what people judged about the review."""
    return _decode(path, Judgements)


def write_judgements(path: Path, judgements: Judgements) -> None:
    """Write what people judged about the review."""
    write_json(path, judgements)


def write_draws(path: Path, draws: Mapping[str, NDArray[Any]]) -> None:
    """Write posterior draws as HDF5: one dataset per parameter (chain, draw, ...), no attributes, no timers."""
    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name in sorted(draws):
            file.create_dataset(name, data=draws[name], compression="gzip", track_times=False)
    write_bytes(path, buffer.getvalue())


def read_draws(path: Path) -> dict[str, NDArray[Any]]:
    """Return posterior draws by parameter."""
    import h5py

    with h5py.File(path, "r") as file:
        return {name: file[name][()] for name in file}


RANKS = ("calibration", "simulation", "mu", "tau", "theta")


def read_ranks(path: Path, calibration: str) -> list[tuple[float, ...]]:
    """Return the answers of the simulations that are finished, in order: mu, tau and theta of each.

    A last line that was cut off is removed from the file; a missing file is a calibration not begun.

    Raises
    ------
    ProjectError
        Rows of another calibration, or rows that are not the first simulations in order.
    """
    if not path.exists():
        return []
    whole, _, cut = read_text(path).rpartition("\n")
    if cut:
        write_text(path, f"{whole}\n")
    rows = list(csv.reader(io.StringIO(whole, newline="")))[1:]
    for i, row in enumerate(rows):
        if len(row) != len(RANKS) or row[:2] != [calibration, str(i)]:
            what = f"is not simulation {i} of {calibration!r}"
            raise _fail(str(path), what, "name another folder, or remove the file to begin again", row=i + 2)
    return [tuple(float(cell) for cell in row[2:]) for row in rows]


def append_ranks(path: Path, calibration: str, simulation: int, values: Sequence[float]) -> None:
    """Append one finished simulation; nine decimals are far below what ranks can tell apart."""
    if not path.exists():
        write_text(path, ",".join(RANKS) + "\n")
    with path.open("a", encoding="utf-8") as file:
        file.write(",".join([calibration, str(simulation), *(f"{value:.9f}" for value in values)]) + "\n")


def write_figure(stem: Path, figure: MplFigure, metadata: Mapping[str, Mapping[str, None]]) -> None:
    """Write a matplotlib figure as SVG and PNG, without producer or date."""
    for kind in ("svg", "png"):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, metadata=dict(metadata[kind]), dpi=200)
        write_bytes(stem.with_suffix(f".{kind}"), buffer.getvalue())


def read_analysis(results: Path, spec: Spec, config: Config, queries: Sequence[Query]) -> Analysis:
    """Return everything known about one analysis from the files of the earlier stages."""
    effects = read_effects(results / "effects" / f"{spec.id}.csv")
    fits = {model.id: read_fit(_fit_path(results, spec, model)) for model in config.models}
    lead, beside = config.lead.of(len(effects))
    checks = results / "sensitivity" / spec.id
    has = set(config.sensitivity)
    sampled = next((model for model in config.models if model.estimator == "bayes_mcmc"), None)
    return Analysis(
        spec=spec,
        effects=effects,
        dropped=read_dropped(results / "effects" / f"{spec.id}.dropped.json"),
        queries=tuple(query for query in queries if _concerns(query, spec)),
        fits={name: fit for name, fit in fits.items() if fit is not None},
        lead=lead,
        beside=beside,
        leave_one_out=read_left_out(checks / "leave_one_out.json") if "leave_one_out" in has else (),
        comparisons=read_comparisons(checks / "second_engine.json") if "second_engine" in has else (),
        influence=read_influence(checks / "influence.json") if "influence" in has else (),
        refits=read_refits(checks, has),
        small_study=read_small_study(checks / "small_study.json") if "small_study" in has else (),
        prior_strip=read_prior_strip(checks / "prior_strip.json") if "prior_strip" in has else (),
        averaged=read_averaged(checks / "model_averaging.json") if "model_averaging" in has else None,
        conversions=read_conversions(checks / "conversions.json") if "conversions" in has else (),
        moderation=read_moderation(checks / "meta_regression.json") if "meta_regression" in has else (),
        model_checks=read_model_checks(_fit_path(results, spec, sampled, ".checks.json")) if sampled else None,
        missing_results=read_missing_results(checks / "missing_results.json")
        if "missing_results" in has
        else None,
        judgements=read_judgements(results / "judgements.json"),
    )


def _fit_path(results: Path, spec: Spec, model: Model, kind: str = ".json") -> Path:
    return results / "fits" / spec.id / f"{model.id}{kind}"


def _concerns(query: Query, spec: Spec) -> bool:
    return any(query.extraction_id.startswith(f"{query.study_id}-{outcome}-") for outcome in spec.outcomes)
