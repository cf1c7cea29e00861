"""`k2meta sensitivity`: everything that refits, for the model that leads each answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import typer

from k2meta import io
from k2meta.analysis import Comparison, Influence, LeftOut, SmallStudyTest
from k2meta.commands.fits import estimator
from k2meta.commands.options import CONFIG, RESULTS, ConfigFile, ResultsFolder
from k2meta.commands.refits import REFITS, Pool
from k2meta.config import Config, Spec
from k2meta.models.fit import Estimate
from k2meta.sensitivity import SENSITIVITY
from k2meta.types import Effect


def sensitivity(config: ConfigFile = CONFIG, results: ResultsFolder = RESULTS) -> None:
    """Refit every analysis without each trial, and recompute its numbers with a second engine."""
    settings = io.read_config(config)
    records = {record.extraction_id: record for record in io.read_records(results / "records.json").records}
    for spec in settings.analyses:
        rows = io.read_effects(results / "effects" / f"{spec.id}.csv")
        folder = results / "sensitivity" / spec.id
        if "leave_one_out" in settings.sensitivity:
            io.write_left_out(folder / "leave_one_out.json", _left_out(rows, spec, settings))
        if "influence" in settings.sensitivity:
            io.write_influence(folder / "influence.json", _influence(rows, settings))
        for name in [check for check in REFITS if check in settings.sensitivity]:
            io.write_refit(folder / f"{name}.json", REFITS[name](Pool(rows, spec, settings, records)))
        if "small_study" in settings.sensitivity:
            io.write_small_study(folder / "small_study.json", _small_study(rows))
        if "second_engine" in settings.sensitivity:
            io.write_comparisons(folder / "second_engine.json", _comparisons(rows, spec, settings))
    typer.echo(f"sensitivity: {', '.join(settings.sensitivity)} of {len(settings.analyses)} analyses")


def _left_out(rows: Sequence[Effect], spec: Spec, settings: Config) -> tuple[LeftOut, ...]:
    """Return the leading model without each trial; with two trials nothing is left to pool."""
    if len(rows) < 3:
        return ()
    lead, _ = settings.lead.of(len(rows))
    yi, vi = np.array([row.yi for row in rows]), np.array([row.vi for row in rows])
    fits = SENSITIVITY["leave_one_out"](yi, vi, estimator(settings.model(lead), spec, settings.level))
    return tuple(
        LeftOut(row.study_id, row.label, fit.mu, fit.tau2.value) for row, fit in zip(rows, fits, strict=True)
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


def _small_study(rows: Sequence[Effect]) -> tuple[SmallStudyTest, ...]:
    """Run what is registered for small-study effects; below its minimum k each says why it was not run."""
    if len(rows) < 2:
        return ()
    yi, vi = np.array([row.yi for row in rows]), np.array([row.vi for row in rows])
    egger, begg = SENSITIVITY["egger"](yi, vi), SENSITIVITY["begg"](yi, vi)
    filled, pet_peese = SENSITIVITY["trim_and_fill"](yi, vi), SENSITIVITY["pet_peese"](yi, vi)
    selected = SENSITIVITY["selection_model"](yi, vi)
    return (
        _tested("Egger's regression test", egger.p, None, egger.not_run),
        _tested("Begg and Mazumdar's rank test", begg.p, None, begg.not_run),
        _tested("trim and fill", None, filled.fit.mu if filled.fit else None, filled.not_run),
        _tested("PET-PEESE", None, pet_peese.estimate, pet_peese.not_run),
        _tested("step-function selection model", selected.lrt_p, selected.mu, selected.not_run),
    )


def _tested(test: str, p: float | None, mu: Estimate | None, not_run: str) -> SmallStudyTest:
    if mu is None:
        return SmallStudyTest(test, p, None, None, None, not_run)
    return SmallStudyTest(test, p, mu.value, mu.low, mu.high, not_run)


def _comparisons(rows: Sequence[Effect], spec: Spec, settings: Config) -> tuple[Comparison, ...]:
    if len(rows) < 2:
        return ()
    yi, vi = np.array([row.yi for row in rows]), np.array([row.vi for row in rows])
    fit = estimator(settings.model(settings.lead.model), spec, settings.level)(yi, vi)
    return tuple(
        Comparison(found.quantity, found.ours, found.other, found.engine, found.agrees, found.note)
        for found in SENSITIVITY["second_engine"](yi, vi, fit)
    )
