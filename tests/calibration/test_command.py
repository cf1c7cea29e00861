"""`k2meta calibrate`: the same bytes when it was stopped, a verdict as an exit code, and errors in words."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from typer.testing import CliRunner

from k2meta import io
from k2meta.calibration import Coverage
from k2meta.commands import app
from k2meta.commands.calibrate import _held
from k2meta.types import ProjectError

STUDIES = "3"


def run(out, *options):
    return CliRunner().invoke(app, ["calibrate", "--out", str(out), "--studies", STUDIES, *map(str, options)])


def exact(out, simulations, *options):
    return run(out, "--prior", "half_normal:0.5", "--simulations", simulations, *options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    result = exact(out, 12)
    assert result.exit_code == 0, result.output
    return out


def test_a_stopped_run_goes_on_where_it_stopped_and_ends_with_the_same_bytes(whole, tmp_path):
    assert exact(tmp_path, 5).exit_code in (0, 1)
    ranks = tmp_path / "exact_half_normal_0_5.ranks.csv"
    with ranks.open("a", encoding="utf-8") as file:
        file.write("exact_half_normal_0_5 k=3 seed=20,5,0.1")  # killed in the middle of a line
    assert exact(tmp_path, 12).exit_code == 0
    names = sorted(path.name for path in whole.iterdir())
    assert names == sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 6
    for name in names:
        assert (whole / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_a_finished_run_computes_nothing_again(whole, monkeypatch):
    from k2meta import calibration

    monkeypatch.setattr(calibration, "simulate", None)  # calling it would fail
    assert exact(whole, 12).exit_code == 0


def test_the_verdict_is_printed_and_tabulated_for_every_parameter(whole):
    output = exact(whole, 12).output
    assert (
        "exact, tau ~ half-normal with scale 0.5, 12 simulations of 3 studies: every band and every coverage holds"
        in output
    )
    with (whole / "table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["parameter"] for row in rows] == ["mu", "tau", "theta"]
    for row in rows:
        assert f"{row['parameter']}: inside its band, p = {row['p']}" in output


def test_a_coverage_that_is_off_is_marked_with_its_standard_errors():
    assert _held(Coverage(0.8, 0.773, 0.0089, p=0.003)) == "80 % in 77.3 % (-3.0 standard errors)"
    assert _held(Coverage(0.8, 0.774, 0.0089, p=0.004)) == "80 % in 77.4 %"
    assert _held(Coverage(0.8, 0.770, 0.0089, p=0.001)) == "80 % in 77.0 % (-3.4 standard errors) REFUTED"


def too_timid(n):
    """Answers whose middle half holds the truth in 54 of 100 cases, evenly spaced otherwise."""
    even = (np.arange(n) + 0.5) / n
    return np.interp(even, (0, 0.23, 0.77, 1), (0, 0.25, 0.75, 1)), even


def test_a_coverage_that_is_refuted_fails_the_command_though_every_band_holds(tmp_path):
    timid, even = too_timid(2000)
    for i in range(2000):
        title = f"exact_half_normal_0_5 k={STUDIES} seed=20"
        io.append_ranks(tmp_path / "exact_half_normal_0_5.ranks.csv", title, i, [timid[i], even[i], even[i]])
    result = exact(tmp_path, 2000)
    assert "NOT CALIBRATED" in result.output
    assert "mu: inside its band" in result.output
    assert "50 % in 54.0 % (+3.6 standard errors) REFUTED" in result.output
    assert result.exit_code == 1
    rows = io.read_table(tmp_path / "table.csv").rows
    assert [(row["inside"], row["passed"]) for row in rows] == [
        ("true", "false"),
        ("true", "true"),
        ("true", "true"),
    ]


def test_another_prior_adds_its_rows_and_the_same_one_replaces_its_own(whole, tmp_path):
    for name in ("table.csv", "exact_half_normal_0_5.ranks.csv"):
        (tmp_path / name).write_bytes((whole / name).read_bytes())
    run(tmp_path, "--prior", "exponential:0.5", "--simulations", 4)
    exact(tmp_path, 6)
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["prior"], row["parameter"], row["simulations"]) for row in csv.DictReader(file)]
    first = [("exponential:0.5", name, "4") for name in ("mu", "tau", "theta")]
    assert rows == first + [("half_normal:0.5", name, "6") for name in ("mu", "tau", "theta")]


def test_a_wrong_engine_ends_with_exit_code_one_and_says_where(tmp_path):
    # As many simulations as a fault of this size needs to leave a 99 % band.
    options = ("--studies", 5, "--prior", "half_normal:0.5", "--simulations", 128)
    result = run(tmp_path, "--engine", "exact_half_vi", *options)
    assert result.exit_code == 1
    assert "NOT CALIBRATED" in result.output
    assert "tau: LEAVES its band" in result.output
    assert "outside its band" in (tmp_path / "exact_half_vi_half_normal_0_5.alt.txt").read_text("utf-8")


def test_simulations_of_another_calibration_are_never_mixed_in(whole, tmp_path):
    ranks = "exact_half_normal_0_5.ranks.csv"
    (tmp_path / ranks).write_bytes((whole / ranks).read_bytes())
    before = (tmp_path / ranks).read_bytes()
    result = exact(tmp_path, 12, "--seed", 21)
    assert isinstance(result.exception, ProjectError)
    assert "row 2" in str(result.exception)
    assert "name another folder" in str(result.exception)
    assert (tmp_path / ranks).read_bytes() == before


def test_every_bad_setting_is_said_at_once_and_nothing_is_written(tmp_path):
    bad = ("half_norml:1", "half_cauchy:1", "half_normal:-1", "half_normal")
    result = run(tmp_path, "--engine", "pymc", *(word for prior in bad for word in ("--prior", prior)))
    assert isinstance(result.exception, ProjectError)
    assert len(result.exception.problems) == len(bad)
    assert not list(tmp_path.iterdir())
    result = run(tmp_path, "--engine", "stan")
    assert "choose one of exact, pymc" in str(result.exception)


def test_ranks_out_of_order_are_refused(tmp_path):
    path = tmp_path / "ranks.csv"
    io.append_ranks(path, "one", 0, [0.1, 0.2, 0.3])
    io.append_ranks(path, "one", 2, [0.1, 0.2, 0.3])
    with pytest.raises(ProjectError, match=r"row 3.*is not simulation 1 of 'one'"):
        io.read_ranks(path, "one")
