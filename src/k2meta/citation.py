"""How to cite it: metadata files of the software from one source, and the RO-Crate of a build.

No clock and no path of the machine. What is not known is left out: a file without a DOI says nothing about a DOI.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

MESSAGE = "If you use this software or its review, please cite it."
SPDX = "https://spdx.org/licenses/"
CRATE = "ro-crate-metadata.json"
WFRUN = "https://w3id.org/ro/wfrun/"
PROFILES: dict[str, tuple[str, str, str]] = {
    "process": (f"{WFRUN}process/0.5", "Process Run Crate", "0.5"),
    "workflow": (f"{WFRUN}workflow/0.5", "Workflow Run Crate", "0.5"),
    "workflow-ro-crate": ("https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate", "1.0"),
}
"""What a crate may claim to follow: address, name, version. The last two need the workflow inside the crate."""

CONTEXT = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
SNAKEMAKE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
MEDIA: dict[str, str] = {
    ".bib": "application/x-bibtex",
    ".csv": "text/csv",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".html": "text/html",
    ".json": "application/json",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".tex": "application/x-tex",
    ".txt": "text/plain",
    ".yaml": "application/yaml",
}
"""Kinds of files by their ending; any other ending states no kind."""


def software(project: Mapping[str, Any], review: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the metadata files of the software.

    Parameters
    ----------
    project : mapping
        The ``[project]`` table of ``pyproject.toml``.
    review : mapping
        The ``review`` block of the settings: what the software was written for.

    Returns
    -------
    dict
        ``CITATION.cff`` (YAML), ``.zenodo.json`` and ``codemeta.json`` to bytes.
    """
    import yaml

    cff = yaml.safe_dump(_cff(project, review), sort_keys=False, allow_unicode=True, width=100)
    return {
        "CITATION.cff": cff.encode(),
        ".zenodo.json": _written(_zenodo(project, review)),
        "codemeta.json": _written(_codemeta(project)),
    }


def data_package(package: Mapping[str, Any], project: Mapping[str, Any], review: Mapping[str, Any]) -> bytes:
    """Return a data package with version, authors and licence from the common source."""
    common = {
        "version": review["version"],
        "licenses": [{"name": project["license"], "path": f"{SPDX}{project['license']}.html"}],
        "contributors": [{"title": name, "role": "author"} for name in review["authors"]],
    }
    head = {name: value for name, value in package.items() if name not in ("resources", *common)}
    return _written({**head, **common, "resources": package["resources"]})


def _title(project: Mapping[str, Any]) -> str:
    said = str(project["description"]).rstrip(".")
    return f"{project['name']}: {said[:1].lower()}{said[1:]}"


def _abstract(project: Mapping[str, Any], review: Mapping[str, Any]) -> str:
    told = f"{review['title']}, version {review['version']}, data of {review['data_date']}"
    return f"{project['description']} It comes with a review: {told}."


def _authors(project: Mapping[str, Any]) -> list[str]:
    return [author["name"] for author in project["authors"]]


def _cff(project: Mapping[str, Any], review: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "cff-version": "1.2.0",
        "title": _title(project),
        "message": MESSAGE,
        "type": "software",
        "authors": [{"name": name} for name in _authors(project)],
        "abstract": _abstract(project, review),
        "version": project["version"],
        "license": project["license"],
        "keywords": list(project["keywords"]),
    }


def _zenodo(project: Mapping[str, Any], review: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "title": _title(project),
        "description": _abstract(project, review),
        "upload_type": "software",
        "version": project["version"],
        "creators": [{"name": name} for name in _authors(project)],
        "license": project["license"],
        "keywords": list(project["keywords"]),
    }


def _codemeta(project: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "@context": "https://w3id.org/codemeta/3.0",
        "@type": "SoftwareSourceCode",
        "name": _title(project),
        "identifier": project["name"],
        "description": project["description"],
        "version": project["version"],
        "author": [_agent(name) for name in _authors(project)],
        "license": f"{SPDX}{project['license']}",
        "keywords": list(project["keywords"]),
        "programmingLanguage": {"@type": "ComputerLanguage", "name": "Python"},
        "runtimePlatform": f"Python {project['requires-python']}",
        "softwareRequirements": list(project["dependencies"]),
    }


def _agent(name: str) -> dict[str, str]:
    """Return an author; a name that begins with an article is that of a group."""
    return {"@type": "Organization" if name.startswith("The ") else "Person", "name": name}


def _written(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


# --- the crate of a build --------------------------------------------------------------------


def run_crate(
    review: Mapping[str, Any],
    package: Mapping[str, Any],
    version: str,
    inputs: Mapping[str, bytes],
    outputs: Mapping[str, bytes],
    workflow: Mapping[str, bytes],
) -> dict[str, Any]:
    """Return the RO-Crate of one build: what went in, what ran, what came out.

    Parameters
    ----------
    review : mapping
        The ``review`` block of the settings.
    package : mapping
        The data package of the review: its keywords and its licence, where it states them.
    version : str
        Of k2meta.
    inputs, outputs : mapping
        Name relative to the project, which is the root of the crate, to content.
    workflow : mapping
        ``{"Snakefile": …}`` where the workflow lies in the project: a Workflow Run Crate. Empty where it was run
        from elsewhere, which a crate must not point to: a Process Run Crate, with k2meta as the instrument.

    Raises
    ------
    ValueError
        A name that is absolute or leads out of the project.
    """
    files = {**workflow, **inputs, **outputs}
    for name in files:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise ValueError(f"{name} lies outside the crate")
    claims = [PROFILES[name] for name in (PROFILES if workflow else ["process"])]
    authors = [{"@id": f"#author-{i}", **_agent(name)} for i, name in enumerate(review["authors"], start=1)]
    instrument = next(iter(workflow), "#k2meta")
    graph = [
        {
            "@id": CRATE,
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": _refs(["https://w3id.org/ro/crate/1.1", *([claims[-1][0]] if workflow else [])]),
        },
        _root(
            review, package, [claim[0] for claim in claims], authors, sorted(files), instrument if workflow else ""
        ),
        {
            "@id": "#build",
            "@type": "CreateAction",
            "name": f"Build of {review['title']}",
            "instrument": {"@id": instrument},
            "object": _refs(sorted(inputs)),
            "result": _refs(sorted(outputs)),
            "actionStatus": "http://schema.org/CompletedActionStatus",
        },
        *(_file(name, raw) for name, raw in sorted({**inputs, **outputs}.items())),
        *(_workflow(name, raw) for name, raw in workflow.items()),
        *([{"@id": SNAKEMAKE, "@type": "ComputerLanguage", "name": "Snakemake"}] if workflow else []),
        {"@id": "#k2meta", "@type": "SoftwareApplication", "name": "k2meta", "softwareVersion": version},
        *authors,
        *({"@id": address, "@type": "CreativeWork", "name": name, "version": of} for address, name, of in claims),
    ]
    return {"@context": CONTEXT, "@graph": graph}


def _root(
    review: Mapping[str, Any],
    package: Mapping[str, Any],
    claims: Sequence[str],
    authors: Sequence[Mapping[str, str]],
    files: Sequence[str],
    main: str,
) -> dict[str, Any]:
    licence = next((one["path"] for one in package.get("licenses", ()) if one.get("path")), "")
    found = {
        "@id": "./",
        "@type": "Dataset",
        "conformsTo": _refs(claims),
        "name": review["title"],
        "description": " ".join(str(review["question"]).split()),
        "version": review["version"],
        # The day to which the data were read is the only date that a build knows.
        "datePublished": review["data_date"],
        "author": _refs([author["@id"] for author in authors]),
        "license": {"@id": licence} if licence else None,
        "keywords": ", ".join(package.get("keywords", ())),
        "hasPart": _refs(files),
        "mentions": {"@id": "#build"},
        "mainEntity": {"@id": main} if main else None,
    }
    return {name: value for name, value in found.items() if value}


def _file(name: str, raw: bytes) -> dict[str, Any]:
    media = MEDIA.get(PurePosixPath(name).suffix)
    return {
        "@id": name,
        "@type": "File",
        "name": PurePosixPath(name).name,
        "contentSize": str(len(raw)),
        "sha256": hashlib.sha256(raw).hexdigest(),
        **({"encodingFormat": media} if media else {}),
    }


def _workflow(name: str, raw: bytes) -> dict[str, Any]:
    kinds = ["File", "SoftwareSourceCode", "ComputationalWorkflow"]
    return {**_file(name, raw), "@type": kinds, "programmingLanguage": {"@id": SNAKEMAKE}}


def _refs(names: Sequence[str]) -> list[dict[str, str]]:
    return [{"@id": name} for name in names]
