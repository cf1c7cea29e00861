"""What a table is made of: full-precision rows for files, a written form of each cell for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

Value = str | float | int | bool | None
"""One raw cell of a table, at full precision; ``None`` where there is nothing to state."""

Row = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Shown:
    """A cell as people read it: text, an optional link, a hover note, a footnote letter."""

    text: str
    href: str = ""
    title: str = ""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column, for the file and for the page.

    Attributes
    ----------
    id : str
        Header in the file and key of the rows.
    label : str
        Header people read.
    show : callable or None
        From a row to what people read; ``None`` keeps the column out of the page.
    numeric : bool
        Whether the written form is aligned on the right.
    filed : bool
        Whether the column is written to the file (a composed column such as an interval is not).
    """

    id: str
    label: str = ""
    show: Callable[[Row], Shown | str] | None = None
    numeric: bool = False
    filed: bool = True


@dataclass(frozen=True, slots=True)
class TableData:
    """A table: columns, raw rows, a caption that states what it holds, and notes below it."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    caption: str
    notes: tuple[str, ...] = ()

    @property
    def header(self) -> tuple[str, ...]:
        """Column ids in file order."""
        return tuple(column.id for column in self.columns if column.filed)

    @property
    def values(self) -> tuple[tuple[Value, ...], ...]:
        """Raw cells in file order, at full precision."""
        return tuple(tuple(row[name] for name in self.header) for row in self.rows)

    def frame(self) -> pd.DataFrame:
        """Return the raw cells as a pandas DataFrame, for analysts who go on from here."""
        import pandas as pd

        return pd.DataFrame.from_records(list(self.values), columns=list(self.header))

    @property
    def visible(self) -> tuple[Column, ...]:
        """Columns that people read."""
        return tuple(column for column in self.columns if column.show is not None)

    @property
    def shown(self) -> tuple[tuple[Shown, ...], ...]:
        """Written cells in the order of ``visible``."""
        return tuple(tuple(_written(column, row) for column in self.visible) for row in self.rows)

    def where(self, column: str, value: Value) -> TableData:
        """Return the rows in which ``column`` holds ``value``."""
        return replace(self, rows=tuple(row for row in self.rows if row[column] == value))

    def hiding(self, *names: str) -> TableData:
        """Return the table with some columns kept out of the page (they stay in the file)."""
        columns = tuple(replace(c, show=None) if c.id in names else c for c in self.columns)
        return replace(self, columns=columns)


def _written(column: Column, row: Row) -> Shown:
    if column.show is None:
        raise ValueError(f"column {column.id!r} is not shown on the page")
    cell = column.show(row)
    return Shown(cell) if isinstance(cell, str) else cell
