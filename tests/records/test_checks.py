"""The rest of the catalogue, and the promise that honest rounding never raises a query."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k2meta.records import CHECKS
from k2meta.records.printed import read_printed
from k2meta.records.tails import critical_value, two_sided_p
from tests.records.review import asked, ids, result

# The intervals are the exact decimal ones; only their conversion to binary differs.
EXACT = 1e-15
# Eight printed decimals of a normal and a t quantile.
TABLE = 5e-9


@pytest.mark.parametrize(
    ("text", "half"),
    [("0.040", 0.0005), ("300", 0.5), ("1.2e3", 50.0), ("-17", 0.5), ("5E-2", 0.005), ("0.0", 0.05)],
)
def test_the_last_printed_digit_sets_the_precision(text: str, half: float) -> None:
    number = read_printed(text)
    assert number is not None
    assert number.interval.high - number.value == pytest.approx(half, rel=1e-12)
    assert number.value - number.interval.low == pytest.approx(half, rel=1e-12)


@pytest.mark.parametrize("text", ["", "NR", "nan", "1e999", "1e-99999999999999", "<0.05"])
def test_what_is_no_number_has_no_precision(text: str) -> None:
    assert read_printed(text) is None


def test_interval_arithmetic_holds_every_possible_value() -> None:
    a, b = read_printed("-0.4"), read_printed("0.2")
    assert a is not None
    assert b is not None
    for x in (-0.45, -0.4, -0.35):
        for y in (0.15, 0.2, 0.25):
            for held, value in (
                (a.interval - b.interval, x - y),
                (a.interval * b.interval, x * y),
                (a.interval / b.interval, x / y),
                (abs(a.interval), abs(x)),
                (a.interval.squared(), x * x),
            ):
                assert held.low - EXACT <= value <= held.high + EXACT
    with pytest.raises(ZeroDivisionError):
        a.interval / (b.interval - b.interval)


def test_tails_match_printed_tables() -> None:
    assert critical_value(0.95, None) == pytest.approx(1.95996398, abs=TABLE)
    assert two_sided_p(1.95996398, None) == pytest.approx(0.05, abs=1e-8)
    # t with one degree of freedom is Cauchy, with two it has a closed form: both are derived, not remembered.
    assert two_sided_p(1.0, 1.0) == pytest.approx(0.5, abs=1e-12)
    assert two_sided_p(2.0, 2.0) == pytest.approx(1 - 2 / math.sqrt(6), abs=1e-12)


def test_the_catalogue_is_keyed_by_id_and_every_rule_is_said_in_words() -> None:
    assert list(CHECKS) == sorted(CHECKS)
    assert all(key == check.id and check.title and len(check.rule) > 20 for key, check in CHECKS.items())


def shown(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}"


@settings(max_examples=300)
@given(
    estimate=st.floats(-300, 300),
    se=st.floats(0.05, 90),
    decimals=st.integers(0, 3),
    p_decimals=st.integers(2, 4),
    n=st.integers(8, 400),
    normal=st.booleans(),
)
def test_a_rounded_difference_with_interval_and_p_is_silent(
    estimate: float, se: float, decimals: int, p_decimals: int, n: int, normal: bool
) -> None:
    df = None if normal else 2.0 * n - 2
    reach = critical_value(0.95, df) * se
    row = {
        "diff_measure": "MD",
        "diff_estimate": shown(estimate, decimals),
        "diff_ci_low": shown(estimate - reach, decimals),
        "diff_ci_high": shown(estimate + reach, decimals),
        "p_value": shown(two_sided_p(estimate / se, df), p_decimals),
        "n_treat": n,
        "n_ctrl": n,
    }
    assert asked(result(**row)) == ()


@settings(max_examples=300)
@given(
    log_ratio=st.floats(-1.5, 1.5),
    se=st.floats(0.03, 0.9),
    decimals=st.integers(2, 3),
    p_decimals=st.integers(2, 4),
)
def test_a_rounded_ratio_with_interval_and_p_is_silent(
    log_ratio: float, se: float, decimals: int, p_decimals: int
) -> None:
    reach = critical_value(0.95, None) * se
    ends = [math.exp(log_ratio + shift) for shift in (-reach, reach)]
    row = {
        "diff_measure": "HR",
        "diff_estimate": shown(math.exp(log_ratio), decimals),
        "diff_ci_low": shown(ends[0], decimals),
        "diff_ci_high": shown(ends[1], decimals),
        "p_value": shown(two_sided_p(log_ratio / se, None), p_decimals),
    }
    found = asked(result("events", **row))
    # A limit that rounds to 0.00 is a ratio of zero as printed: C29 asks about it, and rightly.
    assert [query.check for query in found] == (["C29"] if float(row["diff_ci_low"]) <= 0 else [])


@settings(max_examples=300)
@given(
    means=st.tuples(st.floats(-50, 50), st.floats(-50, 50)),
    sds=st.tuples(st.floats(1, 40), st.floats(1, 40)),
    sizes=st.tuples(st.integers(5, 300), st.integers(5, 300)),
    decimals=st.integers(0, 2),
    pooled=st.booleans(),
)
def test_rounded_arm_changes_with_their_p_are_silent(
    means: tuple[float, float], sds: tuple[float, float], sizes: tuple[int, int], decimals: int, pooled: bool
) -> None:
    (a, b), (n1, n2) = sds, sizes
    if pooled:
        df = n1 + n2 - 2.0
        se = math.sqrt(((n1 - 1) * a * a + (n2 - 1) * b * b) / df * (1 / n1 + 1 / n2))
    else:
        v1, v2 = a * a / n1, b * b / n2
        se, df = math.sqrt(v1 + v2), (v1 + v2) ** 2 / (v1**2 / (n1 - 1) + v2**2 / (n2 - 1))
    row = {
        "change_mean_treat": shown(means[0], decimals),
        "change_mean_ctrl": shown(means[1], decimals),
        "change_sd_treat": shown(a, decimals),
        "change_sd_ctrl": shown(b, decimals),
        "p_value": shown(two_sided_p((means[0] - means[1]) / se, df), 3),
        "n_treat": n1,
        "n_ctrl": n2,
    }
    # Two arms that print the same mean and SD are rare, not impossible: C23 asks, and rightly.
    same = row["change_mean_treat"] == row["change_mean_ctrl"] and row["change_sd_treat"] == row["change_sd_ctrl"]
    assert [query.check for query in asked(result(**row))] in ([[], ["C23"]] if same else [[]])


def test_every_sign_slip_of_a_clear_effect_is_caught() -> None:
    for estimate in range(5, 60):
        row = {"diff_estimate": estimate, "diff_ci_low": -estimate - 40, "diff_ci_high": -estimate + 40}
        (query,) = asked(result(diff_measure="MD", **row))
        assert query.check == "C02"
        assert "sign slip" in query.evidence


def test_a_ratio_that_was_turned_over_is_named() -> None:
    (query,) = asked(
        result("events", diff_measure="OR", diff_estimate="2", diff_ci_low="0.25", diff_ci_high="1.00")
    )
    assert (query.check, query.severity) == ("C02", "error")
    assert "the ratio was turned over" in query.evidence


def test_a_slightly_off_centre_estimate_only_warns() -> None:
    row = {"diff_estimate": "0.50", "diff_ci_low": "-0.23", "diff_ci_high": "1.36"}
    assert ids(asked(result("jet_velocity", diff_measure="MD", **row))) == ["C02 warn"]


def test_a_percentage_from_a_log_model_is_silent() -> None:
    # 0.8 (0.5 to 1.28) as ratios, symmetric on the log scale, printed as percent differences.
    row = {"diff_estimate": "-20", "diff_ci_low": "-50", "diff_ci_high": "28"}
    assert asked(result(diff_measure="PERCENT", scale="pct_change", units="%", **row)) == ()


def test_reversed_limits_are_named_and_nothing_else_is_asked() -> None:
    row = {"diff_estimate": "-17", "diff_ci_low": "53", "diff_ci_high": "-86", "p_value": "0.64"}
    (query,) = asked(result(diff_measure="MD", **row))
    assert (query.check, query.columns) == ("C29", ("diff_ci_low", "diff_ci_high"))


ARMS = {"change_mean_treat": "27", "change_mean_ctrl": "37", "diff_measure": "MD"}


@pytest.mark.parametrize(
    ("estimate", "adjusted", "expected"),
    [("-10", "", []), ("-25", "", ["C03 error"]), ("-25", "age", ["C03 note"]), ("10", "age", ["C03 error"])],
)
def test_arms_give_the_difference_unless_it_is_adjusted(estimate: str, adjusted: str, expected: list[str]) -> None:
    assert ids(asked(result(diff_estimate=estimate, adjusted_for=adjusted, **ARMS))) == expected


def test_two_routes_to_one_standard_error_agree() -> None:
    spread = {"change_se_treat": "6", "change_se_ctrl": "7", "diff_estimate": "-10"}
    wide = {"diff_ci_low": "-28", "diff_ci_high": "8"}
    assert asked(result(**ARMS, **spread, **wide)) == ()
    (query,) = asked(result(**ARMS, **spread, diff_ci_low="-20", diff_ci_high="0"))
    assert (query.check, query.severity) == ("C04", "warn")
    assert "SE = √(6² + 7²) = 9.22" in query.evidence


def test_a_p_that_fits_another_coverage_is_a_question_about_the_limits() -> None:
    row = {"diff_estimate": "-20.0", "diff_ci_low": "-36.4", "diff_ci_high": "-3.6", "p_value": "0.045"}
    printed = result(diff_measure="MD", diff_ci_level="95", n_treat=200, n_ctrl=200, **row)
    (query,) = asked(printed)
    assert (query.check, query.severity, query.columns[0]) == ("C07", "warn", "diff_ci_level")
    assert "a 95% interval has 1.96, a 90% interval 1.64" in query.evidence
    assert asked({**printed, "diff_ci_level": "90"}) == ()


def test_a_printed_standard_error_tells_the_coverage_of_the_limits() -> None:
    row = {"diff_estimate": "-20.0", "diff_ci_low": "-45.8", "diff_ci_high": "5.8", "diff_se": "10.0"}
    (query,) = asked(result(diff_measure="MD", n_treat=200, n_ctrl=200, **row))
    assert query.check == "C07"
    assert "99% interval 2.58" in query.evidence
    assert asked(result(diff_measure="MD", **{**row, "diff_ci_low": "-39.6", "diff_ci_high": "-0.4"})) == ()


def test_a_p_across_the_line_is_an_error_whatever_the_coverage() -> None:
    row = {"diff_estimate": "-20.0", "diff_ci_low": "-36.4", "diff_ci_high": "-3.6", "p_value": "0.30"}
    assert ids(asked(result(diff_measure="MD", n_treat=200, n_ctrl=200, **row))) == ["C05 error"]


def test_a_trend_p_is_not_recomputed() -> None:
    row = {"diff_measure": "HR", "diff_estimate": "0.52", "diff_ci_low": "0.29", "diff_ci_high": "0.94"}
    base = {"extraction_id": "C-1", "study_id": "C", "outcome": "events", "source_locator": "Abstract"}
    cohort = base | row | {"p_value": "0.30"}
    assert ids(asked(cohorts=[cohort])) == ["C05 error"]
    assert asked(cohorts=[cohort | {"p_printed": "P for trend 0.30"}]) == ()


def test_borrowed_arm_sizes_are_used() -> None:
    row = {
        "change_mean_treat": "-0.04",
        "change_sd_treat": "0.22",
        "change_mean_ctrl": "0.04",
        "change_sd_ctrl": "0.09",
    }
    lender = result("cimt", n_treat=33, n_ctrl=33)
    assert ids(
        asked(lender, result("cimt", number=2, n_source=lender["extraction_id"], p_value="0.02", **row))
    ) == ["C05 error"]
    assert asked(lender, result("cimt", number=2, p_value="0.02", **row)) == ()


def test_drop_out_excuses_a_shift_of_the_baseline() -> None:
    row = {"baseline_mean_treat": "9.8", "follow_mean_treat": "9.5", "change_mean_treat": "-0.6", "n_treat": "40"}
    trials = [{"study_id": "Trial", "n_randomised_treat": "60"}]
    assert ids(asked(result("cfpwv", **row), trials=trials)) == ["C08 warn"]
    assert asked(result("cfpwv", baseline_sd_treat="2.0", **row), trials=trials) == ()


@pytest.mark.parametrize(
    ("change_sd", "expected"), [("20", []), ("0.2", ["C09 warn"]), ("90", ["C09 error"]), ("60.5", ["C09 warn"])]
)
def test_the_implied_pre_post_correlation_is_possible(change_sd: str, expected: list[str]) -> None:
    spread = {"baseline_sd_treat": "40.0", "follow_sd_treat": "40.0", "change_sd_treat": change_sd}
    assert ids(asked(result("jet_velocity", **spread))) == expected


def test_three_standard_deviations_that_no_correlation_joins_are_an_error() -> None:
    spread = {"baseline_sd_treat": "20.0", "follow_sd_treat": "40.0", "change_sd_treat": "5.0"}
    (query,) = asked(result("jet_velocity", **spread))
    assert (query.check, query.severity) == ("C09", "error")
    assert "(20.0² + 40.0² − 5.0²) / (2 × 20.0 × 40.0) = 1.23" in query.evidence


def test_people_who_were_lost_may_explain_three_standard_deviations() -> None:
    spread = {"baseline_sd_treat": "20.0", "follow_sd_treat": "40.0", "change_sd_treat": "5.0", "n_treat": "38"}
    lost = [{"study_id": "Trial", "n_randomised_treat": "40"}]
    (query,) = asked(result("jet_velocity", **spread), trials=lost)
    assert (query.check, query.severity) == ("C09", "warn")
    assert "not among the analysed" in query.evidence
    (noted,) = [query for query in asked(result(**spread), trials=lost) if query.check == "C09"]
    assert noted.severity == "note"
    kept = [{"study_id": "Trial", "n_randomised_treat": "38"}]
    assert ids(asked(result("jet_velocity", **spread), trials=kept)) == ["C09 error"]


def test_a_score_that_accumulates_may_correlate_almost_perfectly() -> None:
    spread = {"baseline_sd_treat": "773", "follow_sd_treat": "790"}
    assert "C09" not in {q.check for q in asked(result(**spread, change_sd_treat="90"))}
    assert "C09" in {q.check for q in asked(result(**spread, change_sd_treat="18"))}


TRIAL = {"study_id": "Trial", "n_randomised_treat": "40", "n_randomised_ctrl": "42", "n_randomised_total": "82"}


@pytest.mark.parametrize(
    ("row", "trial", "expected"),
    [
        ({"n_treat": 40, "n_ctrl": 42, "n_total": 82}, {}, []),
        ({"n_treat": 41}, {}, ["C10 error"]),
        ({"total_ctrl": 43}, {}, ["C10 error"]),
        ({"n_treat": 30, "n_ctrl": 30, "n_total": 59}, {}, ["C10 error"]),
        ({"n_treat": 30, "n_ctrl": 30, "n_total": 70}, {}, ["C10 warn"]),
        ({"n_treat": 30, "n_ctrl": 30, "n_total": 80}, {"design": "parallel RCT (3 arms)"}, []),
        ({}, {"n_randomised_total": "80"}, ["C10 error"]),
        ({}, {"n_randomised_total": "132", "design": "three-arm RCT"}, []),
    ],
)
def test_participants_add_up(row: dict[str, int], trial: dict[str, str], expected: list[str]) -> None:
    assert ids(asked(result(**row), trials=[TRIAL | trial])) == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"events_treat": 3, "total_treat": 155, "percent_treat": "1.9"}, []),
        ({"events_treat": 3, "total_treat": 155, "percent_treat": "2.9"}, ["C11 error"]),
        ({"events_treat": 156, "total_treat": 155}, ["C11 error"]),
        ({"events_treat": 41, "n_treat": 40}, ["C11 error"]),
        ({"events_treat": 0, "total_treat": 13, "percent_treat": "0"}, []),
        ({"total_ctrl": 13, "percent_ctrl": "31"}, []),
        ({"total_ctrl": 13, "percent_ctrl": "33"}, ["C11 error"]),
    ],
)
def test_events_and_percentages_are_whole_counts(row: dict[str, object], expected: list[str]) -> None:
    assert ids(asked(result("events", **row))) == expected


def test_quartiles_out_of_order_and_spreads_of_zero_are_errors() -> None:
    quartiles = {"baseline_q1_treat": "221", "baseline_median_treat": "135", "baseline_q3_treat": "95"}
    assert ids(asked(result(**quartiles))) == ["C13 error"]
    assert ids(asked(result(diff_se="0.0"))) == ["C13 error"]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"baseline_min_treat": "4", "baseline_median_treat": "9", "baseline_max_treat": "8"}, ["C13 error"]),
        ({"baseline_mean_ctrl": "8.1", "baseline_min_ctrl": "4.0", "baseline_max_ctrl": "8.0"}, []),
        ({"baseline_mean_ctrl": "8.2", "baseline_min_ctrl": "4.0", "baseline_max_ctrl": "8.0"}, ["C13 error"]),
        # Half of the values at each end: SD = range / 2 · √(n / (n - 1)), 5 · √(2 / 1) and 5 · √(10 / 9).
        ({"n_treat": 10, "follow_sd_treat": "5.3", "follow_min_treat": "0.00", "follow_max_treat": "10.00"}, []),
        (
            {"n_treat": 10, "follow_sd_treat": "5.4", "follow_min_treat": "0.00", "follow_max_treat": "10.00"},
            ["C13 error"],
        ),
        ({"follow_sd_treat": "7.1", "follow_min_treat": "0.00", "follow_max_treat": "10.00"}, []),
        ({"follow_sd_treat": "7.2", "follow_min_treat": "0.00", "follow_max_treat": "10.00"}, ["C13 error"]),
    ],
)
def test_mean_and_sd_are_possible_within_the_printed_range(row: dict[str, object], expected: list[str]) -> None:
    assert ids(asked(result(**row))) == expected


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((100, 86), []),
        ((100, 85), []),
        ((100, 84), ["C10 warn"]),
        ((84, 100), ["C10 warn"]),
        ((84, ""), []),
    ],
)
def test_an_outcome_with_far_fewer_people_than_another_is_asked_about(
    sizes: tuple[object, object], expected: list[str]
) -> None:
    first, second = (
        result(outcome, extraction_id=f"A-{outcome}", n_total=size)
        for outcome, size in zip(("cac_agatston", "cfpwv"), sizes, strict=True)
    )
    queries = asked(first, second)
    assert ids(queries) == expected
    assert asked({**first, "role": "subgroup"}, second) == ()
    for query in queries:
        assert query.evidence == "n_total = 84, 16 % below 100 in " + (
            "A-cfpwv" if query.extraction_id == "A-cac_agatston" else "A-cac_agatston"
        )


def test_a_skewed_positive_quantity_is_noted() -> None:
    (query,) = asked(result(baseline_mean_treat="513", baseline_sd_treat="773"))
    assert (query.check, query.severity) == ("C13", "note")
    assert asked(result(change_mean_treat="10", change_sd_treat="120")) == ()


def test_an_accepted_spelling_of_the_same_unit_is_silent_and_an_unknown_one_is_not() -> None:
    assert asked(result("dpucmgp", units="pmol/L", baseline_median_treat="720")) == ()
    (query,) = asked(result("dpucmgp", units="RU/mL", baseline_median_treat="720"))
    assert query.evidence == "printed in RU/mL; the outcome is in pmol/L"


def test_a_percent_unit_needs_the_percent_scale() -> None:
    assert asked(result("dpucmgp", units="%", scale="pct_change", change_mean_treat="-17")) == ()
    (query,) = asked(result("dpucmgp", units="%", change_mean_treat="-17"))
    assert 'set scale to "pct_change"' in query.fix


def test_a_number_without_a_locator_is_a_warning_and_words_need_none() -> None:
    (query,) = asked(result(change_mean_treat="27", source_locator=""))
    assert (query.check, query.severity) == ("C26", "warn")
    assert asked(result(p_printed="not significant (no number)", source_locator="")) == ()


def test_a_secondary_source_that_differs_beyond_rounding_is_asked_about() -> None:
    first = result(change_mean_treat="-0.06", source_tier="primary_abstract")
    copy = result(number=2, change_mean_treat="-0.7", source_tier="secondary_news")
    (query,) = asked(first, copy)
    assert (query.query_id, query.severity) == ("C27-Trial-cac_agatston-2", "query")
    assert "change_mean_treat: −0.7 here, −0.06 there" in query.evidence
    assert asked(first, {**copy, "change_mean_treat": "-0.1"}) == ()


def test_a_result_printed_as_medians_is_noted() -> None:
    medians = {"follow_median_treat": "184", "follow_median_ctrl": "214"}
    assert ids(asked(result(**medians))) == ["C30 note"]
    assert asked(result(diff_estimate="-20", **medians)) == ()
