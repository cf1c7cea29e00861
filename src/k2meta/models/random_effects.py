"""The random-effects model: true effects vary between studies with variance tau2."""

from __future__ import annotations

import math

from numpy.typing import ArrayLike

from k2meta.models.common_effect import ONE_STUDY, cochran_q
from k2meta.models.errors import UnknownMethodError
from k2meta.models.fit import Diagnostics, Estimate, Fit, Heterogeneity, QTest, Share, StudyEstimate
from k2meta.models.heterogeneity import ESTIMATORS, Tau2, Tau2Interval, q_profile
from k2meta.models.inputs import Inputs, checked, checked_level
from k2meta.models.intervals import INTERVALS, critical, tested
from k2meta.models.prediction import PREDICTIONS, SMALLEST_K, prediction_interval
from k2meta.models.weighted import pooled, typical_variance

FEW = 5
"""Below this many studies tau2 is hardly known and a prediction interval is shown with a warning."""


def random_effects(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    tau2: str = "REML",
    interval: str = "HKSJ-guarded",
    prediction: str | None = "t(k-1)",
    level: float = 0.95,
    model: str = "",
) -> Fit:
    """Pool effects that may differ between studies.

    Parameters
    ----------
    yi : array_like, shape (k,)
        Effects, k >= 1.
    vi : array_like, shape (k,)
        Sampling variances, in squared units of ``yi``.
    tau2 : str
        Estimator of the between-study variance, a key of ``heterogeneity.ESTIMATORS``.
    interval : {"HKSJ-guarded", "HKSJ", "t", "z"}
        Interval of mu; the guarded one takes the larger of the Hartung-Knapp and the Wald standard error.
    prediction : {"t(k-1)", "t(k-2)", "z"} or None
        Interval for the true effect of a new study, from k = 3 on; it uses the standard error of ``interval``.
    level : float
        Coverage of every interval.
    model : str
        Identifier written into the fit; ``"random_effects"`` when empty.

    Returns
    -------
    Fit
        One study is answered by its own normal interval with tau2 = 0. ``studies`` are the best linear unbiased
        predictions mu + B (yi - mu), B = tau2 / (tau2 + vi), with variance B vi + (1 - B)^2 SE(mu)^2.

    Raises
    ------
    InputError
        Unusable effects, variances or level; the message names the index.
    UnknownMethodError
        A name that is not registered.
    """
    _known(tau2, interval, prediction)
    data, level = checked(yi, vi), checked_level(level)
    found = ESTIMATORS[tau2](data.yi, data.vi) if data.k > 1 else Tau2(0.0, None)
    limits = q_profile(data.yi, data.vi, level) if data.k > 1 else None
    mu, weights = _pool(data, found.value, interval, level)
    q = cochran_q(data)
    i2, h2 = _shares(data, found, limits)
    predicted = prediction and prediction_interval(mu, found.value, data.k, prediction, interval)
    return Fit(
        model=model or "random_effects",
        method=f"random effects, tau2 by {tau2}, {interval} interval",
        options={"tau2": tau2, "interval": interval, "prediction": prediction or "none", "level": level},
        k=data.k,
        mu=mu,
        tau2=_heterogeneity(found, limits, tau2, level),
        tau=_tau(found, limits, level),
        i2=i2.value,
        h2=h2.value,
        i2_share=i2,
        h2_share=h2,
        q=q,
        prediction=predicted or None,
        weights=weights,
        studies=_studies(data, mu, found.value),
        diagnostics=Diagnostics(found.converged, found.at_boundary, found.iterations, found.local_optima),
        warnings=_warnings(data.k, found, limits, q, interval, prediction),
    )


def _known(tau2: str, interval: str, prediction: str | None) -> None:
    if tau2 not in ESTIMATORS:
        raise UnknownMethodError("tau2", tau2, ESTIMATORS)
    if interval not in INTERVALS:
        raise UnknownMethodError("interval", interval, INTERVALS)
    if prediction is not None and prediction not in PREDICTIONS:
        raise UnknownMethodError("prediction", prediction, [*PREDICTIONS, None])


def _pool(data: Inputs, tau2: float, interval: str, level: float) -> tuple[Estimate, tuple[float, ...]]:
    weight = 1.0 / (data.vi + tau2)
    standard_error, student = INTERVALS[interval if data.k > 1 else "z"]
    df = data.k - 1.0 if student else None
    mu = tested(pooled(data.yi, weight) + data.shift, standard_error(data.yi, weight), level, df)
    return mu, tuple(float(w) for w in weight / weight.sum())


def _heterogeneity(found: Tau2, limits: Tau2Interval | None, method: str, level: float) -> Heterogeneity:
    if limits is None:
        return Heterogeneity(0.0, None, None, None, "zero by convention for one study", "none", level)
    return Heterogeneity(found.value, found.se, limits.low, limits.high, method, "Q-profile", level)


def _tau(found: Tau2, limits: Tau2Interval | None, level: float) -> Estimate:
    tau = math.sqrt(found.value)
    se = found.se / (2.0 * tau) if found.se is not None and tau > 0.0 else math.nan
    low, high = (limits.low, limits.high) if limits else (0.0, math.inf)
    return Estimate(tau, se, math.sqrt(low), math.sqrt(high), level)


def _shares(data: Inputs, found: Tau2, limits: Tau2Interval | None) -> tuple[Share, Share]:
    i2_name, h2_name = "100 tau2 / (tau2 + typical variance)", "1 + tau2 / typical variance"
    if limits is None:
        return Share(0.0, None, None, i2_name), Share(1.0, None, None, h2_name)
    typical = typical_variance(data.vi)
    value, low, high = (t / typical for t in (found.value, limits.low, limits.high))
    return (
        Share(100.0 * value / (1.0 + value), 100.0 * low / (1.0 + low), 100.0 * high / (1.0 + high), i2_name),
        Share(1.0 + value, 1.0 + low, 1.0 + high, h2_name),
    )


def _studies(data: Inputs, mu: Estimate, tau2: float) -> tuple[StudyEstimate, ...]:
    factor = critical(mu.level, mu.df)
    rows = []
    for y, v in zip(data.yi, data.vi, strict=True):
        pull = tau2 / (tau2 + v)
        value = float(mu.value + pull * (y + data.shift - mu.value))
        se = math.sqrt(pull * v + ((1.0 - pull) * mu.se) ** 2)
        rows.append(StudyEstimate(value, se, value - factor * se, value + factor * se))
    return tuple(rows)


def _warnings(
    k: int, found: Tau2, limits: Tau2Interval | None, q: QTest, interval: str, prediction: str | None
) -> tuple[str, ...]:
    if limits is None:
        return (ONE_STUDY,)
    said = []
    if k == 2 and interval.startswith("HKSJ"):
        said.append(
            "Two studies: the interval with one degree of freedom is uninformative, too wide to exclude much."
        )
    if prediction and k < SMALLEST_K:
        said.append("Fewer than three studies: no prediction interval is computed.")
    elif prediction and k < FEW:
        said.append(f"The prediction interval rests on {k} studies and on a heterogeneity that is hardly known.")
    if limits.null_set:
        said.append(
            f"The studies agree better than chance would have it (Q = {q.value:.3g} on {q.df} df): "
            "the interval of tau2 is empty and is shown as zero."
        )
    if found.local_optima > 1:
        said.append(f"The likelihood of tau2 has {found.local_optima} optima; the highest is reported.")
    if not found.converged:
        said.append("The estimate of tau2 did not reach its accuracy; do not use this fit.")
    return tuple(said)
