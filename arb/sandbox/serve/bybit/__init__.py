"""Bybit in the server: its family of venues here; sessions, REST and the state of its instruments beside. Pure."""

from __future__ import annotations

from dataclasses import replace

from arb.sandbox.serve.bybit.account_session import AccountSession
from arb.sandbox.serve.bybit.instrument import BybitInstrument
from arb.sandbox.serve.bybit.private_session import PrivateSession
from arb.sandbox.serve.bybit.rest import BybitRest
from arb.sandbox.serve.bybit.session import BybitSession
from arb.sandbox.serve.bybit.side import side_of
from arb.sandbox.serve.bybit.trade_session import TradeSession
from arb.sandbox.serve.exchange import Exchange, Family, Rest
from arb.sandbox.serve.limits import Limits
from arb.sandbox.serve.raw_request import RawRequest
from arb.sandbox.serve.session import Opening, RouteError, Session

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

    def session(self, exchange: Exchange, rest: Rest, opening: Opening, limits: Limits) -> Session:
        path = opening.path.rstrip("/")
        connection_id = f"{opening.no:08x}-5a4d-4b0c-8e5f-{opening.no:012x}"
        side = side_of(exchange, limits)
        if side is not None and path in ("/v5/private", "/v5/trade"):
            kind: type[AccountSession] = PrivateSession if path == "/v5/private" else TradeSession
            alive = replace(limits, idle_s=_idle_s(opening.query.get("max_active_time", ""), limits.idle_s))
            return kind(side, exchange.venue_ms, connection_id, opening.client_ip, alive)
        if path not in (f"/v5/public/{self._category}", "/v5/private", "/v5/trade"):
            raise RouteError(f"no streams at {path}; this address serves /v5/public/{self._category}")
        return BybitSession(
            self.venue,
            connection_id,
            exchange.instruments.__contains__,
            limits,
            is_private=not path.startswith("/v5/public/"),
        )


def _idle_s(text: str, usual_s: float) -> float:
    """`max_active_time`, such as 30s or 2m, of 30 s to 10 minutes; another text is ignored."""
    number, unit = text[:-1], text[-1:]
    if not (number.isascii() and number.isdigit() and unit in ("s", "m") and len(number) <= 4):
        return usual_s
    seconds = int(number) * (60 if unit == "m" else 1)
    return float(seconds) if 30 <= seconds <= 600 else usual_s
