"""Every `--help` ends with at least two examples that the command line accepts."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import click
import pytest
from support.command_line import arb

from arb.cli import cli

COLUMNS = 80


def command_names(group: click.Group = cli, *above: str) -> Iterator[tuple[str, ...]]:
    """The words of every command and group, () for `arb` itself."""
    yield above
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from command_names(command, *above, name)
        else:
            yield (*above, name)


def parse(words: list[str]) -> list[str]:
    """Parses the words of a command line without executing it; the names of the commands that it found."""
    context, found = cli.make_context("arb", words), []
    while isinstance(context.command, click.Group):
        rest = [*context._protected_args, *context.args]
        if not rest:  # a group that is a command by itself
            break
        name, command, rest = context.command.resolve_command(context, rest)
        found.append(str(name))
        context = command.make_context(name, rest, parent=context)
    return found


@pytest.mark.parametrize("names", list(command_names()), ids=" ".join)
def test_help_ends_with_examples_that_parse(names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    help_text = arb(*names, "--help").stdout
    shown = help_text.partition("Examples:\n")[2].splitlines()
    assert len(shown) >= 2, help_text
    assert max(map(len, shown)) <= COLUMNS
    for line in shown:
        program, *words = shlex.split(line)
        assert program == "arb"
        assert tuple(parse(words)[: len(names)]) == names
