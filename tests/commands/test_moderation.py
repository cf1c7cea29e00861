"""Effects regressed on what the trial table says, against numpy's own weighted least squares."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from k2meta import io
from k2meta.commands.moderation import moderation
from k2meta.config import Moderator, Spec
from k2meta.models.meta_regression import meta_regression
from k2meta.types import Cell
from tests import samples

CONFIG = io.read_settings(Path(__file__).parents[2] / "config" / "config.yaml")
# Two solvers of the same three-by-two normal equations.
RELATIVE = 1e-9
VITAMERS = ("K1", "MK-7", "MK-4", "K1", "mixed", "MK-7")


def trials(k: int = 6) -> list[dict[str, Cell]]:
    return [
        {"study_id": f"Trial{i}", "dose": 90.0 * 2**i, "months": 6.0 + i, "vitamer": VITAMERS[i]} for i in range(k)
    ]


def moderator(kind: str, column: str, *groups: tuple[str, tuple[str, ...]], **where: tuple[str, ...]) -> Moderator:
    return Moderator("one", "what is compared", column, kind, groups, where)  # type: ignore[arg-type]


def spec(one: Moderator) -> Spec:
    return replace(samples.spec(), moderators=(one,))


def slope_by_hand(x: list[float], tau2: float, chosen: list[int]) -> float:
    rows = [samples.effects(6)[i] for i in chosen]
    weight = np.sqrt([1 / (row.vi + tau2) for row in rows])
    design = np.column_stack([np.ones(len(rows)), x]) * weight[:, None]
    solved, *_ = np.linalg.lstsq(design, np.array([row.yi for row in rows]) * weight, rcond=None)
    return float(solved[1])


def test_the_slope_is_the_weighted_least_squares_slope_per_doubling() -> None:
    rows = samples.effects(6)
    (found,) = moderation(rows, spec(moderator("log2", "dose")), trials(), CONFIG)
    x = [math.log2(90.0 * 2**i) for i in range(6)]
    fit = meta_regression([r.yi for r in rows], [r.vi for r in rows], x, tau2="REML", interval="HKSJ-guarded")
    assert found.slope is not None
    assert fit.tau2 is not None
    assert found.slope.value == pytest.approx(slope_by_hand(x, fit.tau2.value, list(range(6))), rel=RELATIVE)
    assert found.exploratory
    assert found.k == 6


def test_groups_are_compared_second_minus_first_and_others_are_left_out() -> None:
    one = moderator("groups", "vitamer", ("K1", ("K1",)), ("K2", ("MK-7", "MK-4")))
    (found,) = moderation(samples.effects(6), spec(one), trials(), CONFIG)
    assert [value for _, value in found.values] == ["K1", "K2", "K2", "K1", "K2"]
    assert found.slope is not None
    swapped = replace(one, groups=(one.groups[1], one.groups[0]))
    (other,) = moderation(samples.effects(6), spec(swapped), trials(), CONFIG)
    assert other.slope is not None
    assert other.slope.value == pytest.approx(-found.slope.value, rel=RELATIVE)
    assert other.slope.low == pytest.approx(-found.slope.high, rel=RELATIVE)


def test_where_narrows_the_trials_and_a_missing_cell_leaves_a_trial_out() -> None:
    known = trials()
    known[5]["months"] = None
    one = moderator("linear", "months", vitamer=("MK-7", "K1", "MK-4"))
    (found,) = moderation(samples.effects(6), spec(one), known, CONFIG)
    assert [label for label, _ in found.values] == ["Author 1999", "Author 2000", "Author 2001", "Author 2002"]


@pytest.mark.parametrize(
    ("one", "k", "words"),
    [
        (
            moderator("groups", "vitamer", ("MK-9", ("MK-9",)), ("K1", ("K1",))),
            6,
            "No study of MK-9 is in",
        ),
        (moderator("linear", "nowhere"), 6, "No study of the pool states it"),
        (moderator("log2", "dose", vitamer=("mixed",)), 6, "do not differ in it"),
        (moderator("log2", "dose"), 2, "no degree of freedom"),
        (moderator("linear", "months"), 0, "No study of the pool states it"),
    ],
)
def test_what_cannot_be_compared_says_why(one: Moderator, k: int, words: str) -> None:
    (found,) = moderation(samples.effects(k), spec(one), trials(), CONFIG)
    assert found.slope is None
    assert found.not_run.startswith("Not run: ")
    assert words in found.not_run


def test_moderation_is_written_and_read_back_unchanged(tmp_path: Path) -> None:
    one = moderator("groups", "vitamer", ("K1", ("K1",)), ("K2", ("MK-7", "MK-4")))
    found = (
        *moderation(samples.effects(6), spec(one), trials(), CONFIG),
        *moderation(samples.effects(6), spec(moderator("log2", "dose")), trials(), CONFIG),
    )
    io.write_moderation(tmp_path / "moderators.json", found)
    assert io.read_moderation(tmp_path / "moderators.json") == found
