"""The multiverse: every choice on every set of studies, once, and by name what was not possible."""

from __future__ import annotations

import numpy as np
import pytest

import k2meta as km
from k2meta.models.errors import InputError
from k2meta.sensitivity.multiverse import INTERVALS, ONLY_WITH, TAU2, Choice, multiverse, standard_choices
from tests import references

SAME = 1e-12
"""Relative: the same function is called on the same numbers."""

BCG = references.load("metafor")["datasets"]["bcg_RR"]
YI, VI = np.array(BCG["yi"]), np.array(BCG["vi"])


def test_every_choice_meets_every_set_once() -> None:
    choices = standard_choices()
    found = multiverse(YI, VI, sets={"all": range(13), "first": range(6)}, choices=choices)
    assert len(choices) == 1 + len(TAU2) * len(INTERVALS) + len(ONLY_WITH)
    keys = [(one.data, one.choice) for one in found.universes]
    assert keys == [(name, choice) for name in ("all", "first") for choice in choices]
    assert [one.k for one in found.universes] == [13] * len(choices) + [6] * len(choices)
    assert found.left_out == ()


@pytest.mark.parametrize("tau2", TAU2)
def test_each_estimator_gives_the_number_of_the_reference_software(tau2: str) -> None:
    found = multiverse(YI, VI, sets={"all": range(13)}, choices=standard_choices())
    wanted = BCG["fits"][tau2]
    for interval, key in (("z", "z"), ("HKSJ", "knha"), ("HKSJ-guarded", "adhoc")):
        one = next(u for u in found.universes if u.choice == Choice("random effects", tau2, interval))
        # The reference was iterated to 1e-11; what depends on tau2 keeps about eight digits.
        assert (one.mu.value, one.mu.low, one.mu.high) == pytest.approx(
            tuple(wanted[key][name] for name in ("beta", "ci_lb", "ci_ub")), rel=1e-7
        )


def test_a_set_of_studies_is_pooled_as_if_the_others_did_not_exist() -> None:
    found = multiverse(YI, VI, sets={"some": [12, 0, 5]}, choices=standard_choices(0.9))
    fit = km.random_effects(YI[[0, 5, 12]], VI[[0, 5, 12]], tau2="PM", interval="HKSJ", level=0.9)
    one = next(u for u in found.universes if u.choice == Choice("random effects", "PM", "HKSJ"))
    assert (one.mu.value, one.mu.low, one.tau2) == pytest.approx(
        (fit.mu.value, fit.mu.low, fit.tau2.value), rel=SAME
    )


def test_the_same_studies_under_another_name_are_one_analysis_and_it_is_said() -> None:
    found = multiverse(YI, VI, sets={"all": range(13), "again": range(12, -1, -1)}, choices=standard_choices())
    assert {one.data for one in found.universes} == {"all"}
    assert found.left_out == ("again: the same studies as all.",)


def test_too_few_studies_and_models_that_cannot_answer_are_named() -> None:
    def refuses(yi: object, vi: object) -> km.Fit:
        raise InputError("this model wants more")

    choices = {Choice("stubborn", "", "z"): refuses, Choice("common effect", "", "z"): km.common_effect}
    found = multiverse(YI, VI, sets={"none": [], "one": [3], "two": [3, 4]}, choices=choices)
    assert found.left_out == (
        "none: no study left, nothing to pool.",
        "one: one study left, nothing to pool.",
        "two, stubborn, z: this model wants more.",
    )
    assert len(found.universes) == 1


def test_an_interval_on_less_than_one_degree_of_freedom_is_left_out_and_named() -> None:
    found = multiverse([-51, -16.3, -141, -10], [893, 1309, 8341, 85], sets={"all": range(4)},
                       choices=standard_choices())  # fmt: skip
    assert found.left_out == ("all, random effects, REML, KR: fewer than one degree of freedom.",)
    assert max(abs(one.mu.high) for one in found.universes) < 200


def test_a_position_outside_the_studies_is_refused() -> None:
    with pytest.raises(InputError, match="set 'odd' names a study that is not there; positions run from 0 to 12"):
        multiverse(YI, VI, sets={"odd": [0, 13]}, choices=standard_choices())
