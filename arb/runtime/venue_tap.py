"""Sink and tap of one venue's feed: passes what it gives to the session, by the numbers of the legs. One thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from connectors.feed.status import FeedStatus
from connectors.model import Rows
from connectors.net.interfaces import Event
from connectors.parsing.batch import Batch

if TYPE_CHECKING:
    from arb.runtime.session import Session


class VenueTap:
    """Sink and tap of one venue's feed, whose instruments are legs of the run."""

    def __init__(self, session: Session, leg_nos: list[int], venue: str) -> None:
        self._session = session
        self._leg_nos = leg_nos
        self.venue = venue

    def on_rows(self, no: int, rows: Rows) -> None:
        self._session.on_rows(self._leg_nos[no], rows)

    def on_status(self, no: int, status: FeedStatus) -> None:
        self._session.on_status(self._leg_nos[no], status)

    def on_frame(self, no: int, local_ts: int, frame: bytes) -> None:
        self._session.on_frame(self._leg_nos[no], local_ts, frame)

    def on_read(self, no: int, batch: Batch, first: int, rows: Rows, ends: NDArray[np.int64]) -> None:
        self._session.on_read(self._leg_nos[no], batch, first, rows, ends)

    def on_event(self, event: Event) -> None:
        self._session.on_event(self._leg_nos, event)
