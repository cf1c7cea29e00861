"""The strip of a question's card: interval, prediction interval and point against zero, as one line of SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from k2meta.figures import words
from k2meta.numbers import coverage

if TYPE_CHECKING:
    from k2meta.analysis import Analysis

WIDTH, HEIGHT, MIDDLE = 320.0, 38.0, 19.0
"""Size of the drawing in its own units; shown 10 mm high."""
_REACH = 1.5
"""How many widths of the interval the prediction interval is followed beyond it, before it is clipped."""


def strip(analysis: Analysis) -> str:
    """Return the strip of an analysis as an inline SVG; an analysis without any study gives an empty string.

    The elements carry the classes ``k2-prediction``, ``k2-estimate``, ``k2-zero`` and ``k2-line``, which a style
    sheet may colour; without one all are drawn in the colour of the text. The title says the same in words.
    """
    found = _bars(analysis)
    if found is None:
        return ""
    (value, low, high), prediction, text = found
    lines = [line.value for line in analysis.spec.lines]
    left, right = _limits(low, high, prediction, lines)

    def x(at: float) -> float:
        return 6 + (min(max(at, left), right) - left) / (right - left) * (WIDTH - 12)

    parts = [_tick("k2-zero", x(0.0), 2.0, HEIGHT - 2, "")]
    parts += [
        _tick("k2-line", x(at), 6.0, HEIGHT - 6, ' stroke-dasharray="3 3"') for at in lines if left <= at <= right
    ]
    if prediction is not None:
        parts.append(_bar("k2-prediction", x(prediction[0]), x(prediction[1]), 2.0))
        parts.append(_arrow(-1) if prediction[0] < left else _cap(x(prediction[0])))
        parts.append(_arrow(1) if prediction[1] > right else _cap(x(prediction[1])))
    parts.append(_bar("k2-estimate", x(low), x(high), 6.0))
    parts.append(f'<circle class="k2-estimate" cx="{x(value):.2f}" cy="{MIDDLE:g}" r="6" fill="currentColor"/>')
    head = '<svg xmlns="http://www.w3.org/2000/svg" class="k2-strip" role="img" height="10mm"'
    size = f'viewBox="0 0 {WIDTH:g} {HEIGHT:g}" preserveAspectRatio="xMinYMid meet"'
    return f"{head} {size}><title>{escape(text)}</title>{''.join(parts)}</svg>"


def _bars(analysis: Analysis) -> tuple[tuple[float, float, float], tuple[float, float] | None, str] | None:
    fit, spec = words.lead(analysis), analysis.spec
    places = words.decimals(analysis)
    if fit is not None:
        text = (
            f"{words.trials(spec, analysis.k)}: {words.estimate(spec, fit.mu, words.interval_name(fit), places)}"
        )
        ends = None
        if fit.prediction is not None:
            ends = (fit.prediction.low, fit.prediction.high)
            text += f"; {words.predicted(spec, fit.prediction, places)}"
        return (fit.mu.value, fit.mu.low, fit.mu.high), ends, f"{text}; {words.direction(spec)}"
    if analysis.k != 1:
        return None
    bar = words.study_bar(analysis.effects[0], analysis.level)
    value, low, high = bar
    text = f"{words.written(words.shown(spec.measure, value), places)}{words.unit(spec)}"
    text += f" ({coverage(analysis.level)} CI {words.interval(spec.measure, low, high, places)})"
    return bar, None, f"One trial, not pooled: {text}; {words.direction(spec)}"


def _limits(
    low: float, high: float, prediction: tuple[float, float] | None, lines: list[float]
) -> tuple[float, float]:
    reach = _REACH * max(high - low, 1e-12)
    left, right = min(low, 0.0), max(high, 0.0)
    if prediction is not None:
        left, right = min(left, max(prediction[0], low - reach)), max(right, min(prediction[1], high + reach))
    near = [at for at in lines if left - 0.5 * (right - left) <= at <= right + 0.5 * (right - left)]
    return min([left, *near]), max([right, *near])


def _tick(name: str, x: float, top: float, bottom: float, more: str) -> str:
    return (
        f'<path class="{name}" d="M{x:.2f} {top:g}V{bottom:g}" fill="none" stroke="currentColor" '
        f'stroke-width="1.2"{more}/>'
    )


def _bar(name: str, start: float, end: float, thick: float) -> str:
    # An interval narrower than a pixel is still a mark.
    end = max(end, start + 0.5)
    return (
        f'<path class="{name}" d="M{start:.2f} {MIDDLE:g}H{end:.2f}" fill="none" stroke="currentColor" '
        f'stroke-width="{thick:g}"/>'
    )


def _cap(x: float) -> str:
    # Caps keep a prediction interval visible where it coincides with the thicker bar.
    return _tick("k2-prediction", x, MIDDLE - 6, MIDDLE + 6, "")


def _arrow(side: int) -> str:
    tip = WIDTH - 1 if side > 0 else 1.0
    return (
        f'<path class="k2-prediction" d="M{tip:g} {MIDDLE:g}l{-6 * side} -4v8z" fill="currentColor" '
        'stroke="currentColor" stroke-width="0"/>'
    )
