"""What the report needs besides the analyses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from k2meta.config import Change
from k2meta.report.svg import NARROW, WIDE, inline
from k2meta.tables.types import Value

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class ReviewMeta:
    """What the review says about itself.

    Attributes
    ----------
    title, version : str
        Of the review, not of the software.
    data_date : str
        The day up to which the data were read, as text.
    question_lead : str
        The sentence above the answers: who was studied, what was compared.
    limits : tuple of str
        What the review is not, one sentence each.
    search_note : str
        How the trials were found, in one or two sentences.
    authors : tuple of str
        Names in printing order.
    small_k : int
        Up to how many studies the Bayesian interval leads.
    protocol : str
        Registration or protocol; empty where there is none.
    deviations : tuple of str
        What was done otherwise than the protocol says.
    changes : tuple of Change
        What each version changed, newest first.
    """

    title: str
    version: str
    data_date: str
    question_lead: str
    limits: tuple[str, ...]
    search_note: str
    authors: tuple[str, ...]
    small_k: int
    protocol: str = ""
    deviations: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class FigureAsset:
    """A drawn figure: SVG with its text as text, alternative text, and the rows it was drawn from.

    ``caption`` states the finding; where it is empty the report writes one from the analysis. ``file`` is where
    the rows stand at full precision, relative to the report. ``narrow`` is the same figure drawn for the screen of
    a phone; without one the figure is scrolled there.
    """

    svg: str
    alt: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Value, ...], ...] = ()
    caption: str = ""
    file: str = ""
    narrow: str = ""

    @property
    def drawing(self) -> Markup:
        """The figure as an element of the page; it holds plain shapes only, so the page takes it as it is."""
        from markupsafe import Markup

        if not self.narrow:
            return Markup(inline(self.svg, self.alt))
        return Markup(inline(self.svg, self.alt, WIDE) + inline(self.narrow, self.alt, NARROW))
