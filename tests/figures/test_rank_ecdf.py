"""The rank plot shows what the band test saw: the band, what is outside of it, in words and in numbers too."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest

from k2meta.calibration import ecdf_band
from k2meta.figures.rank_ecdf import Panel, draw
from k2meta.figures.style import SAVE_METADATA, rc

TITLE = "exact, tau ~ half-normal with scale 0.5, 200 simulations of 5 studies"


def panel(name, values):
    band = ecdf_band(len(values), level=0.99)
    return Panel(name, band.at, band.ecdf(values), band.low, band.high)


@pytest.fixture(scope="module")
def panels():
    even = (np.arange(200) + 0.5) / 200
    return [panel("mu", even), panel("tau", even**2), panel("theta", even)]


def svg(figure):
    with rc():
        buffer = io.BytesIO()
        figure.figure.savefig(buffer, format="svg", metadata=SAVE_METADATA["svg"])
    return buffer.getvalue().decode()


def test_points_outside_the_band_are_marked_and_those_inside_are_not(panels):
    drawn = svg(draw(TITLE, panels, 0.99))
    outside = re.findall(r'id="(outside-\w+?)(?:-\d+)?"', drawn)
    assert set(outside) == {"outside-tau"}
    assert len(outside) == panels[1].leaves.sum() > 0
    for name in ("mu", "tau", "theta"):
        assert f'id="band-{name}"' in drawn
        assert f'id="ranks-{name}"' in drawn


def test_the_words_say_what_the_marks_show(panels):
    alt = draw(TITLE, panels, 0.99).alt
    assert TITLE in alt
    assert "mu inside its band, furthest deviation 0.00" in alt
    # Squares of even values: the share below x is sqrt(x), furthest from x at a quarter, by a quarter.
    assert f"tau outside its band at {panels[1].leaves.sum()} of 100 points, furthest deviation 0.25" in alt
    assert "99 % bands" in alt


def test_the_table_holds_every_point_unrounded(panels):
    table = draw(TITLE, panels, 0.99).table
    assert table.columns == ("parameter", "at", "ecdf", "low", "high")
    rows = [row[1:] for row in table.rows if row[0] == "tau"]
    assert np.array_equal(
        np.array(rows), np.stack([panels[1].at, panels[1].share, panels[1].low, panels[1].high], 1)
    )


def test_two_drawings_are_the_same_bytes(panels):
    assert svg(draw(TITLE, panels, 0.99)) == svg(draw(TITLE, panels, 0.99))
