"""Settings: every mistake at once, with its line and the fix."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Collection, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from k2meta import io
from k2meta.commands import priors
from k2meta.commands.fits import fit
from k2meta.config import Model, against_data, fits_measure, parse, problems, proper
from k2meta.models.priors import EMPIRICAL, EMPIRICAL_SOURCES, UNIT_INFORMATION
from k2meta.records.schema import allowed_values
from k2meta.types import Outcome, ProjectError
from tests import samples

CONFIG = Path(__file__).parents[1] / "config" / "config.yaml"


@pytest.fixture
def settings() -> dict[str, Any]:
    return copy.deepcopy(io.read_yaml(CONFIG)[0])


def dictionary(names: Collection[str]) -> list[Outcome]:
    """Return those outcomes of the shipped dictionary."""
    rows = io.read_table(CONFIG.parents[1] / "data" / "outcomes.csv").rows
    return [
        Outcome(row["outcome"], row["label"], row["unit"], row["better"] == "lower", row["surrogate"] == "yes")
        for row in rows
        if row["outcome"] in names
    ]


def test_the_shipped_settings_are_valid_and_keep_every_option(settings: dict[str, Any]) -> None:
    config = parse(settings)
    assert [spec.id for spec in config.analyses] == [item["id"] for item in settings["analyses"]]
    assert config.models[0].options == {"tau2": "REML", "interval": "HKSJ-guarded", "prediction": "t(k-1)"}
    assert [config.lead.of(k)[0] for k in (2, 3, 4)] == ["bayes_exact", "bayes_exact", "reml_hksj"]


def _misspell(settings: dict[str, Any]) -> None:
    settings["analyses"][0]["mesure"] = settings["analyses"][0].pop("measure")


def _drop_patient_sd(settings: dict[str, Any]) -> None:
    del settings["analyses"][0]["patient_sd"]


def _repeat_id(settings: dict[str, Any]) -> None:
    settings["analyses"][1]["id"] = settings["analyses"][0]["id"]


GOSH = [item["id"] for item in io.read_yaml(CONFIG)[0]["figures"]].index("gosh")
MISTAKES: list[tuple[Callable[[dict[str, Any]], None], str, str]] = [
    (_misspell, "analyses[0].mesure", "unknown key 'mesure'. Fix: write measure"),
    (_misspell, "analyses[0]", "the key 'measure' is missing"),
    (_drop_patient_sd, "analyses[0] (cac_agatston)", "needs patient_sd"),
    (_repeat_id, "analyses[1].id", "the id 'cac_agatston' is used twice"),
    (lambda s: s["models"][0].update(tau2="RELM"), "models[0].tau2", "'RELM': not one of DL, PM, REML"),
    (lambda s: s["models"][1].update(tau2="REML"), "models[1].tau2", "unknown key 'tau2'"),
    (lambda s: s["analyses"][2].update(id="K2 only"), "analyses[2].id", "does not match"),
    (lambda s: s["lead"].update(model="remle"), "lead.model", "'remle' is not among the models"),
    (lambda s: s.update(level=95), "level", "95"),
    (lambda s: s.update(colour="red"), "colour", "unknown key 'colour'"),
    (
        lambda s: s["figures"][0].update(preset="lancet"),
        "figures[0].preset",
        "'lancet': not one of cochrane, jama",
    ),
    (lambda s: s["figures"][0].update(columns=["people"]), "figures[0].columns", "the plot is one of them"),
    (lambda s: s["figures"][0].update(colour="red"), "figures[0].colour", "unknown key 'colour'"),
    (lambda s: s["figures"][1].update(preset="jama"), "figures[1].preset", "an option of the forest plot, not of"),
    (
        lambda s: s["sensitivity"].remove({"id": "gosh"}),
        f"figures[{GOSH}].id",
        "the check 'gosh', which is not run",
    ),
    (lambda s: s["analyses"][0].update(where={"vitamer": "MK-7"}), "analyses[0].where.vitamer", "type array"),
    (lambda s: s["analyses"][0].update(contrast="one_arm"), "analyses[0].contrast", "not one of between_arms"),
    (lambda s: s["analyses"][3].update(contrast="active_arm"), "analyses[3].contrast (calcification_any)", "MD"),
    (
        lambda s: s["analyses"][3]["moderators"][0].pop("groups"),
        "analyses[3].moderators[0]",
        "the key 'groups' is missing",
    ),
    (
        lambda s: s["analyses"][3]["moderators"][0].update(kind="log2"),
        "analyses[3].moderators[0]",
        "write kind: groups, or remove groups",
    ),
    (
        lambda s: s["analyses"][3]["moderators"][1].update(id="k1_or_k2"),
        "analyses[3].moderators[1]",
        "'k1_or_k2' is used twice",
    ),
]


def _exact(settings: dict[str, Any], **prior: Any) -> None:
    settings["models"][2]["tau_prior"] = prior


def _only_smd(settings: dict[str, Any]) -> None:
    settings["analyses"] = [item for item in settings["analyses"] if item["measure"] == "SMD"]


PRIOR_MISTAKES: list[tuple[Callable[[dict[str, Any]], None], str, str]] = [
    (lambda s: _exact(s, family="half_norml", scale=1), "models[2].tau_prior.family", "'half_norml': not one of"),
    (lambda s: _exact(s, scale=1), "models[2].tau_prior", "the key 'family' is missing"),
    (lambda s: _exact(s, family="half_t", scale=1), "models[2].tau_prior", "the key 'df' is missing"),
    (
        lambda s: _exact(s, family="half_normal", scale=1, df=3),
        "models[2].tau_prior.df",
        "unknown key 'df'. Fix: use one of family, scale",
    ),
    (lambda s: _exact(s, family="half_normal", scale=0), "models[2].tau_prior.scale", "patient SDs"),
    (lambda s: _exact(s, family="half_normal", scale=math.inf), "models[2].tau_prior.scale", "inf"),
    (
        lambda s: _exact(s, family="half_normal", scale=math.nan),
        "models[2].tau_prior.scale",
        "not a finite number",
    ),
    (lambda s: _exact(s, family="half_t", df=-1, scale=1), "models[2].tau_prior.df", "Degrees of freedom"),
    (
        lambda s: _exact(s, family="empirical", name="turner2015"),
        "models[2].tau_prior.name",
        "'turner2015': not one of turner2015_log_or",
    ),
    (
        lambda s: _exact(s, family="empirical", name="rhodes2015_smd"),
        "models[2].tau_prior",
        "estimated for standardised mean differences, which these analyses do not pool: cac_agatston, cfpwv",
    ),
    (
        lambda s: (_only_smd(s), _exact(s, family="empirical", name="turner2015_log_or")),
        "models[2].tau_prior",
        "estimated for log odds ratios, which these analyses do not pool: calcification_any",
    ),
    (
        lambda s: _exact(s, family="lognormal_variance", location=-2.5, scale=1.7),
        "models[2].tau_prior",
        "gives tau as a bare number, which has no unit on a mean difference (cac_agatston",
    ),
    (
        lambda s: _exact(s, family="t_variance", df=5, location=-2.5, scale=17),
        "models[2].tau_prior.scale",
        "at most 10",
    ),
    (lambda s: _exact(s, family="uniform"), "models[2].tau_prior", "this model cannot lead"),
    (lambda s: _exact(s, family="jeffreys"), "models[2].tau_prior", "an improper prior of tau gives none"),
    (
        lambda s: s["models"][3].update(tau_prior={"family": "half_cauchy", "scale": 0.5}),
        "models[3].tau_prior.family",
        "'half_cauchy': not one of half_normal. Fix: PyMC samples this model with a half-normal prior of tau only",
    ),
    (lambda s: s["models"][2].update(mu_prior="wide"), "models[2].mu_prior", "Fix: Write flat, or {mean"),
    (lambda s: s["models"][2].update(mu_prior={"mean": 0}), "models[2].mu_prior", "the key 'sd' is missing"),
    (
        lambda s: s["models"][2].update(mu_prior={"mean": 0, "sd": -1}),
        "models[2].mu_prior.sd",
        "Standard deviation of the normal prior of mu, a positive number",
    ),
    (
        lambda s: s.update(sensitivity=[], figures=[{"id": "prior_strip"}]),
        "figures[0].id",
        "'prior_strip' draws the results of the check 'prior_strip', which is not run. Fix: add {id: prior_strip}",
    ),
    (
        lambda s: (
            s.update(models=[s["models"][0], s["models"][1]]),
            s["lead"].update(small_k_model="common_effect"),
            s.update(sensitivity=[{"id": "prior_strip"}]),
        ),
        "sensitivity[0]",
        "prior_strip starts from the priors of a bayes_exact model, and there is none",
    ),
]


@pytest.mark.parametrize(("mistake", "place", "message"), [*MISTAKES, *PRIOR_MISTAKES])
def test_a_mistake_is_named_with_its_place_and_its_fix(
    settings: dict[str, Any], mistake: Callable[[dict[str, Any]], None], place: str, message: str
) -> None:
    mistake(settings)
    found = problems(settings)
    assert any(problem.column == place and message in str(problem) for problem in found), "\n".join(
        map(str, found)
    )


def test_a_column_of_subgroups_that_the_data_do_not_have_is_named(settings: dict[str, Any]) -> None:
    settings["analyses"][0]["subgroups"] = "vitamr"
    outcomes = [name for item in settings["analyses"] for name in item["outcomes"]]
    asked = [one for item in settings["analyses"] for one in (item, *item.get("moderators", ()))]
    columns = [
        *(one["column"] for one in asked if "column" in one),
        *(name for one in asked for name in one.get("where", ())),
    ]
    (found,) = against_data(parse(settings), dictionary(outcomes), columns)
    assert (found.column, found.fix) == ("analyses[0].subgroups (cac_agatston)", "write vitamer")


def test_every_mistake_is_reported_at_once(settings: dict[str, Any]) -> None:
    settings["colour"] = "red"
    settings["level"] = 2
    settings["models"][0]["tau2"] = "XX"
    with pytest.raises(ProjectError) as error:
        parse(settings)
    assert {problem.column for problem in error.value.problems} == {"colour", "level", "models[0].tau2"}


def test_a_mistake_in_a_file_carries_its_line(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.read_text("utf-8").replace("\nseed: ", "\nseeed: "), encoding="utf-8")
    row = next(i for i, line in enumerate(path.read_text("utf-8").splitlines(), 1) if line.startswith("seeed"))
    with pytest.raises(ProjectError) as error:
        io.read_settings(path)
    assert f"config/config.yaml row {row} column seeed: unknown key 'seeed'. Fix: write seed" in str(error.value)


def test_a_duplicate_key_is_refused_with_both_lines(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("seed: 1\nlevel: 0.9\nseed: 2\n", encoding="utf-8")
    with pytest.raises(ProjectError, match=r"row 3 column seed: the key 'seed' stands twice \(first in line 1\)"):
        io.read_yaml(path)


def test_names_that_the_data_do_not_have_are_found(settings: dict[str, Any]) -> None:
    settings["analyses"][0]["outcomes"] = ["cac_agatson"]
    settings["analyses"][1]["where"] = {"vitamr": ["MK-7"]}
    config = parse(settings)
    outcomes = [name for spec in config.analyses[1:] for name in spec.outcomes] + ["cac_agatston"]
    columns = [name for spec in config.analyses for name in spec.where if name != "vitamr"] + ["vitamer"]
    columns += [one.column for spec in config.analyses for one in spec.moderators]
    found = against_data(config, dictionary(outcomes), columns)
    assert [problem.fix for problem in found] == ["write cac_agatston", "write vitamer"]


def _whole(settings: dict[str, Any]) -> tuple[Sequence[Outcome], list[str]]:
    columns = list(io.read_table(CONFIG.parents[1] / "data" / "trials.csv").columns)
    for name in ("extractions", "cohorts"):
        columns += io.read_table(CONFIG.parents[1] / "data" / f"{name}.csv").columns
    return dictionary([name for item in settings["analyses"] for name in item["outcomes"]]), columns


def _analysis(settings: dict[str, Any], measure: str) -> int:
    return next(i for i, item in enumerate(settings["analyses"]) if item["measure"] == measure)


@pytest.mark.parametrize("measure", ["MD", "HR"])
def test_a_direction_against_that_of_the_outcomes_is_refused(settings: dict[str, Any], measure: str) -> None:
    i = _analysis(settings, "MD")
    settings["analyses"][i].update(measure=measure, relevance=[])
    settings["analyses"][i]["lower_is_better"] = False
    (found,) = against_data(parse(settings), *_whole(settings))
    assert found.column == f"analyses[{i}].lower_is_better ({settings['analyses'][i]['id']})"
    assert found.value == "false"
    assert "data/outcomes.csv says that lower is better for cac_agatston" in found.what
    assert found.fix.startswith("write lower_is_better: true, or correct better")


def test_an_smd_turns_outcomes_that_point_the_other_way_and_may_take_either_direction(
    settings: dict[str, Any],
) -> None:
    i = _analysis(settings, "SMD")
    assert against_data(parse(settings), *_whole(settings)) == ()
    settings["analyses"][i]["lower_is_better"] = not settings["analyses"][i]["lower_is_better"]
    assert against_data(parse(settings), *_whole(settings)) == ()


def test_a_mean_difference_of_outcomes_that_point_both_ways_is_refused(settings: dict[str, Any]) -> None:
    outcomes, columns = _whole(settings)
    other = Outcome("score", "score", "AU", False, True)
    i = _analysis(settings, "MD")
    settings["analyses"][i]["outcomes"].append("score")
    (found,) = against_data(parse(settings), [*outcomes, other], columns)
    assert "higher is better for score" in found.what
    assert found.fix.startswith("pool outcomes that point one way")


@pytest.mark.parametrize(
    ("unit", "refused"), [("kPa", 1), ("AU", 0), ("Agatston units", 0), ("au", 0), ("mm3", 1)]
)
def test_a_mean_difference_is_in_the_unit_of_its_outcomes(
    settings: dict[str, Any], unit: str, refused: int
) -> None:
    i = _analysis(settings, "MD")
    settings["analyses"][i]["unit"] = unit
    found = against_data(parse(settings), *_whole(settings))
    assert len(found) == refused
    for problem in found:
        assert problem.column == f"analyses[{i}].unit ({settings['analyses'][i]['id']})"
        assert f"the unit is {unit}, but the outcomes of this mean difference are in AU" in problem.what
        assert problem.fix.startswith("write unit: AU")


def test_a_value_that_no_row_can_have_is_refused_with_its_neighbour(settings: dict[str, Any]) -> None:
    i = _analysis(settings, "MD")
    settings["analyses"][i]["where"]["design_class"] = ["rtc"]
    shipped = io.read_json(CONFIG.parents[1] / "data" / "datapackage.json")
    allowed = allowed_values(shipped, ["trials", "extractions", "cohorts"])
    assert "rct" in allowed["design_class"]
    (found,) = against_data(parse(settings), *_whole(settings), allowed)
    name = settings["analyses"][i]["id"]
    assert (found.column, found.value) == (f"analyses[{i}].where.design_class ({name})", "rtc")
    assert found.fix == "write rct"
    settings["analyses"][i]["where"]["design_class"] = ["rct"]
    assert against_data(parse(settings), *_whole(settings), allowed) == ()


PARAMETERS: dict[str, dict[str, Any]] = {
    "half_normal": {"scale": 0.5},
    "half_t": {"df": 4, "scale": 0.5},
    "half_cauchy": {"scale": 0.5},
    "exponential": {"scale": 0.5},
    "uniform": {"upper": 2},
    "jeffreys": {},
    "inverse_gamma": {"shape": 1.7, "scale": 0.4},
    "lognormal_variance": {"location": -2.5, "scale": 1.7},
    "t_variance": {"df": 5, "location": -3.4, "scale": 2.6},
    "empirical": {"name": "rhodes2015_smd"},
}


def schema_of(name: str) -> Any:
    text = resources.files("k2meta").joinpath("schemas/config.schema.json").read_text("utf-8")
    return json.loads(text)["$defs"][name]


def test_every_family_of_the_schema_has_its_prior_and_every_shipped_empirical_prior_its_name_and_source() -> None:
    schema = schema_of("tau_prior")
    assert set(schema["properties"]["family"]["enum"]) == set(priors.FAMILIES) == set(PARAMETERS)
    (named,) = [one["then"]["properties"]["name"]["enum"] for one in schema["allOf"] if "name" in str(one["then"])]
    assert set(named) == set(EMPIRICAL) == set(EMPIRICAL_SOURCES)
    for name in EMPIRICAL:
        measures = [m for m in ("MD", "SMD", "LOGRATIO") if fits_measure({"family": "empirical", "name": name}, m)]
        assert measures == [("LOGRATIO" if name.startswith("turner") else "SMD")]


@pytest.mark.parametrize("family", PARAMETERS)
def test_every_family_is_accepted_and_fitted_with_its_own_parameters(
    settings: dict[str, Any], family: str
) -> None:
    settings["analyses"] = [item for item in settings["analyses"] if item["measure"] == "SMD"]
    settings["models"].append(
        {
            "id": "other",
            "estimator": "bayes_exact",
            "tau_prior": {"family": family, **PARAMETERS[family]},
            "mu_prior": "flat",
        }
    )
    config = parse(settings)
    rows = samples.effects(5, "SMD")
    found = fit(config.model("other"), config.analyses[0], rows, 0.95)
    prior = priors.tau_prior(config.model("other").options, config.analyses[0], [row.vi for row in rows])
    assert found is not None
    assert found.options["tau_prior"] == prior.describe()
    assert prior.proper == proper(settings["models"][-1]["tau_prior"])
    assert ("tau_prior_source" in found.options) == (family in ("empirical", "jeffreys"))


@pytest.mark.parametrize(
    "family", ["half_normal", "half_t", "half_cauchy", "exponential", "uniform", "inverse_gamma"]
)
def test_on_a_mean_difference_a_prior_counts_patient_sds(family: str) -> None:
    options = {"tau_prior": {"family": family, **PARAMETERS[family]}}
    on_md, on_smd = (priors.tau_prior(options, samples.spec(m), [1.0]) for m in ("MD", "SMD"))
    tau = np.array([0.1, 0.5, 1.9])
    # A change of unit by 90: densities per unit fall by 90, and so do their logs by log(90).
    assert on_md.logpdf(90.0 * tau) == pytest.approx(on_smd.logpdf(tau) - math.log(90.0), rel=1e-12)


def test_a_normal_prior_of_mu_counts_patient_sds_on_a_mean_difference_only() -> None:
    options = {"mu_prior": {"mean": 1.0, "sd": 2.0}}
    found = [priors.mu_prior(options, samples.spec(measure)) for measure in ("MD", "SMD")]
    assert [(one.mean, one.sd) for one in found if one] == [(90.0, 180.0), (1.0, 2.0)]


def test_unit_information_is_the_variance_of_one_patient_in_the_formulas_of_the_measures() -> None:
    n = 1.0
    assert UNIT_INFORMATION["MD"] ** 2 == 1.0 / (n / 2) + 1.0 / (n / 2)
    assert UNIT_INFORMATION["SMD"] == UNIT_INFORMATION["MD"]
    assert UNIT_INFORMATION["LOGRATIO"] ** 2 == sum(1.0 / (n / 4) for _ in range(4))


def test_the_strip_holds_the_leading_prior_once_and_at_least_six_others() -> None:
    for measure in ("MD", "SMD", "LOGRATIO"):
        for family in ("half_normal", "half_cauchy", "uniform", "inverse_gamma"):
            options = {"tau_prior": {"family": family, **PARAMETERS[family]}, "mu_prior": "flat"}
            chosen = [prior for prior, _ in priors.strip_priors(options, samples.spec(measure), [1.0, 2.0])]
            assert chosen.count(priors.tau_prior(options, samples.spec(measure), [1.0, 2.0])) == 1
            assert len(set(chosen)) == len(chosen) >= 7


def test_the_model_that_is_drawn_is_the_exact_one_that_may_lead(settings: dict[str, Any]) -> None:
    first = {**settings["models"][2], "id": "first"}
    settings["models"].insert(0, first)
    found = priors.leading(parse(settings))
    assert isinstance(found, Model)
    assert found.id == "bayes_exact"
    settings["lead"]["small_k_model"] = "common_effect"
    found = priors.leading(parse(settings))
    assert isinstance(found, Model)
    assert found.id == "first"


@pytest.mark.parametrize(
    ("written", "scale"), [("RR", "LOGRATIO"), ("OR", "LOGRATIO"), ("HR", "LOGRATIO"), ("RD", "RD")]
)
def test_a_measure_of_counts_is_a_scale_and_one_kind_of_ratio(
    settings: dict[str, Any], written: str, scale: str
) -> None:
    item = settings["analyses"][0]
    item |= {"measure": written, "relevance": []}
    spec = parse(settings).analyses[0]
    assert (spec.measure, spec.ratio) == (scale, "" if written == "RD" else written)


def test_a_relevance_line_of_a_risk_ratio_is_above_zero(settings: dict[str, Any]) -> None:
    settings["analyses"][0] |= {"measure": "RR"}
    (found,) = problems(settings)
    assert found.what == "a ratio is above zero"


def test_conversions_and_moderators_are_read_and_their_slips_named(settings: dict[str, Any]) -> None:
    item = settings["analyses"][0]
    item["conversions"] = {"correlation": {"value": 0.7, "source": "Trial A"}, "medians": "lognormal"}
    item["moderators"] = [{"column": "mean_age", "label": "mean age", "kind": "number", "unit": "year"}]
    spec = parse(settings).analyses[0]
    assert spec.conversions.correlation is not None
    assert (spec.conversions.correlation.value, spec.conversions.medians) == (0.7, "lognormal")
    assert (spec.moderators[0].column, spec.moderators[0].unit) == ("mean_age", "year")
    assert parse(settings).analyses[1].conversions.medians == ""
    item["conversions"]["correlation"]["value"] = 1.0
    item["moderators"][0]["kind"] = "numeric"
    columns = {problem.column for problem in problems(settings)}
    assert columns == {"analyses[0].conversions.correlation.value", "analyses[0].moderators[0].kind"}


def test_a_moderator_that_no_file_has_is_named_with_its_neighbour(settings: dict[str, Any]) -> None:
    settings["analyses"][0]["moderators"] = [{"column": "mean_aeg", "label": "mean age", "kind": "number"}]
    outcomes = [name for item in settings["analyses"] for name in item["outcomes"]]
    columns = [name for item in settings["analyses"] for name in item["where"]]
    columns += [one["column"] for item in settings["analyses"][1:] for one in item.get("moderators", ())]
    (found,) = against_data(parse(settings), dictionary(outcomes), [*columns, "mean_age"])
    assert "'mean_aeg' is not in data/trials.csv" in found.what
    assert found.fix == "write mean_age"


def test_a_moderator_of_a_column_that_the_data_do_not_have_is_found(settings: dict[str, Any]) -> None:
    config = parse(settings)
    outcomes = [name for spec in config.analyses for name in spec.outcomes]
    columns = ["design_class", "exposure_class", "contrast_class", "vitamer", "dose_ug_per_day"]
    found = against_data(config, dictionary(outcomes), columns)
    assert [(problem.column, problem.value) for problem in found] == [
        ("analyses[4].moderators (stiffness_any)", "duration_months")
    ]
