"""Bybit in the server: its family of venues here; sessions, REST and the state of its instruments beside. Pure."""

from __future__ import annotations

from arb.sandbox.serve.bybit.instrument import BybitInstrument
from arb.sandbox.serve.bybit.rest import BybitRest
from arb.sandbox.serve.bybit.session import BybitSession
from arb.sandbox.serve.exchange import Exchange, Family, Rest
from arb.sandbox.serve.limits import Limits
from arb.sandbox.serve.raw_request import RawRequest
from arb.sandbox.serve.session import Opening, RouteError

_TOPIC = '"topic":"'


class BybitFamily(Family):
    """Bybit spot or linear."""

    instrument = BybitInstrument
    rest = BybitRest
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

    def depth_request(self, symbol: str) -> RawRequest:
        query = f"symbol={symbol}&limit=1000&category={self._category}"
        return RawRequest("GET", "/v5/market/orderbook", query)

    def session(self, exchange: Exchange, rest: Rest, opening: Opening, limits: Limits) -> BybitSession:
        path = opening.path.rstrip("/")
        if path not in (f"/v5/public/{self._category}", "/v5/private", "/v5/trade"):
            raise RouteError(f"no streams at {path}; this address serves /v5/public/{self._category}")
        return BybitSession(
            self.venue,
            f"{opening.no:08x}-5a4d-4b0c-8e5f-{opening.no:012x}",
            exchange.instruments.__contains__,
            limits,
            is_private=not path.startswith("/v5/public/"),
        )
