"""Twelve errors that people make when they type results: each changes one clean row the way the slip would."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from numpy.random import Generator

from k2meta.challenge.review import Review, Row

ARMS = ("treat", "ctrl")
RATIOS = ("ROM", "RR", "OR", "HR")


@dataclass(frozen=True, slots=True)
class Injected:
    """A review with one error in it, and the ids of the rows in which a check could see it."""

    review: Review
    rows: frozenset[str]


Injection = Callable[[Review, str, Row, Generator], Injected | None]


@dataclass(frozen=True, slots=True)
class ErrorType:
    """One error: what it is in words, how it is made, which tables hold rows it can happen to.

    ``inject`` returns ``None`` for a row that cannot hold the error. ``needs_pool`` says that only a check of the
    whole pool can see it. ``kinds`` names the synthetic outcomes; a shipped row is tried whatever its outcome.
    """

    id: str
    title: str
    inject: Injection
    tables: tuple[str, ...] = ("extractions",)
    needs_pool: bool = False
    kinds: tuple[str, ...] = ("PWV", "CAC")


def _number(row: Row, column: str) -> float | None:
    text = row.get(column, "")
    return float(text) if text else None


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])


def _like(text: str, value: float, more: int = 0) -> str:
    """Write a number with the decimals of another one."""
    return f"{value:.{_decimals(text) + more}f}"


def _changed(review: Review, table: str, row: Row, cells: Mapping[str, str]) -> Injected | None:
    """Return the review with new cells; ``None`` where nothing would be seen to change."""
    if all(row.get(column, "") == text for column, text in cells.items()):
        return None
    identifier = row["extraction_id"]
    return Injected(review.with_row(table, "extraction_id", {**row, **cells}), frozenset({identifier}))


def outside_interval(review: Review, table: str, row: Row, rng: Generator) -> Injected | None:
    """Move the estimate out of its interval by a tenth to a whole width of it."""
    low, high, estimate = (_number(row, f"diff_{name}") for name in ("ci_low", "ci_high", "estimate"))
    if low is None or high is None or estimate is None or low >= high:
        return None
    ratio = row.get("diff_measure") in RATIOS
    if ratio and low <= 0:
        return None
    ends = (math.log(low), math.log(high)) if ratio else (low, high)
    beyond = rng.uniform(0.1, 1.0) * (ends[1] - ends[0])
    moved = ends[1] + beyond if rng.random() < 0.5 else ends[0] - beyond
    text = row["diff_estimate"]
    step = 10.0 ** -_decimals(text)
    value = math.exp(moved) if ratio else moved
    # The move must survive rounding: at least two units of the last digit beyond the limit.
    value = max(value, high + 2 * step) if moved > ends[1] else min(value, low - 2 * step)
    return None if ratio and value <= 0 else _changed(review, table, row, {"diff_estimate": _like(text, value)})


def sign_slip(review: Review, table: str, row: Row, rng: Generator) -> Injected | None:
    """Turn the sign of the estimate; turn a ratio over."""
    estimate, low = _number(row, "diff_estimate"), _number(row, "diff_ci_low")
    if not estimate or low is None or _number(row, "diff_ci_high") is None:
        return None
    if row.get("diff_measure") not in RATIOS:
        return _changed(review, table, row, {"diff_estimate": _like(row["diff_estimate"], -estimate)})
    if estimate <= 0 or low <= 0:
        return None
    return _changed(review, table, row, {"diff_estimate": _like(row["diff_estimate"], 1 / estimate)})


def error_as_deviation(review: Review, table: str, row: Row, rng: Generator) -> Injected | None:
    """Type the standard errors of both arms, printed with one decimal more, into the columns of the SDs."""
    for stage in ("change", "follow"):
        cells = {}
        for arm in ARMS:
            sd, n = _number(row, f"{stage}_sd_{arm}"), _number(row, f"n_{arm}")
            if sd and n:
                column = f"{stage}_sd_{arm}"
                cells[column] = _like(row[column], sd / math.sqrt(n), more=1)
        if len(cells) == 2 and all(float(text) > 0 for text in cells.values()):
            return _changed(review, table, row, cells)
    return None


_LEVELS = tuple(
    f"{stage}_{part}_{arm}" for stage in ("baseline", "follow") for part in ("mean", "median") for arm in ARMS
)
_MEASURED = (
    *_LEVELS,
    *(f"{s}_{p}_{a}" for s in ("baseline", "follow", "change") for p in ("sd", "se", "q1", "q3") for a in ARMS),
    *(f"change_{part}_{arm}" for part in ("mean", "median", "ci_low", "ci_high") for arm in ARMS),
    *("diff_estimate", "diff_se", "diff_ci_low", "diff_ci_high"),
)


def other_unit(review: Review, table: str, row: Row, rng: Generator) -> Injected | None:
    """Type a row in a unit a hundred times smaller (cm/s for m/s) and leave the unit as it is."""
    window = review.rows["outcomes"][0].get("level_high", "")
    if not window or row.get("scale") != "raw" or not any(_number(row, column) for column in _LEVELS):
        return None
    cells = {c: _like("", 100 * v) if _decimals(row[c]) < 2 else _like(row[c][:-2].rstrip("."), 100 * v)
             for c in _MEASURED if (v := _number(row, c)) is not None}  # fmt: skip
    return _changed(review, table, row, cells)


def duplicate_trial(review: Review, table: str, row: Row, rng: Generator) -> Injected | None:
    """Enter a trial a second time under another name; one of its identifiers or its description gives it away."""
    trial = next(trial for trial in review.rows["trials"] if trial["study_id"] == row["study_id"])
    known = [c for c in ("registration", "doi", "pmid") if trial.get(c)]
    described = all(trial.get(c) for c in ("country", "dose_ug_per_day", "year"))
    if described and (
        trial.get("n_randomised_total") or (trial.get("n_randomised_treat") and trial.get("n_randomised_ctrl"))
    ):
        known.append("description")
    if not known or trial.get("report_of"):
        return None
    kept = str(rng.choice(known))
    twin = {**trial, "study_id": f"{trial['study_id']}again", "label": f"{trial.get('label', '')} (second report)"}
    for column in ("registration", "doi", "pmid"):
        if column != kept:
            twin[column] = ""
    if kept != "description":
        twin["year"] = str(int(float(trial["year"])) + 1) if trial.get("year") else ""
    copied = {**row, "study_id": twin["study_id"], "extraction_id": f"{twin['study_id']}-{review.outcome}-1"}
    both = review.with_row("trials", "study_id", twin).with_row(table, "extraction_id", copied)
    return Injected(both, frozenset({twin["study_id"]}))


def shared_control(review: Review, table: str, row: Row, rng: Generator) -> Injected | None:
    """Enter a second treatment arm against the same control group as a trial of its own."""
    stages = [s for s in ("change", "follow") if _number(row, f"{s}_sd_ctrl") and _number(row, f"{s}_sd_treat")]
    if not stages or not _number(row, "n_ctrl") or not _number(row, "n_treat") or row.get("role") != "main":
        return None
    trial = next(trial for trial in review.rows["trials"] if trial["study_id"] == row["study_id"])
    name = f"{trial['study_id']}dose2"
    arm = {**trial, "study_id": name, "label": name, "dose_ug_per_day": "1"}
    arm |= dict.fromkeys(("registration", "doi", "pmid", "n_randomised_treat", "n_randomised_total"), "")
    cells = {
        "study_id": name,
        "extraction_id": f"{name}-{review.outcome}-1",
        "n_treat": f"{float(row['n_treat']) + 1:g}",
    }
    for stage in ("baseline", "follow", "change"):
        mean, sd = f"{stage}_mean_treat", f"{stage}_sd_treat"
        if row.get(mean) and row.get(sd):
            # Follow-up and change move together, so that the row of the second arm stays consistent.
            shift = 10.0 ** -_decimals(row[mean]) * (0 if stage == "baseline" else 3)
            cells[mean] = _like(row[mean], float(row[mean]) + shift)
    cells |= dict.fromkeys((c for c in row if c.startswith("diff_") or c.startswith("p_")), "")
    both = review.with_row("trials", "study_id", arm).with_row(table, "extraction_id", {**row, **cells})
    return Injected(both, frozenset({cells["extraction_id"]}))


def wrong_p(review: Review, table: str, row: Row, rng: Generator) -> Injected | None:
    """Move the decimal point of p by one place."""
    p = _number(row, "p_value")
    if (
        not p
        or p >= 1
        or not any(row.get(c) for c in ("diff_ci_low", "diff_se", "change_sd_treat", "change_se_treat"))
    ):
        return None
    larger = 10 * p < 1 and rng.random() < 0.5
    text = _like(row["p_value"], 10 * p) if larger else _like(row["p_value"], p / 10, more=1)
    return _changed(review, table, row, {"p_value": text})


def other_coverage(review: Review, table: str, row: Row, rng: Generator) -> Injected | None:
    """Type a 90 % interval where a 95 % one belongs: 1.645 / 1.960 of the width."""
    low, high, estimate = (_number(row, f"diff_{name}") for name in ("ci_low", "ci_high", "estimate"))
    if low is None or high is None or estimate is None or row.get("diff_measure") in RATIOS:
        return None
    if row.get("diff_ci_level") not in ("95", "") or not (row.get("p_value") or row.get("diff_se")):
        return None
    share = 1.6449 / 1.9600
    cells = {
        column: _like(row[column], estimate + share * (end - estimate))
        for column, end in (("diff_ci_low", low), ("diff_ci_high", high))
    }
    return _changed(review, table, row, cells)


def decimal_slip(review: Review, table: str, row: Row, rng: Generator) -> Injected | None:
    """Move the decimal point of one printed mean change by one place."""
    for arm in sorted(ARMS, key=lambda _: rng.random()):
        column = f"change_mean_{arm}"
        checkable = row.get(f"follow_mean_{arm}") and row.get(f"baseline_mean_{arm}")
        if _number(row, column) and (checkable or row.get("diff_estimate")):
            return _changed(review, table, row, {column: _like(row[column], 10 * float(row[column]))})
    return None


def swapped_arms(review: Review, table: str, row: Row, rng: Generator) -> Injected | None:
    """Type the changes of treatment into the columns of control and the other way round."""
    if not (_number(row, "change_mean_treat") is not None and _number(row, "change_mean_ctrl") is not None):
        return None
    checkable = row.get("diff_estimate") or (row.get("follow_mean_treat") and row.get("baseline_mean_treat"))
    if not checkable or row["change_mean_treat"] == row["change_mean_ctrl"]:
        return None
    names = [f"change_{part}" for part in ("mean", "sd", "se", "ci_low", "ci_high")]
    cells = {
        f"{n}_{a}": row.get(f"{n}_{b}", "") for n in names for a, b in (ARMS, ARMS[::-1]) if f"{n}_{a}" in row
    }
    return _changed(review, table, row, cells)


def too_many_people(review: Review, table: str, row: Row, rng: Generator) -> Injected | None:
    """Type more people than were randomised."""
    trial = next(trial for trial in review.rows["trials"] if trial["study_id"] == row["study_id"])
    for arm in sorted(ARMS, key=lambda _: rng.random()):
        randomised = _number(trial, f"n_randomised_{arm}")
        if randomised and row.get(f"n_{arm}"):
            return _changed(review, table, row, {f"n_{arm}": f"{randomised + rng.integers(1, 30):.0f}"})
    return None


def percent_as_raw(review: Review, table: str, row: Row, rng: Generator) -> Injected | None:
    """Type the changes in percent of baseline where absolute ones belong."""
    cells = {}
    for arm in ARMS:
        baseline, change = _number(row, f"baseline_mean_{arm}"), _number(row, f"change_mean_{arm}")
        if not baseline or change is None or not row.get(f"follow_mean_{arm}") or row.get("scale") != "raw":
            return None
        for part in ("mean", "sd"):
            column = f"change_{part}_{arm}"
            if row.get(column):
                cells[column] = f"{100 * float(row[column]) / baseline:.1f}"
    return _changed(review, table, row, cells) if cells else None


_RESULTS = ("extractions", "cohorts")

ERRORS: dict[str, ErrorType] = {
    error.id: error
    for error in (
        ErrorType("outside_interval", "estimate outside its own interval", outside_interval, _RESULTS),
        ErrorType("sign_slip", "sign of the estimate turned (ratio turned over)", sign_slip, _RESULTS),
        ErrorType("se_as_sd", "standard errors typed as SDs", error_as_deviation),
        ErrorType("unit_x100", "row typed in a unit 100 times smaller", other_unit, kinds=("PWV",)),
        ErrorType("duplicate_trial", "one trial entered twice", duplicate_trial),
        ErrorType("shared_control", "one control group in two trials of a pool", shared_control, needs_pool=True),
        ErrorType("wrong_p", "decimal point of p moved", wrong_p, _RESULTS),
        ErrorType("coverage_90", "90 % interval typed as 95 %", other_coverage),
        ErrorType("decimal_slip", "decimal point of a mean change moved", decimal_slip),
        ErrorType("swapped_arms", "changes of the two arms exchanged", swapped_arms),
        ErrorType("too_many_people", "more people analysed than randomised", too_many_people),
        ErrorType("percent_as_raw", "changes in percent typed as absolute", percent_as_raw),
    )
}
"""Adding an error is one function, one entry here and a run of the challenge."""
