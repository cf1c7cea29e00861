"""Drapery plot (Rücker and Schwarzer 2021): p as a function of the effect, for every study and for the pool.

The pooled curve joins the limits of the model's own interval at many levels; it is a confidence function. Beside
it hangs the posterior read the same way: twice the smaller tail probability of the mean effect.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import TYPE_CHECKING

from k2meta.figures import panel, words
from k2meta.figures.axis import draw_axis, draw_directions, lanes
from k2meta.figures.figure import Figure, PlotData
from k2meta.figures.panel import MARGIN, PITCH
from k2meta.figures.scale import Scale, limits
from k2meta.figures.sheet import Sheet
from k2meta.figures.style import ESTIMATE, MUTED, RULE, SMALL, WIDTH, rc
from k2meta.numbers import coverage

if TYPE_CHECKING:
    from k2meta.analysis import Analysis

MINIMUM_K = 2
TALL = 210.0
POINTS = 121
CONVENTION = 0.05


@dataclass(frozen=True, slots=True)
class Curve:
    """Two-sided p over effects on the scale of the analysis; ``kind`` is study, pooled or posterior."""

    kind: str
    label: str
    x: tuple[float, ...]
    p: tuple[float, ...]


def not_drawn(analysis: Analysis) -> str:
    """Say why there is no figure; empty where there is one."""
    found = analysis.refits.confidence_curve
    if analysis.k < MINIMUM_K:
        return panel.few(analysis, MINIMUM_K)
    return "The confidence function was not computed." if found is None else found.not_run


def caption(analysis: Analysis) -> str:
    """State the interval at three levels, read off the same curve."""
    assert analysis.refits.confidence_curve is not None
    spec, places = analysis.spec, words.decimals(analysis)
    told = [
        f"{coverage(one.level)} {words.interval(spec.measure, one.low, one.high, places)}"
        for one in analysis.refits.confidence_curve.limits
        if one.level in (0.5, 0.8, 0.95)
    ]
    return f"Confidence intervals of the pooled effect at several levels: {'; '.join(told)}{words.unit(spec)}."


def draw(analysis: Analysis) -> Figure:
    """Draw p against the effect: thin for each study, bold for the pool, dashed for the posterior."""
    spec = analysis.spec
    x = _scale(analysis)
    curves = _curves(analysis, x)
    with rc():
        sheet = Sheet(WIDTH)
        placed = lanes(spec.lines, x)
        told = f"How compatible each value is with the data. {words.measure(spec)}; {words.direction(spec)}."
        above = panel.heading(sheet, analysis, told) + 16
        top = above + PITCH * max([1, *(one.lane + 1 for one in placed)])
        y = Scale(0.0, 1.0, top + TALL, top)
        for label in placed:
            base = top - 6 - label.lane * PITCH
            sheet.text(label.x, base, label.text, size=SMALL, colour=MUTED, gid="line-label")
            at = x.x(label.value)
            sheet.line((at, base + 2.5), (at, y.left), colour=MUTED, dash=(4, 3), z=1, gid="line")
        panel.y_axis(sheet, y, x.left, "p")
        sheet.line(
            (x.left, y.x(CONVENTION)), (x.right, y.x(CONVENTION)), colour=RULE, dash=(2, 2), z=1, gid="p-0.05"
        )
        sheet.line((x.x(0.0), y.right), (x.x(0.0), y.left), z=1.5, gid="zero")
        for i, curve in enumerate(curves):
            _hang(sheet, x, y, curve, f"{curve.kind}-{i}" if curve.kind == "study" else curve.kind)
        base = draw_axis(sheet, x, spec.measure, y.left + panel.APART) + 1.6 * SMALL
        base = draw_directions(sheet, x, spec, base, MARGIN, WIDTH - MARGIN) + 4
        figure = sheet.finish(panel.paragraph(sheet, _notes(analysis), base) + MARGIN)
    return Figure(figure, f"Drapery plot. {words.summary(analysis)} {caption(analysis)}", _data(analysis, curves))


def _scale(analysis: Analysis) -> Scale:
    assert analysis.refits.confidence_curve is not None
    usual = next(one for one in analysis.refits.confidence_curve.limits if one.level >= 1 - CONVENTION)
    lines = [line.value for line in analysis.spec.lines]
    low, high = limits([effect.yi for effect in analysis.effects], [(usual.low, usual.high)], lines)
    return Scale(low, high, MARGIN + 40, WIDTH - MARGIN - 6)


def _curves(analysis: Analysis, scale: Scale) -> tuple[Curve, ...]:
    grid = tuple(scale.low + (scale.high - scale.low) * i / (POINTS - 1) for i in range(POINTS))
    found = []
    for effect in analysis.effects:
        # A precise study's curve is narrower than the step of the grid: it gets points of its own.
        near = (effect.yi + z * math.sqrt(effect.vi) for z in (i / 4 for i in range(-12, 13)))
        xs = sorted({*grid, *(value for value in near if scale.shows(value))})
        ps = (2 * NormalDist().cdf(-abs(value - effect.yi) / math.sqrt(effect.vi)) for value in xs)
        found.append(Curve("study", effect.label, tuple(xs), tuple(ps)))
    found.append(_pooled(analysis))
    fit = words.bayesian(analysis)
    if fit is not None:
        below = [fit.prob(mu_below=value) for value in grid]
        found.append(Curve("posterior", fit.method, grid, tuple(2 * min(share, 1 - share) for share in below)))
    return tuple(found)


def _pooled(analysis: Analysis) -> Curve:
    assert analysis.refits.confidence_curve is not None
    rows = analysis.refits.confidence_curve.limits
    fit = words.frequentist(analysis)
    top = [(fit.mu.value, 1.0)] if fit is not None else []
    points = [
        *((row.low, 1 - row.level) for row in reversed(rows)),
        *top,
        *((row.high, 1 - row.level) for row in rows),
    ]
    return Curve("pooled", panel.pooled_name(analysis), tuple(x for x, _ in points), tuple(p for _, p in points))


def _hang(sheet: Sheet, x: Scale, y: Scale, curve: Curve, gid: str) -> None:
    inside = _clipped(curve, x)
    if len(inside) < 2:
        return
    xs, ys = [x.x(at) for at, _ in inside], [y.x(p) for _, p in inside]
    if curve.kind == "study":
        sheet.curve(xs, ys, colour="#9AA4AE", width=0.6, gid=gid)
    elif curve.kind == "pooled":
        sheet.curve(xs, ys, colour=ESTIMATE, width=1.8, gid=gid)
    else:
        sheet.curve(xs, ys, colour=ESTIMATE, width=1.2, dash=(4, 2), gid=gid)


def _clipped(curve: Curve, scale: Scale) -> list[tuple[float, float]]:
    """Return the part of a curve that is shown, interpolated at the two edges."""
    points = list(zip(curve.x, curve.p, strict=True))
    found: list[tuple[float, float]] = []
    for (x0, p0), (x1, p1) in pairwise(points):
        for edge in (scale.low, scale.high):
            if x0 < edge < x1:
                found.append((edge, p0 + (edge - x0) / (x1 - x0) * (p1 - p0)))
    return sorted({*found, *(point for point in points if scale.shows(point[0]))})


def _notes(analysis: Analysis) -> str:
    found = [f"bold: pooled ({panel.pooled_name(analysis)}), each height the two-sided p of that value"]
    bayes = words.bayesian(analysis)
    if bayes is not None:
        found.append("dashed: twice the smaller tail of the posterior of the mean effect")
    found += [
        f"grey: each {words.study_name(analysis.spec).lower()} alone",
        "dotted: p = 0.05, the ends of the 95 % interval",
    ]
    text = "; ".join(found)
    return f"{text[0].upper()}{text[1:]}."


def _data(analysis: Analysis, curves: Sequence[Curve]) -> PlotData:
    name = analysis.spec.measure
    return PlotData(
        ("curve", "label", "x", "p"),
        tuple(
            (curve.kind, curve.label, words.shown(name, x), p)
            for curve in curves
            for x, p in zip(curve.x, curve.p, strict=True)
        ),
    )
