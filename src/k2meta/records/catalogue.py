"""The catalogue of data checks: id, title, severity and rule of each, in one plain dict."""

from __future__ import annotations

from k2meta.records.arithmetic import (
    arms_against_difference,
    change_disagrees,
    impossible_correlation,
    p_disagrees,
    standard_errors_disagree,
)
from k2meta.records.copied import copied_numbers
from k2meta.records.counts import impossible_events, participants_do_not_add_up
from k2meta.records.coverage import other_coverage
from k2meta.records.direction import direction_unclear
from k2meta.records.double_entry import extractors_disagree
from k2meta.records.estimate import impossible_ratio_or_limits, off_centre, outside_own_interval
from k2meta.records.identity import conflicts_with_primary, number_without_source, trial_counted_twice
from k2meta.records.notices import retracted
from k2meta.records.pool import PoolCheck
from k2meta.records.pool_checks import (
    design_ignored,
    leverage,
    mixed_stages,
    several_effects,
    shared_control,
    two_time_points,
)
from k2meta.records.scales import scale_conflict
from k2meta.records.spread import impossible_or_skewed_spread, only_medians, sd_may_be_se
from k2meta.records.units import implausible_unit_or_level
from k2meta.records.view import Check
from k2meta.records.whole_numbers import impossible_mean_or_sd

_RESULTS = ("extractions", "cohorts")

CHECKS: dict[str, Check] = {
    check.id: check
    for check in (
        Check(
            "C01",
            "Estimate outside its own interval",
            "error",
            outside_own_interval,
            "an estimate lies between the limits of its own interval",
            _RESULTS,
        ),
        Check(
            "C02",
            "Estimate off the centre of its interval",
            "error",
            off_centre,
            "an estimate is the midpoint of its interval, the log-midpoint for a ratio, within rounding",
            _RESULTS,
        ),
        Check(
            "C03",
            "Arms do not give the difference",
            "error",
            arms_against_difference,
            "treatment minus control of the arm means is the printed difference, unless it is adjusted",
        ),
        Check(
            "C04",
            "Standard errors disagree",
            "warn",
            standard_errors_disagree,
            "the standard error from the arms and the one from the printed difference agree (ratio 0.8 to 1.25)",
        ),
        Check(
            "C05",
            "p value does not follow",
            "warn",
            p_disagrees,
            "p follows from estimate and standard error by z or t, within rounding",
            _RESULTS,
        ),
        Check(
            "C06",
            "SD may be a standard error",
            "query",
            sd_may_be_se,
            "an SD is not 2.5 times below the median of the other studies and closer to it times √n",
        ),
        Check(
            "C07",
            "Limits of another coverage",
            "warn",
            other_coverage,
            "half an interval is the critical value of its stated coverage times the standard error",
            _RESULTS,
        ),
        Check(
            "C08",
            "Change does not follow from the means",
            "warn",
            change_disagrees,
            "follow-up minus baseline is the printed change, within rounding and drop-out",
        ),
        Check(
            "C09",
            "Impossible pre-post correlation",
            "warn",
            impossible_correlation,
            "the pre-post correlation that three SDs imply lies in 0 to 0.99 (a score: 0.999), never beyond ±1",
        ),
        Check(
            "C10",
            "Participants do not add up",
            "error",
            participants_do_not_add_up,
            "nobody is analysed who was not randomised, arms add up to their total, no outcome of a trial has "
            "over 15 % fewer people than another",
            ("trials", "extractions"),
        ),
        Check(
            "C11",
            "Impossible events or percentage",
            "error",
            impossible_events,
            "events do not exceed people, and a percentage is a whole count to its printed digits",
        ),
        Check(
            "C12",
            "Impossible mean or SD of whole numbers",
            "warn",
            impossible_mean_or_sd,
            "n whole numbers can have the printed mean (GRIM) and SD (GRIMMER)",
        ),
        Check(
            "C13",
            "Impossible or skewed spread",
            "warn",
            impossible_or_skewed_spread,
            "quantiles are in order, mean and SD are possible within the range, spreads are above zero, a "
            "positive quantity has a mean above two SDs",
        ),
        Check(
            "C14",
            "Implausible unit or level",
            "error",
            implausible_unit_or_level,
            "the unit is that of the outcome, and arm levels lie in its plausible window",
        ),
        Check(
            "C15",
            "One trial in two rows",
            "error",
            trial_counted_twice,
            "two trials share no registration, DOI or PMID, nor size, country, dose (else intervention) and year",
            ("trials",),
        ),
        Check(
            "C19",
            "Direction unclear",
            "error",
            direction_unclear,
            "every outcome says which way is better, and a sign against the words of the source has a sign_note",
        ),
        Check(
            "C23",
            "Copied numbers",
            "warn",
            copied_numbers,
            "two arms, or arms of two studies, do not print the same mean and SD beyond chance",
            ("trials", "extractions"),
        ),
        Check(
            "C24",
            "Retracted or under concern",
            "error",
            retracted,
            "no retraction or expression of concern about the paper stands in data/retractions.csv",
            ("trials", "cohorts"),
        ),
        Check(
            "C25",
            "Extractors differ",
            "query",
            extractors_disagree,
            "a second extractor typed the same cells",
            ("extractions", "extractions_second"),
        ),
        Check(
            "C26",
            "Number without a source",
            "warn",
            number_without_source,
            "every printed number names the place where it stands",
            _RESULTS,
        ),
        Check(
            "C27",
            "Secondary source conflicts with the primary",
            "query",
            conflicts_with_primary,
            "a secondary source prints the same numbers as the primary one, within rounding",
        ),
        Check(
            "C28",
            "Scales do not go together",
            "error",
            scale_conflict,
            "percent, logarithm and a rate per year are not mixed with absolute, raw and whole follow-up",
        ),
        Check(
            "C29",
            "Impossible ratio or reversed limits",
            "error",
            impossible_ratio_or_limits,
            "ratios and their limits are above zero, and no lower limit exceeds its upper one",
            _RESULTS,
        ),
        Check(
            "C30",
            "Only medians are printed",
            "note",
            only_medians,
            "a result printed as medians is converted before pooling, and the conversion is marked",
        ),
    )
}
"""Adding a check is one function, one entry here and one test."""

POOL_CHECKS: dict[str, PoolCheck] = {
    check.id: check
    for check in (
        PoolCheck(
            "C16",
            "Shared control counted twice",
            "error",
            shared_control,
            "no control group stands in two effects of one pool, unless it is split",
        ),
        PoolCheck(
            "C17",
            "Change and final values mixed",
            "error",
            mixed_stages,
            "a pool of SMDs standardises all effects by SDs of changes or all by SDs of final values; a pool of "
            "mean differences that mixes the two is noted",
        ),
        PoolCheck(
            "C18",
            "Two time points of one study",
            "error",
            two_time_points,
            "one study gives one time point to a pool",
        ),
        PoolCheck(
            "C20",
            "Design ignored",
            "error",
            design_ignored,
            "a crossover or cluster trial is not pooled with the standard error of two independent arms",
        ),
        PoolCheck(
            "C21",
            "Several effects of one study",
            "error",
            several_effects,
            "one study gives one effect to a pool without a dependence model",
        ),
        PoolCheck(
            "C22",
            "One study leads the pool",
            "warn",
            leverage,
            "no study has more than half the weight, lies three standard errors off or is 10⁷ times as precise",
            after=True,
        ),
    )
}
"""Checks of a whole pool: one function, one entry here and one test."""
