"""The strip of priors: the same studies under several priors of tau, one row each, the leading prior marked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from k2meta.figures import words
from k2meta.figures.axis import draw_axis, draw_directions, lanes
from k2meta.figures.figure import Figure, PlotData
from k2meta.figures.forest_marks import bar
from k2meta.figures.scale import Scale, limits
from k2meta.figures.sheet import Sheet
from k2meta.figures.style import DISPLAY, ESTIMATE, INK, MUTED, PREDICTION, RULE, SMALL, WIDTH, rc
from k2meta.figures.text import Weight, elided, legible, wrapped
from k2meta.numbers import coverage

if TYPE_CHECKING:
    from k2meta.analysis import Analysis, UnderPrior

MARGIN = 8.0
PLOT = (166.0, 312.0)
"""Left and right edge of the plot, in points; the priors stand at its left, the numbers at its right."""
MEAN, TAU, CHANCE = 424.0, 464.0, WIDTH - MARGIN
"""Right edges of the three columns of numbers, in points."""
PITCH = 1.3 * SMALL
ROW = 19.0
"""Height of a row: the bar of mu, and that of a new study under it."""


def not_drawn(analysis: Analysis) -> str:
    """Say why there is no figure; empty where there is one."""
    return "" if analysis.prior_strip else "The posteriors under other priors were not computed."


def draw(analysis: Analysis) -> Figure:
    """Draw mu with its interval, and the interval of a new study, under each prior of tau.

    Parameters
    ----------
    analysis : Analysis
        Without a strip of priors (fewer than two studies, or a review that does not run it) the figure says so.
    """
    with rc():
        sheet = Sheet(WIDTH)
        y = MARGIN + 0.78 * DISPLAY
        for line in wrapped(legible(analysis.spec.title), DISPLAY, WIDTH - 2 * MARGIN, "bold", lines=2):
            sheet.text(MARGIN, y, line, size=DISPLAY, weight="bold")
            y += 1.35 * DISPLAY
        if not any(row.not_run == "" for row in analysis.prior_strip):
            text = "No posterior under any prior to show."
            sheet.text(MARGIN, y, text)
            return Figure(sheet.finish(y + MARGIN), f"{text} {words.summary(analysis)}", _data(analysis))
        figure = sheet.finish(_rows(sheet, analysis, y) + MARGIN)
    return Figure(figure, _alt(analysis), _data(analysis))


def name(row: UnderPrior) -> str:
    """Return the prior in the few words of a label: numbers to three digits, where it was estimated by whom."""
    if row.source:
        return legible(row.source.replace("tau2", "τ²").replace("tau ", "τ "))
    text = re.sub(r"-?\d+\.?\d*(e[+-]?\d+)?", lambda m: words.short(float(m.group()), 3), row.prior)
    for long, brief in (("degrees of freedom", "df"), (" with ", ", "), (" and ", ", "), ("tau squared", "τ²")):
        text = text.replace(long, brief)
    return legible(text[:1].upper() + text[1:])


def _scale(analysis: Analysis) -> Scale:
    found = [row for row in analysis.prior_strip if row.low is not None and row.high is not None]
    middles = (row.centre(analysis.spec.measure) for row in found)
    means = [middle for middle in middles if middle is not None]
    mu = [(row.low, row.high) for row in found if row.low is not None and row.high is not None]
    new = [(row.new_low, row.new_high) for row in found if row.new_low is not None and row.new_high is not None]
    return Scale(*limits(means, mu + new, [line.value for line in analysis.spec.lines]), *PLOT)


def _rows(sheet: Sheet, analysis: Analysis, y: float) -> float:
    scale = _scale(analysis)
    _heads(sheet, analysis, y)
    labels = lanes(analysis.spec.lines, scale)
    first = y + PITCH * (1.2 + max((label.lane for label in labels), default=-1)) + 6
    bottom = first + ROW * len(analysis.prior_strip) + 2
    for label in labels:
        up = first - 6 - label.lane * PITCH
        sheet.text(label.x, up, label.text, size=SMALL, colour=MUTED)
        x = scale.x(label.value)
        sheet.line((x, up + 2.5), (x, bottom), colour=MUTED, dash=(4, 3), z=1.8, gid="line")
    sheet.line((scale.x(0.0), first - 2), (scale.x(0.0), bottom), z=1, gid="zero")
    for i, row in enumerate(analysis.prior_strip):
        _row(sheet, analysis, scale, row, first + (i + 0.5) * ROW, f"prior-{i}")
        if row.lead and row.low is not None and row.high is not None:
            for end in (row.low, row.high):
                x = scale.x(end)
                sheet.line((x, first), (x, bottom), colour=RULE, dash=(1, 2), z=1.2, gid="lead-end")
    lower = draw_axis(sheet, scale, analysis.spec.measure, bottom) + 1.6 * SMALL
    lower = draw_directions(sheet, scale, analysis.spec, lower, MARGIN, WIDTH - MARGIN) + 6
    for text in _legend(analysis):
        for line in wrapped(text, SMALL, WIDTH - 2 * MARGIN):
            lower += PITCH
            sheet.text(MARGIN, lower, line, size=SMALL, colour=MUTED)
    return lower + 0.3 * SMALL


def _heads(sheet: Sheet, analysis: Analysis, y: float) -> None:
    unit = words.unit(analysis.spec)
    level = coverage(next(fit.mu.level for fit in analysis.fits.values()))
    measure = elided(legible(words.measure(analysis.spec)), SMALL, PLOT[1] - PLOT[0])
    sheet.text(MARGIN, y, f"Prior of τ{' in' + unit if unit else ''}"[:40], size=SMALL, colour=MUTED)
    sheet.text(PLOT[0], y, measure, size=SMALL, colour=MUTED)
    for right, text in (
        (MEAN, f"{_centre(analysis).capitalize()}, {level} CrI"),
        (TAU, "Median τ"),
        (CHANCE, _below(analysis)),
    ):
        sheet.text(right, y, text, size=SMALL, colour=MUTED, align="right")


def _centre(analysis: Analysis) -> str:
    """Name what the markers show: of a ratio the median, which is the same on the log scale and off it."""
    return "median" if analysis.spec.measure == "LOGRATIO" else "mean"


def _below(analysis: Analysis) -> str:
    return f"P(μ < {words.written(words.shown(analysis.spec.measure, 0.0), 0)})"


def _row(sheet: Sheet, analysis: Analysis, scale: Scale, row: UnderPrior, y: float, gid: str) -> None:
    weight: Weight = "bold" if row.lead else "normal"
    colour = INK if row.lead else MUTED
    base = y + 0.1 * SMALL
    label = wrapped(name(row), SMALL, PLOT[0] - MARGIN - 8, weight, lines=2)
    for i, line in enumerate(label):
        lower = base + (i - 0.5 * (len(label) - 1)) * 1.15 * SMALL
        sheet.text(MARGIN, lower, line, size=SMALL, weight=weight, gid=f"{gid}-name")
    middle = row.centre(analysis.spec.measure)
    if middle is None or row.low is None or row.high is None:
        sheet.text(MEAN, base, "no proper posterior", size=SMALL, colour=MUTED, align="right", gid=f"{gid}-none")
        return
    if row.new_low is not None and row.new_high is not None:
        bar(sheet, scale, y + 4.5, row.new_low, row.new_high, PREDICTION, 1.4, f"{gid}-new")
    bar(sheet, scale, y - 1.5, row.low, row.high, ESTIMATE, 3.0 if row.lead else 1.4, gid)
    sheet.marker(scale.x(middle), y - 1.5, 7.0 if row.lead else 5.0, shape="o", colour=ESTIMATE, gid=f"{gid}-mean")
    places, measure = words.decimals(analysis), analysis.spec.measure
    value = words.written(words.shown(measure, middle), places)
    numbers = (
        (MEAN, f"{value} ({words.interval(measure, row.low, row.high, places)})", MEAN - PLOT[1] - 6),
        (TAU, "" if row.tau_median is None else words.significant(row.tau_median), TAU - MEAN - 4),
        (CHANCE, "" if row.below_zero is None else words.probability(row.below_zero).removeprefix("= "), 40.0),
    )
    for right, text, room in numbers:
        sheet.text(
            right, base, elided(text, SMALL, room, weight), size=SMALL, weight=weight, colour=colour, align="right"
        )


def _legend(analysis: Analysis) -> list[str]:
    noun = words.study_name(analysis.spec).lower()
    thing = "association" if analysis.spec.source == "cohorts" else "effect"
    return [
        f"Upper bar: mean {thing}; lower, grey-blue bar: true {thing} in a new {noun}. "
        "Bold: the prior of the fit; dotted: its interval."
    ]


def _alt(analysis: Analysis) -> str:
    places, measure = words.decimals(analysis), analysis.spec.measure
    said = [
        f"{name(row)}{' (leading)' if row.lead else ''}: "
        + (
            f"{words.written(words.shown(measure, middle), places)} "
            f"({words.interval(measure, row.low, row.high, places)})"
            if (middle := row.centre(measure)) is not None and row.low is not None and row.high is not None
            else "no proper posterior"
        )
        for row in analysis.prior_strip
    ]
    what = _centre(analysis).capitalize()
    return f"Strip of priors. {words.summary(analysis)} {what} under {len(said)} priors of τ: {'; '.join(said)}."


_COLUMNS = (
    "prior",
    "source",
    "lead",
    "mean",
    "median",
    "low",
    "high",
    "new_low",
    "new_high",
    "tau_median",
    "p_below_zero",
    "not_run",
)


def _data(analysis: Analysis) -> PlotData:
    return PlotData(
        _COLUMNS,
        tuple(
            (
                row.prior,
                row.source,
                "yes" if row.lead else "no",
                row.mean,
                row.median,
                row.low,
                row.high,
                row.new_low,
                row.new_high,
                row.tau_median,
                row.below_zero,
                row.not_run,
            )
            for row in analysis.prior_strip
        ),
    )
