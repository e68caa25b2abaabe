"""Server-sent events: what is new of a session, to every page that shows it.

A message is made once for all pages of a session. A page that does not read has a queue of a few messages; when that
is full it is dropped, and reads everything again when it connects again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from arb.watch.figures import sheet_of
from arb.watch.payloads import (
    encode,
    events_of,
    last_event,
    problems_of,
    run_of_list,
    runs_of,
    series_of,
    session_of,
    threshold_of,
)
from arb.watch.sessions import Sessions, WatchedSession
from connectors.text import printable

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


class _List:
    """The rows of the list of sessions as JSON, by name, the newest first."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        #: By name: what a row is made of, and the row.
        self._made: dict[str, tuple[tuple[Any, ...], bytes]] = {}

    def rows(self) -> dict[str, bytes]:
        """The rows now; those of sessions that have not changed are the same objects."""
        made = {}
        for session in reversed(list(self._sessions)):
            parts = (session.run, session.problem, last_number(session), session.alarms)
            old = self._made.get(session.name)
            made[session.name] = (
                old if old is not None and old[0] == parts else (parts, encode(run_of_list(session)))
            )
        self._made = made
        return {name: row for name, (_, row) in made.items()}


class _Topic:
    """What the pages of one session, or without one, have been sent."""

    def __init__(self, session: WatchedSession | None) -> None:
        self.pages: set[_Page] = set()
        self._events = 0 if session is None else last_number(session)
        self._row_ns = 0 if session is None else _last_ns(session)
        self._sheet = b""
        self._rows: dict[str, bytes] = {}
        self._problems: list[str] = []

    def has_events(self, session: WatchedSession) -> bool:
        """Whether there are events that its pages have not."""
        return last_number(session) > self._events

    def message(
        self, session: WatchedSession | None, rows: Mapping[str, bytes] | None, problems: list[str]
    ) -> bytes:
        """What is new, as an event; b"" for nothing. rows: of the list, None if it is not due. problems: of folders."""
        parts: dict[str, bytes] = {}
        if session is not None:
            parts = {name: encode(value) for name, value in self._news(session).items()}
        if rows is not None and rows != self._rows:
            changed = [row for name, row in rows.items() if row != self._rows.get(name)]
            parts["runs"] = b"[" + b",".join(changed) + b"]"
            if list(rows) != list(self._rows):
                parts["names"] = encode([printable(name) for name in rows])
            self._rows = dict(rows)
        if problems != self._problems:
            self._problems = problems
            parts["problems"] = encode(problems)
        if not parts:
            return b""
        return b"data: {" + b",".join(b'"%b":%b' % (k.encode(), v) for k, v in parts.items()) + b"}\n\n"

    def _news(self, session: WatchedSession) -> dict[str, Any]:
        """What is new of its session."""
        parts: dict[str, Any] = {}
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
            parts |= {"sheet": sheet, "threshold_bps": threshold_of(session)}
        return parts


class Stream:
    """All open pages, by the session that they show. One event loop."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._list = _List(sessions)
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
        rows = self._list.rows() if is_due else None
        problems = problems_of(self._sessions)
        for name, topic in list(self._topics.items()):
            session = self._sessions.get(name)
            if not is_due and (session is None or not topic.has_events(session)):
                continue
            message = topic.message(session, rows, problems)
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
        session = self._sessions.named(name) if name else None
        if name and session is None:
            return web.Response(status=404, text="no such session\n")
        topic = self._topics.setdefault(name, _Topic(session))
        page = _Page()
        page.send(self._first(session))
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

    def _first(self, session: WatchedSession | None) -> bytes:
        """The first message of a page: all there is now. What its topic sends next may be a part of that again."""
        whole = {"whole": None if session is None else session_of(session), **runs_of(self._sessions)}
        return b"data: " + encode(whole | {"names": [run["name"] for run in whole["runs"]]}) + b"\n\n"


def last_number(session: WatchedSession) -> int:
    """Number of a session's last event; 0 without one."""
    last = last_event(session)
    return 0 if last is None else last.number


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
