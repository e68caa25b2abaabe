"""A session of clients that nobody here wrote, recorded and replayed with the same seed, gives the same bytes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from clients.harness import RunningSandbox, run_program
from numpy.random import default_rng
from support.order_session import OrderSession, record, replay
from support.simulated import LISTINGS, PRICES

from arb.sandbox.accounts.keys import TestKey, test_keys
from arb.sandbox.accounts.rules import Facts
from arb.sandbox.serve.sandbox import SeededMarket
from arb.sandbox.serve.trading import trading_of
from arb.sandbox.trading.delivery import Delays
from arb.sandbox.trading.setup import TradingSetup, usual_account
from connectors.units import MILLISECOND

pytestmark = pytest.mark.slow

KEYS = test_keys(7)
DELAYS = Delays((MILLISECOND, 9 * MILLISECOND), (0, 5 * MILLISECOND), (0, 20 * MILLISECOND))


#: Prices of the client's orders; the market begins at 42,000.
USDM = {"bid": 42_000.0, "ask": 42_000.0}
BYBIT = {"symbol": "BTC/USDT:USDT", "category": "linear"}


@pytest.mark.parametrize(
    ("program", "venues", "key", "more"),
    [
        ("bybit_ccxt_pro", ("bybit_linear", "bybit_spot"), KEYS[2], BYBIT),
        ("spot_ccxt_pro", ("binance_spot",), KEYS[0], {"is_ed25519": False}),
        ("usdm_ccxt_pro", ("binance_usdm", "binance_spot"), KEYS[1], USDM),
    ],
)
def test_a_recorded_session_replayed_with_the_same_seed_gives_the_same_bytes(
    program: str, venues: tuple[str, ...], key: TestKey, more: dict[str, Any]
) -> None:
    delays = dict.fromkeys(LISTINGS, DELAYS)
    setup = TradingSetup((usual_account(),), tuple(one.key for one in KEYS), delays=delays)
    with RunningSandbox(setup, *venues) as running:

        async def tap() -> OrderSession:
            return record(running.sandbox)

        session = asyncio.run_coroutine_threadsafe(tap(), running._loop).result(10)
        more |= {venue.removeprefix("binance_"): address for venue, address in running.addresses.items()}
        more["bybit"] = running.addresses.get("bybit_linear")
        # It may fail at the late answers; what it did is recorded.
        run_program(running, program, key=key.key.id, secret=key.private, **more)
    listings = [LISTINGS[venue] for venue in venues]
    facts = {(one.venue, one.symbol): Facts(one.lot_size, "5") for one in listings}
    market = SeededMarket(listings, PRICES, 7)
    again = replay(session, market, trading_of(setup, 7, default_rng(7)), facts)
    assert sum(map(len, session.outputs.values())) > 30
    for who, texts in session.outputs.items():
        assert again.outputs[who] == texts
