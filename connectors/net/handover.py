"""From one connection to the next without losing or doubling a message: where each stream may change over. Pure.

While both connections carry the same streams, the old one's frames go on and the new one's are held, stream by
stream, until the old one has delivered what the new one holds: then the rest of what is held goes out and the stream
has changed over. A book that begins anew with a snapshot (Bybit) changes over when it is no older than the old one.
Frames that were held leave with the time of their release: nobody used them before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from connectors.errors import DecodeError
from connectors.model import Mark, Venue

#: Frames of one stream that are held, and keys of the old connection that are remembered; at the bound a stream
#: changes over as it stands, and the ids tell what was missed.
HELD_MAX = 4096

Frames = list[tuple[bytes, int]]


class _Held(NamedTuple):
    number: int
    frame: bytes
    local_ts: int
    mark: Mark


class _Join:
    """One stream on its way from the old connection to the new one."""

    def __init__(self) -> None:
        self.is_over = False
        self.is_known = False
        #: It changed over as it stood: the new connection may still repeat what the old one delivered.
        self.is_behind = False
        self._held: deque[_Held] = deque()
        self._keys: deque[str] = deque(maxlen=HELD_MAX)
        self._order = 0

    @property
    def is_pending(self) -> bool:
        """Whether it still depends on the old connection."""
        return self.is_known and not self.is_over

    def old(self, mark: Mark) -> list[_Held]:
        """Takes note of a frame that the old connection delivered; what may go out behind it."""
        self.is_known = True
        self._keys.append(mark.key)
        self._order = max(self._order, mark.order)
        return self._released()

    def new(self, held: _Held) -> list[_Held]:
        """Takes a frame of the new connection; what may go out now."""
        self.is_known = True
        self._held.append(held)
        if held.mark.is_start and not held.mark.key:  # has no place in a sequence: the newest counts
            return self.finish()
        if len(self._held) >= HELD_MAX:
            return self.finish()
        # What was held before it has been compared with all that the old connection delivered.
        return self._released(len(self._held) - 1)

    def finish(self) -> list[_Held]:
        """Changes over as it stands: what the old connection did not deliver."""
        self.is_over = True
        rest = list(self._held)
        self._held.clear()
        if rest and rest[0].mark.is_start:
            return rest
        rest = [held for held in rest if not self._is_repeated(held.mark)]
        self.is_behind = not rest and bool(self._keys)
        return rest

    def is_news(self, mark: Mark) -> bool:
        """Whether a frame that comes behind the change is one that the old connection did not deliver."""
        if self.is_behind and not mark.is_start and self._is_repeated(mark):
            return False
        self.is_behind = False
        return True

    def _is_repeated(self, mark: Mark) -> bool:
        return mark.key in self._keys or 0 < mark.order < self._order

    def _released(self, first: int = 0) -> list[_Held]:
        """What may go out, if the old connection's last frame is among those held from number `first` on."""
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
    """All streams of a connection on their way to its successor. One thread."""

    def __init__(self, venue: Venue, topics: Iterable[str]) -> None:
        self._venue = venue
        self._joins = {topic: _Join() for topic in topics}
        self._count = 0

    @property
    def is_done(self) -> bool:
        """Whether no stream that said anything depends on the old connection any more."""
        return not any(join.is_pending for join in self._joins.values())

    @property
    def is_settled(self) -> bool:
        """Whether the new connection can repeat nothing any more: its frames need not come through here."""
        return all(join.is_over and not join.is_behind for join in self._joins.values())

    def is_over(self, topic: str) -> bool:
        """Whether a stream comes from the new connection."""
        join = self._joins.get(topic)
        return join is not None and join.is_over

    def old(self, frame: bytes, local_ts: int) -> Frames:
        """What goes out when the old connection delivers a frame."""
        mark = self._mark(frame)
        join = self._joins.get(mark.topic) if mark is not None else None
        if mark is None or join is None:
            return [(frame, local_ts)]  # not understood: that is for the decoder to say
        if join.is_over:
            return []
        return [(frame, local_ts), *_out(join.old(mark), local_ts)]

    def new(self, frame: bytes, local_ts: int) -> Frames:
        """What goes out when the new connection delivers a frame."""
        mark = self._mark(frame)
        join = self._joins.get(mark.topic) if mark is not None else None
        if mark is None or join is None:
            return [(frame, local_ts)]
        if join.is_over:
            return [(frame, local_ts)] if join.is_news(mark) else []
        self._count += 1
        return _out(join.new(_Held(self._count, frame, local_ts, mark)), local_ts)

    def finish(self, local_ts: int) -> Frames:
        """The old connection is no more: all that it did not deliver, in the order of receipt."""
        rest = [held for join in self._joins.values() if not join.is_over for held in join.finish()]
        return _out(sorted(rest), local_ts)

    def _mark(self, frame: bytes) -> Mark | None:
        try:
            return self._venue.mark(frame)
        except DecodeError:
            return None


def _out(held: list[_Held], local_ts: int) -> Frames:
    return [(h.frame, max(h.local_ts, local_ts)) for h in held]
