"""The last check of a session's orders before they are sent, independent of the strategy and of its own limits. Pure.

All requests of a step are decided together: reducing orders first, and of orders that open or close legs in one step,
all or none, since one alone is a position that nobody asked for. An order that reduces a position, or the imbalance of
legs that hedge each other, is bounded by what it reduces: limits on size, halts, doubts and half of the venues' limits
on requests are for the others. Cancellations pass unless the venue refuses everything, or them again and again.

What the gate reads of the outside it is given: touches with each request, the time, reports of venues, halts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from arb.risk.exposure import Exposure, GateLeg, OpenOrder
from arb.risk.rate_budget import OPENING_SHARE, REDUCING_SHARE, RateBudget
from arb.risk.refusals import ClosedLegs, Part
from connectors.orders.limits import LimitKind
from connectors.orders.model import Act
from connectors.units import MINUTE, SECOND

#: A process that did not run for this long sends nothing before it has reconciled.
STOPPED_NS = 5 * SECOND
#: What a request about an order counts as.
_KIND_OF = {Act.PLACE: LimitKind.ORDERS, Act.AMEND: LimitKind.AMENDS, Act.CANCEL: LimitKind.CANCELS}
#: For how long a symbol counts as not traded after its venue has said so.
CLOSED_NS = MINUTE
_ROOM = 1.0 + 1e-9


class GateLimits(NamedTuple):
    """Limits of a session in quote units; 0 is off.

    price_band_bps: how far beyond the touch, on the side that takes, an order's price may be. max_notional: of an
    order. max_daily_notional: of executions and open orders of a UTC day.
    """

    price_band_bps: float = 0.0
    max_notional: float = 0.0
    max_daily_notional: float = 0.0


class GateRequest(NamedTuple):
    """A request of a step. lots: of an amendment, what may still trade. Prices in ticks, 0 if not known.

    reference_tick: the price given with a reducing order, for its band while the touch is not known.
    """

    leg: int
    act: Act
    order_id: int
    request_no: int
    side: int
    tick: int
    lots: int
    is_market: bool = False
    bid: int = 0
    ask: int = 0
    reference_tick: int = 0


@dataclass(slots=True)
class VenueState:
    """What the gate knows of the account at a venue; who changes it is its feed."""

    #: Whether events of the account are received and nothing before them is missing; requests in doubt.
    is_synced: bool = True
    doubts: int = 0
    #: Why nothing may be opened there; "": it may. halted: by a person; closed: by what the venue does.
    halted: str = ""
    closed: str = ""


class Gate:
    """See the module. One thread; times are ns of the session's clock."""

    def __init__(
        self,
        legs: Sequence[GateLeg],
        limits: GateLimits = GateLimits(),  # noqa: B008 - it cannot change
        budgets: Mapping[str, RateBudget] | None = None,
    ) -> None:
        """budgets: by venue; without one a venue has no known limits."""
        self.legs = tuple(legs)
        self.limits = limits
        self.exposure = Exposure(legs)
        self.closed = ClosedLegs()
        venues = dict.fromkeys(leg.venue for leg in legs)
        self.budgets = {venue: (budgets or {}).get(venue) or RateBudget() for venue in venues}
        self.venues = {venue: VenueState() for venue in venues}
        #: Why nothing may be opened anywhere; "": it may.
        self.halted = ""
        #: Why the supervisor lets nothing be opened; "": it does.
        self.supervised = ""
        #: Legs of which the venue has just closed a position: the strategy does not know it.
        self.forced_legs: Sequence[int] = ()
        #: Until when it is assumed that the venue does not trade a leg's symbol.
        self._untraded: dict[int, int] = {}
        self._band = limits.price_band_bps / 10_000.0
        #: The last step, and the places of its orders that were let pass together.
        self._step: Sequence[GateRequest] = ()
        self._joint: list[int] = []
        #: Places of its orders that at most close their leg's position, and of orders and changes that reduce nothing.
        self.closing: list[int] = []
        self.opening: list[int] = []
        #: Places of its market orders that pass, with the worst price in ticks that each may have.
        self.bounds: list[tuple[int, int]] = []
        self._beat_ns = -1
        self._is_stopped = False

    # -- what the host reports

    def beat(self, now_ns: int) -> bool:
        """The process runs; False: it was stopped, and must reconcile before it sends."""
        if self._beat_ns >= 0 and now_ns - self._beat_ns > STOPPED_NS:
            self._is_stopped = True
        self._beat_ns = max(self._beat_ns, now_ns)
        return not self._is_stopped

    def reconciled(self, now_ns: int) -> None:
        """Session and venues agree at this time."""
        self._beat_ns = max(self._beat_ns, now_ns)
        self._is_stopped = False

    @property
    def is_stopped(self) -> bool:
        """Whether the process was stopped and has not reconciled since."""
        return self._is_stopped

    def close_symbol(self, leg: int, now_ns: int) -> None:
        """The venue does not trade a leg's symbol: nothing is opened there for a minute."""
        self._untraded[leg] = now_ns + CLOSED_NS

    def untraded(self, now_ns: int) -> list[int]:
        """The legs whose symbol the venue does not trade."""
        return sorted(leg for leg, until_ns in self._untraded.items() if now_ns < until_ns)

    # -- decisions

    def decide(self, step: Sequence[GateRequest], now_ns: int) -> list[str]:
        """Why each request is refused, as "kind: detail"; "" for those that pass, which count as sent from now on."""
        self.beat(now_ns)
        reasons = [""] * len(step)
        #: Places of orders that may only go together: those that neither hedge nor amend.
        joint: list[int] = []
        self.closing, self.opening, self.bounds = [], [], []
        for place, one in enumerate(step):
            if one.act is Act.CANCEL:
                reasons[place] = self._cancel(one, now_ns)
                continue
            self._price(one)
            is_hedging, is_closing = self._reduces(one)
            if one.act is Act.PLACE and not is_hedging:
                joint.append(place)
            if one.act is Act.PLACE and is_closing:
                self.closing.append(place)
            if is_hedging or is_closing:
                reasons[place] = self._decide(one, now_ns, is_opening=False)
            else:
                self.opening.append(place)
        for place in self.opening:
            reasons[place] = self._decide(step[place], now_ns, is_opening=True)
        if len(joint) > 1:
            refused = next((reasons[place] for place in joint if reasons[place]), "")
            if refused:
                for place in joint:
                    if not reasons[place]:
                        self._take_back(step[place], now_ns)
                        reasons[place] = f"another leg is refused: {refused}"
                joint = []
        for place, one in enumerate(step):
            if one.is_market and not reasons[place] and self._band:
                self.bounds.append((place, self._bound(one)))
        self._step, self._joint = step, joint
        return reasons

    def withdraw(self, lost: Sequence[int], now_ns: int) -> list[int]:
        """Some requests of the last step that passed are not sent. Returns the places of those that went with them."""
        if not any(place in lost for place in self._joint):
            return []
        found = [place for place in self._joint if place not in lost]
        for place in found:
            self._take_back(self._step[place], now_ns)
        return found

    def _cancel(self, one: GateRequest, now_ns: int) -> str:
        budget = self.budgets[self.legs[one.leg].venue]
        if now_ns < budget.banned_until_ns:
            return "the venue limits requests"
        if self.closed.has_any and (kind := self.closed.kind_of(one.leg, Part.CANCEL, now_ns)):
            return f"closed for a while after refusals: {kind}"
        budget.spend(LimitKind.CANCELS, now_ns)
        return ""

    def _price(self, one: GateRequest) -> None:
        """Keeps the last known price of a leg."""
        state = self.exposure.states[one.leg]
        if one.bid > 0 and one.ask > 0:
            state.price_tick = one.ask
        elif not state.price_tick:
            state.price_tick = one.reference_tick

    def _reduces(self, one: GateRequest) -> tuple[bool, bool]:
        """Whether an order reduces the imbalance of its group, and whether its leg's position."""
        exposure, state = self.exposure, self.exposure.states[one.leg]
        order = state.orders.get(one.order_id) if one.act is Act.AMEND else None
        if order is not None:
            state.count(order, -1)
        found = (
            exposure.is_hedging(one.leg, one.side, one.lots),
            exposure.is_closing(one.leg, one.side, one.lots),
        )
        if order is not None:
            state.count(order, 1)
        return found

    def _reference(self, one: GateRequest, *, is_opening: bool) -> int:
        """The price in ticks that an order is compared with: the touch on its other side; 0: not known. Without a touch
        only what reduces goes on, around its reference price, or the last one."""
        reference = one.ask if one.side > 0 else one.bid
        if reference > 0 or is_opening:
            return max(reference, 0)
        return one.reference_tick or self.exposure.states[one.leg].price_tick

    def _bound(self, one: GateRequest) -> int:
        """The worst price in ticks that a market order may have: the edge of the band, rounded towards the touch."""
        reference = self._reference(one, is_opening=False)
        # A billionth of a tick is the floats'.
        if one.side > 0:
            return math.floor(reference * (1.0 + self._band) + 1e-9)
        return max(math.ceil(reference * (1.0 - self._band) - 1e-9), 1)

    def _decide(self, one: GateRequest, now_ns: int, *, is_opening: bool) -> str:
        """Decides one order or amendment, and counts it if it passes."""
        exposure, leg_no = self.exposure, one.leg
        leg, state = self.legs[leg_no], exposure.states[leg_no]
        order = state.orders.get(one.order_id)
        if one.act is Act.PLACE and order is not None:
            return "the id belongs to an open order"
        if one.act is Act.AMEND and order is None:
            return "no such order"
        reason = self._closed(leg_no, leg, now_ns, is_opening=is_opening)
        if reason:
            return reason
        if one.lots <= 0:
            return "no whole number of lots"
        if one.tick <= 0 and not one.is_market:
            return "no price above zero"
        reference = self._reference(one, is_opening=is_opening)
        if reference <= 0:
            return "the touch is not known"
        if not one.is_market and self._band:
            beyond = (one.tick - reference) * one.side
            if beyond > reference * self._band * _ROOM:
                far_bps, most = beyond / reference * 10_000.0, self.limits.price_band_bps
                return f"price beyond the band: {far_bps:.0f} bps from the touch, at most {most:g}"
        # A market order is sent with the band's edge as its price; a sale below the bid is worth the bid.
        asked = self._bound(one) if one.is_market else one.tick
        tick = max(asked, reference) if one.side < 0 else asked
        if one.lots < leg.lots_min:
            return f"quantity below the venue's minimum: {leg.lots_min * leg.lot_size:g}"
        unit = exposure.units[leg_no]
        if one.lots * asked * unit * _ROOM < leg.notional_min:
            return f"value below the venue's minimum: {leg.notional_min:g}"
        kind = _KIND_OF[one.act]
        share = OPENING_SHARE if is_opening else REDUCING_SHARE
        if not self.budgets[leg.venue].has_room(kind, share, now_ns):
            return "no room in the venue's limits on requests"
        if order is not None:
            before = (order.asked_no, order.asked_tick, order.asked_lots)
            exposure.amend(leg_no, one.order_id, one.request_no, tick, one.lots)
        else:
            exposure.place(
                leg_no, one.order_id, OpenOrder(one.request_no, one.side, tick, one.lots, is_opening)
            )
        # What reduces is bounded by what it reduces, and paid for if the venue says so: an estimate must not stop it.
        reason = ""
        if is_opening:
            reason = self._limited(one, leg, tick, now_ns) or self._unfunded(one.side, leg, unit)
        if reason and order is not None:
            exposure.amend(leg_no, one.order_id, *before)
        elif reason:
            exposure.remove(leg_no, one.order_id)
        else:
            self.budgets[leg.venue].spend(kind, now_ns)
        return reason

    def _closed(self, leg_no: int, leg: GateLeg, now_ns: int, *, is_opening: bool) -> str:
        """Why no order of this kind is sent now, whatever it asks for."""
        if self._is_stopped:
            return "the process was stopped, and has not reconciled"
        # Not even what seems to reduce: its surplus may be what the venue has just closed.
        if any(self.legs[one].group == leg.group for one in self.forced_legs):
            return "the venue has closed a position of the pair"
        if now_ns < self.budgets[leg.venue].banned_until_ns:
            return "the venue limits requests"
        if is_opening:
            venue = self.venues[leg.venue]
            if self.halted or venue.halted:
                return f"halted: {self.halted or venue.halted}"
            if not venue.is_synced:
                return "not up"
            if venue.doubts:
                return "an order is in doubt"
            if self._untraded and now_ns < self._untraded.get(leg_no, 0):
                return "the venue does not trade the symbol now"
            if venue.closed:
                return venue.closed
            if self.supervised:
                return self.supervised
        if self.closed.has_any:
            kind = self.closed.kind_of(leg_no, Part.OPENING if is_opening else Part.REDUCING, now_ns)
            return f"closed for a while after refusals: {kind}" if kind else ""
        return ""

    def _limited(self, one: GateRequest, leg: GateLeg, tick: int, now_ns: int) -> str:
        """The limits on orders that open, with the order counted already."""
        limits, exposure = self.limits, self.exposure
        if (
            limits.max_notional
            and one.lots * tick * self.exposure.units[one.leg] > limits.max_notional * _ROOM
        ):
            return f"value above live.max_notional: {limits.max_notional:g}"
        if limits.max_daily_notional:
            total = exposure.traded(now_ns) + exposure.open_notional()
            if total > limits.max_daily_notional * _ROOM:
                return f"live.max_daily_notional is reached: {limits.max_daily_notional:g}"
        if leg.position_max:
            state = exposure.states[one.leg]
            lots = state.position + state.buy_lots if one.side > 0 else state.sell_lots - state.position
            if lots * leg.lot_size > leg.position_max * _ROOM:
                return f"position beyond its limit: {leg.position_max:g}"
        return ""

    def _unfunded(self, side: int, leg: GateLeg, unit: float) -> str:
        """Whether the wallet pays for everything that is open, with the order counted already."""
        asset = leg.base if leg.is_spot and side < 0 else leg.quote
        free = self.exposure.free(leg.wallet, asset)
        # Whole lots that were summed as floats: a millionth of one is none.
        if free >= -1e-6 * (leg.lot_size if asset == leg.base else unit):
            return ""
        return "the balance is not known" if free != free else f"not enough {asset}: {-free:g} missing"

    def _take_back(self, one: GateRequest, now_ns: int) -> None:
        """An order that passed is not sent after all."""
        self.exposure.remove(one.leg, one.order_id)
        self.budgets[self.legs[one.leg].venue].spend(_KIND_OF[one.act], now_ns, -1)
