"""Laws of the house: which way the imports run, what statistics may not touch, how light a start is."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

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
    "refits": {"models.fit"},
    "analysis": {"types", "config", "models.fit", "models.check_types", "refits", "shown"},
    "records": {"types"},
    "effects": {"types", "config", "shown"},
    "models": {"shown"},
    "sensitivity": {"models", "shown"},
    "calibration": {"models", "shown"},
    "challenge": {"records", "effects", "types", "config"},
    "intake": {"types", "records", "effects", "models"},
    "claims": {"analysis", "types", "numbers", "config", "models.fit"},
    "figures": {"analysis", "types", "numbers", "config", "models.fit", "refits"},
    "tables": {"claims", "analysis", "types", "numbers", "config", "models.fit", "models.check_types"},
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
