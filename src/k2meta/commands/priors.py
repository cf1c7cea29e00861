"""The prior of tau that the settings ask for, on the scale of an analysis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from k2meta.config import Spec
from k2meta.models import priors

FAMILIES: dict[str, type[priors.HalfNormal] | type[priors.HalfCauchy]] = {
    "half_normal": priors.HalfNormal,
    "half_cauchy": priors.HalfCauchy,
}


def tau_scale(options: Mapping[str, Any], spec: Spec) -> float:
    """Return the scale of the prior of tau; on a mean difference it counts patient SDs of the outcome."""
    scale = float(options["tau_prior"]["scale"])
    if spec.measure != "MD":
        return scale
    assert spec.patient_sd is not None  # the settings were checked for it
    return scale * spec.patient_sd.value


def tau_prior(options: Mapping[str, Any], spec: Spec) -> priors.HalfNormal | priors.HalfCauchy:
    """Return the prior of tau in units of the analysis."""
    return FAMILIES[options["tau_prior"]["family"]](tau_scale(options, spec))


def mu_prior(options: Mapping[str, Any]) -> priors.Normal | None:
    """Return the prior of mu; ``None`` is flat."""
    prior = options["mu_prior"]
    return None if prior == "flat" else priors.Normal(prior["mean"], prior["sd"])
