"""Binance in the server: its family of venues here; sessions, REST and the state of its instruments beside. Pure."""

from __future__ import annotations

from arb.sandbox.events import Listing
from arb.sandbox.serve.binance.frames import combined_of_raw, key_of_combined, raw_of
from arb.sandbox.serve.binance.instrument import BinanceInstrument
from arb.sandbox.serve.binance.rest import BinanceRest
from arb.sandbox.serve.binance.session import BinanceSession
from arb.sandbox.serve.exchange import Exchange, Family, Rest
from arb.sandbox.serve.limits import Limits
from arb.sandbox.serve.raw_request import RawRequest
from arb.sandbox.serve.session import Opening, Session


class BinanceFamily(Family):
    """Binance spot or USD-M."""

    instrument = BinanceInstrument
    rest = BinanceRest
    has_snapshots = True

    def key_of(self, text: str) -> str:
        return key_of_combined(text)

    def symbol_of(self, key: str) -> str:
        return key.partition("@")[0].upper()

    def recorded(self, listing: Listing, text: str) -> tuple[str, str]:
        key = key_of_combined(text)
        return (key, text) if key else combined_of_raw(listing.symbol.lower(), text)

    def form(self, text: str, key: str, name: str, is_combined: bool) -> str:
        if not is_combined:
            return raw_of(text, key)
        return text if name == key else f'{{"stream":"{name}","data":{raw_of(text, key)}}}'

    def depth_request(self, symbol: str) -> RawRequest:
        path = "/api/v3/depth" if self.venue == "binance_spot" else "/fapi/v1/depth"
        return RawRequest("GET", path, f"symbol={symbol}&limit=1000")

    def session(self, exchange: Exchange, rest: Rest, opening: Opening, limits: Limits) -> Session:
        market = rest.market if isinstance(rest, BinanceRest) else None
        if market is not None and opening.path == market.ws_path:
            return market.connect(opening)
        if market is not None and market.user_stream is not None and opening.path.startswith("/private/"):
            return market.user_stream(opening)
        return BinanceSession(self.venue, opening.path, opening.query, limits.streams_max)
