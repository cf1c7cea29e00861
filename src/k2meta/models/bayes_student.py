"""Student-t random effects sampled with PyMC: a study far from the others pulls less than under normal ones.

The model is y_i ~ N(theta_i, v_i), theta_i = mu + tau t_i, with t_i from Student's t. ``tau`` is the scale of that
distribution; its variance is tau^2 df / (df - 2). As df grows the model becomes the normal-normal one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
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
    checked_priors,
    estimate,
    mean_and_spread,
    prior_data,
    sampled,
    standard_units,
    summary,
)
from k2meta.models.common_effect import cochran_q
from k2meta.models.errors import InputError, PriorError
from k2meta.models.fit import Prediction, Share
from k2meta.models.inputs import Inputs, checked
from k2meta.models.priors import HalfNormal, Normal
from k2meta.models.roots import bracketed_root

LEAST_DF = 2.0
"""At and below it Student's t has no variance, so a new study would have none either."""

FEW = 10
"""Below so many studies the data say little about tails; eight schools leave a prior of df nearly as it was."""


@dataclass(frozen=True, slots=True)
class LogNormalDf:
    """Prior of the degrees of freedom: ``df - 2`` is log-normal.

    Attributes
    ----------
    median : float
        Median of ``df``, above two.
    sigma : float
        Standard deviation of ``log(df - 2)``.
    """

    median: float
    sigma: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.median) and self.median > LEAST_DF):
            raise PriorError(f"LogNormalDf: median = {self.median!r} must be finite and above {LEAST_DF:g}")
        if not (math.isfinite(self.sigma) and self.sigma > 0.0):
            raise PriorError(f"LogNormalDf: sigma = {self.sigma!r} must be a positive finite number")

    def describe(self) -> str:
        """Return the prior in words."""
        return (
            f"log-normal above {LEAST_DF:g} with median {self.median:g} and log standard deviation {self.sigma:g}"
        )


@dataclass(frozen=True, slots=True)
class _Df:
    """Degrees of freedom as data of the model: a fixed number is a prior of width zero."""

    median: float
    sigma: float


class StudentSampler(Sampler):
    """The compiled model: build it once, then :meth:`sample` every analysis of the process.

    Parameters
    ----------
    studies : int
        Most studies of one analysis. A larger analysis compiles again, with room for it.
    """

    def __init__(self, studies: int = ROOM) -> None:
        # Fixed degrees of freedom and a prior of them share one model.
        super().__init__(_normal_student, ("mu", "tau", "z", "df"), studies)

    def sample(
        self,
        yi: ArrayLike,
        vi: ArrayLike,
        *,
        df: float | LogNormalDf,
        tau_prior: HalfNormal,
        mu_prior: Normal | None = None,
        **sampling: Unpack[Sampling],
    ) -> McmcResult:
        """Return draws and their summary; the same seed gives the same draws.

        Parameters
        ----------
        yi, vi : array_like, shape (k,)
            Effects and sampling variances, k >= 1.
        df : float or LogNormalDf
            Degrees of freedom of the random effects, above two, or their prior.
        tau_prior : HalfNormal
            Prior of tau, the scale of the random effects, in units of ``yi``.
        mu_prior, **sampling
            As in :meth:`k2meta.models.bayes_mcmc.HierarchicalSampler.sample`, with its one repetition.

        Returns
        -------
        McmcResult
            ``fit.tau``, ``fit.tau2`` and the shares belong to the scale. ``fit.weights`` are expected shares in
            the mean of mu given tau and the precision of each study's random effect, the prior's share left out.
            ``df`` sums up the degrees of freedom where they had a prior.

        Raises
        ------
        InputError
            Unusable effects, variances, level or degrees of freedom.
        """
        data, run = checked(yi, vi), Run(**sampling)
        prior, options = _checked_df(df), checked_priors(tau_prior, mu_prior)
        compiled, unit = self._with_data(data, prior, tau_prior, mu_prior)
        found = sampled(compiled, run, lambda kept: _read(kept, data, unit, tau_prior.scale))
        told = Told(
            model="bayes_student",
            method="Bayesian Student-t random effects, sampled (NUTS, non-centred)",
            options=options | {"df": df.describe() if isinstance(df, LogNormalDf) else prior.median},
            shares=_shares(data, found.draws, run.level),
            q=cochran_q(data),
            prediction=_prediction(found.draws, run.level),
            weights=average_weights(_variances(data, found.draws, run.seed), mu_prior),
            tau2_method="posterior mean of the squared scale of the Student-t random effects",
            warnings=_warnings(data.k),
        )
        tails = estimate(_df(found.draws).ravel(), run.level) if prior.sigma else None
        return McmcResult(summary(found, told), found.draws, tails)

    def _with_data(
        self, data: Inputs, df: _Df, tau_prior: HalfNormal, mu_prior: Normal | None
    ) -> tuple[Any, tuple[float, float]]:
        centre, width = unit = standard_units(data.yi, data.vi, tau_prior.scale)
        compiled = self._model.with_data(
            data.k,
            prior_data(unit, data.shift, tau_prior, mu_prior) | {"df_median": df.median, "df_sigma": df.sigma},
            effect=((data.yi - centre) / width, 0.0),
            precision=(width / np.sqrt(data.vi), 0.0),
        )
        return compiled, unit


def _checked_df(df: float | LogNormalDf) -> _Df:
    if isinstance(df, LogNormalDf):
        return _Df(df.median, df.sigma)
    if isinstance(df, (int, float)) and math.isfinite(df) and df > LEAST_DF:
        return _Df(float(df), 0.0)
    raise InputError(f"df = {df!r}: degrees of freedom are a number above {LEAST_DF:g}, or a LogNormalDf")


def _normal_student(studies: int) -> Any:
    import pymc as pm
    import pytensor.tensor as pt

    with pm.Model(coords={"study": np.arange(studies)}) as model:
        effect = pm.Data("effect", np.zeros(studies), dims="study")
        precision = pm.Data("precision", np.ones(studies), dims="study")
        df_median = pm.Data("df_median", 10.0)
        df_sigma = pm.Data("df_sigma", 1.0)
        mu, tau, tau_scale = mean_and_spread()
        df_z = pm.Normal("df_z", 0.0, 1.0)
        df = pm.Deterministic("df", LEAST_DF + (df_median - LEAST_DF) * pt.exp(df_sigma * df_z))
        # sqrt(df) sinh(z / sqrt(df)) has Student's t distribution when z has a density proportional to
        # cosh(z / sqrt(df))**-df: 1 + sinh^2 = cosh^2, and one cosh goes to the Jacobian. The sampler then moves
        # in z, whose tails are exponential and not those of t.
        z = pm.Flat("z", dims="study")
        bent = z / pt.sqrt(df)
        constant = pt.gammaln((df + 1.0) / 2.0) - pt.gammaln(df / 2.0) - 0.5 * pt.log(df * np.pi)
        pm.Potential("z_prior", (constant - 0.5 * df * pt.log1p(pt.sinh(bent) ** 2)).sum())
        theta = mu + tau_scale * tau * pt.sqrt(df) * pt.sinh(bent)
        pm.Potential("likelihood", -0.5 * ((precision * (effect - theta)) ** 2).sum())
    return model


def _read(kept: Mapping[str, Any], data: Inputs, unit: tuple[float, float], scale: float) -> Draws:
    centre, width = unit
    mu, tau = kept["mu"] * width + centre, kept["tau"] * scale
    root = np.sqrt(kept["df"])[..., None]
    theta = mu[..., None] + tau[..., None] * root * np.sinh(kept["z"][..., : data.k] / root)
    return Draws(mu + data.shift, tau, theta + data.shift, kept["energy"], kept["diverging"], df=kept["df"])


def _df(draws: Draws) -> NDArray[np.float64]:
    assert draws.df is not None
    return draws.df


def _shares(data: Inputs, draws: Draws, level: float) -> tuple[Share, Share]:
    i2, h2 = posterior_shares(data.vi, estimate(draws.tau.ravel(), level))
    said = ", tau the scale of the Student-t random effects"
    return replace(i2, definition=i2.definition + said), replace(h2, definition=h2.definition + said)


def _variances(data: Inputs, draws: Draws, seed: int) -> NDArray[np.float64]:
    """Return each study's variance about mu, given the precision of its random effect; shape (n, k).

    Student's t is a normal whose precision is gamma distributed; given the random effect it is gamma again.
    """
    tau, df = draws.tau.reshape(-1, 1), _df(draws).reshape(-1, 1)
    t = (draws.theta.reshape(-1, data.k) - draws.mu.reshape(-1, 1)) / tau
    precision = np.random.default_rng(seed).standard_gamma((df + 1.0) / 2.0, t.shape) / ((df + t * t) / 2.0)
    return data.vi + tau**2 / precision


def _prediction(draws: Draws, level: float) -> Prediction:
    """Return quantiles of the mixture of Student's t over the draws: no further random numbers are needed."""
    from scipy.special import stdtr, stdtrit

    mu, tau, df = draws.mu.ravel(), draws.tau.ravel(), _df(draws).ravel()

    def quantile(p: float) -> float:
        # A quantile of a mixture lies between the smallest and the largest quantile of its components.
        each = mu + tau * stdtrit(df, p)
        return bracketed_root(
            lambda x: float(stdtr(df, (x - mu) / tau).mean()) - p, float(each.min()), float(each.max())
        ).value

    low, high = quantile((1.0 - level) / 2.0), quantile((1.0 + level) / 2.0)
    return Prediction(low, high, None, "posterior predictive", level)


def _warnings(k: int) -> tuple[str, ...]:
    if k == 1:
        return ("One study: nothing is pooled, and heterogeneity is what its prior says.",)
    return (f"With {k} studies the tails of the random effects are mostly what was assumed.",) if k < FEW else ()
