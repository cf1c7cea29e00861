"""LaTeX: one file per table, for ``\\input`` in a manuscript."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from k2meta.numbers import plain
from k2meta.tables.types import Shown, TableData

LONG = 22
"""A column with more letters than this in one cell breaks its lines."""

ESCAPES: dict[str, str] = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    '"': r"\textquotedbl{}",
    # At the start of a row LaTeX would read these as arguments of the line break before it.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    # Two hyphens, commas or quotes in a row would become another letter.
    "-": "{-}",
    ",": "{,}",
    "'": "{'}",
    "?": "{?}",
    "!": "{!}",
    "\N{MINUS SIGN}": r"\ensuremath{-}",
    "\N{EN DASH}": r"\textendash{}",
    "\N{EM DASH}": r"\textemdash{}",
    "\N{THIN SPACE}": r"\thinspace{}",
    "\N{NO-BREAK SPACE}": "~",
    "τ": r"\ensuremath{\tau}",
    "μ": r"\ensuremath{\mu}",
    "µ": r"\ensuremath{\mu}",
    "²": r"\textsuperscript{2}",
    "√": r"\ensuremath{\surd}",
    "≥": r"\ensuremath{\geq}",
    "≤": r"\ensuremath{\leq}",
    "×": r"\ensuremath{\times}",
    "±": r"\ensuremath{\pm}",
    "→": r"\ensuremath{\rightarrow}",
    "∞": r"\ensuremath{\infty}",
}
"""What a letter is written as; hyphens, commas and the like only where two follow one another."""

_DOUBLED = frozenset("-,'?!")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]+")


def latex(tables: Mapping[str, TableData], title: str, authors: Sequence[str]) -> dict[str, bytes]:
    """Write each table as a ``longtable`` with the rules of ``booktabs``.

    Returns
    -------
    dict
        ``{name}.tex`` to bytes; a table without rows has no file.
    """
    return {f"{name}.tex": _table(table, title).encode() for name, table in tables.items() if table.rows}


def escaped(text: str) -> str:
    """Return text that LaTeX prints letter by letter and never runs."""
    clean = _UNPRINTABLE.sub(" ", plain(text))
    pairs = zip(clean, f" {clean}", strict=False)
    return "".join(
        letter if letter in _DOUBLED and letter != before else ESCAPES.get(letter, letter)
        for letter, before in pairs
    )


def _table(table: TableData, title: str) -> str:
    head = " & ".join(escaped(column.label) for column in table.visible)
    lines = [
        f"% {_UNPRINTABLE.sub(' ', title)}",
        r"% needs \usepackage{array,booktabs,longtable,textcomp} and \usepackage[T1]{fontenc}",
        rf"\begin{{longtable}}{{@{{}}{_columns(table)}@{{}}}}",
        rf"\caption{{{escaped(table.caption)}}}\\",
        rf"\toprule {head} \\ \midrule \endfirsthead",
        rf"\toprule {head} \\ \midrule \endhead",
        r"\bottomrule \endfoot",
        *(rf"{' & '.join(_cell(cell) for cell in row)} \\" for row in table.shown),
        r"\end{longtable}",
        *(rf"\noindent {escaped(note)}\par" for note in table.notes),
    ]
    return "\n".join(lines) + "\n"


def _cell(cell: Shown) -> str:
    mark = rf"\textsuperscript{{{escaped(','.join(cell.mark))}}}" if cell.mark else ""
    return escaped(cell.text) + mark


def _columns(table: TableData) -> str:
    """Return the kinds of the columns; those of long text share the width that the short ones leave."""
    longest = [max(len(cell.text) for cell in column) for column in zip(*table.shown, strict=True)]
    wide = [n > LONG and not column.numeric for n, column in zip(longest, table.visible, strict=True)]
    share = (1 - 0.08 * wide.count(False)) / max(1, sum(wide))
    kind = rf">{{\raggedright\arraybackslash}}p{{{max(share, 0.12):.2f}\linewidth}}"
    return "".join(
        kind if is_wide else "r" if column.numeric else "l"
        for is_wide, column in zip(wide, table.visible, strict=True)
    )
