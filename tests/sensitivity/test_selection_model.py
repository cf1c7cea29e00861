"""The step-function selection model against metafor, and its optimum against the likelihood written out."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from k2meta.models.errors import InputError, UnknownMethodError
from k2meta.sensitivity import selection_model
from tests.references import load

# metafor's optimiser stops at a relative change of the likelihood; ours goes on to a vanishing gradient.
OPTIMISER = 1e-4

# Both see the same likelihood near its maximum, where it is flat.
HEIGHT = 1e-6

REFERENCE = load("small_study")
DATASETS = REFERENCE["datasets"]
STEPS = REFERENCE["meta"]["steps"]
CASES = [(name, key) for name, data in DATASETS.items() for key in data["selmodel"]]
BCG = DATASETS["bcg_RR"]


def fitted(name, key):
    steps, alternative = key.split("_")
    data = DATASETS[name]
    return selection_model(data["yi"], data["vi"], steps=STEPS[steps], alternative=alternative.replace(".", "-"))


@pytest.mark.parametrize(("name", "key"), CASES)
def test_estimates_weights_and_tests_agree_with_metafor(name, key):
    expected, found = DATASETS[name]["selmodel"][key], fitted(name, key)
    assert found.converged
    assert found.mu.value == pytest.approx(expected["beta"], rel=OPTIMISER)
    assert found.tau2 == pytest.approx(expected["tau2"], rel=OPTIMISER, abs=1e-9)
    assert found.delta == pytest.approx(expected["delta"], rel=OPTIMISER)
    assert (found.lrt, found.lrt_df) == (pytest.approx(expected["LRT"], rel=OPTIMISER), expected["LRTdf"])
    assert found.lrt_p == pytest.approx(expected["LRTp"], rel=OPTIMISER)
    if found.at_boundary:
        # The information in tau2 does not exist on the boundary, where metafor inverts it all the same.
        assert found.tau2_se is None
        return
    assert found.tau2_se == pytest.approx(expected["se_tau2"], rel=OPTIMISER)
    assert found.delta_se[1:] == pytest.approx(expected["se_delta"][1:], rel=OPTIMISER)
    ours = (found.mu.se, found.mu.low, found.mu.high)
    assert ours == pytest.approx([expected[one] for one in ("se", "ci_lb", "ci_ub")], rel=2 * OPTIMISER)


@pytest.mark.parametrize(("name", "key"), CASES)
def test_no_likelihood_of_metafor_is_higher(name, key):
    found = fitted(name, key).log_likelihood
    assert found >= DATASETS[name]["selmodel"][key]["logLik_ML"] - 1e-9
    assert found == pytest.approx(DATASETS[name]["selmodel"][key]["logLik_ML"], abs=HEIGHT)


def written_out(yi, vi, steps, mu, tau2, delta):
    """The log-likelihood of one-sided p values for positive effects, one study and one interval at a time."""
    from scipy.stats import norm

    total = 0.0
    for y, v in zip(yi, vi, strict=True):
        ends = [math.inf, *(math.sqrt(v) * norm.isf(step) for step in steps), -math.inf]
        sd = math.sqrt(v + tau2)
        chance = [norm.cdf(high, mu, sd) - norm.cdf(low, mu, sd) for high, low in itertools.pairwise(ends)]
        where = next(j for j, low in enumerate(ends[1:]) if y >= low)
        seen = sum(d * c for d, c in zip(delta, chance, strict=True))
        total += math.log(delta[where]) + norm.logpdf(y, mu, sd) - math.log(seen)
    return total


def test_the_optimum_is_one_of_the_likelihood_written_out():
    data = DATASETS["linde2005_RR"]
    steps = [0.025, 0.5]
    found = selection_model(data["yi"], data["vi"], steps=steps)

    def height(mu, tau2, *delta):
        return written_out(data["yi"], data["vi"], steps, mu, tau2, (1.0, *delta))

    best = (found.mu.value, found.tau2, *found.delta[1:])
    assert height(*best) == pytest.approx(found.log_likelihood, rel=1e-12)
    for i, value in enumerate(best):
        for factor in (0.99, 1.01):
            moved = list(best)
            moved[i] = value * factor
            assert height(*moved) < found.log_likelihood


def test_the_unit_of_the_effects_does_not_matter():
    data = DATASETS["hackshaw1998"]
    here = selection_model(data["yi"], data["vi"])
    there = selection_model(1e3 * np.array(data["yi"]), 1e6 * np.array(data["vi"]))
    assert there.mu.value == pytest.approx(1e3 * here.mu.value, rel=1e-6)
    assert there.tau2 == pytest.approx(1e6 * here.tau2, rel=1e-6)
    assert there.delta == pytest.approx(here.delta, rel=1e-6)


def test_turning_all_signs_exchanges_greater_and_less():
    here = selection_model(BCG["yi"], BCG["vi"], alternative="less")
    there = selection_model(-np.array(BCG["yi"]), BCG["vi"], alternative="greater")
    assert there.mu.value == pytest.approx(-here.mu.value, rel=1e-9)
    assert (there.mu.low, there.mu.high) == pytest.approx((-here.mu.high, -here.mu.low), rel=1e-6)


def test_suppressed_results_are_found_by_the_model():
    rng = np.random.default_rng(11)
    vi = rng.uniform(0.02, 0.2, 4000)
    yi = rng.normal(0.2, np.sqrt(vi + 0.02))
    seen = (yi / np.sqrt(vi) > 1.959964) | (rng.uniform(size=4000) < 0.2)
    found = selection_model(yi[seen], vi[seen])
    assert found.converged
    # Three standard errors of a fit to more than a thousand studies.
    assert abs(found.mu.value - 0.2) < 3 * found.mu.se
    assert abs(found.delta[1] - 0.2) < 3 * found.delta_se[1]
    assert found.unadjusted > 0.2 + 3 * found.mu.se
    assert found.lrt_p < 1e-6


def test_an_empty_interval_of_p_values_is_not_fitted_and_named():
    found = selection_model(BCG["yi"], BCG["vi"], alternative="greater")
    assert found.not_run == ("not run: no study has a p value between 0 and 0.025, so its weight has no estimate")
    assert (found.counts, found.mu) == ((0, 13), None)


def test_fewer_than_ten_studies_are_not_fitted():
    found = selection_model([0.5, 0.1, 0.9], [0.01, 0.1, 0.1])
    assert found.not_run.startswith("k = 3: test not run")
    assert selection_model([0.5, 0.1], [0.01, 0.1], minimum_k=1).not_run.endswith("at least 4 studies")


@pytest.mark.parametrize("steps", [[], [0.0], [0.5, 0.025], [0.025, 1.0]])
def test_steps_are_increasing_p_values(steps):
    with pytest.raises(InputError, match="steps"):
        selection_model(BCG["yi"], BCG["vi"], steps=steps)


def test_an_unknown_alternative_is_refused():
    with pytest.raises(UnknownMethodError, match="two-sided"):
        selection_model(BCG["yi"], BCG["vi"], alternative="two.sided")
