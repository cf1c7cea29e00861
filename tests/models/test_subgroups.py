"""Subgroups: the published comparison, agreement with the models they are made of, and what is not run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import k2meta as km
from k2meta.models.errors import InputError, UnknownMethodError
from k2meta.models.subgroups import subgroups, welch_test
from tests.references import load

# Six digits are printed in the reference.
PRINTED = 1e-5
# metafor 3.8-1 at tightened tolerances, ten digits copied.
COPIED = 1e-9
# Two routes of our own.
OWN = 1e-11

REFERENCE = load("meta_regression")
BCG = REFERENCE["datasets"]["bcg_RR"]
ALLOCATION = REFERENCE["allocation"]


def test_bcg_by_allocation_gives_the_printed_comparison():
    found = subgroups(BCG["yi"], BCG["vi"], ALLOCATION, interval="z")
    assert found.q_between.value == pytest.approx(1.76751, rel=PRINTED)
    assert (found.q_between.df, found.q_between.df_residual) == (2, None)
    assert [(group.name, group.k) for group in found.groups] == [
        ("random", 7),
        ("alternate", 2),
        ("systematic", 4),
    ]
    assert found.exploratory
    assert "Exploratory: 13 studies for 2 covariates" in found.warnings[0]


def test_with_a_common_tau2_it_is_the_meta_regression_on_indicators():
    expected = BCG["models"]["alloc"]["fits"]["REML"]["knha"]
    found = subgroups(BCG["yi"], BCG["vi"], ALLOCATION, interval="HKSJ")
    assert found.q_between.value == pytest.approx(expected["QM"], rel=1e-8)
    assert found.q_between.p == pytest.approx(expected["QMp"], rel=1e-8)
    alternate = next(group for group in found.groups if group.name == "alternate")
    assert alternate.mu.value == pytest.approx(expected["beta"][0], rel=1e-8)
    assert alternate.mu.se == pytest.approx(expected["se"][0], rel=1e-8)
    assert len({group.tau2 for group in found.groups}) == 1


def test_with_separate_tau2_each_group_is_its_own_fit():
    found = subgroups(BCG["yi"], BCG["vi"], ALLOCATION, tau2_common=False, interval="z")
    assert [group.tau2 for group in found.groups] == pytest.approx(
        [0.3925280069, 0.132577039878, 0.400345880176], rel=COPIED
    )
    mu = np.array([-0.970964704263, -0.540792961849, -0.424207391511])
    se = np.array([0.275956102973, 0.281601613104, 0.359745232433])
    assert [group.mu.value for group in found.groups] == pytest.approx(mu, rel=COPIED)
    assert [group.mu.se for group in found.groups] == pytest.approx(se, rel=COPIED)
    spread = np.sum((mu - np.average(mu, weights=se**-2)) ** 2 / se**2)
    assert found.q_between.value == pytest.approx(spread, rel=1e-8)


def test_welch_reproduces_r_on_plant_growth():
    # R 4.2.2: oneway.test(weight ~ group, PlantGrowth), and its group means and standard errors.
    se = np.array([0.184389683972709, 0.250982292425404, 0.139953960683902])
    found = welch_test(np.array([5.032, 4.661, 5.526]), se, np.full(3, 9.0), ("ctrl", "trt1", "trt2"))
    assert found.value == pytest.approx(5.18097240811319, rel=1e-12)
    assert found.df_residual == pytest.approx(17.12841861664413, rel=1e-12)
    assert found.p == pytest.approx(0.01739282149017, rel=1e-11)


def test_welch_with_two_groups_is_the_square_of_welchs_t():
    found = welch_test(np.array([1.0, 2.0]), np.array([0.3, 0.5]), np.array([4.0, 9.0]), ("a", "b"))
    df = (0.09 + 0.25) ** 2 / (0.09**2 / 4.0 + 0.25**2 / 9.0)
    assert found.value == pytest.approx(1.0 / (0.09 + 0.25), rel=OWN)
    assert found.df_residual == pytest.approx(df, rel=OWN)


@given(st.permutations(range(13)))
def test_the_order_of_studies_does_not_matter(order):
    index = list(order)
    turned = subgroups(
        np.array(BCG["yi"])[index], np.array(BCG["vi"])[index], np.array(ALLOCATION)[index], tau2_common=False
    )
    base = subgroups(BCG["yi"], BCG["vi"], ALLOCATION, tau2_common=False)
    assert turned.q_between.value == pytest.approx(base.q_between.value, rel=1e-9)
    assert {g.name: g.k for g in turned.groups} == {g.name: g.k for g in base.groups}


@pytest.mark.parametrize("common", [True, False])
def test_one_subgroup_is_pooled_and_not_compared(common):
    found = subgroups(BCG["yi"], BCG["vi"], ["all"] * 13, tau2_common=common, interval="HKSJ")
    pooled = km.random_effects(BCG["yi"], BCG["vi"], interval="HKSJ")
    assert found.groups[0].mu.value == pytest.approx(pooled.mu.value, rel=OWN)
    assert found.groups[0].weights == pytest.approx(pooled.weights, rel=1e-9)
    assert found.q_between is None
    assert "one subgroup" in found.not_run


def test_a_subgroup_of_one_study_needs_a_common_tau2():
    labels = ["a", "a", "a", "b"]
    y, v = [0.1, 0.9, 0.4, 0.3], [0.01, 0.02, 0.01, 0.02]
    apart = subgroups(y, v, labels, tau2_common=False)
    assert apart.q_between is None
    assert "'b' has one study" in apart.not_run
    assert apart.groups[1].tau2 is None
    assert subgroups(y, v, labels).q_between.p is not None


def test_as_many_subgroups_as_studies_are_not_run():
    found = subgroups([0.1, 0.9], [0.1, 0.1], ["a", "b"])
    assert found.q_between is None
    assert "no degree of freedom" in found.not_run
    assert [group.mu for group in found.groups] == [None, None]


def test_equal_effects_in_a_subgroup_have_no_knapp_hartung_error():
    found = subgroups([0.1, 0.1, 0.4, 0.9], np.full(4, 0.1), list("aabb"), tau2_common=False)
    assert "all effects of 'a' are equal" in found.not_run


def test_labels_and_methods_are_checked():
    with pytest.raises(InputError, match="groups has 2 labels; it needs one for each of the 3"):
        subgroups([1.0, 2.0, 3.0], np.ones(3), ["a", "b"])
    with pytest.raises(InputError, match=r"groups\[1\] is missing"):
        subgroups([1.0, 2.0, 3.0], np.ones(3), ["a", None, "b"])
    with pytest.raises(UnknownMethodError, match="tau2"):
        subgroups([1.0, 2.0, 3.0], np.ones(3), list("aab"), tau2="EE")
