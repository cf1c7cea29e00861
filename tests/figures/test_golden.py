"""The structure of every figure is the one that was looked at: its ids, its elements and its words."""

from __future__ import annotations

import json

import pytest

from tests.figures import golden


@pytest.mark.parametrize("name", golden.CASES)
def test_the_tree_of_a_figure_is_the_one_that_was_looked_at(name: str) -> None:
    wanted = json.loads((golden.FOLDER / f"{name}.json").read_text("utf-8"))
    assert golden.tree(golden.CASES[name]().svg()) == wanted


def test_there_is_no_golden_tree_without_its_figure() -> None:
    assert {path.stem for path in golden.FOLDER.glob("*.json")} == set(golden.CASES)
