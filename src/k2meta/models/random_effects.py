"""The random-effects model: true effects vary between studies with variance tau2."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from k2meta.models.common_effect import ONE_STUDY, cochran_q
from k2meta.models.errors import InputError, UnknownMethodError
from k2meta.models.fit import Diagnostics, Estimate, Fit, Heterogeneity, QTest, Share, StudyEstimate
from k2meta.models.generalised_q import WEIGHTS
from k2meta.models.heterogeneity import ESTIMATORS, Tau2, generalised_moments
from k2meta.models.inputs import Inputs, checked, checked_level
from k2meta.models.interval_types import Pooled, Tau2Interval
from k2meta.models.intervals import critical
from k2meta.models.permutation import EXACT_K
from k2meta.models.pooling import ALL_INTERVALS, KEEPS_THE_MEAN, Asked, by_standard_error, matched, pool
from k2meta.models.prediction import PREDICTIONS, Predicted, predict
from k2meta.models.tau2_intervals import TAU2_INTERVALS, square_root
from k2meta.models.tau2_intervals import Asked as AskedTau2
from k2meta.models.weighted import typical_variance

FEW = 5
"""Below this many studies tau2 is hardly known and a prediction interval is shown with a warning."""


def random_effects(
    yi: ArrayLike,
    vi: ArrayLike,
    *,
    tau2: str = "REML",
    interval: str = "HKSJ-guarded",
    prediction: str | None = "t(k-1)",
    tau2_interval: str = "Q-profile",
    tau2_weights: str = "inv_v",
    level: float = 0.95,
    seed: int = 0,
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
    interval : {"HKSJ-guarded", "HKSJ", "t", "z", "KR", "PL", "PL-Bartlett", "HC", "permutation"}
        Interval of mu. The guarded one takes the larger of the Hartung-Knapp and the Wald standard error. Two
        bring their own estimate: the profile likelihoods (``PL``) the maximum-likelihood mean and Henmi-Copas
        (``HC``) the common-effect one; ``tau2`` is reported beside them as asked.
    prediction : {"t(k-1)", "t(k-2)", "z", "PR-HK", "PR-KR", "bootstrap"} or None
        Interval for the true effect of a new study, from k = 3 on. The first three use the standard error of
        ``interval`` (the Wald one where that interval has none of its own); the others bring their own.
    tau2_interval : {"Q-profile", "generalised-Q", "Biggerstaff-Tweedie", "PL", "PL-REML", "PL-ML", "Wald"}
        Interval of tau2, and through it those of I2 and H2. ``PL`` is the likelihood ``tau2`` maximises.
    tau2_weights : {"inv_v", "equal", "inv_sqrt_v"}
        Fixed weights of the generalised Q, for ``tau2="GENQ"`` and ``tau2_interval="generalised-Q"``. mu always
        has the weights 1 / (vi + tau2).
    level : float
        Coverage of every interval.
    seed : int
        Seed of the random sign patterns of the permutation interval above ``permutation.EXACT_K`` studies; nothing
        else is random.
    model : str
        Identifier written into the fit; ``"random_effects"`` when empty.

    Returns
    -------
    Fit
        One study is answered by its own normal interval with tau2 = 0. ``studies`` are the best linear unbiased
        predictions mu + B (yi - mu), B = tau2 / (tau2 + vi), with variance B vi + (1 - B)^2 SE(mu)^2. What has too
        few studies to be computed is ``None`` or infinite, and ``warnings`` says why.

    Raises
    ------
    InputError
        Unusable effects, variances, level or seed; the message names the index.
    UnknownMethodError
        A name that is not registered, or an estimator of tau2 for which an interval is not derived: Kenward-Roger
        belongs to REML, and the permutation interval refits those in ``permutation.REFITTED``.
    """
    _known(tau2, interval, prediction, tau2_interval, tau2_weights, seed)
    data, level = checked(yi, vi), checked_level(level)
    found = _estimate(data, tau2, tau2_weights)
    limits = _limits(data, found, tau2, tau2_interval, tau2_weights, level)
    asked = Asked(found.value, tau2, level, seed)
    pooled = pool(data, asked, interval)
    centre = pooled.mu if interval in KEEPS_THE_MEAN else by_standard_error(data, asked, "z").mu
    predicted = predict(data, centre, found.value, prediction, interval) if prediction else None
    q = cochran_q(data)
    i2, h2 = _shares(data, found, limits)
    return Fit(
        model=model or "random_effects",
        method=f"random effects, tau2 by {tau2}, {interval} interval",
        options=_options(tau2, interval, prediction, tau2_interval, tau2_weights, level, seed, data.k),
        k=data.k,
        mu=pooled.mu,
        tau2=_heterogeneity(found, limits, tau2, tau2_interval, level),
        tau=_tau(found, limits, level),
        i2=i2.value,
        h2=h2.value,
        i2_share=i2,
        h2_share=h2,
        q=q,
        prediction=predicted.interval if predicted else None,
        weights=pooled.weights,
        studies=_studies(data, centre, found.value),
        diagnostics=Diagnostics(found.converged, found.at_boundary, found.iterations, found.local_optima),
        warnings=_warnings(data.k, found, limits, q, interval, pooled, predicted),
        yi=tuple(np.asarray(yi, dtype=float).tolist()),
        vi=tuple(data.vi.tolist()),
    )


def _known(tau2: str, interval: str, prediction: str | None, tau2_interval: str, weights: str, seed: int) -> None:
    if tau2 not in ESTIMATORS:
        raise UnknownMethodError("tau2", tau2, ESTIMATORS)
    if interval not in ALL_INTERVALS:
        raise UnknownMethodError("interval", interval, ALL_INTERVALS)
    if prediction is not None and prediction not in PREDICTIONS:
        raise UnknownMethodError("prediction", prediction, [*PREDICTIONS, None])
    if tau2_interval not in TAU2_INTERVALS:
        raise UnknownMethodError("tau2_interval", tau2_interval, TAU2_INTERVALS)
    if weights not in WEIGHTS:
        raise UnknownMethodError("tau2_weights", weights, WEIGHTS)
    matched(interval, tau2)
    matched(prediction, tau2)
    if seed < 0:
        raise InputError(f"seed = {seed!r}: a seed is zero or larger")


def _options(
    tau2: str,
    interval: str,
    prediction: str | None,
    tau2_interval: str,
    weights: str,
    level: float,
    seed: int,
    k: int,
) -> dict[str, str | float]:
    """Return the choices that shaped the fit; those that could not are left out."""
    options: dict[str, str | float] = {"tau2": tau2, "interval": interval, "prediction": prediction or "none"}
    if tau2_interval != "Q-profile":
        options["tau2_interval"] = tau2_interval
    if tau2 == "GENQ" or tau2_interval == "generalised-Q":
        options["tau2_weights"] = weights
    if interval == "permutation" and k > EXACT_K:
        options["seed"] = seed
    return {**options, "level": level}


def _estimate(data: Inputs, tau2: str, weights: str) -> Tau2:
    if data.k == 1:
        return Tau2(0.0, None)
    if tau2 == "GENQ":
        return generalised_moments(data.yi, data.vi, weights)
    return ESTIMATORS[tau2](data.yi, data.vi)


def _limits(
    data: Inputs, found: Tau2, tau2: str, tau2_interval: str, weights: str, level: float
) -> Tau2Interval | None:
    if data.k == 1:
        return None
    return TAU2_INTERVALS[tau2_interval](data, AskedTau2(found, tau2, weights, level))


def _heterogeneity(
    found: Tau2, limits: Tau2Interval | None, method: str, interval: str, level: float
) -> Heterogeneity:
    if limits is None:
        return Heterogeneity(0.0, None, None, None, "zero by convention for one study", "none", level)
    return Heterogeneity(found.value, found.se, limits.low, limits.high, method, interval, level)


def _tau(found: Tau2, limits: Tau2Interval | None, level: float) -> Estimate:
    tau = math.sqrt(found.value)
    se = found.se / (2.0 * tau) if found.se is not None and tau > 0.0 else math.nan
    low, high = (square_root(limits.low), square_root(limits.high)) if limits else (0.0, math.inf)
    return Estimate(tau, se, low, high, level)


def _shares(data: Inputs, found: Tau2, limits: Tau2Interval | None) -> tuple[Share, Share]:
    i2_name, h2_name = "100 tau2 / (tau2 + typical variance)", "1 + tau2 / typical variance"
    if limits is None:
        return Share(0.0, None, None, i2_name), Share(1.0, None, None, h2_name)
    typical = typical_variance(data.vi)

    def share(tau2: float | None) -> float | None:
        return None if tau2 is None else 100.0 * (tau2 / typical) / (1.0 + tau2 / typical)

    def ratio(tau2: float | None) -> float | None:
        return None if tau2 is None else 1.0 + tau2 / typical

    value = found.value / typical
    return (
        Share(100.0 * value / (1.0 + value), share(limits.low), share(limits.high), i2_name),
        Share(1.0 + value, ratio(limits.low), ratio(limits.high), h2_name),
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
    k: int,
    found: Tau2,
    limits: Tau2Interval | None,
    q: QTest,
    interval: str,
    pooled: Pooled,
    predicted: Predicted | None,
) -> tuple[str, ...]:
    if limits is None:
        return (ONE_STUDY,)
    said = list(pooled.notes)
    if k == 2 and interval.startswith("HKSJ"):
        said.append(
            "Two studies: the interval with one degree of freedom is uninformative, too wide to exclude much."
        )
    if predicted and predicted.not_run:
        said.append(predicted.not_run)
    elif predicted and k < FEW:
        said.append(f"The prediction interval rests on {k} studies and on a heterogeneity that is hardly known.")
    if limits.not_run:
        said.append(limits.not_run)
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
