"""The engine at 1e-8 on everything that is hard: a plain trapezoid in log(tau) with thirty digits beside it."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

import k2meta as km
from k2meta.models.bayes_factors import bayes_factor_effect, bayes_factor_heterogeneity
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
from tests.references import load

# Promised of the engine, in posterior standard deviations and for logs of evidences.
EXACT = 1e-8
# Effects of 1e8 are themselves known to 1.5e-8, about 1e-7 of a posterior standard deviation.
FAR = 1e-6
# The trapezoid converges geometrically: at this step in log(tau) all analytic integrands here are good to 1e-12.
STEP = 0.05
# Beyond this density, relative to the peak and with every moment, the trapezoid ends.
NOTHING = mpmath.mpf(10) ** -18

DATA = load("bayes")["datasets"]
RNG = np.random.default_rng(200)
MANY = np.linspace(0.01, 0.2, 200)


def shipped(name):
    return np.array(DATA[name]["y"]), np.square(DATA[name]["sigma"])


BCG, SCHOOLS = shipped("bcg_RR"), shipped("eight_schools")
TWO = np.array([0.1, 0.7]), np.array([0.05, 0.1])
THREE = np.array([0.1, 0.7, -0.4]), np.array([0.05, 0.1, 0.02])
RATIO = np.array([0.4, -0.2, 0.9, 0.1, 0.3]), np.array([1e-6, 1.0, 1e6, 0.1, 1e3])
ALIKE = np.array([0.30, 0.31, 0.29, 0.30, 0.305]), np.array([0.04, 0.05, 0.03, 0.06, 0.05])
MU = Normal(0.0, 4.0)

CASES = {
    "BCG": (BCG, HalfNormal(0.5), MU),
    "BCG, flat mu": (BCG, HalfNormal(0.5), None),
    "eight schools": (SCHOOLS, HalfCauchy(25.0), Normal(0.0, 50.0)),
    "two studies": (TWO, HalfNormal(0.5), None),
    "three studies, half-Cauchy": (THREE, HalfCauchy(0.5), None),
    "200 studies": ((RNG.normal(0.2, np.sqrt(MANY + 0.04)), MANY), HalfNormal(0.5), MU),
    "variance ratio 1e12": (RATIO, HalfNormal(0.5), MU),
    "variance ratio 1e12, half-Cauchy": (RATIO, HalfCauchy(0.5), None),
    "tau piled at zero": (ALIKE, Exponential(0.01), MU),
    "tau far below the data": (ALIKE, HalfNormal(1e-5), None),
    "half-t": (THREE, HalfT(3.0, 0.4), MU),
    "exponential": (THREE, Exponential(0.3), None),
    "uniform with an end": (THREE, Uniform(2.0), MU),
    "uniform": (BCG, Uniform(), None),
    "Jeffreys": (BCG, Jeffreys(tuple(BCG[1])), None),
    "Jeffreys, four studies": (shipped("CrinsEtAl2014_AR"), Jeffreys(tuple(shipped("CrinsEtAl2014_AR")[1])), None),
    "log-normal": (THREE, EMPIRICAL["turner2015_log_or"], MU),
    "inverse gamma": (THREE, EMPIRICAL["bartos2021_smd"], MU),
    "log-t": (BCG, EMPIRICAL["rhodes2015_smd"], MU),
}


def prior_density(prior, tau):
    """Return the density of tau written down once more, from the definitions."""
    m = mpmath
    if isinstance(prior, HalfNormal):
        return m.sqrt(2 / m.pi) / prior.scale * m.exp(-((tau / prior.scale) ** 2) / 2)
    if isinstance(prior, HalfT | HalfCauchy):
        df = m.mpf(getattr(prior, "df", 1.0))
        constant = 2 * m.gamma((df + 1) / 2) / (m.gamma(df / 2) * m.sqrt(df * m.pi) * prior.scale)
        return constant * (1 + (tau / prior.scale) ** 2 / df) ** (-(df + 1) / 2)
    if isinstance(prior, Exponential):
        return m.exp(-tau / prior.scale) / prior.scale
    if isinstance(prior, Uniform):
        return m.mpf(1) / (prior.upper or 1)
    if isinstance(prior, Jeffreys):
        return tau * m.sqrt(2 * m.fsum(1 / (m.mpf(v) + tau**2) ** 2 for v in prior.vi))
    if isinstance(prior, InverseGamma):
        a, b = m.mpf(prior.shape), m.mpf(prior.scale)
        return b**a / m.gamma(a) * tau ** (-a - 1) * m.exp(-b / tau)
    z = (2 * m.log(tau) - prior.location) / prior.scale
    if isinstance(prior, LogNormalVariance):
        return 2 / (prior.scale * tau) * m.npdf(z)
    assert isinstance(prior, TVariance)
    df = m.mpf(prior.df)
    constant = m.gamma((df + 1) / 2) / (m.gamma(df / 2) * m.sqrt(df * m.pi))
    return 2 / (prior.scale * tau) * constant * (1 + z * z / df) ** (-(df + 1) / 2)


def plain_integrands(y, v, mu_prior, tau, prior):
    """Return the density at tau times 1, mu, mu^2, tau and P(mu < 0), all with mu integrated out given tau."""
    m = mpmath
    w = [1 / (one + tau * tau) for one in v]
    total = m.fsum(w)
    centre = m.fsum(a * b for a, b in zip(w, y, strict=True)) / total
    q = m.fsum(a * (b - centre) ** 2 for a, b in zip(w, y, strict=True))
    log = (m.fsum(m.log(one) for one in w) - q - len(y) * m.log(2 * m.pi)) / 2
    mean, variance = centre, 1 / total
    if mu_prior is None:
        log += m.log(2 * m.pi / total) / 2
    else:
        spread = m.mpf(mu_prior.sd) ** 2 + 1 / total
        log += -(m.log(total * spread) + (centre - mu_prior.mean) ** 2 / spread) / 2
        mean = centre + (mu_prior.mean - centre) / total / spread
        variance = m.mpf(mu_prior.sd) ** 2 / total / spread
    density = m.exp(log) * prior_density(prior, tau)
    below = m.ncdf(-mean / m.sqrt(variance))
    return [density * part for part in (1, mean, variance + mean**2, tau, below)]


def plain(data, prior, mu_prior):
    """Return log total, mean and SD of mu, mean of tau and P(mu < 0) by the trapezoid rule."""
    m = mpmath
    y, v = ([m.mpf(float(one)) for one in part] for part in data)
    end = getattr(prior, "upper", None)

    def at(x):
        # On (0, end) the logistic does what the exponential does on the half line: it flattens both ends out.
        tau = m.exp(x) if end is None else end / (1 + m.exp(-x))
        slope = tau if end is None else tau * (1 - tau / end)
        return [one * slope for one in plain_integrands(y, v, mu_prior, tau, prior)]

    # Two hundred studies leave a narrower posterior of log(tau), about a twentieth.
    step = m.mpf(STEP) if len(y) < 100 else m.mpf(0.7) * STEP
    start = m.log(m.sqrt(min(v)))
    sums = at(start)
    for sign in (-1, 1):
        x, peak = start, abs(sums[0])
        while True:
            x += sign * step
            # A log-t prior ends where it has been made flat; its last point there counts half.
            last = isinstance(prior, TVariance) and x <= m.log(prior.width) + step
            found = at(x)
            sums = [a + b * (m.mpf(1) / 2 if last else 1) for a, b in zip(sums, found, strict=True)]
            size = max(abs(found[0]), abs(found[3]), abs(found[2]))
            peak = max(peak, size)
            if last or size < NOTHING * peak:
                break
    total, first, second, tau, below = (one * step for one in sums)
    sd = m.sqrt(second / total - (first / total) ** 2)
    return [float(one) for one in (m.log(total), first / total, sd, tau / total, below / total)]


@pytest.mark.parametrize("name", CASES)
def test_posteriors_are_those_of_thirty_digits(name):
    data, prior, mu_prior = CASES[name]
    with mpmath.workdps(30):
        log_total, mean, sd, tau, below = plain(data, prior, mu_prior)
    fit = km.bayes_random_effects(*data, tau_prior=prior, mu_prior=mu_prior)
    assert fit.converged
    assert fit.diagnostics.quadrature_error < 1e-9
    assert fit.mu.value == pytest.approx(mean, rel=0, abs=EXACT * sd)
    assert fit.mu.se == pytest.approx(sd, rel=EXACT)
    assert fit.tau.value == pytest.approx(tau, rel=EXACT)
    assert fit.prob(mu_below=0.0) == pytest.approx(below, abs=EXACT)
    if prior.proper and mu_prior is not None:
        assert fit.log_evidence == pytest.approx(log_total, abs=EXACT)


def test_a_shift_of_1e8_costs_only_the_digits_that_the_effects_themselves_lose():
    near = km.bayes_random_effects(*THREE, tau_prior=HalfCauchy(0.5), mu_prior=MU)
    far = km.bayes_random_effects(
        THREE[0] + 1e8, THREE[1], tau_prior=HalfCauchy(0.5), mu_prior=Normal(1e8 + MU.mean, MU.sd)
    )
    assert far.mu.se == pytest.approx(near.mu.se, rel=FAR)
    assert far.tau.high == pytest.approx(near.tau.high, rel=FAR)
    assert far.log_evidence == pytest.approx(near.log_evidence, abs=FAR)
    assert far.mu.value - 1e8 == pytest.approx(near.mu.value, abs=FAR)


def test_the_stated_error_is_the_difference_of_two_rules(monkeypatch):
    from k2meta.models import quadrature

    fine = km.bayes_random_effects(*THREE, tau_prior=HalfCauchy(0.5), mu_prior=MU)
    # Asked for less, the panels stay wider and say so: the bound covers what the evidence is really off by.
    monkeypatch.setattr(quadrature, "AGREEMENT", 1e-2)
    monkeypatch.setattr(quadrature, "NODES", 3)
    quadrature._gauss_legendre.cache_clear()
    try:
        coarse = km.bayes_random_effects(*THREE, tau_prior=HalfCauchy(0.5), mu_prior=MU)
    finally:
        quadrature._gauss_legendre.cache_clear()
    off = abs(math.expm1(coarse.log_evidence - fine.log_evidence))
    assert 1e-9 < off <= coarse.diagnostics.quadrature_error < 1e-1
    assert fine.diagnostics.quadrature_error < EXACT


FITS = {
    "fit": lambda y, v, **options: km.bayes_random_effects(y, v, **options),
    "meta-regression": lambda y, v, **options: km.bayes_meta_regression(
        y, v, None, tau_prior=options["tau_prior"], beta_prior=[options.get("mu_prior")]
    ),
    "batch": lambda y, v, **options: km.bayes_random_effects_batch([y], [v], **options),
    "strip": lambda y, v, **options: km.prior_strip(
        y, v, tau_priors=[options["tau_prior"]], mu_prior=options.get("mu_prior")
    ),
    "effect": lambda y, v, **options: bayes_factor_effect(y, v, **{"mu_prior": Normal(0.0, 1.0), **options}),
    "heterogeneity": lambda y, v, **options: bayes_factor_heterogeneity(y, v, **options),
    "assurance": lambda y, v, **options: km.assurance(y, v, new_vi=[0.1], **options),
}


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(
    ("yi", "vi"),
    [([0.1, math.inf], [0.1, 0.1]), ([0.1, 0.2], [0.1, math.nan]), ([0.1, 0.2], [0.1, 0.0]), ([0.1, 0.2], [0.1])],
)
def test_unusable_data_are_refused_by_every_exact_model(fit, yi, vi):
    with pytest.raises(InputError, match=r"\[|vi has 1|shape"):
        FITS[fit](yi, vi, tau_prior=HalfNormal(0.5))


@pytest.mark.parametrize("fit", [name for name in FITS if name != "batch"])
def test_no_study_is_refused_by_every_exact_model_and_said_by_the_batch(fit):
    with pytest.raises(InputError, match="at least one study"):
        FITS[fit]([], [], tau_prior=HalfNormal(0.5))
    batch = FITS["batch"]([math.nan], [math.nan], tau_prior=HalfNormal(0.5))
    assert "nothing to pool" in batch.not_run[0]


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("wrong", [0.5, HalfNormal, "half_normal", None])
def test_what_is_no_prior_of_tau_is_refused_with_an_example(fit, wrong):
    with pytest.raises(PriorError, match=r"is no prior for tau; .* HalfNormal\(0.5\)"):
        FITS[fit](*THREE, tau_prior=wrong)


@pytest.mark.parametrize("fit", FITS)
def test_what_is_no_prior_of_mu_is_refused(fit):
    with pytest.raises(PriorError):
        FITS[fit](*THREE, tau_prior=HalfNormal(0.5), mu_prior=0.5)


@pytest.mark.parametrize("fit", ["fit", "meta-regression", "assurance"])
def test_one_study_answers_under_proper_priors_and_is_refused_under_improper_ones(fit):
    FITS[fit]([0.3], [0.04], tau_prior=HalfNormal(0.5))
    for improper in (Uniform(), Jeffreys((0.04,))):
        with pytest.raises(ImproperPosteriorError, match="1 study leaves an improper posterior"):
            FITS[fit]([0.3], [0.04], tau_prior=improper)


@pytest.mark.parametrize("improper", [Uniform(), Jeffreys(tuple(THREE[1]))], ids=["uniform", "Jeffreys"])
def test_an_improper_prior_has_no_evidence_anywhere(improper):
    for name in ("effect", "heterogeneity"):
        with pytest.raises(PriorError, match="improper"):
            FITS[name](*THREE, tau_prior=improper)
    with pytest.raises(PriorError, match="improper"):
        km.model_averaging(*THREE, mu_priors=[MU], tau_priors=[HalfNormal(0.5), improper])
    assert km.bayes_random_effects(*THREE, tau_prior=improper, mu_prior=MU).log_evidence is None
    assert FITS["meta-regression"](*THREE, tau_prior=improper, mu_prior=MU).log_evidence is None
    assert np.isnan(FITS["batch"](*THREE, tau_prior=improper, mu_prior=MU).log_evidence).all()


@pytest.mark.parametrize(
    "impossible",
    [
        lambda: HalfNormal(-1.0),
        lambda: HalfCauchy(math.nan),
        lambda: HalfT(0.0, 1.0),
        lambda: Exponential(math.inf),
        lambda: Uniform(0.0),
        lambda: InverseGamma(1.0, -0.4),
        lambda: LogNormalVariance(math.inf, 1.0),
        lambda: TVariance(5.0, -3.0, 0.0),
        lambda: Jeffreys(()),
        lambda: Normal(0.0, 0.0),
        lambda: Normal(math.inf, 1.0),
    ],
)
def test_impossible_parameters_of_a_prior_are_refused(impossible):
    with pytest.raises(PriorError):
        impossible()
