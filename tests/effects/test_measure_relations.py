"""Relations every effect measure must keep, plain loops that re-derive formulas, and simulations of variances."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import k2meta as km
from k2meta.effects.sizes import EffectSizes

EXACT = 1e-9  # algebraic identities; the slack is for cancellation in drawn numbers of mixed size
DRAWS = 400_000
SIMULATED = (
    0.02  # relative error of a variance over 400,000 draws is about .3 %; the rest is plugging in the effect
)

positive = st.floats(0.1, 50)
size = st.integers(5, 400)


@st.composite
def two_arms(draw: st.DrawFn) -> dict[str, float]:
    return {
        **{f"m{arm}": draw(positive) for arm in (1, 2)},
        **{f"sd{arm}": draw(positive) for arm in (1, 2)},
        **{f"n{arm}": draw(size) for arm in (1, 2)},
    }


@st.composite
def two_by_two(draw: st.DrawFn) -> dict[str, int]:
    return {name: draw(st.integers(1, 500)) for name in ("ai", "bi", "ci", "di")}


def swapped_arms(one: dict[str, float]) -> dict[str, float]:
    return {name[:-1] + {"1": "2", "2": "1"}[name[-1]]: value for name, value in one.items()}


@given(two_arms(), st.sampled_from(["MD", "SMD", "SMDH", "ROM", "CVR", "D2OR"]))
@settings(max_examples=100)
def test_swapping_the_arms_turns_the_sign_and_keeps_the_variance(arms: dict[str, float], measure: str) -> None:
    one, other = km.effect_sizes(measure, **arms), km.effect_sizes(measure, **swapped_arms(arms))
    assert other.yi[0] == pytest.approx(-one.yi[0], rel=EXACT, abs=1e-12)
    assert other.vi[0] == pytest.approx(one.vi[0], rel=EXACT)


@given(two_by_two(), st.sampled_from(["OR", "RR", "RD", "PETO", "AS", "OR2D"]))
@settings(max_examples=100)
def test_swapping_the_arms_of_a_table_turns_the_sign(table: dict[str, int], measure: str) -> None:
    swapped = {"ai": table["ci"], "bi": table["di"], "ci": table["ai"], "di": table["bi"]}
    one, other = km.effect_sizes(measure, **table), km.effect_sizes(measure, **swapped)
    assert other.yi[0] == pytest.approx(-one.yi[0], rel=EXACT, abs=1e-12)
    assert other.vi[0] == pytest.approx(one.vi[0], rel=EXACT)


@given(two_by_two(), st.sampled_from(["OR", "RD", "PETO", "AS"]))
@settings(max_examples=100)
def test_counting_non_events_instead_turns_the_sign(table: dict[str, int], measure: str) -> None:
    # The risk ratio is left out on purpose: it has no such symmetry.
    other_way = {"ai": table["bi"], "bi": table["ai"], "ci": table["di"], "di": table["ci"]}
    one, other = km.effect_sizes(measure, **table), km.effect_sizes(measure, **other_way)
    assert other.yi[0] == pytest.approx(-one.yi[0], rel=EXACT, abs=1e-9)
    assert other.vi[0] == pytest.approx(one.vi[0], rel=EXACT)


@given(two_arms(), st.floats(0.01, 100), st.sampled_from(["SMD", "SMDH", "SMD1", "ROM", "CVR", "VR"]))
@settings(max_examples=100)
def test_a_change_of_unit_leaves_unitless_measures_alone(arms: dict[str, float], c: float, measure: str) -> None:
    rescaled = {name: value if name[0] == "n" else c * value for name, value in arms.items()}
    one, other = km.effect_sizes(measure, **arms), km.effect_sizes(measure, **rescaled)
    assert other.yi[0] == pytest.approx(one.yi[0], rel=EXACT, abs=1e-12)
    assert other.vi[0] == pytest.approx(one.vi[0], rel=EXACT)


@given(two_arms(), st.floats(0.01, 100), st.floats(-20, 20))
@settings(max_examples=100)
def test_a_mean_difference_ignores_the_origin_and_follows_the_unit(
    arms: dict[str, float], c: float, shift: float
) -> None:
    moved = {name: c * value + (shift if name[0] == "m" else 0) for name, value in arms.items()}
    moved |= {name: arms[name] for name in ("n1", "n2")}
    one, other = km.effect_sizes("MD", **arms), km.effect_sizes("MD", **moved)
    assert other.yi[0] == pytest.approx(c * one.yi[0], rel=EXACT, abs=1e-9)
    assert other.vi[0] == pytest.approx(c**2 * one.vi[0], rel=EXACT)


def test_plain_loops_over_people_give_the_same_variances() -> None:
    # The estimate and variance of MD, RD and the paired change from raw values, without any formula of ours.
    rng = np.random.default_rng(7)
    treat, ctrl = rng.normal(3, 2, 11), rng.normal(1, 1, 9)
    arms = {f"{name}{i}": value for i, arm in ((1, treat), (2, ctrl)) for name, value in summary(arm).items()}
    found = km.effect_sizes("MD", **arms)
    by_loop = 0.0
    for arm in (treat, ctrl):
        mean = sum(arm) / len(arm)
        by_loop += sum((value - mean) ** 2 for value in arm) / (len(arm) - 1) / len(arm)
    assert found.vi[0] == pytest.approx(by_loop, rel=EXACT)

    after = treat + rng.normal(0.5, 1, 11)
    change = [post - pre for post, pre in zip(after, treat, strict=True)]
    mean = sum(change) / 11
    variance = sum((value - mean) ** 2 for value in change) / 10 / 11
    paired = km.effect_sizes(
        "MC",
        m1=after.mean(),
        sd1=after.std(ddof=1),
        m2=treat.mean(),
        sd2=treat.std(ddof=1),
        n=11,
        r=np.corrcoef(after, treat)[0, 1],
    )
    assert paired.yi[0] == pytest.approx(mean, rel=EXACT)
    assert paired.vi[0] == pytest.approx(variance, rel=EXACT)


def summary(arm: np.ndarray) -> dict[str, float]:
    return {"m": arm.mean(), "sd": arm.std(ddof=1), "n": len(arm)}


def test_petos_variance_is_that_of_the_hypergeometric_distribution() -> None:
    # 4 events among 9 treated and 1 among 12 controls; with the margins fixed, ai has this distribution.
    ways = [math.comb(9, a) * math.comb(12, 5 - a) for a in range(6)]
    mean = sum(a * w for a, w in enumerate(ways)) / sum(ways)
    variance = sum((a - mean) ** 2 * w for a, w in enumerate(ways)) / sum(ways)
    found = km.effect_sizes("PETO", ai=4, bi=5, ci=1, di=11)
    assert found.vi[0] == pytest.approx(1 / variance, rel=EXACT)
    assert found.yi[0] == pytest.approx((4 - mean) / variance, rel=EXACT)


def test_the_variance_of_d_ppc2_is_that_of_its_sampling_distribution() -> None:
    rng = np.random.default_rng(20)
    n1, n2, r, effect = 9, 7, 0.6, 0.8
    numerator = rng.normal(effect, math.sqrt(2 * (1 - r) * (1 / n1 + 1 / n2)), DRAWS)
    # The means of normal samples are independent of their SDs: the pooled baseline SD has a chi distribution.
    pooled = np.sqrt(rng.chisquare(n1 + n2 - 2, DRAWS) / (n1 + n2 - 2))
    zero = {"pre1": 0.0, "pre2": 0.0, "post2": 0.0, "r": r, "n1": n1, "n2": n2}
    drawn = km.effect_sizes("DPPC2", post1=numerator, sd1=pooled, sd2=pooled, **zero)
    assert drawn.yi.mean() == pytest.approx(effect, abs=0.01)
    at_truth = post_for(effect, n1 + n2 - 2)
    formula = km.effect_sizes("DPPC2", post1=at_truth, sd1=1.0, sd2=1.0, **zero)
    assert formula.yi[0] == pytest.approx(effect, rel=EXACT)
    assert formula.vi[0] == pytest.approx(drawn.yi.var(), rel=SIMULATED)


def post_for(effect: float, df: int) -> float:
    """Return the raw effect on an SD of one that gives this corrected effect."""
    from k2meta.effects.hedges import hedges_j

    return effect / float(hedges_j(df))


def test_the_large_sample_variance_of_d_ppc2_agrees_with_the_exact_one() -> None:
    arms = {"pre1": 0, "post1": 0.5, "sd1": 1, "n1": 4000, "pre2": 0, "post2": 0, "sd2": 1, "n2": 5000, "r": 0.4}
    exact, large = (km.effect_sizes("DPPC2", vtype=name, **arms).vi[0] for name in ("Morris", "LS"))
    assert exact != large
    assert exact == pytest.approx(large, rel=1e-3)  # they differ by O(1/n)


def changes_over_pooled_sd(n: int, r: float, effect: float) -> EffectSizes:
    """Return SMCRP of 40,000 samples of n pairs whose two values have one variance."""
    rng = np.random.default_rng(21)
    before = rng.normal(size=(40_000, n))
    after = effect + r * before + math.sqrt(1 - r**2) * rng.normal(size=(40_000, n))
    return km.effect_sizes(
        "SMCRP", m1=after.mean(1), sd1=after.std(1, ddof=1), m2=before.mean(1), sd2=before.std(1, ddof=1), n=n, r=r
    )


def test_a_change_over_the_pooled_sd_is_unbiased_in_small_samples() -> None:
    # J with n - 1 degrees of freedom would give .968, with 2 (n - 1) 1.030; the mean is known to .0025.
    assert changes_over_pooled_sd(8, 0.7, 1.0).yi.mean() == pytest.approx(1, abs=0.01)


def test_the_variance_of_a_change_over_the_pooled_sd_is_that_of_its_sampling_distribution() -> None:
    drawn = changes_over_pooled_sd(60, 0.7, 1.0)
    formula = km.effect_sizes("SMCRP", m1=1.0, sd1=1.0, m2=0.0, sd2=1.0, n=60, r=0.7)
    assert formula.vi[0] == pytest.approx(drawn.yi.var(), rel=0.05)  # O(1/n) and 40,000 draws
