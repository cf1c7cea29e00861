"""Counts of people and of events: C10, C11."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from k2meta.records.printed import NOISE, Printed, brief, read_printed
from k2meta.records.view import ARM_WORDS, ARMS, Finding, Project, View

FEWER = 0.15
"""Share of people by which an outcome may fall short of another one of its trial before C10 asks why."""

_MORE_ARMS = re.compile(r"\b([3-9]|three|four|five|six|multi|several)[ -]?arms?\b|factorial|dose", re.I)


def participants_do_not_add_up(view: View, project: Project) -> tuple[Finding, ...]:
    """C10: nobody is analysed who was not randomised, arms add up, outcomes of a trial have similar numbers."""
    if view.table == "trials":
        return tuple(_sum_of_arms(view, "n_randomised_"))
    return (*_more_than_randomised(view), *_sum_of_arms(view, "n_"), *_fewer_than_elsewhere(view, project))


def _more_than_randomised(view: View) -> Iterable[Finding]:
    for arm in (*ARMS, "total"):
        randomised = view.randomised(arm)
        for prefix in ("n_", "total_"):
            column = f"{prefix}{arm}"
            analysed = view.printed(column)
            if analysed is None or randomised is None or analysed.value <= randomised:
                continue
            where = "in all" if arm == "total" else f"to {ARM_WORDS[arm]}"
            evidence = f"{column} = {analysed}, but {randomised:g} were randomised {where}"
            fix = f"check {column} here and n_randomised_{arm} in the file of trials"
            yield Finding((column,), evidence, fix)


def _sum_of_arms(view: View, prefix: str) -> Iterable[Finding]:
    columns = tuple(f"{prefix}{part}" for part in (*ARMS, "total"))
    treat, ctrl, total = (view.printed(column) for column in columns)
    if treat is None or ctrl is None or total is None or treat.value + ctrl.value == total.value:
        return
    both = treat.value + ctrl.value
    if both < total.value and _has_more_arms(view):
        return
    evidence = f"{treat} + {ctrl} = {both:g}, but {columns[2]} = {total}"
    fix = "check the three numbers; name a third arm in the design"
    yield Finding(columns, evidence, fix, None if both > total.value else "warn")


def _fewer_than_elsewhere(view: View, project: Project) -> Iterable[Finding]:
    """Ask once where a main result misses many people that another outcome of the same trial has."""
    if view.text("role") not in ("main", ""):
        return
    others = [
        other
        for other in project.extractions
        if other.study_id == view.study_id
        and other.text("outcome") != view.text("outcome")
        and other.text("role") in ("main", "")
    ]
    for column in ("n_total", *(f"n_{arm}" for arm in ARMS)):
        own = view.printed(column)
        sizes = [(size.value, other) for other in others if (size := other.printed(column))]
        if own is None or not sizes:
            continue
        most, where = max(sizes, key=lambda pair: pair[0])
        if own.value < (1 - FEWER) * most:
            share = 100 * (1 - own.value / most)
            evidence = f"{column} = {own}, {brief(share, 2)} % below {most:g} in {where.id}"
            fix = "check both numbers; people missing from one outcome may have been lost because of it"
            yield Finding((column,), evidence, fix, "warn")
            return


def _has_more_arms(view: View) -> bool:
    """Whether the design names arms beside the two compared."""
    trial = view.cells if view.table == "trials" else view.trial
    return bool(_MORE_ARMS.search(f"{trial.get('design', '')} {trial.get('comparator', '')}"))


def impossible_events(view: View, project: Project) -> tuple[Finding, ...]:
    """C11: no more events than people, and a percentage is a whole count of them to its printed digits."""
    found = []
    for arm in ARMS:
        total = view.printed(f"total_{arm}") or _read(view.size(f"n_{arm}"))
        events, percent = view.printed(f"events_{arm}"), view.printed(f"percent_{arm}")
        if total is None or total.value <= 0:
            continue
        if events is not None and events.value > total.value:
            evidence = f"{events} events among {total} participants ({ARM_WORDS[arm]})"
            columns = (f"events_{arm}", f"total_{arm}")
            found.append(Finding(columns, evidence, "check the count and the denominator"))
        elif percent is not None:
            found += _percentage(arm, events, total, percent)
    return tuple(found)


def _read(number: float | None) -> Printed | None:
    return None if number is None else read_printed(f"{number:g}")


def _percentage(arm: str, events: Printed | None, total: Printed, percent: Printed) -> Iterable[Finding]:
    """Compare a percentage with its count, or with every count where none is printed (GRIM)."""
    n, low, high = total.value, percent.interval.low, percent.interval.high
    columns = (f"percent_{arm}", f"events_{arm}", f"total_{arm}")
    if events is not None:
        share = 100 * events.value / n
        if low - NOISE * 100 <= share <= high + NOISE * 100:
            return
        evidence = f"{events} / {total} = {brief(share)} %, printed {percent} % ({ARM_WORDS[arm]})"
        yield Finding(columns, evidence, "check the count, the denominator and the percentage")
        return
    if math.floor(high * n / 100 + NOISE * n) >= math.ceil(low * n / 100 - NOISE * n):
        return
    k = math.floor(percent.value * n / 100)
    near = f"{k} / {total} = {brief(100 * k / n)} %, {k + 1} / {total} = {brief(100 * (k + 1) / n)} %"
    evidence = f"no count of {total} gives {percent} % ({ARM_WORDS[arm]}): {near}"
    yield Finding((columns[0], columns[2]), evidence, "check the denominator and the percentage")
