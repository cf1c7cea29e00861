"""Exact evidences of the normal-normal model, and the Bayes factors they give.

Every evidence is one integral over tau, or none where tau is zero; mu is known or integrated out in closed form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from k2meta.models.bayes_exact import MuPrior, given_tau, tau_posterior
from k2meta.models.errors import InputError, PriorError
from k2meta.models.inputs import Inputs, checked, is_number
from k2meta.models.priors import Normal, TauPrior, check_mu_prior, check_tau_prior
from k2meta.shown import ShowsItself

MIN_K_HETEROGENEITY = 2
"""Fewest studies that say anything about heterogeneity."""


@dataclass(frozen=True, slots=True)
class BayesFactor(ShowsItself):
    """Evidence for a null value of one parameter against a prior for it.

    Attributes
    ----------
    null : str
        The null model in words, such as ``"tau = 0"``.
    log_bf01 : float or None
        Natural log of the evidence of the null over that of the alternative; ``None`` where ``not_run`` says why.
    log_evidence_null, log_evidence_alternative : float or None
        Natural log evidences of the two models; with a flat mu both lack the same constant.
    tau_prior, mu_prior : str
        The priors of the alternative, in words.
    converged : bool
        Whether every quadrature reached its accuracy.
    not_run : str
        Why there is no Bayes factor; empty otherwise.
    """

    null: str
    log_bf01: float | None
    log_evidence_null: float | None
    log_evidence_alternative: float | None
    tau_prior: str
    mu_prior: str
    converged: bool = True
    not_run: str = ""

    @property
    def bf01(self) -> float | None:
        """Evidence of the null over that of the alternative: above one it speaks for the null."""
        return None if self.log_bf01 is None else exponential(self.log_bf01)

    @property
    def bf10(self) -> float | None:
        """Evidence of the alternative over that of the null: above one it speaks for the alternative."""
        return None if self.log_bf01 is None else exponential(-self.log_bf01)


def bayes_factor_effect(
    yi: ArrayLike, vi: ArrayLike, *, tau_prior: TauPrior, mu_prior: Normal, null: float = 0.0
) -> BayesFactor:
    """Compare ``mu = null`` with a normal prior for mu, both with the same prior for tau.

    Parameters
    ----------
    yi, vi : array_like, shape (k,)
        Effects and sampling variances, k >= 1.
    tau_prior : TauPrior
        Proper prior of the between-study standard deviation in both models.
    mu_prior : Normal
        Prior of mu in the alternative.
    null : float
        Value of mu in the null model, in units of ``yi``.

    Raises
    ------
    InputError
        Unusable effects, variances or null value.
    PriorError
        A flat mu, or an improper prior of tau: the ratio would depend on an arbitrary constant.
    """
    data = checked(yi, vi)
    if not is_number(null):
        raise InputError(f"null = {null!r}: the value of mu in the null model must be a finite number")
    refuse_improper(tau_prior)
    # The signature rules out a flat mu; callers without a type checker are told all the same.
    _refuse_flat(mu_prior)
    without = tau_posterior(data, tau_prior, null)
    full = tau_posterior(data, tau_prior, mu_prior)
    return BayesFactor(
        null=f"mu = {null:g}",
        log_bf01=without.log_total - full.log_total,
        log_evidence_null=without.log_total,
        log_evidence_alternative=full.log_total,
        tau_prior=tau_prior.describe(),
        mu_prior=mu_prior.describe(),
        converged=without.converged and full.converged,
    )


def bayes_factor_heterogeneity(
    yi: ArrayLike, vi: ArrayLike, *, tau_prior: TauPrior, mu_prior: Normal | None = None
) -> BayesFactor:
    """Compare ``tau = 0`` with a prior for tau, both with the same prior for mu.

    Parameters
    ----------
    yi, vi : array_like, shape (k,)
        Effects and sampling variances; with one study ``not_run`` is set.
    tau_prior : TauPrior
        Proper prior of the between-study standard deviation in the alternative.
    mu_prior : Normal or None
        Prior of mu in both models. ``None`` is flat: its arbitrary constant is in both evidences and cancels.

    Raises
    ------
    InputError
        Unusable effects or variances.
    PriorError
        An improper prior of tau: the ratio would depend on an arbitrary constant.
    """
    data = checked(yi, vi)
    refuse_improper(tau_prior)
    check_mu_prior(mu_prior)
    words = tau_prior.describe(), mu_prior.describe() if mu_prior else "flat"
    if data.k < MIN_K_HETEROGENEITY:
        why = "k = 1: Bayes factor not computed; one study says nothing about heterogeneity"
        return BayesFactor("tau = 0", None, None, None, *words, not_run=why)
    full = tau_posterior(data, tau_prior, mu_prior)
    without = log_evidence_without_heterogeneity(data, mu_prior)
    return BayesFactor(
        "tau = 0", without - full.log_total, without, full.log_total, *words, converged=full.converged
    )


def log_evidence_without_heterogeneity(data: Inputs, mu: MuPrior) -> float:
    """Return the log evidence of tau = 0; with a flat mu (density one) a constant short of an evidence."""
    return float(given_tau(data, np.zeros(1), mu).log_likelihood[0])


def refuse_improper(tau_prior: TauPrior) -> None:
    """Raise a ``PriorError`` for an improper prior of tau."""
    check_tau_prior(tau_prior)
    if not tau_prior.proper:
        raise PriorError(
            f"tau ~ {tau_prior.describe()}: an evidence needs a proper prior for tau, for example HalfNormal"
        )


def _refuse_flat(mu_prior: object) -> None:
    if not isinstance(mu_prior, Normal):
        raise PriorError("mu flat: a Bayes factor for the effect needs a proper prior for mu, a Normal")


def exponential(x: float) -> float:
    """Return e**x, infinite where it is beyond the largest number."""
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf
