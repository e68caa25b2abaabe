"""Which hosts may be connected to. Pure.

An allow-list over the whole address as text, before anything is resolved: what a library would make of a strange
address (user names, backslashes, other spellings of an IP address) does not matter, since only one plain form passes.
"""

from __future__ import annotations

import re
from typing import Protocol

from connectors.errors import HostRefusedError
from connectors.net.interfaces import Connection, ConnectionListener, Transport

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
#: Scheme, an address of this machine as a literal, a port, and a path of visible characters without a backslash.
_LOOPBACK_URL = re.compile(
    rf"(?:http|https|ws|wss)://(?:127(?:\.{_OCTET}){{3}}|\[::1\])(?::\d{{1,5}})?(?:/[!-\[\]-~]*)?", re.ASCII
)


class AllowedHosts(Protocol):
    """Decides which addresses may be connected to."""

    def allows(self, url: str) -> bool:
        """Whether `url`, complete with scheme, may be connected to."""


class _Loopback:
    """Addresses of this machine, as literals: 127.0.0.0/8 and ::1. Names are refused, since they must be resolved."""

    def allows(self, url: str) -> bool:
        return _LOOPBACK_URL.fullmatch(url) is not None


LOOPBACK: AllowedHosts = _Loopback()


def check_host(url: str, hosts: AllowedHosts) -> None:
    """Raises HostRefusedError if `url` may not be connected to."""
    if not hosts.allows(url):
        raise HostRefusedError(f"{url}: this host may not be connected to")


class GuardedTransport:
    """A transport that connects to allowed hosts only."""

    def __init__(self, transport: Transport, hosts: AllowedHosts) -> None:
        self._transport = transport
        self._hosts = hosts

    def connect(self, url: str, listener: ConnectionListener) -> Connection:
        """See `Transport`. Raises HostRefusedError before anything is started."""
        check_host(url, self._hosts)
        return self._transport.connect(url, listener)
