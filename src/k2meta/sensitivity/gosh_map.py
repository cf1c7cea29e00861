"""A GOSH of up to a million subset fits as a map that can be drawn and kept: counts by pooled effect and I2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from k2meta.sensitivity.gosh import Gosh

MINIMUM_K = 6
"""Five studies have 31 subsets, too few to show whether they fall into clouds."""

COLUMNS, ROWS = 60, 40
QUARTILES = (25.0, 50.0, 75.0)


@dataclass(frozen=True, slots=True)
class GoshMap:
    """Counts of the fits of two or more studies.

    Attributes
    ----------
    mu : ndarray, shape (COLUMNS + 1,)
        Edges in units of the effects.
    i2 : ndarray, shape (ROWS + 1,)
        Edges in percent, 0 to 100.
    counts : ndarray of int, shape (ROWS, COLUMNS)
    inside, outside : ndarray, shape (k, 3)
        Quartiles of the pooled effect over the subsets with and without each study.
    """

    mu: NDArray[np.float64]
    i2: NDArray[np.float64]
    counts: NDArray[np.int64]
    inside: NDArray[np.float64]
    outside: NDArray[np.float64]


def gosh_map(found: Gosh, k: int) -> GoshMap:
    """Count subset fits by pooled effect and I2, and sum them up with and without each study.

    Parameters
    ----------
    found : Gosh
        Subset fits; those of one study, which have no heterogeneity, are left out.
    k : int
        Number of studies.
    """
    several = np.asarray(found.fits.k) >= 2
    mu, i2 = np.asarray(found.fits.mu)[several], np.asarray(found.fits.i2)[several]
    edges = np.linspace(mu.min(), mu.max(), COLUMNS + 1)
    if edges[0] == edges[-1]:
        edges = edges[0] + np.linspace(-0.5, 0.5, COLUMNS + 1)
    rows = np.linspace(0.0, 100.0, ROWS + 1)
    counts, _, _ = np.histogram2d(i2, mu, bins=(rows, edges))
    has = [found.includes(study)[several] for study in range(k)]
    return GoshMap(
        mu=edges,
        i2=rows,
        counts=counts.astype(np.int64),
        inside=np.array([np.percentile(mu[one], QUARTILES) for one in has]),
        outside=np.array([np.percentile(mu[~one], QUARTILES) for one in has]),
    )
