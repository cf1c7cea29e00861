"""tau2 re-derived by plain loops from the papers, and optima that a local search misses."""

from __future__ import annotations

import math

import numpy as np
import pytest

from k2meta.models.errors import ModelError
from k2meta.models.heterogeneity import (
    ESTIMATORS,
    log_likelihood,
    maximum_likelihood,
    q_profile,
    restricted_maximum_likelihood,
    scan_points,
    score,
)
from k2meta.models.inputs import checked
from k2meta.models.roots import bracketed_root
from tests.references import load

# Loops sum in another order than the arrays.
SUMS = 1e-12
# A grid of 20,000 points finds a maximum to about its spacing.
GRID = 1e-3
# A central difference of a function of order a hundred with step 1e-6: rounding alone is about 1e-8.
SLOPE = 1e-6

BCG = load("metafor")["datasets"]["bcg_RR"]
YI, VI = np.array(BCG["yi"]), np.array(BCG["vi"])

# Found by a search over seeded random sets: the restricted likelihood has two maxima in each.
TWO_OPTIMA = [
    ([0.62, 0.71, -0.59], [0.003, 0.035, 0.21]),
    ([0.16, -6.95, 1.64], [0.004, 9.756, 1.671]),
    ([-0.08, 0.76, 0.84, -0.03, 0.95], [0.003, 0.154, 0.158, 0.002, 3.212]),
]


def loop_moments(yi, vi, a):
    total = sum(a)
    mean = sum(ai * y for ai, y in zip(a, yi, strict=True)) / total
    q = sum(ai * (y - mean) ** 2 for ai, y in zip(a, yi, strict=True))
    expected = sum(ai * v for ai, v in zip(a, vi, strict=True))
    expected -= sum(ai**2 * v for ai, v in zip(a, vi, strict=True)) / total
    return max(0.0, (q - expected) / (total - sum(ai**2 for ai in a) / total))


def loop_log_likelihood(yi, vi, tau2, restricted):
    total = sum(1 / (v + tau2) for v in vi)
    mean = sum(y / (v + tau2) for y, v in zip(yi, vi, strict=True)) / total
    result = -0.5 * sum(math.log(v + tau2) + (y - mean) ** 2 / (v + tau2) for y, v in zip(yi, vi, strict=True))
    return result - 0.5 * math.log(total) if restricted else result


@pytest.mark.parametrize("name", sorted(load("metafor")["datasets"]))
def test_one_and_two_step_moment_estimates_agree_with_a_plain_loop(name):
    data = load("metafor")["datasets"][name]
    yi, vi = data["yi"], data["vi"]
    dl = loop_moments(yi, vi, [1 / v for v in vi])
    he = loop_moments(yi, vi, [1.0 for _ in vi])
    expected = {
        "DL": dl,
        "HE": he,
        "DL2": loop_moments(yi, vi, [1 / (v + dl) for v in vi]),
        "CA2": loop_moments(yi, vi, [1 / (v + he) for v in vi]),
    }
    for key, value in expected.items():
        found = ESTIMATORS[key](np.array(yi), np.array(vi)).value
        assert found == pytest.approx(value, rel=SUMS, abs=SUMS), key


@pytest.mark.parametrize("restricted", [True, False])
def test_likelihood_and_score_agree_with_a_plain_loop(restricted):
    for tau2 in (0.01, 0.3, 5.0):
        loop = loop_log_likelihood(YI, VI, tau2, restricted)
        assert log_likelihood(YI, VI, np.array([tau2]), restricted=restricted)[0] == pytest.approx(loop, rel=SUMS)
        step = 1e-6
        up, down = (loop_log_likelihood(YI, VI, tau2 + s, restricted) for s in (step, -step))
        assert score(YI, VI, np.array([tau2]), restricted=restricted)[0] == pytest.approx(
            (up - down) / (2 * step), rel=SLOPE, abs=SLOPE
        )


@pytest.mark.parametrize("restricted", [True, False])
def test_the_maximum_is_the_one_of_a_dense_grid(restricted):
    estimator = restricted_maximum_likelihood if restricted else maximum_likelihood
    for data in load("metafor")["datasets"].values():
        yi, vi = np.array(data["yi"]), np.array(data["vi"])
        grid = np.concatenate([[0.0], np.geomspace(1e-5, 1e4, 20_000) * vi.mean()])
        height = log_likelihood(yi, vi, grid, restricted=restricted)
        best = float(grid[np.argmax(height)])
        assert estimator(yi, vi).value == pytest.approx(best, rel=GRID, abs=1e-5 * vi.mean())


@pytest.mark.parametrize(("yi", "vi"), TWO_OPTIMA)
def test_of_two_reml_optima_the_higher_one_is_reported(yi, vi):
    yi, vi = np.array(yi), np.array(vi)
    found = restricted_maximum_likelihood(yi, vi)
    assert found.local_optima == 2
    assert found.converged
    grid = np.concatenate([[0.0], np.geomspace(1e-7, 1e3, 50_000)])
    height = log_likelihood(yi, vi, grid, restricted=True)
    inner = np.flatnonzero((height[1:-1] > height[:-2]) & (height[1:-1] > height[2:])) + 1
    peaks = [*([0] if height[0] > height[1] else []), *inner]
    assert len(peaks) == 2
    assert found.value == pytest.approx(float(grid[max(peaks, key=lambda i: height[i])]), rel=GRID, abs=1e-7)
    assert log_likelihood(yi, vi, np.array([found.value]), restricted=True)[0] >= height.max()


@pytest.mark.parametrize("restricted", [True, False])
def test_beyond_the_scan_the_score_is_negative(restricted):
    rng = np.random.default_rng(5)
    for _ in range(200):
        k = int(rng.integers(2, 12))
        vi = 10.0 ** rng.uniform(-4, 4, k)
        yi = rng.normal(0, 10.0 ** rng.uniform(-2, 3), k)
        end = float(scan_points(yi, vi)[-1])
        assert np.all(score(yi, vi, end * np.array([1.0, 2.0, 10.0, 1e3]), restricted=restricted) < 0)


def test_q_profile_limits_meet_their_chi_square_quantiles():
    from scipy.stats import chi2

    limits = q_profile(YI, VI, 0.9)
    for tau2, p in ((limits.low, 0.95), (limits.high, 0.05)):
        weight = 1 / (VI + tau2)
        mean = np.sum(weight * YI) / np.sum(weight)
        assert np.sum(weight * (YI - mean) ** 2) == pytest.approx(chi2.ppf(p, 12), rel=1e-10)


def test_a_root_without_a_sign_change_is_refused():
    with pytest.raises(ModelError, match="no sign change"):
        bracketed_root(lambda x: x * x + 1.0, -1.0, 1.0)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_converges_on_hostile_random_data(name):
    rng = np.random.default_rng(11)
    for _ in range(150):
        k = int(rng.integers(2, 15))
        vi = 10.0 ** rng.uniform(-12, 12, k)
        yi = rng.normal(0, np.sqrt(vi) * 10.0 ** rng.uniform(-3, 3))
        data = checked(yi, vi)
        found = ESTIMATORS[name](data.yi, data.vi)
        assert found.converged
        assert found.value >= 0.0
