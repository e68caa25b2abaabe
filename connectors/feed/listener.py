"""Forwards the callbacks of a session to its feed, and adds the session. One thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.net.interfaces import EventKind
from connectors.net.session import Session

if TYPE_CHECKING:
    from connectors.feed.feed import Feed


class FeedListener:
    """Listener of one session; the feed sets `session` before the session starts."""

    session: Session

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self.on_run = feed.receive_run

    def on_frame(self, frame: bytes, local_ts: int) -> None:
        self._feed.receive(self.session, frame, local_ts)

    def on_live(self) -> None:
        self._feed.session_live(self.session)

    def on_lost(self, reason: str) -> None:
        self._feed.session_lost(self.session, reason)

    def on_refused(self, topic: str, reason: str) -> None:
        self._feed.session_refused(topic, reason)

    def on_event(self, kind: EventKind, text: str, local_ts: int) -> None:
        self._feed.session_event(kind, text, local_ts)
