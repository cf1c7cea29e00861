"""Densities against scipy, and the parameters that are refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from k2meta.models.errors import PriorError
from k2meta.models.priors import Exponential, HalfCauchy, HalfNormal, HalfT, Normal, Uniform

# The same closed forms, in double precision.
SAME = 1e-12

CASES = [
    (HalfNormal(0.7), stats.halfnorm(scale=0.7)),
    (HalfCauchy(0.7), stats.halfcauchy(scale=0.7)),
    (Exponential(0.7), stats.expon(scale=0.7)),
    (Uniform(0.7), stats.uniform(scale=0.7)),
]


@pytest.mark.parametrize(("prior", "reference"), CASES, ids=lambda case: type(case).__name__)
def test_densities_are_those_of_scipy(prior, reference):
    tau = np.array([0.0, 1e-9, 0.1, 0.69, 0.71, 3.0, 1e3])
    assert prior.logpdf(tau) == pytest.approx(reference.logpdf(tau), rel=SAME)
    assert prior.proper


def test_the_half_t_is_twice_the_t_density_and_half_cauchy_for_one_degree_of_freedom():
    tau = np.array([0.0, 0.1, 2.0, 50.0])
    assert HalfT(4.0, 0.7).logpdf(tau) == pytest.approx(
        stats.t(4.0, scale=0.7).logpdf(tau) + math.log(2), rel=SAME
    )
    assert HalfT(1.0, 0.7).logpdf(tau) == pytest.approx(HalfCauchy(0.7).logpdf(tau), rel=SAME)


def test_the_normal_prior_of_mu_is_that_of_scipy():
    mu = np.array([-3.0, 0.0, 1.0, 10.0])
    assert Normal(1.0, 2.0).logpdf(mu) == pytest.approx(stats.norm(1.0, 2.0).logpdf(mu), rel=SAME)


def test_a_uniform_prior_without_an_end_is_improper():
    assert not Uniform().proper
    assert np.all(Uniform().logpdf(np.array([0.0, 1e9])) == 0.0)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize(
    "build", [HalfNormal, HalfCauchy, Exponential, Uniform, lambda x: HalfT(3.0, x), lambda x: HalfT(x, 1.0)]
)
def test_a_scale_that_is_not_positive_is_refused(build, bad):
    with pytest.raises(PriorError, match="positive"):
        build(bad)


def test_a_normal_prior_needs_a_finite_mean_and_a_positive_sd():
    with pytest.raises(PriorError, match="mean"):
        Normal(math.nan, 1.0)
    with pytest.raises(PriorError, match="sd"):
        Normal(0.0, 0.0)


@pytest.mark.parametrize(
    ("prior", "words"),
    [
        (HalfNormal(0.5), "half-normal with scale 0.5"),
        (HalfT(3.0, 0.5), "half-t with 3 degrees of freedom and scale 0.5"),
        (HalfCauchy(25.0), "half-Cauchy with scale 25"),
        (Exponential(0.5), "exponential with mean 0.5"),
        (Uniform(4.0), "uniform from 0 to 4"),
        (Uniform(), "uniform (improper)"),
        (Normal(0.0, 4.0), "normal with mean 0 and standard deviation 4"),
    ],
)
def test_a_prior_describes_itself(prior, words):
    assert prior.describe() == words
