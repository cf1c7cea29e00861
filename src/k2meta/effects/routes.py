"""Routes from the printed cells of one record to ``yi, vi``, in order of trust.

A route is a function of the record's numbers that returns a `Derived` or ``None`` where a cell it needs is
missing. `ROUTES` is tried from the top; the first that applies is the one used, and its name is stored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from k2meta.effects.errors import EffectError
from k2meta.effects.measures import effect_sizes, log_risk_ratio, smd_from_d
from k2meta.effects.recover import (
    d_from_log_odds_ratio,
    d_from_t,
    sd_from_se,
    se_from_ci,
    se_from_p,
)

Measure = Literal["MD", "SMD", "LOGRATIO"]
RATIOS = ("ROM", "RR", "OR", "HR")


@dataclass(frozen=True, slots=True)
class Printed:
    """What a route may read: the numbers of one record and its arm sizes.

    ``n1, n2`` are the treatment and control arm sizes, printed or assumed; ``None`` where unknown.
    """

    cells: Mapping[str, float]
    scale: str
    diff_measure: str
    n1: float | None
    n2: float | None

    def has(self, *names: str) -> bool:
        """Return whether every named cell holds a number."""
        return all(name in self.cells for name in names)

    def __getitem__(self, name: str) -> float:
        return self.cells[name]


@dataclass(frozen=True, slots=True)
class Derived:
    """One effect: ``yi`` (treatment minus control), ``vi``, the steps in words, whether arm sizes entered.

    ``assumptions`` are sentences on what the route itself takes for granted.
    """

    yi: float
    vi: float
    steps: tuple[str, ...]
    uses_arm_sizes: bool
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Arms:
    """Mean and standard deviation of both arms."""

    m1: float
    sd1: float
    m2: float
    sd2: float
    steps: tuple[str, ...]


def _number(value: float) -> str:
    return f"{value:.6g}"


def _from_arms(arms: Arms, printed: Printed, measure: Measure) -> Derived | None:
    if printed.n1 is None or printed.n2 is None or measure == "LOGRATIO":
        return None
    found = effect_sizes(measure, m1=arms.m1, sd1=arms.sd1, n1=printed.n1, m2=arms.m2, sd2=arms.sd2, n2=printed.n2)
    sizes = f"n {printed.n1:g} and {printed.n2:g}"
    if measure == "MD":
        last = f"MD = {_number(arms.m1)} − ({_number(arms.m2)}); variance SD²/n summed over the arms, {sizes}"
    else:
        last = f"Hedges g with the pooled SD, exact J, variance LS, {sizes}"
    return Derived(float(found.yi[0]), float(found.vi[0]), (*arms.steps, last), True)


def arms_sd(printed: Printed, measure: Measure) -> Derived | None:
    """Change from baseline of both arms: mean, SD and n."""
    names = ("change_mean_treat", "change_sd_treat", "change_mean_ctrl", "change_sd_ctrl")
    if printed.scale != "raw" or not printed.has(*names):
        return None
    m1, sd1, m2, sd2 = (printed[name] for name in names)
    step = f"changes {_number(m1)} (SD {_number(sd1)}) and {_number(m2)} (SD {_number(sd2)})"
    return _from_arms(Arms(m1, sd1, m2, sd2, (step,)), printed, measure)


def arms_se(printed: Printed, measure: Measure) -> Derived | None:
    """Change from baseline of both arms: mean, standard error of the mean and n."""
    names = ("change_mean_treat", "change_se_treat", "change_mean_ctrl", "change_se_ctrl")
    if printed.scale != "raw" or not printed.has(*names) or printed.n1 is None or printed.n2 is None:
        return None
    m1, se1, m2, se2 = (printed[name] for name in names)
    sd1, sd2 = sd_from_se(se1, printed.n1), sd_from_se(se2, printed.n2)
    steps = (
        f"changes {_number(m1)} (SE {_number(se1)}) and {_number(m2)} (SE {_number(se2)})",
        f"SD = SE √n: {_number(sd1)} and {_number(sd2)}",
    )
    return _from_arms(Arms(m1, sd1, m2, sd2, steps), printed, measure)


def arms_ci(printed: Printed, measure: Measure) -> Derived | None:
    """Change from baseline of both arms: mean, 95 % interval of the mean and n."""
    sides = ("treat", "ctrl")
    names = [f"change_{cell}_{side}" for side in sides for cell in ("mean", "ci_low", "ci_high")]
    if printed.scale != "raw" or not printed.has(*names) or printed.n1 is None or printed.n2 is None:
        return None
    m1, low1, high1, m2, low2, high2 = (printed[name] for name in names)
    se1 = se_from_ci(low1, high1, df=printed.n1 - 1)
    se2 = se_from_ci(low2, high2, df=printed.n2 - 1)
    sd1, sd2 = sd_from_se(se1, printed.n1), sd_from_se(se2, printed.n2)
    steps = (
        f"changes {_number(m1)} ({_number(low1)} to {_number(high1)}) and {_number(m2)} "
        f"({_number(low2)} to {_number(high2)})",
        f"SE from each arm's interval by t(n − 1): {_number(se1)} and {_number(se2)}",
    )
    return _from_arms(Arms(m1, sd1, m2, sd2, steps), printed, measure)


def _from_difference(
    estimate: float, se: float, steps: tuple[str, ...], printed: Printed
) -> Callable[[Measure], Derived | None]:
    """Return what turns a difference with its standard error into the measure asked for."""

    def finish(measure: Measure) -> Derived | None:
        if measure == "MD":
            return Derived(estimate, se**2, steps, False)
        if measure == "SMD":
            return _smd_from_t(estimate / se, steps, printed)
        return None

    return finish


def _smd_from_t(t: float, steps: tuple[str, ...], printed: Printed) -> Derived | None:
    if printed.n1 is None or printed.n2 is None:
        return None
    d = d_from_t(t, printed.n1, printed.n2)
    found = smd_from_d(d, printed.n1, printed.n2)
    step = (
        f"t = {_number(t)} → d = t √(1/n₁ + 1/n₂) → Hedges g (exact J, variance LS), "
        f"n {printed.n1:g} and {printed.n2:g}"
    )
    return Derived(float(found.yi), float(found.vi), (*steps, step), True)


def _difference(printed: Printed) -> tuple[float, str] | None:
    """Return the printed difference, or the difference of the arm changes, with the step in words."""
    if printed.diff_measure in ("MD", "BETA") and printed.has("diff_estimate"):
        return printed["diff_estimate"], f"printed difference {_number(printed['diff_estimate'])}"
    names = ("change_mean_treat", "change_mean_ctrl")
    if printed.scale == "raw" and not printed.diff_measure and printed.has(*names):
        m1, m2 = (printed[name] for name in names)
        return m1 - m2, f"difference of changes {_number(m1)} − ({_number(m2)}) = {_number(m1 - m2)}"
    return None


def diff_se(printed: Printed, measure: Measure) -> Derived | None:
    """Difference between the arms with its standard error."""
    difference = _difference(printed)
    if difference is None or not printed.has("diff_se"):
        return None
    steps = (difference[1], f"standard error {_number(printed['diff_se'])}")
    return _from_difference(difference[0], printed["diff_se"], steps, printed)(measure)


def diff_ci(printed: Printed, measure: Measure) -> Derived | None:
    """Difference between the arms with its confidence interval (normal quantile)."""
    difference = _difference(printed)
    if difference is None or not printed.has("diff_ci_low", "diff_ci_high"):
        return None
    low, high, level = _interval(printed)
    se = se_from_ci(low, high, level=level)
    steps = (
        difference[1],
        f"SE from the {100 * level:g} % interval {_number(low)} to {_number(high)}: {_number(se)}",
    )
    return _from_difference(difference[0], se, steps, printed)(measure)


def _interval(printed: Printed) -> tuple[float, float, float]:
    level = printed["diff_ci_level"] / 100 if printed.has("diff_ci_level") else 0.95
    return printed["diff_ci_low"], printed["diff_ci_high"], level


def diff_p(printed: Printed, measure: Measure) -> Derived | None:
    """Difference between the arms with an exact p value, read as a two-sample t test."""
    difference = _difference(printed)
    if difference is None or not printed.has("p_value") or printed.n1 is None or printed.n2 is None:
        return None
    df = printed.n1 + printed.n2 - 2
    se = se_from_p(difference[0], printed["p_value"], df=df)
    steps = (
        difference[1],
        f"SE from p = {_number(printed['p_value'])} by a t test with {df:g} df: {_number(se)}",
    )
    found = _from_difference(difference[0], se, steps, printed)(measure)
    return None if found is None else Derived(found.yi, found.vi, found.steps, True)


def ratio_ci(printed: Printed, measure: Measure) -> Derived | None:
    """Ratio with its confidence interval, taken on the log scale."""
    if printed.diff_measure not in RATIOS or not printed.has("diff_estimate", "diff_ci_low", "diff_ci_high"):
        return None
    low, high, level = _interval(printed)
    if min(printed["diff_estimate"], low) <= 0:
        return None
    estimate = math.log(printed["diff_estimate"])
    se = se_from_ci(math.log(low), math.log(high), level=level)
    steps = (
        f"{printed.diff_measure} {_number(printed['diff_estimate'])} → log {_number(estimate)}",
        f"SE from the {100 * level:g} % interval {_number(low)} to {_number(high)}, log scale: {_number(se)}",
    )
    if measure == "LOGRATIO":
        return Derived(estimate, se**2, steps, False)
    if measure == "SMD" and printed.diff_measure == "ROM":
        return _smd_from_t(estimate / se, steps, printed)
    if measure == "SMD" and printed.diff_measure == "OR":
        d, variance = d_from_log_odds_ratio(estimate), d_from_log_odds_ratio(se) ** 2
        return Derived(d, variance, (*steps, "d = log OR √3/π"), False)
    return None


def statistic(printed: Printed, measure: Measure) -> Derived | None:
    """Test statistic of the difference between the arms (t or z), to a standardised mean difference."""
    if measure != "SMD" or not printed.has("statistic"):
        return None
    return _smd_from_t(printed["statistic"], (f"printed statistic {_number(printed['statistic'])}",), printed)


def events(printed: Printed, measure: Measure) -> Derived | None:
    """Events and totals of both arms, to a log risk ratio."""
    names = ("events_treat", "total_treat", "events_ctrl", "total_ctrl")
    if measure != "LOGRATIO" or not printed.has(*names):
        return None
    a, n1, c, n2 = (np.array([printed[name]]) for name in names)
    if min(a[0], c[0]) <= 0 or n1[0] < a[0] or n2[0] < c[0]:
        return None
    found = log_risk_ratio(ai=a, bi=n1 - a, ci=c, di=n2 - c)
    step = f"risk ratio of {a[0]:g}/{n1[0]:g} and {c[0]:g}/{n2[0]:g}, log scale"
    return Derived(float(found.yi[0]), float(found.vi[0]), (step,), True)


def arms_final(printed: Printed, measure: Measure) -> Derived | None:
    """Values at follow-up of both arms: mean, SD or SE, and n (no baseline adjustment: trusted least)."""
    if printed.scale != "raw" or not printed.has("follow_mean_treat", "follow_mean_ctrl"):
        return None
    if printed.n1 is None or printed.n2 is None:
        return None
    m1, m2 = printed["follow_mean_treat"], printed["follow_mean_ctrl"]
    if printed.has("follow_sd_treat", "follow_sd_ctrl"):
        sd1, sd2 = printed["follow_sd_treat"], printed["follow_sd_ctrl"]
    elif printed.has("follow_se_treat", "follow_se_ctrl"):
        sd1 = sd_from_se(printed["follow_se_treat"], printed.n1)
        sd2 = sd_from_se(printed["follow_se_ctrl"], printed.n2)
    else:
        return None
    step = f"follow-up values {_number(m1)} (SD {_number(sd1)}) and {_number(m2)} (SD {_number(sd2)})"
    return _from_arms(Arms(m1, sd1, m2, sd2, (step,)), printed, measure)


ROUTES: dict[str, Callable[[Printed, Measure], Derived | None]] = {
    "arms_sd": arms_sd,
    "arms_se": arms_se,
    "arms_ci": arms_ci,
    "diff_se": diff_se,
    "diff_ci": diff_ci,
    "diff_p": diff_p,
    "ratio_ci": ratio_ci,
    "statistic": statistic,
    "events": events,
    "arms_final": arms_final,
}


def derive(printed: Printed, measure: Measure) -> tuple[str, Derived] | None:
    """Return the name and the result of the first route that applies, or ``None``.

    A route whose numbers cannot carry a variance (an arm of one person, a level of 100 %) does not apply.
    """
    for name, route in ROUTES.items():
        try:
            found = route(printed, measure)
        except EffectError:
            continue
        if found is not None and found.vi > 0:
            return name, found
    return None
