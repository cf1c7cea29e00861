"""Calibration: does an engine that says 95 % mean it? Draw the truth from the prior, then data, then ask it."""

from __future__ import annotations

from k2meta.calibration.bands import Band, ecdf_band
from k2meta.calibration.engines import ENGINES, SampledEngine, exact_engine
from k2meta.calibration.simulation import PARAMETERS, Pit, Simulated, simulate
from k2meta.calibration.verdict import Calibration, Coverage, Uniformity, judged, sbc

__all__ = [
    "ENGINES",
    "PARAMETERS",
    "Band",
    "Calibration",
    "Coverage",
    "Pit",
    "SampledEngine",
    "Simulated",
    "Uniformity",
    "ecdf_band",
    "exact_engine",
    "judged",
    "sbc",
    "simulate",
]
