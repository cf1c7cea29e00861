"""Numbers of other software, with its versions inside each file; ``validation/`` says how they were made."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any


@cache
def load(name: str) -> dict[str, Any]:
    """Return one reference file, for example ``load("metafor")``."""
    return json.loads((Path(__file__).parent / f"{name}.json").read_text(encoding="utf-8"))
