"""All orders of ours at one venue: whose an answer, update or execution is, and the requests of the bot.

Bounds: `FINALS_MAX` orders that have ended are kept whole, `CLOSED_MAX` more by id and lots, so that repeated
executions are recognised; then the oldest leave. Executions of venue orders that nobody knows yet wait for the order
that they belong to, at most `ORPHANS_MAX`.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from arb.execution.answers import RequestRow
from arb.execution.ids import SessionIds
from arb.execution.order_records import Broken, Effect, Link, Noted, Pending, Phase
from arb.execution.order_state import OrderState
from connectors.orders.model import (
    Act,
    Execution,
    Instrument,
    OrderRequest,
    OrderUpdate,
    VenueAnswer,
    Verdict,
)

_PLACE = Act.PLACE
FINALS_MAX = 2_000
CLOSED_MAX = 100_000
ORPHANS_MAX = 10_000

#: Venues where another price needs another order.
_REPLACING = frozenset({"binance_spot"})
#: Binance spot: the old order was cancelled, the new one refused.
_CANCELLED_ONLY = -2021


class Closed(NamedTuple):
    """What is kept of an order that ended long ago."""

    leg: int
    order_id: int
    request_no: int
    phase: Phase
    executed_lots: int
    end: int
    final_ns: int
    execution_ids: tuple[str, ...]


class OrderStates:
    """The orders of one venue. One writer: its desk."""

    def __init__(self, venue: str, legs: Mapping[int, Instrument], ids: SessionIds) -> None:
        """ids: of the session's orders."""
        self._venue = venue
        self._legs = dict(legs)
        self._symbols = {leg.symbol for leg in legs.values()}
        self._session_ids = ids
        self._client_head = ids.client_head
        #: Orders that may still trade, or whose executions or requests are not complete, by their first client id.
        self.open: dict[str, OrderState] = {}
        #: By the bot's id, the latest with it; by the client's and the venue's.
        self._by_order: dict[tuple[int, int], OrderState] = {}
        self.closed_max = CLOSED_MAX
        self._by_client: dict[str, tuple[OrderState, Link]] = {}
        self._by_venue_id: dict[str, tuple[OrderState, Link]] = {}
        self._finals: deque[OrderState] = deque()
        self.closed: OrderedDict[str, Closed] = OrderedDict()
        #: Their client ids by the venue's: lists of executions may have no other.
        self._closed_ids: OrderedDict[str, str] = OrderedDict()
        self._orphans: OrderedDict[tuple[str, str, str], Execution] = OrderedDict()
        #: Venue ids of orders that are not ours, and how many messages were about such.
        self._foreign: OrderedDict[str, None] = OrderedDict()
        self.foreign_count = 0

    # -- queries

    def __iter__(self) -> Iterator[OrderState]:
        """Every order that is kept whole: those that have ended, then the others."""
        yield from self._finals
        yield from self.open.values()

    def of(self, leg: int, order_id: int) -> OrderState | None:
        """The latest order with an id of the bot."""
        return self._by_order.get((leg, order_id))

    def executed(self, leg: int, order_id: int, execution_id: str) -> OrderState | None:
        """The order with an id of the bot that has this execution: the latest one may have another's id again."""
        latest = self.of(leg, order_id)
        if latest is None or execution_id in latest.executions:
            return latest
        return next(
            (
                one
                for one in self
                if (one.leg, one.order_id) == (leg, order_id) and execution_id in one.executions
            ),
            None,
        )

    def by_client(self, client: str) -> OrderState | None:
        """The order with a client id."""
        return self.by_ids(client, "")

    def by_ids(self, client: str, venue_id: str) -> OrderState | None:
        """The order with a client id, or with a venue's id."""
        found = self._find(client, venue_id)
        return found[0] if found is not None else None

    def is_ours(self, client: str, venue_id: str) -> bool:
        """Whether an order is of the session, also if it ended long ago."""
        return (
            self._find(client, venue_id) is not None
            or venue_id in self._closed_ids
            or self._session_ids.owns(client)
        )

    def long_ago(self) -> list[Closed]:
        """The orders that are no longer kept whole, each once."""
        return list({id(one): one for one in self.closed.values()}.values())

    def orphans(self, symbol: str, side: int, since_ms: int) -> list[Execution]:
        """Executions since then of venue orders that nobody knows."""
        return [
            x
            for x in self._orphans.values()
            if (x.symbol, x.side) == (symbol, side) and x.venue_ms >= since_ms
        ]

    # -- requests of the bot

    def request_of(self, leg: int, row: RequestRow, state: OrderState | None) -> OrderRequest:
        """A request of the bot as the venue is to get it; nothing is noted. state: the order that it changes."""
        if state is None or row.act is _PLACE:
            _, number, _, side, force, is_market, tick, lots, _, reduces, attempt, _ = row
            client_id = f"{self._client_head}{attempt:x}-{leg:x}-{number:x}"
            # The class's own constructor is a function of Python, and this runs before the order's bytes leave.
            return tuple.__new__(
                OrderRequest,
                (
                    _PLACE, leg, self._legs[leg].symbol, number, client_id, "", "", side, force, is_market, reduces,
                    tick, lots, 0, False, 0, 0, "",
                ),
            )  # fmt: skip
        if row.act is Act.CANCEL:
            return self.cancellation(state, row.request_no)
        present = state.present
        keeps_place = row.tick == present.tick and row.lots < state.total_lots - state.executed_lots
        replaces = self._venue in _REPLACING and not keeps_place
        new_id = ""
        if self._venue in _REPLACING:
            new_id = self._session_ids.client_id(leg, row.request_no, state.attempt)
        return self._change(
            state,
            Act.AMEND,
            row.request_no,
            tick=row.tick,
            lots=row.lots,
            total_lots=row.lots if replaces else present.executed + row.lots,
            new_client_id=new_id,
            keeps_place=keeps_place,
        )

    def cancellation(self, state: OrderState, request_no: int) -> OrderRequest:
        """The request to cancel an order. request_no 0: the desk's own."""
        return self._change(state, Act.CANCEL, request_no)

    def place(self, request: OrderRequest, row: RequestRow, now: int) -> OrderState:
        """Notes a new order."""
        leg = request.leg
        link = Link(request.client_id, row.tick, row.lots)
        pending = Pending(Act.PLACE, row.request_no, now)
        state = OrderState(
            leg,
            request.symbol,
            row.order_id,
            row.request_no,
            row.side,
            row.force,
            row.is_market,
            [link],
            [link.client_id],
            pending,
            attempt=row.attempt,
            has_venue_time=row.has_venue_time,
            made_ns=now,
        )
        self._by_order[leg, row.order_id] = state
        self._by_client[link.client_id] = (state, link)
        self.open[link.client_id] = state
        return state

    def cancel(self, state: OrderState, request_no: int, now: int) -> None:
        """Notes a cancellation; request_no 0: the desk's own."""
        state.pending = Pending(Act.CANCEL, request_no, now)

    def amend(self, state: OrderState, request: OrderRequest, now: int) -> None:
        """Notes another price or quantity; `request.lots` is what may still trade."""
        new_id, tick, total = request.new_client_id, request.tick, request.total_lots
        link = Link(new_id, tick, total) if new_id and not request.keeps_place else None
        state.pending = Pending(
            Act.AMEND, request.request_no, now, tick=tick, total=total, link=link, client_id=new_id
        )
        state.changes += 1
        if new_id:
            self._by_client[new_id] = (state, link or state.present)
            state.client_ids.append(new_id)

    def _change(
        self,
        state: OrderState,
        act: Act,
        request_no: int,
        *,
        tick: int = 0,
        lots: int = 0,
        total_lots: int = 0,
        new_client_id: str = "",
        keeps_place: bool = False,
    ) -> OrderRequest:
        present = state.present
        return OrderRequest(
            act,
            state.leg,
            state.symbol,
            request_no,
            present.client_id,
            new_client_id=new_client_id,
            venue_order_id=present.venue_id,
            side=state.side,
            force=state.force,
            is_market=state.is_market,
            tick=tick,
            lots=lots,
            total_lots=total_lots,
            keeps_place=keeps_place,
        )

    # -- what the venue says

    def update(self, u: OrderUpdate, at: int, asked: int = -1) -> list[Effect]:
        """The state of an order. asked: see `OrderState.update`."""
        found = self._find(u.client_id, u.venue_order_id)
        if found is None:
            return self._of_another(u.client_id, u.venue_order_id, f"{u.symbol} {u.status.name}")
        state, link = found
        effects = state.update(link, u, at, asked)
        if u.venue_order_id not in self._by_venue_id:
            effects += self._identified(state, link, u.venue_order_id, at)
        self._retire(state)
        return effects

    def execution(self, x: Execution, at: int) -> list[Effect]:
        """An execution; one whose order is not known yet waits for it."""
        found = self._find(x.client_id, x.venue_order_id)
        if found is not None:
            state, link = found
            effects = state.execute(link, x, at)
            if x.venue_order_id not in self._by_venue_id:
                effects += self._identified(state, link, x.venue_order_id, at)
            self._retire(state)
            return effects
        if x.client_id or x.venue_order_id in self._foreign or x.venue_order_id in self._closed_ids:
            return self._of_another(
                x.client_id, x.venue_order_id, f"{x.symbol} execution {x.execution_id}", x
            )
        self._orphans[x.symbol, x.venue_order_id, x.execution_id] = x
        if len(self._orphans) > ORPHANS_MAX:
            self._orphans.popitem(last=False)
        return []

    def answer(
        self, state: OrderState, asked: OrderRequest, a: VenueAnswer, at: int, changes: int = -1
    ) -> list[Effect]:
        """The answer to a request about an order: what it says about orders, then its verdict."""
        pending = state.pending
        is_pending = (
            pending is not None and pending.act is asked.act and pending.request_no == asked.request_no
        )
        effects: list[Effect] = []
        updates = list(a.updates)
        is_amended = is_pending and asked.act is Act.AMEND and a.verdict is Verdict.ACCEPTED
        if is_amended and (a.updates or a.executions):
            id_now = asked.new_client_id or asked.client_id
            u = next((one for one in a.updates if one.client_id == id_now), None)
            for one in a.updates:
                if one is not u:  # the order that was replaced, which ended before
                    updates.remove(one)
                    effects += self.update(one, at, changes)
            effects += state.amended(u, at)
        for x in a.executions:
            effects += self.execution(x, at)
        for one in updates:
            effects += self.update(one, at, changes)
        if is_pending:
            effects += state.answer(_explained(asked, a), at)
        elif asked.act is Act.PLACE and a.verdict is Verdict.REFUSED and state.executed_lots:
            effects.append(Broken(f"{asked.client_id} was refused, but has executions"))
        self._retire(state)
        return effects

    def refuse(self, state: OrderState, at: int, reason: str) -> list[Effect]:
        """See `OrderState.refuse`: the pending request was not sent, or is proven not to have been done."""
        effects = state.refuse(at, reason)
        self._retire(state)
        return effects

    def prune(self, state: OrderState, at: int) -> list[Effect]:
        """See `OrderState.prune`."""
        effects = state.prune(at)
        self._retire(state)
        return effects

    def identify(self, state: OrderState, venue_id: str, at: int) -> list[Effect]:
        """The present order is the one that the venue executed under this id, whose executions waited."""
        effects = self._identified(state, state.present, venue_id, at)
        self._retire(state)
        return effects

    def _find(self, client: str, venue_id: str) -> tuple[OrderState, Link] | None:
        found = self._by_client.get(client) if client else None
        return found or self._by_venue_id.get(venue_id)

    def _identified(self, state: OrderState, link: Link, venue_id: str, at: int) -> list[Effect]:
        """Executions that waited for the venue's id of an order."""
        if not venue_id:
            return []
        link.venue_id = link.venue_id or venue_id
        self._by_venue_id[venue_id] = (state, link)
        waiting = [x for x in self._orphans.values() if x.venue_order_id == venue_id]
        effects: list[Effect] = []
        for x in waiting:
            del self._orphans[x.symbol, x.venue_order_id, x.execution_id]
            effects += state.execute(link, x, at)
        return effects

    def _of_another(self, client: str, venue_id: str, text: str, x: Execution | None = None) -> list[Effect]:
        """What is about an order that is not kept: foreign, or of ours that ended long ago."""
        client = client or self._closed_ids.get(venue_id, "")
        closed = self.closed.get(client)
        if closed is not None:
            if x is not None and x.execution_id not in closed.execution_ids:
                return [Broken(f"{client} ended long ago, and has another execution {x.execution_id}")]
            return []
        if self._session_ids.owns(client):
            return [Noted("old", f"{client}: {text}")]
        for waiting in [one for one in self._orphans.values() if one.venue_order_id == venue_id]:
            del self._orphans[waiting.symbol, venue_id, waiting.execution_id]
        self.foreign_count += 1
        if venue_id in self._foreign:
            return []
        self._foreign[venue_id] = None
        if len(self._foreign) > ORPHANS_MAX:
            self._foreign.popitem(last=False)
        return [Noted("foreign", f"{client or venue_id}: {text}")]

    # -- bounds

    def _retire(self, state: OrderState) -> None:
        """Counts an order among those that have ended, once nothing about it is pending."""
        if state.phase < Phase.FINAL or state.pending is not None:
            return
        if self.open.pop(state.client_ids[0], None) is None:
            return
        self._finals.append(state)
        if len(self._finals) > FINALS_MAX:
            self._close(self._finals.popleft())

    def _close(self, state: OrderState) -> None:
        closed = Closed(
            state.leg,
            state.order_id,
            state.request_no,
            state.phase,
            state.executed_lots,
            state.end,
            state.final_ns,
            tuple(state.executions),
        )
        for link in state.links:
            if self._by_venue_id.get(link.venue_id, (None,))[0] is state:
                del self._by_venue_id[link.venue_id]
                self._closed_ids[link.venue_id] = link.client_id
        for client in state.client_ids:
            self._by_client.pop(client, None)
            self.closed[client] = closed
        if self._by_order.get((state.leg, state.order_id)) is state:
            del self._by_order[state.leg, state.order_id]
        while len(self.closed) > self.closed_max:
            self.closed.popitem(last=False)
        while len(self._closed_ids) > self.closed_max:
            self._closed_ids.popitem(last=False)


def _explained(asked: OrderRequest, a: VenueAnswer) -> VenueAnswer:
    """A replacement that only cancelled, without the order's end: to be looked up, as if the order were not open."""
    if a.verdict is Verdict.REFUSED and a.code == _CANCELLED_ONLY and asked.act is Act.AMEND:
        return a if a.updates else a._replace(verdict=Verdict.NOT_FOUND)
    return a
