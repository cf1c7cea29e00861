"""Bad input: one clear message with the place and the fix, exit code 2, no traceback, nothing half-written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workflow.conftest import Run


def replace(file: str, old: str, new: str, encoding: str = "utf-8") -> Callable[[Path], None]:
    def change(project: Path) -> None:
        path = project / file
        text = path.read_text("utf-8")
        assert old in text, f"{old!r} is not in {file}"
        path.write_bytes(text.replace(old, new, 1).encode(encoding))

    return change


def append(file: str, text: str) -> Callable[[Path], None]:
    def change(project: Path) -> None:
        with (project / file).open("a", encoding="utf-8") as out:
            out.write(text)

    return change


def truncate(file: str) -> Callable[[Path], None]:
    return lambda project: (project / file).open("w").close()


def remove(file: str) -> Callable[[Path], None]:
    return lambda project: (project / file).unlink()


def claims(rule: str, analysis: str) -> Callable[[Path], None]:
    cells = {"claim_id": "C01", "article": "a", "claim": "It helps", "claim_type": "stiffness"}
    cells |= {"faithful": "faithful", "rule": rule, "analysis": analysis, "direction": "lower"}
    text = ",".join(cells) + "\n" + ",".join(cells.values()) + "\n"
    return lambda project: (project / "data" / "claims.csv").write_text(text, encoding="utf-8") and None


CONFIG, TRIALS, ROWS = "config/config.yaml", "data/trials.csv", "data/extractions.csv"

BAD: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "unknown config key": (
        replace(CONFIG, "lower_is_better", "lower_is_beter"),
        ["config/config.yaml row", "unknown key 'lower_is_beter'", "write lower_is_better"],
    ),
    "duplicate YAML key": (append(CONFIG, "seed: 2\n"), ["the key 'seed' stands twice (first in line"]),
    "misspelt column": (
        replace(ROWS, "timepoint_months", "timepoint_month"),
        ["data/extractions.csv", "timepoint_month", "did you mean timepoint_months"],
    ),
    "decimal comma": (replace(ROWS, "-0.20,", '"-0,20",'), ["row 3 column diff_estimate", "-0,20", "-0.20"]),
    "text in a number": (replace(ROWS, ",1.20,", ",about 1,"), ["row 2 column change_sd_treat", "about 1"]),
    "infinity in a number": (replace(ROWS, ",1.20,", ",inf,"), ["row 2 column change_sd_treat", "inf"]),
    "duplicate id": (
        replace(ROWS, "Curie2003-cfpwv-1", "Bloch2002-cfpwv-1"),
        ["column extraction_id", "Bloch2002-cfpwv-1"],
    ),
    "unknown study": (
        replace(ROWS, "Arendt2001-cfpwv-1,Arendt2001", "Arendt2001-cfpwv-1,Arent2001"),
        ["row 2 column study_id", "Arent2001", "Arendt2001"],
    ),
    "negative SD": (replace(ROWS, ",1.20,", ",-1.20,"), ["row 2 column change_sd_treat", "-1.20"]),
    "interval that misses its estimate": (
        replace(ROWS, "-0.20,-0.75,0.35", "-2.00,-0.75,0.35"),
        ["row 3", "C01", "−2.00", "−0.75", "0.35", "data/queries.csv"],
    ),
    "wrong encoding": (
        replace(TRIALS, "Curie 2003", "Curïe 2003", encoding="cp1252"),
        ["data/trials.csv row 4", "is not UTF-8", "save it as UTF-8"],
    ),
    "NUL byte": (replace(TRIALS, "Poland", "Pol\0and"), ["data/trials.csv row 4", "NUL byte"]),
    "empty file": (
        lambda project: (project / TRIALS).write_bytes(b"") and None,
        ["data/trials.csv: the file is empty"],
    ),
    "missing file": (lambda project: (project / TRIALS).unlink(), ["data/trials.csv: the file is missing"]),
    "missing settings": (lambda project: (project / CONFIG).unlink(), ["config/config.yaml: the file is missing"]),
    "broken YAML": (append(CONFIG, "  - : [\n"), ["config/config.yaml row", "is not YAML"]),
    "prior of a misspelt family": (
        replace(CONFIG, "family: half_normal", "family: halfnormal"),
        ["config/config.yaml row", "models[2].tau_prior.family", "not one of half_normal, half_t"],
    ),
    "prior without its parameter": (
        replace(CONFIG, "half_normal, scale: 0.5", "half_t, scale: 0.5"),
        ["config/config.yaml row", "the key 'df' is missing", "add df"],
    ),
    "prior for another measure": (
        replace(CONFIG, "half_normal, scale: 0.5", "empirical, name: rhodes2015_smd"),
        ["config/config.yaml row", "do not pool: stiffness, calcification", "use half_normal"],
    ),
    "improper prior that would lead": (
        replace(CONFIG, "half_normal, scale: 0.5", "uniform"),
        ["config/config.yaml row", "this model cannot lead", "model_averaging weighs models by their evidence"],
    ),
    "prior with an infinite scale": (
        replace(CONFIG, "half_normal, scale: 0.5", "half_normal, scale: .inf"),
        ["config/config.yaml row", "inf", "A positive number"],
    ),
    "claim with an unknown rule and an unknown analysis": (
        claims("pooled_efect", "stifness"),
        [
            "data/claims.csv row 2 column rule: 'pooled_efect' is not known. Fix: write pooled_effect",
            "data/claims.csv row 2 column analysis: 'stifness' is not known. Fix: write stiffness",
        ],
    ),
    "outcome that is not in the dictionary": (
        replace(CONFIG, "outcomes: [cfpwv]", "outcomes: [cfpvw]"),
        ["analyses[0].outcomes (stiffness)", "write cfpwv"],
    ),
    "direction against that of the outcome": (
        replace(CONFIG, "lower_is_better: true", "lower_is_better: false"),
        ["analyses[0].lower_is_better (stiffness)", "lower is better for cfpwv", "write lower_is_better: true"],
    ),
    "mean difference in another unit": (
        replace(CONFIG, "unit: m/s", "unit: cm/s"),
        ["analyses[0].unit (stiffness)", "the unit is cm/s", "are in m/s", "write unit: m/s"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_check_names_the_place_and_the_fix_and_exits_with_2(project: Path, run: Run, case: str) -> None:
    spoil, expected = BAD[case]
    spoil(project)
    done = run(project, "k2meta", "check", ".")
    message = " ".join(done.stdout.split())
    assert done.returncode == 2, done.stdout + done.stderr
    assert not done.stderr
    for words in expected:
        # A card has the place, the words and the fix in lines of their own.
        place, _, rest = words.partition(": ") if words.startswith(("data/", "config/")) else ("", "", words)
        for part in (place, *rest.split(". Fix: ")):
            assert part in message, message
    assert " fix " in message


@pytest.mark.parametrize("case", ["unknown config key", "duplicate YAML key", "broken YAML", "missing settings"])
def test_a_run_with_bad_settings_exits_with_2_before_anything_is_made(
    project: Path, build: Run, case: str
) -> None:
    spoil, expected = BAD[case]
    spoil(project)
    done = build(project)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert all(words in done.stderr for words in expected), done.stderr
    assert not (project / "results").exists()
    assert not (project / "reports").exists()


@pytest.mark.parametrize("case", ["misspelt column", "interval that misses its estimate", "missing file"])
def test_a_run_with_bad_data_says_why_and_leaves_no_artefact(project: Path, build: Run, case: str) -> None:
    spoil, expected = BAD[case]
    spoil(project)
    done = build(project)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Traceback" not in output
    assert all(words in output for words in expected), output
    assert not (project / "results" / "records.json").exists()
    assert not (project / "reports" / "report.html").exists()


def test_every_problem_is_reported_at_once(project: Path, run: Run) -> None:
    for case in ("unknown config key", "text in a number", "unknown study", "decimal comma"):
        BAD[case][0](project)
    message = run(project, "k2meta", "check", ".").stdout
    for words in ("lower_is_beter", "about 1", "Arent2001", "-0,20"):
        assert words in message, message


def test_a_clean_project_exits_with_0_and_open_queries_with_1(project: Path, run: Run) -> None:
    assert run(project, "k2meta", "check", ".").returncode == 0
    replace(ROWS, "-0.20,-0.75,0.35", "-2.00,-0.75,0.35")(project)
    (project / "data" / "queries.csv").write_text(
        "query_id,status,column,corrected_value,reason,by\n"
        "C01-Bloch2002-cfpwv-1,open,,,the full text was not read,a tester\n",
        encoding="utf-8",
    )
    done = run(project, "k2meta", "check", ".")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "C01-Bloch2002-cfpwv-1" in done.stdout


def test_the_json_of_check_says_the_same_as_its_exit_code(project: Path, run: Run) -> None:
    done = run(project, "k2meta", "check", ".", "--format", "json")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["exit_code"], answer["status"]) == (0, 0, "clean")
    assert any(note["said"].startswith("Retractions: not checked") for note in answer["notes"])
    replace(ROWS, ",1.20,", ",about 1,")(project)
    done = run(project, "k2meta", "check", ".", "--format", "json")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["exit_code"], answer["status"]) == (2, 2, "unusable")
    (problem,) = answer["problems"]
    assert (problem["file"], problem["row"], problem["column"], problem["value"]) == (
        "data/extractions.csv",
        2,
        "change_sd_treat",
        "about 1",
    )


def test_check_prints_file_row_value_rule_numbers_and_fix_of_an_open_query(project: Path, run: Run) -> None:
    replace(ROWS, "-0.20,-0.75,0.35", "-2.00,-0.75,0.35")(project)
    (project / "data" / "queries.csv").write_text(
        "query_id,status,column,corrected_value,reason,by\n"
        "C01-Bloch2002-cfpwv-1,open,,,the full text was not read,a tester\n",
        encoding="utf-8",
    )
    words = " ".join(run(project, "k2meta", "check", ".").stdout.split())
    for part in (
        "C01-Bloch2002-cfpwv-1 error file data/extractions.csv row 3",
        "cells diff_estimate = -2.00, diff_ci_low = -0.75, diff_ci_high = 0.35",
        "rule an estimate lies between the limits of its own interval",
        "numbers −2.00 (−0.75 to 0.35): the estimate −2.00 lies below the lower limit −0.75",
        "fix check the estimate and both limits against the source",
        "so far the full text was not read",
    ):
        assert part in words, words


def test_an_analysis_that_pools_nothing_is_said(project: Path, run: Run) -> None:
    replace(CONFIG, "outcomes: [cac_agatston]", "outcomes: [crpwv]")(project)
    replace(CONFIG, "unit: Agatston units", "unit: m/s")(project)
    done = run(project, "k2meta", "check", ".")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The analysis calcification pools nothing: rows with its outcomes: 0;" in done.stdout


def test_an_undecided_error_hides_no_query_and_no_note(project: Path, run: Run) -> None:
    replace(ROWS, ",1.20,", ",about 1,")(project)
    replace(ROWS, "-0.20,-0.75,0.35", "-2.00,-0.75,0.35")(project)
    replace(ROWS, "Table 3", "")(project)
    done = run(project, "k2meta", "check", ".")
    words = " ".join(done.stdout.split())
    assert done.returncode == 2
    for part in (
        "problem error file data/extractions.csv row 2 column change_sd_treat",
        "C01-Bloch2002-cfpwv-1 error file data/extractions.csv row 3 cells diff_estimate = -2.00, diff_ci_low",
        "C26-Bloch2002-cac_agatston-1 warn",
        "Retractions: not checked",
        "Checks of whole pools: not run",
    ):
        assert part in words, words
    answer = json.loads(run(project, "k2meta", "check", ".", "--format", "json").stdout)
    (error,) = (one for one in answer["problems"] if one["query_id"])
    assert (error["check"], error["query_id"], error["severity"]) == ("C01", "C01-Bloch2002-cfpwv-1", "error")
    assert error["columns"] == ["diff_estimate", "diff_ci_low", "diff_ci_high"]
    assert error["values"] == ["-2.00", "-0.75", "0.35"]
    asked = {query["query_id"]: query for query in answer["queries"]}
    assert asked["C01-Bloch2002-cfpwv-1"]["recorded"] is False
    assert {note["check"] for note in answer["notes"]} >= {"C12", "C24", "C25", "C16 to C22"}


def test_a_control_group_that_two_trials_share_stops_the_build_until_it_is_decided(
    project: Path, run: Run
) -> None:
    trials = (project / TRIALS).read_text("utf-8").splitlines()
    row = {"study_id": "Erlang2005", "label": "Erlang 2005", "year": "2005", "design_class": "rct"}
    trials.append(",".join(row.get(column, "") for column in trials[0].split(",")))
    (project / TRIALS).write_text("\n".join(trials) + "\n", encoding="utf-8")
    rows = (project / ROWS).read_text("utf-8").splitlines()
    rows.append(rows[1].replace("Arendt2001", "Erlang2005").replace("-0.30,1.20", "-0.10,1.40"))
    (project / ROWS).write_text("\n".join(rows) + "\n", encoding="utf-8")
    message = " ".join(run(project, "k2meta", "check", ".").stdout.split())
    assert "C16-Erlang2005-cfpwv-1-stiffness error file" in message
    assert "no control group stands in two effects of one pool" in message
    assert "C16-Erlang2005-cfpwv-1-stiffness,open,,,<why>,<who>" in message
    (project / "data" / "queries.csv").write_text(
        "query_id,status,column,corrected_value,reason,by\n"
        "C16-Erlang2005-cfpwv-1-stiffness,open,,,to be read,a tester\n",
        encoding="utf-8",
    )
    done = run(project, "k2meta", "check", ".", "--format", "json")
    assert done.returncode == 1, done.stderr
    assert [q["check"] for q in json.loads(done.stdout)["queries"] if q["status"] == "open"] == ["C16"]


@pytest.mark.parametrize("stage", ["effects", "fits", "mcmc", "sensitivity", "figures", "tables", "report"])
def test_a_stage_that_is_run_too_early_says_what_it_waits_for(project: Path, run: Run, stage: str) -> None:
    done = run(project, "k2meta", stage)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "is missing" in done.stderr
    assert not (project / "reports").exists()


def test_settings_that_do_not_go_together_are_explained_without_a_traceback(project: Path, build: Run) -> None:
    replace(CONFIG, "tau2: REML, interval: HKSJ-guarded", "tau2: DL, interval: KR")(project)
    done = build(project)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Traceback" not in output
    assert "REML" in output, output
    assert "Fix: change the model in config/config.yaml" in output
    assert not (project / "reports" / "report.html").exists()


def test_an_improper_prior_with_too_few_trials_is_explained_and_no_fit_is_written(
    project: Path, build: Run
) -> None:
    model = "  - {id: flat, estimator: bayes_exact, tau_prior: {family: uniform}, mu_prior: flat}\n"
    replace(CONFIG, "sensitivity:\n", f"{model}sensitivity:\n")(project)
    replace(ROWS, "Curie2003-cfpwv-1,Curie2003,cfpwv", "Curie2003-crpwv-9,Curie2003,crpwv")(project)
    done = build(project)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Traceback" not in output
    assert "the model flat of the analysis stiffness" in output
    assert "leaves an improper posterior" in output
    assert "Fix: choose a proper prior" in output
    assert not list((project / "results").glob("fits/*/*.json"))


def test_an_unknown_folder_is_named(project: Path, run: Run) -> None:
    done = run(project, "k2meta", "check", "nowhere")
    assert done.returncode == 2
    assert not done.stderr
    assert "the file is missing" in done.stdout
