"""docs/public-names.md lists every name that a user writes, and each of them exists."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from arb.cli import cli
from arb.errors import ExitCode

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "public-names.md").read_text()
#: `module:name` in a cell, and the names of a row `| module | names |`.
SPECS = set(re.findall(r"`((?:arb|connectors)[a-z_.]*:\w+)`", TEXT))
ROWS = re.findall(r"^\| `((?:arb|connectors)\.[a-z_.]+)` \| (.+) \|$", TEXT, re.MULTILINE)
NAMES = SPECS | {f"{module}:{name}" for module, names in ROWS for name in re.findall(r"`(\w+)`", names)}


@pytest.mark.parametrize("spec", sorted(NAMES))
def test_every_name_can_be_imported(spec: str) -> None:
    module, _, name = spec.partition(":")
    assert hasattr(importlib.import_module(module), name)


def written_specs() -> Iterator[str]:
    """The code that configuration files, templates and docs name."""
    files = [*ROOT.glob("examples/**/*.toml"), *ROOT.glob("arb/templates/*.toml"), *ROOT.glob("docs/*.md")]
    for file in [*files, *ROOT.glob("docs/venues/*.md"), ROOT / "README.md"]:
        yield from re.findall(r"\b((?:arb|connectors)\.[a-z_.]+:\w+)", file.read_text())


def imported_names() -> Iterator[str]:
    """What the examples, and the code in docs/data.md, import."""
    sources = [path.read_text() for path in ROOT.glob("examples/**/*.py") if path.name != "toy_server.py"]
    sources += re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "data.md").read_text(), re.DOTALL)
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("arb.", "connectors.")):
                yield from (f"{node.module}:{alias.name}" for alias in node.names)


def test_what_files_and_examples_name_is_listed() -> None:
    written, imported = set(written_specs()), set(imported_names())
    assert len(written) >= 5
    assert len(imported) > 30
    assert written | imported <= NAMES


def test_commands_and_exit_codes_are_listed() -> None:
    listed = dict(re.findall(r"^\| `arb ([a-z-]+)` \| (.*) \|$", TEXT, re.MULTILINE))
    assert listed.keys() == cli.commands.keys()
    for name, command in cli.commands.items():
        if isinstance(command, click.Group):
            assert set(re.findall(r"`([a-z]+)`", listed[name])) == command.commands.keys()
    codes = re.findall(r"^\| (\d+) \| .* \|$", TEXT, re.MULTILINE)
    assert [int(code) for code in codes] == [code.value for code in ExitCode]
