"""Printed numbers and what rounding leaves open: a value stands for an interval of half its last digit.

A check that works on these intervals proves an inconsistency; it never guesses one from rounding.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
"""What counts as a number in a cell: ASCII digits, a decimal point, an optional exponent."""

MINUS = "\N{MINUS SIGN}"

NOISE = 1e-9
"""Relative width given to every comparison, so that binary rounding of 0.1 is never a finding."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A closed interval ``[low, high]`` with the arithmetic that never loses a possible value."""

    low: float
    high: float

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.high + other.high)

    def __sub__(self, other: Interval) -> Interval:
        return Interval(self.low - other.high, self.high - other.low)

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low)

    def __mul__(self, other: Interval) -> Interval:
        products = [a * b for a in (self.low, self.high) for b in (other.low, other.high)]
        return Interval(min(products), max(products))

    def __truediv__(self, other: Interval) -> Interval:
        """Divide; ``ZeroDivisionError`` where the divisor may be zero."""
        if other.low <= 0 <= other.high:
            raise ZeroDivisionError("the divisor may be zero within its rounding")
        return self * Interval(1 / other.high, 1 / other.low)

    def __abs__(self) -> Interval:
        smallest = 0.0 if self.low <= 0 <= self.high else min(abs(self.low), abs(self.high))
        return Interval(smallest, max(abs(self.low), abs(self.high)))

    @property
    def middle(self) -> float:
        """Centre of the interval."""
        return (self.low + self.high) / 2

    def scaled(self, factor: float) -> Interval:
        """Return the interval times an exact number."""
        return self * Interval(factor, factor)

    def squared(self) -> Interval:
        """Return the squares of the values (not the product of two independent ones)."""
        size = abs(self)
        return Interval(size.low**2, size.high**2)

    def through(self, increasing: Callable[[float], float]) -> Interval:
        """Return the image under an increasing function (``math.log``, ``math.sqrt``)."""
        return Interval(increasing(self.low), increasing(self.high))

    def widened(self, by: float) -> Interval:
        """Return the interval with both ends moved outwards."""
        return Interval(self.low - by, self.high + by)

    def below(self, other: Interval) -> bool:
        """Whether every value lies below every value of ``other``, beyond binary rounding."""
        return self.high < other.low - NOISE * max(abs(self.high), abs(other.low), 1e-300)

    def overlaps(self, other: Interval) -> bool:
        """Whether the two intervals share a value."""
        return not self.below(other) and not other.below(self)

    def gap(self, other: Interval) -> float:
        """Return the distance between the intervals, 0 where they overlap."""
        return 0.0 if self.overlaps(other) else max(other.low - self.high, self.low - other.high)


def exactly(value: float) -> Interval:
    """Return the interval of a number known without rounding (a sample size, a count)."""
    return Interval(value, value)


@dataclass(frozen=True, slots=True)
class Printed:
    """A number as printed.

    Attributes
    ----------
    text : str
        The cell, trailing zeros kept.
    value : float
        The number, parsed exactly.
    interval : Interval
        Every value that rounds to the printed digits: ``value`` plus or minus half the last one.
    """

    text: str
    value: float
    interval: Interval

    def __str__(self) -> str:
        return self.text.replace("-", MINUS)

    def negated(self) -> str:
        """Write the number with the other sign, to the printed digits."""
        return str(self)[1:] if self.text.startswith("-") else MINUS + str(self).removeprefix("+")


@lru_cache(maxsize=65536)  # the checks read one cell many times
def read_printed(text: str) -> Printed | None:
    """Read a printed number with its precision; ``None`` where the text is not a finite number.

    ``0.040`` is known to 0.0005, ``300`` to 0.5 and ``1.2e3`` to 50.
    """
    if not NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        return None
    exact = Decimal(text)
    exponent = exact.as_tuple().exponent
    half = Decimal(5).scaleb(int(exponent) - 1)
    return Printed(text, float(text), Interval(float(exact - half), float(exact + half)))


def brief(value: float, digits: int = 3) -> str:
    """Write a recomputed number with its significant digits, no trailing zeros, a true minus sign."""
    if value == 0 or not math.isfinite(value):
        return f"{abs(value):.0f}"
    decimals = min(9, max(0, digits - 1 - math.floor(math.log10(abs(value)))))
    text = f"{value:.{decimals}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", MINUS)


def p_words(p: float) -> str:
    """Write a recomputed p value."""
    return "p < 0.001" if p < 0.001 else f"p = {brief(p, 2)}"


def span(interval: Interval) -> str:
    """Write a recomputed interval as ``low to high``."""
    return f"{brief(interval.low)} to {brief(interval.high)}"


def minus(first: object, second: object) -> str:
    """Write a subtraction, with brackets around a negative second term."""
    return f"{first} {MINUS} {_bracketed(second)}"


def plus(first: object, second: object) -> str:
    """Write an addition, with brackets around a negative second term."""
    return f"{first} + {_bracketed(second)}"


def _bracketed(term: object) -> str:
    text = str(term)
    return f"({text})" if text.startswith(MINUS) else text
