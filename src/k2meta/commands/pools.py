"""What each analysis would pool, for the data checks that look at a whole pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from k2meta.config import Config
from k2meta.records import Member, Pool
from k2meta.types import Outcome, Record

MINIMUM_K = 3
"""With two studies the pool without one of them is the other one: no residual, no share worth a query."""


def pools(records: Sequence[Record], outcomes: Mapping[str, Outcome], settings: Config) -> list[Pool]:
    """Return the pool of every analysis, as the stage of effects selects it."""
    from k2meta.effects.select import select

    by_id = {record.extraction_id: record for record in records}
    return [
        Pool(
            spec.id,
            spec.measure,
            tuple(
                Member(effect, by_id[effect.extraction_id]) for effect in select(records, outcomes, spec).effects
            ),
        )
        for spec in settings.analyses
    ]


def weighed(pool: Pool, settings: Config) -> Pool:
    """Return a pool with weights and studentised deleted residuals, by the tau2 of the leading model."""
    if len(pool.members) < MINIMUM_K:
        return pool
    import numpy as np

    from k2meta.sensitivity import SENSITIVITY

    yi = np.array([member.effect.yi for member in pool.members])
    vi = np.array([member.effect.vi for member in pool.members])
    tau2 = settings.model(settings.lead.model).options.get("tau2", "EE")
    studies = SENSITIVITY["influence"](yi, vi, tau2=tau2).studies
    return replace(
        pool,
        members=tuple(
            replace(member, weight=one.hat, residual=one.rstudent)
            for member, one in zip(pool.members, studies, strict=True)
        ),
    )
