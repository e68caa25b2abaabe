"""A network in memory between a feed and a simulated venue, on simulated time; faults are set from outside."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from arb.sandbox.serve.timeline import shift_stamps
from connectors.model import RestRequest
from connectors.net.interfaces import ConnectionListener, RestAnswer
from connectors.parsing.batch import Batch
from support.sim_time import MS, S, SimTimers
from support.sim_venue import SimVenue, Wire

#: By how much a single message may be stamped ahead, in ms.
STAMP_LEADS_MS = (700, 3_000, 60_000, 3_480_000)
#: What can happen to a single frame.
FRAME_FAULTS = ("gap", "duplicate", "reorder", "truncated", "garbage")


class Faults:
    """What is wrong at present. Written by the test; `hits` counts what really happened."""

    def __init__(self) -> None:
        #: Frame faults to come: (fault, kinds of frames it is for).
        self.frames: deque[tuple[str, tuple[str, ...]]] = deque()
        self.refuse_connects = 0
        self.half_open_connects = 0
        self.slow_snapshots = 0
        self.old_snapshots = 0
        self.bad_answers = 0
        self.snapshots_ahead = 0
        self.hits: Counter[str] = Counter()
        #: True time at which the last one that happened is over.
        self.over_ns = 0

    @property
    def is_pending(self) -> bool:
        """Whether something is still to go wrong."""
        counts = self.refuse_connects, self.half_open_connects, self.slow_snapshots, self.old_snapshots
        return bool(self.frames) or any(counts) or self.bad_answers > 0 or self.snapshots_ahead > 0

    def hit(self, fault: str, over_ns: int) -> None:
        """Counts a fault that happens now and is over at `over_ns`."""
        self.hits[fault] += 1
        self.over_ns = max(self.over_ns, over_ns)


class SimConnection:
    """One simulated websocket: what the client sends goes to the wire, what the server sends comes in order."""

    def __init__(self, net: SimNet, url: str, listener: ConnectionListener) -> None:
        self._net = net
        self._listener: ConnectionListener | None = listener
        self._wire: Wire | None = None
        self._url = url
        #: True time before which nothing arrives, for what was sent stays in order.
        self._busy_until = 0
        self.is_mute = False
        #: Market data are lost on the way; what else the server says arrives.
        self.is_without_data = False
        self._batch = Batch()
        self._swapped: str | None = None
        timers, faults = net.timers, net.faults
        if faults.refuse_connects > 0:
            faults.refuse_connects -= 1
            faults.hit("refused connect", timers.true_ns())
            timers.call_later(net.latency(), lambda: self._end("connection refused"))
        elif faults.half_open_connects > 0:
            faults.half_open_connects -= 1
            faults.hit("half-open connect", timers.true_ns() + 6 * S)
        else:
            timers.call_later(2 * net.latency(), self._open)

    # What the client calls.

    def send(self, frame: str) -> bool:
        self._net.timers.call_later(self._net.latency(), lambda: self._to_server(frame))
        return True

    def close(self) -> None:
        self._listener = None
        self._leave()

    # What the server and the test call.

    def deliver(self, frame: str, kind: str) -> None:
        """Puts a message on its way, or what a fault makes of it."""
        if self.is_mute or (self.is_without_data and kind != "control"):
            return
        faults = self._net.faults
        if kind != "control" and faults.frames and kind in faults.frames[0][1]:
            fault, _ = faults.frames.popleft()
            faults.hit(fault, self._net.timers.true_ns())
            for text in self._spoilt(frame, fault):
                self._put(text)
            return
        self._put(frame)
        if self._swapped is not None:
            text, self._swapped = self._swapped, None
            self._put(text)

    def drop(self, reason: str) -> None:
        """The connection ends; what is on its way is lost."""
        self._leave()
        self._net.timers.call_later(0, lambda: self._end(reason))

    def stall(self, span_ns: int) -> None:
        """Nothing arrives for a while; then all at once."""
        self._busy_until = max(self._busy_until, self._net.timers.true_ns() + span_ns)

    def _spoilt(self, frame: str, fault: str) -> list[str]:
        if fault == "gap":
            return []
        if fault == "duplicate":
            return [frame, frame]
        if fault == "reorder":
            self._swapped = frame
            return []
        if fault == "stamp":
            return [shift_stamps(frame, self._net.chance.choice(STAMP_LEADS_MS))]
        if fault == "truncated":
            return [frame[: self._net.chance.randrange(1, len(frame))]]
        garbage = "".join(self._net.chance.choices('{}[]":,01ae\\ ', k=40))
        return [garbage, frame] if self._net.chance.random() < 0.5 else [garbage]

    def _put(self, frame: str) -> None:
        now = self._net.timers.true_ns()
        self._busy_until = max(self._busy_until, now + self._net.latency())
        if self._net.read_ns:
            self._busy_until += -self._busy_until % self._net.read_ns
        self._net.timers.call_later(self._busy_until - now, lambda: self._to_client(frame))

    def _open(self) -> None:
        if self._listener is not None:
            self._wire = self._net.venue.accept(self._url, self)
            self._net.connections.append(self)
            self._net.urls.append(self._url)
            self._listener.on_open()

    def _to_server(self, frame: str) -> None:
        if self._wire is not None and not self.is_mute:
            self._wire.receive(frame)

    def _to_client(self, frame: str) -> None:
        if self._listener is None or self._wire is None:
            return
        local_ts = self._net.timers.time_ns()
        if not self._net.read_ns:
            self._listener.on_frame(frame.encode(), local_ts)
            return
        if not self._batch.frames:
            self._net.timers.call_later(0, self._end_read)
        self._batch.frames.append(frame.encode())
        self._batch.stamps.append(local_ts)

    def _end_read(self) -> None:
        if self._listener is not None:
            self._listener.on_batch(self._batch)
            self._net.batches[len(self._batch.frames)] += 1
        self._batch.clear()

    def _leave(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None
            self._net.connections.remove(self)

    def _end(self, reason: str) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.on_close(reason)


class SimNet:
    """`Transport` and `Rest` in one, between one client and one venue."""

    def __init__(
        self, venue: SimVenue, timers: SimTimers, chance: random.Random, *, read_ns: int = 0
    ) -> None:
        """`read_ns`: what arrives within such a span comes in one read; 0: each message comes by itself."""
        self.venue = venue
        self.read_ns = read_ns
        #: How many reads brought so many messages.
        self.batches: Counter[int] = Counter()
        self.timers = timers
        self.chance = chance
        self.faults = Faults()
        self.connections: list[SimConnection] = []
        #: Every address that was connected to.
        self.urls: list[str] = []
        self.requests: list[str] = []
        self._old_answers: dict[str, deque[str]] = {}
        venue.true_ns = timers.true_ns

    def latency(self) -> int:
        """One way, in ns."""
        return int(self.chance.uniform(1, 15) * MS)

    def connect(self, url: str, listener: ConnectionListener) -> Any:
        return SimConnection(self, url, listener)

    def get(self, request: RestRequest, done: Callable[[RestAnswer], None]) -> None:
        self.requests.append(request.path)
        sent = self.timers.time_ns()
        self.timers.call_later(self.latency(), lambda: self._answer(request, done, sent))

    def keep_answers(self) -> None:
        """Takes note of what snapshots are now, for old ones later on."""
        if not self.venue.is_bybit:
            for symbol in self.venue.markets:
                kept = self._old_answers.setdefault(symbol, deque(maxlen=8))
                kept.append(self.venue.answer(f"/depth?symbol={symbol}"))

    def _answer(self, request: RestRequest, done: Callable[[RestAnswer], None], sent: int) -> None:
        faults, delay = self.faults, self.latency()
        body, status = self.venue.answer(request.path), 200
        if "depth" in request.path:
            symbol = request.path.partition("symbol=")[2].partition("&")[0]
            if faults.slow_snapshots > 0:
                faults.slow_snapshots -= 1
                delay = int(self.chance.uniform(2, 8) * S)
                faults.hit("slow snapshot", self.timers.true_ns() + delay)
            elif faults.old_snapshots > 0 and self._old_answers.get(symbol):
                faults.old_snapshots -= 1
                faults.hit("old snapshot", self.timers.true_ns())
                body = self._old_answers[symbol][0]
            elif faults.snapshots_ahead > 0:
                faults.snapshots_ahead -= 1
                faults.hit("snapshot ahead", self.timers.true_ns())
                number = int(body.partition(":")[2].partition(",")[0])
                ahead = number + self.chance.choice((30_000, 10**9))
                body = body.replace(str(number), str(ahead), 1)
            elif faults.bad_answers > 0:
                faults.bad_answers -= 1
                faults.hit("bad answer", self.timers.true_ns() + 2 * S)
                status, body = self.chance.choice(
                    ((500, "no"), (200, body[: len(body) // 2]), (429, ""), (0, ""))
                )
        retry_after = 2 * S if status == 429 else 0

        def answer() -> None:
            done(RestAnswer(status, body.encode(), sent, self.timers.time_ns(), retry_after))

        self.timers.call_later(delay, answer)
