"""API keys of the sandbox's accounts: what each one is and may do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum, auto
from hashlib import sha256
from string import ascii_letters, digits
from typing import NamedTuple

#: What a key may do by default, in the words of `ApiKey.permissions`: to trade everything.
BINANCE_PERMISSIONS = frozenset(("read", "spot", "futures"))
BYBIT_PERMISSIONS = frozenset(("Order", "Position", "SpotTrade"))
#: All that a key can have, with withdrawals and transfers, which are reported and not served.
BINANCE_RIGHTS = BINANCE_PERMISSIONS | {"withdraw", "transfer", "margin"}
BYBIT_RIGHTS = BYBIT_PERMISSIONS | {"Withdraw", "AccountTransfer", "SubMemberTransfer"}
_CHARS = ascii_letters + digits


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
    """All keys, by house and id: copies, which a fault may revoke."""

    def __init__(self, keys: Iterable[ApiKey] = ()) -> None:
        self._keys = {(key.house, key.id): replace(key) for key in keys}

    def find(self, house: str, key_id: str) -> ApiKey | None:
        """The key, revoked ones included."""
        return self._keys.get((house, key_id))

    def of_account(self, account: str) -> list[ApiKey]:
        """All keys of an account, in the order in which they were given."""
        return [key for key in self._keys.values() if key.account == account]


class TestKey(NamedTuple):
    """A key with what its owner signs with."""

    key: ApiKey
    #: The HMAC secret, or the Ed25519 private key as PEM (PKCS #8).
    private: str

    @property
    def shown(self) -> dict[str, str]:
        """What a client needs: house ("binance" or "bybit"), kind ("hmac" or "ed25519"), id, private."""
        return {
            "house": self.key.house,
            "kind": self.key.kind.name.lower(),
            "id": self.key.id,
            "private": self.private,
        }


def test_keys(seed: int, account: str = "main") -> list[TestKey]:  # noqa: PT028 (no test)
    """An HMAC and an Ed25519 key of an account at Binance, and an HMAC key at Bybit, which may do everything.

    The same seed makes the same keys: they are for the sandbox only.
    """
    return [
        _hmac_key(seed, account, "binance", 64, 64, BINANCE_PERMISSIONS),
        _ed25519_key(seed, account),
        _hmac_key(seed, account, "bybit", 18, 36, BYBIT_PERMISSIONS),
    ]


test_keys.__test__ = False  # type: ignore[attr-defined]  # not a test of pytest's
TestKey.__test__ = False  # type: ignore[attr-defined]


def _hmac_key(
    seed: int, account: str, house: str, id_chars: int, secret_chars: int, permissions: frozenset[str]
) -> TestKey:
    secret = _text(f"{seed} {account} {house} hmac secret", secret_chars)
    key = ApiKey(
        _text(f"{seed} {account} {house} hmac", id_chars),
        house,
        KeyKind.HMAC,
        account,
        secret=secret.encode(),
        permissions=permissions,
    )
    return TestKey(key, secret)


def _ed25519_key(seed: int, account: str) -> TestKey:
    # Imported here: it takes 40 ms, and market data need no keys.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    own = Ed25519PrivateKey.from_private_bytes(sha256(f"{seed} {account} ed25519".encode()).digest())
    key = ApiKey(
        _text(f"{seed} {account} binance ed25519", 64),
        "binance",
        KeyKind.ED25519,
        account,
        public_key=own.public_key().public_bytes_raw(),
        permissions=BINANCE_PERMISSIONS,
    )
    private = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return TestKey(key, private.decode())


def _text(what: str, count: int) -> str:
    """Letters and digits derived from a text."""
    noise = b"".join(sha256(f"{what} {no}".encode()).digest() for no in range(-(-count // 32)))
    return "".join(_CHARS[byte % len(_CHARS)] for byte in noise[:count])
