"""Figures: what people look at. Each takes an ``Analysis`` and computes no estimate; none saves a file.

matplotlib is imported when a figure is drawn, so that importing this package costs nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from k2meta.figures.figure import Figure, PlotData
from k2meta.figures.forest_presets import PRESETS
from k2meta.figures.strip_svg import strip

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from k2meta.analysis import Analysis

__all__ = [
    "BESIDE",
    "FIGURES",
    "FURTHER",
    "PRESETS",
    "Figure",
    "PlotData",
    "bubble",
    "caption",
    "forest",
    "not_drawn",
    "prior_posterior",
    "prior_strip",
    "strip",
]


def forest(analysis: Analysis, *, preset: str = "cochrane", columns: Sequence[str] | None = None) -> Figure:
    """Draw a forest plot (see ``k2meta.figures.forest_plot``); ``preset`` is a key of ``PRESETS``."""
    from k2meta.figures.forest_plot import draw

    return draw(analysis, preset, columns)


def prior_posterior(
    analysis: Analysis,
    prior_density: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None,
) -> Figure:
    """Draw the posterior of the mean effect and of tau, with its prior (see ``k2meta.figures.density_plot``)."""
    from k2meta.figures.density_plot import draw

    return draw(analysis, prior_density)


def prior_strip(analysis: Analysis) -> Figure:
    """Draw the posterior under several priors of tau (see ``k2meta.figures.prior_plot``)."""
    from k2meta.figures.prior_plot import draw

    return draw(analysis)


def prior_densities(analysis: Analysis) -> Figure:
    """Draw the densities of the priors of the strip (see ``k2meta.figures.prior_densities``)."""
    draw: Callable[[Analysis], Figure] = _module("prior_densities").draw
    return draw(analysis)


def bubble(analysis: Analysis) -> Figure:
    """Draw a meta-regression on a numeric covariate (see ``k2meta.figures.bubble_plot``)."""
    from k2meta.figures.bubble_plot import draw

    return draw(analysis)


def _drawn_by(name: str) -> Callable[..., Figure]:
    """Return the ``draw`` of a module, loaded when it is first called; it refuses what ``not_drawn`` names."""

    def draw(analysis: Analysis) -> Figure:
        module = _module(name)
        reason: str = module.not_drawn(analysis)
        if reason:
            raise ValueError(reason)
        found: Figure = module.draw(analysis)
        return found

    return draw


def _module(name: str) -> Any:
    return importlib.import_module(f"k2meta.figures.{name}")


FURTHER: Mapping[str, str] = {
    "funnel": "funnel_plot",
    "cumulative": "cumulative_plot",
    "leave_one_out": "leave_one_out_plot",
    "drapery": "drapery_plot",
    "specification_curve": "specification_curve",
    "baujat": "baujat_plot",
    "gosh": "gosh_plot",
}
"""Figure -> its module, which has ``draw``, ``caption``, ``not_drawn`` and ``MINIMUM_K``."""

BESIDE: Mapping[str, str] = {
    "prior_strip": "prior_plot",
    "prior_densities": "prior_densities",
    "bubble": "bubble_plot",
}
"""Figure -> its module, which has ``draw`` and ``not_drawn``; the report words it beside the check it draws."""


def not_drawn(name: str, analysis: Analysis) -> str:
    """Say in a sentence why a figure of an analysis is not drawn; empty where it is."""
    module = FURTHER.get(name) or BESIDE.get(name)
    if module is None:
        return ""
    reason: str = _module(module).not_drawn(analysis)
    return reason


def caption(name: str, analysis: Analysis) -> str:
    """State what a figure found; empty for the figures that the report words itself."""
    if name not in FURTHER or not_drawn(name, analysis):
        return ""
    text: str = _module(FURTHER[name]).caption(analysis)
    return text


FIGURES: Mapping[str, Callable[..., Figure]] = {
    "forest": forest,
    **{name: _drawn_by(module) for name, module in FURTHER.items()},
    "prior_posterior": prior_posterior,
    "prior_strip": prior_strip,
    "prior_densities": prior_densities,
    "bubble": bubble,
}
"""Every figure by the id that config.yaml uses."""
