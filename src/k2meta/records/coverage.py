"""Which coverage the limits of an interval have: C07."""

from __future__ import annotations

import math

from k2meta.records.contrast import SMALL_DF, degrees_of_freedom
from k2meta.records.estimate import (
    half_width,
    off_centre,
    on_analysis_scale,
    outside_own_interval,
    printed_interval,
)
from k2meta.records.printed import Interval, Printed, brief, exactly
from k2meta.records.tails import critical_value
from k2meta.records.view import Finding, Project, View

LEVELS = (0.9, 0.95, 0.99)
"""Coverages that papers print."""


def other_coverage(view: View, project: Project) -> tuple[Finding, ...]:
    """C07: half the interval over the standard error is the critical value of the stated coverage.

    The standard error is the printed one, else the one behind the printed p. A finding needs both: no reading
    fits the stated coverage, and the plain reading of another usual coverage does.
    """
    numbers = printed_interval(view)
    if numbers is None or not 0.5 < view.level < 1:
        return ()
    found = _multiples(view, numbers)
    if not found or any(f.turned is False for f in _misplaced(view, project)):
        return ()
    source, multiples = found
    critical = {df: critical_value(view.level, df) for df in multiples}
    if any(multiple.overlaps(exactly(value)) for multiple in multiples.values() for value in critical.values()):
        return ()
    fitting = [
        level
        for level in LEVELS
        if any(multiple.overlaps(exactly(critical_value(level, df))) for df, multiple in multiples.items())
    ]
    if not fitting:
        return ()
    low, high = min(m.low for m in multiples.values()), max(m.high for m in multiples.values())
    evidence = (
        f"half the interval {numbers[1]} to {numbers[2]} is {brief(low)} to {brief(high)} standard errors "
        f"({source}); a {view.level:.0%} interval has {brief(critical[None])}, "
        f"a {fitting[0]:.0%} interval {brief(critical_value(fitting[0], None))}"
    )
    fix = f"read which coverage the source names; if it is {fitting[0]:.0%}, write {100 * fitting[0]:g}"
    columns = ("diff_ci_level", "diff_ci_low", "diff_ci_high", "p_value" if "p =" in source else "diff_se")
    return (Finding(columns, evidence, f"{fix} into diff_ci_level"),)


def _misplaced(view: View, project: Project) -> tuple[Finding, ...]:
    """Return what C01 and C02 say: an estimate off its interval tells nothing about coverage."""
    return outside_own_interval(view, project) + off_centre(view, project)


def _multiples(
    view: View, numbers: tuple[Printed, Printed, Printed]
) -> tuple[str, dict[float | None, Interval]] | None:
    """Return the source of the standard error, and half the interval in it by df (``None``: normal)."""
    half = half_width(view, numbers[1], numbers[2])
    se, p = view.printed("diff_se"), view.printed("p_value")
    df = degrees_of_freedom(view) or SMALL_DF
    if half.low <= 0:
        return None
    if se is not None and se.interval.low > 0 and not view.is_ratio:
        return f"printed SE {se}", dict.fromkeys((None, df), half / se.interval)
    size = abs(on_analysis_scale(view, numbers[0]))
    if p is None or not 0 < p.interval.low <= p.interval.high < 1 or size.low <= 0 or math.isinf(size.high):
        return None
    found: dict[float | None, Interval] = {}
    for test in (None, df):
        statistic = Interval(critical_value(1 - p.interval.high, test), critical_value(1 - p.interval.low, test))
        found[test] = half * statistic / size
    return f"from p = {p}", found
