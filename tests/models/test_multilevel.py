"""Multilevel and multivariate models against metafor, their relations, boundaries, and what they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import k2meta as km
from k2meta.models.design import CollinearityError
from k2meta.models.errors import InputError, UnknownMethodError
from k2meta.models.meta_regression import meta_regression
from k2meta.models.multilevel import STRUCTURES, constant_correlation, multilevel, multivariate
from tests.references import load

# Our score is zero to rounding. The reference stops by the height of its likelihood, which fixes parameters to
# about the square root of its tolerance: 4e-10 where X is an intercept, 7e-7 where it holds years around 1990.
INTERCEPT = 1e-8
YEARS = 2e-6
# A maximum is flat: heights agree to the square of that.
HEIGHT = 1e-10
# Closed form at tau2 = 0.
CLOSED = 1e-10
# The same model by two routes of our own.
OWN = 1e-9
# What the score is held to: rounding of sums of order one.
SCORE = 1e-13

SCHOOLS = load("multilevel")["konstantopoulos2011"]
BERKEY = load("multivariate")["berkey1998"]
LEVELS = {
    "district_school": ("district", "school"),
    "district": ("district",),
    "study": ("study",),
}


def field(fit, what):
    return [getattr(one, what) for one in fit.coefficients]


def proved(fit):
    return fit.converged and fit.curved and fit.score < SCORE


def schools(name, **options):
    levels = LEVELS[name.split("_REML")[0].split("_ML")[0]]
    expected = SCHOOLS["fits"][name]
    X = {"year": SCHOOLS["year"]} if name.endswith("_year") else None
    return multilevel(
        SCHOOLS["yi"],
        SCHOOLS["vi"],
        {level: SCHOOLS[level] for level in levels},
        X=X,
        method=expected["method"],
        interval=expected["test"],
        **options,
    )


def berkey(name):
    outcome, year = np.array(BERKEY["outcome"]), np.array(BERKEY["year"]) - 1983.0
    X = {one: (outcome == one).astype(float) for one in ("AL", "PD")}
    if name.endswith("year"):
        X |= {f"{one}:year": (outcome == one) * year for one in ("AL", "PD")}
    structure, method = name.split("_")[:2]
    return multivariate(
        BERKEY["yi"], BERKEY["V"], outcome, BERKEY["trial"], structure=structure, X=X, method=method
    )


def test_the_reference_grid_does_not_shrink():
    assert len(SCHOOLS["fits"]) == 16
    assert len(BERKEY["fits"]) == 20
    assert {name.split("_")[0] for name in BERKEY["fits"]} == set(STRUCTURES)


@pytest.mark.parametrize("name", SCHOOLS["fits"])
def test_levels_agree(name):
    expected, fit = SCHOOLS["fits"][name], schools(name)
    close = YEARS if name.endswith("_year") else INTERCEPT
    assert proved(fit)
    assert field(fit, "value") == pytest.approx(np.atleast_1d(expected["beta"]), rel=close)
    for ours, theirs in (("se", "se"), ("p", "pval"), ("low", "ci_lb"), ("high", "ci_ub")):
        # An interval limit near zero keeps the absolute, not the relative, accuracy of its ends.
        wanted = np.atleast_1d(np.array(expected[theirs], dtype=float))
        assert field(fit, ours) == pytest.approx(wanted, rel=close, abs=close * 0.01)
    sigma2 = [part.variances[0] for part in fit.components]
    assert sigma2 == pytest.approx(np.atleast_1d(expected["sigma2"]), rel=close)
    assert fit.q_residual.value == pytest.approx(expected["QE"], rel=CLOSED)
    if expected["logLik"] is not None:
        assert fit.log_likelihood == pytest.approx(expected["logLik"], abs=HEIGHT)


def test_konstantopoulos_gives_the_printed_three_level_numbers():
    fit = schools("district_school_REML_z")
    assert fit.coefficients[0].value == pytest.approx(0.184713, abs=5e-7)
    assert fit.coefficients[0].se == pytest.approx(0.0845559, abs=5e-8)
    assert [part.variances[0] for part in fit.components] == pytest.approx([0.0650619, 0.0327365], abs=5e-8)
    assert [part.clusters for part in fit.components] == [11, 56]
    assert [part.name for part in fit.components] == ["district", "district/school"]


@pytest.mark.parametrize("name", BERKEY["fits"])
def test_outcomes_agree(name):
    expected, fit = BERKEY["fits"][name], berkey(name)
    close = YEARS if name.endswith("year") else INTERCEPT
    assert proved(fit)
    assert not fit.at_boundary
    assert field(fit, "value") == pytest.approx(expected["beta"], rel=close)
    assert field(fit, "se") == pytest.approx(expected["se"], rel=close)
    assert field(fit, "p") == pytest.approx(expected["pval"], rel=10 * close)
    part = fit.components[0]
    variance = dict(zip(part.outcomes, part.variances, strict=True))
    wanted = np.atleast_1d(expected["tau2"])
    assert [variance["AL"], variance["PD"]][: len(wanted)] == pytest.approx(wanted, rel=close)
    assert part.correlations[0][1] == pytest.approx(expected["rho"], abs=close)
    assert fit.q_residual.value == pytest.approx(expected["QE"], rel=CLOSED)
    assert fit.q_model.value == pytest.approx(expected["QM"], rel=close)
    assert fit.log_likelihood == pytest.approx(expected["logLik"], abs=HEIGHT)


def test_the_working_model_with_a_constant_correlation_agrees():
    # metafor 3.8-1: vcalc(vi, cluster = district, obs = study, rho = .6), ~ 1 | district/study, rel.tol 1e-13.
    V = constant_correlation(SCHOOLS["vi"], SCHOOLS["district"], 0.6)
    fit = multilevel(SCHOOLS["yi"], V, {"district": SCHOOLS["district"], "study": SCHOOLS["study"]})
    assert proved(fit)
    assert fit.coefficients[0].value == pytest.approx(0.191011010895800, rel=1e-7)
    assert fit.coefficients[0].se == pytest.approx(0.086400100784481, rel=1e-7)
    sigma2 = [part.variances[0] for part in fit.components]
    assert sigma2 == pytest.approx([0.056330086300011, 0.048073883064338], rel=1e-7)
    assert fit.q_residual.value == pytest.approx(614.121276366227221, rel=CLOSED)


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_one_level_of_single_effects_is_the_random_effects_model(method):
    fit = multilevel(SCHOOLS["yi"], SCHOOLS["vi"], {"study": SCHOOLS["study"]}, method=method)
    pooled = km.random_effects(SCHOOLS["yi"], SCHOOLS["vi"], tau2=method, interval="z")
    assert fit.components[0].variances[0] == pytest.approx(pooled.tau2.value, rel=OWN)
    assert fit.coefficients[0].value == pytest.approx(pooled.mu.value, rel=OWN)
    assert fit.coefficients[0].p == pytest.approx(pooled.mu.p, rel=OWN)


def test_moderators_without_dependence_are_the_meta_regression():
    X = {"year": SCHOOLS["year"]}
    fit = multilevel(SCHOOLS["yi"], SCHOOLS["vi"], {"study": SCHOOLS["study"]}, X=X, interval="t")
    single = meta_regression(SCHOOLS["yi"], SCHOOLS["vi"], X, interval="t")
    assert field(fit, "value") == pytest.approx(field(single, "value"), rel=OWN)
    assert field(fit, "p") == pytest.approx(field(single, "p"), rel=OWN)
    assert fit.q_model.value == pytest.approx(single.q_model.value, rel=OWN)


def test_outcomes_that_share_nothing_are_pooled_as_if_alone():
    outcome = np.array(BERKEY["outcome"])
    V = np.diag(np.diag(BERKEY["V"]))
    fit = multivariate(BERKEY["yi"], V, outcome, BERKEY["trial"], structure="DIAG")
    for one, part in zip(fit.coefficients, fit.components[0].variances, strict=True):
        own = outcome == one.name
        alone = km.random_effects(np.array(BERKEY["yi"])[own], np.diag(V)[own], interval="z")
        assert part == pytest.approx(alone.tau2.value, rel=OWN)
        assert one.value == pytest.approx(alone.mu.value, rel=OWN)


def test_compound_symmetry_is_a_level_for_the_study_and_one_for_the_effect():
    X = {one: (np.array(BERKEY["outcome"]) == one).astype(float) for one in ("AL", "PD")}
    levels = {"trial": BERKEY["trial"], "effect": range(10)}
    two = multilevel(BERKEY["yi"], BERKEY["V"], levels, X=X, intercept=False)
    tau2 = two.components[0].variances[0] + two.components[1].variances[0]
    cs = BERKEY["fits"]["CS_REML_outcome"]
    assert tau2 == pytest.approx(cs["tau2"], rel=INTERCEPT)
    assert two.components[0].variances[0] / tau2 == pytest.approx(cs["rho"], rel=INTERCEPT)


def dependent(seed, k=16, sd=0.5):
    rng = np.random.default_rng(seed)
    cluster = np.arange(k) // 3
    v = rng.uniform(0.05, 0.5, k)
    y = 0.3 + sd * rng.normal(size=k)[cluster] + rng.normal(size=k) * np.sqrt(v)
    return y, v, cluster


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.floats(1e-4, 1e4), st.floats(-1e3, 1e3))
def test_a_change_of_units_changes_units_only(seed, unit, shift):
    y, v, cluster = dependent(seed)
    levels = {"study": cluster, "effect": range(len(y))}
    base, moved = multilevel(y, v, levels), multilevel(unit * (y + shift), unit**2 * v, levels)
    assert base.converged
    assert moved.converged
    for one, two in zip(base.components, moved.components, strict=True):
        # A shift of a thousand costs the effects three digits.
        assert two.variances[0] / unit**2 == pytest.approx(one.variances[0], rel=1e-8, abs=1e-10)
    assert moved.coefficients[0].value / unit - shift == pytest.approx(base.coefficients[0].value, abs=1e-9)
    assert moved.coefficients[0].se / unit == pytest.approx(base.coefficients[0].se, rel=1e-8)


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_no_point_nearby_is_higher_and_every_search_ends_in_a_proof(seed):
    rng = np.random.default_rng(seed)
    m = int(rng.integers(2, 4))
    study, outcome = np.repeat(range(9), m), ["a", "b", "c"][:m] * 9
    y, v = rng.normal(size=9 * m) * rng.choice([0.3, 1.0]), rng.uniform(0.05, 1.0, 9 * m)
    fits = {name: multivariate(y, v, outcome, study, structure=name) for name in STRUCTURES}
    assert all(fit.converged for fit in fits.values())
    # Nested models: a larger one is never lower, and two outcomes make HCS and UN the same model.
    height = {name: fit.log_likelihood for name, fit in fits.items()}
    assert height["UN"] >= height["HCS"] - 1e-6
    assert height["HCS"] >= max(height["CS"], height["DIAG"]) - 1e-6
    if m == 2:
        assert height["UN"] == height["HCS"]
    assert min(height["CS"], height["DIAG"]) >= height["ID"] - 1e-9


def test_equal_effects_put_every_variance_on_zero():
    fit = multilevel(np.full(9, 0.4), np.full(9, 0.1), {"study": np.arange(9) // 3, "effect": range(9)})
    assert [part.variances for part in fit.components] == [(0.0,), (0.0,)]
    assert fit.at_boundary
    assert fit.converged
    assert fit.coefficients[0].value == pytest.approx(0.4)
    assert "estimated as zero" in fit.warnings[0]


@pytest.mark.parametrize("structure", ["UN", "HCS", "CS"])
def test_outcomes_that_move_together_reach_a_correlation_of_one(structure):
    study = np.repeat(range(8), 2)
    y = np.repeat(np.arange(8.0), 2)
    fit = multivariate(y, np.full(16, 0.2), ["a", "b"] * 8, study, structure=structure)
    assert fit.converged
    assert fit.at_boundary
    assert fit.components[0].correlations[0][1] == pytest.approx(1.0, abs=1e-9)
    assert any("at its limit" in sentence for sentence in fit.warnings)


def test_nested_labels_are_read_within_their_level_and_crossed_ones_are_not():
    y, v, cluster = dependent(3)
    within = np.arange(len(y)) % 3
    nested = multilevel(y, v, {"study": cluster, "arm": within})
    crossed = multilevel(y, v, {"study": cluster, "arm": within}, nested=False)
    assert [part.clusters for part in nested.components] == [6, 16]
    assert [part.clusters for part in crossed.components] == [6, 3]
    assert crossed.converged


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ({"study": [1, 2, 3], "effect": [1, 2, 3]}, "group the effects alike"),
        ({"study": [1, 1, 1]}, "single group"),
    ],
)
def test_variances_that_cannot_be_told_apart_are_not_run(levels, message):
    fit = multilevel([0.1, 0.4, 0.2], np.full(3, 0.1), levels)
    assert message in fit.not_run
    assert fit.components == ()
    assert math.isnan(fit.score)


def test_too_few_effects_are_not_run():
    assert "no degree of freedom" in multilevel([0.1], [0.1], {"study": [1]}).not_run
    assert "'b' has one study" in multivariate([1, 2, 3.0], np.ones(3), list("aba"), [1, 1, 2]).not_run


def test_a_covariance_that_is_none_is_refused_by_its_block():
    V = np.eye(4)
    V[1, 3] = V[3, 1] = 1.2
    with pytest.raises(InputError, match="not positive definite: the block of effects 1, 3"):
        multilevel(np.arange(4.0), V, {"study": range(4)})
    V[3, 1] = 0.2
    with pytest.raises(InputError, match=r"not symmetric: V\[1, 3\]"):
        multilevel(np.arange(4.0), V, {"study": range(4)})


@pytest.mark.parametrize(
    ("y", "V", "message"),
    [
        ([0.1, np.nan, 0.2], np.ones(3), r"yi\[1\] = nan"),
        ([0.1, 0.3, 0.2], [1.0, np.inf, 1.0], r"V\[1\] = inf"),
        ([0.1, 0.3, 0.2], [1.0, 1.0, 0.0], r"V\[2, 2\] = 0.0: a sampling variance must be positive"),
        ([0.1, 0.3, 0.2], np.ones(2), r"shape \(2,\); it needs 3 variances or a 3 x 3"),
    ],
)
def test_unusable_numbers_are_refused_by_place(y, V, message):
    with pytest.raises(InputError, match=message):
        multilevel(y, V, {"study": [1, 2, 3]})


def test_unusable_labels_methods_and_columns_are_refused():
    y, v = [0.1, 0.3, 0.2, 0.5], np.ones(4)
    with pytest.raises(InputError, match="study has 2 labels"):
        multilevel(y, v, {"study": [1, 2]})
    with pytest.raises(InputError, match="levels is empty"):
        multilevel(y, v, {})
    with pytest.raises(InputError, match="'2' has outcome 'a' twice, at 2 and 3"):
        multivariate(y, v, list("abaa"), [1, 1, 2, 2])
    with pytest.raises(UnknownMethodError, match="structure"):
        multivariate(y, v, list("abab"), [1, 1, 2, 2], structure="AR")
    with pytest.raises(UnknownMethodError, match="method"):
        multilevel(y, v, {"study": range(4)}, method="DL")
    with pytest.raises(CollinearityError, match="'a', 'b'"):
        multilevel(y, v, {"study": range(4)}, X={"a": [1, 2, 3, 5], "b": [2, 4, 6, 10]})


@pytest.mark.parametrize("rho", [1.0, -0.6, math.nan])
def test_a_correlation_no_cluster_can_have_is_refused(rho):
    with pytest.raises(InputError, match="3 effects of cluster 's'"):
        constant_correlation(np.ones(3), list("sss"), rho)


def test_a_constant_correlation_ties_clusters_only():
    V = constant_correlation([1.0, 4.0, 9.0], list("aab"), 0.5)
    assert V.tolist() == [[1.0, 1.0, 0.0], [1.0, 4.0, 0.0], [0.0, 0.0, 9.0]]
