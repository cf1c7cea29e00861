"""Clinical-trial meta-analysis: ``import k2meta as km``, then ``km.random_effects(yi, vi)``.

The names below load what they need when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from k2meta import figures
    from k2meta.alone import forest
    from k2meta.calibration import ecdf_band, sbc
    from k2meta.effects.change import change_sd, change_sweep, crossover, implied_r
    from k2meta.effects.combine import combine_arms, combine_events
    from k2meta.effects.covariance import shared_control, smd_common_sd
    from k2meta.effects.five_number import five_number, five_number_lognormal, skewness_test
    from k2meta.effects.measures import effect_sizes
    from k2meta.models import priors
    from k2meta.models.assurance import assurance
    from k2meta.models.batch import random_effects_batch
    from k2meta.models.bayes_batch import bayes_random_effects_batch
    from k2meta.models.bayes_binomial import BinomialSampler
    from k2meta.models.bayes_correlated import LKJ, CorrelatedSampler
    from k2meta.models.bayes_exact import bayes_random_effects
    from k2meta.models.bayes_factors import bayes_factor_effect, bayes_factor_heterogeneity
    from k2meta.models.bayes_mcmc import HierarchicalSampler
    from k2meta.models.bayes_mcmc_regression import RegressionSampler
    from k2meta.models.bayes_regression import bayes_meta_regression
    from k2meta.models.bayes_student import LogNormalDf, StudentSampler
    from k2meta.models.common_effect import common_effect
    from k2meta.models.counts import mantel_haenszel, peto
    from k2meta.models.datatree import as_datatree
    from k2meta.models.fit import Fit
    from k2meta.models.map_prior import effective_sample_size, map_prior
    from k2meta.models.meta_regression import meta_regression
    from k2meta.models.mixtures import NormalMixture
    from k2meta.models.model_averaging import model_averaging
    from k2meta.models.multilevel import constant_correlation, multilevel, multivariate
    from k2meta.models.prior_strip import prior_strip
    from k2meta.models.random_effects import random_effects
    from k2meta.models.robust import cluster_robust, working_model
    from k2meta.models.subgroups import subgroups
    from k2meta.sensitivity.baujat import baujat
    from k2meta.sensitivity.begg import begg
    from k2meta.sensitivity.cumulative import cumulative
    from k2meta.sensitivity.excess_significance import excess_significance
    from k2meta.sensitivity.fail_safe_n import fail_safe_n
    from k2meta.sensitivity.gosh import gosh
    from k2meta.sensitivity.influence import influence
    from k2meta.sensitivity.leave_one_out import leave_one_out
    from k2meta.sensitivity.permutation_test import permutation_test
    from k2meta.sensitivity.pet_peese import pet_peese
    from k2meta.sensitivity.pustejovsky_rodgers import pustejovsky_rodgers
    from k2meta.sensitivity.regression_test import egger, regression_test
    from k2meta.sensitivity.selection_model import selection_model
    from k2meta.sensitivity.trim_and_fill import trim_and_fill
    from k2meta.sensitivity.two_by_two import harbord, peters

    __version__: str

__all__ = [
    "LKJ",
    "BinomialSampler",
    "CorrelatedSampler",
    "Fit",
    "HierarchicalSampler",
    "LogNormalDf",
    "NormalMixture",
    "RegressionSampler",
    "StudentSampler",
    "__version__",
    "as_datatree",
    "assurance",
    "baujat",
    "bayes_factor_effect",
    "bayes_factor_heterogeneity",
    "bayes_meta_regression",
    "bayes_random_effects",
    "bayes_random_effects_batch",
    "begg",
    "change_sd",
    "change_sweep",
    "cluster_robust",
    "combine_arms",
    "combine_events",
    "common_effect",
    "constant_correlation",
    "crossover",
    "cumulative",
    "ecdf_band",
    "effect_sizes",
    "effective_sample_size",
    "egger",
    "excess_significance",
    "fail_safe_n",
    "figures",
    "five_number",
    "five_number_lognormal",
    "forest",
    "gosh",
    "harbord",
    "implied_r",
    "influence",
    "leave_one_out",
    "mantel_haenszel",
    "map_prior",
    "meta_regression",
    "model_averaging",
    "multilevel",
    "multivariate",
    "permutation_test",
    "pet_peese",
    "peters",
    "peto",
    "prior_strip",
    "priors",
    "pustejovsky_rodgers",
    "random_effects",
    "random_effects_batch",
    "regression_test",
    "sbc",
    "selection_model",
    "shared_control",
    "skewness_test",
    "smd_common_sd",
    "subgroups",
    "trim_and_fill",
    "working_model",
]

_ROOMS = {
    "k2meta.alone": ("forest",),
    "k2meta.effects.change": (
        "change_sd",
        "change_sweep",
        "crossover",
        "implied_r",
    ),
    "k2meta.effects.combine": (
        "combine_arms",
        "combine_events",
    ),
    "k2meta.effects.covariance": (
        "shared_control",
        "smd_common_sd",
    ),
    "k2meta.effects.five_number": (
        "five_number",
        "five_number_lognormal",
        "skewness_test",
    ),
    "k2meta.effects.measures": ("effect_sizes",),
    "k2meta.models.assurance": ("assurance",),
    "k2meta.models.batch": ("random_effects_batch",),
    "k2meta.calibration": ("ecdf_band", "sbc"),
    "k2meta.models.bayes_batch": ("bayes_random_effects_batch",),
    "k2meta.models.bayes_binomial": ("BinomialSampler",),
    "k2meta.models.bayes_correlated": ("LKJ", "CorrelatedSampler"),
    "k2meta.models.bayes_exact": ("bayes_random_effects",),
    "k2meta.models.bayes_factors": ("bayes_factor_effect", "bayes_factor_heterogeneity"),
    "k2meta.models.bayes_regression": ("bayes_meta_regression",),
    "k2meta.models.common_effect": ("common_effect",),
    "k2meta.models.counts": (
        "mantel_haenszel",
        "peto",
    ),
    "k2meta.models.datatree": ("as_datatree",),
    "k2meta.models.fit": ("Fit",),
    "k2meta.models.map_prior": ("effective_sample_size", "map_prior"),
    "k2meta.models.meta_regression": ("meta_regression",),
    "k2meta.models.bayes_mcmc": ("HierarchicalSampler",),
    "k2meta.models.bayes_mcmc_regression": ("RegressionSampler",),
    "k2meta.models.bayes_student": ("LogNormalDf", "StudentSampler"),
    "k2meta.models.mixtures": ("NormalMixture",),
    "k2meta.models.model_averaging": ("model_averaging",),
    "k2meta.models.multilevel": (
        "constant_correlation",
        "multilevel",
        "multivariate",
    ),
    "k2meta.models.prior_strip": ("prior_strip",),
    "k2meta.models.random_effects": ("random_effects",),
    "k2meta.models.robust": (
        "cluster_robust",
        "working_model",
    ),
    "k2meta.models.subgroups": ("subgroups",),
    "k2meta.sensitivity.baujat": ("baujat",),
    "k2meta.sensitivity.begg": ("begg",),
    "k2meta.sensitivity.cumulative": ("cumulative",),
    "k2meta.sensitivity.excess_significance": ("excess_significance",),
    "k2meta.sensitivity.fail_safe_n": ("fail_safe_n",),
    "k2meta.sensitivity.gosh": ("gosh",),
    "k2meta.sensitivity.influence": ("influence",),
    "k2meta.sensitivity.leave_one_out": ("leave_one_out",),
    "k2meta.sensitivity.permutation_test": ("permutation_test",),
    "k2meta.sensitivity.pet_peese": ("pet_peese",),
    "k2meta.sensitivity.pustejovsky_rodgers": ("pustejovsky_rodgers",),
    "k2meta.sensitivity.regression_test": (
        "egger",
        "regression_test",
    ),
    "k2meta.sensitivity.selection_model": ("selection_model",),
    "k2meta.sensitivity.trim_and_fill": ("trim_and_fill",),
    "k2meta.sensitivity.two_by_two": (
        "harbord",
        "peters",
    ),
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    value: Any
    if name == "__version__":
        value = importlib.import_module("importlib.metadata").version("k2meta")
    elif name == "priors":
        value = importlib.import_module("k2meta.models.priors")
    elif name == "figures":
        value = importlib.import_module("k2meta.figures")
    elif name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module 'k2meta' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
