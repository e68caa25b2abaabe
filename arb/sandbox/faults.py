"""Scripted faults: kind, schedule and targets. All randomness is seeded.

A fault begins at times of the sandbox's clock. From then on it modifies the next frames, requests, events or orders
that match it, or everything for its duration, or does one thing at once. Pure.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Literal

from numpy.random import Generator

from connectors.units import SECOND

_NEVER = sys.maxsize


class FaultKind(StrEnum):
    GAP = "gap"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    TRUNCATE = "truncate"
    GARBAGE = "garbage"
    SILENCE = "silence"
    DISCONNECT = "disconnect"
    HALF_OPEN = "half_open"
    REFUSE = "refuse"
    SHUTDOWN = "shutdown"
    CLOCK = "clock"
    REST_SLOW = "rest_slow"
    REST_STALE = "rest_stale"
    REST_429 = "rest_429"
    REST_418 = "rest_418"
    # of order entry and accounts; see `arb.sandbox.trading.order_faults`
    REJECT = "reject"
    LOST_REQUEST = "lost_request"
    ACCEPTED_NO_ANSWER = "accepted_no_answer"
    ACCEPTED_5XX = "accepted_5xx"
    DUPLICATE_EVENT = "duplicate_event"
    REORDER_EVENT = "reorder_event"
    LATE_EVENT = "late_event"
    PARTIAL_THEN_EXPIRE = "partial_then_expire"
    NOT_VISIBLE = "not_visible"
    PRUNED = "pruned"
    USER_SILENT = "user_silent"
    BALANCE_LAG = "balance_lag"
    TRADE_LOST = "trade_lost"
    USER_LOST = "user_lost"
    KEY_EXPIRED = "key_expired"
    RESTARTING = "restarting"
    KEY_REVOKED = "key_revoked"
    SELF_TRADE = "self_trade"
    LIQUIDATE = "liquidate"
    ADL = "adl"
    FOREIGN_ORDER = "foreign_order"
    TRANSFER = "transfer"
    MODE_SWITCHED = "mode_switched"
    FILTER_CHANGED = "filter_changed"
    CANCEL_ONLY = "cancel_only"
    DELISTED = "delisted"
    MAINTENANCE = "maintenance"
    MARGIN_CALL = "margin_call"


FRAME_KINDS = frozenset(
    {FaultKind.GAP, FaultKind.DUPLICATE, FaultKind.REORDER, FaultKind.TRUNCATE, FaultKind.GARBAGE}
)
REQUEST_KINDS = frozenset(
    {FaultKind.REJECT, FaultKind.LOST_REQUEST, FaultKind.ACCEPTED_NO_ANSWER, FaultKind.ACCEPTED_5XX}
)
EVENT_KINDS = frozenset({FaultKind.DUPLICATE_EVENT, FaultKind.REORDER_EVENT, FaultKind.LATE_EVENT})
#: Of new orders.
ORDER_KINDS = frozenset({FaultKind.PARTIAL_THEN_EXPIRE, FaultKind.NOT_VISIBLE, FaultKind.PRUNED})
#: They modify the next `count` frames, requests, events or orders.
COUNTED_KINDS = FRAME_KINDS | REQUEST_KINDS | EVENT_KINDS | ORDER_KINDS
#: Of connections that carry orders or user data.
ACCOUNT_LINE_KINDS = frozenset(
    {FaultKind.TRADE_LOST, FaultKind.USER_LOST, FaultKind.KEY_EXPIRED, FaultKind.RESTARTING}
)
CONNECTION_KINDS = ACCOUNT_LINE_KINDS | {FaultKind.DISCONNECT, FaultKind.HALF_OPEN, FaultKind.SHUTDOWN}
#: What is done to accounts at once, and for some a while later undone.
ACT_KINDS = frozenset(
    {
        FaultKind.KEY_REVOKED,
        FaultKind.SELF_TRADE,
        FaultKind.LIQUIDATE,
        FaultKind.ADL,
        FaultKind.FOREIGN_ORDER,
        FaultKind.TRANSFER,
        FaultKind.MODE_SWITCHED,
        FaultKind.FILTER_CHANGED,
        FaultKind.CANCEL_ONLY,
        FaultKind.DELISTED,
        FaultKind.MAINTENANCE,
        FaultKind.MARGIN_CALL,
    }
)
#: Faults that `arb.sandbox.trading` carries out.
TRADING_KINDS = (
    REQUEST_KINDS | EVENT_KINDS | ORDER_KINDS | ACT_KINDS | {FaultKind.USER_SILENT, FaultKind.BALANCE_LAG}
)


@dataclass(frozen=True)
class Fault:
    """One fault. `venue`, `stream`, `account`, `symbol`, `request`, `order` and `event` are patterns with `*`.

    `client` counts a venue's connections from 1.
    """

    kind: FaultKind
    name: str = ""
    venue: str = "*"
    stream: str = "*"
    client: int | None = None
    #: When: once at `at_s`, or every `every_s` (first at `at_s`, if given), or randomly `per_minute` on average.
    at_s: float | None = None
    every_s: float | None = None
    per_minute: float | None = None
    #: Number of frames, requests, events or orders; duration; arguments of individual kinds.
    count: int = 1
    duration_s: float = 5.0
    delay_s: float = 2.0
    offset_ms: int = 1000
    retry_after_s: int = 5
    notice_s: float = 5.0
    code: int | None = None
    # of order entry and accounts
    account: str = "*"
    symbol: str = "*"
    #: What a request is about: see `order_faults.Request`. The client's id of the order. An event: see `event_name`.
    request: str = "*"
    order: str = "*"
    event: str = "*"
    #: HTTP status and text of an error, where they are not the usual ones.
    status: int | None = None
    message: str | None = None
    #: Whether a connection without an answer stays open or is cut.
    then: Literal["hang", "cut"] = "hang"
    #: Right after the next accepted order, instead of at once.
    after_order: bool = False
    #: Part of an order or position; None: the kind's own.
    share: float | None = None
    asset: str = "USDT"
    #: Of a transfer, negative if out of the account; of an order.
    quantity: Decimal = Decimal(0)
    side: Literal["buy", "sell"] = "buy"
    #: Distance from the own best price towards the other side; far enough, the order takes.
    price_bps: float = 0.0
    #: Name and value of what changes.
    field: str = ""
    value: str = ""

    @property
    def needs_accounts(self) -> bool:
        """Whether it has no effect without trading."""
        return self.kind in TRADING_KINDS | ACCOUNT_LINE_KINDS

    def times(self, chance: Generator) -> Iterator[float]:
        """The times at which it begins, in seconds from the start."""
        if self.per_minute is not None:
            at = self.at_s or 0.0
            while True:
                at += chance.exponential(60.0 / self.per_minute)
                yield at
        elif self.every_s is not None:
            at = self.every_s if self.at_s is None else self.at_s
            while True:
                yield at
                at += self.every_s
        else:
            yield self.at_s or 0.0

    def concerns(self, venue: str, account: str, symbol: str | None = None) -> bool:
        """Whether the fault applies to an account at a venue, and to a symbol; None matches any."""
        return (
            fnmatchcase(venue, self.venue)
            and fnmatchcase(account, self.account)
            and (symbol is None or fnmatchcase(symbol, self.symbol))
        )

    def is_about(self, venue: str, stream: str | None = None, client: int | None = None) -> bool:
        """Whether the fault applies to a venue, stream and client; None matches any."""
        return (
            fnmatchcase(venue, self.venue)
            and (stream is None or fnmatchcase(stream, self.stream))
            and (client is None or self.client in (None, client))
        )


class Scheduled:
    """A fault with its schedule and, once it has begun, how many frames, requests, ... are left, or its end."""

    def __init__(self, no: int, fault: Fault, start_ns: int, chance: Generator) -> None:
        self.no = no
        self.fault = fault
        self.left = 0
        self.until_ns = 0
        self._times = (start_ns + round(at_s * SECOND) for at_s in fault.times(chance))
        self._next_ns = next(self._times, _NEVER)

    def begins(self, now_ns: int) -> Iterator[Scheduled]:
        """Begins the fault, and yields it, once for each of its times up to `now_ns`."""
        while self._next_ns <= now_ns:
            if self.fault.kind in COUNTED_KINDS:
                self.left += self.fault.count
            elif self.fault.kind not in CONNECTION_KINDS | ACT_KINDS:
                self.until_ns = self._next_ns + round(self.fault.duration_s * SECOND)
            self._next_ns = next(self._times, _NEVER)
            yield self

    def is_over(self, now_ns: int) -> bool:
        """Whether it has no effect any more and does not begin again."""
        return not self.left and self.until_ns <= now_ns and self._next_ns == _NEVER
