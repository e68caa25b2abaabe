"""The HTTP session in which ccxt runs: it connects to the environment's hosts and no other. Event loop's thread.

ccxt knows the addresses of every API of a venue. One that was forgotten in its table fails here twice: the address is
not allowed, and its name is not resolved.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from connectors.net.hosts import AllowedHosts, check_host

log = logging.getLogger(__name__)


class OnlyHosts(AbstractResolver):
    """Resolves the names of these addresses; refuses others before anything is asked."""

    def __init__(self, urls: Iterable[str]) -> None:
        self._names = frozenset(urlsplit(url).hostname or "" for url in urls)
        self._resolver: ThreadedResolver | None = None

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if host not in self._names:
            raise OSError(f"{host}: this host may not be connected to")
        if self._resolver is None:
            self._resolver = ThreadedResolver()
        return await self._resolver.resolve(host, port, family)

    async def close(self) -> None:
        if self._resolver is not None:
            await self._resolver.close()


class GuardedSession:
    """The methods of aiohttp's session that ccxt calls. Follows no redirect, reads no proxy of the environment."""

    def __init__(self, urls: Iterable[str], hosts: AllowedHosts) -> None:
        """urls: base addresses of the environment; hosts: decides about each whole address."""
        self._urls = tuple(urls)
        self._hosts = hosts
        self._session: aiohttp.ClientSession | None = None
        #: ccxt adds them to every request.
        self.headers: dict[str, str] = {}

    def get(self, url: Any, **options: Any) -> Any:
        return self._request("GET", url, options)

    def post(self, url: Any, **options: Any) -> Any:
        return self._request("POST", url, options)

    def put(self, url: Any, **options: Any) -> Any:
        return self._request("PUT", url, options)

    def delete(self, url: Any, **options: Any) -> Any:
        return self._request("DELETE", url, options)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _request(self, method: str, url: Any, options: dict[str, Any]) -> Any:
        """Raises HostRefusedError."""
        check_host(str(url), self._hosts)
        parts = urlsplit(str(url))  # without the query, which has the signature
        log.debug("request method=%s host=%s path=%s", method, parts.hostname, parts.path)
        if self._session is None:
            connector = aiohttp.TCPConnector(resolver=OnlyHosts(self._urls))
            self._session = aiohttp.ClientSession(connector=connector, trust_env=False)
            # By default aiohttp sends a PUT or DELETE again whose connection broke.
            self._session._retry_connection = False  # noqa: SLF001
        return self._session.request(method, url, **{**options, "proxy": None, "allow_redirects": False})
