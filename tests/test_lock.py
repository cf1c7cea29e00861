"""The lock: versions and hashes, no address, enough for pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")
PINNED = {
    canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", LOCK, re.MULTILINE)
}


def test_the_lock_holds_no_address() -> None:
    assert not re.search(r"\w+://|--index|--find-links|--extra-index", LOCK)


def test_every_pinned_package_has_a_hash() -> None:
    entries = re.split(r"\n(?=[\w.-]+==)", LOCK.strip())
    assert len(entries) == len(PINNED)
    assert all("--hash=sha256:" in entry for entry in entries)


def test_the_lock_satisfies_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    assert len(wanted) > 20
    for text in wanted:
        requirement = Requirement(text)
        version = PINNED[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), f"{text}: the lock has {version}"
