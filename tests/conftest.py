"""One profile for every property test: the same examples each run, and no deadline on a shared machine.

``pytest --thorough`` runs 2 000 examples of each property in place of 100.
"""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("repeatable", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("thorough", deadline=None, derandomize=True, print_blob=True, max_examples=2000)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the flag for the long run."""
    parser.addoption("--thorough", action="store_true", help="2 000 examples of each property in place of 100")


def pytest_configure(config: pytest.Config) -> None:
    """Load the profile before any property test is collected."""
    settings.load_profile("thorough" if config.getoption("--thorough") else "repeatable")
