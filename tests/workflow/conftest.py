"""Whole projects, built in folders of their own by the commands that people type."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
Run = Callable[..., subprocess.CompletedProcess[str]]
BUILT = pytest.StashKey[Path]()
SHIPPED = pytest.StashKey[tuple[Path, Path]]()
"""What a session has built already; the tests of tests/browser look at the same builds."""


@pytest.fixture(scope="session")
def run() -> Run:
    """Run a command of the environment in a folder, with nothing on standard input."""

    def call(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(BIN / words[0]), *words[1:]],
            cwd=folder,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    return call


@pytest.fixture(scope="session")
def build(run: Run) -> Run:
    """Run snakemake with our Snakefile on somebody's folder."""

    def call(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return run(
            folder, "snakemake", "-s", str(ROOT / "Snakefile"), "--directory", str(folder), *words, **variables
        )

    return call


def copy(project: Path, to: Path) -> Path:
    """Copy what a researcher edits (data/ and config/) into an empty folder."""
    for name in ("data", "config"):
        shutil.copytree(project / name, to / name)
    return to


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a fresh copy of the tiny project with three questions."""
    return copy(ROOT / "tests" / "projects" / "three_questions", tmp_path / "review")


@pytest.fixture(scope="session")
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, build: Run) -> Path:
    """Return the tiny project, built once for all tests that only look."""
    if BUILT in request.config.stash:
        return request.config.stash[BUILT]
    folder = copy(ROOT / "tests" / "projects" / "three_questions", tmp_path_factory.mktemp("tiny") / "review")
    done = build(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    request.config.stash[BUILT] = folder
    return folder


@pytest.fixture(scope="session")
def shipped(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, build: Run
) -> tuple[Path, Path]:
    """Return the shipped review as two users build it in two folders, with other cores, locale and hash seed."""
    if SHIPPED in request.config.stash:
        return request.config.stash[SHIPPED]
    folders = []
    one = {"USER": "somebody", "HOME": str(tmp_path_factory.mktemp("home")), "OPENBLAS_NUM_THREADS": "3"}
    for name, cores, variables in (
        ("first", "2", {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C.UTF-8"}),
        ("a second place", "1", {"PYTHONHASHSEED": "77", "TZ": "Pacific/Auckland", "LC_ALL": "C", **one}),
    ):
        folder = copy(ROOT, tmp_path_factory.mktemp("shipped") / name)
        done = build(folder, "--cores", cores, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        folders.append(folder)
    request.config.stash[SHIPPED] = folders[0], folders[1]
    return folders[0], folders[1]
