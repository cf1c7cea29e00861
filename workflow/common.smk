# Settings, ids, wildcard constraints and code(): nothing else.

import shlex
import sys
from pathlib import Path

import k2meta
from k2meta import io
from k2meta.types import ProjectError
from snakemake.utils import min_version, update_config

min_version("9.0")

# A job's `k2meta` is the one of this interpreter, also when the environment is not activated. One thread of linear
# algebra each: with more, long sums are added up in an order that depends on the machine.
shell.prefix(
    f"set -euo pipefail; export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; "
    "export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1; "
)


def settings():
    """The project's settings with --configfile and --config on top: maps merge, lists replace.

    Every file is read strictly (unknown and duplicate keys are refused) before Snakemake's looser reading counts.
    """
    try:
        merged, _ = io.read_yaml(Path("config/config.yaml"), "config/config.yaml")
        for extra in workflow.configfiles:
            io.read_yaml(Path(extra), str(extra))
        update_config(merged, config)
        io.checked_settings(merged, Path("config/config.yaml"))
    except ProjectError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    io.write_config(Path("results/config.json"), merged)
    return merged


config = settings()

ANALYSES = [analysis["id"] for analysis in config["analyses"]]
SENSITIVITY = [check["id"] for check in config["sensitivity"]]


def models(mcmc):
    """Ids of the models fitted by MCMC, or of all others."""
    return [
        model["id"]
        for model in config["models"]
        if (model["estimator"] == "bayes_mcmc") == mcmc
    ]


# What a stage imports of the other stages, directly or on the way, besides the models, whose types every stage reads
# and writes; tests/test_house.py computes the same from the sources.
IMPORTS = {
    "records": ["effects", "sensitivity"],
    "effects": ["claims"],
    "tables": ["claims"],
    "report": ["figures", "tables", "claims"],
}


def code(stage):
    """Sources of a stage and of what it imports: Snakemake does not see edits inside an imported package."""
    house = Path(k2meta.__file__).parent
    rooms = [
        house / room for room in [stage, "commands", "models", *IMPORTS.get(stage, [])]
    ]
    paths = [
        *house.glob("*.py"),
        *(path for room in rooms if room.is_dir() for path in room.rglob("*")),
    ]
    # Bytecode and compiled loops appear there while other jobs run; they are made from the sources.
    return sorted(
        str(path)
        for path in paths
        if path.is_file() and "__pycache__" not in path.parts
    )


DATA = sorted(
    str(path)
    for path in Path("data").glob("*")
    if path.suffix in {".csv", ".json", ".bib"}
)
# What figures are drawn from: nothing that is printed or drawn comes from a sampler.
EXACT = (
    ["results/config.json", "results/records.json", "results/judgements.json"]
    + expand(
        "results/effects/{analysis}.{kind}",
        analysis=ANALYSES,
        kind=["csv", "dropped.json"],
    )
    + expand(
        "results/fits/{analysis}/{model}.json",
        analysis=ANALYSES,
        model=models(mcmc=False),
    )
    + expand(
        "results/sensitivity/{analysis}/{check}.json",
        analysis=ANALYSES,
        check=SENSITIVITY,
    )
)
RESULTS = EXACT + expand(
    "results/fits/{analysis}/{model}.{kind}",
    analysis=ANALYSES,
    model=models(mcmc=True),
    kind=["json", "checks.json"],
)


wildcard_constraints:
    analysis="[a-z][a-z0-9_]*",
    model="[a-z][a-z0-9_]*",
