"""Arithmetic between the numbers of one result: C03, C04, C05, C08, C09."""

from __future__ import annotations

from k2meta.records.contrast import Contrast, contrasts
from k2meta.records.coverage import other_coverage
from k2meta.records.estimate import off_centre, outside_own_interval
from k2meta.records.printed import MINUS, Interval, Printed, brief, minus, p_words, span
from k2meta.records.scales import (
    change_on_another_scale,
    difference_on_another_scale,
    drop_out_shift,
    percent_change,
)
from k2meta.records.two_by_two import p_of_counts, ratio_errors_of_counts, ratio_of_counts
from k2meta.records.view import ARM_WORDS, ARMS, Finding, Project, View
from k2meta.types import Severity

SE_RATIO = (0.8, 1.25)
"""Range in which two routes to one standard error agree (C04)."""

ALPHA = 0.05
"""The level at which a decision flips (C05)."""


def arms_against_difference(view: View, project: Project) -> tuple[Finding, ...]:
    """C03: treatment minus control of the arm means gives the printed difference, and counts the printed ratio."""
    printed = view.printed("diff_estimate")
    if view.is_ratio:
        return ratio_of_counts(view)
    if printed is None or view.measure not in ("MD", "") or view.text("scale") not in ("raw", ""):
        return ()
    pairs = []
    for stage in ("change", "follow"):
        means = [view.printed(f"{stage}_mean_{arm}") for arm in ARMS]
        if means[0] and means[1]:
            pairs.append((stage, means[0], means[1]))
    if not pairs or any(printed.interval.overlaps(a.interval - b.interval) for _, a, b in pairs):
        return ()
    if difference_on_another_scale(view):
        return ()
    stage, treat, ctrl = pairs[0]
    difference = treat.interval - ctrl.interval
    turned = (-printed.interval).overlaps(difference)
    if turned and any(finding.turned for finding in _sign_findings(view, project)):
        return ()
    evidence = f"{stage} {minus(treat, ctrl)} = {brief(treat.value - ctrl.value)}, printed {printed}"
    evidence += ": the sign is turned" if turned else f" (possible within rounding: {span(difference)})"
    severity: Severity | None = "note" if view.is_adjusted and not turned else None
    columns = ("diff_estimate", *(f"{stage}_mean_{arm}" for arm in ARMS))
    fix = "check the sign and both arm means; an adjusted difference belongs with adjusted_for"
    return (Finding(columns, evidence, fix, severity),)


def _sign_findings(view: View, project: Project) -> tuple[Finding, ...]:
    return outside_own_interval(view, project) + off_centre(view, project)


def standard_errors_disagree(view: View, project: Project) -> tuple[Finding, ...]:
    """C04: the standard error of the arms and the one of the printed difference agree."""
    if view.is_ratio or view.measure in ("PERCENT", "SMD"):
        return ratio_errors_of_counts(view)
    found = contrasts(view)
    stated = next((c for c in found if c.route in ("se", "ci")), None)
    arms = next((c for c in found if c.route == "arms" and c.columns[0].startswith("change")), None)
    if stated is None or arms is None:
        return ()
    ratio = stated.readings[0].point / arms.readings[0].point
    if SE_RATIO[0] <= ratio <= SE_RATIO[1]:
        return ()
    evidence = (
        f"difference: {stated.formula}; arms: {arms.formula}; ratio {brief(ratio)}, "
        f"outside {SE_RATIO[0]} to {SE_RATIO[1]}"
    )
    severity: Severity | None = "note" if view.is_adjusted or arms.assumed else None
    fix = "check the level of the interval, the arm sizes and whether an SD is a standard error"
    return (Finding(stated.columns + arms.columns[2:], evidence, fix, severity),)


def p_disagrees(view: View, project: Project) -> tuple[Finding, ...]:
    """C05: the printed p follows from the estimate and its standard error, by z or by t."""
    printed = view.printed("p_value")
    if printed is None or not 0 <= printed.value <= 1 or "trend" in view.text("p_printed").casefold():
        return ()
    contrast = next(iter(contrasts(view)), None)
    if contrast is None:
        counted = p_of_counts(view, printed)
        return (counted,) if counted else ()
    if contrast.route == "ci" and _misplaced(view, project):
        return ()
    possible = contrast.p_range()
    if possible is None or possible.overlaps(printed.interval):
        return ()
    points = contrast.p_points()
    flips = _flips(points, printed)
    if not flips and other_coverage(view, project):
        return ()
    evidence = (
        f"{contrast.formula}; {_statistic(contrast)}, {p_words(min(points))}"
        f"{'' if p_words(min(points)) == p_words(max(points)) else ' (z) to ' + p_words(max(points)) + ' (t)'}; "
        f"the printed digits allow p from {brief(possible.low)} to {brief(possible.high)}, printed p = {printed}"
    )
    if flips:
        evidence += f": the decision at {ALPHA} turns"
    severity = _p_severity(view, contrast, flips)
    fix = "check the p value, the spread (SD, SE or interval) and the sample sizes; name an adjusted model"
    return (Finding(("p_value", *contrast.columns), evidence, fix, severity),)


def _misplaced(view: View, project: Project) -> bool:
    """Whether C01 or C02 say that estimate and limits do not belong together; a turned sign is no bar."""
    return any(not finding.turned for finding in _sign_findings(view, project))


def _statistic(contrast: Contrast) -> str:
    """Write estimate over standard error with its numbers."""
    se = contrast.readings[0].point
    size = brief(abs(contrast.point))
    return f"{size} / {brief(se)} = {brief(abs(contrast.point) / se)}"


def _flips(points: list[float], printed: Printed) -> bool:
    """Whether every recomputed p stands on the other side of 0.05 than the printed one."""
    if printed.interval.low <= ALPHA <= printed.interval.high:
        return False
    return all((point < ALPHA) != (printed.value < ALPHA) for point in points)


def _p_severity(view: View, contrast: Contrast, flips: bool) -> Severity:
    """An adjusted p need not follow from raw arms, and assumed arm sizes prove nothing."""
    if contrast.route == "arms" and view.is_adjusted:
        return "note"
    return "error" if flips and not contrast.assumed else "warn"


def change_disagrees(view: View, project: Project) -> tuple[Finding, ...]:
    """C08: follow-up minus baseline gives the printed change, within rounding and drop-out."""
    if change_on_another_scale(view):
        return ()
    found = []
    for arm in ARMS:
        columns = tuple(f"{stage}_mean_{arm}" for stage in ("baseline", "follow", "change"))
        baseline, follow, change = (view.printed(column) for column in columns)
        if baseline is None or follow is None or change is None:
            continue
        raw = follow.interval - baseline.interval
        slack = drop_out_shift(view, arm)
        percent = percent_change(baseline, follow)
        as_percent = view.text("scale") == "pct_change"
        if change.interval.overlaps(percent if as_percent and percent else raw.widened(slack)):
            continue
        found.append(_change_finding(columns, arm, (baseline, follow, change), percent, as_percent, slack))
    return tuple(found)


def _change_finding(
    columns: tuple[str, ...],
    arm: str,
    numbers: tuple[Printed, Printed, Printed],
    percent: Interval | None,
    as_percent: bool,
    slack: float,
) -> Finding:
    """Word a change that does not follow; a mean of percentages is not the percentage of means."""
    baseline, follow, change = numbers
    evidence = f"{ARM_WORDS[arm]}: {minus(follow, baseline)} = {brief(follow.value - baseline.value)}"
    if percent is not None:
        evidence += f" ({brief(100 * (follow.value / baseline.value - 1))} %)"
    evidence += f", printed change {change}{' %' if as_percent else ''}"
    if slack:
        evidence += f"; drop-out may shift it by {brief(slack)}"
    fix = "check the three means and whether they describe the same participants"
    return Finding(columns, evidence, fix, "note" if as_percent else None)


def impossible_correlation(view: View, project: Project) -> tuple[Finding, ...]:
    """C09: the pre-post correlation implied by three SDs lies in [-1, 1], and is rarely negative or 1."""
    found = []
    for arm in ARMS:
        columns = tuple(f"{stage}_sd_{arm}" for stage in ("baseline", "follow", "change"))
        baseline, follow, change = (view.printed(column) for column in columns)
        if baseline is None or follow is None or change is None:
            continue
        if min(baseline.interval.low, follow.interval.low) <= 0 or view.text("scale") not in ("raw", ""):
            continue
        possible = _correlation(baseline.interval, follow.interval, change.interval)
        hard = possible.low > 1 or possible.high < -1
        if not hard and possible.overlaps(Interval(0.0, _highest_correlation(view))):
            continue
        point = (baseline.value**2 + follow.value**2 - change.value**2) / (2 * baseline.value * follow.value)
        evidence = (
            f"{ARM_WORDS[arm]}: r = ({baseline}² + {follow}² {MINUS} {change}²) / (2 × {baseline} × {follow}) = "
            f"{brief(point)}; the printed digits allow {span(possible)}"
        )
        fix = "check whether the SD of the change is a standard error, or one of the SDs is misprinted"
        severity: Severity | None = "error" if hard else None
        if hard and _lost_people(view, arm):
            evidence += "; people were lost who are not among the analysed: the three SDs may be of other people"
            # One lost person can carry the spread of a skewed score: that is no reason to ask.
            severity = "note" if _accumulates(view) else "warn"
        found.append(Finding(columns, evidence, fix, severity))
    return tuple(found)


def _highest_correlation(view: View) -> float:
    """Return the correlation above which C09 asks: a score that only accumulates hardly moves against its spread.

    With baseline SDs of 500 to 800 Agatston units and SDs of the change near 100, r is 0.98 to 0.99 without any
    mistake; a standard error typed as the SD of the change takes it beyond 0.999 from about 20 people on.
    """
    return 0.999 if _accumulates(view) else 0.99


def _accumulates(view: View) -> bool:
    """Whether the outcome is a score of what has accumulated, skewed and slow to change."""
    return view.outcome.get("value_kind") == "score"


def _lost_people(view: View, arm: str) -> bool:
    """Whether fewer were analysed than randomised, so that a baseline may be that of more people than a change."""
    analysed, randomised = view.size(f"n_{arm}"), view.randomised(arm)
    return analysed is not None and randomised is not None and analysed < randomised


def _correlation(baseline: Interval, follow: Interval, change: Interval) -> Interval:
    """Bound r = (b/f + f/b)/2 - c²/(2bf) over the rounding of the three SDs."""
    ratio = baseline / follow
    ends = [(a + 1 / a) / 2 for a in (ratio.low, ratio.high)]
    lowest = 1.0 if ratio.low <= 1 <= ratio.high else min(ends)
    square = change.squared()
    return Interval(
        lowest - square.high / (2 * baseline.low * follow.low),
        max(ends) - square.low / (2 * baseline.high * follow.high),
    )
