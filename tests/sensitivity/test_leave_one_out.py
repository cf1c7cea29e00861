"""Leave-one-out against metafor, and the sizes at which little is left."""

from __future__ import annotations

from functools import partial

import pytest

import k2meta as km
from k2meta.sensitivity import leave_one_out
from tests.references import load

# Each fit is an iterative one; the reference is metafor at tightened tolerances.
ITERATED = 1e-8

REFERENCE = load("metafor")["datasets"]


@pytest.mark.parametrize("name", sorted(REFERENCE))
@pytest.mark.parametrize(("key", "interval"), [("REML_z", "z"), ("REML_knha", "HKSJ")])
def test_each_fit_without_one_study_agrees_with_metafor(name, key, interval):
    data = REFERENCE[name]
    expected = data["leave_one_out"][key]
    fits = leave_one_out(data["yi"], data["vi"], partial(km.random_effects, interval=interval))
    assert len(fits) == len(data["yi"])
    assert [fit.mu.value for fit in fits] == pytest.approx(expected["estimate"], rel=ITERATED, abs=1e-11)
    assert [fit.mu.se for fit in fits] == pytest.approx(expected["se"], rel=ITERATED)
    # A tau2 of zero is reached from above by metafor's search.
    assert [fit.tau2.value for fit in fits] == pytest.approx(expected["tau2"], rel=ITERATED, abs=1e-9)


def test_of_two_studies_the_other_one_is_left_and_of_one_nothing():
    fits = leave_one_out([0.1, 0.5], [0.04, 0.09], km.random_effects)
    assert [(fit.mu.value, fit.mu.se) for fit in fits] == [(0.5, pytest.approx(0.3)), (0.1, pytest.approx(0.2))]
    assert leave_one_out([0.1], [0.04], km.random_effects) == ()
