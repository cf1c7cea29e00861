"""Scales that do not go together (percent and absolute, logarithm and raw, per year and in all): C28."""

from __future__ import annotations

import math
import re

from k2meta.records.printed import Interval, Printed, brief, minus
from k2meta.records.view import ARM_WORDS, ARMS, Finding, Project, View

_SHARED = re.compile(r"(baseline|follow|change)_(mean|median)_(treat|ctrl)|diff_(estimate|ci_low|ci_high)")
_SAME_RESULT = ("study_id", "outcome", "timepoint_months", "units", "scale", "diff_measure")


def scale_conflict(view: View, project: Project) -> tuple[Finding, ...]:
    """C28: one row has one scale, and two rows of one result do not differ by the length of follow-up."""
    explained = (*change_on_another_scale(view), *difference_on_another_scale(view))
    return explained or _annualised_row(view, project)


def percent_change(baseline: Printed, follow: Printed) -> Interval | None:
    """Return the change in percent of baseline that two means imply, ``None`` where the baseline may be zero."""
    if baseline.interval.low <= 0:
        return None
    ratio = follow.interval / baseline.interval
    return Interval(100 * (ratio.low - 1), 100 * (ratio.high - 1))


def drop_out_shift(view: View, arm: str) -> float:
    """Return how far one baseline SD between drop-outs and completers would move the baseline mean."""
    analysed, randomised = view.size(f"n_{arm}"), view.randomised(arm)
    sd = view.printed(f"baseline_sd_{arm}")
    if not analysed or not randomised or sd is None or analysed >= randomised:
        return 0.0
    return (1 - analysed / randomised) * sd.value


def change_on_another_scale(view: View) -> tuple[Finding, ...]:
    """Return the finding that the printed changes are percentages on the raw scale, or the other way round."""
    wrong: list[tuple[str, tuple[str, ...], str]] = []
    as_percent = view.text("scale") == "pct_change"
    if not as_percent and view.text("scale") not in ("raw", ""):
        return ()
    for arm in ARMS:
        columns = tuple(f"{stage}_mean_{arm}" for stage in ("baseline", "follow", "change"))
        baseline, follow, change = (view.printed(column) for column in columns)
        percent = percent_change(baseline, follow) if baseline and follow else None
        if baseline is None or follow is None or change is None or percent is None:
            continue
        raw = follow.interval - baseline.interval
        slack = drop_out_shift(view, arm)
        stated, other = (percent, raw) if as_percent else (raw.widened(slack), percent)
        if change.interval.overlaps(stated) or not change.interval.overlaps(other):
            return ()
        words = f"{minus(follow, baseline)} = {brief(follow.value - baseline.value)}"
        words += f" ({brief(100 * (follow.value / baseline.value - 1))} %), printed change {change}"
        wrong.append((arm, columns, words))
    if not wrong:
        return ()
    evidence = "; ".join(f"{ARM_WORDS[arm]}: {words}" for arm, _, words in wrong)
    evidence += ", which is the absolute change" if as_percent else ", which is the change in percent"
    fix = 'set scale to "raw"' if as_percent else 'the printed change is a percentage: set scale to "pct_change"'
    return (Finding(("scale", *(c for _, columns, _ in wrong for c in columns)), evidence, fix),)


def difference_on_another_scale(view: View) -> tuple[Finding, ...]:
    """Return the finding that a printed difference is that of the arms per year, in logarithms or as a ratio."""
    printed = view.printed("diff_estimate")
    if printed is None or view.measure not in ("MD", "") or view.text("scale") not in ("raw", ""):
        return ()
    known = []
    for stage in ("change", "follow"):
        treat, ctrl = (view.printed(f"{stage}_mean_{arm}") for arm in ARMS)
        if treat is not None and ctrl is not None:
            known.append((stage, treat, ctrl))
    differences = [a.interval - b.interval for _, a, b in known]
    if not known or view.is_adjusted:
        return ()
    if any(printed.interval.overlaps(d) or (-printed.interval).overlaps(d) for d in differences):
        return ()
    for stage, a, b in known:
        for words, candidate, fix in _readings(view, a, b):
            if min(abs(candidate).low, abs(printed.interval).low) > 0 and printed.interval.overlaps(candidate):
                columns = ("diff_estimate", *(f"{stage}_mean_{arm}" for arm in ARMS))
                evidence = f"{stage} {minus(a, b)} = {brief(a.value - b.value)}, printed {printed}: {words}"
                return (Finding(columns, evidence, fix),)
    return ()


def _readings(view: View, a: Printed, b: Printed) -> list[tuple[str, Interval, str]]:
    """Return the other scales on which two arm means may have been compared."""
    found = []
    difference = a.interval - b.interval
    months = view.printed("timepoint_months")
    if months is not None and months.value > 0 and months.value != 12:
        words = f"the difference per year (× 12 / {months})"
        fix = "enter the difference over the whole follow-up, or the arms per year: one row, one time base"
        found.append((words, difference.scaled(12 / months.value), fix))
        words = f"the difference over {months} months if the arms are per year (× {months} / 12)"
        found.append((words, difference.scaled(months.value / 12), fix))
    if a.interval.low > 0 and b.interval.low > 0:
        logs = a.interval.through(math.log) - b.interval.through(math.log)
        fix = "give the logarithm a row of its own with scale log"
        found.append(("the difference of the logarithms", logs, fix))
        found.append(("the ratio of the means", a.interval / b.interval, "set diff_measure to ROM"))
    return found


def _annualised_row(view: View, project: Project) -> tuple[Finding, ...]:
    """Compare a row with earlier rows of the same result: two numbers off by one time factor are no accident."""
    months = view.printed("timepoint_months")
    if months is None or months.value <= 0 or months.value == 12 or view.text("scale") not in ("raw", ""):
        return ()
    for other in project.rows(view.table):
        if other.row >= view.row or any(view.text(c) != other.text(c) for c in _SAME_RESULT):
            continue
        if (view.text("role") or "main", other.text("role") or "main") not in (
            ("main", "main"),
            ("copy", "main"),
            ("main", "copy"),
        ):
            continue
        pairs = [(c, view.printed(c), other.printed(c)) for c in view.cells if _SHARED.fullmatch(c)]
        apart = [(c, a, b) for c, a, b in pairs if a and b and not a.interval.overlaps(b.interval)]
        for factor, words in ((12 / months.value, f"12 / {months}"), (months.value / 12, f"{months} / 12")):
            fits = len(apart) >= 2 and all(a.interval.overlaps(b.interval.scaled(factor)) for _, a, b in apart)
            if fits:
                shown = ", ".join(f"{column}: {a} here, {b} there" for column, a, b in apart)
                evidence = f"{other.id} (row {other.row}) times {words} gives this row: {shown}"
                fix = "one of the two is per year: enter both over the whole follow-up, or set role to copy"
                return (Finding(tuple(c for c, _, _ in apart), evidence, fix),)
    return ()
