"""How numbers are written where people read: one rule per quantity, rounded once.

Files keep full precision; only figures, tables and sentences call these functions.
"""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_EVEN, Decimal

MINUS = "\N{MINUS SIGN}"

# Private-use characters around a written number whose field is known: field, full value, what people read.
_OPEN, _NEXT, _CLOSE = "\ue000", "\ue001", "\ue002"
CITED = re.compile(f"{_OPEN}([^{_NEXT}]*){_NEXT}([^{_NEXT}]*){_NEXT}([^{_CLOSE}]*){_CLOSE}")
"""A written number that names its field, in a sentence: groups are field, full value and written form."""


class Traced(float):
    """A number that remembers which field of the results it came from; it counts like any other.

    Attributes
    ----------
    field : str
        Path into the results, such as ``cac_agatston.fits.reml_hksj.mu.low``.
    raw : float
        Value of the field; the number itself may be its percentage, absolute value or exponential.
    """

    field: str
    raw: float

    def __new__(cls, value: float, field: str, raw: float | None = None) -> Traced:
        """Return ``value`` as read from ``field``."""
        self = super().__new__(cls, value)
        self.field, self.raw = field, float(value) if raw is None else raw
        return self


class TracedCount(int):
    """A whole number that remembers its field (see `Traced`)."""

    field: str
    raw: float

    def __new__(cls, value: int, field: str) -> TracedCount:
        """Return ``value`` as read from ``field``."""
        self = super().__new__(cls, value)
        self.field, self.raw = field, float(value)
        return self


def of(source: float, value: float) -> float:
    """Return ``value`` as another form of ``source``: its percentage, absolute value or exponential."""
    if isinstance(source, Traced | TracedCount):
        return Traced(value, source.field, source.raw)
    return value


def beside(source: float, name: str, value: float) -> float:
    """Return ``value`` as computed from ``source``, under a name of its own beside that field."""
    if isinstance(source, Traced | TracedCount):
        return Traced(value, f"{source.field.rpartition('.')[0]}.{name}")
    return value


def field_name(name: str) -> str:
    """Return the name of a study, term or test as it stands in the path of a field."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name)


def cited(source: float, written: str) -> str:
    """Return the written form of a number, marked with its field where that is known."""
    if isinstance(source, Traced | TracedCount):
        return f"{_OPEN}{source.field}{_NEXT}{source.raw!r}{_NEXT}{written}{_CLOSE}"
    return written


def plain(sentence: str) -> str:
    """Return a sentence as people read it, without the marks of its numbers."""
    return CITED.sub(r"\3", sentence)


def decimals_for(se: float) -> int:
    """Return the number of decimals at which two significant digits of ``se`` are shown (never negative)."""
    if not math.isfinite(se) or se <= 0:
        return 2
    return max(0, 1 - math.floor(math.log10(se)))


def fixed(value: float, decimals: int) -> str:
    """Write a number with a fixed number of decimals, half-even, true minus sign, no negative zero."""
    return cited(value, _fixed(value, decimals))


def _fixed(value: float, decimals: int) -> str:
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


MOST_DECIMALS = 6
"""Decimals added at most to show on which side of the null value a number lies."""


def telling(value: float, null: float, decimals: int) -> int:
    """Return the decimals at which a number is not read as the null value, ``decimals`` where it never is."""
    if not math.isfinite(value):
        return decimals
    exact, nothing = Decimal(repr(float(value))), Decimal(repr(float(null)))
    for places in range(decimals, decimals + MOST_DECIMALS + 1):
        if exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN) != nothing:
            return places
    return decimals


def limit(measure: str, value: float, decimals: int) -> str:
    """Write an end of an interval on the scale people read, so that its side of the null value is seen."""
    shown = displayed(measure, value)
    return fixed(shown, telling(shown, 1.0 if measure == "LOGRATIO" else 0.0, decimals))


def limits(measure: str, low: float, high: float, decimals: int) -> str:
    """Write an interval on the scale people read as ``low to high``, each end as `limit` does."""
    return f"{limit(measure, low, decimals)} to {limit(measure, high, decimals)}"


def p_value(p: float) -> str:
    """Write a p value: two significant digits, ``p < 0.001`` below that, never ``p = 0.00``."""
    if p < 0.001:
        return f"p < {cited(p, '0.001')}"
    if p > 0.99:
        return f"p > {cited(p, '0.99')}"
    return f"p = {fixed(p, max(2, decimals_for(p)))}"


def percent(share: float, decimals: int = 0) -> str:
    """Write a share of one as a percentage."""
    return cited(share, f"{_fixed(100 * share, decimals)} %")


def coverage(level: float) -> str:
    """Write the level of an interval as a percentage, with a decimal place where it has one."""
    return percent(level, 0 if math.isclose(100 * level, round(100 * level)) else 1)


def count(n: float) -> str:
    """Write a whole number with thin-space thousands from 10 000 on."""
    return fixed(n, 0)


_SMALL = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def number_word(n: int) -> str:
    """Write a whole number in words up to ten, in digits from there on."""
    return _SMALL[n] if n < len(_SMALL) else count(n)


def displayed(measure: str, value: float) -> float:
    """Return a value of the analysis scale on the scale people read: ratios are exponentiated."""
    return of(value, math.exp(value)) if measure == "LOGRATIO" else value


def places(measure: str, se: float) -> int:
    """Return the decimals for estimates of an analysis: two for ratios and SMDs, else by the standard error."""
    return decimals_for(se) if measure in ("MD", "RD") else 2
