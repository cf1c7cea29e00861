"""What an export is given of a project: its files and tables, and each pool with its headline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from k2meta.types import Effect, Record, Table


@dataclass(frozen=True, slots=True)
class Headline:
    """The random-effects result of one analysis that another program is to find again.

    ``tau2`` and ``interval`` are options of the model; numbers are ``None`` where nothing was pooled.
    """

    tau2: str
    interval: str
    level: float
    mu: float | None = None
    low: float | None = None
    high: float | None = None
    tau2_value: float | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    """One analysis: its effects with the records behind them, and its headline."""

    id: str
    measure: str
    effects: tuple[Effect, ...]
    records: Mapping[str, Record]
    headline: Headline


@dataclass(frozen=True, slots=True)
class Project:
    """A project to export: bytes of ``data/`` by name, tables as text, the parsed dictionary, the pools."""

    files: Mapping[str, bytes]
    tables: Mapping[str, Table]
    dictionary: Mapping[str, Any]
    pools: tuple[Pool, ...]
