"""The priors that the settings ask for, in units of an analysis, and the words on where they come from."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import ArrayLike

from k2meta.config import Config, Model, Spec
from k2meta.models import priors
from k2meta.models.prior_strip import standard_priors

USUAL = 0.5
"""Scale of the strip of priors where the leading prior has none of its own; counts patient SDs on ``MD``."""

SCALED = ("half_normal", "half_t", "half_cauchy", "exponential")
"""Families whose scale is a typical value of tau, around which the strip is laid out."""

FAMILIES: Mapping[str, Callable[[Mapping[str, Any], float, ArrayLike], priors.TauPrior]] = {
    "half_normal": lambda given, unit, vi: priors.HalfNormal(given["scale"] * unit),
    "half_t": lambda given, unit, vi: priors.HalfT(given["df"], given["scale"] * unit),
    "half_cauchy": lambda given, unit, vi: priors.HalfCauchy(given["scale"] * unit),
    "exponential": lambda given, unit, vi: priors.Exponential(given["scale"] * unit),
    "uniform": lambda given, unit, vi: priors.Uniform(given["upper"] * unit if "upper" in given else None),
    "jeffreys": lambda given, unit, vi: priors.Jeffreys(tuple(vi)),  # type: ignore[arg-type]
    "inverse_gamma": lambda given, unit, vi: priors.InverseGamma(given["shape"], given["scale"] * unit),
    "lognormal_variance": lambda given, unit, vi: priors.LogNormalVariance(given["location"], given["scale"]),
    "t_variance": lambda given, unit, vi: priors.TVariance(given["df"], given["location"], given["scale"]),
    "empirical": lambda given, unit, vi: priors.EMPIRICAL[given["name"]],
}
"""From the settings of a prior of tau, the unit they count and the sampling variances to the prior."""

DOIS = {
    "Bartoš et al. 2021": "10.1002/sim.9170",
    "Friede et al. 2017": "10.1002/jrsm.1217",
    "Gelman 2006": "10.1214/06-BA117A",
    "Rhodes et al. 2015": "10.1016/j.jclinepi.2014.08.012",
    "Röver 2020": "10.18637/jss.v093.i06",
    "Turner et al. 2015": "10.1002/sim.6381",
}
"""The papers that priors come from; ``report/methods.bib`` holds them in full."""

COUNTED = {"MD": "; here it counts patient SDs", "SMD": "; here it counts SDs"}
"""What a scale that was proposed for log odds ratios counts on other measures."""


def unit(spec: Spec) -> float:
    """Return what the scale of a prior counts: patient SDs of the outcome on a mean difference, else one."""
    if spec.measure != "MD":
        return 1.0
    assert spec.patient_sd is not None  # the settings were checked for it
    return spec.patient_sd.value


def tau_prior(options: Mapping[str, Any], spec: Spec, vi: ArrayLike) -> priors.TauPrior:
    """Return the prior of tau in units of the analysis; Jeffreys' looks at the variances ``vi``, shape (k,)."""
    given = options["tau_prior"]
    return FAMILIES[given["family"]](given, unit(spec), vi)


def tau_source(options: Mapping[str, Any]) -> str:
    """Say where a prior of tau comes from whose scale the analysis does not give; empty for the others."""
    given = options["tau_prior"]
    if given["family"] == "empirical":
        return priors.EMPIRICAL_SOURCES[given["name"]]
    if given["family"] == "jeffreys":
        return "the sampling variances of the studies themselves; improper"
    return "improper: no scale" if given["family"] == "uniform" and "upper" not in given else ""


def mu_prior(options: Mapping[str, Any], spec: Spec) -> priors.Normal | None:
    """Return the prior of mu in units of the analysis; ``None`` is flat."""
    prior = options["mu_prior"]
    return None if prior == "flat" else priors.Normal(prior["mean"] * unit(spec), prior["sd"] * unit(spec))


def unit_information(spec: Spec) -> priors.Normal:
    """Return a prior of mu around zero that is worth one patient."""
    return priors.Normal(0.0, priors.UNIT_INFORMATION[spec.measure] * unit(spec))


def leading(settings: Config) -> Model | None:
    """Return the exact Bayesian model whose posterior is drawn: the one that may lead, else the first."""
    exact = [model for model in settings.models if model.estimator == "bayes_exact"]
    return next((model for model in exact if model.id == settings.lead.small_k_model), exact[0] if exact else None)


def strip_scale(options: Mapping[str, Any], spec: Spec) -> float:
    """Return the scale around which the strip of priors is laid out, in units of the analysis."""
    given = options["tau_prior"]
    scale: float = given["scale"] if given["family"] in SCALED else USUAL
    return scale * unit(spec)


def strip_priors(options: Mapping[str, Any], spec: Spec, vi: ArrayLike) -> tuple[tuple[priors.TauPrior, str], ...]:
    """Return the priors of the strip with their sources, the leading one among them.

    Standard priors around the scale of the leading one, what others estimated for standardised mean differences,
    and Jeffreys' prior; for ratios only a leading prior is empirical, as not every ratio is an odds ratio.
    """
    lead = tau_prior(options, spec, vi)
    *standard, flat = standard_priors(strip_scale(options, spec))
    found: dict[priors.TauPrior, str] = dict.fromkeys(standard, "")
    if spec.measure == "SMD":
        for name in ("rhodes2015_smd", "bartos2021_smd"):
            found[priors.EMPIRICAL[name]] = priors.EMPIRICAL_SOURCES[name]
    found |= dict.fromkeys((FAMILIES["jeffreys"]({}, 1.0, vi), flat), "")
    if lead not in found:
        found = {lead: tau_source(options), **found}
    return tuple(found.items())


def reference(prior: priors.TauPrior, spec: Spec, source: str = "") -> str:
    """Say where family and scale of a prior of tau come from; ``source`` is that of an empirical one."""
    by, _, of_what = source.partition(": ")
    if by in DOIS:
        return f"{_paper(by)}: {of_what}"
    if isinstance(prior, priors.HalfNormal):
        if math.isclose(prior.scale, USUAL * unit(spec)):
            return (
                f"scale {USUAL:g} is proposed for log odds ratios by {_paper('Friede et al. 2017')}"
                + COUNTED.get(spec.measure, "")
            )
        return f"family: {_paper('Friede et al. 2017')}; scale: the choice of this review"
    if isinstance(prior, priors.HalfT | priors.HalfCauchy | priors.Uniform):
        given = isinstance(prior, priors.Uniform) and prior.upper is None
        return f"family: {_paper('Gelman 2006')}" + (
            "; no scale" if given else "; scale: the choice of this review"
        )
    manual = f"the manual of bayesmeta ({_paper('Röver 2020')})"
    if isinstance(prior, priors.Jeffreys):
        return f"Tibshirani 1989, as {manual} describes it; made of the sampling variances of the studies"
    if isinstance(prior, priors.Exponential):
        return f"family: named in {manual}; scale: the choice of this review"
    return "family and parameters: the choice of this review"


def _paper(by: str) -> str:
    return f"{by}, doi:{DOIS[by]}"
