"""The README says what the build says."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from k2meta.numbers import fixed, interval, percent, places
from tests import references
from tests.intake.test_exports import r_has_metafor
from tests.workflow.conftest import BIN, ROOT

README = (ROOT / "README.md").read_text("utf-8")
TEXT = " ".join(README.split())


def fit(folder: Path, analysis: str, model: str) -> dict[str, Any]:
    return json.loads((folder / "results" / "fits" / analysis / f"{model}.json").read_text("utf-8"))


def test_the_two_answers_are_those_of_the_build(shipped: tuple[Path, Path]) -> None:
    for analysis, model, unit, kind in (
        ("cac_agatston", "reml_hksj", "Agatston units", "CI"),
        ("cfpwv", "bayes_exact", "m/s", "credible interval"),
    ):
        mu = fit(shipped[0], analysis, model)["mu"]
        digits = places("MD", mu["se"])
        assert (
            f"{fixed(mu['value'], digits)} {unit} (95 % {kind} {interval(mu['low'], mu['high'], digits)})" in TEXT
        )
    weights = fit(shipped[0], "cac_agatston", "reml_hksj")["weights"]
    assert f"in four trials, one of which carries {percent(max(weights))} of the weight" in TEXT
    assert len(weights) == 4


def test_the_library_in_five_lines_prints_what_its_comments_say() -> None:
    block = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert block is not None
    names: dict[str, Any] = {}
    compared = 0
    for line in block[1].splitlines():
        code, _, comment = line.partition("#")
        if (not code.strip() or "=" in code or code.startswith("import")) and "(mu_below=" not in code:
            exec(code, names)
            continue
        values = eval(code, names)
        printed = re.findall(r"-?\d+\.\d+", comment)
        for value, text in zip(values, printed, strict=True):
            assert float(text) == pytest.approx(value, abs=0.5 * 10 ** -len(text.split(".")[1]))
            compared += 1
    assert compared == 7


# A command of the README that its test does not run, and why.
NOT_RUN = {
    "make": "it makes an environment and runs every test; CI runs both",
    "snakemake": "alone it builds the shipped review, which test_the_two_answers_are_those_of_the_build looks at",
    "pytest": "it would run this test again",
}


def commands(block: str) -> list[str]:
    """Return the commands of a block as typed: no comment, a continued line as one."""
    lines = re.sub(r"\\\n\s*", "", block).splitlines()
    return [line.partition("  #")[0].strip() for line in lines if line.strip()]


def left_out(command: str) -> bool:
    head, *rest = command.split()
    return head in NOT_RUN and (head != "snakemake" or not rest)


BLOCKS = [commands(block) for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)]


def test_every_command_that_is_not_run_stands_in_the_readme() -> None:
    assert {command.split()[0] for block in BLOCKS for command in block if left_out(command)} == set(NOT_RUN)


@pytest.mark.parametrize("block", [block for block in BLOCKS if not all(map(left_out, block))])
def test_the_commands_of_the_readme_work_one_after_another(block: list[str], tmp_path: Path) -> None:
    # What a reader has around: the repository, where the commands are typed and where their path leads.
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "path" / "to").mkdir(parents=True)
    (tmp_path / "path" / "to" / "k2meta").symlink_to(ROOT)
    without_r = not r_has_metafor()
    for command in block:
        if left_out(command) or (without_r and command.startswith("Rscript")):
            continue
        variables = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(
            command, shell=True, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    if without_r and any(command.startswith("Rscript") for command in block):
        message = "Rscript with the package metafor is not installed: that line of the README was not run"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


def test_every_file_the_readme_points_to_exists() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(links) > 8
    for link in links:
        assert (ROOT / link).exists(), link


def test_the_forest_plot_of_the_readme_is_the_bcg_meta_analysis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[1]
    bcg = references.load("metafor")["datasets"]["bcg_RR"]
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"km": importlib.import_module("k2meta")}
    exec(block, names)
    # Printed to three decimals.
    assert names["yi"] == pytest.approx(bcg["yi"], abs=5e-4)
    assert names["vi"] == pytest.approx(bcg["vi"], abs=5e-4)
    assert "13 trials" in names["figure"].alt
    assert (tmp_path / "bcg.pdf").stat().st_size > 10_000
