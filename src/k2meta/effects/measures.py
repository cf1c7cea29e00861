"""Effect sizes from what trials print: arrays in, ``yi`` and ``vi`` out.

Group 1 is the treatment, group 2 the control; argument names are the field's (``m1 sd1 n1``, ``ai bi ci di``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EffectSizes:
    """Effect sizes of k studies.

    Attributes
    ----------
    yi : (k,) array
        Group 1 minus group 2, on the log scale for ratios.
    vi : (k,) array
        Sampling variances, in squared units of ``yi``.
    """

    yi: Array
    vi: Array


class MeasureError(ValueError):
    """An effect size was asked for with inputs that cannot give one."""


def hedges_j(df: ArrayLike) -> Array:
    """Return the exact small-sample correction of the standardised mean difference.

    J(m) = Gamma(m/2) / (sqrt(m/2) Gamma((m - 1)/2)) (Hedges 1981). The ratio of the gamma functions is evaluated
    as one Pochhammer symbol: the difference of two log-gammas loses eight digits at m = 1e8.

    Parameters
    ----------
    df : array_like
        Degrees of freedom m = n1 + n2 - 2, at least 2.
    """
    from scipy.special import poch

    m = np.asarray(df, dtype=float)
    if np.any(m < 2):
        raise MeasureError(f"Hedges' J needs at least 2 degrees of freedom, got {m.min():g}")
    return np.asarray(poch((m - 1) / 2, 0.5) / np.sqrt(m / 2))


def mean_difference(*, m1: Array, sd1: Array, n1: Array, m2: Array, sd2: Array, n2: Array) -> EffectSizes:
    """Return the raw mean difference with heteroscedastic sampling variance sd1^2/n1 + sd2^2/n2."""
    return EffectSizes(m1 - m2, sd1**2 / n1 + sd2**2 / n2)


def standardised_mean_difference(
    *, m1: Array, sd1: Array, n1: Array, m2: Array, sd2: Array, n2: Array, vtype: str = "LS"
) -> EffectSizes:
    """Return Hedges' g with the pooled SD as standardiser; see `smd_from_d` for the variance formulas."""
    df = n1 + n2 - 2
    pooled = np.sqrt(((n1 - 1) * sd1**2 + (n2 - 1) * sd2**2) / df)
    if np.any(pooled == 0):
        raise MeasureError("a standardised mean difference needs a pooled SD above zero")
    return smd_from_d((m1 - m2) / pooled, n1, n2, vtype=vtype)


def smd_from_d(d: ArrayLike, n1: ArrayLike, n2: ArrayLike, *, vtype: str = "LS") -> EffectSizes:
    """Return Hedges' g and its variance from Cohen's d.

    Parameters
    ----------
    d : array_like
        Standardised mean difference before correction; t sqrt(1/n1 + 1/n2) for a t statistic.
    vtype : {"LS", "LS2", "UB"}
        ``LS`` 1/n1 + 1/n2 + g^2 / (2 (n1 + n2)), the large-sample variance at g;
        ``LS2`` J^2 (1/n1 + 1/n2 + d^2 / (2 (n1 + n2))), the large-sample variance at d;
        ``UB`` the unbiased variance (Hedges 1983).
    """
    d, n1, n2 = (np.asarray(x, dtype=float) for x in (d, n1, n2))
    df = n1 + n2 - 2
    j = hedges_j(df)
    g = j * d
    base = 1 / n1 + 1 / n2
    if vtype == "LS":
        vi = base + g**2 / (2 * (n1 + n2))
    elif vtype == "LS2":
        vi = j**2 * (base + d**2 / (2 * (n1 + n2)))
    elif vtype == "UB":
        vi = base + (1 - (df - 2) / (df * j**2)) * g**2
    else:
        raise MeasureError(f"unknown vtype {vtype!r}; use one of LS, LS2, UB")
    return EffectSizes(g, vi)


def log_risk_ratio(*, ai: Array, bi: Array, ci: Array, di: Array) -> EffectSizes:
    """Return the log risk ratio of 2x2 tables (ai, bi: events and non-events of group 1; ci, di of group 2)."""
    _no_zero_cells(ai, ci, what="log risk ratio")
    n1, n2 = ai + bi, ci + di
    return EffectSizes(np.log((ai / n1) / (ci / n2)), 1 / ai - 1 / n1 + 1 / ci - 1 / n2)


def log_odds_ratio(*, ai: Array, bi: Array, ci: Array, di: Array) -> EffectSizes:
    """Return the log odds ratio of 2x2 tables (ai, bi: events and non-events of group 1; ci, di of group 2)."""
    _no_zero_cells(ai, bi, ci, di, what="log odds ratio")
    return EffectSizes(np.log(ai * di / (bi * ci)), 1 / ai + 1 / bi + 1 / ci + 1 / di)


def _no_zero_cells(*cells: Array, what: str) -> None:
    if any(np.any(cell <= 0) for cell in cells):
        raise MeasureError(f"the {what} is not defined with a zero cell; no continuity correction is applied")


MEASURES: dict[str, Callable[..., EffectSizes]] = {
    "MD": mean_difference,
    "SMD": standardised_mean_difference,
    "RR": log_risk_ratio,
    "OR": log_odds_ratio,
}


def effect_sizes(measure: str, /, *, vtype: str | None = None, **inputs: ArrayLike) -> EffectSizes:
    """Compute effect sizes and sampling variances.

    Parameters
    ----------
    measure : str
        A key of `MEASURES`.
    vtype : str, optional
        Variance formula, for measures that offer several (SMD).
    **inputs : array_like
        ``m1 sd1 n1 m2 sd2 n2`` for MD and SMD; ``ai bi ci di`` for RR and OR. All of one length.

    Raises
    ------
    MeasureError
        Unknown measure or inputs, a non-finite value, a negative SD, a size below 1, or a zero cell.
    """
    if measure not in MEASURES:
        raise MeasureError(f"unknown measure {measure!r}; use one of {', '.join(MEASURES)}")
    arrays = {name: np.atleast_1d(np.asarray(value, dtype=float)) for name, value in inputs.items()}
    for name, values in arrays.items():
        _check_input(name, values)
    options = {} if vtype is None else {"vtype": vtype}
    try:
        return MEASURES[measure](**arrays, **options)
    except TypeError as error:
        raise MeasureError(f"{measure}: {str(error).split(') ', 1)[-1]}") from None


def _check_input(name: str, values: Array) -> None:
    lowest = {"sd1": 0.0, "sd2": 0.0, "n1": 1.0, "n2": 1.0, "ai": 0.0, "bi": 0.0, "ci": 0.0, "di": 0.0}
    bad = ~np.isfinite(values) | (values < lowest.get(name, -np.inf))
    if np.any(bad):
        index = int(np.argmax(bad))
        raise MeasureError(f"{name}[{index}] = {values[index]:g} is not a possible value")
