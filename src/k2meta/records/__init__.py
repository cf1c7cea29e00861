"""Records: tables held against the data dictionary, joined, and asked what does not fit."""

from __future__ import annotations

from k2meta.records.build import RecordSet, ask_rows, build_records, question_pools
from k2meta.records.catalogue import CHECKS, POOL_CHECKS
from k2meta.records.judgements import against_pools
from k2meta.records.pool import Member, Pool, PoolCheck
from k2meta.records.view import Check, Finding, Project, View

__all__ = [
    "CHECKS",
    "POOL_CHECKS",
    "Check",
    "Finding",
    "Member",
    "Pool",
    "PoolCheck",
    "Project",
    "RecordSet",
    "View",
    "against_pools",
    "ask_rows",
    "build_records",
    "question_pools",
]
