"""The common-effect model: every study estimates the same effect."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from k2meta.models.fit import Diagnostics, Estimate, Fit, Heterogeneity, QTest, StudyEstimate
from k2meta.models.inputs import Inputs, checked, checked_level
from k2meta.models.intervals import tested, wald
from k2meta.models.q_shares import q_based_shares
from k2meta.models.weighted import generalised_q, pooled

ONE_STUDY = "One study: nothing is pooled, its own normal interval is shown and heterogeneity is not estimable."


def common_effect(yi: ArrayLike, vi: ArrayLike, *, level: float = 0.95, model: str = "") -> Fit:
    """Pool effects with inverse-variance weights, assuming one true effect.

    Parameters
    ----------
    yi : array_like, shape (k,)
        Effects, k >= 1.
    vi : array_like, shape (k,)
        Sampling variances, in squared units of ``yi``.
    level : float
        Coverage of the normal interval.
    model : str
        Identifier written into the fit; ``"common_effect"`` when empty.

    Returns
    -------
    Fit
        ``tau2`` is zero by assumption and has no interval; ``i2`` and ``h2`` are based on Q with
        the test-based interval of :func:`k2meta.models.q_shares.q_based_shares`, and ``studies`` are all ``mu``.

    Raises
    ------
    InputError
        Unusable effects, variances or level; the message names the index.
    """
    data, level = checked(yi, vi), checked_level(level)
    weight = 1.0 / data.vi
    mu = tested(pooled(data.yi, weight) + data.shift, wald(data.yi, weight), level, None)
    q = cochran_q(data)
    i2, h2 = q_based_shares(q.value, q.df, level)
    return Fit(
        model=model or "common_effect",
        method="common effect, inverse-variance weights, normal interval",
        options={"level": level},
        k=data.k,
        mu=mu,
        tau2=Heterogeneity(0.0, None, None, None, "zero by assumption", "none", level),
        tau=Estimate(0.0, math.nan, 0.0, 0.0, level),
        i2=i2.value,
        h2=h2.value,
        i2_share=i2,
        h2_share=h2,
        q=q,
        prediction=None,
        weights=tuple(float(w) for w in weight / weight.sum()),
        studies=(StudyEstimate(mu.value, mu.se, mu.low, mu.high),) * data.k,
        diagnostics=Diagnostics(converged=True, at_boundary=False),
        warnings=(ONE_STUDY,) if data.k == 1 else (),
        yi=tuple(np.asarray(yi, dtype=float).tolist()),
        vi=tuple(data.vi.tolist()),
    )


def cochran_q(data: Inputs) -> QTest:
    """Return Cochran's Q with its chi-square(k - 1) test of homogeneity; no test for one study."""
    from scipy.special import chdtrc

    df = data.k - 1
    value = generalised_q(data.yi, data.vi)(0.0) if df else 0.0
    p = float(chdtrc(df, value)) if df else None
    return QTest(value, df, p, 100.0 * (value - df) / value if value > df else 0.0)
