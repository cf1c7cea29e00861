"""The methods section follows the settings: every option has its phrase, and no two options read the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from k2meta import io
from k2meta.config import LOG_FAMILIES, RATIO_MEASURES, Config, Conversions, Correlation, Model, Moderator
from k2meta.effects.arm_routes import ARM_ROUTES
from k2meta.effects.routes import ROUTES
from k2meta.numbers import plain
from k2meta.report import methods_text as written
from k2meta.report import overclaims
from k2meta.report.methods import fitted_models
from k2meta.report.methods_text import methods_text, model_sentence, named
from k2meta.trace import traced
from tests import samples

CONFIG = io.read_settings(Path(__file__).parents[2] / "config" / "config.yaml")
WHOLE = json.loads(resources.files("k2meta").joinpath("schemas/config.schema.json").read_text("utf-8"))
SCHEMA = WHOLE["properties"]
SOFTWARE = {"k2meta": "9.8.7", "numpy": "1.2.3"}
WORDS = {
    "tau2": written.TAU2,
    "tau2_weights": written.TAU2_WEIGHTS,
    "interval": written.INTERVALS,
    "prediction": written.PREDICTIONS,
    "tau2_interval": written.TAU2_INTERVALS,
    "family": written.FAMILIES,
    "name": written.EMPIRICAL,
    "mu_prior": written.MU_PRIORS,
}


def options(node: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield every (key, option) that a part of the schema offers, by ``enum`` or ``const``."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield from options(WHOLE["$defs"][node["$ref"].rpartition("/")[2]], name)
        found = [*node.get("enum", ()), *([node["const"]] if "const" in node else [])]
        yield from ((name, option) for option in found if isinstance(option, str))
        for key, inner in node.items():
            if key == "properties":
                for field, value in inner.items():
                    yield from options(value, field)
            elif key not in ("enum", "const"):
                yield from options(inner, name)
    elif isinstance(node, list):
        for inner in node:
            yield from options(inner, name)


OFFERED: dict[str, list[str]] = {}
for _key, _option in options(SCHEMA["models"]):
    OFFERED.setdefault(_key, [])
    if _option not in OFFERED[_key]:
        OFFERED[_key].append(_option)


def with_option(key: str, option: str) -> tuple[Model, str]:
    """Return a model that uses an option, and the key of its phrase."""
    base = {"tau2": "REML", "interval": "z", "prediction": "z"}
    bayes = {"tau_prior": {"family": "half_normal", "scale": 0.5}, "mu_prior": "flat"}
    if key == "family":
        return Model("m", "bayes_exact", {**bayes, "tau_prior": {"family": option, "scale": 0.5}}), option
    if key == "mu_prior":
        return Model("m", "bayes_exact", {**bayes, "mu_prior": option}), option
    if key == "estimator":
        sampled = {"chains": 4, "draws": 500, "tune": 500, "target_accept": 0.9}
        return Model("m", option, {**base, **bayes, **sampled}), option  # type: ignore[arg-type]
    if key in WORDS and key != "name":
        return Model("m", "random_effects", {**base, key: option}), option
    # Whatever else a prior may be given, such as the name of an empirical one.
    return Model("m", "bayes_exact", {**bayes, "tau_prior": {"family": "half_normal", key: option}}), option


def test_the_walk_through_the_schema_finds_the_options_it_is_for() -> None:
    assert {"tau2", "interval", "prediction", "tau2_interval", "tau2_weights", "family", "estimator"} <= set(
        OFFERED
    )
    assert len(OFFERED["tau2"]) >= 13
    assert len(OFFERED["interval"]) >= 9


@pytest.mark.parametrize(("key", "option"), [(k, o) for k, found in OFFERED.items() for o in found])
def test_the_methods_name_every_option_that_the_schema_offers(key: str, option: str) -> None:
    model, name = with_option(key, option)
    sentence = model_sentence(model, CONFIG)
    assert key == "estimator" or named(WORDS.get(key, {}), name) in sentence
    assert overclaims(sentence) == ()


@pytest.mark.parametrize("key", OFFERED)
def test_no_two_options_give_the_same_sentence(key: str) -> None:
    sentences = [model_sentence(with_option(key, option)[0], CONFIG) for option in OFFERED[key]]
    assert len(set(sentences)) == len(sentences)


def test_no_phrase_stands_for_an_option_that_nobody_offers() -> None:
    for key, words in WORDS.items():
        assert set(words) <= set(OFFERED[key]), key


def item(key: str) -> list[str]:
    return list(dict.fromkeys(option for name, option in options(SCHEMA["analyses"]) if name == key))


def text(config: Config) -> str:
    analyses = [samples.analysis(5), samples.analysis(1, identifier="other")]
    return " ".join(p for _, paragraphs in methods_text(config, analyses, SOFTWARE) for p in paragraphs)


@pytest.mark.parametrize("key", ["measure", "contrast", "source"])
def test_a_question_says_its_measure_contrast_and_source(key: str) -> None:
    offered = item(key)
    assert len(offered) >= 2
    spec = replace(CONFIG.analyses[0], contrast="between_arms", source="trials", measure="MD")
    said = []
    for option in offered:
        # A ratio of one kind is pooled as a log ratio (see k2meta.config.parse).
        ratio = {"measure": "LOGRATIO", "ratio": option} if option in RATIO_MEASURES else {key: option}
        said.append(text(replace(CONFIG, analyses=(replace(spec, **ratio),))))  # type: ignore[arg-type]
    assert len(set(said)) == len(said)


def test_every_sensitivity_check_of_the_schema_has_its_clause() -> None:
    checks = [option for name, option in options(SCHEMA["sensitivity"]) if name == "id"]
    said = [text(replace(CONFIG, sensitivity=(name,))) for name in checks]
    assert len(set(said)) == len(said) >= 5


@pytest.mark.parametrize(
    "changed",
    [
        replace(CONFIG, level=0.9),
        replace(CONFIG, lead=replace(CONFIG.lead, small_k=5)),
        replace(CONFIG, review=replace(CONFIG.review, data_date="2031-01-02")),
        replace(CONFIG, sensitivity=()),
        replace(CONFIG, seed=7),
        replace(CONFIG, models=CONFIG.models[:2] + CONFIG.models[2:3]),
    ],
)
def test_changing_a_setting_changes_the_text(changed: Config) -> None:
    assert text(changed) != text(CONFIG)


def test_a_scale_and_a_normal_prior_of_the_mean_are_written_with_their_numbers() -> None:
    prior = {"tau_prior": {"family": "half_cauchy", "scale": 0.3}, "mu_prior": {"mean": -1, "sd": 4}}
    sentence = model_sentence(Model("m", "bayes_exact", prior), CONFIG)
    assert "half-Cauchy with scale 0.3" in sentence
    assert "normal with mean −1 and standard deviation 4" in sentence


def test_an_option_without_a_phrase_is_never_written_by_its_id() -> None:
    with pytest.raises(KeyError, match="half_student"):
        named(written.FAMILIES, "half_student")


def test_every_check_has_a_phrase_and_no_phrase_is_its_id() -> None:
    checks = [option for name, option in options(SCHEMA["sensitivity"]) if name == "id"]
    assert set(written.CHECKS) == set(checks)
    phrases = {name: phrase for words in (written.CHECKS, written.EMPIRICAL) for name, phrase in words.items()}
    assert all(len(phrase.split()) > 4 for phrase in phrases.values())
    assert not [name for name, phrase in phrases.items() if "_" in name and name in phrase]


def test_no_id_of_the_settings_is_printed_in_the_methods() -> None:
    said = text(CONFIG)
    ids = {*CONFIG.sensitivity, *CONFIG.figures, *(model.id for model in CONFIG.models)}
    ids |= {name for spec in CONFIG.analyses for name in (spec.id, *spec.outcomes)}
    assert not [name for name in ids if "_" in name and name in said]


def test_the_parameters_of_every_prior_have_their_words() -> None:
    prior = {"tau_prior": {"family": "half_t", "df": 4, "scale": 0.3}, "mu_prior": "flat"}
    assert "half-t with scale 0.3, 4 degrees of freedom" in model_sentence(
        Model("m", "bayes_exact", prior), CONFIG
    )
    families = WHOLE["$defs"]["tau_prior"]["allOf"]
    asked = {name for one in families for name in one["then"]["properties"]} - {"family", "scale"}
    assert set(written.PARAMETERS) == asked


def test_an_interval_is_not_said_to_be_free_of_a_threshold_of_p() -> None:
    assert "a p value below 0.05" in text(CONFIG)
    assert "a p value below 0.1 of" in text(replace(CONFIG, level=0.9))
    assert "No threshold" not in text(CONFIG)


def test_the_text_states_date_direction_conversions_assumptions_and_software() -> None:
    said = text(CONFIG)
    assert CONFIG.review.data_date in said
    assert "below zero favours vitamin K" in said
    assert "mean changes of both arms with their standard deviations (5)" in said
    assert "Of these 5 derivations two rest on an assumption" in said
    assert "k2meta 9.8.7, on numpy 1.2.3" in said
    assert overclaims(said) == ()


def test_borrowed_correlations_and_converted_medians_are_said_for_the_question_that_asks_for_them() -> None:
    asking = Conversions(Correlation(0.65, "Trial A and Trial B"), "lognormal")
    spec = replace(CONFIG.analyses[0], conversions=asking)
    said = text(replace(CONFIG, analyses=(spec,)))
    assert f"For {spec.title}: a correlation of 0.65" in said
    assert "Trial A and Trial B" in said
    assert written.MEDIANS["lognormal"] in said
    assert "correlation" not in text(replace(CONFIG, analyses=(replace(spec, conversions=Conversions()),)))


def test_every_characteristic_is_named_where_effects_are_regressed_on_it() -> None:
    spec = replace(CONFIG.analyses[0], moderators=(Moderator("mean_age", "mean age of the people", "number"),))
    asked = replace(CONFIG, analyses=(spec,))
    assert f"{spec.title} (mean age of the people)" in text(asked)
    assert "mean age of the people" not in text(replace(asked, sensitivity=("leave_one_out",)))


def test_the_criteria_of_a_question_are_printed_as_the_settings_have_them() -> None:
    parts = dict(methods_text(CONFIG, [], SOFTWARE))
    said = " ".join(parts[written.ELIGIBILITY])
    for spec in CONFIG.analyses:
        assert spec.title in said
        assert all(column.replace("_", " ") in said for column in spec.where)
    spec = replace(CONFIG.analyses[0], where={"vitamer": ("MK-7", "MK-4")})
    changed = dict(methods_text(replace(CONFIG, analyses=(spec,)), [], SOFTWARE))[written.ELIGIBILITY]
    assert changed == (f"Trials of the data (vitamer: MK-7 or MK-4) are eligible for: {spec.title}.",)
    everything = dict(methods_text(replace(CONFIG, analyses=(replace(spec, where={}),)), [], SOFTWARE))
    assert "(all of them)" in everything[written.ELIGIBILITY][0]


def test_the_outcomes_of_a_question_are_printed_by_their_labels_in_their_order() -> None:
    spec = replace(CONFIG.analyses[0], outcomes=("first_one", "second"))
    parts = dict(methods_text(replace(CONFIG, analyses=(spec,)), [], SOFTWARE, {"second": "The second outcome"}))
    said = f"For {spec.title} the result taken is: first one; then The second outcome."
    assert parts[written.OUTCOMES][-1] == said


def test_every_route_has_its_phrase() -> None:
    assert set(written.ROUTES) == {*ROUTES, *ARM_ROUTES}


def test_a_prior_counts_patient_sds_only_where_it_has_a_scale() -> None:
    for family in written.FAMILIES:
        prior = {
            "family": family,
            **({"scale": 0.5} if family not in ("uniform", "jeffreys", "empirical") else {}),
        }
        sentence = written.prior_sentence({"tau_prior": prior, "mu_prior": "flat"})
        assert ("counts patient" in sentence) == ("scale" in prior and family not in LOG_FAMILIES)


def test_without_effects_nothing_is_said_about_routes() -> None:
    config = replace(CONFIG, analyses=(replace(CONFIG.analyses[0], conversions=Conversions()),))
    headings = [heading for heading, _ in methods_text(config, [samples.analysis(0)], SOFTWARE)]
    assert "From printed results to effects" not in headings
    assert "Statistical models" in headings


def test_questions_that_share_an_option_share_it_also_where_its_numbers_are_traced() -> None:
    analyses = [traced(samples.analysis(k, identifier=name)) for k, name in ((5, "first"), (6, "second"))]
    rows = fitted_models(analyses)
    assert [plain(row[2]) for row in rows] == [row[2] for row in fitted_models([samples.analysis(5)])]
    assert "by question" not in " ".join(row[2] for row in rows)
