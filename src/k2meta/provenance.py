"""What a report was built from: hashes of the inputs, the merged settings, versions. No clock, no path."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

LIBRARIES = (
    "arviz",
    "jinja2",
    "matplotlib",
    "numpy",
    "nutpie",
    "pandas",
    "pymc",
    "scipy",
    "snakemake",
    "statsmodels",
)


def describe(files: Mapping[str, bytes], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the provenance of a build.

    Parameters
    ----------
    files : mapping
        Name relative to the project and content of every input file.
    settings : mapping
        The merged settings of the run.
    """
    return {
        "inputs": {
            name: {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
            for name, raw in sorted(files.items())
        },
        "settings": settings,
        "software": {
            "k2meta": version("k2meta"),
            "python": platform.python_version(),
            **{name: version(name) for name in LIBRARIES},
        },
        "rebuild": [
            "git clone <repository>",
            "make report",
            "or, for another folder that holds data/ and config/, after `make env`:",
            ".venv/bin/snakemake -s Snakefile --directory <folder>",
        ],
    }
