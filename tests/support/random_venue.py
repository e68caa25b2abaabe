"""Answers orders by dice, as a venue and a gateway might: refused, executed in parts, cancelled behind a fill, late."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

import numpy as np
from hftbacktest.order import (
    CANCELED,
    EXPIRED,
    FILLED,
    GTX,
    LIMIT,
    NEW,
    NONE,
    PARTIALLY_FILLED,
    REJECTED,
)

from arb.engine.account import EXECUTED, REPLACED

MS = 1_000_000


class RandomVenue:
    """Rows of ORDER for requests, each due at a time. put: called with (leg, row, time of receipt)."""

    def __init__(self, seed: int, put: Callable[[int, Any, int], int]) -> None:
        self._dice = np.random.default_rng(seed)
        self._put = put
        self._due: list[tuple[int, int, int, Callable[[int], list[Any]]]] = []
        self._count = 0
        #: Of each order, by leg and id: its row at the venue. `leaves_qty` is 0 once it is final.
        self._orders: dict[tuple[int, int], Any] = {}

    @property
    def next_due(self) -> int | None:
        return self._due[0][0] if self._due else None

    def request(self, leg: int, row: Any, now: int) -> None:
        """A request that the bot made by now."""
        act = {NEW: self._place, REPLACED: self._modify}.get(int(row["req"]), self._cancel)
        self._later(leg, now, lambda at: act(leg, row, at))

    def deliver(self, now: int) -> int:
        """Puts all answers that are due; returns the last one's time of receipt, 0 for none."""
        last = 0
        while self._due and self._due[0][0] <= now:
            at, _, leg, made = heapq.heappop(self._due)
            for row in made(at):
                last = max(last, self._put(leg, row, at))
        return last

    def _later(self, leg: int, now: int, made: Callable[[int], list[Any]]) -> None:
        self._count += 1
        after = int(self._dice.integers(1, 60 * MS))
        heapq.heappush(self._due, (now + after, self._count, leg, made))

    def _place(self, leg: int, row: Any, at: int) -> list[Any]:
        key = leg, int(row["order_id"])
        if key in self._orders or self._dice.random() < 0.1:
            return [_changed(row, req=REJECTED, exch_timestamp=0)]
        order = self._orders[key] = _changed(row, req=NONE, status=NEW, exch_timestamp=at - MS)
        is_resting = row["order_type"] == LIMIT and row["time_in_force"] <= GTX
        if is_resting:
            self._later(leg, at, lambda later: self._execute(leg, key, later))
            return [order.copy()]
        rows = [self._part(order, at) for _ in range(int(self._dice.integers(0, 3)))]
        if self._dice.random() < 0.5:
            order["status"] = EXPIRED
            return [*rows, self._ended(order, at)]
        return [*rows, self._part(order, at, is_whole=True, request_no=int(row["request_no"]))]

    def _execute(self, leg: int, key: tuple[int, int], at: int) -> list[Any]:
        order = self._orders[key]
        if order["leaves_qty"] == 0.0 or order["status"] in (EXPIRED, CANCELED, FILLED):
            return []
        is_whole = bool(self._dice.random() < 0.4)
        if not is_whole:
            self._later(leg, at, lambda later: self._execute(leg, key, later))
        return [self._part(order, at, is_whole=is_whole)]

    def _part(self, order: Any, at: int, *, is_whole: bool = False, request_no: int = 0) -> Any:
        """An execution of some of what is left, or of all of it."""
        left = float(order["leaves_qty"])
        qty = left if is_whole else left * float(self._dice.choice([0.25, 0.5]))
        tick = int(order["price_tick"]) - int(self._dice.integers(0, 3))
        order["leaves_qty"] = 0.0 if is_whole else left - qty
        order["status"] = FILLED if is_whole else PARTIALLY_FILLED
        order["exec_qty"], order["exec_price_tick"], order["exch_timestamp"] = qty, tick, at - MS
        order["maker"] = self._dice.random() < 0.5
        charged = int(self._dice.integers(0, 4))
        price = float(self._dice.choice([0.0, 500.0]))
        fee = (0.0, 0.01, qty * 0.001, 0.0004)[charged]
        return _changed(
            order,
            req=NONE if is_whole else EXECUTED,
            request_no=request_no,
            fill_qty=qty,
            charged=charged,
            fee=fee,
            fee_price=price,
        )

    def _ended(self, order: Any, at: int) -> Any:
        order["exch_timestamp"] = at - MS
        return order.copy()

    def _cancel(self, leg: int, row: Any, at: int) -> list[Any]:
        order = self._orders.get((leg, int(row["order_id"])))
        if order is None or order["status"] in (EXPIRED, CANCELED, FILLED) or self._dice.random() < 0.1:
            return [_changed(row, req=REJECTED, exch_timestamp=0)]
        order["status"] = CANCELED
        return [_changed(self._ended(order, at), request_no=row["request_no"])]

    def _modify(self, leg: int, row: Any, at: int) -> list[Any]:
        order = self._orders.get((leg, int(row["order_id"])))
        if order is None or order["status"] in (EXPIRED, CANCELED, FILLED):
            return [_changed(row, req=REJECTED, exch_timestamp=0)]
        if self._dice.random() < 0.8:
            done = float(order["qty"]) - float(order["leaves_qty"])
            order["price_tick"], order["leaves_qty"] = row["price_tick"], row["qty"]
            order["qty"] = done + float(row["qty"])
        return [_changed(self._ended(order, at), request_no=row["request_no"])]


def _changed(row: Any, **fields: Any) -> Any:
    made = row.copy()
    for name, value in fields.items():
        made[name] = value
    return made
