"""The leading model under other conversions is the model itself on each pool."""

from __future__ import annotations

import numpy as np

import k2meta as km
from k2meta.sensitivity import SENSITIVITY


def test_each_pool_is_fitted_and_fewer_than_two_studies_are_not() -> None:
    wide, narrow = (np.array([0.1, 0.4, 0.2]), np.array([0.04, 0.02, 0.03])), (np.array([0.1]), np.array([0.04]))
    first, second = SENSITIVITY["conversions"]([wide, narrow], km.random_effects)
    assert (first.mu, first.tau2) == (km.random_effects(*wide).mu, km.random_effects(*wide).tau2)
    assert second is None
