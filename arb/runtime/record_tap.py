"""Passes a feed's frames and events to the recorder, and marks simulated recordings by a text file.

Only `arb record` uses this tap. A trading session has its own (`arb.runtime.session`): its strategy also receives the
frames, and the session ends when they cannot be recorded. Runs on the event loop's thread.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from arb.data.catalog.days import recording_path
from arb.errors import ArbError, InputError, InvariantError
from connectors.feed.status import FeedStatus
from connectors.model import Rows
from connectors.net.interfaces import Event, EventKind

_DAY_S = 86_400
_DAY_NS = _DAY_S * 1_000_000_000
#: Events that explain why a venue is unreachable.
_TROUBLES = frozenset({EventKind.DISCONNECT, EventKind.ERROR})


class Takes(Protocol):
    """The part of the recorder that a tap uses."""

    def frame(self, venue: str, symbol: str, local_ts_ns: int, frame: bytes) -> bool: ...

    def event(self, venue: str, symbol: str, local_ts_ns: int, kind: str, detail: str) -> None: ...


class NoSink:
    """A sink for a feed whose rows are not used."""

    def on_rows(self, no: int, rows: Rows) -> None:
        """See `connectors.feed.feed.Sink`."""

    def on_status(self, no: int, status: FeedStatus) -> None:
        """See `connectors.feed.feed.Sink`."""


class Origins(NamedTuple):
    """Keeps simulated recordings apart from real ones by the file `<symbol>_<YYYYMMDD>.origin` beside them.

    `text` describes the simulation; "" for real recordings.
    """

    directory: Path
    text: str = ""

    def check(self, venue: str, symbol: str, local_ts: int) -> None:
        """Raises InputError if the instrument's UTC day already holds a recording of the other kind. Writes nothing."""
        path, origin = self._paths(venue, symbol, local_ts)
        if not _is_recorded(path) or origin.exists() == bool(self.text):
            return
        there, new = ("real", "simulated") if self.text else ("simulated", "real")
        raise InputError(
            f"{path if self.text else origin}: this day holds a {there} recording, and a {new} one cannot be added to "
            "it; name another folder with --data"
        )

    def begin(self, venue: str, symbol: str, local_ts: int) -> None:
        """Before the first frame of an instrument's UTC day: calls `check`, then writes or removes the origin file.

        An origin file without a recording was left by a recording that never began; a real recording removes it. Raises
        InputError also for a file that cannot be written or removed.
        """
        self.check(venue, symbol, local_ts)
        path, origin = self._paths(venue, symbol, local_ts)
        try:
            if not self.text:
                if not _is_recorded(path):
                    origin.unlink(missing_ok=True)
            elif not _is_recorded(path):
                origin.parent.mkdir(parents=True, exist_ok=True)
                origin.write_text(f"{self.text}\n", encoding="utf-8")
        except OSError as error:
            # An empty origin file would not describe the simulation.
            with contextlib.suppress(OSError):
                origin.unlink(missing_ok=True)
            raise InputError(
                f"{origin}: cannot be written: {error.strerror}; make room, or name another folder with --data"
            ) from None

    def _paths(self, venue: str, symbol: str, local_ts: int) -> tuple[Path, Path]:
        day = datetime.fromtimestamp(local_ts // _DAY_NS * _DAY_S, UTC).date()
        path = recording_path(self.directory, venue, symbol, day)
        return path, path.with_suffix(".origin")


def _is_recorded(path: Path) -> bool:
    """Whether any data of the day is recorded, compressed or still in journals."""
    return path.exists() or any(path.parent.glob(f"{path.stem}.*.journal"))


class RecorderTap:
    """Records what one feed receives. A `connectors.feed.feed.Tap`.

    Recording errors do not reach the feed: `on_error` is called once, later frames are counted as lost, and the feed
    continues. An event about the connection is written to the sidecar of every instrument.
    """

    def __init__(
        self,
        recorder: Takes,
        venue: str,
        symbols: Sequence[str],
        origins: Origins,
        on_error: Callable[[ArbError], None],
    ) -> None:
        self._recorder = recorder
        self._venue = venue
        self._symbols = tuple(symbols)
        self._origins = origins
        self._on_error = on_error
        self._days = [-1] * len(self._symbols)
        self._has_failed = False
        #: Frames that arrived after recording failed here; the recorder counts its own.
        self.lost_frames = 0
        #: Why the venue was last unreachable, "" once a frame arrives.
        self.trouble = ""
        #: By symbol, why its values are not on the configured tick and lot.
        self.off_grid: dict[str, str] = {}

    def on_frame(self, no: int, local_ts: int, frame: bytes) -> None:
        """See `connectors.feed.feed.Tap`."""
        if self._has_failed:
            self.lost_frames += 1
            return
        self.trouble = ""
        try:
            day = local_ts // _DAY_NS
            if day > self._days[no]:
                self._origins.begin(self._venue, self._symbols[no], local_ts)
                self._days[no] = day
            self._recorder.frame(self._venue, self._symbols[no], local_ts, frame)
        except Exception as error:  # no recording error may reach the feed
            self.lost_frames += 1
            self._fail(error)

    def on_event(self, event: Event) -> None:
        """See `connectors.feed.feed.Tap`."""
        if event.kind in _TROUBLES:
            self.trouble = event.text
        if event.kind == EventKind.GRID:
            self.off_grid[event.symbol] = event.text
        if self._has_failed:
            return
        try:
            for symbol in (event.symbol,) if event.symbol else self._symbols:
                self._recorder.event(self._venue, symbol, event.local_ts, event.kind.value, event.text)
        except Exception as error:  # as above
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._has_failed = True
        if not isinstance(error, ArbError):
            error = InvariantError(f"{self._venue}: recording stops: {type(error).__name__}: {error}")
        self._on_error(error)
