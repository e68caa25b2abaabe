"""Matching by the rules of backtests and dry-runs: the simulated exchange of `arb.simulation` itself. Pure.

Orders are filled whole, takers at the touch whatever their quantity; FOK and IOC are the same, a resting order has the
place that the queue model gives it. An order meets the rows of its instrument in the order of the venue's time, so that
a backtest over a recording of the same frames, with the same arrival times, has the same fills. Nothing is taken from
the book, clients' orders do not meet one another, and there is no self-trade prevention.

Streams overtake each other, so rows are needed before the time of an order that they precede: the frames are read
ahead (`arb.sandbox.serve.ahead`), and rows wait for their time. A row that is received after an order whose time it
precedes takes effect at once and is counted (`rows_late`). Rows are applied when a request arrives, and when one of
them may fill an order; `advance` brings the book to a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hftbacktest.order import (
    BUY,
    CANCELED,
    EXPIRED,
    FILLED,
    FOK,
    GTC,
    GTX,
    IOC,
    LIMIT,
    MARKET,
    NEW,
    NONE,
    REJECTED,
    SELL,
)
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_EVENT,
    DEPTH_SNAPSHOT_EVENT,
    EXCH_EVENT,
    TRADE_EVENT,
    event_dtype,
)

from arb.engine.account import REPLACED
from arb.engine.order_table import ORDER
from arb.errors import InvariantError
from arb.leg import Leg
from arb.sandbox import events
from arb.sandbox.events import Listing
from arb.sandbox.matching.matcher import Rows
from arb.sandbox.matching.orders import (
    End,
    EndReason,
    Estimate,
    Fill,
    Force,
    Order,
    Prevention,
    Result,
    is_beyond,
)
from arb.simulation.driven import DrivenExchange
from connectors.book.rows import LOCAL_ONLY
from connectors.model import FUNDING_EVENT

#: Rows that wait before they are applied without a request; some minutes of a busy market.
_WAITING_MAX = 1 << 16
_FORCES = {Force.GTC: GTC, Force.IOC: IOC, Force.FOK: FOK, Force.POST_ONLY: GTX}
_ENDS = {Force.IOC: EndReason.IOC_REST, Force.FOK: EndReason.FOK, Force.POST_ONLY: EndReason.WOULD_TAKE}
#: Kinds of rows that may fill a resting order.
_FILLING = (DEPTH_EVENT, DEPTH_SNAPSHOT_EVENT, TRADE_EVENT)
_NEVER = np.iinfo(np.int64).max


class WholeMatcher:
    """See the module and `arb.sandbox.matching.matcher.Matcher`. One thread.

    What has no time, such as `touch`, is of the last call with a time.
    """

    def __init__(self, listing: Listing, queue_model: str = "risk_adverse", queue_power: float = 3.0) -> None:
        """queue_model, queue_power: as in `[queue]` of a venue's file."""
        self._tick_size, self._lot_size = float(listing.tick_size), float(listing.lot_size)
        self._exchange = DrivenExchange(_leg(listing, queue_model, queue_power))
        self._requests_made = 0
        #: Orders that rest, by number; the best price of the buying and of the selling ones.
        self._orders: dict[int, Order] = {}
        self._best = (-np.inf, np.inf)
        self._match_no = 0
        #: Rows that were not applied yet: sorted ones, then as received; their number.
        self._sorted: Rows = np.zeros(0, event_dtype)
        self._received: list[Rows] = []
        self._waiting = 0
        #: The time of the first waiting row that may fill an order; None: not computed.
        self._due_ns: int | None = None
        #: Rows up to this time are applied.
        self._applied_ns = -1
        #: Results of rows that no call has returned.
        self._pending: list[Result] = []
        #: Rows that arrived after their time had been applied.
        self.rows_late = 0

    @property
    def is_ready(self) -> bool:
        """See `Matcher`."""
        return self.touch() != (None, None)

    def place(self, order: Order, at_ns: int, bound: int | None = None) -> list[Result]:
        """See `Matcher`; after results of rows up to `at_ns`, if there are some."""
        self._apply(at_ns)
        self._place(order, at_ns, bound)
        return self._take_results()

    def cancel(self, order: Order, at_ns: int) -> bool:
        """See `Matcher`. Results of rows up to `at_ns` are returned by the next call that returns results."""
        self._apply(at_ns)
        if order.no not in self._orders:
            return False
        self._remove(order, at_ns)
        return True

    def amend(
        self, order: Order, tick: int, lots: int, at_ns: int, *, keeps_place: bool, bound: int | None = None
    ) -> list[Result]:
        """See `Matcher`. An order that was filled by a row up to `at_ns` stays so.

        Raises InvariantError if it does not rest before.
        """
        if order.no not in self._orders:
            raise InvariantError(f"order {order.no} does not rest and cannot be amended")
        self._apply(at_ns)
        if order.no in self._orders:
            if keeps_place and tick == order.tick and lots <= order.lots:
                order.lots = lots
                self._send(order, REPLACED, at_ns)
            else:
                self._remove(order, at_ns)
                order.tick, order.lots, order.arrived_ns = tick, lots, at_ns
                self._place(order, at_ns, bound)
        return self._take_results()

    def receive(self, rows: Rows, now_ns: int) -> list[Result]:
        """See `Matcher`. The rows' own times decide when they are applied."""
        rows = rows[(rows["ev"] & 0xFF != FUNDING_EVENT) & (rows["ival"] != LOCAL_ONLY)]
        if not len(rows):
            return []
        rows["ev"] |= np.uint64(EXCH_EVENT)
        self.rows_late += int(np.count_nonzero(rows["exch_ts"] <= self._applied_ns))
        rows["exch_ts"] = np.maximum(rows["exch_ts"], self._applied_ns + 1)
        self._received.append(rows)
        self._waiting += len(rows)
        if self._due_ns is not None:
            self._due_ns = min(self._due_ns, self._first_due(rows))
        return self.advance(now_ns) if self._waiting > _WAITING_MAX else []

    def advance(self, to_ns: int) -> list[Result]:
        """See `Matcher`."""
        self._apply(to_ns)
        return self._take_results()

    def next_due_ns(self) -> int | None:
        """See `Matcher`."""
        if self._pending:
            return self._applied_ns
        if not self._orders:
            return None
        if self._due_ns is None:
            ticks = [(one.side, one.tick or 0) for one in self._orders.values()]
            self._best = (
                max((tick for side, tick in ticks if side == events.BUY), default=-np.inf),
                min((tick for side, tick in ticks if side == events.SELL), default=np.inf),
            )
            self._due_ns = self._first_due(self._sort())
        return None if self._due_ns == _NEVER else self._due_ns

    def next_match_no(self) -> int:
        """See `Matcher`."""
        self._match_no += 1
        return self._match_no

    def touch(self) -> tuple[int | None, int | None]:
        """See `Matcher`; resting orders are not part of it."""
        bid, ask, _, _ = self._exchange.touch()
        return bid, ask

    def estimate(
        self, side: int, bound: int | None, *, lots: int | None = None, value: int | None = None
    ) -> Estimate:
        """See `Matcher`: everything at the touch; without `lots` and `value` what is displayed there."""
        bid, ask, bid_qty, ask_qty = self._exchange.touch()
        tick, qty = (ask, ask_qty) if side == events.BUY else (bid, bid_qty)
        if tick is None or is_beyond(side, tick, bound):
            return Estimate(0, 0, None)
        wanted = [] if lots is None else [lots]
        if value is not None:
            wanted.append(value // tick if tick > 0 else 0)
        taken = min(wanted, default=round(qty / self._lot_size))
        return Estimate(taken, taken * tick, tick if taken else None)

    def _place(self, order: Order, at_ns: int, bound: int | None) -> None:
        reason = self._end_before(order, bound)
        if reason is not None:
            self._pending.append(End(order, reason, at_ns))
            return
        response = self._send(order, NEW, at_ns)
        status = int(response["status"])
        if status == FILLED:
            self._fill(order, int(response["exec_price_tick"]), at_ns, is_maker=False)
        elif status == EXPIRED:
            self._pending.append(End(order, _ENDS[order.force], at_ns))
        else:
            self._orders[order.no] = order
            self._due_ns = None

    def _end_before(self, order: Order, bound: int | None) -> EndReason | None:
        """Why an order ends without reaching the simulated exchange, which knows neither bounds nor empty sides."""
        touch = self.touch()[1 - order.side]
        if touch is None:
            return EndReason.NO_LIQUIDITY if order.tick is None else None
        is_taker = order.force != Force.POST_ONLY and not is_beyond(order.side, touch, order.tick)
        return EndReason.PRICE_LIMIT if is_taker and is_beyond(order.side, touch, bound) else None

    def _remove(self, order: Order, at_ns: int) -> None:
        """Cancels a resting order at the exchange."""
        self._send(order, CANCELED, at_ns)
        del self._orders[order.no]
        self._due_ns = None

    def _send(self, order: Order, request: int, at_ns: int) -> Any:
        """Sends a request; returns its response, a row of ORDER."""
        self._requests_made += 1
        row = np.zeros(1, ORDER)
        row["order_id"], row["req"], row["status"] = order.no, request, NONE
        row["side"] = BUY if order.side == events.BUY else SELL
        row["order_type"] = MARKET if order.tick is None else LIMIT
        row["time_in_force"] = _FORCES[order.force]
        row["price_tick"], row["tick_size"] = order.tick or 0, self._tick_size
        row["qty"] = row["leaves_qty"] = order.left * self._lot_size
        row["local_timestamp"] = row["request_ts"] = at_ns
        row["request_no"] = self._requests_made
        self._exchange.request(row, at_ns)
        responses = self._exchange.run(at_ns)
        if len(responses) != 1 or responses[0]["request_no"] != self._requests_made:
            raise InvariantError(f"order {order.no}: the simulated exchange did not answer request {request}")
        if responses[0]["req"] == REJECTED:
            raise InvariantError(f"order {order.no}: the simulated exchange rejected request {request}")
        return responses[0]

    def _apply(self, to_ns: int) -> None:
        """Applies the rows up to a time."""
        if to_ns <= self._applied_ns:
            return
        self._applied_ns = to_ns
        rows = self._sort()
        count = int(np.searchsorted(rows["exch_ts"], to_ns, "right"))
        if not count:
            return
        applied, self._sorted = rows[:count], rows[count:]
        self._waiting -= count
        self._due_ns = None
        self._exchange.append(applied)
        for response in self._exchange.run(to_ns):
            order = self._orders.pop(int(response["order_id"]))
            at_ns = int(response["exch_timestamp"])
            self._fill(order, int(response["exec_price_tick"]), at_ns, is_maker=True)

    def _fill(self, order: Order, tick: int, at_ns: int, *, is_maker: bool) -> None:
        lots = order.left
        order.filled += lots
        self._pending.append(Fill(order, tick, lots, is_maker, at_ns, self.next_match_no()))

    def _sort(self) -> Rows:
        """All waiting rows by venue time; those of one time as they were received."""
        if self._received:
            rows = np.concatenate((self._sorted, *self._received))
            self._sorted = rows[np.argsort(rows["exch_ts"], kind="stable")]
            self._received.clear()
        return self._sorted

    def _first_due(self, rows: Rows) -> int:
        """The time of the first row that may fill a resting order; the largest int64 without one."""
        kinds, ticks = rows["ev"] & 0xFF, np.rint(rows["px"] / self._tick_size)
        is_buy = rows["ev"] & BUY_EVENT != 0
        is_reached = np.where(is_buy, ticks >= self._best[1], ticks <= self._best[0])
        is_due = is_reached & (rows["qty"] > 0.0) & np.isin(kinds, _FILLING)
        return int(rows["exch_ts"][is_due].min(initial=_NEVER))

    def _take_results(self) -> list[Result]:
        results, self._pending = self._pending, []
        return results


def _leg(listing: Listing, queue_model: str, queue_power: float) -> Leg:
    """The instrument, without costs and latencies: those are the venue's."""
    return Leg(
        venue=listing.venue,
        symbol=listing.symbol,
        is_spot=listing.is_spot,
        tick_size=float(listing.tick_size),
        lot_size=float(listing.lot_size),
        min_qty=0.0,
        min_notional=0.0,
        contract_size=1.0,
        maker_fee=0.0,
        taker_fee=0.0,
        feed_latency_ns=0,
        entry_latency_ns=0,
        response_latency_ns=0,
        queue_model=queue_model,
        queue_power=queue_power,
        base=0.0,
        quote=0.0,
    )


def load_exchange() -> None:
    """Loads the compiled simulated exchange; the first time on a machine it is compiled, which takes half a minute."""
    listing = Listing("binance_usdm", "BTCUSDT", "1", "1")
    matcher = WholeMatcher(listing)
    matcher.place(Order(1, 0, -1, events.BUY, Force.IOC, 1, 1, Prevention.NONE, 0), 0)
    matcher.touch()
