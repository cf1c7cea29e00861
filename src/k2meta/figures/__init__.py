"""Figures: what people look at. Each takes an ``Analysis`` and computes no estimate; none saves a file.

matplotlib is imported when a figure is drawn, so that importing this package costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from k2meta.figures.figure import Figure, PlotData
from k2meta.figures.strip_svg import strip

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from k2meta.analysis import Analysis

__all__ = [
    "FIGURES",
    "Figure",
    "PlotData",
    "forest",
    "prior_posterior",
    "prior_strip",
    "strip",
]
__all__ = [
    "FIGURES",
    "Figure",
    "PlotData",
    "bubble",
    "forest",
    "prior_posterior",
    "strip",
]


def forest(analysis: Analysis) -> Figure:
    """Draw a forest plot (see ``k2meta.figures.forest_plot``)."""
    from k2meta.figures.forest_plot import draw

    return draw(analysis)


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


def bubble(analysis: Analysis) -> Figure:
    """Draw a meta-regression on a numeric covariate (see ``k2meta.figures.bubble_plot``)."""
    from k2meta.figures.bubble_plot import draw

    return draw(analysis)


FIGURES: Mapping[str, Callable[[Analysis], Figure]] = {
    "forest": forest,
    "prior_posterior": prior_posterior,
    "prior_strip": prior_strip,
    "bubble": bubble,
}
"""Every figure by the id that config.yaml uses."""
