"""The tests' own sandbox: its ports are nobody else's, and an error of its thread is the test's error."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest
from support.live_sandbox import LiveSandbox, free_ports
from support.paths import ROOT

from arb.errors import InputError


def test_no_two_processes_are_given_the_same_ports() -> None:
    ours = [free_ports() for _ in range(2)]
    others = subprocess.run(
        [
            sys.executable,
            "-c",
            "from support.live_sandbox import free_ports; print(free_ports(), free_ports())",
        ],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'tests'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.split()

    given = [port for base in (*ours, *map(int, others)) for port in range(base, base + 4)]
    assert len(set(given)) == 4 * 4


def test_ports_that_were_given_can_be_used_and_others_are_reported_at_once() -> None:
    base = free_ports()
    with LiveSandbox(port_base=base) as sandbox:
        assert sandbox.urls["bybit_spot"].rest == f"http://127.0.0.1:{base + 2}"
    with (
        socket.create_server(("127.0.0.1", base)),
        pytest.raises(InputError, match="address already in use"),
        LiveSandbox(port_base=base),
    ):
        pass
