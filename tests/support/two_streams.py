"""One true book, and the depth and best-bid-and-offer streams that a venue makes of it, late and conflated at random.

Written for the tests alone. The depth stream sends a level only if it differs between the ends of an interval: the
least that "quantities are absolute, what is not sent has not changed" allows.
"""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np
from hftbacktest.types import event_dtype

from connectors.book.fused import FusedBook
from connectors.book.sequence import Status
from connectors.book.sync import BookSync
from connectors.book.timestamps import RowClock
from connectors.model import MESSAGE_DTYPE, Kind, SequenceRule
from connectors.parsing.json_fields import rows_of
from connectors.parsing.scanner import (
    BBO_ASK,
    BBO_BID,
    CLEAR_ASK,
    CLEAR_BID,
    DELTA_ASK,
    DELTA_BID,
    SNAPSHOT_ASK,
    SNAPSHOT_BID,
)
from support.books import BUY, SELL, PlainBook

TICK, LOT = 0.5, 0.1
MS = 1_000_000
START_NS = 1_700_000_000_000 * MS

Parts = list[tuple[int, float, float]]


class Sent(NamedTuple):
    """A message on its way; `order` is the venue's number of its state."""

    kind: Kind
    order: int
    time_ns: int
    first_id: int
    last_id: int
    prev_id: int
    parts: Parts


class Market:
    """A book of a few levels whose touch moves and comes back; both streams of it, in the order of receipt."""

    def __init__(self, rule: SequenceRule, chance: random.Random, changes: int = 120) -> None:
        self.rule = rule
        self._chance = chance
        self._book = PlainBook()
        self._middle = 100.0
        # The last is far out: up to there the snapshot has all levels.
        for n in (1, 2, 3, 4, 100):
            self._book.set(BUY, self._middle - n * TICK, 1.0)
            self._book.set(SELL, self._middle + n * TICK, 1.0)
        self._id = chance.randrange(100, 200)
        self._now_ns = START_NS
        #: The true book at every id.
        self.books = {self._id: self._book.copy()}
        self._last = self._id
        self._first = 0
        self._reported = self._book.copy()
        self._u = 10
        self.depth: list[Sent] = [self._snapshot()]
        self.touches: list[Sent] = []
        for _ in range(changes):
            self._step()

    def received(self) -> list[Sent]:
        """Both streams, each in order; how far one lags behind the other changes all the time."""
        out, streams = [], [list(self.depth), list(self.touches)]
        out.append(streams[0].pop(0))
        while any(streams):
            chosen = self._chance.choice([stream for stream in streams if stream])
            # Mostly what is due; now and then some of one stream at once.
            for _ in range(self._chance.choice((1, 1, 1, 2, 6))):
                due = min((stream for stream in streams if stream), key=lambda s: s[0].order, default=[])
                stream = due if self._chance.random() < 0.6 else chosen
                if stream:
                    out.append(stream.pop(0))
        return out

    def _step(self) -> None:
        chance = self._chance
        self._now_ns += chance.choice((0, 0, 100_000, 3 * MS))
        self._change()
        self._id += 1 if self.rule != SequenceRule.PREVIOUS else chance.randrange(1, 4)
        self._first = self._first or self._id
        before = self.books[max(self.books)].touch()
        self.books[self._id] = self._book.copy()
        if self._book.touch() != before and chance.random() < 0.8:
            bid, bid_qty, ask, ask_qty = self._book.touch()
            parts = [(BBO_BID, bid, bid_qty), (BBO_ASK, ask, ask_qty)]
            time_ns = 0 if self.rule == SequenceRule.SPAN else self._stamp()
            self.touches.append(Sent(Kind.BBO, self._id, time_ns, self._id, self._id, 0, parts))
        if chance.random() < 0.12:
            is_anew = self.rule == SequenceRule.INCREMENT and chance.random() < 0.1
            self.depth.append(self._snapshot() if is_anew else self._delta())

    def _change(self) -> None:
        """One level changes: near the touch, so that it flickers."""
        chance = self._chance
        side = chance.choice((BUY, SELL))
        own, other = self._book.sides[side], self._book.sides[-side]
        best = max(own) if side == BUY else min(own)
        wall = min(other) if side == BUY else max(other)
        px = best - side * TICK * chance.choice((-2, -1, -1, 0, 0, 1, 2))
        if (wall - px) * side <= 0:
            px = best
        gone = px in own and len(own) > 2 and chance.random() < 0.5
        self._book.set(side, px, 0.0 if gone else float(chance.choice((1, 2, 3))))

    def _stamp(self) -> int:
        return self._now_ns // MS * MS

    def _snapshot(self) -> Sent:
        bids, asks = self._book.sides[BUY], self._book.sides[SELL]
        parts = [(CLEAR_BID, min(bids), 0.0)]
        parts += [(SNAPSHOT_BID, px, bids[px]) for px in sorted(bids, reverse=True)]
        parts += [(CLEAR_ASK, max(asks), 0.0)]
        parts += [(SNAPSHOT_ASK, px, asks[px]) for px in sorted(asks)]
        self._u = 1
        return self._sent(Kind.SNAPSHOT, parts)

    def _delta(self) -> Sent:
        parts: Parts = []
        for side, event in ((BUY, DELTA_BID), (SELL, DELTA_ASK)):
            reported, now = self._reported.sides[side], self._book.sides[side]
            parts += [
                (event, px, now.get(px, 0.0))
                for px in sorted(reported.keys() | now.keys())
                if reported.get(px) != now.get(px)
            ]
        self._u += 1
        return self._sent(Kind.DELTA, parts)

    def _sent(self, kind: Kind, parts: Parts) -> Sent:
        # The frame's time may be that of its sending.
        time_ns = self._stamp() + self._chance.choice((0, 0, MS))
        first, last, prev = self._first or self._id, self._id, self._last
        if self.rule == SequenceRule.INCREMENT:
            first, last = self._id, self._u
        self._first, self._last = 0, self._id
        self._reported = self._book.copy()
        return Sent(kind, self._id, time_ns, first, last, prev, parts)


class Followed:
    """The product's parts over what is received: rows, and a plain book of them."""

    def __init__(self, rule: SequenceRule, *, is_ordered: bool = True) -> None:
        self.sync = BookSync(rule, keep_bbo=True, is_ordered=is_ordered)
        self.clock = RowClock(0, 5 * MS)
        self.fused = FusedBook(TICK, LOT, is_window=rule == SequenceRule.INCREMENT)
        self.book = PlainBook()
        self.local_ts = START_NS

    def receive(self, sent: Sent) -> None:
        """One message, some time after the last."""
        self.local_ts += 50_000
        local_ts = self.local_ts + 10 * MS
        rows = rows_of(sent.parts, sent.time_ns) if sent.parts else np.zeros(0, event_dtype)
        rows["local_ts"] = local_ts
        messages = np.zeros(1, MESSAGE_DTYPE)
        messages[0] = (
            int(sent.kind), local_ts, sent.time_ns, sent.first_id, sent.last_id, sent.prev_id, 0, 0, len(rows), 1, 0, 0
        )  # fmt: skip
        chained = self.sync.receive(rows, messages)
        self.clock.stamp(chained)
        self.book.apply(self.fused.fuse(chained))

    @property
    def touch(self) -> tuple[float, float, float, float] | None:
        """The touch; None where the book is not proven."""
        if self.sync.status != Status.SYNCED:
            return None
        bid, ask = self.fused.best_bid_tick, self.fused.best_ask_tick
        return (
            np.nan if bid is None else bid * TICK, self.fused.best_qty(0),
            np.nan if ask is None else ask * TICK, self.fused.best_qty(1),
        )  # fmt: skip
