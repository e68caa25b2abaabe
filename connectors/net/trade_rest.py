"""Signed REST requests to one venue with aiohttp: the bytes as they were signed, each at most once.

Queues, deadlines and weights are the caller's. Event loop's thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import aiohttp
from yarl import URL

from connectors.net.hosts import AllowedHosts, check_host
from connectors.net.interfaces import RestAnswer
from connectors.net.rest import read_answer
from connectors.orders.model import WireRequest

#: Errors before the first byte of a request is written.
_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


class HttpTradeRest:
    """REST client of one venue's orders and account. Connections are kept open between requests."""

    def __init__(self, base_url: str, hosts: AllowedHosts, timeout_s: float = 10.0) -> None:
        """`base_url` without path; `timeout_s` for a whole request. Raises HostRefusedError."""
        check_host(base_url, hosts)
        self._base_url = base_url.rstrip("/")
        self._hosts = hosts
        # Connecting has a shorter time: that it failed is certain then.
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=timeout_s / 2)
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, request: WireRequest, done: Callable[[RestAnswer], None]) -> None:
        """See `TradeRest`; `done` is called unless the client is closed before. Raises HostRefusedError."""
        url = self._base_url + request.path + (f"?{request.query}" if request.query else "")
        check_host(url, self._hosts)
        task = asyncio.get_running_loop().create_task(self._send(url, request, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancels pending requests and closes all connections."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _send(self, url: str, request: WireRequest, done: Callable[[RestAnswer], None]) -> None:
        sent_ts = time.time_ns()
        try:
            answer = await self._answer(url, request, sent_ts)
        except Exception as error:  # task root: the caller must get an end, or waits forever
            was_sent = not isinstance(error, _NOT_SENT)
            text = str(error) or type(error).__name__
            answer = RestAnswer(0, b"", sent_ts, time.time_ns(), error=text, was_sent=was_sent)
        done(answer)

    async def _answer(self, url: str, request: WireRequest, sent_ts: int) -> RestAnswer:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, trust_env=False)
            # By default aiohttp sends a PUT or DELETE again whose connection broke: a cancel or an amend, twice.
            self._session._retry_connection = False  # noqa: SLF001
        async with self._session.request(
            request.method,
            URL(url, encoded=True),
            headers=request.headers,
            data=request.body or None,
            allow_redirects=False,
        ) as response:
            return await read_answer(response, sent_ts)
