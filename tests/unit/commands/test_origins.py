"""What a session and a recording call the data of a sandbox: by what it serves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from arb.commands import live_session, record, sandbox_choice
from arb.commands.sandbox_choice import SandboxChoice, source_at
from arb.config import load
from arb.runtime.sandbox_venues import sandbox_urls

URLS = sandbox_urls(8900)


@pytest.mark.parametrize(
    ("source", "note", "origin"),
    [
        ("simulated", "market data of a sandbox, simulated", "simulated, not a recording of any venue: arb "),
        (
            "a recording",
            "market data of a sandbox, which replays a recording",
            "recorded of a sandbox, not of the venue; it replays a recording: arb ",
        ),
        ("", "market data of a sandbox", "recorded of a sandbox, not of the venue: arb "),
    ],
)
def test_the_words_are_those_of_what_is_served(
    source: str, note: str, origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (live_session, sandbox_choice):
        monkeypatch.setattr(module, "source_at", {URLS["binance_spot"].rest: source}.__getitem__)
    config = load(Path(__file__).parents[3] / "config" / "arbitrage.toml")
    assert live_session._origin_notes(config, URLS) == [note]
    assert live_session._origin_notes(config, None) == []
    assert record._origin_text(SandboxChoice(port_base=8900), "binance_spot").startswith(origin)


def test_a_market_of_the_session_is_simulated() -> None:
    assert record._origin_text(SandboxChoice(3), "binance_spot").endswith("record --sandbox --seed 3")


@pytest.fixture
def odd_answers() -> Iterator[str]:
    """A server that answers with what no sandbox does."""
    bodies = iter([b"{", b"[1]", b"{}", b'{"source": "simulated"}'])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(next(bodies))

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_answer_of_something_else_is_no_source(odd_answers: str) -> None:
    assert [source_at(odd_answers) for _ in range(4)] == ["", "", "", "simulated"]
