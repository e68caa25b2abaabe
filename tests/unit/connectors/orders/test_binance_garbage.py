"""Messages of Binance in which anything may be anything: a decoder gives a message or a DecodeError."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from numpy.random import Generator, default_rng
from support.venue_orders import SIGNER, golden_messages, instrument

from connectors.binance.order_frames import SpotOrders, UsdmOrders
from connectors.binance.user_events import SpotUser, UsdmUser
from connectors.errors import DecodeError
from connectors.orders.model import Act, Channel, WireRequest

COUNT = 800
VALUES: list[Any] = [
    None, True, 0, -1, 1.5, 10**30, "", "x", "-1", "1e9", "1E-7", "1e999999", "9" * 5000, "NaN", "Infinity", "\u0661",
    "1_0", "+1", " 1", "NEW", "BUY", "FILLED", [], {},
]  # fmt: skip


def places_in(value: Any) -> list[tuple[Any, Any]]:
    """Every container of a message with every key in it."""
    keys = (
        list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    )
    return [(value, key) for key in keys] + [place for key in keys for place in places_in(value[key])]


def spoilt(text: str, chance: Generator) -> Any:
    """A message with up to three other values, or fields less."""
    message = json.loads(text)
    for _ in range(int(chance.integers(1, 4))):
        places = places_in(message)
        if places:
            where, key = places[int(chance.integers(len(places)))]
            if isinstance(where, dict) and chance.random() < 0.2:
                del where[key]
            else:
                where[key] = VALUES[int(chance.integers(len(VALUES)))]
    return message


@pytest.mark.parametrize("venue", ["binance_spot", "binance_usdm"])
def test_a_spoilt_message_is_decoded_or_refused(venue: str) -> None:
    orders = SpotOrders(SIGNER, 2000) if venue == "binance_spot" else UsdmOrders(SIGNER, 2000)
    user = SpotUser(SIGNER, 2000) if venue == "binance_spot" else UsdmUser(SIGNER)
    for leg, symbol in enumerate(("BTCUSDT", "LTCBTC", "BNBBTC", "ETHBTC")):
        for protocol in (orders, user):
            protocol.add_leg(leg, instrument(symbol, "0.00000001", "0.00000001"))
    chance = default_rng(6)
    messages = golden_messages(venue)
    for _ in range(COUNT):
        message = spoilt(messages[int(chance.integers(len(messages)))].text, chance)
        status = int(chance.choice([200, 400, 409, 418, 429, 500]))
        part = "result" if status == 200 else "error"
        frames = [
            message,
            {"id": "w", "status": status, part: message},
            {"id": "w", "status": 200, "result": [message]},
        ]
        for frame in frames:
            for decode in (orders.decode, user.decode):
                with suppress(DecodeError):
                    decode(json.dumps(frame).encode())
        for act in Act:
            asked = WireRequest(Channel.REST, "w", act, 0, 1)
            with suppress(DecodeError):
                orders.decode_rest(asked, status, json.dumps(message).encode(), 0)
