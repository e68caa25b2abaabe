"""Rows of requests, responses and executions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from support.dry_market import leg as leg_of

from arb.engine.mailbox import order_of
from arb.engine.order_table import ORDER
from arb.runtime.order_records import OrderLog, OrderSpans
from connectors.orders.model import Execution

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


def test_spans_of_a_request_begin_on_the_clock_of_the_strategy() -> None:
    row = np.zeros(1, ORDER)
    row["request_ts"] = 1_000_000
    spans = OrderSpans([leg_of(0), leg_of(1)])
    spans.add(1, 1_200_000, 1_300_000, order_of(row.tobytes()))
    spans.add(1, 1_400_000, 0, order_of(row.tobytes()))
    spans.add(1, 0, 0, order_of(row.tobytes()))
    assert [line[1] for line in spans.decisions.lines] == [0.0, pytest.approx(0.6)]
    assert [line[1] for line in spans.sends.lines] == [0.0, pytest.approx(0.3)]
