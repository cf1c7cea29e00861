"""Laws of the house: which way the imports run, what statistics may not touch, how light a start is."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import k2meta

HOUSE = Path(__file__).parents[1] / "src" / "k2meta"

# Room -> what of the house it may import (itself aside). Everything else is a broken law.
MAY_IMPORT: dict[str, set[str]] = {
    "types": set(),
    "shown": set(),
    "numbers": set(),
    "provenance": set(),
    "citation": set(),
    "config": {"types"},
    "trace": {"analysis", "types", "numbers", "models.fit"},
    "refits": {"models.fit", "models.subgroups"},
    "analysis": {"types", "numbers", "config", "models.fit", "models.check_types", "refits", "shown"},
    "records": {"types"},
    "effects": {"types", "config", "shown"},
    "models": {"shown"},
    "sensitivity": {"models", "refits", "shown"},
    "calibration": {"models", "shown"},
    "challenge": {"records", "effects", "types", "config"},
    "intake": {"types", "records", "effects", "models"},
    "claims": {"analysis", "types", "numbers", "config", "models.fit"},
    "figures": {"analysis", "types", "numbers", "config", "models.fit", "refits"},
    "tables": {
        "claims",
        "analysis",
        "types",
        "numbers",
        "config",
        "models.fit",
        "models.check_types",
        "models.gate",
    },
    "report": {"claims", "figures", "tables", "analysis", "types", "numbers", "config", "models.fit", "trace"},
    "io": {"types", "config", "analysis", "models.fit", "refits", "trace"},
    "display": {"analysis", "numbers", "models.fit", "tables", "report.words"},
    "alone": {"analysis", "types", "config", "models", "refits", "figures"},
}
NEVER = {
    "records": {"pathlib", "matplotlib", "snakemake", "pandas", "scipy.stats"},
    "effects": {"pathlib", "matplotlib", "snakemake", "pandas", "scipy.stats"},
    "models": {"pathlib", "matplotlib", "snakemake", "pandas", "scipy.stats"},
    "sensitivity": {"pathlib", "matplotlib", "snakemake"},
    "calibration": {"pathlib", "matplotlib", "snakemake", "pandas", "scipy.stats"},
    "challenge": {"pathlib", "matplotlib", "snakemake", "pandas", "scipy.stats"},
    "intake": {"matplotlib", "snakemake", "pandas", "scipy.stats"},
    "claims": {"pathlib", "matplotlib", "snakemake", "pandas", "scipy.stats"},
    "figures": {"pathlib", "snakemake", "pandas"},
    "tables": {"pathlib", "matplotlib", "snakemake"},
}
OPENS_FILES = {"open", "read_text", "write_text", "read_bytes", "write_bytes", "savefig"}


def modules(room: str) -> list[Path]:
    single = HOUSE / f"{room}.py"
    return [single] if single.exists() else sorted((HOUSE / room).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Every module a file imports, at its top or inside a function; type-checking imports count too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return found


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_arrows_run_one_way(room: str) -> None:
    assert modules(room), f"no module for {room}"
    for path in modules(room):
        for name in imports(path):
            if within(name, "k2meta") and name != "k2meta":
                allowed = {room, *MAY_IMPORT[room]}
                assert any(within(name, f"k2meta.{one}") for one in allowed), f"{path.name} imports {name}"


@pytest.mark.parametrize("room", NEVER)
def test_a_room_never_touches_what_is_not_its_own(room: str) -> None:
    for path in modules(room):
        for name in imports(path):
            assert not any(within(name, package) for package in NEVER[room]), f"{path.name} imports {name}"


def test_only_io_opens_files() -> None:
    for path in HOUSE.rglob("*.py"):
        if path.name == "io.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                words = ast.unparse(node.func)
                through_io = words.startswith("io.") or "resources" in words
                assert name not in OPENS_FILES or through_io, f"{path.name}: {ast.unparse(node)}"


def test_every_rule_of_the_workflow_has_its_command() -> None:
    from k2meta.commands import STAGES

    text = (HOUSE.parents[1] / "Snakefile").read_text("utf-8")
    rules = [line.split()[1].rstrip(":") for line in text.splitlines() if line.startswith("rule ")]
    assert sorted(rules) == sorted(["all", *(stage.__name__ for stage in STAGES)])
    for rule in rules[1:]:
        assert f'"k2meta {rule} ' in text


def when_checked(tree: ast.Module) -> set[ast.AST]:
    """Every node below ``if TYPE_CHECKING``: what never runs."""
    blocks = (n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test))
    return {node for block in blocks for one in block.body for node in ast.walk(one)}


def source(name: str) -> Path | None:
    """Return the file of a dotted name below the package; ``None`` for a name inside a module."""
    path = HOUSE.parent.joinpath(*name.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


def reached(start: Path) -> set[Path]:
    """Every module of the house that a module can run, those of functions and of the packages above included.

    The commands beside a stage are left out: it starts through a package that names them all.
    """
    found, waiting = set(), [start]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        tree = ast.parse(path.read_text("utf-8"))
        hidden = when_checked(tree)
        for node in ast.walk(tree):
            if node in hidden or not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            of = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for parts in (f"{of}{alias.name}".split(".") for alias in node.names):
                if parts[0] == "k2meta":
                    names = (".".join(parts[:n]) for n in range(2, len(parts) + 1))
                    waiting += [p for name in names if name != "k2meta.commands" and (p := source(name))]
    return found


def rooms(paths: set[Path]) -> set[str]:
    return {path.relative_to(HOUSE).parts[0] for path in paths if path.parent != HOUSE}


def declared() -> dict[str, str]:
    """Return of every rule whose sources it names as inputs: ``code("models")``."""
    found: dict[str, str] = {}
    for line in (HOUSE.parents[1] / "Snakefile").read_text("utf-8").splitlines():
        if line.startswith("rule "):
            rule = line.split()[1].rstrip(":")
        elif line.strip().startswith("code("):
            found[rule] = line.split('"')[1]
    return found


def sources_of_a_stage() -> Callable[[str], list[str]]:
    """Return ``code`` of the workflow, run from its own text."""
    text = (HOUSE.parents[1] / "workflow" / "common.smk").read_text("utf-8")
    start, end = text.index("IMPORTS = {"), text.index("DATA = sorted(")
    names: dict[str, Any] = {"Path": Path, "k2meta": k2meta}
    exec(text[start:end], names)
    code: Callable[[str], list[str]] = names["code"]
    return code


@pytest.mark.parametrize(("rule", "stage"), declared().items())
def test_a_rule_runs_again_after_an_edit_of_anything_it_imports(rule: str, stage: str) -> None:
    inputs = {Path(path) for path in sources_of_a_stage()(stage)}
    runs = reached(HOUSE / "commands" / f"{rule}.py")
    assert runs <= inputs, sorted(str(path.relative_to(HOUSE)) for path in runs - inputs)
    # And after no edit of a room that it does not reach.
    assert rooms(inputs) == rooms(runs)


def test_every_rule_names_its_sources() -> None:
    from k2meta.commands import STAGES

    assert set(declared()) == {stage.__name__ for stage in STAGES}
    reads_claims = reached(HOUSE / "commands" / "effects.py")
    assert {HOUSE / "claims" / "read.py", HOUSE / "models" / "fit.py", HOUSE / "io.py"} <= reads_claims


def loaded_after(statement: str) -> set[str]:
    script = f"import sys\n{statement}\nprint('\\n'.join(sys.modules))"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(out.stdout.split())


HEAVY = {
    "pandas",
    "scipy.stats",
    "pymc",
    "arviz",
    "matplotlib",
    "statsmodels",
    "pytensor",
    "numba",
    "h5py",
    "typst",
    "docx",
}


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not HEAVY & loaded_after("import k2meta")


def test_the_command_line_and_the_workflow_load_nothing_heavy() -> None:
    assert not HEAVY & loaded_after("import k2meta.commands, k2meta.io")


def test_fitting_loads_no_statistics_library_but_special_functions() -> None:
    heavy = loaded_after("import k2meta as km; km.random_effects([0.1, 0.3, 0.2], [0.1, 0.2, 0.1])")
    assert not (HEAVY - {"scipy.stats"}) & heavy
