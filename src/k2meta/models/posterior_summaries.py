"""What else the posterior of an exact fit says: of a new study, of the true effects, of mu and tau together.

A fit keeps its posterior as a mixture over tau; these are computed from it when they are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from k2meta.models.bayes_exact import central_intervals, mixture_estimate, true_effects
from k2meta.models.errors import InputError, ModelError
from k2meta.models.inputs import Vector, checked_level, is_number, vector
from k2meta.models.mixtures import Mixtures

if TYPE_CHECKING:
    from k2meta.models.fit import Estimate, Fit
from k2meta.shown import ShowsItself


@dataclass(frozen=True, slots=True)
class JointDensity(ShowsItself):
    """Joint posterior density of mu and tau on a grid.

    Attributes
    ----------
    mu : ndarray, shape (n,)
        Values of the pooled effect, in units of the effects.
    tau : ndarray, shape (J,)
        Nodes of the quadrature, increasing, in units of the effects.
    density : ndarray, shape (n, J)
        Density at each pair, in one over squared units of the effects.
    weight : ndarray, shape (J,)
        Posterior probability that each node stands for: ``density / density_of_tau @ weight`` is that of mu.
    density_of_tau : ndarray, shape (J,)
        Marginal density of tau at the nodes.
    """

    mu: Vector
    tau: Vector
    density: NDArray[np.float64]
    weight: Vector
    density_of_tau: Vector


@dataclass(frozen=True, slots=True)
class _Components:
    """The mixture behind a fit, arrays of shape (J,); means less ``shift``, which keeps digits of far effects."""

    tau: Vector
    weight: Vector
    density: Vector
    mean: Vector
    variance: Vector
    shift: float


def _components(fit: Fit, what: str) -> _Components:
    post = fit.posterior
    if post is None:
        raise ModelError(f"{fit.method}: no posterior, so {what} is not defined; fit with bayes_random_effects")
    shift = fit.yi[int(np.argmin(fit.vi))] if fit.yi else post.mu_mean[0]
    return _Components(
        np.array(post.tau),
        np.array(post.weight),
        np.array(post.density),
        np.array(post.mu_mean) - shift,
        np.square(post.mu_sd),
        shift,
    )


def probability_below(fit: Fit, *, mu: float | None, new: float | None) -> float:
    """Return the posterior probability that mu, or the true effect of a new study, lies below a value.

    Raises
    ------
    ModelError
        A fit without a posterior: a confidence interval carries no such probability.
    InputError
        None or both of the values, or one that is not a number.
    """
    if (mu is None) == (new is None):
        raise InputError("give mu_below or new_below, one of the two")
    name, value = ("mu", mu) if new is None else ("new", new)
    parts = _components(fit, f"P({name} < {value})")
    if value is None or not is_number(value):
        raise InputError(f"{name}_below = {value!r} must be a finite number, in units of the effects")
    spread = parts.variance if new is None else parts.variance + parts.tau**2
    below: Vector = ndtr((value - parts.shift - parts.mean) / np.sqrt(spread))
    return float(parts.weight @ below)


def new_study(fit: Fit, level: float) -> Estimate:
    """Return mean, SD, median, equal-tailed and shortest interval of the true effect of a new study.

    Raises
    ------
    ModelError
        A fit without a posterior.
    InputError
        A level that is none.
    """
    parts, level = _components(fit, "the effect of a new study"), checked_level(level)
    mixtures = Mixtures(parts.weight, parts.mean[None], np.sqrt(parts.variance + parts.tau**2)[None])
    found = mixture_estimate(
        mixtures, 0, central_intervals(mixtures, level)[0], parts.shift, level, infinite=False
    )
    # Given mu and tau it is N(mu, tau^2); the moments of the fit also count the nodes too light to be kept.
    return replace(found, value=fit.mu.value, se=float(np.sqrt(fit.mu.se**2 + fit.tau2.value)))


def true_study_effects(fit: Fit, level: float) -> tuple[Estimate, ...]:
    """Return mean, SD, median, equal-tailed and shortest interval of the true effect of every study.

    Raises
    ------
    ModelError
        A fit without a posterior, or without the effects behind it.
    InputError
        A level that is none.
    """
    parts, level = _components(fit, "the true effect of a study"), checked_level(level)
    if not fit.yi:
        raise ModelError(f"{fit.method}: the fit does not hold its effects; pool them again")
    y, v = np.array(fit.yi) - parts.shift, np.array(fit.vi)
    mean, variance = true_effects(y, v, parts.tau, parts.mean, parts.variance)
    mixtures = Mixtures(parts.weight, mean, np.sqrt(variance))
    ends = central_intervals(mixtures, level)
    every = (
        mixture_estimate(mixtures, i, ends[i], parts.shift, level, infinite=False) for i in range(len(fit.studies))
    )
    return tuple(
        replace(one, value=study.value, se=study.se) for one, study in zip(every, fit.studies, strict=True)
    )


def joint_density(fit: Fit, mu: ArrayLike) -> JointDensity:
    """Return the joint posterior density of mu and tau at given mu, shape (n,), and the nodes of tau.

    Raises
    ------
    ModelError
        A fit without a posterior.
    InputError
        Values of mu that are not finite numbers.
    """
    parts, at = _components(fit, "the joint density of mu and tau"), vector("mu", mu)
    z = (at[:, None] - parts.shift - parts.mean) / np.sqrt(parts.variance)
    density = parts.density * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi * parts.variance)
    return JointDensity(at, parts.tau, density, parts.weight, parts.density)
