"""What users call: many meta-analyses in, one frozen :class:`Batch` out; and the chunks and threads behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from k2meta.models.errors import InputError, UnknownMethodError
from k2meta.models.inputs import checked_level
from k2meta.models.intervals import critical
from k2meta.shown import ShowsItself

if TYPE_CHECKING:
    from types import ModuleType

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int32]

TAU2 = {
    "REML": "REML",
    "ML": "ML",
    "DL": "DL",
    "DL2": "DL2",
    "HE": "HE",
    "CA2": "CA2",
    "PM": "ROOT_OF_Q",
    "EB": "ROOT_OF_Q",
    "PMM": "ROOT_OF_Q",
    "HS": "HS",
    "HSk": "HSK",
    "SJ": "SJ",
    "EE": "EE",
}
"""Name for users: kernel. ``EE`` is the common-effect model, tau2 = 0 by assumption."""

INTERVALS = {
    "z": ("WALD", False),
    "t": ("WALD", True),
    "HKSJ": ("HARTUNG_KNAPP", True),
    "HKSJ-guarded": ("GUARDED", True),
}
"""Name for users: standard error, and whether the quantile is Student's t with k - 1 degrees of freedom."""

CHUNK_BYTES = 8_000_000
"""Most bytes of effects, and as many of variances, that one thread holds as float64 at a time."""

SMALLEST_CHUNK = 1024
"""Rows below which a thread costs more than it saves."""


@dataclass(frozen=True, slots=True)
class Batch(ShowsItself):
    """Results of B random-effects meta-analyses; every array has shape (B,).

    Attributes
    ----------
    mu, se, low, high : ndarray of float
        Pooled effect, its standard error and interval, in units of ``Y``.
    df : ndarray of float
        Degrees of freedom of the t quantile; infinite where the normal is used.
    tau2 : ndarray of float
        Between-study variance, in squared units of ``Y``.
    q : ndarray of float
        Cochran's Q, on k - 1 degrees of freedom.
    i2 : ndarray of float
        100 tau2 / (tau2 + typical variance), in percent; for ``EE`` max(0, 100 (Q - df) / Q).
    k : ndarray of int
        Number of studies present.
    local_optima : ndarray of int
        Maxima of the likelihood of tau2; one for methods without a likelihood.
    converged : ndarray of bool
        Whether tau2 was found to its accuracy; false for a row without a study.
    at_boundary : ndarray of bool
        Whether the estimate of tau2 is zero; false for ``EE`` and for a row without a study.
    options : mapping
        The method names and the level.

    Notes
    -----
    A row with one study is its own normal interval with tau2 = 0, as in the single fit. A row with none has
    ``k = 0``, NaN in every float and ``converged`` false: there was nothing to estimate.
    """

    mu: Floats
    se: Floats
    low: Floats
    high: Floats
    df: Floats
    tau2: Floats
    q: Floats
    i2: Floats
    k: Ints
    local_optima: Ints
    converged: Bools
    at_boundary: Bools
    options: Mapping[str, str | float]

    @property
    def p(self) -> Floats:
        """Two-sided p values of mu = 0, computed anew at each use; NaN where the standard error is zero."""
        from scipy.special import ndtr, stdtr

        with np.errstate(divide="ignore", invalid="ignore"):
            distance = np.where(self.se > 0.0, -np.abs(self.mu / self.se), np.nan)
        normal = np.isinf(self.df)
        return np.asarray(2.0 * np.where(normal, ndtr(distance), stdtr(np.where(normal, 1.0, self.df), distance)))

    def __len__(self) -> int:
        """Return B, the number of meta-analyses."""
        return len(self.mu)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the kernels are told: method, standard error, and tables by number of studies, shape (3, k + 1).

    The rows of ``tables`` are the critical value, the degrees of freedom and the target of Q.
    """

    method: int
    error: int
    tables: Floats
    options: Mapping[str, str | float]


def random_effects_batch(
    Y: ArrayLike, V: ArrayLike, *, tau2: str = "REML", interval: str = "HKSJ-guarded", level: float = 0.95
) -> Batch:
    """Pool each row of effects as :func:`k2meta.random_effects` pools one, a million rows in about a second.

    Parameters
    ----------
    Y : array_like, shape (B, k)
        Effects; NaN where a row has no such study.
    V : array_like, shape (B, k)
        Sampling variances, in squared units of ``Y``; NaN exactly where ``Y`` is.
    tau2 : str
        Estimator of the between-study variance, a key of ``TAU2``; ``"EE"`` is the common-effect model.
    interval : {"HKSJ-guarded", "HKSJ", "t", "z"}
        Interval of mu.
    level : float
        Coverage of the intervals.

    Returns
    -------
    Batch
        The numbers of the single fit, whatever the neighbours of a row and the number of threads.

    Raises
    ------
    InputError
        Shapes that differ or are not (B, k), a number that is not finite, a variance that is not positive, a study
        with an effect and no variance or the reverse; the message names the index.
    UnknownMethodError
        A name that is not registered.

    Notes
    -----
    Maxima of the likelihood are bracketed by steps over which bounds of the slope of the score prove its sign, at
    least sixteen a decade where nothing can be proved, and closed by Newton's method inside the bracket.
    Single and batch fit agree to 1e-12 of tau2 + the least sampling variance; a tau2 far below that carries fewer
    digits in either, because it is the difference of two sums.
    Memory: the results (80 bytes a row), and per thread two chunks of ``CHUNK_BYTES`` where ``Y`` and ``V`` are
    not already arrays of float64 in rows. Threads: ``NUMBA_NUM_THREADS``, else all cores. The first call compiles.
    """
    effects, variances = _matrix("Y", Y), _matrix("V", V)
    if effects.shape != variances.shape:
        raise InputError(f"Y has shape {effects.shape} and V has {variances.shape}; one variance for each effect")
    made = plan(tau2, interval, level, effects.shape[1])

    def fit(start: int, stop: int, out: Floats, flags: NDArray[np.uint8], k: Ints) -> None:
        y, v = (np.require(m[start:stop], np.float64, ["C", "W"]) for m in (effects, variances))
        bad = kernels().fit_rows(made.method, made.error, made.tables, y, v, out, flags, k, start)
        if bad >= 0:
            raise _unusable(start + bad, y[bad], v[bad])

    return run(len(effects), max(1, effects.shape[1]), made, fit)


def plan(tau2: str, interval: str, level: float, k: int) -> Plan:
    """Return what the kernels need for at most ``k`` studies.

    Raises
    ------
    InputError, UnknownMethodError
        A level outside (0, 1), or a name that is not registered.
    """
    if tau2 not in TAU2:
        raise UnknownMethodError("tau2", tau2, TAU2)
    if interval not in INTERVALS:
        raise UnknownMethodError("interval", interval, INTERVALS)
    level = checked_level(level)
    error, student = INTERVALS[interval]
    df: Floats = np.arange(k + 1, dtype=np.float64) - 1.0
    used = np.where((df > 0) & student, df, np.inf)
    table = np.array([critical(level, None if np.isinf(one) else float(one)) for one in used])
    options: dict[str, str | float] = {"tau2": tau2, "interval": interval, "level": level}
    return Plan(
        getattr(kernels(), TAU2[tau2]),
        getattr(kernels(), error),
        np.array([table, used, _target(tau2, df)]),
        options,
    )


def _target(tau2: str, df: Floats) -> Floats:
    """Return the value of Q at which PM, or its median-unbiased version, puts tau2."""
    if tau2 != "PMM":
        return df
    from scipy.special import chdtri

    return np.asarray(chdtri(np.maximum(df, 1.0), 0.5))


def kernels() -> ModuleType:
    """Return the compiled module; importing it loads numba."""
    import k2meta.models.batch.kernels as module

    return module


def run(
    count: int, row: int, made: Plan, fit: Callable[[int, int, Floats, NDArray[np.uint8], Ints], None]
) -> Batch:
    """Fit ``count`` rows of ``row`` numbers in chunks, on as many threads as numba may use.

    ``fit(start, stop, out, flags, k)`` fills the columns from start to stop. Chunks are ended at whole tiles and
    every row is computed alone, so that neither their size nor the number of threads changes a bit.
    """
    from k2meta.models.batch.compiled import threads

    module, workers = kernels(), threads()
    out = np.empty((module.RESULTS, count))
    flags, k = np.zeros((module.FLAGS, count), dtype=np.uint8), np.zeros(count, dtype=np.int32)
    most = min(CHUNK_BYTES // (8 * row), count // (4 * workers))
    size = module.LANES * max(SMALLEST_CHUNK // module.LANES, most // module.LANES)
    spans = [(start, min(start + size, count)) for start in range(0, count, size)]
    _each(lambda span: fit(*span, out, flags, k), spans, workers)
    return _batch(out, flags, k, made)


def _each(fit: Callable[[tuple[int, int]], None], spans: list[tuple[int, int]], workers: int) -> None:
    if workers == 1 or len(spans) < 2:
        for span in spans:
            fit(span)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(workers) as pool:
        # In order, so that the first unusable row is the one that is named.
        for _ in pool.map(fit, spans):
            pass


def _batch(out: Floats, flags: NDArray[np.uint8], k: Ints, made: Plan) -> Batch:
    module = kernels()
    return Batch(
        mu=out[module.R_MU],
        se=out[module.R_SE],
        low=out[module.R_LOW],
        high=out[module.R_HIGH],
        df=out[module.R_DF],
        tau2=out[module.R_TAU2],
        q=out[module.R_Q],
        i2=out[module.R_I2],
        k=k,
        local_optima=flags[module.F_OPTIMA].astype(np.int32),
        converged=flags[module.F_CONVERGED].astype(bool),
        at_boundary=flags[module.F_BOUNDARY].astype(bool),
        options=made.options,
    )


def _matrix(name: str, values: ArrayLike) -> NDArray[Any]:
    try:
        matrix = np.asarray(values)
        if matrix.dtype.kind not in "fiu":
            matrix = matrix.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be a matrix of numbers, one row per meta-analysis: {error}") from error
    if matrix.ndim != 2:
        raise InputError(f"{name} must have shape (B, k), one row per meta-analysis; its shape is {matrix.shape}")
    return matrix


def _unusable(row: int, y: Floats, v: Floats) -> InputError:
    """Return the error for the first unusable study of a row."""
    bad = (np.isnan(y) != np.isnan(v)) | np.isinf(y) | np.isinf(v) | (v <= 0.0)
    j = int(np.argmax(bad))
    where, effect, variance = f"[{row}, {j}]", float(y[j]), float(v[j])
    if np.isnan(effect) != np.isnan(variance):
        return InputError(f"Y{where} = {effect!r} and V{where} = {variance!r}: an absent study is NaN in both")
    if not np.isfinite(effect):
        return InputError(f"Y{where} = {effect!r} is not a finite number")
    if not np.isfinite(variance):
        return InputError(f"V{where} = {variance!r} is not a finite number")
    return InputError(f"V{where} = {variance!r}: a sampling variance must be positive")
