"""Effect sizes from what trials print: arrays in, ``yi`` and ``vi`` out.

Group 1 is the treatment, group 2 the control; argument names are the field's (``m1 sd1 n1``, ``ai bi ci di``). The
formulas live beside this module, by what a trial prints: ``measures_means``, ``measures_change``,
``measures_tables``, ``measures_single`` and ``measures_generic``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from k2meta.effects import measures_change as change
from k2meta.effects import measures_generic, measures_means, measures_single, measures_tables
from k2meta.effects.errors import MeasureError
from k2meta.effects.hedges import hedges_j
from k2meta.effects.inputs import checked_inputs, refuse_where
from k2meta.effects.measures_means import smd_from_d
from k2meta.effects.measures_tables import log_risk_ratio
from k2meta.effects.sizes import EffectSizes
from k2meta.effects.zero_cells import corrected

__all__ = ["MEASURES", "EffectSizes", "MeasureError", "effect_sizes", "hedges_j", "log_risk_ratio", "smd_from_d"]

MEASURES: dict[str, Callable[..., EffectSizes]] = {
    "MD": measures_means.mean_difference,
    "SMD": measures_means.standardised_mean_difference,
    "SMDH": measures_means.smd_heteroscedastic,
    "SMD1": measures_means.glass_delta,
    "SMD1H": measures_means.glass_delta_heteroscedastic,
    "ROM": measures_means.log_ratio_of_means,
    "VR": measures_means.log_variability_ratio,
    "CVR": measures_means.log_coefficient_of_variation_ratio,
    "D2OR": measures_means.log_odds_ratio_from_means,
    "MC": change.mean_change,
    "SMCC": change.standardised_change_by_change_sd,
    "SMCR": change.standardised_change_by_raw_sd,
    "SMCRH": change.standardised_change_by_raw_sd_heteroscedastic,
    "SMCRP": change.standardised_change_by_pooled_sd,
    "ROMC": change.log_ratio_of_means_change,
    "VRC": change.log_variability_ratio_change,
    "CVRC": change.log_coefficient_of_variation_ratio_change,
    "DPPC2": change.difference_of_standardised_changes,
    "RR": measures_tables.log_risk_ratio,
    "OR": measures_tables.log_odds_ratio,
    "RD": measures_tables.risk_difference,
    "PETO": measures_tables.peto_log_odds_ratio,
    "AS": measures_tables.arcsine_difference,
    "OR2D": measures_tables.smd_from_odds_ratio,
    "IRR": measures_tables.log_rate_ratio,
    "IRD": measures_tables.rate_difference,
    "IRSD": measures_tables.square_root_rate_difference,
    "PR": measures_single.proportion,
    "PLN": measures_single.log_proportion,
    "PLO": measures_single.logit_proportion,
    "PAS": measures_single.arcsine_proportion,
    "PFT": measures_single.double_arcsine_proportion,
    "IR": measures_single.rate,
    "IRLN": measures_single.log_rate,
    "MN": measures_single.mean,
    "MNLN": measures_single.log_mean,
    "COR": measures_single.correlation,
    "ZCOR": measures_single.fisher_z,
    "HR": measures_generic.log_ratio,
    "GEN": measures_generic.generic,
}


def effect_sizes(
    measure: str,
    /,
    *,
    vtype: str | None = None,
    zero_cells: str = "none",
    add: float = 0.5,
    **inputs: ArrayLike,
) -> EffectSizes:
    """Compute effect sizes and sampling variances.

    Parameters
    ----------
    measure : str
        A key of `MEASURES`.
    vtype : str, optional
        Variance formula, for measures that offer several: MD and ROM ``LS HO``; SMD ``LS LS2 UB AV RevMan``;
        PR ``LS UB AV``; COR ``LS AV``; DPPC2 ``Morris LS``. The first is the default.
    zero_cells : {"none", "only0", "if0all", "all"}
        Rule for zero cells of counts; see `k2meta.effects.zero_cells.RULES`.
    add : float
        What the rule adds to each cell.
    **inputs : array_like
        One value per study, or one value for all of them:
        ``m1 sd1 n1 m2 sd2 n2`` for MD, SMD, SMDH, SMD1, SMD1H, ROM, CVR, D2OR (VR without the means);
        ``m1 sd1 m2 sd2 n r`` for MC, SMCC, SMCRH, SMCRP, ROMC, CVRC (SMCR without ``sd2``, VRC without the means);
        ``pre1 post1 sd1 n1 pre2 post2 sd2 n2 r`` for DPPC2, the SDs at baseline;
        ``ai bi ci di`` for OR, RR, RD, PETO, AS, OR2D; ``x1 t1 x2 t2`` for IRR, IRD, IRSD;
        ``x n`` for PR, PLN, PLO, PAS, PFT; ``x t`` for IR, IRLN; ``m sd n`` for MN, MNLN; ``r n`` for COR, ZCOR;
        ``ratio low high`` (and ``level``) for HR and any printed ratio; ``yi se`` or ``yi low high`` for GEN.
        An input that a measure does not need but its family has (``sd2`` of SMCR) may be given.

    Raises
    ------
    MeasureError
        Unknown measure, vtype, rule or inputs; lengths that differ; a value that is not finite or not possible, a
        ratio or standardised difference that is not defined, a zero cell without a rule. The message names the
        index.
    """
    if measure not in MEASURES:
        raise MeasureError(f"unknown measure {measure!r}; use one of {', '.join(MEASURES)}")
    function = MEASURES[measure]
    names = _wanted(measure, function, set(inputs))
    options = _options(measure, function, vtype)
    arrays = checked_inputs(inputs)
    if {"x", "n"} <= set(arrays):
        refuse_where(arrays["x"] > arrays["n"], "more events (x) than participants (n)")
    arrays, changed = corrected(arrays, zero_cells, add)
    found = function(**{name: arrays[name] for name in names}, **options)
    if not {"ai", "x", "x1"}.isdisjoint(arrays):
        _defined(measure, found)
    # Copies: an effect that is an input (a mean, a correlation) must not change with the caller's array.
    return EffectSizes(np.array(found.yi), np.array(found.vi), changed)


# Inputs that belong to a measure's family though its formula does not need them.
_SPARE = {"SMCR": {"sd2"}, "VRC": {"m1", "m2"}, "VR": {"m1", "m2"}}


def _wanted(measure: str, function: Callable[..., EffectSizes], given: set[str]) -> list[str]:
    """Return the inputs to pass, after refusing what is missing or not an input of the measure."""
    parameters = {p.name: p for p in inspect.signature(function).parameters.values() if p.name != "vtype"}
    missing = [name for name, p in parameters.items() if p.default is p.empty and name not in given]
    if missing:
        raise MeasureError(f"{measure}: missing input {', '.join(missing)}")
    unknown = sorted(given - set(parameters) - _SPARE.get(measure, set()))
    if unknown:
        raise MeasureError(f"{measure}: unknown input {', '.join(unknown)}; it takes {', '.join(parameters)}")
    return [name for name in parameters if name in given]


def _options(measure: str, function: Callable[..., EffectSizes], vtype: str | None) -> dict[str, str]:
    if vtype is None:
        return {}
    if "vtype" not in inspect.signature(function).parameters:
        raise MeasureError(f"{measure} has one variance formula; vtype {vtype!r} is not offered")
    return {"vtype": vtype}


def _defined(measure: str, found: EffectSizes) -> None:
    """Refuse counts that leave no information: a variance of zero would take all the weight of a pool."""
    refuse_where(
        ~np.isfinite(found.yi) | ~np.isfinite(found.vi) | (found.vi <= 0),
        f"{measure} has no positive variance with these zero cells; state a rule (zero_cells='only0')",
    )
