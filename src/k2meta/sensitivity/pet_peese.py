"""The effect of an infinitely precise study: the conditional PET-PEESE estimator of Stanley and Doucouliagos."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from k2meta.models.errors import InputError
from k2meta.models.fit import Estimate
from k2meta.sensitivity.minimum import SMALL_STUDY_K
from k2meta.sensitivity.regression_test import RegressionTest, regression_test
from k2meta.shown import ShowsItself

RULE = "PEESE where the intercept of PET differs from zero at a two-sided p < {alpha:g}, PET otherwise"


@dataclass(frozen=True, slots=True)
class PetPeese(ShowsItself):
    """Both regressions and the one the rule takes.

    Attributes
    ----------
    pet, peese : RegressionTest
        Weighted regressions on the standard error and on the variance; their ``limit`` is the adjusted effect.
    chosen : str
        ``"PET"``, ``"PEESE"`` or ``""`` when not run.
    estimate : Estimate or None
        Adjusted effect of the chosen regression, t(k - 2), in units of yi.
    rule : str
        How the choice was made.
    """

    k: int
    pet: RegressionTest
    peese: RegressionTest
    chosen: str
    estimate: Estimate | None
    rule: str
    not_run: str = ""
    warnings: tuple[str, ...] = ()


def pet_peese(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    alpha: float = 0.10,
    level: float = 0.95,
    minimum_k: int = SMALL_STUDY_K,
) -> PetPeese:
    """Estimate the effect at a standard error of zero.

    Parameters
    ----------
    yi, vi : array_like, shape (k,)
        Effects and sampling variances.
    alpha : float
        Two-sided level at which the intercept of PET is taken to differ from zero; 0.10 is the one-sided 0.05 of
        the published rule, without presuming the direction.
    level : float
        Coverage of the intervals.
    minimum_k : int
        Fewest studies on which the regressions run (never fewer than three).

    Raises
    ------
    InputError
        Unusable effects, variances, level or ``alpha``; the message names the index.
    """
    if not 0.0 < alpha < 1.0:
        raise InputError(f"alpha = {alpha!r}: a significance level lies between 0 and 1")
    pet = regression_test(yi, vi, predictor="sei", level=level, minimum_k=minimum_k)
    peese = regression_test(yi, vi, predictor="vi", level=level, minimum_k=minimum_k)
    rule = RULE.format(alpha=alpha)
    if pet.limit is None or peese.limit is None:
        return PetPeese(pet.k, pet, peese, "", None, rule, pet.not_run or peese.not_run)
    takes_peese = pet.limit.p is not None and pet.limit.p < alpha
    estimate = peese.limit if takes_peese else pet.limit
    warning = "The choice between PET and PEESE is made on the data; the interval does not know of it."
    return PetPeese(pet.k, pet, peese, "PEESE" if takes_peese else "PET", estimate, rule, "", (warning,))
