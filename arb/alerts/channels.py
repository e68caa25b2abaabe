"""The ways of a message to a person: a webhook, and what Apprise knows. Blocking; each on a thread of its own.

No address is in a line that is returned, written or raised.
"""

from __future__ import annotations

import http.client
import importlib
import importlib.util
import json
import logging
import os
import re
import ssl
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from arb.alerts.message import ChannelAddress, body_of, title_of
from arb.errors import InputError
from connectors.net.hosts import LOOPBACK

#: How long connecting, and each read of an answer, may take.
_ANSWER_S = 5.0
#: Visible characters, without user and password.
_WEBHOOK = re.compile(r"(https?)://[A-Za-z0-9.:\[\]-]+(?:[/?][!-~]*)?", re.ASCII)
_MISSING = 'it needs Apprise: pip install "hftarb[alerts]"'


class Channel(Protocol):
    """One receiver. One thread."""

    def send(self, message: Mapping[str, Any]) -> str:
        """Sends it once; returns "" if the receiver has accepted it, else why not."""


def channel_of(address: ChannelAddress) -> Channel:
    """Raises InputError, without the address, if it cannot be used."""
    return Webhook(address.address) if address.kind == "webhook" else Apprise(address.address)


def check_address(address: ChannelAddress) -> None:
    """What can be said without loading anything. Raises InputError, without the address."""
    if address.kind == "webhook":
        _split(address.address)
    elif importlib.util.find_spec("apprise") is None:
        raise InputError(_MISSING)


class Webhook:
    """A POST of JSON for each message. Accepted is an answer 2xx; a redirect is not followed."""

    def __init__(self, address: str) -> None:
        """Raises InputError for what is no https:// address, or http:// of this machine."""
        self._is_secure, self._host, self._path = _split(address)

    def send(self, message: Mapping[str, Any]) -> str:
        """See `Channel`."""
        kind = http.client.HTTPSConnection if self._is_secure else http.client.HTTPConnection
        connection = kind(self._host, timeout=_ANSWER_S)
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(message["id"])}
        try:
            connection.request("POST", self._path, json.dumps(message).encode(), headers)
            status = connection.getresponse().status
        except Exception as error:  # a library's, whose text may have the address
            return _reason(error)
        finally:
            connection.close()
        return "" if 200 <= status < 300 else f"HTTP {status}"


class Apprise:
    """What the library of this name knows: Telegram, e-mail, and many more."""

    def __init__(self, address: str) -> None:
        """Raises InputError without the library, and for an address that it does not know."""
        try:
            apprise = importlib.import_module("apprise")
        except ImportError:
            raise InputError(_MISSING) from None
        # They write addresses into their lines.
        for name in ("apprise", "urllib3", "requests"):
            logging.getLogger(name).disabled = True
        # Without `storage_mode` it keeps files about addresses.
        self._service = apprise.Apprise(asset=apprise.AppriseAsset(storage_mode="memory"))
        try:
            is_known = self._service.add(address)
        except Exception:  # a library's, whose text may have the address
            is_known = False
        if not is_known:
            raise InputError("its variable holds no address that Apprise knows")

    def send(self, message: Mapping[str, Any]) -> str:
        """See `Channel`."""
        try:
            is_sent = self._service.notify(
                title=title_of(message), body=body_of(message), body_format="text", interpret_escapes=False
            )
        except Exception as error:  # a library's, whose text may have the address
            return _reason(error)
        return "" if is_sent else "it was not accepted"


def _split(address: str) -> tuple[bool, str, str]:
    """Whether it is https, the host with its port, and the path. Raises InputError."""
    found = _WEBHOOK.fullmatch(address)
    if found is None or (found[1] == "http" and not LOOPBACK.allows(address.partition("?")[0])):
        raise InputError(
            "its variable holds no https:// address (http:// only of this machine, as 127.0.0.1), or one with a user"
        )
    parts = urlsplit(address)
    return (
        parts.scheme == "https",
        parts.netloc,
        (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
    )


def _reason(error: Exception) -> str:
    """Why it failed, without what the error's own text may hold."""
    if isinstance(error, TimeoutError):
        return "no answer"
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and (error.errno or 0) > 0:
        return os.strerror(error.errno or 0)
    return type(error).__name__
