"""Standard deviations, standard errors and quartiles: C06, C13, C30."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import median

from k2meta.records.contrast import Contrast, arm_sizes, contrasts, from_arms
from k2meta.records.printed import NOISE, brief, p_words
from k2meta.records.view import ARM_WORDS, ARMS, Finding, Project, View

FACTOR = 2.5
"""How far below the other studies an SD lies before C06 asks whether it is a standard error."""

SKEWED_KINDS = ("score", "speed", "biomarker", "thickness")
"""Kinds of outcome that cannot be negative, so that a mean below two SDs means a skewed distribution."""


def sd_may_be_se(view: View, project: Project) -> tuple[Finding, ...]:
    """C06: an SD far below those of the other studies, and nearer to them times √n, may be a standard error."""
    found = []
    for stage in ("change", "follow", "baseline"):
        own, n = _typical_sd(view, stage), _typical_n(view)
        others = _other_studies(view, project, stage)
        if own is None or n is None or not others:
            continue
        centre = median(others)
        if own * FACTOR >= centre or abs(math.log(own * math.sqrt(n) / centre)) >= math.log(centre / own):
            continue
        verdict, words = _second_opinion(view, stage)
        if verdict == "sd":
            continue
        evidence = (
            f"{stage} SD {brief(own)} (geometric mean of the arms) is {brief(centre / own)} times below "
            f"the median {brief(centre)} of {len(others)} other stud{'y' if len(others) == 1 else 'ies'}; "
            f"{brief(own)} × √{n:.0f} = {brief(own * math.sqrt(n))} is closer{words}"
        )
        columns = tuple(f"{stage}_sd_{arm}" for arm in ARMS if view.printed(f"{stage}_sd_{arm}"))
        fix = f"read whether the source says SEM; if so move the numbers to {stage}_se_treat and {stage}_se_ctrl"
        if stage == "baseline":
            fix = "read whether the source says SEM; if so multiply by the square root of n"
        found.append(Finding(columns, evidence, fix, "error" if verdict == "se" else None))
    return tuple(found)


def _typical_sd(view: View, stage: str) -> float | None:
    """Return the geometric mean of the arm SDs of a row."""
    numbers = [view.printed(f"{stage}_sd_{arm}") for arm in ARMS]
    values = [number.value for number in numbers if number and number.value > 0]
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def _typical_n(view: View) -> float | None:
    """Return the geometric mean of the arm sizes, randomised numbers where none are analysed."""
    sizes = arm_sizes(view)
    if sizes:
        return math.sqrt(sizes[0] * sizes[1])
    known = [n for arm in ARMS if (n := view.size(f"n_{arm}") or view.randomised(arm))]
    return math.exp(sum(map(math.log, known)) / len(known)) if known else None


def _other_studies(view: View, project: Project, stage: str) -> list[float]:
    """Return one typical SD per other study with the same outcome, unit and scale."""
    by_study: dict[str, list[float]] = {}
    for other in project.rows(view.table):
        same = all(other.text(c) == view.text(c) for c in ("outcome", "units", "scale"))
        value = _typical_sd(other, stage)
        if same and value is not None and other.study_id != view.study_id:
            by_study.setdefault(other.study_id, []).append(value)
    return [median(values) for values in by_study.values()]


def _second_opinion(view: View, stage: str) -> tuple[str, str]:
    """Ask the printed p or difference interval whether the spreads are SDs (``sd``) or errors (``se``)."""
    if stage == "baseline":
        return "", ""
    as_sd, as_se = from_arms(view, stage), from_arms(view, stage, "se")
    if as_sd is None or as_se is None:
        return "", ""
    p = view.printed("p_value")
    if p is not None and 0 < p.value < 1:
        fits_sd, fits_se = (
            _fits(as_sd, p.interval.low, p.interval.high),
            _fits(as_se, p.interval.low, p.interval.high),
        )
        words = f"; as SDs {p_words(as_sd.p_points()[0])}, as standard errors {p_words(as_se.p_points()[0])}"
        words += f", printed p = {p}"
        if fits_se and not fits_sd:
            return "se", words + ": they are standard errors"
        if fits_sd and fits_se:
            return "", words  # a p near 1 fits both: it says nothing about the spread
        sd_gap, se_gap = (abs(_z(p.value) - _z(c.p_points()[0])) for c in (as_sd, as_se))
        return ("sd", "") if fits_sd or sd_gap < se_gap else ("", words)
    stated = next((c for c in contrasts(view) if c.route in ("se", "ci")), None)
    if stated is None or view.is_ratio:
        return "", ""
    se = stated.readings[0].point
    gaps = [abs(math.log(c.readings[0].point / se)) for c in (as_sd, as_se)]
    words = f"; the difference has SE {brief(se)}, the arms {brief(as_sd.readings[0].point)} as SDs"
    return (
        ("se", f"{words} and {brief(as_se.readings[0].point)} as standard errors")
        if gaps[1] < gaps[0]
        else ("sd", "")
    )


def _fits(contrast: Contrast, low: float, high: float) -> bool:
    possible = contrast.p_range()
    return possible is not None and possible.low <= high and low <= possible.high


def _z(p: float) -> float:
    from scipy.special import ndtri

    return float(-ndtri(max(p, 1e-300) / 2))


def impossible_or_skewed_spread(view: View, project: Project) -> tuple[Finding, ...]:
    """C13: quantiles in order, mean and SD possible within the range, spreads above zero, no strong skew."""
    return (*_quantiles(view), *_beyond_the_range(view), *_no_spread(view), *_skewed(view))


def _quantiles(view: View) -> Iterable[Finding]:
    for stage in ("baseline", "follow", "change"):
        for arm in ARMS:
            columns = tuple(f"{stage}_{part}_{arm}" for part in ("min", "q1", "median", "q3", "max"))
            printed = [(column, number) for column in columns if (number := view.printed(column))]
            values = [number.value for _, number in printed]
            if values != sorted(values):
                words = ", ".join(f"{column} = {number}" for column, number in printed)
                fix = "check the three numbers and their columns"
                yield Finding(tuple(c for c, _ in printed), f"{words}: not in ascending order", fix, "error")


def _beyond_the_range(view: View) -> Iterable[Finding]:
    """Name a mean outside the printed range, and an SD that no n values within it can have.

    n values between a minimum and a maximum spread most when half of them are at each end: their SD is then half
    the range times √(n / (n − 1)) (Popoviciu's inequality with the divisor n − 1).
    """
    for stage in ("baseline", "follow"):
        for arm in ARMS:
            ends = tuple(f"{stage}_{part}_{arm}" for part in ("min", "max"))
            low, high = (view.printed(column) for column in ends)
            if low is None or high is None or low.value > high.value:
                continue
            mean, sd = (view.printed(f"{stage}_{part}_{arm}") for part in ("mean", "sd"))
            if mean and not (low.interval.low <= mean.interval.high and mean.interval.low <= high.interval.high):
                words = f"mean {mean} lies outside the printed range {low} to {high} ({stage}, {ARM_WORDS[arm]})"
                fix = "check the mean, the minimum and the maximum"
                yield Finding((f"{stage}_mean_{arm}", *ends), words, fix, "error")
            # Where the number of people is not known, two of them are the most favourable case.
            n = max(view.size(f"n_{arm}") or 2.0, 2.0)
            most = (high.interval - low.interval).high / 2 * math.sqrt(n / (n - 1))
            if sd and sd.interval.low > most * (1 + NOISE):
                words = f"SD {sd} ({stage}, {ARM_WORDS[arm]}): {n:g} or more values from {low} to {high} "
                words += f"have at most {brief(most)}"
                fix = "check the SD and the range; the range may be that of other people"
                yield Finding((f"{stage}_sd_{arm}", *ends), words, fix, "error")


def _no_spread(view: View) -> Iterable[Finding]:
    for column in view.cells:
        parts = column.split("_")
        number = view.printed(column) if "sd" in parts or "se" in parts else None
        if number is not None and number.value == 0:
            fix = "leave the cell empty where the spread rounds to zero or was not printed"
            yield Finding((column,), f"{column} = {number}: nothing that varies has no spread", fix, "error")


def _skewed(view: View) -> Iterable[Finding]:
    if view.outcome.get("value_kind") not in SKEWED_KINDS or view.text("scale") not in ("raw", ""):
        return
    worst: tuple[float, str, tuple[str, ...]] | None = None
    for stage in ("baseline", "follow"):
        for arm in ARMS:
            columns = (f"{stage}_mean_{arm}", f"{stage}_sd_{arm}")
            mean, sd = (view.printed(column) for column in columns)
            if mean and sd and 0 < mean.interval.high < 2 * sd.interval.low:
                words = f"{stage}, {ARM_WORDS[arm]}: mean {mean} is below 2 × SD {sd} of a positive quantity"
                worst = max(worst or (0.0, "", ()), (sd.value / mean.value, words, columns))
    if worst is not None:
        fix = "prefer a result on the log scale or medians; run the analysis with and without this one"
        yield Finding(worst[2], worst[1], fix, "note")


def only_medians(view: View, project: Project) -> tuple[Finding, ...]:
    """C30: a result printed only as medians needs a conversion before it can be pooled."""
    if view.printed("diff_estimate") or view.text("role") not in ("main", ""):
        return ()
    for stage in ("change", "follow"):
        columns = tuple(f"{stage}_median_{arm}" for arm in ARMS)
        if any(view.printed(f"{part}_mean_{arm}") for part in ("change", "follow") for arm in ARMS):
            return ()
        if all(view.printed(column) for column in columns):
            quartiles = all(view.printed(f"{stage}_{part}_{arm}") for part in ("q1", "q3") for arm in ARMS)
            evidence = f"only medians are printed: {' and '.join(str(view.printed(c)) for c in columns)}"
            evidence += " with quartiles" if quartiles else " without quartiles, so no variance follows"
            fix = "a conversion to means is flagged and the analysis is run with and without this result"
            return (Finding(columns, evidence, fix),)
    return ()
