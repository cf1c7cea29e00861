"""How numbers are written where people read: one rule per quantity, rounded once.

Files keep full precision; only figures, tables and sentences call these functions.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, Decimal

MINUS = "\N{MINUS SIGN}"


def decimals_for(se: float) -> int:
    """Return the number of decimals at which two significant digits of ``se`` are shown (never negative)."""
    if not math.isfinite(se) or se <= 0:
        return 2
    return max(0, 1 - math.floor(math.log10(se)))


def fixed(value: float, decimals: int) -> str:
    """Write a number with a fixed number of decimals, half-even, true minus sign, no negative zero."""
    if math.isnan(value):
        return "not estimable"
    if math.isinf(value):
        return "\N{INFINITY}" if value > 0 else f"{MINUS}\N{INFINITY}"
    quantum = Decimal(1).scaleb(-decimals)
    rounded = Decimal(repr(float(value))).quantize(quantum, rounding=ROUND_HALF_EVEN)
    if rounded == 0:
        rounded = abs(rounded)
    text = f"{rounded:,f}".replace(",", "\N{THIN SPACE}") if abs(rounded) >= 10000 else f"{rounded:f}"
    return text.replace("-", MINUS)


def interval(low: float, high: float, decimals: int) -> str:
    """Write an interval as ``low to high``."""
    return f"{fixed(low, decimals)} to {fixed(high, decimals)}"


def p_value(p: float) -> str:
    """Write a p value: two significant digits, ``p < 0.001`` below that, never ``p = 0.00``."""
    if p < 0.001:
        return "p < 0.001"
    if p > 0.99:
        return "p > 0.99"
    return f"p = {fixed(p, max(2, decimals_for(p)))}"


def percent(share: float, decimals: int = 0) -> str:
    """Write a share of one as a percentage."""
    return f"{fixed(100 * share, decimals)} %"


def count(n: float) -> str:
    """Write a whole number with thin-space thousands from 10 000 on."""
    return fixed(n, 0)


def displayed(measure: str, value: float) -> float:
    """Return a value of the analysis scale on the scale people read: ratios are exponentiated."""
    return math.exp(value) if measure == "LOGRATIO" else value


def places(measure: str, se: float) -> int:
    """Return the decimals for estimates of an analysis: two for ratios and SMDs, else by the standard error."""
    return decimals_for(se) if measure in ("MD", "RD") else 2
