"""The whole path: what a build leaves, that it repeats to the byte, and what a new trial changes."""

from __future__ import annotations

import csv
import html
import json
import re
import shutil
from pathlib import Path

import pytest

from k2meta import as_datatree, io
from k2meta.numbers import percent
from k2meta.report import generated, overclaims
from tests.workflow.conftest import ROOT, Run, copy

# Deterministic numbers repeat on another platform to about 1e-9; sampled ones to their MCSE.
TOLERANCE = 1e-6

NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")


def published(folder: Path) -> dict[str, bytes]:
    """Every published file by its name relative to reports/."""
    reports = folder / "reports"
    files = (path for path in sorted(reports.rglob("*")) if path.is_file() and path.name != ".snakemake_timestamp")
    return {str(path.relative_to(reports)): path.read_bytes() for path in files}


def test_a_build_leaves_the_report_its_figures_tables_and_provenance(built: Path) -> None:
    names = set(published(built))
    assert {"report.html", "report.pdf", "provenance.json"} <= names
    for analysis in ("stiffness", "calcification", "radial"):
        for kind in ("svg", "png", "csv"):
            assert f"figures/{analysis}_forest.{kind}" in names
    assert any(name.startswith("tables/") and name.endswith(".csv") for name in names)


def test_no_trial_and_one_trial_are_said_and_do_not_fail_the_build(built: Path) -> None:
    page = (built / "reports" / "report.html").read_text("utf-8")
    assert "one trial: not pooled" in page.lower()
    assert json.loads((built / "results" / "fits" / "calcification" / "reml_hksj.json").read_text()) is None
    assert json.loads((built / "results" / "fits" / "radial" / "bayes_exact.json").read_text()) is None
    assert "Dirac 2004" in page  # measured, printed no number: named beside the pool it is missing from


def test_the_strip_of_priors_and_the_average_come_from_the_fits(built: Path) -> None:
    fit = json.loads((built / "results" / "fits" / "stiffness" / "bayes_exact.json").read_text("utf-8"))
    strip = json.loads((built / "results" / "sensitivity" / "stiffness" / "prior_strip.json").read_text("utf-8"))
    (lead,) = [row for row in strip if row["lead"]]
    assert lead["prior"] == fit["options"]["tau_prior"] == "half-normal with scale 0.625"
    ends = (
        fit["mu"]["value"],
        fit["mu"]["low"],
        fit["mu"]["high"],
        fit["prediction"]["low"],
        fit["tau"]["median"],
    )
    names = ("mean", "low", "high", "new_low", "tau_median")
    assert tuple(lead[name] for name in names) == pytest.approx(ends, rel=TOLERANCE)
    with (built / "reports" / "tables" / "prior_strip.csv").open(encoding="utf-8", newline="") as file:
        filed = [row for row in csv.DictReader(file) if row["leads"] == "True"]
    assert [float(row["estimate"]) for row in filed] == [lead["mean"]]
    average = json.loads(
        (built / "results" / "sensitivity" / "stiffness" / "model_averaging.json").read_text("utf-8")
    )
    assert average["mu_prior"] == "normal with mean 0 and standard deviation 2.5"  # two patient SDs of 1.25 m/s
    page = html.unescape((built / "reports" / "report.html").read_text("utf-8")).replace("\N{NO-BREAK SPACE}", " ")
    page = re.sub(r"</?data\b[^>]*>", "", page)  # a number carries the id of its field
    assert f"from 50 % before the data to {percent(average['effect'])} after" in page


def test_questions_without_a_pool_have_no_strip_of_priors(built: Path) -> None:
    names = set(published(built))
    assert "figures/stiffness_prior_strip.svg" in names
    for analysis in ("calcification", "radial"):
        assert f"figures/{analysis}_prior_strip.svg" not in names
        folder = built / "results" / "sensitivity" / analysis
        assert json.loads((folder / "prior_strip.json").read_text("utf-8")) == []
        assert json.loads((folder / "model_averaging.json").read_text("utf-8")) is None


def test_a_second_run_has_nothing_to_do(built: Path, build: Run) -> None:
    again = build(built)
    assert again.returncode == 0
    assert "Nothing to be done" in again.stdout + again.stderr


def test_what_python_and_numba_compile_is_no_source(built: Path, build: Run) -> None:
    folder = ROOT / "src" / "k2meta" / "records" / "__pycache__"
    folder.mkdir(exist_ok=True)
    # Bytecode has such a name until it is whole; numba writes an index of its machine code.
    compiled = [folder / "check.cpython-312.pyc.1404", folder / "check.nbi"]
    for file in compiled:
        file.touch()
    try:
        again = build(built)
    finally:
        for file in compiled:
            file.unlink()
    assert again.returncode == 0
    assert "Nothing to be done" in again.stdout + again.stderr


def test_nothing_published_names_the_folder_it_was_built_in(built: Path) -> None:
    for name, raw in published(built).items():
        for path in (str(built), str(ROOT), str(Path.home()) + "/"):
            assert path.encode() not in raw, f"{name} holds {path}"


def test_a_new_trial_changes_its_own_question_and_nothing_else(project: Path, built: Path, build: Run) -> None:
    with (project / "data" / "trials.csv").open("a", encoding="utf-8") as file:
        file.write("Euler2005,Euler 2005,2005,NCT00000005,Switzerland,rct,MK-7,90,91\n")
    row = (
        "Euler2005-cfpwv-1,Euler2005,cfpwv,main,12,m/s,raw,88,90,,,,,-0.25,-0.62,0.12,95,MD,,,"
        "https://example.org/euler,Abstract,invented for a test,primary_abstract\n"
    )
    with (project / "data" / "extractions.csv").open("a", encoding="utf-8") as file:
        file.write(row)
    done = build(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Euler 2005" in (project / "reports" / "report.html").read_text("utf-8")
    fits = {str(path.relative_to(project)) for path in (project / "results" / "fits").rglob("*.json")}
    assert len(fits) == 9
    for name in fits:
        same = (project / name).read_bytes() == (built / name).read_bytes()
        assert same == ("stiffness" not in name), name
    before, after = published(built), published(project)
    assert set(before) == set(after)
    for name in before:
        if "calcification" in name or "radial" in name:
            assert before[name] == after[name], name


def test_two_builds_in_two_folders_are_byte_identical(shipped: tuple[Path, Path]) -> None:
    first, second = (published(folder) for folder in shipped)
    assert set(first) == set(second)
    assert len(first) > 30
    different = [name for name in first if first[name] != second[name]]
    assert not different


@pytest.mark.parametrize("name", sorted(published(ROOT)))
def test_the_committed_reports_equal_a_rebuild(shipped: tuple[Path, Path], name: str) -> None:
    rebuilt = published(shipped[0])
    assert name in rebuilt, f"reports/{name} is not made by the build: remove it"
    if name.endswith((".png", ".pdf", ".docx")):
        return  # the same as the SVG, the page and the tables, which are compared below
    committed, new = published(ROOT)[name].decode(), rebuilt[name].decode()
    if name == "provenance.json":
        committed, new = (_without_python(text) for text in (committed, new))
    if name.endswith(".svg") or committed == new:
        assert committed == new, "run `make report` and commit reports/"
        return
    assert NUMBER.sub("#", committed) == NUMBER.sub("#", new), "run `make report` and commit reports/"
    pairs = zip(NUMBER.findall(committed), NUMBER.findall(new), strict=True)
    for old, fresh in pairs:
        assert float(old) == pytest.approx(float(fresh), rel=TOLERANCE, abs=1e-12)


def _without_python(text: str) -> str:
    value = json.loads(text)
    del value["software"]["python"]
    return json.dumps(value, sort_keys=True)


def test_every_published_file_is_committed(shipped: tuple[Path, Path]) -> None:
    made, kept = (set(published(folder)) for folder in (shipped[0], ROOT))
    assert made == kept, "run `make report` and commit reports/"


def test_the_published_page_claims_no_more_than_an_interval_can_carry(shipped: tuple[Path, Path]) -> None:
    page = (shipped[0] / "reports" / "report.html").read_text("utf-8")
    words = generated(page)
    assert len(words) > 10_000
    assert overclaims(words) == ()


def test_a_page_that_overclaims_is_refused_by_a_strict_build(built: Path, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "review"
    shutil.copytree(built, folder)
    settings = json.loads((folder / "results" / "config.json").read_text("utf-8"))
    settings["analyses"][0]["caveat"] = "This proves that it works for everyone."
    (folder / "results" / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    words = ("k2meta", "report", ".", "--out", str(tmp_path / "report.html"))
    assert run(folder, *words).returncode == 0
    done = run(folder, *words, "--strict")
    assert done.returncode == 1
    assert "'proves'" in done.stderr
    assert "'works for everyone'" in done.stderr


def test_every_sampled_fit_passes_its_gate(shipped: tuple[Path, Path], run: Run, tmp_path: Path) -> None:
    done = run(shipped[0], "k2meta", "report", ".", "--strict", "--out", str(tmp_path / "report.html"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report.html").read_bytes() == (shipped[0] / "reports" / "report.html").read_bytes()


def test_every_sampled_fit_has_its_checks_and_its_draws_by_trial(shipped: tuple[Path, Path]) -> None:
    results = shipped[0] / "results"
    pooled = 0
    for path in sorted((results / "fits").glob("*/bayes_mcmc.json")):
        fit, checks = io.read_fit(path), io.read_model_checks(path.with_suffix(".checks.json"))
        assert (fit is None) == (checks is None), path
        if fit is None or checks is None:
            continue
        pooled += 1
        assert len(checks.studies) == len(checks.loo.pareto_k) == len(checks.predictive.pit) == fit.k
        assert [one.parameter for one in checks.sensitivity] == ["mu", "tau"]
        assert (checks.comparison is None) == (fit.k < 3)  # two studies say nothing about the tails
        tree = as_datatree(io.read_draws(results / "draws" / path.parent.name / "bayes_mcmc.h5"), checks.studies)
        for study, shrunken in zip(checks.studies, fit.studies, strict=True):
            assert float(tree.posterior["theta"].sel(study=study).mean()) == pytest.approx(
                shrunken.value, rel=1e-9
            )
    assert pooled >= 7


def test_the_second_engine_agrees_on_every_number(shipped: tuple[Path, Path]) -> None:
    files = sorted((shipped[0] / "results" / "sensitivity").glob("*/second_engine.json"))
    compared = [entry for path in files for entry in json.loads(path.read_text("utf-8"))]
    assert len(compared) >= 7 * 4
    assert all(entry["agrees"] for entry in compared), [entry for entry in compared if not entry["agrees"]]


def test_settings_of_one_run_merge_over_the_file(project: Path, build: Run, tmp_path: Path) -> None:
    extra = tmp_path / "extra.yaml"
    extra.write_text("review: {title: Another title}\n", encoding="utf-8")
    done = build(project, "--configfile", str(extra), "--until", "records")
    assert done.returncode == 0, done.stdout + done.stderr
    merged = json.loads((project / "results" / "config.json").read_text("utf-8"))
    assert merged["review"]["title"] == "Another title"
    assert merged["review"]["question"] == "Does it build?"


def test_a_misspelt_setting_on_the_command_line_is_refused(project: Path, build: Run) -> None:
    done = build(project, "--config", "sed=7")
    assert done.returncode == 2
    assert "config/config.yaml column sed: unknown key 'sed'. Fix: write seed" in done.stderr


def test_a_project_in_another_folder_needs_only_data_and_config(tmp_path: Path) -> None:
    folder = copy(ROOT / "tests" / "projects" / "three_questions", tmp_path / "mine")
    assert sorted(path.name for path in folder.iterdir()) == ["config", "data"]
