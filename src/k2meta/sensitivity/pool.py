"""One pool by one estimator of tau2, without its intervals: what the checks refit many times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from k2meta.models.errors import UnknownMethodError
from k2meta.models.heterogeneity import ESTIMATORS
from k2meta.models.inputs import Vector
from k2meta.models.weighted import generalised_q, pooled

COMMON_EFFECT = "EE"
"""Name, beside the estimators of tau2, of the model in which tau2 is zero."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The weighted mean of effects.

    Attributes
    ----------
    mu : float
        The mean, in units of ``yi``.
    variance : float
        One over the sum of the weights.
    tau2 : float
        Between-study variance; zero for the common effect and for one study.
    q : float
        Cochran's Q (at tau2 = 0).
    weight : ndarray, shape (k,)
        Inverse total variances.
    converged : bool
        Whether the estimator of tau2 reached its accuracy.
    """

    mu: float
    variance: float
    tau2: float
    q: float
    weight: Vector
    converged: bool


def known_tau2(tau2: str) -> None:
    """Refuse an estimator nobody registered.

    Raises
    ------
    UnknownMethodError
        The message lists the known ones.
    """
    if tau2 != COMMON_EFFECT and tau2 not in ESTIMATORS:
        raise UnknownMethodError("tau2", tau2, [COMMON_EFFECT, *ESTIMATORS])


def pool(yi: Vector, vi: Vector, tau2: str) -> Pool:
    """Pool checked effects, shape (k,), k >= 1.

    Centred anew at the most precise study: with the giant trial left out, another one is the most precise.
    """
    shift = float(yi[np.argmin(vi)])
    y = yi - shift
    estimated = tau2 != COMMON_EFFECT and len(y) > 1
    found = ESTIMATORS[tau2](y, vi) if estimated else None
    value = found.value if found else 0.0
    weight = 1.0 / (vi + value)
    return Pool(
        mu=pooled(y, weight) + shift,
        variance=1.0 / float(weight.sum()),
        tau2=value,
        q=generalised_q(y, vi)(0.0),
        weight=weight,
        converged=found.converged if found else True,
    )
