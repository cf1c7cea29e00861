"""An estimate against its own interval: C01, C02, C29."""

from __future__ import annotations

import math

from k2meta.records.printed import Interval, Printed, brief, minus, plus
from k2meta.records.view import ARMS, RATIOS, Finding, Project, View

HARMLESS_SHIFT = 0.1
"""Provable distance from the centre, in half-widths, up to which C02 only warns.

A tenth of a half-width is 0.2 standard errors at 95 %: profile-likelihood, exact, bootstrap and posterior
intervals are that much off-centre without any mistake.
"""

_COLUMNS = ("diff_estimate", "diff_ci_low", "diff_ci_high")


def printed_interval(view: View) -> tuple[Printed, Printed, Printed] | None:
    """Return estimate, lower and upper limit where all three are printed and in order."""
    estimate, low, high = (view.printed(column) for column in _COLUMNS)
    if estimate is None or low is None or high is None or low.value > high.value:
        return None
    if view.is_ratio and min(estimate.value, low.value, high.value) <= 0:
        return None
    return estimate, low, high


def _words(estimate: Printed, low: Printed, high: Printed) -> str:
    return f"{estimate} ({low} to {high})"


def outside_own_interval(view: View, project: Project) -> tuple[Finding, ...]:
    """C01: an estimate lies between the limits of its own interval, whatever the rounding.

    An estimate whose negative sits on the centre of the interval is a sign slip and left to C02.
    """
    numbers = printed_interval(view)
    if numbers is None or not _is_outside(numbers) or _is_turned(view, numbers):
        return ()
    estimate, low, high = numbers
    side = "below the lower" if estimate.value < low.value else "above the upper"
    limit = low if estimate.value < low.value else high
    formula, centre = _centre_words(view, low, high)
    evidence = (
        f"{_words(*numbers)}: the estimate {estimate} lies {side} limit {limit} of its own interval, "
        f"which is centred on {formula} = {brief(centre, 4)}"
    )
    return (Finding(_COLUMNS, evidence, "check the estimate and both limits against the source"),)


def _is_outside(numbers: tuple[Printed, Printed, Printed]) -> bool:
    estimate, low, high = (number.interval for number in numbers)
    return estimate.below(low) or high.below(estimate)


def _is_turned(view: View, numbers: tuple[Printed, Printed, Printed]) -> bool:
    """Whether the negated estimate (the reciprocal of a ratio) sits on the centre of the interval."""
    estimate, low, high = _scaled(view, numbers)
    return (-estimate).overlaps(_centre(low, high))


def _centre_words(view: View, low: Printed, high: Printed) -> tuple[str, float]:
    """Return the centre of an interval, with its formula, on the scale where it is symmetric."""
    if view.is_ratio:
        return f"√({low} × {high})", math.sqrt(low.value * high.value)
    return f"({plus(low, high)}) / 2", (low.value + high.value) / 2


def _scaled(view: View, numbers: tuple[Printed, Printed, Printed]) -> list[Interval]:
    return _logs(*numbers) if view.is_ratio else [number.interval for number in numbers]


def _logs(*numbers: Printed) -> list[Interval]:
    """Return printed ratios on the log scale; a value that may round to zero has no lower bound."""
    return [
        Interval(math.log(n.interval.low) if n.interval.low > 0 else -math.inf, math.log(n.interval.high))
        for n in numbers
    ]


def _percent_logs(*numbers: Printed) -> list[Interval] | None:
    """Return percent changes as logs of the ratio they stand for."""
    if any(n.interval.low <= -100 for n in numbers):
        return None
    return [n.interval.through(lambda x: math.log1p(x / 100)) for n in numbers]


def _centre(low: Interval, high: Interval) -> Interval:
    return (low + high).scaled(0.5)


def off_centre(view: View, project: Project) -> tuple[Finding, ...]:
    """C02: an estimate sits on the midpoint of its interval (the log-midpoint for a ratio)."""
    numbers = printed_interval(view)
    if numbers is None or outside_own_interval(view, project):
        return ()
    estimate, low, high = _scaled(view, numbers)
    if estimate.overlaps(_centre(low, high)) or _fits_as_percentage(view, numbers):
        return ()
    if _is_turned(view, numbers):
        return (_sign_slip(view, numbers),)
    raw = [number.interval for number in numbers]
    if view.is_ratio and raw[0].overlaps(_centre(raw[1], raw[2])):
        return (_raw_scale(numbers),)
    return (_shifted(view, numbers),)


def _fits_as_percentage(view: View, numbers: tuple[Printed, Printed, Printed]) -> bool:
    """Whether a percentage sits on the midpoint of the log-ratios: it may come from a log model."""
    logs = _percent_logs(*numbers) if view.measure == "PERCENT" else None
    return logs is not None and logs[0].overlaps(_centre(logs[1], logs[2]))


def _sign_slip(view: View, numbers: tuple[Printed, Printed, Printed]) -> Finding:
    """Word an estimate whose negative, or whose reciprocal, sits on the centre of the interval."""
    estimate, low, high = numbers
    formula, centre = _centre_words(view, low, high)
    evidence = (
        f"{_words(*numbers)}: the interval is centred on {formula} = {brief(centre, 4)}, not on {estimate}; "
    )
    if view.is_ratio:
        turned = brief(1 / estimate.value)
        evidence += f"1 / {estimate} = {turned} fits it within rounding: the ratio was turned over"
        return Finding(_COLUMNS, evidence, f"check the direction: {turned} fits", turned=True)
    turned = estimate.negated()
    evidence += f"the negated estimate {turned} fits it within rounding: a sign slip"
    treat, ctrl = (view.printed(f"change_mean_{arm}") for arm in ARMS)
    if treat and ctrl and (-estimate.interval).overlaps(treat.interval - ctrl.interval):
        evidence += f"; the arm changes agree: {minus(treat, ctrl)} = {brief(treat.value - ctrl.value)}"
    return Finding(_COLUMNS, evidence, f"correct the sign: {turned} fits", turned=True)


def _raw_scale(numbers: tuple[Printed, Printed, Printed]) -> Finding:
    _, low, high = numbers
    evidence = (
        f"{_words(*numbers)}: symmetric on the raw scale, ({plus(low, high)}) / 2 = "
        f"{brief((low.value + high.value) / 2)}; a ratio's interval is symmetric on the log scale, "
        f"where its centre is √({low} × {high}) = {brief(math.sqrt(low.value * high.value))}"
    )
    fix = "the ratio was pooled or its interval built on the raw scale: do not take the log of these limits"
    return Finding(_COLUMNS, evidence, fix)


def _shifted(view: View, numbers: tuple[Printed, Printed, Printed]) -> Finding:
    """Report an off-centre estimate; a harmless or explicable shift only warns."""
    estimate, low, high = _scaled(view, numbers)
    shift = 2 * estimate.gap(_centre(low, high)) / (high.high - low.low)
    formula, centre = _centre_words(view, numbers[1], numbers[2])
    evidence = (
        f"{_words(*numbers)}: the interval is centred on {formula} = {brief(centre, 4)}, not on {numbers[0]}; "
        f"beyond rounding the estimate is off by at least {brief(shift)} half-widths"
    )
    harmless = shift <= HARMLESS_SHIFT or view.measure == "PERCENT"
    fix = "check the three numbers; accept them for a profile-likelihood, exact or bootstrap interval"
    return Finding(_COLUMNS, evidence, fix, "warn" if harmless else None)


def impossible_ratio_or_limits(view: View, project: Project) -> tuple[Finding, ...]:
    """C29: ratios and their limits are positive, and no lower limit exceeds its upper one."""
    found = []
    estimate, low, high = (view.printed(column) for column in _COLUMNS)
    bad = [c for c in _COLUMNS if (n := view.printed(c)) and n.value <= 0] if view.measure in RATIOS else []
    if bad:
        values = ", ".join(f"{column} = {view.printed(column)}" for column in bad)
        evidence = f"{view.measure} {estimate} ({low} to {high}): {values}; a ratio and its limits are above zero"
        found.append(
            Finding(tuple(bad), evidence, "check the sign of the limit; a dash may have been read as minus")
        )
    elif low and high and low.value > high.value:
        evidence = f"the lower limit {low} is above the upper limit {high}"
        found.append(Finding(_COLUMNS[1:], evidence, "swap the limits, if the source prints them so"))
    for arm in ARMS:
        columns = (f"change_ci_low_{arm}", f"change_ci_high_{arm}")
        ends = [view.printed(column) for column in columns]
        if ends[0] and ends[1] and ends[0].value > ends[1].value:
            evidence = f"the lower limit {ends[0]} is above the upper limit {ends[1]}"
            found.append(Finding(columns, evidence, "swap the limits, if the source prints them so"))
    return tuple(found)


def half_width(view: View, low: Printed, high: Printed) -> Interval:
    """Return half the width of a printed interval on the scale where it is symmetric, with its rounding."""
    ends = _logs(low, high) if view.is_ratio else [low.interval, high.interval]
    width = (ends[1] - ends[0]).scaled(0.5)
    return Interval(max(width.low, 0.0), width.high)


def on_analysis_scale(view: View, estimate: Printed) -> Interval:
    """Return a printed estimate on the scale where its interval is symmetric."""
    return _logs(estimate)[0] if view.is_ratio else estimate.interval
