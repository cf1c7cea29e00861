"""How results show themselves, in a notebook and in a terminal; loaded when the first one is shown.

A result becomes a `Sheet`, and a sheet becomes lines of text or plain HTML. Fits, their parts and whole analyses
have words of their own; every other result is read field by field.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, fields, is_dataclass
from html import escape
from typing import Any

from k2meta.analysis import Analysis
from k2meta.models.fit import Estimate, Fit, Heterogeneity, Prediction, QTest, Share
from k2meta.numbers import count, coverage, decimals_for, fixed, interval, p_value, percent, plain
from k2meta.tables.parts import significant, typeset

MOST_ROWS = 20
"""Rows of a table that are shown; the others are counted."""

FEW = 6
"""Numbers of a sequence that may stand inside a line."""

LABELS = {
    "mu": "μ",
    "tau": "τ",
    "tau2": "τ²",
    "tau2_without": "τ² without moderators",
    "i2": "I², %",
    "r2": "R², %",
    "h2": "H²",
    "q": "Q",
    "q_model": "test of moderators",
    "q_residual": "residual heterogeneity",
    "se": "SE",
}
"""Names of fields that people write in another way."""

UNSHOWN = {"covariance", "hat", "vif", "working", "iterations", "local_optima"}
"""Fields for those who check a result, which would bury what it says."""

NAMES = {"name", "label", "prior", "effect"}
"""Fields that say which row of a table is meant; without one the rows are numbered."""

LEFT = ' style="text-align:left"'


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of written cells; ``hidden`` rows are not among them."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a result says: a title, sentences, named facts, tables, and warnings."""

    title: str
    said: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    grids: tuple[Grid, ...] = ()
    warnings: tuple[str, ...] = ()


def text(result: Any) -> str:
    """Return a result as a few lines of text.

    Parameters
    ----------
    result : dataclass
        A ``Fit``, an ``Analysis`` or any other result of the package.
    """
    sheet = _sheet(result)
    width = max((len(name) for name, _ in sheet.facts), default=0)
    lines = [
        sheet.title,
        *sheet.said,
        *(f"  {name:<{width}}  {said}" for name, said in sheet.facts),
        *(line for grid in sheet.grids for line in _columns(grid)),
        *(f"  Warning: {warning}" for warning in sheet.warnings),
    ]
    return plain("\n".join(line.rstrip() for line in lines))


def html(result: Any) -> str:
    """Return a result as plain HTML: every text escaped; no script, no id, no address.

    Parameters
    ----------
    result : dataclass
        A ``Fit``, an ``Analysis`` or any other result of the package.
    """
    sheet = _sheet(result)
    facts = (f'<tr><th scope="row"{LEFT}>{_safe(a)}</th><td{LEFT}>{_safe(b)}</td></tr>' for a, b in sheet.facts)
    parts = [
        f"<p><b>{_safe(sheet.title)}</b></p>",
        *(f"<p>{_safe(sentence)}</p>" for sentence in sheet.said),
        *([f"<table><tbody>{''.join(facts)}</tbody></table>"] if sheet.facts else []),
        *map(_table, sheet.grids),
        *(f"<p><b>Warning:</b> {_safe(warning)}</p>" for warning in sheet.warnings),
    ]
    return f"<div>{''.join(parts)}</div>"


def _safe(words: str) -> str:
    return escape(plain(words))


def _table(grid: Grid) -> str:
    head = "".join(f'<th scope="col">{_safe(name)}</th>' for name in grid.head)
    rows = "".join(f"<tr>{''.join(f'<td>{_safe(cell)}</td>' for cell in row)}</tr>" for row in grid.rows)
    more = f"<p>{_safe(_more(grid))}</p>" if grid.hidden else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{more}"


def _columns(grid: Grid) -> Iterator[str]:
    cells = [[plain(cell) for cell in row] for row in (grid.head, *grid.rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
    if grid.hidden:
        yield f"  {_more(grid)}"


def _more(grid: Grid) -> str:
    return f"and {count(grid.hidden)} more"


def _sheet(result: Any) -> Sheet:
    if isinstance(result, Analysis):
        return _analysis(result)
    if isinstance(result, Fit):
        return _fit(result)
    for kind, said in LINES.items():
        if isinstance(result, kind):
            return Sheet(("τ² " if kind is Heterogeneity else "") + said(result))
    return _record(result)


# --- fits --------------------------------------------------------------------------------------------


def _fit(fit: Fit) -> Sheet:
    bayes = _is_bayesian(fit)
    decimals = _decimals(fit)
    mu = fit.mu
    name = "Posterior mean of μ" if bayes else "Mean effect μ"
    facts = [(name, f"{fixed(mu.value, decimals)} ({_reach(mu, decimals, bayes)}){_test(mu)}")]
    if bayes:
        facts.append(("Posterior SD of μ", fixed(mu.se, decimals)))
        priors = ((_label(name), fit.options.get(f"{name}_prior")) for name in ("mu", "tau"))
        facts.append(("Priors", "; ".join(f"{name} {prior}" for name, prior in priors if prior)))
    if not (fit.tau2.value == 0 and fit.tau2.low is None):
        # A common effect has no tau; one that was estimated as zero has.
        facts.append(("Between-study SD τ", _tau(fit, decimals, bayes)))
    if not bayes:
        facts.append(("Heterogeneity", f"I² {fixed(fit.i2, 0)} %; {_q(fit.q)}"))
    if fit.prediction is not None:
        facts.append(("New study", _prediction(fit.prediction, decimals)))
    facts.append(("Studies", _studies(fit)))
    return Sheet(
        _title(typeset(fit.method)), facts=tuple(facts), warnings=(*_trouble(fit), *map(typeset, fit.warnings))
    )


def _is_bayesian(fit: Fit) -> bool:
    return fit.posterior is not None or fit.diagnostics.rhat is not None


def _decimals(fit: Fit) -> int:
    """Two digits of the standard error; of a sampled fit no more than its Monte Carlo error supports."""
    decimals, mcse = decimals_for(fit.mu.se), fit.diagnostics.mcse_mu
    if mcse is not None and mcse > 0:
        return min(decimals, max(0, -math.floor(math.log10(mcse))))
    return decimals


def _reach(mu: Estimate, decimals: int, bayes: bool) -> str:
    return f"{coverage(mu.level)} {'CrI' if bayes else 'CI'} {interval(mu.low, mu.high, decimals)}"


def _test(mu: Estimate) -> str:
    return "" if mu.p is None else f", {p_value(mu.p)}"


def _tau(fit: Fit, decimals: int, bayes: bool) -> str:
    if bayes:
        return f"{fixed(fit.tau.value, decimals)} ({_reach(fit.tau, decimals, bayes)})"
    tau2 = fit.tau2
    said = fixed(math.sqrt(tau2.value), decimals)
    if tau2.low is not None and tau2.high is not None:
        ends = interval(math.sqrt(tau2.low), math.sqrt(tau2.high), decimals)
        said += f" ({percent(tau2.level)} CI {ends}; {typeset(f'{tau2.method}, {tau2.interval_method}')})"
    return f"{said}, on its lower bound" if fit.at_boundary else said


def _q(q: QTest) -> str:
    return f"Q = {fixed(q.value, 2)} on {count(q.df)} df" + ("" if q.p is None else f", {p_value(q.p)}")


def _prediction(found: Prediction, decimals: int) -> str:
    reach = interval(found.low, found.high, decimals)
    method = typeset(found.method).replace(" mu", " the mean")
    return f"{reach} ({coverage(found.level)} prediction interval, {method})"


def _studies(fit: Fit) -> str:
    said = count(fit.k)
    if len(fit.weights) > 1:
        largest = max(fit.weights)
        said += f"; study {fit.weights.index(largest) + 1} carries {percent(largest)} of the weight"
    return said


def _trouble(fit: Fit) -> tuple[str, ...]:
    if fit.converged:
        return ()
    return ("The sampler or optimum did not reach its stated accuracy; do not use these numbers.",)


# --- one question ------------------------------------------------------------------------------------


def _analysis(analysis: Analysis) -> Sheet:
    from k2meta.report.words import answer
    from k2meta.tables.pooled_results import pooled_results

    spec = analysis.spec
    grids: tuple[Grid, ...] = ()
    warnings: tuple[str, ...] = ()
    if analysis.fits:
        table = pooled_results([analysis]).hiding("title", "people")
        head = tuple(column.label for column in table.visible)
        grids = (Grid(head, tuple(tuple(cell.text for cell in row) for row in table.shown)),)
        said = (warning for fit in analysis.fits.values() for warning in (*_trouble(fit), *fit.warnings))
        warnings = tuple(dict.fromkeys(map(typeset, said)))
    # A verdict that decides already carries the caveat, such as that the outcome is a surrogate.
    sentences = [answer(analysis).strip()]
    sentences += [note for note in (spec.caveat, spec.scale_note) if note and note not in sentences[0]]
    return Sheet(spec.title or spec.id, tuple(sentences), grids=grids, warnings=warnings)


# --- parts of a fit ----------------------------------------------------------------------------------


def _estimate(found: Estimate) -> str:
    decimals = decimals_for(found.se)
    reach = f"{coverage(found.level)} interval {interval(found.low, found.high, decimals)}"
    return f"{fixed(found.value, decimals)} ({reach}){_test(found)}"


def _heterogeneity(found: Heterogeneity) -> str:
    said = _rounded(found.value, 3)
    if found.low is None or found.high is None:
        return f"{said} ({typeset(found.method)})" if found.method else said
    ends = f"{_rounded(found.low, 3)} to {_rounded(found.high, 3)}"
    return f"{said} ({coverage(found.level)} CI {ends}; {typeset(f'{found.method}, {found.interval_method}')})"


def _share(found: Share) -> str:
    said = _rounded(found.value, 3)
    if found.low is not None and found.high is not None:
        said += f" ({_rounded(found.low, 3)} to {_rounded(found.high, 3)})"
    return f"{said}, {typeset(found.definition)}" if found.definition else said


def _predicted(found: Prediction) -> str:
    # An interval has no standard error; two digits of its half width are as many as anyone reads.
    return _prediction(found, decimals_for((found.high - found.low) / 4))


def _fit_line(fit: Fit) -> str:
    return f"{_estimate(fit.mu)}; {typeset(fit.method)}"


LINES: Mapping[type[Any], Callable[[Any], str]] = {
    Fit: _fit_line,
    Estimate: _estimate,
    Heterogeneity: _heterogeneity,
    Share: _share,
    QTest: _q,
    Prediction: _predicted,
}
"""Results that fit on one line, which is also how they stand inside another."""


# --- any other result --------------------------------------------------------------------------------


def _record(result: Any) -> Sheet:
    """Read a result field by field: numbers become facts, sequences the columns of tables."""
    facts: list[tuple[str, str]] = []
    columns: dict[int, dict[str, Sequence[Any]]] = {}
    grids: list[Grid] = []
    names = tuple(map(str, getattr(result, "names", ())))
    for name, value in _shown_fields(result):
        if name in ("warnings", "names"):
            continue
        if not _is_sequence(value):
            facts += [(name, said)] if (said := _cell(name, value)) else []
        elif _shape(value) is not None:
            facts.append((name, f"array, {_shape(value)}"))
        elif _is_record(next(iter(value), None)):
            grids.append(_records(name, value, names))
        elif len(value):
            columns.setdefault(len(value), {})[name] = value
    for length, group in columns.items():
        if length == 1:
            facts += [(name, _cell(name, value[0])) for name, value in group.items()]
        else:
            grids.append(_grid(group, length, names))
    warnings = tuple(map(typeset, getattr(result, "warnings", ())))
    return Sheet(
        _title(_name(result)), (), tuple((_label(name), said) for name, said in facts), tuple(grids), warnings
    )


def _shown_fields(result: Any) -> Iterator[tuple[str, Any]]:
    given: tuple[Field[Any], ...] = fields(result)
    return (
        (field.name, getattr(result, field.name)) for field in given if field.repr and field.name not in UNSHOWN
    )


def _name(result: Any) -> str:
    """Return the name of a type in words."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(result).__name__).lower()
    return words.replace("meta regression", "meta-regression").replace("map prior", "MAP prior")


def _title(words: str) -> str:
    return words[:1].upper() + words[1:]


def _label(name: str) -> str:
    return LABELS.get(name, typeset(name.replace("_", " ")))


def _is_record(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, type)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, tuple | list) or getattr(value, "ndim", 0) > 0


def _is_short(value: Any) -> bool:
    """Whether a value may stand inside a line: a scalar, or a few of them."""
    if not _is_sequence(value):
        return True
    return len(value) <= FEW and _shape(value) is None and not any(map(_is_record, value))


def _shape(value: Any) -> str | None:
    """Return the shape of an array of more than one dimension, in words."""
    shape = getattr(value, "shape", ())
    return " by ".join(map(str, shape)) if len(shape) > 1 else None


def _grid(group: Mapping[str, Sequence[Any]], length: int, names: Sequence[str]) -> Grid:
    called = _called(length, names)
    rows = tuple(
        (one, *(_cell(name, column[i]) for name, column in group.items())) for i, one in enumerate(called)
    )
    return Grid(("", *map(_label, group)), rows, length - len(called))


def _called(length: int, names: Sequence[str]) -> Sequence[str]:
    """Name the rows that are shown: as the result names its coefficients, or else by number."""
    every = names if len(names) == length else [str(i + 1) for i in range(min(length, MOST_ROWS))]
    return every[:MOST_ROWS]


def _records(field: str, values: Sequence[Any], names: Sequence[str]) -> Grid:
    """Return results of one kind as a table, a row each; what is a sequence in them is left out."""
    shown = values[:MOST_ROWS]
    cells = [{name: value for name, value in _shown_fields(one) if not _is_sequence(value)} for one in shown]
    written = [{name: _cell(name, value) for name, value in row.items()} for row in cells]
    heads = [name for name in written[0] if any(row.get(name) for row in written)]
    rows = [tuple(row.get(name, "") for name in heads) for row in written]
    head = tuple(map(_label, heads))
    if not NAMES & set(heads):
        called = _called(len(values), names)
        rows = [(one, *row) for one, row in zip(called, rows, strict=True)]
        head = (_label(field), *head)
    return Grid(head, tuple(rows), len(values) - len(shown))


def _cell(name: str, value: Any) -> str:
    """Write one field; a p value by its own rule."""
    if (name == "p" or name.endswith("_p")) and isinstance(value, float):
        return p_value(value).removeprefix("p ").removeprefix("= ")
    return _written(value)


def _written(value: Any) -> str:
    """Write one value on one line; nothing where there is nothing to say."""
    if value is None or callable(value):
        return ""
    for kind, said in LINES.items():
        if isinstance(value, kind):
            return said(value)
    if _is_record(value):
        inside = ((name, _cell(name, one)) for name, one in _shown_fields(value) if _is_short(one))
        return ", ".join(f"{_label(name)} {said}" for name, said in inside if said)
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_written(one)}" for name, one in value.items())
    if _is_sequence(value):
        return ", ".join(map(_written, value))
    return _scalar(value.item() if hasattr(value, "item") else value)


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value)
    if isinstance(value, float):
        return _rounded(value, 4)
    return typeset(str(value))


def _rounded(value: float, digits: int) -> str:
    """Write a number to a number of significant digits; those before the point are all written out."""
    return fixed(value, 0) if abs(value) >= 10**digits else significant(value, digits)
