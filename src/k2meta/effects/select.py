"""Which result of each trial enters an analysis, by declared rules; everything else is kept with its reason.

The rules, in order: inclusion (`where`), the result of the trial (role ``main``: of all randomised people, or of
the part named in ``subset`` where the trial prints nothing else), no machine-written source, no open error-level
query, a route to ``yi, vi``. Of what is left, one result per trial: first by the
order of the outcomes in the config, then by route, then by source, then by the longest follow-up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from k2meta.config import Moderator, Spec
from k2meta.effects.arm_routes import ARM_ROUTES, derive_active_arm
from k2meta.effects.errors import EffectError
from k2meta.effects.five_number import five_number, five_number_lognormal
from k2meta.effects.routes import COUNTED, RATIOS, ROUTES, Derived, Printed, derive
from k2meta.types import Cell, DropKind, Dropped, Effect, Outcome, Record

TIERS = {
    "primary_full_text": "full text",
    "primary_abstract": "abstract",
    "registry": "trial registry",
    "secondary_review": "table of a review",
    "secondary_news": "news or digest",
    "secondary_machine_written": "machine-written secondary page",
}
MACHINE_WRITTEN = "secondary_machine_written"
ROLE_REASONS: dict[str, tuple[DropKind, str]] = {
    "text_only": ("known_missing", "reported in words only; no poolable number is visible"),
    "baseline": ("known_missing", "only baseline values are visible"),
    "within_arm": ("known_missing", "only a within-arm result is visible; that is not a treatment effect"),
    "subgroup": ("not_poolable", "result of a subgroup of the people analysed"),
    "per_protocol": ("not_poolable", "per-protocol result, not of all randomised people"),
    "post_hoc": ("not_poolable", "post hoc result"),
    "other_contrast": ("not_poolable", "another contrast than the intervention against its own control"),
    "copy": ("other_result", "second report of the same result"),
}
OTHER_VISIT = "another visit than those of the other rows of this trial"
"""Why a row of role ``copy`` is left out that repeats no other row."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The effects of one analysis, one per trial, and every record that is not among them."""

    effects: tuple[Effect, ...]
    dropped: tuple[Dropped, ...]


@dataclass(frozen=True, slots=True)
class _Candidate:
    record: Record
    effect: Effect
    rank: tuple[object, ...]


def select(records: Sequence[Record], outcomes: Mapping[str, Outcome], spec: Spec) -> Selection:
    """Choose one effect per trial for an analysis.

    Parameters
    ----------
    records : sequence of Record
        Every record of the project, of any outcome.
    outcomes : mapping
        The outcome dictionary.
    spec : Spec
        The analysis.

    Returns
    -------
    Selection
        Effects in order of publication label as in the data file, and the dropped records with reasons.
    """
    lenders = {record.extraction_id: record for record in records}
    visits = {_visit(record) for record in records if record.text("role") != "copy"}
    candidates: list[_Candidate] = []
    dropped: list[Dropped] = []
    for record in records:
        if record.source != spec.source or record.outcome not in spec.outcomes:
            continue
        reason = _not_eligible(record, spec)
        if reason is not None:
            kind, why = reason
            if record.text("role") == "copy" and kind == "other_result" and _visit(record) not in visits:
                why = OTHER_VISIT
            dropped.append(_drop(record, kind, why))
            continue
        found = _effect(record, lenders, outcomes, spec)
        if isinstance(found, str):
            dropped.append(_drop(record, "not_poolable", found))
        else:
            candidates.append(_Candidate(record, found, _rank(record, found, spec)))
    chosen = _one_per_trial(candidates)
    ids = {candidate.record.extraction_id for candidate in chosen.values()}
    for candidate in candidates:
        if candidate.record.extraction_id not in ids:
            taken = chosen[_people(candidate.record)].record.extraction_id
            dropped.append(
                _drop(candidate.record, "other_result", f"another result of the same people is taken: {taken}")
            )
    position = {record.extraction_id: i for i, record in enumerate(records)}
    return Selection(
        effects=tuple(sorted((c.effect for c in chosen.values()), key=lambda e: position[e.extraction_id])),
        dropped=tuple(sorted(dropped, key=lambda d: position[d.extraction_id])),
    )


def _people(record: Record) -> str:
    """Return who was studied: the trial, or the trial whose participants a second report describes."""
    parent = record.trial.get("report_of")
    return parent if isinstance(parent, str) else record.study_id


def _visit(record: Record) -> tuple[str, str, float | None]:
    """Return what a result is of: the trial, the outcome and the time."""
    return record.study_id, record.outcome, record.number("timepoint_months")


def _one_per_trial(candidates: Iterable[_Candidate]) -> dict[str, _Candidate]:
    chosen: dict[str, _Candidate] = {}
    for candidate in candidates:
        key = _people(candidate.record)
        if key not in chosen or candidate.rank < chosen[key].rank:
            chosen[key] = candidate
    return chosen


def _rank(record: Record, effect: Effect, spec: Spec) -> tuple[object, ...]:
    tiers = list(TIERS)
    tier = record.text("source_tier")
    adjustment = record.number("adjustment_rank") or 0.0
    follow_up = effect.months or 0.0
    return (
        spec.outcomes.index(record.outcome),
        [*ROUTES, *ARM_ROUTES].index(effect.route),
        tiers.index(tier) if tier in tiers else len(tiers),
        -follow_up,
        -adjustment,
        record.extraction_id,
    )


def _not_eligible(record: Record, spec: Spec) -> tuple[DropKind, str] | None:
    for column, allowed in spec.where.items():
        value = record.trial.get(column, record.cells.get(column))
        if value not in allowed:
            return (
                "excluded",
                f"{column} is {value or 'not stated'}; this analysis takes {', '.join(allowed)}",
            )
    role = record.text("role") or "main"
    if role in ROLE_REASONS and not (role == "within_arm" and spec.contrast == "active_arm"):
        return ROLE_REASONS[role]
    if record.text("source_tier") == MACHINE_WRITTEN:
        return "not_poolable", "only a machine-written secondary page prints it; such rows never enter a pool"
    blocked = (*record.open_errors, *record.pool_errors.get(spec.id, ()))
    if blocked:
        return "open_query", f"an open data query keeps it out: {', '.join(blocked)}"
    return None


def _effect(
    record: Record, lenders: Mapping[str, Record], outcomes: Mapping[str, Outcome], spec: Spec
) -> Effect | str:
    """Return the effect of one record, or the reason why none can be derived."""
    outcome = outcomes[record.outcome]
    other_scale = _other_scale(record, outcome.unit) if spec.measure == "MD" else None
    if other_scale is not None:
        return other_scale
    if spec.contrast == "active_arm":
        return _active_arm(record, lenders, outcome, spec)
    sizes = _arm_sizes(record, lenders)
    cells = {name: value for name, value in record.cells.items() if isinstance(value, float)}
    if record.text("statistic_kind") not in ("t", "z"):
        cells.pop("statistic", None)
    correlation = spec.conversions.correlation
    printed = Printed(
        cells,
        record.text("scale") or "raw",
        record.text("diff_measure"),
        sizes.n1,
        sizes.n2,
        ratio=spec.ratio,
        r=correlation.value if correlation else None,
        r_source=correlation.source if correlation else "",
        medians=spec.conversions.medians,
    )
    found = derive(printed, spec.measure)
    if found is None:
        return _why_not(record, spec, printed)
    route, derived = found
    flip = spec.measure == "SMD" and outcome.lower_is_better != spec.lower_is_better
    if flip:
        step = f"sign turned: {'lower' if outcome.lower_is_better else 'higher'} {outcome.label} is better"
        derived = replace(derived, yi=-derived.yi, steps=(*derived.steps, step))
    return _assemble(record, spec, outcome, route, derived, sizes)


def _active_arm(record: Record, lenders: Mapping[str, Record], outcome: Outcome, spec: Spec) -> Effect | str:
    """Return the change inside the active arm of one record, or the reason why none can be derived."""
    sizes, alone = _arm_sizes(record, lenders), record.number("n_treat")
    if sizes.n1 is None and alone is not None:
        sizes = _ArmSizes(alone, None)
    cells = {name: value for name, value in record.cells.items() if isinstance(value, float)}
    printed = Printed(cells, record.text("scale") or "raw", record.text("diff_measure"), sizes.n1, sizes.n2)
    found = derive_active_arm(printed)
    if found is None:
        return "no change of the active arm with its standard deviation, error, interval or exact p is visible"
    effect = _assemble(record, spec, outcome, *found, sizes)
    enrolled = record.trial.get("n_randomised_treat")
    randomised = enrolled if isinstance(enrolled, float) else None
    return replace(effect, n_ctrl=None, n_total=effect.n_treat, randomised=randomised)


def _other_scale(record: Record, unit: str) -> str | None:
    """Return in words why a record is no difference in the native unit of its outcome, or ``None``."""
    if record.text("scale") == "pct_change" or record.text("diff_measure") == "PERCENT":
        return "printed as a percentage only"
    if record.text("diff_measure") in RATIOS:
        return f"printed as a ratio, not as a difference in {unit}"
    if record.text("scale") not in ("", "raw"):
        return f"printed on the {record.text('scale')} scale, not as a difference in {unit}"
    if record.text("units") != unit:
        return f"printed in {record.text('units') or 'no unit'}, not in {unit}"
    return None


def _assemble(
    record: Record, spec: Spec, outcome: Outcome, route: str, derived: Derived, sizes: _ArmSizes
) -> Effect:
    assumptions = list(sizes.assumptions) if derived.uses_arm_sizes else []
    # Sizes in doubt that no formula used are still counted as people.
    counted = () if derived.uses_arm_sizes or not record.text("n_note") else sizes.assumptions
    if derived.assumption:
        assumptions.append(derived.assumption)
    for column, printed in record.corrections.items():
        assumptions.append(f"{column} corrected from the printed {printed} (data/queries.csv)")
    subset = record.text("subset")
    part = (f"a part of the people randomised: {subset}",) if subset else ()
    label = record.trial.get("label")
    months = record.number("timepoint_months")
    years = record.number("follow_up_years")
    found = Effect(
        study_id=_people(record),
        label=label if isinstance(label, str) else record.study_id,
        yi=derived.yi,
        vi=derived.vi,
        measure=spec.measure,
        n_treat=sizes.n1 if derived.uses_arm_sizes or not sizes.assumptions else None,
        n_ctrl=sizes.n2 if derived.uses_arm_sizes or not sizes.assumptions else None,
        route=route,
        extraction_id=record.extraction_id,
        derivation=(*part, *derived.steps, *(f"people counted, not used here: {said}" for said in counted)),
        assumptions=tuple(assumptions),
        outcome=outcome.label,
        unit=spec.unit,
        months=months if months is not None else (12 * years if years is not None else None),
        intervention=_first_text(record, "intervention", "vitamer", "exposure_class"),
        population=_trial_text(record, "population") or _trial_text(record, "cohort"),
        source_tier=record.text("source_tier"),
        source_locator=record.text("source_locator"),
        source_url=record.text("source_url"),
        reference=_trial_text(record, "publication_id") or record.study_id,
        n_total=record.number("n_total") or sizes.lent_total,
        subset=subset,
        randomised=_randomised(record),
        moderators={one.id: _covariate(record, one) for one in spec.moderators},
    )
    return _counted(found, record) if route == "events" else found


def _counted(effect: Effect, record: Record) -> Effect:
    """Return an effect that was derived from a 2x2 table with its counts and its people."""
    return replace(
        effect,
        n_treat=record.number("total_treat"),
        n_ctrl=record.number("total_ctrl"),
        events_treat=record.number("events_treat"),
        events_ctrl=record.number("events_ctrl"),
    )


def _covariate(record: Record, moderator: Moderator) -> Cell:
    """Return a covariate of the trial (or of the extraction): a number, the name of a category or a group.

    ``None`` where it is not stated, has no logarithm that the settings ask for, or stands outside the comparison.
    """

    def cell(column: str) -> Cell:
        return record.trial.get(column, record.cells.get(column))

    if any(cell(column) not in allowed for column, allowed in moderator.where.items()):
        return None
    value = cell(moderator.column)
    if moderator.kind in ("number", "log2"):
        usable = isinstance(value, float) and (value > 0 or moderator.kind == "number")
        return value if usable else None
    name = f"{value:g}" if isinstance(value, float) else value
    if moderator.kind == "groups":
        return next((group for group, values in moderator.groups if name in values), None)
    return name


@dataclass(frozen=True, slots=True)
class _ArmSizes:
    n1: float | None
    n2: float | None
    assumptions: tuple[str, ...] = ()
    lent_total: float | None = None


def _arm_sizes(record: Record, lenders: Mapping[str, Record]) -> _ArmSizes:
    """Return the arm sizes of a record: printed, borrowed from a named row, or half of the total each."""
    # The denominators of a 2x2 table are arm sizes too.
    for names in (("n_treat", "n_ctrl"), ("total_treat", "total_ctrl")):
        n1, n2 = (record.number(name) for name in names)
        if n1 is not None and n2 is not None:
            note = record.text("n_note")
            return (
                _ArmSizes(n1, n2, (f"arm sizes {n1:g} and {n2:g}: {note}",), n1 + n2)
                if note
                else _ArmSizes(n1, n2)
            )
    lender = lenders.get(record.text("n_source"))
    if lender is not None:
        n1, n2 = lender.number("n_treat"), lender.number("n_ctrl")
        if n1 is not None and n2 is not None:
            source = TIERS.get(lender.text("source_tier"), "another row")
            sentence = f"arm sizes {n1:g} and {n2:g} borrowed from {lender.extraction_id} ({source})"
            return _ArmSizes(n1, n2, (sentence,), n1 + n2)
    total = record.number("n_total")
    if total is not None:
        sentence = f"arm sizes not seen; equal arms of {total / 2:g} assumed ({total:g} in all)"
        return _ArmSizes(total / 2, total / 2, (sentence,), total)
    return _ArmSizes(None, None)


def _why_not(record: Record, spec: Spec, given: Printed) -> str:
    """Return in words why no route applies to what a record prints."""
    printed = record.cells
    if given.has("events_treat", "events_ctrl"):
        if spec.measure in ("MD", "SMD"):
            return "printed as counts of events; this analysis pools differences of means"
        if not given.has("total_treat", "total_ctrl"):
            return "events are printed without the number of people in each arm"
        if given["events_treat"] + given["events_ctrl"] == 0:
            return f"no event in either arm: the {COUNTED.get(spec.ratio, 'ratio')} is not defined"
    if spec.ratio and record.text("diff_measure") in RATIOS and record.text("diff_measure") != spec.ratio:
        return f"printed as another ratio ({record.text('diff_measure')}); this analysis pools {spec.ratio}"
    if record.text("scale") == "pct_change" or record.text("diff_measure") == "PERCENT":
        return "printed as a percentage only"
    if any(isinstance(printed.get(f"{stage}_median_treat"), float) for stage in ("change", "follow")):
        return _why_no_median(given)
    if given.has("change_mean_treat") or given.has("diff_estimate"):
        return _why_no_spread(given)
    return "no poolable number is visible"


def _why_no_spread(given: Printed) -> str:
    """Return in words what a mean or a difference lacks: its spread, or the arm sizes that make it a variance."""
    between = ("diff_se", "diff_ci_low", "p_value")
    inside = [f"change_{spread}_treat" for spread in ("sd", "se", "ci_low")]
    if (given.n1 is None or given.n2 is None) and any(given.has(name) for name in (*between, *inside)):
        return "a spread is visible, but not the number of people in each arm, which this scale needs"
    return "no standard deviation, standard error, interval or exact p value is visible"


def _why_no_median(given: Printed) -> str:
    """Return in words why medians were not converted: not asked for, no quartiles, or skewed data."""
    if not given.medians:
        return "printed as medians; this analysis does not convert medians"
    for stage in ("change", "follow"):
        for side, n in (("treat", given.n1), ("ctrl", given.n2)):
            names = [f"{stage}_{cell}_{side}" for cell in ("q1", "median", "q3")]
            if n is None or not given.has(*names):
                continue
            log = given.medians == "lognormal" and stage == "follow"
            q1, median, q3 = (given[name] for name in names)
            try:
                found = (five_number_lognormal if log else five_number)(median=median, n=n, q1=q1, q3=q3)
            except EffectError as error:
                return f"printed as medians; not converted: {error}"
            if found.skewness.skewed:
                kind = "log-normal" if log else "normal"
                return f"printed as medians; not converted: skewed for {kind} data by the test of Shi 2023"
    return "printed as medians without the quartiles and sizes of both arms; not converted"


def _drop(record: Record, kind: DropKind, reason: str) -> Dropped:
    n1, n2 = record.number("n_treat"), record.number("n_ctrl")
    both = n1 + n2 if n1 is not None and n2 is not None else None
    total = record.number("n_total") or both or _randomised(record)
    label = record.trial.get("label")
    return Dropped(
        study_id=_people(record),
        label=label if isinstance(label, str) else record.study_id,
        extraction_id=record.extraction_id,
        outcome=record.outcome,
        kind=kind,
        reason=reason,
        reported=record.text("reported_result"),
        n_total=total,
        source_tier=record.text("source_tier"),
        source_locator=record.text("source_locator"),
        source_url=record.text("source_url"),
    )


def _randomised(record: Record) -> float | None:
    total = record.trial.get("n_randomised_total")
    if isinstance(total, float):
        return total
    arms = (record.trial.get("n_randomised_treat"), record.trial.get("n_randomised_ctrl"))
    numbers = [n for n in arms if isinstance(n, float)]
    return sum(numbers) if len(numbers) == 2 else None


def _first_text(record: Record, *columns: str) -> str:
    """Return the first of several columns of the trial that says something."""
    return next((text for column in columns if (text := _trial_text(record, column))), "")


def _trial_text(record: Record, column: str) -> str:
    value = record.trial.get(column)
    return value if isinstance(value, str) else ""
