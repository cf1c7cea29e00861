"""The difference between the arms and the standard errors its printed numbers imply."""

from __future__ import annotations

import math
from dataclasses import dataclass

from k2meta.records.estimate import half_width, on_analysis_scale, printed_interval
from k2meta.records.printed import Interval, Printed, brief, minus
from k2meta.records.tails import critical_value, two_sided_p
from k2meta.records.view import ARMS, View

SMALL_DF = 10.0
"""Degrees of freedom granted to a t interval or t test where no sample size is printed."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to turn printed numbers into a standard error and a reference distribution.

    Attributes
    ----------
    se : Interval
        Standard error with the rounding of what it was computed from.
    point : float
        The same from the numbers as printed.
    df : float or None
        Degrees of freedom of the test; ``None`` for the normal distribution.
    mixed : bool
        The interval was built on one distribution and tested on the other: possible, not expected.
    """

    se: Interval
    point: float
    df: float | None
    mixed: bool = False


@dataclass(frozen=True, slots=True)
class Contrast:
    """Treatment minus control with every reading of its standard error.

    ``assumed`` says that equal arms were assumed because only their total is printed; ``route`` is
    ``se``, ``ci`` or ``arms``; ``formula`` shows how the standard error comes about.
    """

    estimate: Interval
    point: float
    readings: tuple[Reading, ...]
    columns: tuple[str, ...]
    formula: str
    route: str
    assumed: bool = False

    def p_range(self) -> Interval | None:
        """Return all p values that the printed digits allow, over all readings; ``None`` where unbounded."""
        size = abs(self.estimate)
        if any(reading.se.low <= 0 for reading in self.readings):
            return None
        ranges = [
            Interval(
                two_sided_p(size.high / reading.se.low, reading.df),
                two_sided_p(size.low / reading.se.high, reading.df),
            )
            for reading in self.readings
        ]
        return Interval(min(r.low for r in ranges), max(r.high for r in ranges))

    def p_points(self) -> list[float]:
        """Return p from the numbers as printed, for each reading that mixes no distributions."""
        own = [reading for reading in self.readings if not reading.mixed]
        return [two_sided_p(self.point / reading.point, reading.df) for reading in own]


def degrees_of_freedom(view: View) -> float | None:
    """Return participants minus two from the analysed, else the randomised numbers; ``None`` where unknown."""
    sizes = [view.size(f"n_{arm}") for arm in ARMS]
    known = (
        sum(size for size in sizes if size) if all(sizes) else (view.size("n_total") or view.randomised("total"))
    )
    randomised = [view.randomised(arm) for arm in ARMS]
    if not known and all(randomised):
        known = sum(size for size in randomised if size)
    return known - 2 if known and known > 3 else None


def from_interval(view: View) -> Contrast | None:
    """Return the contrast of a printed difference with its interval, by the normal and by the t distribution."""
    numbers = printed_interval(view)
    if numbers is None or (view.text("diff_ci_level") and not 0.5 < view.level < 1):
        return None
    estimate, low, high = numbers
    half, point_half = half_width(view, low, high), _point_half(view, low, high)
    if point_half <= 0:
        return None
    df = degrees_of_freedom(view) or SMALL_DF
    readings = []
    for built in (None, df):
        critical = critical_value(view.level, built)
        se, point_se = half.scaled(1 / critical), point_half / critical
        readings += [Reading(se, point_se, tested, mixed=built != tested) for tested in (None, df)]
    z = critical_value(view.level, None)
    ends = (f"ln {high}", f"ln {low}") if view.is_ratio else (str(high), str(low))
    formula = f"SE = ({minus(*ends)}) / (2 × {z:.2f}) = {brief(point_half / z)}"
    point = math.log(estimate.value) if view.is_ratio else estimate.value
    columns = ("diff_estimate", "diff_ci_low", "diff_ci_high")
    return Contrast(on_analysis_scale(view, estimate), point, tuple(readings), columns, formula, "ci")


def _point_half(view: View, low: Printed, high: Printed) -> float:
    if view.is_ratio:
        return (math.log(high.value) - math.log(low.value)) / 2
    return (high.value - low.value) / 2


def from_standard_error(view: View) -> Contrast | None:
    """Return the contrast of a printed difference with its standard error (differences only)."""
    estimate, se = view.printed("diff_estimate"), view.printed("diff_se")
    if estimate is None or se is None or se.value <= 0 or view.is_ratio:
        return None
    df = degrees_of_freedom(view) or SMALL_DF
    readings = tuple(Reading(se.interval, se.value, test) for test in (None, df))
    columns = ("diff_estimate", "diff_se")
    return Contrast(estimate.interval, estimate.value, readings, columns, f"SE = {se}", "se")


def arm_sizes(view: View) -> tuple[float, float, bool] | None:
    """Return both arm sizes, and whether equal arms were assumed from their total."""
    treat, ctrl = (view.size(f"n_{arm}") for arm in ARMS)
    if treat and ctrl:
        return treat, ctrl, False
    total = view.size("n_total")
    return (total / 2, total / 2, True) if total and not treat and not ctrl else None


def from_arms(view: View, stage: str, spread: str = "") -> Contrast | None:
    """Return the contrast of the arm means of one stage.

    Parameters
    ----------
    stage : str
        ``change`` or ``follow``.
    spread : str
        ``se`` reads the printed SDs as standard errors (what C06 asks); by default SDs are SDs, and
        printed standard errors or intervals of the changes are used where no SD is printed.
    """
    means = [view.printed(f"{stage}_mean_{arm}") for arm in ARMS]
    if means[0] is None or means[1] is None:
        return None
    estimate, point = means[0].interval - means[1].interval, means[0].value - means[1].value
    columns = tuple(f"{stage}_mean_{arm}" for arm in ARMS)
    words = f"difference {minus(*means)} = {brief(point)}"
    sds = [view.printed(f"{stage}_sd_{arm}") for arm in ARMS]
    sizes = arm_sizes(view)
    if sds[0] and sds[1] and sizes and spread != "se":
        readings, formula, assumed = _from_sds(sds[0], sds[1], sizes)
    else:
        kind = "sd" if spread == "se" else "se"
        errors = _arm_errors(view, stage, kind)
        if errors is None:
            return None
        readings, formula = _from_errors(errors, degrees_of_freedom(view) or SMALL_DF)
        assumed = False
    if any(reading.point <= 0 for reading in readings):
        return None
    spreads = tuple(f"{stage}_{'sd' if sds[0] and sds[1] else 'se'}_{arm}" for arm in ARMS)
    return Contrast(estimate, point, readings, columns + spreads, f"{words}, {formula}", "arms", assumed)


def _from_sds(
    first: Printed, second: Printed, sizes: tuple[float, float, bool]
) -> tuple[tuple[Reading, ...], str, bool]:
    """Return the separate-variance and the pooled-variance standard error of two arm SDs."""
    n1, n2, assumed = sizes
    a, b = first.interval.squared(), second.interval.squared()
    separate = (a.scaled(1 / n1) + b.scaled(1 / n2)).through(math.sqrt)
    df = max(n1 + n2 - 2, 1.0)
    share = (1 / n1 + 1 / n2) / df
    pooled = (a.scaled(n1 - 1) + b.scaled(n2 - 1)).scaled(share).through(math.sqrt)
    v1, v2 = first.value**2 / n1, second.value**2 / n2
    point = math.sqrt(v1 + v2)
    welch = (v1 + v2) ** 2 / (v1**2 / max(n1 - 1, 1) + v2**2 / max(n2 - 1, 1)) if point else df
    pooled_point = math.sqrt(share * ((n1 - 1) * first.value**2 + (n2 - 1) * second.value**2))
    readings = tuple(Reading(separate, point, test) for test in (None, welch, df))
    readings += tuple(Reading(pooled, pooled_point, test) for test in (None, df))
    arms = f", {n1:g} and {n2:g} of {n1 + n2:g} assumed" if assumed else ""
    return readings, f"SE = √({first}²/{n1:g} + {second}²/{n2:g}) = {brief(point)}{arms}", assumed


def _arm_errors(view: View, stage: str, kind: str) -> list[tuple[Interval, float, str]] | None:
    """Return the standard errors of both arms, printed or from the interval of a change."""
    found: list[tuple[Interval, float, str]] = []
    for arm in ARMS:
        se = view.printed(f"{stage}_{kind}_{arm}")
        low, high = view.printed(f"{stage}_ci_low_{arm}"), view.printed(f"{stage}_ci_high_{arm}")
        if se and se.value > 0:
            found.append((se.interval, se.value, str(se)))
        elif low and high and low.value < high.value and kind == "se":
            z = critical_value(view.level, None)
            width = (high.interval - low.interval).scaled(1 / (2 * z))
            found.append((width, (high.value - low.value) / (2 * z), brief(width.middle)))
    return found if len(found) == 2 else None


def _from_errors(errors: list[tuple[Interval, float, str]], df: float) -> tuple[tuple[Reading, ...], str]:
    """Return the standard error of the difference of two means with their own standard errors."""
    (a, first, a_words), (b, second, b_words) = errors
    se = (a.squared() + b.squared()).through(math.sqrt)
    point = math.hypot(first, second)
    readings = tuple(Reading(se, point, test) for test in (None, df))
    return readings, f"SE = √({a_words}² + {b_words}²) = {brief(point)}"


def contrasts(view: View) -> list[Contrast]:
    """Return every contrast the row allows: difference with SE, with interval, arm changes, arm finals."""
    stages = (from_arms(view, stage) for stage in ("change", "follow"))
    found = (from_standard_error(view), from_interval(view), *stages)
    return [contrast for contrast in found if contrast is not None]
