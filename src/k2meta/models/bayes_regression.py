"""Bayesian meta-regression without sampling.

Given tau, effects y ~ N(X beta, diag(v_i + tau^2)) and flat or normal priors make the posterior of beta normal. As
without moderators, what is left is one integral over tau.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from k2meta.models.bayes_exact import (
    ROUNDING,
    central_intervals,
    integrate_tau,
    mixture_estimate,
    shrunken,
    tail_power,
    tau_estimate,
    true_effects,
)
from k2meta.models.design import (
    CollinearityError,
    Design,
    Matrix,
    Regression,
    check_rank,
    checked_regression,
    new_rows,
)
from k2meta.models.errors import ImproperPosteriorError, PriorError
from k2meta.models.fit import Estimate, StudyEstimate
from k2meta.models.inputs import Vector, checked_level
from k2meta.models.meta_regression import STUDIES_PER_COVARIATE, few_per_covariate
from k2meta.models.mixtures import Mixtures
from k2meta.models.priors import Normal, TauPrior
from k2meta.models.quadrature import HalfLine
from k2meta.shown import ShowsItself

BetaPrior = Mapping[str, Normal] | Sequence[Normal | None] | None
"""Priors of coefficients by name, the others flat; or one for each, ``None`` for flat; or all flat."""


@dataclass(frozen=True, slots=True)
class RegressionPosterior:
    """Exact posterior as a mixture over n nodes of tau: beta given tau_j is N(mean_j, covariance_j).

    Attributes
    ----------
    tau, weight : ndarray, shape (n,)
        Nodes in units of ``yi``, and the posterior probability each carries.
    mean : ndarray, shape (n, p)
        Conditional means of the coefficients, with ``shift`` taken off the intercept.
    covariance : ndarray, shape (n, p, p)
        Conditional covariances of the coefficients.
    shift : float
        What the intercept gets back.
    flat : tuple of bool, length p
        Which coefficients have a flat prior.
    power : float
        The density of tau falls as tau**-power.
    """

    tau: Vector
    weight: Vector
    mean: Matrix
    covariance: NDArray[np.float64]
    shift: float
    flat: tuple[bool, ...]
    power: float

    def along(self, rows: Matrix) -> tuple[Matrix, Matrix]:
        """Return mean and variance of combinations (m, p) of the coefficients given tau, shape (m, n)."""
        return rows @ self.mean.T, np.einsum("mi,nij,mj->mn", rows, self.covariance, rows)


@dataclass(frozen=True, slots=True)
class BayesPredicted:
    """The mean effect at given moderators, and the true effect of a new study there."""

    mean: Estimate
    new: Estimate


@dataclass(frozen=True, slots=True)
class BayesMetaRegression(ShowsItself):
    """The frozen result of a Bayesian meta-regression.

    Attributes
    ----------
    names : tuple of str
        Columns: the intercept first, then those of X.
    tau_prior : str
        Prior of tau in words.
    beta_priors : tuple of str
        Prior of each coefficient in words.
    coefficients : tuple of Estimate
        Posterior mean, SD, median, equal-tailed and shortest interval of each coefficient, in units of ``yi`` per
        unit of its column. A standard deviation that heavy tails make infinite is ``inf``.
    below_zero : tuple of float
        Posterior probability that the coefficient is negative.
    tau : Estimate
        Residual between-study standard deviation, in units of ``yi``.
    studies : tuple of StudyEstimate
        True effect of each study, shrunken towards its fitted value.
    log_evidence : float or None
        Natural log of the marginal likelihood; ``None`` where any prior is improper.
    error : float
        By how much the worst integral over tau differs when every panel is halved, as a share; without rounding.
    converged : bool
        Whether the quadrature reached its accuracy.
    exploratory : bool
        Whether there are fewer than ten studies for each covariate.
    warnings : tuple of str
        Sentences meant for the reader.
    """

    k: int
    names: tuple[str, ...]
    tau_prior: str
    beta_priors: tuple[str, ...]
    level: float
    coefficients: tuple[Estimate, ...]
    below_zero: tuple[float, ...]
    tau: Estimate
    studies: tuple[StudyEstimate, ...]
    log_evidence: float | None
    error: float
    converged: bool
    exploratory: bool
    warnings: tuple[str, ...]
    posterior: RegressionPosterior = field(compare=False, repr=False)

    def predict(self, X: ArrayLike) -> tuple[BayesPredicted, ...]:
        """Return the mean effect at given moderators and the true effect of a new study there.

        Parameters
        ----------
        X : array_like, shape (n, m) or (n,)
            Moderators as given to :func:`bayes_meta_regression`, without the intercept; (n,) for a single one.

        Raises
        ------
        InputError
            Columns that do not fit, or a value that is not finite.
        """
        return _predicted(self, new_rows(X, self.names))


def bayes_meta_regression(
    yi: ArrayLike,
    vi: ArrayLike,
    X: ArrayLike | Mapping[str, ArrayLike] | None,
    *,
    tau_prior: TauPrior,
    beta_prior: BetaPrior = None,
    names: Iterable[str] | None = None,
    intercept: bool = True,
    level: float = 0.95,
) -> BayesMetaRegression:
    """Regress effects on study-level moderators with priors for tau and the coefficients, exactly.

    Parameters
    ----------
    yi : array_like, shape (k,)
        Effects.
    vi : array_like, shape (k,)
        Sampling variances, in squared units of ``yi``.
    X : array_like, shape (k,) or (k, m), mapping of names to columns, or None
        Moderators as numbers, without the intercept; ``None`` estimates the intercept alone.
    tau_prior : TauPrior
        Prior of the residual between-study standard deviation, in units of ``yi``.
    beta_prior : mapping of str to Normal, sequence of Normal or None, or None
        Priors of the coefficients by name, in units of ``yi`` per unit of the column; those not named are flat. A
        sequence has one for each coefficient, the intercept first, ``None`` for flat. ``None``: all are flat.
    names : iterable of str, optional
        Names of the columns; ``x1``, ``x2``, … where none are given.
    intercept : bool
        Whether a column of ones named ``intercept`` is put first.
    level : float
        Probability of every interval.

    Returns
    -------
    BayesMetaRegression
        Without moderators its intercept is mu of :func:`k2meta.bayes_random_effects`.

    Raises
    ------
    InputError
        Unusable effects, variances, moderators or level; the message names index and column.
    CollinearityError
        Moderators with flat priors that determine each other, or a constant one; the message names them.
    PriorError
        Something that is no prior, or a prior of a coefficient that is not there.
    ImproperPosteriorError
        Fewer studies than coefficients with flat priors, or too few for an improper prior of tau.
    """
    data, level = checked_regression(yi, vi, X, names, intercept=intercept), checked_level(level)
    priors = _beta_priors(beta_prior, data.design.names)
    power = _check_proper(data, tau_prior, priors)
    system = _system(data, priors)
    line = _tau_posterior(system, data, tau_prior, power)
    some = line.weight > 0.0
    tau, weight = line.tau[some], line.weight[some] / line.weight[some].sum()
    given = _conditional(system, tau)
    flat = tuple(prior is None for prior in priors)
    posterior = RegressionPosterior(tau, weight, given.mean, given.covariance, data.shift, flat, power)
    identity = np.eye(len(flat))
    theta = true_effects(data.y, data.v, tau, *posterior.along(data.design.X))
    studies = Mixtures(weight, theta[0], np.sqrt(theta[1]))
    covariates = len(flat) - int(data.design.intercept)
    return BayesMetaRegression(
        k=data.k,
        names=data.design.names,
        tau_prior=tau_prior.describe(),
        beta_priors=tuple(prior.describe() if prior else "flat" for prior in priors),
        level=level,
        coefficients=_estimates(posterior, identity, level, with_tau=False),
        below_zero=_below_zero(posterior),
        tau=tau_estimate(line, level, power),
        studies=shrunken(studies, 0, central_intervals(studies, level), data.shift),
        log_evidence=line.log_total if tau_prior.proper and not any(flat) else None,
        error=line.error,
        converged=line.converged,
        exploratory=data.k < STUDIES_PER_COVARIATE * covariates,
        warnings=_warnings(data, flat, covariates, power, line),
        posterior=posterior,
    )


def _beta_priors(given: BetaPrior, names: tuple[str, ...]) -> tuple[Normal | None, ...]:
    """Return one prior for each coefficient, ``None`` for flat."""
    example = "for example {'intercept': Normal(0, 1)}"
    if given is None:
        return (None,) * len(names)
    if isinstance(given, Mapping):
        unknown = [name for name in given if name not in names]
        if unknown:
            raise PriorError(
                f"beta_prior names {', '.join(map(repr, unknown))}; the coefficients are {', '.join(names)}"
            )
        priors = tuple(given.get(name) for name in names)
    elif isinstance(given, Sequence) and len(given) == len(names):
        priors = tuple(given)
    else:
        raise PriorError(
            f"beta_prior = {given!r} must map names to priors, {example}, "
            f"or list one for each of {', '.join(names)}"
        )
    for name, prior in zip(names, priors, strict=True):
        if prior is not None and not isinstance(prior, Normal):
            raise PriorError(f"beta_prior of {name!r} = {prior!r} is no Normal; {example}, or None for a flat one")
    return priors


def _check_proper(data: Regression, tau_prior: TauPrior, priors: tuple[Normal | None, ...]) -> float:
    """Return the power at which the posterior of tau falls, or refuse what leaves no distribution."""
    flat = [j for j, prior in enumerate(priors) if prior is None]
    if data.k < len(flat):
        raise ImproperPosteriorError(
            f"{data.k} studies cannot identify {len(flat)} coefficients with flat priors "
            f"({', '.join(data.design.names[j] for j in flat)}); give them priors or leave some out"
        )
    if flat:
        names = tuple(data.design.names[j] for j in flat)
        check_rank(Design(data.design.X[:, flat], names, data.design.intercept and flat[0] == 0))
    return tail_power(data.k, tau_prior, flat=len(flat))


@dataclass(frozen=True, slots=True)
class _System:
    """The least-squares problem behind the posterior of the coefficients, the same for every tau but for weights.

    ``rows`` holds the k studies and then one line for each normal prior, a study that saw its coefficient; shape
    (m, p + 1), the last column what was seen. ``v`` (k,) are the sampling variances, ``constant`` what of the log
    likelihood does not depend on tau.
    """

    rows: Matrix
    v: Vector
    constant: float


@dataclass(frozen=True, slots=True)
class _Given:
    """Coefficients given tau: means (n, p), covariances (n, p, p), and the log likelihood of tau (n,)."""

    mean: Matrix
    covariance: NDArray[np.float64]
    log_likelihood: Vector


def _system(data: Regression, priors: tuple[Normal | None, ...]) -> _System:
    p = len(priors)
    lines = [np.column_stack([data.design.X, data.y])]
    constant = -0.5 * (data.k - sum(prior is None for prior in priors)) * math.log(2.0 * math.pi)
    for j, prior in enumerate(priors):
        if prior is not None:
            seen = prior.mean - (data.shift if data.design.intercept and j == 0 else 0.0)
            lines.append(np.append(np.eye(p)[j], seen)[None, :] / prior.sd)
            constant -= math.log(prior.sd)
    return _System(np.vstack(lines), data.v, constant)


def _conditional(system: _System, tau: Vector) -> _Given:
    """Return the coefficients given tau, by a QR factorisation for each tau with its rows in order of size."""
    weight = 1.0 / (system.v + (tau * tau)[:, None])
    m, p = system.rows.shape[0], system.rows.shape[1] - 1
    root = np.ones((len(tau), m))
    root[:, : len(system.v)] = np.sqrt(weight)
    rows = root[:, :, None] * system.rows
    size = np.linalg.norm(rows[:, :, :p], axis=1)
    rows[:, :, :p] /= size[:, None, :]
    # Falling rows keep the digits of the small ones when variances differ by many orders of magnitude.
    order = np.argsort(-np.abs(rows[:, :, :p]).max(axis=2), axis=1, kind="stable")
    triangle = np.linalg.qr(np.take_along_axis(rows, order[:, :, None], axis=1), mode="r")
    inverse = np.linalg.inv(triangle[:, :p, :p]) / size[:, :, None]
    left = triangle[:, p, p] ** 2 if m > p else np.zeros(len(tau))
    determinant = np.log(np.abs(np.diagonal(triangle[:, :p, :p], axis1=1, axis2=2)) * size).sum(axis=1)
    seen = system.constant + 0.5 * np.log(weight).sum(axis=1) - determinant - 0.5 * left
    mean = np.einsum("nij,nj->ni", inverse, triangle[:, :p, p])
    return _Given(mean, np.einsum("nij,nkj->nik", inverse, inverse), seen)


def _tau_posterior(system: _System, data: Regression, tau_prior: TauPrior, power: float) -> HalfLine:
    scale = float(np.abs(data.y).max()) + math.sqrt(float(data.v.min()))

    def log_likelihood(tau: Vector) -> Vector:
        return _conditional(system, tau).log_likelihood

    p = len(data.design.names)
    size = scale / np.abs(data.design.X).max(axis=0)
    spread = power > 3.0

    def moments(tau: Vector) -> Matrix:
        given = _conditional(system, tau)
        variance = np.diagonal(given.covariance, axis1=1, axis2=2)
        return np.vstack([given.mean.T / size[:, None], *([variance.T] if spread else [])])

    noise = np.concatenate([np.full(p, ROUNDING), np.zeros(p if spread else 0)])
    return integrate_tau(log_likelihood, moments, noise, data.v, scale, tau_prior, power)


def _estimates(
    posterior: RegressionPosterior, rows: Matrix, level: float, *, with_tau: bool
) -> tuple[Estimate, ...]:
    """Return combinations (m, p) of the coefficients, with the spread of true effects around them or without."""
    mean, variance = posterior.along(rows)
    variance = variance + posterior.tau**2 if with_tau else variance
    mixtures = Mixtures(posterior.weight, mean, np.sqrt(variance))
    ends = central_intervals(mixtures, level)
    heavy = posterior.power <= 3.0
    # Only the intercept carries the shift.
    shifts = rows[:, 0] * posterior.shift
    return tuple(
        mixture_estimate(
            mixtures,
            i,
            ends[i],
            float(shifts[i]),
            level,
            infinite=heavy and (with_tau or bool(np.any(rows[i][list(posterior.flat)] != 0.0))),
        )
        for i in range(len(rows))
    )


def _below_zero(posterior: RegressionPosterior) -> tuple[float, ...]:
    sd = np.sqrt(np.diagonal(posterior.covariance, axis1=1, axis2=2))
    centre = posterior.mean.copy()
    centre[:, 0] += posterior.shift
    return tuple((posterior.weight @ ndtr(-centre / sd)).tolist())


def _predicted(fit: BayesMetaRegression, rows: Matrix) -> tuple[BayesPredicted, ...]:
    mean = _estimates(fit.posterior, rows, fit.level, with_tau=False)
    new = _estimates(fit.posterior, rows, fit.level, with_tau=True)
    return tuple(BayesPredicted(one, other) for one, other in zip(mean, new, strict=True))


def _warnings(
    data: Regression, flat: tuple[bool, ...], covariates: int, power: float, line: HalfLine
) -> tuple[str, ...]:
    said = []
    if data.k < STUDIES_PER_COVARIATE * covariates:
        said.append(few_per_covariate(data.k, covariates))
    if data.k <= sum(flat):
        said.append("As many coefficients as studies: heterogeneity is what its prior says.")
    if power <= 3.0:
        said.append("The tails are so heavy that a posterior variance is infinite: read medians and intervals.")
    try:
        check_rank(data.design)
    except CollinearityError as error:
        named = ", ".join(error.columns)
        said.append(f"Moderators that the data cannot tell apart ({named}): only their priors do.")
    if not line.converged:
        said.append("The quadrature did not reach its accuracy; do not use this fit.")
    return tuple(said)
