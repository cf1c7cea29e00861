"""A 2 x 2 table of events against what is printed beside it: the parts of C03, C04 and C05 about counts.

Which test or estimator a trial used is seldom said. A number is asked about only where none of the usual ones
gives it: a p outside everything from the most to the least extreme of them, a ratio that is neither theirs nor
Peto's.
"""

from __future__ import annotations

import math
import re

from k2meta.records.printed import Interval, Printed, brief
from k2meta.records.tails import critical_value, two_sided_p
from k2meta.records.view import ARMS, Finding, View
from k2meta.types import Severity

_OTHER_MODEL = re.compile(r"rank|cox|hazard|stratif|regress|poisson|mixed|model|gee|binomial", re.I)
_DEPENDENT = re.compile(r"cluster|cross-?\s?over|matched|paired", re.I)
_SE_RATIO = (0.8, 1.25)
_MOST_EVENTS = 20_000
"""Fisher's sum has one term per possible count; beyond this the other tests agree with it anyway."""

Table = tuple[float, float, float, float]


def table_of(view: View) -> Table | None:
    """Return events and non-events of both arms, ``None`` where they are not all printed or cannot be."""
    cells: list[float] = []
    for arm in ARMS:
        events = view.printed(f"events_{arm}")
        total = view.printed(f"total_{arm}")
        people = total.value if total else view.size(f"n_{arm}")
        if events is None or not people or not 0 <= events.value <= people:
            return None
        cells += [events.value, people - events.value]
    a, b, c, d = cells
    return (a, b, c, d) if a + c > 0 and b + d > 0 else None


def of_other_model(view: View) -> bool:
    """Whether the printed result need not follow from the counts: adjusted, of survival, of dependent people."""
    design = f"{view.trial.get('design', '')} {view.text('analysis_set')}"
    words = f"{view.text('diff_kind')} {view.text('p_printed')}"
    return view.is_adjusted or bool(_OTHER_MODEL.search(words)) or bool(_DEPENDENT.search(design))


def p_values(table: Table) -> dict[str, float]:
    """Return the two-sided p of a table by the usual tests."""
    a, b, c, d = table
    n1, n2, n = a + b, c + d, a + b + c + d
    product = n1 * n2 * (a + c) * (b + d)
    gap = abs(a * d - b * c)
    found = {
        "chi-squared": two_sided_p(gap * math.sqrt(n / product), None),
        "with Yates' correction": two_sided_p(max(gap - n / 2, 0.0) * math.sqrt(n / product), None),
    }
    spread = a * b / n1**3 + c * d / n2**3
    if spread > 0:
        found["z of the risk difference"] = two_sided_p((a / n1 - c / n2) / math.sqrt(spread), None)
    halved = [cell + 0.5 * (0 in table) for cell in table]
    for measure, name in (("RR", "ln RR"), ("OR", "ln OR")):
        value, se = _log_ratio(measure, *halved)
        found[f"z of {name}"] = two_sided_p(value / se, None)
    if a + c <= _MOST_EVENTS:
        found["Fisher"] = fisher(table)
    return found


def fisher(table: Table) -> float:
    """Return Fisher's two-sided p: the tables with the same margins that are no more probable than this one."""
    a, n1, n2, events = table[0], table[0] + table[1], table[2] + table[3], table[0] + table[2]

    def log_probability(k: float) -> float:
        return _log_choose(n1, k) + _log_choose(n2, events - k) - _log_choose(n1 + n2, events)

    own = log_probability(a)
    low, high = int(max(0, events - n2)), int(min(n1, events))
    # Tables of the same probability differ by rounding.
    return min(1.0, sum(math.exp(p) for k in range(low, high + 1) if (p := log_probability(k)) <= own + 1e-7))


def _log_choose(n: float, k: float) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _log_ratio(measure: str, a: float, b: float, c: float, d: float) -> tuple[float, float]:
    if measure == "OR":
        return math.log(a * d / (b * c)), math.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    n1, n2 = a + b, c + d
    # With all cells above zero this is the usual one; everybody with the event leaves no spread.
    return math.log(a * n2 / (c * n1)), math.sqrt(max(1 / a - 1 / n1 + 1 / c - 1 / n2, 1e-12))


def _peto(table: Table) -> float:
    a, b, c, d = table
    n1, n2, n, events = a + b, c + d, a + b + c + d, a + c
    return (a - events * n1 / n) / (n1 * n2 * events * (n - events) / (n * n * (n - 1)))


def p_of_counts(view: View, printed: Printed) -> Finding | None:
    """C05: no usual test of the counts gives the printed p."""
    table = table_of(view)
    if table is None or of_other_model(view) or view.measure not in ("", "RR", "OR"):
        return None
    found = p_values(table)
    low, high = min(found.values()), max(found.values())
    if Interval(low, high).overlaps(printed.interval):
        return None
    a, b, c, d = table
    tests = ", ".join(f"{name} {brief(p)}" for name, p in sorted(found.items(), key=lambda item: item[1]))
    evidence = f"{a:g}/{a + b:g} against {c:g}/{c + d:g}: {tests}; printed p = {printed}"
    flips = all((p < 0.05) != (printed.value < 0.05) for p in found.values())
    flips &= not printed.interval.low <= 0.05 <= printed.interval.high
    if flips:
        evidence += ": the decision at 0.05 turns"
    fix = "check the p value and the counts; name the test or an adjusted model in diff_kind"
    columns = ("p_value", *_columns())
    return Finding(columns, evidence, fix, "error" if flips else "warn")


def _columns() -> tuple[str, ...]:
    return tuple(f"{what}_{arm}" for arm in ARMS for what in ("events", "total"))


def _ratio_asked(view: View) -> tuple[Table, Printed] | None:
    """Return the table and the printed ratio of a row that has both."""
    table, printed = table_of(view), view.printed("diff_estimate")
    if table is None or printed is None or printed.interval.low <= 0 or view.measure not in ("RR", "OR"):
        return None
    return (table, printed) if view.is_adjusted or not of_other_model(view) else None


def ratio_of_counts(view: View) -> tuple[Finding, ...]:
    """C03: the counts give the printed risk or odds ratio, plain, with half events in empty cells, or Peto's."""
    asked = _ratio_asked(view)
    if asked is None:
        return ()
    table, printed = asked
    ratios = [math.exp(_log_ratio(view.measure, *(cell + 0.5 * (0 in table) for cell in table))[0])]
    if view.measure == "OR":
        ratios.append(math.exp(_peto(table)))
    elif 0 in (table[0], table[2]):
        ratios.append(0.0)
    possible = Interval(min(ratios), max(ratios))
    if possible.overlaps(printed.interval):
        return ()
    a, b, c, d = table
    evidence = f"{a:g}/{a + b:g} against {c:g}/{c + d:g} give {view.measure} {brief(ratios[0])}, printed {printed}"
    turned = printed.interval.low <= 1 / ratios[0] <= printed.interval.high
    evidence += ": treatment and control are exchanged" if turned else ""
    fix = "check the counts, the ratio and its measure; an adjusted ratio belongs with adjusted_for"
    severity: Severity | None = "note" if view.is_adjusted and not turned else None
    return (Finding(("diff_estimate", *_columns()), evidence, fix, severity),)


def ratio_errors_of_counts(view: View) -> tuple[Finding, ...]:
    """C04: the interval of a ratio is about as wide as its counts allow."""
    asked = _ratio_asked(view)
    low, high = view.printed("diff_ci_low"), view.printed("diff_ci_high")
    if asked is None or low is None or high is None or not 0 < low.value < high.value or 0 in asked[0]:
        return ()
    if view.text("diff_ci_level") and not 0.5 < view.level < 1:
        return ()
    _, expected = _log_ratio(view.measure, *asked[0])
    z = critical_value(view.level, None)
    bounds = [
        math.log(high.interval.low / low.interval.high) / (2 * z),
        math.log(high.interval.high / low.interval.low) / (2 * z) if low.interval.low > 0 else math.inf,
    ]
    if Interval(*bounds).overlaps(Interval(*(expected * end for end in _SE_RATIO))):
        return ()
    stated = math.log(high.value / low.value) / (2 * z)
    evidence = (
        f"interval: SE = (ln {high} − ln {low}) / (2 × {z:.2f}) = {brief(stated)}; "
        f"counts: SE of ln {view.measure} = {brief(expected)}; "
        f"ratio {brief(stated / expected)}, outside {_SE_RATIO[0]} to {_SE_RATIO[1]}"
    )
    fix = "check the level of the interval and the counts"
    severity: Severity | None = "note" if view.is_adjusted else None
    return (Finding(("diff_ci_low", "diff_ci_high", *_columns()), evidence, fix, severity),)
