"""The pooled effect with its interval, by the name of the method of inference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from k2meta.models.errors import UnknownMethodError
from k2meta.models.fit import Estimate
from k2meta.models.henmi_copas import henmi_copas
from k2meta.models.inputs import Inputs, Vector
from k2meta.models.interval_types import Pooled
from k2meta.models.intervals import INTERVALS, tested
from k2meta.models.kenward_roger import LOW_DF, kenward_roger
from k2meta.models.permutation import REFITTED, permutation_interval
from k2meta.models.profile_likelihood import profile_likelihood
from k2meta.models.weighted import pooled


@dataclass(frozen=True, slots=True)
class Asked:
    """What a method of inference may use: the estimate of tau2 and its method, the coverage and a seed."""

    tau2: float
    tau2_method: str
    level: float
    seed: int


def shares(weight: Vector) -> tuple[float, ...]:
    """Return weights divided by their sum."""
    return tuple(float(w) for w in weight / weight.sum())


def by_standard_error(data: Inputs, asked: Asked, name: str) -> Pooled:
    """Return the random-effects mean with one of the standard errors in ``intervals.INTERVALS``."""
    weight = 1.0 / (data.vi + asked.tau2)
    standard_error, student = INTERVALS[name]
    df = data.k - 1.0 if student else None
    mu = tested(pooled(data.yi, weight) + data.shift, standard_error(data.yi, weight), asked.level, df)
    return Pooled(mu, shares(weight))


def _kenward_roger(data: Inputs, asked: Asked) -> Pooled:
    weight = 1.0 / (data.vi + asked.tau2)
    adjusted = kenward_roger(data.vi, asked.tau2)
    mu = tested(pooled(data.yi, weight) + data.shift, adjusted.se, asked.level, adjusted.df)
    said = f"Kenward-Roger leaves {adjusted.df:.2g} degrees of freedom: the interval is too wide to exclude much."
    return Pooled(mu, shares(weight), (said,) if adjusted.df < LOW_DF else ())


def _profile(data: Inputs, asked: Asked, bartlett: bool) -> Pooled:
    mu, tau2 = profile_likelihood(data.yi, data.vi, asked.level, -data.shift, bartlett=bartlett)
    return Pooled(_moved(mu, data.shift), shares(1.0 / (data.vi + tau2)))


def _henmi_copas(data: Inputs, asked: Asked) -> Pooled:
    mu = henmi_copas(data.yi, data.vi, asked.level, -data.shift)
    return Pooled(_moved(mu, data.shift), shares(1.0 / data.vi))


def _moved(mu: Estimate, shift: float) -> Estimate:
    return replace(mu, value=mu.value + shift, low=mu.low + shift, high=mu.high + shift)


def _permutation(data: Inputs, asked: Asked) -> Pooled:
    return permutation_interval(data, asked.tau2_method, asked.tau2, asked.level, asked.seed)


OWN: Mapping[str, Callable[[Inputs, Asked], Pooled]] = {
    "KR": _kenward_roger,
    "PL": lambda data, asked: _profile(data, asked, False),
    "PL-Bartlett": lambda data, asked: _profile(data, asked, True),
    "HC": _henmi_copas,
    "permutation": _permutation,
}
"""Methods of inference that are more than a standard error."""

ALL_INTERVALS = (*INTERVALS, *OWN)
"""Every name in the config."""

KEEPS_THE_MEAN = (*INTERVALS, "KR")
"""Intervals around the random-effects mean whose standard error also serves prediction and shrinkage."""

NEEDS: Mapping[str, tuple[str, ...]] = {"KR": ("REML",), "PR-KR": ("REML",), "permutation": tuple(REFITTED)}
"""Methods derived for, or refitted with, some estimators of tau2 only."""


def matched(name: str | None, tau2_method: str) -> None:
    """Refuse an estimator of tau2 that an interval or a prediction is not derived for.

    Raises
    ------
    UnknownMethodError
        The message lists the estimators that go with it.
    """
    if name is not None and name in NEEDS and tau2_method not in NEEDS[name]:
        raise UnknownMethodError(f"tau2 with {name}", tau2_method, NEEDS[name])


def pool(data: Inputs, asked: Asked, name: str) -> Pooled:
    """Return the pooled effect with the interval of a registered method; one study is answered by its own."""
    if data.k == 1:
        return by_standard_error(data, asked, "z")
    return OWN[name](data, asked) if name in OWN else by_standard_error(data, asked, name)
