"""Time the whole path: a full build, a build with nothing to do, and the import of the package.

Run ``python benchmarks/pipeline.py`` with the environment in place. Each build is made in a temporary folder.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
LIMITS = {"full build": 60.0, "nothing to do": 2.5, "import k2meta": 0.5}


def seconds(*command: str | Path) -> float:
    """Return the wall time of a command that must succeed."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Print each time beside the time it may take on two cores."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("data", "config"):
            shutil.copytree(ROOT / part, folder / part)
        build = (BIN / "snakemake", "-s", ROOT / "Snakefile", "--directory", folder)
        found = {
            "full build": seconds(*build),
            "nothing to do": min(seconds(*build) for _ in range(3)),
            "import k2meta": min(seconds(sys.executable, "-c", "import k2meta") for _ in range(3)),
        }
    for what, time_taken in found.items():
        print(f"{what:15s} {time_taken:6.2f} s   (at most {LIMITS[what]:g} s)")


if __name__ == "__main__":
    main()
