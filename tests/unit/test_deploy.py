"""`deploy/`: its files can be read, keep what they promise, and their commands are those of `arb`."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from arb.cli import cli
from arb.errors import ExitCode

DEPLOY = Path(__file__).parents[2] / "deploy"
IMAGE = (DEPLOY / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
OWN = {name: one for name, one in COMPOSE["services"].items() if one["image"] == "arb"}
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def parse(words: list[str]) -> click.Context:
    """The command that these words run, with its options. Raises click.UsageError."""
    group: click.Group = cli
    context = click.Context(cli, info_name="arb")
    while True:
        name, command, words = group.resolve_command(context, words)
        assert command is not None
        is_group = isinstance(command, click.Group)
        context = command.make_context(name, words, parent=context)
        if not is_group:
            return context
        group, words = command, [*context.protected_args, *context.args]


class Unit(configparser.RawConfigParser):
    """A unit of systemd: its `[Service]`; keys keep their case."""

    def __init__(self, path: Path) -> None:
        super().__init__(strict=True, delimiters=("=",), comment_prefixes=("#",), interpolation=None)
        self.read_string(path.read_text())

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def image_commands() -> list[str]:
    """The lines of the image that run `arb`."""
    (health,) = re.findall(r"^HEALTHCHECK .*\\\n +CMD (.*)$", IMAGE, re.MULTILINE)
    (default,) = re.findall(r"^CMD (.*)$", IMAGE, re.MULTILINE)
    assert json.loads(default) == ["--help"]
    return [str(health)]


def command_lines() -> list[list[str]]:
    """What `deploy/` runs, without `arb`."""
    lines = [shlex.split(line.split("|")[0])[1:] for line in image_commands()]
    lines += [one["command"] for one in OWN.values()]
    return lines + [shlex.split(Unit(path)["Service"]["ExecStart"])[1:] for path in UNITS]


@pytest.mark.parametrize("words", command_lines(), ids=" ".join)
def test_a_command_parses(words: list[str]) -> None:
    assert parse(words).command.callback is not None


def test_an_unknown_option_does_not_parse() -> None:
    with pytest.raises(click.UsageError):
        parse(["live", "--sandbox", "--rehearse"])


def test_the_image_is_slim_and_does_not_run_as_root() -> None:
    bases = re.findall(r"^FROM (\S+)", IMAGE, re.MULTILINE)
    assert len(bases) == 2
    assert all(re.fullmatch(r"python:3\.\d+-slim", base) for base in bases)
    assert IMAGE.rindex("\nUSER arb\n") < IMAGE.index("\nENTRYPOINT")
    assert 'ENTRYPOINT ["arb"]' in IMAGE


#: Whether a service on this machine's own network listens on 127.0.0.1 alone.
LISTENS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "watcher": lambda one: parse(one["command"]).params["host"] == "127.0.0.1",
    "prometheus": lambda one: "--web.listen-address=127.0.0.1:9090" in one["command"],
    "grafana": lambda one: one["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1",
}


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_service_writes_to_its_volumes_alone_and_is_reached_from_this_machine_alone(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.search(r"^arb$|:v?\d+\.\d+", service["image"])
    # Compose copies the last two into the root, which fails where that is read-only (docker/compose#12031, 2024-07).
    assert not {"privileged", "configs", "secrets"} & service.keys()
    assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))
    if service["network_mode"] == "host":
        assert LISTENS[name](service)
    paths = [volume.split(":") for volume in service.get("volumes", ()) if volume.startswith("./")]
    assert all((DEPLOY / source).exists() and how == "ro" for source, _, how in paths)
    named = {volume.split(":")[0] for volume in service.get("volumes", ()) if not volume.startswith("./")}
    assert named <= set(COMPOSE["volumes"])


def test_a_session_of_compose_is_not_started_again() -> None:
    sessions = [one for one in OWN.values() if one["command"][0] in ("live", "dry-run")]
    assert sessions
    assert [one["restart"] for one in sessions] == ["no"] * len(sessions)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_is_hardened_and_leaves_what_needs_a_person_alone(path: Path) -> None:
    unit = Unit(path)["Service"]
    assert unit["User"] == "arb"
    assert unit["NoNewPrivileges"] == "yes"
    assert unit["ProtectSystem"] == "strict"
    if unit["ExecStart"].split()[1] == "live":
        kept = {int(code) for code in unit["RestartPreventExitStatus"].split()}
        assert kept == {ExitCode.USER_INPUT, ExitCode.HALTED_BY_RISK}
        assert unit["Restart"] == "on-failure"
        assert unit["ReadWritePaths"] == "/var/lib/arb"
    else:
        assert unit["ReadOnlyPaths"] == "/var/lib/arb"
        assert "EnvironmentFile" not in unit
    # Numba writes machine code to memory.
    assert "MemoryDenyWriteExecute" not in unit
    # A key that is set twice would be the last one.
    keys = re.findall(r"^(\w+)=", path.read_text(), re.MULTILINE)
    assert [key for key, count in Counter(keys).items() if count > 1] == []
