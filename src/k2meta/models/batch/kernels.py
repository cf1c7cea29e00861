"""The compiled part of the batch engine: thirty-two meta-analyses at a time, one per vector lane.

A *tile* holds the studies of ``LANES`` rows as arrays of shape (studies, ``LANES``): the loops run over the
studies outside and over the lanes inside, so that the compiler turns every inner loop into vector instructions
without reordering a sum. The most precise study of each row stands first and its effect is subtracted from all, as
in :func:`k2meta.models.inputs.checked`; an absent study has an infinite variance, hence weight zero.

Importing this module imports numba; nothing but the batch functions does so. All kernels stand in one file because
numba's cache notices an edit only in the file of the kernel that is called.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from k2meta.models.batch.compiled import compiled

Array = NDArray[np.float64]
Bytes = NDArray[np.uint8]

LANES = 32
EPS = 2.220446049250313e-16

# Rows of the matrix ``s`` of sums, shape (SUMS, LANES); r = P y and w = 1 / (v + tau2).
TOTAL, MU, SQUARES, Q, TRACE_P, CUBES, TRACE_PP, TOTAL2, REST, REST2, REST3, FIRST, LINEAR = range(13)
SUMS = 13

# Rows of the matrix ``work`` of the search, shape (WORK, LANES).
SCORE, FALL, RISE, SIZE, END, T, HERE, BEFORE, TOP, RISING, ACTIVE, DONE = range(12)
WORK = 12

# Rows of the results, shape (RESULTS, rows), and of the flags, shape (FLAGS, rows).
R_MU, R_SE, R_LOW, R_HIGH, R_TAU2, R_Q, R_I2, R_DF = range(8)
RESULTS = 8
F_STUDIES, F_CONVERGED, F_BOUNDARY, F_OPTIMA, F_UNUSABLE = range(5)
FLAGS = 5

EE, REML, ML, ROOT_OF_Q, DL, HE, DL2, CA2, HS, HSK, SJ = range(11)
"""Estimators of tau2."""

WALD, HARTUNG_KNAPP, GUARDED = range(3)
"""Standard errors of mu."""

MEMBERS, SIGNS = range(2)
"""What a bit of a mask means: the study takes part, or its effect changes sign."""

BRACKETS = 8
"""Most maxima of a likelihood kept per row; with more the fit is marked as not converged."""

RATIO = 10.0 ** (1.0 / 16.0)
FLOOR = 1e-4
"""Least steps of the search where nothing can be proved: sixteen a decade from ``FLOOR`` times the least variance,
the density of the single fit."""

MARCH_STEPS = 5000
POLISH_STEPS = 200


@compiled
def weigh(t: Array, y: Array, v: Array, w: Array, s: Array) -> None:
    """Fill the weights and their sums over all studies but the first, of shape (LANES,) each."""
    for lane in range(LANES):
        w[0, lane] = 1.0 / (v[0, lane] + t[lane])
        s[REST, lane] = 0.0
        s[LINEAR, lane] = 0.0
        s[REST2, lane] = 0.0
        s[REST3, lane] = 0.0
    for i in range(1, y.shape[0]):
        for lane in range(LANES):
            x = 1.0 / (v[i, lane] + t[lane])
            w[i, lane] = x
            s[REST, lane] += x
            s[LINEAR, lane] += x * y[i, lane]
            s[REST2, lane] += x * x
            s[REST3, lane] += x * x * x


@compiled
def spread(y: Array, w: Array, s: Array) -> None:
    """Fill mu, Q = y'Py, SQUARES = y'PPy, and what y'PPPy is made of, counted from the first study's r."""
    for lane in range(LANES):
        s[TOTAL, lane] = w[0, lane] + s[REST, lane]
        s[MU, lane] = s[LINEAR, lane] / s[TOTAL, lane]
        s[FIRST, lane] = -w[0, lane] * s[MU, lane]
        s[SQUARES, lane] = s[FIRST, lane] * s[FIRST, lane]
        s[Q, lane] = -s[FIRST, lane] * s[MU, lane]
        s[CUBES, lane] = 0.0
        s[LINEAR, lane] = 0.0
    for i in range(1, y.shape[0]):
        for lane in range(LANES):
            e = y[i, lane] - s[MU, lane]
            r = w[i, lane] * e
            d = r - s[FIRST, lane]
            x = w[i, lane] * d
            s[SQUARES, lane] += r * r
            s[Q, lane] += r * e
            s[CUBES, lane] += x * d
            s[LINEAR, lane] += x


@compiled
def sums(t: Array, y: Array, v: Array, w: Array, s: Array) -> None:
    """Fill ``s`` with the sums at one tau2 per lane; ``t`` has shape (LANES,), ``y, v, w`` (studies, LANES).

    No sum cancels when one study carries nearly all the weight: it stands in row 0 with effect zero, and
    trace(P), trace(PP) and y'PPPy are written over the others.
    """
    weigh(t, y, v, w, s)
    spread(y, w, s)
    for lane in range(LANES):
        first, rest, rest2 = w[0, lane], s[REST, lane], s[REST2, lane]
        inverse = 1.0 / s[TOTAL, lane]
        share, other = first * inverse, rest2 * inverse
        s[TRACE_P, lane] = (2.0 * first * rest + (rest * rest - rest2)) * inverse
        s[CUBES, lane] -= s[LINEAR, lane] * s[LINEAR, lane] * inverse
        s[TOTAL2, lane] = first * first + rest2
        from_first = share * share * (rest * rest + 2.0 * rest2)
        s[TRACE_PP, lane] = from_first + rest2 - 2.0 * s[REST3, lane] * inverse + other * other


@compiled
def slopes(restricted: bool, s: Array, work: Array) -> None:
    """Fill the score of the likelihood (twice its slope) and two bounds of how fast it can change beyond.

    For REML the score is y'PPy - trace(P), for ML y'PPy - sum(w). Its derivative is rise - fall with
    fall = 2 y'PPPy and rise = trace(PP), or sum(w^2); both decrease in tau2, so that from here on the score falls
    no faster than ``fall`` and rises no faster than ``rise``. ``SIZE`` is the sum of both terms of the score.
    """
    for lane in range(LANES):
        expected = s[TRACE_P, lane] if restricted else s[TOTAL, lane]
        work[SCORE, lane] = s[SQUARES, lane] - expected
        work[SIZE, lane] = s[SQUARES, lane] + expected
        work[FALL, lane] = 2.0 * s[CUBES, lane]
        work[RISE, lane] = s[TRACE_PP, lane] if restricted else s[TOTAL2, lane]


@compiled
def advance(restricted: bool, n: Array, v: Array, s: Array, work: Array) -> None:
    """Move every lane to the next tau2 at which the sign of the score is not yet proved.

    The bounds of :func:`slopes` prove the sign over a step score / fall, or |score| / rise. Beyond ``END`` no
    score is positive: with C the centring matrix P >= C / (max v + t) and P <= C / (min v + t), and Q falls at
    least like 1 / (max v + t), so the score at t is below [Q(a) (max v + a) / (min v + t) - (k - 1)] / (max v + t)
    for t >= a (k for ML).
    """
    slopes(restricted, s, work)
    for lane in range(LANES):
        t, f = work[T, lane], work[SCORE, lane]
        df = n[lane] - 1.0 if restricted else n[lane]
        end = s[Q, lane] * (work[TOP, lane] + t) / df - v[0, lane]
        proved = f / (work[FALL, lane] if f > 0.0 else -work[RISE, lane])
        work[END, lane] = min(work[END, lane], end)
        work[HERE, lane] = t
        # A millionth less than proved, so that no rounding can carry a step over a change of sign.
        work[T, lane] = max(t + (1.0 - 1e-6) * proved, max(RATIO * t, FLOOR * v[0, lane]))


@compiled
def start(n: Array, v: Array, work: Array, found: Array) -> int:
    """Set every lane to tau2 = 0 before the search; return how many lanes have something to find."""
    left = 0
    for lane in range(LANES):
        t, before, top, rising, active, end = 0.0, 0.0, 0.0, 1.0, 0.0, math.inf
        if n[lane] > 1.0:
            left, active = left + 1, 1.0
        for i in range(int(n[lane])):
            top = max(top, v[i, lane])
        work[END, lane], work[T, lane], work[BEFORE, lane] = end, t, before
        work[TOP, lane], work[RISING, lane], work[ACTIVE, lane] = top, rising, active
        found[lane] = 0.0
    return left


@compiled
def collect(work: Array, low: Array, high: Array, found: Array, trusted: Array) -> int:
    """Note a bracket wherever the score stopped being positive; return how many lanes reached their end."""
    ended = 0
    for lane in range(LANES):
        if work[ACTIVE, lane] == 0.0:
            continue
        here, up = work[HERE, lane], 1.0 if work[SCORE, lane] > 0.0 else 0.0
        if work[RISING, lane] > up:
            slot = int(found[lane])
            if slot < BRACKETS:
                low[slot, lane], high[slot, lane] = work[BEFORE, lane], here
                found[lane] += 1.0
            else:
                trusted[lane] = 0.0
        work[RISING, lane], work[BEFORE, lane] = up, here
        if up == 0.0 and here >= work[END, lane]:
            work[ACTIVE, lane] = 0.0
            ended += 1
    return ended


@compiled
def march(
    restricted: bool,
    n: Array,
    y: Array,
    v: Array,
    w: Array,
    s: Array,
    work: Array,
    low: Array,
    high: Array,
    found: Array,
    trusted: Array,
) -> None:
    """Bracket every maximum of the likelihood in every lane; ``s`` holds the sums at tau2 = 0.

    ``low`` and ``high``, shape (BRACKETS, LANES), receive the brackets and ``found``, shape (LANES,), their number
    (tau2 = 0 is a bracket of width zero). ``trusted`` becomes zero where not all were found.
    """
    left = start(n, v, work, found)
    for _ in range(MARCH_STEPS):
        advance(restricted, n, v, s, work)
        left -= collect(work, low, high, found, trusted)
        if left == 0:
            return
        sums(work[T], y, v, w, s)
    trusted *= 1.0 - work[ACTIVE]


@compiled
def newton(restricted: bool, n: Array, s: Array, low: Array, high: Array, work: Array) -> None:
    """Move every lane by one Newton step inside its bracket, or halve the bracket, and say which are done.

    A lane is done when the step is below four units in the last place, or the score before it below its own
    rounding, which grows with the number of terms.
    """
    slopes(restricted, s, work)
    for lane in range(LANES):
        f, x = work[SCORE, lane], work[T, lane]
        a = x if f > 0.0 else low[lane]
        b = high[lane] if f > 0.0 else x
        step = x - f / (work[RISE, lane] - work[FALL, lane])
        inside = (step >= a) & (step <= b)
        rounding = (8.0 + n[lane]) * EPS * work[SIZE, lane]
        close = (abs(step - x) <= 4.0 * EPS * x) | (abs(f) <= rounding)
        narrow = b - a <= 4.0 * EPS * b
        moving = work[DONE, lane] == 0.0
        work[DONE, lane] = 1.0 if (inside & close) | narrow else work[DONE, lane]
        low[lane], high[lane] = a, b
        work[T, lane] = (step if inside else 0.5 * (a + b)) if moving else x


@compiled
def polish(
    restricted: bool,
    n: Array,
    y: Array,
    v: Array,
    w: Array,
    s: Array,
    low: Array,
    high: Array,
    work: Array,
    trusted: Array,
) -> None:
    """Close one bracket per lane; the roots replace ``low``, shape (LANES,).

    ``trusted`` becomes zero where a bracket stayed open.
    """
    for lane in range(LANES):
        work[T, lane] = 0.5 * (low[lane] + high[lane])
        work[DONE, lane] = 1.0 if low[lane] == high[lane] else 0.0
    for _ in range(POLISH_STEPS):
        if work[DONE].sum() == LANES:
            break
        sums(work[T], y, v, w, s)
        newton(restricted, n, s, low, high, work)
    low[:] = work[T]
    trusted *= work[DONE]


@compiled
def log_likelihood(restricted: bool, y: Array, v: Array, n: int, t: float) -> float:
    """Return the profiled (restricted) log-likelihood of one lane at one tau2, up to a constant."""
    total = mean = logs = spread = 0.0
    for i in range(n):
        x = 1.0 / (v[i] + t)
        total += x
        mean += x * y[i]
        logs += math.log(x)
    mean /= total
    for i in range(n):
        spread += (y[i] - mean) ** 2 / (v[i] + t)
    return 0.5 * (logs - spread - (math.log(total) if restricted else 0.0))


@compiled
def maximum(
    restricted: bool, n: Array, y: Array, v: Array, w: Array, s: Array, work: Array, tau2: Array, flags: Bytes
) -> None:
    """Fill the tau2 of the highest maximum of the likelihood of every lane."""
    low, high = np.zeros((BRACKETS, LANES)), np.zeros((BRACKETS, LANES))
    found, trusted = np.zeros(LANES), np.ones(LANES)
    march(restricted, n, y, v, w, s, work, low, high, found, trusted)
    for slot in range(int(found.max())):
        polish(restricted, n, y, v, w, s, low[slot], high[slot], work, trusted)
    for lane in range(LANES):
        tau2[lane] = low[0, lane]
        flags[F_OPTIMA, lane] = max(1, int(found[lane]))
        flags[F_CONVERGED, lane] = trusted[lane] == 1.0
        if found[lane] > 1.0:
            best = -math.inf
            for slot in range(int(found[lane])):
                height = log_likelihood(restricted, y[:, lane], v[:, lane], int(n[lane]), low[slot, lane])
                if height > best:
                    best, tau2[lane] = height, low[slot, lane]


@compiled
def root_of_q(target: Array, n: Array, y: Array, v: Array, w: Array, s: Array, tau2: Array, flags: Bytes) -> None:
    """Fill the tau2 at which the generalised Q equals ``target[k]`` in every lane; ``s`` holds the sums at zero.

    Newton's step for 1 / Q, which is concave and increasing in tau2 (Cauchy-Schwarz on y'Py, y'PPy, y'PPPy), so
    that the steps from zero approach the root from below and need no bracket.
    """
    for lane in range(LANES):
        tau2[lane] = 0.0
        flags[F_CONVERGED, lane] = n[lane] < 2.0
    for _ in range(POLISH_STEPS):
        left = 0
        for lane in range(LANES):
            if flags[F_CONVERGED, lane]:
                continue
            goal = target[int(n[lane])]
            step = s[Q, lane] * (s[Q, lane] - goal) / (goal * s[SQUARES, lane])
            if s[Q, lane] > goal and step > 0.0:
                tau2[lane] += step
            flags[F_CONVERGED, lane] = not (s[Q, lane] > goal and step > 4.0 * EPS * tau2[lane])
            left += not flags[F_CONVERGED, lane]
        if left == 0:
            return
        sums(tau2, y, v, w, s)


@compiled
def moments(y: Array, v: Array, a: Array, n: int) -> float:
    """Return the moment estimate of tau2 for fixed weights ``a`` of shape (n,), the largest first."""
    rest = rest2 = mean = 0.0
    for i in range(1, n):
        rest += a[i]
        rest2 += a[i] * a[i]
        mean += a[i] * y[i]
    total = a[0] + rest
    mean /= total
    excess = a[0] * mean * mean - a[0] * (rest / total) * v[0]
    for i in range(1, n):
        excess += a[i] * (y[i] - mean) ** 2 - a[i] * (1.0 - a[i] / total) * v[i]
    return float(max(0.0, excess * total / (2.0 * a[0] * rest + (rest * rest - rest2))))


@compiled
def two_steps(method: int, y: Array, v: Array, a: Array, n: int) -> float:
    """Return DL, HE, DL2 or CA2 of one row; ``a``, shape (n,), is scratch."""
    for i in range(n):
        a[i] = 1.0 / v[i] if method in (DL, DL2) else 1.0
    first = moments(y, v, a, n)
    if method in (DL, HE):
        return first
    for i in range(n):
        a[i] = 1.0 / (v[i] + first)
    return moments(y, v, a, n)


@compiled
def sidik_jonkman(y: Array, v: Array, n: int) -> float:
    """Return the SJ estimate of one row."""
    mean = crude = total = centre = value = 0.0
    for i in range(n):
        mean += y[i] / n
    for i in range(n):
        crude += (y[i] - mean) ** 2 / n
    if crude == 0.0:
        return 0.0
    for i in range(n):
        a = 1.0 / (v[i] / crude + 1.0)
        total += a
        centre += a * y[i]
    centre /= total
    for i in range(n):
        value += (y[i] - centre) ** 2 / (v[i] / crude + 1.0)
    return value / (n - 1)


@compiled
def closed_form(method: int, n: Array, y: Array, v: Array, w: Array, s: Array, tau2: Array, flags: Bytes) -> None:
    """Fill an estimate without iteration for every lane; ``s`` holds the sums at tau2 = 0."""
    for lane in range(LANES):
        k = int(n[lane])
        flags[F_CONVERGED, lane] = 1
        tau2[lane] = 0.0
        if k < 2 or method == EE:
            continue
        if method in (HS, HSK):
            factor = k / (k - 1.0) if method == HSK else 1.0
            tau2[lane] = max(0.0, (factor * s[Q, lane] - k) / s[TOTAL, lane])
        elif method == SJ:
            tau2[lane] = sidik_jonkman(y[:, lane], v[:, lane], k)
        else:
            tau2[lane] = two_steps(method, y[:, lane], v[:, lane], w[:, lane], k)


@compiled
def estimate(
    method: int,
    target: Array,
    n: Array,
    y: Array,
    v: Array,
    w: Array,
    s: Array,
    work: Array,
    tau2: Array,
    flags: Bytes,
) -> None:
    """Fill tau2 and its flags for every lane; ``s`` holds the sums at tau2 = 0."""
    flags[F_OPTIMA, :] = 1
    if method in (REML, ML):
        maximum(method == REML, n, y, v, w, s, work, tau2, flags)
    elif method == ROOT_OF_Q:
        root_of_q(target, n, y, v, w, s, tau2, flags)
    else:
        closed_form(method, n, y, v, w, s, tau2, flags)


@compiled
def finish(
    method: int,
    error: int,
    critical: Array,
    df: Array,
    n: Array,
    shift: Array,
    tau2: Array,
    s: Array,
    out: Array,
    flags: Bytes,
    lanes: int,
) -> None:
    """Write the first ``lanes`` lanes of a tile; ``s`` holds the sums at the estimate, ``out`` those at zero."""
    for lane in range(lanes):
        k = int(n[lane])
        flags[F_STUDIES, lane] = 0
        se = math.sqrt(1.0 / s[TOTAL, lane])
        if k > 1 and error != WALD:
            scaled = math.sqrt(s[Q, lane] / ((k - 1) * s[TOTAL, lane]))
            se = max(se, scaled) if error == GUARDED else scaled
        if method == EE:
            out[R_I2, lane] = (
                max(0.0, 100.0 * (out[R_Q, lane] - (k - 1)) / out[R_Q, lane]) if out[R_Q, lane] > 0.0 else 0.0
            )
        elif k > 1:
            out[R_I2, lane] = 100.0 * tau2[lane] / (tau2[lane] + out[R_I2, lane])
        mu = s[MU, lane] + shift[lane]
        out[R_MU, lane], out[R_SE, lane], out[R_TAU2, lane], out[R_DF, lane] = mu, se, tau2[lane], df[k]
        out[R_LOW, lane], out[R_HIGH, lane] = mu - critical[k] * se, mu + critical[k] * se
        flags[F_BOUNDARY, lane] = tau2[lane] == 0.0 and method != EE
        if k == 0:
            out[:, lane] = math.nan
            flags[F_CONVERGED, lane] = flags[F_BOUNDARY, lane] = flags[F_OPTIMA, lane] = 0


@compiled
def load(yi: Array, vi: Array, y: Array, v: Array, shift: Array, n: Array, lane: int) -> bool:
    """Place one row in a lane, the most precise study first; return whether all its numbers can be used."""
    count, first = 0, -1
    y[:, lane], v[:, lane] = 0.0, math.inf
    for i in range(yi.shape[0]):
        if math.isnan(yi[i]) and math.isnan(vi[i]):
            continue
        if not (math.isfinite(yi[i]) and math.isfinite(vi[i]) and vi[i] > 0.0):
            return False
        if first < 0 or vi[i] < vi[first]:
            first = i
    if first < 0:
        v[0, lane], shift[lane], n[lane] = 1.0, 0.0, 0.0
        return True
    v[0, lane], shift[lane] = vi[first], yi[first]
    for i in range(yi.shape[0]):
        if i != first and not math.isnan(yi[i]):
            count += 1
            y[count, lane], v[count, lane] = yi[i] - yi[first], vi[i]
    n[lane] = count + 1.0
    return True


@compiled
def fit_tile(
    method: int,
    error: int,
    tables: Array,
    n: Array,
    shift: Array,
    y: Array,
    v: Array,
    work: Array,
    out: Array,
    flags: Bytes,
    at: int,
    lanes: int,
) -> None:
    """Fit one tile into ``lanes`` columns of ``out`` and ``flags``, from column ``at`` on.

    ``tables``, shape (3, k + 1), are critical value, degrees of freedom and target of Q by k.
    """
    out, flags = out[:, at : at + lanes], flags[:, at : at + lanes]
    rows = max(1, int(n.max()))
    y, v = y[:rows], v[:rows]
    w, s, tau2 = np.empty((rows, LANES)), np.empty((SUMS, LANES)), np.zeros(LANES)
    sums(tau2, y, v, w, s)
    for lane in range(lanes):
        out[R_Q, lane] = s[Q, lane]
        # The typical variance waits where I2 will stand.
        out[R_I2, lane] = (n[lane] - 1.0) / s[TRACE_P, lane] if n[lane] > 1.0 else 0.0
    state = np.zeros((FLAGS, LANES), dtype=np.uint8)
    estimate(method, tables[2], n, y, v, w, s, work, tau2, state)
    sums(tau2, y, v, w, s)
    finish(method, error, tables[0], tables[1], n, shift, tau2, s, out, state, lanes)
    flags[:, :lanes] = state[:, :lanes]


@compiled
def fit_rows(
    method: int,
    error: int,
    tables: Array,
    Y: Array,
    V: Array,
    out: Array,
    flags: Bytes,
    k: NDArray[np.int32],
    base: int,
) -> int:
    """Fit the rows of ``Y`` and ``V``, shape (B, k), into columns from ``base`` on.

    Returns the first row with an unusable number, or -1.
    """
    size = max(1, Y.shape[1])
    y, v, work = np.empty((size, LANES)), np.empty((size, LANES)), np.empty((WORK, LANES))
    n, shift = np.zeros(LANES), np.zeros(LANES)
    empty = np.empty(0)
    for start in range(0, Y.shape[0], LANES):
        lanes = min(LANES, Y.shape[0] - start)
        for lane in range(LANES):
            if lane >= lanes:
                load(empty, empty, y, v, shift, n, lane)
            elif not load(Y[start + lane], V[start + lane], y, v, shift, n, lane):
                return start + lane
            else:
                k[base + start + lane] = int(n[lane])
        fit_tile(method, error, tables, n, shift, y, v, work, out, flags, base + start, lanes)
    return -1


@compiled
def fit_masks(
    method: int,
    error: int,
    tables: Array,
    yi: Array,
    vi: Array,
    masks: Bytes,
    meaning: int,
    out: Array,
    flags: Bytes,
    k: NDArray[np.int32],
    base: int,
) -> int:
    """Fit one data set under many masks, shape (B, bytes), into columns from ``base`` on.

    Bit j of the little-endian bytes belongs to study j. Returns -1: the effects were checked before.
    """
    size = yi.shape[0]
    y, v, work = np.empty((size, LANES)), np.empty((size, LANES)), np.empty((WORK, LANES))
    n, shift = np.zeros(LANES), np.zeros(LANES)
    row, var = np.empty(size), np.empty(size)
    for start in range(0, masks.shape[0], LANES):
        lanes = min(LANES, masks.shape[0] - start)
        for lane in range(LANES):
            for i in range(size):
                bit = (masks[start + min(lane, lanes - 1), i >> 3] >> (i & 7)) & 1
                absent = meaning == MEMBERS and bit == 0
                row[i] = math.nan if absent else -yi[i] if meaning == SIGNS and bit == 1 else yi[i]
                var[i] = math.nan if absent else vi[i]
            load(row, var, y, v, shift, n, lane)
            if lane < lanes:
                k[base + start + lane] = int(n[lane])
        fit_tile(method, error, tables, n, shift, y, v, work, out, flags, base + start, lanes)
    return -1
