"""Calibration by simulation: the exact engine passes, an engine with a fault does not, and the band is a band."""

from __future__ import annotations

import csv
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from k2meta.calibration import Pit, ecdf_band, exact_engine, sbc, simulate
from k2meta.models.errors import ImproperPosteriorError, InputError
from k2meta.models.priors import HalfCauchy, HalfNormal, Normal, Uniform

FOLDER = Path(__file__).parents[2] / "validation" / "calibration"
TAU = (HalfNormal(0.5), HalfCauchy(0.5), Uniform(2.0))
MU = Normal(0.0, 1.0)
SIMULATIONS, STUDIES, SEED = 256, 5, 20
# The band's level is set by 10 000 draws and checked by 4 000 others: four standard errors of the difference,
# and the counts are whole numbers, so that a level can only be reached in steps.
LEVEL = 0.02


def table():
    with (FOLDER / "table.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("prior", TAU, ids=lambda p: p.describe())
def test_the_exact_engine_is_calibrated(prior):
    assert sbc(SIMULATIONS, STUDIES, tau_prior=prior, mu_prior=MU, seed=SEED).passed


@pytest.mark.parametrize("prior", TAU, ids=lambda p: p.describe())
def test_an_engine_told_half_the_variances_fails(prior):
    found = sbc(
        SIMULATIONS,
        STUDIES,
        tau_prior=prior,
        mu_prior=MU,
        seed=SEED,
        engine=lambda s: exact_engine(replace(s, V=s.V / 2.0)),
    )
    assert not found.tau.inside
    assert not found.passed


def test_an_engine_that_shifts_mu_fails_for_mu():
    def shifted(simulated):
        return exact_engine(replace(simulated, mu=simulated.mu + 0.2))

    found = sbc(SIMULATIONS, STUDIES, tau_prior=TAU[0], mu_prior=MU, seed=SEED, engine=shifted)
    assert not found.mu.inside
    assert found.tau.inside


def test_too_wide_posteriors_fail_by_coverage():
    def timid(simulated):
        pit = exact_engine(simulated)
        return Pit(0.5 + 0.5 * (pit.mu - 0.5), pit.tau)

    found = sbc(SIMULATIONS, STUDIES, tau_prior=TAU[0], mu_prior=MU, seed=SEED, engine=timid)
    assert found.mu.coverage[0].value == 1.0
    assert not found.mu.coverage[0].kept


@pytest.mark.parametrize("n", [64, 256])
def test_the_band_holds_as_many_uniform_samples_as_it_says(n):
    band = ecdf_band(n, level=0.9, seed=1)
    rng = np.random.default_rng(2)
    held = np.mean([band.inside(rng.uniform(size=n)) for _ in range(4000)])
    assert held == pytest.approx(0.9, abs=LEVEL)


def test_a_p_value_below_the_level_is_a_function_outside_the_band():
    band = ecdf_band(64, seed=1)
    rng = np.random.default_rng(3)
    samples = [rng.beta(a, a, size=64) for a in np.linspace(0.5, 1.5, 200)]
    inside = np.array([band.inside(s) for s in samples])
    p = np.array([band.p(s) for s in samples])
    assert 20 < inside.sum() < 180
    assert p[inside].min() > 0.05 - 1e-3
    assert p[~inside].max() < 0.05 + 1e-3


def test_the_truth_follows_its_prior():
    drawn = simulate(4000, 2, tau_prior=HalfNormal(0.5), mu_prior=Normal(2.0, 0.1), seed=5)
    # The second moments of the priors, to four standard errors of 4 000 draws (sqrt(2 / 4000) of each).
    assert np.mean(drawn.tau**2) == pytest.approx(0.25, abs=4 * 0.25 * np.sqrt(2 / 4000))
    assert np.mean((drawn.mu - 2.0) ** 2) == pytest.approx(0.01, abs=4 * 0.01 * np.sqrt(2 / 4000))


def test_an_improper_prior_has_no_truth_to_draw():
    with pytest.raises(ImproperPosteriorError, match="improper"):
        sbc(10, 3, tau_prior=Uniform(), mu_prior=MU, seed=1)


def test_an_engine_that_answers_no_probability_is_refused():
    with pytest.raises(InputError, match="one probability"):
        sbc(10, 3, tau_prior=TAU[0], mu_prior=MU, seed=1, engine=lambda s: Pit(s.mu + 5.0, s.tau))
    with pytest.raises(InputError, match="at least one"):
        sbc(0, 3, tau_prior=TAU[0], mu_prior=MU, seed=1)


def test_the_published_table_shows_the_exact_engine_passing_and_the_wrong_one_failing():
    rows = table()
    assert len(rows) == 12
    assert all(row["passed"] == "true" for row in rows if row["engine"] == "exact")
    assert all(
        row["passed"] == "false" for row in rows if row["engine"] == "half_vi" and row["parameter"] == "tau"
    )


def test_a_cell_of_the_published_table_is_made_again():
    made = list(runpy.run_path(str(FOLDER / "simulation.py"))["rows"]("exact", "half_normal_0.5"))
    assert made == [row for row in table() if row["engine"] == "exact" and row["prior"] == "half_normal_0.5"]
