"""A gateway of a few lines: a test answers the orders of a live bot by hand."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hftbacktest.order import FILLED, NONE, PARTIALLY_FILLED

from arb.bot.compilation import compile_strategy
from arb.engine.account import EXECUTED
from arb.engine.live import LiveBot, LiveWorld
from arb.engine.mailbox import Mailbox
from arb.leg import Leg
from arb.runtime.live_rows import LiveDriver
from arb.runtime.strategy_task import StrategyTask
from support.dry_market import MS, START_NS, leg, received_rows

SERVE = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)


class HandGateway:
    """Attached to the port of a bot of one or two legs."""

    settled_ts = -1
    on_late: Any = None

    def __init__(self, legs: Sequence[Leg]) -> None:
        self.world = LiveWorld(legs, is_live=True)
        self.mailbox = Mailbox(self.world)
        #: The requests of each call, as (leg, row of ORDER), and all responses as (leg, time of receipt, row).
        self.calls: list[list[tuple[int, Any]]] = []
        self.responses: list[tuple[int, int, Any]] = []
        self._serve = SERVE(self._take)
        self.world.attach(ctypes.cast(self._serve, ctypes.c_void_p).value or 0)
        self.bot = LiveBot(self.world, keep=self)

    def _take(self, address: int) -> int:
        self.calls.append(self.mailbox.take())
        return 0

    def answer(self, leg_no: int, order: Any, received_ts: int, **fields: Any) -> int:
        """Delivers a response: the order with these fields changed and its request done; returns when."""
        row = order.copy()
        row["req"] = NONE
        for name, value in fields.items():
            row[name] = value
        delivered_ts = self.mailbox.put(leg_no, row, received_ts)
        self.responses.append((leg_no, delivered_ts, row))
        return delivered_ts

    def fill(self, leg_no: int, order: Any, received_ts: int, **fields: Any) -> int:
        """Answers that the order is filled whole at its price."""
        qty = order["qty"]
        at = {"exec_qty": qty, "fill_qty": qty, "leaves_qty": 0.0, "exec_price_tick": order["price_tick"]}
        at |= {"status": FILLED, "exch_timestamp": received_ts - MS}
        return self.answer(leg_no, order, received_ts, **(at | fields))

    def execute(
        self, leg_no: int, order: Any, qty: float, left: float, received_ts: int, **fields: Any
    ) -> int:
        """Reports a further execution at the order's price."""
        at = {"req": EXECUTED, "status": PARTIALLY_FILLED, "request_no": 0, "leaves_qty": left}
        return self.fill(leg_no, order, received_ts, **(at | {"exec_qty": qty, "fill_qty": qty} | fields))

    def on_rows(self, leg_no: int, rows: Any) -> None:
        """A gateway needs no rows."""

    def on_time(self, now_ns: int) -> None:
        """Nothing here depends on the time."""


def run_by_hand(
    function: Callable[..., Any], legs: int = 2
) -> tuple[HandGateway, StrategyTask, LiveDriver, Any]:
    """A strategy `f(bot, out)` that has begun, its gateway, its driver and what it writes."""
    gateway = HandGateway([leg(number) for number in range(legs)])
    out = np.zeros(32)
    task = StrategyTask(gateway.bot, compile_strategy(function), (gateway.bot, out))
    driver = LiveDriver(gateway.bot, task, gateway)
    assert driver.start()
    return gateway, task, driver, out


def first_rows(leg_no: int, local_ts: int = START_NS + MS) -> Any:
    """The first snapshot of a leg, all received at one time."""
    rows = received_rows(leg_no, 3, 1)
    rows["local_ts"] = local_ts
    return rows
