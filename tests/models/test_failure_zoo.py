"""The failure zoo: our answers are the published ones, and the peers' answers are still what makes it a zoo."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.intake.test_exports import r_has_metafor

FOLDER = Path(__file__).parents[2] / "validation" / "failure_zoo"

# One engine on two machines: the last digits of a root may differ.
SAME = 1e-9


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("zoo", FOLDER / "zoo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["zoo"] = module
    spec.loader.exec_module(module)
    return module


ZOO = load()
ANSWERS: dict[str, Any] = ZOO.stored()


@pytest.mark.parametrize("animal", ZOO.ZOO, ids=lambda animal: animal.id)
def test_our_published_answer_is_what_the_engine_says(animal: Any) -> None:
    published = ANSWERS["k2meta"]["answers"][animal.id]
    found = ZOO.answer(ZOO.k2meta_default, animal)
    assert set(found) == set(published)
    for name, value in published.items():
        if isinstance(value, float | int):
            assert found[name] == pytest.approx(value, rel=SAME, abs=1e-12), name
        else:
            assert found[name] == value, name


@pytest.mark.parametrize("animal", ZOO.ZOO, ids=lambda animal: animal.id)
def test_our_answer_is_a_possible_one(animal: Any) -> None:
    found = ZOO.k2meta_default(animal.yi, animal.vi)
    assert found["tau2"] >= 0
    assert 0 <= found["i2"] < 100
    assert found["low"] < found["mu"] < found["high"]
    assert all(math.isfinite(found[name]) for name in ("tau2", "i2", "mu", "low", "high"))
    assert min(animal.yi) <= found["mu"] <= max(animal.yi)


@pytest.mark.parametrize("animal", ZOO.ZOO, ids=lambda animal: animal.id)
def test_the_statsmodels_beside_us_still_answers_as_published(animal: Any) -> None:
    published = ANSWERS["statsmodels DL"]["answers"][animal.id]
    found = ZOO.answer(ZOO.statsmodels_dl, animal)
    for name in ("tau2", "i2"):
        same = published[name] if isinstance(published[name], str) else pytest.approx(published[name], rel=1e-6)
        assert found[name] == same, name


def test_statsmodels_gives_homogeneous_studies_a_negative_variance_and_no_interval() -> None:
    answer = ANSWERS["statsmodels DL"]["answers"]["homogeneous"]
    assert answer["tau2"] < 0
    assert answer["i2"] < -1000
    assert answer["low"] == "nan"


def test_pymare_is_narrower_than_the_common_effect_on_hine1989_and_we_are_not() -> None:
    common = 2 * 1.959963984540054 / math.sqrt(sum(1 / v for v in ZOO.HINE_VI))
    width = {name: a["high"] - a["low"] for name in ANSWERS if (a := ANSWERS[name]["answers"]["hine1989"])}
    assert width["PyMARE"] < common < width["k2meta"]


def test_the_zoo_page_shows_every_answer() -> None:
    page = (FOLDER / "README.md").read_text("utf-8")
    assert len(ZOO.ZOO) >= 10
    assert ZOO.tables({name: ANSWERS[name] for name in ("k2meta", "metafor", "statsmodels DL", "PyMARE")}) in page


def test_metafor_writes_its_own_file_and_nothing_else(tmp_path: Path) -> None:
    if not r_has_metafor() and os.environ.get("CI"):
        pytest.fail("R's metafor is missing and CI must not skip this: apt-get install r-base-core r-cran-metafor")
    if not r_has_metafor():
        pytest.skip("Rscript with the package metafor is not installed: the script was not run")
    folder = tmp_path / "validation" / "failure_zoo"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        ["Rscript", "validation/failure_zoo/metafor.R"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    kept = [path for path in FOLDER.iterdir() if path.is_file() and path.name != "metafor.json"]
    assert len(kept) >= 5
    assert all((folder / path.name).read_bytes() == path.read_bytes() for path in kept)
    again = json.loads((folder / "metafor.json").read_text("utf-8"))["answers"]
    assert again.keys() == {animal.id for animal in ZOO.ZOO}
    for name, answer in again.items():
        assert answer == {key: pytest.approx(x, rel=SAME, abs=1e-12) if isinstance(x, float) else x
                          for key, x in ANSWERS["metafor"]["answers"][name].items()}  # fmt: skip


@pytest.mark.parametrize("engine", ["statsmodels DL", "PyMARE", "metafor"])
def test_stored_answers_have_every_digit(engine: str) -> None:
    # The shortest form that gives a double back has sixteen or seventeen digits for most of them.
    numbers = [
        x for answer in ANSWERS[engine]["answers"].values() for x in answer.values() if isinstance(x, float)
    ]
    assert max(len(repr(x).lstrip("-0.").replace(".", "")) for x in numbers) >= 16
