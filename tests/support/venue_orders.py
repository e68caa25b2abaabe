"""Order entry of the venues in tests: golden messages, an instrument that their numbers fit, requests."""

from __future__ import annotations

from typing import Any, NamedTuple

import tomli

from connectors.orders.model import Act, Instrument, OrderRequest
from connectors.orders.numbers import DecimalStep
from connectors.orders.signing import HmacSigner
from support.paths import GOLDEN

SIGNER = HmacSigner("test-key", "test-secret")
NOW_MS = 1_700_000_000_000


class GoldenMessage(NamedTuple):
    """A message of `tests/golden/<venue>/messages`."""

    file: str
    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}: {self.name}"


def golden_messages(venue: str, *files: str) -> list[GoldenMessage]:
    """The messages of these files, or of all."""
    folder = GOLDEN / venue / "messages"
    found = []
    for path in sorted(folder.glob("*.toml")):
        if not files or path.stem in files:
            messages = tomli.loads(path.read_text(encoding="utf-8"))["message"]
            found += [GoldenMessage(path.stem, one["name"], one["text"]) for one in messages]
    assert len({one.file for one in found}) == (len(files) or len(list(folder.glob("*.toml"))))
    return found


def instrument(
    symbol: str = "BTCUSDT", tick: str = "0.01", lot: str = "0.00001", *, is_spot: bool = True
) -> Instrument:
    return Instrument(
        symbol, DecimalStep(tick), DecimalStep(lot), symbol.removesuffix("USDT"), "USDT", is_spot
    )


def request(act: Act, symbol: str = "BTCUSDT", **more: Any) -> OrderRequest:
    """A request for leg 0, by default its fifth, of an order with the client id "c1"."""
    return OrderRequest(**({"leg": 0, "request_no": 5, "client_id": "c1"} | more), act=act, symbol=symbol)
