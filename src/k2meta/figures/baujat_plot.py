"""Baujat plot: which study makes the heterogeneity, and which moves the mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k2meta.figures import panel, words
from k2meta.figures.axis import draw_axis
from k2meta.figures.figure import Figure, PlotData
from k2meta.figures.panel import MARGIN, Spot
from k2meta.figures.scale import Scale
from k2meta.figures.sheet import Sheet
from k2meta.figures.style import ESTIMATE, MUTED, SMALL, WIDTH, rc
from k2meta.numbers import beside, coverage

if TYPE_CHECKING:
    from k2meta.analysis import Analysis

MINIMUM_K = 3
TALL = 190.0


def not_drawn(analysis: Analysis) -> str:
    """Say why there is no figure; empty where there is one."""
    found = analysis.refits.baujat
    if analysis.k < MINIMUM_K:
        return panel.few(analysis, MINIMUM_K)
    return "Baujat's coordinates were not computed." if found is None else found.not_run


def caption(analysis: Analysis) -> str:
    """Name the study that makes most of Q and the one that moves the mean most."""
    assert analysis.refits.baujat is not None
    studies = analysis.refits.baujat.studies
    total = sum(one.contribution for one in studies)
    most = max(studies, key=lambda one: one.contribution)
    mover = max(studies, key=lambda one: one.influence)
    share = ""
    if total > 0:
        part = beside(most.contribution, "share_of_q", most.contribution / total)
        share = f" ({coverage(part)} of Q)"
    if most is mover:
        return f"{most.label} contributes most to the heterogeneity{share} and moves the mean most."
    return f"{most.label} contributes most to the heterogeneity{share}; {mover.label} moves the mean most."


def draw(analysis: Analysis) -> Figure:
    """Draw one point per study: contribution to Q against influence on the mean."""
    assert analysis.refits.baujat is not None
    studies = analysis.refits.baujat.studies
    with rc():
        sheet = Sheet(WIDTH)
        told = "Who makes the heterogeneity (to the right) and who moves the mean (upwards); common-effect model."
        top = panel.heading(sheet, analysis, told) + 22
        x = _axis([one.contribution for one in studies], MARGIN + 46, WIDTH - MARGIN - 16)
        y = _axis([one.influence for one in studies], top + TALL, top)
        panel.y_axis(sheet, y, x.left, "Influence on the mean (squared change over its variance)")
        spots = []
        for i, one in enumerate(studies):
            at = (x.x(one.contribution), y.x(one.influence))
            sheet.marker(*at, 7.0, shape="o", colour=ESTIMATE, gid=f"study-{i}-point")
            spots.append(Spot(*at, one.label))
        spots.sort(key=lambda spot: spot.y - spot.x)
        bounds = (x.left + 2, WIDTH - MARGIN, top - 4, top + TALL - 2)
        left_out = panel.label_spots(sheet, spots, bounds)
        base = draw_axis(sheet, x, "MD", top + TALL + panel.APART)
        sheet.text(x.right, base + 1.5 * SMALL, "Contribution to Q", size=SMALL, colour=MUTED, align="right")
        notes = f"{panel.no_room(left_out)}." if left_out else ""
        figure = sheet.finish(panel.paragraph(sheet, notes, base + 2 * SMALL) + MARGIN)
    columns = ("study_id", "label", "contribution", "influence")
    rows = tuple((one.study_id, one.label, one.contribution, one.influence) for one in studies)
    return Figure(figure, f"Baujat plot. {words.summary(analysis)} {caption(analysis)}", PlotData(columns, rows))


def _axis(values: list[float], start: float, end: float) -> Scale:
    top = max(values)
    return Scale(0.0, 1.06 * top if top > 0 else 1.0, start, end)
