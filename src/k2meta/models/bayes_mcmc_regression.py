"""Bayesian meta-regression sampled with PyMC: y_i ~ N(x_i beta, v_i + tau^2), tau what the moderators leave.

The true effects are integrated out before sampling and drawn afterwards from their exact normal: on thirteen
trials that gives several times the effective sample size of sampling them. Coefficients are sampled turned and
scaled so that they are about uncorrelated with variance one, whatever the units of the moderators.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from k2meta.models.builder import (
    ROOM,
    Run,
    Sampler,
    Sampling,
    check_normal,
    checked_priors,
    distrust,
    estimate,
    normal_prediction,
    options_of,
    sampled,
    squared,
    study_estimate,
)
from k2meta.models.design import Design, Matrix, check_rank, design_matrix
from k2meta.models.errors import InputError
from k2meta.models.fit import Diagnostics, Estimate, Heterogeneity, Prediction, StudyEstimate
from k2meta.models.inputs import Inputs, checked
from k2meta.models.meta_regression import STUDIES_PER_COVARIATE, few_per_covariate
from k2meta.models.priors import HalfNormal, Normal
from k2meta.shown import ShowsItself

COEFFICIENTS = 4
"""Coefficients a model is compiled for, the intercept among them."""


@dataclass(frozen=True, slots=True)
class RegressionDraws:
    """Posterior draws in units of the effects.

    Attributes
    ----------
    beta : ndarray, shape (chain, draw, coefficient)
        Intercept first; a slope is in units of ``yi`` per unit of its moderator.
    tau : ndarray, shape (chain, draw)
        Between-study standard deviation that the moderators leave.
    theta : ndarray, shape (chain, draw, study)
        True effects of the studies.
    energy, diverging : ndarray, shape (chain, draw)
        As in :class:`k2meta.models.builder.Draws`.
    """

    beta: NDArray[np.float64]
    tau: NDArray[np.float64]
    theta: NDArray[np.float64]
    energy: NDArray[np.float64]
    diverging: NDArray[np.bool_]

    def watched(self) -> tuple[NDArray[np.float64], ...]:
        """Return the first coefficient, tau and the other coefficients."""
        first, *rest = np.moveaxis(self.beta, -1, 0)
        return (first, self.tau, *rest)


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean effect at given moderators, and the interval of a new study there."""

    mean: Estimate
    prediction: Prediction


@dataclass(frozen=True, slots=True)
class RegressionResult(ShowsItself):
    """A sampled meta-regression.

    Attributes
    ----------
    names : tuple of str, length p
        The coefficients.
    coefficients : tuple of Estimate, length p
        Posterior of each; ``mcse`` holds the Monte Carlo standard errors of their means.
    tau, tau2 : Estimate, Heterogeneity
        What the moderators leave.
    studies : tuple of StudyEstimate, length k
        True effects of the studies, shrunken towards the regression.
    exploratory : bool
        Whether there are fewer than ten studies for each covariate.
    """

    names: tuple[str, ...]
    k: int
    method: str
    options: Mapping[str, str | float]
    coefficients: tuple[Estimate, ...]
    mcse: tuple[float, ...]
    tau: Estimate
    tau2: Heterogeneity
    studies: tuple[StudyEstimate, ...]
    diagnostics: Diagnostics
    exploratory: bool
    warnings: tuple[str, ...]
    draws: RegressionDraws

    def at(self, x: Sequence[float], *, level: float = 0.95) -> Mean:
        """Return the mean effect where the moderators are ``x``, shape (p,); the intercept's one is part of it.

        Raises
        ------
        InputError
            Not one finite number for each coefficient.
        """
        given = np.asarray(x, dtype=np.float64)
        if given.shape != (len(self.names),) or not np.isfinite(given).all():
            raise InputError(f"x needs a finite number for each of {', '.join(self.names)}")
        mean = self.draws.beta @ given
        return Mean(estimate(mean.ravel(), level), normal_prediction(mean, self.draws.tau, level))


@dataclass(frozen=True, slots=True)
class _Turned:
    """Coefficients as ``centre + turn @ b`` with b about standard normal; ``Z`` is the design seen by b."""

    centre: NDArray[np.float64]
    turn: Matrix
    Z: Matrix
    residual: NDArray[np.float64]


class RegressionSampler(Sampler):
    """The compiled model: build it once, then :meth:`sample` every analysis of the process.

    Parameters
    ----------
    studies, coefficients : int
        Most studies and most coefficients (the intercept among them) of one analysis. More studies compile again.
    """

    def __init__(self, studies: int = ROOM, coefficients: int = COEFFICIENTS) -> None:
        self._coefficients = coefficients
        super().__init__(lambda k: _regression(k, coefficients), ("b", "tau"), studies)

    def sample(
        self,
        yi: ArrayLike,
        vi: ArrayLike,
        X: ArrayLike | Mapping[str, ArrayLike] | None,
        *,
        tau_prior: HalfNormal,
        mu_prior: Normal | None = None,
        slope_prior: Normal | None = None,
        names: Iterable[str] | None = None,
        **sampling: Unpack[Sampling],
    ) -> RegressionResult:
        """Return draws and their summary; the same seed gives the same draws.

        Parameters
        ----------
        yi, vi : array_like, shape (k,)
            Effects and sampling variances, k >= 1.
        X, names
            Moderators, as in :func:`k2meta.models.meta_regression.meta_regression`; ``None`` is the intercept
            alone. Centre a moderator to make the intercept the effect at its mean.
        tau_prior : HalfNormal
            Prior of the residual tau, in units of ``yi``.
        mu_prior : Normal or None
            Prior of the intercept; ``None`` is flat.
        slope_prior : Normal or None
            Prior of every slope, in units of ``yi`` per unit of its moderator; ``None`` is flat.
        **sampling
            ``seed``, and what may be left out: see :class:`~k2meta.models.builder.Sampling`. A poor run is
            repeated once, as in :meth:`k2meta.models.bayes_mcmc.HierarchicalSampler.sample`.

        Raises
        ------
        InputError
            Unusable effects, variances, moderators or level; more coefficients than the model was compiled for.
        CollinearityError
            Moderators that determine each other.
        """
        data, run = checked(yi, vi), Run(**sampling)
        options = checked_priors(tau_prior, mu_prior)
        if slope_prior is not None:
            check_normal("slope_prior", slope_prior)
        options["slope_prior"] = slope_prior.describe() if slope_prior else "flat"
        design = design_matrix(X, data.k, names, intercept=True)
        check_rank(design)
        if len(design.names) > self._coefficients:
            p = len(design.names)
            most = f"the model is compiled for {self._coefficients}: RegressionSampler(coefficients={p})"
            raise InputError(f"{p} coefficients, and {most}")
        turned = _turned(data, design.X, tau_prior.scale)
        compiled = self._with_data(data, turned, tau_prior, mu_prior, slope_prior)
        found = sampled(compiled, run, lambda kept: _read(kept, data, design.X, turned, tau_prior.scale, run.seed))
        return _result(found.draws, found.diagnostics, design, options_of(options, found.run), run.level)

    def _with_data(
        self,
        data: Inputs,
        turned: _Turned,
        tau_prior: HalfNormal,
        mu_prior: Normal | None,
        slope_prior: Normal | None,
    ) -> Any:
        room, p = self._coefficients, len(turned.centre)
        # A coefficient that is not there has a standard normal prior and meets no data.
        mean, precision, centre, turn = np.zeros(room), np.ones(room), np.zeros(room), np.eye(room)
        centre[:p], turn[:p, :p] = turned.centre, turned.turn
        for j, prior in enumerate([mu_prior, *[slope_prior] * (p - 1)]):
            mean[j], precision[j] = (prior.mean, 1.0 / prior.sd) if prior else (0.0, 0.0)
        mean[0] -= data.shift
        Z = np.zeros((data.k, room))
        Z[:, :p] = turned.Z
        return self._model.with_data(
            data.k,
            {
                "tau_scale": tau_prior.scale,
                "centre": centre,
                "turn": turn,
                "prior_mean": mean,
                "prior_precision": precision,
            },
            present=(np.ones(data.k), 0.0),
            residual=(turned.residual, 0.0),
            variance=(data.vi, 1.0),
            design=(Z, 0.0),
        )


def _turned(data: Inputs, X: Matrix, scale: float) -> _Turned:
    """Return coordinates in which the least-squares problem at tau = ``scale`` is the identity."""
    weight = 1.0 / (data.vi + scale**2)
    # Columns are brought to length one first, so that their units do not decide what is small.
    length = np.sqrt(weight @ X**2)
    root = np.sqrt(weight)[:, None] * X / length
    left, singular, right = np.linalg.svd(root, full_matrices=False)
    turn = (right.T / singular) / length[:, None]
    centre = turn @ (left.T @ (np.sqrt(weight) * data.yi))
    return _Turned(centre, turn, X @ turn, data.yi - X @ centre)


def _regression(studies: int, coefficients: int) -> Any:
    import pymc as pm
    import pytensor.tensor as pt

    coords = {"study": np.arange(studies), "coefficient": np.arange(coefficients)}
    with pm.Model(coords=coords | {"column": np.arange(coefficients)}) as model:
        present, residual, variance = (
            pm.Data(name, np.ones(studies), dims="study") for name in ("present", "residual", "variance")
        )
        design = pm.Data("design", np.zeros((studies, coefficients)), dims=("study", "coefficient"))
        turn = pm.Data("turn", np.eye(coefficients), dims=("column", "coefficient"))
        centre, mean, precision = (
            pm.Data(name, np.zeros(coefficients), dims="coefficient")
            for name in ("centre", "prior_mean", "prior_precision")
        )
        tau_scale = pm.Data("tau_scale", 1.0)
        b = pm.Flat("b", dims="coefficient")
        tau = pm.HalfNormal("tau", 1.0)
        # As potentials, because precisions of zero are wanted: flat priors, and studies that are not there.
        pm.Potential("beta_prior", -0.5 * ((precision * (centre + turn @ b - mean)) ** 2).sum())
        total = variance + (tau_scale * tau) ** 2
        density = -0.5 * (pt.log(total) + (residual - design @ b) ** 2 / total)
        pm.Potential("likelihood", (present * density).sum())
    return model


def _read(
    kept: Mapping[str, Any], data: Inputs, X: Matrix, turned: _Turned, scale: float, seed: int
) -> RegressionDraws:
    b, tau = kept["b"][..., : len(turned.centre)], kept["tau"] * scale
    beta = turned.centre + b @ turned.turn.T
    pull = data.vi / (data.vi + tau[..., None] ** 2)
    mean = pull * (beta @ X.T) + (1.0 - pull) * data.yi
    noise = np.random.default_rng(seed).standard_normal(mean.shape)
    theta = mean + tau[..., None] * np.sqrt(pull) * noise
    beta = beta.copy()
    beta[..., 0] += data.shift
    return RegressionDraws(beta, tau, theta + data.shift, kept["energy"], kept["diverging"])


def _result(
    draws: RegressionDraws,
    diagnostics: Diagnostics,
    design: Design,
    options: Mapping[str, str | float],
    level: float,
) -> RegressionResult:
    import arviz as az

    k, p = design.X.shape
    columns = np.moveaxis(draws.beta, -1, 0)
    said = [few_per_covariate(k, p - 1)] if p > 1 and k < STUDIES_PER_COVARIATE * (p - 1) else []
    return RegressionResult(
        names=design.names,
        k=k,
        method="Bayesian meta-regression, sampled (NUTS, true effects integrated out)",
        options=options,
        coefficients=tuple(estimate(x.ravel(), level) for x in columns),
        mcse=tuple(float(az.mcse(x, method="mean")) for x in columns),
        tau=estimate(draws.tau.ravel(), level),
        tau2=squared(draws.tau.ravel(), "posterior mean of the residual tau2", level),
        studies=tuple(study_estimate(x.ravel(), level) for x in np.moveaxis(draws.theta, -1, 0)),
        diagnostics=diagnostics,
        exploratory=bool(said),
        warnings=(*said, *distrust(diagnostics)),
        draws=draws,
    )
