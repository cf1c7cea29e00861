"""Design matrices: moderators checked once, for every regression of effects on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from k2meta.models.errors import InputError
from k2meta.models.inputs import Vector, checked

Matrix = NDArray[np.float64]

RANK_TOLERANCE = 1e-8
"""A direction of the centred, unit-length columns shorter than this is none: a variance inflation of 1e16 leaves
no digit of a coefficient."""

CONSTANT_TOLERANCE = 1e-12
"""A column whose spread is below this share of its size is a constant written with rounding."""


class CollinearityError(InputError):
    """Moderators of which one follows from the others; the message names them, and so does ``columns``."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        named = ", ".join(repr(name) for name in columns)
        said = f"columns {named} determine each other" if len(columns) > 1 else f"column {named} is constant"
        super().__init__(f"X: {said}, so their coefficients are not identified; leave one of them out")


@dataclass(frozen=True, slots=True)
class Design:
    """A checked design matrix, shape (k, p); ``moderators`` are the columns that are not the intercept."""

    X: Matrix
    names: tuple[str, ...]
    intercept: bool

    @property
    def moderators(self) -> list[int]:
        """Positions of the columns the omnibus test is about."""
        return list(range(1 if self.intercept else 0, self.X.shape[1]))


@dataclass(frozen=True, slots=True)
class Regression:
    """Effects with their design matrix, moved to where no digit is lost.

    Attributes
    ----------
    y : ndarray, shape (k,)
        Effects minus ``shift``.
    v : ndarray, shape (k,)
        Sampling variances, in squared units of the effects.
    shift : float
        What the intercept takes back: the effect of the most precise study, or zero without an intercept.
    design : Design
        The design matrix, shape (k, p).
    """

    y: Vector
    v: Vector
    shift: float
    design: Design

    @property
    def k(self) -> int:
        """Number of studies."""
        return len(self.y)


def checked_regression(
    yi: ArrayLike,
    vi: ArrayLike,
    X: ArrayLike | Mapping[str, ArrayLike] | None,
    names: Iterable[str] | None,
    *,
    intercept: bool,
) -> Regression:
    """Return effects, variances and moderators that fit together; their rank is not looked at.

    Raises
    ------
    InputError
        Unusable effects, variances or moderators; the message names index and column.
    """
    data = checked(yi, vi)
    design = design_matrix(X, data.k, names, intercept=intercept)
    if intercept:
        return Regression(data.yi, data.vi, data.shift, design)
    return Regression(data.yi + data.shift, data.vi, 0.0, design)


def design_matrix(
    X: ArrayLike | Mapping[str, ArrayLike] | None, k: int, names: Iterable[str] | None, *, intercept: bool
) -> Design:
    """Return the design matrix of k studies with named columns.

    Raises
    ------
    InputError
        Rows or names that do not fit, a value that is not finite, or no column at all.
    """
    if isinstance(X, Mapping):
        names = tuple(X) if names is None else names
        X = np.column_stack([_column(name, values, k) for name, values in X.items()]) if X else None
    try:
        matrix = np.empty((k, 0)) if X is None else np.array(X, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"X must hold numbers (code groups as 0/1 columns): {error}") from error
    matrix = matrix[:, None] if matrix.ndim == 1 else matrix
    if matrix.ndim != 2 or len(matrix) != k:
        raise InputError(f"X has shape {matrix.shape}; it needs one row for each of the {k} effects")
    labels = tuple(f"x{j + 1}" for j in range(matrix.shape[1])) if names is None else tuple(names)
    if len(labels) != matrix.shape[1]:
        raise InputError(f"names has {len(labels)} entries and X has {matrix.shape[1]} columns")
    bad = np.argwhere(~np.isfinite(matrix))
    if bad.size:
        i, j = bad[0]
        raise InputError(f"X[{i}, {j}] (column {labels[j]!r}) = {float(matrix[i, j])!r} is not a finite number")
    if intercept:
        matrix, labels = np.column_stack([np.ones(k), matrix]), ("intercept", *labels)
    if not labels:
        raise InputError("X has no column and there is no intercept: nothing is to be estimated")
    return Design(matrix, labels, intercept)


def _column(name: str, values: ArrayLike, k: int) -> Vector:
    try:
        column = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"X: column {name!r} must hold numbers (code groups as 0/1): {error}") from error
    if column.shape != (k,):
        raise InputError(f"X: column {name!r} has shape {column.shape}; it needs {k} values")
    return column


def check_rank(design: Design) -> None:
    """Refuse columns that determine each other, and say which.

    Raises
    ------
    CollinearityError
        Names a constant column, or the columns with a share in the dependence.
    """
    columns = [design.X[:, j] for j in design.moderators]
    if design.intercept:
        columns = [column - column.mean() for column in columns]
    sizes = [float(np.linalg.norm(design.X[:, j])) for j in design.moderators]
    for j, column, size in zip(design.moderators, columns, sizes, strict=True):
        if float(np.linalg.norm(column)) <= CONSTANT_TOLERANCE * size:
            raise CollinearityError([design.names[j]])
    if len(columns) < 2:
        return
    unit = np.column_stack([column / np.linalg.norm(column) for column in columns])
    _, values, turned = np.linalg.svd(unit, full_matrices=True)
    if len(values) < len(columns) or values[-1] <= RANK_TOLERANCE:
        share = np.abs(turned[-1])
        part = np.flatnonzero(share > 1e-6 * share.max())
        raise CollinearityError([design.names[design.moderators[j]] for j in part])


def new_rows(X: ArrayLike, names: Sequence[str]) -> Matrix:
    """Return moderators at which a regression is to be predicted, shape (n, p), an intercept put first.

    Parameters
    ----------
    X : array_like, shape (n, m) or (n,)
        Moderators without the intercept; (n,) for a single one.
    names : sequence of str, length p
        Columns of the regression.

    Raises
    ------
    InputError
        Columns that do not fit, or a value that is not finite.
    """
    try:
        rows = np.array(X, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"X must hold numbers: {error}") from error
    rows = rows[:, None] if rows.ndim == 1 else rows
    if rows.ndim == 2 and names[0] == "intercept" and rows.shape[1] == len(names) - 1:
        rows = np.column_stack([np.ones(len(rows)), rows])
    if rows.ndim != 2 or rows.shape[1] != len(names) or not np.all(np.isfinite(rows)):
        raise InputError(f"X must hold finite numbers, one column for each of {', '.join(names)}")
    return rows
