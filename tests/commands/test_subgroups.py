"""The diamonds of subgroups come from the tau2 and the interval of the leading model, and say so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from k2meta.commands.refits import REFITS, Pool
from k2meta.config import Model
from k2meta.models.subgroups import subgroups
from k2meta.refits import Grouped
from k2meta.types import Record
from tests import samples
from tests.commands.test_small_study import BCG, CONFIG, rows
from tests.references import load

ALLOCATION = load("meta_regression")["allocation"]


def grouped(lead: Model, level: float = 0.95) -> Grouped:
    """Return the subgroups of the BCG trials by allocation, as the stage finds them."""
    effects = rows()
    records = {
        row.extraction_id: Record(
            row.extraction_id, row.study_id, row.outcome, "trials", "", 2, {}, {"allocation": allocation}
        )
        for row, allocation in zip(effects, ALLOCATION, strict=True)
    }
    models = (replace(lead, id=CONFIG.lead.model), *(m for m in CONFIG.models if m.id != CONFIG.lead.model))
    spec = replace(samples.spec("LOGRATIO"), subgroups="allocation")
    found = REFITS["subgroups"](Pool(effects, spec, replace(CONFIG, models=models, level=level), records))
    assert isinstance(found, Grouped)
    return found


@pytest.mark.parametrize(("tau2", "interval"), [("DL", "z"), ("PM", "HKSJ"), ("SJ", "t")])
def test_the_estimator_of_the_leading_model_serves_the_subgroups(tau2: str, interval: str) -> None:
    found = grouped(Model("", "random_effects", {"tau2": tau2, "interval": interval}), 0.9)
    expected = subgroups(BCG["yi"], BCG["vi"], ALLOCATION, tau2=tau2, interval=interval, level=0.9)
    assert [group.mu for group in found.groups] == [group.mu for group in expected.groups]
    assert {group.tau2 for group in found.groups} == {expected.groups[0].tau2}
    assert f"({tau2})" in found.test


@pytest.mark.parametrize("options", [{"tau2": "GENQ", "interval": "PL"}, {}])
def test_a_leading_model_without_a_counterpart_leaves_the_defaults_and_they_are_named(
    options: dict[str, str],
) -> None:
    found = grouped(Model("", "random_effects" if options else "common_effect", options))
    assert found.test == "meta-regression with a common tau2 (REML), F test, HKSJ-guarded"
