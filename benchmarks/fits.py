"""Side-by-side timings in one run: `python benchmarks/fits.py`."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
from statsmodels.stats.meta_analysis import combine_effects

import k2meta as km

ROUNDS = 7
REPEATS = 100
STUDIES = 13


def seconds(run: Callable[[], object], repeats: int) -> float:
    """Return the time of one call."""
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - start) / repeats


def side_by_side(one: Callable[[], object], other: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Return the best times of two calls, taken in turn so that a busy machine slows both."""
    pairs = [(seconds(one, repeats), seconds(other, repeats)) for _ in range(ROUNDS)]
    return min(a for a, _ in pairs), min(b for _, b in pairs)


def started(statement: str) -> Callable[[], object]:
    """Return a call that runs a statement in a fresh interpreter."""
    return lambda: subprocess.run([sys.executable, "-c", statement], check=True)


def main() -> None:
    """Print one line per comparison."""
    rng = np.random.default_rng(1)
    vi = rng.uniform(0.01, 0.3, STUDIES)
    yi = rng.normal(-0.5, np.sqrt(vi + 0.2))
    prior = km.priors.HalfNormal(0.5)
    peer_fit = "statsmodels.combine_effects, PM"
    rows = [
        (
            "random_effects, PM",
            peer_fit,
            side_by_side(
                lambda: km.random_effects(yi, vi, tau2="PM"), lambda: combine_effects(yi, vi, "pm"), REPEATS
            ),
        ),
        (
            "random_effects, REML",
            peer_fit,
            side_by_side(lambda: km.random_effects(yi, vi), lambda: combine_effects(yi, vi, "pm"), REPEATS),
        ),
        (
            "bayes_random_effects, exact",
            peer_fit,
            side_by_side(
                lambda: km.bayes_random_effects(yi, vi, tau_prior=prior),
                lambda: combine_effects(yi, vi, "pm"),
                REPEATS // 10,
            ),
        ),
        ("import k2meta", "import pandas", side_by_side(started("import k2meta"), started("import pandas"), 1)),
        (
            "import k2meta.models",
            "import pandas",
            side_by_side(started("import k2meta.models"), started("import pandas"), 1),
        ),
    ]
    for name, peer, (ours, theirs) in rows:
        print(f"{name:30s} {1e3 * ours:8.2f} ms   {peer:32s} {1e3 * theirs:8.2f} ms   ratio {ours / theirs:6.2f}")


if __name__ == "__main__":
    main()
