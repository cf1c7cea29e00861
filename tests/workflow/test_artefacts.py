"""What else a build leaves: the PDF, the tables for manuscripts, the crate, and Snakemake's own report."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from pathlib import Path
from zipfile import ZipFile

import pypdf
from docx import Document

from k2meta.citation import CRATE
from k2meta.report.blocks import document
from tests.workflow.conftest import ROOT, Run


def test_the_pdf_of_a_build_says_what_its_page_says(built: Path) -> None:
    page = (built / "reports" / "report.html").read_text("utf-8")
    reader = pypdf.PdfReader(io.BytesIO((built / "reports" / "report.pdf").read_bytes()))
    printed = re.sub(r"[\s\u00ad\u2010-]+", "", "".join(page.extract_text() for page in reader.pages))
    titles = [b for b in document(page)["blocks"] if b["kind"] == "heading"]
    assert len(titles) > 5
    for title in titles:
        assert re.sub(r"[\s\u00ad\u2010-]+", "", "".join(run["t"] for run in title["text"])) in printed


def test_the_word_file_and_the_latex_files_hold_the_tables_of_the_build(built: Path) -> None:
    tables = Document(io.BytesIO((built / "reports" / "tables.docx").read_bytes())).tables
    with (built / "reports" / "tables" / "pooled_results.csv").open(encoding="utf-8", newline="") as file:
        filed = list(csv.DictReader(file))
    (pooled,) = [table for table in tables if table.rows[0].cells[0].text == "Question"]
    assert [row.cells[0].text for row in pooled.rows[1:]] == [row["title"] for row in filed]
    assert "Curie 2003" in (built / "reports" / "tables" / "characteristics.tex").read_text("utf-8")
    with ZipFile(built / "reports" / "tables.docx") as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}


def test_the_crate_lists_every_file_of_the_project_as_it_is(built: Path) -> None:
    graph = {entity["@id"]: entity for entity in json.loads((built / CRATE).read_text("utf-8"))["@graph"]}
    listed = {one["@id"] for one in graph["./"]["hasPart"]}
    made = {
        path.relative_to(built).as_posix()
        for folder in ("data", "config", "reports")
        for path in (built / folder).rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }
    assert listed == made
    for name in listed:
        raw = (built / name).read_bytes()
        assert graph[name]["sha256"] == hashlib.sha256(raw).hexdigest(), name
        assert graph[name]["contentSize"] == str(len(raw))
    assert graph["#build"]["instrument"] == {"@id": "#k2meta"}
    text = (built / CRATE).read_text("utf-8")
    assert str(built) not in text
    assert str(ROOT) not in text


def test_the_committed_crate_is_that_of_the_committed_reports() -> None:
    graph = {entity["@id"]: entity for entity in json.loads((ROOT / CRATE).read_text("utf-8"))["@graph"]}
    assert graph["./"]["mainEntity"] == {"@id": "Snakefile"}
    wrong = [
        one["@id"]
        for one in graph["./"]["hasPart"]
        if hashlib.sha256((ROOT / one["@id"]).read_bytes()).hexdigest() != graph[one["@id"]]["sha256"]
    ]
    assert not wrong, "run `make report` and commit reports/ with the crate"


def test_two_builds_in_two_folders_give_the_same_crate(shipped: tuple[Path, Path]) -> None:
    assert (shipped[0] / CRATE).read_bytes() == (shipped[1] / CRATE).read_bytes()


def test_snakemake_writes_its_own_report_after_a_build(built: Path, build: Run, tmp_path: Path) -> None:
    out = tmp_path / "out.zip"
    done = build(built, "--report", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    with ZipFile(out) as archive:
        (name,) = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/report.html")]
        text = archive.read(name).decode()
    for words in ("for a manuscript (Word)", "stiffness_forest", "RO-Crate", "pooled_results"):
        assert words in text, words
