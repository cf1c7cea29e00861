"""The forest plot: every study, the pooled estimates, the prediction interval, and what could not be pooled.

The sheet is filled from the top down. Each column is as wide as its widest measured text; the plot takes what
is left. A row's height is the sum of the measured heights of its lines, so that no script of the world and no
length of a label makes two texts meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from k2meta.figures import forest_marks, forest_rows, lights, words
from k2meta.figures.axis import draw_axis, draw_directions, lanes, line_text
from k2meta.figures.figure import Figure
from k2meta.figures.forest_columns import (
    DETAIL_MOST,
    GAP,
    LIGHT,
    MARGIN,
    Columns,
    arm_heads,
    bracketed,
    columns_for,
    number_head,
    total_text,
)
from k2meta.figures.forest_presets import Preset, chosen
from k2meta.figures.forest_rows import Missing, Row
from k2meta.figures.scale import Scale, limits
from k2meta.figures.sheet import Sheet
from k2meta.figures.style import (
    BODY,
    DISPLAY,
    ESTIMATE,
    FLAG,
    INK,
    MUTED,
    RULE,
    SMALL,
    rc,
)
from k2meta.figures.text import Weight, elided, extent, legible, width, wrapped

if TYPE_CHECKING:
    from k2meta.analysis import Analysis, Line


TINT = "#F3F6F9"


def draw(analysis: Analysis, preset: str = "cochrane", columns: Sequence[str] | None = None) -> Figure:
    """Draw the forest plot of an analysis.

    Study squares have an area proportional to the weight in the leading fit; intervals and diamonds that
    leave the plot are cut at its edge with an arrow. A thin second bar shows the study's shrunken estimate
    where a Bayesian fit is there. Fewer than two studies are not pooled and get no diamond. Subgroups stand one
    below the other, each with its diamond; the test between them is printed under the plot.

    Parameters
    ----------
    analysis : Analysis
        ``k`` may be anything from 0 upwards; labels may be any text.
    preset : str
        A key of ``forest_presets.PRESETS``.
    columns : sequence of str, optional
        From ``forest_presets.COLUMNS``, instead of those of the preset.

    Returns
    -------
    Figure
        With the alternative text and the data that were drawn.

    Raises
    ------
    ValueError
        A preset or column that is not known.
    """
    layout = chosen(preset, columns)
    with rc():
        rows = forest_rows.all_rows(analysis)
        absent = forest_rows.missing(analysis)
        domains = max((len(row.lights) for row in rows), default=0)
        placed = columns_for(analysis, rows, absent, layout, domains)
        sheet = Sheet(placed.sheet)
        scale = _scale(analysis, rows, placed)
        y = _title(sheet, analysis)
        if rows:
            y = _plot(sheet, placed, analysis, layout, scale, rows, y)
        else:
            y = _paragraph(sheet, "No trial with a poolable number.", y + 6, size=BODY, colour=INK)
        y = _absent(sheet, placed, analysis, absent, y)
        y = _notes(sheet, placed, analysis, layout, scale, rows, y)
        figure = sheet.finish(y + MARGIN)
    alt = f"Forest plot. {words.summary(analysis)} {words.group_test(analysis)}".strip()
    return Figure(figure, alt, forest_rows.data(analysis, rows))


def _title(sheet: Sheet, analysis: Analysis) -> float:
    spec = analysis.spec
    room = sheet.width - 2 * MARGIN
    title = legible(spec.title)
    lines = wrapped(title, DISPLAY, room, "bold") if title else ()
    y = _lines(sheet, MARGIN, MARGIN, lines, DISPLAY, INK, "bold")
    told = [words.measure(spec), words.direction(spec), spec.scale_note, words.trials(spec, analysis.k)]
    text = legible("; ".join(part.strip().rstrip(".") for part in told if part.strip()) + ".")
    return _paragraph(sheet, text, y + 1)


def _paragraph(sheet: Sheet, text: str, y: float, *, size: float = SMALL, colour: str = MUTED) -> float:
    return _lines(sheet, MARGIN, y, wrapped(text, size, sheet.width - 2 * MARGIN), size, colour)


def _lines(
    sheet: Sheet,
    x: float,
    y: float,
    lines: tuple[str, ...],
    size: float,
    colour: str,
    weight: Weight = "normal",
    gid: str | None = None,
) -> float:
    """Set lines below ``y`` by their measured heights and return the lower edge of the last one."""
    for line in lines:
        baseline = y + _ascent(line, size, weight)
        sheet.text(x, baseline, line, size=size, colour=colour, weight=weight, gid=gid)
        y = baseline + _descent(line, size, weight)
    return y


def _descent(line: str, size: float, weight: Weight = "normal") -> float:
    return max(extent(line, size, weight).descent, 0.24 * size) + 0.24 * size


def _ascent(line: str, size: float, weight: Weight = "normal") -> float:
    return max(extent(line, size, weight).ascent, 0.78 * size)


def _plot(
    sheet: Sheet,
    columns: Columns,
    analysis: Analysis,
    preset: Preset,
    scale: Scale,
    rows: tuple[Row, ...],
    y: float,
) -> float:
    y, heads = _head(sheet, columns, analysis, preset, scale, y + 5)
    top = y
    inner = [row for row in rows if row.kind in ("group", "study", "subtotal")]
    heaviest = max((row.weight for row in inner if row.weight is not None), default=None)
    for i, row in enumerate(inner):
        start, gid = y, f"{row.kind}-{row.index}"
        y = _row(sheet, columns, preset, scale, row, gid, y, heaviest) + (4 if row.kind == "subtotal" else 0)
        if preset.banded and i % 2 == 0 and row.kind == "study":
            edge = (MARGIN - 3, columns.right + 3)
            corners = [(edge[0], start - 1.5), (edge[1], start - 1.5), (edge[1], y - 1.5), (edge[0], y - 1.5)]
            sheet.polygon(corners, fill=TINT, gid=f"{gid}-band", z=0.5)
    sheet.line((MARGIN, y + 1), (columns.right, y + 1), colour=RULE)
    y += 4
    for row in rows[len(inner) :]:
        if preset.details or row.kind != "beside":
            y = _row(sheet, columns, preset, scale, row, row.kind, y, heaviest)
    if words.lead(analysis) is None:
        text = "One trial: not pooled." if analysis.k == 1 else "Not pooled."
        y = _lines(sheet, MARGIN, y, (text,), BODY, MUTED, gid="not-pooled") + 3
    _verticals(sheet, analysis, scale, heads, top, y)
    base = draw_axis(sheet, scale, analysis.spec.measure, y) + 1.6 * SMALL
    y = draw_directions(sheet, scale, analysis.spec, base, MARGIN, columns.right)
    y += 4
    said = [*words.heterogeneity(analysis), words.group_test(analysis)]
    for text in said if preset.details else (*_methods(rows), *said):
        if text:
            y = _paragraph(sheet, text, y, colour=INK)
    return y


def _methods(rows: tuple[Row, ...]) -> list[str]:
    """Say below the plot what a layout without second lines cannot say beside its diamonds."""
    return [f"{row.label}: {row.detail}." for row in rows if row.kind in ("lead", "prediction") and row.detail]


def _scale(analysis: Analysis, rows: tuple[Row, ...], columns: Columns) -> Scale:
    points = [row.bar[0] for row in rows if row.kind in ("study", "lead")]
    bars = [row.bar[1:] for row in rows if row.kind != "group"]
    low, high = limits(points, bars, [line.value for line in analysis.spec.lines])
    return Scale(low, high, *columns.plot)


def _head(
    sheet: Sheet, columns: Columns, analysis: Analysis, preset: Preset, scale: Scale, y: float
) -> tuple[float, tuple[tuple[float, float], ...]]:
    """Set the column heads and line labels; return where the rows begin and where each label ends."""
    labels = lanes(analysis.spec.lines, scale)
    heads = arm_heads(analysis) if len(columns.arms) == 2 else (("People",),)
    pitch = 1.26 * SMALL
    deep = max([2, *(label.lane + 1 for label in labels)])
    deep = max([deep, *(len(head) + 1 for head in heads)]) if columns.arms else deep
    base = y + deep * pitch
    _stack(sheet, MARGIN, base, (words.study_name(analysis.spec),), "left")
    if len(columns.arms) == 2:
        over = base - max(len(head) for head in heads) * pitch
        middle = (columns.arms[0] - width(heads[0][-1], SMALL) + columns.arms[1]) / 2
        sheet.text(middle, over, "People", size=SMALL, colour=MUTED, align="center")
    for right, head in zip(columns.arms, heads, strict=False):
        _stack(sheet, right, base, head, "right")
    if columns.high is not None:
        _stack(sheet, columns.high, base, number_head(analysis, preset), "right")
    for x, domain in zip(columns.bias, lights.heads(len(columns.bias)), strict=False):
        sheet.text(x, base, domain, size=SMALL, colour=MUTED, align="center")
    if columns.bias:
        _stack(sheet, columns.bias[-1] + 0.5 * LIGHT, base - 1.26 * SMALL, ("Risk of bias",), "right")
    if columns.weight is not None:
        _stack(sheet, columns.weight, base, ("Weight", "%"), "right")
    reached = []
    for label in labels:
        up = base - label.lane * pitch
        sheet.text(label.x, up, label.text, size=SMALL, colour=MUTED, gid="line-label")
        reached.append((label.value, up + 2.5))
    rule = base + 4.5
    sheet.line((MARGIN, rule), (columns.right, rule), colour=INK, width=0.5)
    return rule + 5, tuple(reached)


def _stack(sheet: Sheet, x: float, base: float, lines: tuple[str, ...], align: Literal["left", "right"]) -> None:
    for up, line in enumerate(reversed(lines)):
        sheet.text(x, base - up * 1.26 * SMALL, line, size=SMALL, colour=MUTED, align=align)


def _row(
    sheet: Sheet,
    columns: Columns,
    preset: Preset,
    scale: Scale,
    row: Row,
    gid: str,
    y: float,
    heaviest: float | None,
) -> float:
    weight: Weight = "bold" if row.kind in ("lead", "group") else "normal"
    lines = _label_lines(columns, row, weight)
    base = y + _ascent(lines[0], BODY, weight)
    end = _lines(sheet, MARGIN, y, lines, BODY, INK, weight, gid=f"{gid}-label")
    if row.marks:
        x, last = MARGIN + width(lines[-1], BODY) + 3, end - _descent(lines[-1], BODY)
        sheet.text(x, last - 2, row.marks, size=SMALL, colour=FLAG, gid=f"{gid}-marks")
    if row.kind == "study" and columns.detail is not None:
        sheet.text(columns.detail, base, elided(row.detail, SMALL, DETAIL_MOST), size=SMALL, colour=MUTED)
    elif row.detail and preset.details and (row.kind != "study" or columns.label_lines > 1):
        room = columns.label if row.kind == "study" else columns.plot[0] - GAP - MARGIN
        end = _lines(
            sheet,
            MARGIN,
            end,
            wrapped(row.detail, SMALL, room, lines=2 if row.kind == "study" else 3),
            SMALL,
            MUTED,
        )
    middle = base - 0.36 * BODY
    _numbers(sheet, columns, preset, row, base, weight)
    shrunken = preset.details and row.shrunken is not None
    forest_marks.draw(sheet, scale, row, gid, middle, heaviest, shrunken=shrunken)
    lights.draw(sheet, columns.bias, middle, row.lights, gid)
    return max(end + 2.0, middle + (11.0 if shrunken else 8.0))


def _label_lines(columns: Columns, row: Row, weight: Weight) -> tuple[str, ...]:
    if row.kind == "group":
        return (elided(row.label, BODY, columns.free - GAP - MARGIN, weight),)
    marks = width(row.marks, SMALL) + 3 if row.marks else 0.0
    allowed = 3 if row.kind != "study" else columns.label_lines
    return wrapped(row.label, BODY, columns.label - marks, weight, allowed)


def _numbers(sheet: Sheet, columns: Columns, preset: Preset, row: Row, y: float, weight: Weight) -> None:
    for right, text in zip(columns.arms, row.people, strict=False):
        sheet.text(right, y, text, align="right", weight=weight)
    if columns.arms and row.people[2]:
        text = total_text(row.people[2], len(columns.arms) == 2)
        sheet.text(columns.arms[-1], y, text, align="right", weight=weight)
    if columns.estimate is not None and columns.low is not None and columns.high is not None:
        value, low, high = bracketed(row.cells, preset)
        sheet.text(columns.estimate, y, value, align="right", weight=weight)
        sheet.text(columns.low, y, low, align="right", weight=weight)
        sheet.text(columns.high, y, high, align="right", weight=weight)
    if columns.weight is not None and row.kind == "study":
        sheet.text(columns.weight, y, forest_rows.weight_text(row), align="right")


def _verticals(
    sheet: Sheet,
    analysis: Analysis,
    scale: Scale,
    heads: tuple[tuple[float, float], ...],
    top: float,
    bottom: float,
) -> None:
    zero = scale.x(0.0)
    sheet.line((zero, top - 5), (zero, bottom), width=0.6, z=1, gid="zero")
    for value, start in heads:
        x = scale.x(value)
        sheet.line((x, start), (x, bottom), colour=MUTED, width=0.6, dash=(4, 3), z=1, gid="line")
    fit = words.lead(analysis)
    if fit is not None and scale.shows(fit.mu.value):
        x = scale.x(fit.mu.value)
        sheet.line((x, top), (x, bottom), colour=ESTIMATE, width=0.5, dash=(1, 2), z=1, gid="pooled")


def _absent(sheet: Sheet, columns: Columns, analysis: Analysis, absent: tuple[Missing, ...], y: float) -> float:
    if not absent:
        return y
    y += 8
    sheet.line((MARGIN, y), (columns.right, y), colour=RULE)
    head = f"Measured, no poolable number: {words.trials(analysis.spec, len(absent))}"
    y = _lines(sheet, MARGIN, y + 4, (head,), BODY, MUTED, gid="missing-head")
    room = columns.right - columns.free
    for i, entry in enumerate(absent):
        label = elided(entry.label, SMALL, columns.label)
        why = elided(entry.why, SMALL, room)
        base = y + max(_ascent(label, SMALL), _ascent(why, SMALL))
        sheet.text(MARGIN, base, label, size=SMALL, colour=MUTED, gid=f"missing-{i}-label")
        if columns.arms:
            people = total_text(entry.people, len(columns.arms) == 2)
            sheet.text(columns.arms[-1], base, people, size=SMALL, colour=MUTED, align="right")
        sheet.text(columns.free, base, why, size=SMALL, colour=MUTED)
        y = base + max(_descent(label, SMALL), _descent(why, SMALL))
    return y


def _notes(
    sheet: Sheet,
    columns: Columns,
    analysis: Analysis,
    preset: Preset,
    scale: Scale,
    rows: tuple[Row, ...],
    y: float,
) -> float:
    used = [mark for mark in words.MARKS if any(mark in row.marks for row in rows)]
    notes = [f"{mark} = {words.MARKS[mark]}" for mark in used]
    if words.lead(analysis) is not None:
        notes.append("area of a square: weight of the study")
    if preset.details and any(row.shrunken is not None for row in rows):
        notes.append("thin blue bar: shrunken estimate of the Bayesian model")
    if "people" in preset.columns and not columns.arms and any(any(row.people) for row in rows):
        notes.append("no room for the column of people: it is in the table of this figure")
    if columns.bias:
        tools = sorted({one.tool for one in analysis.judgements.bias if one.tool})
        notes.append(
            lights.legend(", ".join(tools), len(columns.bias), (light for row in rows for light in row.lights))
        )
    if rows:
        if any(not scale.shows(row.bar[0]) for row in rows if row.kind == "study"):
            notes.append("◀◀ or ▶▶: estimate beyond the part shown")
        notes += [_off_plot(analysis, line) for line in analysis.spec.lines if not scale.shows(line.value)]
    return _paragraph(sheet, "; ".join(notes) + ".", y + 6) if notes else y


def _off_plot(analysis: Analysis, line: Line) -> str:
    value = words.shown(analysis.spec.measure, line.value)
    side = "below" if line.value < 0 else "above"
    return f"{line_text(line)} ({words.significant(value)}{words.unit(analysis.spec)}) lies {side} the part shown"
