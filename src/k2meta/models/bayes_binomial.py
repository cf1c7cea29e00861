"""The binomial-normal model of events sampled with PyMC: counts enter as they are, zeros included.

Events of the two groups are binomial; the log odds of group 2 are ``alpha_i``, those of group 1 ``alpha_i +
theta_i``, and theta_i ~ N(mu, tau^2). Every study has a baseline alpha_i of its own, with the same proper prior: a
flat one has no posterior where a group has no event. With few events that prior, and which group it is given to,
is part of the answer: vary it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from k2meta.models.bayes_exact import posterior_shares
from k2meta.models.builder import (
    ROOM,
    Draws,
    McmcResult,
    Run,
    Sampler,
    Sampling,
    Told,
    average_weights,
    check_normal,
    checked_priors,
    estimate,
    mean_and_spread,
    normal_prediction,
    prior_data,
    sampled,
    standard_units,
    summary,
)
from k2meta.models.common_effect import cochran_q
from k2meta.models.counts import Tables, checked_tables
from k2meta.models.errors import ImproperPosteriorError, InputError
from k2meta.models.fit import QTest, Share
from k2meta.models.inputs import Vector, checked, vector
from k2meta.models.priors import HalfNormal, Normal

BASELINE = Normal(0.0, 10.0)
"""Log odds of group 2: from one event in 3e8 people to all but one of them within two standard deviations."""


@dataclass(frozen=True, slots=True)
class _Guess:
    """Where the sampler looks for each study: a normal approximation with half an event in every empty table.

    ``share`` is the part of the information about the log odds ratio that ties the baseline to it.
    """

    yi: Vector
    vi: Vector
    share: Vector
    centre: Vector
    width: Vector


class BinomialSampler(Sampler):
    """The compiled model: build it once, then :meth:`sample` every analysis of the process.

    Parameters
    ----------
    studies : int
        Most studies of one analysis. A larger analysis compiles again, with room for it.
    """

    def __init__(self, studies: int = ROOM) -> None:
        super().__init__(_binomial_normal, ("mu", "tau", "z", "a"), studies)

    def sample(
        self,
        ai: ArrayLike,
        n1i: ArrayLike,
        ci: ArrayLike,
        n2i: ArrayLike,
        *,
        tau_prior: HalfNormal,
        mu_prior: Normal | None = None,
        baseline_prior: Normal = BASELINE,
        **sampling: Unpack[Sampling],
    ) -> McmcResult:
        """Return draws and their summary; the same seed gives the same draws.

        Parameters
        ----------
        ai, n1i, ci, n2i : array_like, shape (k,)
            Events and people of group 1, events and people of group 2, k >= 1. A negative ``mu`` means fewer
            events in group 1.
        tau_prior : HalfNormal
            Prior of tau, on the log odds scale.
        baseline_prior : Normal
            Prior of the log odds of group 2 in every study.
        mu_prior, **sampling
            As in :meth:`k2meta.models.bayes_mcmc.HierarchicalSampler.sample`, with its one repetition.

        Returns
        -------
        McmcResult
            ``draws.theta`` are the log odds ratios and ``draws.baseline`` the log odds of group 2. ``fit.weights``
            are expected shares in the mean of mu, with the information of a table at each draw in place of a
            sampling variance. ``fit.q``, ``i2`` and ``h2`` rest on inverse variances: half an event is added to
            the cells of a table with a zero, and tables without events, or with events only, do not count in
            them.

        Raises
        ------
        InputError
            Counts that are not whole numbers, more events than people, a group without people, or a level that
            is none.
        ImproperPosteriorError
            A flat prior of mu, and nobody or everybody in group 1 had the event.
        """
        tables, run = _checked(ai, n1i, ci, n2i, flat=mu_prior is None), Run(**sampling)
        check_normal("baseline_prior", baseline_prior)
        options = checked_priors(tau_prior, mu_prior) | {"baseline_prior": baseline_prior.describe()}
        guess = _guess(tables)
        compiled, unit = self._with_data(tables, guess, tau_prior, mu_prior, baseline_prior)
        found = sampled(compiled, run, lambda kept: _read(kept, guess, unit, tau_prior.scale))
        told = Told(
            model="bayes_binomial",
            method="Bayesian binomial-normal model of the log odds ratio, sampled (NUTS, non-centred)",
            options=options,
            shares=_shares(tables, guess, found.draws, run.level),
            q=_heterogeneity(tables, guess),
            prediction=normal_prediction(found.draws.mu, found.draws.tau, run.level),
            weights=average_weights(_variances(tables, found.draws), mu_prior),
            warnings=_warnings(tables),
        )
        return McmcResult(summary(found, told), found.draws)

    def _with_data(
        self,
        tables: Tables,
        guess: _Guess,
        tau_prior: HalfNormal,
        mu_prior: Normal | None,
        baseline_prior: Normal,
    ) -> tuple[Any, tuple[float, float]]:
        unit = standard_units(guess.yi, guess.vi, tau_prior.scale)
        compiled = self._model.with_data(
            len(guess.yi),
            prior_data(unit, 0.0, tau_prior, mu_prior)
            | {"centre": unit[0], "width": unit[1]}
            | {"baseline_mean": baseline_prior.mean, "baseline_precision": 1.0 / baseline_prior.sd},
            events1=(tables.a, 0.0),
            people1=(tables.n1, 0.0),
            events2=(tables.c, 0.0),
            people2=(tables.n2, 0.0),
            share=(guess.share, 0.0),
            level=(guess.centre, baseline_prior.mean),
            spread=(guess.width, baseline_prior.sd),
        )
        return compiled, unit


def _checked(ai: ArrayLike, n1i: ArrayLike, ci: ArrayLike, n2i: ArrayLike, *, flat: bool) -> Tables:
    named = {"ai": vector("ai", ai), "n1i": vector("n1i", n1i), "ci": vector("ci", ci), "n2i": vector("n2i", n2i)}
    if len({len(values) for values in named.values()}) > 1:
        raise InputError("lengths differ: " + ", ".join(f"{name} has {len(x)}" for name, x in named.items()))
    for name, values in named.items():
        broken = np.flatnonzero(values != np.floor(values))
        if broken.size:
            raise InputError(f"{name}[{broken[0]}] = {float(values[broken[0]])!r} is not a whole number of people")
    for events, people in (("ai", "n1i"), ("ci", "n2i")):
        over = np.flatnonzero(named[events] > named[people])
        if over.size:
            raise InputError(f"{events}[{over[0]}] is larger than {people}[{over[0]}]: more events than people")
    a, n1, c, n2 = named.values()
    tables = checked_tables(a, n1 - a, c, n2 - c)
    if flat and not (tables.a.any() and tables.b.any()):
        raise ImproperPosteriorError(
            "nobody or everybody in group 1 had the event: with a flat prior mu has no posterior; give mu_prior"
        )
    return tables


def _informative(tables: Tables) -> NDArray[np.bool_]:
    events = tables.a + tables.c
    informative: NDArray[np.bool_] = (events > 0) & (events < tables.n)
    return informative


def _guess(tables: Tables) -> _Guess:
    cells = np.stack([tables.a, tables.b, tables.c, tables.d])
    a, b, c, d = cells + 0.5 * np.any(cells == 0.0, axis=0)
    information1, information2 = a * b / (a + b), c * d / (c + d)
    yi = np.log(a * d / (b * c))
    share = information1 / (information1 + information2)
    centre = np.log(c / d) + share * yi
    return _Guess(
        yi, 1.0 / information1 + 1.0 / information2, share, centre, 1.0 / np.sqrt(information1 + information2)
    )


def _binomial_normal(studies: int) -> Any:
    import pymc as pm
    import pytensor.tensor as pt

    with pm.Model(coords={"study": np.arange(studies)}) as model:
        each = {
            name: pm.Data(name, np.ones(studies), dims="study")
            for name in ("events1", "people1", "events2", "people2", "share", "level", "spread")
        }
        one = {
            name: pm.Data(name, 1.0)
            for name in (
                "centre",
                "width",
                "baseline_mean",
                "baseline_precision",
            )
        }
        mu, tau, tau_scale = mean_and_spread()
        z = pm.Normal("z", 0.0, 1.0, dims="study")
        a = pm.Flat("a", dims="study")
        theta = one["centre"] + one["width"] * (mu + tau_scale * tau * z)
        # The baseline is sampled as its distance from where it would be given theta. That shear leaves volumes as
        # they are, and the two groups no longer tie the baseline to the effect.
        alpha = each["level"] + each["spread"] * a - each["share"] * theta
        off = one["baseline_precision"] * (alpha - one["baseline_mean"])
        pm.Potential("baseline_prior", -0.5 * (off**2).sum())
        group1 = each["events1"] * (alpha + theta) - each["people1"] * pt.softplus(alpha + theta)
        group2 = each["events2"] * alpha - each["people2"] * pt.softplus(alpha)
        pm.Potential("likelihood", (group1 + group2).sum())
    return model


def _read(kept: Mapping[str, Any], guess: _Guess, unit: tuple[float, float], scale: float) -> Draws:
    centre, width = unit
    k = len(guess.yi)
    mu, tau = kept["mu"] * width + centre, kept["tau"] * scale
    theta = mu[..., None] + tau[..., None] * kept["z"][..., :k]
    baseline = guess.centre + guess.width * kept["a"][..., :k] - guess.share * theta
    return Draws(mu, tau, theta, kept["energy"], kept["diverging"], baseline=baseline)


def _variances(tables: Tables, draws: Draws) -> NDArray[np.float64]:
    """Return tau^2 plus the inverse Fisher information of each log odds ratio at each draw, shape (n, k)."""
    assert draws.baseline is not None
    k = draws.theta.shape[-1]
    alpha, theta = draws.baseline.reshape(-1, k), draws.theta.reshape(-1, k)

    def inverse_information(people: Vector, log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
        # 1 / (p (1 - p)) = 2 + 2 cosh(log odds)
        result: NDArray[np.float64] = (2.0 + 2.0 * np.cosh(log_odds)) / people
        return result

    within = inverse_information(tables.n1, alpha + theta) + inverse_information(tables.n2, alpha)
    result: NDArray[np.float64] = within + draws.tau.reshape(-1, 1) ** 2
    return result


def _shares(tables: Tables, guess: _Guess, draws: Draws, level: float) -> tuple[Share, Share]:
    some = _informative(tables)
    # One variance stands for "no typical one"; then there is no share either.
    return posterior_shares(guess.vi[some] if some.any() else guess.vi[:1], estimate(draws.tau.ravel(), level))


def _heterogeneity(tables: Tables, guess: _Guess) -> QTest:
    some = _informative(tables)
    return cochran_q(checked(guess.yi[some], guess.vi[some])) if some.any() else QTest(0.0, 0, None, 0.0)


def _warnings(tables: Tables) -> tuple[str, ...]:
    said = []
    k, silent = len(tables.a), int((~_informative(tables)).sum())
    if k == 1:
        said.append("One study: nothing is pooled, and heterogeneity is what its prior says.")
    if silent:
        said.append(f"{silent} of {k} studies have no event, or nothing but events: they say next to nothing.")
    if not (tables.c.any() and tables.d.any()):
        said.append("Nobody or everybody in group 2 had the event: the prior of the baseline bounds the effect.")
    return tuple(said)
