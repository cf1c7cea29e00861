"""Several outcomes of the same trials at once, sampled with PyMC: what one outcome says about another.

The effects y_i of trial i on m outcomes are normal about mu with covariance S_i + D R D: S_i from the sampling
variances and the correlation within a trial, D the between-trial standard deviations tau, R their correlation. A
trial that reports some of the outcomes enters with those. The correlation within trials is hardly ever printed, so
it is given, and varied by :meth:`CorrelatedSampler.sweep`.

True effects are integrated out before sampling and drawn afterwards from their exact normal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from k2meta.models.bayes_exact import bayes_random_effects
from k2meta.models.builder import (
    ROOM,
    Run,
    Sampler,
    Sampling,
    checked_priors,
    distrust,
    estimate,
    normal_prediction,
    options_of,
    sampled,
    standard_units,
    study_estimate,
)
from k2meta.models.errors import InputError, PriorError
from k2meta.models.fit import Diagnostics, Estimate, Fit, Prediction, StudyEstimate
from k2meta.models.priors import HalfNormal, Normal
from k2meta.shown import ShowsItself

Array = NDArray[np.float64]
FEW = 10
"""Trials below which the correlation between trials is mostly its prior."""

Expression = Any
"""A number of the model as PyTensor knows it."""


@dataclass(frozen=True, slots=True)
class LKJ:
    """Prior of a correlation matrix: density proportional to its determinant to the power ``eta`` - 1.

    With ``eta`` = 1 every correlation matrix is equally likely; larger values pull the correlations to zero
    (Lewandowski, Kurowicka and Joe 2009).
    """

    eta: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.eta) and self.eta > 0.0):
            raise PriorError(f"LKJ: eta = {self.eta!r} must be a positive finite number")

    def describe(self) -> str:
        """Return the prior in words."""
        return f"LKJ with eta {self.eta:g}"


@dataclass(frozen=True, slots=True)
class CorrelatedDraws:
    """Posterior draws in units of the effects.

    Attributes
    ----------
    mu, tau : ndarray, shape (chain, draw, outcome)
        Pooled effects and between-trial standard deviations.
    correlation : ndarray, shape (chain, draw, pair)
        Between-trial correlations, pairs in the order (0, 1), (0, 2), (1, 2), ...
    theta : ndarray, shape (chain, draw, study, outcome)
        True effects, those of outcomes a trial did not report among them.
    energy, diverging : ndarray, shape (chain, draw)
        As in :class:`k2meta.models.builder.Draws`.
    """

    mu: Array
    tau: Array
    correlation: Array
    theta: Array
    energy: Array
    diverging: NDArray[np.bool_]

    def watched(self) -> tuple[Array, ...]:
        """Return mu and tau of the first outcome, then of the others, then correlations that vary."""
        each = [x for pair in zip(_last(self.mu), _last(self.tau), strict=True) for x in pair]
        return (*each, *(x for x in _last(self.correlation) if np.ptp(x) > 0.0))


@dataclass(frozen=True, slots=True)
class OutcomeResult:
    """One of the outcomes.

    Attributes
    ----------
    name : str
        The outcome.
    k : int
        Trials that report it.
    mu, tau : Estimate
        Pooled effect and between-trial standard deviation.
    prediction : Prediction
        Interval of a new trial.
    studies : tuple of StudyEstimate
        True effects in every trial, also in those that did not report the outcome.
    mcse_mu, mcse_tau : float
        Monte Carlo standard errors of the means of mu and tau.
    alone : Fit
        The exact fit of this outcome alone, with the same priors.
    narrower : float
        Percentage by which the interval of mu is narrower than alone; negative where it is wider.
    borrowed : float
        Percentage by which the posterior variance of mu is smaller than alone.
    """

    name: str
    k: int
    mu: Estimate
    tau: Estimate
    prediction: Prediction
    studies: tuple[StudyEstimate, ...]
    mcse_mu: float
    mcse_tau: float
    alone: Fit
    narrower: float
    borrowed: float


@dataclass(frozen=True, slots=True)
class CorrelatedResult(ShowsItself):
    """A sampled model of several outcomes; ``correlations`` are those between trials, by pairs of names."""

    k: int
    method: str
    options: Mapping[str, str | float]
    outcomes: tuple[OutcomeResult, ...]
    correlations: Mapping[tuple[str, str], Estimate]
    diagnostics: Diagnostics
    warnings: tuple[str, ...]
    draws: CorrelatedDraws


@dataclass(frozen=True, slots=True)
class _Trials:
    """Checked effects; what a trial does not report is zero with ``present`` zero.

    ``yi``, ``vi`` and ``present`` have shape (k, m), ``within`` (k, m, m).
    """

    yi: Array
    vi: Array
    present: Array
    within: Array

    @property
    def k(self) -> int:
        """Number of trials."""
        return len(self.yi)


@dataclass(frozen=True, slots=True)
class _Units:
    """Centre, width and prior scale of tau of each outcome, shape (m,)."""

    centre: Array
    width: Array
    scale: Array


class CorrelatedSampler(Sampler):
    """The compiled model: build it once, then sample every analysis of so many outcomes with it.

    Parameters
    ----------
    outcomes : int
        Number of outcomes, two or more.
    studies : int
        Most trials of one analysis. A larger analysis compiles again, with room for it.
    """

    def __init__(self, outcomes: int = 2, studies: int = ROOM) -> None:
        if outcomes < 2:
            raise InputError(f"outcomes = {outcomes}: correlated outcomes are two or more")
        self._outcomes = outcomes
        super().__init__(lambda k: _correlated(k, outcomes), ("b", "tau", "correlation"), studies)

    def sample(
        self,
        yi: ArrayLike,
        vi: ArrayLike,
        *,
        rho_w: ArrayLike,
        tau_prior: HalfNormal | Sequence[HalfNormal],
        between: LKJ | float = LKJ(1.0),
        mu_prior: Normal | None = None,
        names: Sequence[str] | None = None,
        **sampling: Unpack[Sampling],
    ) -> CorrelatedResult:
        """Return draws and their summary; the same seed gives the same draws.

        Parameters
        ----------
        yi, vi : array_like, shape (k, m)
            Effects and sampling variances, NaN in both where a trial does not report an outcome.
        rho_w : float or array_like, shape (k,) or (k, m, m)
            Correlation of the sampling errors within a trial: one for all pairs and trials, one for each trial,
            or the matrix of each trial.
        tau_prior : HalfNormal or sequence of them
            Prior of tau, in units of the effects; one for all outcomes, or one for each.
        between : LKJ or float
            Prior of the between-trial correlations, or one number they are fixed at.
        mu_prior : Normal or None
            Prior of every mu; ``None`` is flat.
        names : sequence of str, optional
            The outcomes.
        **sampling
            ``seed``, and what may be left out: see :class:`~k2meta.models.builder.Sampling`. A poor run is
            repeated once, as in :meth:`k2meta.models.bayes_mcmc.HierarchicalSampler.sample`.

        Raises
        ------
        InputError
            Unusable effects, variances, correlations, names or level; an outcome that nobody reports.
        """
        run = Run(**sampling)
        trials = _checked(yi, vi, rho_w, self._outcomes)
        labels = _checked_names(names, self._outcomes)
        scales = _checked_scales(tau_prior, mu_prior, self._outcomes)
        fixed = _checked_between(between, self._outcomes)
        units = _units(trials, scales)
        compiled = self._with_data(trials, units, between, fixed, mu_prior)
        found = sampled(compiled, run, lambda kept: _read(kept, trials, units, run.seed))
        options = options_of(_options(scales, between, mu_prior, rho_w), found.run)
        alone = [_alone(trials, j, scales[j], mu_prior, run.level) for j in range(self._outcomes)]
        return _result(found.draws, found.diagnostics, trials, labels, options, alone, run.level)

    def sweep(
        self, yi: ArrayLike, vi: ArrayLike, correlations: Sequence[float], **settings: Any
    ) -> tuple[CorrelatedResult, ...]:
        """Return one result for each correlation within trials, all from one compilation.

        Parameters
        ----------
        yi, vi
            As in :meth:`sample`.
        correlations : sequence of float
            Values of ``rho_w``.
        **settings
            Everything else of :meth:`sample`.
        """
        return tuple(self.sample(yi, vi, rho_w=rho, **settings) for rho in correlations)

    def _with_data(
        self, trials: _Trials, units: _Units, between: LKJ | float, fixed: Array | None, mu_prior: Normal | None
    ) -> Any:
        m = self._outcomes
        mean, precision = np.zeros(m), np.zeros(m)
        if mu_prior:
            mean, precision = (mu_prior.mean - units.centre) / units.width, units.width / mu_prior.sd
        return self._model.with_data(
            trials.k,
            {
                "tau_scale": units.scale / units.width,
                "mu_mean": mean,
                "mu_precision": precision,
                "eta": between.eta if isinstance(between, LKJ) else 1.0,
                "free": 1.0 if fixed is None else 0.0,
                "fixed": np.eye(m) if fixed is None else fixed,
            },
            present=(trials.present, 0.0),
            effect=((trials.yi - units.centre) / units.width * trials.present, 0.0),
            error=(np.sqrt(trials.vi) / units.width, 1.0),
            within=(trials.within, 0.0),
        )


def _pairs(m: int) -> list[tuple[int, int]]:
    return [(i, j) for j in range(1, m) for i in range(j)]


def _last(x: Array) -> Array:
    return np.moveaxis(x, -1, 0)


def _checked(yi: ArrayLike, vi: ArrayLike, rho_w: ArrayLike, m: int) -> _Trials:
    y, v = (_matrix(name, x, m) for name, x in (("yi", yi), ("vi", vi)))
    if y.shape != v.shape or not len(y):
        raise InputError(f"yi has shape {y.shape} and vi {v.shape}; both are (k, {m}) with k of at least one")
    missing = np.isnan(y)
    for i, j in np.argwhere(missing != np.isnan(v)):
        raise InputError(f"yi[{i}, {j}] and vi[{i}, {j}]: an outcome that is not reported is NaN in both")
    for i, j in np.argwhere(~missing & ~(np.isfinite(y) & np.isfinite(v) & (v > 0.0))):
        at = f"yi[{i}, {j}] = {float(y[i, j])!r}, vi[{i}, {j}] = {float(v[i, j])!r}"
        raise InputError(f"{at}: an effect is finite, and a sampling variance positive and finite")
    if missing.all(axis=0).any():
        raise InputError(f"outcome {int(np.argmax(missing.all(axis=0)))} is reported by no trial")
    if missing.all(axis=1).any():
        raise InputError(f"trial {int(np.argmax(missing.all(axis=1)))} reports no outcome; leave it out")
    return _Trials(
        np.where(missing, 0.0, y), np.where(missing, 1.0, v), (~missing).astype(float), _within(rho_w, len(y), m)
    )


def _matrix(name: str, values: ArrayLike, m: int) -> Array:
    try:
        matrix = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be a table of numbers: {error}") from error
    if matrix.ndim != 2 or matrix.shape[1] != m:
        raise InputError(f"{name} has shape {matrix.shape}; the model has {m} outcomes, so it needs (k, {m})")
    return matrix


def _within(rho_w: ArrayLike, k: int, m: int) -> Array:
    """Return the correlation matrix of the errors of each trial, shape (k, m, m)."""
    rho = np.asarray(rho_w, dtype=np.float64)
    if rho.shape in ((), (k,)):
        matrix = np.broadcast_to(rho, (k,))[:, None, None] * (1.0 - np.eye(m)) + np.eye(m)
    elif rho.shape == (k, m, m):
        matrix = rho
    else:
        raise InputError(f"rho_w has shape {rho.shape}; it is a number, ({k},) or ({k}, {m}, {m})")
    right = np.isfinite(matrix).all() and np.allclose(matrix, np.swapaxes(matrix, 1, 2))
    if not (right and np.allclose(np.diagonal(matrix, axis1=1, axis2=2), 1.0) and _definite(matrix)):
        raise InputError("rho_w: not the correlations of anything (between -1 and 1, together positive definite)")
    return np.array(matrix)


def _definite(matrix: Array) -> bool:
    return bool(np.linalg.eigvalsh(matrix).min() > 0.0)


def _checked_names(names: Sequence[str] | None, m: int) -> tuple[str, ...]:
    labels = tuple(f"outcome {j + 1}" for j in range(m)) if names is None else tuple(names)
    if len(set(labels)) != m:
        raise InputError(f"names = {labels}: the model has {m} outcomes, each with a name of its own")
    return labels


def _checked_scales(
    tau_prior: HalfNormal | Sequence[HalfNormal], mu_prior: Normal | None, m: int
) -> tuple[HalfNormal, ...]:
    priors = tau_prior if isinstance(tau_prior, Sequence) else (tau_prior,) * m
    for prior in priors:
        checked_priors(prior, mu_prior)
    if len(priors) != m:
        raise InputError(f"tau_prior = {tau_prior!r}: one half-normal, or one for each of {m} outcomes")
    return tuple(priors)


def _checked_between(between: LKJ | float, m: int) -> Array | None:
    """Return the correlation matrix between trials where it is fixed, shape (m, m)."""
    if isinstance(between, LKJ):
        return None
    matrix = np.full((m, m), float(between))
    np.fill_diagonal(matrix, 1.0)
    if not (np.isfinite(matrix).all() and _definite(matrix)):
        raise InputError(f"between = {between!r}: not a correlation of {m} outcomes with each other")
    return matrix


def _options(
    scales: tuple[HalfNormal, ...], between: LKJ | float, mu_prior: Normal | None, rho_w: ArrayLike
) -> dict[str, str | float]:
    rho = np.asarray(rho_w, dtype=np.float64)
    return {
        "tau_prior": "; ".join(prior.describe() for prior in scales),
        "mu_prior": mu_prior.describe() if mu_prior else "flat",
        "between": between.describe() if isinstance(between, LKJ) else float(between),
        "rho_w": float(rho) if rho.ndim == 0 else "given for each trial",
    }


def _units(trials: _Trials, scales: tuple[HalfNormal, ...]) -> _Units:
    found = []
    for j, prior in enumerate(scales):
        some = trials.present[:, j] > 0.0
        found.append((*standard_units(trials.yi[some, j], trials.vi[some, j], prior.scale), prior.scale))
    return _Units(*np.array(found).T)


def _alone(trials: _Trials, j: int, prior: HalfNormal, mu_prior: Normal | None, level: float) -> Fit:
    some = trials.present[:, j] > 0.0
    yi, vi = trials.yi[some, j], trials.vi[some, j]
    return bayes_random_effects(yi, vi, tau_prior=prior, mu_prior=mu_prior, level=level)


def _correlated(studies: int, m: int) -> Any:
    import pymc as pm
    import pytensor.tensor as pt

    pairs = _pairs(m)
    coords = {"study": np.arange(studies), "outcome": np.arange(m), "other": np.arange(m)}
    with pm.Model(coords=coords | {"pair": np.arange(len(pairs))}) as model:
        shape = (studies, m)
        present, effect, error = (
            pm.Data(name, np.ones(shape), dims=("study", "outcome")) for name in ("present", "effect", "error")
        )
        within = pm.Data("within", np.zeros((*shape, m)), dims=("study", "outcome", "other"))
        tau_scale, mu_mean, mu_precision = (
            pm.Data(name, np.ones(m), dims="outcome") for name in ("tau_scale", "mu_mean", "mu_precision")
        )
        eta, free = pm.Data("eta", 1.0), pm.Data("free", 1.0)
        fixed = pm.Data("fixed", np.eye(m), dims=("outcome", "other"))
        b = pm.Flat("b", dims="outcome")
        tau = pm.HalfNormal("tau", 1.0, dims="outcome")
        bent = pm.Flat("bent", dims="pair")
        partial = {pair: pt.tanh(bent[n]) for n, pair in enumerate(pairs)}
        # The density of a partial correlation with the Jacobian of tanh; log(1 - tanh^2) without cancellation.
        power = pt.stack([eta + 0.5 * (m - 2 - i) for i, _ in pairs])
        log_rest = 2.0 * (math.log(2.0) - pt.abs(bent) - pt.softplus(-2.0 * pt.abs(bent)))
        pm.Potential("lkj", (power * log_rest).sum())
        R = _from_partial(partial, m)
        between = {pair: free * R[pair] + (1.0 - free) * fixed[pair] for pair in pairs}
        pm.Deterministic("correlation", pt.stack([between[pair] for pair in pairs]), dims="pair")
        pm.Potential("mu_prior", -0.5 * ((mu_precision * (b - mu_mean)) ** 2).sum())
        spread = tau_scale * tau

        def covariance(i: int, j: int) -> Expression:
            # An outcome that is not reported stands alone with variance one and residual zero: it says nothing.
            both = present[:, i] * present[:, j]
            if i == j:
                return both * (error[:, i] ** 2 + spread[i] ** 2) + (1.0 - both)
            shared = spread[i] * spread[j] * between[min(i, j), max(i, j)]
            return both * (within[:, i, j] * error[:, i] * error[:, j] + shared)

        residual = [present[:, j] * (effect[:, j] - b[j]) for j in range(m)]
        pm.Potential("likelihood", _log_density(residual, covariance, m, pt).sum())
    return model


def _from_partial(partial: Mapping[tuple[int, int], Expression], m: int) -> dict[tuple[int, int], Expression]:
    """Return correlations from partial ones, those of i and j > i given the outcomes before i."""
    # Row j of the Cholesky factor: each partial correlation takes its part of the length that is left.
    rows: list[list[Expression]] = []
    for j in range(m):
        left: Expression = 1.0
        row: list[Expression] = []
        for i in range(j):
            row.append(partial[i, j] * left**0.5)
            left = left * (1.0 - partial[i, j] ** 2)
        rows.append([*row, left**0.5])
    return {(i, j): sum(rows[i][n] * rows[j][n] for n in range(i + 1)) for i, j in _pairs(m)}


def _log_density(residual: list[Expression], covariance: Any, m: int, pt: Any) -> Expression:
    """Return the log density of each trial, up to a constant: a Cholesky factor written out over the outcomes."""
    factor: dict[tuple[int, int], Expression] = {}
    solved: list[Expression] = []
    total: Expression = 0.0
    for j in range(m):
        for i in range(j):
            known = sum((factor[j, n] * factor[i, n] for n in range(i)), 0.0)
            factor[j, i] = (covariance(j, i) - known) / factor[i, i]
        factor[j, j] = pt.sqrt(covariance(j, j) - sum((factor[j, n] ** 2 for n in range(j)), 0.0))
        rest = sum((factor[j, n] * solved[n] for n in range(j)), 0.0)
        solved.append((residual[j] - rest) / factor[j, j])
        total = total - pt.log(factor[j, j]) - 0.5 * solved[j] ** 2
    return total


def _read(kept: Mapping[str, Any], trials: _Trials, units: _Units, seed: int) -> CorrelatedDraws:
    mu = units.centre + units.width * kept["b"]
    tau = units.scale * kept["tau"]
    correlation = kept["correlation"]
    theta = _theta(mu, tau, correlation, trials, np.random.default_rng(seed))
    return CorrelatedDraws(mu, tau, correlation, theta, kept["energy"], kept["diverging"])


def _theta(mu: Array, tau: Array, correlation: Array, trials: _Trials, rng: np.random.Generator) -> Array:
    """Return true effects given mu, tau, correlations and the effects: exact normal draws."""
    m = mu.shape[-1]
    R = np.zeros((*mu.shape, m)) + np.eye(m)
    for n, (i, j) in enumerate(_pairs(m)):
        R[..., i, j] = R[..., j, i] = correlation[..., n]
    T = tau[..., :, None] * R * tau[..., None, :]
    root = tau[..., :, None] * np.linalg.cholesky(R)
    drawn = []
    for i in range(trials.k):
        seen = trials.present[i] > 0.0
        error = np.sqrt(trials.vi[i, seen])
        S = trials.within[i][np.ix_(seen, seen)] * error[:, None] * error
        # Matheron's rule: a prior draw of truth and data, moved by the gain times what the data differ.
        prior = mu + np.einsum("...ij,...j->...i", root, rng.standard_normal(mu.shape))
        noise = rng.standard_normal((*mu.shape[:-1], int(seen.sum()))) @ np.linalg.cholesky(S).T
        gap = trials.yi[i, seen] - prior[..., seen] - noise
        solved = np.linalg.solve(T[..., seen, :][..., seen] + S, gap[..., None])
        drawn.append(prior + (T[..., :, seen] @ solved)[..., 0])
    return np.stack(drawn, axis=-2)


def _result(
    draws: CorrelatedDraws,
    diagnostics: Diagnostics,
    trials: _Trials,
    names: tuple[str, ...],
    options: Mapping[str, str | float],
    alone: list[Fit],
    level: float,
) -> CorrelatedResult:
    said = [
        f"{trials.k} trials say little about the correlation between trials: its prior is much of the answer."
    ] * (trials.k < FEW)
    return CorrelatedResult(
        k=trials.k,
        method="Bayesian random effects of several outcomes, sampled (NUTS, true effects integrated out)",
        options=options,
        outcomes=tuple(_outcome(draws, j, name, alone[j], level) for j, name in enumerate(names)),
        correlations={
            (names[i], names[j]): estimate(draws.correlation[..., n].ravel(), level)
            for n, (i, j) in enumerate(_pairs(len(names)))
        },
        diagnostics=diagnostics,
        warnings=(*said, *distrust(diagnostics)),
        draws=draws,
    )


def _outcome(draws: CorrelatedDraws, j: int, name: str, alone: Fit, level: float) -> OutcomeResult:
    import arviz as az

    mu, tau = draws.mu[..., j], draws.tau[..., j]
    found = estimate(mu.ravel(), level)
    return OutcomeResult(
        name=name,
        k=alone.k,
        mu=found,
        tau=estimate(tau.ravel(), level),
        prediction=normal_prediction(mu, tau, level),
        studies=tuple(study_estimate(x.ravel(), level) for x in _last(draws.theta[..., j])),
        mcse_mu=float(az.mcse(mu, method="mean")),
        mcse_tau=float(az.mcse(tau, method="mean")),
        alone=alone,
        narrower=100.0 * (1.0 - (found.high - found.low) / (alone.mu.high - alone.mu.low)),
        borrowed=100.0 * (1.0 - (found.se / alone.mu.se) ** 2),
    )
