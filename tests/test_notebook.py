"""The tutorial notebook runs from top to bottom and shows what the reference software finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from k2meta.numbers import fixed, interval
from tests import references

PLACE = Path(__file__).parents[1] / "notebooks" / "tutorial.ipynb"
SECONDS = 300
"""For one cell; the slowest takes a few, and a machine that is busy a good many more."""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Run the notebook where it stands: the last line of a cell, and what the cell shows by its kind."""
    scratch = tmp_path_factory.mktemp("kernel")
    notebook = nbformat.read(PLACE, as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        # Neither the settings nor the history of whoever runs this.
        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
            patch.setenv(name, str(scratch))
        NotebookClient(
            notebook, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": str(PLACE.parent)}}
        ).execute()
    found: dict[str, dict[str, str]] = {}
    for cell in code(notebook):
        for output in cell.outputs:
            assert output.output_type == "execute_result", output
            found[cell.source.splitlines()[-1]] = dict(output.data)
    return found


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_the_notebook_is_kept_without_output() -> None:
    notebook = nbformat.read(PLACE, as_version=4)
    nbformat.validate(notebook)
    assert len(code(notebook)) > 8
    assert all(not cell.outputs and cell.execution_count is None for cell in code(notebook))


def test_every_cell_shows_something(shown: dict[str, dict[str, str]]) -> None:
    assert len(shown) == len(code(nbformat.read(PLACE, as_version=4)))


def test_the_pooled_risk_ratio_is_that_of_metafor(shown: dict[str, dict[str, str]]) -> None:
    found = references.load("metafor")["datasets"]["bcg_RR"]["fits"]["REML"]["adhoc"]
    said = f"{fixed(found['beta'], 2)} (95 % CI {interval(found['ci_lb'], found['ci_ub'], 2)})"
    assert said in shown["fit"]["text/plain"]
    assert said in shown["fit"]["text/html"]


def test_the_forest_plot_is_a_drawing_with_its_words(shown: dict[str, dict[str, str]]) -> None:
    drawn = shown["forest"]
    assert drawn["text/html"].startswith('<img src="data:image/svg+xml')
    assert "13 trials" in drawn["text/plain"]
