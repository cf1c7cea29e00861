"""What the checks of the sampled model say: cross-validation, posterior prediction, power scaling."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from k2meta.analysis import Analysis
from k2meta.models.check_types import SENSITIVE, Loo, LooComparison, PowerScaling, PredictiveCheck
from k2meta.numbers import Traced, cited, fixed, of
from k2meta.tables.parts import ABSENT, derived, gate_failures, number, show_text
from k2meta.tables.types import Column, Row, TableData, Value
from k2meta.types import Query

DECIMALS = {"elpd": 2, "pareto_k": 1, "probability": 2, "sensitivity": 2}
"""Digits that sampling supports, in the file too: between the four chains of the shipped fits the Monte Carlo
standard errors are .01 to .07 (Pareto k), .0002 to .003 (probabilities) and .001 to .02 (sensitivities). A
difference in ELPD is a quadrature and stands in full in the file."""

UNUSUAL = 0.05
"""Share of replicated data sets, at either end, from which on the studies are called unexpected."""

CLEAR = 2.0
"""Standard errors from which on a difference in ELPD asks for attention."""

PARAMETERS = {"mu": "the mean", "tau": "τ"}


def model_checks(analyses: Sequence[Analysis], queries: Sequence[Query] = ()) -> TableData:
    """Return one row per question and check of its sampled model, with what the number says.

    Numbers from draws are rounded, in the file as well, to the digits that sampling supports.
    """
    rows = [{"analysis": analysis.spec.id, **row} for analysis in analyses for row in _rows(analysis)]
    return TableData(
        columns=_COLUMNS,
        rows=tuple(rows),
        caption="The model against its studies: checks by the sampled fit",
        notes=(
            "Pareto k: how much the posterior changes when a study is left out. ELPD: expected log predictive "
            "density of a study that was left out, summed over studies, by quadrature; higher is better. Of two "
            "studies a difference has no standard error, so none is given. Sensitivity: how far a posterior moves "
            "for each doubling of the weight of prior or likelihood (power scaling).",
            "The studies that are checked also made the fit, so these checks are mild. A check that asks for "
            "attention says where to look; it changes no number of the answer, which comes from the exact fit.",
        ),
    )


def _rows(analysis: Analysis) -> Iterator[dict[str, Value]]:
    checks = analysis.model_checks
    if checks is None:
        return
    fit = analysis.fits.get(checks.model)
    if fit is not None and gate_failures(analysis, fit):
        says = "The sampled fit did not pass its gate: no number of its draws is printed."
        yield {**_row("gate", fit.method, math.nan, "probability", True, says), "value": None}
        return
    labels = {effect.study_id: effect.label for effect in analysis.effects}
    names = tuple(labels.get(study, study) for study in checks.studies)
    noun = "cohort" if analysis.spec.source == "cohorts" else "trial"
    yield _left_out(checks.loo, names, noun)
    if checks.comparison is not None:
        yield _against(checks.comparison, noun)
    limits = {
        "scatter": derived(analysis, "model_checks.unusual", UNUSUAL),
        "furthest": derived(analysis, "model_checks.unusual", UNUSUAL),
        "power_scaling": derived(analysis, "model_checks.sensitive", SENSITIVE),
    }
    rows = (*_predicted(checks.predictive, names, noun), *(_scaled(one, noun) for one in checks.sensitivity))
    yield from ({**row, "limit": limits[str(row["check"])]} for row in rows)


def _doubtful(loo: Loo) -> tuple[int, ...]:
    """Return the studies at or above the limit of Pareto k, as far as sampling tells one from the other.

    The rounded shapes decide: a run of the sampler that differs in the digits behind would else read otherwise.
    """
    decimals = DECIMALS["pareto_k"]
    return tuple(i for i, k in enumerate(loo.pareto_k) if not round(k, decimals) < round(loo.good_k, decimals))


def _left_out(loo: Loo, names: tuple[str, ...], noun: str) -> dict[str, Value]:
    worst = max(range(len(names)), key=lambda i: loo.pareto_k[i])
    doubtful = [names[i] for i in _doubtful(loo)]
    says = f"It is below its limit for every {noun}: these draws can say how well the others predict each."
    if doubtful:
        says = (
            f"Leaving out {_joined(doubtful)} changes the posterior too much (Pareto k at or above its limit) for "
            "these draws to say how well the others predict it."
        )
    row = _row("pareto_k", names[worst], loo.pareto_k[worst], "pareto_k", bool(doubtful), says)
    return {**row, "limit": _supported(loo.good_k, DECIMALS["pareto_k"])}


def _against(found: LooComparison, noun: str) -> dict[str, Value]:
    worse = found.difference < -CLEAR * found.se
    says = f"They are not shown to predict a left-out {noun} better than the normal random effects of the fit."
    if worse:
        says = f"{found.other} predict a left-out {noun} better than the normal ones of the fit."
    elif found.difference > CLEAR * found.se:
        says = f"They predict a left-out {noun} less well than the normal random effects of the fit."
    says += f" With few {noun}s the standard error is itself uncertain."
    row = _row("elpd_difference", f"against {found.other}", found.difference, "elpd", worse, says)
    return {**row, "value": found.difference, "se": found.se}


def _predicted(found: PredictiveCheck, names: tuple[str, ...], noun: str) -> Iterator[dict[str, Value]]:
    p = found.chi2_p
    scatter = "as"
    if not UNUSUAL <= p <= 1 - UNUSUAL:
        scatter = "more than" if p < UNUSUAL else "less than"
    says = f"The {noun}s scatter {scatter} the model expects."
    yield _row("scatter", f"all {noun}s", p, "probability", scatter != "as", says)
    furthest, far = names[found.extreme], found.extreme_p < UNUSUAL
    says = f"{furthest} lies further out than the model expects of the furthest {noun}."
    if not far:
        says = f"{furthest} lies no further out than the model expects of the furthest {noun}."
    yield _row("furthest", furthest, found.extreme_p, "probability", far, says)


def _scaled(found: PowerScaling, noun: str) -> dict[str, Value]:
    name = PARAMETERS.get(found.parameter, found.parameter)
    says = {
        "none": f"The prior hardly moves {name}.",
        "prior-data conflict": (
            f"Prior and likelihood both move {name}: the pattern of a prior-data conflict, in which prior and "
            f"{noun}s pull towards different values."
        ),
        "strong prior, weak likelihood": (
            f"The prior moves {name} and the likelihood hardly does: the prior outweighs what the {noun}s say."
        ),
    }[found.diagnosis]
    row = _row("power_scaling", name, found.prior, "sensitivity", found.diagnosis != "none", says)
    return {**row, "likelihood": _supported(found.likelihood, DECIMALS["sensitivity"])}


def _row(check: str, about: str, value: float, kind: str, attention: bool, says: str) -> dict[str, Value]:
    return {
        "check": check,
        "about": about,
        "value": _supported(value, DECIMALS[kind]),
        "se": None,
        "likelihood": None,
        "limit": None,
        "attention": attention,
        "says": says,
    }


def _supported(value: float, decimals: int) -> float:
    """Return a number without the digits that another run of the sampler would change."""
    kept = round(float(value), decimals) + 0.0
    return Traced(kept, value.field) if isinstance(value, Traced) else kept


def _joined(names: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


CHECKS = {
    "gate": "Sampler",
    "pareto_k": "Largest Pareto k",
    "elpd_difference": "Difference in ELPD",
    "scatter": "P(replicated studies scatter more)",
    "furthest": "P(replicated studies lie further out)",
    "power_scaling": "Sensitivity",
}
"""Each check in the words of its row."""


def _number(row: Row) -> str:
    value, se, likelihood = (number(row, name) for name in ("value", "se", "likelihood"))
    if value is None:
        return ABSENT
    if likelihood is not None:
        return f"prior {_positive(value, 'sensitivity')}, likelihood {_positive(likelihood, 'sensitivity')}"
    if se is not None:
        return f"{fixed(value, DECIMALS['elpd'])} (SE {_positive(se, 'elpd')})"
    return _positive(value, "pareto_k" if row["check"] == "pareto_k" else "probability")


def _positive(value: float, kind: str) -> str:
    """Write a number above zero; one that rounds to zero as *below* the last digit that is written."""
    decimals = DECIMALS[kind]
    return (
        fixed(value, decimals)
        if round(value, decimals)
        else f"below {cited(value, f'{10.0**-decimals:.{decimals}f}')}"
    )


def _limit(row: Row) -> str:
    limit = number(row, "limit")
    if limit is None:
        return ABSENT
    if row["check"] == "scatter":
        return f"{fixed(limit, 2)} and {fixed(of(limit, 1 - limit), 2)}"
    return fixed(limit, DECIMALS["pareto_k" if row["check"] == "pareto_k" else "probability"])


_COLUMNS = (
    Column("analysis", "Question", show_text("analysis")),
    Column("check", "Check", lambda row: f"{CHECKS[str(row['check'])]}: {row['about']}"),
    Column("about"),
    Column("value"),
    Column("se"),
    Column("likelihood"),
    Column("number", "Number", _number, filed=False),
    Column("limit", "Limit", _limit),
    Column("attention", "Attention", show_text("attention")),
    Column("says", "What it says", show_text("says")),
)
