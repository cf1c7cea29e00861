"""Frictionless data packages of our own tables: ``datapackage.json`` with sizes and SHA-256, and the files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from k2meta.intake.archive import unpacked
from k2meta.intake.hygiene import decode
from k2meta.intake.types import Decision, Intake, Options, Source, refuse
from k2meta.types import Problem, ProjectError

PACKAGE = "datapackage.json"
DICTIONARY = "dictionary.json"
"""The project's own data dictionary, byte for byte; the package beside it adds sizes and hashes."""
ENDINGS = (".csv", ".bib", ".json")


def export(files: Mapping[str, bytes], dictionary: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the package of a project's data files.

    Parameters
    ----------
    files : mapping of str to bytes
        The files of ``data/`` by name, its ``datapackage.json`` included.
    dictionary : mapping
        That file, parsed.
    """
    out = {DICTIONARY if name == PACKAGE else name: raw for name, raw in files.items() if name.endswith(ENDINGS)}
    described = {one.get("path"): one for one in dictionary.get("resources", []) if isinstance(one, dict)}
    resources = [_resource(name, out[name], described.get(name)) for name in sorted(out)]
    package = {key: value for key, value in dictionary.items() if key not in ("resources", "profile")}
    package |= {"profile": "data-package", "resources": resources}
    out[PACKAGE] = (json.dumps(package, indent=2, ensure_ascii=False) + "\n").encode("utf-8")
    return out


def _resource(name: str, raw: bytes, described: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return one resource: as the dictionary describes it, with size and hash."""
    stem, _, ending = name.rpartition(".")
    plain = {"name": stem.lower().replace("_", "-"), "path": name, "profile": "data-resource", "format": ending}
    hashed = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    return {**(described or plain), "encoding": "utf-8", "bytes": len(raw), "hash": hashed}


def read(sources: Sequence[Source], options: Options) -> Intake:
    """Read a package: its zip archive, or its files; sizes and hashes must hold.

    Raises
    ------
    ProjectError
        With every file that is missing, has another size or hash, or a path that leaves the package.
    """
    files = {PurePosixPath(one.name).name: one for one in unpacked(sources, ENDINGS)}
    if PACKAGE not in files:
        name = sources[0].name if sources else ""
        raise refuse(name, f"there is no {PACKAGE}", f"name the zip archive, or {PACKAGE} and its files together")
    package = _parsed(files[PACKAGE], options)
    problems: list[Problem] = []
    taken: dict[str, bytes] = {}
    decisions: list[Decision] = []
    for number, resource in enumerate(package, start=1):
        found = _checked(files[PACKAGE].name, number, resource, files, problems)
        if found is not None:
            name = PACKAGE if found[0] == DICTIONARY else found[0]
            taken[name] = found[1]
            why = "copied byte for byte; size and SHA-256 hold"
            decisions.append(
                Decision("copied", found[0], None, "", "", name.removesuffix(".csv"), "", "", "", why)
            )
    if not problems and not {"trials.csv", "extractions.csv", "outcomes.csv"} <= set(taken):
        fix = "only packages with trials.csv, extractions.csv and outcomes.csv are read; for others use mapping"
        problems.append(Problem(files[PACKAGE].name, "the package is not of our tables", fix))
    if problems:
        raise ProjectError(tuple(problems))
    return Intake(taken, tuple(decisions))


def _parsed(source: Source, options: Options) -> list[Any]:
    try:
        package = json.loads(decode(source.name, source.raw, options))
        resources = package["resources"]
    except json.JSONDecodeError as error:
        raise refuse(source.name, f"is not JSON: {error.msg}", "mend this line", row=error.lineno) from None
    except (RecursionError, ValueError, KeyError, TypeError):
        raise refuse(source.name, "lists no resources", "export the package again") from None
    if not isinstance(resources, list):
        raise refuse(source.name, "lists no resources", "export the package again")
    return resources


def _checked(
    package: str, number: int, resource: Any, files: Mapping[str, Source], problems: list[Problem]
) -> tuple[str, bytes] | None:
    """Return name and content of one resource, or note why it cannot be taken."""
    path = resource.get("path") if isinstance(resource, dict) else None
    if not isinstance(path, str) or path != PurePosixPath(path).name or not path.endswith(ENDINGS):
        what = f"resource {number} has no path that is a plain file name"
        problems.append(Problem(package, what, "keep all files beside datapackage.json"))
        return None
    if path == PACKAGE or path not in files:
        problems.append(Problem(package, f"the file {path} is missing", f"name {path} too"))
        return None
    raw = files[path].raw
    hashed = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    if resource.get("hash") != hashed or resource.get("bytes") != len(raw):
        what = f"{path} is not the file that was packed (size or SHA-256 differ)"
        problems.append(Problem(package, what, "export the package again"))
        return None
    return path, raw
