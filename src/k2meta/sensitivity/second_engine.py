"""The same numbers from statsmodels, a third opinion that shares no code with ours, behind two guards.

statsmodels does not truncate the DerSimonian-Laird tau2 at zero, and does not report whether its Paule-Mandel
iteration converged. Both are recognised here and said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from k2meta.models.fit import Fit
from k2meta.models.heterogeneity import dersimonian_laird, paule_mandel
from k2meta.models.inputs import Inputs, Vector, checked
from k2meta.models.weighted import typical_variance

LINEAR = 1e-9
"""Allowed difference of closed forms, as a share of the standard error: both sides only sum k terms."""

ITERATED = 1e-7
"""Allowed difference of the Paule-Mandel tau2, as a share of tau2 + typical variance."""

CRITERION = 1e-8
"""Allowed distance of Q from k - 1 in the iteration of statsmodels; its default, 1e-5, is too loose for us."""

ITERATIONS = 500
REGRESSIONS = ("z", "t", "HKSJ", "HKSJ-guarded")
"""Intervals of mu that a weighted regression on a constant gives as well."""

ENGINE = "statsmodels"


@dataclass(frozen=True, slots=True)
class Agreement:
    """One number computed by two engines; ``other`` is NaN where the other one gave none."""

    quantity: str
    ours: float
    other: float
    engine: str
    agrees: bool
    note: str


def second_engine(yi: ArrayLike, vi: ArrayLike, fit: Fit) -> tuple[Agreement, ...]:
    """Compare a common-effect or random-effects fit, and two estimators of tau2, with statsmodels.

    Parameters
    ----------
    yi, vi : array_like, shape (k,)
        The effects and sampling variances behind ``fit``.
    fit : Fit
        For a Bayesian fit, and for an interval that is no regression (KR, PL, HC, permutation), only the
        estimators of tau2 are compared: statsmodels has no such model.

    Returns
    -------
    tuple of Agreement
        Empty for one study, where nothing is estimated.

    Raises
    ------
    InputError
        Unusable effects or variances.
    """
    data = checked(yi, vi)
    if data.k < 2:
        return ()
    tau2 = (_dersimonian_laird(data), _paule_mandel(data))
    known = "tau_prior" not in fit.options and fit.options.get("interval", "z") in REGRESSIONS
    return (*_regression(data, fit), *tau2) if known else tau2


def _wls(data: Inputs, tau2: float) -> Any:
    """Return the weighted regression on a constant: its estimated scale is what Hartung and Knapp multiply by."""
    from statsmodels.regression.linear_model import WLS

    return WLS(data.yi, np.ones((data.k, 1)), weights=1.0 / (data.vi + tau2)).fit()


def _regression(data: Inputs, fit: Fit) -> tuple[Agreement, Agreement]:
    result = _wls(data, fit.tau2.value)
    mu = float(result.params[0]) + data.shift
    known, estimated = math.sqrt(float(result.normalized_cov_params[0, 0])), float(result.bse[0])
    interval = str(fit.options.get("interval", "z"))
    se, note = {
        "HKSJ": (estimated, "Hartung-Knapp is WLS with an estimated scale"),
        "HKSJ-guarded": (max(estimated, known), "the larger of WLS with an estimated scale and with scale one"),
    }.get(interval, (known, "WLS with scale one"))
    allowed = LINEAR * known
    return (
        Agreement("mu", fit.mu.value, mu, ENGINE, abs(mu - fit.mu.value) <= allowed, "WLS at our tau2"),
        Agreement("SE of mu", fit.mu.se, se, ENGINE, abs(se - fit.mu.se) <= allowed, note),
    )


def _combine(data: Inputs, method: str, **options: float) -> float:
    from statsmodels.stats.meta_analysis import combine_effects

    # A negative tau2 puts the square root of a negative number into what it computes next.
    with np.errstate(all="ignore"):
        return float(combine_effects(data.yi, data.vi, method_re=method, **options).tau2)


def _dersimonian_laird(data: Inputs) -> Agreement:
    ours, raw = dersimonian_laird(data.yi, data.vi).value, _combine(data, "dl")
    other = max(0.0, raw)
    note = "closed form" if raw >= 0.0 else f"statsmodels leaves it at {raw:.4g}; a variance is truncated at zero"
    agrees = abs(other - ours) <= LINEAR * (ours + typical_variance(data.vi))
    return Agreement("tau2 (DL)", ours, other, ENGINE, agrees, note)


def _paule_mandel(data: Inputs) -> Agreement:
    ours = paule_mandel(data.yi, data.vi).value
    other = _combine(data, "pm", atol=CRITERION, maxiter=ITERATIONS)
    if _meets_its_criterion(data.yi, data.vi, other):
        agrees = abs(other - ours) <= ITERATED * (ours + typical_variance(data.vi))
        return Agreement("tau2 (PM)", ours, other, ENGINE, agrees, "Newton iteration of the same equation")
    # Its regression can still judge our root: there the mean square of the residuals is one.
    square = float(_wls(data, ours).mse_resid)
    agrees = abs(square - 1.0) <= ITERATED if ours > 0.0 else square <= 1.0
    note = f"its iteration stopped short of its own criterion; WLS at our tau2 has a mean square of {square:.6f}"
    return Agreement("tau2 (PM)", ours, math.nan, ENGINE, agrees, note)


def _meets_its_criterion(yi: Vector, vi: Vector, tau2: float) -> bool:
    # Written out, so that this guard does not lean on the function it is a witness for.
    weight = 1.0 / (vi + tau2)
    mean = np.sum(weight * yi) / np.sum(weight)
    gap = float(np.sum(weight * (yi - mean) ** 2)) - (len(yi) - 1)
    return gap <= 0.0 if tau2 == 0.0 else abs(gap) <= 2.0 * CRITERION
