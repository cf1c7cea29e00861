"""The batch engine beside metafor's loop, in one run: `python benchmarks/batch.py`.

The peer is `rma(method="REML", test="knha")` in a for loop. R, metafor and jsonlite are asked for and never
installed: where one is missing the script says so and prints our times alone.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

import k2meta as km
from k2meta.models.batch import Batch, random_effects_batch
from k2meta.models.batch import kernels as kn
from k2meta.models.intervals import INTERVALS
from k2meta.sensitivity.gosh import gosh
from k2meta.sensitivity.permutation_test import permutation_test

Array = NDArray[np.float64]

STUDIES = 13
DATA_SETS = 100_000
PEER_SETS = 300
ROUNDS = 5

PEER = """
suppressMessages(library(metafor))
d <- jsonlite::fromJSON(file("stdin"))
fits <- matrix(NA, nrow(d$y), 2)
used <- function() sum(proc.time()[c("user.self", "sys.self")])
start <- used()
for (i in seq_len(nrow(d$y))) {
  fit <- tryCatch(rma(d$y[i, ], d$v[i, ], method = "REML", test = "knha"), error = function(e) NULL)
  if (!is.null(fit)) fits[i, ] <- c(fit$beta[1], fit$se)
}
found <- list(seconds = used() - start, fits = fits, version = as.character(packageVersion("metafor")))
cat(jsonlite::toJSON(found, digits = 15, na = "null", auto_unbox = TRUE))
"""

# Operations per study and evaluation in `weigh` and `spread`, the division counted as one.
OPERATIONS = 20


@dataclass(frozen=True, slots=True)
class Peer:
    """What metafor needed for its share of the data sets, and what it found."""

    seconds_per_fit: float
    mu: Array
    version: str


def best(run: Callable[[], object], rounds: int = ROUNDS, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the best time of several calls."""
    times = []
    for _ in range(rounds):
        start = clock()
        run()
        times.append(clock() - start)
    return min(times)


def data(count: int) -> tuple[Array, Array]:
    """Return synthetic effects and variances, shape (count, 13), some homogeneous and some not."""
    rng = np.random.default_rng(1)
    v = rng.uniform(0.01, 0.3, (count, STUDIES))
    return rng.normal(-0.5, np.sqrt(v + rng.uniform(0.0, 0.4, (count, 1)))), v


def metafor(y: Array, v: Array) -> Peer | str:
    """Return the peer's result, or a sentence that says what is missing."""
    if shutil.which("Rscript") is None:
        return "Rscript is not installed (Debian: r-base-core r-cran-metafor r-cran-jsonlite); no peer was timed."
    message = json.dumps({"y": y.tolist(), "v": v.tolist()})
    done = subprocess.run(["Rscript", "-e", PEER], input=message, capture_output=True, text=True)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1]
        return f"the peer did not run: {reason} (Debian: r-cran-metafor r-cran-jsonlite)"
    found = json.loads(done.stdout)
    mu = np.array(found["fits"], dtype=float)[:, 0]
    return Peer(found["seconds"] / len(y), mu, found["version"])


def evaluations(y: Array, v: Array, tiles: int = 100) -> tuple[float, float]:
    """Return how often a fit's sums are needed, and how often its tile computes them, on average."""
    needed, computed = [], []
    for first in range(0, tiles * kn.LANES, kn.LANES):
        rows = slice(first, first + kn.LANES)
        search = Search(y[rows], v[rows])
        a, b = search.march()
        c, d = search.polish()
        needed.append(a + c + 1)
        computed.append(b + d + 1)
    return float(np.mean(needed)), float(np.mean(computed))


class Search:
    """One tile taken through the search step by step."""

    def __init__(self, yi: Array, vi: Array) -> None:
        shape = (yi.shape[1], kn.LANES)
        self.y, self.v, self.w = np.empty(shape), np.empty(shape), np.empty(shape)
        self.s, self.work = np.empty((kn.SUMS, kn.LANES)), np.empty((kn.WORK, kn.LANES))
        self.n, shift = np.zeros(kn.LANES), np.zeros(kn.LANES)
        for lane in range(kn.LANES):
            kn.load(yi[lane], vi[lane], self.y, self.v, shift, self.n, lane)
        self.low, self.high = np.zeros((kn.BRACKETS, kn.LANES)), np.zeros((kn.BRACKETS, kn.LANES))
        kn.sums(np.zeros(kn.LANES), self.y, self.v, self.w, self.s)

    def march(self) -> tuple[float, int]:
        """Return evaluations needed per lane, and made."""
        found, trusted = np.zeros(kn.LANES), np.ones(kn.LANES)
        left = kn.start(self.n, self.v, self.work, found)
        needed, made = 0.0, 0
        while left:
            kn.advance(True, self.n, self.v, self.s, self.work)
            needed += float(self.work[kn.ACTIVE].mean())
            left -= kn.collect(self.work, self.low, self.high, found, trusted)
            kn.sums(self.work[kn.T], self.y, self.v, self.w, self.s)
            made += 1
        return needed, made

    def polish(self) -> tuple[float, int]:
        """Return evaluations needed per lane, and made, for the first bracket of every lane."""
        low, high = self.low[0], self.high[0]
        self.work[kn.T], self.work[kn.DONE] = 0.5 * (low + high), low == high
        needed, made = 0.0, 0
        while self.work[kn.DONE].sum() < kn.LANES:
            needed += float(1.0 - self.work[kn.DONE].mean())
            kn.sums(self.work[kn.T], self.y, self.v, self.w, self.s)
            kn.newton(True, self.n, self.s, low, high, self.work)
            made += 1
        return needed, made


@numba.njit(fastmath={"contract"}, error_model="numpy")
def multiply_add(x: Array, repeats: int) -> float:
    """Run independent chains of fused multiply-adds in the vector registers."""
    a, b = 0.999999, 1e-6
    for _ in range(repeats):
        for i in range(x.shape[0]):
            z = x[i]
            for _ in range(32):
                z = z * a + b
            x[i] = z
    return x.sum()


@numba.njit(error_model="numpy")
def divide(x: Array, repeats: int) -> float:
    """Run independent divisions."""
    for _ in range(repeats):
        for i in range(x.shape[0]):
            x[i] = 1.0 / (x[i] + 1.0)
    return x.sum()


def peaks() -> tuple[float, float]:
    """Return the most operations a second (two per fused multiply-add) and divisions a second of one core."""
    x, repeats = np.ones(512), 20_000
    multiply_add(x, 1), divide(x, 1)
    clock = time.process_time
    return (
        64 * x.size * repeats / best(lambda: multiply_add(x, repeats), clock=clock),
        x.size * repeats / best(lambda: divide(x, repeats), clock=clock),
    )


def on_one_core(run: Callable[[], Batch]) -> float:
    """Return the best processor time on one thread, which a busy machine disturbs least."""
    many = numba.config.NUMBA_NUM_THREADS
    numba.config.NUMBA_NUM_THREADS = 1
    try:
        run()
        return best(run, clock=time.process_time)
    finally:
        numba.config.NUMBA_NUM_THREADS = many


def compare(y: Array, v: Array) -> float:
    """Print our fits beside the peer's; return our time for one fit on one core."""
    ours = on_one_core(lambda: random_effects_batch(y, v, interval="HKSJ")) / len(y)
    print(f"REML + HKSJ, k = {STUDIES}, one core  {1e6 * ours:9.3f} us a fit  ({len(y)} fits)")
    peer = metafor(y[:PEER_SETS], v[:PEER_SETS])
    if isinstance(peer, str):
        print(peer)
        return ours
    mu = random_effects_batch(y[:PEER_SETS], v[:PEER_SETS], interval="HKSJ").mu
    print(f"metafor {peer.version}, for loop      {1e6 * peer.seconds_per_fit:9.0f} us a fit  ({PEER_SETS} fits)")
    print(f"ratio                          {peer.seconds_per_fit / ours:9.0f}       (at least 4000)")
    print(f"largest difference of mu       {np.nanmax(np.abs(mu - peer.mu)):9.1e}       (its default tolerances)")
    print(f"data sets it gave up           {int(np.isnan(peer.mu).sum()):9d}")
    return ours


def roofline(y: Array, v: Array, ours: float) -> None:
    """Print how much of one core's arithmetic the fits use, and what holds them back."""
    needed, computed = evaluations(y, v)
    flops, divisions = peaks()
    work = needed * STUDIES * OPERATIONS / ours
    least = needed * STUDIES * ((OPERATIONS - 1) / flops + 1 / divisions)
    print(f"evaluations a fit needs / its tile makes {needed:5.1f} / {computed:.1f}")
    print(f"arithmetic {work / 1e9:5.1f} of {flops / 1e9:5.1f} Gflop/s  {100 * work / flops:4.0f} % of one core")
    print(f"divisions  {needed * STUDIES / ours / 1e9:5.2f} of {divisions / 1e9:5.2f} G/s")
    print(f"needed arithmetic at both peaks: {100 * least / ours:.0f} % of the time")


def main() -> None:
    """Print one line per figure, with what is required of it."""
    y, v = data(DATA_SETS)
    print(f"Python {sys.version.split()[0]}, numba {numba.__version__}, {os.cpu_count()} cores")
    ours = compare(y, v)
    roofline(y, v, ours)
    rng = np.random.default_rng(2)
    v20 = rng.uniform(0.01, 0.3, 20)
    y20 = rng.normal(0.2, np.sqrt(v20 + 0.1))
    print(f"GOSH, k = 20, 1 048 575 fits   {best(lambda: gosh(y20, v20), 3):9.2f} s      (at most 5)")
    exact = best(lambda: permutation_test(y[0], v[0]), 3)
    print(f"permutations, k = 13, exact    {exact:9.4f} s      (4 096 refits)")
    y30, v30 = np.tile(y[0], 3)[:30], np.tile(v[0], 3)[:30]
    print(f"100 000 permutations, k = 30   {best(lambda: permutation_test(y30, v30), 3):9.3f} s      (at most 2)")
    every = [best(lambda name=name: km.random_effects(y[0], v[0], interval=name), 20) for name in INTERVALS]
    print(f"single fits, every interval    {1e3 * sum(every):9.2f} ms     ({len(every)} intervals, slowest alone")
    print(f"                               {1e3 * max(every):9.2f} ms, at most 2)")


if __name__ == "__main__":
    main()
