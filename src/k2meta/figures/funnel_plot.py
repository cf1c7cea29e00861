"""Contour-enhanced funnel plot (Peters et al. 2008): effects against their standard errors.

The shaded contours are regions of the p value of a single study against no difference, so that one can see whether
the studies that seem to be missing are those without significance.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

from k2meta.figures import panel, words
from k2meta.figures.axis import draw_axis, draw_directions
from k2meta.figures.figure import Figure, PlotData
from k2meta.figures.panel import MARGIN, Spot
from k2meta.figures.scale import Scale, limits
from k2meta.figures.sheet import Sheet
from k2meta.figures.style import ESTIMATE, INK, MUTED, SMALL, WIDTH, rc
from k2meta.figures.text import width
from k2meta.numbers import count, coverage, p_value

if TYPE_CHECKING:
    from k2meta.analysis import Analysis

MINIMUM_K = 3
"""Two points have no shape."""
TALL = 200.0
CONTOURS: tuple[tuple[float, str, str], ...] = (
    (0.01, "#D9DFE6", "0.01 ≤ p < 0.05"),
    (0.05, "#BAC5D1", "0.05 ≤ p < 0.10"),
    (0.10, "#FFFFFF", "p ≥ 0.10"),
)
"""Outer border of a region as a p value, its fill, and its words; beyond the first is p < 0.01."""
OUTSIDE = "#EFF2F5"
OUTSIDE_WORDS = "p < 0.01"


def not_drawn(analysis: Analysis) -> str:
    """Say why there is no figure; empty where there is one."""
    return panel.few(analysis, MINIMUM_K)


def caption(analysis: Analysis) -> str:
    """Say what the regression test found, or that it was not run; a shape is never read off the points."""
    tests = [one for one in analysis.small_study if "Egger" in one.test]
    noun = words.study_name(analysis.spec).lower()
    if not tests:
        return f"{words.trials(analysis.spec, analysis.k)}; asymmetry was not tested."
    one = tests[0]
    if one.p is None:
        return f"{one.not_run.rstrip('.')}. No asymmetry can be read off {count(analysis.k)} {noun}s."
    found = "asymmetry was not shown" if one.p >= 0.1 else "asymmetric beyond chance at the 10 % level"
    return (
        f"{one.test}: {p_value(one.p)}; {found}. Asymmetry has other causes than unpublished "
        f"{noun}s, heterogeneity among them."
    )


def draw(analysis: Analysis) -> Figure:
    """Draw each study at its effect and standard error, over the contours of significance."""
    spec, fit = analysis.spec, words.frequentist(analysis)
    errors = [math.sqrt(effect.vi) for effect in analysis.effects]
    with rc():
        sheet = Sheet(WIDTH)
        told = f"Each {words.study_name(spec).lower()} at its effect and standard error. {words.measure(spec)}."
        top = panel.heading(sheet, analysis, told) + 38
        y = Scale(0.0, 1.08 * max(errors), top, top + TALL)
        x = _scale(analysis, errors)
        _contours(sheet, x, y)
        _legend(sheet, x, top - 21)
        panel.y_axis(sheet, y, x.left, "Standard error")
        if fit is not None:
            _funnel(sheet, x, y, fit.mu.value, fit.mu.level)
        sheet.line((x.x(0.0), y.left), (x.x(0.0), y.right), z=1.5, gid="zero")
        spots, beyond = _studies(sheet, analysis, errors, x, y)
        bounds = (x.left + 2, WIDTH - MARGIN, top - 4, top + TALL - 2)
        lines = [x.x(0.0)] if fit is None else [x.x(0.0), x.x(fit.mu.value)]
        left_out = panel.label_spots(sheet, spots, bounds, [(at - 2, at + 2, y.left, y.right) for at in lines])
        base = draw_axis(sheet, x, spec.measure, y.right + panel.APART) + 1.6 * SMALL
        base = draw_directions(sheet, x, spec, base, MARGIN, WIDTH - MARGIN) + 4
        figure = sheet.finish(panel.paragraph(sheet, _notes(analysis, left_out, beyond), base) + MARGIN)
    return Figure(figure, f"Funnel plot. {words.summary(analysis)} {caption(analysis)}", _data(analysis, errors))


def _scale(analysis: Analysis, errors: list[float]) -> Scale:
    points = [effect.yi for effect in analysis.effects]
    fit = words.frequentist(analysis)
    centre = fit.mu.value if fit is not None else 0.0
    reach = NormalDist().inv_cdf(0.975) * max(errors)
    low, high = limits(points, [(centre - reach, centre + reach)])
    return Scale(low, high, MARGIN + 46, WIDTH - MARGIN - 14)


def _contours(sheet: Sheet, x: Scale, y: Scale) -> None:
    box = [(x.left, y.left), (x.right, y.left), (x.right, y.right), (x.left, y.right)]
    sheet.polygon(box, fill=OUTSIDE, gid="contour-outside", z=0.2)
    for i, (p, fill, _) in enumerate(CONTOURS):
        z = NormalDist().inv_cdf(1 - p / 2)
        left, right = _edge(x, y, 0.0, -z), _edge(x, y, 0.0, z)
        corners = [*reversed(left), *right]
        sheet.polygon(corners, fill=fill, gid=f"contour-{i}", z=0.3 + 0.1 * i)


def _edge(x: Scale, y: Scale, centre: float, z: float) -> list[tuple[float, float]]:
    """Return the line centre + z SE from SE = 0 downwards; where it leaves the plot it follows the border."""
    bottom = y.high
    border = x.high if z > 0 else x.low
    leaves = (border - centre) / z
    points = [(x.x(centre), y.left)]
    if 0 < leaves < bottom:
        points.append((x.x(border), y.x(leaves)))
    end = centre + z * bottom
    return [*points, (x.x(end), y.right)]


def _legend(sheet: Sheet, x: Scale, base: float) -> None:
    at = x.left
    entries = [(fill, text) for _, fill, text in reversed(CONTOURS)] + [(OUTSIDE, OUTSIDE_WORDS)]
    for fill, text in entries:
        corners = [(at, base - 6), (at + 10, base - 6), (at + 10, base), (at, base)]
        sheet.polygon(corners, fill=fill, edge=MUTED, width=0.4)
        sheet.text(at + 14, base, text, size=SMALL, colour=MUTED)
        at += 14 + width(text, SMALL) + 16


def _funnel(sheet: Sheet, x: Scale, y: Scale, mu: float, level: float) -> None:
    z = NormalDist().inv_cdf(0.5 + level / 2)
    if x.shows(mu):
        sheet.line((x.x(mu), y.left), (x.x(mu), y.right), colour=ESTIMATE, width=0.9, gid="pooled")
    for side, name in ((-z, "low"), (z, "high")):
        border = x.high if side > 0 else x.low
        stop = min(y.high, (border - mu) / side)
        if stop > 0:
            ends = (x.x(mu), y.left), (x.x(mu + side * stop), y.x(stop))
            sheet.line(*ends, colour=ESTIMATE, width=0.8, dash=(4, 2), gid=f"funnel-{name}")


def _studies(sheet: Sheet, analysis: Analysis, errors: list[float], x: Scale, y: Scale) -> tuple[list[Spot], int]:
    spots, beyond = [], 0
    for i, (effect, se) in enumerate(zip(analysis.effects, errors, strict=True)):
        at = (x.x(effect.yi), y.x(se))
        shape = "o" if x.shows(effect.yi) else ">" if effect.yi > x.high else "<"
        beyond += shape != "o"
        sheet.marker(*at, 6.0, shape=shape, colour=INK, gid=f"study-{i}-point")
        spots.append(Spot(*at, effect.label, 3.2))
    return spots, beyond


def _notes(analysis: Analysis, left_out: int, beyond: int) -> str:
    fit = words.frequentist(analysis)
    found = []
    if fit is not None:
        share = coverage(fit.mu.level)
        found.append(f"blue: pooled estimate ({panel.pooled_name(analysis)})")
        found.append(f"dashed: where {share} of studies would lie around it without heterogeneity")
    if beyond:
        found.append("◀ or ▶: estimate beyond the part shown")
    if left_out:
        found.append(panel.no_room(left_out))
    return "; ".join([caption(analysis).rstrip("."), *found]) + "."


def _data(analysis: Analysis, errors: list[float]) -> PlotData:
    rows = tuple(
        (effect.study_id, effect.label, effect.yi, se, words.shown(analysis.spec.measure, effect.yi))
        for effect, se in zip(analysis.effects, errors, strict=True)
    )
    return PlotData(("study_id", "label", "yi", "standard_error", "estimate"), rows)
