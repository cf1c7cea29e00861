"""Effect measures of 2x2 tables and of rates in two arms.

``ai bi`` are events and non-events of group 1 (treatment), ``ci di`` of group 2 (control); ``x1 t1 x2 t2`` are
events and person-time. Counts reach these functions after the rule for zero cells (`k2meta.effects.zero_cells`).
"""

from __future__ import annotations

import numpy as np

from k2meta.effects.inputs import refuse_where
from k2meta.effects.sizes import Array, EffectSizes


def log_risk_ratio(*, ai: Array, bi: Array, ci: Array, di: Array) -> EffectSizes:
    """Return the log risk ratio, with variance 1/ai - 1/n1 + 1/ci - 1/n2."""
    _no_zero_cells(ai, ci, what="log risk ratio")
    n1, n2 = ai + bi, ci + di
    return EffectSizes(np.log((ai / n1) / (ci / n2)), 1 / ai - 1 / n1 + 1 / ci - 1 / n2)


def log_odds_ratio(*, ai: Array, bi: Array, ci: Array, di: Array) -> EffectSizes:
    """Return the log odds ratio, with Woolf's variance 1/ai + 1/bi + 1/ci + 1/di."""
    _no_zero_cells(ai, bi, ci, di, what="log odds ratio")
    return EffectSizes(np.log(ai * di / (bi * ci)), 1 / ai + 1 / bi + 1 / ci + 1 / di)


def risk_difference(*, ai: Array, bi: Array, ci: Array, di: Array) -> EffectSizes:
    """Return the risk difference, with variance ai bi / n1^3 + ci di / n2^3."""
    n1, n2 = _arms(ai, bi, ci, di)
    return EffectSizes(ai / n1 - ci / n2, ai * bi / n1**3 + ci * di / n2**3)


def peto_log_odds_ratio(*, ai: Array, bi: Array, ci: Array, di: Array) -> EffectSizes:
    """Return Peto's log odds ratio (O - E) / V with variance 1/V, V hypergeometric (Yusuf et al. 1985)."""
    n1, n2 = _arms(ai, bi, ci, di)
    events, total = ai + ci, ai + bi + ci + di
    refuse_where(
        (events <= 0) | (events >= total), "Peto's odds ratio is not defined with a zero cell in both arms"
    )
    hypergeometric = n1 * n2 * events * (total - events) / (total**2 * (total - 1))
    return EffectSizes((ai - n1 * events / total) / hypergeometric, 1 / hypergeometric)


def arcsine_difference(*, ai: Array, bi: Array, ci: Array, di: Array) -> EffectSizes:
    """Return the difference of arcsine square root risks, variance 1/(4 n1) + 1/(4 n2) (Rücker et al. 2009)."""
    n1, n2 = _arms(ai, bi, ci, di)
    yi = np.arcsin(np.sqrt(ai / n1)) - np.arcsin(np.sqrt(ci / n2))
    return EffectSizes(yi, 1 / (4 * n1) + 1 / (4 * n2))


def smd_from_odds_ratio(*, ai: Array, bi: Array, ci: Array, di: Array) -> EffectSizes:
    """Return the SMD that a log odds ratio stands for under a logistic trait: times sqrt(3) / pi (Chinn 2000)."""
    found = log_odds_ratio(ai=ai, bi=bi, ci=ci, di=di)
    return EffectSizes(found.yi * np.sqrt(3) / np.pi, found.vi * 3 / np.pi**2)


def log_rate_ratio(*, x1: Array, t1: Array, x2: Array, t2: Array) -> EffectSizes:
    """Return the log incidence rate ratio, with variance 1/x1 + 1/x2."""
    _no_zero_cells(x1, x2, what="log rate ratio")
    return EffectSizes(np.log((x1 / t1) / (x2 / t2)), 1 / x1 + 1 / x2)


def rate_difference(*, x1: Array, t1: Array, x2: Array, t2: Array) -> EffectSizes:
    """Return the incidence rate difference, per unit of time, with variance x1/t1^2 + x2/t2^2."""
    return EffectSizes(x1 / t1 - x2 / t2, x1 / t1**2 + x2 / t2**2)


def square_root_rate_difference(*, x1: Array, t1: Array, x2: Array, t2: Array) -> EffectSizes:
    """Return the difference of the square roots of the rates, with variance 1/(4 t1) + 1/(4 t2)."""
    return EffectSizes(np.sqrt(x1 / t1) - np.sqrt(x2 / t2), 1 / (4 * t1) + 1 / (4 * t2))


def _arms(ai: Array, bi: Array, ci: Array, di: Array) -> tuple[Array, Array]:
    n1, n2 = ai + bi, ci + di
    refuse_where((n1 <= 0) | (n2 <= 0), "an arm without participants")
    return n1, n2


def _no_zero_cells(*cells: Array, what: str) -> None:
    refuse_where(
        np.any(np.array(cells) <= 0, axis=0),
        f"the {what} is not defined with a zero cell; state a rule (zero_cells='only0') or use another measure",
    )
