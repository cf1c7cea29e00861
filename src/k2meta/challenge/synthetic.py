"""Made-up two-arm trials, printed as papers print them.

Every number below is an assumption of the challenge, not a finding: what a trial is like, what it prints, to how
many digits. People are simulated one by one and the printed numbers computed from them: a clean row is true.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from k2meta.challenge.review import Review, Row

Vector = NDArray[np.float64]

SMALLEST, LARGEST = 15, 150
"""People per arm, uniform on the log scale."""

STUDIES = (4, 8, 15)
"""Trials per table."""

DROP_OUT = 0.15
"""Largest share of an arm that is lost; uniform from none."""

PRINTS_ALL = 0.5
"""Share of trials that print baseline, follow-up and change of both arms; the others leave follow-up out."""

PRINTS_DIFFERENCE = 0.6
"""Share of trials that print the difference with its 95 % interval."""

PRINTS_P = 0.7
"""Share of trials that print p, half of them with two decimals and half with three; below 0.001 as a bound."""

STAGES = ("baseline", "follow", "change")
MONTHS = ("6", "12", "24", "36")
COUNTRIES = ("Denmark", "France", "Iran", "Japan", "Netherlands", "Poland", "Scotland", "United States")
DOSES = ("90", "180", "360", "720", "2000")


@dataclass(frozen=True, slots=True)
class Kind:
    """What trials of one outcome are like.

    Attributes
    ----------
    outcome, label, unit : str
        Outcome id, words, unit.
    decimals : tuple of int
        Printed decimals; each trial takes one of them.
    level, level_sd : float
        Mean and SD of people at baseline; with ``skewed`` the median and the SD of the logarithm.
    change, effect, effect_sd : float
        Mean change under control, mean effect of treatment, its SD between trials.
    change_sd, log_sd : float
        Median SD of the change between people, and the SD between trials of its logarithm.
    window : tuple of str
        Plausible levels of an arm.
    """

    outcome: str
    label: str
    unit: str
    value_kind: str
    decimals: tuple[int, ...]
    level: float
    level_sd: float
    skewed: bool
    change: float
    effect: float
    effect_sd: float
    change_sd: float
    log_sd: float
    window: tuple[str, str]


KINDS: dict[str, Kind] = {
    "PWV": Kind(
        "cfpwv", "pulse wave velocity, m/s", "m/s", "speed", (1, 2), 10.0, 2.2, False, 0.1, -0.2, 0.2, 1.3, 0.30,
        ("3", "25"),
    ),
    "CAC": Kind(
        "cac_agatston", "Agatston score", "AU", "score", (0, 1), 150.0, 1.2, True, 60.0, -20.0, 25.0, 100.0, 0.60,
        ("0", "8000"),
    ),
}  # fmt: skip
"""The two outcomes of the shipped review. Between-trial SDs of log SD as in the design of the SE-for-SD check."""


def synthetic_review(kind: Kind, rng: Generator) -> Review:
    """Return a table of 4, 8 or 15 trials of one outcome, all of it consistent."""
    k = int(rng.choice(STUDIES))
    pairs = [_trial(kind, number, rng) for number in range(1, k + 1)]
    outcome = {
        "outcome": kind.outcome,
        "label": kind.label,
        "unit": kind.unit,
        "better": "lower",
        "value_kind": kind.value_kind,
        "level_low": kind.window[0],
        "level_high": kind.window[1],
        "surrogate": "yes",
    }
    rows = {
        "trials": tuple(trial for trial, _ in pairs),
        "extractions": tuple(row for _, row in pairs),
        "outcomes": (outcome,),
    }
    return Review(kind.outcome, rows, _dictionary(rows))


_NUMBER = re.compile(
    r"n_.*|dose_ug_per_day|timepoint_months|(baseline|follow|change)_(mean|sd)_.*|diff_(?!measure).*|p_value"
)


def _dictionary(rows: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    """Return the data dictionary of made-up tables: numbers are numbers, everything else is text.

    It describes every column that an injected error may fill: one dictionary serves a table and its copies.
    """
    columns = {name: dict.fromkeys(c for row in table for c in row) for name, table in rows.items()}
    columns["extractions"] |= dict.fromkeys(
        [
            f"{s}_{p}_{a}"
            for s in ("baseline", "follow", "change")
            for p in ("mean", "sd")
            for a in ("treat", "ctrl")
        ]
        + ["diff_measure", "diff_estimate", "diff_ci_low", "diff_ci_high", "diff_ci_level", "p_value", "p_printed"]
    )
    columns["queries"] = dict.fromkeys(("query_id", "status", "column", "corrected_value", "reason", "by"))
    return {
        "resources": [
            {
                "name": name,
                "schema": {
                    "fields": [{"name": c, "type": "number" if _NUMBER.fullmatch(c) else "string"} for c in found]
                },
            }
            for name, found in columns.items()
        ]
    }


def _trial(kind: Kind, number: int, rng: Generator) -> tuple[dict[str, str], dict[str, str]]:
    """Return the row of a trial and its one extraction."""
    study = f"Trial{number}"
    arm = math.exp(rng.uniform(math.log(SMALLEST), math.log(LARGEST)))
    randomised = [max(SMALLEST, round(arm) + int(rng.integers(-2, 3))) for _ in range(2)]
    analysed = [n - int(rng.binomial(n, rng.uniform(0, DROP_OUT))) for n in randomised]
    sd = kind.change_sd * math.exp(kind.log_sd * rng.standard_normal())
    shifts = (rng.normal(kind.effect, kind.effect_sd), 0.0)
    people = [_people(kind, n, sd, kind.change + shift, rng) for n, shift in zip(randomised, shifts, strict=True)]
    decimals = int(rng.choice(kind.decimals))
    row = {
        "extraction_id": f"{study}-{kind.outcome}-1",
        "study_id": study,
        "outcome": kind.outcome,
        "role": "main",
        "timepoint_months": str(rng.choice(MONTHS)),
        "units": kind.unit,
        "scale": "raw",
        "n_treat": str(analysed[0]),
        "n_ctrl": str(analysed[1]),
        "source_locator": "Table 2",
        "source_kind": "made up for the challenge",
        "source_tier": "primary_full_text",
    }
    return _described(study, number, randomised, rng), row | _printed(people, analysed, decimals, rng)


def _described(study: str, number: int, randomised: list[int], rng: Generator) -> dict[str, str]:
    return {
        "study_id": study,
        "label": f"Trial {number}",
        "year": str(rng.integers(2004, 2027)),
        "doi": f"10.1000/challenge.{rng.integers(10**6, 10**7)}",
        "pmid": str(rng.integers(10**7, 10**8)),
        "registration": f"NCT{rng.integers(10**7, 10**8)}",
        "country": str(rng.choice(COUNTRIES)),
        "design": "parallel RCT",
        "design_class": "rct",
        "dose_ug_per_day": str(rng.choice(DOSES)),
        "n_randomised_treat": str(randomised[0]),
        "n_randomised_ctrl": str(randomised[1]),
        "n_randomised_total": str(sum(randomised)),
    }


def _people(kind: Kind, n: int, sd: float, change: float, rng: Generator) -> tuple[Vector, Vector]:
    """Return baseline and follow-up of the people of an arm; a score never falls below zero."""
    z = rng.standard_normal(n)
    baseline = kind.level * np.exp(kind.level_sd * z) if kind.skewed else kind.level + kind.level_sd * z
    follow = baseline + rng.normal(change, sd, n)
    return baseline, np.maximum(follow, 0.0) if kind.skewed else follow


def _printed(
    people: list[tuple[Vector, Vector]], analysed: list[int], decimals: int, rng: Generator
) -> dict[str, str]:
    """Return the printed cells: arms of those analysed, difference by the pooled-variance t interval."""
    from scipy.special import stdtr, stdtrit

    cells: dict[str, str] = {}
    everyone = bool(rng.random() < 0.5)
    whole = bool(rng.random() < PRINTS_ALL)
    changes = []
    for arm, (baseline, follow), n in zip(("treat", "ctrl"), people, analysed, strict=True):
        change = (follow - baseline)[:n]
        changes.append(change)
        # Those lost were last in line, so they differ from the others by chance only.
        stages = {"baseline": baseline if everyone else baseline[:n], "change": change}
        for stage, values in (stages | {"follow": follow[:n]} if whole else stages).items():
            cells[f"{stage}_mean_{arm}"] = _number(float(values.mean()), decimals)
            cells[f"{stage}_sd_{arm}"] = _number(float(values.std(ddof=1)), decimals)
    n1, n2 = analysed
    df = n1 + n2 - 2
    pooled = ((n1 - 1) * changes[0].var(ddof=1) + (n2 - 1) * changes[1].var(ddof=1)) / df
    se = math.sqrt(pooled * (1 / n1 + 1 / n2))
    difference = float(changes[0].mean() - changes[1].mean())
    if rng.random() < PRINTS_DIFFERENCE:
        reach = float(stdtrit(df, 0.975)) * se
        cells |= {"diff_measure": "MD", "diff_ci_level": "95", "diff_estimate": _number(difference, decimals)}
        cells["diff_ci_low"] = _number(difference - reach, decimals)
        cells["diff_ci_high"] = _number(difference + reach, decimals)
    if rng.random() < PRINTS_P:
        p = float(2 * stdtr(df, -abs(difference) / se))
        cells["p_printed" if p < 0.001 else "p_value"] = "<0.001" if p < 0.001 else f"{p:.{rng.integers(2, 4)}f}"
    return cells


def _number(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text
