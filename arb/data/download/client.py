"""Requests to archives: redirects, what a status means, how long to go on after a fault. Runs on the event loop.

Never knows what is in a file. Decisions about time are made with the waiting function and the generator that it is
given, so that tests need no time.
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
#: Faults in a row without progress before a request is given up: a small one, which costs nothing to ask again
#: by hand, and one for a file.
SMALL_ATTEMPTS_MAX = 4
FILE_ATTEMPTS_MAX = 6
#: The first pause and the longest; it doubles in between, less a random part of up to half.
_PAUSE_FIRST_S, _PAUSE_MAX_S = 1.0, 60.0
#: A server that asks for a longer wait is told of instead.
_RETRY_AFTER_MAX_S = 300.0
#: To connect, and from one piece of a body to the next.
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=20.0, sock_read=60.0)
#: For small answers that are read at once.
_TEXT_BYTES_MAX = 64 * 1024


class TransientError(Exception):
    """A fault that may be over at the next attempt. `retry_after_s`: how long the server asks to wait."""

    def __init__(self, reason: str, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class GivenUpError(InputError):
    """Attempts enough failed."""


class MissingError(Exception):
    """The server has no such file."""


class KeyRefusedError(Exception):
    """The server asks for a key, or for another one."""


class Patience:
    """How long to go on with one request: pauses that grow, bounded. `wait` sleeps; `chance` shortens the pauses."""

    def __init__(
        self, attempts_max: int, wait: Callable[[float], Awaitable[None]], chance: random.Random
    ) -> None:
        self._attempts_max = attempts_max
        self._wait = wait
        self._chance = chance
        self._faults = 0

    def renew(self) -> None:
        """Something was gained: counting begins anew."""
        self._faults = 0

    async def wait_after(self, fault: TransientError, what: str) -> None:
        """Waits before the next attempt.

        Raises GivenUpError, which names `what`, and InputError where the server asks for too long a wait.
        """
        self._faults += 1
        if fault.retry_after_s > _RETRY_AFTER_MAX_S:
            raise InputError(f"{what}: {fault}; the server asks to wait {fault.retry_after_s:,.0f} s")
        if self._faults >= self._attempts_max:
            raise GivenUpError(f"{what}: {fault}; given up after {self._faults} attempts")
        pause = min(_PAUSE_MAX_S, _PAUSE_FIRST_S * 2 ** (self._faults - 1))
        await self._wait(max(fault.retry_after_s, pause * self._chance.uniform(0.5, 1.0)))


class Client:
    """Requests over one session. Use as an async context manager. Follows redirects without handing on the key."""

    def __init__(
        self,
        connections: int,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: random.Random | None = None,
        *,
        uses_proxy: bool = True,
    ) -> None:
        """`connections` at most at a time. `uses_proxy`: heed the proxy that the environment names."""
        self._connections = connections
        self._wait = wait
        self._chance = chance or random.Random()
        self._uses_proxy = uses_proxy

    async def __aenter__(self) -> Client:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            # What is compressed stays as it is: the bytes of a .gz are what is kept.
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
        """An answer, of whatever status but a redirect. `key` goes to the server of `url` and to no other.

        Raises TransientError where the network fails, here or while the body is read, and InputError for a redirect
        that leads nowhere or out of TLS.
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
        """A small answer, cut where it is not small. Raises MissingError, KeyRefusedError and InputError."""

        async def ask() -> str:
            async with self.request("GET", url) as response:
                refuse_status(response)
                content = b""
                while len(content) < _TEXT_BYTES_MAX and (piece := await response.content.readany()):
                    content += piece
                return content.decode("utf-8", "replace")

        return await self.retried(ask, url)

    async def size(self, url: str, key: str | None = None) -> int | None:
        """How many bytes there are at `url`; None where the server does not tell.

        Raises MissingError, KeyRefusedError and InputError.
        """

        async def ask() -> int | None:
            async with self.request("HEAD", url, key) as response:
                if response.status not in (405, 501):
                    refuse_status(response)
                    if response.content_length:  # no file of an archive is empty
                        return response.content_length
            # Some servers know GET alone.
            async with self.request("GET", url, key, {"Range": "bytes=0-0"}) as response:
                refuse_status(response)
                return total_length(response)

        return await self.retried(ask, url)

    async def retried(self, work: Callable[[], Awaitable[Value]], what: str) -> Value:
        """`work`, again after each TransientError as long as there is patience."""
        patience = self.patience(SMALL_ATTEMPTS_MAX)
        while True:
            try:
                return await work()
            except TransientError as fault:
                await patience.wait_after(fault, what)


def refuse_status(response: aiohttp.ClientResponse) -> None:
    """Raises what a status other than success means: Missing-, KeyRefused- or TransientError, or else InputError."""
    status = response.status
    if status in (200, 206):
        return
    told = f"{status} {responses.get(status, '')}".strip()
    if status in _MISSING:
        raise MissingError(told)
    if status in _KEY_REFUSED:
        raise KeyRefusedError(told)
    if status in _TRANSIENT:
        raise TransientError(f"the server answers {told}", _retry_after_s(response))
    raise InputError(f"{response.url}: the server answers {told}")


def total_length(response: aiohttp.ClientResponse) -> int | None:
    """How long the whole file is, also where only a range of it was sent."""
    if response.status != 206:
        return response.content_length
    total = response.headers.get(hdrs.CONTENT_RANGE, "").rpartition("/")[2]
    return int(total) if total.isdecimal() else None


def range_start(response: aiohttp.ClientResponse) -> int | None:
    """Where the range that was sent begins; None where the server does not say."""
    text = response.headers.get(hdrs.CONTENT_RANGE, "").removeprefix("bytes ").partition("-")[0]
    return int(text) if text.isdecimal() else None


def is_local(url: str) -> bool:
    """Whether an address is this machine's."""
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
    """Seconds that the server asks to wait; 0 where it does not."""
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
