"""How far each study pulls the pool: deletion diagnostics of Viechtbauer and Cheung (2010)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtri

from k2meta.models.inputs import Inputs, checked
from k2meta.sensitivity.pool import Pool, known_tau2, pool
from k2meta.shown import ShowsItself

MINIMUM_K = 3
"""With two studies the pool without one of them is the other one, which has no heterogeneity."""

COOK_MEDIAN = float(chdtri(1.0, 0.5))
"""Median of chi-square with one degree of freedom: beyond it a Cook's distance is flagged."""


@dataclass(frozen=True, slots=True)
class StudyInfluence:
    """What happens to the pool when one study is left out.

    Attributes
    ----------
    rstandard : float
        Internally standardised residual: yi - mu over its standard error.
    rstudent, rstudent_se : float
        Externally standardised (deleted) residual, and the standard error it is divided by, in units of yi.
    dffits : float
        Change of the fitted mean, in its standard deviations; positive when the study pulls upwards.
    cooks_d : float
        Squared change of mu over its variance.
    cov_ratio : float
        Variance of mu without the study over the variance with it; below one, the study costs precision.
    tau2_deleted, q_deleted : float
        Between-study variance and Cochran's Q of the others.
    hat : float
        Leverage, which without moderators is the share of the weight.
    weight : float
        The same in percent.
    dfbetas : float
        Change of mu in standard errors, these computed for all studies at the tau2 without the study.
    influential : bool
        Whether one of the published thresholds is crossed: abs(dffits) > 3 / sqrt(k - 1), Cook's distance above
        the median of chi-square(1), hat > 3 / k, or abs(dfbetas) > 1.
    """

    rstandard: float
    rstudent: float
    rstudent_se: float
    dffits: float
    cooks_d: float
    cov_ratio: float
    tau2_deleted: float
    q_deleted: float
    hat: float
    weight: float
    dfbetas: float
    influential: bool


@dataclass(frozen=True, slots=True)
class Influence(ShowsItself):
    """Deletion diagnostics of every study, in the order of the studies; empty when not run."""

    k: int
    tau2: str
    studies: tuple[StudyInfluence, ...]
    converged: bool
    not_run: str = ""
    warnings: tuple[str, ...] = ()


def influence(yi: ArrayLike, vi: ArrayLike, *, tau2: str = "REML") -> Influence:
    """Refit a pool without each study in turn and compare.

    Parameters
    ----------
    yi, vi : array_like, shape (k,)
        Effects and sampling variances.
    tau2 : str
        Estimator of the between-study variance, a key of ``heterogeneity.ESTIMATORS``, or ``"EE"`` for the
        common-effect model. tau2 is estimated anew without each study.

    Returns
    -------
    Influence
        Not run for k < 3. The variances of mu are those of known weights (Wald).

    Raises
    ------
    InputError
        Unusable effects or variances; the message names the index.
    UnknownMethodError
        An unknown estimator.
    """
    known_tau2(tau2)
    data = checked(yi, vi)
    if data.k < MINIMUM_K:
        reason = f"k = {data.k}: influence not run; leaving one study out must leave at least two"
        return Influence(data.k, tau2, (), True, reason)
    full = pool(data.yi, data.vi, tau2)
    rest = [pool(np.delete(data.yi, i), np.delete(data.vi, i), tau2) for i in range(data.k)]
    studies = tuple(_study(data, i, full, without) for i, without in enumerate(rest))
    failed = [i for i, one in enumerate(rest) if not one.converged]
    warnings = tuple(f"tau2 without study {i} did not reach its accuracy." for i in failed)
    return Influence(data.k, tau2, studies, full.converged and not failed, "", warnings)


def _study(data: Inputs, i: int, full: Pool, without: Pool) -> StudyInfluence:
    y, v, k = float(data.yi[i]), float(data.vi[i]), data.k
    # The others' share, summed and not subtracted: for a giant trial 1 - hat would lose its digits.
    others = float(np.delete(full.weight, i).sum()) * full.variance
    hat = float(full.weight[i]) * full.variance
    moved = full.mu - without.mu
    deleted_se = math.sqrt(v + without.tau2 + without.variance)
    dffits = moved / math.sqrt(hat * (v + without.tau2))
    cooks_d = moved * moved / full.variance
    dfbetas = moved * math.sqrt(float(np.sum(1.0 / (data.vi + without.tau2))))
    return StudyInfluence(
        rstandard=(y - full.mu) / math.sqrt((v + full.tau2) * others),
        rstudent=(y - without.mu) / deleted_se,
        rstudent_se=deleted_se,
        dffits=dffits,
        cooks_d=cooks_d,
        cov_ratio=without.variance / full.variance,
        tau2_deleted=without.tau2,
        q_deleted=without.q,
        hat=hat,
        weight=100.0 * hat,
        dfbetas=dfbetas,
        influential=(
            abs(dffits) > 3.0 / math.sqrt(k - 1) or cooks_d > COOK_MEDIAN or hat > 3.0 / k or abs(dfbetas) > 1.0
        ),
    )
