"""Estimators of the between-study variance tau2, each under the name of its paper, and its Q-profile interval.

Every function takes effects ``yi`` and sampling variances ``vi`` of shape (k,), k >= 2, as
:func:`k2meta.models.inputs.checked` returns them, and none returns a negative tau2. ``tau2`` is in squared
units of ``yi``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from k2meta.models.generalised_q import moment_weights
from k2meta.models.inputs import Vector
from k2meta.models.interval_types import Tau2Interval
from k2meta.models.roots import Root, bracketed_root
from k2meta.models.weighted import generalised_q, leverage_complement, pooled, trace_p, trace_psps

SCAN_POINTS_PER_DECADE = 16
"""Density of the search for several optima. The score changes on the scale of the variances, that is over about
a factor of two; sixteen points a decade are a factor of 1.15 apart."""

SCAN_FLOOR = 1e-4
"""Smallest positive tau2 scanned, as a share of the smallest sampling variance: the score is linear below it."""

BLOCK = 4_000_000
"""Most elements of one scan matrix, so that many thousand studies fit into memory."""


@dataclass(frozen=True, slots=True)
class Tau2:
    """An estimate of tau2 and how it was found.

    Attributes
    ----------
    value : float
        The estimate, zero or larger.
    se : float or None
        Large-sample standard error; ``None`` where the method has none we can derive.
    converged : bool
        Closed forms are; a root must have a bracket with a proven sign change, an optimum must not lie below
        any point of the scan.
    iterations : int
        Root-finding steps.
    local_optima : int
        Number of maxima of the likelihood found (one for methods without a likelihood).
    """

    value: float
    se: float | None
    converged: bool = True
    iterations: int = 0
    local_optima: int = 1

    @property
    def at_boundary(self) -> bool:
        """Whether the estimate is zero."""
        return self.value == 0.0


def method_of_moments(yi: Vector, vi: Vector, weight: Vector) -> Tau2:
    """Return the moment estimate for any fixed positive weights, shape (k,).

    Equates Q_a = sum a (y - mu_a)^2 to its expectation, trace(A V) + tau2 trace(A) with
    A = diag(a) - a a' / sum(a).
    The standard error is that of a quadratic form of normal effects at the estimate.
    """
    residual = yi - pooled(yi, weight)
    excess = weight @ (residual * residual) - (weight * leverage_complement(weight)) @ vi
    value = max(0.0, float(excess) / trace_p(weight))
    return Tau2(value, math.sqrt(2.0 * trace_psps(weight, vi + value)) / trace_p(weight))


def dersimonian_laird(yi: Vector, vi: Vector) -> Tau2:
    """Return the DL estimate (DerSimonian and Laird 1986): moments with weights 1 / vi."""
    return method_of_moments(yi, vi, 1.0 / vi)


def generalised_moments(yi: Vector, vi: Vector, weights: str = "inv_v") -> Tau2:
    """Return the GENQ estimate: moments with the fixed weights 1 / v, 1 or 1 / sqrt(v) by name.

    With ``"inv_v"`` it is DL and with ``"equal"`` HE; ``"inv_sqrt_v"`` lies between them.
    """
    return method_of_moments(yi, vi, moment_weights(vi, weights))


def hedges(yi: Vector, vi: Vector) -> Tau2:
    """Return the HE estimate (Hedges 1983), also called Cochran's ANOVA: moments with equal weights."""
    return method_of_moments(yi, vi, np.ones_like(vi))


def _second_step(yi: Vector, vi: Vector, first: float) -> Tau2:
    # The weights of the second step depend on the data, so the quadratic-form standard error does not hold.
    return Tau2(method_of_moments(yi, vi, 1.0 / (vi + first)).value, None)


def two_step_dersimonian_laird(yi: Vector, vi: Vector) -> Tau2:
    """Return the DL2 estimate (DerSimonian and Kacker 2007): moments with weights from a DL first step."""
    return _second_step(yi, vi, dersimonian_laird(yi, vi).value)


def two_step_cochran_anova(yi: Vector, vi: Vector) -> Tau2:
    """Return the CA2 estimate (DerSimonian and Kacker 2007): moments with weights from a Hedges first step."""
    return _second_step(yi, vi, hedges(yi, vi).value)


def hunter_schmidt(yi: Vector, vi: Vector, *, corrected: bool = False) -> Tau2:
    """Return the HS estimate (Schmidt and Hunter), (Q - k) / sum(w) with w = 1 / vi.

    ``corrected`` multiplies Q by k / (k - 1) first, which removes the small-sample bias (HSk).
    """
    k = len(yi)
    weight = 1.0 / vi
    factor = k / (k - 1) if corrected else 1.0
    value = max(0.0, (factor * generalised_q(yi, vi)(0.0) - k) / weight.sum())
    return Tau2(float(value), factor * math.sqrt(2.0 * trace_psps(weight, vi + value)) / float(weight.sum()))


def hunter_schmidt_corrected(yi: Vector, vi: Vector) -> Tau2:
    """Return the HSk estimate: Hunter-Schmidt with the small-sample correction."""
    return hunter_schmidt(yi, vi, corrected=True)


def sidik_jonkman(yi: Vector, vi: Vector) -> Tau2:
    """Return the SJ estimate (Sidik and Jonkman 2005), positive unless all effects are equal.

    A crude tau2, the mean squared deviation from the plain mean, gives relative variances r = vi / tau2 + 1;
    the estimate is sum (y - mu)^2 / r over (k - 1), with mu weighted by 1 / r.
    """
    crude = float(np.mean((yi - yi.mean()) ** 2))
    if crude == 0.0:
        return Tau2(0.0, None)
    weight = 1.0 / (vi / crude + 1.0)
    residual = yi - pooled(yi, weight)
    value = float(weight @ (residual * residual)) / (len(yi) - 1)
    return Tau2(value, math.sqrt(2.0 * trace_psps(weight, vi + value)) / (len(yi) - 1))


def root_of_q(yi: Vector, vi: Vector, target: float) -> Root:
    """Return tau2 at which the generalised Q equals ``target``, or zero when Q(0) is already below it.

    With S the sum of squares about the plain mean, S / (max v + tau2) <= Q(tau2) <= S / (min v + tau2), which
    brackets the root without a search.
    """
    q = generalised_q(yi, vi)
    if q(0.0) <= target:
        return Root(0.0, 0, True)
    ratio = float(np.sum((yi - yi.mean()) ** 2)) / target
    # Widened by far more than rounding, so that the sign change survives it.
    low = max(0.0, (ratio - vi.max()) * (1.0 - 1e-9) - 1e-9 * vi.max())
    high = (ratio - vi.min()) * (1.0 + 1e-9) + 1e-9 * vi.min()
    return bracketed_root(lambda tau2: q(tau2) - target, float(low), float(high))


def paule_mandel(yi: Vector, vi: Vector) -> Tau2:
    """Return the PM estimate (Paule and Mandel 1982): the root of Q(tau2) = k - 1.

    It is the empirical-Bayes estimate (Morris 1983) too. Standard error by the delta method: Q has variance
    2 (k - 1) at the true tau2 and the expected slope -trace(P).
    """
    df = len(yi) - 1
    root = root_of_q(yi, vi, float(df))
    se = math.sqrt(2.0 * df) / trace_p(1.0 / (vi + root.value))
    return Tau2(root.value, se, root.converged, root.iterations)


def median_unbiased_paule_mandel(yi: Vector, vi: Vector) -> Tau2:
    """Return the PMM estimate: the root of Q(tau2) = median of chi-square(k - 1)."""
    from scipy.special import chdtri

    root = root_of_q(yi, vi, float(chdtri(len(yi) - 1, 0.5)))
    return Tau2(root.value, None, root.converged, root.iterations)


def restricted_maximum_likelihood(yi: Vector, vi: Vector) -> Tau2:
    """Return the REML estimate: the global maximum of the restricted likelihood profiled over mu.

    A scan finds every maximum on tau2 >= 0 and a bracketed root of the score polishes each one. Standard error
    from the expected information trace(P P) / 2.
    """
    found = _maximum(yi, vi, restricted=True)
    se = math.sqrt(2.0 / trace_psps(1.0 / (vi + found.value), np.ones_like(vi)))
    return Tau2(found.value, se, found.converged, found.iterations, found.local_optima)


def maximum_likelihood(yi: Vector, vi: Vector) -> Tau2:
    """Return the ML estimate: the global maximum of the likelihood profiled over mu.

    Found as in :func:`restricted_maximum_likelihood`; standard error from the expected information sum(w^2) / 2.
    """
    found = _maximum(yi, vi, restricted=False)
    se = math.sqrt(2.0 / float(np.sum((vi + found.value) ** -2.0)))
    return Tau2(found.value, se, found.converged, found.iterations, found.local_optima)


def log_likelihood(yi: Vector, vi: Vector, tau2: Vector, *, restricted: bool) -> Vector:
    """Return the profiled (restricted) log-likelihood at many tau2, shape (n,), up to a constant."""
    weight = 1.0 / (vi + tau2[:, None])
    total = weight.sum(axis=1)
    residual = yi - (weight @ yi / total)[:, None]
    twice = np.log(weight).sum(axis=1) - np.einsum("ij,ij->i", weight, residual**2)
    result: Vector = 0.5 * (twice - np.log(total) if restricted else twice)
    return result


def score(yi: Vector, vi: Vector, tau2: Vector, *, restricted: bool) -> Vector:
    """Return the slope of the log-likelihood at many tau2, shape (n,): (y'PPy - trace(P)) / 2, with sum(w) for ML.

    Row sums, not matrix products: a tau2 gives the same bits alone and among others, so a sign found by the scan
    is still there when its bracket is polished. ``yi`` is centred at the most precise study, whose residual and
    share of trace(P) would otherwise cancel.
    """
    weight = 1.0 / (vi + tau2[:, None])
    total = weight.sum(axis=1)
    residual = weight * (yi - ((weight * yi).sum(axis=1) / total)[:, None])
    squares = (residual * residual).sum(axis=1)
    if not restricted:
        return np.asarray(0.5 * (squares - total))
    rest = total[:, None] - weight
    top = int(np.argmin(vi))
    rest[:, top] = np.delete(weight, top, axis=1).sum(axis=1)
    return np.asarray(0.5 * (squares - (weight * rest).sum(axis=1) / total))


def scan_points(yi: Vector, vi: Vector) -> Vector:
    """Return increasing tau2, from zero to a bound beyond which no likelihood can rise again.

    With S the sum of squares about the plain mean and tau2 >= max v: y'PPy <= S / tau2^2, while
    trace(P) >= (k - 1) / (4 tau2) and sum(w) >= k / (2 tau2). Both scores are negative beyond 4 S / (k - 1).
    """
    spread = float(np.sum((yi - yi.mean()) ** 2))
    bound = 1.01 * max(float(vi.max()), 4.0 * spread / (len(yi) - 1))
    floor = SCAN_FLOOR * float(vi.min())
    count = 2 + math.ceil(SCAN_POINTS_PER_DECADE * math.log10(bound / floor))
    return np.concatenate([[0.0], np.geomspace(floor, bound, count)])


def _maximum(yi: Vector, vi: Vector, *, restricted: bool) -> Tau2:
    points = scan_points(yi, vi)
    blocks = np.array_split(points, 1 + points.size * yi.size // BLOCK)
    rising = np.concatenate([score(yi, vi, block, restricted=restricted) for block in blocks]) > 0

    def slope(tau2: float) -> float:
        return float(score(yi, vi, np.array([tau2]), restricted=restricted)[0])

    turns = np.flatnonzero(rising[:-1] & ~rising[1:])
    roots = [bracketed_root(slope, float(points[i]), float(points[i + 1])) for i in turns]
    if not rising[0]:
        roots.append(Root(0.0, 0, True))
    height = log_likelihood(yi, vi, np.array([root.value for root in roots]), restricted=restricted)
    best = roots[int(np.argmax(height))]
    scanned = max(float(np.max(log_likelihood(yi, vi, block, restricted=restricted))) for block in blocks)
    # Rounding of the log-likelihood is relative to the size of its terms, about k of them.
    slack = 1e-12 * (abs(scanned) + len(yi))
    proved = best.converged and float(np.max(height)) >= scanned - slack
    return Tau2(best.value, None, proved, sum(root.iterations for root in roots), len(roots))


def q_profile(yi: Vector, vi: Vector, level: float = 0.95) -> Tau2Interval:
    """Return the Q-profile interval of tau2 (Viechtbauer 2007).

    The limits are the tau2 at which the generalised Q equals the upper and the lower chi-square(k - 1) quantile.
    """
    from scipy.special import chdtri

    df, tail = len(yi) - 1, (1.0 - level) / 2.0
    lower_quantile = float(chdtri(df, 1.0 - tail))
    low = root_of_q(yi, vi, float(chdtri(df, tail))).value
    high = root_of_q(yi, vi, lower_quantile).value
    return Tau2Interval(low, high, generalised_q(yi, vi)(0.0) < lower_quantile)


ESTIMATORS: Mapping[str, Callable[[Vector, Vector], Tau2]] = {
    "REML": restricted_maximum_likelihood,
    "ML": maximum_likelihood,
    "DL": dersimonian_laird,
    "DL2": two_step_dersimonian_laird,
    "HE": hedges,
    "CA2": two_step_cochran_anova,
    "PM": paule_mandel,
    "EB": paule_mandel,
    "PMM": median_unbiased_paule_mandel,
    "HS": hunter_schmidt,
    "HSk": hunter_schmidt_corrected,
    "SJ": sidik_jonkman,
    "GENQ": generalised_moments,
}
