"""Public REST requests to one venue with aiohttp. Weights and retries are the caller's. Event loop's thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import aiohttp

from connectors.model import RestRequest
from connectors.net.hosts import AllowedHosts, check_host
from connectors.net.interfaces import RestAnswer
from connectors.units import SECOND

#: A longer response is an error.
BODY_BYTES_MAX = 32 << 20
#: Most concurrent requests; further ones wait.
REQUESTS_MAX = 16
#: How headers begin that say what is used of limits on requests.
_LIMIT_HEADERS = ("x-mbx-used-weight-", "x-mbx-order-count-", "x-bapi-limit")


class HttpRest:
    """REST client of one venue. Connections are kept open between requests."""

    def __init__(self, base_url: str, timeout_s: float = 10.0, hosts: AllowedHosts | None = None) -> None:
        """`base_url` without path; `timeout_s` for a whole request, from sending to the last byte.

        hosts: None: any. Requests to others raise HostRefusedError.
        """
        self._hosts = hosts
        self._base_url = base_url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(REQUESTS_MAX)

    def get(self, request: RestRequest, done: Callable[[RestAnswer], None]) -> None:
        """Sends the request in its own task; `done` is called once, unless the client is closed before."""
        self._check(request)
        task = asyncio.get_running_loop().create_task(self._get(request, done))
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

    async def ask(self, request: RestRequest) -> RestAnswer:
        """Returns the response or the error; raises only when cancelled, or for a host that is not allowed."""
        self._check(request)
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        async with self._slots:
            sent_ts = time.time_ns()
            try:
                return await self._ask(self._session, request, sent_ts)
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                text = str(error) or type(error).__name__
                return RestAnswer(0, b"", sent_ts, time.time_ns(), error=text)

    def _check(self, request: RestRequest) -> None:
        if self._hosts is not None:
            check_host(self._base_url + request.path, self._hosts)

    async def _get(self, request: RestRequest, done: Callable[[RestAnswer], None]) -> None:
        sent_ts = time.time_ns()
        try:
            answer = await self.ask(request)
        except Exception as error:  # task root: the caller must get a response, or waits forever
            answer = RestAnswer(0, b"", sent_ts, time.time_ns(), error=repr(error))
        done(answer)

    async def _ask(self, session: aiohttp.ClientSession, request: RestRequest, sent_ts: int) -> RestAnswer:
        async with session.get(self._base_url + request.path, allow_redirects=False) as response:
            return await read_answer(response, sent_ts)


async def read_answer(response: aiohttp.ClientResponse, sent_ts: int) -> RestAnswer:
    """The whole response to a request that was sent at `sent_ts`. Raises ValueError if it is too long."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise ValueError("an answer of more than 32 MB")
    local_ts = time.time_ns()
    retry_after_ns = _retry_after(response.headers.get("Retry-After"))
    limits = tuple(
        (name.lower(), text)
        for name, text in response.headers.items()
        if name.lower().startswith(_LIMIT_HEADERS)
    )
    return RestAnswer(response.status, bytes(body), sent_ts, local_ts, retry_after_ns, limits=limits)


def _retry_after(text: str | None) -> int:
    """The header's delay in ns; 0 if it is missing or invalid."""
    return int(text) * SECOND if text is not None and text.isdecimal() and len(text) < 7 else 0
