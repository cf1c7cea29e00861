"""statsmodels agrees on published data, and its two known faults are recognised."""

from __future__ import annotations

import dataclasses
import importlib
import math

import numpy as np
import pytest

import k2meta as km
from k2meta.sensitivity import second_engine
from tests.references import load

REFERENCE = load("metafor")["datasets"]


@pytest.mark.parametrize("name", sorted(REFERENCE))
@pytest.mark.parametrize("interval", ["z", "t", "HKSJ", "HKSJ-guarded"])
def test_every_published_data_set_agrees(name, interval):
    yi, vi = REFERENCE[name]["yi"], REFERENCE[name]["vi"]
    found = second_engine(yi, vi, km.random_effects(yi, vi, interval=interval))
    assert [a.quantity for a in found] == ["mu", "SE of mu", "tau2 (DL)", "tau2 (PM)"]
    assert all(a.agrees for a in found), found


def test_a_common_effect_and_a_bayesian_fit_are_compared_as_far_as_possible():
    yi, vi = REFERENCE["bcg_RR"]["yi"], REFERENCE["bcg_RR"]["vi"]
    assert all(a.agrees for a in second_engine(yi, vi, km.common_effect(yi, vi)))
    bayes = km.bayes_random_effects(yi, vi, tau_prior=km.priors.HalfNormal(0.5))
    assert [a.quantity for a in second_engine(yi, vi, bayes)] == ["tau2 (DL)", "tau2 (PM)"]


def test_a_wrong_number_of_ours_is_found():
    yi, vi = REFERENCE["bcg_RR"]["yi"], REFERENCE["bcg_RR"]["vi"]
    fit = km.random_effects(yi, vi)
    wrong = dataclasses.replace(
        fit, mu=dataclasses.replace(fit.mu, value=fit.mu.value + 1e-6, se=fit.mu.se * 1.001)
    )
    assert [a.agrees for a in second_engine(yi, vi, wrong)] == [False, False, True, True]


def test_a_negative_variance_of_the_peer_is_truncated_and_said():
    yi, vi = np.array([0.10, 0.11, 0.09, 0.10, 0.105]), np.array([0.04, 0.05, 0.03, 0.06, 0.05])
    dl = second_engine(yi, vi, km.random_effects(yi, vi))[2]
    assert (dl.ours, dl.other, dl.agrees) == (0.0, 0.0, True)
    assert "truncated at zero" in dl.note


def test_an_iteration_that_stops_short_is_recognised_and_judged_by_regression(monkeypatch):
    # The package's attribute of this name is the function, so the module is taken by its path.
    monkeypatch.setattr(importlib.import_module("k2meta.sensitivity.second_engine"), "ITERATIONS", 1)
    yi, vi = REFERENCE["bcg_RR"]["yi"], REFERENCE["bcg_RR"]["vi"]
    pm = second_engine(yi, vi, km.random_effects(yi, vi))[3]
    assert math.isnan(pm.other)
    assert "mean square of 1.000000" in pm.note
    assert pm.agrees


def test_one_study_has_nothing_to_compare():
    assert second_engine([0.1], [0.04], km.random_effects([0.1], [0.04])) == ()


@pytest.mark.parametrize("interval", ["KR", "PL", "HC", "permutation"])
def test_an_interval_that_is_no_regression_is_not_compared_with_one(interval):
    yi, vi = [0.1, 0.4, -0.2, 0.6, 0.3], [0.02, 0.05, 0.03, 0.04, 0.02]
    fit = km.random_effects(yi, vi, interval=interval)
    assert [found.quantity for found in second_engine(yi, vi, fit)] == ["tau2 (DL)", "tau2 (PM)"]
