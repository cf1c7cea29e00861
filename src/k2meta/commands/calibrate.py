"""`k2meta calibrate`: does an engine mean what it says? Simulation-based calibration, resumable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from k2meta import io
from k2meta.models import priors
from k2meta.models.errors import PriorError
from k2meta.types import Problem, ProjectError

if TYPE_CHECKING:
    from k2meta.calibration import Calibration, Coverage
    from k2meta.calibration.simulation import Engine

PRIORS = {
    "exact": ("half_normal:0.5", "half_cauchy:0.5", "uniform:2"),
    "pymc": ("half_normal:0.25", "half_normal:0.5", "half_normal:1"),
}
"""Priors of tau by the first word of an engine; the sampled model knows the half-normal alone."""

FAMILIES: dict[str, Callable[[float], priors.TauPrior]] = {
    "half_normal": priors.HalfNormal,
    "half_cauchy": priors.HalfCauchy,
    "exponential": priors.Exponential,
    "uniform": priors.Uniform,
}

LEVEL = 0.99
"""Of each band. The coverages of a prior are judged together at 1 % (``verdict.FAMILY``), so that a right engine
passes one prior in at least 96 of 100 calibrations, and three in at least 88."""

MU = priors.Normal(0.0, 1.0)
"""Prior of mu: simulation needs a proper one."""

EngineName = Annotated[
    str, typer.Option(help="exact or pymc; exact_half_vi and pymc_double_scale are wrong on purpose.")
]
PriorNames = Annotated[
    list[str] | None,
    typer.Option(help="Prior of tau, family:scale (half_normal, half_cauchy, exponential, uniform); repeatable."),
]


@dataclass(frozen=True, slots=True)
class Job:
    """One engine with one prior of tau; ``prior`` is the prior as it was typed."""

    engine: str
    prior: str
    tau: priors.TauPrior
    studies: int
    seed: int

    @property
    def stem(self) -> str:
        """Name of the files."""
        return f"{self.engine}_{self.prior}".replace(":", "_").replace(".", "_")

    @property
    def title(self) -> str:
        """What stands in every row of the ranks, so that two calibrations are never mixed."""
        return f"{self.stem} k={self.studies} seed={self.seed}"


def calibrate(
    out: Annotated[Path, typer.Option(help="Folder of the ranks, the table and the figures.")],
    engine: EngineName = "exact",
    prior: PriorNames = None,
    simulations: Annotated[int, typer.Option(min=1, help="Simulated meta-analyses for each prior.")] = 2000,
    studies: Annotated[int, typer.Option(min=1, help="Studies in each simulated meta-analysis.")] = 5,
    seed: Annotated[int, typer.Option(help="Base seed; each simulation derives its own from it.")] = 20,
) -> None:
    """Simulate, ask, rank: exit code 0 when every row of the table passed, 1 when one did not, 2 for bad settings.

    A row passes when its ranks stay in their band (of 99 %) and none of its coverages is refuted: binomial p
    (two-sided) below .01 / 9, so that of the nine coverages of a prior any is refuted in at most 1 of 100
    calibrations of a right engine. Bands and coverages together pass a right engine in at least 96 of 100
    calibrations of one prior, and in at least 88 of 100 of three. A coverage more than three standard errors off
    is marked, refuted or not.

    A run that was stopped goes on where it stopped; its result is that of a run that was not.
    """
    from k2meta.calibration import ENGINES

    jobs = _jobs(engine, prior, studies, seed)
    asked = ENGINES[engine]()
    verdicts = []
    for job in jobs:
        found = _judged(_ranks(asked, job, simulations, out), job)
        _publish(found, job, out)
        verdicts.append(found.passed)
    raise typer.Exit(0 if all(verdicts) else 1)


def _jobs(engine: str, prior: list[str] | None, studies: int, seed: int) -> list[Job]:
    from k2meta.calibration import ENGINES

    if engine not in ENGINES:
        fix = f"choose one of {', '.join(ENGINES)}"
        raise ProjectError((Problem("--engine", f"{engine!r} is not known", fix),))
    jobs, problems = [], []
    for name in prior or PRIORS[engine.partition("_")[0]]:
        family, _, scale = name.partition(":")
        try:
            made = FAMILIES[family](float(scale))
        except (KeyError, ValueError) as error:
            what = str(error) if isinstance(error, PriorError) else f"{name!r} is not family:scale"
            fix = f"write for example half_normal:0.5; the families are {', '.join(FAMILIES)}"
            problems.append(Problem("--prior", what, fix))
            continue
        if engine.startswith("pymc") and family != "half_normal":
            fix = "choose half_normal, or the exact engine"
            problems.append(Problem("--prior", f"{name!r}: the sampled model has a half-normal prior of tau", fix))
        jobs.append(Job(engine, name, made, studies, seed))
    if problems:
        raise ProjectError(tuple(problems))
    return jobs


def _ranks(asked: Engine, job: Job, simulations: int, out: Path) -> NDArray[np.float64]:
    """Return the answers of all simulations, shape (simulations, 3); those not in the file yet are made."""
    from rich.console import Console
    from rich.progress import track

    from k2meta.calibration import PARAMETERS, simulate

    path = out / f"{job.stem}.ranks.csv"
    rows = io.read_ranks(path, job.title)
    first = len(rows)
    for i in track(
        range(first, simulations), job.stem, simulations, completed=first, console=Console(stderr=True)
    ):
        pit = asked(simulate(1, job.studies, tau_prior=job.tau, mu_prior=MU, seed=job.seed, first=i))
        io.append_ranks(path, job.title, i, [float(getattr(pit, name)[0]) for name in PARAMETERS])
    return np.array(io.read_ranks(path, job.title)[:simulations])


def _judged(ranks: NDArray[np.float64], job: Job) -> Calibration:
    from k2meta.calibration import Pit, judged

    return judged(Pit(*ranks.T), job.studies, tau_prior=job.tau, mu_prior=MU, seed=job.seed, level=LEVEL)


def _publish(found: Calibration, job: Job, out: Path) -> None:
    """Print the verdict, draw it, and put its rows into the table in place of older ones."""
    from k2meta.figures.rank_ecdf import Panel, draw
    from k2meta.figures.style import SAVE_METADATA, rc

    said = f"{job.engine}, tau ~ {found.tau_prior}, {found.simulations} simulations of {found.k} studies"
    typer.echo(f"{said}: {'every band and every coverage holds' if found.passed else 'NOT CALIBRATED'}")
    for name, one in found.parameters.items():
        held = ", ".join(_held(c) for c in one.coverage)
        typer.echo(f"  {name}: {'inside' if one.inside else 'LEAVES'} its band, p = {one.p:.4f}; {held}")
    _table(found, job, out / "table.csv")
    panels = [
        Panel(name, one.band.at, one.band.ecdf(one.pit), one.band.low, one.band.high)
        for name, one in found.parameters.items()
    ]
    with rc():
        figure = draw(said, panels, LEVEL)
        io.write_figure(out / job.stem, figure.figure, SAVE_METADATA)
    io.write_table(out / f"{job.stem}.csv", figure.table.columns, figure.table.rows)
    io.write_text(out / f"{job.stem}.alt.txt", figure.alt + "\n")


def _held(one: Coverage) -> str:
    mark = "" if one.kept and not one.refuted else f" ({one.off:+.1f} standard errors)"
    if one.refuted:
        mark += " REFUTED"
    return f"{100 * one.level:g} % in {100 * one.value:.1f} %{mark}"


def _table(found: Calibration, job: Job, path: Path) -> None:
    rows = []
    for name, one in found.parameters.items():
        row = {"engine": job.engine, "prior": job.prior, "parameter": name, "simulations": str(found.simulations)}
        row |= {"k": str(found.k), "seed": str(found.seed), "inside": str(one.inside).lower(), "p": f"{one.p:.4f}"}
        for c in one.coverage:
            share = round(100 * c.level)
            row |= {f"coverage_{share}": f"{c.value:.4f}", f"mcse_{share}": f"{c.mcse:.4f}"}
        rows.append(row | {"passed": str(one.passed).lower()})
    columns = tuple(rows[0])
    before = io.read_table(path).rows if path.exists() else ()
    old = [row for row in before if (row["engine"], row["prior"]) != (job.engine, job.prior)]
    # The parameters keep their order: sorting is stable.
    merged = sorted([*old, *rows], key=lambda row: (row["engine"], row["prior"]))
    io.write_table(path, columns, [[row[column] for column in columns] for row in merged])
