"""The multiverse of conversions: the same analysis under other borrowed correlations, with and without medians."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from k2meta.config import Conversions, Spec
from k2meta.effects.routes import CONVERTED, IMPUTED
from k2meta.effects.select import Selection, select
from k2meta.types import Effect, Outcome, Record, Variant

CORRELATIONS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Correlations of baseline with follow-up that stand in for the borrowed one in turn."""


def variants(
    chosen: Selection, records: Sequence[Record], outcomes: Mapping[str, Outcome], spec: Spec
) -> tuple[Variant, ...]:
    """Return an analysis under every conversion that its pool rests on.

    Parameters
    ----------
    chosen : Selection
        What `select` returns for the analysis as configured.
    records, outcomes, spec
        As for `select`.

    Returns
    -------
    tuple of Variant
        Each correlation of `CORRELATIONS` (and the configured one) where one was borrowed, crossed with and
        without converted medians where there are any; empty where nothing in the pool was converted.
    """
    if not any(effect.route in (*IMPUTED, *CONVERTED) for effect in chosen.effects):
        return ()
    return tuple(
        _variant(select(records, outcomes, replace(spec, conversions=other)).effects, other, spec.conversions)
        for other in _alternatives(chosen.effects, spec.conversions)
    )


def _alternatives(effects: Sequence[Effect], configured: Conversions) -> Iterator[Conversions]:
    borrowed = configured.correlation
    correlations = [borrowed]
    if borrowed is not None and any(effect.route in IMPUTED for effect in effects):
        tried = sorted({*CORRELATIONS, borrowed.value})
        correlations = [replace(borrowed, value=value) for value in tried]
    converted = any(effect.route in CONVERTED for effect in effects)
    for medians in (configured.medians, "") if converted else (configured.medians,):
        for correlation in correlations:
            yield replace(configured, correlation=correlation, medians=medians)


def _variant(effects: Sequence[Effect], used: Conversions, configured: Conversions) -> Variant:
    imputed = any(effect.route in IMPUTED for effect in effects)
    return Variant(
        correlation=used.correlation.value if used.correlation is not None and imputed else None,
        medians=any(effect.route in CONVERTED for effect in effects),
        configured=used == configured,
        labels=tuple(effect.label for effect in effects),
        yi=tuple(effect.yi for effect in effects),
        vi=tuple(effect.vi for effect in effects),
    )
