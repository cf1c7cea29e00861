"""Effect sizes against published numbers, reference software and a plain loop."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import k2meta as km
from k2meta.effects.measures import MeasureError, hedges_j, smd_from_d

CLOSED = 1e-10  # closed forms: only rounding separates two right implementations
PRINTED = 5e-7  # the golden numbers are printed to six digits

REFERENCE = json.loads((Path(__file__).parents[1] / "references" / "escalc.json").read_text("utf-8"))

SMD_EXAMPLE = {"m1": 5.2, "sd1": 1.3, "n1": 8, "m2": 4.1, "sd2": 1.6, "n2": 7}


def test_standardised_mean_difference_matches_the_golden_example() -> None:
    assert hedges_j(13)[()] == pytest.approx(0.940982, abs=PRINTED)
    ls = km.effect_sizes("SMD", **SMD_EXAMPLE)
    assert ls.yi[0] == pytest.approx(0.715717, abs=PRINTED)
    assert ls.vi[0] == pytest.approx(0.284932, abs=PRINTED)
    assert km.effect_sizes("SMD", vtype="UB", **SMD_EXAMPLE).vi[0] == pytest.approx(0.290590, abs=PRINTED)


def title(case: dict[str, Any]) -> str:
    return f"{case['measure']} {case.get('options', {})}"


@pytest.mark.parametrize("case", REFERENCE["cases"], ids=title)
def test_effect_sizes_match_the_reference(case: dict[str, Any]) -> None:
    table = REFERENCE["tables"][case["table"]]
    inputs = {name.removesuffix("i") if name[-2].isdigit() else name: column for name, column in table.items()}
    options = case.get("options", {}) if case["measure"] == "SMD" else {}
    found = km.effect_sizes(case["measure"], **options, **inputs)
    np.testing.assert_allclose(found.yi, case["yi"], rtol=CLOSED)
    np.testing.assert_allclose(found.vi, case["vi"], rtol=CLOSED)


def test_the_reference_grid_does_not_shrink() -> None:
    assert len(REFERENCE["cases"]) == 8


def test_mean_difference_is_treatment_minus_control_with_welch_variance() -> None:
    found = km.effect_sizes("MD", m1=[27.0], sd1=[84.85], n1=[200], m2=[37.0], sd2=[95.98], n2=[188])
    assert found.yi[0] == -10
    assert found.vi[0] == pytest.approx(84.85**2 / 200 + 95.98**2 / 188, rel=CLOSED)


@pytest.mark.parametrize("m", [2, 3, 10, 38, 1000, 1e5, 1e8])
def test_hedges_j_is_exact_for_small_and_huge_samples(m: float) -> None:
    # Gamma(x + 1) = x Gamma(x) gives J(m) J(m - 1) = (m - 2) / sqrt(m (m - 1)) without any gamma function.
    exact = (m - 1) / math.sqrt(m * (m + 1))
    assert hedges_j(m)[()] * hedges_j(m + 1)[()] == pytest.approx(exact, rel=1e-11)
    if m < 300:
        product = math.gamma(m / 2) / (math.sqrt(m / 2) * math.gamma((m - 1) / 2))
        assert hedges_j(m)[()] == pytest.approx(product, rel=1e-12)


def test_smd_turns_its_sign_and_keeps_its_variance_when_the_arms_are_swapped() -> None:
    one = smd_from_d(0.4, 20, 31)
    other = smd_from_d(-0.4, 31, 20)
    assert other.yi == -one.yi
    assert other.vi == pytest.approx(float(one.vi), rel=1e-14)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: km.effect_sizes("SND", m1=1), "unknown measure 'SND'; use one of MD, SMD, RR, OR"),
        (lambda: km.effect_sizes("SMD", vtype="XX", **SMD_EXAMPLE), "unknown vtype 'XX'; use one of LS, LS2, UB"),
        (
            lambda: km.effect_sizes("MD", **{**SMD_EXAMPLE, "sd1": -1.3}),
            r"sd1\[0\] = -1.3 is not a possible value",
        ),
        (lambda: km.effect_sizes("MD", **{**SMD_EXAMPLE, "n2": math.nan}), r"n2\[0\] = nan"),
        (lambda: km.effect_sizes("RR", ai=[0], bi=[10], ci=[2], di=[8]), "not defined with a zero cell"),
        (lambda: km.effect_sizes("MD", m1=1, sd1=1), "missing"),
        (lambda: km.effect_sizes("SMD", **{**SMD_EXAMPLE, "n1": 1, "n2": 2}), "at least 2 degrees of freedom"),
        (lambda: km.effect_sizes("SMD", **{**SMD_EXAMPLE, "sd1": 0, "sd2": 0}), "pooled SD above zero"),
    ],
)
def test_bad_input_is_a_typed_error_that_names_what_is_wrong(call: object, message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        call()  # type: ignore[operator]
