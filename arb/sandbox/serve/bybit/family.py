"""Bybit spot and linear in the server. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from arb.sandbox.events import Listing
from arb.sandbox.serve.bybit.instrument import BybitInstrument
from arb.sandbox.serve.bybit.rest import BybitRest
from arb.sandbox.serve.bybit.session import BybitSession
from arb.sandbox.serve.exchange import Exchange, Family
from arb.sandbox.serve.limits import Limits
from arb.sandbox.serve.rest import Facts
from arb.sandbox.serve.session import RouteError
from arb.sandbox.serve.tape import Tape

_TOPIC = '"topic":"'


class BybitFamily(Family):
    """Bybit spot or linear."""

    has_snapshots = False

    def __init__(self, venue: str) -> None:
        super().__init__(venue)
        self._category = venue.removeprefix("bybit_")

    def key_of(self, text: str) -> str:
        start = text.find(_TOPIC, 0, 64)
        if start < 0:
            return ""
        start += len(_TOPIC)
        return text[start : text.index('"', start)]

    def symbol_of(self, key: str) -> str:
        return key.rpartition(".")[2]

    def instrument(self, no: int, listing: Listing, tape: Tape) -> BybitInstrument:
        return BybitInstrument(no, listing, tape)

    def rest(self, exchange: Exchange, facts: Mapping[str, Facts], limits: Limits) -> BybitRest:
        return BybitRest(exchange, facts, limits)

    def depth_request(self, symbol: str) -> tuple[str, dict[str, str]]:
        return "/v5/market/orderbook", {"symbol": symbol, "limit": "1000", "category": self._category}

    def session(
        self, exchange: Exchange, path: str, query: dict[str, str], limits: Limits, connection_no: int
    ) -> BybitSession:
        path = path.rstrip("/")
        if path not in (f"/v5/public/{self._category}", "/v5/private", "/v5/trade"):
            raise RouteError(f"no streams at {path}; this address serves /v5/public/{self._category}")
        return BybitSession(
            self.venue,
            f"{connection_no:08x}-5a4d-4b0c-8e5f-{connection_no:012x}",
            exchange.instruments.__contains__,
            limits,
            is_private=not path.startswith("/v5/public/"),
        )
