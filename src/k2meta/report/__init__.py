"""The report: analyses to sentences, view models and one HTML page."""

from __future__ import annotations

from k2meta.report.html import render_html
from k2meta.report.language import generated, overclaims
from k2meta.report.types import FigureAsset, ReviewMeta
from k2meta.report.words import Verdict, verdict

__all__ = ["FigureAsset", "ReviewMeta", "Verdict", "generated", "overclaims", "render_html", "verdict"]
