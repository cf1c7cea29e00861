"""Priors: for the between-study standard deviation tau, and the normal one for the pooled effect mu.

All parameters of a tau prior are in units of the effects. Densities are normalised where the prior is proper, so
that evidences of different priors can be compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import gammaincc, ndtr, stdtr

from k2meta.models.errors import PriorError
from k2meta.models.inputs import Vector, is_number, vector

INDISTINGUISHABLE = 1e-16
"""Share of a prior's median of tau below which no likelihood in double precision tells tau from zero."""

LARGEST_LOCATION = 100.0
"""Largest location of ln(tau**2), either way: beyond it no unit of measurement makes sense."""

FURTHEST = 1e50
"""Largest ratio of the scale of a prior to that of the effects, or the reverse: its fourth power is a number."""

WIDEST = 10.0
"""Largest scale of ln(tau**2): a wider one spreads tau over more orders of magnitude than double precision has."""


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
    if not (is_number(value) and value > 0.0):
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
class LogNormalVariance:
    """Log-normal for the variance: ln(tau**2) is normal, which makes tau log-normal with half of both parameters.

    Attributes
    ----------
    location : float
        Mean of ln(tau**2), tau in units of the effects.
    scale : float
        Standard deviation (not variance) of ln(tau**2).
    """

    location: float
    scale: float
    proper = True
    tail = math.inf

    def __post_init__(self) -> None:
        _log_variance("LogNormalVariance", self.location, self.scale)

    @property
    def width(self) -> float:
        """Scale on which the density changes: four standard deviations of ln(tau) below the median."""
        return math.exp(0.5 * self.location - 2.0 * self.scale)

    @property
    def typical(self) -> float:
        """Median of tau."""
        return math.exp(0.5 * self.location)

    def logpdf(self, tau: Vector) -> Vector:
        """Return the log density at tau >= 0, shape (n,); -inf at zero."""
        with np.errstate(divide="ignore"):
            log_tau = np.log(tau)
        z = (2.0 * log_tau - self.location) / self.scale
        # At zero z is infinite, and its square outweighs -log(tau); inf - inf would be NaN.
        some = np.where(tau > 0.0, log_tau, 0.0)
        result: Vector = math.log(2.0 / self.scale) - 0.5 * math.log(2.0 * math.pi) - 0.5 * z * z - some
        return result

    def mass_below(self, tau: Vector) -> Vector:
        """Return the probability below tau > 0, shape (n,)."""
        result: Vector = ndtr((2.0 * np.log(tau) - self.location) / self.scale)
        return result

    def describe(self) -> str:
        """Return the prior in words."""
        return f"log-normal for tau squared with log mean {self.location:g} and log SD {self.scale:g}"


@dataclass(frozen=True, slots=True)
class TVariance:
    """Log-t for the variance: ln(tau**2) is Student's t with ``df`` degrees of freedom, shifted and scaled.

    The density of tau rises to infinity at zero, as 1 / tau up to powers of log(tau), and is integrable.

    Attributes
    ----------
    df : float
        Degrees of freedom.
    location : float
        Median of ln(tau**2), tau in units of the effects.
    scale : float
        Scale parameter of the t distribution of ln(tau**2); not its standard deviation, nor a variance.

    Notes
    -----
    Below 1e-16 of the median of tau, where no likelihood tells tau from zero, the probability is spread evenly:
    the density stays finite and its integral one.
    """

    df: float
    location: float
    scale: float
    proper = True
    # A hair above one: powers of log(tau) make it proper. Moments that only those powers make finite, such as a
    # posterior mean of tau from two studies under a flat mu, are called infinite: a quadrature cannot reach them.
    tail = math.nextafter(1.0, 2.0)

    def __post_init__(self) -> None:
        _positive("TVariance", "df", self.df)
        _log_variance("TVariance", self.location, self.scale)

    @property
    def width(self) -> float:
        """Scale on which the density changes: where it stops rising towards zero."""
        return INDISTINGUISHABLE * math.exp(0.5 * self.location)

    @property
    def typical(self) -> float:
        """Median of tau."""
        return math.exp(0.5 * self.location)

    def logpdf(self, tau: Vector) -> Vector:
        """Return the log density at tau >= 0, shape (n,)."""
        half = 0.5 * (self.df + 1.0)
        constant = math.lgamma(half) - math.lgamma(0.5 * self.df) - 0.5 * math.log(self.df * math.pi)
        least = self.width
        log_tau = np.log(np.maximum(tau, least))
        z = (2.0 * log_tau - self.location) / self.scale
        above = constant + math.log(2.0 / self.scale) - half * np.log1p(z * z / self.df) - log_tau
        below = float(stdtr(self.df, 2.0 * math.log(INDISTINGUISHABLE) / self.scale)) / least
        return np.where(tau < least, math.log(below) if below > 0.0 else -math.inf, above)

    def mass_below(self, tau: Vector) -> Vector:
        """Return the probability below tau > 0, shape (n,)."""
        log_tau = np.log(np.maximum(tau, self.width))
        above: Vector = stdtr(self.df, (2.0 * log_tau - self.location) / self.scale)
        return np.where(tau < self.width, above * tau / self.width, above)

    def describe(self) -> str:
        """Return the prior in words."""
        return (
            f"log-t for tau squared with {self.df:g} degrees of freedom, "
            f"log median {self.location:g} and log scale {self.scale:g}"
        )


@dataclass(frozen=True, slots=True)
class InverseGamma:
    """Inverse gamma for tau itself (not its square), proportional to tau**(-shape - 1) exp(-scale / tau)."""

    shape: float
    scale: float
    proper = True

    def __post_init__(self) -> None:
        _positive("InverseGamma", "shape", self.shape)
        _positive("InverseGamma", "scale", self.scale)

    @property
    def width(self) -> float:
        """Scale on which the density changes: its mode."""
        return self.scale / (self.shape + 1.0)

    @property
    def tail(self) -> float:
        """Power at which the density falls for large tau."""
        return self.shape + 1.0

    @property
    def typical(self) -> float:
        """Where the density of ln(tau) has its top."""
        return self.scale / self.shape

    def logpdf(self, tau: Vector) -> Vector:
        """Return the log density at tau >= 0, shape (n,); -inf at zero."""
        constant = self.shape * math.log(self.scale) - math.lgamma(self.shape)
        positive = np.maximum(tau, np.finfo(np.float64).tiny)
        with np.errstate(over="ignore"):
            density = constant - (self.shape + 1.0) * np.log(positive) - self.scale / positive
        return np.where(tau > 0.0, density, -math.inf)

    def mass_below(self, tau: Vector) -> Vector:
        """Return the probability below tau > 0, shape (n,)."""
        result: Vector = gammaincc(self.shape, self.scale / tau)
        return result

    def describe(self) -> str:
        """Return the prior in words."""
        return f"inverse gamma with shape {self.shape:g} and scale {self.scale:g}"


@dataclass(frozen=True, slots=True)
class Jeffreys:
    """Jeffreys prior of tau: the square root of its Fisher information in the normal-normal model.

    With y_i ~ N(mu, v_i + tau**2) the information on tau is 2 tau**2 sum(1 / (v_i + tau**2)**2). The prior is
    improper, falls as 1 / tau and belongs to the studies it was made for; it needs two of them.

    Attributes
    ----------
    vi : tuple of float, length k, or None
        Sampling variances of the studies, in squared units of the effects. ``None`` stands for those of the
        studies that are pooled, in a batch of each row; others are refused where the studies are pooled.
    """

    vi: tuple[float, ...] | None = None
    proper = False
    tail = 1.0

    def __post_init__(self) -> None:
        if self.vi is None:
            return
        values = vector("vi", self.vi)
        if not values.size or values.min() <= 0.0:
            raise PriorError("Jeffreys: vi must hold one positive sampling variance per study")
        object.__setattr__(self, "vi", tuple(values.tolist()))

    @property
    def width(self) -> float | None:
        """Scale on which the density changes; none before the studies are known."""
        return None if self.vi is None else math.sqrt(min(self.vi))

    def logpdf(self, tau: Vector) -> Vector:
        """Return the log of the unnormalised density at tau >= 0, shape (n,); -inf at zero."""
        if self.vi is None:
            raise PriorError("Jeffreys(): its density belongs to studies; give their variances, Jeffreys(vi)")
        precision = 1.0 / (np.array(self.vi) + (tau * tau)[:, None])
        with np.errstate(divide="ignore"):
            result: Vector = np.log(tau) + 0.5 * np.log(2.0 * (precision * precision).sum(axis=1))
        return result

    def describe(self) -> str:
        """Return the prior in words."""
        return "Jeffreys (improper)"


def _log_variance(prior: str, location: float, scale: float) -> None:
    if not is_number(location) or not abs(location) <= LARGEST_LOCATION:
        limit = f"between -{LARGEST_LOCATION:g} and {LARGEST_LOCATION:g}"
        raise PriorError(f"{prior}: location = {location!r}, the centre of ln(tau**2), must lie {limit}")
    _positive(prior, "scale", scale)
    if scale > WIDEST:
        raise PriorError(f"{prior}: scale = {scale!r} of ln(tau**2) must be at most {WIDEST:g}")


EMPIRICAL: dict[str, TauPrior] = {
    "turner2015_log_or": LogNormalVariance(-2.56, 1.74),
    "turner2015_log_or_death_drug_vs_placebo": LogNormalVariance(-3.95, 1.34),
    "rhodes2015_smd": TVariance(5.0, -3.44, 2.59),
    "rhodes2015_smd_biomarker": TVariance(5.0, -3.41, 2.83),
    "rhodes2015_smd_structure": TVariance(5.0, -2.43, 2.50),
    "bartos2021_smd": InverseGamma(1.71, 0.40),
}
"""Priors that others estimated from large collections of meta-analyses; only for the effect measure in the name.

``turner2015_*``: predictive distributions of tau squared for log odds ratios (Turner et al. 2015), in general and
for all-cause death with a drug against placebo. ``rhodes2015_*``: for standardised mean differences (Rhodes et al.
2015), in general, for biological markers and for outcomes of internal or external structure. ``bartos2021_smd``:
for tau on the scale of standardised mean differences (Bartoš et al. 2021).
"""

EMPIRICAL_SOURCES: dict[str, str] = {
    "turner2015_log_or": "Turner et al. 2015: tau2 of log odds ratios, in general",
    "turner2015_log_or_death_drug_vs_placebo": (
        "Turner et al. 2015: tau2 of log odds ratios, death from any cause, drug against placebo"
    ),
    "rhodes2015_smd": "Rhodes et al. 2015: tau2 of standardised mean differences, in general",
    "rhodes2015_smd_biomarker": "Rhodes et al. 2015: tau2 of standardised mean differences, biological markers",
    "rhodes2015_smd_structure": (
        "Rhodes et al. 2015: tau2 of standardised mean differences, internal or external structure"
    ),
    "bartos2021_smd": "Bartoš et al. 2021: tau of standardised mean differences",
}
"""Where each empirical prior comes from and what it was estimated for, in words, by the names of ``EMPIRICAL``."""

UNIT_INFORMATION: dict[str, float] = {"MD": 2.0, "SMD": 2.0, "LOGRATIO": 4.0}
"""Standard deviation of a prior of mu that is worth one patient, by effect measure.

With n patients in two equal arms a mean difference has variance 4 sigma**2 / n: at n = 1 the standard deviation is
two patient SDs, which the number counts on ``MD`` and in which an ``SMD`` is measured. Where half of the patients
of either arm have the event, four cells of n / 4 give a log odds ratio the variance 16 / n: a deviation of 4.
"""


@dataclass(frozen=True, slots=True)
class Normal:
    """Normal prior for the pooled effect mu, in units of the effects."""

    mean: float
    sd: float

    def __post_init__(self) -> None:
        if not is_number(self.mean):
            raise PriorError(f"Normal: mean = {self.mean!r} must be a finite number")
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


def of_studies(prior: TauPrior, vi: Vector) -> TauPrior:
    """Return the prior of tau for studies with variances ``vi``, shape (k,): Jeffreys' prior is made of them.

    Raises
    ------
    PriorError
        A Jeffreys prior of other studies.
    """
    if not isinstance(prior, Jeffreys):
        return prior
    if prior.vi is not None and not same_variances(prior.vi, vi):
        raise PriorError(
            f"Jeffreys: made of {len(prior.vi)} sampling variances that are not those of the {len(vi)} studies "
            "pooled, for which it is another prior; give Jeffreys(), which takes theirs"
        )
    return Jeffreys(tuple(vi.tolist()))


def same_variances(given: tuple[float, ...], vi: Vector) -> bool:
    """Say whether two sets of sampling variances are one, in whatever order."""
    return len(given) == len(vi) and bool(np.allclose(np.sort(given), np.sort(vi), rtol=1e-9, atol=0.0))


def out_of_scale(prior: TauPrior | Normal | None, scale: float) -> str:
    """Say why a prior lies beyond every scale of effects of the size ``scale``; empty where it does not."""
    width = prior.sd if isinstance(prior, Normal) else prior.width if prior else None
    if prior is None or width is None or 1.0 / FURTHEST < width / scale < FURTHEST:
        return ""
    return (
        f"{'mu' if isinstance(prior, Normal) else 'tau'} ~ {prior.describe()}: more than {FURTHEST:g} times away "
        f"from the scale of the effects, {scale:.3g}, and double precision does not span that; "
        "give the prior in units of the effects"
    )


def check_tau_prior(prior: object) -> None:
    """Raise a ``PriorError`` for anything that is no prior of tau, such as a bare number."""
    if isinstance(prior, type) or not all(hasattr(prior, name) for name in ("logpdf", "proper", "width", "tail")):
        raise PriorError(
            f"tau_prior = {prior!r} is no prior for tau; name its family and scale, for example HalfNormal(0.5)"
        )


def check_mu_prior(prior: object) -> None:
    """Raise a ``PriorError`` for anything but a normal prior of mu or ``None``, the flat one."""
    if prior is not None and not isinstance(prior, Normal):
        raise PriorError(f"mu_prior = {prior!r} is no prior for mu; give Normal(mean, sd), or None for a flat one")


def check_several(name: str, priors: object, example: str) -> None:
    """Raise a ``PriorError`` for anything but a list or tuple, such as one prior where several are asked for."""
    if not isinstance(priors, list | tuple):
        raise PriorError(f"{name} = {priors!r} must be a list of priors, also of one; for example {example}")
