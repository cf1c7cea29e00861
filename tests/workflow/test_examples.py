"""The examples and the new review build from their two folders, and real data give the published numbers."""

from __future__ import annotations

import csv
import html
import json
import math
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import k2meta as km
from k2meta.commands.new import new
from k2meta.effects.change import implied_r
from k2meta.report import overclaims
from k2meta.types import ProjectError
from tests.workflow.conftest import ROOT, Run, copy

# Published to eight and to six significant digits; the second set was made at a looser default tolerance.
EIGHT, SIX = 5e-8, 2e-4

# Words of the shipped review that no other report may hold.
OF_VITAMIN_K = re.compile(
    r"vitamin k|menaquinone|mk-7|calcif|arter(?:y|ies|ial)|agatston|ucmgp|\bate\b", re.IGNORECASE
)

Example = Callable[[str], Path]


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory, build: Run) -> Example:
    """Return a folder of examples/, copied as a fresh checkout has it and built once."""
    built: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in built:
            folder = copy(ROOT / "examples" / name, tmp_path_factory.mktemp("examples") / name)
            done = build(folder, "--cores", "2")
            assert done.returncode == 0, done.stdout + done.stderr
            built[name] = folder
        return built[name]

    return make


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / "results" / name).read_text("utf-8"))


def words(folder: Path) -> str:
    page = (folder / "reports" / "report.html").read_text("utf-8")
    page = re.sub(r"</?data\b[^>]*>", "", page)  # a number carries the id of its field
    bare = html.unescape(re.sub(r"<(style|script)\b.*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL))
    return " ".join(bare.replace("\N{NO-BREAK SPACE}", " ").split())


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "reports" / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_bcg_counts_give_the_published_pool(example: Example) -> None:
    fit = read(example("bcg"), "fits/tuberculosis/reml_hksj.json")
    assert fit["tau2"]["value"] == pytest.approx(0.31324326, rel=EIGHT)
    assert fit["mu"]["value"] == pytest.approx(-0.71453234, rel=EIGHT)
    assert fit["mu"]["se"] == pytest.approx(0.18079174, rel=EIGHT)
    rows = [row for row in table(example("bcg"), "effects") if row["analysis"] == "tuberculosis"]
    wald = km.random_effects([float(r["yi"]) for r in rows], [float(r["vi"]) for r in rows], interval="z")
    assert wald.mu.se == pytest.approx(0.17978152, rel=EIGHT)


def test_latitude_explains_the_bcg_trials_as_published_and_allocation_is_exploratory(example: Example) -> None:
    latitude, allocation = read(example("bcg"), "sensitivity/tuberculosis/meta_regression.json")
    assert [slope["value"] for slope in latitude["slopes"]] == pytest.approx([0.251464, -0.0291017], rel=SIX)
    assert latitude["tau2"] == pytest.approx(0.0763547, rel=SIX)
    assert latitude["r2"] == pytest.approx(75.6245, rel=SIX)
    assert (latitude["exploratory"], allocation["exploratory"]) == (False, True)
    assert (allocation["df"], allocation["reference"]) == (2, "alternate")
    page = words(example("bcg"))
    assert "Absolute latitude (prespecified; 13 trials): τ² falls from 0.31 to 0.076, 76 % of τ² explained" in page
    assert "Each degree of absolute latitude multiplies the risk ratio by 0.971" in page
    assert "Way of allocation (exploratory: fewer than ten studies for each covariate; 13 trials)" in page
    assert (example("bcg") / "reports" / "figures" / "tuberculosis_bubble.svg").exists()
    assert not (example("bcg") / "reports" / "figures" / "tuberculosis_randomised_bubble.svg").exists()


# Odds ratio, lower and upper limit as printed by trial and pooled; the README of the example says where.
REACT = (
    (2.00, 0.21, 18.69),
    (0.80, 0.49, 1.31),
    (0.59, 0.44, 0.78),
    (0.46, 0.20, 1.04),
    (4.00, 0.65, 24.66),
    (0.71, 0.38, 1.33),
    (0.91, 0.29, 2.87),
)
REACT_POOLED = {"common_effect": (0.66, 0.53, 0.82), "pm_hksj": (0.70, 0.48, 1.01)}
# Printed to two decimals.
TWO_DECIMALS = 0.005


def test_the_corticosteroid_trials_give_the_published_odds_ratios(example: Example) -> None:
    folder = example("corticosteroids")
    rows = table(folder, "effects")
    for row, printed in zip(rows, REACT, strict=True):
        log, se = float(row["yi"]), math.sqrt(float(row["vi"]))
        found = [math.exp(log + sign * 1.959964 * se) for sign in (0, -1, 1)]
        assert found == pytest.approx(printed, abs=TWO_DECIMALS), row["label"]
    for model, printed in REACT_POOLED.items():
        mu = read(folder, f"fits/death/{model}.json")["mu"]
        found = [math.exp(mu[name]) for name in ("value", "low", "high")]
        assert found == pytest.approx(printed, abs=TWO_DECIMALS), model
    with (folder / "data" / "extractions.csv").open(encoding="utf-8") as file:
        counts = list(csv.DictReader(file))
    names = ("events_treat", "total_treat", "events_ctrl", "total_ctrl")
    assert [sum(int(row[name]) for row in counts) for name in names] == [222, 678, 425, 1025]


def test_published_judgements_stand_on_the_page_with_their_place(example: Example) -> None:
    folder = example("corticosteroids")
    raw = (folder / "reports" / "report.html").read_text("utf-8")
    page = words(folder)
    with (folder / "data" / "risk_of_bias.csv").open(encoding="utf-8") as file:
        judged = {row["study_id"]: row for row in csv.DictReader(file)}
    assert len(judged) == 5
    for row in judged.values():
        assert row["by"], row
        assert row["source_url"].startswith("https://"), row
        assert html.escape(row["source_url"]) in raw, row
        assert row["source_locator"] in page, row
    shown = {row["study_id"]: row for row in table(folder, "risk_of_bias")}
    columns = ("d1", "d2", "d3", "d4", "d5", "overall")
    for study, row in shown.items():
        kept = judged.get(study, dict.fromkeys(columns, ""))
        assert [row[name] for name in columns] == [kept[name] or "not assessed" for name in columns], study
    assert sorted(set(shown) - set(judged)) == ["DEXACOVID19", "SteroidsSARI"]
    assert "Risk of bias was judged for 5 trials by the people named" in page


def test_a_published_rating_of_certainty_is_printed_with_who_when_and_where(example: Example) -> None:
    folder = example("corticosteroids")
    with (folder / "data" / "certainty.csv").open(encoding="utf-8") as file:
        (rating,) = csv.DictReader(file)
    assert re.search(r"doi:10\.\S+", rating["source"])
    page = words(folder)
    assert f"moderate (WHO guideline panel, 2020-09-02). Printed in: {rating['source']}" in page
    (row,) = table(folder, "summary_of_findings")
    assert (row["certainty"], row["certainty_source"]) == ("moderate", rating["source"])


def test_each_teaching_trial_takes_the_route_its_readme_names(example: Example) -> None:
    taken = {
        row["label"].removeprefix("Teaching trial "): row["route"]
        for row in table(example("change_scores"), "effects")
        if row["analysis"] == "walking"
    }
    readme = (ROOT / "examples" / "change_scores" / "README.md").read_text("utf-8")
    named = {
        trial: route
        for trials, route in re.findall(r"^\| ([A-J](?:, [A-J])*) \|.*\| `(\w+)`", readme, re.MULTILINE)
        for trial in trials.split(", ")
    }
    assert taken == named
    assert len(taken) == 10


def test_the_borrowed_correlation_is_the_one_its_lender_implies() -> None:
    with (ROOT / "examples" / "change_scores" / "data" / "extractions.csv").open(encoding="utf-8") as file:
        lender = next(row for row in csv.DictReader(file) if row["study_id"] == "TeachingA")
    for side in ("treat", "ctrl"):
        sds = [float(lender[f"{stage}_sd_{side}"]) for stage in ("baseline", "follow", "change")]
        # Three SDs printed to one decimal give r to about three.
        assert implied_r(*sds)[0] == pytest.approx(0.7, abs=1e-3)


def test_the_multiverse_of_conversions_holds_the_answer_and_is_told(example: Example) -> None:
    folder = example("change_scores")
    rows = read(folder, "sensitivity/walking/conversions.json")
    assert len(rows) == 10
    (used,) = (row for row in rows if row["configured"])
    lead = read(folder, "fits/walking/reml_hksj.json")
    assert (used["correlation"], used["medians"], used["mu"]) == (0.7, True, lead["mu"])
    assert sorted({row["k"] for row in rows}) == [8, 10]
    assert read(folder, "sensitivity/walking_as_printed/conversions.json") == []
    assert len(table(folder, "conversions")) == 10
    page = words(folder)
    assert (
        "A borrowed correlation gives the SD of change of Teaching trial F and Teaching trial G; medians were"
        in page
    )
    lowest, highest = (f(row["mu"]["value"] for row in rows) for f in (min, max))
    assert f"the estimate runs from {lowest:.1f} m" in page
    assert f"to {highest:.1f} m" in page
    assert "Whether the interval includes zero is the same in all of them." in page


def test_the_share_of_weight_on_conversions_is_in_the_answer(example: Example) -> None:
    folder = example("change_scores")
    rows = [row for row in table(folder, "effects") if row["analysis"] == "walking"]
    shares = [
        sum(float(row["weight"]) for row in rows if row["route"].startswith(kind) or row["route"].endswith(kind))
        for kind in ("arms_correlation", "_medians")
    ]
    answer = words(folder).partition("Which trials, which results")[2].partition("Which trials, which results")[0]
    assert (
        f"({100 * shares[0]:.0f} % on a borrowed correlation, {100 * shares[1]:.0f} % on means converted" in answer
    )


def test_fictional_data_say_so_wherever_a_reader_may_enter(example: Example) -> None:
    folder = ROOT / "examples" / "change_scores"
    assert "ictional" in (folder / "README.md").read_text("utf-8").splitlines()[0]
    assert "FICTIONAL" in json.loads((folder / "data" / "datapackage.json").read_text("utf-8"))["title"]
    page = words(example("change_scores"))
    assert page.startswith("Fictional teaching data")
    assert "Every trial and every number here is invented." in page


def test_the_repository_itself_is_an_example(run: Run) -> None:
    folder = ROOT / "examples" / "vitamin_k"
    for name in ("config", "data"):
        assert (folder / name).resolve() == ROOT / name
    done = run(ROOT, "k2meta", "check", "examples/vitamin_k")
    assert done.returncode in (0, 1), done.stderr


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory, run: Run) -> tuple[Path, str]:
    """Return a review made by `k2meta new`, built by the very command that it printed."""
    place = tmp_path_factory.mktemp("new")
    made = run(place, "k2meta", "new", "my-review")
    assert made.returncode == 0, made.stderr
    (command,) = (shlex.split(line) for line in made.stdout.splitlines() if line.strip().startswith("snakemake"))
    done = run(place, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    return place / "my-review", made.stdout


def test_a_new_review_builds_by_the_printed_command_and_says_that_it_is_invented(fresh: tuple[Path, str]) -> None:
    page = words(fresh[0])
    assert "every number is invented" in page
    assert read(fresh[0], "fits/systolic/reml_hksj.json")["k"] == 3
    hidden = (fresh[0] / ".gitignore").read_text("utf-8").split()
    assert "results/" in hidden


def test_a_new_review_checks_clean(fresh: tuple[Path, str], run: Run) -> None:
    done = run(fresh[0].parent, "k2meta", "check", "my-review")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["", "a b", "../out", "a/b", ".", "-x", "é", "x" * 65, "a;rm"])
def test_a_bad_name_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(ProjectError, match="is no name of a review"):
        new(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_refused_and_left_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work", "utf-8")
    done = run(tmp_path, "k2meta", "new", "mine")
    assert done.returncode == 2
    assert "mine: the folder is not empty. Fix: choose another name, or empty it first" in done.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
    assert "Traceback" not in done.stderr
    with pytest.raises(ProjectError, match="nowhere: the folder to make it in does not exist"):
        new("mine", tmp_path / "nowhere")


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    new("mine", tmp_path)
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == [
        ".gitignore",
        "README.md",
        "config",
        "data",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_no_report_of_another_review_speaks_of_this_one(example: Example, fresh: tuple[Path, str]) -> None:
    for folder in (example("bcg"), example("change_scores"), example("corticosteroids"), fresh[0]):
        page = words(folder)
        assert len(page) > 5_000
        assert OF_VITAMIN_K.findall(page) == [], folder.name
        assert overclaims(page) == (), folder.name


def test_the_columns_of_the_template_are_those_of_the_shipped_review() -> None:
    def columns(path: Path) -> dict[str, dict[str, str]]:
        package = json.loads(path.read_text("utf-8"))
        return {
            resource["name"]: {field["name"]: field["type"] for field in resource["schema"]["fields"]}
            for resource in package["resources"]
        }

    shipped = columns(ROOT / "data" / "datapackage.json")
    template = columns(ROOT / "src" / "k2meta" / "templates" / "new_review" / "data" / "datapackage.json")
    for name in ("extractions", "outcomes", "queries"):
        assert template[name].items() <= shipped[name].items(), name
