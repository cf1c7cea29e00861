"""GRIM and GRIMMER (C12) against every possible sample, and against published examples."""

from __future__ import annotations

import itertools
from decimal import ROUND_HALF_DOWN, ROUND_HALF_UP, Decimal, getcontext

import pytest

from k2meta.records.printed import read_printed
from k2meta.records.whole_numbers import grimmer
from tests.records.review import asked, build, ids, result

getcontext().prec = 40


def possible(mean: str, sd: str | None, n: int) -> bool:
    first, second = read_printed(mean), read_printed(sd or "")
    assert first is not None
    return grimmer(first, second, n)


def rounded(value: Decimal, decimals: int) -> set[str]:
    """Return a number rounded up and down at ties: papers do either."""
    step = Decimal(1).scaleb(-decimals)
    return {str(value.quantize(step, rounding=mode)) for mode in (ROUND_HALF_UP, ROUND_HALF_DOWN)}


def every_sample(n: int, top: int, decimals: int) -> set[tuple[str, str]]:
    """Return mean and SD, as printed, of every sample of ``n`` whole numbers from 0 to ``top``: the slow rule."""
    found = set()
    for sample in itertools.combinations_with_replacement(range(top + 1), n):
        mean = Decimal(sum(sample)) / n
        variance = sum((Decimal(x) - mean) ** 2 for x in sample) / (n - 1)
        found |= set(itertools.product(rounded(mean, decimals), rounded(variance.sqrt(), decimals)))
    return found


@pytest.mark.parametrize(("n", "top", "decimals"), [(3, 7, 1), (4, 6, 2), (5, 5, 2), (7, 4, 2), (8, 3, 1)])
def test_no_real_sample_of_whole_numbers_is_ever_called_impossible(n: int, top: int, decimals: int) -> None:
    wrong = [(m, s) for m, s in every_sample(n, top, decimals) if not possible(m, s, n)]
    assert wrong == []


def test_what_is_called_impossible_is_the_mean_or_sd_of_no_sample() -> None:
    n, top = 4, 14
    real = every_sample(n, top, 2)
    # A value at distance d from the mean of four makes the sum of squares at least d² (1 + 1/3), and an SD up to
    # 3.005 allows 27.1: no value of a sample with a mean from 5 to 9 leaves 0 to 14, so all of them are listed.
    called = 0
    for mean in range(500, 901):
        for sd in range(0, 301):
            texts = (f"{mean / 100:.2f}", f"{sd / 100:.2f}")
            if not possible(*texts, n):
                called += 1
                assert texts not in real
    assert called > 100_000


@pytest.mark.parametrize(
    ("mean", "sd", "n", "expected"),
    [
        pytest.param("5.19", None, 40, False, id="GRIM, R scrutiny's first example"),
        pytest.param("5.18", None, 40, True, id="207 / 40 = 5.175"),
        pytest.param("7.3", "2.51", 12, False, id="GRIMMER, R scrutiny's first example"),
        pytest.param("7.3", "2.5", 12, True, id="coarser digits allow it"),
        pytest.param("2.0", "1.4", 2, True, id="1 and 3"),
    ],
)
def test_published_examples(mean: str, sd: str | None, n: int, expected: bool) -> None:
    assert possible(mean, sd, n) is expected


def test_an_impossible_mean_of_counts_is_asked_about_with_its_neighbours() -> None:
    (query,) = asked(result("falls", follow_mean_treat="5.19", n_treat=40))
    assert (query.check, query.severity) == ("C12", "warn")
    assert "207 / 40 = 5.175, 208 / 40 = 5.2" in query.evidence
    assert asked(result("falls", follow_mean_treat="5.20", n_treat=40)) == ()


def test_an_impossible_sd_of_counts_is_asked_about() -> None:
    (query,) = asked(result("falls", follow_mean_ctrl="7.3", follow_sd_ctrl="2.51", n_ctrl=12))
    assert "no 12 whole numbers have mean 7.3 and SD 2.51 (GRIMMER)" in query.evidence


def test_continuous_outcomes_are_not_asked_about() -> None:
    for outcome in ("cac_agatston", "cfpwv"):
        assert "C12" not in {q.check for q in asked(result(outcome, follow_mean_treat="5.19", n_treat=40))}


def test_a_baseline_mean_may_be_of_all_who_were_randomised() -> None:
    row = result("falls", baseline_mean_treat="5.19", n_treat=40)
    assert ids(asked(row)) == ["C12 warn"]
    assert asked(row, trials=[{"study_id": "Trial", "n_randomised_treat": "42"}]) == ()


def test_the_note_on_grim_says_of_any_data_only_what_holds() -> None:
    def said(outcome: str, **cells: str) -> str:
        return next(note.said for note in build(result(outcome, **cells)).notes if note.check == "C12")

    nothing = "GRIM: nothing to ask; it tests means of whole numbers, and no outcome is marked as such (integer)."
    assert said("cfpwv", follow_mean_treat="5.19", n_treat="40") == nothing
    counts = said("events", events_treat="1", total_treat="20", events_ctrl="3", total_ctrl="20")
    assert counts == f"{nothing} Counts of people have no mean; C11 asks about them."
