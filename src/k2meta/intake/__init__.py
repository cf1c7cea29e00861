"""Intake: other people's formats to our tables, and back. Bytes in, bytes out; files are opened elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from k2meta.intake import (
    clinicaltrials,
    cochrane,
    export_metafor,
    export_revman_web,
    frictionless,
    mapping,
    metafor,
    revman5,
    revman_web,
    robvis,
)
from k2meta.intake.draft import dictionary, log_file
from k2meta.intake.hygiene import ACCEPT
from k2meta.intake.pools import Headline, Pool, Project
from k2meta.intake.types import Decision, Intake, Options, Source

__all__ = [
    "ACCEPT",
    "EXPORTERS",
    "IMPORTERS",
    "Decision",
    "Headline",
    "Intake",
    "Options",
    "Pool",
    "Project",
    "Source",
    "dictionary",
    "log_file",
]

IMPORTERS: dict[str, Callable[[Sequence[Source], Options], Intake]] = {
    "metafor": metafor.read,
    "cochrane": cochrane.read,
    "revman5": revman5.read,
    "clinicaltrials": clinicaltrials.read,
    "revman_web": revman_web.read,
    "covidence": revman_web.read,
    "robvis": robvis.read,
    "mapping": mapping.read,
    "frictionless": frictionless.read,
}

EXPORTERS: dict[str, Callable[[Project], dict[str, bytes]]] = {
    "metafor": export_metafor.export,
    "revman_web": export_revman_web.export,
    "frictionless": lambda project: frictionless.export(project.files, project.dictionary),
}
