"""Round trips of the shipped review, R on its export, and the commands themselves."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from k2meta import io as files
from k2meta.commands import app
from k2meta.commands.intake import _pools
from k2meta.effects.select import select
from k2meta.intake import EXPORTERS, IMPORTERS, Options, Project, Source
from k2meta.intake.export_revman_web import OF_A_CONTRAST, _lost
from k2meta.intake.revman_web import FOOTNOTE
from k2meta.records import build_records
from tests.intake.conftest import FILES, ROOT, rows
from tests.intake.test_formats import effect

# Effects go through a logarithm or a square root of 15 digits (see test_formats) on values up to 1 000.
SAME_EFFECT = 2e-14
STATED = ("design_class=rct", "source_tier=primary_full_text", "outcomes.unit=m/s", "better=lower")
STATED += ("surrogate=yes", "value_kind=speed")


@pytest.fixture(scope="module")
def project() -> Project:
    tables, dictionary = files.read_project(ROOT)
    data = {name.removeprefix("data/"): raw for name, raw in files.read_inputs(ROOT).items()}
    return Project(data, tables, dictionary, _pools(ROOT, files.read_settings(ROOT / "config" / "config.yaml")))


ARM_COLUMNS = ("n_", "follow_", "change_", "events_", "total_")
NOT_OF_ARMS = ("n_total", "n_source", "n_note")


def sources(out: dict[str, bytes]) -> list[Source]:
    return [Source(name, raw) for name, raw in out.items()]


def table(raw: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(raw.decode("utf-8"), newline="")))


def test_a_frictionless_package_comes_back_byte_for_byte(project: Project) -> None:
    out = EXPORTERS["frictionless"](project)
    assert dict(IMPORTERS["frictionless"](sources(out), Options()).files) == dict(project.files)
    package = json.loads(out["datapackage.json"])
    listed = {resource["path"]: resource for resource in package["resources"]}
    assert set(listed) == set(out) - {"datapackage.json"}
    assert all(listed[name]["bytes"] == len(out[name]) for name in listed)
    assert all(listed[name]["schema"]["fields"] for name in ("trials.csv", "extractions.csv", "outcomes.csv"))


@pytest.mark.parametrize("change", ["content", "path", "missing"])
def test_a_package_whose_files_are_not_those_that_were_packed_is_refused(project: Project, change: str) -> None:
    out = dict(EXPORTERS["frictionless"](project))
    if change == "content":
        out["trials.csv"] += b"X\n"
    elif change == "missing":
        del out["trials.csv"]
    else:
        out["datapackage.json"] = out["datapackage.json"].replace(b'"trials.csv"', b'"../trials.csv"')
    with pytest.raises(files.ProjectError):
        IMPORTERS["frictionless"](sources(out), Options())


def test_effects_come_back_from_the_metafor_files(project: Project) -> None:
    out = EXPORTERS["metafor"](project)
    checked = 0
    for pool in project.pools:
        if not pool.effects:
            continue
        options = Options(measure=pool.measure if pool.measure != "LOGRATIO" else "")
        back = rows(
            IMPORTERS["metafor"]([Source(f"{pool.id}.csv", out[f"{pool.id}.csv"])], options), "extractions"
        )
        assert [row["extraction_id"] for row in back] == [one.extraction_id for one in pool.effects]
        for row, one in zip(back, pool.effects, strict=True):
            _, yi, vi = effect(row, pool.measure)
            turned = any("sign turned" in step for step in one.derivation) and row.get("diff_estimate", "") == ""
            assert yi == pytest.approx(-one.yi if turned else one.yi, rel=SAME_EFFECT, abs=SAME_EFFECT)
            assert vi == pytest.approx(one.vi, rel=SAME_EFFECT)
            checked += 1
    assert checked == sum(len(pool.effects) for pool in project.pools) > 20


def test_arms_and_differences_come_back_from_the_revman_files(project: Project) -> None:
    out = EXPORTERS["revman_web"](project)
    given = [one for one in sources(out) if one.name != "notes.csv"]
    found = IMPORTERS["revman_web"](given, Options(treatment="Treatment", control="Control", stage="follow"))
    back = {row["extraction_id"]: row for row in rows(found, "extractions")}
    noted = {row["id"] for row in table(out["notes.csv"])}
    compared = 0
    for row in project.tables["extractions"].rows:
        if row["extraction_id"] not in back:
            assert row["extraction_id"] in noted
            continue
        contrast = back[row["extraction_id"]].get("diff_estimate", "") != ""
        stage = "change" if row["change_mean_treat"] else "follow"
        for column in row:
            of_arms = column.startswith(ARM_COLUMNS) and column not in NOT_OF_ARMS
            if (of_arms and not _lost(column, stage)) or (contrast and column in OF_A_CONTRAST):
                cell = back[row["extraction_id"]].get(column, "")
                assert cell == row[column], (row["extraction_id"], column)
                compared += bool(cell)
    assert len(back) > 30
    assert compared > 150
    labels = {row["study_id"]: row["label"] for row in project.tables["trials"].rows}
    assert {row["study_id"]: row["label"] for row in rows(found, "trials")}.items() <= labels.items()
    for row in project.tables["extractions"].rows:
        came = back.get(row["extraction_id"])
        for column in FOOTNOTE if came else ():
            # A row of counts alone has no scale of its own in the importer, and one is not invented.
            assert came.get(column, "") == row[column] or not row[column], (row["extraction_id"], column)


def test_every_cell_that_the_revman_files_do_not_hold_is_noted(project: Project) -> None:
    listed = table(EXPORTERS["revman_web"](project)["notes.csv"])
    notes = {row["id"]: row["note"] for row in listed if row["note"].startswith("not held: ")}
    row = next(r for r in project.tables["extractions"].rows if r["role"] == "main" and r["change_mean_treat"])
    said = notes[row["extraction_id"]].removeprefix("not held: ").split(", ")
    assert {name for name in ("source_url", "source_locator", "sign_note", "confidence") if row[name]} <= set(said)
    assert not set(said) & {*FOOTNOTE, "n_treat", "change_mean_treat", "change_sd_treat"}
    trial = next(r for r in project.tables["trials"].rows if r["study_id"] == row["study_id"])
    lost = notes[row["study_id"]].removeprefix("not held: ").split(", ")
    held = {"study_id", "label", "year", "comparator", "vitamer"}
    assert set(lost) == {name for name in trial if trial[name] and name not in held}


def test_printed_numbers_that_a_query_doubts_are_noted_beside_the_export(project: Project) -> None:
    notes = table(EXPORTERS["revman_web"](project)["notes.csv"])
    said = [row["note"] for row in notes if row["id"] == "Diederichsen2022-avc_agatston-1"]
    assert any("diff_estimate = -17" in note for note in said)


def test_exports_repeat_byte_for_byte(project: Project) -> None:
    for export in EXPORTERS.values():
        assert export(project) == export(project)


def r_has_metafor() -> bool:
    if shutil.which("Rscript") is None:
        return False
    script = 'quit(status = if (requireNamespace("metafor", quietly = TRUE)) 0 else 1)'
    return subprocess.run(["Rscript", "-e", script], capture_output=True, check=False).returncode == 0


def test_r_finds_the_headline_again(project: Project, tmp_path: Path) -> None:
    if not r_has_metafor() and os.environ.get("CI"):
        pytest.fail("R's metafor is missing and CI must not skip this: apt-get install r-base-core r-cran-metafor")
    if not r_has_metafor():
        pytest.skip("Rscript with the package metafor is not installed: the exported script was not run")
    out = EXPORTERS["metafor"](project)
    files.write_together(tmp_path / "export", out)
    run = ["Rscript", str(tmp_path / "export" / "rederive.R")]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    pooled = [row for row in table(out["headline.csv"]) if not row["why_not"]]
    assert done.stdout.count("; agrees (") == len(pooled) >= 5
    path = tmp_path / "export" / "headline.csv"
    path.write_text(path.read_text("utf-8").replace(pooled[0]["mu"], str(float(pooled[0]["mu"]) + 1)), "utf-8")
    again = subprocess.run(run, capture_output=True, text=True, check=False)
    assert (again.returncode, again.stdout.count("DIFFERS")) == (1, 1)


# ------------------------------------------------------------ the commands


def test_the_export_names_the_ratio_that_was_pooled(tmp_path: Path) -> None:
    code, said = k2meta("export", "metafor", ROOT / "examples" / "corticosteroids", "--into", tmp_path)
    assert code == 0, said
    first = table((tmp_path / "death.csv").read_bytes())[0]
    events, others = (float(first[a]) for a in ("ai", "ci"))
    odds = events / (float(first["n1i"]) - events) / (others / (float(first["n2i"]) - others))
    assert (first["measure"], float(first["yi"])) == ("OR", pytest.approx(math.log(odds)))


def k2meta(*words: str | Path) -> tuple[int, str]:
    """Run a command; what it raises is what the program explains with exit code 2."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(done.exception, files.ProjectError):
        return 2, str(done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def stated() -> list[str]:
    return [word for one in STATED for word in ("--set", one)]


def test_an_import_is_ready_for_the_checks(tmp_path: Path) -> None:
    bcg = FILES / "bcg_counts.csv"
    code, said = k2meta("import", "metafor", bcg, "--into", tmp_path, "--outcome", "tb", *stated())
    assert code == 0, said
    names = sorted(path.name for path in (tmp_path / "data").iterdir())
    assert names == ["datapackage.json", "extractions.csv", "import-log.csv", "outcomes.csv", "trials.csv"]
    tables, dictionary = files.read_project(tmp_path)
    found = build_records(tables, dictionary)
    assert len(found.records) == 13
    log = table((tmp_path / "data" / "import-log.csv").read_bytes())
    written = {(row["key"], row["field"]): row for row in log if row["wrote"]}
    assert written["Aronson1948-tb-1", "total_treat"]["why"] == "total = ai + bi"
    assert {row["column"] for row in log if row["kind"] == "left_out"} == {"ablat", "alloc"}
    settings = files.read_settings(ROOT / "config" / "config.yaml")
    spec = next(one for one in settings.analyses if one.measure == "LOGRATIO")
    import dataclasses

    spec = dataclasses.replace(spec, source="trials", outcomes=("tb",), where={"design_class": ("rct",)})
    chosen = select(found.records, {one.id: one for one in found.outcomes}, spec)
    assert len(chosen.effects) == 13


def test_what_the_format_does_not_hold_is_asked_for_by_the_checks(tmp_path: Path) -> None:
    k2meta("import", "metafor", FILES / "bcg_counts.csv", "--into", tmp_path, "--outcome", "tb")
    tables, dictionary = files.read_project(tmp_path)
    with pytest.raises(files.ProjectError) as error:
        build_records(tables, dictionary)
    asked = {(problem.file, problem.column) for problem in error.value.problems}
    assert ("data/trials.csv", "design_class") in asked
    assert ("data/outcomes.csv", "better") in asked
    assert all("empty" in problem.what for problem in error.value.problems)


def test_data_files_are_never_overwritten_unasked_and_nothing_is_left_half_written(tmp_path: Path) -> None:
    words = ("import", "metafor", FILES / "bcg_counts.csv", "--into", tmp_path, "--outcome", "tb")
    assert k2meta(*words)[0] == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "data").iterdir()}
    code, said = k2meta(*words)
    assert code == 2
    assert all(f"{name}: exists already" in said for name in ("trials.csv", "extractions.csv", "outcomes.csv"))
    assert k2meta("import", "metafor", FILES / "bcg_effects.csv", "--into", tmp_path, "--replace")[0] == 2
    assert {path.name: path.read_bytes() for path in (tmp_path / "data").iterdir()} == before
    assert k2meta(*words, "--replace")[0] == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "data").iterdir()} == before


def test_an_import_beside_another_adds_to_its_log(tmp_path: Path) -> None:
    k2meta("import", "metafor", FILES / "bcg_counts.csv", "--into", tmp_path, "--outcome", "tb")
    before = (tmp_path / "data" / "import-log.csv").read_bytes()
    code, said = k2meta("import", "robvis", FILES / "robvis.csv", "--into", tmp_path)
    assert code == 0, said
    after = (tmp_path / "data" / "import-log.csv").read_bytes()
    assert after.startswith(before)
    assert {row["file"] for row in table(after)} == {"bcg_counts.csv", "robvis.csv", ""}
    judged = table((tmp_path / "data" / "risk_of_bias.csv").read_bytes())
    assert [row["study_id"] for row in judged] == ["Aronson1948", "FergusonSimes1949"]


def test_a_file_that_contradicts_itself_is_imported_and_asked_about(tmp_path: Path) -> None:
    file = tmp_path / "x.rm5"
    file.write_text(
        (FILES / "sore_throat.rm5").read_text("utf-8").replace('EVENTS_1="4"', 'EVENTS_1="5"'), "utf-8"
    )
    code, said = k2meta("import", "revman5", file, "--into", tmp_path / "review", "--stage", "follow")
    assert code == 1
    assert "query: x.rm5 row 14 column EFFECT_SIZE (Brink1951-symptom_of_sore_throat_at_on-1)" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["metaphor"], "'metaphor' is not offered"),
        (["metafor", "--accept", "everything"], "'everything' is not offered"),
        (["metafor", "--stage", "final"], "'final' is not offered"),
        (["metafor", "--set", "design_class"], "is not COLUMN=VALUE"),
        (["metafor", "--set", "design_clas=rct", "--outcome", "x"], "did you mean design_class"),
        (["metafor", "--set", "design_class=best", "--outcome", "x"], "not an allowed value"),
        (["metafor", "--set", "label=x", "--outcome", "x"], "--set trials.label or --set outcomes.label"),
        (["metafor", "--set", "study_id=x", "--outcome", "x"], "an identifier is not a constant"),
        (["metafor", "--separator", "::"], "is not one character"),
        (["metafor", "--encoding", "rot13"], "is not offered"),
    ],
)
def test_options_that_cannot_be_meant_are_explained(words: list[str], said: str, tmp_path: Path) -> None:
    bcg = str(FILES / "bcg_counts.csv")
    code, output = k2meta("import", words[0], bcg, "--into", tmp_path / "review", *words[1:])
    assert code == 2
    assert said in output
    assert not (tmp_path / "review").exists()


@pytest.mark.parametrize("format", list(EXPORTERS))
def test_the_export_command_writes_what_the_exporter_returns(
    format: str, project: Project, tmp_path: Path
) -> None:
    assert k2meta("export", format, ROOT, "--into", tmp_path / "out")[0] == 0
    written = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert written == EXPORTERS[format](project)
    assert k2meta("export", format, ROOT, "--into", tmp_path / "out")[0] == 2
