"""What the gate reads of a session: touches of its books, and what the desks answer. The host's thread.

It decides nothing itself (`arb.risk.gate`), and no desk depends on it: what the gate refuses is an input of the desk,
and in its log.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence

from hftbacktest.order import CANCELED, EXPIRED, FILLED

from arb.engine.book import BOOK, NO_ASK, NO_BID
from arb.engine.live import LiveWorld
from arb.execution.answers import AnswerKind, BotAnswer, RequestRow
from arb.execution.desk_wires import Outputs, Refusal
from arb.execution.venue_desk import VenueDesk
from arb.risk.exposure import OpenOrder
from arb.risk.gate import Gate, GateRequest
from arb.risk.refusals import Part
from connectors.orders.limits import LimitKind, LimitUse
from connectors.orders.model import Act, Force
from connectors.units import SECOND

#: Orders, and refusals, whose times are kept.
ORDERS_KEPT = 50
#: Refusals that wait for the host.
_REJECTIONS_KEPT = 1_000
#: Within this time after the venue has closed a position it is known how much is left, and the supervisor has acted.
_FORCED_NS = 2 * SECOND
_BEST_BID, _BEST_ASK = ((BOOK.names or ()).index(name) for name in ("best_bid", "best_ask"))
_FINALS = frozenset((CANCELED, EXPIRED, FILLED))
_NEVER_RESTS = frozenset((Force.IOC, Force.FOK))


class GateFeed:
    """Between a gateway and its gate."""

    def __init__(
        self,
        gate: Gate,
        world: LiveWorld,
        desks: Mapping[str, VenueDesk],
        halts: Callable[[], Mapping[str, str]] | None = None,
    ) -> None:
        """world: must outlive it. halts: reads the kill flags before each step: why, by venue, "" for all."""
        self.gate = gate
        self._desks = dict(desks)
        self._halts = halts
        self._halted: Mapping[str, str] = {}
        self._states = [(desk, gate.venues[venue]) for venue, desk in desks.items()]
        self._books = world.book_cells()[: len(gate.legs)]
        self._views = dict.fromkeys(desks, 0)
        #: When the latest orders were sent, and when venues refused orders.
        self.placed: deque[int] = deque(maxlen=ORDERS_KEPT)
        self.refused: deque[int] = deque(maxlen=ORDERS_KEPT)
        #: The orders that venues have refused, until the host takes them; the oldest are left out.
        self.rejections: deque[tuple[int, Refusal]] = deque(maxlen=_REJECTIONS_KEPT)
        #: Refusals by venue.
        self.refusals: Counter[str] = Counter()
        #: Whether the host closes positions, or balances them: its orders know what venues have closed.
        self.is_halting: Callable[[], bool] = lambda: False
        #: Since the process was stopped: the number of catch-ups before, by venue.
        self._catch_ups: dict[str, int] = {}

    def mids(self) -> list[float]:
        """The mid of each leg in quote; NaN without a bid or an ask."""
        found = []
        for leg, book in zip(self.gate.legs, self._books, strict=True):
            bid, ask = book[_BEST_BID], book[_BEST_ASK]
            is_known = bid != NO_BID and ask != NO_ASK
            found.append(0.5 * (bid + ask) * leg.tick_size if is_known else float("nan"))
        return found

    def was_stopped(self, now: int) -> bool:
        """The process runs at this time. Returns whether it was stopped before: once, and the desks must reconcile."""
        gate = self.gate
        if gate.beat(now):
            return False
        if not self._catch_ups:
            self._catch_ups = {venue: desk.facts.catch_ups for venue, desk in self._desks.items()}
            return True
        if all(
            desk.is_up and desk.facts.catch_ups > self._catch_ups[venue]
            for venue, desk in self._desks.items()
        ):
            self._catch_ups = {}
            gate.reconciled(now)
        return False

    def decide(self, legs: Sequence[int], rows: Sequence[RequestRow], now: int) -> list[str]:
        """Why each request of a step is not to be sent; "": it is."""
        gate = self.gate
        if self._halts is not None:
            halts = self._halts()
            if halts != self._halted:
                self._halted = halts
                gate.halted = halts.get("", "")
                for venue, state in gate.venues.items():
                    state.halted = halts.get(venue, "")
        for desk, state in self._states:
            state.is_synced = desk.is_up and not desk.positions.differs
            state.doubts = len(desk.doubts) if desk.inquiries.has_any else 0
        gate.forced_legs = self._forced_legs(now)
        step = []
        for leg, row in zip(legs, rows, strict=True):
            book = self._books[leg]
            bid, ask = book[_BEST_BID], book[_BEST_ASK]
            step.append(
                GateRequest(
                    leg,
                    row.act,
                    row.order_id,
                    row.request_no,
                    row.side,
                    row.tick,
                    row.lots,
                    row.is_market,
                    bid if bid != NO_BID else 0,
                    ask if ask != NO_ASK else 0,
                )
            )
        reasons = gate.decide(step, now)
        self.placed.extend(
            now for row, why in zip(rows, reasons, strict=True) if row.act is Act.PLACE and not why
        )
        return reasons

    def _forced_legs(self, now: int) -> list[int]:
        """Legs of which the venue has just closed a position, until the host has taken over."""
        found = [(leg, ts) for desk, _ in self._states for leg, ts in desk.forced_ns.items()]
        if not found or self.is_halting():
            return []
        return [leg for leg, ts in found if now - ts < _FORCED_NS]

    def bounds(self) -> list[tuple[int, int]]:
        """See `Gate.bounds`, of the last step."""
        return self.gate.bounds

    def reducing(self, legs: Sequence[int], rows: Sequence[RequestRow]) -> list[int]:
        """Places of the orders of the last step that the venue is to hold to reducing the position: of perpetuals, and
        none that rests, since positions change meanwhile."""
        return [
            place
            for place in self.gate.closing
            if not self.gate.legs[legs[place]].is_spot
            and (rows[place].is_market or rows[place].force in _NEVER_RESTS)
        ]

    def corrected(self, legs: Sequence[int], rows: Sequence[RequestRow]) -> list[int]:
        """Places of the orders of the last step that have the venue's time: where our clock is wrong, those that reduce
        what is open, for which any price is better than none."""
        off = [venue for venue, desk in self._desks.items() if desk.is_clock_off]
        if not off:
            return []
        gate = self.gate
        return [
            place
            for place, row in enumerate(rows)
            if row.act is Act.PLACE and place not in gate.opening and gate.legs[legs[place]].venue in off
        ]

    def withdraw_openings(self, now: int) -> list[int]:
        """Of the last step nothing is sent that opens, nor what goes only together with that. Returns its places."""
        opening = self.gate.opening
        return [*opening, *self.gate.withdraw(opening, now)]

    def withdraw(self, lost: Sequence[int], now: int) -> list[int]:
        """See `Gate.withdraw`."""
        return self.gate.withdraw(lost, now)

    def follow(self, venue: str, outputs: Outputs, now: int) -> None:
        """What follows from an input of a desk."""
        gate, desk = self.gate, self._desks[venue]
        for refusal in outputs.refusals:
            self.refusals[venue] += 1
            if refusal.is_closed:
                gate.close_symbol(refusal.leg, now)
            if refusal.act is Act.PLACE:
                self.refused.append(now)
                self.rejections.append((now, refusal))
            order = gate.exposure.states[refusal.leg].orders.get(refusal.order_id)
            if refusal.act is Act.CANCEL:
                gate.closed.refused(refusal.leg, Part.CANCEL, refusal.kind, now)
            elif order is not None:
                gate.closed.refused(refusal.leg, _part_of(order), refusal.kind, now)
        for answer in outputs.answers:
            if isinstance(answer, BotAnswer):
                self._answered(desk, answer, now)
        for use in outputs.uses:
            gate.budgets[venue].report(use, now)
        if desk.stopped_until_ns > now:
            gate.budgets[venue].ban(desk.stopped_until_ns)
        if desk.facts.views != self._views[venue]:
            self._views[venue] = desk.facts.views
            wallet = next(leg.wallet for leg in gate.legs if leg.venue == venue)
            amounts, tied = (
                {asset: float(amount) for asset, amount in found.items()}
                for found in (desk.facts.balances, desk.facts.tied)
            )
            gate.exposure.set_balances(wallet, amounts, tied, now)

    def responded(self, venue: str, uses: Sequence[LimitUse], now: int) -> None:
        """A REST request was answered, with what is used of the venue's limits."""
        budget = self.gate.budgets[venue]
        budget.spend(LimitKind.WEIGHT, now)
        for use in uses:
            budget.report(use, now)

    def _answered(self, desk: VenueDesk, answer: BotAnswer, now: int) -> None:
        """An answer to the bot changes what is open and held."""
        leg, order_id, exposure = answer.leg, answer.order_id, self.gate.exposure
        order = exposure.states[leg].orders.get(order_id)
        if answer.fill_lots:
            state = desk.orders.of(leg, order_id)
            side = order.side if order is not None else state.side if state is not None else 0
            fees = {answer.fee_asset: float(answer.fee)} if answer.fee else {}
            exposure.executed(leg, side, answer.exec_tick, answer.fill_lots, fees, now)
        if order is None:
            return
        if answer.kind is AnswerKind.REJECTED:
            if answer.request_no == order.request_no:
                exposure.remove(leg, order_id)
            elif answer.request_no == order.asked_no:
                exposure.changed(leg, order_id, order.tick, order.lots, is_amended=True)
            return
        if not answer.cause and answer.kind is not AnswerKind.ENDED:
            self.gate.closed.accepted(leg, _part_of(order))
        if answer.status in _FINALS:
            self.gate.closed.accepted(leg, Part.CANCEL)
            exposure.remove(leg, order_id)
        else:
            is_amended = answer.request_no != 0 and answer.request_no == order.asked_no
            tick = answer.tick if answer.tick > 0 else order.tick
            exposure.changed(leg, order_id, tick, answer.leaves_lots, is_amended=is_amended)


def _part_of(order: OpenOrder) -> Part:
    return Part.OPENING if order.is_opening else Part.REDUCING
