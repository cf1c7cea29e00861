"""Specification curve (Simonsohn, Simmons and Nelson 2020): every reasonable analysis in order of its estimate.

Above, each specification's estimate and interval; below, which choices it is made of. The headline is marked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from k2meta.figures import panel, words
from k2meta.figures.figure import Figure, PlotData
from k2meta.figures.panel import MARGIN
from k2meta.figures.scale import Scale, limits
from k2meta.figures.sheet import Sheet
from k2meta.figures.style import ESTIMATE, INK, MUTED, RULE, SMALL, WIDTH, rc
from k2meta.figures.text import elided, legible, width
from k2meta.numbers import beside, count
from k2meta.refits import Multiverse, Specification

if TYPE_CHECKING:
    from k2meta.analysis import Analysis

MINIMUM_K = 2
TALL = 150.0
PITCH = 10.6
MOST_SAID = 6
"""More sentences about what was left out than this are counted, not printed."""


@dataclass(frozen=True, slots=True)
class Choices:
    """One block of the lower panel: its name, its options, and which option each specification took."""

    name: str
    options: tuple[str, ...]
    taken: tuple[int, ...]


def not_drawn(analysis: Analysis) -> str:
    """Say why there is no figure; empty where there is one."""
    found = analysis.refits.multiverse
    if analysis.k < MINIMUM_K:
        return panel.few(analysis, MINIMUM_K)
    return "The multiverse was not run." if found is None else found.not_run


def caption(analysis: Analysis) -> str:
    """Count the specifications and say between which estimates they lie and how many exclude zero."""
    found = _sorted(_multiverse(analysis))
    spec, places = analysis.spec, words.decimals(analysis)
    ends = words.interval(spec.measure, found[0].mu.value, found[-1].mu.value, places)
    below, above = sum(one.mu.high < 0 for one in found), sum(one.mu.low > 0 for one in found)
    head = [i for i, one in enumerate(found) if one.headline]

    def counted(name: str, number: int) -> str:
        return count(beside(analysis.k, f"refits.multiverse.{name}", number))

    place = f" The headline is number {counted('headline_place', head[0] + 1)} in this order." if head else ""
    including = counted("including_null", len(found) - below - above)
    return (
        f"{counted('analyses', len(found))} reasonable analyses give estimates from {ends}{words.unit(spec)}. "
        f"Intervals wholly below {words.nothing(spec)}: {counted('below_null', below)}; "
        f"wholly above: {counted('above_null', above)}; including it: {including}.{place}"
    )


def draw(analysis: Analysis) -> Figure:
    """Draw the specifications from the lowest estimate to the highest."""
    found = _sorted(_multiverse(analysis))
    blocks = _blocks(found)
    spec = analysis.spec
    with rc():
        names = [option for block in blocks for option in block.options]
        left = MARGIN + max(60.0, *(width(legible(name), SMALL) for name in names)) + 12
        sheet = Sheet(WIDTH)
        told = f"Every reasonable analysis, in order of its estimate; {words.direction(spec)}."
        top = panel.heading(sheet, analysis, told) + 20
        y = _scale(analysis, found, top)
        step = (WIDTH - MARGIN - 8 - left) / len(found)
        xs = [left + (i + 0.5) * step for i in range(len(found))]
        panel.y_axis(sheet, y, left - 4, words.measure(spec), spec.measure)
        sheet.line((left - 4, y.x(0.0)), (WIDTH - MARGIN, y.x(0.0)), z=1, gid="zero")
        for line in spec.lines:
            if y.shows(line.value):
                ends = (left - 4, y.x(line.value)), (WIDTH - MARGIN, y.x(line.value))
                sheet.line(*ends, colour=MUTED, dash=(4, 3), z=1, gid="line")
        _intervals(sheet, xs, y, found, step)
        base = top + TALL + 14
        head = next((x for x, one in zip(xs, found, strict=True) if one.headline), None)
        for block in blocks:
            base = _block(sheet, block, xs, left, base, head, step)
        figure = sheet.finish(panel.paragraph(sheet, _notes(analysis), base + 2) + MARGIN)
    return Figure(
        figure, f"Specification curve. {words.summary(analysis)} {caption(analysis)}", _data(analysis, found)
    )


def _multiverse(analysis: Analysis) -> Multiverse:
    assert analysis.refits.multiverse is not None
    return analysis.refits.multiverse


def _sorted(found: Multiverse) -> list[Specification]:
    rows = found.specifications
    return sorted(
        rows, key=lambda one: (one.mu.value, one.mu.low, one.data, one.model, one.tau2_method, one.interval)
    )


def _scale(analysis: Analysis, found: Sequence[Specification], top: float) -> Scale:
    low, high = limits(
        [one.mu.value for one in found],
        [(one.mu.low, one.mu.high) for one in found],
        [line.value for line in analysis.spec.lines],
    )
    return Scale(low, high, top + TALL, top)


def _model(one: Specification) -> str:
    if one.model == "random effects":
        return f"random effects, τ² {one.tau2_method}"
    return f"Bayesian ({one.tau2_method})" if one.model == "Bayesian" else one.model


def _blocks(found: Sequence[Specification]) -> tuple[Choices, ...]:
    made = []
    for name, option in (
        ("Studies", lambda one: f"{one.data} (k = {one.k})"),
        ("Model", _model),
        ("Interval", lambda one: one.interval),
    ):
        each = [option(one) for one in found]
        options = tuple(dict.fromkeys(sorted(each, key=lambda text: (-each.count(text), text))))
        made.append(Choices(name, options, tuple(options.index(text) for text in each)))
    return tuple(made)


def _intervals(sheet: Sheet, xs: Sequence[float], y: Scale, found: Sequence[Specification], step: float) -> None:
    """Draw intervals and estimates, those of one kind together; the headline comes last and is on top."""
    kinds = {
        "including": ("#8A939C", [not one.headline and one.mu.low <= 0 <= one.mu.high for one in found]),
        "excluding": (INK, [not one.headline and not one.mu.low <= 0 <= one.mu.high for one in found]),
        "headline": (ESTIMATE, [one.headline for one in found]),
    }
    for kind, (colour, chosen) in kinds.items():
        own = [(x, one.mu) for x, one, yes in zip(xs, found, chosen, strict=True) if yes]
        bars = [((x, y.x(mu.low)), (x, y.x(mu.high))) for x, mu in own]
        dots = [_dot(x, y.x(mu.value)) for x, mu in own if y.shows(mu.value)]
        head = kind == "headline"
        sheet.strokes(bars, colour=colour, width=2.2 if head else min(1.0, 0.35 * step), gid=f"{kind}-intervals")
        size = 5.4 if head else min(3.0, 0.8 * step)
        sheet.strokes(dots, colour=colour, width=size, gid=f"{kind}-points", round_ends=True, z=3)


def _dot(x: float, y: float) -> tuple[tuple[float, float], tuple[float, float]]:
    return (x - 0.02, y), (x + 0.02, y)


def _block(
    sheet: Sheet, block: Choices, xs: Sequence[float], left: float, y: float, head: float | None, step: float
) -> float:
    sheet.text(MARGIN, y + 0.78 * SMALL, block.name, size=SMALL, colour=MUTED)
    y += PITCH
    for i, option in enumerate(block.options):
        middle = y + 0.5 * PITCH
        sheet.line((left - 4, middle), (WIDTH - MARGIN, middle), colour=RULE, width=0.3, z=0.8)
        label = elided(legible(option), SMALL, left - 12 - MARGIN)
        sheet.text(MARGIN, middle + 0.36 * SMALL, label, size=SMALL, gid="option")
        own = [x for x, taken in zip(xs, block.taken, strict=True) if taken == i]
        dots = [_dot(x, middle) for x in own if x != head]
        sheet.strokes(dots, colour=INK, width=min(3.2, 0.8 * step), gid="choices", round_ends=True)
        if head in own:
            sheet.strokes([_dot(head, middle)], colour=ESTIMATE, width=5.4, gid="headline-choice", round_ends=True)
        y += PITCH
    return y + 4


def _notes(analysis: Analysis) -> str:
    left_out = _multiverse(analysis).left_out
    said = (
        "Blue: the headline; black: interval excludes "
        + words.null(analysis.spec)
        + "; grey: it does not; an interval cut by the edge goes on."
    )
    if not left_out:
        return said
    if len(left_out) > MOST_SAID:
        return f"{said} {len(left_out)} combinations were not possible or repeat another."
    return f"{said} Not drawn: {'; '.join(legible(one).rstrip('.') for one in left_out)}."


def _data(analysis: Analysis, found: Sequence[Specification]) -> PlotData:
    name = analysis.spec.measure
    return PlotData(
        (
            "rank",
            "studies",
            "k",
            "model",
            "tau2_method",
            "interval",
            "estimate",
            "low",
            "high",
            "tau2",
            "headline",
        ),
        tuple(
            (
                float(i),
                one.data,
                float(one.k),
                one.model,
                one.tau2_method,
                one.interval,
                *(words.shown(name, value) for value in (one.mu.value, one.mu.low, one.mu.high)),
                one.tau2,
                "yes" if one.headline else "",
            )
            for i, one in enumerate(found, start=1)
        ),
    )
