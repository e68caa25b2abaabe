"""A trade socket, a stream of events and REST of one account at a Binance market without network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.random import default_rng

from arb.sandbox.accounts.keys import test_keys
from arb.sandbox.faults import Fault, FaultKind, Scheduled
from arb.sandbox.serve.raw_request import RawRequest
from arb.sandbox.serve.rest import Response
from connectors.binance.order_frames import SpotOrders, UsdmOrders
from connectors.binance.user_events import SpotUser, UsdmUser
from connectors.orders.model import Instrument, VenueAnswer, WireRequest
from connectors.orders.numbers import DecimalStep
from connectors.orders.signing import HmacSigner
from support.binance_api import BinanceMarket
from support.simulated import LISTINGS

HMAC, _, _ = test_keys(7)
WINDOW_MS = 2000


class BinanceLines:
    """See the module. `trade.texts` and `stream.texts`: what has come."""

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self.is_spot = venue == "binance_spot"
        self.market = BinanceMarket(venue)
        listing = LISTINGS[venue]
        tick, lot = DecimalStep(listing.tick_size), DecimalStep(listing.lot_size)
        self.leg = Instrument("BTCUSDT", tick, lot, "BTC", "USDT", self.is_spot)
        self._faults = 0
        own = self.orders()
        self.trade = self.market.connect(own.path().partition("?")[0])
        user, listen_key = self.user(), ""
        key = user.key_request(self.now_ms)
        if key is not None:
            replies: list[Response | None] = []
            self.post(key, replies.append)
            assert replies[0] is not None
            answer = own.decode_rest(key, replies[0].status, replies[0].body.encode(), 0)
            assert isinstance(answer, VenueAnswer)
            listen_key = answer.text
        self.stream = self.market.connect(user.path(listen_key).partition("?")[0])
        for opening in user.opening(self.now_ms):
            self.stream.session.receive(opening.text, self.market.now_ns, self.now_ms)
            (subscribed,) = user.decode(self.stream.texts.pop().encode())
            assert isinstance(subscribed, VenueAnswer)
            assert user.opened(subscribed)

    def orders(self, secret: str = HMAC.private) -> SpotOrders | UsdmOrders:
        """Order entry of the account, without a leg."""
        return (SpotOrders if self.is_spot else UsdmOrders)(HmacSigner(HMAC.key.id, secret), WINDOW_MS)

    def user(self) -> SpotUser | UsdmUser:
        """Events of the account, without a leg."""
        signer = HmacSigner(HMAC.key.id, HMAC.private)
        return SpotUser(signer, WINDOW_MS) if self.is_spot else UsdmUser(signer)

    @property
    def now_ns(self) -> int:
        return self.market.now_ns

    @property
    def now_ms(self) -> int:
        return self.market.now_ns // 1_000_000

    @property
    def desk(self) -> Any:
        """The sandbox's."""
        return self.market.trading.desks[self.venue]

    def touch(self) -> tuple[int, int]:
        """Best bid and ask in ticks."""
        bid, ask = (self.leg.tick.count_of(str(price)) for price in self.market.touch())
        return bid, ask

    def send(self, wire: WireRequest) -> None:
        """Sends a request over the trade socket."""
        self.market.rest.weights.used = 0
        self.trade.session.receive(wire.text, self.now_ns, self.now_ms)

    def post(self, wire: WireRequest, done: Callable[[Response | None], None]) -> None:
        """Sends a request over REST. `done` is called with the response, now or later; None: the connection ended."""
        self.market.rest.weights.used = 0
        headers = {name.lower(): text for name, text in wire.headers}
        raw = RawRequest(wire.method, wire.path, wire.query, headers)
        self.market.rest.answer(raw, self.now_ns, self.now_ms, done)

    def begin(self, kind: FaultKind, **keys: Any) -> None:
        """A fault begins now."""
        self._faults += 1
        scheduled = Scheduled(self._faults, Fault(kind, at_s=0.0, **keys), self.now_ns, default_rng(1))
        list(scheduled.begins(self.now_ns))
        self.market.trading.begin(scheduled, self.now_ns)
