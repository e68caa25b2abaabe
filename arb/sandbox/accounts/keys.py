"""API keys of the sandbox's accounts: what each one is and may do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto


class KeyKind(Enum):
    """How requests are signed."""

    HMAC = auto()
    ED25519 = auto()


@dataclass
class ApiKey:
    """A key of one account at Binance (both markets) or Bybit (both categories)."""

    id: str
    #: "binance" or "bybit".
    house: str
    kind: KeyKind
    account: str
    #: Of HMAC.
    secret: bytes = b""
    #: Of Ed25519: 32 raw bytes.
    public_key: bytes = b""
    #: Binance: "read", "spot", "futures", "withdraw", "transfer", "margin". Bybit: its own words, such as "SpotTrade".
    permissions: frozenset[str] = frozenset()
    #: The only addresses that may use it; empty: any.
    ips: tuple[str, ...] = ()
    #: A fault revokes a key, for a time or for ever.
    is_revoked: bool = False


class KeyRing:
    """All keys, by house and id."""

    def __init__(self, keys: Iterable[ApiKey] = ()) -> None:
        self._keys = {(key.house, key.id): key for key in keys}

    def find(self, house: str, key_id: str) -> ApiKey | None:
        """The key, revoked ones included."""
        return self._keys.get((house, key_id))

    def of_account(self, account: str) -> list[ApiKey]:
        """All keys of an account, in the order in which they were given."""
        return [key for key in self._keys.values() if key.account == account]
