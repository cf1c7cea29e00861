"""The part of the scale that is shown, its ticks, and text that is measured before it is placed."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from k2meta.figures.scale import Scale, limits, ticks
from k2meta.figures.text import ELLIPSIS, elided, legible, width, wrapped

ROUNDING = 1e-12
"""Absolute: tick values are printed decimals, off by floating point only."""


@pytest.mark.parametrize(
    ("low", "high"), [(-0.05, 0.08), (-0.4, 0.5), (-1.2, 0.9), (-3, 2), (-9, 30), (-200, 300), (-1e-3, 1e-3)]
)
def test_a_ratio_tick_stands_where_its_label_says(low: float, high: float) -> None:
    found = ticks(Scale(low, high, 0, 170), "LOGRATIO", 7.3)
    assert "1" in {label for _, label in found}
    for value, label in found:
        if "×" not in label:
            assert math.log(float(label.replace("\N{THIN SPACE}", ""))) == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize(("low", "high"), [(-137, 120), (-0.31, 0.02), (-1e-4, 3e-4), (-4e6, 9e6), (0.0, 7.0)])
def test_a_tick_of_a_difference_stands_where_its_label_says(low: float, high: float) -> None:
    found = ticks(Scale(low, high, 0, 170), "MD", 7.3)
    assert len(found) >= 2
    for value, label in found:
        written = label.replace("\N{MINUS SIGN}", "-").replace("\N{THIN SPACE}", "")
        assert float(written) == pytest.approx(value, abs=ROUNDING)


def test_the_shown_part_holds_all_points_and_zero_but_follows_a_wide_interval_only_so_far() -> None:
    low, high = limits([1.0, 2.0, 3.0], [(0.5, 1.5), (1.0, 3.0), (-1000.0, 1000.0)])
    assert low < 0
    assert 3 < high < 20


def test_one_estimate_far_from_the_others_does_not_set_the_scale() -> None:
    _, high = limits([1.0, 1.1, 0.9, 1.2, 1e6], [(0.5, 1.5)] * 5)
    assert high < 10


def test_a_near_reference_line_is_shown_and_a_far_one_is_not() -> None:
    low, high = limits([-1.0, 1.0], [(-2.0, 2.0)] * 2, [-3.0, 50.0])
    assert low < -3.0
    assert high < 5.0


def test_text_is_cut_to_the_room_it_has() -> None:
    cut = elided("A" * 120, 8.0, 100.0)
    assert cut.endswith(ELLIPSIS)
    assert 80 < width(cut, 8.0) <= 100
    assert elided("short", 8.0, 100.0) == "short"


def test_lines_are_broken_at_spaces_and_the_rest_is_elided() -> None:
    lines = wrapped("alpha beta gamma delta " * 5, 8.0, 90.0, lines=2)
    assert len(lines) == 2
    assert lines[1].endswith(ELLIPSIS)
    assert all(width(line, 8.0) <= 90 for line in lines)


@pytest.mark.parametrize(
    ("given", "drawn"),
    [
        ("a\nb\t c", "a b c"),
        ("x\u202ey\u200d", "xy"),
        ("\ud800z", "z"),
        ("張 1", "□ 1"),
        ("e\u0301", "é"),
        ("שלום", "שלום"),
    ],
)
def test_a_label_is_reduced_to_what_the_bundled_font_can_draw(given: str, drawn: str) -> None:
    assert legible(given) == drawn


def test_importing_the_figures_loads_no_matplotlib() -> None:
    script = "import sys, k2meta.figures; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
