"""The settings of a review: what `config/config.yaml` may say, checked, and read into frozen values."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

from k2meta.types import Outcome, Problem, ProjectError

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

FILE = "config/config.yaml"
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A reference value on the effect scale: a relevance line, or an anchor where none is agreed."""

    value: float
    label: str
    source: str
    kind: Literal["relevance", "anchor"]


@dataclass(frozen=True, slots=True)
class PatientSD:
    """Between-patient standard deviation of the outcome, in its unit, with its source."""

    value: float
    source: str


@dataclass(frozen=True, slots=True)
class Moderator:
    """A trial-level covariate of a meta-regression: a column of the data, and how it is read.

    ``kind`` is ``number`` (per unit), ``log2`` (per doubling), ``category`` (each against the first by name) or
    ``groups`` (two groups of cells, the second against the first). ``id`` names it in the results; left out
    it is the column. ``unit`` names one unit of a number in the singular (``degree``), for the
    sentence about its slope. ``groups`` holds a name and the cells of each; ``where`` narrows the trials that
    are compared: column to allowed values.
    """

    column: str
    label: str
    kind: Literal["number", "log2", "category", "groups"]
    unit: str = ""
    id: str = ""
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", self.id or self.column)


@dataclass(frozen=True, slots=True)
class Correlation:
    """Correlation of baseline with follow-up borrowed where no SD of change is printed, with its source."""

    value: float
    source: str


@dataclass(frozen=True, slots=True)
class Conversions:
    """What may be converted before pooling; nothing is unless an analysis asks for it.

    ``medians`` is the distribution under which medians with quartiles become means and SDs, ``""`` for never.
    """

    correlation: Correlation | None = None
    medians: Literal["", "normal", "lognormal"] = ""


RATIO_MEASURES = ("RR", "OR", "HR")
"""Measures of the settings that are pooled as log ratios of one kind; ``LOGRATIO`` takes a ratio of any kind."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One analysis as configured: outcome(s), measure, inclusion, direction, relevance.

    ``measure`` is the scale: ``MD`` (native unit), ``SMD`` (Hedges g), ``RD`` (risk difference) or ``LOGRATIO``
    (pooled on the log scale and shown as a ratio); ``ratio`` is the one kind of ratio that is taken, ``""`` for
    any. ``lower_is_better`` says what a negative value means after harmonising.
    ``contrast`` is ``between_arms``, or ``active_arm``: the change inside the treated arm, which describes
    and is no treatment effect. ``subgroups`` is a column of the trial or the extraction by which the studies are
    grouped, empty for none.
    """

    id: str
    title: str
    question: str
    source: Literal["trials", "cohorts"]
    outcomes: tuple[str, ...]
    measure: Literal["MD", "SMD", "RD", "LOGRATIO"]
    unit: str
    lower_is_better: bool
    favours_low: str
    favours_high: str
    where: Mapping[str, tuple[str, ...]]
    caveat: str
    lines: tuple[Line, ...]
    patient_sd: PatientSD | None
    headline: bool
    scale_note: str
    ratio: str = ""
    moderators: tuple[Moderator, ...] = ()
    conversions: Conversions = Conversions()
    contrast: Literal["between_arms", "active_arm"] = "between_arms"
    subgroups: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """An estimator with its options, as configured."""

    id: str
    estimator: Literal["random_effects", "common_effect", "bayes_exact", "bayes_mcmc"]
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """What one version of the review changed."""

    version: str
    date: str
    what: str


@dataclass(frozen=True, slots=True)
class Review:
    """What the report says about itself."""

    title: str
    version: str
    data_date: str
    question: str
    search: str
    limits: tuple[str, ...]
    authors: tuple[str, ...]
    protocol: str = ""
    deviations: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Lead:
    """Which model leads the answer, and which leads when at most ``small_k`` trials are pooled."""

    model: str
    small_k_model: str
    small_k: int

    def of(self, k: int) -> tuple[str, str]:
        """Return the id of the leading model for ``k`` trials and of the one printed beside it."""
        if k <= self.small_k:
            return self.small_k_model, self.model
        return self.model, self.small_k_model


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of a review."""

    review: Review
    seed: int
    level: float
    lead: Lead
    models: tuple[Model, ...]
    sensitivity: tuple[str, ...]
    figures: tuple[str, ...]
    analyses: tuple[Spec, ...]
    figure_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def model(self, name: str) -> Model:
        """Return a model by its id."""
        return next(model for model in self.models if model.id == name)

    def exact(self) -> Config:
        """Return the same settings without sampled models, which never lead and of which nothing is drawn."""
        return replace(self, models=tuple(model for model in self.models if model.estimator != "bayes_mcmc"))


def problems(settings: Any, *, file: str = FILE, lines: Mapping[Path, int] | None = None) -> tuple[Problem, ...]:
    """Return everything that is wrong with parsed settings, in words; an empty tuple when they can be used.

    Parameters
    ----------
    settings : object
        The parsed YAML (or the merged config of a Snakemake run).
    file : str
        Name to show for the file.
    lines : mapping, optional
        Line of each key or item by its path, to show as the row.
    """
    from jsonschema import Draft202012Validator

    schema = json.loads(resources.files("k2meta").joinpath("schemas/config.schema.json").read_text("utf-8"))
    found = [
        problem
        for error in Draft202012Validator(schema).iter_errors(settings)
        for problem in _in_words(error, file, lines or {})
    ]
    if not found:
        found = list(_cross_checks(settings, file, lines or {}))
    return tuple(sorted(found, key=lambda problem: (problem.row or 0, problem.column or "", problem.what)))


def _place(path: Sequence[str | int]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else part)
    return text or "top level"


def _row(path: Path, lines: Mapping[Path, int]) -> int | None:
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path)


def _in_words(error: ValidationError, file: str, lines: Mapping[Path, int]) -> Iterator[Problem]:
    path = tuple(error.absolute_path)
    schema: Any = error.schema
    wanted: Any = error.validator_value
    instance: Any = error.instance
    row = _row(path, lines)
    if error.validator == "additionalProperties":
        allowed = list(schema.get("properties", {}))
        for key in instance:
            if key not in allowed:
                near = difflib.get_close_matches(str(key), allowed, n=1)
                fix = f"write {near[0]}" if near else f"use one of {', '.join(allowed)}, or remove it"
                # A key that stands in no line of the file came from the command line.
                found_in = lines.get((*path, key))
                yield Problem(file, f"unknown key {key!r}", fix, found_in, _place((*path, key)), str(key))
        return
    if error.validator == "required":
        for key in wanted:
            if key not in instance:
                yield Problem(
                    file, f"the key {key!r} is missing", f"add {key}: …", _row(path, lines), _place(path)
                )
        return
    value = error.instance if isinstance(error.instance, str | int | float) else None
    shown = "" if value is None else f"{value!r}: "
    description = schema.get("description", "") if isinstance(schema, Mapping) else ""
    yield Problem(
        file=file,
        what=f"{shown}{_complaint(error)}",
        fix=description or "see config/README.md",
        row=row,
        column=_place(path),
        value=None if value is None else str(value),
    )


def _complaint(error: ValidationError) -> str:
    wanted: Any = error.validator_value
    if error.validator == "enum":
        return f"not one of {', '.join(map(str, wanted))}"
    if error.validator == "type":
        return f"must be of type {wanted}"
    if error.validator == "pattern":
        return f"does not match {wanted}"
    return str(error.message)


def _cross_checks(settings: Mapping[str, Any], file: str, lines: Mapping[Path, int]) -> Iterator[Problem]:
    """Find what no schema can see: one setting against another."""
    yield from _id_checks(settings, file, lines)
    yield from _figure_checks(settings, file, lines)
    yield from _lead_checks(settings, file, lines)
    for i, item in enumerate(settings["analyses"]):
        path = ("analyses", i)
        yield from _measure_checks(item, path, settings["models"], file, lines)
        yield from _moderator_checks(item, path, file, lines)
        yield from _relevance_checks(item, path, file, lines)
    yield from _not_finite(settings, (), file, lines)
    yield from _prior_checks(settings, file, lines)


def _id_checks(settings: Mapping[str, Any], file: str, lines: Mapping[Path, int]) -> Iterator[Problem]:
    for name in ("models", "analyses", "sensitivity", "figures"):
        seen: set[str] = set()
        for i, item in enumerate(settings[name]):
            if item["id"] in seen:
                place: Path = (name, i, "id")
                yield Problem(
                    file,
                    f"the id {item['id']!r} is used twice",
                    "give each item an id of its own",
                    _row(place, lines),
                    _place(place),
                    item["id"],
                )
            seen.add(item["id"])


def _lead_checks(settings: Mapping[str, Any], file: str, lines: Mapping[Path, int]) -> Iterator[Problem]:
    models = {model["id"]: model["estimator"] for model in settings["models"]}
    lead = settings["lead"]
    for key in ("model", "small_k_model"):
        if lead[key] not in models:
            yield Problem(
                file,
                f"the model {lead[key]!r} is not among the models",
                f"use one of {', '.join(models)}",
                _row(("lead", key), lines),
                f"lead.{key}",
            )
    if models.get(lead["model"], "").startswith("bayes"):
        what = "the leading model must be a frequentist one; the Bayesian one leads through small_k_model"
        yield Problem(file, what, "name a random_effects model", _row(("lead", "model"), lines), "lead.model")
    if "bayes_mcmc" in (models.get(lead["model"]), models.get(lead["small_k_model"])):
        what = "a sampled model cannot lead: the printed numbers come from the deterministic engines"
        yield Problem(file, what, "name a bayes_exact model", _row(("lead",), lines), "lead")


def _measure_checks(
    item: Mapping[str, Any],
    path: Path,
    models: Sequence[Mapping[str, Any]],
    file: str,
    lines: Mapping[Path, int],
) -> Iterator[Problem]:
    """Find measures that lack what a model needs, or that a contrast cannot be read in."""
    bayesian = any(model["estimator"].startswith("bayes") for model in models)
    if bayesian and item["measure"] == "MD" and "patient_sd" not in item:
        yield Problem(
            file,
            "a mean difference with a Bayesian model needs patient_sd: the prior of tau is scaled by it",
            "add patient_sd: {value: …, source: …}, the between-patient SD in the unit of the analysis",
            _row(path, lines),
            f"{_place(path)} ({item['id']})",
        )
    if item.get("contrast") == "active_arm" and (item["measure"], item["source"]) != ("MD", "trials"):
        yield Problem(
            file,
            "a change inside the active arm is read from trials, in the native unit",
            "set source: trials and measure: MD, or remove contrast",
            _row((*path, "contrast"), lines),
            f"{_place(path)}.contrast ({item['id']})",
        )


def _relevance_checks(
    item: Mapping[str, Any], path: Path, file: str, lines: Mapping[Path, int]
) -> Iterator[Problem]:
    for j, line in enumerate(item["relevance"]):
        if item["measure"] in ("LOGRATIO", *RATIO_MEASURES) and line["value"] <= 0:
            place = (*path, "relevance", j, "value")
            yield Problem(
                file, "a ratio is above zero", "give the ratio itself", _row(place, lines), _place(place)
            )


def _not_finite(value: Any, path: Path, file: str, lines: Mapping[Path, int]) -> Iterator[Problem]:
    """Find .inf and .nan, which YAML knows and a comparison with a smallest or largest value lets pass."""
    if isinstance(value, float) and not math.isfinite(value):
        yield Problem(file, f"{value}: not a finite number", "give a number", _row(path, lines), _place(path))
    items: Any = ()
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        yield from _not_finite(item, (*path, key), file, lines)


LOG_FAMILIES = ("lognormal_variance", "t_variance")
"""Families whose location is the logarithm of a variance: it has no unit that patient SDs could give it."""


def proper(tau_prior: Mapping[str, Any]) -> bool:
    """Whether the prior of tau that the settings name integrates to one."""
    return tau_prior["family"] != "jeffreys" and (tau_prior["family"] != "uniform" or "upper" in tau_prior)


def fits_measure(tau_prior: Mapping[str, Any], measure: str) -> bool:
    """Whether the prior of tau that the settings name means anything for an effect measure."""
    if tau_prior["family"] == "empirical":
        return measure == ("SMD" if "_smd" in tau_prior["name"] else "LOGRATIO")
    return tau_prior["family"] not in LOG_FAMILIES or measure != "MD"


def _prior_checks(settings: Mapping[str, Any], file: str, lines: Mapping[Path, int]) -> Iterator[Problem]:
    """Find priors that mean nothing for an analysis, and improper ones where a proper one is needed."""

    def found(path: Path, what: str, fix: str) -> Problem:
        return Problem(file, what, fix, _row(path, lines), _place(path))

    exact = [(i, model) for i, model in enumerate(settings["models"]) if model["estimator"] == "bayes_exact"]
    for i, model in exact:
        prior, place = model["tau_prior"], ("models", i, "tau_prior")
        wrong = [item["id"] for item in settings["analyses"] if not fits_measure(prior, item["measure"])]
        if wrong:
            yield found(place, *_wrong_measure(prior, wrong))
        if not proper(prior) and model["id"] == settings["lead"]["small_k_model"]:
            what = "with few trials an improper prior of tau leaves no posterior, so this model cannot lead"
            yield found(place, what, "choose a proper prior (half_normal), or another small_k_model")
    checks = [item["id"] for item in settings["sensitivity"]]
    for check in ("prior_strip", "model_averaging"):
        if check in checks and not exact:
            what = f"{check} starts from the priors of a bayes_exact model, and there is none"
            yield found(("sensitivity", checks.index(check)), what, "add a bayes_exact model, or remove the check")
    if "model_averaging" in checks and exact:
        lead = settings["lead"]["small_k_model"]
        i, model = next((pair for pair in exact if pair[1]["id"] == lead), exact[0])
        if not proper(model["tau_prior"]):
            what = "model_averaging weighs models by their evidence, and an improper prior of tau gives none"
            yield found(("models", i, "tau_prior"), what, "choose a proper prior, or remove model_averaging")


def _wrong_measure(prior: Mapping[str, Any], analyses: Sequence[str]) -> tuple[str, str]:
    """Say why a prior of tau does not suit some analyses, and what would."""
    names = ", ".join(analyses)
    fix = "use half_normal, whose scale is right for every measure, or a review of one measure"
    if prior["family"] == "empirical":
        what = "standardised mean differences" if "_smd" in prior["name"] else "log odds ratios"
        return f"{prior['name']} was estimated for {what}, which these analyses do not pool: {names}", fix
    family = prior["family"]
    return f"{family} gives tau as a bare number, which has no unit on a mean difference ({names})", fix


def _moderator_checks(
    item: Mapping[str, Any], path: Path, file: str, lines: Mapping[Path, int]
) -> Iterator[Problem]:
    seen: set[str] = set()
    for j, one in enumerate(item.get("moderators", ())):
        place: Path = (*path, "moderators", j)
        name = one.get("id", one["column"])
        if name in seen:
            what = f"the id {name!r} is used twice in this analysis"
            fix = "give each an id of its own (left out, it is the column)"
            yield Problem(file, what, fix, _row(place, lines), _place(place), name)
        seen.add(name)
        if "groups" in one and one["kind"] != "groups":
            what = f"groups are compared by kind: groups, not by kind: {one['kind']}"
            yield Problem(file, what, "write kind: groups, or remove groups", _row(place, lines), _place(place))
        names = [group["name"] for group in one.get("groups", ())]
        if len(set(names)) < len(names):
            what = f"both groups are called {names[0]!r}"
            yield Problem(file, what, "give each a name of its own", _row(place, lines), _place(place), names[0])


DRAWS: Mapping[str, str] = {
    "baujat": "baujat",
    "bubble": "meta_regression",
    "cumulative": "cumulative",
    "drapery": "confidence_curve",
    "gosh": "gosh",
    "leave_one_out": "leave_one_out",
    "prior_densities": "prior_strip",
    "prior_strip": "prior_strip",
    "specification_curve": "multiverse",
}
"""Figure -> the check whose results it draws."""


def _figure_checks(settings: Mapping[str, Any], file: str, lines: Mapping[Path, int]) -> Iterator[Problem]:
    checks = {item["id"] for item in settings["sensitivity"]}
    for i, item in enumerate(settings["figures"]):
        for key in sorted(item.keys() - {"id"}):
            if item["id"] != "forest":
                place: Path = ("figures", i, key)
                what = f"{key!r} is an option of the forest plot, not of {item['id']}"
                yield Problem(file, what, "remove it", _row(place, lines), _place(place))
        needed = DRAWS.get(item["id"])
        if needed is not None and needed not in checks:
            place = ("figures", i, "id")
            what = f"the figure {item['id']!r} draws the results of the check {needed!r}, which is not run"
            fix = f"add {{id: {needed}}} under sensitivity, or remove the figure"
            yield Problem(file, what, fix, _row(place, lines), _place(place), item["id"])


def against_data(
    config: Config,
    outcomes: Sequence[Outcome],
    columns: Sequence[str],
    allowed: Mapping[str, Sequence[str]] | None = None,
) -> tuple[Problem, ...]:
    """Return what the analyses say and the data do not bear out.

    Outcomes of the dictionary and columns that are not there, values that a column cannot have (``allowed`` lists
    those of a column), a direction against that of the outcomes, a mean difference in another unit than theirs.
    """
    found: list[Problem] = []
    known_outcomes = [outcome.id for outcome in outcomes]
    for i, spec in enumerate(config.analyses):
        moderating = [name for one in spec.moderators for name in (one.column, *one.where)]
        grouped = (spec.subgroups,) if spec.subgroups else ()
        named = ((spec.outcomes, known_outcomes, "outcomes"), (spec.where, columns, "where"))
        for names, known, key in (*named, (moderating, columns, "moderators"), (grouped, columns, "subgroups")):
            for name in names:
                if name not in known:
                    near = difflib.get_close_matches(name, known, n=1)
                    where = (
                        "data/outcomes.csv"
                        if key == "outcomes"
                        else "data/trials.csv, extractions.csv or cohorts.csv"
                    )
                    fix = f"write {near[0]}" if near else f"add it to {where}, or remove it here"
                    what = f"{name!r} is not in {where}"
                    found.append(Problem(FILE, what, fix, None, f"analyses[{i}].{key} ({spec.id})", name))
        pooled = [outcome for outcome in outcomes if outcome.id in spec.outcomes]
        found += _impossible_values(i, spec, allowed or {})
        found += _other_direction(i, spec, pooled)
        found += _other_unit(i, spec, pooled)
    return tuple(found)


def _impossible_values(i: int, spec: Spec, allowed: Mapping[str, Sequence[str]]) -> Iterator[Problem]:
    """Refuse a value that no row can have: it would select nothing in silence."""
    asked = [
        ("where", spec.where),
        *((f"moderators[{j}].where", one.where) for j, one in enumerate(spec.moderators)),
    ]
    for key, where in asked:
        for column, values in where.items():
            for value in values:
                if column not in allowed or value in allowed[column]:
                    continue
                known = allowed[column]
                near = difflib.get_close_matches(value, known, n=1)
                fix = f"write {near[0]}" if near else f"use one of {', '.join(known)}"
                what = f"{value!r} is no value of {column} in data/datapackage.json, so no row can match"
                yield Problem(FILE, what, fix, None, f"analyses[{i}].{key}.{column} ({spec.id})", value)


def _other_direction(i: int, spec: Spec, outcomes: Sequence[Outcome]) -> Iterator[Problem]:
    """Refuse a direction against that of the outcomes: it would turn the answer over.

    Only an SMD bridges outcomes that point both ways, and then results of the others are turned.
    """
    against = [one.id for one in outcomes if one.lower_is_better != spec.lower_is_better]
    if spec.measure == "SMD" or not against:
        return
    said = str(spec.lower_is_better).lower()
    way = "higher" if spec.lower_is_better else "lower"
    what = f"lower_is_better is {said}, but data/outcomes.csv says that {way} is better for {', '.join(against)}"
    fix = f"write lower_is_better: {str(not spec.lower_is_better).lower()}, or correct better in data/outcomes.csv"
    if len(against) < len(outcomes):
        fix = "pool outcomes that point one way, or take measure: SMD, which turns the others"
    yield Problem(FILE, what, fix, None, f"analyses[{i}].lower_is_better ({spec.id})", said)


_IN_WORDS = {
    "agatston units": "au",
    "percent": "%",
    "percentage points": "%",
    "metres per second": "m/s",
    "millimetres of mercury": "mmhg",
    "millimetres": "mm",
    "centimetres": "cm",
    "kilograms": "kg",
    "minutes": "min",
    "seconds": "s",
}
"""Units that an analysis may spell out where the outcome has the symbol."""


def _unit(text: str) -> str:
    """Return a unit in lower case and one spelling."""
    plain = " ".join(text.casefold().replace("meter", "metre").split())
    return _IN_WORDS.get(plain, plain.replace(" ", ""))


def _other_unit(i: int, spec: Spec, outcomes: Sequence[Outcome]) -> Iterator[Problem]:
    """Refuse a mean difference in another unit than that of its outcomes: nothing converts it."""
    if spec.measure != "MD":
        return
    units = dict.fromkeys(outcome.unit for outcome in outcomes if _unit(outcome.unit) != _unit(spec.unit))
    if units:
        there = " and ".join(units)
        what = f"the unit is {spec.unit}, but the outcomes of this mean difference are in {there}"
        fix = f"write unit: {there}, or correct unit in data/outcomes.csv; numbers are never converted"
        if len({outcome.unit for outcome in outcomes}) > 1:
            fix = "pool outcomes of one unit, or take measure: SMD"
        yield Problem(FILE, what, fix, None, f"analyses[{i}].unit ({spec.id})", spec.unit)


def parse(settings: Mapping[str, Any]) -> Config:
    """Read checked settings into a `Config`.

    Raises
    ------
    ProjectError
        With every problem of the settings.
    """
    found = problems(settings)
    if found:
        raise ProjectError(found)
    return Config(
        review=_review(settings["review"]),
        seed=settings["seed"],
        level=settings["level"],
        lead=Lead(**settings["lead"]),
        models=tuple(_model(item) for item in settings["models"]),
        sensitivity=tuple(item["id"] for item in settings["sensitivity"]),
        figures=tuple(item["id"] for item in settings["figures"]),
        analyses=tuple(_spec(item) for item in settings["analyses"]),
        figure_options={item["id"]: _without(item, "id") for item in settings["figures"]},
    )


def _review(item: Mapping[str, Any]) -> Review:
    lists = {name: tuple(item.get(name, ())) for name in ("limits", "authors", "deviations")}
    return Review(**{**item, **lists, "changes": tuple(Change(**change) for change in item.get("changes", ()))})


def _model(item: Mapping[str, Any]) -> Model:
    return Model(item["id"], item["estimator"], _without(_without(item, "id"), "estimator"))


def _without(item: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != key}


def _spec(item: Mapping[str, Any]) -> Spec:
    ratio = item["measure"] in ("LOGRATIO", *RATIO_MEASURES)
    return Spec(
        id=item["id"],
        title=item["title"],
        question=item["question"],
        source=item["source"],
        outcomes=tuple(item["outcomes"]),
        measure="LOGRATIO" if ratio else item["measure"],
        unit=item["unit"],
        lower_is_better=item["lower_is_better"],
        favours_low=item["favours"]["low"],
        favours_high=item["favours"]["high"],
        where={column: tuple(allowed) for column, allowed in item["where"].items()},
        caveat=item["caveat"],
        lines=tuple(
            Line(
                math.log(line["value"]) if ratio else float(line["value"]),
                line["label"],
                line["source"],
                line["kind"],
            )
            for line in item["relevance"]
        ),
        patient_sd=PatientSD(**item["patient_sd"]) if "patient_sd" in item else None,
        headline=item["headline"],
        scale_note=item.get("scale_note", ""),
        ratio=item["measure"] if item["measure"] in RATIO_MEASURES else "",
        moderators=tuple(_moderator(one) for one in item.get("moderators", ())),
        conversions=_conversions(item.get("conversions", {})),
        contrast=item.get("contrast", "between_arms"),
        subgroups=item.get("subgroups", ""),
    )


def _moderator(item: Mapping[str, Any]) -> Moderator:
    return Moderator(
        column=item["column"],
        label=item["label"],
        kind=item["kind"],
        unit=item.get("unit", ""),
        id=item.get("id", ""),
        groups=tuple((group["name"], tuple(group["values"])) for group in item.get("groups", ())),
        where={column: tuple(allowed) for column, allowed in item.get("where", {}).items()},
    )


def _conversions(item: Mapping[str, Any]) -> Conversions:
    correlation = Correlation(**item["correlation"]) if "correlation" in item else None
    return Conversions(correlation, item.get("medians", ""))
