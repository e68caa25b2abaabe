"""Signatures of requests: HMAC-SHA256 in hex, or Ed25519 in base64. Pure; secrets appear in no text of these objects.

Sources: rest-api.md and faqs/api_key_types.md of binance-spot-api-docs (read 2026-07-21), Bybit's guide.mdx (read
2026-07-24).
"""

from __future__ import annotations

import base64
import hashlib
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)


class Signer(Protocol):
    """A key of an account."""

    @property
    def key_id(self) -> str:
        """The key as requests name it."""

    @property
    def logs_on(self) -> bool:
        """Whether a websocket may log on with it once, instead of signing each request."""

    def sign(self, payload: str) -> str:
        """The signature of a payload's UTF-8 bytes."""


class HmacSigner:
    """Signs with a shared secret; signatures are lower-case hex."""

    logs_on = False

    def __init__(self, key_id: str, secret: str) -> None:
        self.key_id = key_id
        # The states of the two hashes of an HMAC after their first blocks, which have the key alone (RFC 2104).
        block = _block_of(secret.encode())
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))
        # As a function, so that no text of this object's attributes has it.
        self._secret = lambda: secret

    def sign(self, payload: str) -> str:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(payload.encode())
        outer.update(inner.digest())
        return outer.hexdigest()

    def private(self) -> str:
        """The secret, for a process that signs with the same key."""
        return self._secret()

    def __repr__(self) -> str:
        return f"HmacSigner({shown_key(self.key_id)})"


class Ed25519Signer:
    """Signs with a private key; signatures are base64."""

    logs_on = True

    def __init__(self, key_id: str, pem: str, passphrase: str = "") -> None:
        """pem: the private key, PKCS#8; passphrase: of an encrypted one. Raises ValueError for any other; the message
        has nothing of it."""
        self.key_id = key_id
        is_encrypted = "ENCRYPTED" in pem
        if is_encrypted and not passphrase:
            raise ValueError("an encrypted PEM, and there is no passphrase")
        if passphrase and not is_encrypted:
            raise ValueError("a PEM that is not encrypted, and there is a passphrase")
        if "PUBLIC KEY" in pem:
            raise ValueError("a public key in PEM form; the private one signs")
        try:
            key = load_pem_private_key(pem.encode(), passphrase.encode() or None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            if is_encrypted:
                raise ValueError("an encrypted PEM that the passphrase does not open") from None
            raise ValueError("no Ed25519 private key in PEM form") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("a PEM with a key of another kind than Ed25519")
        self._key = key

    def sign(self, payload: str) -> str:
        return base64.b64encode(self._key.sign(payload.encode())).decode()

    def private(self) -> str:
        """The private key as PEM, not encrypted, for a process that signs with the same key."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def __repr__(self) -> str:
        return f"Ed25519Signer({shown_key(self.key_id)})"


def _block_of(key: bytes) -> bytes:
    """A key as one block of SHA-256."""
    size = hashlib.sha256().block_size
    return (hashlib.sha256(key).digest() if len(key) > size else key).ljust(size, b"\0")


def shown_key(key_id: str) -> str:
    """A key as messages name it: its last four characters."""
    return f"...{key_id[-4:]}" if len(key_id) > 8 else "..."
