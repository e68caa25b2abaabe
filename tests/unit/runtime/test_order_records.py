"""Rows of requests, responses and executions."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hftbacktest.order import CANCELED, NEW
from support.dry_market import leg as leg_of

from arb.engine.order_table import ORDER
from arb.execution.desk_wires import Refusal
from arb.execution.gateway import TakenRequest
from arb.runtime.order_news import OrderNews, Rejected
from arb.runtime.order_records import OrderLog, OrderNotes
from arb.runtime.session_orders import OrdersState
from connectors.orders.model import Act, Execution

NO_FILLS = np.zeros(0, [("asset_no", "i8")])


def logged(answers: list[tuple[int, int]]) -> Any:
    """The records of answers, (leg, time of receipt), each with an execution."""
    log = OrderLog()
    for leg, received_ns in answers:
        x = Execution("BTCUSDT", "a", "v", f"x{leg}-{received_ns}", 1, 100, 1, False, Decimal(0), "", 0)
        log.response(leg, received_ns, np.zeros(1, ORDER), x)
    return log.records(NO_FILLS, {})


def test_answers_of_one_moment_are_in_the_order_of_their_legs() -> None:
    # As when a session is derived venue by venue.
    made, derived = logged([(1, 5), (0, 5), (1, 4), (1, 6)]), logged([(0, 5), (1, 5), (1, 4), (1, 6)])
    assert made.responses.tobytes() == derived.responses.tobytes()
    assert made.executions.tobytes() == derived.executions.tobytes()
    assert made.executions["id"].tolist() == [b"x1-4", b"x0-5", b"x1-5", b"x1-6"]


def taken(taken_ns: int = 0, sent_ns: int = 0, refused: str = "", **fields: float) -> TakenRequest:
    row = np.zeros(1, ORDER)
    row["request_ts"] = 1_000_000
    for name, value in fields.items():
        row[name] = value
    return TakenRequest(1, row.tobytes(), 1, taken_ns, sent_ns, refused=refused)


def test_spans_of_a_request_begin_on_the_clock_of_the_strategy() -> None:
    notes = OrderNotes([leg_of(0), leg_of(1)], "demo")
    for times in ((1_200_000, 1_300_000), (1_400_000, 0), (0, 0)):
        notes.add(taken(*times))
    state = notes.state(OrdersState(), ["binance-1"])
    assert (state.environment, state.accounts) == ("demo", ["binance-1"])
    assert [line[1] for line in state.decisions] == [0.0, pytest.approx(0.6)]
    assert [line[1] for line in state.sends] == [0.0, pytest.approx(0.3)]


def test_news_have_the_quantity_of_each_order_and_who_refused_it() -> None:
    notes = OrderNotes([leg_of(0), leg_of(1)], "demo")
    notes.add(taken(5, 6, order_id=7, qty=0.25, req=NEW))
    notes.add(taken(8, 0, "too large: 3", order_id=9, qty=3.0, req=NEW))
    notes.add(taken(9, 10, order_id=7, qty=0.25, req=CANCELED))
    feed = SimpleNamespace(rejections=deque([(11, Refusal(1, 7, Act.PLACE, "-2010"))]))
    assert notes.news(feed) == OrderNews(
        {(1, 7): 0.25, (1, 9): 3.0},
        [Rejected(8, 1, 9, "by the gate: too large: 3"), Rejected(11, 1, 7, "-2010")],
    )
    assert notes.news(feed) == notes.news(None) == OrderNews()
