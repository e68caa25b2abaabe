"""A Binance market with accounts, without sockets: requests in, answers and events out, on a clock of the test."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from numpy.random import default_rng

from arb.sandbox.accounts.keys import KeyKind, TestKey, test_keys
from arb.sandbox.accounts.rules import Facts
from arb.sandbox.serve.binance.rest import BinanceRest
from arb.sandbox.serve.exchange import Exchange
from arb.sandbox.serve.limits import LIMITS
from arb.sandbox.serve.raw_request import RawRequest
from arb.sandbox.serve.rest import Response
from arb.sandbox.serve.seeded import SeededTape
from arb.sandbox.serve.session import Opening
from arb.sandbox.serve.trading import trading_of
from arb.sandbox.serve.venues import FAMILIES
from arb.sandbox.trading.setup import TradingSetup, usual_account
from connectors.units import MILLISECOND as MS
from connectors.units import SECOND as S
from support.simulated import LISTINGS, PRICES, START_NS

_STEP_NS = 20 * MS
HMAC, ED25519, _ = test_keys(7)
OTHER = test_keys(7, "other")[0]


def signature(key: TestKey, payload: str) -> str:
    """What the owner of the key makes of a payload."""
    if key.key.kind is KeyKind.HMAC:
        return hmac.new(key.private.encode(), payload.encode(), hashlib.sha256).hexdigest()
    private = load_pem_private_key(key.private.encode(), None)
    return base64.b64encode(private.sign(payload.encode())).decode()  # type: ignore[call-arg,union-attr]


class Answer(NamedTuple):
    """A REST response."""

    status: int
    body: Any
    headers: dict[str, str]


class Socket:
    """A connection to the websocket API, which signs requests."""

    def __init__(self, market: BinanceMarket, path: str, query: dict[str, str]) -> None:
        self._market = market
        opening = Opening(path, query, "127.0.0.1", 1, market.now_ns // MS)
        self.session = FAMILIES[market.venue].session(
            market.exchange, market.rest, opening, LIMITS[market.venue]
        )
        self.texts: list[str] = []
        self.session.send = self.texts.append
        self._no = 0

    def send(self, method: str, **params: Any) -> None:
        """Sends a request as it is."""
        self._no += 1
        message = {"id": self._no, "method": method, "params": params}
        self.session.receive(json.dumps(message), self._market.now_ns, self._market.now_ns // MS)

    def signed(self, key: TestKey, params: dict[str, Any]) -> dict[str, Any]:
        """The parameters with key, time and signature."""
        full = {"apiKey": key.key.id, "timestamp": self._market.now_ns // MS, **params}
        payload = "&".join(f"{name}={value}" for name, value in sorted(full.items()))
        return full | {"signature": signature(key, payload)}

    def ask(self, method: str, key: TestKey | None = HMAC, **params: Any) -> Any:
        """The answer to a signed request; events wait in `texts`."""
        full = self.signed(key, params) if key is not None else params
        self.send(method, **full)
        for number, text in enumerate(self.texts):
            answer = json.loads(text)
            if answer.get("id", 0) == self._no:
                del self.texts[number]
                return answer
        raise AssertionError(f"no answer to {method}: {self.texts}")

    def events(self) -> list[Any]:
        """The events that have arrived, without their envelopes."""
        texts, self.texts[:] = list(self.texts), []
        return [json.loads(text)["event"] for text in texts]


class BinanceMarket:
    """See the module."""

    def __init__(self, venue: str = "binance_spot", setup: TradingSetup | None = None) -> None:
        listing = LISTINGS[venue]
        tape = SeededTape([listing], PRICES, default_rng(1), START_NS)
        facts = {(venue, listing.symbol): Facts("0.00001", "5")}
        if setup is None:
            accounts = (usual_account(), usual_account("other"))
            setup = TradingSetup(accounts, (HMAC.key, ED25519.key, OTHER.key))
        self.venue = venue
        self.now_ns = START_NS
        self.trading = trading_of(setup, 7, default_rng(7))(tape, facts, START_NS, LIMITS)
        self.exchange = Exchange(FAMILIES[venue], tape, trading=self.trading)
        self.rest = BinanceRest(self.exchange, {listing.symbol: facts[venue, listing.symbol]}, LIMITS[venue])
        self._tape = tape
        self.advance(1.0)

    def advance(self, seconds: float) -> None:
        """Moves the clock, in steps as the server does."""
        end_ns = self.now_ns + round(seconds * S)
        while self.now_ns < end_ns:
            self.now_ns = min(end_ns, self.now_ns + _STEP_NS)
            for line in self._tape.advance(self.now_ns):
                self.trading.advance(line.send_ns)
                self.trading.receive(line, line.send_ns)
                self.exchange.by_no[line.no].follow(line)
            self.trading.advance(self.now_ns)

    def touch(self) -> tuple[Any, Any]:
        """Best bid and ask."""
        return self.trading.desks[self.venue].instruments["BTCUSDT"].touch()

    def send(self, raw: RawRequest) -> Answer:
        """The answer to a request as it is."""
        found: list[Response | None] = []
        self.rest.answer(raw, self.now_ns, self.now_ns // MS, found.append)
        if not found:
            self.advance(1.0)
        (response,) = found
        assert response is not None
        is_json = response.body.startswith(("{", "["))
        return Answer(
            response.status, json.loads(response.body) if is_json else response.body, response.headers
        )

    def ask(self, method: str, path: str, key: TestKey | None = HMAC, **params: Any) -> Answer:
        """The answer to a signed request, whose parameters are in the query."""
        if key is None:
            return self.send(RawRequest(method, path, urlencode(params)))
        query = urlencode({"timestamp": self.now_ns // MS, **params})
        signed = f"{query}&signature={quote(signature(key, query), safe='')}"
        return self.send(RawRequest(method, path, signed, {"x-mbx-apikey": key.key.id}))

    def connect(self, path: str = "/ws-api/v3", **query: str) -> Socket:
        """A connection to the websocket API."""
        return Socket(self, path, query)
