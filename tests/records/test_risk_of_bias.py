"""Risk of bias is read as people wrote it, and every mistake in the file is named with its place."""

from __future__ import annotations

import pytest

from k2meta.records.risk_of_bias import COLUMNS, judgements
from k2meta.types import ProjectError, Table

FILE = "data/risk_of_bias.csv"


def table(*rows: dict[str, str], columns: tuple[str, ...] = COLUMNS) -> Table:
    return Table(FILE, columns, tuple({column: row.get(column, "") for column in columns} for row in rows))


def test_no_file_is_no_judgement() -> None:
    assert judgements(None) == ()


def test_judgements_are_read_in_any_case_and_an_empty_cell_is_not_assessed() -> None:
    (found,) = judgements(
        table({"study_id": "A", "tool": "RoB 2", "d1": "Low", "d3": "SOME concerns", "overall": "high"})
    )
    assert found.domains == ("low", None, "some concerns", None, None)
    assert found.overall == "high"
    assert found.outcome == ""


def test_every_mistake_is_named_at_once_with_row_column_value_and_fix() -> None:
    rows = (
        {"study_id": "A", "d1": "fine", "overall": "low"},
        {"study_id": "", "overall": "unsure"},
        {"study_id": "A", "overall": "low"},
    )
    with pytest.raises(ProjectError) as error:
        judgements(table(*rows, columns=("study_id", "outcome", "d1", "overall", "colour")))
    said = [str(problem) for problem in error.value.problems]
    assert [problem.row for problem in error.value.problems] == [1, 2, 3, 3, 4]
    assert "column colour: unknown column" in said[0]
    assert "row 2 column d1: 'fine' is no judgement" in said[1]
    assert "low, some concerns, high, no information, or leave it empty" in said[1]
    assert "'unsure' is no judgement" in said[2]
    assert "no trial is named" in said[3]
    assert "A is judged twice for the same outcome (first in row 2)" in said[4]


def test_a_file_without_its_two_required_columns_is_refused() -> None:
    with pytest.raises(ProjectError) as error:
        judgements(table(columns=("d1",)))
    assert {problem.column for problem in error.value.problems} == {"study_id", "overall"}
