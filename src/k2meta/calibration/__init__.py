"""Calibration: does an engine that says 95 % mean it? Draw the truth from the prior, then data, then ask it."""

from __future__ import annotations

from k2meta.calibration.bands import Band, ecdf_band
from k2meta.calibration.simulation import (
    Calibration,
    Coverage,
    Pit,
    Simulated,
    Uniformity,
    exact_engine,
    sbc,
    simulate,
)

__all__ = [
    "Band",
    "Calibration",
    "Coverage",
    "Pit",
    "Simulated",
    "Uniformity",
    "ecdf_band",
    "exact_engine",
    "sbc",
    "simulate",
]
