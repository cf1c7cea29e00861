"""Risk-of-bias judgements as traffic lights: a colour and a letter in each, as one plain inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from k2meta.figures.lights import FILLS, LETTERS

_LABEL, _STEP, _ROW, _TOP, _LONGEST = 236, 62, 34, 30, 30


def lights(heads: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return the drawing of judged trials, or an empty string where nothing was judged.

    Parameters
    ----------
    heads : sequence of str
        Short names of the columns.
    rows : sequence of (str, sequence of str)
        Label of a trial, and one judgement per column.
    """
    if not rows:
        return ""
    width, height = _LABEL + _STEP * len(heads), _TOP + _ROW * len(rows) + 30
    parts = [_text(_LABEL + _STEP * (i + 0.5), 18, head, "middle") for i, head in enumerate(heads)]
    for j, (label, judged) in enumerate(rows):
        y = _TOP + _ROW * (j + 0.5)
        parts.append(_text(0, y + 4.5, _short(label), "start"))
        parts += [_light(_LABEL + _STEP * (i + 0.5), y, word) for i, word in enumerate(judged)]
    legend = ", ".join(f"{LETTERS[word]} {word}" for word in FILLS)
    parts.append(_text(0, height - 8, f"{legend}, empty ring not assessed", "start"))
    said = "; ".join(
        f"{label}: {', '.join(f'{h} {w}' for h, w in zip(heads, judged, strict=True))}" for label, judged in rows
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width} {height}" font-size="13">'
    return f"{head}<title>{escape(f'Risk of bias. {said}.')}</title>{''.join(parts)}</svg>"


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="currentColor">{escape(words)}</text>'


def _light(x: float, y: float, word: str) -> str:
    fill, edge = FILLS.get(word, ("none", "currentColor"))
    ring = f'<circle cx="{x:g}" cy="{y:g}" r="12" fill="{fill}" stroke="{edge}"/>'
    if word not in FILLS:
        return ring
    return f'{ring}<text x="{x:g}" y="{y + 4.5:g}" text-anchor="middle" fill="#000000">{LETTERS[word]}</text>'
