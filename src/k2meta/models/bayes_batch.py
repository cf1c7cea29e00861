"""Many Bayesian random-effects meta-analyses at once, without sampling.

Each row is the model of :mod:`k2meta.models.bayes_exact`: one integral over tau. Here all rows share one
Gauss-Legendre rule on x = asinh(tau / unit), laid over the part of the half line that matters to each of them.
The rule interpolates the posterior of tau as well, so its last Legendre coefficients say how well a row is
resolved. Rows that are not get more nodes, and in the end the adaptive engine for one analysis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from k2meta.models.bayes_exact import bayes_random_effects, tail_power
from k2meta.models.errors import ImproperPosteriorError, InputError
from k2meta.models.inputs import Vector, checked_level
from k2meta.models.mixtures import each_quantile
from k2meta.models.priors import Normal, TauPrior, check_mu_prior, check_tau_prior

Matrix = NDArray[np.float64]

RULES = (64, 128, 256)
"""Numbers of nodes, tried in turn on the rows that are not resolved yet."""

RESOLVED = 1e-8
"""Largest sum of the last Legendre coefficients of an integrand with integral one.

A distribution function interpolated from the coefficients is better by about the number of nodes, and an integral
has about the square of this error."""

LAST = 6
"""How many coefficients are the last ones."""

ROWS = 384
"""Rows computed together: their tables over the nodes then stay in the cache of a core."""

NEGLIGIBLE = 38.0
"""Log ratio to the peak below which the half line is cut; e^-38 is below the rounding of the total."""

REACH = 240.0
"""Largest x looked at: tau up to e^240 units, whose square still is a finite number."""

BEYOND = np.array([0.3, 0.7, 1.2, 2.0, 3.2, 5.0, 8.0, 13.0, 21.0, 34.0, 55.0, 89.0, 144.0, 233.0])
"""Where x is looked at past the largest scale of data and prior, from where on both fall."""

FIRST_LOOK = np.linspace(0.0, 1.0, 14)
SECOND_LOOK = np.linspace(0.0, 1.0, 18)

FACTORS = 8
"""Factors multiplied before a logarithm is taken; their product underflows for variances 1e38 times the least."""

FIELDS = ("mu_mean", "mu_sd", "low", "high", "tau_mean", "tau_median", "tau2", "prob_below_zero", "log_evidence")


@dataclass(frozen=True, slots=True)
class BayesBatch:
    """Posteriors of B random-effects meta-analyses; every array has shape (B,).

    Attributes
    ----------
    mu_mean, mu_sd : ndarray of float
        Posterior mean and standard deviation of the pooled effect, in units of ``Y``; also as ``mu`` and ``se``.
    low, high : ndarray of float
        Equal-tailed credible interval of the pooled effect.
    tau_mean, tau_median : ndarray of float
        Posterior mean and median of the between-study standard deviation, in units of ``Y``.
    tau2 : ndarray of float
        Posterior mean of tau squared. A moment that heavy tails make infinite is ``inf``, as in the single fit.
    prob_below_zero : ndarray of float
        Posterior probability that the pooled effect lies below zero.
    log_evidence : ndarray of float
        Log marginal likelihood; NaN in every row where a prior is improper, for then there is none.
    k : ndarray of int
        Number of studies present.
    error : ndarray of float
        Sum of the last Legendre coefficients of the worst integrand, as a share of its integral. It bounds the
        error of interpolation where the coefficients fall; the integrals are more accurate than that.
    nodes : ndarray of int
        Size of the rule that was used; 0 where the adaptive engine was.
    converged : ndarray of bool
        Whether the row reached its accuracy; false for a row that was not run.
    not_run : mapping of int to str
        Rows whose numbers are NaN, each with the reason in a sentence.
    options : mapping
        Priors in words, and the level.
    """

    mu_mean: Vector
    mu_sd: Vector
    low: Vector
    high: Vector
    tau_mean: Vector
    tau_median: Vector
    tau2: Vector
    prob_below_zero: Vector
    log_evidence: Vector
    k: NDArray[np.int64]
    error: Vector
    nodes: NDArray[np.int64]
    converged: NDArray[np.bool_]
    not_run: Mapping[int, str]
    options: Mapping[str, str | float]

    @property
    def mu(self) -> Vector:
        """Posterior mean of the pooled effect, under the name every batch has."""
        return self.mu_mean

    @property
    def se(self) -> Vector:
        """Posterior standard deviation of the pooled effect, under the name every batch has."""
        return self.mu_sd

    def __len__(self) -> int:
        """Return B, the number of meta-analyses."""
        return len(self.mu_mean)


@dataclass(frozen=True, slots=True)
class BayesPit:
    """Posterior distribution functions at given values; every array has shape (B,).

    Attributes
    ----------
    mu, tau : ndarray of float
        P(mu < value | row) and P(tau < value | row).
    converged : ndarray of bool
        Whether the row was resolved; where not, both numbers are NaN.
    """

    mu: Vector
    tau: Vector
    converged: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Priors:
    """What is believed of tau and, unless flat, of mu."""

    tau: TauPrior
    mu: Normal | None

    def power(self, k: int) -> float:
        """Return a where the posterior of tau falls as tau**-a, as the single fit does."""
        return tail_power(k, self.tau, flat=int(self.mu is None))


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows with equally many studies: effects ``y`` and variances ``v``, shape (b, k), the rest of shape (b,).

    Effects are relative to ``shift``, that of the most precise study, and ``least`` is its variance. ``unit`` is
    the unit of the map from x to tau, ``end`` the largest x.
    """

    y: Matrix
    v: Matrix
    shift: Vector
    least: Vector
    unit: Vector
    end: Vector
    priors: Priors

    @property
    def order(self) -> int:
        """Largest moment of tau, up to the second, that is finite."""
        power = self.priors.power(self.y.shape[1])
        return 2 if power > 3.0 else int(power > 2.0)

    def take(self, chosen: NDArray[np.bool_]) -> Rows:
        """Return some of the rows."""
        y, v, shift, least = self.y[chosen], self.v[chosen], self.shift[chosen], self.least[chosen]
        return Rows(y, v, shift, least, self.unit[chosen], self.end[chosen], self.priors)


@dataclass(frozen=True, slots=True)
class Resolved:
    """The posteriors of b rows on n nodes; tables of shape (b, n), the rest of shape (b,).

    ``weight`` is the probability carried by each node, ``mean`` and ``variance`` those of mu (less the shift of
    the row) given tau; ``series`` holds the Legendre coefficients of the density on [-1, 1], shape (n, b), which
    stands for x from ``low`` to ``high``.
    """

    rows: Rows
    low: Vector
    high: Vector
    tau: Matrix
    weight: Matrix
    mean: Matrix
    variance: Matrix
    series: Matrix
    log_total: Vector
    error: Vector


def bayes_random_effects_batch(
    Y: ArrayLike,
    V: ArrayLike,
    *,
    tau_prior: TauPrior,
    mu_prior: Normal | None = None,
    level: float = 0.95,
) -> BayesBatch:
    """Pool each row of effects as :func:`k2meta.bayes_random_effects` pools one.

    Parameters
    ----------
    Y : array_like, shape (B, k)
        Effects; NaN where a row has no such study.
    V : array_like, shape (B, k)
        Sampling variances, in squared units of ``Y``; NaN exactly where ``Y`` is.
    tau_prior : TauPrior
        Prior of the between-study standard deviation, in units of ``Y``.
    mu_prior : Normal or None
        Prior of the pooled effect; ``None`` is flat.
    level : float
        Probability of the interval.

    Returns
    -------
    BayesBatch
        The numbers of the single fit to 1e-8 of a posterior standard deviation. A row without a study, or with
        too few for an improper prior of tau, is listed in ``not_run``.

    Raises
    ------
    InputError
        Shapes that differ or are not (B, k), a number that is not finite, a variance that is not positive, an
        effect without a variance or the reverse; the message names the index.
    """
    effects, variances = checked_rows(Y, V)
    level = checked_level(level)
    check_tau_prior(tau_prior)
    check_mu_prior(mu_prior)
    priors = Priors(tau_prior, mu_prior)
    out = np.full((len(FIELDS), len(effects)), np.nan)
    k, error, nodes, not_run = _solve(effects, variances, priors, _summary(level), out)
    failed = np.flatnonzero((nodes == 0) & (k > 0))
    converged = nodes > 0
    for row in failed[[int(i) not in not_run for i in failed]]:
        here = ~np.isnan(effects[row])
        out[:, row], converged[row] = _single(effects[row, here], variances[row, here], priors, level)
    options: dict[str, str | float] = {
        "tau_prior": tau_prior.describe(),
        "mu_prior": mu_prior.describe() if mu_prior else "flat",
        "level": level,
    }
    return BayesBatch(
        **dict(zip(FIELDS, out, strict=True)),
        k=k,
        error=error,
        nodes=nodes,
        converged=converged,
        not_run=not_run,
        options=options,
    )


def bayes_pit_batch(
    Y: ArrayLike,
    V: ArrayLike,
    mu: ArrayLike,
    tau: ArrayLike,
    *,
    tau_prior: TauPrior,
    mu_prior: Normal | None = None,
) -> BayesPit:
    """Return where given values of mu and tau lie in the posterior of each row: its distribution function there.

    Parameters
    ----------
    Y, V : array_like, shape (B, k)
        Effects and sampling variances, as for :func:`bayes_random_effects_batch`.
    mu, tau : array_like, shape (B,)
        Values of the pooled effect and of the between-study standard deviation, in units of ``Y``.
    tau_prior, mu_prior : TauPrior, Normal or None
        The priors of the posterior.

    Raises
    ------
    InputError
        As :func:`bayes_random_effects_batch`, or values that are not finite or not one for each row.
    """
    effects, variances = checked_rows(Y, V)
    at = np.array([mu, tau], dtype=np.float64)
    if at.shape != (2, len(effects)) or not np.isfinite(at).all() or (at[1] < 0.0).any():
        raise InputError(f"mu and tau >= 0 must be finite, one for each of the {len(effects)} rows")
    out = np.full((2, len(effects)), np.nan)

    def summary(found: Resolved, rows: NDArray[np.int64]) -> Matrix:
        z = (at[0, rows] - found.rows.shift)[:, None] - found.mean
        x = np.arcsinh(at[1, rows] / found.rows.unit)
        s = np.clip(2.0 * (x - found.low) / (found.high - found.low) - 1.0, -1.0, 1.0)
        below = legendre.legval(s, legendre.legint(found.series, lbnd=-1), tensor=False)
        return np.array([(found.weight * ndtr(z / np.sqrt(found.variance))).sum(axis=1), np.clip(below, 0.0, 1.0)])

    _, _, nodes, _ = _solve(effects, variances, Priors(tau_prior, mu_prior), summary, out)
    return BayesPit(out[0], out[1], nodes > 0)


def checked_rows(Y: ArrayLike, V: ArrayLike) -> tuple[Matrix, Matrix]:
    """Return effects and variances as float matrices in which an absent study is NaN in both.

    Raises
    ------
    InputError
        As :func:`bayes_random_effects_batch`.
    """
    try:
        y, v = np.asarray(Y, dtype=np.float64), np.asarray(V, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"Y and V must be matrices of numbers, one row per meta-analysis: {error}") from error
    if y.ndim != 2 or y.shape != v.shape:
        raise InputError(
            f"Y has shape {y.shape} and V has {v.shape}; both must be (B, k), one row per meta-analysis"
        )
    for wrong, why in (
        (np.isnan(y) != np.isnan(v), "an absent study is NaN in both"),
        (np.isinf(y) | np.isinf(v), "effects and variances must be finite"),
        (v <= 0.0, "a sampling variance must be positive"),
    ):
        if wrong.any():
            i, j = (int(n) for n in np.argwhere(wrong)[0])
            raise InputError(f"Y[{i}, {j}] = {float(y[i, j])!r}, V[{i}, {j}] = {float(v[i, j])!r}: {why}")
    return y, v


def _solve(
    y: Matrix, v: Matrix, priors: Priors, summary: Callable[[Resolved, NDArray[np.int64]], Matrix], out: Matrix
) -> tuple[NDArray[np.int64], Vector, NDArray[np.int64], dict[int, str]]:
    """Fill the columns of ``out`` with the summaries of the rows that a rule resolves.

    Returns the number of studies, the error estimate and the nodes used (0 for none) of each row, and why a row
    was not tried.
    """
    present = ~np.isnan(y)
    k = present.sum(axis=1)
    error, nodes = np.full(len(y), np.nan), np.zeros(len(y), dtype=np.int64)
    not_run: dict[int, str] = {}
    for size in np.unique(k):
        members = np.flatnonzero(k == size)
        why = _why_not(int(size), priors)
        if why:
            not_run |= dict.fromkeys(members.tolist(), why)
            continue
        # Rows of one size are dense tables: no arithmetic is spent on absent studies.
        dense = (y[members][present[members]].reshape(-1, size), v[members][present[members]].reshape(-1, size))
        for part in (slice(i, i + ROWS) for i in range(0, len(members), ROWS)):
            where = members[part]
            for found, row, good in _rules(_rows(dense[0][part], dense[1][part], priors)):
                done = where[row[good]]
                error[where[row]] = found.error
                nodes[done] = found.tau.shape[1]
                out[:, done] = summary(found, where[row])[:, good]
    return k, error, nodes, not_run


def _why_not(k: int, priors: Priors) -> str:
    if k == 0:
        return "No study is present, so there is nothing to pool."
    try:
        priors.power(k)
    except ImproperPosteriorError as error:
        return str(error)
    return ""


def _rows(y: Matrix, v: Matrix, priors: Priors) -> Rows:
    first = np.argmin(v, axis=1)[:, None]
    shift, least = np.take_along_axis(y, first, 1)[:, 0], np.take_along_axis(v, first, 1)[:, 0]
    unit = np.sqrt(least)
    if priors.tau.width is not None:
        unit = np.minimum(unit, priors.tau.width)
    upper = getattr(priors.tau, "upper", None)
    end = np.full(len(y), REACH) if upper is None else np.minimum(REACH, np.arcsinh(upper / unit))
    return Rows(y - shift[:, None], v, shift, least, unit, end, priors)


def _rules(rows: Rows) -> Iterator[tuple[Resolved, NDArray[np.int64], NDArray[np.bool_]]]:
    """Yield for each rule the rows it was tried on, their numbers and which of them it resolved."""
    number = np.arange(len(rows.y))
    # Rows far outside every scale overflow here and fail their check, which is what sends them on.
    with np.errstate(all="ignore"):
        low, high = _cut(rows, _first_look(rows))
        for n in RULES:
            low, high = _cut(rows, low[:, None] + (high - low)[:, None] * SECOND_LOOK)
            found = _resolved(rows, low, high, n)
            good = found.error <= RESOLVED
            yield found, number, good
            if good.all():
                return
            rows, number, low, high = rows.take(~good), number[~good], low[~good], high[~good]


def _first_look(rows: Rows) -> Matrix:
    """Return x from zero to past the scales of data and prior, shape (b, n)."""
    scale = np.maximum(np.ptp(rows.y, axis=1), np.sqrt(rows.least))
    if rows.priors.tau.width is not None:
        scale = np.maximum(scale, rows.priors.tau.width)
    if rows.priors.mu is not None:
        gap = rows.y + (rows.shift - rows.priors.mu.mean)[:, None]
        scale = np.maximum(scale, np.abs(gap).max(axis=1))
    middle = np.arcsinh(scale / rows.unit)[:, None]
    x: Matrix = np.minimum(np.hstack([middle * FIRST_LOOK, middle + BEYOND]), rows.end[:, None])
    return x


def _cut(rows: Rows, x: Matrix) -> tuple[Vector, Vector]:
    """Return the ends of the part of increasing x, shape (b, n), that counts, one point further on each side."""
    height = _given(rows, _tau(rows, x)).log_density + np.log(np.cosh(x))
    tail = height + rows.order * np.log(np.maximum(np.sinh(x), 1.0))
    seen = height > height.max(axis=1, keepdims=True) - NEGLIGIBLE
    seen |= tail > tail.max(axis=1, keepdims=True) - NEGLIGIBLE
    first = np.maximum(np.argmax(seen, axis=1) - 1, 0)
    last = np.minimum(x.shape[1] - np.argmax(seen[:, ::-1], axis=1), x.shape[1] - 1)
    each = np.arange(len(x))
    return x[each, first], x[each, last]


def _tau(rows: Rows, x: Matrix) -> Matrix:
    tau: Matrix = rows.unit[:, None] * np.sinh(x)
    upper: float | None = getattr(rows.priors.tau, "upper", None)
    return tau if upper is None else np.minimum(tau, upper)


@dataclass(frozen=True, slots=True)
class Given:
    """Mean and variance of mu given tau, and the log density of tau, not normalised; all of shape (b, n)."""

    mean: Matrix
    variance: Matrix
    log_density: Matrix


def _given(rows: Rows, tau: Matrix) -> Given:
    """Return mu given tau, with mu integrated out of the likelihood under its prior."""
    square = tau * tau
    base = square + rows.least[:, None]
    share, lever, square_sum = np.zeros_like(tau), np.zeros_like(tau), np.zeros_like(tau)
    logs, product = np.zeros_like(tau), np.ones_like(tau)
    k = rows.y.shape[1]
    # Precisions are in units of that of the most precise study, so that none overflows, and study after study, so
    # that every table stays in cache.
    for j in range(k):
        precision = base / (square + rows.v[:, j, None])
        product *= precision
        share += precision
        precision *= rows.y[:, j, None]
        lever += precision
        precision *= rows.y[:, j, None]
        square_sum += precision
        if j % FACTORS == FACTORS - 1 or j == k - 1:
            logs += np.log(product)
            product.fill(1.0)
    mean, variance = lever / share, base / share
    # The most precise study sits at zero, so this is at least 1 / k of the first sum: few digits can cancel.
    q = (square_sum - lever * mean) / base
    log_density = rows.priors.tau.logpdf(tau.ravel()).reshape(tau.shape)
    log_density = log_density + 0.5 * (logs - k * np.log(2.0 * math.pi * base) - q)
    if rows.priors.mu is None:
        return Given(mean, variance, log_density + 0.5 * np.log(2.0 * math.pi * variance))
    prior = rows.priors.mu
    # The pooled mean is sufficient: it was seen with this variance around mu, and mu around its prior.
    centre = (prior.mean - rows.shift)[:, None]
    spread, gap = prior.sd**2 + variance, mean - centre
    log_density += 0.5 * (np.log(variance / spread) - gap * gap / spread)
    return Given(centre + gap * prior.sd**2 / spread, variance * prior.sd**2 / spread, log_density)


def _resolved(rows: Rows, low: Vector, high: Vector, n: int) -> Resolved:
    """Return the posteriors on n nodes between x = low and x = high."""
    rule = _rule(n)
    half = 0.5 * (high - low)
    x = (0.5 * (low + high))[:, None] + half[:, None] * rule.node
    tau = _tau(rows, x)
    given = _given(rows, tau)
    height = given.log_density + np.log(np.cosh(x))
    peak = height.max(axis=1)
    density = np.exp(height - peak[:, None])
    total = density @ rule.weight
    density /= total[:, None]
    weight = density * rule.weight
    return Resolved(
        rows=rows,
        low=low,
        high=high,
        tau=tau,
        weight=weight,
        mean=given.mean,
        variance=given.variance,
        series=rule.analysis @ density.T,
        log_total=peak + np.log(total * half * rows.unit),
        error=_error(rule, rows, density, tau, given),
    )


def _error(rule: Rule, rows: Rows, density: Matrix, tau: Matrix, given: Given) -> Vector:
    """Return the worst sum of the last Legendre coefficients over the integrands, each scaled to integral one."""
    factors = [np.ones_like(tau), tau**rows.order]
    if rows.priors.mu is not None or rows.order == 2:
        mean = (density * given.mean) @ rule.weight
        factors.append(given.variance + (given.mean - mean[:, None]) ** 2)
    last = np.zeros(len(tau))
    for factor in factors:
        integrand = density * factor
        series = rule.analysis[-LAST:] @ integrand.T
        last = np.maximum(last, np.abs(series).sum(axis=0) / (integrand @ rule.weight))
    # A comparison with NaN is false, so that a row which overflowed is never taken for resolved.
    return last


@dataclass(frozen=True, slots=True)
class Rule:
    """Gauss-Legendre nodes and weights, shape (n,), and the matrix from values at the nodes to coefficients."""

    node: Vector
    weight: Vector
    analysis: Matrix


@cache
def _rule(n: int) -> Rule:
    node, weight = legendre.leggauss(n)
    polynomials = legendre.legvander(node, n - 1)
    return Rule(node, weight, (np.arange(n) + 0.5)[:, None] * (polynomials * weight[:, None]).T)


def _summary(level: float) -> Callable[[Resolved, NDArray[np.int64]], Matrix]:
    """Return what turns resolved rows into the columns of ``FIELDS``."""
    ends = ((1.0 - level) / 2.0, (1.0 + level) / 2.0)

    def summary(found: Resolved, _: NDArray[np.int64]) -> Matrix:
        rows, weight = found.rows, found.weight
        mean = (weight * found.mean).sum(axis=1)
        sd = np.sqrt((weight * (found.variance + (found.mean - mean[:, None]) ** 2)).sum(axis=1))
        scale = np.sqrt(found.variance)
        low, high = (each_quantile(weight, found.mean, scale, sd, p) + rows.shift for p in ends)
        power = rows.priors.power(rows.y.shape[1])
        none = np.full(len(mean), np.inf)
        evident = rows.priors.tau.proper and rows.priors.mu is not None
        return np.array([
            mean + rows.shift,
            none if rows.priors.mu is None and power <= 3.0 else sd,
            low,
            high,
            (weight * found.tau).sum(axis=1) if power > 2.0 else none,
            _median_of_tau(found),
            (weight * found.tau**2).sum(axis=1) if power > 3.0 else none,
            (weight * ndtr((-rows.shift[:, None] - found.mean) / scale)).sum(axis=1),
            found.log_total if evident else np.full(len(mean), np.nan),
        ])  # fmt: skip

    return summary


def _median_of_tau(found: Resolved) -> Vector:
    """Return the median of tau: the root of the integral of its series, by Newton's method in a bracket."""
    integral = legendre.legint(found.series, lbnd=-1)
    low, high = np.full(len(found.tau), -1.0), np.ones(len(found.tau))
    node = _rule(found.tau.shape[1]).node
    s = node[np.argmax(np.cumsum(found.weight, axis=1) >= 0.5, axis=1)]
    for _ in range(60):
        excess = legendre.legval(s, integral, tensor=False) - 0.5
        low, high = np.where(excess < 0.0, s, low), np.where(excess < 0.0, high, s)
        new = s - excess / legendre.legval(s, found.series, tensor=False)
        new = np.where((new >= low) & (new <= high), new, 0.5 * (low + high))
        moved = np.abs(new - s).max()
        s = new
        if moved < 1e-8:
            # Newton's method squares its error: the step just made was the last that changes anything.
            break
    x = 0.5 * (found.low + found.high) + 0.5 * (found.high - found.low) * s
    median: Vector = _tau(found.rows, x[:, None])[:, 0]
    return median


def _single(yi: Vector, vi: Vector, priors: Priors, level: float) -> tuple[Vector, bool]:
    """Return the columns of ``FIELDS`` and the convergence of one row by the adaptive engine."""
    fit = bayes_random_effects(yi, vi, tau_prior=priors.tau, mu_prior=priors.mu, level=level)
    median = math.nan if fit.tau.median is None else fit.tau.median
    evidence = math.nan if fit.log_evidence is None else fit.log_evidence
    mu = fit.mu
    numbers = [mu.value, mu.se, mu.low, mu.high, fit.tau.value, median, fit.tau2.value]
    return np.array([*numbers, fit.prob(mu_below=0.0), evidence]), fit.converged
