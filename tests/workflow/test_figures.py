"""Every figure through the pipeline: drawn where there are trials enough, and told why not where there are not."""

from __future__ import annotations

import csv
import html
import json
import re
from pathlib import Path

import pytest

from k2meta.figures import FURTHER
from k2meta.refits import CHECKS
from k2meta.report.cards import FURTHER_NAMES
from tests.workflow.conftest import ROOT, Run, copy

JUDGED = """study_id,outcome,tool,d1,d2,d3,d4,d5,overall,by,source_locator,source_url,notes
Arendt2001,,RoB 2,low,low,some concerns,low,low,some concerns,a test,invented,https://example.org,fictional
"""


def with_everything(folder: Path) -> Path:
    """Return the tiny project with every figure, every refit, subgroups and judgements of a fictional person."""
    project = copy(ROOT / "tests" / "projects" / "three_questions", folder / "review")
    config = project / "config" / "config.yaml"
    text = config.read_text("utf-8")
    text = text.replace("  - {id: second_engine}\n", "  - {id: second_engine}\n" + lines(CHECKS), 1)
    text = text.replace("  - {id: forest}\n", "  - {id: forest, preset: jama}\n" + lines(FURTHER), 1)
    text = text.replace("    relevance: []\n", "    relevance: []\n    subgroups: vitamer\n", 1)
    config.write_text(text, encoding="utf-8")
    (project / "data" / "risk_of_bias.csv").write_text(JUDGED, encoding="utf-8")
    return project


def lines(names: object) -> str:
    return "".join(f"  - {{id: {name}}}\n" for name in names)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory, build: Run) -> Path:
    project = with_everything(tmp_path_factory.mktemp("figures"))
    done = build(project)
    assert done.returncode == 0, done.stdout + done.stderr
    return project


def words_of(folder: Path) -> str:
    page = re.sub(r"</?data\b[^>]*>", "", (folder / "reports" / "report.html").read_text("utf-8"))
    return " ".join(html.unescape(re.sub(r"<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)).split())


def test_each_figure_is_drawn_for_three_trials_but_the_one_that_needs_six(everything: Path) -> None:
    folder = everything / "reports" / "figures"
    for name in FURTHER:
        made = {path.suffix for path in folder.glob(f"stiffness_{name}.*")}
        assert made == (set() if name == "gosh" else {".svg", ".png", ".csv", ".txt"}), name
        for few in ("calcification", "radial"):
            assert not list(folder.glob(f"{few}_{name}.*"))
    text = words_of(everything)
    assert "All subsets (GOSH): k = 3: not drawn for fewer than six trials." in text
    assert "not drawn for fewer than three trials" not in text
    left_out = "no table of models, no funnel plot and no other figure of a pool."
    assert text.count(f"No trial: {left_out}") == text.count(f"One trial: {left_out}") == 1


def test_the_refits_are_those_of_the_library(everything: Path) -> None:
    folder = everything / "results" / "sensitivity" / "stiffness"
    fit = json.loads((everything / "results" / "fits" / "stiffness" / "reml_hksj.json").read_text("utf-8"))
    last = json.loads((folder / "cumulative.json").read_text("utf-8"))["steps"][-1]
    assert last["mu"] == fit["mu"]
    many = json.loads((folder / "multiverse.json").read_text("utf-8"))
    (head,) = [one for one in many["specifications"] if one["headline"]]
    assert (head["model"], head["tau2_method"], head["interval"]) == ("Bayesian", "bayes_exact", "credible")
    exact = json.loads((everything / "results" / "fits" / "stiffness" / "bayes_exact.json").read_text("utf-8"))
    assert head["mu"] == exact["mu"]
    curve = json.loads((folder / "confidence_curve.json").read_text("utf-8"))["limits"]
    (usual,) = [one for one in curve if one["level"] == 0.95]
    assert (usual["low"], usual["high"]) == (fit["mu"]["low"], fit["mu"]["high"])


def test_the_forest_plot_has_the_subgroups_and_the_judgements_that_people_wrote(everything: Path) -> None:
    with (everything / "reports" / "figures" / "stiffness_forest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["row"] for row in rows].count("group") >= 1
    judged = next(row for row in rows if row["study_id"] == "Arendt2001")
    assert judged["note"] == "low; low; some concerns; low; low; some concerns"
    alt = (everything / "reports" / "figures" / "stiffness_forest.alt.txt").read_text("utf-8")
    assert "Test for differences between subgroups (vitamer)" in alt


def test_a_judgement_nobody_knows_stops_the_build_in_words(tmp_path: Path, build: Run) -> None:
    project = with_everything(tmp_path)
    path = project / "data" / "risk_of_bias.csv"
    path.write_text(JUDGED.replace("RoB 2,low", "RoB 2,fine"), encoding="utf-8")
    done = build(project, "--until", "figures")
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert 'data/risk_of_bias.csv row 2 column d1: "fine" is not an allowed value' in said
    assert "Traceback" not in said
    assert not (project / "reports" / "figures" / "stiffness_forest.svg").exists()


def test_every_further_figure_has_a_name_on_the_page() -> None:
    assert set(FURTHER_NAMES) == set(FURTHER)
