"""Meta-regression: effects explained by study-level moderators, with what they leave unexplained as tau2.

Given k studies and p coefficients, k - p error contrasts K'y with X'K = 0 and K'K = I carry all that is known
about tau2. An orthogonal turn of them makes their variances ``spread + tau2`` with the same ``spread`` for every
tau2, so each estimator is a sum over k - p numbers and no matrix is inverted in a search.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, chdtri, fdtrc

from k2meta.models.design import Design, Matrix, check_rank, checked_regression, new_rows
from k2meta.models.errors import InputError, UnknownMethodError
from k2meta.models.fit import Heterogeneity, QTest
from k2meta.models.heterogeneity import SCAN_FLOOR, SCAN_POINTS_PER_DECADE, Tau2
from k2meta.models.inputs import Vector, checked, checked_level
from k2meta.models.intervals import critical, two_sided_p
from k2meta.models.roots import Root, bracketed_root
from k2meta.shown import ShowsItself

LARGE_VIF = 10.0
"""Customary bound above which a coefficient hardly has information of its own."""

STUDIES_PER_COVARIATE = 10
"""Fewer studies than this for each covariate make a meta-regression exploratory."""

EXACT_LIMIT = 5040
"""Most permutations enumerated: all of seven studies, or more studies with tied moderators."""

TIE = 1e-9
"""Relative difference below which two test statistics are equal: far above rounding, far below a real step."""

INTERVALS = ("HKSJ", "HKSJ-guarded", "t", "z")


@dataclass(frozen=True, slots=True)
class Coefficient:
    """One regression coefficient, in units of ``yi`` per unit of its column; ``df`` is ``None`` for the normal."""

    name: str
    value: float
    se: float
    low: float
    high: float
    statistic: float | None
    df: float | None
    p: float | None


@dataclass(frozen=True, slots=True)
class ModelTest:
    """Omnibus test that several coefficients are zero.

    Attributes
    ----------
    value : float
        Wald chi-square for ``df_residual=None``, else F, the chi-square over ``df``.
    df : int
        Number of coefficients tested.
    df_residual : float or None
        Denominator degrees of freedom.
    p : float or None
        Upper tail probability; ``None`` with a reason in ``not_run`` where the test has no reference.
    names : tuple of str
        Columns tested.
    """

    value: float
    df: int
    df_residual: float | None
    p: float | None
    names: tuple[str, ...]
    not_run: str | None = None


@dataclass(frozen=True, slots=True)
class Working(ShowsItself):
    """The linear model behind a fit, as robust variances need it.

    Attributes
    ----------
    y : ndarray, shape (k,)
        Effects.
    X : ndarray, shape (k, p)
        Design matrix.
    M : ndarray, shape (k, k) or (k,)
        Marginal covariance of the effects under the model, (k,) where it is diagonal; its inverse weights them.
    names : tuple of str
        Names of the p columns.
    """

    y: Vector
    X: Matrix
    M: Matrix | Vector
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MetaRegression(ShowsItself):
    """The frozen result of a meta-regression; with ``not_run`` set, everything estimated is empty or ``None``.

    Attributes
    ----------
    coefficients : tuple of Coefficient
        Intercept first, then the columns of X.
    covariance : tuple of tuple of float
        Covariance of the coefficients, (p, p), with the Hartung-Knapp factor where the interval has one.
    tau2 : Heterogeneity or None
        Residual between-study variance, in squared units of ``yi``, with its Q-profile interval.
    tau2_without : float or None
        tau2 by the same method without moderators.
    q_model : ModelTest or None
        Test of all moderators; of all coefficients where there is no intercept.
    q_residual : QTest or None
        Test of residual heterogeneity: weighted squares at tau2 = 0 on k - p degrees of freedom.
    r2 : float or None
        Percentage of tau2 explained, max(0, 1 - tau2 / tau2_without); ``None`` without an intercept or where
        there was nothing to explain.
    i2, h2 : float or None
        Residual 100 tau2 / (tau2 + s2) and 1 + tau2 / s2, with s2 = (k - p) / trace(P) at tau2 = 0; from the
        residual Q where tau2 is fixed at zero.
    vif : tuple of float
        Variance inflation factor of each column of X (intercept left out).
    hat : tuple of float
        Leverage of each study on its own fitted value; they sum to p.
    exploratory : bool
        Whether there are fewer than ten studies for each covariate.
    warnings : tuple of str
        Sentences meant for the reader.
    not_run : str or None
        Why there is no estimate, as a sentence.
    """

    k: int
    names: tuple[str, ...]
    method: str
    interval: str
    level: float
    coefficients: tuple[Coefficient, ...] = ()
    covariance: tuple[tuple[float, ...], ...] = ()
    tau2: Heterogeneity | None = None
    tau2_without: float | None = None
    q_model: ModelTest | None = None
    q_residual: QTest | None = None
    r2: float | None = None
    i2: float | None = None
    h2: float | None = None
    vif: tuple[float, ...] = ()
    hat: tuple[float, ...] = ()
    converged: bool = False
    at_boundary: bool = False
    iterations: int = 0
    local_optima: int = 0
    exploratory: bool = False
    warnings: tuple[str, ...] = ()
    not_run: str | None = None
    working: Working | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Predicted:
    """The mean effect at given moderators with its interval, and the interval for a new study there."""

    value: float
    se: float
    low: float
    high: float
    prediction_low: float
    prediction_high: float


@dataclass(frozen=True, slots=True)
class PermutationTest:
    """p values of the coefficients from rearranged moderators.

    Attributes
    ----------
    p : tuple of float
        One per coefficient: share of rearrangements with a test statistic at least as far from zero.
    p_model : float or None
        The same for the omnibus test.
    permutations : int
        Rearrangements used, the observed one among them.
    exact : bool
        Whether they were all that exist.
    """

    names: tuple[str, ...]
    p: tuple[float, ...] = ()
    p_model: float | None = None
    permutations: int = 0
    exact: bool = False
    not_run: str | None = None


@dataclass(frozen=True, slots=True)
class Contrasts:
    """Error contrasts turned so that their covariance is diagonal for every tau2.

    Attributes
    ----------
    squares : ndarray, shape (k - p,)
        Squared contrasts.
    spread : ndarray, shape (k - p,)
        Their sampling variances; each contrast has variance spread + tau2.
    vi : ndarray, shape (k,)
        Sampling variances of the effects.
    crude : float
        Mean squared deviation of the effects from their plain mean.
    """

    squares: Vector
    spread: Vector
    vi: Vector
    crude: float

    @property
    def df(self) -> int:
        """Residual degrees of freedom k - p."""
        return len(self.spread)

    def q(self, tau2: float) -> float:
        """Return the generalised residual Q, y'Py at a tau2; it decreases."""
        return float(np.sum(self.squares / (self.spread + tau2)))

    def trace(self, tau2: float) -> float:
        """Return the trace of P at a tau2."""
        return float(np.sum(1.0 / (self.spread + tau2)))


@dataclass(frozen=True, slots=True)
class LeastSquares:
    """Weighted least squares: coefficients (p,), inverse information (p, p), leverages (k,)."""

    beta: Vector
    covariance: Matrix
    hat: Vector


def error_contrasts(yi: Vector, vi: Vector, X: Matrix) -> Contrasts:
    """Return the k - p turned error contrasts of effects (k,), variances (k,) and a design (k, p) of full rank.

    The right singular vectors of V^(1/2) K diagonalise K'VK. They come from one-sided Jacobi rotations, which
    keep small singular values to full relative accuracy when variances differ by many orders of magnitude.
    """
    K = _complement(X)
    turned, spread = _relative_svd(np.sqrt(vi)[:, None] * K)
    squares = (turned.T @ (K.T @ yi)) ** 2
    return Contrasts(squares, spread**2, vi, float(np.mean((yi - yi.mean()) ** 2)))


def _complement(X: Matrix) -> Matrix:
    from scipy.linalg import qr

    full = qr(X / np.linalg.norm(X, axis=0), pivoting=True)[0]
    return np.asarray(full[:, X.shape[1] :])


def _relative_svd(A: Matrix) -> tuple[Matrix, Vector]:
    """Return right singular vectors (n, n) and singular values (n,) of a tall matrix (k, n)."""
    from scipy.linalg.lapack import dgejsv

    # joba=2: row and column scaling both protected; jobu=3: no left vectors; jobv=0: right vectors.
    sva, _, v, work, _, info = dgejsv(A, joba=2, jobu=3, jobv=0)
    if info != 0:
        raise ArithmeticError(f"the singular values of {A.shape[0]} error contrasts did not converge")
    return np.asarray(v), np.asarray(sva) * (work[0] / work[1])


def _moments(contrasts: Contrasts, first: float) -> float:
    """Return the moment estimate with weights 1 / (vi + first): E Q = sum (spread + tau2) / (spread + first)."""
    weight = 1.0 / (contrasts.spread + first)
    excess = float(np.sum((contrasts.squares - contrasts.spread) * weight))
    return max(0.0, excess / float(weight.sum()))


def _dersimonian_laird(c: Contrasts) -> Tau2:
    value = _moments(c, 0.0)
    return Tau2(value, math.sqrt(2.0 * float(np.sum((1.0 + value / c.spread) ** 2))) / c.trace(0.0))


def _hedges(c: Contrasts) -> Tau2:
    value = max(0.0, float(np.sum(c.squares - c.spread)) / c.df)
    return Tau2(value, math.sqrt(2.0 * float(np.sum((c.spread + value) ** 2))) / c.df)


def _two_step_dersimonian_laird(c: Contrasts) -> Tau2:
    return Tau2(_moments(c, _dersimonian_laird(c).value), None)


def _two_step_cochran_anova(c: Contrasts) -> Tau2:
    return Tau2(_moments(c, _hedges(c).value), None)


def _sidik_jonkman(c: Contrasts) -> Tau2:
    if c.crude == 0.0:
        return Tau2(0.0, None)
    value = c.crude * c.q(c.crude) / c.df
    ratio = (c.spread + value) / (c.spread + c.crude)
    return Tau2(value, c.crude * math.sqrt(2.0 * float(np.sum(ratio**2))) / c.df)


def _root_of_q(c: Contrasts, target: float) -> Root:
    if c.q(0.0) <= target:
        return Root(0.0, 0, True)
    # sum squares / (max spread + tau2) <= Q(tau2) <= sum squares / (min spread + tau2) brackets the root.
    ratio = float(c.squares.sum()) / target
    largest, smallest = float(c.spread.max()), float(c.spread.min())
    low = max(0.0, (ratio - largest) * (1.0 - 1e-9) - 1e-9 * largest)
    high = (ratio - smallest) * (1.0 + 1e-9) + 1e-9 * smallest
    return bracketed_root(lambda tau2: c.q(tau2) - target, low, high)


def _paule_mandel(c: Contrasts) -> Tau2:
    root = _root_of_q(c, float(c.df))
    return Tau2(root.value, math.sqrt(2.0 * c.df) / c.trace(root.value), root.converged, root.iterations)


def _median_unbiased_paule_mandel(c: Contrasts) -> Tau2:
    root = _root_of_q(c, float(chdtri(c.df, 0.5)))
    return Tau2(root.value, None, root.converged, root.iterations)


def _restricted_maximum_likelihood(c: Contrasts) -> Tau2:
    found = _maximum(c, c.spread)
    se = math.sqrt(2.0 / float(np.sum((c.spread + found.value) ** -2.0)))
    return Tau2(found.value, se, found.converged, found.iterations, found.local_optima)


def _maximum_likelihood(c: Contrasts) -> Tau2:
    found = _maximum(c, c.vi)
    se = math.sqrt(2.0 / float(np.sum((c.vi + found.value) ** -2.0)))
    return Tau2(found.value, se, found.converged, found.iterations, found.local_optima)


def _equal_effects(c: Contrasts) -> Tau2:
    return Tau2(0.0, None)


ESTIMATORS: Mapping[str, Callable[[Contrasts], Tau2]] = {
    "REML": _restricted_maximum_likelihood,
    "ML": _maximum_likelihood,
    "DL": _dersimonian_laird,
    "DL2": _two_step_dersimonian_laird,
    "HE": _hedges,
    "CA2": _two_step_cochran_anova,
    "PM": _paule_mandel,
    "EB": _paule_mandel,
    "PMM": _median_unbiased_paule_mandel,
    "SJ": _sidik_jonkman,
    "EE": _equal_effects,
}
"""``EE`` fixes tau2 at zero: moderators explain everything but sampling error."""


def _maximum(c: Contrasts, determinant: Vector) -> Tau2:
    """Return the highest maximum of -1/2 sum log(determinant + tau2) - 1/2 sum squares / (spread + tau2).

    ``determinant`` is ``spread`` for the restricted likelihood and ``vi`` for the full one. With S the sum of
    squares, the score is negative for tau2 beyond the largest variance and 2 S / (k - p), which bounds the scan.
    """

    def score(tau2: Vector) -> Vector:
        variance = c.spread + tau2[:, None]
        trace = (1.0 / (determinant + tau2[:, None])).sum(axis=1)
        return np.asarray((c.squares / variance**2).sum(axis=1) - trace)

    def twice_log_likelihood(tau2: Vector) -> Vector:
        fit = (c.squares / (c.spread + tau2[:, None])).sum(axis=1)
        return np.asarray(-np.log(determinant + tau2[:, None]).sum(axis=1) - fit)

    bound = 1.01 * max(float(c.vi.max()), 2.0 * float(c.squares.sum()) / c.df)
    floor = SCAN_FLOOR * float(min(c.spread.min(), determinant.min()))
    count = 2 + math.ceil(SCAN_POINTS_PER_DECADE * math.log10(bound / floor))
    points = np.concatenate([[0.0], np.geomspace(floor, bound, count)])
    rising = score(points) > 0
    roots = [
        bracketed_root(lambda t: float(score(np.array([t]))[0]), float(points[i]), float(points[i + 1]))
        for i in np.flatnonzero(rising[:-1] & ~rising[1:])
    ]
    if not rising[0]:
        roots.append(Root(0.0, 0, True))
    height = twice_log_likelihood(np.array([root.value for root in roots]))
    scanned = twice_log_likelihood(points)
    best = roots[int(np.argmax(height))]
    slack = 1e-12 * (float(np.abs(scanned).max()) + len(c.vi))
    proved = best.converged and float(height.max()) >= float(scanned.max()) - slack
    return Tau2(best.value, None, proved, sum(root.iterations for root in roots), len(roots))


def weighted_least_squares(y: Vector, weight: Vector, X: Matrix) -> LeastSquares:
    """Return the weighted regression of effects (k,) on a design (k, p) with weights (k,).

    A pivoted QR of the rows in order of falling weight: rows of very different size keep their digits.
    """
    from scipy.linalg import qr, solve_triangular

    order = np.argsort(-weight, kind="stable")
    root = np.sqrt(weight[order])
    rows = root[:, None] * X[order]
    size = np.linalg.norm(rows, axis=0)
    q, r, pivot = qr(rows / size, mode="economic", pivoting=True)
    inverse = np.empty_like(r)
    inverse[pivot] = solve_triangular(r, np.eye(len(pivot)))
    inverse /= size[:, None]
    hat = np.empty_like(weight)
    hat[order] = (q**2).sum(axis=1)
    return LeastSquares(inverse @ (q.T @ (root * y[order])), inverse @ inverse.T, hat)


def meta_regression(
    yi: ArrayLike,
    vi: ArrayLike,
    X: ArrayLike | Mapping[str, ArrayLike] | None,
    *,
    names: Iterable[str] | None = None,
    intercept: bool = True,
    tau2: str = "REML",
    interval: str = "HKSJ",
    level: float = 0.95,
) -> MetaRegression:
    """Regress effects on study-level moderators with a residual between-study variance.

    Parameters
    ----------
    yi : array_like, shape (k,)
        Effects.
    vi : array_like, shape (k,)
        Sampling variances, in squared units of ``yi``.
    X : array_like, shape (k,) or (k, m), mapping of names to columns, or None
        Moderators as numbers, without the intercept; ``None`` estimates the intercept alone.
    names : iterable of str, optional
        Names of the columns; ``x1``, ``x2``, … where none are given.
    intercept : bool
        Whether a column of ones is put first.
    tau2 : str
        Estimator of the residual between-study variance, a key of ``ESTIMATORS``.
    interval : {"HKSJ", "HKSJ-guarded", "t", "z"}
        Knapp-Hartung scales the covariance by Q(tau2) / (k - p) and uses t(k - p); guarded never scales below
        one; t and z leave the covariance as it is.
    level : float
        Coverage of the intervals.

    Returns
    -------
    MetaRegression
        With ``not_run`` set where k <= p: no degree of freedom is left to estimate tau2 from.

    Raises
    ------
    InputError
        Unusable effects, variances, moderators or level; the message names index and column.
    CollinearityError
        Moderators that determine each other, or a constant one; the message names them.
    UnknownMethodError
        A name that is not registered.

    Notes
    -----
    Knapp and Hartung (2003) for the scaled covariance, Viechtbauer (2007) for the Q-profile interval.
    """
    if tau2 not in ESTIMATORS:
        raise UnknownMethodError("tau2", tau2, ESTIMATORS)
    if interval not in INTERVALS:
        raise UnknownMethodError("interval", interval, INTERVALS)
    data, level = checked_regression(yi, vi, X, names, intercept=intercept), checked_level(level)
    design, y = data.design, data.y
    if data.k <= len(design.names):
        return _not_run(data.k, design, tau2, interval, level)
    check_rank(design)
    contrasts = error_contrasts(y, data.v, design.X)
    found = ESTIMATORS[tau2](contrasts)
    solved = weighted_least_squares(y, 1.0 / (data.v + found.value), design.X)
    solved.beta[0] += data.shift
    without = _tau2_without(y, data.v, design, tau2)
    return _result(Working(y + data.shift, design.X, data.v + found.value, design.names), design, contrasts,
                   found, solved, without, tau2, interval, level)  # fmt: skip


def _not_run(k: int, design: Design, method: str, interval: str, level: float) -> MetaRegression:
    p = len(design.names)
    studies = "study leaves" if k == 1 else "studies leave"
    reason = f"Not run: {k} {studies} no degree of freedom for {p} coefficients and tau2; {p + 1} are needed."
    return MetaRegression(k, design.names, method, interval, level, exploratory=True, not_run=reason)


def _tau2_without(y: Vector, vi: Vector, design: Design, method: str) -> float | None:
    """Return tau2 with the intercept alone, or for equal effects the mean square Q / df that R2 compares."""
    if not design.intercept or not design.moderators:
        return None
    alone = error_contrasts(y, vi, design.X[:, :1])
    return alone.q(0.0) / alone.df if method == "EE" else ESTIMATORS[method](alone).value


def _result(
    working: Working,
    design: Design,
    c: Contrasts,
    found: Tau2,
    solved: LeastSquares,
    without: float | None,
    method: str,
    interval: str,
    level: float,
) -> MetaRegression:
    factor = _scale(c, found.value, interval)
    covariance = solved.covariance * factor
    df = None if interval == "z" else float(c.df)
    q = residual_q(c.q(0.0), c.df)
    s2 = c.df / c.trace(0.0)
    left = q.value / c.df if method == "EE" else found.value
    i2, h2 = (q.i2, left) if method == "EE" else (100.0 * left / (left + s2), 1.0 + left / s2)
    vif = variance_inflation(covariance, design.moderators)
    return MetaRegression(
        k=len(c.vi),
        names=design.names,
        method=method,
        interval=interval,
        level=level,
        coefficients=coefficients(design.names, solved.beta, covariance, level, df),
        covariance=tuple(tuple(row) for row in covariance.tolist()),
        tau2=_heterogeneity(c, found, method, level),
        tau2_without=None if method == "EE" else without,
        q_model=model_test(solved.beta, covariance, design.moderators, design.names, df),
        q_residual=q,
        r2=None if not without else 100.0 * max(0.0, 1.0 - left / without),
        i2=i2,
        h2=h2,
        vif=vif,
        hat=tuple(solved.hat.tolist()),
        converged=found.converged,
        at_boundary=found.at_boundary,
        iterations=found.iterations,
        local_optima=found.local_optima,
        exploratory=len(c.vi) < STUDIES_PER_COVARIATE * (len(design.names) - int(design.intercept)),
        warnings=_warnings(design, c, found, without, vif, factor, interval),
        working=working,
    )


def _scale(c: Contrasts, tau2: float, interval: str) -> float:
    if interval not in ("HKSJ", "HKSJ-guarded"):
        return 1.0
    factor = c.q(tau2) / c.df
    return max(1.0, factor) if interval == "HKSJ-guarded" else factor


def _heterogeneity(c: Contrasts, found: Tau2, method: str, level: float) -> Heterogeneity:
    if method == "EE":
        return Heterogeneity(0.0, None, None, None, "zero by assumption", "none", level)
    tail = (1.0 - level) / 2.0
    low = _root_of_q(c, float(chdtri(c.df, tail))).value
    high = _root_of_q(c, float(chdtri(c.df, 1.0 - tail))).value
    return Heterogeneity(found.value, found.se, low, high, method, "Q-profile", level)


def residual_q(value: float, df: int) -> QTest:
    """Return a residual Q with its chi-square test; no test without degrees of freedom."""
    share = 100.0 * (value - df) / value if value > df else 0.0
    return QTest(value, df, float(chdtrc(df, value)) if df else None, share)


def coefficients(
    names: Sequence[str], beta: Vector, covariance: Matrix, level: float, df: float | Sequence[float] | None
) -> tuple[Coefficient, ...]:
    """Return named coefficients with intervals and tests of zero; ``df`` is common or one for each."""
    each = list(df) if isinstance(df, Sequence) else [df] * len(names)
    rows = []
    for j, name in enumerate(names):
        value, se = float(beta[j]), math.sqrt(max(0.0, float(covariance[j, j])))
        half = critical(level, each[j]) * se
        statistic = value / se if se > 0.0 else None
        p = None if statistic is None else two_sided_p(statistic, each[j])
        rows.append(Coefficient(name, value, se, value - half, value + half, statistic, each[j], p))
    return tuple(rows)


def model_test(
    beta: Vector, covariance: Matrix, which: Sequence[int], names: Sequence[str], df: float | None
) -> ModelTest | None:
    """Return the Wald test that the coefficients at positions ``which`` are zero; ``None`` for no position."""
    if not which:
        return None
    part, tested = covariance[np.ix_(which, which)], tuple(names[j] for j in which)
    size = np.sqrt(np.diag(part))
    if not np.all(size > 0):
        reason = "Not run: the effects lie exactly on the regression, so the covariance is zero."
        return ModelTest(math.inf, len(which), df, None, tested, reason)
    scaled = beta[which] / size
    wald = float(scaled @ np.linalg.solve(part / np.outer(size, size), scaled))
    if df is None:
        return ModelTest(wald, len(which), None, float(chdtrc(len(which), wald)), tested)
    value = wald / len(which)
    return ModelTest(value, len(which), df, float(fdtrc(len(which), df, value)), tested)


def variance_inflation(covariance: Matrix, which: Sequence[int]) -> tuple[float, ...]:
    """Return the variance inflation factors of coefficients: the diagonal of the inverse of their correlation."""
    part = covariance[np.ix_(which, which)]
    size = np.sqrt(np.diag(part))
    if not which or not np.all(size > 0):
        return ()
    return tuple(np.diag(np.linalg.inv(part / np.outer(size, size))).tolist())


def _warnings(
    design: Design,
    c: Contrasts,
    found: Tau2,
    without: float | None,
    vif: Sequence[float],
    factor: float,
    interval: str,
) -> tuple[str, ...]:
    said = []
    covariates = len(design.names) - int(design.intercept)
    if len(c.vi) < STUDIES_PER_COVARIATE * covariates:
        said.append(few_per_covariate(len(c.vi), covariates))
    inflated = [design.names[j] for j, one in zip(design.moderators, vif, strict=False) if one > LARGE_VIF]
    if inflated:
        said.append(f"Nearly collinear ({', '.join(inflated)}): separate coefficients are hardly identified.")
    if without == 0.0:
        said.append("Without moderators tau2 is zero: there is nothing to explain, and R2 is not defined.")
    if interval == "HKSJ" and factor < 1.0:
        said.append("The Knapp-Hartung factor is below one, so intervals are narrower than with known variances.")
    if found.local_optima > 1:
        said.append(f"The likelihood of tau2 has {found.local_optima} optima; the highest is reported.")
    if not found.converged:
        said.append("The estimate of tau2 did not reach its accuracy; do not use this fit.")
    return tuple(said)


def few_per_covariate(k: int, covariates: int) -> str:
    """Return the sentence that labels a regression on fewer than ten studies for each covariate."""
    return (
        f"Exploratory: {k} studies for {covariates} {'covariate' if covariates == 1 else 'covariates'}, "
        f"fewer than {STUDIES_PER_COVARIATE} for each."
    )


def predict(fit: MetaRegression, X: ArrayLike) -> tuple[Predicted, ...]:
    """Return the mean effect at given moderators, with an interval for it and for a new study.

    Parameters
    ----------
    fit : MetaRegression
        A regression that was run.
    X : array_like, shape (n, m) or (n,)
        Moderators as given to :func:`meta_regression`, without the intercept; (n,) for a single one.

    Raises
    ------
    InputError
        The regression was not run, or the columns do not fit.
    """
    if fit.tau2 is None:
        raise InputError(fit.not_run or "the regression was not run")
    rows = new_rows(X, fit.names)
    factor = critical(fit.level, fit.coefficients[0].df)
    beta = np.array([one.value for one in fit.coefficients])
    variance = np.einsum("ij,jk,ik->i", rows, np.array(fit.covariance), rows)
    found = []
    for value, square in zip((rows @ beta).tolist(), variance.tolist(), strict=True):
        half, wide = factor * math.sqrt(square), factor * math.sqrt(square + fit.tau2.value)
        found.append(Predicted(value, math.sqrt(square), value - half, value + half, value - wide, value + wide))
    return tuple(found)


def permutation_test(
    yi: ArrayLike,
    vi: ArrayLike,
    X: ArrayLike | Mapping[str, ArrayLike],
    *,
    names: Iterable[str] | None = None,
    tau2: str = "REML",
    interval: str = "HKSJ",
    permutations: int = 1000,
    seed: int = 0,
) -> PermutationTest:
    """Test moderators by rearranging them over the studies (Higgins and Thompson 2004).

    Parameters
    ----------
    yi, vi, X, names, tau2, interval
        As in :func:`meta_regression`; ``interval`` names the test statistic.
    permutations : int
        Random rearrangements drawn where more than ``EXACT_LIMIT`` distinct ones exist; else all are used.
    seed : int
        Seed of the random rearrangements.

    Raises
    ------
    InputError
        As in :func:`meta_regression`, and for fewer than one permutation.
    """
    observed = meta_regression(yi, vi, X, names=names, tau2=tau2, interval=interval)
    if observed.working is None:
        return PermutationTest(observed.names, not_run=observed.not_run)
    if permutations < 1:
        raise InputError(f"permutations = {permutations!r}: at least one is needed")
    data = checked(yi, vi)
    matrix = observed.working.X
    orders, exact = _orders(matrix, permutations, seed)
    target = _statistics(data.yi, data.vi, data.shift, matrix, tau2, interval) * (1.0 - TIE)
    reached = np.zeros(len(target), dtype=int)
    for order in orders:
        reached += _statistics(data.yi, data.vi, data.shift, matrix[order], tau2, interval) >= target
    # The observed arrangement counts among the random ones too, so that p is never zero.
    share = reached / len(orders) if exact else (reached + 1) / (len(orders) + 1)
    used = len(orders) + int(not exact)
    return PermutationTest(observed.names, tuple(share[:-1].tolist()), float(share[-1]), used, exact)


def _orders(X: Matrix, permutations: int, seed: int) -> tuple[list[NDArray[np.intp]], bool]:
    """Return the distinct arrangements of the rows of X where they are few, else random ones."""
    kinds, kind = np.unique(X, axis=0, return_inverse=True)
    counts = np.bincount(kind.ravel(), minlength=len(kinds))
    distinct = math.factorial(len(X)) // math.prod(math.factorial(int(n)) for n in counts)
    if distinct > EXACT_LIMIT:
        rng = np.random.default_rng(seed)
        return [rng.permutation(len(X)) for _ in range(permutations)], False
    first = [int(np.flatnonzero(kind.ravel() == one)[0]) for one in range(len(kinds))]
    return [np.array([first[one] for one in word]) for word in _words(list(counts))], True


def _words(counts: list[int]) -> Iterable[tuple[int, ...]]:
    """Yield every distinct arrangement of a multiset given by how often each kind occurs."""
    if all(n == 1 for n in counts):
        yield from itertools.permutations(range(len(counts)))
        return
    if not any(counts):
        yield ()
        return
    for one, n in enumerate(counts):
        if n:
            rest = [*counts[:one], n - 1, *counts[one + 1 :]]
            yield from ((one, *tail) for tail in _words(rest))


def _statistics(yi: Vector, vi: Vector, shift: float, X: Matrix, tau2: str, interval: str) -> Vector:
    """Return |statistic| of every coefficient and the omnibus statistic, shape (p + 1,)."""
    c = error_contrasts(yi, vi, X)
    found = ESTIMATORS[tau2](c).value
    solved = weighted_least_squares(yi, 1.0 / (vi + found), X)
    solved.beta[0] += shift
    covariance = solved.covariance * _scale(c, found, interval)
    which = list(range(1, X.shape[1]))
    test = model_test(solved.beta, covariance, which, [""] * X.shape[1], None)
    each = np.abs(solved.beta) / np.sqrt(np.diag(covariance))
    return np.append(each, test.value if test else math.nan)
