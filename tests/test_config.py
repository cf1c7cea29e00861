"""Settings: every mistake at once, with its line and the fix."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from k2meta import io
from k2meta.config import against_data, parse, problems
from k2meta.types import ProjectError

CONFIG = Path(__file__).parents[1] / "config" / "config.yaml"


@pytest.fixture
def settings() -> dict[str, Any]:
    return copy.deepcopy(io.read_yaml(CONFIG)[0])


def test_the_shipped_settings_are_valid_and_keep_every_option(settings: dict[str, Any]) -> None:
    config = parse(settings)
    assert [spec.id for spec in config.analyses] == [item["id"] for item in settings["analyses"]]
    assert config.models[0].options == {"tau2": "REML", "interval": "HKSJ-guarded", "prediction": "t(k-1)"}
    assert [config.lead.of(k)[0] for k in (2, 3, 4)] == ["bayes_exact", "bayes_exact", "reml_hksj"]


def _misspell(settings: dict[str, Any]) -> None:
    settings["analyses"][0]["mesure"] = settings["analyses"][0].pop("measure")


def _drop_patient_sd(settings: dict[str, Any]) -> None:
    del settings["analyses"][0]["patient_sd"]


def _repeat_id(settings: dict[str, Any]) -> None:
    settings["analyses"][1]["id"] = settings["analyses"][0]["id"]


FIGURES = len(io.read_yaml(CONFIG)[0]["figures"])
MISTAKES: list[tuple[Callable[[dict[str, Any]], None], str, str]] = [
    (_misspell, "analyses[0].mesure", "unknown key 'mesure'. Fix: write measure"),
    (_misspell, "analyses[0]", "the key 'measure' is missing"),
    (_drop_patient_sd, "analyses[0] (cac_agatston)", "needs patient_sd"),
    (_repeat_id, "analyses[1].id", "the id 'cac_agatston' is used twice"),
    (lambda s: s["models"][0].update(tau2="RELM"), "models[0].tau2", "'RELM': not one of DL, PM, REML"),
    (lambda s: s["models"][1].update(tau2="REML"), "models[1].tau2", "unknown key 'tau2'"),
    (lambda s: s["analyses"][2].update(id="K2 only"), "analyses[2].id", "does not match"),
    (lambda s: s["lead"].update(model="remle"), "lead.model", "'remle' is not among the models"),
    (lambda s: s.update(level=95), "level", "95"),
    (lambda s: s.update(colour="red"), "colour", "unknown key 'colour'"),
    (
        lambda s: s["figures"][0].update(preset="lancet"),
        "figures[0].preset",
        "'lancet': not one of cochrane, jama",
    ),
    (lambda s: s["figures"][0].update(columns=["people"]), "figures[0].columns", "the plot is one of them"),
    (lambda s: s["figures"][0].update(colour="red"), "figures[0].colour", "unknown key 'colour'"),
    (lambda s: s["figures"][1].update(preset="jama"), "figures[1].preset", "an option of the forest plot, not of"),
    (
        lambda s: s["figures"].append({"id": "gosh"}),
        f"figures[{FIGURES}].id",
        "the check 'gosh', which is not run",
    ),
    (lambda s: s["analyses"][0].update(where={"vitamer": "MK-7"}), "analyses[0].where.vitamer", "type array"),
]


@pytest.mark.parametrize(("mistake", "place", "message"), MISTAKES)
def test_a_mistake_is_named_with_its_place_and_its_fix(
    settings: dict[str, Any], mistake: Callable[[dict[str, Any]], None], place: str, message: str
) -> None:
    mistake(settings)
    found = problems(settings)
    assert any(problem.column == place and message in str(problem) for problem in found), "\n".join(
        map(str, found)
    )


def test_a_column_of_subgroups_that_the_data_do_not_have_is_named(settings: dict[str, Any]) -> None:
    settings["analyses"][0]["subgroups"] = "vitamr"
    outcomes = [name for item in settings["analyses"] for name in item["outcomes"]]
    columns = ["vitamer", *(name for item in settings["analyses"] for name in item["where"])]
    (found,) = against_data(parse(settings), outcomes, columns)
    assert (found.column, found.fix) == ("analyses[0].subgroups (cac_agatston)", "write vitamer")


def test_every_mistake_is_reported_at_once(settings: dict[str, Any]) -> None:
    settings["colour"] = "red"
    settings["level"] = 2
    settings["models"][0]["tau2"] = "XX"
    with pytest.raises(ProjectError) as error:
        parse(settings)
    assert {problem.column for problem in error.value.problems} == {"colour", "level", "models[0].tau2"}


def test_a_mistake_in_a_file_carries_its_line(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.read_text("utf-8").replace("\nseed: ", "\nseeed: "), encoding="utf-8")
    row = next(i for i, line in enumerate(path.read_text("utf-8").splitlines(), 1) if line.startswith("seeed"))
    with pytest.raises(ProjectError) as error:
        io.read_settings(path)
    assert f"config/config.yaml row {row} column seeed: unknown key 'seeed'. Fix: write seed" in str(error.value)


def test_a_duplicate_key_is_refused_with_both_lines(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("seed: 1\nlevel: 0.9\nseed: 2\n", encoding="utf-8")
    with pytest.raises(ProjectError, match=r"row 3 column seed: the key 'seed' stands twice \(first in line 1\)"):
        io.read_yaml(path)


def test_names_that_the_data_do_not_have_are_found(settings: dict[str, Any]) -> None:
    settings["analyses"][0]["outcomes"] = ["cac_agatson"]
    settings["analyses"][1]["where"] = {"vitamr": ["MK-7"]}
    config = parse(settings)
    outcomes = [name for spec in config.analyses[1:] for name in spec.outcomes] + ["cac_agatston"]
    columns = [name for spec in config.analyses for name in spec.where if name != "vitamr"] + ["vitamer"]
    found = against_data(config, outcomes, columns)
    assert [problem.fix for problem in found] == ["write cac_agatston", "write vitamer"]
