"""The orders of a dry-run as rows of a journal (`arb.journal.schema`), from what its simulated exchanges log.

A request is a row at the time at which the strategy made it, an answer, execution or end at the time at which it
received it. The host's thread, between two calls of the strategy: nothing of this happens on the way of an order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from hftbacktest.order import (
    CANCELED,
    EXPIRED,
    FILLED,
    MARKET,
    NEW,
    NONE,
    PARTIALLY_FILLED,
    REJECTED,
)

from arb.config.assets import Assets, assets_of
from arb.engine.account import FUNDING, REPLACED
from arb.engine.order_table import ORDER
from arb.journal.schema import DRY_RUN, Answered, Ended, ExecutionRow, Intent, LegRow, Note, RunRow
from arb.leg import Leg
from arb.results.trades import BASE, QUOTE, fee_of
from arb.runtime.order_news import NewsLog, OrderNews, Rejected
from connectors.orders.model import Force
from connectors.units import MILLISECOND

if TYPE_CHECKING:
    from arb.simulation.bot import DryRunBot

#: hftbacktest's codes of a status, in words.
STATUS_WORDS = {
    NONE: "none", NEW: "new", EXPIRED: "expired", FILLED: "filled", CANCELED: "canceled",
    PARTIALLY_FILLED: "partially filled", REJECTED: "rejected",
}  # fmt: skip
_FINAL = frozenset({EXPIRED, FILLED, CANCELED})
_PLACE, _AMEND = "place", "amend"
_ACTS = {NEW: _PLACE, CANCELED: "cancel", REPLACED: _AMEND}
_FORCES = {int(force): force.name.lower() for force in Force}
_IDS = 1 << 64
#: The run of a dry-run in its own tables.
_RUN = 1
#: Assets of an instrument whose name does not show them.
_UNKNOWN = Assets("base", "quote")
_NAMES = ORDER.names or ()
#: The fields that are read of a request, and of what is delivered.
_request_of = itemgetter(
    *map(
        _NAMES.index,
        (
            "request_ts", "order_id", "request_no", "req", "side", "time_in_force", "order_type", "price_tick", "qty",
        ),
    )
)  # fmt: skip
_delivered_of = itemgetter(
    *map(
        _NAMES.index,
        (
            "order_id", "request_no", "req", "status", "side", "price_tick", "qty", "leaves_qty", "exec_price_tick",
            "fill_qty", "maker", "exch_timestamp",
        ),
    )
)  # fmt: skip
_Row: TypeAlias = tuple[Any, ...]


class OrderTables:
    """See the module. One session."""

    def __init__(self, bot: DryRunBot, run: RunRow) -> None:
        """bot: made with `logs_orders`."""
        self.run = run
        self._bot = bot
        self._legs = [_LegOrders(leg) for leg in bot.world.legs]
        self.legs = [own.row for own in self._legs]
        #: Rows of the logs that are done.
        self._answers = self._charges = self._fills = 0
        #: Requests that were taken from the exchanges and are no rows yet, with their legs.
        self._requests: list[tuple[int, int, _Row]] = []
        self._news = NewsLog()
        #: Requests of one time are one step.
        self._step = self._step_ts = 0

    def take(self) -> list[Intent | Note]:
        """The rows since the last call."""
        answers = self._bot.world.answers[self._answers :].tolist()
        self._follow()
        requests, self._requests = self._requests, []
        if not answers and not requests:
            return []
        requests.sort(key=itemgetter(0, 1))  # of one time by leg, and in their order
        waiting = deque(requests)
        charges = self._new_charges()
        self._answers += len(answers)
        rows: list[Intent | Note] = []
        for no, _, request_no, _, _, received_ts in answers:
            own = self._legs[no]
            # A response is received before what is requested at its time, unless it answers that.
            while waiting and (waiting[0][0] < received_ts or (request_no and not own.awaits(request_no))):
                rows.append(self._intent(*waiting.popleft()))
            if own.delivered:
                rows += self._received(no, own, own.delivered.popleft(), received_ts, charges)
        rows += [self._intent(*request) for request in waiting]
        return rows

    def news(self) -> OrderNews:
        """Of the orders since the last call; what was refused as far as `take` has seen it."""
        self._follow()
        return self._news.take()

    def _follow(self) -> None:
        if not self._bot.exchanges.has_orders:
            return
        for no, (requested, delivered) in enumerate(self._bot.exchanges.take_orders()):
            for row in map(_request_of, requested.tolist()):
                self._requests.append((row[0], no, row))
                if row[3] == NEW:
                    self._news.placed(no, row[1], row[8])
            self._legs[no].delivered.extend(map(_delivered_of, delivered.tolist()))

    def _new_charges(self) -> dict[int, Any]:
        """The fees since the last call, by the number of their fill."""
        charges = self._bot.charges[self._charges :]
        self._charges += len(charges)
        if not len(charges):
            return {}
        return {int(charge["fill_no"]): charge for charge in charges[charges["is_funding"] == 0]}

    def _intent(self, ts: int, no: int, row: _Row) -> Intent:
        _, order_id, request_no, req, side, force, kind, tick, qty = row
        if ts != self._step_ts:
            self._step += 1
            self._step_ts = ts
        own, act = self._legs[no], _ACTS[req]
        placed = own.request(act, order_id, request_no)
        return Intent(
            _RUN, no, request_no, ts, self._step, act, placed, signed_id(order_id), side, _FORCES.get(force, ""),
            kind == MARKET, False, tick, own.lots(qty),
        )  # fmt: skip

    def _received(
        self, no: int, own: _LegOrders, row: _Row, ts: int, charges: Mapping[int, Any]
    ) -> list[Note]:
        order_id, request_no, req, status, side, tick, qty, leaves, exec_tick, fill_qty, is_maker, exch_ts = (
            row
        )
        if req == FUNDING:
            return []
        act, placed = own.answer(order_id, request_no)
        is_refused = req == REJECTED
        if is_refused and act == _PLACE:
            status = EXPIRED
            self._news.rejected(Rejected(ts, no, order_id, "on its way"))
        is_over = (act == _PLACE and is_refused) or (not is_refused and status in _FINAL)
        if is_refused:
            kind = "rejected"
        elif act == _AMEND:
            kind = "modified"
        else:
            kind = "ended" if is_over else "accepted"
        word, lots = STATUS_WORDS[status], own.lots
        rows: list[Note] = [
            Answered(_RUN, ts, no, request_no, placed, kind, word, tick, lots(qty), lots(leaves), "")
        ]
        if fill_qty > 0.0:
            rows.append(
                self._execution(no, own, placed, ts, (side, exec_tick, fill_qty, is_maker, exch_ts), charges)
            )
        if is_over:
            own.end(order_id, placed)
            rows.append(Ended(_RUN, no, placed, ts, word, lots(fill_qty), ""))
        return rows

    def _execution(
        self, no: int, own: _LegOrders, placed: int, ts: int, fill: _Row, charges: Mapping[int, Any]
    ) -> ExecutionRow:
        side, tick, qty, is_maker, exch_ts = fill
        number = self._fills
        self._fills += 1
        # As in the line of `trades.csv`, to the last bit.
        amount = own.leg.contract_size * (tick * own.leg.tick_size) * qty
        fee = fee_of(own.leg, amount, charges.get(number), is_maker=is_maker)
        asset = {QUOTE: own.row.quote, BASE: own.row.base}.get(fee.asset, fee.asset)
        return ExecutionRow(
            _RUN, no, placed, str(number), ts, exch_ts // MILLISECOND, side, tick, own.lots(qty), is_maker,
            repr(fee.amount), asset,
        )  # fmt: skip


class _LegOrders:
    """A leg's orders that have not ended."""

    def __init__(self, leg: Leg) -> None:
        assets = assets_of(leg.symbol) or _UNKNOWN
        sizes = leg.tick_size_text or repr(leg.tick_size), leg.lot_size_text or repr(leg.lot_size)
        self.leg = leg
        self.row = LegRow(leg.venue, leg.symbol, DRY_RUN, *sizes, *assets, leg.is_spot)
        #: On its way to the bot, in the order in which it is received.
        self.delivered: deque[_Row] = deque()
        #: The request that placed an order, by the bot's id; the act of each request without an answer, and that.
        self._placed: dict[int, int] = {}
        self._pending: dict[int, tuple[str, int]] = {}

    def lots(self, qty: float) -> int:
        """A quantity in lots."""
        return round(qty / self.leg.lot_size)

    def awaits(self, request_no: int) -> bool:
        """Whether a request has no answer yet."""
        return request_no in self._pending

    def request(self, act: str, order_id: int, request_no: int) -> int:
        """A request is made; returns the one that placed its order, 0 for an order that has ended."""
        if act == _PLACE:
            self._placed[order_id] = request_no
        placed = self._placed.get(order_id, 0)
        self._pending[request_no] = act, placed
        return placed

    def answer(self, order_id: int, request_no: int) -> tuple[str, int]:
        """An answer is received; returns the act that it answers, "" for none, and who placed its order."""
        if request_no:
            return self._pending.pop(request_no, ("", 0))
        return "", self._placed.get(order_id, 0)

    def end(self, order_id: int, placed: int) -> None:
        """An order is over; its id may be used again."""
        if self._placed.get(order_id) == placed:
            del self._placed[order_id]


def signed_id(order_id: int) -> int:
    """An id of the bot as SQLite has it, without unsigned numbers."""
    return order_id if order_id < _IDS >> 1 else order_id - _IDS
