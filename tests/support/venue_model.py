"""The truth of one venue: orders, executions, cancellations, amendments, and ends and cuts by the venue itself.

In three manners: answers with executions and replaced orders ("binance_spot"), answers with a state ("binance_usdm"),
bare acknowledgements ("bybit_spot"). What a desk may not do is asserted here: send a request twice, or give one up that
takes effect later.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from hftbacktest.order import CANCELED, EXPIRED, FILLED

from connectors.orders.model import (
    AccountView,
    Act,
    EndCause,
    Execution,
    Force,
    Notice,
    NoticeKind,
    OrderRequest,
    OrderStatus,
    OrderUpdate,
    VenueAnswer,
    Verdict,
)
from connectors.units import MILLISECOND, SECOND

START_NS = 1_704_067_200 * SECOND
RECV_MS = 2_000
SYMBOL = "BTCUSDT"
#: Executions of an answer.
PAGE = 5
#: How long a venue that prunes does not find an order that has executed and ended; without executions: for ever.
PRUNED_MS = 30_000
STYLES = ("binance_spot", "binance_usdm", "bybit_spot")
_STATUSES = {OrderStatus.FILLED: FILLED, OrderStatus.CANCELED: CANCELED, OrderStatus.EXPIRED: EXPIRED}


@dataclass
class Faults:
    """Probabilities, and delays in ns."""

    lost: float = 0.0
    repeated: float = 0.0
    delay_ns: int = 20 * MILLISECOND
    refused: float = 0.03
    unknown: float = 0.0
    invisible_ms: int = 0
    is_pruning: bool = False
    line_lost: float = 0.0

    @staticmethod
    def of(rng: random.Random) -> Faults:
        """Those of one history: from none to many."""
        worst = rng.choice((0.0, 0.02, 0.1, 0.3))
        return Faults(
            lost=rng.random() * worst,
            repeated=rng.random() * worst,
            delay_ns=rng.choice((1, 20, 400, 3_000)) * MILLISECOND,
            unknown=rng.random() * worst,
            invisible_ms=rng.choice((0, 0, 500, 3_000)),
            is_pruning=rng.random() < 0.2,
            line_lost=rng.random() * worst * 0.3,
        )


@dataclass(eq=False)
class TrueOrder:
    """An order as it is."""

    client_id: str
    venue_id: str
    side: int
    force: Force
    is_market: bool
    tick: int
    total: int
    created_ms: int
    updated_ms: int
    status: OrderStatus = OrderStatus.NEW
    cause: EndCause = EndCause.NONE
    executions: list[Execution] = field(default_factory=list)
    #: All of (tick, total) that it ever had.
    versions: list[tuple[int, int]] = field(default_factory=list)

    @property
    def executed(self) -> int:
        return sum(x.lots for x in self.executions)

    @property
    def rests(self) -> bool:
        return not self.is_market and self.force in (Force.GTC, Force.GTX)

    def update(self) -> OrderUpdate:
        status = self.status
        return OrderUpdate(
            SYMBOL, self.client_id, self.venue_id, status, self.executed, self.total, self.tick, self.cause,
            self.updated_ms,
        )  # fmt: skip


class Venue:
    """The truth. `events` receives what the venue reports: tuples of records, one frame each."""

    def __init__(self, style: str, rng: random.Random, faults: Faults, events: Callable[..., None]) -> None:
        self.style = style
        self.rng = rng
        self.faults = faults
        self._events = events
        self.orders: dict[str, TrueOrder] = {}
        self.now_ms = 0
        self._ids = itertools.count(1)
        #: Requests that the desk has given up: they must not take effect any more.
        self.dead: set[tuple[Act, str]] = set()
        self.done: set[tuple[Act, str]] = set()
        self.seen: set[str] = set()

    # -- requests

    def receive(self, wire_id: str, request: OrderRequest, stamp_ms: int) -> Any:
        """A request arrives; returns the records of its answer."""
        if request.act in (Act.PLACE, Act.CANCEL, Act.AMEND):
            assert wire_id not in self.seen, f"{wire_id} was sent twice"
            self.seen.add(wire_id)
            if self.now_ms - stamp_ms > RECV_MS:
                return VenueAnswer(wire_id, Verdict.REFUSED, -1021, "late")
            if self.rng.random() < self.faults.refused:
                return VenueAnswer(wire_id, Verdict.REFUSED, -1003, "limits")
            return {Act.PLACE: self._place, Act.CANCEL: self._cancel, Act.AMEND: self._amend}[request.act](
                wire_id, request
            )
        return self._query(wire_id, request)

    def _take_effect(self, act: Act, wire_id: str) -> None:
        assert (act, wire_id) not in self.dead, f"{wire_id} took effect after it was given up"
        self.done.add((act, wire_id))

    def _place(self, wire_id: str, request: OrderRequest) -> Any:
        assert request.client_id not in self.orders, f"{request.client_id} was placed twice"
        if request.force is Force.GTX and self.rng.random() < 0.2 and self.style != "bybit_spot":
            return VenueAnswer(wire_id, Verdict.REFUSED, -5022, "would take")
        order = self._new(request.client_id, request, request.lots)
        self._take_effect(Act.PLACE, wire_id)
        self._begin(order, request)
        return self._answer(wire_id, order)

    def _new(self, client_id: str, request: OrderRequest, lots: int) -> TrueOrder:
        order = TrueOrder(
            client_id, f"v{next(self._ids)}", request.side, request.force, request.is_market, request.tick, lots,
            self.now_ms, self.now_ms, versions=[(request.tick, lots)],
        )  # fmt: skip
        self.orders[client_id] = order
        return order

    def _begin(self, order: TrueOrder, request: OrderRequest) -> None:
        """The order enters the book, or takes."""
        rng = self.rng
        if order.force is Force.GTX and rng.random() < 0.2:
            self._end(order, OrderStatus.EXPIRED, EndCause.WOULD_TAKE)
            return
        self._report(order)
        share = rng.choice((0.0, 0.4, 1.0)) if not order.rests or rng.random() < 0.3 else 0.0
        if order.force is Force.FOK:
            share = float(round(share))
        if order.force is not Force.GTX and share > 0.0:
            self.fill(order, max(1, int(order.total * share)))
        if order.rests or order.status is OrderStatus.FILLED:
            return
        if order.is_market and order.executed and rng.random() < 0.2:
            order.total = order.executed
            order.versions.append((order.tick, order.total))
            self._end(order, OrderStatus.FILLED, EndCause.NONE)
        else:
            is_called_cancel = self.style == "bybit_spot" and rng.random() < 0.5
            status = OrderStatus.CANCELED if is_called_cancel else OrderStatus.EXPIRED
            self._end(order, status, EndCause.IOC_REST)

    def fill(self, order: TrueOrder, lots: int) -> None:
        """Executes some lots of an open order, in one or two pieces."""
        lots = min(lots, order.total - order.executed)
        pieces = [lots] if lots < 2 or self.rng.random() < 0.5 else [lots // 2, lots - lots // 2]
        for piece in pieces:
            if piece <= 0:
                continue
            x = Execution(
                SYMBOL, order.client_id, order.venue_id, f"x{next(self._ids)}", order.side, order.tick, piece,
                order.rests, Decimal(piece) / 1000, "USDT", self.now_ms,
            )  # fmt: skip
            order.executions.append(x)
            order.status = OrderStatus.FILLED if order.executed == order.total else OrderStatus.PARTIAL
            order.updated_ms = self.now_ms
            self._report(order, x)

    def _end(self, order: TrueOrder, status: OrderStatus, cause: EndCause) -> None:
        order.status, order.cause, order.updated_ms = status, cause, self.now_ms
        self._report(order)

    def _report(self, order: TrueOrder, x: Execution | None = None) -> None:
        if x is None:
            self._events(order.update())
        elif self.style == "bybit_spot":
            self._events(order.update())
            self._events(x)
        else:
            self._events(order.update(), x)

    def _answer(self, wire_id: str, order: TrueOrder, *others: OrderUpdate) -> VenueAnswer:
        if self.style == "bybit_spot":
            return VenueAnswer(wire_id, Verdict.ACCEPTED)
        executions = tuple(order.executions) if self.style == "binance_spot" else ()
        return VenueAnswer(
            wire_id, Verdict.ACCEPTED, updates=(*others, order.update()), executions=executions
        )

    def _cancel(self, wire_id: str, request: OrderRequest) -> VenueAnswer:
        order = self._known(request.client_id)
        if order is None or not order.status.is_open:
            return VenueAnswer(wire_id, Verdict.NOT_OPEN, -2011, "unknown order")
        self._take_effect(Act.CANCEL, wire_id)
        self._end(order, OrderStatus.CANCELED, EndCause.BY_USER)
        return self._answer(wire_id, order)

    def _known(self, client_id: str) -> TrueOrder | None:
        return self.orders.get(client_id)

    def _amend(self, wire_id: str, request: OrderRequest) -> VenueAnswer:
        order = self._known(request.client_id)
        if order is None or not order.status.is_open:
            return VenueAnswer(wire_id, Verdict.NOT_OPEN, -2011, "unknown order")
        if self.style == "binance_spot" and not request.keeps_place:
            return self._replace(wire_id, order, request)
        if request.total_lots <= order.executed:
            if self.style == "binance_usdm":
                self._end(order, OrderStatus.CANCELED, EndCause.BY_VENUE)
            return VenueAnswer(wire_id, Verdict.REFUSED, -4028, "quantity")
        if (request.tick, request.total_lots) == (order.tick, order.total):
            return VenueAnswer(wire_id, Verdict.REFUSED, -5027, "no change")
        self._take_effect(Act.AMEND, wire_id)
        order.tick, order.total, order.updated_ms = request.tick, request.total_lots, self.now_ms
        order.versions.append((order.tick, order.total))
        if request.new_client_id:
            order.client_id = request.new_client_id
            self.orders[request.new_client_id] = order
        self._report(order)
        if self.rng.random() < 0.2:
            self.fill(order, self.rng.randint(1, 20))
        return self._answer(wire_id, order)

    def _replace(self, wire_id: str, order: TrueOrder, request: OrderRequest) -> VenueAnswer:
        self._take_effect(Act.AMEND, wire_id)
        self._end(order, OrderStatus.CANCELED, EndCause.BY_USER)
        if self.rng.random() < 0.1:
            return VenueAnswer(wire_id, Verdict.REFUSED, -2021, "partly", updates=(order.update(),))
        assert request.new_client_id not in self.orders
        after = self._new(request.new_client_id, request, request.lots)
        before = order.update()
        self._begin(after, request)
        return self._answer(wire_id, after, before)

    # -- by itself

    def happen(self) -> None:
        """Something happens to an open order."""
        rng = self.rng
        live = [one for one in self.orders.values() if one.status.is_open]
        if not live:
            return
        order = rng.choice(live)
        kind = rng.random()
        if kind < 0.75:
            self.fill(order, rng.randint(1, 20))
        elif kind < 0.85:
            self._end(order, OrderStatus.EXPIRED, EndCause.SELF_TRADE)
        elif kind < 0.92:
            self._end(order, OrderStatus.CANCELED, rng.choice((EndCause.BY_VENUE, EndCause.BY_USER)))
        elif order.total - order.executed > 1 and self.style != "binance_spot":
            order.total -= rng.randint(1, order.total - order.executed - 1)
            order.updated_ms = self.now_ms
            order.versions.append((order.tick, order.total))
            self._report(order)

    def trade_by_hand(self) -> None:
        """The account's owner trades beside the session."""
        side = self.rng.choice((1, -1))
        request = OrderRequest(Act.PLACE, 0, SYMBOL, 0, "", side=side, force=Force.IOC, tick=105)
        order = self._new(f"web_{next(self._ids)}", request, self.rng.randint(1, 40))
        self._begin(order, request)

    # -- queries

    def _query(self, wire_id: str, request: OrderRequest) -> Any:
        act = request.act
        if act is Act.TIME:
            return VenueAnswer(wire_id, Verdict.FOUND, venue_ms=self.now_ms)
        if act is Act.BALANCES:
            return AccountView({"USDT": Decimal(1000)}, {}, False, self.now_ms)
        if act is Act.POSITION:
            return AccountView({}, {SYMBOL: Decimal(0)}, False, self.now_ms)
        if act is Act.MODE:
            return Notice(NoticeKind.MODE_CHANGED, "one-way")
        if act is Act.COMMISSION:
            return VenueAnswer(wire_id, Verdict.FOUND, text="maker 0 taker 0")
        if act is Act.LOOK_UP:
            order = (
                self.orders.get(request.client_id)
                if request.client_id
                else self._by_id(request.venue_order_id)
            )
            is_history = self.style == "bybit_spot" and request.attempt % 2
            if order is None or not self._is_shown(order):
                if is_history:
                    return VenueAnswer(wire_id, Verdict.UNKNOWN)
                return VenueAnswer(wire_id, Verdict.NOT_FOUND, -2013, "does not exist")
            if is_history and order.status.is_open:
                return VenueAnswer(wire_id, Verdict.UNKNOWN)  # the history
            return VenueAnswer(wire_id, Verdict.FOUND, updates=(order.update(),))
        if act is Act.OPEN_ORDERS:
            live = {
                id(one): one for one in self.orders.values() if one.status.is_open and self._is_shown(one)
            }
            return VenueAnswer(wire_id, Verdict.FOUND, updates=tuple(one.update() for one in live.values()))
        found = list(self._executions(request))
        begin = int(request.cursor or 0)
        cursor = str(begin + PAGE) if len(found) > begin + PAGE else ""
        return VenueAnswer(
            wire_id, Verdict.FOUND, executions=tuple(found[begin : begin + PAGE]), cursor=cursor
        )

    def _by_id(self, venue_id: str) -> TrueOrder | None:
        return next((one for one in self.orders.values() if one.venue_id == venue_id), None)

    def _is_shown(self, order: TrueOrder) -> bool:
        if self.now_ms - order.created_ms < self.faults.invisible_ms:
            return False
        if not self.faults.is_pruning or order.rests or order.status.is_open:
            return True
        return order.executed > 0 and self.now_ms - order.updated_ms >= PRUNED_MS

    def _executions(self, request: OrderRequest) -> Iterator[Execution]:
        found = [x for one in {id(o): o for o in self.orders.values()}.values() for x in one.executions]
        for x in sorted(found, key=lambda x: x.venue_ms):
            if request.venue_order_id:
                if x.venue_order_id != request.venue_order_id:
                    continue
            elif x.venue_ms < request.since_ms:
                continue
            yield x if self.style == "bybit_spot" else x._replace(client_id="")
