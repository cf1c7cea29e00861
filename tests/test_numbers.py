"""How numbers are written: an end of an interval never hides on which side of the null value it lies."""

from __future__ import annotations

import math

import pytest

from k2meta.numbers import fixed, limit, limits, telling


@pytest.mark.parametrize(
    ("value", "null", "decimals", "written"),
    [
        (0.0032, 0.0, 2, "0.003"),
        (-0.0032, 0.0, 2, "−0.003"),
        (0.0049, 0.0, 2, "0.005"),
        (0.32, 0.0, 0, "0.3"),
        (0.0, 0.0, 2, "0.00"),
        (1.004, 1.0, 2, "1.004"),
        (0.99996, 1.0, 2, "0.99996"),
        (0.99, 1.0, 2, "0.99"),
        (22.1, 0.0, 0, "22"),
        # Nearer than anybody could read: written on the null value.
        (1e-12, 0.0, 2, "0.00"),
        (math.inf, 0.0, 2, "∞"),
    ],
)
def test_a_number_near_the_null_value_is_written_until_its_side_is_seen(
    value: float, null: float, decimals: int, written: str
) -> None:
    assert fixed(value, telling(value, null, decimals)) == written


def test_ends_of_an_interval_are_told_from_the_null_value_of_their_measure() -> None:
    assert limits("SMD", -0.324, 0.0032, 2) == "−0.32 to 0.003"
    assert limits("LOGRATIO", math.log(0.5), math.log(1.0032), 2) == "0.50 to 1.003"
    assert limit("MD", 1.0, 0) == "1"
