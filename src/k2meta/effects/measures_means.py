"""Effect measures of two independent arms with a mean, a standard deviation and a size each.

Group 1 is the treatment, group 2 the control. Every function takes arrays of shape (k,) by keyword, ``m1 sd1 n1 m2
sd2 n2``, and returns `EffectSizes`; `k2meta.effects.measures.effect_sizes` checks the inputs first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from k2meta.effects.errors import MeasureError
from k2meta.effects.hedges import hedges_j
from k2meta.effects.inputs import refuse_where
from k2meta.effects.sizes import Array, EffectSizes

SMD_VTYPES = ("LS", "LS2", "UB", "AV", "RevMan")


def unknown_vtype(vtype: str, allowed: tuple[str, ...]) -> MeasureError:
    """Return the error for a variance formula that a measure does not offer."""
    return MeasureError(f"unknown vtype {vtype!r}; use one of {', '.join(allowed)}")


def pooled_variance(sd1: Array, n1: Array, sd2: Array, n2: Array) -> Array:
    """Return the pooled within-arm variance, with n1 + n2 - 2 degrees of freedom."""
    refuse_where(n1 + n2 <= 2, "a pooled SD needs more than one participant in an arm")
    pooled: Array = ((n1 - 1) * sd1**2 + (n2 - 1) * sd2**2) / (n1 + n2 - 2)
    return pooled


def mean_difference(
    *, m1: Array, sd1: Array, n1: Array, m2: Array, sd2: Array, n2: Array, vtype: str = "LS"
) -> EffectSizes:
    """Return the raw mean difference.

    ``vtype``: ``LS`` sd1^2/n1 + sd2^2/n2, which lets the arms differ in variance; ``HO`` the pooled variance times
    1/n1 + 1/n2.
    """
    if vtype == "LS":
        return EffectSizes(m1 - m2, sd1**2 / n1 + sd2**2 / n2)
    if vtype == "HO":
        return EffectSizes(m1 - m2, pooled_variance(sd1, n1, sd2, n2) * (1 / n1 + 1 / n2))
    raise unknown_vtype(vtype, ("LS", "HO"))


def standardised_mean_difference(
    *, m1: Array, sd1: Array, n1: Array, m2: Array, sd2: Array, n2: Array, vtype: str = "LS"
) -> EffectSizes:
    """Return Hedges' g with the pooled SD as standardiser; see `smd_from_d` for the variance formulas."""
    pooled = np.sqrt(pooled_variance(sd1, n1, sd2, n2))
    refuse_where(pooled == 0, "a standardised mean difference needs a pooled SD above zero")
    return smd_from_d((m1 - m2) / pooled, n1, n2, vtype=vtype)


def smd_from_d(d: ArrayLike, n1: ArrayLike, n2: ArrayLike, *, vtype: str = "LS") -> EffectSizes:
    """Return Hedges' g and its variance from Cohen's d.

    Parameters
    ----------
    d : array_like
        Standardised mean difference before correction; t sqrt(1/n1 + 1/n2) for a t statistic.
    n1, n2 : array_like
        Participants per arm.
    vtype : {"LS", "LS2", "UB", "AV", "RevMan"}
        ``LS`` 1/n1 + 1/n2 + g^2 / (2 (n1 + n2)), the large-sample variance at g;
        ``LS2`` J^2 (1/n1 + 1/n2 + d^2 / (2 (n1 + n2))), the large-sample variance at d;
        ``UB`` the unbiased variance (Hedges 1983);
        ``AV`` as LS with the mean of g over the studies, weighted by n1 + n2, in place of each study's own;
        ``RevMan`` the approximate correction 1 - 3 / (4 N - 9) and 1/n1 + 1/n2 + g^2 / (2 (N - 3.94)), N = n1 +
        n2, as the statistical algorithms of Review Manager 5 state them: ``yi`` differs as well.

    Raises
    ------
    MeasureError
        An unknown vtype, or fewer than 2 degrees of freedom.
    """
    d, n1, n2 = (np.asarray(x, dtype=float) for x in (d, n1, n2))
    total = n1 + n2
    df, base = total - 2, 1 / n1 + 1 / n2
    j = hedges_j(df)
    g = j * d
    if vtype == "LS":
        return EffectSizes(g, base + g**2 / (2 * total))
    if vtype == "LS2":
        return EffectSizes(g, j**2 * (base + d**2 / (2 * total)))
    if vtype == "UB":
        return EffectSizes(g, base + (1 - (df - 2) / (df * j**2)) * g**2)
    if vtype == "AV":
        return EffectSizes(g, base + np.average(g, weights=total) ** 2 / (2 * total))
    if vtype == "RevMan":
        g = (1 - 3 / (4 * total - 9)) * d
        return EffectSizes(g, base + g**2 / (2 * (total - 3.94)))
    raise unknown_vtype(vtype, SMD_VTYPES)


def smd_heteroscedastic(*, m1: Array, sd1: Array, n1: Array, m2: Array, sd2: Array, n2: Array) -> EffectSizes:
    """Return the SMD over the root of the mean variance of the arms, for unequal variances (Bonett 2008).

    J uses n1 + n2 - 2 degrees of freedom. With s^2 = (sd1^2 + sd2^2) / 2 the variance is J^2 times
    g^2 (sd1^4/(n1 - 1) + sd2^4/(n2 - 1)) / (8 s^4) + (sd1^2/(n1 - 1) + sd2^2/(n2 - 1)) / s^2, as in metafor 3.8
    (version 5 has another).
    """
    refuse_where(np.minimum(n1, n2) <= 1, "SMDH needs at least 2 participants in each arm")
    mean_variance = (sd1**2 + sd2**2) / 2
    refuse_where(mean_variance == 0, "a standardised mean difference needs an SD above zero")
    j = hedges_j(n1 + n2 - 2)
    g = j * (m1 - m2) / np.sqrt(mean_variance)
    of_sd = g**2 * (sd1**4 / (n1 - 1) + sd2**4 / (n2 - 1)) / (8 * mean_variance**2)
    of_means = (sd1**2 / (n1 - 1) + sd2**2 / (n2 - 1)) / mean_variance
    return EffectSizes(g, j**2 * (of_sd + of_means))


def glass_delta(*, m1: Array, sd1: Array, n1: Array, m2: Array, sd2: Array, n2: Array) -> EffectSizes:
    """Return Glass's delta: the difference over the SD of the control, group 2; J with n2 - 1 degrees of freedom.

    The variance 1/n1 + 1/n2 + yi^2 / (2 n2) takes the arms to have one variance; ``sd1`` is not used.
    """
    delta = _over_control_sd(m1, m2, sd2, n2)
    return EffectSizes(delta, 1 / n1 + 1 / n2 + delta**2 / (2 * n2))


def glass_delta_heteroscedastic(
    *, m1: Array, sd1: Array, n1: Array, m2: Array, sd2: Array, n2: Array
) -> EffectSizes:
    """Return Glass's delta with the variance (sd1/sd2)^2/n1 + 1/n2 + yi^2/(2 n2), for unequal variances."""
    delta = _over_control_sd(m1, m2, sd2, n2)
    return EffectSizes(delta, (sd1 / sd2) ** 2 / n1 + 1 / n2 + delta**2 / (2 * n2))


def _over_control_sd(m1: Array, m2: Array, sd2: Array, n2: Array) -> Array:
    refuse_where(sd2 == 0, "Glass's delta needs an SD of the control above zero")
    delta: Array = hedges_j(n2 - 1) * (m1 - m2) / sd2
    return delta


def log_ratio_of_means(
    *, m1: Array, sd1: Array, n1: Array, m2: Array, sd2: Array, n2: Array, vtype: str = "LS"
) -> EffectSizes:
    """Return the log ratio of means, log(m1/m2), without a bias correction (Hedges, Gurevitch and Curtis 1999).

    ``vtype``: ``LS`` sd1^2/(n1 m1^2) + sd2^2/(n2 m2^2); ``HO`` the pooled variance in place of both.
    """
    refuse_where(m1 * m2 <= 0, "a ratio of means needs two means of one sign, neither of them zero")
    if vtype == "LS":
        one, two = sd1**2, sd2**2
    elif vtype == "HO":
        one = two = pooled_variance(sd1, n1, sd2, n2)
    else:
        raise unknown_vtype(vtype, ("LS", "HO"))
    return EffectSizes(np.log(m1 / m2), one / (n1 * m1**2) + two / (n2 * m2**2))


def log_variability_ratio(*, sd1: Array, n1: Array, sd2: Array, n2: Array) -> EffectSizes:
    """Return the log ratio of the SDs, bias-corrected by 1/(2 (n - 1)) per arm (Nakagawa et al. 2015)."""
    one, two = _half_inverse_df(sd1, n1), _half_inverse_df(sd2, n2)
    return EffectSizes(np.log(sd1 / sd2) + one - two, one + two)


def log_coefficient_of_variation_ratio(
    *, m1: Array, sd1: Array, n1: Array, m2: Array, sd2: Array, n2: Array
) -> EffectSizes:
    """Return the log ratio of the coefficients of variation (Nakagawa et al. 2015), for normal outcomes."""
    refuse_where((m1 <= 0) | (m2 <= 0), "a coefficient of variation needs means above zero")
    one, two = _half_inverse_df(sd1, n1), _half_inverse_df(sd2, n2)
    yi = np.log(sd1 / m1) - np.log(sd2 / m2) + one - two
    return EffectSizes(yi, one + two + sd1**2 / (n1 * m1**2) + sd2**2 / (n2 * m2**2))


def _half_inverse_df(sd: Array, n: Array) -> Array:
    refuse_where((sd == 0) | (n <= 1), "a ratio of variabilities needs SDs above zero and 2 participants per arm")
    half: Array = 1 / (2 * (n - 1))
    return half


def log_odds_ratio_from_means(
    *, m1: Array, sd1: Array, n1: Array, m2: Array, sd2: Array, n2: Array
) -> EffectSizes:
    """Return the log odds ratio that Cohen's d stands for under a logistic trait: d pi / sqrt(3) (Chinn 2000).

    d is uncorrected; its variance is 1/n1 + 1/n2 + d^2 / (2 (n1 + n2)).
    """
    pooled = np.sqrt(pooled_variance(sd1, n1, sd2, n2))
    refuse_where(pooled == 0, "a standardised mean difference needs a pooled SD above zero")
    d, scale = (m1 - m2) / pooled, np.pi / np.sqrt(3)
    return EffectSizes(scale * d, scale**2 * (1 / n1 + 1 / n2 + d**2 / (2 * (n1 + n2))))
