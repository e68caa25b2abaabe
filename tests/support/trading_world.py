"""Trading of the sandbox over a market that the test writes by hand: levels and trades of BTCUSDT at four venues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from numpy.random import default_rng

from arb.sandbox.accounts.account import Account
from arb.sandbox.accounts.amounts import exact
from arb.sandbox.events import ASK, BID, Listing
from arb.sandbox.matching.orders import Force
from arb.sandbox.serve.limits import LIMITS, order_limits
from arb.sandbox.trading.desk import Desk
from arb.sandbox.trading.events import Event
from arb.sandbox.trading.order_state import VenueOrder
from arb.sandbox.trading.requests import Cancel, OrderKind, Place
from arb.sandbox.trading.setup import TradingSetup, usual_account
from arb.sandbox.trading.state import Trading
from connectors.units import SECOND
from support.venue_rows import Row, level, rows_of

SYMBOL = "BTCUSDT"
#: 2024-01-01, 00:00:01 UTC.
START_NS = 1_704_067_201 * SECOND
#: Prices are whole, quantities multiples of 0.001.
BOOK = (level(BID, 99, 5), level(BID, 98, 7), level(ASK, 101, 5), level(ASK, 102, 7))


class Silent:
    """A tape without frames."""

    def __init__(self, listings: Sequence[Listing]) -> None:
        self.listings = listings

    def source_of(self, no: int, key: str) -> str | None:
        return key

    def snapshot(self, no: int) -> str | None:
        return None


class World:
    """Trading with a clock that the test moves. Every account has 10 BTC, 100 ETH and 500,000 USDT in each wallet."""

    def __init__(
        self, *, names: Sequence[str] = ("main",), setup: TradingSetup | None = None, **more: Any
    ) -> None:
        venues = ("binance_spot", "binance_usdm", "bybit_spot", "bybit_linear")
        listings = [Listing(venue, SYMBOL, "1", "0.001") for venue in venues]
        setup = setup or TradingSetup(tuple(usual_account(name) for name in names), ())
        self.now_ns = START_NS
        self.trading = Trading(
            replace(setup, **more),
            Silent(listings),
            {},
            START_NS,
            seed=7,
            chance=default_rng(7),
            order_limits={venue: order_limits(LIMITS[venue]) for venue in venues},
        )
        #: What happened, at all venues and accounts.
        self.events: list[Event] = []
        self.trading.observer = self.events.append
        for venue in venues:
            self.show(venue, *BOOK)

    def desk(self, venue: str) -> Desk:
        return self.trading.desks[venue]

    def account(self, venue: str, name: str = "main") -> Account:
        return self.trading.account(venue, name)

    def show(self, venue: str, *rows: Row) -> None:
        """Rows of a frame that is sent now."""
        desk = self.desk(venue)
        instrument = desk.instruments[SYMBOL]
        with exact():
            self.trading.market.follow(instrument, rows_of(*rows, at_ns=self.now_ns))
            results = instrument.matcher.receive(rows_of(*rows, at_ns=self.now_ns), self.now_ns)
            desk.settlement.settle(instrument, results, self.now_ns)
        self.flush()

    def pass_time(self, seconds: float) -> None:
        self.now_ns += round(seconds * SECOND)
        self.trading.advance(self.now_ns)

    def place(
        self, venue: str, side: int, quantity: str | None, price: str | None = None, **more: Any
    ) -> VenueOrder:
        """A limit order, or a market order without a price. Raises RefusalError."""
        given = {
            "account": "main",
            "symbol": SYMBOL,
            "kind": OrderKind.MARKET if price is None else OrderKind.LIMIT,
            "force": Force.GTC,
        }
        request = Place(
            side=side,
            price=None if price is None else Decimal(price),
            quantity=None if quantity is None else Decimal(quantity),
            **(given | more),  # type: ignore[arg-type]
        )
        try:
            return self.desk(venue).place(request, self.now_ns)
        finally:
            self.flush()

    def cancel(self, order: VenueOrder) -> VenueOrder:
        cancelled = self.desk(order.venue).cancel(
            Cancel(order.account, order.symbol, order.order_id), self.now_ns
        )
        self.flush()
        return cancelled

    def funds(self, venue: str, asset: str, name: str = "main") -> tuple[Decimal, Decimal]:
        """Total and locked, after a check of the account's ledger."""
        account = self.account(venue, name)
        with exact():
            account.ledger.check()
        wallet = account.wallet(venue)
        return wallet.total(asset), wallet.locked(asset)

    def flush(self) -> None:
        """Passes what happened to `events`."""
        self.trading.delivery["binance_spot"].answer(self.now_ns, "test", lambda _: None)
