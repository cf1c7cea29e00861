"""Effects regressed on what the trial table says, against numpy's own weighted least squares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from k2meta import io
from k2meta.analysis import Moderation
from k2meta.commands.moderators import moderation
from k2meta.config import Moderator, Spec
from k2meta.effects.select import select
from k2meta.types import Cell, Effect
from tests.effects.test_select import OUTCOMES, record
from tests.effects.test_select import spec as base_spec

CONFIG = io.read_settings(Path(__file__).parents[2] / "config" / "config.yaml")
# Two solvers of the same three-by-two normal equations.
RELATIVE = 1e-9
VITAMERS = ("K1", "MK-7", "MK-4", "K1", "mixed", "MK-7")
YI = (-12.0, 3.5, -30.0, -4.0, -18.0, 8.0)


def trials(k: int = 6) -> list[dict[str, Cell]]:
    return [
        {"label": f"Trial {i}", "dose": 90.0 * 2**i, "months": 6.0 + i, "vitamer": VITAMERS[i]} for i in range(k)
    ]


def moderator(kind: str, column: str, *groups: tuple[str, tuple[str, ...]], **where: tuple[str, ...]) -> Moderator:
    return Moderator(column, "what is compared", kind, "", "one", groups, where)  # type: ignore[arg-type]


def spec(one: Moderator) -> Spec:
    return base_spec(where={}, moderators=(one,))


def pooled(one: Moderator, known: list[dict[str, Cell]]) -> tuple[Effect, ...]:
    """Select effects as the stage does, from records whose trials say what ``known`` holds."""
    records = [
        record(f"r{i}", study=f"Trial{i}", trial=trial, diff_estimate=YI[i], diff_se=4.0 + i, diff_measure="MD")
        for i, trial in enumerate(known)
    ]
    return select(records, OUTCOMES, spec(one)).effects


def asked(one: Moderator, known: list[dict[str, Cell]]) -> tuple[Moderation, tuple[Effect, ...]]:
    rows = pooled(one, known)
    assert len(rows) == len(known)
    (found,) = moderation(rows, spec(one), CONFIG)
    return found, rows


def stated(rows: tuple[Effect, ...]) -> Mapping[str, Cell]:
    return {row.study_id: row.moderators["one"] for row in rows if row.moderators["one"] is not None}


def slope_by_hand(rows: tuple[Effect, ...], x: list[float], tau2: float) -> float:
    weight = np.sqrt([1 / (row.vi + tau2) for row in rows])
    design = np.column_stack([np.ones(len(rows)), x]) * weight[:, None]
    solved, *_ = np.linalg.lstsq(design, np.array([row.yi for row in rows]) * weight, rcond=None)
    return float(solved[1])


def test_the_slope_is_the_weighted_least_squares_slope_per_doubling() -> None:
    found, rows = asked(moderator("log2", "dose"), trials())
    assert found.tau2 is not None
    x = [math.log2(90.0 * 2**i) for i in range(6)]
    assert found.slopes[1].value == pytest.approx(slope_by_hand(rows, x, found.tau2), rel=RELATIVE)
    assert found.exploratory
    assert (found.id, found.k, found.missing) == ("one", 6, ())


def test_the_line_of_doublings_stands_at_the_numbers_themselves() -> None:
    found, _ = asked(moderator("log2", "dose"), trials())
    assert (found.line[0].at, found.line[-1].at) == pytest.approx((90.0, 90.0 * 2**5), rel=RELATIVE)
    intercept, slope = (one.value for one in found.slopes)
    for point in found.line:
        assert point.value == pytest.approx(intercept + slope * math.log2(point.at), rel=1e-8, abs=1e-8)


def test_groups_are_compared_second_minus_first_and_others_are_left_out() -> None:
    one = moderator("groups", "vitamer", ("K1", ("K1",)), ("K2", ("MK-7", "MK-4")))
    found, rows = asked(one, trials())
    assert list(stated(rows).values()) == ["K1", "K2", "K2", "K1", "K2"]
    assert (found.reference, found.slopes[1].name, found.missing) == ("K1", "K2", ("Trial 4",))
    other, _ = asked(replace(one, groups=(one.groups[1], one.groups[0])), trials())
    assert other.slopes[1].value == pytest.approx(-found.slopes[1].value, rel=RELATIVE)
    assert other.slopes[1].low == pytest.approx(-found.slopes[1].high, rel=RELATIVE)
    assert other.slopes[1].p_permutation == found.slopes[1].p_permutation


def test_two_groups_say_what_a_category_of_two_says() -> None:
    known = [{**trial, "vitamer": "K1" if i % 2 else "MK-7"} for i, trial in enumerate(trials())]
    groups, _ = asked(moderator("groups", "vitamer", ("K1", ("K1",)), ("MK-7", ("MK-7",))), known)
    category, _ = asked(moderator("category", "vitamer"), known)
    assert groups.slopes == category.slopes
    assert groups.reference == category.reference == "K1"


def test_where_narrows_the_trials_and_a_missing_cell_leaves_a_trial_out() -> None:
    known = trials()
    known[5]["months"] = None
    found, rows = asked(moderator("number", "months", vitamer=("MK-7", "K1", "MK-4")), known)
    assert list(stated(rows)) == ["Trial0", "Trial1", "Trial2", "Trial3"]
    assert found.missing == ("Trial 4", "Trial 5")


def test_a_dose_of_zero_is_a_number_and_has_no_doubling() -> None:
    known = trials()
    known[0]["dose"] = 0.0
    _, plain = asked(moderator("number", "dose"), known)
    _, doubled = asked(moderator("log2", "dose"), known)
    assert stated(plain)["Trial0"] == 0.0
    assert "Trial0" not in stated(doubled)


@pytest.mark.parametrize(
    ("one", "k", "words"),
    [
        (
            moderator("groups", "vitamer", ("MK-9", ("MK-9",)), ("K1", ("K1",))),
            6,
            "no study of MK-9 is in the pool",
        ),
        (moderator("number", "nowhere"), 6, "fewer than two studies state it"),
        (moderator("log2", "dose", vitamer=("mixed",)), 6, "fewer than two studies state it"),
        (moderator("category", "vitamer", vitamer=("MK-7",)), 6, "do not differ in it"),
        (moderator("log2", "dose"), 2, "2 studies"),
        (moderator("number", "months"), 0, "fewer than two studies state it"),
    ],
)
def test_what_cannot_be_compared_says_why(one: Moderator, k: int, words: str) -> None:
    found, _ = asked(one, trials(k))
    assert found.slopes == ()
    assert found.not_run.startswith("Not run: ")
    assert words in found.not_run


def test_moderators_and_moderation_are_written_and_read_back_unchanged(tmp_path: Path) -> None:
    known = trials()
    known[0]["months"] = 0.0
    for one in (
        moderator("groups", "vitamer", ("K1", ("K1",)), ("K2", ("MK-7", "MK-4"))),
        moderator("log2", "dose", vitamer=("K1", "MK-7")),
        moderator("number", "months"),
    ):
        found, rows = asked(one, known)
        io.write_effects(tmp_path / "effects.csv", rows)
        assert [row.moderators for row in io.read_effects(tmp_path / "effects.csv")] == [
            r.moderators for r in rows
        ]
        io.write_moderation(tmp_path / "meta_regression.json", (found,))
        assert io.read_moderation(tmp_path / "meta_regression.json") == (found,)
