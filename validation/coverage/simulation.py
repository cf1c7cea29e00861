"""How often the intervals of mu hold the true effect: `python validation/coverage/simulation.py` writes table.csv.

Each cell simulates meta-analyses with known sampling variances, y_i ~ N(0, v_i + tau2), and counts the intervals
that hold zero. The seed of a cell is made of its name, so the table is the same whenever and wherever it is made.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from k2meta.models.batch import random_effects_batch

STUDIES = (2, 3, 5, 12, 30)
RATIOS = (0.0, 0.25, 1.0, 4.0)
SIZES = ("equal", "one_large", "half_large")
DATA_SETS = 20_000
LARGE = 10.0
INTERVALS = {
    "dl_z": ("DL", "z"),
    "reml_z": ("REML", "z"),
    "reml_hksj": ("REML", "HKSJ"),
    "reml_guarded": ("REML", "HKSJ-guarded"),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of the table; a coverage is a share of ``data_sets``, an mcse its Monte Carlo standard error.

    ``ratio`` is tau2 over the mean sampling variance, and ``narrower`` the share of data sets in which plain
    HKSJ is narrower than z, both by REML.
    """

    k: int
    ratio: float
    sizes: str
    data_sets: int
    dl_z: float
    dl_z_mcse: float
    reml_z: float
    reml_z_mcse: float
    reml_hksj: float
    reml_hksj_mcse: float
    reml_guarded: float
    reml_guarded_mcse: float
    narrower: float
    unfinished: int


def variances(k: int, sizes: str) -> np.ndarray:
    """Return sampling variances with mean one, shape (k,); a large trial has ten times the people of another."""
    large = {"equal": 0, "one_large": 1, "half_large": k // 2}[sizes]
    v = np.where(np.arange(k) < large, 1.0 / LARGE, 1.0)
    return v / v.mean()


def simulate(k: int, ratio: float, sizes: str, data_sets: int) -> Cell:
    """Return one cell of the table."""
    name = f"coverage k={k} ratio={ratio} sizes={sizes} data_sets={data_sets}"
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))
    v = variances(k, sizes)
    Y = rng.normal(size=(data_sets, k)) * np.sqrt(v + ratio)
    V = np.broadcast_to(v, Y.shape)
    fits = {key: random_effects_batch(Y, V, tau2=t, interval=i) for key, (t, i) in INTERVALS.items()}
    numbers: dict[str, float] = {}
    for key, fit in fits.items():
        share = float(np.mean((fit.low <= 0.0) & (fit.high >= 0.0)))
        numbers |= {key: share, f"{key}_mcse": math.sqrt(share * (1.0 - share) / data_sets)}
    plain, z = fits["reml_hksj"], fits["reml_z"]
    numbers["narrower"] = float(np.mean(plain.high - plain.low < z.high - z.low))
    return Cell(
        k, ratio, sizes, data_sets, unfinished=sum(int((~f.converged).sum()) for f in fits.values()), **numbers
    )


def cells() -> Iterator[tuple[int, float, str]]:
    """Return the sixty combinations in the order of the table."""
    return itertools.product(STUDIES, RATIOS, SIZES)


def main(folder: Path) -> None:
    """Write the table."""
    rows = [asdict(simulate(k, ratio, sizes, DATA_SETS)) for k, ratio, sizes in cells()]
    with (folder / "table.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: f"{x:.5f}" if key.endswith("mcse") else x for key, x in row.items()})


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
