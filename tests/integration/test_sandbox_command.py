"""`arb sandbox serve` as users start it: a process, its ports, its end."""

from __future__ import annotations

import contextlib
import gzip
import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from support.command_line import arb
from support.live_sandbox import await_that, free_ports

from arb.commands.legs import known_venues
from arb.commands.sandbox import record_market
from arb.commands.sandbox_choice import source_at
from arb.errors import ExitCode, InputError
from arb.runtime.sandbox_venues import at_sandbox, sandbox_urls
from arb.sandbox.serve.urls import VENUES


@contextlib.contextmanager
def serving(*options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    command = [sys.executable, "-m", "arb", "sandbox", "serve", "--json", *options]
    # No terminal's Ctrl+C reaches it by itself, and an ignored SIGINT is not inherited.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield process, json.loads(line) if line else {}
    finally:
        process.kill()
        process.communicate()


def serve(*options: object, code: ExitCode = ExitCode.DONE) -> Result:
    """`arb sandbox serve` in this process, to its end."""
    return arb("sandbox", "serve", "--json", *options, code=code)


def is_served(port: int) -> bool:
    with contextlib.suppress(OSError):
        return bool(get(f"http://127.0.0.1:{port}/sandbox"))
    return False


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


@pytest.mark.slow
def test_it_serves_until_ctrl_c_and_its_ports_are_free_again_even_after_kill() -> None:
    with serving("--port-base", "0", "--symbols", "BTCUSDT,ETHUSDT") as (process, urls):
        assert tuple(urls) == VENUES
        for venue in VENUES:
            status = get(f"{urls[venue]['rest']}/sandbox")
            assert (status["venue"], status["symbols"]) == (venue, ["BTCUSDT", "ETHUSDT"])
            assert source_at(urls[venue]["rest"]) == "simulated"
        base = int(urls["binance_spot"]["rest"].rpartition(":")[2])
        second = serve("--port-base", base, "--venues", "binance_spot", code=ExitCode.USER_INPUT)
        assert second.stderr.count("\n") == 1
        assert f"127.0.0.1:{base} for binance_spot" in second.stderr
        process.kill()
        process.wait(60)
        assert source_at(urls["binance_spot"]["rest"]) == ""
        with serving("--port-base", str(base), "--venues", "binance_spot") as (third, _):
            assert get(f"http://127.0.0.1:{base}/api/v3/ping") == {}
            # Whoever sends rubbish is answered or cut; nobody else notices.
            for rubbish in (b"\x00" * 100, b"GET / HTTP/9.9\r\n\r\n", b"x" * 100_000):
                with socket.create_connection(("127.0.0.1", base)) as line:
                    line.sendall(rubbish)
            assert get(f"http://127.0.0.1:{base}/api/v3/ping") == {}
            third.send_signal(signal.SIGINT)
            output = third.communicate(timeout=120)
        assert (third.returncode, output[1]) == (ExitCode.INTERRUPTED, "error: interrupted\n")


def test_sigterm_ends_it_in_order() -> None:
    base, main_thread = free_ports(), threading.get_ident()

    def press() -> None:
        await_that(lambda: is_served(base), "an answer")
        signal.pthread_kill(main_thread, signal.SIGTERM)

    pressing = threading.Thread(target=press)
    pressing.start()
    reported = serve("--port-base", base, "--venues", "binance_spot")
    pressing.join()
    assert reported.stderr == ""
    assert reported.stdout.splitlines()[2:] == ["stopped"]


def test_a_recording_is_served_to_its_end_and_a_cut_one_is_named(tmp_path: Path) -> None:
    known = known_venues(Path("none.toml"))
    (file,) = record_market(
        tmp_path, 3, 6.0, datetime(2024, 1, 1, tzinfo=UTC), ["bybit_spot"], ["BTCUSDT"], known
    )
    words = ("--port-base", "0", "--recording", str(tmp_path), "--speed")
    reported = serve(*words, "20")
    assert reported.stderr == ""
    urls, _, end = reported.stdout.splitlines()
    assert (list(json.loads(urls)), end) == (["bybit_spot"], "the recording has ended")
    whole = file.path.read_bytes()
    many = gzip.decompress(whole) * 200  # more than is read before it serves
    file.path.write_bytes(gzip.compress(many, 1)[:-100])
    reported = serve(*words, "10000", code=ExitCode.USER_INPUT)
    assert "btcusdt_20240101.gz: the file is cut off" in reported.stderr


def test_funding_options_without_a_perpetual_are_refused() -> None:
    done = serve("--venues", "bybit_spot", "--funding-interval", "5s", code=ExitCode.USER_INPUT)
    assert done.stderr == (
        "error: --funding-interval and --funding-rate are for perpetuals: serve one as well, as --venues binance_usdm\n"
    )


def test_the_four_venues_can_be_pointed_at_a_sandbox() -> None:
    known = known_venues(Path("none.toml"))
    urls = sandbox_urls(9000)
    pointed = at_sandbox(known, urls)
    assert set(pointed) == set(VENUES)
    assert pointed["binance_spot"].connection.websocket_url == "ws://127.0.0.1:9000/ws"
    assert pointed["binance_usdm"].connection.websocket_url == "ws://127.0.0.1:9001"
    assert pointed["bybit_linear"].connection.rest_api_url == "http://127.0.0.1:9003"
    assert pointed["bybit_spot"].symbols == known["bybit_spot"].symbols
    with pytest.raises(
        InputError, match="does not serve binance_spot, binance_usdm, bybit_linear: start it with"
    ):
        at_sandbox(known, {"bybit_spot": urls["bybit_spot"]})
