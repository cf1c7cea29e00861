"""Risk of bias as lights: a colour, and a letter in each so that nothing rests on the colour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from k2meta.figures.sheet import Sheet
from k2meta.figures.style import FLAG, INK, SMALL

SIZE = 10.6
"""Diameter of a light in points: a letter of the smallest type stands in it with room to spare."""

LETTERS: dict[str, str] = {"low": "L", "some concerns": "S", "high": "H", "no information": "N", "": "–"}
NAMES: dict[str, str] = {**{name: name for name in LETTERS}, "": "not assessed"}
FILLS: dict[str, tuple[str, str]] = {
    "low": ("#BFE6D9", "#009E73"),
    "some concerns": ("#FBF3B0", "#8A7A00"),
    "high": ("#F8CDB0", FLAG),
    "no information": ("#FFFFFF", "#595959"),
}
"""Fill and edge of each judgement; black letters reach a contrast of 4.5 on every fill."""

ROB2 = (
    "randomisation process",
    "deviations from the intended interventions",
    "missing outcome data",
    "measurement of the outcome",
    "selection of the reported result",
)
"""The domains of RoB 2, in its order."""


def heads(count: int) -> tuple[str, ...]:
    """Return the short head of each column of lights; the last one is the overall judgement."""
    return (*(f"D{i}" for i in range(1, count)), "All")[:count]


def draw(sheet: Sheet, centres: Sequence[float], y: float, lights: Sequence[str], gid: str) -> None:
    """Draw the lights of one study, centred on ``y``."""
    for i, (x, judgement) in enumerate(zip(centres, lights, strict=False)):
        if judgement:
            fill, edge = FILLS[judgement]
            sheet.disc(x, y, SIZE, fill=fill, edge=edge, gid=f"{gid}-light-{i}")
        sheet.text(x, y + 0.36 * SMALL, LETTERS[judgement], size=SMALL, colour=INK, align="center")


def legend(tool: str, count: int, used: Iterable[str]) -> str:
    """Say what the letters and the columns mean."""
    seen = set(used)
    letters = ", ".join(f"{LETTERS[name]} {NAMES[name]}" for name in LETTERS if name in seen)
    name = f"risk of bias ({tool})" if tool else "risk of bias"
    text = f"{name} as judged by people: {letters}"
    if tool.replace(" ", "").casefold() == "rob2" and count == len(ROB2) + 1:
        text += "; " + ", ".join(f"D{i} {domain}" for i, domain in enumerate(ROB2, start=1))
    return text
