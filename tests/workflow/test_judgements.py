"""A review with files of human judgements: each is printed as written, and refused where it contradicts itself."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from tests.workflow.conftest import ROOT, Run, copy
from tests.workflow.test_bad_input import append, replace

FLOW, RATINGS, BIAS = (f"data/{name}.csv" for name in ("prisma_flow", "certainty", "risk_of_bias"))


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    return copy(ROOT / "tests" / "projects" / "judged_by_people", tmp_path / "review")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_filled_files_fill_the_report_and_its_tables(judged: Path, build: Run) -> None:
    done = build(judged)
    assert done.returncode == 0, done.stdout + done.stderr
    page = re.sub(r"</?data[^>]*>", "", (judged / "reports" / "report.html").read_text("utf-8"))
    for words in (
        "very low (A fictional panel, 2026-01-01). risk of bias: one trial at high risk",
        "Risk of bias was judged for 2 trials",
        "Records screened (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}100)",
        "Nobody paid for this test.",
        "One trial measured it and gives the pool no number.",
    ):
        assert words in page, words
    tables = judged / "reports" / "tables"
    ratings = {row["analysis"]: row["certainty"] for row in rows(tables / "summary_of_findings.csv")}
    assert ratings == {"stiffness": "very low", "calcification": "not rated", "radial": "not rated"}
    bias = [(row["study_id"], row["d3"], row["overall"]) for row in rows(tables / "risk_of_bias.csv")]
    assert bias == [
        ("Arendt2001", "low", "some concerns"),
        ("Bloch2002", "high", "high"),
        ("Bloch2002", "low", "not assessed"),
        ("Curie2003", "not assessed", "not assessed"),
    ]
    status = {(row["analysis"], row["study_id"]): row["status"] for row in rows(tables / "missing_results.csv")}
    assert status["stiffness", "Dirac2004"] == "known_missing"
    assert status["calcification", "Curie2003"] == "unknown"
    (bound,) = [row for row in rows(tables / "missing_bounds.csv") if row["analysis"] == "stiffness"]
    assert float(bound["includes_zero_from"]) < float(bound["includes_zero_to"])
    filled = {row["item"]: row for row in rows(tables / "prisma_checklist.csv")}
    assert filled["25"]["text"] == "Nobody paid for this test."
    assert filled["26"]["status"] == "to be filled by a person"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replace(FLOW, ",NA,NA,100", ",NA,NA,101"), "records_screened says 101"),
        (replace(FLOW, "Studies included,NA,NA,4", "Studies included,NA,NA,2"), "pools 3 studies, more than"),
        (replace(RATINGS, "stiffness", "stifness"), "did you mean stiffness?"),
        (replace(RATINGS, "very_low", "very low"), "did you mean very_low?"),
        (
            append(BIAS, "Nobody1999,,RoB 2,low,low,low,low,low,low,me,,,\n"),
            '"Nobody1999" is not in data/trials.csv',
        ),
        (replace(BIAS, "some concerns", "unclear"), "row 2 column d2"),
    ],
)
def test_judgements_that_contradict_themselves_are_refused(judged: Path, run: Run, change, message: str) -> None:
    change(judged)
    done = run(judged, "k2meta", "check", ".")
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in done.stdout
    assert not done.stderr
