"""Effect measures of change within one group, and of the change of two groups.

One group: ``m1 sd1 m2 sd2 n r`` are the two conditions of the same n people and their correlation; yi is the first
minus the second. For post minus pre, condition 1 is *post* in the means. SMCR and SMCRH divide by ``sd1``: to
standardise a change by the SD at baseline, pass that SD as ``sd1`` (as metafor's documentation does too).
"""

from __future__ import annotations

import numpy as np

from k2meta.effects.hedges import hedges_j
from k2meta.effects.inputs import refuse_where
from k2meta.effects.measures_means import unknown_vtype
from k2meta.effects.sizes import Array, EffectSizes


def change_variance(sd1: Array, sd2: Array, r: Array) -> Array:
    """Return the variance of a difference of two correlated values: sd1^2 + sd2^2 - 2 r sd1 sd2.

    Written as (sd1 - sd2)^2 + 2 (1 - r) sd1 sd2, which cannot turn negative by rounding when r is near one.
    """
    variance: Array = (sd1 - sd2) ** 2 + 2 * (1 - r) * sd1 * sd2
    return variance


def mean_change(*, m1: Array, sd1: Array, m2: Array, sd2: Array, n: Array, r: Array) -> EffectSizes:
    """Return the raw mean change m1 - m2 with variance sd_change^2 / n."""
    return EffectSizes(m1 - m2, change_variance(sd1, sd2, r) / n)


def standardised_change_by_change_sd(
    *, m1: Array, sd1: Array, m2: Array, sd2: Array, n: Array, r: Array
) -> EffectSizes:
    """Return the mean change over the SD of the change (SMCC), J with n - 1 df, variance 1/n + yi^2/(2 n)."""
    sd = np.sqrt(change_variance(sd1, sd2, r))
    refuse_where(sd == 0, "SMCC needs an SD of the change above zero")
    yi = hedges_j(n - 1) * (m1 - m2) / sd
    return EffectSizes(yi, 1 / n + yi**2 / (2 * n))


def standardised_change_by_raw_sd(*, m1: Array, m2: Array, sd1: Array, n: Array, r: Array) -> EffectSizes:
    """Return the mean change over ``sd1`` (SMCR), J with n - 1 df, variance 2 (1 - r)/n + yi^2/(2 n).

    Becker 1988; the two conditions are taken to have one variance.
    """
    yi = _over_first_sd(m1, m2, sd1, n)
    return EffectSizes(yi, 2 * (1 - r) / n + yi**2 / (2 * n))


def standardised_change_by_raw_sd_heteroscedastic(
    *, m1: Array, sd1: Array, m2: Array, sd2: Array, n: Array, r: Array
) -> EffectSizes:
    """Return the mean change over ``sd1`` with the variance for unequal variances (SMCRH; Bonett 2008).

    The variance is J^2 (sd_change^2 / sd1^2 + yi^2 / 2) / (n - 1), as in metafor 3.8 (version 5 has another).
    """
    yi = _over_first_sd(m1, m2, sd1, n)
    vi = (change_variance(sd1, sd2, r) / sd1**2 + yi**2 / 2) / (n - 1)
    return EffectSizes(yi, hedges_j(n - 1) ** 2 * vi)


def _over_first_sd(m1: Array, m2: Array, sd1: Array, n: Array) -> Array:
    refuse_where(sd1 == 0, "a standardised change needs sd1 above zero")
    yi: Array = hedges_j(n - 1) * (m1 - m2) / sd1
    return yi


def standardised_change_by_pooled_sd(
    *, m1: Array, sd1: Array, m2: Array, sd2: Array, n: Array, r: Array
) -> EffectSizes:
    """Return the mean change over sqrt((sd1^2 + sd2^2) / 2) (SMCRP).

    The mean of two correlated variances has 2 (n - 1) / (1 + r^2) effective degrees of freedom: J uses them, and
    they make the variance 2 (1 - r)/n + yi^2 (1 + r^2)/(4 n).
    """
    pooled = np.sqrt((sd1**2 + sd2**2) / 2)
    refuse_where(pooled == 0, "SMCRP needs an SD above zero")
    refuse_where(n <= 1, "SMCRP needs at least 2 participants")
    yi = hedges_j(2 * (n - 1) / (1 + r**2)) * (m1 - m2) / pooled
    return EffectSizes(yi, 2 * (1 - r) / n + yi**2 * (1 + r**2) / (4 * n))


def log_ratio_of_means_change(*, m1: Array, sd1: Array, m2: Array, sd2: Array, n: Array, r: Array) -> EffectSizes:
    """Return log(m1/m2) of two conditions of the same people (ROMC), without a bias correction."""
    refuse_where(m1 * m2 <= 0, "a ratio of means needs two means of one sign, neither of them zero")
    return EffectSizes(np.log(m1 / m2), change_variance(sd1 / np.abs(m1), sd2 / np.abs(m2), r) / n)


def log_variability_ratio_change(*, sd1: Array, sd2: Array, n: Array, r: Array) -> EffectSizes:
    """Return log(sd1/sd2) of two conditions of the same people (VRC), variance (1 - r^2)/(n - 1)."""
    refuse_where((sd1 == 0) | (sd2 == 0) | (n <= 1), "a ratio of SDs needs SDs above zero and 2 participants")
    return EffectSizes(np.log(sd1 / sd2), (1 - r**2) / (n - 1))


def log_coefficient_of_variation_ratio_change(
    *, m1: Array, sd1: Array, m2: Array, sd2: Array, n: Array, r: Array
) -> EffectSizes:
    """Return the log ratio of the coefficients of variation of two conditions of the same people (CVRC)."""
    refuse_where((m1 <= 0) | (m2 <= 0), "a coefficient of variation needs means above zero")
    of_sd = log_variability_ratio_change(sd1=sd1, sd2=sd2, n=n, r=r)
    of_mean = log_ratio_of_means_change(m1=m1, sd1=sd1, m2=m2, sd2=sd2, n=n, r=r)
    return EffectSizes(of_sd.yi - of_mean.yi, of_sd.vi + of_mean.vi)


def difference_of_standardised_changes(
    *,
    pre1: Array,
    post1: Array,
    sd1: Array,
    n1: Array,
    pre2: Array,
    post2: Array,
    sd2: Array,
    n2: Array,
    r: Array,
    vtype: str = "Morris",
) -> EffectSizes:
    """Return d_ppc2: the difference of the arms' mean changes over the pooled *baseline* SD (Morris 2008).

    ``pre post`` are the arms' means before and after, ``sd1 sd2`` the SDs before, ``r`` the correlation of before
    with after. J is exact, with m = n1 + n2 - 2 degrees of freedom.

    ``vtype``: ``Morris`` J^2 m/(m - 2) (a + yi^2) - yi^2 with a = 2 (1 - r)(1/n1 + 1/n2), the variance of J times
    a noncentral t variable at yi (it needs m > 2); ``LS`` a + yi^2 / (2 (n1 + n2)).
    """
    refuse_where(n1 + n2 <= 4, "d_ppc2 needs more than 4 participants")
    df = n1 + n2 - 2
    pooled = np.sqrt(((n1 - 1) * sd1**2 + (n2 - 1) * sd2**2) / df)
    refuse_where(pooled == 0, "d_ppc2 needs a pooled SD at baseline above zero")
    j = hedges_j(df)
    yi = j * ((post1 - pre1) - (post2 - pre2)) / pooled
    a = 2 * (1 - r) * (1 / n1 + 1 / n2)
    if vtype == "Morris":
        return EffectSizes(yi, j**2 * df / (df - 2) * (a + yi**2) - yi**2)
    if vtype == "LS":
        return EffectSizes(yi, a + yi**2 / (2 * (n1 + n2)))
    raise unknown_vtype(vtype, ("Morris", "LS"))
