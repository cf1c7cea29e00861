"""Cluster-robust inference against metafor and clubSandwich, its definition, and what is not run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from k2meta.models.errors import InputError, UnknownMethodError
from k2meta.models.meta_regression import meta_regression
from k2meta.models.multilevel import multilevel
from k2meta.models.robust import cluster_robust, working_model
from tests.references import load

# Given the same tau2 these are closed forms of the fitted numbers.
CLOSED = 1e-10
# Six digits printed.
PRINTED = 1e-5
# Two routes of our own.
OWN = 1e-9

ROBUST = load("robust")
BCG = load("meta_regression")["datasets"]["bcg_RR"]
SCHOOLS = load("multilevel")["konstantopoulos2011"]
FIELDS = {"value": "beta", "se": "se", "p": "pval", "low": "ci_lb", "high": "ci_ub"}

kinds = pytest.mark.parametrize("kind", ["CR0", "CR1", "CR2"])


def agree(found, expected):
    for ours, theirs in FIELDS.items():
        wanted = np.atleast_1d(expected[theirs])
        assert [getattr(one, ours) for one in found.coefficients] == pytest.approx(wanted, rel=CLOSED)
    df = np.broadcast_to(expected["ddf"], len(found.coefficients))
    assert [one.df for one in found.coefficients] == pytest.approx(df, rel=CLOSED)


@kinds
@pytest.mark.parametrize("name", ROBUST["univariate"])
def test_single_level_fits_agree(name, kind):
    if name.startswith("bcg"):
        tau2 = {"FE": "EE"}.get(name.split("_")[2], name.split("_")[2])
        X = {"ablat": BCG["models"]["ablat"]["X"][0]} if "ablat" in name else None
        fit, cluster = meta_regression(BCG["yi"], BCG["vi"], X, tau2=tau2), range(13)
    else:
        fit, cluster = meta_regression(SCHOOLS["yi"], SCHOOLS["vi"], None), SCHOOLS["district"]
    found = cluster_robust(fit, cluster, kind=kind)
    assert found.clusters == len(set(cluster))
    agree(found, ROBUST["univariate"][name][kind])


@kinds
def test_the_three_level_fit_agrees_at_the_variances_of_the_reference(kind):
    district = np.array(SCHOOLS["district"])
    between, within = ROBUST["three_level"]["sigma2"]
    M = np.diag(SCHOOLS["vi"]) + between * (district[:, None] == district)
    found = cluster_robust(working_model(SCHOOLS["yi"], M, tau2=within), district, kind=kind)
    agree(found, ROBUST["three_level"]["kinds"][kind])


def test_konstantopoulos_gives_the_printed_cr2_numbers():
    levels = {"district": SCHOOLS["district"], "school": SCHOOLS["school"]}
    fit = multilevel(SCHOOLS["yi"], SCHOOLS["vi"], levels)
    one = cluster_robust(fit, SCHOOLS["district"]).coefficients[0]
    assert one.se == pytest.approx(0.084458, rel=PRINTED)
    assert one.df == pytest.approx(9.86316, rel=PRINTED)


def test_the_grid_does_not_shrink():
    assert len(ROBUST["univariate"]) == 5
    assert all(set(kinds) == {"CR0", "CR1", "CR2"} for kinds in ROBUST["univariate"].values())


def test_cr2_is_unbiased_under_its_working_model():
    # The expectation of the estimate is linear in E[yy'] = M (the mean drops out), so it follows from k fits to
    # the columns of a square root of M.
    rng = np.random.default_rng(5)
    cluster = np.repeat(range(5), [1, 2, 3, 4, 2])
    X, v = rng.normal(size=12), rng.uniform(0.1, 1.0, 12)
    M = np.diag(v) + 0.4 * (cluster[:, None] == cluster)
    root = np.linalg.cholesky(M)
    each = [cluster_robust(working_model(column, M, X), cluster).covariance for column in root.T]
    design = np.column_stack([np.ones(12), X])
    truth = np.linalg.inv(design.T @ np.linalg.solve(M, design))
    assert np.sum(each, axis=0) == pytest.approx(truth, rel=1e-9)


@given(st.permutations(range(13)), st.floats(1e-3, 1e3))
def test_neither_order_nor_units_nor_labels_matter(order, unit):
    index = list(order)
    cluster = np.array([1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 6])
    y, v = np.array(BCG["yi"]), np.array(BCG["vi"])
    base = cluster_robust(working_model(y, v, tau2=0.3), cluster).coefficients[0]
    labels = [f"trial {one}" for one in cluster[index]]
    turned = working_model(unit * y[index], unit**2 * v[index], tau2=0.3 * unit**2)
    moved = cluster_robust(turned, labels).coefficients[0]
    assert moved.se == pytest.approx(unit * base.se, rel=OWN)
    assert moved.df == pytest.approx(base.df, rel=OWN)
    assert moved.p == pytest.approx(base.p, rel=OWN)


def test_few_degrees_of_freedom_are_warned_of_by_name():
    fit = meta_regression(BCG["yi"], BCG["vi"], {"ablat": BCG["models"]["ablat"]["X"][0]})
    found = cluster_robust(fit, range(13))
    assert found.coefficients[0].df < 4 < found.coefficients[1].df
    assert "intercept (3.7)" in found.warnings[0]
    assert "ablat" not in found.warnings[0]


def test_as_many_clusters_as_coefficients_are_not_run():
    fit = meta_regression(BCG["yi"], BCG["vi"], BCG["models"]["ablat"]["X"][0])
    found = cluster_robust(fit, [1] * 6 + [2] * 7)
    assert found.coefficients == ()
    assert "at least 3 clusters" in found.not_run


def test_a_cluster_that_a_coefficient_fits_exactly_is_adjusted_without_it():
    cluster = [1, 2, 2, 3, 3, 4, 4]
    own = [1.0, 0, 0, 0, 0, 0, 0]
    y = [2.0, 0.1, 0.4, 0.2, 0.9, 0.3, 0.6]
    whole = cluster_robust(working_model(y, np.full(7, 0.1), own), cluster).coefficients[0]
    without = cluster_robust(working_model(y[1:], np.full(6, 0.1)), cluster[1:]).coefficients[0]
    assert whole.value == pytest.approx(without.value, rel=OWN)
    assert whole.se == pytest.approx(without.se, rel=OWN)
    assert whole.df == pytest.approx(without.df, rel=OWN)


def test_unusable_input_is_refused():
    working = working_model([0.1, 0.2, 0.4], np.ones(3))
    with pytest.raises(UnknownMethodError, match=r"CR0, CR1, CR2"):
        cluster_robust(working, [1, 2, 3], kind="CR3")
    with pytest.raises(InputError, match="cluster has 2 labels"):
        cluster_robust(working, [1, 2])
    with pytest.raises(InputError, match=r"was not run: Not run: 2 studies"):
        cluster_robust(meta_regression([0.1, 0.2], [1.0, 1.0], [1.0, 2.0]), [1, 2])
    with pytest.raises(InputError, match=r"tau2 = -0\.1"):
        working_model([0.1, 0.2, 0.4], np.ones(3), tau2=-0.1)
