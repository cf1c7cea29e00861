"""The densities of the priors of tau that the strip of priors asks, one small panel each on one scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k2meta.figures import words
from k2meta.figures.figure import Figure, PlotData
from k2meta.figures.prior_plot import name
from k2meta.figures.scale import Scale
from k2meta.figures.sheet import Sheet
from k2meta.figures.style import DISPLAY, INK, MUTED, PRIOR, SMALL, WIDTH, rc
from k2meta.figures.text import Weight, legible, wrapped

if TYPE_CHECKING:
    from k2meta.analysis import Analysis, UnderPrior

MARGIN = 8.0
COLUMNS = 3
GAP = 14.0
TALL = 42.0
"""Height of a panel, in points."""

CUT = 2.2
"""Peaks of the leading prior at which a density is cut off; one with half its scale is twice as high."""


def not_drawn(analysis: Analysis) -> str:
    """Say why there is no figure; empty where there is one."""
    drawn = any(row.density for row in analysis.prior_strip)
    return "" if drawn else "The posteriors under other priors were not computed."


def draw(analysis: Analysis) -> Figure:
    """Draw the density of every prior of the strip; an improper one has none, and its panel says so.

    Parameters
    ----------
    analysis : Analysis
        Without a strip of priors the figure says so.
    """
    with rc():
        sheet = Sheet(WIDTH)
        y = MARGIN + 0.78 * DISPLAY
        for line in wrapped(legible(analysis.spec.title), DISPLAY, WIDTH - 2 * MARGIN, "bold", lines=2):
            sheet.text(MARGIN, y, line, size=DISPLAY, weight="bold")
            y += 1.35 * DISPLAY
        rows = analysis.prior_strip
        if not any(row.density for row in rows):
            text = "No density of a prior to show."
            sheet.text(MARGIN, y, text)
            return Figure(sheet.finish(y + MARGIN), f"{text} {words.summary(analysis)}", _data(analysis))
        bottom = _panels(sheet, analysis, y)
        for line in wrapped(_legend(analysis), SMALL, WIDTH - 2 * MARGIN):
            bottom += 1.3 * SMALL
            sheet.text(MARGIN, bottom, line, size=SMALL, colour=MUTED)
        figure = sheet.finish(bottom + MARGIN)
    return Figure(figure, _alt(analysis), _data(analysis))


def _panels(sheet: Sheet, analysis: Analysis, top: float) -> float:
    """Draw every panel and return the baseline of the lowest label."""
    rows = analysis.prior_strip
    wide = (WIDTH - 2 * MARGIN - GAP * (COLUMNS - 1)) / COLUMNS
    end = max(row.at[-1] + row.at[0] for row in rows if row.at)
    peak = _peak(rows)
    pitch = 2.5 * SMALL + TALL + 2.4 * SMALL
    for i, row in enumerate(rows):
        left = MARGIN + (i % COLUMNS) * (wide + GAP)
        x = Scale(0.0, end, left, left + wide)
        _panel(sheet, row, x, top + (i // COLUMNS) * pitch, peak, f"prior-{i}")
    return top + ((len(rows) - 1) // COLUMNS + 1) * pitch


def _peak(rows: tuple[UnderPrior, ...]) -> float:
    """Return the density at the top of every panel."""
    lead = next((row for row in rows if row.lead and row.density), None)
    highest = max(max(row.density) for row in rows if row.density)
    return highest if lead is None else min(highest, CUT * max(lead.density))


def _panel(sheet: Sheet, row: UnderPrior, x: Scale, top: float, peak: float, gid: str) -> None:
    weight: Weight = "bold" if row.lead else "normal"
    for i, line in enumerate(wrapped(name(row), SMALL, x.right - x.left, weight, lines=2)):
        sheet.text(x.left, top + (0.8 + 1.15 * i) * SMALL, line, size=SMALL, weight=weight, gid=f"{gid}-name")
    floor = top + 2.5 * SMALL + TALL
    sheet.line((x.left, floor), (x.right, floor), width=0.4, colour=MUTED)
    base, end = floor + 1.2 * SMALL, words.short(x.high, 3)
    sheet.text(x.left, base, "0", size=SMALL, colour=MUTED)
    sheet.text(x.right, base, end, size=SMALL, colour=MUTED, align="right")
    if not row.density:
        sheet.text(x.left, floor - 4, "improper: no density", size=SMALL, colour=INK, gid=f"{gid}-none")
        return
    ys = [floor - TALL * min(density, peak) / peak for density in row.density]
    sheet.curve([x.x(at) for at in row.at], ys, colour=PRIOR, gid=f"{gid}-density")


def _legend(analysis: Analysis) -> str:
    unit = words.unit(analysis.spec)
    return (
        f"Prior densities of τ{' in' + unit if unit else ''}; the height is the same in every panel, and what is "
        "higher is cut off. Bold: the prior of the fit."
    )


def _alt(analysis: Analysis) -> str:
    said = [
        f"{name(row)}{' (leading)' if row.lead else ''}{'' if row.density else ': improper, no density'}"
        for row in analysis.prior_strip
    ]
    return f"Densities of {len(said)} priors of τ: {'; '.join(said)}."


def _data(analysis: Analysis) -> PlotData:
    return PlotData(
        ("prior", "tau", "density"),
        tuple(
            (row.prior, at, density)
            for row in analysis.prior_strip
            for at, density in zip(row.at, row.density, strict=True)
        ),
    )
