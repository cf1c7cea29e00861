"""What lets a result show itself: a base class without state, which loads the words when something is shown."""

from __future__ import annotations

import importlib
from typing import Any


class ShowsItself:
    """A result that shows itself: as a small table in a notebook, as a few lines in a terminal or by ``print``.

    ``repr`` stays that of the dataclass. Statistics import nothing of how numbers are written, so the words are
    looked up when they are needed (``k2meta.display``).
    """

    __slots__ = ()

    def __init_subclass__(cls, **options: Any) -> None:
        """Give every result the method itself: IPython prefers the ``repr`` of a class to what its base shows."""
        super().__init_subclass__(**options)
        cls._repr_pretty_ = ShowsItself._repr_pretty_  # type: ignore[method-assign]

    def __str__(self) -> str:
        """Say what was found in a few lines, numbers rounded for reading."""
        return str(_display().text(self))

    def _repr_html_(self) -> str:
        """Show what was found as plain HTML: text escaped, no script, no id."""
        return str(_display().html(self))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Show the same lines in IPython's terminal, also inside a tuple or a list."""
        printer.text(type(self).__name__ if cycle else str(self))


def _display() -> Any:
    return importlib.import_module("k2meta.display")
