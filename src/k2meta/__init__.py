"""Clinical-trial meta-analysis: ``import k2meta as km``, then ``km.random_effects(yi, vi)``.

The names below load what they need when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from k2meta.effects.measures import effect_sizes
    from k2meta.models import priors
    from k2meta.models.bayes_exact import bayes_random_effects
    from k2meta.models.common_effect import common_effect
    from k2meta.models.fit import Fit
    from k2meta.models.random_effects import random_effects

    __version__: str

__all__ = [
    "Fit",
    "__version__",
    "bayes_random_effects",
    "common_effect",
    "effect_sizes",
    "priors",
    "random_effects",
]

_HOME = {
    "Fit": "k2meta.models.fit",
    "bayes_random_effects": "k2meta.models.bayes_exact",
    "common_effect": "k2meta.models.common_effect",
    "effect_sizes": "k2meta.effects.measures",
    "random_effects": "k2meta.models.random_effects",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    value: Any
    if name == "__version__":
        value = importlib.import_module("importlib.metadata").version("k2meta")
    elif name == "priors":
        value = importlib.import_module("k2meta.models.priors")
    elif name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module 'k2meta' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
