"""Many Bayesian random-effects meta-analyses at once, without sampling.

Each row is the model of :mod:`k2meta.models.bayes_exact`: one integral over tau. Here all rows share one
Gauss-Legendre rule on x = asinh(tau / unit), laid over the part of the half line that matters to each of them.
The rule interpolates the posterior of tau as well, so its last Legendre coefficients say how well a row is
resolved. Rows that are not get more nodes, and in the end the adaptive engine for one analysis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from k2meta.models.bayes_exact import bayes_random_effects, tail_power
from k2meta.models.errors import ImproperPosteriorError, InputError
from k2meta.models.inputs import Vector, checked_level
from k2meta.models.mixtures import each_quantile
from k2meta.models.priors import (
    Jeffreys,
    Normal,
    TauPrior,
    check_mu_prior,
    check_tau_prior,
    of_studies,
    out_of_scale,
)
from k2meta.models.quadrature import CURVED, HIDDEN, hidden_rise
from k2meta.shown import ShowsItself

Matrix = NDArray[np.float64]

RULES = (48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
"""Numbers of nodes a row can have."""

PER_UNIT = 15.0
"""Nodes for each unit of x a row begins with: what most rows of a dozen studies need."""

MOST_AT_FIRST = 224
"""Most nodes a row begins with; long ranges are those of a few studies, whose posteriors are smoother."""

STEP = 1.3
"""Least ratio of the nodes of the next rule to those that did not resolve a row."""

RESOLVED = 1e-7
"""Largest sum of the last Legendre coefficients of an integrand with integral one.

A distribution function interpolated from the coefficients is better by about the number of nodes, and an integral
has about the square of this error."""

LAST = 6
"""How many coefficients are the last ones."""

ROWS = 384
"""Rows computed together: their tables over the nodes then stay in the cache of a core."""

NEGLIGIBLE = 32.0
"""Log ratio to the peak below which the half line is cut; e^-32 is about 1e-14."""

REACH = 240.0
"""Largest x looked at: tau up to e^240 units, whose square still is a finite number."""

BEYOND = np.array([0.3, 0.7, 1.2, 2.0, 3.2, 5.0, 8.0, 13.0, 21.0, 34.0, 55.0, 89.0, 144.0, 233.0])
"""Where x is looked at past the largest scale of data and prior, from where on both fall."""

FIRST_LOOK = np.linspace(0.0, 1.0, 14)
SECOND_LOOK = np.linspace(0.0, 1.0, 18)

NEAR_ZERO = 1e-5
"""Share of the smallest standard error, and of a typical tau, below which tau is as good as zero.

The likelihood changes by the square of this there, and the first moment of tau is kept."""

SPREAD = legendre.leggauss(40)
"""Nodes on (-1, 1), for the mean of tau in the lump at zero."""

SAME = 1e-10
"""Ratio of tau squared to the smallest variance below which mu given tau does not depend on tau.

It is that of effects one standard error apart. The nodes there are one component of the posterior of mu."""

UNSEEN = 1e-15
"""Probability of a node below which quantiles of mu do without it; moments never do."""

FAINT = 25.0
"""Log ratio to the peak below which a narrow peak between two nodes would not count; e^-25 is about 1e-11."""

APART = 0.8
"""Largest distance of the means of mu at neighbouring nodes, in standard deviations there.

A sum of normals so far apart differs from their integral by e^(-2 pi^2 / 0.8^2) or 1e-13 of it."""

LOWEST = 1e200
"""Log ratio to the peak that stands for zero, where a logarithm is not finite."""

FACTORS = 8
"""Factors multiplied before a logarithm is taken; their product underflows for variances 1e38 times the least."""

FIELDS = ("mu_mean", "mu_sd", "low", "high", "tau_mean", "tau_median", "tau2", "prob_below_zero", "log_evidence")


@dataclass(frozen=True, slots=True)
class BayesBatch(ShowsItself):
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
        error of interpolation where the coefficients fall; the integrals are more accurate than that. Where the
        adaptive engine was used, the error that it states.
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
    the unit of the map from x to tau, ``start`` and ``end`` the smallest and the largest x. Below ``start`` tau is
    as good as zero, with the prior probability ``lump`` and the prior mean ``lump_tau``.
    """

    y: Matrix
    v: Matrix
    shift: Vector
    least: Vector
    unit: Vector
    start: float
    end: Vector
    lump: Vector
    lump_tau: Vector
    priors: Priors

    @property
    def order(self) -> int:
        """Largest moment of tau, up to the second, that is finite."""
        power = self.priors.power(self.y.shape[1])
        return 2 if power > 3.0 else int(power > 2.0)

    def take(self, chosen: NDArray[np.intp]) -> Rows:
        """Return some of the rows."""
        parts = (self.y, self.v, self.shift, self.least, self.unit, self.end, self.lump, self.lump_tau)
        y, v, shift, least, unit, end, lump, lump_tau = (part[chosen] for part in parts)
        return Rows(y, v, shift, least, unit, self.start, end, lump, lump_tau, self.priors)


@dataclass(frozen=True, slots=True)
class Resolved:
    """The posteriors of b rows on n nodes; tables of shape (b, n), the rest of shape (b,).

    ``weight`` is the probability carried by each node, ``mean`` and ``variance`` those of mu (less the shift of
    the row) given tau; ``series`` holds the Legendre coefficients of the density on [-1, 1], shape (n, b), which
    stands for x from ``low`` to ``high``. Where the prior has a lump at zero the tables have one node more, the
    first, with the probability ``at_zero``.
    """

    rows: Rows
    nodes: int
    low: Vector
    high: Vector
    tau: Matrix
    weight: Matrix
    mean: Matrix
    variance: Matrix
    series: Matrix
    at_zero: Vector
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
        The numbers of the single fit to 1e-8 of a posterior standard deviation. Two things neither engine knows so
        well: effects far from zero have the digits that they came with, and an end of an interval that falls
        between two modes, where there is next to no probability, is right to 1e-8 of probability. A row without a
        study, with too few for an improper prior of tau, or beyond every scale of a prior stands in ``not_run``.

    Raises
    ------
    InputError
        Shapes that differ or are not (B, k), a number that is not finite, a variance that is not positive, an
        effect without a variance or the reverse; the message names the index.
    PriorError
        Something that is no prior, or a Jeffreys prior of other studies than those of each row.
    """
    effects, variances = checked_rows(Y, V)
    level = checked_level(level)
    check_tau_prior(tau_prior)
    check_mu_prior(mu_prior)
    _check_jeffreys(tau_prior, variances)
    priors = Priors(tau_prior, mu_prior)
    out = np.full((len(FIELDS), len(effects)), np.nan)
    k, error, nodes, not_run = _solve(effects, variances, priors, _summary(level), out)
    failed = np.flatnonzero((nodes == 0) & (k > 0))
    converged = nodes > 0
    for row in failed[[int(i) not in not_run for i in failed]]:
        here = ~np.isnan(effects[row])
        out[:, row], converged[row], error[row] = _single(effects[row, here], variances[row, here], priors, level)
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
    _check_jeffreys(tau_prior, variances)
    out = np.full((2, len(effects)), np.nan)

    def summary(found: Resolved, rows: NDArray[np.int64]) -> Matrix:
        z = (at[0, rows] - found.rows.shift)[:, None] - found.mean
        x = np.arcsinh(at[1, rows] / found.rows.unit)
        s = np.clip(2.0 * (x - found.low) / (found.high - found.low) - 1.0, -1.0, 1.0)
        below = found.at_zero + legendre.legval(s, legendre.legint(found.series, lbnd=-1), tensor=False)
        below = np.where(x < found.rows.start, _inside_lump(found, at[1, rows]), below)
        return np.array([(found.weight * ndtr(z / np.sqrt(found.variance))).sum(axis=1), np.clip(below, 0.0, 1.0)])

    _, _, nodes, _ = _solve(effects, variances, Priors(tau_prior, mu_prior), summary, out)
    return BayesPit(out[0], out[1], nodes > 0)


def _inside_lump(found: Resolved, tau: Vector) -> Vector:
    """Return the probability below tau so near zero that the likelihood is that of zero, as the prior has it."""
    mass_below: Callable[[Vector], Vector] | None = getattr(found.rows.priors.tau, "mass_below", None)
    if mass_below is None:
        return np.zeros_like(tau)
    with np.errstate(all="ignore"):
        share = mass_below(np.maximum(tau, np.finfo(np.float64).tiny)) / found.rows.lump
    return np.asarray(found.at_zero * np.nan_to_num(share))


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
        absurd = _absurd(*dense, priors)
        not_run |= {int(members[row]): why for row, why in absurd.items()}
        ordinary = np.setdiff1d(np.arange(len(members)), list(absurd))
        members, dense = members[ordinary], (dense[0][ordinary], dense[1][ordinary])
        for found, here, good in _resolved_rows(_rows(*dense, priors)):
            where = members[here]
            error[where] = found.error
            nodes[where[good]] = found.nodes
            out[:, where[good]] = summary(found, where)[:, good]
    return k, error, nodes, not_run


def _why_not(k: int, priors: Priors) -> str:
    if k == 0:
        return "No study is present, so there is nothing to pool."
    try:
        priors.power(k)
    except ImproperPosteriorError as error:
        return str(error)
    return ""


def _absurd(y: Matrix, v: Matrix, priors: Priors) -> dict[int, str]:
    """Return the rows, of y and v (b, k), that lie beyond every scale of the priors, each with the reason."""
    found, both = {}, (priors.tau, priors.mu)
    scale = np.ptp(y, axis=1) + np.sqrt(v.min(axis=1))
    # The largest and the smallest scale say whether any row is meant: almost never.
    if any(out_of_scale(prior, float(end)) for prior in both for end in (scale.min(), scale.max())):
        for row, one in enumerate(scale.tolist()):
            why = " ".join(filter(None, (out_of_scale(prior, one) for prior in both)))
            if why:
                found[row] = why
    return found


def _check_jeffreys(tau_prior: TauPrior, variances: Matrix) -> None:
    """Raise a ``PriorError`` for a Jeffreys prior of other studies than those of every row."""
    if isinstance(tau_prior, Jeffreys) and tau_prior.vi is not None:
        for v in variances:
            of_studies(tau_prior, v[~np.isnan(v)])


def _rows(y: Matrix, v: Matrix, priors: Priors) -> Rows:
    first = np.argmin(v, axis=1)[:, None]
    shift, least = np.take_along_axis(y, first, 1)[:, 0], np.take_along_axis(v, first, 1)[:, 0]
    unit, start = np.sqrt(least), 0.0
    lump = lump_tau = np.zeros(len(y))
    mass_below: Callable[[Vector], Vector] | None = getattr(priors.tau, "mass_below", None)
    if mass_below is not None:
        # A density that is not smooth at zero is smooth in log(tau): there x is used only where it is a logarithm.
        unit = NEAR_ZERO * np.minimum(unit, getattr(priors.tau, "typical", math.inf))
        start, lump = math.asinh(1.0), mass_below(unit)
        lump_tau = _mean_below(mass_below, unit)
    elif priors.tau.width is not None:
        unit = np.minimum(unit, priors.tau.width)
    upper = getattr(priors.tau, "upper", None)
    end = np.full(len(y), REACH) if upper is None else np.minimum(REACH, np.arcsinh(upper / unit))
    return Rows(y - shift[:, None], v, shift, least, unit, start, end, lump, lump_tau, priors)


def _mean_below(mass_below: Callable[[Vector], Vector], top: Vector) -> Vector:
    """Return the prior mean of tau given that it lies below ``top``, shape (b,); half of it where nothing does."""
    node, weight = SPREAD
    # By parts: top less the integral of the distribution function, which is smooth in log(tau); e^-36 is none.
    u = 18.0 * (node + 1.0)
    inside = mass_below((top[:, None] * np.exp(-u)).ravel()).reshape(len(top), -1) @ (18.0 * weight * np.exp(-u))
    whole = mass_below(top)
    some = whole > 0.0
    return np.where(some, top * (1.0 - inside / np.where(some, whole, 1.0)), 0.5 * top)


def _resolved_rows(rows: Rows) -> Iterator[tuple[Resolved, NDArray[np.intp], NDArray[np.bool_]]]:
    """Yield rows of like need together: their numbers, which they are, and which of them the rule resolved."""
    rules = np.array(RULES)
    every = np.arange(len(rows.y))
    low, high = np.empty(len(every)), np.empty(len(every))
    # Rows far outside every scale overflow here and fail their check, which is what sends them on.
    with np.errstate(all="ignore"):
        for here in _chunks(every):
            part = rows.take(here)
            cut = _cut(part, _first_look(part))
            low[here], high[here] = _cut(part, cut[0][:, None] + (cut[1] - cut[0])[:, None] * SECOND_LOOK)
        need = np.minimum(PER_UNIT * np.nan_to_num(high - low), MOST_AT_FIRST)
        turn = np.minimum(np.searchsorted(rules, need), len(rules) - 1)
        for step, n in enumerate(RULES):
            for here in _chunks(np.flatnonzero(turn == step)):
                found = _resolved(rows.take(here), low[here], high[here], n)
                good = found.error <= RESOLVED
                turn[here[~good]] = np.searchsorted(rules, STEP * n)
                yield found, here, good


def _chunks(rows: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    for i in range(0, len(rows), ROWS):
        yield rows[i : i + ROWS]


def _first_look(rows: Rows) -> Matrix:
    """Return x from zero to past the scales of data and prior, shape (b, n)."""
    scale = np.maximum(np.ptp(rows.y, axis=1), np.sqrt(rows.least))
    if rows.priors.tau.width is not None:
        scale = np.maximum(scale, rows.priors.tau.width)
    if rows.priors.mu is not None:
        gap = rows.y + (rows.shift - rows.priors.mu.mean)[:, None]
        scale = np.maximum(scale, np.abs(gap).max(axis=1))
    middle = np.arcsinh(scale / rows.unit)[:, None]
    x: Matrix = np.hstack([rows.start + (middle - rows.start) * FIRST_LOOK, middle + BEYOND])
    return np.asarray(np.minimum(x, rows.end[:, None]))


def _cut(rows: Rows, x: Matrix) -> tuple[Vector, Vector]:
    """Return the ends of the part of increasing x, shape (b, n), outside of which nothing counts.

    Between two points the height stays below a bound that needs no smoothness: with tau the quadratic form of the
    likelihood falls, which raises it, and all else lowers it, so that one is taken at the further end and the
    other at the nearer.
    """
    tau = _tau(rows, x)
    given, crest = _given(rows, tau), _log_prior(rows, tau) + _log_slope(rows, tau)
    height = given.log_likelihood + crest
    falling = given.log_likelihood + 0.5 * given.quadratic
    bound = falling[:, :-1] - 0.5 * given.quadratic[:, 1:] + _crest_between(rows, x, crest)
    power = rows.order * np.log(np.maximum(np.sinh(x), 1.0))
    seen = bound > height.max(axis=1, keepdims=True) - NEGLIGIBLE
    seen |= bound + power[:, 1:] > (height + power).max(axis=1, keepdims=True) - NEGLIGIBLE
    first, last = np.argmax(seen, axis=1), seen.shape[1] - np.argmax(seen[:, ::-1], axis=1)
    each = np.arange(len(x))
    return x[each, first], x[each, last]


def _crest_between(rows: Rows, x: Matrix, crest: Matrix) -> Matrix:
    """Return the greatest value between neighbouring x of log prior and slope, which rise to one top and fall."""
    ends = np.maximum(crest[:, :-1], crest[:, 1:])
    typical: float | None = getattr(rows.priors.tau, "typical", None)
    if typical is None:
        return np.asarray(ends)
    # These priors have their top in log(tau) at their typical value, and it may be a narrow one.
    at = np.arcsinh(typical / rows.unit)[:, None]
    there = _tau(rows, at)
    top = _log_prior(rows, there) + _log_slope(rows, there)
    return np.where((x[:, :-1] < at) & (at < x[:, 1:]), np.maximum(ends, top), ends)


def _tau(rows: Rows, x: Matrix) -> Matrix:
    tau: Matrix = rows.unit[:, None] * np.sinh(x)
    upper: float | None = getattr(rows.priors.tau, "upper", None)
    return tau if upper is None else np.minimum(tau, upper)


def _log_slope(rows: Rows, tau: Matrix) -> Matrix:
    """Return the log of the slope of the map from x to tau, in units of ``unit``: log(cosh(x))."""
    s = tau / rows.unit[:, None]
    return np.asarray(0.5 * np.log1p(s * s))


@dataclass(frozen=True, slots=True)
class Given:
    """Mean and variance of mu given tau, the log likelihood of tau and its quadratic form; all of shape (b, n)."""

    mean: Matrix
    variance: Matrix
    log_likelihood: Matrix
    quadratic: Matrix


def _log_prior(rows: Rows, tau: Matrix) -> Matrix:
    if isinstance(rows.priors.tau, Jeffreys):
        # Made of the variances of each row.
        square, information = tau * tau, np.zeros_like(tau)
        for v in rows.v.T:
            information += np.square(rows.least[:, None] / (v[:, None] + square))
        return np.asarray(np.log(tau) + 0.5 * np.log(2.0 * information) - np.log(rows.least)[:, None])
    return rows.priors.tau.logpdf(tau.ravel()).reshape(tau.shape)


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
    seen = 0.5 * (logs - k * np.log(2.0 * math.pi * base) - q)
    if rows.priors.mu is None:
        return Given(mean, variance, seen + 0.5 * np.log(2.0 * math.pi * variance), q)
    prior = rows.priors.mu
    # The pooled mean is sufficient: it was seen with this variance around mu, and mu around its prior.
    centre = (prior.mean - rows.shift)[:, None]
    spread, gap = prior.sd**2 + variance, mean - centre
    strain = gap * gap / spread
    seen += 0.5 * (np.log(variance / spread) - strain)
    return Given(centre + gap * prior.sd**2 / spread, variance * prior.sd**2 / spread, seen, q + strain)


def _resolved(rows: Rows, low: Vector, high: Vector, n: int) -> Resolved:
    """Return the posteriors on n nodes between x = low and x = high."""
    rule = _rule(n)
    half = 0.5 * (high - low)
    x = (0.5 * (low + high))[:, None] + half[:, None] * rule.node
    tau = _tau(rows, x)
    given = _given(rows, tau)
    height = given.log_likelihood + _log_prior(rows, tau) + _log_slope(rows, tau)
    peak = height.max(axis=1)
    density = np.exp(height - peak[:, None])
    total = density @ rule.weight
    error = _error(rule, rows, density / total[:, None], tau, given)
    # A peak between two nodes leaves no trace in the coefficients, nor does a mean of mu that jumps between them.
    error[_may_hide(rule.node, height, peak) | _jumps(given, height, peak)] = math.inf
    weight = density * (rule.weight / total[:, None])
    log_total = peak + np.log(total * half * rows.unit)
    found = Resolved(
        rows=rows,
        nodes=n,
        low=low,
        high=high,
        tau=tau,
        weight=weight,
        mean=given.mean,
        variance=given.variance,
        series=rule.analysis @ (density / total[:, None]).T,
        at_zero=np.zeros(len(low)),
        log_total=log_total,
        error=error,
    )
    return _with_lump(found) if rows.lump.any() else found


def _may_hide(node: Vector, height: Matrix, peak: Vector) -> NDArray[np.bool_]:
    """Return whether a peak that counts may hide between two of the nodes (n,) of each row of heights (b, n)."""
    w = np.diff(node)
    bend = np.abs(np.diff(np.diff(height) / w))
    bend *= 2.0 * CURVED * np.maximum(w[:-1], w[1:]) ** 2 / (w[:-1] + w[1:])
    # A rise is at most an eighth of this, which few rows pass; only they are looked at closely.
    hides: NDArray[np.bool_] = (bend > 8.0 * HIDDEN).any(axis=1)
    if hides.any():
        # Where a prior is zero its logarithm is not finite.
        finite = np.maximum(height[hides], peak[hides, None] - LOWEST)
        rise, ends = hidden_rise(node, finite), np.maximum(finite[:, :-1], finite[:, 1:])
        hides[hides] = ((rise > HIDDEN) & (ends + rise > peak[hides, None] - FAINT)).any(axis=1)
    return hides


def _jumps(given: Given, height: Matrix, peak: Vector) -> NDArray[np.bool_]:
    """Return whether neighbouring components of mu that count lie too far apart to add up to a smooth density."""
    moved = np.diff(given.mean)
    apart = moved * moved > APART**2 * given.variance[:, 1:]
    apart &= height[:, 1:] > peak[:, None] - FAINT
    found: NDArray[np.bool_] = apart.any(axis=1)
    return found


def _with_lump(found: Resolved) -> Resolved:
    """Return the posteriors with one node more, at zero, for the part of the prior that is as good as there."""
    rows = found.rows
    near_zero = rows.lump_tau[:, None]
    given = _given(rows, near_zero)
    log_lump = np.log(rows.lump) + given.log_likelihood[:, 0]
    log_total: Vector = np.logaddexp(found.log_total, log_lump)
    at_zero = np.exp(log_lump - log_total)
    rest = 1.0 - at_zero
    return replace(
        found,
        tau=np.hstack([near_zero, found.tau]),
        weight=np.hstack([at_zero[:, None], found.weight * rest[:, None]]),
        mean=np.hstack([given.mean, found.mean]),
        variance=np.hstack([given.variance, found.variance]),
        series=found.series * rest,
        at_zero=at_zero,
        log_total=log_total,
        # A median of tau inside the lump is not known to any digit: such a row goes to the adaptive engine.
        error=np.where(at_zero < 0.5, found.error, math.inf),
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
        parts = _components(found)
        low, high = (each_quantile(*parts, p) + rows.shift for p in ends)
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
            (parts[0] * ndtr((-rows.shift[:, None] - parts[1]) / parts[2])).sum(axis=1),
            found.log_total if evident else np.full(len(mean), np.nan),
        ])  # fmt: skip

    return summary


def _components(found: Resolved) -> tuple[Matrix, Matrix, Matrix]:
    """Return weights, means and standard deviations of mu given tau, without the nodes that add nothing to it."""
    rows = found.rows
    # Studies far apart move the mean that much more, in its standard deviations.
    reach = 1.0 + np.ptp(rows.y, axis=1) / np.sqrt(rows.least)
    seen = np.flatnonzero((found.weight > UNSEEN).any(axis=0))
    last = int(seen[-1]) + 1 if seen.size else found.weight.shape[1]
    # Where tau is as good as zero at every node that is seen, the last of them stands for all.
    first = min(int(np.argmax((found.tau**2 * reach[:, None] > SAME * rows.least[:, None]).any(axis=0))), last - 1)
    weight = found.weight[:, first:last].copy()
    weight[:, 0] += found.weight[:, :first].sum(axis=1)
    return weight, found.mean[:, first:last], np.sqrt(found.variance[:, first:last])


def _median_of_tau(found: Resolved) -> Vector:
    """Return the median of tau: the root of the integral of its series, by Newton's method in a bracket."""
    n = found.nodes
    integral = legendre.legint(found.series, lbnd=-1)
    low, high = np.full(len(found.tau), -1.0), np.ones(len(found.tau))
    mass = np.cumsum(found.weight[:, -n:], axis=1)
    wanted = (0.5 - found.at_zero)[:, None]
    s = _rule(n).node[np.argmax(mass >= wanted, axis=1)]
    for _ in range(60):
        # One table of polynomials serves the distribution function and the density.
        table = legendre.legvander(s, n)
        excess = found.at_zero + np.einsum("bj,jb->b", table, integral) - 0.5
        low, high = np.where(excess < 0.0, s, low), np.where(excess < 0.0, high, s)
        new = s - excess / np.einsum("bj,jb->b", table[:, :n], found.series)
        new = np.where((new >= low) & (new <= high), new, 0.5 * (low + high))
        left = max(np.abs(new - s).max(), np.abs(excess).max())
        s = new
        if left < 1e-6:
            # Newton's method squares its error: the step just made was the last that changes anything.
            break
    x = 0.5 * (found.low + found.high) + 0.5 * (found.high - found.low) * s
    median: Vector = _tau(found.rows, x[:, None])[:, 0]
    return median


def _single(yi: Vector, vi: Vector, priors: Priors, level: float) -> tuple[Vector, bool, float]:
    """Return the columns of ``FIELDS``, convergence and error of one row by the adaptive engine."""
    fit = bayes_random_effects(yi, vi, tau_prior=priors.tau, mu_prior=priors.mu, level=level)
    median = math.nan if fit.tau.median is None else fit.tau.median
    evidence = math.nan if fit.log_evidence is None else fit.log_evidence
    mu = fit.mu
    numbers = [mu.value, mu.se, mu.low, mu.high, fit.tau.value, median, fit.tau2.value]
    error = fit.diagnostics.quadrature_error
    return (
        np.array([*numbers, fit.prob(mu_below=0.0), evidence]),
        fit.converged,
        math.nan if error is None else error,
    )
