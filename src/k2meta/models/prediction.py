"""Where the true effect of a new study is expected."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from k2meta.models.fit import Estimate, Prediction
from k2meta.models.intervals import critical

SMALLEST_K = 3
"""With two studies the spread between studies rests on one difference: no prediction is made."""

PREDICTIONS: Mapping[str, Callable[[int], float | None]] = {
    "z": lambda k: None,
    "t(k-1)": lambda k: k - 1.0,
    "t(k-2)": lambda k: k - 2.0,
}
"""Name in the config: degrees of freedom for k studies, ``None`` for the normal distribution."""


def prediction_interval(mu: Estimate, tau2: float, k: int, kind: str, se_name: str) -> Prediction | None:
    """Return mu ± quantile sqrt(tau2 + SE(mu)^2), or ``None`` for k < 3.

    ``SE(mu)`` is the standard error of the interval of mu. With the Wald one and t(k - 2) this is the interval of
    Higgins, Thompson and Spiegelhalter (2009); with the Hartung-Knapp one and t(k - 2) that of Partlett and Riley
    (2017).
    """
    if k < SMALLEST_K:
        return None
    df = PREDICTIONS[kind](k)
    half = critical(mu.level, df) * math.hypot(math.sqrt(tau2), mu.se)
    return Prediction(mu.value - half, mu.value + half, df, f"{kind}, {se_name} SE of mu", mu.level)
