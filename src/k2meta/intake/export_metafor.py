"""For R users: one CSV of effects per analysis, and a script that finds the headline again with ``rma()``."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from k2meta.intake.hygiene import to_csv
from k2meta.intake.pools import Pool, Project
from k2meta.types import Effect, Record

COLUMNS = (
    *("study_id", "extraction_id", "study", "year", "outcome", "measure", "stage"),
    *("m1i", "sd1i", "n1i", "m2i", "sd2i", "n2i", "ai", "ci", "yi", "vi", "sei", "route"),
)
TESTS = {"z": "z", "t": "t", "HKSJ": "knha", "HKSJ-guarded": "adhoc"}
METHODS = ("DL", "PM", "REML", "ML", "HE", "HS", "HSk", "SJ", "EB", "PMM")
HEADLINE = ("analysis", "k", "method", "test", "level", "mu", "low", "high", "tau2", "why_not")


def export(project: Project) -> dict[str, bytes]:
    """Return ``{analysis}.csv`` for each analysis with an effect, ``headline.csv`` and ``rederive.R``.

    ``yi`` is treatment minus control (the logarithm of a ratio) and ``vi`` its sampling variance, unrounded.
    Arms stand beside them where the effect follows from printed means with SDs, or from counts, and nothing else.
    """
    out = {}
    rows: list[Sequence[object]] = []
    for pool in project.pools:
        if pool.effects:
            lines = [_row(effect, pool.records[effect.extraction_id], pool) for effect in pool.effects]
            out[f"{pool.id}.csv"] = to_csv(COLUMNS, [[line.get(name, "") for name in COLUMNS] for line in lines])
            rows.append(_headline(pool))
    out["headline.csv"] = to_csv(HEADLINE, rows)
    out["rederive.R"] = resources.files("k2meta").joinpath("intake/rederive.R").read_bytes()
    return out


def _row(effect: Effect, record: Record, pool: Pool) -> dict[str, object]:
    year = record.trial.get("year")
    return {
        "study_id": effect.study_id,
        "extraction_id": effect.extraction_id,
        "study": effect.label,
        "year": f"{year:.0f}" if isinstance(year, float) else "",
        "outcome": record.outcome,
        "measure": _measure(effect, record, pool),
        "yi": effect.yi,
        "vi": effect.vi,
        "sei": effect.vi**0.5,
        "route": effect.route,
        **_arms(effect, record),
    }


def _measure(effect: Effect, record: Record, pool: Pool) -> str:
    """Return the name of the measure in metafor."""
    if pool.measure != "LOGRATIO":
        return pool.measure
    return "RR" if effect.route == "events" else record.text("diff_measure")


def _arms(effect: Effect, record: Record) -> dict[str, object]:
    """Return the arms where the effect follows from them alone."""
    if effect.assumptions:
        return {}
    if effect.route == "events":
        names = {"ai": "events_treat", "n1i": "total_treat", "ci": "events_ctrl", "n2i": "total_ctrl"}
        return {name: record.number(column) for name, column in names.items()}
    stage = {"arms_sd": "change", "arms_final": "follow"}.get(effect.route, "")
    names = {
        "m1i": f"{stage}_mean_treat",
        "sd1i": f"{stage}_sd_treat",
        "n1i": "n_treat",
        "m2i": f"{stage}_mean_ctrl",
        "sd2i": f"{stage}_sd_ctrl",
        "n2i": "n_ctrl",
    }
    cells = {name: record.number(column) for name, column in names.items()}
    return {"stage": stage, **cells} if stage and None not in cells.values() else {}


def _headline(pool: Pool) -> list[object]:
    head = pool.headline
    why = ""
    if head.mu is None:
        why = "fewer than two studies: not pooled"
    elif head.tau2 not in METHODS:
        why = f"rma() has no estimator {head.tau2}"
    elif head.interval not in TESTS:
        why = f"rma() has no interval {head.interval}"
    method, test = (head.tau2, TESTS[head.interval]) if not why else ("", "")
    numbers = (head.mu, head.low, head.high, head.tau2_value)
    return [pool.id, len(pool.effects), method, test, head.level, *numbers, why]
