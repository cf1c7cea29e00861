"""Help names what may be typed, from the registries, and loads nothing for it before it is asked for."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

from typer.main import get_command
from typer.testing import CliRunner

from k2meta.commands import app
from k2meta.intake import ACCEPT, EXPORTERS, IMPORTERS
from tests.test_house import loaded_after

SCHEMA = Path(__file__).parents[2] / "src" / "k2meta" / "schemas" / "config.schema.json"


def told(*words: str) -> str:
    """Return what a command prints, on one wide line without the frame of its tables."""
    done = CliRunner().invoke(app, [*words], env={"COLUMNS": "4000", "TERMINAL_WIDTH": "4000"})
    assert done.exit_code == 0, done.output
    return " ".join(done.output.replace("\u2502", " ").split())


def test_the_version_is_that_of_the_installed_package() -> None:
    assert told("--version") == version("k2meta")


def test_help_names_every_format_and_every_spelling() -> None:
    imported, exported = told("import", "--help"), told("export", "--help")
    assert f"One of {', '.join(IMPORTERS)}." in imported
    assert f"One of {', '.join(EXPORTERS)}." in exported
    for name, words in ACCEPT.items():
        assert f"{name} ({words})" in imported


def test_help_of_sensitivity_names_every_check_of_the_settings() -> None:
    schema = json.loads(SCHEMA.read_text("utf-8"))
    checks = schema["properties"]["sensitivity"]["items"]["properties"]["id"]["enum"]
    assert len(checks) >= 15
    said = told("sensitivity", "--help")
    assert [check for check in checks if check not in said] == []


def test_every_argument_and_option_says_what_it_is() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert len(commands) >= 19
    silent = [(name, param.name) for name, one in commands.items() for param in one.params if not param.help]
    assert silent == []


def test_the_words_of_help_are_not_looked_up_before_they_are_printed() -> None:
    assert "k2meta.intake" not in loaded_after("import k2meta.commands")
