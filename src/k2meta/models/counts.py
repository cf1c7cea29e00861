"""Pooling 2 x 2 tables directly: Mantel-Haenszel and Peto.

Both assume one common effect. Group 1 (``ai`` events, ``bi`` without) is compared with group 2 (``ci``, ``di``),
so a negative log ratio or a negative risk difference means fewer events in group 1. Tables enter as they are: a
cell of zero needs no correction in the pooled effect.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc

from k2meta.models.errors import InputError, UnknownMethodError
from k2meta.models.fit import Diagnostics, Estimate, Fit, Heterogeneity, QTest, StudyEstimate
from k2meta.models.inputs import Vector, checked_level, vector
from k2meta.models.intervals import tested
from k2meta.models.q_shares import q_based_shares


@dataclass(frozen=True, slots=True)
class Tables:
    """2 x 2 tables: events and non-events of two groups, each of shape (k,)."""

    a: Vector
    b: Vector
    c: Vector
    d: Vector

    @property
    def n1(self) -> Vector:
        """Sizes of group 1."""
        return self.a + self.b

    @property
    def n2(self) -> Vector:
        """Sizes of group 2."""
        return self.c + self.d

    @property
    def n(self) -> Vector:
        """Sizes of the studies."""
        return self.n1 + self.n2


@dataclass(frozen=True, slots=True)
class _Combined:
    value: float
    se: float
    weight: Vector


def checked_tables(ai: ArrayLike, bi: ArrayLike, ci: ArrayLike, di: ArrayLike) -> Tables:
    """Return 2 x 2 tables as float arrays.

    Raises
    ------
    InputError
        No table, lengths that differ, a count that is not finite or negative, or a group without people; the
        message names the index.
    """
    named = {"ai": ai, "bi": bi, "ci": ci, "di": di}
    cells = {name: vector(name, given) for name, given in named.items()}
    if len({len(cell) for cell in cells.values()}) > 1:
        raise InputError("lengths differ: " + ", ".join(f"{name} has {len(cell)}" for name, cell in cells.items()))
    if not len(cells["ai"]):
        raise InputError("ai is empty; a model needs at least one study")
    for name, cell in cells.items():
        bad = np.flatnonzero(cell < 0)
        if bad.size:
            raise InputError(f"{name}[{bad[0]}] = {float(cell[bad[0]])!r}: a count cannot be negative")
    tables = Tables(*cells.values())
    for name, size in (("ai and bi", tables.n1), ("ci and di", tables.n2)):
        empty = np.flatnonzero(size == 0)
        if empty.size:
            raise InputError(f"{name} are both zero at index {empty[0]}: a group without people")
    return tables


def mantel_haenszel(
    ai: ArrayLike,
    bi: ArrayLike,
    ci: ArrayLike,
    di: ArrayLike,
    *,
    measure: str = "OR",
    level: float = 0.95,
    model: str = "",
) -> Fit:
    """Pool 2 x 2 tables by Mantel and Haenszel.

    Parameters
    ----------
    ai, bi, ci, di : array_like, shape (k,)
        Events and non-events of group 1, events and non-events of group 2.
    measure : {"OR", "RR", "RD"}
        Odds ratio and risk ratio are pooled and given on the log scale; the risk difference as it is.
    level : float
        Coverage of the normal interval.
    model : str
        Identifier written into the fit; ``"mantel_haenszel"`` when empty.

    Returns
    -------
    Fit
        Variances: OR by Robins, Breslow and Greenland (1986), RR by Greenland and Robins (1985), RD by Sato,
        Greenland and Robins (1989). ``q`` is the inverse-variance heterogeneity of the single tables about the
        pooled effect: half an event is added to all cells of a table with a zero, for this only, and tables
        without events, or with events only, do not count in it. ``weights`` are the Mantel-Haenszel ones.

    Raises
    ------
    InputError
        Unusable counts, or tables that together leave the measure undefined.
    UnknownMethodError
        An unknown measure.
    """
    if measure not in _MANTEL_HAENSZEL:
        raise UnknownMethodError("measure", measure, _MANTEL_HAENSZEL)
    tables, level = checked_tables(ai, bi, ci, di), checked_level(level)
    combined = _MANTEL_HAENSZEL[measure](tables)
    options: dict[str, str | float] = {"measure": measure, "level": level}
    q = _heterogeneity(*_single_tables(tables, measure), combined.value)
    return _fit(
        model or "mantel_haenszel", f"common effect, Mantel-Haenszel {measure}", options, combined, q, level
    )


def peto(
    ai: ArrayLike, bi: ArrayLike, ci: ArrayLike, di: ArrayLike, *, level: float = 0.95, model: str = ""
) -> Fit:
    """Pool 2 x 2 tables by Peto's one-step log odds ratio (Yusuf and others 1985).

    Parameters
    ----------
    ai, bi, ci, di : array_like, shape (k,)
        Events and non-events of group 1, events and non-events of group 2.
    level : float
        Coverage of the normal interval.
    model : str
        Identifier written into the fit; ``"peto"`` when empty.

    Returns
    -------
    Fit
        ``mu`` is sum(O - E) / sum(V) on the log odds scale, V the hypergeometric variance of the events in group
        1. A table without events, or with events only, has V = 0 and no weight.

    Raises
    ------
    InputError
        Unusable counts, or no table with both events and non-events.
    """
    tables, level = checked_tables(ai, bi, ci, di), checked_level(level)
    events, n = tables.a + tables.c, tables.n
    # A table of one person has no spread; n - 1 = 0 is then divided into zero.
    variance = tables.n1 * tables.n2 * events * (n - events) / (n * n * np.maximum(n - 1.0, 1.0))
    difference = tables.a - events * tables.n1 / n
    if not variance.sum() > 0.0:
        raise InputError("no table has both events and non-events: the odds ratio is not estimable")
    combined = _Combined(
        float(difference.sum() / variance.sum()), 1.0 / math.sqrt(float(variance.sum())), variance
    )
    some = variance > 0.0
    q = _heterogeneity(difference[some] / variance[some], 1.0 / variance[some], combined.value)
    return _fit(model or "peto", "common effect, Peto odds ratio", {"level": level}, combined, q, level)


def _odds_ratio(t: Tables) -> _Combined:
    r, s = t.a * t.d / t.n, t.b * t.c / t.n
    if not (r.sum() > 0.0 and s.sum() > 0.0):
        raise InputError("the Mantel-Haenszel odds ratio is zero, infinite or undefined: no a d or no b c")
    p, q = (t.a + t.d) / t.n, (t.b + t.c) / t.n
    big_r, big_s = float(r.sum()), float(s.sum())
    variance = 0.5 * (float(p @ r) / big_r**2 + float(p @ s + q @ r) / (big_r * big_s) + float(q @ s) / big_s**2)
    return _Combined(math.log(big_r / big_s), math.sqrt(variance), s)


def _risk_ratio(t: Tables) -> _Combined:
    r, s = t.a * t.n2 / t.n, t.c * t.n1 / t.n
    if not (r.sum() > 0.0 and s.sum() > 0.0):
        raise InputError("the Mantel-Haenszel risk ratio is zero, infinite or undefined: one group has no event")
    spread = (t.n1 * t.n2 * (t.a + t.c) - t.a * t.c * t.n) / t.n**2
    variance = float(spread.sum()) / float(r.sum() * s.sum())
    if not variance > 0.0:
        raise InputError("everybody had the event: the risk ratio is one without any spread")
    return _Combined(math.log(float(r.sum() / s.sum())), math.sqrt(variance), s)


def _risk_difference(t: Tables) -> _Combined:
    weight = t.n1 * t.n2 / t.n
    value = float((t.a * t.n2 - t.c * t.n1) @ (1.0 / t.n)) / float(weight.sum())
    p = (t.n1**2 * t.c - t.n2**2 * t.a + 0.5 * t.n1 * t.n2 * (t.n2 - t.n1)) / t.n**2
    q = (t.a * t.d + t.b * t.c) / (2.0 * t.n)
    variance = (value * float(p.sum()) + float(q.sum())) / float(weight.sum()) ** 2
    if not variance > 0.0:
        raise InputError("no table has both events and non-events in one group: the difference has no variance")
    return _Combined(value, math.sqrt(variance), weight)


_MANTEL_HAENSZEL: Mapping[str, Callable[[Tables], _Combined]] = {
    "OR": _odds_ratio,
    "RR": _risk_ratio,
    "RD": _risk_difference,
}


def _single_tables(t: Tables, measure: str) -> tuple[Vector, Vector]:
    """Return effects and variances of the informative tables, half an event added where a cell is zero.

    Tables without any event and tables with events only are left out, as in the reference.
    """
    events = t.a + t.c
    keep = (events > 0) & (events < t.n)
    cells = np.stack([t.a, t.b, t.c, t.d])[:, keep]
    a, b, c, d = cells + 0.5 * np.any(cells == 0.0, axis=0)
    if measure == "OR":
        return np.log(a * d / (b * c)), 1 / a + 1 / b + 1 / c + 1 / d
    n1, n2 = a + b, c + d
    if measure == "RR":
        return np.log(a * n2 / (c * n1)), 1 / a - 1 / n1 + 1 / c - 1 / n2
    return a / n1 - c / n2, a * b / n1**3 + c * d / n2**3


def _heterogeneity(yi: Vector, vi: Vector, value: float) -> QTest:
    df = max(len(yi) - 1, 0)
    if not df:
        return QTest(0.0, 0, None, 0.0)
    q = float(np.sum((yi - value) ** 2 / vi))
    return QTest(q, df, float(chdtrc(df, q)), 100.0 * (q - df) / q if q > df else 0.0)


def _fit(
    model: str, method: str, options: dict[str, str | float], combined: _Combined, q: QTest, level: float
) -> Fit:
    mu = tested(combined.value, combined.se, level, None)
    i2, h2 = q_based_shares(q.value, q.df, level)
    k = len(combined.weight)
    return Fit(
        model=model,
        method=f"{method}, normal interval",
        options=options,
        k=k,
        mu=mu,
        tau2=Heterogeneity(0.0, None, None, None, "zero by assumption", "none", level),
        tau=Estimate(0.0, math.nan, 0.0, 0.0, level),
        i2=i2.value,
        h2=h2.value,
        i2_share=i2,
        h2_share=h2,
        q=q,
        prediction=None,
        weights=tuple(float(w) for w in combined.weight / combined.weight.sum()),
        studies=(StudyEstimate(mu.value, mu.se, mu.low, mu.high),) * k,
        diagnostics=Diagnostics(converged=True, at_boundary=False),
        warnings=() if q.df else ("Fewer than two tables carry information: heterogeneity is not estimable.",),
    )
