"""Every check can be found by its name, answers through a frozen result, and says why where it does not run."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from k2meta.sensitivity import SENSITIVITY, SMALL_STUDY_TABLES

SMALL_STUDY = (
    "begg",
    "egger",
    "excess_significance",
    "pet_peese",
    "regression_test",
    "selection_model",
    "trim_and_fill",
)


def test_every_check_is_registered_under_its_own_name():
    for registry in (SENSITIVITY, SMALL_STUDY_TABLES):
        assert {name: check.__name__ for name, check in registry.items()} == {name: name for name in registry}


def test_every_check_of_this_package_is_registered():
    assert {*SMALL_STUDY, "leave_one_out", "second_engine", "influence", "baujat", "cumulative"} <= set(
        SENSITIVITY
    )
    assert {"pustejovsky_rodgers", "fail_safe_n"} <= set(SENSITIVITY)
    assert set(SMALL_STUDY_TABLES) == {"peters", "harbord"}


@pytest.mark.parametrize("name", SMALL_STUDY)
def test_one_study_gives_a_frozen_result_that_says_why_nothing_was_run(name):
    found = SENSITIVITY[name]([0.1], [0.04])
    assert found.k == 1
    assert found.not_run == "k = 1: test not run; tests for small-study effects need at least 10 studies"
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.k = 2


@pytest.mark.parametrize("name", sorted({**SENSITIVITY, **SMALL_STUDY_TABLES}))
def test_every_check_documents_what_it_takes(name):
    check = {**SENSITIVITY, **SMALL_STUDY_TABLES}[name]
    assert "Parameters" in inspect.getdoc(check) or "See :func:" in inspect.getdoc(check)
