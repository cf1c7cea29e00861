"""Numbers that stand twice and digits that are not by chance: C23."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable

from k2meta.records.printed import Printed, brief
from k2meta.records.view import ARM_WORDS, ARMS, Finding, Project, View

BY_CHANCE = 0.001
"""Two arms that agree in mean and SD to the last digit are asked about where chance gives that more rarely."""

FEWEST_DIGITS = 50
"""Last digits a study must print before their distribution is looked at."""

_UNKNOWN_N = 200.0
"""Arm size taken where none is printed: large arms agree by chance more often, so that few rows are asked."""

_MEASURED = re.compile(
    r"(baseline|follow|change)_(mean|sd|se|ci_low|ci_high)_.*|diff_(estimate|se|ci_low|ci_high)"
)
_STAGES = ("change", "follow", "baseline")
_Arm = tuple[Printed, Printed, float]


def copied_numbers(view: View, project: Project) -> tuple[Finding, ...]:
    """C23: two arms, or arms of two studies, do not print the same mean and SD; last digits are spread evenly."""
    if view.table == "trials":
        return tuple(_last_digits(view, project))
    return tuple(_between_arms(view)) or tuple(_between_studies(view, project))


def chance_of_agreement(mean: Printed, sd: Printed, n: float) -> float:
    """Return the chance that two arms of ``n`` people from one population print the same mean and SD.

    Two sample means differ with standard error SD √(2/n), two sample SDs with about SD / √(n - 1); a normal
    density at zero times the width of the last digit is the chance that both round to one value.
    """
    width = [2 * (number.interval.high - number.value) for number in (mean, sd)]
    errors = (sd.value * math.sqrt(2 / n), sd.value / math.sqrt(max(n - 1, 1)))
    first, second = (min(1.0, w / (e * math.sqrt(2 * math.pi))) for w, e in zip(width, errors, strict=True))
    return first * second


def _arm(view: View, stage: str, arm: str) -> _Arm | None:
    mean, sd = view.printed(f"{stage}_mean_{arm}"), view.printed(f"{stage}_sd_{arm}")
    if mean is None or sd is None or sd.value <= 0:
        return None
    return mean, sd, view.size(f"n_{arm}") or view.randomised(arm) or _UNKNOWN_N


def _same(here: _Arm, there: _Arm) -> bool:
    return (here[0].text, here[1].text) == (there[0].text, there[1].text)


def _between_arms(view: View) -> Iterable[Finding]:
    for stage in _STAGES:
        treat, ctrl = (_arm(view, stage, arm) for arm in ARMS)
        if treat is None or ctrl is None or not _same(treat, ctrl):
            continue
        chance = chance_of_agreement(treat[0], treat[1], max(treat[2], ctrl[2]))
        if chance < BY_CHANCE:
            evidence = (
                f"{stage}: both arms print mean {treat[0]} and SD {treat[1]}; two arms of that size agree so by "
                f"chance once in {brief(1 / chance, 2)} trials"
            )
            columns = tuple(f"{stage}_{part}_{arm}" for arm in ARMS for part in ("mean", "sd"))
            yield Finding(columns, evidence, "check whether one arm was copied into the other")
            return


def _between_studies(view: View, project: Project) -> Iterable[Finding]:
    """Compare the arms of a row with those of earlier rows of other people on the same outcome."""
    others = [other for other in project.rows(view.table) if _other_people(view, other)]
    for other in others:
        for stage in _STAGES:
            for mine in ARMS:
                for theirs in ARMS:
                    here, there = _arm(view, stage, mine), _arm(other, stage, theirs)
                    if here is None or there is None or not _same(here, there):
                        continue
                    if mine == theirs == "ctrl" and here[2] == there[2]:
                        continue  # one control group in two rows: C16 asks about it where both are pooled
                    chance = chance_of_agreement(here[0], here[1], max(here[2], there[2]))
                    if chance < BY_CHANCE / (4 * len(others)):
                        evidence = (
                            f"{stage}, {ARM_WORDS[mine]}: mean {here[0]} and SD {here[1]} stand also "
                            f"in {other.id} (row {other.row}, {ARM_WORDS[theirs]})"
                        )
                        columns = tuple(f"{stage}_{part}_{mine}" for part in ("mean", "sd"))
                        yield Finding(columns, evidence, "check whether one row was copied from the other")
                        return


def _other_people(view: View, other: View) -> bool:
    people = [v.trial.get("report_of") or v.study_id for v in (view, other)]
    same = all(view.text(c) == other.text(c) for c in ("outcome", "units", "scale"))
    return same and people[0] != people[1] and other.row < view.row


def _last_digits(view: View, project: Project) -> Iterable[Finding]:
    """Ask about a study whose last printed digits are not spread evenly over 0 to 9 (chi-squared, 9 df)."""
    digits = Counter(_digits_of(view.study_id, project))
    count = sum(digits.values())
    if count < FEWEST_DIGITS:
        return
    from scipy.special import chdtrc

    expected = count / 10
    statistic = sum((digits[str(d)] - expected) ** 2 / expected for d in range(10))
    p = float(chdtrc(9, statistic))
    if p < BY_CHANCE:
        shown = ", ".join(f"{d}: {digits[str(d)]}" for d in range(10))
        evidence = f"last digits of {count} printed numbers ({shown}): chi-squared {brief(statistic)}, p {p:.1g}"
        fix = "check whether the source rounds to fives or tens, or the numbers were made up"
        yield Finding(("study_id",), evidence, fix)


def _digits_of(study: str, project: Project) -> list[str]:
    """Return the last digit of every measured number with three significant digits or more, once per number."""
    seen = {
        (view.text("outcome"), column, view.text(column))
        for view in project.extractions
        if view.study_id == study and (view.text("role") or "main") != "copy"
        for column in view.cells
        if _MEASURED.fullmatch(column) and view.printed(column)
    }
    plain = [re.sub(r"[eE].*|[^0-9]", "", text).lstrip("0") for _, _, text in sorted(seen)]
    return [text[-1] for text in plain if len(text) >= 3]
