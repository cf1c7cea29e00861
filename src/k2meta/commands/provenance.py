"""`k2meta provenance`: what is needed to build the same bytes again."""

from __future__ import annotations

from pathlib import Path

from k2meta import io
from k2meta.commands.options import CONFIG, ConfigFile, Folder, Out
from k2meta.provenance import describe


def provenance(
    folder: Folder = Path(), config: ConfigFile = CONFIG, out: Out = Path("reports/provenance.json")
) -> None:
    """Write the hashes of the inputs, the merged settings and the versions of the libraries."""
    io.write_json(out, describe(io.read_inputs(folder), io.read_json(config)))
