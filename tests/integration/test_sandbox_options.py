"""`--sandbox`, `--port-base` and `--seed`: the same in every command that has them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.command_line import arb
from support.live_sandbox import LiveSandbox, free_ports

from arb.cli import cli

COMMANDS = [["doctor"], ["dry-run"], ["live"], ["record"]]
LEG = ["--venues", "bybit_spot", "--symbols", "BTCUSDT"]


@pytest.mark.parametrize("command", COMMANDS)
def test_an_absent_sandbox_is_one_line(command: list[str], tmp_path: Path) -> None:
    is_session = command in (["dry-run"], ["live"])
    data = [] if is_session else ["--data", tmp_path / "data"]
    out = ["--out", tmp_path / "run"] if is_session else []
    done = arb(*command, "--sandbox", "--port-base", free_ports(), *data, *out, code=2)
    assert "start one with arb sandbox serve, or leave --port-base out" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_every_command_with_a_sandbox_has_all_three_options() -> None:
    found = set()
    for name, command in cli.commands.items():
        names = {word for option in command.params for word in option.opts}
        # Commands that read the journal choose that of sessions on a sandbox: they start none.
        if "--sandbox" in names and "--state-directory" not in names:
            found.add(name)
            assert {"--port-base", "--seed"} <= names
    assert found == {"doctor", "dry-run", "live", "record"}


def test_a_recording_names_the_seed_of_its_market(tmp_path: Path) -> None:
    arb("record", "--sandbox", "--seed", "9", *LEG, "--duration", "3s", "--data", tmp_path)
    (origin,) = tmp_path.glob("bybit_spot/*.origin")
    assert origin.read_text().endswith("record --sandbox --seed 9\n")


def test_a_running_sandbox_is_recorded_and_checked(tmp_path: Path) -> None:
    base = free_ports()
    with LiveSandbox(port_base=base):
        at = ["--sandbox", "--port-base", base, *LEG, "--data", tmp_path]
        arb("record", *at, "--duration", "3s")
        checked = arb("doctor", *at, code=None)
    (origin,) = tmp_path.glob("bybit_spot/*.origin")
    assert origin.read_text().endswith(f"record --sandbox --port-base {base}\n")
    assert list(tmp_path.glob("bybit_spot/*.gz"))
    assert "bybit_spot" in checked.stdout
