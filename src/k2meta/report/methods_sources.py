"""Papers behind the methods: which of the shipped bibliography the settings of a review rest on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from k2meta.config import Config, Model

ALWAYS = ("page2021",)
"""The checklist that every report prints."""
TAU2: dict[str, tuple[str, ...]] = {
    "DL": ("dersimonian1986",),
    "PM": ("paule1982",),
    "REML": ("viechtbauer2005",),
}
INTERVALS: dict[str, tuple[str, ...]] = {
    "HKSJ": ("hartung2001", "sidik2002"),
    "HKSJ-guarded": ("hartung2001", "sidik2002", "rover2015"),
    "HC": ("henmi2010",),
}
PREDICTIONS: dict[str, tuple[str, ...]] = {
    "t(k-1)": ("higgins2009",),
    "t(k-2)": ("higgins2009",),
    "PR-HK": ("partlett2017",),
    "PR-KR": ("partlett2017",),
    "bootstrap": ("nagashima2019",),
}
TAU2_INTERVALS: dict[str, tuple[str, ...]] = {"Q-profile": ("viechtbauer2007",)}
EMPIRICAL: dict[str, tuple[str, ...]] = {
    "turner2015_log_or": ("turner2015",),
    "turner2015_log_or_death_drug_vs_placebo": ("turner2015",),
    "rhodes2015_smd": ("rhodes2015",),
    "rhodes2015_smd_biomarker": ("rhodes2015",),
    "rhodes2015_smd_structure": ("rhodes2015",),
    "bartos2021_smd": ("bartos2021",),
}
SAMPLED = ("vehtari2017", "kallioinen2024")
"""What the draws of a sampled model are checked by."""
SMD = ("hedges1981",)
STRIP = ("friede2017", "gelman2006", "rover2020")
"""Priors that every strip holds."""
STRIP_OF_SMD = ("rhodes2015", "bartos2021")
"""Priors that the strip of a standardised mean difference holds beside them."""
MEDIANS = ("luo2018", "wan2014", "shi2023")
CHECKS: dict[str, tuple[str, ...]] = {
    "influence": ("viechtbauer2010",),
    "small_study": ("egger1997", "begg1994", "duval2000", "stanley2014", "vevea1995"),
    "baujat": ("baujat2002",),
    "gosh": ("olkin2012",),
    "multiverse": ("steegen2016",),
    "model_averaging": ("gronau2021",),
    "meta_regression": ("knapp2003",),
}
"""Papers by the id of a check; a check without one is described by the methods text alone."""


def methods_references(config: Config, entries: Sequence[Mapping[str, str]]) -> tuple[Mapping[str, str], ...]:
    """Return the entries of the shipped bibliography that a review's settings rest on.

    Parameters
    ----------
    config : Config
        The settings of the build.
    entries : sequence of mapping
        Entries of ``report/methods.bib`` (see ``k2meta.io.read_bibliography``).

    Returns
    -------
    tuple of mapping
        In the order of the bibliography, each once.
    """
    used = {f"method-{key}" for key in _keys(config)}
    return tuple(entry for entry in entries if entry["key"] in used)


def _keys(config: Config) -> Iterator[str]:
    yield from ALWAYS
    for model in config.models:
        yield from _of_model(model)
    if any(spec.measure == "SMD" for spec in config.analyses):
        yield from SMD
        if "prior_strip" in config.sensitivity:
            yield from STRIP_OF_SMD
    if "prior_strip" in config.sensitivity:
        yield from STRIP
    if any(spec.conversions.medians for spec in config.analyses):
        yield from MEDIANS
    for check in config.sensitivity:
        yield from CHECKS.get(check, ())


def _of_model(model: Model) -> Iterator[str]:
    options = model.options
    if model.estimator == "random_effects":
        yield from TAU2.get(options["tau2"], ())
        yield from INTERVALS.get(options["interval"], ())
        yield from PREDICTIONS.get(options["prediction"], ())
        yield from TAU2_INTERVALS.get(options.get("tau2_interval", "Q-profile"), ())
    elif model.estimator == "bayes_exact":
        yield from EMPIRICAL.get(options["tau_prior"].get("name", ""), ())
    elif model.estimator == "bayes_mcmc":
        yield from SAMPLED
