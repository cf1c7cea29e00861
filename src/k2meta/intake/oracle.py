"""Results that a file stores beside its data: computed again, as Review Manager does.

The formulas are those of the statistical algorithms of Review Manager: half an event is added to every cell of a
table with a zero cell, limits use the normal quantile, a standardised difference the approximate correction.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

from k2meta.records.printed import NUMBER

RATIOS = ("RR", "OR", "HR", "ROM", "PETO_OR")
WORDS = {
    "risk ratio": "RR",
    "odds ratio": "OR",
    "peto odds ratio": "PETO_OR",
    "hazard ratio": "HR",
    "rate ratio": "IRR",
    "risk difference": "RD",
    "mean difference": "MD",
    "std. mean difference": "SMD",
    "standardised mean difference": "SMD",
    "ratio of means": "ROM",
}
RELATIVE = 1e-6
"""Files store more digits than the inputs justify; other software agrees with ours to about 1e-9."""


def measure_of(words: str) -> str:
    """Return our name of an effect measure, or ``""`` where it is not known."""
    text = " ".join(words.replace("(IV)", "").split())
    return WORDS.get(text.casefold(), text if text in {*WORDS.values(), *RATIOS} else "")


def rederived(measure: str, cells: Mapping[str, float], level: float = 95.0) -> dict[str, float]:
    """Return ``estimate, low, high`` of a study from its arms; empty where they cannot be computed.

    Parameters
    ----------
    cells : mapping
        ``m1 sd1 n1 m2 sd2 n2`` or ``e1 n1 e2 n2``; group 1 is the treatment.
    level : float
        Level of the interval in percent.
    """
    from k2meta.effects.errors import EffectError
    from k2meta.effects.measures import effect_sizes

    try:
        if measure in ("MD", "SMD") and {"m1", "sd1", "n1", "m2", "sd2", "n2"} <= set(cells):
            names = ("m1", "sd1", "n1", "m2", "sd2", "n2")
            arms: dict[str, Any] = {name: cells[name] for name in names}
            found = effect_sizes(measure, vtype="RevMan" if measure == "SMD" else None, **arms)
        elif measure in ("RR", "OR", "RD", "PETO_OR") and {"e1", "n1", "e2", "n2"} <= set(cells):
            a, c = cells["e1"], cells["e2"]
            b, d = cells["n1"] - a, cells["n2"] - c
            if min(a, b, c, d) < 0:
                return {}
            peto = measure == "PETO_OR"
            rule = "none" if peto else "only0"
            found = effect_sizes("PETO" if peto else measure, zero_cells=rule, ai=a, bi=b, ci=c, di=d)
        else:
            return {}
    except EffectError:
        return {}
    return limits(float(found.yi[0]), math.sqrt(float(found.vi[0])), level, measure in RATIOS)


def limits(estimate: float, se: float, level: float, logarithm: bool) -> dict[str, float]:
    """Return an estimate with its normal limits, brought back from the log scale for a ratio."""
    if not 0 < level < 100:
        return {}
    z = NormalDist().inv_cdf(0.5 + level / 200)
    values = {"estimate": estimate, "low": estimate - z * se, "high": estimate + z * se}
    if logarithm:
        if max(abs(value) for value in values.values()) > 700:
            return {}
        return {name: math.exp(value) for name, value in values.items()}
    return values


def agrees(stored: str, value: float, relative: float = RELATIVE) -> bool:
    """Return whether a stored number is a value to the digits that it shows, or to a relative difference."""
    if not NUMBER.fullmatch(stored):
        return False
    shown = stored.lower().split("e")
    decimals = len(shown[0].partition(".")[2]) - (int(shown[1]) if len(shown) == 2 else 0)
    half = 0.5 * 10.0**-decimals
    return abs(float(stored) - value) <= max(half * (1 + 1e-9), relative * max(abs(value), 1e-12))
