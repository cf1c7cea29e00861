"""The challenge: its errors are what they say, its clean rows are clean, and the checks find what they must."""

from __future__ import annotations

import csv
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from k2meta import io
from k2meta.challenge import (
    ERRORS,
    KINDS,
    Outcome,
    Review,
    Score,
    met,
    missed,
    readme,
    run_challenge,
    shipped_reviews,
    synthetic_review,
    table,
    target,
)
from k2meta.challenge.score import _count, _in_synthetic, _Synthetic
from k2meta.challenge.words import COLUMNS, exact_interval
from k2meta.commands.challenge import challenge
from tests.records.review import asked

ROOT = Path(__file__).parents[2]
INJECTIONS = 20
# Some errors are no contradiction but a distance (how far an SD, a p or an interval is off): with 20 injections a
# share of .95 gives fewer than 16 catches once in 400 runs, and the seed is fixed.
FLOOR = 16
# Each of these contradicts something printed in the same row, whatever the numbers: none may slip through.
CERTAIN = ("outside_interval", "duplicate_trial", "shared_control", "too_many_people")


@pytest.fixture(scope="module")
def score() -> Score:
    tables, dictionary = io.read_project(ROOT)
    return run_challenge(7, INJECTIONS, shipped_reviews(tables, dictionary))


def found(score: Score, error: str) -> list[Outcome]:
    return [outcome for outcome in score.outcomes if outcome.error == error and outcome.injections]


def test_there_are_twelve_errors_and_each_was_injected_as_often_as_wanted(score: Score) -> None:
    assert len(ERRORS) == 12
    for error in ERRORS.values():
        kinds = {outcome.table: outcome.injections for outcome in score.outcomes if outcome.error == error.id}
        assert all(kinds[kind] == INJECTIONS for kind in error.kinds)
        assert kinds["shipped"] in (0, INJECTIONS)


@pytest.mark.parametrize("error", CERTAIN)
def test_an_error_that_contradicts_its_own_row_never_slips_through(score: Score, error: str) -> None:
    outcomes = found(score, error)
    assert len(outcomes) == 3
    assert [outcome.caught for outcome in outcomes] == [INJECTIONS] * 3


@pytest.mark.parametrize(
    ("error", "check"),
    [("outside_interval", "C01"), ("duplicate_trial", "C15"), ("shared_control", "C16"), ("unit_x100", "C14")],
)
def test_the_check_that_is_meant_for_an_error_is_the_one_that_finds_it(
    score: Score, error: str, check: str
) -> None:
    for outcome in found(score, error):
        assert outcome.checks[check] >= FLOOR, outcome


@pytest.mark.parametrize("error", ["sign_slip", "unit_x100", "se_as_sd", "wrong_p"])
def test_most_errors_of_size_are_found_in_made_up_tables(score: Score, error: str) -> None:
    for outcome in found(score, error):
        assert outcome.table == "shipped" or outcome.caught >= FLOOR, outcome


def test_clean_rows_are_seldom_flagged(score: Score) -> None:
    for clean in score.clean:
        assert clean.rows > 100
        assert clean.flagged_by_error <= 0.02 * clean.rows, clean
        assert clean.flagged <= 0.10 * clean.rows, clean


def test_two_runs_write_the_same_page_and_table() -> None:
    first, second = (run_challenge(11, 1, {}) for _ in range(2))
    assert readme(first) == readme(second)
    assert table(first) == table(second)
    assert readme(first) != readme(run_challenge(12, 1, {}))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ERRORS)
def test_an_error_changes_one_row_and_leaves_the_others_as_they_are(kind: str, name: str) -> None:
    error = ERRORS[name]
    if kind not in error.kinds:
        return
    done = 0
    for number in range(12):
        rng = np.random.default_rng(number)
        review = synthetic_review(KINDS[kind], rng)
        for row in review.rows["extractions"]:
            injected = error.inject(review, "extractions", row, rng)
            if injected is None:
                continue
            done += 1
            before, after = (
                {(t, *r.values()) for t, rows in one.rows.items() for r in rows}
                for one in (review, injected.review)
            )
            assert len(after - before) in (1, 2)
            assert len(before - after) <= 1
    assert done > 5


def one_row(**cells: str) -> Review:
    rng = np.random.default_rng(3)
    review = synthetic_review(KINDS["PWV"], rng)
    row = {**review.rows["extractions"][0], **cells}
    return review.with_row("extractions", "extraction_id", row)


def changed(error: str, **cells: str) -> dict[str, str]:
    review = one_row(**cells)
    row = review.rows["extractions"][0]
    injected = ERRORS[error].inject(review, "extractions", row, np.random.default_rng(5))
    assert injected is not None
    return dict(injected.review.rows["extractions"][0])


def test_injected_errors_have_the_size_they_are_named_after() -> None:
    arms = {"change_sd_treat": "1.2", "change_sd_ctrl": "1.5", "n_treat": "36", "n_ctrl": "25"}
    row = changed("se_as_sd", **arms)
    assert (row["change_sd_treat"], row["change_sd_ctrl"]) == ("0.20", "0.30")
    row = changed("sign_slip", diff_measure="MD", diff_estimate="-0.40", diff_ci_low="-0.90", diff_ci_high="0.10")
    assert row["diff_estimate"] == "0.40"
    ends = {"diff_measure": "MD", "diff_estimate": "-0.40", "diff_ci_low": "-2.36", "diff_ci_high": "1.56"}
    row = changed("coverage_90", p_value="0.69", **ends)
    assert (row["diff_ci_low"], row["diff_ci_high"]) == ("-2.04", "1.24")
    row = changed("unit_x100", baseline_mean_treat="9.84", change_mean_treat="-0.3")
    assert (row["baseline_mean_treat"], row["change_mean_treat"]) == ("984", "-30")
    assert changed("wrong_p", p_value="0.62", change_sd_treat="1.2")["p_value"] == "0.062"


def test_an_estimate_that_prints_as_nothing_has_no_sign_to_slip() -> None:
    review = one_row(diff_measure="MD", diff_estimate="0.00", diff_ci_low="-0.5", diff_ci_high="0.5")
    row = review.rows["extractions"][0]
    assert ERRORS["sign_slip"].inject(review, "extractions", row, np.random.default_rng(5)) is None


def test_exact_intervals_of_shares_are_those_of_the_binomial() -> None:
    # Clopper and Pearson: at the limits the tail of the binomial beyond what was seen is 2.5 %.
    low, high = exact_interval(17, 20)
    assert binom.sf(16, 20, low) == pytest.approx(0.025, rel=1e-9)
    assert binom.cdf(17, 20, high) == pytest.approx(0.025, rel=1e-9)
    assert exact_interval(0, 20)[0] == 0
    assert exact_interval(20, 20)[1] == 1


def test_a_missed_target_is_said_and_never_hidden() -> None:
    low = Outcome("sign_slip", "PWV", 20, 20, 12, 12, {"C02": 12})
    poor = Score(1, 20, (low,), ())
    assert (target(low), met(low)) == (0.95, False)
    assert "0.95 **missed**" in readme(poor)
    assert missed(poor) == ["sign of the estimate turned (ratio turned over) (PWV): 12 of 20"]


def test_the_published_challenge_is_whole_and_says_what_it_says() -> None:
    folder = ROOT / "validation" / "challenge"
    with (folder / "table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert {row["error"] for row in rows} == {*ERRORS, "none (clean row)"}
    page = (folder / "README.md").read_text("utf-8")
    for row in rows:
        if row["injections"] not in ("0", ""):
            assert int(row["injections"]) == 200
            cells = f"| {ERRORS[row['error']].title} | {row['table']} | {row['caught']} of {row['injections']} |"
            assert cells in page
    assert (page.count("**missed**") > 0) == any(row["met"] == "no" for row in rows)


def test_a_published_row_is_what_the_command_writes_to_the_byte(tmp_path: Path) -> None:
    # The row with the most misses; the whole table takes minutes.
    error = "coverage_90"
    told = inspect.signature(challenge).parameters
    seed, injections = told["seed"].default, told["injections"].default
    outcome = _count(ERRORS[error], "PWV", _in_synthetic(ERRORS[error], _Synthetic("PWV", seed), injections))
    io.write_table(tmp_path / "table.csv", *table(Score(seed, injections, (outcome,), ())))
    head, row = (tmp_path / "table.csv").read_bytes().splitlines()
    published = (ROOT / "validation" / "challenge" / "table.csv").read_bytes().splitlines()
    assert published[0] == head
    assert row in published


def test_every_number_of_the_published_table_is_written_as_the_command_writes_it(tmp_path: Path) -> None:
    path = ROOT / "validation" / "challenge" / "table.csv"
    with path.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    parsed = [[float(cell) if re.fullmatch(r"[0-9.e-]+", cell) else cell for cell in row] for row in rows]
    io.write_table(tmp_path / "table.csv", head, parsed)
    assert (tmp_path / "table.csv").read_bytes() == path.read_bytes()


def test_a_p_near_one_tells_nothing_about_standard_errors() -> None:
    from tests.records.test_real_cases import OTHERS, arms

    row = arms(("30.1", "7.2"), ("30.0", "6.9"), study="Shea2009", n_treat=200, n_ctrl=188, p_value="0.99")
    assert [query.check for query in asked(row, *OTHERS)] == ["C06"]
