"""Records: tables held against the data dictionary, joined, and asked what does not fit."""

from __future__ import annotations

from k2meta.records.build import RecordSet, build_records
from k2meta.records.catalogue import CHECKS
from k2meta.records.view import Check, Finding, Project, View

__all__ = ["CHECKS", "Check", "Finding", "Project", "RecordSet", "View", "build_records"]
