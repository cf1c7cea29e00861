"""The same studies under many priors for tau: how much of the answer the prior is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from k2meta.models.bayes_exact import PRUNE, given_tau, tau_posterior
from k2meta.models.errors import ImproperPosteriorError, InputError, PriorError
from k2meta.models.inputs import Inputs, checked, checked_level, is_number
from k2meta.models.mixtures import Mixtures
from k2meta.models.priors import (
    Exponential,
    HalfCauchy,
    HalfNormal,
    HalfT,
    Normal,
    TauPrior,
    Uniform,
    check_mu_prior,
    check_several,
    check_tau_prior,
)
from k2meta.shown import ShowsItself


@dataclass(frozen=True, slots=True)
class StripRow(ShowsItself):
    """The posterior under one prior for tau.

    Attributes
    ----------
    tau_prior : str
        The prior in words.
    mean, low, high : float or None
        Posterior mean of mu and its equal-tailed interval, in units of the effects.
    tau_median : float or None
        Posterior median of tau, in units of the effects.
    below_zero : float or None
        Posterior probability that mu is negative.
    new_low, new_high : float or None
        Equal-tailed interval of the true effect in a new study, in units of the effects.
    not_run : str
        Why there are no numbers; empty otherwise.
    median : float or None
        Posterior median of mu: of a log ratio the one centre that stays itself when the ratio is taken.
    """

    tau_prior: str
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    tau_median: float | None = None
    below_zero: float | None = None
    not_run: str = ""
    new_low: float | None = None
    new_high: float | None = None
    median: float | None = None


def prior_strip(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    tau_priors: Sequence[TauPrior],
    mu_prior: Normal | None = None,
    level: float = 0.95,
) -> tuple[StripRow, ...]:
    """Pool the same effects under each of several priors for tau, exactly.

    Parameters
    ----------
    yi, vi : array_like, shape (k,)
        Effects and sampling variances, k >= 1.
    tau_priors : sequence of TauPrior
        Priors of the between-study standard deviation, in units of ``yi``; see :func:`standard_priors`.
    mu_prior : Normal or None
        Prior of mu under each of them; ``None`` is flat.
    level : float
        Probability of the intervals.

    Returns
    -------
    tuple of StripRow
        One row per prior, in the order given. A prior that leaves no proper posterior says so in ``not_run``.

    Raises
    ------
    InputError
        Unusable effects, variances or level.
    PriorError
        No prior given, or something that is none.
    """
    data, level = checked(yi, vi), checked_level(level)
    check_several("tau_priors", tau_priors, "[HalfNormal(0.5), HalfCauchy(0.5)]")
    if not tau_priors:
        raise PriorError("tau_priors is empty; give at least one prior for tau")
    check_mu_prior(mu_prior)
    for prior in tau_priors:
        check_tau_prior(prior)
    return tuple(_row(data, prior, mu_prior, level) for prior in tau_priors)


def standard_priors(scale: float) -> tuple[TauPrior, ...]:
    """Return eight priors for tau around one scale, from narrow to flat.

    Parameters
    ----------
    scale : float
        Scale of the leading half-normal prior, in units of the effects. On a mean difference it has to come from
        the patients' standard deviation of the outcome.

    Raises
    ------
    InputError
        A scale that is not positive and finite.
    """
    if not is_number(scale) or scale <= 0.0:
        raise InputError(f"scale = {scale!r} must be a positive finite number, in units of the effects")
    return (
        HalfNormal(0.5 * scale),
        HalfNormal(scale),
        HalfNormal(2.0 * scale),
        Exponential(scale),
        HalfT(4.0, scale),
        HalfCauchy(scale),
        Uniform(4.0 * scale),
        Uniform(),
    )


def _row(data: Inputs, tau_prior: TauPrior, mu_prior: Normal | None, level: float) -> StripRow:
    words = tau_prior.describe()
    try:
        line = tau_posterior(data, tau_prior, mu_prior)
    except ImproperPosteriorError as error:
        return StripRow(words, not_run=str(error))
    if not line.converged:
        return StripRow(words, not_run=f"tau ~ {words}: the quadrature did not reach its accuracy")
    keep = line.weight >= PRUNE
    weight = line.weight[keep] / line.weight[keep].sum()
    tau = line.tau[keep]
    given = given_tau(data, tau, mu_prior)
    # Five quantiles at once: three of mu, two of a new study, whose true effect varies by tau around mu.
    spread = np.sqrt(np.vstack([*[given.variance] * 3, *[given.variance + tau**2] * 2]))
    ends = Mixtures(weight, np.tile(given.mean, (5, 1)), spread)
    lower, upper = 0.5 * (1.0 - level), 0.5 * (1.0 + level)
    probabilities = np.array([lower, 0.5, upper, lower, upper])
    low, median, high, new_low, new_high = ends.quantile(probabilities) + data.shift
    return StripRow(
        words,
        mean=float(weight @ given.mean) + data.shift,
        low=float(low),
        high=float(high),
        tau_median=float(line.quantile(np.array([0.5]))[0]),
        below_zero=float(weight @ ndtr((-data.shift - given.mean) / np.sqrt(given.variance))),
        new_low=float(new_low),
        new_high=float(new_high),
        median=float(median),
    )
