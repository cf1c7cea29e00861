"""Means and SDs of whole numbers: C12 (GRIM, Brown and Heathers 2017; GRIMMER, Anaya 2016, Allard 2018).

Both tests hold for outcomes that count something (``integer`` in the outcome dictionary). Agatston scores, volumes
and pulse wave velocities are continuous: there every mean is possible and nothing is asked.
"""

from __future__ import annotations

import math

from k2meta.records.printed import NOISE, Interval, Printed, brief
from k2meta.records.view import ARM_WORDS, ARMS, Finding, Project, View


def is_whole(view: View) -> bool:
    """Whether the outcome of a row is measured in whole numbers."""
    return view.outcome.get("integer", "").casefold() == "yes"


def impossible_mean_or_sd(view: View, project: Project) -> tuple[Finding, ...]:
    """C12: n whole numbers can have the printed mean, and with it the printed SD."""
    if not is_whole(view) or view.text("scale") not in ("raw", ""):
        return ()
    found = []
    for arm in ARMS:
        for stage in ("baseline", "follow", "change"):
            columns = (f"{stage}_mean_{arm}", f"{stage}_sd_{arm}")
            mean, sd = (view.printed(column) for column in columns)
            sizes = _sizes(view, stage, arm)
            if mean is None or not sizes or any(grimmer(mean, sd, n) for n in sizes):
                continue
            n = sizes[0]
            if any(grimmer(mean, None, size) for size in sizes):
                evidence = (
                    f"{stage}, {ARM_WORDS[arm]}: no {n} whole numbers have mean {mean} and SD {sd} (GRIMMER)"
                )
                found.append(Finding((*columns, f"n_{arm}"), evidence, "check the SD, the mean and n"))
                continue
            below = math.floor(mean.value * n)
            evidence = (
                f"{stage}, {ARM_WORDS[arm]}: no {n} whole numbers have mean {mean} (GRIM): "
                f"{below} / {n} = {brief(below / n, 4)}, {below + 1} / {n} = {brief((below + 1) / n, 4)}"
            )
            found.append(Finding((columns[0], f"n_{arm}"), evidence, "check the mean and n"))
    return tuple(found)


def _sizes(view: View, stage: str, arm: str) -> list[int]:
    """Return the numbers of people a mean may be of: a baseline mean may be of all who were randomised."""
    sizes = [view.size(f"n_{arm}"), view.randomised(arm) if stage == "baseline" else None]
    return list(dict.fromkeys(int(n) for n in sizes if n and n >= 1 and n == int(n)))


def grimmer(mean: Printed, sd: Printed | None, n: int) -> bool:
    """Whether ``n`` whole numbers can have a printed mean and (where given) SD.

    The sum S is a whole number with S / n inside the rounding of the mean. The sum of squares
    Q = (n - 1) SD² + S² / n is a whole number inside the rounding of the SD, at least S² / n, and odd exactly
    where S is odd, because a number and its square are odd together.
    """
    room = NOISE * max(1.0, abs(mean.value) * n)
    sums = range(math.ceil(mean.interval.low * n - room), math.floor(mean.interval.high * n + room) + 1)
    if sd is None or n < 2:
        return bool(sums)
    return any(_has_squares(total, sd.interval, n) for total in sums)


def _has_squares(total: int, sd: Interval, n: int) -> bool:
    least = total * total / n
    room = NOISE * max(1.0, least + (n - 1) * sd.high**2)
    low = math.ceil(max(least, least + (n - 1) * max(sd.low, 0.0) ** 2) - room)
    high = math.floor(least + (n - 1) * sd.high**2 + room)
    first = low if (low - total) % 2 == 0 else low + 1
    return first <= high
