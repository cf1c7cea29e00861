"""Whether the exact engine means what it says: `python validation/calibration/simulation.py` writes table.csv.

Truth is drawn from the priors, five studies from the truth, and the engine is asked where the truth lies in its
posterior. A second engine is told half the sampling variances: it must fail.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from k2meta.calibration import Pit, Simulated, exact_engine, sbc
from k2meta.models.priors import HalfCauchy, HalfNormal, Normal, TauPrior, Uniform

SIMULATIONS = 2000
STUDIES = 5
SEED = 20
TAU: dict[str, TauPrior] = {
    "half_normal_0.5": HalfNormal(0.5),
    "half_cauchy_0.5": HalfCauchy(0.5),
    "uniform_0_2": Uniform(2.0),
}
MU = Normal(0.0, 1.0)


def halved(simulated: Simulated) -> Pit:
    """Return the answers of an engine that takes half of each sampling variance."""
    return exact_engine(replace(simulated, V=simulated.V / 2.0))


ENGINES = {"exact": exact_engine, "half_vi": halved}


def rows(engine: str, prior: str) -> Iterator[dict[str, str]]:
    """Yield the rows of mu and tau of one engine with one prior."""
    found = sbc(SIMULATIONS, STUDIES, tau_prior=TAU[prior], mu_prior=MU, seed=SEED, engine=ENGINES[engine])
    for name, one in (("mu", found.mu), ("tau", found.tau)):
        row = {"engine": engine, "prior": prior, "parameter": name, "simulations": str(SIMULATIONS)}
        row |= {"k": str(STUDIES), "inside": str(one.inside).lower(), "p": f"{one.p:.4f}"}
        for c in one.coverage:
            share = round(100 * c.level)
            row |= {f"coverage_{share}": f"{c.value:.4f}", f"mcse_{share}": f"{c.mcse:.4f}"}
        yield row | {"passed": str(one.passed).lower()}


def main(folder: Path) -> None:
    """Write the table."""
    table = [row for engine in ENGINES for prior in TAU for row in rows(engine, prior)]
    with (folder / "table.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, table[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
