"""Metadata: one source, no contradiction, the fields of each format; a crate that describes its own files."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from k2meta.citation import CRATE, run_crate
from k2meta.commands.metadata import metadata_files

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
REVIEW = {
    "title": "A review",
    "version": "2.1",
    "data_date": "2026-01-31",
    "question": "Does  it\nhelp?",
    "authors": ["Ada Lovelace", "The group"],
}
INPUTS = {"data/trials.csv": b"a,b\n", "config/config.yaml": b"seed: 1\n"}
OUTPUTS = {"reports/report.html": b"<html>", "reports/figures/x.alt.txt": b"words"}

TEXT = {"type": "string", "minLength": 1}
# The fields that we write, after the published descriptions of the formats; a field not listed here is refused.
CFF: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["cff-version", "message", "title", "authors"],
    "properties": {
        "cff-version": {"const": "1.2.0"},
        "type": {"enum": ["software", "dataset"]},
        "authors": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "object", "additionalProperties": False, "properties": {"name": TEXT}},
        },
        "keywords": {"type": "array", "minItems": 1, "uniqueItems": True, "items": TEXT},
        **dict.fromkeys(("title", "message", "abstract", "version", "license"), TEXT),
    },
}
ZENODO: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["title", "description", "upload_type", "creators"],
    "properties": {
        "upload_type": {"enum": ["software", "dataset", "publication"]},
        "creators": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["name"],
                "additionalProperties": False,
                "properties": {"name": TEXT},
            },
        },
        "keywords": {"type": "array", "items": TEXT},
        **dict.fromkeys(("title", "description", "version", "license"), TEXT),
    },
}
CODEMETA: dict[str, Any] = {
    "type": "object",
    "required": ["@context", "@type", "name", "author"],
    "properties": {
        "@context": {"const": "https://w3id.org/codemeta/3.0"},
        "@type": {"const": "SoftwareSourceCode"},
        "license": {"type": "string", "pattern": "^https://spdx.org/licenses/"},
        "author": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["@type", "name"],
                "properties": {"@type": {"enum": ["Person", "Organization"]}},
            },
        },
    },
}


def committed(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text("utf-8"))  # JSON is YAML


@pytest.mark.parametrize("name", ["CITATION.cff", ".zenodo.json", "codemeta.json", "data/datapackage.json"])
def test_the_committed_files_are_those_that_the_command_writes(name: str) -> None:
    assert (ROOT / name).read_bytes() == metadata_files(ROOT)[name], (
        "run `k2meta metadata` and commit what it wrote"
    )


@pytest.mark.parametrize(
    ("name", "schema"), [("CITATION.cff", CFF), (".zenodo.json", ZENODO), ("codemeta.json", CODEMETA)]
)
def test_each_file_has_the_fields_of_its_format(name: str, schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(committed(name), schema)
    assert None not in committed(name).values()


def test_the_files_agree_on_title_version_authors_licence_and_keywords() -> None:
    cff, zenodo, codemeta = (committed(name) for name in ("CITATION.cff", ".zenodo.json", "codemeta.json"))
    assert cff["title"] == zenodo["title"] == codemeta["name"]
    assert cff["title"].startswith(f"{PROJECT['name']}: ")
    assert cff["version"] == zenodo["version"] == codemeta["version"] == PROJECT["version"]
    names = [author["name"] for author in PROJECT["authors"]]
    assert all(
        [one["name"] for one in found] == names
        for found in (cff["authors"], zenodo["creators"], codemeta["author"])
    )
    assert cff["license"] == zenodo["license"] == codemeta["license"].rpartition("/")[2] == PROJECT["license"]
    assert cff["keywords"] == zenodo["keywords"] == codemeta["keywords"] == PROJECT["keywords"]
    package, review = committed("data/datapackage.json"), committed("config/config.yaml")["review"]
    assert package["version"] == review["version"]
    assert package["licenses"][0]["name"] == PROJECT["license"]
    assert [one["title"] for one in package["contributors"]] == review["authors"]


def crate(**changes: Any) -> dict[str, dict[str, Any]]:
    given: dict[str, Any] = {
        "review": REVIEW,
        "package": {"keywords": ["x", "y"], "licenses": [{"path": "https://spdx.org/licenses/MIT.html"}]},
        "version": "0.1.0",
        "inputs": INPUTS,
        "outputs": OUTPUTS,
        "workflow": {"Snakefile": b"rule all:\n"},
    }
    graph = run_crate(**{**given, **changes})["@graph"]
    assert len({entity["@id"] for entity in graph}) == len(graph)
    return {entity["@id"]: entity for entity in graph}


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [value["@id"]] if set(value) == {"@id"} else [r for one in value.values() for r in references(one)]
    return [r for one in value for r in references(one)] if isinstance(value, list) else []


def test_a_crate_with_the_workflow_in_it_is_a_workflow_run_crate() -> None:
    found = crate()
    root, action = found["./"], found["#build"]
    assert found[CRATE]["about"] == {"@id": "./"}
    assert [one["@id"] for one in root["conformsTo"]] == [
        "https://w3id.org/ro/wfrun/process/0.5",
        "https://w3id.org/ro/wfrun/workflow/0.5",
        "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
    ]
    assert root["mainEntity"] == action["instrument"] == {"@id": "Snakefile"}
    assert "ComputationalWorkflow" in found["Snakefile"]["@type"]
    assert root["mentions"] == {"@id": "#build"}
    assert (root["datePublished"], root["version"], root["description"]) == ("2026-01-31", "2.1", "Does it help?")
    assert [found[one["@id"]]["@type"] for one in root["author"]] == ["Person", "Organization"]
    assert {one["@id"] for one in action["object"]} == set(INPUTS)
    assert {one["@id"] for one in action["result"]} == set(OUTPUTS)


def test_a_project_built_with_a_workflow_from_elsewhere_is_a_process_run_crate() -> None:
    found = crate(workflow={}, package={})
    assert [one["@id"] for one in found["./"]["conformsTo"]] == ["https://w3id.org/ro/wfrun/process/0.5"]
    assert found["#build"]["instrument"] == {"@id": "#k2meta"}
    assert found["#k2meta"]["@type"] == "SoftwareApplication"
    assert not {"mainEntity", "license", "keywords"} & set(found["./"])
    assert "Snakefile" not in found


def test_every_file_stands_with_its_size_and_hash_and_every_reference_leads_somewhere() -> None:
    found = crate()
    for name, raw in {**INPUTS, **OUTPUTS}.items():
        assert found[name]["contentSize"] == str(len(raw))
        assert found[name]["sha256"] == hashlib.sha256(raw).hexdigest()
    assert {one["@id"] for one in found["./"]["hasPart"]} == {*INPUTS, *OUTPUTS, "Snakefile"}
    outside = {r for r in references(list(found.values())) if r not in found}
    assert outside == {"https://w3id.org/ro/crate/1.1", "https://spdx.org/licenses/MIT.html"}


@pytest.mark.parametrize("name", ["/etc/passwd", "../elsewhere.csv", "data/../../x"])
def test_nothing_outside_the_project_enters_a_crate(name: str) -> None:
    with pytest.raises(ValueError, match="outside the crate"):
        crate(inputs={name: b""})


def test_a_crate_knows_no_clock() -> None:
    text = json.dumps(crate())
    assert "startTime" not in text
    assert "endTime" not in text
    assert crate() == crate()
