"""What ``import k2meta`` promises and what it must not load."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import k2meta as km
from k2meta.models import MODELS

HEAVY = ("scipy.stats", "scipy.optimize", "pandas", "matplotlib", "statsmodels", "pymc", "arviz", "nutpie")


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_importing_the_package_loads_not_even_numpy():
    assert not {"numpy", *HEAVY} & loaded_after("import k2meta")


def test_pooling_loads_no_heavy_library():
    statement = "import k2meta as km\nkm.random_effects([.1, .2, .3], [.1, .1, .1])"
    assert not set(HEAVY) & loaded_after(statement)
    assert not set(HEAVY) & loaded_after("import k2meta.models.bayes_mcmc, k2meta.sensitivity")


@pytest.mark.parametrize("name", km.__all__)
def test_every_public_name_is_there(name):
    assert getattr(km, name) is not None
    assert name in dir(km)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'random_effect'"):
        _ = km.random_effect  # type: ignore[attr-defined]


def test_every_registered_model_takes_effects_variances_level_and_an_id():
    assert set(MODELS) == {"random_effects", "common_effect", "bayes_exact"}
    for model in MODELS.values():
        assert {"yi", "vi", "level", "model"} <= set(inspect.signature(model).parameters)
