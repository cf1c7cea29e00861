"""The tree of a figure: which elements it has, how many of each, and what it says, but not one coordinate.

``python -m tests.figures.golden`` writes the trees anew; look at the figures before committing them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import unescape

from k2meta.figures import FIGURES, PRESETS, Figure, bubble, forest
from tests import samples
from tests.figures.test_bubble import moderated

FOLDER = Path(__file__).parent / "golden"
AUTOMATIC = re.compile(r"^(?:patch|axes|figure|line2d|text)_\d+$|^DejaVu|^[mpch][0-9a-f]{10}$|^tick|^y-tick")
"""Ids that matplotlib gives by counting or hashing, and those of ticks, whose number depends on the scale."""

CASES: dict[str, Callable[[], Figure]] = {
    **{
        f"forest_{preset}": (lambda preset=preset: forest(samples.analysis(7), preset=preset))
        for preset in PRESETS
    },
    "forest_none": lambda: forest(samples.analysis(0)),
    "forest_one": lambda: forest(samples.analysis(1)),
    "forest_ratio": lambda: forest(samples.analysis(3, "LOGRATIO")),
    **{
        name: (lambda draw=draw: draw(samples.analysis(7)))
        for name, draw in FIGURES.items()
        if name not in ("forest", "prior_posterior", "bubble")
    },
    "bubble": lambda: bubble(moderated()),
}


def tree(svg: str) -> dict[str, Any]:
    """Return the ids we gave, the number of elements of each kind outside definitions, and the texts in order."""
    root = ElementTree.fromstring(svg)
    defined = {id(inner) for defs in root.iter("{http://www.w3.org/2000/svg}defs") for inner in defs.iter()}
    shown = [element for element in root.iter() if id(element) not in defined]
    ids = [element.get("id", "") for element in shown]
    kinds = Counter(element.tag.rpartition("}")[2] for element in shown)
    return {
        "ids": sorted(name for name in ids if name and not AUTOMATIC.match(name)),
        "elements": {kind: kinds[kind] for kind in sorted(kinds) if kind in ("path", "g", "use")},
        "texts": [unescape(text.strip()) for text in re.findall(r"<!-- (.*?) -->", svg, re.DOTALL)],
    }


def main() -> None:
    """Write every tree."""
    for name, draw in CASES.items():
        text = json.dumps(tree(draw().svg()), indent=1, ensure_ascii=False)
        (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
