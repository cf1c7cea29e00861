"""Dependent effects: multilevel and multivariate models with a given sampling covariance.

The marginal covariance is M = V + sum over terms of Z G Z', where a term adds the entry G[a, b] of a small
matrix to every pair of effects that share its cluster, a and b being their outcomes. A random intercept is a term
with one outcome. The variance parameters maximise the (restricted) likelihood with the coefficients profiled out.

The search runs in a unit in which V is of order one. Quasi-Newton steps from several starts find the optimum,
Newton steps on the exact score finish it, and the result says how far the score is from zero.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from k2meta.models.design import Design, Matrix, check_rank, design_matrix
from k2meta.models.errors import InputError, UnknownMethodError
from k2meta.models.fit import QTest
from k2meta.models.inputs import Vector, checked_effects, checked_level
from k2meta.models.meta_regression import (
    Coefficient,
    ModelTest,
    Working,
    coefficients,
    model_test,
    residual_q,
)
from k2meta.shown import ShowsItself

Codes = NDArray[np.intp]
Triple = tuple[Matrix, Matrix, Vector]

STARTS = (0.1, 1.0)
"""Shares of the crude heterogeneity the search starts from."""

CORRELATIONS = (0.0, 0.7, -0.4)
"""Correlations between outcomes the search starts from."""

SCORE_TOLERANCE = 1e-8
"""Largest slope of the log-likelihood accepted as zero, in the unit of the search and per effect. Newton steps
end four or more orders of magnitude below it."""

NEWTON_STEPS = 50
DIFFERENCE = 1e-5
"""Relative step of the differences of the exact score that make the Hessian; its error only slows Newton down."""

EDGE = 1e-4
EDGE_SD = 1e-2
"""A variance, or a standard deviation, below this share of the crude one is tried at exactly zero."""

PACK = 48
"""Effects up to which independent clusters share one block."""

SAME_HEIGHT = 1e-6
"""Log-likelihoods of two starts closer than this are the same optimum."""

METHODS = ("REML", "ML")
INTERVALS = ("z", "t")


@dataclass(frozen=True, slots=True)
class Structure:
    """How a small covariance matrix G of m outcomes follows from its parameters.

    Attributes
    ----------
    matrix : callable
        Maps (parameters, m) to G, shape (m, m).
    slopes : callable
        Maps (parameters, m) to the derivatives of G, one (m, m) matrix per parameter.
    bounds : callable
        Maps m to the bounds of the parameters.
    start : callable
        Maps (variance, correlation, m) to parameters.
    correlated : bool
        Whether outcomes are correlated.
    """

    matrix: Callable[[Vector, int], Matrix]
    slopes: Callable[[Vector, int], list[Matrix]]
    bounds: Callable[[int], list[tuple[float | None, float | None]]]
    start: Callable[[float, float, int], list[float]]
    correlated: bool


def _unit(m: int, i: int, j: int) -> Matrix:
    unit = np.zeros((m, m))
    unit[i, j] = 1.0
    return unit


def _cs_parts(m: int) -> list[Matrix]:
    # The eigenvalues tau2 (1 - rho) and tau2 (1 + (m - 1) rho) are free to be any two non-negative numbers.
    mean = np.full((m, m), 1.0 / m)
    return [np.eye(m) - mean, mean] if m > 1 else [np.eye(1)]


def _linear(parts: Callable[[int], list[Matrix]], start: Callable[[float, float, int], list[float]],
            *, correlated: bool) -> Structure:  # fmt: skip
    """Return a structure that is a sum of fixed matrices with non-negative weights."""
    return Structure(
        matrix=lambda theta, m: np.asarray(sum(t * part for t, part in zip(theta, parts(m), strict=True))),
        slopes=lambda theta, m: parts(m),
        bounds=lambda m: [(0.0, None)] * len(parts(m)),
        start=start,
        correlated=correlated,
    )


def _cs_start(variance: float, rho: float, m: int) -> list[float]:
    rho = max(rho, -0.9 / (m - 1)) if m > 1 else 0.0
    return [variance * (1.0 - rho), variance * (1.0 + (m - 1) * rho)][: min(m, 2)] if m > 1 else [variance]


def _lower(theta: Vector, m: int) -> Matrix:
    factor = np.zeros((m, m))
    factor[np.tril_indices(m)] = theta
    return factor


def _un_matrix(theta: Vector, m: int) -> Matrix:
    factor = _lower(theta, m)
    return np.asarray(factor @ factor.T)


def _un_slopes(theta: Vector, m: int) -> list[Matrix]:
    factor, found = _lower(theta, m), []
    for i, j in zip(*np.tril_indices(m), strict=True):
        half = _unit(m, int(i), int(j)) @ factor.T
        found.append(half + half.T)
    return found


def _un_bounds(m: int) -> list[tuple[float | None, float | None]]:
    return [(0.0, None) if i == j else (None, None) for i, j in zip(*np.tril_indices(m), strict=True)]


def _un_start(variance: float, rho: float, m: int) -> list[float]:
    rho = max(rho, -0.9 / (m - 1)) if m > 1 else 0.0
    G = variance * (np.eye(m) * (1.0 - rho) + rho)
    return [float(x) for x in np.linalg.cholesky(G)[np.tril_indices(m)]]


def _hcs_matrix(theta: Vector, m: int) -> Matrix:
    G: Matrix = theta[-1] * np.outer(theta[:-1], theta[:-1])
    G[np.diag_indices(m)] = theta[:-1] ** 2
    return G


def _hcs_slopes(theta: Vector, m: int) -> list[Matrix]:
    s, rho = theta[:-1], theta[-1]
    found = []
    for i in range(m):
        row = np.zeros((m, m))
        row[i] = rho * s
        row[i, i] = s[i]
        found.append(row + row.T)
    return [*found, np.outer(s, s) - np.diag(s**2)]


STRUCTURES: Mapping[str, Structure] = {
    "ID": _linear(lambda m: [np.eye(m)], lambda v, rho, m: [v], correlated=False),
    "DIAG": _linear(lambda m: [_unit(m, i, i) for i in range(m)], lambda v, rho, m: [v] * m, correlated=False),
    "CS": _linear(_cs_parts, _cs_start, correlated=True),
    "HCS": Structure(
        matrix=_hcs_matrix,
        slopes=_hcs_slopes,
        bounds=lambda m: [*[(0.0, None)] * m, (-1.0 / (m - 1), 1.0)],
        start=lambda v, rho, m: [*[math.sqrt(v)] * m, max(rho, -0.9 / (m - 1))],
        correlated=True,
    ),
    "UN": Structure(_un_matrix, _un_slopes, _un_bounds, _un_start, correlated=True),
}
"""ID one variance; DIAG one for each outcome; CS one variance and one correlation; HCS one variance for each
outcome and one correlation; UN unstructured, as the product of a lower triangular factor with itself."""


@dataclass(frozen=True, slots=True)
class Component:
    """One random term.

    Attributes
    ----------
    name : str
        What varies, for example ``"district"`` or ``"district/school"``.
    structure : str
        Key of ``STRUCTURES``.
    clusters : int
        Number of groups that share a draw.
    outcomes : tuple of str
        Outcomes in the order of ``covariance``; one empty string for a random intercept.
    variances : tuple of float
        Diagonal of G, in squared units of the effects.
    covariance : tuple of tuple of float
        G, shape (m, m).
    correlations : tuple of tuple of float or None
        Correlations, ``None`` where a variance is zero.
    """

    name: str
    structure: str
    clusters: int
    outcomes: tuple[str, ...]
    variances: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    correlations: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True, slots=True)
class MultilevelFit(ShowsItself):
    """The frozen result of a multilevel or multivariate model; with ``not_run`` set, nothing was estimated.

    Attributes
    ----------
    k : int
        Number of effects.
    coefficients, covariance
        As in :class:`k2meta.models.meta_regression.MetaRegression`.
    components : tuple of Component
        Random terms in the order given.
    log_likelihood : float or None
        Maximised log-likelihood with all constants; restricted for REML, in the form that does not depend on the
        parameterisation of X.
    q_residual : QTest or None
        Generalised residual Q, y'Py with M = V.
    q_model : ModelTest or None
        Test of the moderators, or of all coefficients without an intercept.
    score : float
        Largest slope of the log-likelihood left in a free direction, per effect, with V of order one.
    curved : bool
        Whether the Hessian over the free parameters is negative definite: a maximum, not a ridge or a saddle.
    converged : bool
        Score zero, curved, and every parameter on its bound held there by the slope.
    at_boundary : bool
        Whether a variance is zero or a correlation is one.
    local_optima : int
        Number of different optima the starts led to.
    warnings : tuple of str
    not_run : str or None
    """

    k: int
    names: tuple[str, ...]
    method: str
    interval: str
    level: float
    coefficients: tuple[Coefficient, ...] = ()
    covariance: tuple[tuple[float, ...], ...] = ()
    components: tuple[Component, ...] = ()
    log_likelihood: float | None = None
    q_residual: QTest | None = None
    q_model: ModelTest | None = None
    score: float = math.nan
    curved: bool = False
    converged: bool = False
    at_boundary: bool = False
    local_optima: int = 0
    warnings: tuple[str, ...] = ()
    not_run: str | None = None
    working: Working | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Term:
    """One random term: the cluster ``group`` and the outcome ``inner`` of each effect, (k,), codes from 0."""

    name: str
    structure: str
    group: Codes
    inner: Codes
    outcomes: tuple[str, ...]

    @property
    def m(self) -> int:
        """Number of outcomes."""
        return len(self.outcomes)


@dataclass(frozen=True, slots=True)
class Problem:
    """Everything the likelihood needs, in the unit of the search, split into blocks that share nothing.

    ``same[b][t]`` is the (n, n) indicator of pairs in block b that share a cluster of term t.
    """

    y: Vector
    X: Matrix
    V: Matrix
    terms: tuple[Term, ...]
    blocks: tuple[Codes, ...]
    same: tuple[tuple[NDArray[np.bool_], ...], ...]
    restricted: bool
    constant: float


@dataclass(frozen=True, slots=True)
class Optimum:
    """Where a search ended: parameters, height, and whether it is proved to be a maximum."""

    theta: Vector
    height: float
    score: float
    curved: bool
    held: bool
    edge: bool

    @property
    def proved(self) -> bool:
        """Whether first and second order conditions hold."""
        return self.score <= SCORE_TOLERANCE and self.curved and self.held


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Log-likelihood, its slopes by the entries of each G, and the coefficients with their covariance."""

    height: float
    slopes: tuple[Matrix, ...]
    beta: Vector
    covariance: Matrix


def sampling_covariance(V: ArrayLike, k: int) -> Matrix:
    """Return the sampling covariance as a matrix (k, k), from one or from variances (k,).

    Raises
    ------
    InputError
        Wrong shape, a value that is not finite, an asymmetric entry, or a matrix that is not positive definite;
        the message names the index, or the block of effects that covary impossibly.
    """
    try:
        matrix = np.array(V, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"V must hold numbers: {error}") from error
    if matrix.shape not in ((k,), (k, k)):
        raise InputError(f"V has shape {matrix.shape}; it needs {k} variances or a {k} x {k} covariance")
    bad = np.argwhere(~np.isfinite(matrix))
    if bad.size:
        index = ", ".join(str(i) for i in bad[0])
        raise InputError(f"V[{index}] = {float(matrix[tuple(bad[0])])!r} is not a finite number")
    full: Matrix = np.diag(matrix.ravel()) if matrix.ndim == 1 else matrix
    none = np.flatnonzero(np.diag(full) <= 0)
    if none.size:
        i = int(none[0])
        raise InputError(f"V[{i}, {i}] = {float(full[i, i])!r}: a sampling variance must be positive")
    size = np.sqrt(np.diag(full))
    correlation = full / np.outer(size, size)
    lopsided = np.argwhere(np.abs(correlation - correlation.T) > 1e-10)
    if lopsided.size:
        i, j = lopsided[0]
        raise InputError(f"V is not symmetric: V[{i}, {j}] = {float(full[i, j])!r}, not {float(full[j, i])!r}")
    _check_definite(correlation)
    return 0.5 * (full + full.T)


def _check_definite(correlation: Matrix) -> None:
    for block in connected(correlation != 0.0):
        smallest = float(np.linalg.eigvalsh(correlation[np.ix_(block, block)])[0])
        if smallest <= len(block) * np.finfo(float).eps:
            rows = ", ".join(str(i) for i in block)
            raise InputError(
                f"V is not positive definite: the block of effects {rows} has correlations with smallest "
                f"eigenvalue {smallest:.3g}"
            )


def connected(link: NDArray[np.bool_]) -> tuple[Codes, ...]:
    """Return the sets of indices that a symmetric (k, k) indicator links, directly or in steps."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    count, label = connected_components(csr_array(link.astype(np.int8)), directed=False)
    return tuple(np.flatnonzero(label == one) for one in range(count))


def constant_correlation(vi: ArrayLike, cluster: ArrayLike, rho: float) -> Matrix:
    """Return the sampling covariance (k, k) that assumes one correlation within each cluster.

    The working model for correlated and hierarchical effects (Pustejovsky and Tipton 2022) takes it with a random
    effect for the cluster and one for each effect, and robust standard errors guard against a wrong ``rho``.

    Parameters
    ----------
    vi : array_like, shape (k,)
        Sampling variances.
    cluster : array_like, shape (k,)
        Label of the study (sample) each effect comes from.
    rho : float
        Correlation of the sampling errors of two effects of one cluster.

    Raises
    ------
    InputError
        Unusable variances or labels, or a correlation that no cluster of this size can have.
    """
    variance = np.array(vi, dtype=np.float64)
    if variance.ndim != 1:
        raise InputError(f"vi must be one-dimensional; its shape is {variance.shape}")
    codes, names = coded("cluster", cluster, len(variance))
    largest = int(np.bincount(codes).max())
    lowest = -1.0 / (largest - 1) if largest > 1 else -1.0
    if not lowest < rho < 1.0:
        raise InputError(
            f"rho = {rho!r}: {largest} effects of cluster {names[int(np.argmax(np.bincount(codes)))]!r} can only "
            f"share a correlation between {lowest:.3g} and 1"
        )
    root = np.sqrt(np.diag(sampling_covariance(variance, len(variance))))
    V = np.where(codes[:, None] == codes, rho * np.outer(root, root), 0.0)
    V[np.diag_indices(len(variance))] = variance
    return V


def coded(what: str, labels: ArrayLike | Sequence[object], k: int) -> tuple[Codes, tuple[str, ...]]:
    """Return codes from 0 for labels (k,), in order of appearance, and the labels as text.

    Raises
    ------
    InputError
        A wrong number of labels, or one that is missing.
    """
    listed = list(labels) if isinstance(labels, Iterable) else [labels]
    if len(listed) != k:
        raise InputError(f"{what} has {len(listed)} labels; it needs one for each of the {k} effects")
    for i, one in enumerate(listed):
        if one is None or one == "" or one != one:
            raise InputError(f"{what}[{i}] is missing; every effect needs a label")
    texts = [str(one) for one in listed]
    order = {text: code for code, text in enumerate(dict.fromkeys(texts))}
    return np.array([order[text] for text in texts], dtype=np.intp), tuple(order)


def multilevel(
    yi: ArrayLike,
    V: ArrayLike,
    levels: Mapping[str, ArrayLike],
    *,
    X: ArrayLike | Mapping[str, ArrayLike] | None = None,
    names: Iterable[str] | None = None,
    intercept: bool = True,
    nested: bool = True,
    method: str = "REML",
    interval: str = "z",
    level: float = 0.95,
) -> MultilevelFit:
    """Pool effects with a random intercept at each of several levels.

    Parameters
    ----------
    yi : array_like, shape (k,)
        Effects.
    V : array_like, shape (k,) or (k, k)
        Sampling variances, or their covariance matrix.
    levels : mapping of str to array_like, shape (k,)
        Grouping labels, outermost first: ``{"study": study, "effect": range(k)}`` is the three-level model.
    X, names, intercept
        Moderators as in :func:`k2meta.models.meta_regression.meta_regression`.
    nested : bool
        Whether labels of a level are read within those of the levels before; ``False`` crosses the levels.
    method : {"REML", "ML"}
        Likelihood.
    interval : {"z", "t"}
        Normal, or t with k - p degrees of freedom.
    level : float
        Coverage of the intervals.

    Returns
    -------
    MultilevelFit
        With ``not_run`` set where no degree of freedom is left, or where a level cannot be told from another.

    Raises
    ------
    InputError
        Unusable effects, covariance, labels or moderators; the message names the index, block or column.
    UnknownMethodError
        A name that is not registered.
    """
    y = checked_effects(yi)
    if not levels:
        raise InputError("levels is empty; name at least one grouping, for example {'study': study}")
    terms: list[Term] = []
    text = [""] * len(y)
    for name, labels in levels.items():
        codes, order = coded(name, labels, len(y))
        path = [f"{outer}/{order[code]}" for outer, code in zip(text, codes, strict=True)]
        group = coded(name, path, len(y))[0] if nested else codes
        text = path if nested else text
        full = "/".join([*levels][: len(terms) + 1]) if nested else name
        terms.append(Term(full, "ID", group, np.zeros(len(y), dtype=np.intp), ("",)))
    design = design_matrix(X, len(y), names, intercept=intercept)
    return _fit(y, sampling_covariance(V, len(y)), design, tuple(terms), method, interval, level)


def multivariate(
    yi: ArrayLike,
    V: ArrayLike,
    outcome: ArrayLike,
    cluster: ArrayLike,
    *,
    structure: str = "UN",
    X: ArrayLike | Mapping[str, ArrayLike] | None = None,
    names: Iterable[str] | None = None,
    method: str = "REML",
    interval: str = "z",
    level: float = 0.95,
) -> MultilevelFit:
    """Pool several outcomes at once, with their sampling covariance and their covariance between studies.

    Parameters
    ----------
    yi : array_like, shape (k,)
        Effects, one for each outcome a study reports.
    V : array_like, shape (k,) or (k, k)
        Sampling variances, or their covariance matrix.
    outcome, cluster : array_like, shape (k,)
        Labels of the outcome and of the study.
    structure : {"UN", "HCS", "CS", "DIAG", "ID"}
        Covariance of the true effects of one study. For two outcomes HCS is UN and is fitted as UN.
    X, names
        Design without an added intercept; ``None`` gives each outcome its own mean, in order of appearance.
    method, interval, level
        As in :func:`multilevel`.

    Returns
    -------
    MultilevelFit
        With ``not_run`` set where no degree of freedom is left, or an outcome has too few studies to have a
        variance.

    Raises
    ------
    InputError
        As in :func:`multilevel`, and for an outcome that a study reports twice.
    UnknownMethodError
        A name that is not registered.
    """
    y = checked_effects(yi)
    if structure not in STRUCTURES:
        raise UnknownMethodError("structure", structure, STRUCTURES)
    group, studies = coded("cluster", cluster, len(y))
    inner, outcomes = coded("outcome", outcome, len(y))
    pairs = list(zip(group.tolist(), inner.tolist(), strict=True))
    for i, pair in enumerate(pairs):
        if pair in pairs[:i]:
            raise InputError(
                f"cluster {studies[pair[0]]!r} has outcome {outcomes[pair[1]]!r} twice, at "
                f"{pairs.index(pair)} and {i}; a multilevel model with a term for each effect can hold both"
            )
    if X is None:
        X = {name: (inner == code).astype(float) for code, name in enumerate(outcomes)}
    # One search for one model: the factor of UN sees a variance of zero from both sides of the correlation.
    same = structure == "HCS" and len(outcomes) <= 2
    term = Term("outcome within cluster", "UN" if same else structure, group, inner, outcomes)
    design = design_matrix(X, len(y), names, intercept=False)
    return _fit(y, sampling_covariance(V, len(y)), design, (term,), method, interval, level)


def _reason(k: int, design: Design, terms: Sequence[Term]) -> str | None:
    """Return why the variances of the terms cannot be estimated, or ``None``."""
    p = len(design.names)
    count = sum(len(STRUCTURES[term.structure].bounds(term.m)) for term in terms)
    if k <= p:
        return f"Not run: {k} effects leave no degree of freedom for {p} coefficients and {count} variances."
    for term in terms:
        if int(term.group.max()) < 1:
            return f"Not run: {term.name!r} has a single group, so its variance cannot be told from the mean."
        few = np.flatnonzero(np.bincount(term.inner, minlength=term.m) < 2)
        if term.m > 1 and few.size and term.structure not in ("ID", "CS"):
            return f"Not run: outcome {term.outcomes[int(few[0])]!r} has one study, so its variance is unknown."
    for one, two in itertools.combinations(terms, 2):
        pairs = len({*zip(one.group.tolist(), two.group.tolist(), strict=True)})
        if pairs == int(one.group.max()) + 1 == int(two.group.max()) + 1:
            return f"Not run: {one.name!r} and {two.name!r} group the effects alike; one of them is enough."
    return None


def _fit(
    y: Vector, V: Matrix, design: Design, terms: tuple[Term, ...], method: str, interval: str, level: float
) -> MultilevelFit:
    if method not in METHODS:
        raise UnknownMethodError("method", method, METHODS)
    if interval not in INTERVALS:
        raise UnknownMethodError("interval", interval, INTERVALS)
    level = checked_level(level)
    reason = _reason(len(y), design, terms)
    if reason is not None:
        return MultilevelFit(len(y), design.names, method, interval, level, not_run=reason)
    check_rank(design)
    # With an intercept the effects are centred where V is smallest, which keeps their digits.
    shift = float(y[np.argmin(np.diag(V))]) if design.intercept else 0.0
    unit = math.sqrt(float(np.median(np.diag(V))))
    problem = _problem((y - shift) / unit, V / unit**2, design.X, terms, restricted=method == "REML")
    best, optima = _maximise(problem)
    at = _evaluate(problem, best.theta)
    beta, covariance = at.beta * unit, at.covariance * unit**2
    beta[0] += shift
    df = None if interval == "z" else float(len(y) - len(design.names))
    free = len(y) - (len(design.names) if method == "REML" else 0)
    parts = _components(terms, best.theta, unit)
    return MultilevelFit(
        k=len(y),
        names=design.names,
        method=method,
        interval=interval,
        level=level,
        coefficients=coefficients(design.names, beta, covariance, level, df),
        covariance=tuple(tuple(row) for row in covariance.tolist()),
        components=parts,
        log_likelihood=best.height - free * math.log(unit),
        q_residual=residual_q(_q_at_zero(problem), len(y) - len(design.names)),
        q_model=model_test(beta, covariance, design.moderators, design.names, df),
        score=best.score,
        curved=best.curved,
        converged=best.proved,
        at_boundary=best.edge,
        local_optima=optima,
        warnings=_warnings(best, optima, parts),
        working=Working(y, design.X, _marginal(problem, best.theta) * unit**2, design.names),
    )


def _problem(y: Vector, V: Matrix, X: Matrix, terms: tuple[Term, ...], *, restricted: bool) -> Problem:
    link = V != 0.0
    for term in terms:
        link |= term.group[:, None] == term.group
    blocks = _packed(connected(link))
    same = tuple(tuple(term.group[block][:, None] == term.group[block] for term in terms) for block in blocks)
    free = len(y) - (X.shape[1] if restricted else 0)
    constant = -0.5 * free * math.log(2.0 * math.pi)
    if restricted:
        constant += 0.5 * float(np.linalg.slogdet(X.T @ X)[1])
    return Problem(y, X, V, terms, blocks, same, restricted, constant)


def _packed(components: Sequence[Codes]) -> tuple[Codes, ...]:
    """Return the components joined to blocks of a size at which arithmetic, not the loop over blocks, costs."""
    packs: list[list[Codes]] = []
    filled = PACK
    for component in components:
        if filled + len(component) > PACK:
            packs.append([])
            filled = 0
        packs[-1].append(component)
        filled += len(component)
    return tuple(np.concatenate(pack) for pack in packs)


def _split(terms: Sequence[Term], theta: Vector) -> list[Vector]:
    sizes = [len(STRUCTURES[term.structure].bounds(term.m)) for term in terms]
    return np.split(theta, np.cumsum(sizes)[:-1])


def _matrices(terms: Sequence[Term], theta: Vector) -> list[Matrix]:
    parts = zip(terms, _split(terms, theta), strict=True)
    return [STRUCTURES[term.structure].matrix(part, term.m) for term, part in parts]


def _block_covariance(problem: Problem, b: int, G: Sequence[Matrix]) -> Matrix:
    block = problem.blocks[b]
    M: Matrix = problem.V[np.ix_(block, block)].copy()
    for term, same, matrix in zip(problem.terms, problem.same[b], G, strict=True):
        inner = term.inner[block]
        M += same * matrix[np.ix_(inner, inner)]
    return M


def _marginal(problem: Problem, theta: Vector) -> Matrix:
    full, G = np.zeros_like(problem.V), _matrices(problem.terms, theta)
    for b, block in enumerate(problem.blocks):
        full[np.ix_(block, block)] = _block_covariance(problem, b, G)
    return full


def _whitened(problem: Problem, G: Sequence[Matrix]) -> tuple[list[Triple], float]:
    """Return for each block inverse factor, whitened design and effects, and the log determinant of M."""
    from scipy.linalg import solve_triangular

    found, log_determinant = [], 0.0
    for b, block in enumerate(problem.blocks):
        factor = np.linalg.cholesky(_block_covariance(problem, b, G))
        log_determinant += 2.0 * float(np.log(np.diag(factor)).sum())
        inverse = solve_triangular(factor, np.eye(len(block)), lower=True)
        found.append((inverse, inverse @ problem.X[block], inverse @ problem.y[block]))
    return found, log_determinant


def _evaluate(problem: Problem, theta: Vector) -> Evaluation:
    """Return the log-likelihood and its slopes, dl/dG = 1/2 Z'(Pyy'P - P)Z; M^-1 replaces the last P for ML."""
    G = _matrices(problem.terms, theta)
    white, log_determinant = _whitened(problem, G)
    rows = np.vstack([x for _, x, _ in white])
    size = np.linalg.norm(rows, axis=0)
    q, r = np.linalg.qr(rows / size)
    effects = np.concatenate([e for _, _, e in white])
    inside = q.T @ effects
    residual = effects - q @ inside
    height = problem.constant - 0.5 * (log_determinant + float(residual @ residual))
    if problem.restricted:
        height -= float(np.log(np.abs(np.diag(r)) * size).sum())
    slopes = [np.zeros((term.m, term.m)) for term in problem.terms]
    start = 0
    for b, (inverse, _, _) in enumerate(white):
        rows_of = slice(start, start + len(inverse))
        start += len(inverse)
        weighted = inverse.T @ residual[rows_of]
        inner = inverse.T @ q[rows_of]
        pull = inverse.T @ inverse - (inner @ inner.T if problem.restricted else 0.0)
        change = 0.5 * (np.outer(weighted, weighted) - pull)
        for t, term in enumerate(problem.terms):
            code = term.inner[problem.blocks[b]]
            np.add.at(slopes[t], (code[:, None], code), change * problem.same[b][t])
    inverse_r = np.linalg.inv(r) / size[:, None]
    return Evaluation(height, tuple(slopes), inverse_r @ inside, inverse_r @ inverse_r.T)


def _q_at_zero(problem: Problem) -> float:
    white, _ = _whitened(problem, [np.zeros((term.m, term.m)) for term in problem.terms])
    rows, effects = np.vstack([x for _, x, _ in white]), np.concatenate([e for _, _, e in white])
    q = np.linalg.qr(rows / np.linalg.norm(rows, axis=0))[0]
    return float(np.sum((effects - q @ (q.T @ effects)) ** 2))


def _slope(problem: Problem, theta: Vector) -> tuple[float, Vector]:
    """Return the log-likelihood and its gradient by the parameters."""
    at = _evaluate(problem, theta)
    found = []
    for term, part, slope in zip(problem.terms, _split(problem.terms, theta), at.slopes, strict=True):
        found += [float(np.sum(slope * change)) for change in STRUCTURES[term.structure].slopes(part, term.m)]
    return at.height, np.array(found)


def _bounds(problem: Problem) -> list[tuple[float | None, float | None]]:
    return [bound for term in problem.terms for bound in STRUCTURES[term.structure].bounds(term.m)]


def _crude(problem: Problem) -> float:
    """Return the residual mean square about the unweighted regression, at least a tenth of a variance."""
    q = np.linalg.qr(problem.X / np.linalg.norm(problem.X, axis=0))[0]
    residual = problem.y - q @ (q.T @ problem.y)
    return float(max(0.1, np.sum(residual**2) / (len(residual) - q.shape[1])))


def _starts(problem: Problem) -> list[Vector]:
    """Return where to start: variances small and large, shared or mostly in one term, several correlations."""
    crude = _crude(problem)
    found: list[Vector] = []
    count = len(problem.terms)
    shares = [np.full(count, 1.0 / count)]
    if count > 1:
        shares += [np.where(np.arange(count) == t, 0.9, 0.1 / (count - 1)) for t in range(count)]
    tied = any(STRUCTURES[term.structure].correlated and term.m > 1 for term in problem.terms)
    for size, share, rho in itertools.product(STARTS, shares, CORRELATIONS if tied else (0.0,)):
        parts = zip(problem.terms, share, strict=True)
        each = [STRUCTURES[term.structure].start(size * crude * s, rho, term.m) for term, s in parts]
        found.append(np.concatenate(each))
    return found


def _maximise(problem: Problem) -> tuple[Optimum, int]:
    """Return the highest optimum the starts lead to, and how many different ones there were."""
    from scipy.optimize import minimize

    bounds, ends = _bounds(problem), []

    def descent(theta: Vector) -> tuple[float, Vector]:
        height, gradient = _slope(problem, theta)
        return -height, -gradient

    for start in _starts(problem):
        found = minimize(descent, start, jac=True, method="L-BFGS-B", bounds=bounds,
                         options={"maxiter": 500, "ftol": 1e-13, "gtol": 1e-9})  # fmt: skip
        ends.append((-float(found.fun), np.asarray(found.x)))
    ends.sort(key=lambda end: -end[0])
    distinct = [end for i, end in enumerate(ends) if i == 0 or ends[i - 1][0] - end[0] > SAME_HEIGHT]
    polished = [_polish(problem, theta) for _, theta in distinct]
    proved = [one for one in polished if one.proved]
    best = max(polished, key=lambda one: one.height)
    # A proved optimum of the same height is preferred to an end that merely stopped there.
    best = max((one for one in proved if one.height >= best.height - SAME_HEIGHT),
               key=lambda one: one.height, default=best)  # fmt: skip
    heights = sorted((one.height for one in proved), reverse=True)
    return best, sum(i == 0 or heights[i - 1] - h > SAME_HEIGHT for i, h in enumerate(heights)) or 1


def _polish(problem: Problem, theta: Vector) -> Optimum:
    """Finish an end of the search, with what is nearly zero tried at exactly zero too."""
    edge = _at_edge(problem, theta)
    inside = _newton(problem, theta, np.zeros(len(theta), dtype=bool))
    if not edge.any():
        return inside
    outside = _newton(problem, np.where(edge, 0.0, theta), edge)
    # Newton creeps towards a variance of zero; exactly zero says the same with a proof.
    if outside.proved and outside.height >= inside.height - SAME_HEIGHT:
        return outside
    return inside


def _at_edge(problem: Problem, theta: Vector) -> NDArray[np.bool_]:
    """Return which parameters may belong at zero.

    A zero on the diagonal of a factor takes its column along; a correlation goes with the last variance but one.
    """
    crude, found = _crude(problem), []
    small = EDGE_SD * math.sqrt(crude)
    for term, part in zip(problem.terms, _split(problem.terms, theta), strict=True):
        if term.structure == "UN":
            near = (np.diag(_lower(part, term.m)) < small)[np.tril_indices(term.m)[1]]
        elif term.structure == "HCS":
            zero = part[:-1] < small
            near = np.append(zero, np.sum(~zero) < 2)
        else:
            near = part < EDGE * crude
        found.append(near)
    return np.concatenate(found)


def _newton(problem: Problem, theta: Vector, fixed: NDArray[np.bool_]) -> Optimum:
    """Return the optimum that Newton steps reach with some parameters fixed and others held by their bounds."""
    low = np.array([-math.inf if bound[0] is None else bound[0] for bound in _bounds(problem)])
    high = np.array([math.inf if bound[1] is None else bound[1] for bound in _bounds(problem)])
    theta = np.clip(theta, low, high)
    height, gradient = _slope(problem, theta)
    for _ in range(NEWTON_STEPS):
        free = ~fixed & ~((theta <= low) & (gradient <= 0)) & ~((theta >= high) & (gradient >= 0))
        if not free.any() or float(np.abs(gradient[free]).max()) <= 1e-14 * len(problem.y):
            break
        step = _step(problem, theta, gradient, free)
        moved = False
        for shrink in 0.5 ** np.arange(30):
            trial = np.clip(theta + shrink * step, low, high)
            new_height, new_gradient = _slope(problem, trial)
            # Close to the top heights no longer differ: there the smaller slope decides.
            flat = abs(new_height - height) <= 1e-12 * (abs(height) + len(problem.y))
            smaller = np.linalg.norm(new_gradient[free]) < np.linalg.norm(gradient[free])
            if (new_height > height and not flat) or (flat and smaller):
                theta, height, gradient, moved = trial, new_height, new_gradient, True
                break
        if not moved:
            break
    return _judged(problem, theta, height, gradient, fixed, low, high)


def _hessian(problem: Problem, theta: Vector, free: NDArray[np.bool_]) -> Matrix:
    which = np.flatnonzero(free)
    rows = []
    for j in which:
        h = DIFFERENCE * max(abs(float(theta[j])), 1e-2)
        up, down = theta.copy(), theta.copy()
        up[j] += h
        down[j] -= h
        rows.append((_slope(problem, up)[1] - _slope(problem, down)[1])[which] / (2.0 * h))
    matrix = np.array(rows)
    return np.asarray(0.5 * (matrix + matrix.T))


def _step(problem: Problem, theta: Vector, gradient: Vector, free: NDArray[np.bool_]) -> Vector:
    values, vectors = np.linalg.eigh(_hessian(problem, theta, free))
    # Uphill in every direction, also where the likelihood is not concave.
    curvature = np.maximum(np.abs(values), 1e-10 * max(1.0, float(np.abs(values).max())))
    step = np.zeros_like(theta)
    step[free] = vectors @ ((vectors.T @ gradient[free]) / curvature)
    return step


def _judged(
    problem: Problem,
    theta: Vector,
    height: float,
    gradient: Vector,
    fixed: NDArray[np.bool_],
    low: Vector,
    high: Vector,
) -> Optimum:
    bound = (theta <= low) | (theta >= high)
    free = ~fixed & ~bound
    pushed = np.where(theta <= low, gradient, np.where(theta >= high, -gradient, 0.0))
    score = float(np.abs(gradient[free]).max()) / len(theta) if free.any() else 0.0
    curved = not free.any() or bool(np.linalg.eigvalsh(_hessian(problem, theta, free))[-1] < 0)
    tolerance = SCORE_TOLERANCE * len(problem.y)
    held = bool(np.all(pushed[bound & ~fixed] <= tolerance)) and _held_by_slopes(problem, theta, tolerance)
    edge = bool(bound.any()) or any(_singular(G) for G in _matrices(problem.terms, theta))
    return Optimum(theta, height, score, curved, held, edge)


def _singular(G: Matrix) -> bool:
    size = np.sqrt(np.diag(G))
    if np.any(size == 0.0):
        return True
    return float(np.linalg.eigvalsh(G / np.outer(size, size))[0]) <= 1e-12


def _held_by_slopes(problem: Problem, theta: Vector, tolerance: float) -> bool:
    """Return whether no direction out of a singular G climbs, for structures whose own slopes are blind to it.

    A factor, and a standard deviation, has slope zero where it is zero, so the slope by G itself must not be
    positive on the null space of G.
    """
    at = _evaluate(problem, theta)
    for term, G, slope in zip(problem.terms, _matrices(problem.terms, theta), at.slopes, strict=True):
        if term.structure == "UN":
            values, vectors = np.linalg.eigh(G)
            null = vectors[:, values <= 1e-12 * max(float(values[-1]), 1e-300)]
            climbs = null.T @ (0.5 * (slope + slope.T)) @ null
            if null.shape[1] and float(np.linalg.eigvalsh(climbs)[-1]) > tolerance:
                return False
        if term.structure == "HCS" and _hcs_climbs(G, slope, tolerance):
            return False
    return True


def _hcs_climbs(G: Matrix, slope: Matrix, tolerance: float) -> bool:
    """Return whether a variance of zero could grow: alone, or by a correlation with the only variance left.

    With two or more variances left the correlation is free and its slopes are those of the parameters.
    """
    zero = np.diag(G) == 0.0
    if not zero.any():
        return False
    across = np.abs(slope[np.ix_(zero, ~zero)])
    if int(np.sum(~zero)) == 1 and float(across.max()) > tolerance:
        return True
    return bool(not across.any() and float(np.diag(slope)[zero].max()) > tolerance)


def _components(terms: Sequence[Term], theta: Vector, unit: float) -> tuple[Component, ...]:
    found = []
    for term, scaled in zip(terms, _matrices(terms, theta), strict=True):
        G = scaled * unit**2
        size = np.sqrt(np.diag(G))
        correlations = tuple(
            tuple(float(G[i, j] / (size[i] * size[j])) if size[i] * size[j] > 0.0 else None for j in range(term.m))
            for i in range(term.m)
        )
        rows = tuple(tuple(row) for row in G.tolist())
        diagonal = tuple(np.diag(G).tolist())
        clusters = int(term.group.max()) + 1
        found.append(Component(term.name, term.structure, clusters, term.outcomes, diagonal, rows, correlations))
    return tuple(found)


def _warnings(best: Optimum, optima: int, parts: Sequence[Component]) -> tuple[str, ...]:
    said = []
    zero = [part.name for part in parts if min(part.variances) == 0.0]
    if zero:
        said.append(f"The variance of {', '.join(zero)} is estimated as zero.")
    elif best.edge:
        said.append("A correlation between outcomes is estimated at its limit.")
    if optima > 1:
        said.append(f"The likelihood has {optima} optima; the highest is reported.")
    if not best.proved:
        said.append("The likelihood was not proved to be at a maximum; do not use this fit.")
    return tuple(said)
