"""HTTP requests to archives: redirects, status codes, retries. Runs on the event loop.

It does not know the contents of files. Waiting and randomness use the function and the generator passed in, so tests
take no time.
"""

from __future__ import annotations

import asyncio
import email.utils
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http.client import responses
from typing import TypeVar

import aiohttp
from aiohttp import hdrs
from yarl import URL

import arb
from arb.errors import InputError

Value = TypeVar("Value")

_REDIRECTS_MAX = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MISSING = frozenset({400, 404, 410})
_KEY_REFUSED = frozenset({401, 402, 403})
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
#: Maximum number of faults in a row without progress: for a small request, which is cheap to repeat by hand, and for
#: a file.
SMALL_ATTEMPTS_MAX = 4
FILE_ATTEMPTS_MAX = 6
#: The first pause and the longest; each is twice the one before, less a random part of up to half.
_PAUSE_FIRST_S, _PAUSE_MAX_S = 1.0, 60.0
#: If a server asks for a longer wait, an error is raised instead.
_RETRY_AFTER_MAX_S = 300.0
#: Timeouts: to connect, and between two pieces of a body.
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=20.0, sock_read=60.0)
#: Timeout of small responses that are read at once.
_TEXT_BYTES_MAX = 64 * 1024


class TransientError(Exception):
    """A fault that may be temporary. `retry_after_s`: the wait that the server asks for."""

    def __init__(self, reason: str, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class GivenUpError(InputError):
    """The maximum number of attempts failed."""


class MissingError(Exception):
    """The server has no such file."""


class KeyRefusedError(Exception):
    """The server asks for a key, or for another one."""


class Patience:
    """Retries of one request, with growing, bounded pauses. `wait` sleeps; `chance` shortens the pauses randomly."""

    def __init__(
        self, attempts_max: int, wait: Callable[[float], Awaitable[None]], chance: random.Random
    ) -> None:
        self._attempts_max = attempts_max
        self._wait = wait
        self._chance = chance
        self._faults = 0

    def renew(self) -> None:
        """Resets the count of faults after progress."""
        self._faults = 0

    async def wait_after(self, fault: TransientError, what: str) -> None:
        """Waits before the next attempt.

        Raises GivenUpError, which names `what`, and InputError if the server asks for too long a wait.
        """
        self._faults += 1
        if fault.retry_after_s > _RETRY_AFTER_MAX_S:
            raise InputError(f"{what}: {fault}; the server asks to wait {fault.retry_after_s:,.0f} s")
        if self._faults >= self._attempts_max:
            raise GivenUpError(f"{what}: {fault}; given up after {self._faults} attempts")
        pause = min(_PAUSE_MAX_S, _PAUSE_FIRST_S * 2 ** (self._faults - 1))
        await self._wait(max(fault.retry_after_s, pause * self._chance.uniform(0.5, 1.0)))


class Client:
    """Requests over one session. Use as an async context manager. Follows redirects without forwarding the key."""

    def __init__(
        self,
        connections: int,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: random.Random | None = None,
        *,
        uses_proxy: bool = True,
    ) -> None:
        """`connections`: maximum at a time. `uses_proxy`: use the proxy of the environment."""
        self._connections = connections
        self._wait = wait
        self._chance = chance or random.Random()
        self._uses_proxy = uses_proxy

    async def __aenter__(self) -> Client:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            # No decompression: the bytes of a .gz are stored.
            headers={hdrs.ACCEPT_ENCODING: "identity", hdrs.USER_AGENT: f"arb/{arb.__version__}"},
            auto_decompress=False,
            timeout=_TIMEOUT,
            trust_env=self._uses_proxy,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    def patience(self, attempts_max: int = FILE_ATTEMPTS_MAX) -> Patience:
        """For one file."""
        return Patience(attempts_max, self._wait, self._chance)

    @asynccontextmanager
    async def request(
        self, method: str, url: str, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yields the response, of any status except redirects. `key` is sent to the server of `url` only.

        Raises TransientError if the network fails, here or while the body is read, and InputError for a redirect
        without a valid target or without TLS.
        """
        start = target = URL(url, encoded=True)
        try:
            for _ in range(_REDIRECTS_MAX + 1):
                is_home = target.origin() == start.origin()
                sent = dict(headers or {})
                if key is not None and is_home:
                    sent["Authorization"] = f"Bearer {key}"
                async with self._session.request(
                    method, target, headers=sent, allow_redirects=False
                ) as response:
                    if response.status not in _REDIRECTS:
                        yield response
                        return
                    target = _redirect_target(start, target, response)
        except (aiohttp.ClientSSLError, aiohttp.InvalidURL) as error:
            raise InputError(f"{url}: {error}") from None
        except aiohttp.ClientConnectorError as error:
            raise TransientError(f"no connection to {error.host}: {_reason(error.os_error)}") from None
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            raise TransientError(_reason(error)) from None
        raise InputError(f"{url}: redirected more than {_REDIRECTS_MAX} times")

    async def text(self, url: str) -> str:
        """A small response as text, truncated if it is long. Raises MissingError, KeyRefusedError and InputError."""

        async def ask() -> str:
            async with self.request("GET", url) as response:
                refuse_status(response)
                content = b""
                while len(content) < _TEXT_BYTES_MAX and (piece := await response.content.readany()):
                    content += piece
                return content.decode("utf-8", "replace")

        return await self.retried(ask, url)

    async def size(self, url: str, key: str | None = None) -> int | None:
        """The number of bytes at `url`; None if the server does not state it.

        Raises MissingError, KeyRefusedError and InputError.
        """

        async def ask() -> int | None:
            async with self.request("HEAD", url, key) as response:
                if response.status not in (405, 501):
                    refuse_status(response)
                    if response.content_length:  # archive files are never empty
                        return response.content_length
            # Some servers only support GET.
            async with self.request("GET", url, key, {"Range": "bytes=0-0"}) as response:
                refuse_status(response)
                return total_length(response)

        return await self.retried(ask, url)

    async def retried(self, work: Callable[[], Awaitable[Value]], what: str) -> Value:
        """Runs `work`, and again after each TransientError as long as `patience` allows."""
        patience = self.patience(SMALL_ATTEMPTS_MAX)
        while True:
            try:
                return await work()
            except TransientError as fault:
                await patience.wait_after(fault, what)


def refuse_status(response: aiohttp.ClientResponse) -> None:
    """Raises the error of an unsuccessful status: Missing-, KeyRefused- or TransientError, or else InputError."""
    status = response.status
    if status in (200, 206):
        return
    answer = f"{status} {responses.get(status, '')}".strip()
    if status in _MISSING:
        raise MissingError(answer)
    if status in _KEY_REFUSED:
        raise KeyRefusedError(answer)
    if status in _TRANSIENT:
        raise TransientError(f"the server answers {answer}", _retry_after_s(response))
    raise InputError(f"{response.url}: the server answers {answer}")


def total_length(response: aiohttp.ClientResponse) -> int | None:
    """The length of the whole file, also if only a range of it was sent."""
    if response.status != 206:
        return response.content_length
    total = response.headers.get(hdrs.CONTENT_RANGE, "").rpartition("/")[2]
    return int(total) if total.isdecimal() else None


def range_start(response: aiohttp.ClientResponse) -> int | None:
    """The start of the range that was sent; None if the server does not state it."""
    text = response.headers.get(hdrs.CONTENT_RANGE, "").removeprefix("bytes ").partition("-")[0]
    return int(text) if text.isdecimal() else None


def is_local(url: str) -> bool:
    """Whether an address is on this machine."""
    return URL(url).host in ("localhost", "127.0.0.1", "::1")


def _redirect_target(start: URL, target: URL, response: aiohttp.ClientResponse) -> URL:
    location = response.headers.get(hdrs.LOCATION, "")
    try:
        onward = target.join(URL(location, encoded=True))
        is_allowed = bool(location) and (
            onward.scheme == "https"
            or (onward.scheme == "http" and is_local(str(start)) and is_local(str(onward)))
        )
    except ValueError:
        is_allowed = False
    if not is_allowed:
        raise InputError(
            f"{start}: redirected to {location[:200]!r}, which is not followed: no https:// address"
        )
    return onward


def _retry_after_s(response: aiohttp.ClientResponse) -> float:
    """The wait in seconds that the server asks for; 0 without one."""
    text = response.headers.get(hdrs.RETRY_AFTER, "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (email.utils.parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _reason(error: BaseException | None) -> str:
    """An error in a few words."""
    if isinstance(error, TimeoutError):
        return "the server does not answer in time"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
