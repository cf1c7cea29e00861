"""The built pages in a real browser: Debian's chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.workflow.conftest import build, built, run, shipped  # noqa: F401  (fixtures of the builds)

LAPTOP = {"width": 1280, "height": 800}
Open = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start chromium; without one the tests are skipped, but never in CI."""
    chromium = shutil.which("chromium")
    if chromium is None and os.environ.get("CI"):
        pytest.fail("chromium is missing and CI must not skip the browser tests: apt-get install chromium")
    if chromium is None:
        pytest.skip("chromium is not installed (on Debian: apt-get install chromium)")
    # Chromium refuses its sandbox to root, who runs the tests in a container.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield started
        started.close()


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """Open the report of a built folder in a fresh context."""
    contexts = []

    def call(folder: Path, viewport: dict[str, int] | None = None, **settings: Any) -> Page:
        context = browser.new_context(viewport=viewport or LAPTOP, **settings)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.goto((folder / "reports" / "report.html").as_uri())
        return page

    yield call
    for context in contexts:
        context.close()
