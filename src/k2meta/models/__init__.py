"""Models: effects and variances in, one :class:`~k2meta.models.fit.Fit` out.

``MODELS`` holds the deterministic ones. :mod:`k2meta.models.bayes_mcmc` lives beside it: it compiles once and then
serves every analysis of a process, so it is an object and not a function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from k2meta.models.bayes_exact import bayes_random_effects
from k2meta.models.common_effect import common_effect
from k2meta.models.fit import Fit
from k2meta.models.random_effects import random_effects

MODELS: Mapping[str, Callable[..., Fit]] = {
    "random_effects": random_effects,
    "common_effect": common_effect,
    "bayes_exact": bayes_random_effects,
}
