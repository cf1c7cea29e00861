"""Sensitivity: whatever refits. Each check takes effects and variances and returns a tuple of frozen results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from k2meta.sensitivity.leave_one_out import leave_one_out
from k2meta.sensitivity.second_engine import second_engine

SENSITIVITY: Mapping[str, Callable[..., tuple[Any, ...]]] = {
    "leave_one_out": leave_one_out,
    "second_engine": second_engine,
}
