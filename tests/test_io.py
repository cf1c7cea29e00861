"""Reading refuses what is not what it seems, with its place; writing is whole or not at all."""

from __future__ import annotations

import csv
import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from k2meta import io
from k2meta.analysis import MissingResults, ModelChecks
from k2meta.intake import Options
from k2meta.intake.hygiene import decode
from k2meta.models.model_checks import compare, log_likelihood, loo, power_scaling, predictive_check
from k2meta.types import ProjectError
from tests import samples

BAD_FILES = [
    (b"", r"t\.csv: the file is empty"),
    (b" \n\n", r"t\.csv: the file is empty"),
    (b"a,b\n1,\x00\n", r"t\.csv row 2: holds a NUL byte"),
    ("a,b\n1,Müller\n".encode("cp1252"), r"t\.csv row 2: byte 0xfc is not UTF-8"),
    (b"a;b;c\n1;2;3\n", r"row 1: columns are separated by semicolons"),
    (b"a,b\n1,2,3\n", r"row 2: has 3 cells, the header has 2"),
    (b"a,b,a\n1,2,3\n", r"row 1 column a: the column 'a' stands twice"),
    (b"a,b,\n1,2,\n", r"row 1: column 3 has no name"),
    (b"a,b\n\n1,2\n", r"row 2: is blank"),
    (b'a,b\n1,"2\n', r"is not CSV"),
    (b"a,b\n1,2\n3," + b"x" * 131_073 + b"\n", r"row 3: a cell holds more than 131,072 characters"),
    (b",\n, ,\n", r"t\.csv: the file is empty"),
]


@pytest.mark.parametrize(("raw", "message"), BAD_FILES)
def test_a_file_that_is_no_clean_table_is_refused_with_its_place(tmp_path: Path, raw: bytes, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(raw)
    with pytest.raises(ProjectError, match=message):
        io.read_table(path)


BAD_YAML = [
    ("a: &x [1]\nb: *x\n", r"row 2: holds the alias \*x"),
    ("a: 2001-99-99\n", r"is not YAML: month must be in"),
    ("? [1, 2]\n: 3\n", r"row 1: a key is a list or a map"),
    ("a: " + "[" * 3000, r"nested too deeply|is not YAML"),
    ("a: !!python/object:os.system x\n", r"is not YAML: could not determine a constructor"),
]


@pytest.mark.parametrize(("text", "message"), BAD_YAML)
def test_yaml_that_is_no_plain_settings_is_refused_in_words(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ProjectError, match=message):
        io.read_yaml(path)


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000])
def test_json_that_nobody_writes_is_refused_in_words(tmp_path: Path, text: str) -> None:
    path = tmp_path / "data.json"
    path.write_text(text, "utf-8")
    with pytest.raises(ProjectError, match="nested too deeply, or holds a number too long"):
        io.read_json(path)


def test_files_are_written_together_or_not_at_all(tmp_path: Path) -> None:
    io.write_together(tmp_path / "data", {"a.csv": b"1", "b.csv": b"2"})
    with pytest.raises(ProjectError, match="exists already") as error:
        io.write_together(tmp_path / "data", {"a.csv": b"3", "b.csv": b"3", "c.csv": b"3"})
    assert [problem.file for problem in error.value.problems] == ["a.csv", "b.csv"]
    with pytest.raises(TypeError):
        io.write_together(tmp_path / "data", {"c.csv": b"3", "d.csv": "no bytes"})  # type: ignore[dict-item]
    assert {path.name: path.read_bytes() for path in (tmp_path / "data").iterdir()} == {
        "a.csv": b"1",
        "b.csv": b"2",
    }
    io.write_together(tmp_path / "data", {"a.csv": b"4"}, replace=True, beside={"b.csv": b"5"})
    assert {path.name: path.read_bytes() for path in (tmp_path / "data").iterdir()} == {
        "a.csv": b"4",
        "b.csv": b"5",
    }


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"data/trials\.csv: the file is missing"):
        io.read_table(tmp_path / "trials.csv", "data/trials.csv")


def test_every_unreadable_file_of_a_project_is_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "trials.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(ProjectError) as error:
        io.read_project(tmp_path)
    files = {problem.file for problem in error.value.problems}
    assert files == {
        f"data/{name}" for name in ("trials.csv", "extractions.csv", "outcomes.csv", "datapackage.json")
    }


def test_a_byte_order_mark_trailing_blank_rows_and_quoted_commas_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes('﻿a,b\n1,"x, ""y"""\n,\n\n'.encode())
    table = io.read_table(path)
    assert table.columns == ("a", "b")
    assert [dict(row) for row in table.rows] == [{"a": "1", "b": 'x, "y"'}]


@pytest.mark.parametrize("cell", ["=1+1", "+1 (see note)", "-cmd", "@SUM(A1)", "\tx", "\rx"])
def test_a_cell_that_a_spreadsheet_would_run_is_neutralised(cell: str) -> None:
    assert io.spreadsheet_safe(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["-12.5", "+3", "-1e-9", ".5", "Shea 2009", ""])
def test_numbers_and_plain_text_are_left_alone(cell: str) -> None:
    assert io.spreadsheet_safe(cell) == cell


@pytest.mark.parametrize(
    ("value", "cell"),
    [(66.0, "66"), (-3.0, "-3"), (0.0, "0"), (0.5, "0.5"), (1e22, "1e+22"), (7, "7"), ("66.0", "66.0")],
)
def test_a_whole_number_is_written_whole_and_reads_back_as_it_was(value: object, cell: str) -> None:
    assert io.spreadsheet_safe(value) == cell
    assert isinstance(value, str) or float(cell) == value


def test_effects_survive_the_file_bit_by_bit(tmp_path: Path) -> None:
    effects = samples.effects(7)
    io.write_effects(tmp_path / "e.csv", effects)
    assert io.read_effects(tmp_path / "e.csv") == effects
    with (tmp_path / "e.csv").open(newline="", encoding="utf-8") as file:
        header = next(csv.reader(file))
    contract = ["study_id", "label", "yi", "vi", "measure", "n_treat", "n_ctrl", "route", "extraction_id"]
    assert header[: len(contract)] == contract
    assert "assumed" in header


def test_fits_survive_the_file_bit_by_bit(tmp_path: Path) -> None:
    for name, fit in samples.analysis(5).fits.items():
        io.write_fit(tmp_path / f"{name}.json", fit)
        # repr, because a standard error that is not defined is NaN, which equals nothing; options come back sorted
        sent = dataclasses.replace(fit, options=dict(sorted(fit.options.items())))
        assert repr(io.read_fit(tmp_path / f"{name}.json")) == repr(sent)
    io.write_fit(tmp_path / "none.json", None)
    assert io.read_fit(tmp_path / "none.json") is None


def test_the_strip_of_priors_and_the_average_survive_the_file_bit_by_bit(tmp_path: Path) -> None:
    analysis = samples.analysis(2)
    io.write_prior_strip(tmp_path / "s.json", analysis.prior_strip)
    assert io.read_prior_strip(tmp_path / "s.json") == analysis.prior_strip
    for averaged in (analysis.averaged, None):
        io.write_averaged(tmp_path / "a.json", averaged)
        assert io.read_averaged(tmp_path / "a.json") == averaged


def test_checks_of_a_sampled_fit_survive_the_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    mu, tau, yi, vi = rng.normal(size=(4, 200)), abs(rng.normal(size=(4, 200))), [0.1, 0.9], [0.2, 0.3]
    pointwise = log_likelihood(mu, tau, yi, vi)
    left_out = loo(mu, tau, pointwise)
    checks = ModelChecks(
        model="bayes_mcmc",
        studies=("Shea2009", "Bartstra2020"),
        loo=dataclasses.replace(left_out, pareto_k=(0.1, math.nan)),
        comparison=compare("bayes_mcmc", left_out, "another", left_out),
        predictive=predictive_check(mu, tau, yi, vi),
        sensitivity=power_scaling({"mu": mu, "tau": tau}, -(tau**2), pointwise),
    )
    for sent in (checks, dataclasses.replace(checks, comparison=None)):
        io.write_model_checks(tmp_path / "checks.json", sent)
        assert repr(io.read_model_checks(tmp_path / "checks.json")) == repr(sent)
    io.write_model_checks(tmp_path / "none.json", None)
    assert io.read_model_checks(tmp_path / "none.json") is None


def test_draws_have_the_same_bytes_each_time(tmp_path: Path) -> None:
    draws = {"tau": np.ones((4, 10)), "mu": np.arange(40.0).reshape(4, 10)}
    for name in ("a.h5", "b.h5"):
        io.write_draws(tmp_path / name, draws)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    np.testing.assert_array_equal(io.read_draws(tmp_path / "a.h5")["mu"], draws["mu"])


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    io.write_json(path, {"b": 1, "a": [1.0, 0.1]})
    before = path.read_bytes()
    with pytest.raises(TypeError):
        io.write_json(path, {"a": object()})
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_bibtex_is_read_and_a_broken_entry_is_named(tmp_path: Path) -> None:
    path = tmp_path / "references.bib"
    path.write_text(
        "@article{Shea2009,\n  title = {A {B} c},\n  author = {Shea and others},\n  year = {2009}\n}\n", "utf-8"
    )
    (entry,) = io.read_bibliography(path)
    assert (entry["key"], entry["title"], entry["author"]) == ("Shea2009", "A B c", "Shea, et al.")
    path.write_text("@article{Shea2009,\n  title = {A\n", "utf-8")
    with pytest.raises(ProjectError, match="is not BibTeX"):
        io.read_bibliography(path)


def test_judgements_and_the_bound_on_missing_results_survive_the_file(tmp_path: Path) -> None:
    found = samples.judgements()
    io.write_judgements(tmp_path / "j.json", found)
    assert io.read_judgements(tmp_path / "j.json") == found
    for bound in (MissingResults(0, not_run="no missing result is known"), samples.bound()):
        io.write_missing_results(tmp_path / "m.json", bound)
        assert io.read_missing_results(tmp_path / "m.json") == bound


def test_a_byte_order_mark_does_not_move_the_bad_byte(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    # Without the mark 0xe9 stands in row 3; counted with it three bytes earlier, in row 2.
    path.write_bytes(b"\xef\xbb\xbfa\nb\n\xe9\n")
    with pytest.raises(ProjectError) as error:
        io.read_text(path)
    assert "row 3: byte 0xe9 is not UTF-8" in str(error.value)
    with pytest.raises(ProjectError) as error:
        decode("x.csv", path.read_bytes(), Options())
    assert "row 3: byte 0xe9 is not utf-8" in str(error.value)


def test_a_path_that_leads_through_a_file_or_in_a_circle_is_explained(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x", encoding="utf-8")
    with pytest.raises(ProjectError, match="data is a file, not a folder"):
        io.read_text(tmp_path / "data" / "trials.csv")
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for read in (io.read_text, io.read_raw):
        with pytest.raises(ProjectError, match="cannot be read"):
            read(tmp_path / "a")
    for folder in (tmp_path / "data", tmp_path / "data" / "below"):
        with pytest.raises(ProjectError, match="data is a file, not a folder"):
            io.write_together(folder, {"x.csv": b"x"})


def test_an_optional_table_that_is_a_broken_link_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "queries.csv").symlink_to("nowhere")
    with pytest.raises(ProjectError, match=r"data/queries\.csv: the file is missing"):
        io.read_project(tmp_path)
