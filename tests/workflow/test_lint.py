"""The workflow as Snakemake's own linter sees it."""

from __future__ import annotations

import re

from tests.workflow.conftest import ROOT, Run

# The environment is one hashed lock for the whole project, made by `make env`: no conda or container per rule.
ACCEPTED = {"Specify a conda environment or container for each rule."}


def test_the_linter_has_nothing_to_say(run: Run) -> None:
    done = run(ROOT, "snakemake", "--lint")
    output = done.stdout + done.stderr
    titles = re.findall(r"^    \* (.*?):?$", output, re.MULTILINE)
    assert titles or "workflow is in a good condition" in output, output
    assert set(titles) <= ACCEPTED, output
