"""Cluster-robust standard errors: right even where the working covariance of a fit is not.

With working covariance M, weights W = M^-1, information B^-1 = X'WX and residuals e, the variance of the
coefficients is B [sum over clusters X_c' W_c A_c e_c e_c' A_c' W_c X_c] B. The kinds differ in A_c.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from k2meta.models.design import Matrix, check_rank, design_matrix
from k2meta.models.errors import InputError, UnknownMethodError
from k2meta.models.inputs import Vector, checked_effects, checked_level
from k2meta.models.meta_regression import Coefficient, Working, coefficients
from k2meta.models.multilevel import Codes, coded, sampling_covariance
from k2meta.shown import ShowsItself

KINDS = ("CR0", "CR1", "CR2")

FEW_DF = 4.0
"""Below this many Satterthwaite degrees of freedom the t approximation is not to be trusted (Tipton 2015)."""

SINGULAR = 1e-10
"""Share of the largest eigenvalue below which a cluster's adjustment has no direction left: the coefficients fit
it exactly."""


class HasWorking(Protocol):
    """A fit that carries its linear model: a meta-regression or a multilevel fit."""

    @property
    def working(self) -> Working | None:
        """The effects, design and working covariance."""


@dataclass(frozen=True, slots=True)
class RobustFit(ShowsItself):
    """Coefficients with cluster-robust standard errors.

    Attributes
    ----------
    kind : str
        CR0, CR1 or CR2.
    clusters : int
        Number of clusters.
    coefficients : tuple of Coefficient
        ``df`` is clusters - p for CR0 and CR1, and Satterthwaite's for CR2, one for each coefficient.
    covariance : tuple of tuple of float
        Robust covariance, (p, p).
    warnings : tuple of str
        Sentences meant for the reader.
    not_run : str or None
        Why there is no estimate, as a sentence.
    """

    kind: str
    clusters: int
    names: tuple[str, ...]
    level: float
    coefficients: tuple[Coefficient, ...] = ()
    covariance: tuple[tuple[float, ...], ...] = ()
    warnings: tuple[str, ...] = ()
    not_run: str | None = None


@dataclass(frozen=True, slots=True)
class Whitened:
    """The linear model by clusters: design (k, p), M by pairs, B (p, p), coefficients (p,) and residuals (k,)."""

    X: Matrix
    M: Matrix
    W: Matrix
    bread: Matrix
    beta: Vector
    residual: Vector


def working_model(
    yi: ArrayLike,
    V: ArrayLike,
    X: ArrayLike | None = None,
    *,
    tau2: float = 0.0,
    names: Sequence[str] | None = None,
) -> Working:
    """Return a working model with given variances, for example those of a random-effects fit.

    Parameters
    ----------
    yi : array_like, shape (k,)
        Effects.
    V : array_like, shape (k,) or (k, k)
        Sampling variances, or their covariance matrix.
    X : array_like, shape (k, m), optional
        Moderators; an intercept is put first.
    tau2 : float
        Between-effect variance added to every variance.

    Raises
    ------
    InputError
        Unusable effects, covariance or moderators; the message names the index, block or column.
    """
    y = checked_effects(yi)
    if not tau2 >= 0.0:
        raise InputError(f"tau2 = {tau2!r}: a variance is zero or larger")
    design = design_matrix(X, len(y), names, intercept=True)
    check_rank(design)
    M = sampling_covariance(V, len(y)) + tau2 * np.eye(len(y))
    return Working(y, design.X, M, design.names)


def cluster_robust(
    fit: HasWorking | Working, cluster: ArrayLike, *, kind: str = "CR2", level: float = 0.95
) -> RobustFit:
    """Return the coefficients of a fit with standard errors that hold whatever happens within clusters.

    Parameters
    ----------
    fit : MetaRegression, MultilevelFit or Working
        The fit; its covariance of the effects is the working model.
    cluster : array_like, shape (k,)
        Label of the independent unit each effect comes from.
    kind : {"CR2", "CR1", "CR0"}
        CR0 is the plain sandwich (A_c = I), CR1 multiplies it by clusters / (clusters - p), CR2 makes it unbiased
        under the working model and takes Satterthwaite's degrees of freedom.
    level : float
        Coverage of the intervals.

    Returns
    -------
    RobustFit
        With ``not_run`` set where there are not more clusters than coefficients.

    Raises
    ------
    InputError
        Labels that do not fit, or a fit that was not run.
    UnknownMethodError
        A kind that is not registered.

    Notes
    -----
    CR2 as in Bell and McCaffrey (2002), with the covariance of the fit as working model as in Tipton (2015) and
    Pustejovsky and Tipton (2018).
    """
    if kind not in KINDS:
        raise UnknownMethodError("kind", kind, KINDS)
    level = checked_level(level)
    model = fit if isinstance(fit, Working) else fit.working
    if model is None:
        raise InputError(f"the fit was not run: {getattr(fit, 'not_run', None) or 'it carries no model'}")
    codes, labels = coded("cluster", cluster, len(model.y))
    p = model.X.shape[1]
    if len(labels) <= p:
        reason = f"Not run: {len(labels)} clusters for {p} coefficients; at least {p + 1} clusters are needed."
        return RobustFit(kind, len(labels), model.names, level, not_run=reason)
    white = _solved(model)
    groups = [np.flatnonzero(codes == c) for c in range(len(labels))]
    scores, pulls = _scores(white, groups, kind)
    meat = scores.T @ scores
    covariance = white.bread @ meat @ white.bread
    if kind == "CR1":
        covariance *= len(labels) / (len(labels) - p)
    df = _satterthwaite(white, groups, pulls) if kind == "CR2" else [float(len(labels) - p)] * p
    return RobustFit(
        kind=kind,
        clusters=len(labels),
        names=model.names,
        level=level,
        coefficients=coefficients(model.names, white.beta, covariance, level, df),
        covariance=tuple(tuple(row) for row in covariance.tolist()),
        warnings=_warnings(model.names, df, kind),
    )


def _solved(model: Working) -> Whitened:
    from scipy.linalg import solve_triangular

    # Effects near one of them keep their digits where an intercept takes the shift back.
    M = np.diag(model.M) if model.M.ndim == 1 else model.M
    shift = float(model.y[np.argmin(np.diag(M))]) if np.all(model.X[:, 0] == 1.0) else 0.0
    factor = np.linalg.cholesky(M)
    inverse = solve_triangular(factor, np.eye(len(model.y)), lower=True)
    rows = inverse @ model.X
    size = np.linalg.norm(rows, axis=0)
    q, r = np.linalg.qr(rows / size)
    half = np.linalg.inv(r) / size[:, None]
    y = model.y - shift
    beta = half @ (q.T @ (inverse @ y))
    residual = y - model.X @ beta
    beta[0] += shift
    return Whitened(model.X, M, inverse.T @ inverse, half @ half.T, beta, residual)


def _scores(white: Whitened, groups: Sequence[Codes], kind: str) -> tuple[Matrix, list[Matrix]]:
    """Return each cluster's score X'W A e, shape (clusters, p), and its pull X'W A, one (p, n) for each."""
    rows, pulls = [], []
    weighted = white.W @ white.X
    for group in groups:
        pull = weighted[group].T
        if kind == "CR2":
            pull = pull @ _adjustment(white, group)
        rows.append(pull @ white.residual[group])
        pulls.append(pull)
    return np.array(rows), pulls


def _adjustment(white: Whitened, group: Codes) -> Matrix:
    """Return A_c, for which A_c Var(e_c) A_c' = M_c under the working model.

    With M_c = D'D and Var(e_c) = M_c - X_c B X_c': A_c = D' [D Var(e_c) D']^(-1/2) D, generalised inverse.
    """
    M = white.M[np.ix_(group, group)]
    D = np.linalg.cholesky(M).T
    inside = D @ (M - white.X[group] @ white.bread @ white.X[group].T) @ D.T
    values, vectors = np.linalg.eigh(0.5 * (inside + inside.T))
    scale = float(np.linalg.eigvalsh(D @ M @ D.T)[-1])
    keep = values > SINGULAR * scale
    root = vectors[:, keep] / np.sqrt(values[keep]) @ vectors[:, keep].T
    return np.asarray(D.T @ root @ D)


def _satterthwaite(white: Whitened, groups: Sequence[Codes], pulls: Sequence[Matrix]) -> list[float]:
    """Return the degrees of freedom of each coefficient's variance.

    The variance estimate is sum (p_c'y)^2 with p_c = (I - H)_c' A_c' W_c X_c B u; a chi-square of the same mean
    and variance under the working model has (sum p_c'Mp_c)^2 / sum over pairs (p_c'Mp_d)^2 degrees of freedom.
    """
    hat = white.X @ white.bread @ (white.X.T @ white.W)
    found = []
    for j in range(white.X.shape[1]):
        columns = np.empty((len(white.residual), len(groups)))
        for c, (group, pull) in enumerate(zip(groups, pulls, strict=True)):
            weight = pull.T @ white.bread[:, j]
            columns[:, c] = -hat[group].T @ weight
            columns[group, c] += weight
        products = columns.T @ white.M @ columns
        found.append(float(np.trace(products) ** 2 / np.sum(products**2)))
    return found


def _warnings(names: Sequence[str], df: Sequence[float], kind: str) -> tuple[str, ...]:
    few = [f"{name} ({one:.1f})" for name, one in zip(names, df, strict=True) if one < FEW_DF]
    if not few:
        return ()
    what = "Satterthwaite degrees of freedom" if kind == "CR2" else "degrees of freedom"
    return (f"Fewer than four {what} for {', '.join(few)}: p values and intervals there are not to be trusted.",)
