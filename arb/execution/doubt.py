"""When and what to ask a venue about orders whose state is not certain, and what its answers prove.

A request is in doubt when its outcome is unknown: no answer in time, a lost connection, an answer that leaves it open.
Doubt ends when an update, execution or answer decides it; otherwise by look-ups alone. That nothing is found proves
something only when it was found twice, at last when the request could no longer take effect: later than its stamp, the
receive window and `MARGIN_MS` by the venue's clock, with the executions until then known. No request is ever repeated.

Lists of executions may have no client id, and a venue may know an order by none of its ids any more. Then executions
decide: those of the only unknown order that the request can have made (`Doubt.unknown_orders`, `Doubt.made`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from arb.execution.order_records import Link, Pending, Phase
from arb.execution.order_state import OrderState
from connectors.orders.model import Act, Execution, Force
from connectors.trade.times import TradeTimes
from connectors.units import MILLISECOND, SECOND

#: Beyond the receive window.
MARGIN_MS = 10_000
#: Between two look-ups that count.
APART_NS = SECOND


class DoubtCause(Enum):
    """Why the outcome of a request is unknown."""

    TIMEOUT = "no answer in time"
    LINE_LOST = "connection lost"
    ANSWER = "answer leaves it open"
    REST_LOST = "no response"


class Judgement(Enum):
    """What look-ups have proven."""

    NOTHING = 0
    NEVER = 1
    """The request was not done and cannot be done any more."""
    PRUNED = 2
    """An order that never rests is not known any more: it has ended."""


@dataclass(slots=True)
class Doubt:
    """A request of unknown outcome."""

    act: Act
    request_no: int
    client_id: str
    cause: DoubtCause
    #: When it was opened.
    opened_ns: int
    pending: Pending
    #: Look-ups against it by client id, or by the venue's of an unknown order, and when the last of each was counted.
    counts: dict[str, int] = field(default_factory=dict)
    counted_ns: dict[str, int] = field(default_factory=dict)
    #: Ids that were looked up, without a result for it, after the request had expired.
    late: set[str] = field(default_factory=set)
    #: Whether a round of questions began after that.
    is_late: bool = False

    @property
    def since_ms(self) -> int:
        """From when on executions may be of the request."""
        return self.pending.made_ns // MILLISECOND - 1_000

    def has_unknown_id(self, order: OrderState) -> bool:
        """Whether the request may have made an order whose venue id is not known: unknown executions may be of it."""
        link = self._link(order)
        return link is not None and not link.venue_id

    def unknown_orders(
        self, order: OrderState, unknown: Iterable[Execution], expired_ms: int
    ) -> dict[str, list[Execution]]:
        """Of executions of unknown orders on its side those that may be of the request, by the venue's id of the order:
        within its price and quantity, and, unless it rests, until it expired. A FOK order has its whole quantity. While
        a list has only a part of it, the request is in doubt for another reason: see `Inquiries.judgement`."""
        link = self._link(order)
        if link is None:
            return {}
        found: dict[str, list[Execution]] = {}
        for x in unknown:
            found.setdefault(x.venue_order_id, []).append(x)
        return {
            venue_id: executions
            for venue_id, executions in found.items()
            if (lots := sum(x.lots for x in executions)) <= link.total
            and (lots == link.total or order.is_market or order.force is not Force.FOK)
            and all(order.is_market or order.side * (x.tick - link.tick) <= 0 for x in executions)
            and (order.rests or all(x.venue_ms <= expired_ms for x in executions))
        }

    def made(self, order: OrderState, unknown: Mapping[str, list[Execution]]) -> str:
        """The venue's id of the order that the request made, which no look-up finds; "": that is not certain.

        unknown: see `unknown_orders`; look-ups by the client's id are against the request."""
        if self.act is not Act.PLACE or len(unknown) != 1:
            return ""
        ((venue_id, executions),) = unknown.items()
        is_whole = sum(x.lots for x in executions) == order.present.total
        return venue_id if _is_certain(self, venue_id) and (is_whole or not order.rests) else ""

    def _link(self, order: OrderState) -> Link | None:
        return order.present if self.act is Act.PLACE else self.pending.link


@dataclass(slots=True)
class Inquiry:
    """Questions about one order that are repeated until nothing is left to ask."""

    order: OrderState
    next_ns: int
    interval_ns: int
    #: A look-up was requested and has not been answered.
    wants_state: bool = False
    doubt: Doubt | None = None
    #: Number of the last round.
    round: int = 0
    #: Venue clock known when the executions were asked for that have been answered since; -1: none.
    executions_ms: int = -1


class Inquiries:
    """The inquiries of one venue, by order. Bounded by the number of open orders."""

    def __init__(self, times: TradeTimes, recv_window_ms: int) -> None:
        self._times = times
        self._expiry_ms = recv_window_ms + MARGIN_MS
        self._by_order: dict[int, Inquiry] = {}

    @property
    def has_any(self) -> bool:
        return bool(self._by_order)

    def __iter__(self) -> Iterator[Inquiry]:
        return iter(list(self._by_order.values()))

    def of(self, order: OrderState) -> Inquiry | None:
        return self._by_order.get(id(order))

    @property
    def next_ns(self) -> int | None:
        """When the next round is due."""
        return min(one.next_ns for one in self._by_order.values()) if self._by_order else None

    def doubt(self, order: OrderState, cause: DoubtCause, now: int) -> Doubt | None:
        """Opens a doubt about the pending request of an order, once; None if it is one already."""
        pending = order.pending
        inquiry = self._at(order, now)
        if pending is None or (inquiry.doubt is not None and inquiry.doubt.pending is pending):
            return None
        inquiry.doubt = Doubt(pending.act, pending.request_no, order.present.client_id, cause, now, pending)
        inquiry.next_ns, inquiry.interval_ns = now, self._times.lookup_first_ns
        return inquiry.doubt

    def look_up(self, order: OrderState, now: int) -> None:
        """Asks for the state of an order now, unless that has been asked a moment ago."""
        inquiry = self._at(order, now)
        if not inquiry.wants_state:
            inquiry.wants_state = True
            inquiry.next_ns = min(inquiry.next_ns, now)

    def owed(self, order: OrderState, now: int) -> None:
        """Asks for executions if they have not arrived after a while."""
        self._at(order, now + self._times.executions_ns)

    def _at(self, order: OrderState, next_ns: int) -> Inquiry:
        inquiry = self._by_order.get(id(order))
        if inquiry is None:
            inquiry = Inquiry(order, next_ns, self._times.lookup_first_ns)
            self._by_order[id(order)] = inquiry
        return inquiry

    def settle(self, order: OrderState) -> Doubt | None:
        """Ends what is decided by now; returns the doubt that has ended."""
        inquiry = self._by_order.get(id(order))
        if inquiry is None:
            return None
        ended = inquiry.doubt
        if ended is not None and order.pending is ended.pending:
            ended = None
        elif ended is not None:
            inquiry.doubt = None
        needs_more = inquiry.doubt is not None or order.is_owed or bool(order.open_links)
        if not needs_more and (order.is_over or not inquiry.wants_state):
            del self._by_order[id(order)]
        return ended

    def due_of(self, order: OrderState, now: int) -> list[Inquiry]:
        """The inquiry about an order, if it is due; see `due`."""
        inquiry = self._by_order.get(id(order))
        return self._scheduled([inquiry] if inquiry is not None else [], now)

    def due(self, now: int) -> list[Inquiry]:
        """The inquiries whose next round is due; it is then scheduled."""
        return self._scheduled(list(self._by_order.values()), now)

    def _scheduled(self, inquiries: list[Inquiry], now: int) -> list[Inquiry]:
        found = [one for one in inquiries if one.next_ns <= now]
        for inquiry in found:
            inquiry.round += 1
            inquiry.next_ns = now + inquiry.interval_ns
            inquiry.interval_ns = min(2 * inquiry.interval_ns, self._times.lookup_max_ns)
        return found

    def overdue(self, clock_ms: int, now: int) -> list[Inquiry]:
        """The inquiries whose requests have expired by the venue's clock since their last round: another one is due."""
        found = []
        for inquiry in self._by_order.values():
            doubt = inquiry.doubt
            if doubt is not None and not doubt.is_late and clock_ms > self.expired_ms(doubt):
                inquiry.next_ns = now
                found.append(inquiry)
        return self._scheduled(found, now)

    def begin_round(self, inquiry: Inquiry, clock_ms: int) -> bool:
        """Whether this round is the first one since the request has expired. clock_ms: the venue's clock, now known."""
        doubt = inquiry.doubt
        if doubt is None or doubt.is_late or clock_ms <= self.expired_ms(doubt):
            return False
        doubt.is_late = True
        return True

    def looked_up(self, order: OrderState, client_id: str, is_found: bool, clock_ms: int, now: int) -> None:
        """The answer to a look-up, after its update was applied. clock_ms: the venue's clock, known when it was sent.

        is_found: the venue knows the order, which did not decide the request."""
        inquiry = self._by_order.get(id(order))
        if inquiry is None:
            return
        if is_found:
            inquiry.wants_state = False
        doubt = inquiry.doubt
        if (
            doubt is not None
            and doubt.pending is order.pending
            and _counts(doubt, order, client_id, is_found)
        ):
            self._count(doubt, client_id, clock_ms, now)

    def not_found(self, order: OrderState, venue_id: str, clock_ms: int, now: int) -> None:
        """A look-up of an unknown order by its venue's id has found nothing. clock_ms: as for `looked_up`."""
        inquiry = self._by_order.get(id(order))
        if inquiry is not None and inquiry.doubt is not None and inquiry.doubt.pending is order.pending:
            self._count(inquiry.doubt, venue_id, clock_ms, now)

    def _count(self, doubt: Doubt, looked_up: str, clock_ms: int, now: int) -> None:
        if now - doubt.counted_ns.get(looked_up, now - APART_NS) >= APART_NS:
            doubt.counts[looked_up] = doubt.counts.get(looked_up, 0) + 1
            doubt.counted_ns[looked_up] = now
        if clock_ms > self.expired_ms(doubt):
            doubt.late.add(looked_up)

    def may_have_made_more(self, leg: int) -> bool:
        """Whether an order of a leg that may be executed is not known at all: the position may have it."""
        return any(
            one.order.leg == leg and one.doubt is not None and one.doubt.has_unknown_id(one.order)
            for one in self._by_order.values()
        )

    def has_rival(self, order: OrderState) -> bool:
        """Whether another request in doubt on its side may have made the unknown orders, too."""
        return any(
            one.doubt is not None
            and one.order is not order
            and (one.order.symbol, one.order.side) == (order.symbol, order.side)
            and one.doubt.has_unknown_id(one.order)
            for one in self._by_order.values()
        )

    def judgement(self, order: OrderState) -> Judgement:
        """What look-ups and executions have proven about the request in doubt."""
        inquiry = self._by_order.get(id(order))
        if inquiry is None or inquiry.doubt is None or inquiry.doubt.pending is not order.pending:
            return Judgement.NOTHING
        doubt = inquiry.doubt
        if doubt.act is Act.PLACE and inquiry.executions_ms <= self.expired_ms(doubt):
            return Judgement.NOTHING
        return _judgement(doubt, order)

    def expired_ms(self, doubt: Doubt) -> int:
        """The venue's time after which the request cannot take effect any more."""
        return doubt.pending.stamped_ms + self._expiry_ms


def _counts(doubt: Doubt, order: OrderState, client_id: str, is_found: bool) -> bool:
    """Whether an answer speaks against the request: no order, or one that is as it was."""
    pending = doubt.pending
    is_new = client_id == pending.client_id
    if doubt.act is Act.PLACE or (is_new and pending.link is not None):
        return not is_found
    return is_found and client_id == order.present.client_id


def _judgement(doubt: Doubt, order: OrderState) -> Judgement:
    pending, present = doubt.pending, order.present
    is_replaced = pending.link is not None and present.end is not None
    if not is_replaced and not _is_certain(doubt, present.client_id):
        return Judgement.NOTHING
    if pending.link is not None and not _is_certain(doubt, pending.client_id):
        return Judgement.NOTHING
    if doubt.act is not Act.PLACE or order.phase is Phase.SENT:
        return Judgement.NEVER
    return Judgement.NOTHING if order.rests or order.is_owed else Judgement.PRUNED


def _is_certain(doubt: Doubt, client_id: str) -> bool:
    """Whether two look-ups spoke against the request, one of them after it had expired."""
    return doubt.counts.get(client_id, 0) >= 2 and client_id in doubt.late
