"""Which way is better: C19."""

from __future__ import annotations

from k2meta.records.printed import Interval, brief
from k2meta.records.view import ARMS, Finding, Project, View

BETTER = ("lower", "higher")


def direction_unclear(view: View, project: Project) -> tuple[Finding, ...]:
    """C19: a sign against the words of the source is explained."""
    better = view.outcome.get("better", "")
    if better not in BETTER:
        # The data dictionary asks for it once, in the row of the outcome, not in each of its results.
        return ()
    words = view.text("reported_result")
    shown = _difference(view)
    if shown is None or words not in ("favours_treatment", "favours_control") or view.text("sign_note"):
        return ()
    columns, difference, value = shown
    if difference.low <= 0 <= difference.high:
        return ()
    favours = "favours_treatment" if (difference.high < 0) == (better == "lower") else "favours_control"
    if favours == words:
        return ()
    evidence = f"treatment minus control is {value} and {better} is better, but reported_result says {words}"
    fix = "check the sign and the words; where both stand so in the source, say in sign_note what the sign means"
    return (Finding((*columns, "reported_result"), evidence, fix),)


def _difference(view: View) -> tuple[tuple[str, ...], Interval, str] | None:
    """Return the printed difference (of a ratio: its distance from 1), else the one of the arm changes."""
    estimate = view.printed("diff_estimate")
    if estimate is not None:
        return ("diff_estimate",), estimate.interval - _none(view), str(estimate)
    for stage in ("change", "follow"):
        columns = tuple(f"{stage}_mean_{arm}" for arm in ARMS)
        treat, ctrl = (view.printed(column) for column in columns)
        if treat and ctrl:
            return columns, treat.interval - ctrl.interval, brief(treat.value - ctrl.value)
    return None


def _none(view: View) -> Interval:
    """Return the value of no difference: 1 for a ratio, 0 otherwise."""
    return Interval(1.0, 1.0) if view.is_ratio else Interval(0.0, 0.0)
