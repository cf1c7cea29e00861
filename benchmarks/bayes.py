"""The exact Bayesian engine in one run: `python benchmarks/bayes.py`.

One fit of BCG's thirteen trials with every interval, a strip of thirty priors, posteriors of many meta-analyses at
once, and R's bayesmeta beside the one fit. R, bayesmeta and jsonlite are asked for and never installed: where one
is missing the script says so and prints our times alone.
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

import mpmath
import numpy as np
from numpy.typing import NDArray

import k2meta as km
from k2meta.models.priors import (
    EMPIRICAL,
    Exponential,
    HalfCauchy,
    HalfNormal,
    HalfT,
    Jeffreys,
    TauPrior,
    Uniform,
)

Array = NDArray[np.float64]

# Log risk ratios of tuberculosis and their variances: the thirteen BCG trials that textbooks use.
TABLES = np.array([
    [4, 119, 11, 128], [6, 300, 29, 274], [3, 228, 11, 209], [62, 13536, 248, 12619], [33, 5036, 47, 5761],
    [180, 1361, 372, 1079], [8, 2537, 10, 619], [505, 87886, 499, 87892], [29, 7470, 45, 7232],
    [17, 1699, 65, 1600], [186, 50448, 141, 27197], [5, 2493, 3, 2338], [27, 16886, 29, 17825],
])  # fmt: skip
SCALE = 0.5
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
ROUNDS = 15
BATCH = 4000
STRIP = 30

PEER = """
suppressMessages(library(bayesmeta))
d <- jsonlite::fromJSON(file("stdin"))
used <- function() sum(proc.time()[c("user.self", "sys.self")])
start <- used()
fit <- bayesmeta(d$y, d$s, tau.prior = function(t) dhalfnormal(t, scale = d$scale))
found <- list(seconds = used() - start, mean = fit$summary["mean", "mu"],
              version = as.character(packageVersion("bayesmeta")))
cat(jsonlite::toJSON(found, digits = 15, auto_unbox = TRUE))
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """What bayesmeta needed for one fit, and the posterior mean it found."""

    seconds: float
    mean: float
    version: str


def data() -> tuple[Array, Array]:
    """Return log risk ratios and their variances, both of shape (13,)."""
    a, b, c, d = TABLES.T.astype(float)
    return np.log(a / (a + b) * (c + d) / c), 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)


def best(run: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the best processor time of several calls, which a busy machine disturbs least."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def bayesmeta(y: Array, v: Array) -> Peer | str:
    """Return the peer's fit at its default accuracy, or why there is none."""
    if shutil.which("Rscript") is None:
        return "Rscript is not installed: not measured"
    message = json.dumps({"y": y.tolist(), "s": np.sqrt(v).tolist(), "scale": SCALE})
    done = subprocess.run(["Rscript", "-e", PEER], input=message, capture_output=True, text=True)
    if done.returncode:
        missing = [name for name in ("bayesmeta", "jsonlite") if f"‘{name}’" in done.stderr]
        what = f"{' and '.join(missing)} not installed" if missing else done.stderr.strip().splitlines()[-1]
        return f"{what}: not measured"
    return Peer(**json.loads(done.stdout))


def exact_mean(y: Array, v: Array) -> float:
    """Return the posterior mean of mu by mpmath: a flat mu, tau half-normal."""

    def parts(tau: mpmath.mpf) -> tuple[mpmath.mpf, mpmath.mpf]:
        w = [1 / (mpmath.mpf(one) + tau**2) for one in v.tolist()]
        total = mpmath.fsum(w)
        mean = mpmath.fsum(a * b for a, b in zip(w, y.tolist(), strict=True)) / total
        fit = mpmath.fsum(a * (b - mean) ** 2 for a, b in zip(w, y.tolist(), strict=True))
        density = mpmath.sqrt(mpmath.fprod(w) / total) * mpmath.exp(-(fit + (tau / SCALE) ** 2) / 2)
        return density, density * mean

    with mpmath.workdps(20):
        ends = [0, 0.1, 0.2, 0.35, 0.5, 0.7, 1, 1.5, 2.5, 5]
        total, first = (mpmath.quad(lambda t, i=i: parts(t)[i], ends) for i in (0, 1))
    return float(first / total)


def priors() -> dict[str, TauPrior]:
    """Return one prior of every family, and the empirical ones."""
    families = (HalfNormal(SCALE), HalfT(4.0, SCALE), HalfCauchy(SCALE), Exponential(SCALE), Uniform(4 * SCALE))
    flat = (Uniform(), Jeffreys())
    return {**{prior.describe(): prior for prior in (*families, *flat)}, **EMPIRICAL}


def single(y: Array, v: Array) -> None:
    """Print one fit with every interval, its error, and the peer's."""
    prior = HalfNormal(SCALE)
    ours = best(lambda: km.bayes_random_effects(y, v, tau_prior=prior))
    exact = exact_mean(y, v)
    mean = km.bayes_random_effects(y, v, tau_prior=prior).mu.value
    print(f"one fit, k = 13, every interval    {1e3 * ours:9.2f} ms   off by {abs(mean - exact):.0e}")
    peer = bayesmeta(y, v)
    if isinstance(peer, str):
        print(f"bayesmeta                          {peer}")
        return
    print(f"bayesmeta {peer.version:24s} {1e3 * peer.seconds:9.0f} ms   off by {abs(peer.mean - exact):.0e}")
    print(f"ratio                              {peer.seconds / ours:9.0f}      (at least 1000)")


def strip(y: Array, v: Array) -> None:
    """Print the time of thirty priors on the same studies."""
    several = [HalfNormal(s) for s in np.geomspace(0.05, 5.0, 10)]
    several += [HalfCauchy(s) for s in np.geomspace(0.05, 5.0, 7)]
    several += [HalfT(4.0, s) for s in np.geomspace(0.05, 5.0, 7)]
    several += [Exponential(s) for s in np.geomspace(0.05, 5.0, 6)]
    assert len(several) == STRIP
    taken = best(lambda: km.prior_strip(y, v, tau_priors=several), 5)
    print(f"strip of {STRIP} priors                {1e3 * taken:9.0f} ms   (at most 200)")


def many() -> None:
    """Print posteriors a second for every shipped prior."""
    rng = np.random.default_rng(1)
    V = rng.uniform(0.01, 0.3, (BATCH, 13))
    Y = rng.normal(-0.5, np.sqrt(V + rng.uniform(0.0, 0.4, (BATCH, 1))))
    for name, prior in priors().items():
        run = lambda prior=prior: km.bayes_random_effects_batch(Y, V, tau_prior=prior)  # noqa: E731
        run()
        left = np.count_nonzero(run().nodes == 0)
        words = f", {left} of {BATCH} by the single engine" if left else ""
        print(f"{name[:40]:40s} {BATCH / best(run, 3):8.0f} posteriors/s{words}")


def main() -> None:
    """Print one line per figure, with what is required of it."""
    if "OMP_NUM_THREADS" not in os.environ:
        # A figure per core means one thread, and NumPy asks only when it starts.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **dict.fromkeys(THREADS, "1")})
    print(f"Python {sys.version.split()[0]}, NumPy {np.__version__}, processor time on one core")
    y, v = data()
    single(y, v)
    strip(y, v)
    print("batch, k = 13, flat mu (at least 10 000):")
    many()


if __name__ == "__main__":
    main()
