"""Damaged files: an error in words or a right reading, never a traceback, a hang or another number.

A file is damaged in one to four places and read. Whatever is accepted is read again, by the plainest means:
every number that was written must be a cell of the damaged file, or follow from cells by the formula that the log
names. 500 files a run, 10 000 with ``--thorough``; the damage depends on the name of the file and a counter alone.
"""

from __future__ import annotations

import csv
import io
import json
import math
import random
import re
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from k2meta import io as files
from k2meta.intake import IMPORTERS, Decision, Intake, Options, Source
from k2meta.intake.draft import numeric_fields
from k2meta.records import build_records
from k2meta.types import ProjectError
from tests.intake.conftest import FILES, ROOT
from tests.intake.test_exports import sources
from tests.intake.test_hygiene import ANY, plan

RUNS, THOROUGH = 500, 10_000
# Seconds of the processor's own time, so that a busy machine is no failure; a file is read in about 0.01 s.
PATIENCE = 5
# Derived numbers have 15 digits; a logarithm of one is right to 5e-15 of the number.
DIGITS = 1e-14

PROJECT = ROOT / "tests" / "projects" / "three_questions"
NASTY = (
    *(
        b"",
        b"-",
        b",",
        b";",
        b'"',
        b"\n",
        b"\r",
        b"\t",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"0",
        b"9",
        b".",
        b"e9",
        b"E308",
    ),
    *(
        b"\xe2\x88\x92",
        b"\xc2\xa0",
        b"\xe2\x80\x93",
        b"NA",
        b"NaN",
        b"inf",
        b"1e999",
        b"1,834",
        b"<0.001",
        b"-0",
        b"1_000",
    ),
    *(
        b"\xd9\xa3",
        b"=1+1",
        b"@x",
        b"<",
        b">",
        b"&",
        b"&amp;",
        b"<!DOCTYPE a>",
        b"<![CDATA[",
        b"]]>",
        b"{",
        b"}",
        b"[",
        b"]",
    ),
    *(
        b": ",
        b"- ",
        b"&a ",
        b"*a",
        b"? ",
        b"| ",
        b"!!python/object:os.system x",
        b"2001-99-99",
        b"null",
        b"true",
        b"\\u0031",
    ),
    *(
        b"x" * 3000,
        b"[" * 3000,
        b"9" * 5000,
        b"((((",
        b"%",
        b"#",
        b"'",
        b"__proto__",
        b"../../x",
        b"\xf0\x9f\xa9\xba",
    ),
)


def damaged(raw: bytes, rng: random.Random) -> bytes:
    """Return a file with one to four places changed."""
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(raw) + 1)
        to = min(len(raw), at + rng.choice((1, 2, 5, 20, 200)))
        kind = rng.randrange(7)
        if kind == 0:
            raw = raw[:at] + raw[to:]
        elif kind == 1:
            raw = raw[:at] + rng.choice(NASTY) + raw[at:]
        elif kind == 2:
            raw = raw[:at] + rng.choice(NASTY) + raw[to:]
        elif kind == 3:
            raw = raw[:to] + raw[at:to] + raw[to:]
        elif kind == 4 and at < len(raw):
            raw = raw[:at] + bytes([raw[at] ^ (1 << rng.randrange(8))]) + raw[at + 1 :]
        elif kind == 5:
            lines = raw.split(b"\n")
            i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
            lines[i], lines[j] = lines[j], lines[i]
            raw = b"\n".join(lines)
        else:
            number = rng.choice([*re.finditer(rb"[0-9]+", raw)] or [None])  # type: ignore[list-item]
            if number is not None:
                raw = raw[: number.start()] + str(rng.randrange(100_000)).encode() + raw[number.end() :]
    return raw or b" "


@contextmanager
def patience() -> Iterator[None]:
    """Stop a reader that does not end."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"not read in {PATIENCE} s of processor time")

    old = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, old)


# ------------------------------------------------------------ a second reading, by the plainest means


def csv_cells(raw: bytes, encoding: str = "utf-8-sig", separator: str = ",") -> set[str]:
    lines = csv.reader(io.StringIO(raw.decode(encoding), newline=""), delimiter=separator)
    return {cell.strip() for line in lines for cell in line}


def german_cells(raw: bytes) -> set[str]:
    found = {"95"}
    for cell in csv_cells(raw, "cp1252", ";"):
        plain = re.sub("[\N{EN DASH}\N{EM DASH}\N{MINUS SIGN}]", "-", cell).replace(".", "").replace(",", ".")
        plain = re.sub("[\N{NO-BREAK SPACE}]", "", plain)
        found |= {part.strip() for part in re.split(r"[()\[\];±]|\bto\b|\.\.|SD", plain)} | {plain.strip()}
    return found


def xml_cells(raw: bytes) -> set[str]:
    import xml.etree.ElementTree

    root = xml.etree.ElementTree.fromstring(raw)
    return {value.strip() for one in root.iter() for value in one.attrib.values()}


def json_cells(raw: bytes) -> set[str]:
    def leaves(value: Any) -> Iterable[str]:
        if isinstance(value, dict | list):
            for one in value.values() if isinstance(value, dict) else value:
                yield from leaves(one)
        else:
            yield from (str(value).strip(), *str(value).split())

    return set(leaves(json.loads(raw.decode("utf-8-sig"))))


@dataclass(frozen=True)
class Target:
    """A file to damage: how it is read, the other files beside it, and how it is read again."""

    name: str
    format: str
    cells: Callable[[bytes], set[str]] = csv_cells
    beside: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


SETTINGS = "v2-overall-estimates-and-settings.csv"
TARGETS = (
    Target("bcg_counts.csv", "metafor", options={"outcome": "tb"}),
    Target("bcg_effects.csv", "metafor", options={"outcome": "tb", "measure": "RR"}),
    Target("normand_means.csv", "metafor", options={"outcome": "stay", "stage": "change"}),
    Target("v2-data-rows.csv", "cochrane", beside=(SETTINGS,)),
    Target(SETTINGS, "cochrane", beside=("v2-data-rows.csv",)),
    Target("sore_throat.rm5", "revman5", xml_cells, options={"stage": "follow"}),
    Target(
        "registry.json", "clinicaltrials", json_cells, options={"treatment": "Vitamin K2", "control": "Placebo"}
    ),
    Target("robvis.csv", "robvis"),
    Target("any.csv", "mapping", german_cells, options={"mapping": plan(), **ANY}),
)
OTHERS = ("any.yaml", "package.zip", "study-results.csv", "datapackage.json")
PROJECT_FILES = ("config/config.yaml", "data/trials.csv", "data/extractions.csv", "data/outcomes.csv")
PARTS = len(TARGETS) + len(OTHERS) + len(PROJECT_FILES)


def seeds(request: pytest.FixtureRequest, name: str) -> Iterator[random.Random]:
    """Yield the generators of one target's share of the files."""
    total = THOROUGH if request.config.getoption("--thorough") else RUNS
    for i in range(math.ceil(total / PARTS)):
        yield random.Random(f"{name}-{i}")


def attempt(read: Callable[[], Any], raw: bytes) -> Any:
    """Return what was read, or ``None`` for a refusal in words."""
    try:
        with patience():
            return read()
    except ProjectError as error:
        explained = bool(error.problems) and all(problem.what and problem.fix for problem in error.problems)
        return None if explained else pytest.fail(f"a refusal without words on {raw[:3000]!r}")
    except BaseException as error:
        raise AssertionError(f"{type(error).__name__}: {error} on {raw[:3000]!r}") from error


def numbers_of(found: Intake) -> Iterator[tuple[str, str, str]]:
    """Yield key, column and text of every number that an import wrote."""
    if "extractions.csv" in found.files:
        for row in csv.DictReader(io.StringIO(found.files["extractions.csv"].decode("utf-8"), newline="")):
            for name in numeric_fields() & set(row):
                if row[name]:
                    yield row["extraction_id"], name, row[name]


def follows(line: Decision, known: set[str]) -> bool:
    """Whether a derived number follows from cells of the file by the formula that its line names."""
    value = float(line.wrote)
    parts = [part.strip() for part in line.read.split(" + ")]
    if not all(part in known or _translated(part) in known for part in parts):
        return False
    cells = [float(_translated(part) if part not in known else part) for part in parts]
    if "exp(" in line.why:
        return math.isclose(value, math.exp(cells[0]), rel_tol=DIGITS)
    if "√vi" in line.why:
        return math.isclose(value, math.sqrt(cells[0]), rel_tol=DIGITS)
    if line.why.startswith("total ="):
        return value == sum(cells)
    if "1 / " in line.why:
        return math.isclose(value, 1 / cells[0], rel_tol=DIGITS)
    if line.why.startswith("× 0.01"):
        return Decimal(line.wrote) == Decimal(_translated(parts[0])) * Decimal("0.01")
    return "minus" in line.why and value == -cells[0]


def _translated(text: str) -> str:
    plain = re.sub("[\N{EN DASH}\N{EM DASH}\N{MINUS SIGN}]", "-", text)
    return re.sub("\N{NO-BREAK SPACE}", "", plain.replace(".", "").replace(",", "."))


def agrees(found: Intake, known: set[str], raw: bytes) -> int:
    """Assert that every number written stands in the file or follows from it; return how many did."""
    derived = {(line.key, line.field): line for line in found.decisions if line.kind == "derived"}
    count = 0
    for key, column, number in numbers_of(found):
        line = derived.get((key, column))
        good = follows(line, known) if line else number in known or f"{number}.0" in known or _whole(number, known)
        assert good, f"{key} {column} {number} does not stand in {raw[:3000]!r}"
        count += 1
    return count


def _whole(number: str, known: set[str]) -> bool:
    return any(re.fullmatch(re.escape(number) + r"\.0+", cell) for cell in known)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target.format}-{target.name}")
def test_a_damaged_file_is_refused_or_read_rightly(target: Target, request: pytest.FixtureRequest) -> None:
    whole = (FILES / target.name).read_bytes()
    beside = [Source(name, (FILES / name).read_bytes()) for name in target.beside]
    accepted = numbers = 0
    for rng in seeds(request, target.name):
        raw = damaged(whole, rng)
        given = [Source(target.name, raw), *beside]
        found = attempt(lambda given=given: IMPORTERS[target.format](given, Options(**target.options)), raw)
        if found is not None:
            accepted += 1
            known = target.cells(raw).union(*(csv_cells(one.raw) for one in beside))
            numbers += agrees(found, known, raw)
    # The property says nothing where everything is refused.
    assert accepted
    assert numbers or target.format == "robvis"


def test_the_second_reading_sees_a_changed_number() -> None:
    found = IMPORTERS["metafor"](
        [Source("bcg_counts.csv", (FILES / "bcg_counts.csv").read_bytes())], Options(outcome="tb")
    )
    changed = dict(found.files)
    changed["extractions.csv"] = changed["extractions.csv"].replace(b",62,", b",63,")
    with pytest.raises(AssertionError, match="events_treat 63 does not stand"):
        agrees(Intake(changed, found.decisions), csv_cells((FILES / "bcg_counts.csv").read_bytes()), b"")


@pytest.mark.parametrize("name", OTHERS)
def test_a_damaged_mapping_archive_or_package_is_refused_or_read(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    read = Reader(name, tmp_path)
    whole, accepted = read.whole, 0
    for rng in seeds(request, name):
        raw = damaged(whole, rng)
        accepted += attempt(lambda raw=raw: read(raw), raw) is not None
    assert attempt(lambda: read(whole), whole) is not None
    assert accepted or name != "study-results.csv"  # names, hashes and checksums refuse nearly all of the others


class Reader:
    """Reads one of the files that are not tables of numbers."""

    def __init__(self, name: str, folder: Path) -> None:
        from tests.intake.test_exports import project as shipped
        from tests.intake.test_hygiene import packed

        self.name, self.path = name, folder / "mapping.yaml"
        self.package: dict[str, bytes] = {}
        if name == "any.yaml":
            self.whole = (FILES / name).read_bytes()
        elif name == "package.zip":
            members = ("v2-data-rows.csv", SETTINGS)
            self.whole = packed(*((one, (FILES / one).read_bytes()) for one in members)).raw
        else:
            from k2meta.intake import EXPORTERS

            project = shipped.__wrapped__()  # type: ignore[attr-defined]
            self.package = EXPORTERS["frictionless" if name == "datapackage.json" else "revman_web"](project)
            self.package.pop("notes.csv", None)
            self.whole = self.package[name]

    def __call__(self, raw: bytes) -> Intake:
        if self.name == "any.yaml":
            self.path.write_bytes(raw)
            mapping = files.read_yaml(self.path)[0]
            source = Source("any.csv", (FILES / "any.csv").read_bytes())
            return IMPORTERS["mapping"]([source], Options(mapping=mapping, **ANY))
        if self.name == "package.zip":
            return IMPORTERS["cochrane"]([Source("package.zip", raw)], Options())
        given = sources({**self.package, self.name: raw})
        if self.name == "datapackage.json":
            return IMPORTERS["frictionless"](given, Options())
        stated = Options(treatment="Treatment", control="Control", stage="follow")
        found = IMPORTERS["revman_web"](given, stated)
        # Footnotes of our own exports name a time: "…; timepoint_months 24".
        parts = {part for cell in csv_cells(raw) for part in re.split("; |timepoint_months ", cell)}
        agrees(found, {part.strip("% ") for part in parts | csv_cells(raw)}, raw)
        return found


@pytest.mark.parametrize("name", PROJECT_FILES)
def test_a_damaged_project_file_is_refused_or_read_rightly(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder = tmp_path / "review"
    shutil.copytree(PROJECT, folder)
    whole, accepted = (folder / name).read_bytes(), 0
    for rng in seeds(request, name):
        raw = damaged(whole, rng)
        (folder / name).write_bytes(raw)
        accepted += attempt(lambda raw=raw: _read_project_file(folder, name, raw), raw) is not None
    assert accepted


def _read_project_file(folder: Path, name: str, raw: bytes) -> object:
    """Read a project with the file in it; numbers of its records must be numbers of the file."""
    if name.endswith(".yaml"):
        settings = files.read_settings(folder / name)
        assert settings.seed == yaml.safe_load(raw.decode("utf-8-sig"))["seed"]
        return settings
    found = build_records(*files.read_project(folder))
    known = {float(cell) for cell in csv_cells(raw) if re.fullmatch(r"[+-]?[0-9.]+([eE][+-]?[0-9]+)?", cell)}
    for record in found.records if name == "data/extractions.csv" else ():
        assert {cell for cell in record.cells.values() if isinstance(cell, float)} <= known
    return found
