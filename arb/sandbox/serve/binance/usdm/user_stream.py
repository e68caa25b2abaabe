"""Connections to USD-M's user data: `/private/ws/KEY`, `/private/ws?listenKey=KEY`, `/private/stream`. Pure.

A key is a stream name: a connection may subscribe to several, and to keys that are not valid, without data.
Sources: USDⓈ-M "Important WebSocket Change Notice" (read 2026-10-23), and Binance's connector 18.0.1, which subscribes
to the key on `/private/stream`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from arb.sandbox.serve.binance.api import Api
from arb.sandbox.serve.binance.session import BinanceSession
from arb.sandbox.serve.binance.usdm.events import listen_key_expired
from arb.sandbox.serve.binance.usdm.listen_keys import ListenKey, ListenKeys
from arb.sandbox.serve.per_event import PerEvent
from arb.sandbox.serve.rest import json_text
from arb.sandbox.serve.session import Opening, Traffic
from arb.sandbox.trading.events import Event

#: The prefix of the paths.
PRIVATE = "/private/"


class UserStream(BinanceSession):
    """One connection."""

    def __init__(
        self, api: Api, keys: ListenKeys, texts: PerEvent[list[tuple[str, str]]], opening: Opening
    ) -> None:
        """texts: see `event_texts`. Raises RouteError for a path that is none of the module's."""
        path = opening.path.removeprefix(PRIVATE.rstrip("/"))
        super().__init__(api.venue, path, opening.query, 0)
        self._api = api
        self._keys = keys
        self._texts = texts
        #: Names of the events that are delivered; empty: all.
        self._wanted = frozenset(filter(None, opening.query.get("events", "").split("/")))
        self._ends: dict[str, Callable[[], None]] = {}
        if listen_key := opening.query.get("listenKey"):
            self.names[listen_key] = None
        for name in self.names:
            self._attach(name)

    def delivers(self, name: str) -> bool:
        """See `Session`: no streams of the market."""
        return False

    def carries(self, what: Traffic) -> bool:
        """See `Session`."""
        return what == "user"

    def expire_user_data(self, now_ns: int) -> None:
        """See `Session`: the keys of this connection expire, also for others."""
        for key in [self._keys.find(name) for name in self._ends]:
            if key is not None:
                self._keys.expire(key.account, now_ns)

    def subscribe(self, names: Iterable[str]) -> list[str]:
        added = super().subscribe(names)
        for name in added:
            self._attach(name)
        return added

    def unsubscribe(self, names: Iterable[str]) -> list[str]:
        removed = super().unsubscribe(names)
        for name in removed:
            self._detach(name)
        return removed

    def closed(self) -> None:
        for name in list(self._ends):
            self._detach(name)

    def _attach(self, name: str) -> None:
        key = self._keys.find(name)
        if key is None:
            return

        def deliver(event: Event) -> None:
            if self._keys.is_valid(key):
                for kind, text in self._texts.of(event):
                    self._send(name, kind, text)

        def expire(at_ns: int) -> None:
            row = listen_key_expired(name, self._api.exchange.venue_ms(at_ns))
            self._send(name, row["e"], json_text(row))
            self._detach(name)

        end = self._api.trading.listen(self._api.venue, key.account, deliver)
        key.watchers.append(expire)
        self._ends[name] = _both(end, key, expire)

    def _detach(self, name: str) -> None:
        end = self._ends.pop(name, None)
        if end is not None:
            end()

    def _send(self, name: str, kind: str, text: str) -> None:
        if not self._wanted or kind in self._wanted:
            self.send(f'{{"stream":"{name}","data":{text}}}' if self.is_combined else text)


def _both(end: Callable[[], None], key: ListenKey, watcher: Callable[[int], None]) -> Callable[[], None]:
    def both() -> None:
        end()
        if watcher in key.watchers:
            key.watchers.remove(watcher)

    return both
