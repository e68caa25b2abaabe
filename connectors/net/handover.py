"""Moves streams from one connection to its successor without losing or repeating a message. Pure.

While both connections carry the same streams, the old connection's frames are passed on and the new one's are buffered
per stream, until the last frame of the old one is found in the buffer. Then the later buffered frames are released and
the stream is switched. A book that begins again with a snapshot (Bybit) is switched when the buffered frames are no
older than the old connection's. Buffered frames are stamped with the time of their release, since nobody used them
before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from connectors.errors import DecodeError
from connectors.model import Mark, Venue

#: Most frames buffered and most keys of the old connection kept, per stream. At the limit the stream is switched at
#: once, and its ids reveal what was missed.
HELD_MAX = 4096

Frames = list[tuple[bytes, int]]


class _Held(NamedTuple):
    number: int
    frame: bytes
    local_ts: int
    mark: Mark


class _Join:
    """Handover of one stream from the old connection to the new one."""

    def __init__(self) -> None:
        self.is_over = False
        self.is_known = False
        #: It was switched while the new connection lagged: that may still repeat frames of the old one.
        self.is_behind = False
        self._held: deque[_Held] = deque()
        self._keys: deque[str] = deque(maxlen=HELD_MAX)
        self._order = 0

    @property
    def is_pending(self) -> bool:
        """Whether the stream still depends on the old connection."""
        return self.is_known and not self.is_over

    def old(self, mark: Mark) -> list[_Held]:
        """Records a frame of the old connection; returns buffered frames to release after it."""
        self.is_known = True
        self._keys.append(mark.key)
        self._order = max(self._order, mark.order)
        return self._released()

    def new(self, held: _Held) -> list[_Held]:
        """Buffers a frame of the new connection; returns frames to release now."""
        self.is_known = True
        self._held.append(held)
        if held.mark.is_start and not held.mark.key:  # without a sequence number: the newest one counts
            return self.finish()
        if len(self._held) >= HELD_MAX:
            return self.finish()
        # Earlier buffered frames have already been compared with the old connection's.
        return self._released(len(self._held) - 1)

    def finish(self) -> list[_Held]:
        """Switches the stream now; returns buffered frames that the old connection did not deliver."""
        self.is_over = True
        rest = list(self._held)
        self._held.clear()
        if rest and rest[0].mark.is_start:
            return rest
        rest = [held for held in rest if not self._is_repeated(held.mark)]
        self.is_behind = not rest and bool(self._keys)
        return rest

    def is_news(self, mark: Mark) -> bool:
        """Whether a frame that arrives after the switch was not delivered by the old connection."""
        if self.is_behind and not mark.is_start and self._is_repeated(mark):
            return False
        self.is_behind = False
        return True

    def _is_repeated(self, mark: Mark) -> bool:
        return mark.key in self._keys or 0 < mark.order < self._order

    def _released(self, first: int = 0) -> list[_Held]:
        """Frames to release if the old connection's last frame is buffered; `first` > 0: compare the newest only."""
        if not self._held:
            return []
        if self._held[0].mark.is_start:
            return self.finish() if self._held[-1].mark.order >= self._order else []
        if not self._keys:
            return []
        last = self._keys[-1]
        held = list(self._held) if first == 0 else [self._held[-1]]
        for n in range(len(held) - 1, -1, -1):
            if held[n].mark.key == last:
                self.is_over = True
                self._held.clear()
                return held[n + 1 :]
        return []


class Handover:
    """Handover of all streams of a connection to its successor. One thread."""

    def __init__(self, venue: Venue, topics: Iterable[str]) -> None:
        self._venue = venue
        self._joins = {topic: _Join() for topic in topics}
        self._count = 0

    @property
    def is_done(self) -> bool:
        """Whether no stream with frames depends on the old connection any more."""
        return not any(join.is_pending for join in self._joins.values())

    @property
    def is_settled(self) -> bool:
        """Whether the new connection can no longer repeat frames, so that they can bypass this object."""
        return all(join.is_over and not join.is_behind for join in self._joins.values())

    def is_over(self, topic: str) -> bool:
        """Whether a stream was switched to the new connection."""
        join = self._joins.get(topic)
        return join is not None and join.is_over

    def old(self, frame: bytes, local_ts: int) -> Frames:
        """Frames to pass on when the old connection delivers a frame."""
        mark, join = self._place(frame)
        if mark is None or join is None:
            return [(frame, local_ts)]
        return [] if join.is_over else [(frame, local_ts), *_out(join.old(mark), local_ts)]

    def new(self, frame: bytes, local_ts: int) -> Frames:
        """Frames to pass on when the new connection delivers a frame."""
        mark, join = self._place(frame)
        if mark is None or join is None:
            return [(frame, local_ts)]
        if join.is_over:
            return [(frame, local_ts)] if join.is_news(mark) else []
        self._count += 1
        return _out(join.new(_Held(self._count, frame, local_ts, mark)), local_ts)

    def finish(self, local_ts: int) -> Frames:
        """Ends the handover: returns all frames that the old connection did not deliver, in the order of receipt."""
        rest = [held for join in self._joins.values() if not join.is_over for held in join.finish()]
        return _out(sorted(rest), local_ts)

    def _place(self, frame: bytes) -> tuple[Mark | None, _Join | None]:
        """A frame's position and its stream; None for one that is not recognised, which the decoder reports."""
        try:
            mark = self._venue.mark(frame)
        except DecodeError:
            return None, None
        return mark, self._joins.get(mark.topic)


def _out(held: list[_Held], local_ts: int) -> Frames:
    return [(h.frame, max(h.local_ts, local_ts)) for h in held]
