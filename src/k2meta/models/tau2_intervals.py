"""Confidence intervals of tau2 by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from k2meta.models.generalised_q import biggerstaff_tweedie, generalised_q_interval
from k2meta.models.heterogeneity import Tau2, q_profile
from k2meta.models.inputs import Inputs
from k2meta.models.interval_types import Tau2Interval
from k2meta.models.intervals import critical
from k2meta.models.profile_likelihood import profile_likelihood_of_tau2


@dataclass(frozen=True, slots=True)
class Asked:
    """What an interval of tau2 may use: the estimate with the name of its method, and the weights of Q."""

    found: Tau2
    method: str
    weights: str
    level: float


def wald_interval(asked: Asked) -> Tau2Interval:
    """Return tau2 ± z SE(tau2), cut at zero; not run where the estimator has no standard error."""
    if asked.found.se is None:
        return Tau2Interval(
            None, None, not_run=f"The {asked.method} estimate of tau2 has no standard error: no Wald interval."
        )
    half = critical(asked.level, None) * asked.found.se
    return Tau2Interval(max(0.0, asked.found.value - half), max(0.0, asked.found.value + half))


def _likelihood(data: Inputs, level: float, restricted: bool) -> Tau2Interval:
    return profile_likelihood_of_tau2(data.yi, data.vi, level, restricted=restricted)


TAU2_INTERVALS: Mapping[str, Callable[[Inputs, Asked], Tau2Interval]] = {
    "Q-profile": lambda data, asked: q_profile(data.yi, data.vi, asked.level),
    "generalised-Q": lambda data, asked: generalised_q_interval(data.yi, data.vi, asked.level, asked.weights),
    "Biggerstaff-Tweedie": lambda data, asked: biggerstaff_tweedie(data.yi, data.vi, asked.level),
    "PL": lambda data, asked: _likelihood(data, asked.level, asked.method != "ML"),
    "PL-REML": lambda data, asked: _likelihood(data, asked.level, True),
    "PL-ML": lambda data, asked: _likelihood(data, asked.level, False),
    "Wald": lambda data, asked: wald_interval(asked),
}
"""Name in the config: effects and estimate to limits. ``PL`` takes the likelihood of the estimator: the plain one
for ML, else the restricted one."""


def square_root(limit: float | None) -> float:
    """Return the limit of tau that belongs to one of tau2; NaN where that was not computed."""
    return math.nan if limit is None else math.sqrt(limit)
