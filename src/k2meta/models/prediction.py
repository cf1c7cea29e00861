"""Where the true effect of a new study is expected."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from k2meta.models.bootstrap import nagashima
from k2meta.models.fit import Estimate, Prediction
from k2meta.models.inputs import Inputs
from k2meta.models.intervals import critical, hartung_knapp
from k2meta.models.kenward_roger import kenward_roger
from k2meta.models.weighted import pooled

SMALLEST_K = 3
"""With two studies the spread between studies rests on one difference: no prediction is made."""

STUDENT: Mapping[str, Callable[[int], float | None]] = {
    "z": lambda k: None,
    "t(k-1)": lambda k: k - 1.0,
    "t(k-2)": lambda k: k - 2.0,
}
"""Name in the config: degrees of freedom for k studies, ``None`` for the normal distribution."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """A prediction interval, or the sentence that says why there is none."""

    interval: Prediction | None
    not_run: str = ""


def prediction_interval(mu: Estimate, tau2: float, k: int, kind: str, se_name: str) -> Prediction | None:
    """Return mu ± quantile sqrt(tau2 + SE(mu)^2), or ``None`` for k < 3.

    ``SE(mu)`` is the standard error of the interval of mu. With the Wald one and t(k - 2) this is the interval of
    Higgins, Thompson and Spiegelhalter (2009); with the Hartung-Knapp one and t(k - 2) that of Partlett and Riley
    (2017).
    """
    if k < SMALLEST_K:
        return None
    return _around(mu.value, mu.se, tau2, STUDENT[kind](k), f"{kind}, {se_name} SE of mu", mu.level)


def _around(value: float, se: float, tau2: float, df: float | None, method: str, level: float) -> Prediction:
    half = critical(level, df) * math.hypot(math.sqrt(tau2), se)
    return Prediction(value - half, value + half, df, method, level)


def partlett_riley_hk(data: Inputs, tau2: float, level: float) -> Predicted:
    """Return the interval of Partlett and Riley (2017): Hartung-Knapp standard error and t(k - 2)."""
    weight = 1.0 / (data.vi + tau2)
    value, se = pooled(data.yi, weight) + data.shift, hartung_knapp(data.yi, weight)
    return Predicted(_around(value, se, tau2, data.k - 2.0, "t(k-2), HKSJ SE of mu", level))


def partlett_riley_kr(data: Inputs, tau2: float, level: float) -> Predicted:
    """Return the interval of Partlett and Riley (2017): Kenward-Roger standard error and df, less one."""
    weight = 1.0 / (data.vi + tau2)
    adjusted = kenward_roger(data.vi, tau2)
    if adjusted.df <= 1.0:
        return Predicted(
            None,
            f"The Kenward-Roger degrees of freedom are {adjusted.df:.2g}, and the prediction interval needs more "
            "than one: it is not computed.",
        )
    value = pooled(data.yi, weight) + data.shift
    return Predicted(_around(value, adjusted.se, tau2, adjusted.df - 1.0, "t(KR df - 1), KR SE of mu", level))


def bootstrap_prediction(data: Inputs, tau2: float, level: float) -> Predicted:
    """Return the interval of Nagashima and others (2019); ``tau2`` is not used, all of its values are."""
    if float(data.yi.max()) == float(data.yi.min()):
        return Predicted(
            None,
            "All effects are equal: tau2 has no confidence distribution, and nothing is predicted.",
        )
    low, high = (limit + data.shift for limit in nagashima(data.yi, data.vi, level))
    return Predicted(Prediction(low, high, None, "confidence distribution of tau2", level))


OWN: Mapping[str, Callable[[Inputs, float, float], Predicted]] = {
    "PR-HK": partlett_riley_hk,
    "PR-KR": partlett_riley_kr,
    "bootstrap": bootstrap_prediction,
}
"""Predictions that bring their own standard error: effects, tau2 and level to interval."""

PREDICTIONS = (*OWN, *STUDENT)
"""Every name in the config."""


def predict(data: Inputs, mu: Estimate, tau2: float, kind: str, se_name: str) -> Predicted:
    """Return the prediction interval of a kind, or why there is none.

    Parameters
    ----------
    data : Inputs
        Checked effects.
    mu : Estimate
        Pooled effect; its standard error serves the kinds in :data:`STUDENT`.
    tau2 : float
        Estimate of the between-study variance.
    kind : str
        One of :data:`PREDICTIONS`.
    se_name : str
        Name of the standard error of ``mu``, written into the result.
    """
    if data.k < SMALLEST_K:
        return Predicted(None, "Fewer than three studies: no prediction interval is computed.")
    if kind in OWN:
        return OWN[kind](data, tau2, mu.level)
    return Predicted(prediction_interval(mu, tau2, data.k, kind, se_name))
