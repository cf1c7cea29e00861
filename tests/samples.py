"""Analyses made of synthetic effects, for tests of figures, tables and the report. No file is read."""

from __future__ import annotations

from itertools import combinations

import numpy as np

import k2meta as km
from k2meta.analysis import Analysis, Influence, LeftOut, Line, MissingResults, PatientSD, SmallStudyTest, Spec
from k2meta.commands.sensitivity import averaged, under_priors
from k2meta.config import Model
from k2meta.models.check_types import Diagnosis, Loo, LooComparison, ModelChecks, PowerScaling, PredictiveCheck
from k2meta.models.fit import Fit
from k2meta.refits import (
    ConfidenceCurve,
    Cumulative,
    Limits,
    Multiverse,
    Pull,
    Pulls,
    Refits,
    Specification,
    Step,
    SubsetMap,
    WithWithout,
)
from k2meta.sensitivity.baujat import baujat
from k2meta.sensitivity.confidence_curve import confidence_curve
from k2meta.sensitivity.cumulative import cumulative
from k2meta.sensitivity.multiverse import Choice, multiverse, standard_choices
from k2meta.types import (
    BiasJudgement,
    CertaintyRating,
    ChecklistEntry,
    Dropped,
    Effect,
    FlowCount,
    Judgements,
)


def spec(measure: str = "MD", *, headline: bool = True, identifier: str = "sample") -> Spec:
    """Return a specification of an invented outcome."""
    return Spec(
        id=identifier,
        title="Coronary calcification progression",
        question="Does the treatment slow coronary artery calcification?",
        source="trials",
        outcomes=("cac_agatston",),
        measure=measure,  # type: ignore[arg-type]
        unit={"MD": "Agatston units", "SMD": "standard deviations", "LOGRATIO": "ratio"}[measure],
        lower_is_better=True,
        favours_low="vitamin K",
        favours_high="control",
        where={"design_class": ("rct",)},
        caveat="A surrogate outcome: no trial shows that slower progression prevents events.",
        lines=(Line(-100.0 if measure == "MD" else -0.2, "100 AU per year", "MESA", "anchor"),),
        patient_sd=PatientSD(90.0, "invented for this test") if measure == "MD" else None,
        headline=headline,
        scale_note="",
    )


def bayesian(tau_prior: dict[str, object] | None = None, mu_prior: object = "flat") -> Model:
    """Return an exact Bayesian model of the settings; half-normal(0.5) for tau unless told otherwise."""
    prior = tau_prior or {"family": "half_normal", "scale": 0.5}
    return Model("bayes_exact", "bayes_exact", {"tau_prior": prior, "mu_prior": mu_prior})


def effects(k: int, measure: str = "MD", seed: int = 1) -> tuple[Effect, ...]:
    """Return ``k`` synthetic effects; scale 30 units for MD, 0.3 otherwise."""
    rng = np.random.default_rng(seed)
    scale = 30.0 if measure == "MD" else 0.3
    return tuple(
        Effect(
            study_id=f"Trial{i}",
            label=f"Author {1999 + i}",
            yi=float(-scale / 2 + scale * rng.normal()),
            vi=float((scale * rng.uniform(0.3, 2.0)) ** 2),
            measure=measure,
            n_treat=float(rng.integers(20, 200)),
            n_ctrl=float(rng.integers(20, 200)),
            route="arms_sd",
            extraction_id=f"Trial{i}-cac_agatston-1",
            derivation=("difference of the arm means", "SE from the arm SDs"),
            assumptions=("arm sizes assumed equal (42 in all)",) if i % 3 == 0 else (),
            outcome="cac_agatston",
            unit="AU",
            months=24.0,
            intervention="MK-7",
            population="adults",
            source_tier="primary_abstract" if i % 2 else "primary_full_text",
            source_locator="Abstract, Results",
            source_url="https://example.org/trial",
            reference=f"Author{1999 + i}",
        )
        for i in range(k)
    )


def dropped() -> tuple[Dropped, ...]:
    """Return one trial of each kind that is not in the pool."""
    kinds = ("known_missing", "not_poolable", "other_result", "open_query", "excluded")
    return tuple(
        Dropped(
            study_id=f"Missing{i}",
            label=f"Missing {2001 + i}",
            extraction_id=f"Missing{i}-cac_agatston-1",
            outcome="cac_agatston",
            kind=kind,  # type: ignore[arg-type]
            reason="no arm values, difference or interval is printed",
            reported=("no_difference", "favours_treatment", "", "not_seen", "favours_control")[i],
            n_total=88.0,
            source_tier="primary_abstract",
            source_locator="Abstract",
            source_url="https://example.org/missing",
        )
        for i, kind in enumerate(kinds)
    )


def refits(rows: tuple[Effect, ...]) -> Refits:
    """Return every refit that a figure draws, by the same functions as the pipeline."""
    yi, vi = np.array([row.yi for row in rows]), np.array([row.vi for row in rows])
    k = len(rows)
    steps = cumulative(yi, vi, km.random_effects, order=list(range(k)))
    pulls = baujat(yi, vi)
    many = multiverse(
        yi, vi, sets={"all studies": range(k), "first ones": range(k // 2)}, choices=standard_choices()
    )
    head = Choice("random effects", "REML", "HKSJ-guarded")
    curve = confidence_curve(yi, vi, lambda y, v, level: km.random_effects(y, v, level=level))
    return Refits(
        cumulative=Cumulative(
            tuple(
                Step(rows[one.added].study_id, rows[one.added].label, str(1999 + n), n + 1, one.fit.mu, 0.0)
                for n, one in enumerate(steps)
            )
        ),
        baujat=Pulls(
            tuple(
                Pull(row.study_id, row.label, x, y)
                for row, x, y in zip(rows, pulls.contribution, pulls.influence, strict=True)
            )
        ),
        multiverse=Multiverse(
            tuple(
                Specification(
                    one.data,
                    one.choice.model,
                    one.choice.tau2,
                    one.choice.interval,
                    one.k,
                    one.mu,
                    one.tau2,
                    one.choice == head and one.data == "all studies",
                )
                for one in many.universes
            ),
            many.left_out,
        ),
        confidence_curve=ConfidenceCurve("reml", tuple(Limits(one.level, one.low, one.high) for one in curve)),
        gosh=subset_map(rows) if 6 <= k <= 9 else None,
    )


def subset_map(rows: tuple[Effect, ...]) -> SubsetMap:
    """Return the GOSH map of a few effects, from a plain loop over their subsets and not from the batch engine."""
    subsets = [c for size in range(2, len(rows) + 1) for c in combinations(range(len(rows)), size)]
    fits = [km.random_effects([rows[i].yi for i in c], [rows[i].vi for i in c], tau2="DL") for c in subsets]
    mu, i2 = np.array([fit.mu.value for fit in fits]), np.array([fit.i2 for fit in fits])
    columns, lines = np.linspace(mu.min(), mu.max(), 21), np.linspace(0, 100, 11)
    counts = np.histogram2d(i2, mu, bins=(lines, columns))[0].astype(int)
    studies = []
    for i, row in enumerate(rows):
        has = np.array([i in c for c in subsets])
        inside, outside = (tuple(np.percentile(mu[part], [25, 50, 75]).tolist()) for part in (has, ~has))
        studies.append(WithWithout(row.study_id, row.label, inside, outside))
    return SubsetMap(
        len(rows),
        len(subsets),
        True,
        tuple(columns.tolist()),
        tuple(lines.tolist()),
        tuple(tuple(line) for line in counts.tolist()),
        tuple(studies),
    )


def analysis(
    k: int = 5, measure: str = "MD", seed: int = 1, *, identifier: str = "sample", refitted: bool = True
) -> Analysis:
    """Return a whole analysis with fitted models; fewer than two effects are not pooled."""
    rows = effects(k, measure, seed)
    fits: dict[str, Fit] = {}
    out: tuple[LeftOut, ...] = ()
    if k >= 2:
        yi = np.array([row.yi for row in rows])
        vi = np.array([row.vi for row in rows])
        prior = km.priors.HalfNormal(45.0 if measure == "MD" else 0.5)
        fits = {
            "reml_hksj": km.random_effects(yi, vi, tau2="REML", interval="HKSJ-guarded"),
            "common_effect": km.common_effect(yi, vi),
            "bayes_exact": km.bayes_random_effects(yi, vi, tau_prior=prior, mu_prior=None),
        }
    if k >= 3:
        found = []
        for i, row in enumerate(rows):
            fit = km.random_effects(np.delete(yi, i), np.delete(vi, i))
            found.append(LeftOut(row.study_id, row.label, fit.mu, fit.tau2.value, fit.tau.value))
        out = tuple(found)
    pulls = tuple(
        Influence(row.study_id, row.label, 0.4 - i, 0.3, 0.09, 1.2, 1 / k, 12.5, i == 0)
        for i, row in enumerate(rows)
        if k >= 3
    )
    why = f"k = {k}: test not run; tests for small-study effects need at least 10 studies"
    tests = (
        SmallStudyTest("Egger's regression test", None, None, None, None, why),
        SmallStudyTest("trim and fill", None, -0.2, -0.5, 0.1, ""),
    )
    chosen, model = spec(measure, identifier=identifier), bayesian()
    return Analysis(
        refits=refits(rows) if k >= 2 and refitted else Refits(),
        influence=pulls,
        prior_strip=under_priors(rows, chosen, model, 0.95),
        averaged=averaged(rows, chosen, model, 0.95),
        small_study=tests if k >= 2 else (),
        spec=chosen,
        effects=rows,
        dropped=dropped(),
        queries=(),
        fits=fits,
        lead="bayes_exact" if k <= 3 else "reml_hksj",
        beside="reml_hksj" if k <= 3 else "bayes_exact",
        leave_one_out=out,
        comparisons=(),
        level=0.95,
    )


def judgements() -> Judgements:
    """Return invented judgements of two trials and one question, a flow and two items of the checklist."""
    told = {"by": "An invented reader", "source_locator": "", "source_url": "", "notes": ""}
    domains = ("low", "some concerns", "high", "no information", "")
    return Judgements(
        bias=(
            BiasJudgement("Trial0", "", "RoB 2", domains, "high", **told),
            BiasJudgement("Trial1", "cac_agatston", "RoB 2", ("low",) * 5, "low", **told),
        ),
        certainty=(
            CertaintyRating("sample", "very_low", {"imprecision": "few people"}, "An invented reader", "", ""),
        ),
        flow=(
            FlowCount("database_results", "Databases", 30),
            FlowCount("records_screened", "Records screened", 30),
            FlowCount("records_excluded", "Records excluded", 20),
            FlowCount("dbr_sought_reports", "Reports sought", 10),
            FlowCount("dbr_assessed", "Reports assessed", 10),
            FlowCount("dbr_excluded", "Reports excluded", 5, (("no control", 3), ("animals & plants", 2))),
            FlowCount("new_studies", "New studies", 5),
        ),
        checklist=(
            ChecklistEntry("25", "page 9", "Nobody paid.", "An invented reader"),
            ChecklistEntry("13d", "supplement", "", "An invented reader"),
        ),
    )


def model_checks(
    names: tuple[str, ...],
    *,
    pareto_k: float = 0.31,
    difference: float = 0.146,
    se: float = 0.046,
    scatter: float = 0.52,
    furthest: float = 0.55,
    diagnosis: Diagnosis = "none",
) -> ModelChecks:
    """Return invented checks of a sampled fit of these studies; the last one has the largest Pareto k."""
    k = len(names)
    prior = 0.0312 if diagnosis == "none" else 0.1459
    likelihood = 0.0454 if diagnosis.startswith("strong") else 0.2437
    return ModelChecks(
        model="bayes_mcmc",
        studies=names,
        loo=Loo(-21.3, 1.28, 1.04, (-21.3 / k,) * k, (*(0.12,) * (k - 1), pareto_k), 0.7),
        comparison=LooComparison("bayes_mcmc", "Student-t random effects", difference, se),
        predictive=PredictiveCheck((0.4,) * k, scatter, furthest, 0),
        sensitivity=(
            PowerScaling("mu", 0.0337, 0.1115, "none", ()),
            PowerScaling("tau", prior, likelihood, diagnosis, ()),
        ),
    )


def bound() -> MissingResults:
    """Return an invented bound on missing results."""
    return MissingResults(3, 30.5, -61.25, 44.5, -10.125, -40.5, 20.25)
