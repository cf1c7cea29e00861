"""Densities against scipy, and the parameters that are refused."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, stats

import k2meta as km
from k2meta.models.errors import ImproperPosteriorError, InputError, PriorError
from k2meta.models.priors import (
    EMPIRICAL,
    Exponential,
    HalfCauchy,
    HalfNormal,
    HalfT,
    InverseGamma,
    Jeffreys,
    LogNormalVariance,
    Normal,
    TVariance,
    Uniform,
)

# The same closed forms, in double precision.
SAME = 1e-12
# scipy.integrate.quad with a relative tolerance of 1e-11, over some ten pieces.
QUAD = 1e-9

CASES = [
    (HalfNormal(0.7), stats.halfnorm(scale=0.7)),
    (HalfCauchy(0.7), stats.halfcauchy(scale=0.7)),
    (Exponential(0.7), stats.expon(scale=0.7)),
    (Uniform(0.7), stats.uniform(scale=0.7)),
    (LogNormalVariance(-2.56, 1.74), stats.lognorm(0.87, scale=math.exp(-1.28))),
    (InverseGamma(1.71, 0.4), stats.invgamma(1.71, scale=0.4)),
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
    "build",
    [
        HalfNormal,
        HalfCauchy,
        Exponential,
        Uniform,
        lambda x: HalfT(3.0, x),
        lambda x: HalfT(x, 1.0),
        lambda x: LogNormalVariance(0.0, x),
        lambda x: TVariance(x, 0.0, 1.0),
        lambda x: TVariance(5.0, 0.0, x),
        lambda x: InverseGamma(x, 1.0),
        lambda x: InverseGamma(1.0, x),
    ],
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
        (LogNormalVariance(-2.56, 1.74), "log-normal for tau squared with log mean -2.56 and log SD 1.74"),
        (
            TVariance(5.0, -3.44, 2.59),
            "log-t for tau squared with 5 degrees of freedom, log median -3.44 and log scale 2.59",
        ),
        (InverseGamma(1.71, 0.4), "inverse gamma with shape 1.71 and scale 0.4"),
        (Jeffreys((0.1, 0.2)), "Jeffreys (improper)"),
        (Normal(0.0, 4.0), "normal with mean 0 and standard deviation 4"),
    ],
)
def test_a_prior_describes_itself(prior, words):
    assert prior.describe() == words


def log_t(prior):
    """Return the distribution of ln(tau) under a log-t prior for tau squared, by scipy."""
    return stats.t(prior.df, loc=0.5 * prior.location, scale=0.5 * prior.scale)


def test_the_log_t_prior_is_a_t_density_after_the_change_of_variable():
    prior = EMPIRICAL["rhodes2015_smd"]
    tau = np.array([1e-12, 1e-6, 1e-3, 0.1, 1.0, 50.0, 1e6])
    expected = log_t(prior).logpdf(np.log(tau)) - np.log(tau)
    assert prior.logpdf(tau) == pytest.approx(expected, rel=SAME)
    assert prior.proper


@pytest.mark.parametrize(
    "prior", [EMPIRICAL["rhodes2015_smd"], TVariance(1.0, 2.0, 5.0), TVariance(30.0, 0.0, 0.1)]
)
def test_what_a_log_t_prior_holds_where_nothing_tells_tau_from_zero_is_kept(prior):
    floor = math.exp(prior.logpdf(np.zeros(1))[0]) * prior.width
    assert prior.width == pytest.approx(1e-16 * math.exp(0.5 * prior.location), rel=SAME)
    assert floor == pytest.approx(log_t(prior).cdf(math.log(prior.width)), rel=1e-10, abs=1e-300)


def test_the_jeffreys_prior_is_the_root_of_the_expected_squared_score():
    vi = (0.04, 0.3, 0.1)
    tau = np.array([1e-3, 0.2, 5.0])

    def information(v, t):
        total = v + t * t
        score = stats.norm(0.0, math.sqrt(total)).expect(lambda y: (t * (y * y / total**2 - 1.0 / total)) ** 2)
        return float(score)

    expected = [0.5 * math.log(sum(information(v, t) for v in vi)) for t in tau]
    assert Jeffreys(vi).logpdf(tau) == pytest.approx(expected, rel=1e-7)
    assert Jeffreys(vi).logpdf(np.zeros(1))[0] == -math.inf


def test_the_jeffreys_prior_works_from_two_studies_on_and_has_no_evidence():
    yi, vi = [0.4, -0.2, 0.9], (0.04, 0.1, 0.02)
    fit = km.bayes_random_effects(yi, vi, tau_prior=Jeffreys(vi))
    assert fit.converged
    assert fit.log_evidence is None
    with pytest.raises(ImproperPosteriorError, match="Jeffreys"):
        km.bayes_random_effects(yi[:1], vi[:1], tau_prior=Jeffreys(vi[:1]))


@pytest.mark.parametrize(("vi", "error"), [((), PriorError), ((0.1, -0.1), PriorError), ((math.nan,), InputError)])
def test_a_jeffreys_prior_without_usable_variances_is_refused(vi, error):
    with pytest.raises(error, match="vi"):
        Jeffreys(vi)


@pytest.mark.parametrize("location", [math.nan, math.inf, 101.0])
def test_a_log_variance_beyond_every_unit_is_refused(location):
    for build in (lambda x: LogNormalVariance(x, 1.0), lambda x: TVariance(5.0, x, 1.0)):
        with pytest.raises(PriorError, match="location"):
            build(location)
    with pytest.raises(PriorError, match="at most"):
        LogNormalVariance(0.0, 11.0)


@pytest.mark.parametrize("name", EMPIRICAL)
@pytest.mark.parametrize("k", [1, 2, 6])
def test_evidences_under_empirical_priors_agree_with_scipy(name, k):
    yi = np.array([0.4, -0.2, 0.9, 0.1, 0.5, -0.6])[:k]
    vi = np.array([0.04, 0.1, 0.02, 0.3, 0.05, 0.07])[:k]
    prior, mu_prior = EMPIRICAL[name], Normal(0.1, 1.5)
    fit = km.bayes_random_effects(yi, vi, tau_prior=prior, mu_prior=mu_prior)
    if isinstance(prior, TVariance):
        density = log_t(prior).pdf
        below = log_t(prior).cdf(-30.0)
    elif isinstance(prior, LogNormalVariance):
        of_log = stats.norm(0.5 * prior.location, 0.5 * prior.scale)
        density, below = of_log.pdf, of_log.cdf(-30.0)
    else:
        of_tau = stats.invgamma(prior.shape, scale=prior.scale)
        density, below = lambda u: of_tau.pdf(math.exp(u)) * math.exp(u), of_tau.cdf(math.exp(-30.0))

    def likelihood(u):
        covariance = np.diag(vi + math.exp(2.0 * u)) + mu_prior.sd**2
        return stats.multivariate_normal(np.full(k, mu_prior.mean), covariance).pdf(yi)

    edges = [-30.0, -12.0, -6.0, -3.0, -1.5, -0.5, 0.5, 2.0, 5.0, 25.0]
    pieces = [
        integrate.quad(lambda u: density(u) * likelihood(u), a, b, epsrel=1e-11, epsabs=0)[0]
        for a, b in itertools.pairwise(edges)
    ]
    # Below e^-30 the likelihood is that of tau = 0.
    total = math.fsum([*pieces, below * likelihood(-30.0)])
    assert fit.converged
    assert fit.log_evidence == pytest.approx(math.log(total), abs=QUAD)


def test_the_empirical_priors_keep_their_parameters():
    assert {
        "turner2015_log_or": LogNormalVariance(location=-2.56, scale=1.74),
        "turner2015_log_or_death_drug_vs_placebo": LogNormalVariance(location=-3.95, scale=1.34),
        "rhodes2015_smd": TVariance(df=5.0, location=-3.44, scale=2.59),
        "rhodes2015_smd_biomarker": TVariance(df=5.0, location=-3.41, scale=2.83),
        "rhodes2015_smd_structure": TVariance(df=5.0, location=-2.43, scale=2.50),
        "bartos2021_smd": InverseGamma(shape=1.71, scale=0.40),
    } == EMPIRICAL


WRONG = ("a", "0.5", None, [1], True, 1j)


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
@pytest.mark.parametrize(
    "build",
    [
        HalfNormal,
        HalfCauchy,
        Exponential,
        lambda x: HalfT(x, 1.0),
        lambda x: HalfT(1.0, x),
        lambda x: InverseGamma(x, 1.0),
        lambda x: LogNormalVariance(x, 1.0),
        lambda x: TVariance(5.0, 0.0, x),
        lambda x: Normal(x, 1.0),
        lambda x: Normal(0.0, x),
    ],
)
def test_what_is_no_number_is_refused_as_a_parameter(build, wrong):
    with pytest.raises(PriorError, match="must"):
        build(wrong)


@pytest.mark.parametrize("wrong", ["2", [2.0], False], ids=repr)
def test_an_upper_end_that_is_no_number_is_refused(wrong):
    with pytest.raises(PriorError, match="upper"):
        Uniform(wrong)


def test_one_prior_where_a_list_is_asked_for_is_refused_with_an_example():
    data, half = ([0.1, 0.2], [0.1, 0.1]), HalfNormal(0.5)
    with pytest.raises(PriorError, match=r"tau_priors = HalfNormal.*for example \["):
        km.prior_strip(*data, tau_priors=half)
    with pytest.raises(PriorError, match=r"mu_priors = Normal.*for example \["):
        km.model_averaging(*data, mu_priors=Normal(0.0, 1.0), tau_priors=[half])
    with pytest.raises(PriorError, match=r"tau_priors = None.*for example \["):
        km.model_averaging(*data, mu_priors=[Normal(0.0, 1.0)], tau_priors=None)


def test_numbers_that_are_none_are_refused_by_the_exact_models():
    data, half = ([0.1, 0.2], [0.1, 0.1]), HalfNormal(0.5)
    for level in ("a", None, [0.95]):
        with pytest.raises(InputError, match="level"):
            km.bayes_random_effects(*data, tau_prior=half, level=level)
    with pytest.raises(InputError, match="null = '0'"):
        km.bayes_factor_effect(*data, tau_prior=half, mu_prior=Normal(0.0, 1.0), null="0")
    with pytest.raises(PriorError, match=r"prior = 0.5 is no prior of an effect.*Normal\(mean, sd\)"):
        km.effective_sample_size(0.5, patient_sd=1.0)
    with pytest.raises(InputError, match="patient_sd"):
        km.effective_sample_size(Normal(0.0, 1.0), patient_sd="1")


def test_a_jeffreys_prior_of_other_studies_is_refused_and_one_of_none_takes_those_pooled():
    yi, vi = [0.4, -0.2, 0.9, 0.1], (0.04, 0.1, 0.02, 0.3)
    taken = km.bayes_random_effects(yi, vi, tau_prior=Jeffreys())
    assert taken == km.bayes_random_effects(yi, vi, tau_prior=Jeffreys(vi))
    assert taken == km.bayes_random_effects(yi, vi, tau_prior=Jeffreys(vi[::-1]))
    for other in ((1.0, 2.0), (0.04, 0.1, 0.02, 0.31)):
        for fit in (
            km.bayes_random_effects,
            lambda y, v, tau_prior: km.bayes_meta_regression(y, v, None, tau_prior=tau_prior),
        ):
            with pytest.raises(PriorError, match=r"not those of the 4 studies pooled.*give Jeffreys\(\)"):
                fit(yi, vi, tau_prior=Jeffreys(other))
    with pytest.raises(PriorError, match="belongs to studies"):
        Jeffreys().logpdf(np.ones(1))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e308, 1e120, 1e-120, 1e-300])
def test_a_prior_beyond_every_scale_of_the_effects_is_refused_without_a_warning(scale):
    data = ([0.1, 0.2], [0.1, 0.1])
    for options in (
        {"tau_prior": HalfNormal(scale)},
        {"tau_prior": HalfNormal(0.5), "mu_prior": Normal(0.0, scale)},
    ):
        with pytest.raises(PriorError, match="give the prior in units of the effects"):
            km.bayes_random_effects(*data, **options)
        assert "units of the effects" in km.bayes_random_effects_batch(data[:1], data[1:], **options).not_run[0]
    with pytest.raises(PriorError, match="give the prior in units of the effects"):
        km.bayes_meta_regression(*data, None, tau_prior=HalfNormal(scale))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e40, 1e-40])
def test_a_prior_far_from_the_effects_but_within_reach_is_used_without_a_warning(scale):
    fit = km.bayes_random_effects([0.1, 0.2, 0.4], [0.1, 0.1, 0.2], tau_prior=HalfNormal(scale))
    assert fit.converged
    if scale < 1.0:
        assert fit.mu.se == pytest.approx(25.0**-0.5, rel=1e-12)
        assert fit.tau.median == pytest.approx(0.6744897501960817 * scale, rel=1e-9)
