"""A bot in plain Python with scripted answers, and the strategy's compiled functions as plain ones to run on it.

One order is answered as its `Fate` says; touches come from a list. It keeps what it was asked, so that a test can
check every order against what the strategy could know when it sent it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import FunctionType, SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from hftbacktest.order import BUY, EXPIRED, FILLED, IOC, LIMIT, NEW, NONE, PARTIALLY_FILLED, REJECTED, SELL
from numba.core.dispatcher import Dispatcher

from arb.strategies.spread.decisions import Decision

_TIMEOUT, _END, _FEED, _RESPONSE = 0, 1, 2, 3


class Touch(NamedTuple):
    """A leg's touch from `ts` on."""

    ts: int
    leg_no: int
    bid: float
    ask: float
    bid_qty: float
    ask_qty: float


class Fate(NamedTuple):
    """What becomes of an order: `code` other than 0 is not sent; `share` None is never answered.

    early_ns: its executions are reported so long before its end. late_share: of what is left, executed `late_ns` after
    the end.
    """

    share: float | None = 1.0
    delay_ns: int = 1_000_000
    code: int = 0
    is_rejected: bool = False
    early_ns: int = 0
    late_share: float = 0.0
    late_ns: int = 0


@dataclass
class Order:
    """As much of an order as the strategy reads, and when and how it will be answered."""

    order_id: int
    leg_no: int
    side: int
    price: float
    qty: float
    sent_ts: int
    touch: Touch
    answer_ts: float
    filled: float
    status: int = NONE
    req: int = NEW
    leaves_qty: float = 0.0
    is_rejected: bool = False
    exch_timestamp: int = 0
    #: Times of executions, and how much each executes.
    parts: list[tuple[float, float]] = field(default_factory=list)

    def answer(self) -> None:
        self.req = NONE
        self.leaves_qty = self.qty - self.filled
        self.exch_timestamp = 0 if self.is_rejected else int(self.answer_ts)
        if self.is_rejected:
            self.status = REJECTED
        else:
            self.status = FILLED if self.filled == self.qty else EXPIRED


@dataclass
class FakeBot:
    """The bot's interface over two legs, or two a pair."""

    touches: Sequence[Touch]
    fates: Iterator[Fate]
    end_ts: int
    tick_sizes: tuple[float, ...]
    lot_sizes: tuple[float, ...]
    current_timestamp: int = 0
    sent: list[Order] = field(default_factory=list)
    refused: list[Order] = field(default_factory=list)
    #: Time of the last row of a leg, if it is not now.
    last_feed: dict[int, int] = field(default_factory=dict)
    #: How old it was then, where that is not nothing.
    feed_ns: dict[int, int] = field(default_factory=dict)
    #: Share of a purchase of each leg that its fee takes from the base.
    base_fees: tuple[float, ...] = ()
    #: What each leg holds at the start; bought or sold at 100.
    opening: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        self.num_assets = len(self.tick_sizes)
        legs = range(self.num_assets)
        self._orders: list[dict[int, Order]] = [{} for _ in legs]
        self._next = 0
        self._last = [Touch(0, leg, *[math.nan] * 4) for leg in legs]
        #: Orders with executions to come; time, leg and signed quantity of all executions.
        self._executing: list[Order] = []
        self.executions: list[tuple[int, int, float]] = []
        opening = self.opening or (0.0,) * self.num_assets
        self._values = [SimpleNamespace(position=one, balance=-100.0 * one, fee=0.0) for one in opening]

    def depth(self, leg_no: int) -> Any:
        touch = self._last[leg_no]
        return SimpleNamespace(
            best_bid=touch.bid,
            best_ask=touch.ask,
            best_bid_qty=touch.bid_qty,
            best_ask_qty=touch.ask_qty,
            tick_size=self.tick_sizes[leg_no],
            lot_size=self.lot_sizes[leg_no],
        )

    def position(self, leg_no: int) -> float:
        return float(self._values[leg_no].position)

    def state_values(self, leg_no: int) -> Any:
        return self._values[leg_no]

    def feed_latency(self, leg_no: int) -> tuple[int, int] | None:
        """Every book is as fresh as the clock, unless `last_feed` says otherwise."""
        ts = self.last_feed.get(leg_no, self.current_timestamp)
        return (ts - self.feed_ns.get(leg_no, 0), ts)

    def orders(self, leg_no: int) -> dict[int, Order]:
        return self._orders[leg_no]

    def clear_inactive_orders(self, leg_no: int) -> None:
        orders = self._orders[leg_no]
        for order_id in [k for k, v in orders.items() if v.status not in (NONE, NEW, PARTIALLY_FILLED)]:
            del orders[order_id]

    def submit_buy_order(self, *args: Any) -> int:
        return self._submit(BUY, *args)

    def submit_sell_order(self, *args: Any) -> int:
        return self._submit(SELL, *args)

    def _submit(
        self, side: int, leg_no: int, order_id: int, px: float, qty: float, tif: int, kind: int, wait: bool
    ) -> int:
        assert (tif, kind, wait) == (IOC, LIMIT, False)
        fate = next(self.fates)
        lot = self.lot_sizes[leg_no]
        filled = 0.0 if fate.share is None else math.floor(fate.share * round(qty / lot)) * lot
        filled = qty if fate.share == 1.0 else filled
        answer_ts = math.inf if fate.share is None else self.current_timestamp + fate.delay_ns
        order = Order(
            int(order_id), leg_no, side, float(px), float(qty), self.current_timestamp, self._last[leg_no],
            answer_ts, 0.0 if fate.is_rejected else filled, is_rejected=fate.is_rejected, leaves_qty=float(qty),
        )  # fmt: skip
        if fate.code:
            self.refused.append(order)
            return fate.code
        if order.filled:
            order.parts.append((answer_ts - fate.early_ns, order.filled))
        late = math.floor(fate.late_share * round((qty - order.filled) / lot)) * lot
        if late:
            order.parts.append((answer_ts + fate.late_ns, late))
        self._executing.append(order)
        assert order.order_id not in self._orders[leg_no], "an order id was used twice"
        self._orders[leg_no][order.order_id] = order
        self.sent.append(order)
        return 0

    def wait_next_feed(self, include_order_resp: bool, timeout: int) -> int:
        assert include_order_resp
        assert timeout > 0
        limit = self.current_timestamp + timeout if self.current_timestamp else math.inf
        waiting = [o for orders in self._orders for o in orders.values() if o.req != NONE]
        feed_ts = self.touches[self._next].ts if self._next < len(self.touches) else math.inf
        executed = [ts for o in self._executing for ts, _ in o.parts]
        due = min([feed_ts, *(o.answer_ts for o in waiting), *executed])
        if min(due, limit) > self.end_ts:
            return _END
        if due > limit:
            self.current_timestamp = int(limit)
            return _TIMEOUT
        self.current_timestamp = int(due)
        while self._next < len(self.touches) and self.touches[self._next].ts <= due:
            touch = self.touches[self._next]
            self._last[touch.leg_no] = touch
            self._next += 1
        for order in self._executing:
            for part in [one for one in order.parts if one[0] <= due]:
                order.parts.remove(part)
                self._execute(order, part[1])
        self._executing = [o for o in self._executing if o.parts]
        for order in waiting:
            if order.answer_ts <= due:
                self._settle(order)
        return _FEED if feed_ts <= due else _RESPONSE

    def _execute(self, order: Order, qty: float) -> None:
        values = self._values[order.leg_no]
        base_fee = self.base_fees[order.leg_no] if self.base_fees and order.side == BUY else 0.0
        values.position += order.side * qty * (1.0 - base_fee)
        values.balance -= order.side * qty * order.price
        self.executions.append((self.current_timestamp, order.leg_no, order.side * qty))
        if order.req != NONE:
            order.status, order.leaves_qty = PARTIALLY_FILLED, order.leaves_qty - qty

    def _settle(self, order: Order) -> None:
        order.answer()


class Decided(NamedTuple):
    """A line of the decision log."""

    ts: int
    code: Decision
    attempt: int
    leg: int
    order_id: int
    value: float


@dataclass
class FakeRecorder:
    """Keeps the decisions."""

    decisions: list[Decided] = field(default_factory=list)
    records: int = 0

    def decide(self, ts: int, code: int, attempt: int, leg: int, order_id: int, value: float) -> None:
        self.decisions.append(
            Decided(int(ts), Decision(int(code)), int(attempt), int(leg), int(order_id), float(value))
        )

    def record(self, bot: FakeBot) -> None:
        self.records += 1


class Record:
    """One structured record whose fields are attributes of their own kind, as compiled code sees it."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        names = dtype.names or ()
        kinds = {name: int if dtype[name].kind in "iu" else float for name in names}
        object.__setattr__(self, "_kinds", kinds)
        for name in names:
            setattr(self, name, 0)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, self._kinds[name](value))


class _PlainNumpy:
    """NumPy whose structured zeros are `Record`s."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def zeros(shape: int, dtype: Any) -> list[Any]:
        kind = np.dtype(dtype)
        return [Record(kind) if kind.names else 0 for _ in range(shape)]

    @staticmethod
    def uint64(value: int) -> int:
        return value


#: Globals of each module with its compiled functions as plain ones; filled in place, since they name each other.
_GLOBALS: dict[str, dict[str, Any]] = {}


def _plain_globals(module_name: str) -> dict[str, Any]:
    if module_name in _GLOBALS:
        return _GLOBALS[module_name]
    names = _GLOBALS[module_name] = dict(vars(import_module(module_name)))
    for key, value in list(names.items()):
        if isinstance(value, Dispatcher):
            names[key] = plain(value)
        elif value is np:
            names[key] = _PlainNumpy()
    return names


def plain(function: Any) -> Callable[..., Any]:
    """The Python function of a compiled one, which in turn calls Python functions only."""
    python = getattr(function, "py_func", function)
    return FunctionType(
        python.__code__, _plain_globals(python.__module__), python.__name__, python.__defaults__
    )


def fates(first: Iterable[Fate], then: Fate | None = None) -> Iterator[Fate]:
    """The given fates, then one and the same for ever."""
    yield from first
    while True:
        yield then or Fate()
