"""Routes from the printed cells of one record to ``yi, vi``, in order of trust.

A route is a function of the record's numbers that returns a `Derived` or ``None`` where a cell it needs is
missing. `ROUTES` is tried from the top; the first that applies is the one used, and its name is stored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from k2meta.effects.change import change_sd
from k2meta.effects.errors import EffectError
from k2meta.effects.five_number import five_number, five_number_lognormal
from k2meta.effects.measures import effect_sizes, smd_from_d
from k2meta.effects.recover import (
    d_from_log_odds_ratio,
    d_from_t,
    sd_from_se,
    se_from_ci,
    se_from_p,
)

Measure = Literal["MD", "SMD", "RD", "LOGRATIO"]
RATIOS = ("ROM", "RR", "OR", "HR")
COUNTED = {"RR": "risk ratio", "OR": "odds ratio", "RD": "risk difference"}
"""Measures that the counts of a 2x2 table give, in words."""


@dataclass(frozen=True, slots=True)
class Printed:
    """What a route may read: the numbers of one record and its arm sizes.

    ``n1, n2`` are the treatment and control arm sizes, printed or assumed; ``None`` where unknown. ``ratio`` is
    the one kind of ratio the analysis takes (``""`` for any). ``r`` is a correlation of baseline with follow-up
    that may be borrowed, ``medians`` the distribution under which medians may be converted; without them neither
    is done.
    """

    cells: Mapping[str, float]
    scale: str
    diff_measure: str
    n1: float | None
    n2: float | None
    ratio: str = ""
    r: float | None = None
    r_source: str = ""
    medians: str = ""

    def has(self, *names: str) -> bool:
        """Return whether every named cell holds a number."""
        return all(name in self.cells for name in names)

    def __getitem__(self, name: str) -> float:
        return self.cells[name]


@dataclass(frozen=True, slots=True)
class Derived:
    """One effect: ``yi`` (treatment minus control), ``vi``, the steps in words, whether arm sizes entered.

    ``assumption`` is a sentence where something was converted or added, empty where it was not.
    """

    yi: float
    vi: float
    steps: tuple[str, ...]
    uses_arm_sizes: bool
    assumption: str = ""


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


def _minus(first: float, second: float) -> str:
    """Write a difference, a negative second number in brackets."""
    return f"{_number(first)} − {_number(second) if second >= 0 else f'({_number(second)})'}"


def _from_arms(arms: Arms, printed: Printed, measure: Measure) -> Derived | None:
    if printed.n1 is None or printed.n2 is None or measure not in ("MD", "SMD"):
        return None
    found = effect_sizes(measure, m1=arms.m1, sd1=arms.sd1, n1=printed.n1, m2=arms.m2, sd2=arms.sd2, n2=printed.n2)
    sizes = f"n {printed.n1:g} and {printed.n2:g}"
    if measure == "MD":
        last = f"MD = {_minus(arms.m1, arms.m2)}; variance SD²/n summed over the arms, {sizes}"
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
        return m1 - m2, f"difference of changes {_minus(m1, m2)} = {_number(m1 - m2)}"
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
    if min(printed["diff_estimate"], low) <= 0 or printed.ratio not in ("", printed.diff_measure):
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


def ratio_se(printed: Printed, measure: Measure) -> Derived | None:
    """Ratio with the standard error of its logarithm, as programs hand it on."""
    if printed.diff_measure not in RATIOS or not printed.has("diff_estimate", "diff_se"):
        return None
    if measure != "LOGRATIO" or printed["diff_estimate"] <= 0:
        return None
    estimate, se = math.log(printed["diff_estimate"]), printed["diff_se"]
    steps = (
        f"{printed.diff_measure} {_number(printed['diff_estimate'])} → log {_number(estimate)}",
        f"standard error of the logarithm {_number(se)}",
    )
    return Derived(estimate, se**2, steps, False)


def smd_se(printed: Printed, measure: Measure) -> Derived | None:
    """Standardised mean difference with its standard error, as programs hand it on."""
    if measure != "SMD" or printed.diff_measure != "SMD" or not printed.has("diff_estimate", "diff_se"):
        return None
    steps = (
        f"printed standardised mean difference {_number(printed['diff_estimate'])}",
        f"standard error {_number(printed['diff_se'])}",
    )
    return Derived(printed["diff_estimate"], printed["diff_se"] ** 2, steps, False)


def statistic(printed: Printed, measure: Measure) -> Derived | None:
    """Test statistic of the difference between the arms (t or z), to a standardised mean difference."""
    if measure != "SMD" or not printed.has("statistic"):
        return None
    return _smd_from_t(printed["statistic"], (f"printed statistic {_number(printed['statistic'])}",), printed)


def events(printed: Printed, measure: Measure) -> Derived | None:
    """Events and totals of both arms, to a log risk ratio, a log odds ratio or a risk difference.

    Where one arm has no event (or, for odds, nobody without one), 1/2 is added to every cell of the trial; where
    that holds for both arms a ratio is not defined.
    """
    kind = "RD" if measure == "RD" else printed.ratio or "RR"
    names = ("events_treat", "total_treat", "events_ctrl", "total_ctrl")
    if measure not in ("LOGRATIO", "RD") or kind not in COUNTED or not printed.has(*names):
        return None
    a, n1, c, n2 = (printed[name] for name in names)
    if n1 < a or n2 < c or (kind != "RD" and (a + c == 0 or (kind == "OR" and a == n1 and c == n2))):
        return None
    found = effect_sizes(kind, ai=a, bi=n1 - a, ci=c, di=n2 - c, zero_cells="only0")
    step = f"{COUNTED[kind]} of {a:g}/{n1:g} and {c:g}/{n2:g}" + (", log scale" if kind != "RD" else "")
    added = "1/2 added to every cell of the 2×2 table, which has a zero" if found.corrected else ""
    return Derived(float(found.yi[0]), float(found.vi[0]), (step, *filter(None, (added,))), True, added)


def arms_correlation(printed: Printed, measure: Measure) -> Derived | None:
    """Baseline and follow-up of both arms (mean, SD, n), with a borrowed correlation for the SD of change."""
    sides = ("treat", "ctrl")
    spreads = [f"{stage}_sd_{side}" for side in sides for stage in ("baseline", "follow")]
    if printed.r is None or printed.scale != "raw" or not printed.has(*spreads):
        return None
    changes = [_mean_change(printed, side) for side in sides]
    if changes[0] is None or changes[1] is None:
        return None
    sd1, sd2 = (
        float(change_sd(printed[f"baseline_sd_{side}"], printed[f"follow_sd_{side}"], printed.r)[0])
        for side in sides
    )
    at = f"with r = {printed.r:g} of baseline with follow-up"
    steps = (
        f"changes {_number(changes[0])} and {_number(changes[1])}",
        f"SD of change from the SDs at baseline and follow-up {at}: {_number(sd1)} and {_number(sd2)}",
    )
    found = _from_arms(Arms(changes[0], sd1, changes[1], sd2, steps), printed, measure)
    borrowed = f"SD of change not printed; computed {at}, borrowed from {printed.r_source}"
    return None if found is None else replace(found, assumption=borrowed)


def _mean_change(printed: Printed, side: str) -> float | None:
    """Return the mean change of an arm, printed or as follow-up minus baseline."""
    if printed.has(f"change_mean_{side}"):
        return printed[f"change_mean_{side}"]
    if printed.has(f"baseline_mean_{side}", f"follow_mean_{side}"):
        return printed[f"follow_mean_{side}"] - printed[f"baseline_mean_{side}"]
    return None


def change_medians(printed: Printed, measure: Measure) -> Derived | None:
    """Change from baseline of both arms: median, quartiles and n, converted for normal data."""
    return _medians(printed, measure, "change", "normal") if printed.medians else None


def follow_medians(printed: Printed, measure: Measure) -> Derived | None:
    """Values at follow-up of both arms: median, quartiles and n, converted as the analysis asks; trusted least."""
    return _medians(printed, measure, "follow", printed.medians) if printed.medians else None


def _medians(printed: Printed, measure: Measure, stage: str, distribution: str) -> Derived | None:
    """Return the effect of two arms given by medians and quartiles; ``None`` where an arm is skewed."""
    sides = {"treat": printed.n1, "ctrl": printed.n2}
    convert = five_number_lognormal if distribution == "lognormal" else five_number
    arms = []
    for side, n in sides.items():
        names = [f"{stage}_{cell}_{side}" for cell in ("q1", "median", "q3")]
        if n is None or printed.scale != "raw" or not printed.has(*names):
            return None
        q1, median, q3 = (printed[name] for name in names)
        found = convert(median=median, n=n, q1=q1, q3=q3)
        if found.skewness.skewed:
            return None
        arms.append((found.m, found.sd, f"{_number(median)} (IQR {_number(q1)} to {_number(q3)})"))
    (m1, sd1, said1), (m2, sd2, said2) = arms
    normal = "log-normal" if distribution == "lognormal" else "normal"
    steps = (
        f"medians {said1} and {said2}",
        f"means {_number(m1)} (SD {_number(sd1)}) and {_number(m2)} (SD {_number(sd2)}) of {normal} data "
        "(Luo 2018, Wan 2014; no skewness by the test of Shi 2023)",
    )
    converted = _from_arms(Arms(m1, sd1, m2, sd2, steps), printed, measure)
    sentence = f"means and SDs converted from medians and quartiles, as of {normal} data"
    return None if converted is None else replace(converted, assumption=sentence)


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
    "ratio_se": ratio_se,
    "ratio_ci": ratio_ci,
    "smd_se": smd_se,
    "statistic": statistic,
    "events": events,
    "arms_correlation": arms_correlation,
    "arms_final": arms_final,
    "change_medians": change_medians,
    "follow_medians": follow_medians,
}

IMPUTED = ("arms_correlation",)
"""Routes on which a borrowed correlation stands in for an SD of change that is not printed."""

CONVERTED = ("change_medians", "follow_medians")
"""Routes on which means and SDs are converted from medians."""


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
