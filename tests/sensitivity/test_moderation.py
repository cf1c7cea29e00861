"""Meta-regression on one covariate: the published BCG numbers, the line, and why it may not run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from k2meta.sensitivity import SENSITIVITY

# Published to six significant digits, at the reference software's own default tolerance.
PUBLISHED = 2e-4

BCG = json.loads((Path(__file__).parents[1] / "references" / "metafor.json").read_text("utf-8"))["datasets"][
    "bcg_RR"
]
LATITUDE = [44, 55, 42, 52, 13, 44, 19, 13, 27, 42, 18, 33, 33]


def moderated(columns: dict[str, list[float]], **options: object) -> object:
    return SENSITIVITY["moderation"](BCG["yi"], BCG["vi"], columns, **{"permutations": 20, **options})


def test_latitude_explains_the_bcg_trials_as_published() -> None:
    found = moderated({"latitude": LATITUDE}, interval="z")
    slope = found.regression.coefficients[1]
    assert found.regression.coefficients[0].value == pytest.approx(0.251464, rel=PUBLISHED)
    assert slope.value == pytest.approx(-0.0291017, rel=PUBLISHED)
    assert slope.se == pytest.approx(0.00719555, rel=PUBLISHED)
    assert found.regression.tau2.value == pytest.approx(0.0763547, rel=PUBLISHED)
    assert found.regression.r2 == pytest.approx(75.6245, rel=PUBLISHED)


def test_the_line_runs_over_the_covariate_and_follows_the_coefficients() -> None:
    found = moderated({"latitude": LATITUDE})
    assert (found.at[0], found.at[-1]) == (13, 55)
    intercept, slope = (one.value for one in found.regression.coefficients)
    values = [point.value for point in found.line]
    # One product and one sum written twice.
    np.testing.assert_allclose(values, intercept + slope * np.array(found.at), rtol=1e-10)
    assert all(p.prediction_low < p.low < p.value < p.high < p.prediction_high for p in found.line)


def test_a_category_has_no_line() -> None:
    random = [float(x) for x in (1, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0)]
    found = moderated({"random": random})
    assert (found.at, found.line, found.not_run) == ((), (), None)


def test_a_constant_covariate_and_too_few_studies_are_said() -> None:
    assert "constant" in moderated({"latitude": [44.0] * 13}).not_run
    few = SENSITIVITY["moderation"](BCG["yi"][:2], BCG["vi"][:2], {"latitude": LATITUDE[:2]})
    assert few.not_run.startswith("Not run: 2 studies")
