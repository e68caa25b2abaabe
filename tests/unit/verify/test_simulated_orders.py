"""Orders of a live session beside the simulated exchange: made by hand over a market of a few rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hftbacktest.order import (
    BUY,
    CANCELED,
    EXPIRED,
    FILLED,
    GTC,
    GTX,
    IOC,
    LIMIT,
    NEW,
    NONE,
    PARTIALLY_FILLED,
    REJECTED,
    SELL,
)
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    event_dtype,
)
from support.dry_market import MS, START_NS, leg

from arb.commands.verify_figures import simulated_differences
from arb.engine.account import EXECUTED, REPLACED
from arb.engine.order_table import ORDER
from arb.errors import InvariantError
from arb.execution.ids import SessionIds
from arb.results.simulated_orders import SimulatedOrder, read_simulated, simulated_csv
from arb.runtime.live_files import EXECUTION, REQUEST, RESPONSE, STATE, OrderRecords
from arb.verify.simulated_orders import simulated_orders

pytestmark = pytest.mark.slow

#: Ticks of 0.1, lots of 0.001; 10 ms each way.
LEG = leg(0)
END_MS = 1_000
#: Of the rows.
DELAY_MS = 15
IDS = SessionIds("tests1", 1, 0x1234)
DOUBTS: dict[str, Any] = {"binance_usdm": {"doubts": [{"leg": 0, "request_no": 1}]}}


def rows() -> Any:
    """100.0 to 100.2; from 50 ms on 100.0 to 100.4; at 300 ms a trade through 100.0; then 99.8 to 100.4."""
    found = np.zeros(7, event_dtype)
    for row, (at_ms, kind, side, price, qty) in zip(
        found,
        [
            (0, DEPTH_EVENT, BUY_EVENT, 100.0, 5.0),
            (0, DEPTH_EVENT, SELL_EVENT, 100.2, 0.002),
            (0, DEPTH_EVENT, SELL_EVENT, 100.4, 5.0),
            (50, DEPTH_EVENT, SELL_EVENT, 100.2, 0.0),
            (300, TRADE_EVENT, SELL_EVENT, 99.9, 9.0),
            (300, DEPTH_EVENT, BUY_EVENT, 99.8, 5.0),
            (300, DEPTH_EVENT, BUY_EVENT, 100.0, 0.0),
        ],
        strict=True,
    ):
        row["ev"], row["exch_ts"] = kind | side | EXCH_EVENT, START_NS + at_ms * MS
        row["px"], row["qty"], row["local_ts"] = price, qty, row["exch_ts"] + DELAY_MS * MS
    return found


class Log:
    """Requests and responses of one order after another, as a session logs them."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.responses: list[Any] = []

    def request(
        self, order_id: int, at_ms: int, *, sent: bool = True, left: bool = False, **fields: Any
    ) -> int:
        """Returns its number. left: behind by the stopped strategy."""
        row = np.zeros(1, ORDER)[0]
        number = len(self.requests) + 1
        usual = {
            "req": NEW,
            "side": BUY,
            "price_tick": 1002,
            "qty": 0.004,
            "time_in_force": IOC,
            "order_type": LIMIT,
        }
        for name, value in {**usual, "leaves_qty": fields.get("qty", 0.004), **fields}.items():
            row[name] = value
        row["order_id"], row["request_no"], row["tick_size"] = order_id, number, 0.1
        row["request_ts"] = row["local_timestamp"] = START_NS + at_ms * MS
        self.requests.append((0, number, 0 if left else START_NS + at_ms * MS, int(sent), 3, 0, row))
        return number

    def response(
        self, order_id: int, number: int, venue_ms: float, received_ms: float, status: int, lots: int = 0,
        tick: int = 0, req: int = NONE,
    ) -> None:  # fmt: skip
        """venue_ms: 0 without one."""
        row = np.zeros(1, ORDER)[0]
        row["order_id"], row["request_no"], row["status"], row["req"] = order_id, number, status, req
        row["request_ts"] = self.requests[number - 1][-1]["request_ts"] if number else 0
        row["exch_timestamp"] = START_NS + int(venue_ms * MS) if venue_ms else 0
        row["fill_qty"], row["exec_price_tick"] = lots * 0.001, tick
        self.responses.append((0, START_NS + int(received_ms * MS), -1, row))

    def compared(self, facts: Any = None) -> list[SimulatedOrder]:
        records = OrderRecords(
            np.array(self.requests, REQUEST), np.array(self.responses, RESPONSE), np.zeros(0, EXECUTION),
            np.zeros(0, STATE), facts or {}, {},
        )  # fmt: skip
        return simulated_orders([LEG], IDS, records, [[rows()]], START_NS + END_MS * MS)


def placed(log: Log, at_ms: int, **fields: Any) -> int:
    return log.request(1, at_ms, **fields)


@pytest.mark.parametrize(("side", "price_tick", "worse_bps"), [(BUY, 1010, 10.0), (SELL, 990, -10.0)])
def test_a_price_above_the_simulated_one_is_worse_for_a_buyer(
    side: int, price_tick: int, worse_bps: float
) -> None:
    log = Log()
    number = placed(log, 3, side=side, price_tick=price_tick)
    tick = 1002 if side == BUY else 1000
    log.response(1, number, 13.0, 20.0, PARTIALLY_FILLED, 2, tick, EXECUTED)
    log.response(1, number, 13.0, 20.0, FILLED, 2, tick + 2)
    (one,) = log.compared()
    assert one.live_worse_bps == pytest.approx(worse_bps, rel=3e-3)
    assert (one.live_price, one.simulated_price) == pytest.approx(((tick + 1) / 10, tick / 10))
    assert (one.filled_by, one.live_lots, one.simulated_lots) == ("both", 4, 4)
    assert (one.live_end, one.simulated_end, one.client_id) == ("filled", "filled", "arb-tests1-1-3-0-1")
    assert (one.live_entry_ns, one.live_response_ns) == (10 * MS, 7 * MS)
    assert (one.simulated_entry_ns, one.simulated_response_ns) == (10 * MS, 10 * MS)


@pytest.mark.parametrize(("venue_ms", "price"), [(49.0, 100.2), (50.0, 100.4), (2.0, 100.2)])
def test_an_order_meets_the_market_of_its_own_venue_time(venue_ms: float, price: float) -> None:
    log = Log()
    number = placed(log, 3, price_tick=1010)
    log.response(1, number, venue_ms, 60.0, EXPIRED)
    (one,) = log.compared()
    assert one.simulated_price == pytest.approx(price)
    assert one.filled_by == "simulated"
    assert one.live_entry_ns == (venue_ms - 3.0) * MS
    assert one.simulated_end_ts == START_NS + max(int(venue_ms), 3) * MS  # never before its request


@pytest.mark.parametrize(
    ("received_ms", "facts", "price"), [(100.0, None, 100.4), (80.0, None, 100.2), (100.0, DOUBTS, 100.2)]
)
def test_a_refusal_is_timed_by_its_answer_unless_it_was_in_doubt(
    received_ms: float, facts: Any, price: float
) -> None:
    log = Log()
    number = placed(log, 2, price_tick=1010)
    log.response(1, number, 0, received_ms, NEW, req=REJECTED)
    (one,) = log.compared(facts)
    assert (one.live_end, one.filled_by, one.live_entry_ns) == ("refused", "simulated", None)
    assert one.simulated_price == pytest.approx(price)


def test_a_request_that_was_not_sent_takes_the_configured_latency() -> None:
    log = Log()
    number = placed(log, 39, price_tick=1010, sent=False)
    log.response(1, number, 0, 40.0, NEW, req=REJECTED)
    placed(log, 45, sent=False, left=True)
    (one,) = log.compared(DOUBTS)
    assert (one.live_end, one.simulated_price) == ("not sent", pytest.approx(100.2))


@pytest.mark.parametrize(
    ("status", "ended_ms", "end"),
    [
        (FILLED, 200, "filled"),
        (CANCELED, 200, "canceled"),
        (CANCELED, 301, "filled"),
        (EXPIRED, 200, "canceled"),
    ],
)
def test_an_order_that_ended_without_a_fill_is_cancelled_and_another_stays(
    status: int, ended_ms: int, end: str
) -> None:
    log = Log()
    number = placed(log, 0, price_tick=1000, time_in_force=GTX)
    log.response(1, number, 10.0, 20.0, NEW)
    log.response(1, 0, ended_ms, ended_ms + 5, status, 4 if status == FILLED else 0, 1000)
    (one,) = log.compared()
    assert one.simulated_end == end
    assert one.live_worse_bps == (0.0 if status == FILLED else None)
    if end == "filled":
        assert one.simulated_end_ts == START_NS + 300 * MS


def test_an_order_of_unknown_end_is_cancelled_at_the_end_of_the_session() -> None:
    log = Log()
    number = placed(log, 0, price_tick=990, time_in_force=GTC)
    log.response(1, number, 10.0, 20.0, NEW)
    (one,) = log.compared()
    assert (one.live_end, one.simulated_end, one.filled_by) == ("open", "canceled", "neither")
    assert one.simulated_end_ts == START_NS + END_MS * MS + LEG.entry_latency_ns


def test_what_the_venue_executed_before_an_amendment_is_still_open_in_the_simulation() -> None:
    log = Log()
    number = placed(log, 0, price_tick=990, time_in_force=GTC)
    log.response(1, number, 10.0, 20.0, NEW)
    log.response(1, 0, 30.0, 35.0, PARTIALLY_FILLED, 1, 990, EXECUTED)
    changed = log.request(
        1, 100, req=REPLACED, price_tick=1000, qty=0.003, time_in_force=GTC, status=PARTIALLY_FILLED
    )
    log.response(1, changed, 110.0, 120.0, PARTIALLY_FILLED)
    log.response(1, 0, 300.0, 305.0, FILLED, 3, 1000)
    (one,) = log.compared()
    assert (one.changes, one.live_lots, one.simulated_lots, one.lots) == (1, 4, 4, 4)
    assert (one.live_price, one.simulated_price) == pytest.approx((99.75, 100.0))


def test_a_refused_cancellation_arrives_when_its_answer_says() -> None:
    log = Log()
    number = placed(log, 0, price_tick=1000, time_in_force=GTC)
    log.response(1, number, 10.0, 20.0, NEW)
    log.response(1, 0, 300.0, 305.0, FILLED, 4, 1000)
    late = log.request(1, 280, req=CANCELED, price_tick=1000, time_in_force=GTC)
    log.response(1, late, 0, 330.0, FILLED, req=REJECTED)  # in the middle: at 305 ms
    (one,) = log.compared()
    assert (one.filled_by, one.simulated_end) == ("both", "filled")


def test_an_order_after_the_recorded_market_is_unknown() -> None:
    log = Log()
    log.response(1, placed(log, END_MS - 70), END_MS - 60.0, END_MS - 50.0, FILLED, 4, 1002)
    log.response(2, log.request(2, END_MS - 20), END_MS - 10.0, END_MS - 5.0, FILLED, 4, 1002)
    log.response(3, log.request(3, END_MS - 70, time_in_force=GTC), END_MS - 65.0, END_MS - 60.0, NEW)
    log.response(3, 0, END_MS - 9.0, END_MS - 5.0, FILLED, 4, 1002)
    assert [one.filled_by for one in log.compared()] == ["live", "unknown", "unknown"]
    assert {one.simulated_end for one in log.compared()[1:]} == {"unknown"}


def test_an_id_that_is_used_again_is_another_order() -> None:
    log = Log()
    for at_ms in (0, 100):
        number = placed(log, at_ms, price_tick=1010)
        log.response(1, number, at_ms + 10.0, at_ms + 20.0, FILLED, 4, 1010)
    first, second = log.compared()
    assert (first.client_id, second.client_id) == ("arb-tests1-1-3-0-1", "arb-tests1-1-3-0-2")
    assert (first.simulated_price, second.simulated_price) == pytest.approx((100.2, 100.4))
    assert first.live_lots == second.live_lots == 4


def _both() -> Sequence[SimulatedOrder]:
    log = Log()
    log.response(1, placed(log, 3, price_tick=1010), 13.0, 20.0, FILLED, 4, 1003)
    log.response(2, log.request(2, 30, side=SELL), 0, 90.0, NEW, req=REJECTED)
    return log.compared()


def test_the_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    orders, path = _both(), tmp_path / "simulated.csv"
    path.write_text(simulated_csv(orders))
    assert read_simulated(path, [LEG.name]) == orders
    assert read_simulated(tmp_path / "none.csv", [LEG.name]) is None
    for broken in (
        "",
        simulated_csv(orders).replace("buy", "buy,"),
        simulated_csv(orders).replace("0.", "x"),
    ):
        path.write_text(broken)
        with pytest.raises(ValueError, match=r"simulated\.csv"):
            read_simulated(path, [LEG.name])
    path.write_text(simulated_csv(orders))
    with pytest.raises(ValueError, match="line 2 is no order of this run"):
        read_simulated(path, ["another:LEG"])


def test_requests_that_no_session_writes_are_a_difference() -> None:
    log = Log()
    placed(log, 0, order_type=9)
    with pytest.raises(InvariantError, match="the simulated exchange failed with code") as raised:
        log.compared()
    (found,) = simulated_differences(Path("run"), None, raised.value)
    assert (found.what, found.where) == ("simulated", "simulated.csv")
    assert found.replayed.startswith("InvariantError: the simulated exchange failed")
