"""Priors: for the between-study standard deviation tau, and the normal one for the pooled effect mu.

All parameters of a tau prior are in units of the effects. Densities are normalised where the prior is proper, so
that evidences of different priors can be compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from k2meta.models.errors import PriorError
from k2meta.models.inputs import Vector


class TauPrior(Protocol):
    """What a model asks of a prior for tau; any object with these members will do.

    Attributes
    ----------
    proper : bool
        Whether the density integrates to one.
    width : float or None
        Scale on which the density changes; ``None`` for a density without one.
    tail : float
        Power at which the density falls for large tau: proportional to tau**(-tail); infinite when faster.
    """

    @property
    def proper(self) -> bool: ...

    @property
    def width(self) -> float | None: ...

    @property
    def tail(self) -> float: ...

    def logpdf(self, tau: Vector) -> Vector:
        """Return the log density at tau >= 0, shape (n,); -inf where it is zero."""

    def describe(self) -> str:
        """Return the prior in words."""


def _positive(prior: str, name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0.0):
        raise PriorError(f"{prior}: {name} = {value!r} must be a positive finite number")


@dataclass(frozen=True, slots=True)
class HalfNormal:
    """Half-normal: the absolute value of a normal with mean zero and standard deviation ``scale``."""

    scale: float
    proper = True
    tail = math.inf

    def __post_init__(self) -> None:
        _positive("HalfNormal", "scale", self.scale)

    @property
    def width(self) -> float:
        """Scale on which the density changes."""
        return self.scale

    def logpdf(self, tau: Vector) -> Vector:
        """Return the log density at tau >= 0, shape (n,)."""
        result: Vector = 0.5 * math.log(2.0 / math.pi) - math.log(self.scale) - 0.5 * (tau / self.scale) ** 2
        return result

    def describe(self) -> str:
        """Return the prior in words."""
        return f"half-normal with scale {self.scale:g}"


@dataclass(frozen=True, slots=True)
class HalfT:
    """Half-t: the absolute value of Student's t with ``df`` degrees of freedom times ``scale``."""

    df: float
    scale: float
    proper = True

    def __post_init__(self) -> None:
        _positive("HalfT", "df", self.df)
        _positive("HalfT", "scale", self.scale)

    @property
    def width(self) -> float:
        """Scale on which the density changes."""
        return self.scale

    @property
    def tail(self) -> float:
        """Power at which the density falls for large tau."""
        return self.df + 1.0

    def logpdf(self, tau: Vector) -> Vector:
        """Return the log density at tau >= 0, shape (n,)."""
        half = 0.5 * (self.df + 1.0)
        constant = math.lgamma(half) - math.lgamma(0.5 * self.df) - 0.5 * math.log(self.df * math.pi)
        result: Vector = (
            math.log(2.0) + constant - math.log(self.scale) - half * np.log1p((tau / self.scale) ** 2 / self.df)
        )
        return result

    def describe(self) -> str:
        """Return the prior in words."""
        return f"half-t with {self.df:g} degrees of freedom and scale {self.scale:g}"


@dataclass(frozen=True, slots=True)
class HalfCauchy:
    """Half-Cauchy with median ``scale``: the half-t with one degree of freedom."""

    scale: float
    proper = True
    tail = 2.0

    def __post_init__(self) -> None:
        _positive("HalfCauchy", "scale", self.scale)

    @property
    def width(self) -> float:
        """Scale on which the density changes."""
        return self.scale

    def logpdf(self, tau: Vector) -> Vector:
        """Return the log density at tau >= 0, shape (n,)."""
        result: Vector = math.log(2.0 / math.pi) - math.log(self.scale) - np.log1p((tau / self.scale) ** 2)
        return result

    def describe(self) -> str:
        """Return the prior in words."""
        return f"half-Cauchy with scale {self.scale:g}"


@dataclass(frozen=True, slots=True)
class Exponential:
    """Exponential with mean ``scale`` (the reciprocal of its rate)."""

    scale: float
    proper = True
    tail = math.inf

    def __post_init__(self) -> None:
        _positive("Exponential", "scale", self.scale)

    @property
    def width(self) -> float:
        """Scale on which the density changes."""
        return self.scale

    def logpdf(self, tau: Vector) -> Vector:
        """Return the log density at tau >= 0, shape (n,)."""
        result: Vector = -math.log(self.scale) - tau / self.scale
        return result

    def describe(self) -> str:
        """Return the prior in words."""
        return f"exponential with mean {self.scale:g}"


@dataclass(frozen=True, slots=True)
class Uniform:
    """Uniform between zero and ``upper``; without ``upper`` improper, with density one."""

    upper: float | None = None

    def __post_init__(self) -> None:
        if self.upper is not None:
            _positive("Uniform", "upper", self.upper)

    @property
    def proper(self) -> bool:
        """Whether the density integrates to one."""
        return self.upper is not None

    @property
    def width(self) -> float | None:
        """Scale on which the density changes; none without an upper end."""
        return self.upper

    @property
    def tail(self) -> float:
        """Power at which the density falls for large tau."""
        return 0.0 if self.upper is None else math.inf

    def logpdf(self, tau: Vector) -> Vector:
        """Return the log density at tau >= 0, shape (n,)."""
        if self.upper is None:
            return np.zeros_like(tau)
        return np.where(tau <= self.upper, -math.log(self.upper), -math.inf)

    def describe(self) -> str:
        """Return the prior in words."""
        return "uniform (improper)" if self.upper is None else f"uniform from 0 to {self.upper:g}"


@dataclass(frozen=True, slots=True)
class Normal:
    """Normal prior for the pooled effect mu, in units of the effects."""

    mean: float
    sd: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.mean):
            raise PriorError(f"Normal: mean = {self.mean!r} must be finite")
        _positive("Normal", "sd", self.sd)

    def logpdf(self, mu: Vector) -> Vector:
        """Return the log density at mu, shape (n,)."""
        result: Vector = (
            -0.5 * math.log(2.0 * math.pi) - math.log(self.sd) - 0.5 * ((mu - self.mean) / self.sd) ** 2
        )
        return result

    def describe(self) -> str:
        """Return the prior in words."""
        return f"normal with mean {self.mean:g} and standard deviation {self.sd:g}"
