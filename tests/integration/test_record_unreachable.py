"""`arb record` where a venue cannot be reached: one line and an exit code say so, and the others are recorded."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.live_sandbox import LiveSandbox
from support.recorded_runs import lines_of
from support.recording_files import command_environment, run_command

from arb.config.templates import write_templates
from arb.errors import ExitCode

pytestmark = pytest.mark.slow

FILES = {"binance_spot": "binance.toml", "bybit_spot": "bybit.toml"}


@contextmanager
def refused() -> Iterator[tuple[str, str]]:
    """Nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    yield f"127.0.0.1:{port}", "Connect"


@contextmanager
def without_a_name() -> Iterator[tuple[str, str]]:
    """No such host."""
    yield "venue.invalid:443", ""


@contextmanager
def half_open() -> Iterator[tuple[str, str]]:
    """Connects, and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}", "no handshake in time"


def point_to(path: Path, websocket: str, rest: str) -> None:
    """Lets a venue's file name these addresses."""
    text = path.read_text()
    for key, value in (("websocket_url", f'"{websocket}"'), ("rest_api_url", f'"{rest}"')):
        text = re.sub(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
    path.write_text(re.sub(r"(?m)^websocket_fallback_urls = .*$", "websocket_fallback_urls = []", text))


@pytest.mark.parametrize(("absent", "seconds"), [(refused, 3), (without_a_name, 3), (half_open, 7)])
def test_one_line_names_it_and_the_others_are_recorded(absent: object, seconds: int, tmp_path: Path) -> None:
    environment = command_environment(tmp_path / "cache")
    write_templates(tmp_path / "my")
    with LiveSandbox() as sandbox, absent() as (address, why):  # type: ignore[operator]
        point_to(tmp_path / "my" / FILES["binance_spot"], *sandbox.urls["binance_spot"][:2])
        scheme = "s" if address.startswith("venue") else ""
        point_to(
            tmp_path / "my" / FILES["bybit_spot"], f"ws{scheme}://{address}", f"http{scheme}://{address}"
        )
        words = ["record", "--config", "my/arbitrage.toml", "--data", "data"]
        done = run_command(
            [*words, "--venues", ",".join(FILES), "--symbols", "BTCUSDT", "--duration", f"{seconds}s"],
            environment,
            tmp_path,
        )
    assert done.code == ExitCode.DIFFERENCES, done
    note, line = done.err.splitlines()
    assert "bybit_spot: tick and lot were not compared with the venue's listing: " in note
    assert line.startswith("warning: no data of bybit_spot:BTCUSDT: ")
    assert why in line
    assert line.endswith("; arb doctor looks for the cause")
    assert not list((tmp_path / "data").glob("*/*.journal*"))
    assert len(lines_of(tmp_path / "data", "binance_spot")) > 20
