"""A true history of a book, and the changes and snapshots that each venue would send of it."""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np

from connectors.book.sync import BookSync
from connectors.model import MESSAGE_DTYPE, Kind, Messages, Rows, SequenceRule
from connectors.parsing.json_fields import rows_of
from connectors.parsing.scanner import CLEAR_ASK, CLEAR_BID, DELTA_ASK, DELTA_BID, SNAPSHOT_ASK, SNAPSHOT_BID
from support.books import BUY, SELL, PlainBook


class Event(NamedTuple):
    """A change or a snapshot on its way."""

    kind: Kind
    first_id: int
    last_id: int
    prev_id: int
    #: (event, price, quantity)
    parts: list[tuple[int, float, float]]


class History:
    """Books by id, and the events between them. `events` are the changes, in order and complete."""

    def __init__(self, rule: SequenceRule, chance: random.Random, events: int = 30) -> None:
        self.rule = rule
        #: The true book after every id.
        self.books: dict[int, PlainBook] = {}
        self.events: list[Event] = []
        book = PlainBook()
        for price in range(3):
            book.set(BUY, 100.0 - price, 1.0)
            book.set(SELL, 101.0 + price, 1.0)
        last = chance.randrange(1, 50)
        self.books[last] = book.copy()
        for _ in range(events):
            prev = last
            if rule == SequenceRule.INCREMENT:
                ids = [prev + 1]
            elif rule == SequenceRule.SPAN:
                ids = list(range(prev + 1, prev + 1 + chance.randrange(1, 5)))
            else:  # ids of other instruments lie between
                ids = sorted(chance.sample(range(prev + 1, prev + 12), chance.randrange(1, 5)))
            changes: dict[tuple[int, float], float] = {}
            for number in ids:
                side = chance.choice((BUY, SELL))
                px = (101.0 - chance.randrange(1, 6)) if side == BUY else (100.0 + chance.randrange(1, 6))
                qty = float(chance.choice((0, 1, 2, 3)))
                changes[side, px] = qty
                book.set(side, px, qty)
                self.books[number] = book.copy()
            last = ids[-1]
            parts = [(DELTA_BID, px, qty) for (side, px), qty in changes.items() if side == BUY]
            parts += [(DELTA_ASK, px, qty) for (side, px), qty in changes.items() if side == SELL]
            self.events.append(Event(Kind.DELTA, ids[0], last, prev, parts))

    @property
    def ids(self) -> list[int]:
        """All ids at which a snapshot may be taken: any change; for Bybit the end of a message."""
        return sorted(self.books)

    def snapshot(self, number: int) -> Event:
        """The whole book at an id."""
        sides = self.books[number].sides
        parts = [(CLEAR_BID, min(sides[BUY], default=np.nan), 0.0)]
        parts += [(SNAPSHOT_BID, px, sides[BUY][px]) for px in sorted(sides[BUY], reverse=True)]
        parts += [(CLEAR_ASK, max(sides[SELL], default=np.nan), 0.0)]
        parts += [(SNAPSHOT_ASK, px, sides[SELL][px]) for px in sorted(sides[SELL])]
        return Event(Kind.SNAPSHOT, number, number, 0, parts)


def decoded(
    events: list[Event], first_ts: int = 1_000_000, step: int = 1000, *, is_timed: bool = True
) -> tuple[Rows, Messages]:
    """Events as a line decoder hands them on, `step` ns apart; venue times lie 100 ns before the local ones."""
    rows, messages, count = [], np.zeros(len(events), MESSAGE_DTYPE), 0
    for n, event in enumerate(events):
        local_ts = first_ts + n * step
        exch_ts = local_ts - 100 if is_timed or event.kind == Kind.DELTA else 0
        piece = rows_of(event.parts, exch_ts)
        piece["local_ts"] = local_ts
        rows.append(piece)
        end = count + len(piece)
        messages[n] = (
            int(event.kind), local_ts, exch_ts, event.first_id, event.last_id, event.prev_id, 0, count, end, n + 1, 0, 0
        )  # fmt: skip
        count = end
    return np.concatenate(rows) if rows else rows_of([], 0), messages


def follow(sync: BookSync, events: list[Event], **times: int) -> Rows:
    """The rows of events that a book receives; `times`: of `decoded`."""
    return sync.receive(*decoded(events, **times)).copy()
