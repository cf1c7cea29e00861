"""GOSH plot (Olkin, Dahabreh and Trikalinos 2012): the pooled effect and I2 of every subset of the studies.

A cloud that falls apart says that some studies are of another kind; the bars below say which.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from k2meta.figures import panel, words
from k2meta.figures.axis import draw_axis, draw_directions
from k2meta.figures.figure import Figure, PlotData
from k2meta.figures.panel import MARGIN
from k2meta.figures.scale import Scale
from k2meta.figures.sheet import Sheet
from k2meta.figures.style import ESTIMATE, INK, MUTED, SMALL, WIDTH, rc
from k2meta.figures.text import elided, extent, legible, width
from k2meta.numbers import count
from k2meta.refits import SubsetMap, WithWithout

if TYPE_CHECKING:
    from k2meta.analysis import Analysis
    from k2meta.types import Cell

MINIMUM_K = 6
TALL = 170.0
SHADES = ("#E1ECF4", "#B5D1E6", "#7FB2D6", "#3F8FC2", "#0072B2")
"""From the fewest subsets to the most, in equal steps of the logarithm of their number."""
MOST_STUDIES = 12


def not_drawn(analysis: Analysis) -> str:
    """Say why there is no figure; empty where there is one."""
    found = analysis.refits.gosh
    if analysis.k < MINIMUM_K:
        return panel.few(analysis, MINIMUM_K)
    return "Subsets were not fitted." if found is None else found.not_run


def caption(analysis: Analysis) -> str:
    """Name the study whose presence moves the pooled effect of the subsets most."""
    found = _map(analysis)
    one = _by_shift(found)[0]
    kind = "All" if found.exact else "A random sample of"
    spec, places = analysis.spec, words.decimals(analysis)
    inside, outside = (
        words.written(words.shown(spec.measure, part[1]), places) for part in (one.inside, one.outside)
    )
    return (
        f"{kind} {count(found.subsets)} subsets of two or more {words.study_name(spec).lower()}s. "
        f"The median pooled effect is {inside} with {one.label} and {outside} without it"
        f"{words.unit(spec)}: no other moves it more."
    )


def draw(analysis: Analysis) -> Figure:
    """Draw how many subsets have which pooled effect and I2, and what each study does to the pooled effect."""
    found, spec = _map(analysis), analysis.spec
    with rc():
        sheet = Sheet(WIDTH)
        told = f"Pooled effect and I² of subsets of the studies. {words.measure(spec)}; {words.direction(spec)}."
        top = panel.heading(sheet, analysis, told) + 22
        pad = 0.02 * (found.mu[-1] - found.mu[0])
        low, high = min(found.mu[0] - pad, 0.0), max(found.mu[-1] + pad, 0.0)
        studies = _by_shift(found)[:MOST_STUDIES]
        label = min(max(width(legible(one.label), SMALL) for one in studies), 130.0)
        x = Scale(low, high, MARGIN + max(46.0, label + 12), WIDTH - MARGIN - 8)
        y = Scale(0.0, 100.0, top + TALL, top)
        panel.y_axis(sheet, y, x.left, "I², %")
        _cells(sheet, found, x, y)
        sheet.line((x.x(0.0), y.right), (x.x(0.0), y.left), z=1.5, gid="zero")
        lower = draw_axis(sheet, x, spec.measure, y.left + panel.APART) + 14
        lower = _studies(sheet, studies, x, lower, label)
        base = draw_directions(sheet, x, spec, lower + 8, MARGIN, WIDTH - MARGIN) + 4
        figure = sheet.finish(panel.paragraph(sheet, _notes(found), base) + MARGIN)
    return Figure(figure, f"GOSH plot. {words.summary(analysis)} {caption(analysis)}", _data(analysis, found))


def _map(analysis: Analysis) -> SubsetMap:
    assert analysis.refits.gosh is not None
    return analysis.refits.gosh


def _by_shift(found: SubsetMap) -> list[WithWithout]:
    return sorted(found.studies, key=lambda one: -abs(one.inside[1] - one.outside[1]))


def _cells(sheet: Sheet, found: SubsetMap, x: Scale, y: Scale) -> None:
    most = max(max(row) for row in found.counts)
    for i, row in enumerate(found.counts):
        top, bottom = y.x(found.i2[i + 1]), y.x(found.i2[i])
        for j, number in enumerate(row):
            if number:
                shade = min(int(len(SHADES) * math.log1p(number) / math.log1p(most)), len(SHADES) - 1)
                left, right = x.x(found.mu[j]), x.x(found.mu[j + 1])
                corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
                sheet.polygon(corners, fill=SHADES[shade], z=1.0, gid=f"cell-{i}-{j}")


def _studies(sheet: Sheet, studies: list[WithWithout], x: Scale, y: float, label: float) -> float:
    sheet.text(MARGIN, y, "With (blue) and without", size=SMALL, colour=MUTED)
    y += 4
    for i, one in enumerate(studies):
        text = elided(legible(one.label) or "(no label)", SMALL, label)
        found = extent(text, SMALL)
        base = y + max(found.ascent, 0.78 * SMALL) + 1
        sheet.text(MARGIN, base, text, size=SMALL, gid=f"study-{i}-label")
        for part, up, colour in ((one.inside, -4.6, ESTIMATE), (one.outside, -1.0, INK)):
            at = base + up
            sheet.line(
                (x.x(part[0]), at), (x.x(part[2]), at), colour=colour, width=1.6, gid=f"study-{i}-quartiles"
            )
            sheet.marker(x.x(part[1]), at, 3.6, shape="o", colour=colour, gid=f"study-{i}-median")
        y = base + max(found.descent, 0.24 * SMALL) + 1.2
    return y


def _notes(found: SubsetMap) -> str:
    kind = "All" if found.exact else "A random sample of"
    text = f"{kind} {count(found.subsets)} subsets. Darker: more of them, in steps of a logarithm. "
    text += "Bars: median and quartiles of the pooled effect over the subsets with and without a study."
    if len(found.studies) > MOST_STUDIES:
        text += f" The {MOST_STUDIES} studies that move it most are drawn."
    return text


def _data(analysis: Analysis, found: SubsetMap) -> PlotData:
    name = analysis.spec.measure
    rows: list[tuple[Cell, ...]] = []
    for i, row in enumerate(found.counts):
        for j, number in enumerate(row):
            if number:
                ends = (words.shown(name, found.mu[j]), words.shown(name, found.mu[j + 1]))
                rows.append(("cell", "", *ends, None, found.i2[i], found.i2[i + 1], float(number)))
    for one in found.studies:
        for kind, part in (("with", one.inside), ("without", one.outside)):
            first, median, third = (words.shown(name, value) for value in part)
            rows.append((kind, one.label, first, third, median, None, None, None))
    return PlotData(
        ("row", "label", "low", "high", "median", "isquared_low", "isquared_high", "subsets"), tuple(rows)
    )
