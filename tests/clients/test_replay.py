"""A session of clients that nobody here wrote, recorded and replayed with the same seed, gives the same bytes."""

from __future__ import annotations

import asyncio

import pytest
from clients.harness import RunningSandbox, run_program
from clients.test_bybit_clients import KEY
from numpy.random import default_rng
from support.order_session import OrderSession, record, replay
from support.simulated import LISTINGS, PRICES

from arb.sandbox.accounts.rules import Facts
from arb.sandbox.serve.sandbox import SeededMarket
from arb.sandbox.serve.trading import trading_of
from arb.sandbox.trading.delivery import Delays
from arb.sandbox.trading.setup import TradingSetup, usual_account
from connectors.units import MILLISECOND

pytestmark = pytest.mark.slow

DELAYS = Delays((MILLISECOND, 9 * MILLISECOND), (0, 5 * MILLISECOND), (0, 20 * MILLISECOND))


def test_a_recorded_session_replayed_with_the_same_seed_gives_the_same_bytes() -> None:
    setup = TradingSetup((usual_account(),), (KEY,), delays=dict.fromkeys(LISTINGS, DELAYS))
    with RunningSandbox(setup, "bybit_spot", "bybit_linear") as running:

        async def tap() -> OrderSession:
            return record(running.sandbox)

        session = asyncio.run_coroutine_threadsafe(tap(), running._loop).result(10)
        reported = run_program(
            "bybit_ccxt",
            address=running.addresses["bybit_linear"],
            symbol="BTC/USDT:USDT",
            category="linear",
            key=KEY.id,
            secret=KEY.secret.decode(),
        )
        assert not reported.error
        venues = tuple(running.addresses)
    listings = [LISTINGS[venue] for venue in venues]
    facts = {(one.venue, one.symbol): Facts(one.lot_size, "5") for one in listings}
    market = SeededMarket(listings, PRICES, 7)
    again = replay(session, market, trading_of(setup, 7, default_rng(7)), facts)
    assert sum(map(len, session.outputs.values())) > 30
    for who, texts in session.outputs.items():
        assert again.outputs[who] == texts
