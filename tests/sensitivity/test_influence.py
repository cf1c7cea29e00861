"""Deletion diagnostics, Baujat coordinates and cumulative pools against metafor, and by their definitions."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import k2meta as km
from k2meta.models.errors import InputError, UnknownMethodError
from k2meta.sensitivity import baujat, cumulative, influence
from tests.references import load

# metafor at tightened tolerances; both sides iterate to tau2 for REML.
ITERATED = 1e-8

# A tau2 of zero is reached from above by metafor's search.
ZERO_TAU2 = 1e-9

# Closed forms on both sides: rounding of k terms.
CLOSED = 1e-11

REFERENCE = load("influence")
DATASETS = REFERENCE["datasets"]
NAMES = {
    "rstandard_z": "rstandard",
    "rstudent": "rstudent",
    "rstudent_se": "rstudent_se",
    "dffits": "dffits",
    "cook_d": "cooks_d",
    "cov_r": "cov_ratio",
    "tau2_del": "tau2_deleted",
    "QE_del": "q_deleted",
    "hat": "hat",
    "weight": "weight",
    "dfbs": "dfbetas",
    "is_influential": "influential",
}


@pytest.mark.parametrize("name", sorted(DATASETS))
@pytest.mark.parametrize(("key", "tau2"), [("FE", "EE"), ("DL", "DL"), ("REML", "REML")])
def test_every_deletion_diagnostic_agrees_with_metafor(name, key, tau2):
    data = DATASETS[name]
    found = influence(data["yi"], data["vi"], tau2=tau2)
    assert found.converged
    assert set(NAMES) == set(data["influence"][key])
    for theirs, ours in NAMES.items():
        values = [float(getattr(study, ours)) for study in found.studies]
        assert values == pytest.approx(data["influence"][key][theirs], rel=ITERATED, abs=ZERO_TAU2), ours


def test_some_study_of_the_references_is_influential_and_some_is_not():
    flags = {flag for data in DATASETS.values() for flag in data["influence"]["REML"]["is_influential"]}
    assert flags == {0, 1}


def test_the_diagnostics_are_what_two_fits_differ_by():
    yi, vi = np.array(DATASETS["bcg_RR"]["yi"]), np.array(DATASETS["bcg_RR"]["vi"])
    full, without = km.random_effects(yi, vi, interval="z"), km.random_effects(yi[1:], vi[1:], interval="z")
    first = influence(yi, vi).studies[0]
    assert first.cooks_d == pytest.approx(((full.mu.value - without.mu.value) / full.mu.se) ** 2, rel=ITERATED)
    assert first.cov_ratio == pytest.approx((without.mu.se / full.mu.se) ** 2, rel=ITERATED)
    assert first.weight == pytest.approx(100 * full.weights[0], rel=ITERATED)


def test_a_giant_trial_keeps_the_digits_of_its_residual():
    # The giant is the pool; its standardised residual is (y - mu_rest) over its own error and that of the rest,
    # and both residuals are the same under the common effect.
    yi, vi = [0.1, 0.7, 0.4, 0.2], [1e-14, 0.2, 0.3, 0.25]
    giant = influence(yi, vi, tau2="EE").studies[0]
    assert giant.rstandard == pytest.approx(giant.rstudent, rel=1e-6)


def test_two_studies_are_too_few_for_influence_and_one_for_baujat():
    found = influence([0.1, 0.2], [0.1, 0.1])
    assert found.studies == ()
    assert found.not_run == "k = 2: influence not run; leaving one study out must leave at least two"
    assert baujat([0.1], [0.1]).not_run.startswith("k = 1: not run")


def test_unknown_estimators_and_unusable_effects_are_refused():
    with pytest.raises(UnknownMethodError, match="EE, REML"):
        influence([0.1, 0.2, 0.3], [0.1] * 3, tau2="XX")
    with pytest.raises(UnknownMethodError, match="choose one of"):
        baujat([0.1, 0.2, 0.3], [0.1] * 3, tau2="XX")
    with pytest.raises(InputError, match=r"vi\[1\]"):
        influence([0.1, 0.2, 0.3], [0.1, 0.0, 0.1])


@pytest.mark.parametrize(("key", "tau2"), [("FE", "EE"), ("DL", "DL")])
def test_baujat_coordinates_agree_with_metafor(key, tau2):
    data, expected = DATASETS["bcg_RR"], REFERENCE["baujat"]["bcg_RR"][key]
    found = baujat(data["yi"], data["vi"], tau2=tau2)
    assert found.contribution == pytest.approx(expected["x"], rel=CLOSED)
    assert found.influence == pytest.approx(expected["y"], rel=CLOSED)


def test_the_contributions_of_a_baujat_plot_add_up_to_cochrans_q():
    data = DATASETS["raudenbush1985"]
    q = km.common_effect(data["yi"], data["vi"]).q.value
    assert sum(baujat(data["yi"], data["vi"]).contribution) == pytest.approx(q, rel=CLOSED)


FITS = {
    "FE_z": km.common_effect,
    "DL_z": partial(km.random_effects, tau2="DL", interval="z"),
    "REML_z": partial(km.random_effects, interval="z"),
    "REML_knha": partial(km.random_effects, interval="HKSJ"),
}


@pytest.mark.parametrize("name", sorted(DATASETS))
@pytest.mark.parametrize("key", sorted(FITS))
def test_cumulative_pools_agree_with_metafor(name, key):
    data = DATASETS[name]
    expected = data["cumul"][key]
    steps = cumulative(data["yi"], data["vi"], FITS[key], order=data["order"])
    assert [step.added + 1 for step in steps] == data["sorted"]
    assert [step.fit.mu.value for step in steps] == pytest.approx(expected["estimate"], rel=ITERATED, abs=1e-11)
    assert [step.fit.mu.se for step in steps] == pytest.approx(expected["se"], rel=ITERATED)
    tau2 = expected.get("tau2", [0.0] * len(steps))
    assert [step.fit.tau2.value for step in steps] == pytest.approx(tau2, rel=ITERATED, abs=ZERO_TAU2)
    assert [step.fit.q.value for step in steps] == pytest.approx(expected["Q"], rel=ITERATED, abs=1e-11)


def test_the_last_cumulative_fit_is_that_of_all_studies():
    data = DATASETS["bcg_RR"]
    last = cumulative(data["yi"], data["vi"], km.random_effects, order=data["order"])[-1].fit.mu
    whole = km.random_effects(data["yi"], data["vi"]).mu
    assert (last.value, last.low, last.high) == pytest.approx((whole.value, whole.low, whole.high), rel=ITERATED)


@pytest.mark.parametrize("order", [[1, 2], [1.0, float("nan"), 2.0], [1, "b", 3]])
def test_an_order_that_is_none_is_refused(order):
    with pytest.raises(InputError, match="order"):
        cumulative([0.1, 0.2, 0.3], [0.1] * 3, km.common_effect, order=order)
