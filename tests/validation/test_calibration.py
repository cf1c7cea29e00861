"""The published calibration: made of its ranks to the byte, passing for the right engines and for no wrong one."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from k2meta import io
from k2meta.calibration import PARAMETERS, exact_engine, simulate
from k2meta.commands import app
from k2meta.commands.calibrate import FAMILIES, MU, PRIORS
from k2meta.models.bayes_batch import bayes_pit_batch
from k2meta.models.priors import HalfCauchy

FOLDER = Path(__file__).parents[2] / "validation" / "calibration"
COUNTS = {"exact": 2000, "pymc": 1000}
RIGHT = [(engine, prior) for engine in COUNTS for prior in PRIORS[engine]]
FIRST = 3


def table():
    with (FOLDER / "table.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def stem(engine, prior):
    return f"{engine}_{prior}".replace(":", "_").replace(".", "_")


# The one coverage of 54 that is more than three standard errors off (3.02); README.md says what became of it.
OFF = {("exact", "half_cauchy:0.5", "mu")}


def test_every_band_of_both_engines_holds_and_so_does_every_coverage_but_the_one_that_is_told():
    rows = {(row["engine"], row["prior"], row["parameter"]): row for row in table()}
    right = {(*one, parameter) for one in RIGHT for parameter in PARAMETERS}
    assert {key for key in right if rows[key]["inside"] != "true"} == set()
    assert {key for key in right if rows[key]["passed"] != "true"} == OFF
    for engine, prior, parameter in right:
        assert int(rows[engine, prior, parameter]["simulations"]) == COUNTS[engine]


def test_twenty_thousand_fresh_simulations_keep_the_coverage_that_was_off():
    s = simulate(20_000, 5, tau_prior=HalfCauchy(0.5), mu_prior=MU, seed=21)
    found = bayes_pit_batch(s.Y, s.V, s.mu, s.tau, tau_prior=s.tau_prior, mu_prior=s.mu_prior)
    for level in (0.5, 0.8, 0.95):
        mcse = math.sqrt(level * (1 - level) / 20_000)
        assert np.mean(abs(found.mu - 0.5) <= level / 2) == pytest.approx(level, abs=3 * mcse)


def test_every_wrong_engine_fails_by_tau():
    wrong = [row for row in table() if row["engine"] not in COUNTS and row["parameter"] == "tau"]
    assert {row["engine"] for row in wrong} == {"exact_half_vi", "pymc_double_scale"}
    for row in wrong:
        assert row["inside"] == row["passed"] == "false", row


@pytest.mark.parametrize(("engine", "prior"), RIGHT)
def test_table_and_figure_are_made_of_the_ranks_to_the_byte(tmp_path, engine, prior):
    name = stem(engine, prior)
    (tmp_path / f"{name}.ranks.csv").write_bytes((FOLDER / f"{name}.ranks.csv").read_bytes())
    words = ["calibrate", "--out", str(tmp_path), "--engine", engine, "--prior", prior]
    done = CliRunner().invoke(app, [*words, "--simulations", str(COUNTS[engine])])
    assert done.exit_code == 0, done.output
    for suffix in ("svg", "csv", "alt.txt", "ranks.csv"):
        assert (tmp_path / f"{name}.{suffix}").read_bytes() == (FOLDER / f"{name}.{suffix}").read_bytes(), suffix
    made = io.read_table(tmp_path / "table.csv").rows
    assert list(made) == [row for row in table() if (row["engine"], row["prior"]) == (engine, prior)]


@pytest.mark.parametrize("prior", PRIORS["exact"])
def test_the_first_ranks_of_the_exact_engine_are_made_again(prior):
    family, _, scale = prior.partition(":")
    title = f"{stem('exact', prior)} k=5 seed=20"
    published = io.read_ranks(FOLDER / f"{stem('exact', prior)}.ranks.csv", title)
    for i in range(FIRST):
        pit = exact_engine(simulate(1, 5, tau_prior=FAMILIES[family](float(scale)), mu_prior=MU, seed=20, first=i))
        # Nine decimals are written.
        assert [getattr(pit, name)[0] for name in PARAMETERS] == pytest.approx(published[i], abs=2e-9)
