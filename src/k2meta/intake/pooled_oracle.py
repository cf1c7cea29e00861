"""Pooled results that a file stores beside its studies: derived again with our own models.

The method is the one that the file states: Mantel-Haenszel, Peto or inverse variance, one common effect or random
effects. Where programs that write such files may differ in a detail (half an event in a table with a zero before
Mantel-Haenszel pooling; Q about the Mantel-Haenszel or the inverse-variance mean), every usual choice counts as
agreement, so that what is asked about follows from none of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from k2meta.intake.draft import Draft
from k2meta.intake.oracle import RATIOS, RELATIVE, agrees
from k2meta.intake.types import Read

ITERATED = 1e-4
"""REML stops at a tolerance of its own, so that two programs agree to fewer digits than by a formula."""

ESTIMATORS = {"": "DL", "DL": "DL", "DERSIMONIANANDLAIRD": "DL", "DERSIMONIANLAIRD": "DL", "REML": "REML"}
ESTIMATORS |= {"RESTRICTEDMAXIMUMLIKELIHOOD": "REML", "RESTRICTEDMAXIMUMLIKELIHOODREML": "REML"}
INTERVALS = {"": "z", "WALDTYPE": "z", "WALD": "z", "HKSJ": "HKSJ", "HARTUNGKNAPPSIDIKJONKMAN": "HKSJ"}
INTERVALS |= {"HARTUNGKNAPPSIDIKJONKMANHKSJ": "HKSJ"}
METHODS = {"MH": "MH", "MANTELHAENSZEL": "MH", "PETO": "PETO", "IV": "IV", "INVERSEVARIANCE": "IV"}
MODELS = {"YES": True, "NO": False, "RANDOM": True, "RANDOMEFFECTS": True, "FIXED": False, "FIXEDEFFECT": False}


def bare(words: str) -> str:
    """Return the letters of a name in capitals: ``Mantel-Haenszel`` is ``MANTELHAENSZEL``."""
    return "".join(letter for letter in words.upper() if letter.isalpha())


@dataclass(frozen=True, slots=True)
class Method:
    """How a file says that it pooled; ``random`` is ``None`` where it does not say, ``level`` in percent.

    ``problem`` says in words why the result cannot be derived again, ``""`` where it can.
    """

    measure: str
    method: str
    random: bool | None
    estimator: str = "DL"
    interval: str = "z"
    level: float = 95.0

    @property
    def problem(self) -> str:
        """Why the result cannot be derived again."""
        if self.method not in ("MH", "PETO", "IV") or self.random is None:
            return "the file does not state a method and a model that are known"
        if not self.estimator or not self.interval:
            return "the estimator of the heterogeneity or the interval is not one that is derived again"
        if self.method == "PETO" and self.random:
            return "Peto's method has no random effects"
        if self.method == "MH" and self.measure not in ("OR", "RR", "RD"):
            return f"Mantel-Haenszel does not pool the measure {self.measure}"
        if self.method == "IV" and self.measure == "PETO_OR":
            return "Peto's odds ratios are pooled by Peto's method"
        return ""

    @property
    def words(self) -> str:
        """The method in words."""
        name = {"MH": "Mantel-Haenszel", "PETO": "Peto", "IV": "inverse variance"}[self.method]
        return f"{name}, {'random effects' if self.random else 'one common effect'}"

    @property
    def relative(self) -> float:
        """Relative difference that two programs may have."""
        return ITERATED if self.random and self.estimator == "REML" else RELATIVE


@dataclass
class Studies:
    """What enters a pooled result of a file, as it is read study by study.

    ``rows`` hold ``m1 sd1 n1 m2 sd2 n2``, ``e1 n1 e2 n2`` or, on the scale of the model, ``yi`` and ``se``;
    ``unread`` is the reason why a study cannot be pooled again.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    unread: str = ""

    def add(self, row: Mapping[str, float], needed: Iterable[str]) -> None:
        """Add a study; one that lacks a number makes the pooled result unknown."""
        if set(needed) <= set(row):
            self.rows.append(dict(row))
        else:
            self.unread = "a study has no complete numbers in the file"


def compare(
    stored: Mapping[str, Read], method: Method, studies: Studies, outcome: str, where: str, draft: Draft
) -> None:
    """Compare a stored pooled result with ours: a query for each contradiction, else a line in the log.

    Parameters
    ----------
    stored : mapping
        ``estimate low high tau2 q i2 z`` to the cells of the file; empty cells are not compared.
    where : str
        Name of the pool, for the log.
    """
    shown = {part: read for part, read in stored.items() if read.text}
    if not shown:
        return
    place = next(iter(shown.values()))
    parts = "pooled result" + (f" of {where}" if where else "")
    ours: Mapping[str, Sequence[float]] = {}
    why = method.problem or studies.unread or ("" if studies.rows else "no study with numbers")
    if not why:
        ours = pooled(method, studies.rows)
        why = "" if ours else "its own numbers cannot be pooled by the stated method"
    if why:
        draft.left_out(place, f"{parts}: not checked, {why}")
        return
    wrong = False
    for part, read in shown.items():
        values = ours[part]
        if not values or any(_agrees(part, read.text, value, method.relative) for value in values):
            continue
        wrong = True
        text = f"{parts}: the file stores {read.text}; its own numbers give {values[0]:.6g} ({method.words})"
        draft.log("query", read, "outcomes", outcome, part, f"{values[0]:.15g}", text)
    if not wrong:
        draft.left_out(place, f"{parts}: derived again and agrees ({', '.join(shown)}; {method.words})")


def _agrees(part: str, stored: str, value: float, relative: float) -> bool:
    """Whether a stored number is ours; the sign of z is a convention, I2 may be written as a share."""
    candidates = {"z": (value, -value), "i2": (value, value / 100)}.get(part, (value,))
    return any(agrees(stored, one, relative) for one in candidates)


def pooled(method: Method, rows: Sequence[Mapping[str, float]]) -> Mapping[str, Sequence[float]]:
    """Return every value that the stated method can give to each part; empty where it gives none."""
    from k2meta.models.errors import InputError

    try:
        fits = list(_fits(method, rows))
    except (InputError, ArithmeticError):
        return {}
    parts: dict[str, list[float]] = {name: [] for name in ("estimate", "low", "high", "tau2", "q", "i2", "z")}
    logarithm = method.measure in (*RATIOS, "IRR")
    for fit in fits:
        for name, value in fit.items():
            shown = logarithm and name in ("estimate", "low", "high")
            if shown and abs(value) > 700:
                return {}
            parts[name].append(math.exp(value) if shown else value)
    return parts if fits else {}


def _fits(method: Method, rows: Sequence[Mapping[str, float]]) -> Iterable[dict[str, float]]:
    """Return the fits that the stated method allows, each as one number per part on the scale of the model."""
    from k2meta.models.common_effect import common_effect
    from k2meta.models.random_effects import random_effects

    level = method.level / 100
    if method.method != "IV":
        yield from _of_tables(method, rows)
        return
    yi, vi = _effects(method.measure, rows)
    if not yi:
        return
    if method.random:
        fit = random_effects(yi, vi, tau2=method.estimator, interval=method.interval, prediction=None, level=level)
    else:
        fit = common_effect(yi, vi, level=level)
    yield _parts(fit, fit.q.value, len(yi))


def _parts(fit: Any, q: float, k: int, tau2: float | None = None) -> dict[str, float]:
    mu, df = fit.mu, k - 1
    i2 = max(0.0, 100 * (q - df) / q) if q > 0 else 0.0
    values = {"estimate": mu.value, "low": mu.low, "high": mu.high, "z": mu.value / mu.se}
    return {**values, "tau2": fit.tau2.value if tau2 is None else tau2, "q": q, "i2": i2}


def _of_tables(method: Method, rows: Sequence[Mapping[str, float]]) -> Iterable[dict[str, float]]:
    """Return Peto's result, or those of Mantel and Haenszel with and without half events, Q about either mean."""
    from k2meta.models.common_effect import common_effect
    from k2meta.models.counts import mantel_haenszel, peto

    tables = [_table(row) for row in rows]
    if any(table is None for table in tables):
        return
    some = [table for table in tables if table and _informative(table)]
    if not some:
        return
    level, measure = method.level / 100, method.measure.removeprefix("PETO_")
    if method.method == "PETO":
        fit = peto(*zip(*some, strict=True), level=level)
        yield _parts(fit, fit.q.value, len(some))
        return
    yi, vi = _effects(measure, rows)
    halved = [tuple(cell + 0.5 for cell in table) if 0 in table else table for table in some]
    # Without a correction tables without events (or non-events) carry people into a risk difference.
    kinds = [one for one in (tables, some, halved) if one]
    centres = [mantel_haenszel(*zip(*one, strict=True), measure=measure, level=level) for one in kinds]
    flat = common_effect(yi, vi, level=level)
    spreads = [
        flat.q.value,
        *(sum((y - c.mu.value) ** 2 / v for y, v in zip(yi, vi, strict=True)) for c in centres),
    ]
    if not method.random:
        for fit, q in product(centres, spreads):
            yield _parts(fit, q, len(yi))
        return
    weight = [1 / v for v in vi]
    scale = sum(weight) - sum(w * w for w in weight) / sum(weight)
    for q in spreads:
        tau2 = max(0.0, (q - (len(yi) - 1)) / scale) if len(yi) > 1 else 0.0
        yield _parts(common_effect(yi, [v + tau2 for v in vi], level=level), q, len(yi), tau2)


def _table(row: Mapping[str, float]) -> tuple[float, float, float, float] | None:
    if not {"e1", "n1", "e2", "n2"} <= set(row):
        return None
    table = (row["e1"], row["n1"] - row["e1"], row["e2"], row["n2"] - row["e2"])
    return table if min(table) >= 0 else None


def _informative(table: Sequence[float]) -> bool:
    return table[0] + table[2] > 0 and table[1] + table[3] > 0


def _effects(measure: str, rows: Sequence[Mapping[str, float]]) -> tuple[list[float], list[float]]:
    """Return effects and variances as Review Manager derives them; studies that are not estimable are left out."""
    from k2meta.effects.errors import EffectError
    from k2meta.effects.measures import effect_sizes

    yi: list[float] = []
    vi: list[float] = []
    for row in rows:
        if "se" in row:
            yi.append(row["yi"])
            vi.append(row["se"] ** 2)
            continue
        table = _table(row)
        if table and measure != "RD" and not _informative(table):
            continue
        try:
            if table:
                arms: dict[str, Any] = dict(zip(("ai", "bi", "ci", "di"), table, strict=True))
                found = effect_sizes(measure, zero_cells="only0", **arms)
            else:
                found = effect_sizes(measure, vtype="RevMan" if measure == "SMD" else None, **dict[str, Any](row))
        except EffectError:
            return [], []
        yi.append(float(found.yi[0]))
        vi.append(float(found.vi[0]))
    return yi, vi
