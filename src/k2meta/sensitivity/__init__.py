"""Sensitivity: whatever refits. Each check takes effects and variances and returns frozen results.

``SENSITIVITY`` holds them by name. A check that cannot answer says why in ``not_run``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from k2meta.models.model_averaging import model_averaging
from k2meta.models.prior_strip import prior_strip
from k2meta.sensitivity.baujat import baujat
from k2meta.sensitivity.begg import begg
from k2meta.sensitivity.confidence_curve import confidence_curve
from k2meta.sensitivity.conversions import conversions
from k2meta.sensitivity.cumulative import cumulative
from k2meta.sensitivity.excess_significance import excess_significance
from k2meta.sensitivity.fail_safe_n import fail_safe_n
from k2meta.sensitivity.gosh import gosh
from k2meta.sensitivity.influence import influence
from k2meta.sensitivity.leave_one_out import leave_one_out
from k2meta.sensitivity.missing_results import missing_results
from k2meta.sensitivity.moderation import moderation
from k2meta.sensitivity.multiverse import multiverse
from k2meta.sensitivity.permutation_test import permutation_test
from k2meta.sensitivity.pet_peese import pet_peese
from k2meta.sensitivity.pustejovsky_rodgers import pustejovsky_rodgers
from k2meta.sensitivity.regression_test import egger, regression_test
from k2meta.sensitivity.second_engine import second_engine
from k2meta.sensitivity.selection_model import selection_model
from k2meta.sensitivity.trim_and_fill import trim_and_fill
from k2meta.sensitivity.two_by_two import harbord, peters

SENSITIVITY: Mapping[str, Callable[..., Any]] = {
    "leave_one_out": leave_one_out,
    "second_engine": second_engine,
    "influence": influence,
    "baujat": baujat,
    "cumulative": cumulative,
    "gosh": gosh,
    "multiverse": multiverse,
    "confidence_curve": confidence_curve,
    "permutation_test": permutation_test,
    "regression_test": regression_test,
    "egger": egger,
    "begg": begg,
    "pustejovsky_rodgers": pustejovsky_rodgers,
    "trim_and_fill": trim_and_fill,
    "pet_peese": pet_peese,
    "selection_model": selection_model,
    "excess_significance": excess_significance,
    "fail_safe_n": fail_safe_n,
    "prior_strip": prior_strip,
    "model_averaging": model_averaging,
    "conversions": conversions,
    "moderation": moderation,
    "missing_results": missing_results,
}
"""Checks of effects and variances. ``peters`` and ``harbord`` take the counts of 2x2 tables, and are in
``SMALL_STUDY_TABLES``."""

SMALL_STUDY_TABLES: Mapping[str, Callable[..., Any]] = {"peters": peters, "harbord": harbord}
