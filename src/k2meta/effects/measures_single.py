"""Effect measures of one group: proportions, rates, means and correlations.

``x n`` are events and participants, ``x t`` events and person-time, ``m sd n`` a mean with its SD and size,
``r n`` a correlation of n pairs.
"""

from __future__ import annotations

import numpy as np

from k2meta.effects.inputs import refuse_where
from k2meta.effects.measures_means import unknown_vtype
from k2meta.effects.sizes import Array, EffectSizes

_NO_ZERO = "is not defined with a zero cell; state a rule (zero_cells='only0') or use another measure"


def proportion(*, x: Array, n: Array, vtype: str = "LS") -> EffectSizes:
    """Return the raw proportion p = x/n.

    ``vtype``: ``LS`` p (1 - p)/n; ``UB`` p (1 - p)/(n - 1), unbiased; ``AV`` the mean of p over the studies,
    weighted by n, in place of each study's own.
    """
    p = x / n
    if vtype == "LS":
        return EffectSizes(p, p * (1 - p) / n)
    if vtype == "UB":
        refuse_where(n <= 1, "the unbiased variance of a proportion needs at least 2 participants")
        return EffectSizes(p, p * (1 - p) / (n - 1))
    if vtype == "AV":
        mean = np.average(p, weights=n)
        return EffectSizes(p, mean * (1 - mean) / n)
    raise unknown_vtype(vtype, ("LS", "UB", "AV"))


def log_proportion(*, x: Array, n: Array) -> EffectSizes:
    """Return log(x/n), with variance 1/x - 1/n."""
    refuse_where(x <= 0, f"the log proportion {_NO_ZERO}")
    return EffectSizes(np.log(x / n), 1 / x - 1 / n)


def logit_proportion(*, x: Array, n: Array) -> EffectSizes:
    """Return the log odds log(x/(n - x)), with variance 1/x + 1/(n - x)."""
    refuse_where((x <= 0) | (x >= n), f"the logit proportion {_NO_ZERO}")
    return EffectSizes(np.log(x / (n - x)), 1 / x + 1 / (n - x))


def arcsine_proportion(*, x: Array, n: Array) -> EffectSizes:
    """Return asin(sqrt(x/n)), with variance 1/(4 n)."""
    return EffectSizes(np.arcsin(np.sqrt(x / n)), 1 / (4 * n))


def double_arcsine_proportion(*, x: Array, n: Array) -> EffectSizes:
    """Return the mean of two arcsine transforms, variance 1/(4 n + 2) (Freeman and Tukey 1950)."""
    yi = (np.arcsin(np.sqrt(x / (n + 1))) + np.arcsin(np.sqrt((x + 1) / (n + 1)))) / 2
    return EffectSizes(yi, 1 / (4 * n + 2))


def rate(*, x: Array, t: Array) -> EffectSizes:
    """Return the raw incidence rate x/t, per unit of time, with variance x/t^2."""
    return EffectSizes(x / t, x / t**2)


def log_rate(*, x: Array, t: Array) -> EffectSizes:
    """Return log(x/t), with variance 1/x."""
    refuse_where(x <= 0, f"the log rate {_NO_ZERO}")
    return EffectSizes(np.log(x / t), 1 / x)


def mean(*, m: Array, sd: Array, n: Array) -> EffectSizes:
    """Return the raw mean, with variance sd^2/n."""
    return EffectSizes(m, sd**2 / n)


def log_mean(*, m: Array, sd: Array, n: Array) -> EffectSizes:
    """Return the log of a positive mean, with variance sd^2/(n m^2)."""
    refuse_where(m <= 0, "the log of a mean needs a mean above zero")
    return EffectSizes(np.log(m), sd**2 / (n * m**2))


def correlation(*, r: Array, n: Array, vtype: str = "LS") -> EffectSizes:
    """Return the raw correlation.

    ``vtype``: ``LS`` (1 - r^2)^2/(n - 1); ``AV`` the mean of r over the studies, weighted by n, in place of each
    study's own.
    """
    refuse_where(n <= 1, "the variance of a correlation needs at least 2 pairs")
    refuse_where(np.abs(r) >= 1, "a correlation of -1 or 1 has no positive variance")
    if vtype == "LS":
        return EffectSizes(r, (1 - r**2) ** 2 / (n - 1))
    if vtype == "AV":
        return EffectSizes(r, (1 - np.average(r, weights=n) ** 2) ** 2 / (n - 1))
    raise unknown_vtype(vtype, ("LS", "AV"))


def fisher_z(*, r: Array, n: Array) -> EffectSizes:
    """Return atanh(r), with variance 1/(n - 3) (Fisher 1921)."""
    refuse_where(np.abs(r) >= 1, "Fisher's z is not finite for a correlation of -1 or 1")
    refuse_where(n <= 3, "Fisher's z needs more than 3 pairs")
    return EffectSizes(np.arctanh(r), 1 / (n - 3))
