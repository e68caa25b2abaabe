"""Listen keys of USD-M: one per account, valid for 60 minutes after it was last asked for or extended. Pure.

Sources: the saved pages of "User Data Streams" (openxapi e2791e4, read 2025-11).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from arb.sandbox.serve.binance.api import Act, Api, Call, Operation, Security
from arb.sandbox.serve.binance.errors import ApiError
from connectors.units import MINUTE

VALID_NS = 60 * MINUTE


@dataclass
class ListenKey:
    """A key. `watchers` are called with the time when it expires."""

    text: str
    account: str
    expires_ns: int
    watchers: list[Callable[[int], None]] = field(default_factory=list)


class ListenKeys:
    """The keys of all accounts."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._by_account: dict[str, ListenKey] = {}
        self._made = 0

    def start(self, account: str, now_ns: int) -> ListenKey:
        """The account's key, extended; a new one if it has none."""
        key = self._valid(account, now_ns)
        if key is None:
            self._made += 1
            text = "".join(self._api.trading.uuid(f"listen key {part}", self._made) for part in "ab")
            key = self._by_account[account] = ListenKey(text.replace("-", ""), account, now_ns + VALID_NS)
            self._expire_later(key, now_ns)
        key.expires_ns = now_ns + VALID_NS
        return key

    def keep(self, account: str, now_ns: int) -> ListenKey:
        """Extends the account's key. Raises ApiError if it has none."""
        key = self._valid(account, now_ns)
        if key is None:
            raise ApiError(-1125, "This listenKey does not exist.")
        key.expires_ns = now_ns + VALID_NS
        return key

    def stop(self, account: str) -> None:
        """Ends the account's key: its streams send nothing any more."""
        key = self._by_account.pop(account, None)
        if key is not None:
            key.watchers.clear()

    def find(self, text: str) -> ListenKey | None:
        """The valid key with this text."""
        return next((key for key in self._by_account.values() if key.text == text), None)

    def expire(self, account: str, now_ns: int) -> None:
        """Ends a key now, as its time does."""
        key = self._by_account.pop(account, None)
        if key is not None:
            for watcher in list(key.watchers):
                watcher(now_ns)

    def is_valid(self, key: ListenKey) -> bool:
        """Whether a key was neither stopped nor expired."""
        return self._by_account.get(key.account) is key

    def _valid(self, account: str, now_ns: int) -> ListenKey | None:
        key = self._by_account.get(account)
        return None if key is None or now_ns >= key.expires_ns else key

    def _expire_later(self, key: ListenKey, now_ns: int) -> None:
        """Looks at the key again when its time, as of now, is over."""

        def look(at_ns: int) -> None:
            if not self.is_valid(key):
                return
            if at_ns >= key.expires_ns:
                self.expire(key.account, at_ns)
            else:
                self._expire_later(key, at_ns)

        self._api.trading.at(max(now_ns + 1, key.expires_ns), look, lambda: self.is_valid(key))


def listen_key_operations(keys: ListenKeys) -> dict[str, Operation]:
    """By method of the websocket API."""

    def start(call: Call) -> Act:
        return lambda at_ns: {"listenKey": keys.start(call.account, at_ns).text}

    def keep(call: Call) -> Act:
        return lambda at_ns: {"listenKey": keys.keep(call.account, at_ns).text}

    def stop(call: Call) -> Act:
        def act(_: int) -> Any:
            keys.stop(call.account)
            return {}

        return act

    # Some clients send the key, which is the account's only one.
    return {
        f"userDataStream.{name}": Operation(run, 1, Security.KEY, "listenKey")
        for name, run in (("start", start), ("ping", keep), ("stop", stop))
    }
