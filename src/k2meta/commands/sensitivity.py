"""`k2meta sensitivity`: everything that refits, for the model that leads each answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import typer

from k2meta import io
from k2meta.analysis import (
    Averaged,
    AveragedModel,
    Comparison,
    Conversion,
    Influence,
    LeftOut,
    MissingResults,
    SmallStudyTest,
    UnderPrior,
    known_missing,
)
from k2meta.commands.fits import estimator
from k2meta.commands.moderators import moderation
from k2meta.commands.options import CONFIG, RESULTS, ConfigFile, ResultsFolder
from k2meta.commands.priors import (
    leading,
    mu_prior,
    reference,
    strip_priors,
    strip_scale,
    tau_prior,
    unit_information,
)
from k2meta.commands.refits import REFITS, Pool, pooling
from k2meta.config import Config, Model, Spec
from k2meta.models.fit import Estimate
from k2meta.sensitivity import SENSITIVITY
from k2meta.sensitivity.pool import COMMON_EFFECT
from k2meta.types import Dropped, Effect, Variant

DENSITIES = 80
"""Values of tau at which the densities of the priors are computed for their figure."""


def sensitivity(config: ConfigFile = CONFIG, results: ResultsFolder = RESULTS) -> None:
    """Run the checks that the settings name, of the model that leads each answer.

    They are leave_one_out, influence, small_study, second_engine, cumulative, baujat, gosh, multiverse,
    confidence_curve, subgroups, prior_strip, model_averaging, conversions, meta_regression and missing_results.
    """
    settings = io.read_config(config)
    records = {record.extraction_id: record for record in io.read_records(results / "records.json").records}
    for spec in settings.analyses:
        rows = io.read_effects(results / "effects" / f"{spec.id}.csv")
        folder = results / "sensitivity" / spec.id
        if "leave_one_out" in settings.sensitivity:
            io.write_left_out(folder / "leave_one_out.json", left_out(rows, spec, settings))
        if "influence" in settings.sensitivity:
            io.write_influence(folder / "influence.json", _influence(rows, settings))
        for name in [check for check in REFITS if check in settings.sensitivity]:
            io.write_refit(folder / f"{name}.json", REFITS[name](Pool(rows, spec, settings, records)))
        if "small_study" in settings.sensitivity:
            io.write_small_study(folder / "small_study.json", _small_study(rows, spec, settings))
        if "second_engine" in settings.sensitivity:
            io.write_comparisons(folder / "second_engine.json", _comparisons(rows, spec, settings))
        if "prior_strip" in settings.sensitivity:
            io.write_prior_strip(
                folder / "prior_strip.json", under_priors(rows, spec, _exact(settings), settings.level)
            )
        if "model_averaging" in settings.sensitivity:
            found = averaged(rows, spec, _exact(settings), settings.level)
            io.write_averaged(folder / "model_averaging.json", found)
        if "conversions" in settings.sensitivity:
            other = io.read_variants(results / "effects" / f"{spec.id}.variants.json")
            io.write_conversions(folder / "conversions.json", under_conversions(other, len(rows), spec, settings))
        if "meta_regression" in settings.sensitivity:
            io.write_moderation(folder / "meta_regression.json", moderation(rows, spec, settings))
        if "missing_results" in settings.sensitivity:
            dropped = io.read_dropped(results / "effects" / f"{spec.id}.dropped.json")
            io.write_missing_results(folder / "missing_results.json", _missing(rows, dropped, spec, settings))
    typer.echo(f"sensitivity: {', '.join(settings.sensitivity)} of {len(settings.analyses)} analyses")


def left_out(rows: Sequence[Effect], spec: Spec, settings: Config) -> tuple[LeftOut, ...]:
    """Return the leading model without each trial; with two trials nothing is left to pool."""
    if len(rows) < 3:
        return ()
    lead, _ = settings.lead.of(len(rows))
    yi, vi = np.array([row.yi for row in rows]), np.array([row.vi for row in rows])
    fits = SENSITIVITY["leave_one_out"](yi, vi, estimator(settings.model(lead), spec, settings.level))
    return tuple(
        LeftOut(row.study_id, row.label, fit.mu, fit.tau2.value, fit.tau.value)
        for row, fit in zip(rows, fits, strict=True)
    )


def _influence(rows: Sequence[Effect], settings: Config) -> tuple[Influence, ...]:
    """Return the deletion diagnostics, with the estimator of tau2 of the leading frequentist model."""
    if len(rows) < 3:
        return ()
    yi, vi = np.array([row.yi for row in rows]), np.array([row.vi for row in rows])
    tau2 = settings.model(settings.lead.model).options.get("tau2", "EE")
    found = SENSITIVITY["influence"](yi, vi, tau2=tau2)
    return tuple(
        Influence(
            row.study_id,
            row.label,
            rstudent=one.rstudent,
            dffits=one.dffits,
            cooks_d=one.cooks_d,
            cov_ratio=one.cov_ratio,
            hat=one.hat,
            tau2=one.tau2_deleted,
            influential=one.influential,
        )
        for row, one in zip(rows, found.studies, strict=True)
    )


def _small_study(rows: Sequence[Effect], spec: Spec, settings: Config) -> tuple[SmallStudyTest, ...]:
    """Run what is registered for small-study effects; below its minimum k each says why it was not run.

    Trim and fill pools with the leading frequentist model; the selection model takes results in the direction that
    is better to be seen more often.
    """
    if len(rows) < 2:
        return ()
    yi, vi = np.array([row.yi for row in rows]), np.array([row.vi for row in rows])
    egger, begg = SENSITIVITY["egger"](yi, vi), SENSITIVITY["begg"](yi, vi)
    tau2, interval = pooling(settings.model(settings.lead.model))
    filled = SENSITIVITY["trim_and_fill"](yi, vi, tau2=tau2, interval=interval, level=settings.level)
    pet_peese = SENSITIVITY["pet_peese"](yi, vi, level=settings.level)
    side, better = ("less", "below") if spec.lower_is_better else ("greater", "above")
    selected = SENSITIVITY["selection_model"](yi, vi, alternative=side, level=settings.level)
    pooled = "common effect" if tau2 == COMMON_EFFECT else f"tau2 by {tau2}, interval by {interval}"
    one_step = f"maximum likelihood; one step at a one-sided p of {selected.steps[0]:g} for effects {better} zero"
    return (
        _tested("Egger's regression test", egger.p, None, egger.not_run, "weights 1/v, t(k - 2)"),
        _tested("Begg and Mazumdar's rank test", begg.p, None, begg.not_run, "Kendall's rank correlation"),
        _tested(
            "trim and fill",
            None,
            filled.fit.mu if filled.fit else None,
            filled.not_run,
            f"{filled.estimator}; {pooled}",
        ),
        _tested(
            "PET-PEESE",
            None,
            pet_peese.estimate,
            pet_peese.not_run,
            f"{pet_peese.chosen or 'PET or PEESE'}, t(k - 2)",
        ),
        _tested("step-function selection model", selected.lrt_p, selected.mu, selected.not_run, one_step),
    )


def _tested(test: str, p: float | None, mu: Estimate | None, not_run: str, method: str) -> SmallStudyTest:
    if mu is None:
        return SmallStudyTest(test, p, None, None, None, not_run, method=method)
    return SmallStudyTest(test, p, mu.value, mu.low, mu.high, not_run, mu.level, method)


def _comparisons(rows: Sequence[Effect], spec: Spec, settings: Config) -> tuple[Comparison, ...]:
    if len(rows) < 2:
        return ()
    yi, vi = np.array([row.yi for row in rows]), np.array([row.vi for row in rows])
    fit = estimator(settings.model(settings.lead.model), spec, settings.level)(yi, vi)
    return tuple(
        Comparison(found.quantity, found.ours, found.other, found.engine, found.agrees, found.note)
        for found in SENSITIVITY["second_engine"](yi, vi, fit)
    )


def _exact(settings: Config) -> Model:
    model = leading(settings)
    assert model is not None  # the settings were checked for it
    return model


def under_priors(rows: Sequence[Effect], spec: Spec, model: Model, level: float) -> tuple[UnderPrior, ...]:
    """Return the posterior of an analysis under each prior of the strip; fewer than two trials are not pooled."""
    if len(rows) < 2:
        return ()
    yi, vi = np.array([row.yi for row in rows]), np.array([row.vi for row in rows])
    lead = tau_prior(model.options, spec, vi)
    # Up to the end of the uniform prior; the middles of the steps keep clear of a pole at zero.
    at = 4.0 * strip_scale(model.options, spec) * (np.arange(DENSITIES) + 0.5) / DENSITIES
    chosen = strip_priors(model.options, spec, vi)
    found = SENSITIVITY["prior_strip"](
        yi, vi, tau_priors=[prior for prior, _ in chosen], mu_prior=mu_prior(model.options, spec), level=level
    )
    return tuple(
        UnderPrior(
            prior=row.tau_prior,
            source=source,
            lead=prior == lead,
            mean=row.mean,
            low=row.low,
            high=row.high,
            new_low=row.new_low,
            new_high=row.new_high,
            tau_median=row.tau_median,
            below_zero=row.below_zero,
            not_run=row.not_run,
            median=row.median,
            reference=reference(prior, spec, source),
            at=tuple(at.tolist()) if prior.proper else (),
            density=tuple(np.exp(prior.logpdf(at)).tolist()) if prior.proper else (),
        )
        for (prior, source), row in zip(chosen, found, strict=True)
    )


def averaged(rows: Sequence[Effect], spec: Spec, model: Model, level: float) -> Averaged | None:
    """Return the average over models with and without an effect and heterogeneity; ``None`` below two trials."""
    if len(rows) < 2:
        return None
    yi, vi = np.array([row.yi for row in rows]), np.array([row.vi for row in rows])
    own, tau = mu_prior(model.options, spec), tau_prior(model.options, spec, vi)
    mu = own or unit_information(spec)
    found = SENSITIVITY["model_averaging"](yi, vi, mu_priors=[mu], tau_priors=[tau], level=level)
    effect, heterogeneity = found.effect, found.heterogeneity
    return Averaged(
        mu_prior=mu.describe(),
        mu_source="the prior of the fit" if own else "unit information: worth one patient",
        tau_prior=tau.describe(),
        models=tuple(AveragedModel(m.effect, m.heterogeneity, m.prior, m.posterior) for m in found.models),
        prior_effect=effect.prior,
        effect=effect.posterior,
        log_bf_effect=effect.log_bf10,
        prior_heterogeneity=heterogeneity.prior,
        heterogeneity=heterogeneity.posterior,
        log_bf_heterogeneity=heterogeneity.log_bf10,
        mu=found.mu,
        below_zero=found.below_zero,
        above_zero=found.above_zero,
        not_run="" if found.converged else "the quadrature did not reach its accuracy",
    )


def under_conversions(other: Sequence[Variant], k: int, spec: Spec, settings: Config) -> tuple[Conversion, ...]:
    """Refit the model that leads the answer to the same question under other conversions."""
    lead, _ = settings.lead.of(k)
    pools = [(np.array(one.yi), np.array(one.vi)) for one in other]
    fits = SENSITIVITY["conversions"](pools, estimator(settings.model(lead), spec, settings.level))
    return tuple(
        Conversion(
            one.correlation,
            one.medians,
            one.configured,
            k=len(one.yi),
            mu=fit.mu if fit else None,
            tau2=fit.tau2.value if fit else None,
            tau=fit.tau.value if fit else None,
        )
        for one, fit in zip(other, fits, strict=True)
    )


def _missing(rows: Sequence[Effect], dropped: Sequence[Dropped], spec: Spec, settings: Config) -> MissingResults:
    """Bound what the known missing results could do to the interval that leads the answer."""
    vi, missing = np.array([row.vi for row in rows]), len(known_missing(rows, dropped))
    mu, tau2 = Estimate(0.0, 0.0, 0.0, 0.0, settings.level), 0.0
    if len(rows) > 1:
        lead, _ = settings.lead.of(len(rows))
        fit = estimator(settings.model(lead), spec, settings.level)(np.array([row.yi for row in rows]), vi)
        mu, tau2 = fit.mu, fit.tau2.value
    found: MissingResults = SENSITIVITY["missing_results"](
        vi, missing, mu=mu.value, low=mu.low, high=mu.high, tau2=tau2
    )
    return found
