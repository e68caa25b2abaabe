"""Server-sent events: what is new of a session, to every page that shows it.

A message is made once for all pages of a session. A page that does not read has a queue of a few messages; when that
is full it is dropped, and reads everything again when it connects again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from typing import Any

from aiohttp import web

from arb.watch.figures import sheet_of
from arb.watch.payloads import encode, equity_of, events_of, runs_of, series_of, threshold_of
from arb.watch.sessions import Sessions, WatchedSession

#: Pages at a time; more are refused.
PAGES_MAX = 256
#: Messages that wait for a page.
_WAITING_MAX = 8
#: How long a page may take for what is in its socket before it is dropped.
_STALLED_S = 20.0
#: A message at least this often, in seconds; more often, at most at every poll, if there are new events.
MESSAGE_S = 1.0


class _Page:
    """One open page."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[bytes] = asyncio.Queue(_WAITING_MAX)
        self.is_dropped = False

    def send(self, message: bytes) -> None:
        try:
            self.waiting.put_nowait(message)
        except asyncio.QueueFull:
            self.is_dropped = True


class _Topic:
    """What the pages of one session, or without one, have been sent."""

    def __init__(self, session: WatchedSession | None) -> None:
        self.pages: set[_Page] = set()
        self._events = 0 if session is None else last_number(session)
        self._row_ns = 0 if session is None else _last_ns(session)
        self._sheet = self._runs = b""

    def has_events(self, session: WatchedSession) -> bool:
        """Whether there are events that its pages have not."""
        return last_number(session) > self._events

    def message(self, session: WatchedSession | None, runs: bytes) -> bytes:
        """What is new, as an event; b"" for nothing."""
        parts: dict[str, Any] = {}
        if session is not None:
            new = sorted(
                (e for kept in (session.trading, session.others) for e in _since(kept, self._events)),
                key=lambda event: event.number,
            )
            if new:
                self._events = new[-1].number
                parts["events"] = events_of(new)
            if session.last is not None:
                rows = session.last.rows
                rows = rows[rows["time_ns"] > self._row_ns]
                if len(rows):
                    self._row_ns = int(rows["time_ns"][-1])
                    parts["series"] = series_of(rows)
            sheet = sheet_of(session)
            text = encode(sheet)
            if text != self._sheet:
                self._sheet = text
                parts |= {
                    "sheet": sheet,
                    "threshold_bps": threshold_of(session),
                    "equity": equity_of(session.equity.rows[-1:]),
                }
        lines = [b'"%b":%b' % (name.encode(), encode(value)) for name, value in parts.items()]
        if (mark := hashlib.blake2b(runs).digest()) != self._runs:
            self._runs = mark
            lines.append(b'"runs":' + runs)
        return b"data: {" + b",".join(lines) + b"}\n\n" if lines else b""


class Stream:
    """All open pages, by the session that they show. One event loop."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._topics: dict[str, _Topic] = {}
        self._sent_s = 0.0

    @property
    def pages(self) -> int:
        """Number of open pages."""
        return sum(len(topic.pages) for topic in self._topics.values())

    def publish(self, now_s: float) -> None:
        """Sends what is new; call it after every poll. now_s: of a clock that does not step."""
        is_due = now_s - self._sent_s >= MESSAGE_S
        if not self._topics:
            return
        runs = b""
        for name, topic in list(self._topics.items()):
            session = self._named(name)
            if not is_due and (session is None or not topic.has_events(session)):
                continue
            runs = runs or encode(runs_of(self._sessions))
            message = topic.message(session, runs)
            # A comment keeps the connection open through proxies, and finds those that are gone.
            for page in topic.pages:
                page.send(message or b":\n\n")
        if is_due:
            self._sent_s = now_s

    async def serve(self, request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
        """One page's stream, until it is closed. answer: not yet prepared."""
        if self.pages >= PAGES_MAX:
            return web.Response(status=503, text=f"{PAGES_MAX} pages are open already\n")
        name = request.query.get("session", "")
        session = self._named(name)
        if name and session is None:
            return web.Response(status=404, text="no such session\n")
        topic = self._topics.setdefault(name, _Topic(session))
        page = _Page()
        topic.pages.add(page)
        try:
            answer.content_type, answer.charset = "text/event-stream", "utf-8"
            await answer.prepare(request)
            await answer.write(b"retry: 2000\n\n")
            while not page.is_dropped:
                message = await page.waiting.get()
                await asyncio.wait_for(answer.write(message), _STALLED_S)
        except (ConnectionError, TimeoutError):
            pass
        finally:
            topic.pages.discard(page)
            if not topic.pages:
                self._topics.pop(name, None)
            # What it has not read is not waited for.
            with contextlib.suppress(AttributeError):
                request.transport.abort()  # type: ignore[union-attr]
        return answer

    def _named(self, name: str) -> WatchedSession | None:
        return self._sessions.named(name) if name else None


def last_number(session: WatchedSession) -> int:
    """Number of a session's last event; 0 without one."""
    return max((kept[-1].number for kept in (session.trading, session.others) if kept), default=0)


def _last_ns(session: WatchedSession) -> int:
    rows = () if session.last is None else session.last.rows
    return int(rows["time_ns"][-1]) if len(rows) else 0  # type: ignore[call-overload]


def _since(events: Any, number: int) -> list[Any]:
    """Those after a number, newest first."""
    found = []
    for event in reversed(events):
        if event.number <= number:
            break
        found.append(event)
    return found
