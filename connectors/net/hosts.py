"""Which hosts may be connected to. Pure.

An allow-list over the whole address as text, before anything is resolved: what a library would make of a strange
address (user names, backslashes, other spellings of an IP address) does not matter, since only one plain form passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol

from connectors.errors import HostRefusedError
from connectors.net.interfaces import Connection, ConnectionListener, Transport

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
#: Scheme, an address of this machine as a literal, a port, and a path of visible characters without a backslash.
_LOOPBACK_URL = re.compile(
    rf"(?:http|https|ws|wss)://(?:127(?:\.{_OCTET}){{3}}|\[::1\])(?::\d{{1,5}})?(?:/[!-\[\]-~]*)?", re.ASCII
)
_NAME = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
#: An address that may be listed: scheme, host, port and path, and nothing else.
_PLAIN_URL = re.compile(
    rf"(?P<scheme>http|https|ws|wss)://(?P<host>{_NAME}(?:\.{_NAME})*|\[::1\])(?::\d{{1,5}})?(?P<path>/[!-\[\]-~]*)?",
    re.ASCII,
)
#: What may follow a listed address.
_BELOW = re.compile(r"(?:[/?][!-\[\]-~]*)?", re.ASCII)
_LOCAL_NAMES = frozenset({"localhost", "[::1]"})


class AllowedHosts(Protocol):
    """Decides which addresses may be connected to."""

    def allows(self, url: str) -> bool:
        """Whether `url`, complete with scheme, may be connected to."""


class _Loopback:
    """Addresses of this machine, as literals: 127.0.0.0/8 and ::1. Names are refused, since they must be resolved."""

    def allows(self, url: str) -> bool:
        return _LOOPBACK_URL.fullmatch(url) is not None


LOOPBACK: AllowedHosts = _Loopback()


class ListedHosts:
    """Exactly the listed addresses, and what is below their paths: a venue's market data may be allowed without its
    orders on the same host. Only addresses of this machine may omit TLS.
    """

    def __init__(self, addresses: Iterable[str]) -> None:
        """Raises ValueError for an address that is not plain: scheme, host in lower case, port, path."""
        #: Host names, without ports.
        self.names = frozenset(map(_host_of, addresses := list(addresses)))
        self._addresses = tuple(dict.fromkeys(address.rstrip("/") for address in addresses))

    def allows(self, url: str) -> bool:
        return any(
            url.startswith(address) and _is_below(url[len(address) :], has_path=address.count("/") > 2)
            for address in self._addresses
        )

    def __repr__(self) -> str:
        return f"ListedHosts({', '.join(sorted(self.names))})"


def _host_of(address: str) -> str:
    plain = _PLAIN_URL.fullmatch(address)
    if plain is None or not _is_below(plain["path"] or "", has_path=True):
        raise ValueError(f"{address}: not a plain address of a host, a port and a path")
    host = plain["host"]
    if plain["scheme"] in ("http", "ws") and host not in _LOCAL_NAMES and not LOOPBACK.allows(address):
        raise ValueError(f"{address}: only addresses of this machine may omit TLS")
    return host.strip("[]")


def _is_below(rest: str, *, has_path: bool) -> bool:
    """Whether what follows an address stays below its path, however servers read dots."""
    path = rest.partition("?")[0].lower()
    return (
        _BELOW.fullmatch(rest) is not None
        and "#" not in rest
        and not (has_path and ("/.." in path or "%2e" in path or "%2f" in path))
    )


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
