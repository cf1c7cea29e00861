"""The catalogue of data checks: id, title, severity and rule of each, in one plain dict."""

from __future__ import annotations

from k2meta.records.arithmetic import (
    arms_against_difference,
    change_disagrees,
    impossible_correlation,
    p_disagrees,
    standard_errors_disagree,
)
from k2meta.records.counts import impossible_events, participants_do_not_add_up
from k2meta.records.estimate import impossible_ratio_or_limits, off_centre, outside_own_interval
from k2meta.records.identity import conflicts_with_primary, number_without_source, trial_counted_twice
from k2meta.records.spread import impossible_or_skewed_spread, only_medians, sd_may_be_se
from k2meta.records.units import implausible_unit_or_level
from k2meta.records.view import Check

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
            "the pre-post correlation implied by three SDs lies between 0 and 0.99, and never outside −1 to 1",
        ),
        Check(
            "C10",
            "Participants do not add up",
            "error",
            participants_do_not_add_up,
            "nobody is analysed who was not randomised, and the arms add up to the total",
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
            "C13",
            "Impossible or skewed spread",
            "warn",
            impossible_or_skewed_spread,
            "quartiles are in order, spreads are above zero, a positive quantity has a mean above two SDs",
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
            "two trials share no registration, DOI or PMID, nor size, country, dose and year",
            ("trials",),
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
