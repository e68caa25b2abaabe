"""What a session holds and may come to hold: positions, open orders, balances, from requests and their answers. Pure.

Independent of the strategy's own figures. Quantities are whole lots and values whole lots times ticks, so that sums do
not drift. An order in flight, in doubt or being changed is counted with the larger of what it was and what it may be.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

from connectors.units import SECOND

DAY_NS = 86_400 * SECOND
#: How long after an execution the venue's balances may differ from it.
QUIET_NS = 5 * SECOND


class GateLeg(NamedTuple):
    """What the gate knows of a leg. Amounts in quote and base units; limits of 0 are off.

    venue: whose limits on requests count. wallet: legs with the same one share its balances. group: legs with the
    same one hedge each other. fee: the largest of an order, as a share. leverage: 1 on spot.
    """

    venue: str
    wallet: Hashable
    group: Hashable
    is_spot: bool
    base: str
    quote: str
    tick_size: float
    lot_size: float
    contract_size: float = 1.0
    fee: float = 0.0
    leverage: float = 1.0
    lots_min: int = 1
    notional_min: float = 0.0
    position_max: float = 0.0


class OpenOrder:
    """An order that may still trade, with what a change in flight may make of it."""

    __slots__ = ("asked_lots", "asked_no", "asked_tick", "is_opening", "lots", "request_no", "side", "tick")

    def __init__(self, request_no: int, side: int, tick: int, lots: int, is_opening: bool) -> None:
        self.request_no = request_no
        self.side = side
        self.tick = tick
        self.lots = lots
        self.is_opening = is_opening
        #: Of an amendment in flight; its request's number, 0 without one.
        self.asked_tick = self.asked_lots = self.asked_no = 0


class _LegState:
    """Sums of a leg: its position, and what its open orders may buy and sell. Values are lots times ticks."""

    __slots__ = (
        "base_fees",
        "buy_lots",
        "buy_value",
        "cash",
        "fees",
        "orders",
        "position",
        "price_tick",
        "sell_lots",
        "sell_value",
        "traded",
    )

    def __init__(self) -> None:
        self.position = 0
        self.buy_lots = self.buy_value = self.sell_lots = self.sell_value = 0
        #: Base that fees have taken from the position, of spot.
        self.base_fees = 0.0
        #: Of all executions: lots bought less those sold, quote received less paid, and fees paid by asset.
        self.traded = 0
        self.cash = 0.0
        self.fees: dict[str, float] = {}
        #: The last known price, 0: none.
        self.price_tick = 0
        self.orders: dict[int, OpenOrder] = {}

    def count(self, order: OpenOrder, sign: int) -> None:
        """Adds an order to the sums, or removes it with -1."""
        lots, value = order.lots, order.lots * order.tick
        if order.asked_no:
            lots, value = max(lots, order.asked_lots), max(value, order.asked_lots * order.asked_tick)
        if order.side > 0:
            self.buy_lots += sign * lots
            self.buy_value += sign * value
        else:
            self.sell_lots += sign * lots
            self.sell_value += sign * value


class Exposure:
    """All legs of a session. One writer: the gate, on the host's thread."""

    def __init__(self, legs: Sequence[GateLeg]) -> None:
        self.legs = tuple(legs)
        #: Quote units of one lot at one tick.
        self.units = [leg.tick_size * leg.lot_size * leg.contract_size for leg in legs]
        #: Base units of a lot.
        self._sizes = [leg.lot_size * leg.contract_size for leg in legs]
        self.states = [_LegState() for _ in legs]
        self._of_wallet = {
            leg.wallet: [no for no, one in enumerate(legs) if one.wallet == leg.wallet] for leg in legs
        }
        #: The legs of each leg's group.
        self._of_group = [[no for no, one in enumerate(legs) if one.group == leg.group] for leg in legs]
        #: By wallet, then asset, less what others tie up; a wallet that was never reported is missing.
        self.balances: dict[Hashable, dict[str, float]] = {}
        #: What is tied up by others than the session, likewise.
        self._others: dict[Hashable, dict[str, float]] = {}
        #: Time of the latest execution, by wallet.
        self._executed_ns: dict[Hashable, int] = {}
        self._day = -1
        self._traded = 0.0

    # -- what is known of the account

    def set_balances(
        self,
        wallet: Hashable,
        amounts: Mapping[str, float],
        tied: Mapping[str, float] | None = None,
        now_ns: int = 0,
    ) -> None:
        """A report of the venue. tied: what orders, positions and losses tie up of it; what is not ours is not counted.

        Soon after an execution a report may lack it, or have one that is still to arrive: the smaller amount holds.
        While orders are open, what others tie up is as before.
        """
        is_settled = now_ns - self._executed_ns.get(wallet, now_ns - QUIET_NS) >= QUIET_NS
        known, others = self.balances.setdefault(wallet, {}), self._others.setdefault(wallet, {})
        states = [self.states[no] for no in self._of_wallet.get(wallet, ())]
        is_busy = any(state.orders for state in states)
        is_priced = all(state.price_tick or not state.position for state in states)
        for asset, amount in amounts.items():
            if not is_busy:
                own = self._tied(wallet, asset) if is_priced else float("inf")
                others[asset] = max(0.0, (tied or {}).get(asset, 0.0) - own)
            amount -= others.get(asset, 0.0)
            known[asset] = amount if is_settled else min(amount, known.get(asset, amount))

    def set_position(self, leg: int, lots: int) -> None:
        """A position that the session begins with, or that was found to differ."""
        self.states[leg].position = lots

    def add_traded(self, notional: float, now_ns: int) -> None:
        """Executions of the present UTC day that the session did not see."""
        self._begin_day(now_ns)
        self._traded += notional

    # -- requests and answers

    def place(self, leg: int, order_id: int, order: OpenOrder) -> None:
        """A new order is sent."""
        state = self.states[leg]
        state.orders[order_id] = order
        state.count(order, 1)

    def remove(self, leg: int, order_id: int) -> OpenOrder | None:
        """An order has ended, or was not sent."""
        state = self.states[leg]
        order = state.orders.pop(order_id, None)
        if order is not None:
            state.count(order, -1)
        return order

    def amend(self, leg: int, order_id: int, request_no: int, tick: int, lots: int) -> None:
        """A change of an order is sent; lots: what may still trade."""
        state = self.states[leg]
        order = state.orders[order_id]
        state.count(order, -1)
        order.asked_no, order.asked_tick, order.asked_lots = request_no, tick, lots
        state.count(order, 1)

    def changed(self, leg: int, order_id: int, tick: int, lots: int, is_amended: bool) -> None:
        """What is left of an order. is_amended: the change in flight is answered, done or not."""
        state = self.states[leg]
        order = state.orders.get(order_id)
        if order is None:
            return
        state.count(order, -1)
        order.tick, order.lots = tick, lots
        if is_amended:
            order.asked_tick = order.asked_lots = order.asked_no = 0
        state.count(order, 1)

    def executed(
        self, leg_no: int, side: int, tick: int, lots: int, fees: Mapping[str, float], now_ns: int
    ) -> None:
        """An execution. fees: paid, by asset."""
        self._begin_day(now_ns)
        leg, unit = self.legs[leg_no], self.units[leg_no]
        state = self.states[leg_no]
        state.position += side * lots
        value = lots * tick * unit
        state.traded += side * lots
        state.cash -= side * value
        for asset, fee in fees.items():
            state.fees[asset] = state.fees.get(asset, 0.0) + fee
        self._traded += value
        self._executed_ns[leg.wallet] = now_ns
        if leg.is_spot:
            state.base_fees += fees.get(leg.base, 0.0)
        balances = self.balances.get(leg.wallet)
        if balances is None:
            return
        if leg.is_spot:
            balances[leg.base] = balances.get(leg.base, 0.0) + side * lots * leg.lot_size
            balances[leg.quote] = balances.get(leg.quote, 0.0) - side * value
        for asset, fee in fees.items():
            balances[asset] = balances.get(asset, 0.0) - fee

    # -- sums

    def traded(self, now_ns: int) -> float:
        """Notional of the executions of the UTC day."""
        self._begin_day(now_ns)
        return self._traded

    def open_notional(self) -> float:
        """What all open orders may trade."""
        total = 0.0
        for state, unit in zip(self.states, self.units, strict=True):
            total += (state.buy_value + state.sell_value) * unit
        return total

    def is_closing(self, leg_no: int, side: int, lots: int) -> bool:
        """Whether an order, with the open ones of its side, at most closes its leg's position."""
        state = self.states[leg_no]
        working = state.buy_lots if side > 0 else state.sell_lots
        held = state.position
        if side > 0:  # what fees have taken is bought back
            held -= int(state.base_fees / self._sizes[leg_no] + 1e-6)
        return side * held < 0 < lots <= abs(held) - working

    def is_hedging(self, leg_no: int, side: int, lots: int) -> bool:
        """Whether an order, with the open ones of its side, at most closes the imbalance of its group's legs."""
        group = self._of_group[leg_no]
        imbalance = 0.0
        for no in group:
            imbalance += self.states[no].position * self._sizes[no]
            if side > 0:  # as in `is_closing`
                imbalance -= self.states[no].base_fees
        if side * imbalance >= 0.0 or lots <= 0:
            return False
        qty = lots * self._sizes[leg_no]
        for no in group:
            state = self.states[no]
            qty += (state.buy_lots if side > 0 else state.sell_lots) * self._sizes[no]
        return qty <= abs(imbalance) * (1.0 + 1e-9)

    def imbalance(self, legs: Sequence[int]) -> float:
        """Base that these legs hold together; 0 for less than an order can trade."""
        surplus = least = 0.0
        for no in legs:
            state = self.states[no]
            surplus += state.position * self._sizes[no] - state.base_fees
            # Fees are parts of lots, and an order has at least a few.
            least = max(least, self.legs[no].lots_min * self._sizes[no], self._least(no))
        return surplus if abs(surplus) >= least * (1.0 - 1e-9) else 0.0

    def _least(self, no: int) -> float:
        """Base of the smallest order by value at the last known price."""
        leg, state = self.legs[no], self.states[no]
        value = state.price_tick * self.units[no]
        return leg.notional_min / value * self._sizes[no] if value > 0.0 else 0.0

    def free(self, wallet: Hashable, asset: str) -> float:
        """What open orders, and positions with their margin, leave of a balance; NaN if the wallet is not known."""
        balances = self.balances.get(wallet)
        return float("nan") if balances is None else balances.get(asset, 0.0) - self._tied(wallet, asset)

    def _tied(self, wallet: Hashable, asset: str) -> float:
        tied = 0.0
        for no in self._of_wallet.get(wallet, ()):
            leg, state = self.legs[no], self.states[no]
            if leg.is_spot:
                if asset == leg.quote:
                    tied += state.buy_value * self.units[no] * (1.0 + leg.fee)
                elif asset == leg.base:
                    tied += state.sell_lots * leg.lot_size
            elif asset == leg.quote:
                tied += self._margin(no)
        return tied

    def _margin(self, leg_no: int) -> float:
        """What the position of a perpetual and its orders tie up, at the higher of their prices and the last one."""
        leg, state = self.legs[leg_no], self.states[leg_no]
        if not (state.position or state.buy_lots or state.sell_lots):
            return 0.0
        position, tick = state.position, state.price_tick
        held = max(
            _held(position, tick, state.buy_lots, state.buy_value),
            _held(-position, tick, state.sell_lots, state.sell_value),
        )
        fees = (state.buy_value + state.sell_value) * leg.fee
        return (held / leg.leverage + fees) * self.units[leg_no]

    def _begin_day(self, now_ns: int) -> None:
        day = now_ns // DAY_NS
        if day != self._day:
            self._day, self._traded = day, 0.0


def _held(position: int, tick: int, lots: int, value: int) -> float:
    """Value of a position after the orders of one side, which is positive. Orders that reduce it tie up nothing."""
    if position >= 0:
        return position * tick + value
    return value * (lots + position) / lots if lots + position > 0 else 0.0
