"""Who makes the heterogeneity, and who moves the mean: the two coordinates of Baujat et al. (2002)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from k2meta.models.inputs import checked
from k2meta.sensitivity.pool import COMMON_EFFECT, known_tau2, pool
from k2meta.shown import ShowsItself


@dataclass(frozen=True, slots=True)
class Baujat(ShowsItself):
    """Coordinates of every study, in the order of the studies; empty when not run.

    Attributes
    ----------
    contribution : tuple of float
        Horizontal: squared residual over vi + tau2. With the common effect these add up to Cochran's Q.
    influence : tuple of float
        Vertical: squared change of mu without the study, over the variance of mu without it.
    """

    k: int
    tau2: str
    contribution: tuple[float, ...]
    influence: tuple[float, ...]
    converged: bool
    not_run: str = ""
    warnings: tuple[str, ...] = ()


def baujat(yi: ArrayLike, vi: ArrayLike, *, tau2: str = COMMON_EFFECT) -> Baujat:
    """Return the coordinates of a Baujat plot.

    Parameters
    ----------
    yi, vi : array_like, shape (k,)
        Effects and sampling variances, k >= 2; not run for one study.
    tau2 : str
        ``"EE"`` as in the paper, or an estimator of ``heterogeneity.ESTIMATORS``, estimated anew without each
        study.

    Raises
    ------
    InputError
        Unusable effects or variances; the message names the index.
    UnknownMethodError
        An unknown estimator.
    """
    known_tau2(tau2)
    data = checked(yi, vi)
    if data.k < 2:
        return Baujat(data.k, tau2, (), (), True, "k = 1: not run; without the study nothing is left")
    full = pool(data.yi, data.vi, tau2)
    rest = [pool(np.delete(data.yi, i), np.delete(data.vi, i), tau2) for i in range(data.k)]
    return Baujat(
        k=data.k,
        tau2=tau2,
        contribution=tuple(float(x) for x in (data.yi - full.mu) ** 2 * full.weight),
        influence=tuple((full.mu - one.mu) ** 2 / one.variance for one in rest),
        converged=full.converged and all(one.converged for one in rest),
    )
