"""The methods section in sentences, generated from the settings and from what the pools are made of.

Every option of the settings has a phrase of its own, so that changing an option changes the sentence. No id of the
settings is printed in the place of a phrase: a test holds the phrases to what the schema offers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from k2meta.analysis import Analysis, Spec
from k2meta.config import Config, Model
from k2meta.numbers import beside, cited, count, coverage, number_word
from k2meta.report.words import first_up
from k2meta.tables.parts import listed, text

TAU2: dict[str, str] = {
    "DL": "the DerSimonian–Laird estimator",
    "DL2": "the two-step DerSimonian–Laird estimator",
    "CA2": "the two-step Cochran ANOVA estimator",
    "PM": "the Paule–Mandel estimator",
    "PMM": "the median-unbiased Paule–Mandel estimator",
    "EB": "the empirical Bayes estimator",
    "REML": "restricted maximum likelihood",
    "ML": "maximum likelihood",
    "HE": "the Hedges (Cochran ANOVA) estimator",
    "HS": "the Hunter–Schmidt estimator",
    "HSk": "the Hunter–Schmidt estimator with a correction for few studies",
    "SJ": "the Sidik–Jonkman estimator",
    "GENQ": "the generalised Q estimator",
}
TAU2_WEIGHTS: dict[str, str] = {
    "inv_v": "weights of one over the sampling variance",
    "equal": "equal weights",
    "inv_sqrt_v": "weights of one over the standard error",
}
INTERVALS: dict[str, str] = {
    "z": "a Wald interval from the normal distribution",
    "t": "a Wald interval from the t distribution with k − 1 degrees of freedom",
    "HKSJ": "the Hartung–Knapp–Sidik–Jonkman interval from the t distribution with k − 1 degrees of freedom",
    "HKSJ-guarded": (
        "the Hartung–Knapp–Sidik–Jonkman interval from the t distribution with k − 1 degrees of freedom, "
        "guarded so that its standard error is never smaller than the Wald standard error"
    ),
    "KR": "the Kenward–Roger interval",
    "PL": "the profile likelihood interval",
    "PL-Bartlett": "the profile likelihood interval with a Bartlett correction",
    "HC": "the Henmi–Copas interval",
    "permutation": "the interval from a permutation test of signs",
}
PREDICTIONS: dict[str, str] = {
    "z": "from the normal distribution",
    "t(k-1)": "from the t distribution with k − 1 degrees of freedom",
    "t(k-2)": "from the t distribution with k − 2 degrees of freedom",
    "PR-HK": "by the method of Partlett and Riley with the Hartung–Knapp variance",
    "PR-KR": "by the method of Partlett and Riley with the Kenward–Roger variance",
    "bootstrap": "by the parametric bootstrap of Nagashima and colleagues",
}
TAU2_INTERVALS: dict[str, str] = {
    "Q-profile": "the Q-profile method",
    "generalised-Q": "the generalised Q method",
    "Biggerstaff-Tweedie": "the method of Biggerstaff and Tweedie",
    "PL": "the profile likelihood of its own estimator",
    "PL-REML": "the restricted profile likelihood",
    "PL-ML": "the profile likelihood",
    "Wald": "the Wald method",
}
FAMILIES: dict[str, str] = {
    "half_normal": "half-normal",
    "half_t": "half-t",
    "half_cauchy": "half-Cauchy",
    "exponential": "exponential",
    "uniform": "uniform",
    "jeffreys": "Jeffreys’ (improper)",
    "inverse_gamma": "inverse gamma",
    "lognormal_variance": "log-normal on τ²",
    "t_variance": "Student t on the natural logarithm of τ²",
    "empirical": "empirical",
}
COUNTS_SDS = ("half_normal", "half_t", "half_cauchy", "exponential", "uniform", "inverse_gamma")
"""Families whose scale or upper end counts patient standard deviations on a mean difference."""
MEASURES: dict[str, str] = {
    "MD": "mean differences in the native unit",
    "SMD": "standardised mean differences (Hedges’ g with the exact small-sample correction) to bridge scales",
    "RD": "risk differences",
    "LOGRATIO": "ratios, pooled on the log scale",
    "RR": "risk ratios, pooled on the log scale",
    "OR": "odds ratios, pooled on the log scale",
    "HR": "hazard ratios, pooled on the log scale",
}
CONTRASTS: dict[str, str] = {
    "between_arms": "Between the arms of trials",
    "active_arm": "Inside the active arm, to describe and not to show an effect",
}
SOURCES: dict[str, str] = {"trials": "", "cohorts": "In cohorts, kept apart from the trials"}
ROUTES: dict[str, str] = {
    "arms_sd": "mean changes of both arms with their standard deviations",
    "arms_se": "mean changes of both arms with their standard errors",
    "arms_ci": "mean changes of both arms with their confidence intervals",
    "diff_se": "a difference with its standard error",
    "diff_ci": "a difference with its confidence interval",
    "diff_p": "a difference with an exact p value, turned back through the t distribution",
    "ratio_se": "a ratio with the standard error of its logarithm",
    "ratio_ci": "a ratio with its confidence interval, on the log scale",
    "smd_se": "a standardised mean difference with its standard error",
    "statistic": "a test statistic between the arms",
    "events": "events and totals of both arms",
    "arms_correlation": "baseline and follow-up of both arms with a borrowed correlation between them",
    "change_medians": "medians of the change with quartiles, converted",
    "follow_medians": "medians at follow-up with quartiles, converted",
    "arms_final": "values at follow-up of both arms with their spread",
    "active_sd": "the mean change of the active arm with its standard deviation",
    "active_se": "the mean change of the active arm with its standard error",
    "active_ci": "the mean change of the active arm with its confidence interval",
    "active_p": "the mean change of the active arm with a spread recovered from the p value between the arms",
}
CHECKS: dict[str, str] = {
    "leave_one_out": "every pool was estimated again without each study in turn",
    "influence": "residuals, leverage and Cook’s distance were computed for each study",
    "small_study": (
        "small-study effects were examined by Egger’s regression, Begg and Mazumdar’s rank test, trim and fill, "
        "PET-PEESE and a step-function selection model, each only where there are enough studies"
    ),
    "cumulative": "the answer was built up by adding one study after the other, oldest first",
    "baujat": (
        "what each study adds to the heterogeneity was held against how far it moves the common-effect estimate, "
        "in a Baujat plot"
    ),
    "gosh": "subsets of the studies were pooled, every one where they are not too many (GOSH)",
    "multiverse": (
        "every reasonable analysis was run: the estimators of τ² and the intervals offered, common-effect and "
        "Bayesian models, with and without doubtful sources and assumed values"
    ),
    "subgroups": "pools were split by the column that a question names, with a test between the groups",
    "confidence_curve": "the interval was computed at every level of confidence",
    "missing_results": "the known missing results were bounded: where they must lie to change the reading",
    "second_engine": "the numbers of the leading model were computed again by statsmodels",
    "prior_strip": "every pool was estimated again under other priors of τ",
    "model_averaging": "models with and without an effect and with and without heterogeneity were averaged",
    "conversions": "every pool was estimated again under other conversions of what was printed",
    "meta_regression": (
        "effects were regressed on study-level characteristics, one at a time, with p values from permutations of "
        "the characteristic too; at most one for every ten studies counts as prespecified"
    ),
}
PARAMETERS: dict[str, str] = {
    "df": "{} degrees of freedom",
    "shape": "shape {}",
    "location": "location {}",
    "upper": "upper end {}",
    "name": "{}",
}
"""Parameters of a prior beside its scale, with a place for the value."""
EMPIRICAL: dict[str, str] = {
    "turner2015_log_or": "that of Turner and colleagues for log odds ratios in general",
    "turner2015_log_or_death_drug_vs_placebo": (
        "that of Turner and colleagues for log odds ratios of death from any cause, drug against placebo"
    ),
    "rhodes2015_smd": "that of Rhodes and colleagues for standardised mean differences in general",
    "rhodes2015_smd_biomarker": (
        "that of Rhodes and colleagues for standardised mean differences of biological markers"
    ),
    "rhodes2015_smd_structure": (
        "that of Rhodes and colleagues for standardised mean differences of internal or external structure"
    ),
    "bartos2021_smd": "that of Bartoš and colleagues for standardised mean differences",
}
MU_PRIORS: dict[str, str] = {"flat": "flat"}

MEDIANS: dict[str, str] = {
    "normal": "medians with quartiles became means and standard deviations as normal data have them",
    "lognormal": (
        "medians with quartiles became means and standard deviations as log-normal data have them, those of "
        "changes as normal data have them"
    ),
}

Part = tuple[str, tuple[str, ...]]


CRITERIA: dict[str, dict[str, str]] = {
    "design_class": {
        "rct": "randomised controlled trial",
        "single_arm": "trial of one arm without control",
        "no_control": "trial without a control of its own",
        "other_comparison": "trial of another comparison",
    },
}
"""Words for the values of columns that many reviews have; what is not here is printed as the data have it."""
ELIGIBILITY, OUTCOMES = "Eligibility criteria", "Outcomes and effect measures"


def anchor(heading: str) -> str:
    """Return the anchor of a part of the methods section."""
    return f"methods-{heading.lower().replace(' ', '-')}"


def methods_text(
    config: Config,
    analyses: Sequence[Analysis],
    software: Mapping[str, str],
    outcomes: Mapping[str, str] | None = None,
) -> tuple[Part, ...]:
    """Write the methods section.

    Parameters
    ----------
    config : Config
        The settings of the build.
    analyses : sequence of Analysis
        Every analysis, in the order of the settings.
    software : mapping
        Package to version, as the provenance holds them.
    outcomes : mapping, optional
        Outcome id to the label people read, from the outcome dictionary.

    Returns
    -------
    tuple of (str, tuple of str)
        Headings with their paragraphs, in the order of a journal's methods section.
    """
    parts: tuple[Part, ...] = (
        ("Data", _data(config)),
        (ELIGIBILITY, _eligibility(config)),
        (OUTCOMES, (*_outcomes(config), *_taken(config, outcomes or {}))),
        ("From printed results to effects", (*_routes(analyses), *_conversions(config))),
        ("Statistical models", tuple(model_sentence(model, config) for model in config.models)),
        ("How an answer is read", _reading(config)),
        ("Further analyses", _further(config)),
        ("Software", _software(software)),
    )
    return tuple((heading, paragraphs) for heading, paragraphs in parts if any(paragraphs))


def _data(config: Config) -> tuple[str, ...]:
    review = config.review
    return (
        f"{review.search} The data are those of {review.data_date} (version {review.version}).",
        "One result of each study entered a question, by declared rules and never by its value: a "
        "result of the people as randomised, as many of them as were analysed (where a trial prints a result of a "
        "part of them only, that is used, and marked), in the order of the outcomes of the question, then by how "
        "directly its effect and variance can be read, then by the closeness of the source to the paper, then "
        "by the longest follow-up. Results known from machine-written pages, and results with an open "
        "error-level data query, stay outside.",
    )


def _eligibility(config: Config) -> tuple[str, ...]:
    """Say which studies each question takes: its own criteria, grouped where questions share them."""
    groups: dict[str, list[str]] = {}
    for spec in config.analyses:
        noun = "Cohorts" if spec.source == "cohorts" else "Trials"
        criteria = "; ".join(
            f"{column.replace('_', ' ')}: {' or '.join(_value(column, value) for value in allowed)}"
            for column, allowed in spec.where.items()
        )
        groups.setdefault(f"{noun} of the data ({criteria or 'all of them'})", []).append(spec.title)
    return tuple(f"{what} are eligible for: {'; '.join(titles)}." for what, titles in groups.items())


def _value(column: str, value: str) -> str:
    return CRITERIA.get(column, {}).get(value, value.replace("_", " "))


def _taken(config: Config, labels: Mapping[str, str]) -> tuple[str, ...]:
    """Name the outcomes that each question takes, in the order in which they are preferred."""
    groups: dict[str, list[str]] = {}
    for spec in config.analyses:
        named_so = "; then ".join(labels.get(name, name.replace("_", " ")) for name in spec.outcomes)
        groups.setdefault(named_so, []).append(spec.title)
    return tuple(f"For {' and '.join(titles)} the result taken is: {what}." for what, titles in groups.items())


def _outcomes(config: Config) -> tuple[str, ...]:
    groups: dict[tuple[str, str], list[Spec]] = {}
    for spec in config.analyses:
        place = named(SOURCES, spec.source) or named(CONTRASTS, spec.contrast)
        groups.setdefault((place, spec.ratio or spec.measure), []).append(spec)
    return tuple(
        f"{place}: {_what(measure, found[0])}, for {'; '.join(_directed(spec) for spec in found)}."
        for (place, measure), found in groups.items()
    )


def _what(measure: str, spec: Spec) -> str:
    return "mean changes in the native unit" if spec.contrast == "active_arm" else named(MEASURES, measure)


def _directed(spec: Spec) -> str:
    """Name an outcome with its unit and what a value on the low side means."""
    null = "one" if spec.measure == "LOGRATIO" else "zero"
    low = f"below {null} means {spec.favours_low}"
    if spec.contrast == "between_arms":
        low = f"below {null} favours {spec.favours_low}"
    return f"{spec.title} ({spec.unit}; {low})"


def _routes(analyses: Sequence[Analysis]) -> tuple[str, ...]:
    effects = {(e.extraction_id, e.route): e for a in analyses for e in a.effects}
    if not effects:
        return ()
    counts = Counter(route for _, route in effects)
    said = "; ".join(
        f"{named(ROUTES, route)} ({count(listed(analyses, f'page.routes.{route}', n))})"
        for route, n in sorted(counts.items(), key=lambda c: (-c[1], c[0]))
    )
    derivations = listed(analyses, "page.derivations.all", len(effects))
    assumed = listed(analyses, "page.derivations.assumed", sum(effect.assumed for effect in effects.values()))
    return (
        "Effects and their variances came from what was printed, by the first of these routes that applied "
        f"(number of results): {said}. {_resting(derivations, assumed)}",
    )


def _resting(derivations: int, assumed: int) -> str:
    """Say how many derivations rest on an assumption."""
    what = "on an assumption or on a borrowed number"
    if not assumed:
        return f"None of these rests {what}; the tables give every step."
    who = "This" if derivations == 1 else f"Of these {count(derivations)} derivations {number_word(assumed)}"
    return f"{who} {'rests' if assumed == 1 else 'rest'} {what}; the tables mark it and give every step."


def _conversions(config: Config) -> tuple[str, ...]:
    """Say which questions convert or borrow what; nothing where none does."""
    said = []
    for spec in config.analyses:
        borrowed, medians = spec.conversions.correlation, spec.conversions.medians
        parts = []
        if borrowed is not None:
            parts.append(
                f"a correlation of {text(borrowed.value)} between baseline and follow-up was borrowed where no "
                f"standard deviation of the change is printed ({borrowed.source})"
            )
        if medians:
            parts.append(f"{named(MEDIANS, medians)}, but not where a test finds them skewed for it")
        if parts:
            said.append(f"For {spec.title}: {'; '.join(parts)}.")
    return tuple(said)


def model_sentence(model: Model, config: Config) -> str:
    """Write one model as a sentence of a methods section."""
    lead = config.lead
    if model.id == lead.model:
        role = f"The leading model with more than {number_word(lead.small_k)} studies was a "
    elif model.id == lead.small_k_model:
        role = f"The leading model with at most {number_word(lead.small_k)} studies was a "
    else:
        role = "Beside it stands a "
    return role + _MODELS[model.estimator](model.options, config)


def _random_effects(options: Mapping[str, Any], config: Config) -> str:
    weights = options.get("tau2_weights")
    bounds = named(TAU2_INTERVALS, options.get("tau2_interval", "Q-profile"))
    weighted = f" with {named(TAU2_WEIGHTS, weights)}" if weights else ""
    return (
        "random-effects model. The between-study variance τ² was estimated by "
        f"{named(TAU2, options['tau2'])}{weighted}, its interval by {bounds}. The mean effect is given with "
        f"{named(INTERVALS, options['interval'])}, and the effect in a new study with a prediction interval "
        f"{named(PREDICTIONS, options['prediction'])}. All intervals cover {coverage(config.level)}."
    )


def _common_effect(options: Mapping[str, Any], config: Config) -> str:
    return (
        "common-effect model with inverse-variance weights and a normal interval, for comparison: it takes all "
        "studies to estimate one and the same effect."
    )


def _bayes_exact(options: Mapping[str, Any], config: Config) -> str:
    return (
        f"Bayesian random-effects model, computed exactly by quadrature. {prior_sentence(options)} Intervals are "
        f"equal-tailed and hold {coverage(config.level)} of the posterior."
    )


def _bayes_mcmc(options: Mapping[str, Any], config: Config) -> str:
    chains, draws, tune = (_whole(options[name]) for name in ("chains", "draws", "tune"))
    return (
        f"Bayesian random-effects model, sampled with PyMC ({chains} chains of {draws} draws after {tune} tuning "
        f"steps, target acceptance {text(options['target_accept'])}, seeds derived from {_whole(config.seed)}), "
        f"to check the exact computation. {prior_sentence(options)} No number of an answer rests on it; it has to "
        "pass its diagnostics and to agree with the exact posterior. Its draws check the model: Pareto-smoothed "
        "leave-one-out cross-validation, posterior prediction, and power scaling of prior and likelihood; "
        "Student-t random effects are compared with it by quadrature."
    )


def _whole(n: int) -> str:
    """Write a whole number of the settings as it was given."""
    return cited(n, str(n))


_MODELS: dict[str, Callable[[Mapping[str, Any], Config], str]] = {
    "random_effects": _random_effects,
    "common_effect": _common_effect,
    "bayes_exact": _bayes_exact,
    "bayes_mcmc": _bayes_mcmc,
}


def prior_sentence(options: Mapping[str, Any]) -> str:
    """Write the priors of a Bayesian model as a sentence."""
    prior = dict(options["tau_prior"])
    family = prior.pop("family")
    scale = prior.pop("scale", None)
    rest = "".join(f", {named(PARAMETERS, name).format(_given(value))}" for name, value in sorted(prior.items()))
    scaled = "" if scale is None else f" with scale {text(scale)}"
    counted = family in COUNTS_SDS and (scale is not None or "upper" in prior)
    counts = "; on a mean difference it counts patient standard deviations of the outcome" if counted else ""
    return (
        f"The prior of the between-study standard deviation τ was {named(FAMILIES, family)}{scaled}{rest}{counts}."
        f" The prior of the mean was {_mean_prior(options['mu_prior'])}."
    )


def _given(value: Any) -> str:
    return named(EMPIRICAL, value) if isinstance(value, str) else text(value)


def _mean_prior(prior: Any) -> str:
    if isinstance(prior, Mapping):
        return f"normal with mean {text(prior['mean'])} and standard deviation {text(prior['sd'])}"
    return named(MU_PRIORS, prior)


def _reading(config: Config) -> tuple[str, ...]:
    small = number_word(config.lead.small_k)
    bayes = config.model(config.lead.small_k_model).estimator.startswith("bayes")
    first, second = ("Bayesian", "frequentist") if bayes else (config.lead.small_k_model, config.lead.model)
    return (
        f"With more than {small} studies the leading interval decides alone: supported where it lies wholly on "
        "the side of benefit, contradicted where it lies wholly on the other side, not shown where it includes "
        f"zero (for ratios, one). With at most {small} the {first} interval leads and the {second} one stands "
        "beside it; where they disagree about excluding zero, the studies are too few. One study is printed "
        f"and not pooled. That an interval of {coverage(config.level)} excludes zero says the same as a p value "
        f"below {_complement(config.level)} of the test that belongs to it; a posterior interval has none.",
    )


def _complement(level: float) -> str:
    """Write the p value at which an interval of a level just touches zero."""
    p = beside(level, "threshold_of_p", 1 - level)
    return cited(p, f"{p:.10g}")


def _further(config: Config) -> tuple[str, ...]:
    said = [named(CHECKS, name) for name in config.sensitivity]
    return (*((first_up("; ".join(said)) + ".",) if said else ()), *_characteristics(config))


def _characteristics(config: Config) -> tuple[str, ...]:
    """Name the characteristics that effects were regressed on, by question and in their declared order."""
    if "meta_regression" not in config.sensitivity:
        return ()
    asked = [
        f"{spec.title} ({', '.join(one.label for one in spec.moderators)})"
        for spec in config.analyses
        if spec.moderators
    ]
    return (f"Characteristics asked about, in their order: {'; '.join(asked)}.",) if asked else ()


def _software(software: Mapping[str, str]) -> tuple[str, ...]:
    own = software.get("k2meta", "")
    others = ", ".join(f"{name} {version}" for name, version in sorted(software.items()) if name != "k2meta")
    return (f"Computed with k2meta {own}, on {others}.",) if own else ()


def named(words: Mapping[str, str], option: str) -> str:
    """Return the phrase of an option.

    Raises
    ------
    KeyError
        For an option without a phrase: its id is not for readers.
    """
    return words[option]
