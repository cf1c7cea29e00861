"""Checks of small-study effects follow the settings: the level, and the leading model where a check pools."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from k2meta import io
from k2meta.analysis import SmallStudyTest
from k2meta.commands.sensitivity import _small_study
from k2meta.config import Config, Model
from k2meta.sensitivity import pet_peese, selection_model, trim_and_fill
from k2meta.tables import TABLES
from k2meta.types import Effect
from tests import samples
from tests.references import load

CONFIG = io.read_settings(Path(__file__).parents[2] / "config" / "config.yaml")
BCG = load("small_study")["datasets"]["bcg_RR"]


def rows() -> tuple[Effect, ...]:
    found = samples.effects(len(BCG["yi"]), "LOGRATIO")
    return tuple(replace(row, yi=y, vi=v) for row, y, v in zip(found, BCG["yi"], BCG["vi"], strict=True))


def settings(level: float = 0.95, **options: str) -> Config:
    kind = "random_effects" if options else "common_effect"
    lead = Model(CONFIG.lead.model, kind, options)  # type: ignore[arg-type]
    others = tuple(model for model in CONFIG.models if model.id != lead.id)
    return replace(CONFIG, level=level, models=(lead, *others))


def found(config: Config, **changes: Any) -> dict[str, SmallStudyTest]:
    spec = replace(samples.spec("LOGRATIO"), **changes)
    return {one.test: one for one in _small_study(rows(), spec, config)}


@pytest.mark.parametrize(("tau2", "interval"), [("DL", "z"), ("PM", "HKSJ"), ("REML", "KR"), ("GENQ", "t")])
def test_trim_and_fill_pools_with_the_leading_model(tau2: str, interval: str) -> None:
    one = found(settings(0.9, tau2=tau2, interval=interval))["trim and fill"]
    fit = trim_and_fill(BCG["yi"], BCG["vi"], tau2=tau2, interval=interval, level=0.9).fit
    assert fit is not None
    assert (one.estimate, one.low, one.high) == (fit.mu.value, fit.mu.low, fit.mu.high)
    assert one.method == f"L0; tau2 by {tau2}, interval by {interval}"


def test_a_leading_common_effect_fills_without_heterogeneity() -> None:
    one = found(settings(0.9))["trim and fill"]
    fit = trim_and_fill(BCG["yi"], BCG["vi"], tau2="EE", level=0.9).fit
    assert fit is not None
    assert fit.tau2.value == 0.0
    assert (one.estimate, one.low, one.high, one.method) == (
        fit.mu.value,
        fit.mu.low,
        fit.mu.high,
        "L0; common effect",
    )


@pytest.mark.parametrize("level", [0.8, 0.99])
def test_every_adjusted_estimate_has_the_level_of_the_settings(level: float) -> None:
    by_test = found(settings(level, tau2="REML", interval="HKSJ-guarded"))
    regressed = pet_peese(BCG["yi"], BCG["vi"], level=level)
    selected = selection_model(BCG["yi"], BCG["vi"], alternative="less", level=level)
    assert regressed.estimate is not None
    assert selected.mu is not None
    for name, mu in (("PET-PEESE", regressed.estimate), ("step-function selection model", selected.mu)):
        assert (by_test[name].low, by_test[name].high) == (mu.low, mu.high)
    assert by_test["PET-PEESE"].method == f"{regressed.chosen}, t(k - 2)"
    assert {one.level for one in by_test.values() if one.estimate is not None} == {level}
    assert all(one.method for one in by_test.values())


@pytest.mark.parametrize(("lower_is_better", "side"), [(True, "less"), (False, "greater")])
def test_results_in_the_better_direction_are_those_that_selection_favours(
    lower_is_better: bool, side: str
) -> None:
    one = found(settings(), lower_is_better=lower_is_better)["step-function selection model"]
    expected = selection_model(BCG["yi"], BCG["vi"], alternative=side)
    assert (one.p, one.not_run) == (expected.lrt_p, expected.not_run)
    assert ("below zero" if lower_is_better else "above zero") in one.method


def test_the_table_names_level_and_method() -> None:
    config = settings(0.9, tau2="DL", interval="z")
    tests = tuple(found(config).values())
    analysis = replace(samples.analysis(13, "LOGRATIO", refitted=False), small_study=tests, level=0.9)
    table = TABLES["small_study"]([analysis], [])
    assert next(column.label for column in table.visible if column.id == "interval") == "90 % CI"
    filled = next(row for row in table.rows if row["test"] == "trim and fill")
    assert (filled["level"], filled["method"]) == (0.9, "L0; tau2 by DL, interval by z")
    assert np.isfinite([filled["low"], filled["high"]]).all()  # type: ignore[list-item]
