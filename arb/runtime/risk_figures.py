"""Figures of a session's risk for other processes: open legs, what balances pay for, leverage. Pure; one thread.

From the bot's own accounts, so that they are there in a dry-run as well as live. Prices are the last mids.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from arb.leg import Leg, legs_of_pairs
from connectors.units import SECOND

#: Relative tolerance for comparing sums of quantities.
_ROUNDING = 1e-9


class RiskFigures(NamedTuple):
    """See `arb.results.status.Status`. NaN where not known."""

    unhedged_s: float
    attempts_affordable: float
    leverage_pct: float


class _Room(NamedTuple):
    """What an account can trade at a leg, in base."""

    to_buy: float
    to_sell: float


class RiskWatch:
    """Follows the accounts of a session; call `follow` about once a second."""

    def __init__(self, legs: Sequence[Leg], *, has_pairs: bool, max_leverage: float) -> None:
        """has_pairs: whether the strategy trades pairs, whose legs are to balance. max_leverage: of perpetuals."""
        self._legs = tuple(legs)
        self._pairs = legs_of_pairs(legs) if has_pairs else []
        self._max_leverage = max_leverage
        #: By pair, since when its legs do not balance; 0: they do.
        self._open_ns = [0] * len(self._pairs)

    def follow(self, state: Any, now_ns: int) -> RiskFigures:
        """The figures now. state: of every leg, of dtype `arb.bot.recorder.RECORD`."""
        rooms = [self._room(number, state) for number in range(len(self._legs))]
        return RiskFigures(
            self._unhedged_s(state, now_ns), self._affordable(rooms, state), self._leverage_pct(state)
        )

    def _unhedged_s(self, state: Any, now_ns: int) -> float:
        for number, pair in enumerate(self._pairs):
            held = sum(
                (float(state["position"][no]) - float(state["base_fee"][no])) * self._legs[no].contract_size
                for no in pair
            )
            # Less than both can trade is rounding, and fees.
            if abs(held) < max(self._least(no, state) for no in pair) * (1.0 - _ROUNDING):
                self._open_ns[number] = 0
            else:
                self._open_ns[number] = self._open_ns[number] or now_ns
        return max(((now_ns - since_ns) / SECOND for since_ns in self._open_ns if since_ns), default=0.0)

    def _least(self, no: int, state: Any) -> float:
        """The smallest order of a leg, in base."""
        leg, price = self._legs[no], float(state["price"][no])
        least = max(leg.lot_size, leg.min_qty) * leg.contract_size
        return max(least, leg.min_notional / price) if price > 0.0 else least

    def _affordable(self, rooms: Sequence[_Room], state: Any) -> float:
        counts = []
        for first, second in self._pairs or [(no, no) for no in range(len(rooms))]:
            need = max(self._least(first, state), self._least(second, state))
            a, b = rooms[first], rooms[second]
            if first == second:
                counts.append(max(a.to_buy, a.to_sell) / need)
            else:
                counts.append(max(min(a.to_buy, b.to_sell), min(a.to_sell, b.to_buy)) / need)
        return math.nan if any(count != count for count in counts) else min(counts, default=math.nan)

    def _room(self, number: int, state: Any) -> _Room:
        leg, price = self._legs[number], float(state["price"][number])
        held = float(state["position"][number]) * leg.contract_size
        if not price > 0.0:
            return _Room(math.nan, math.nan)
        if leg.is_spot:
            quote = leg.quote + self._cash(self._sharing(leg), state)
            return _Room(
                quote / price / (1.0 + max(leg.taker_fee, 0.0)),
                leg.base + held - float(state["base_fee"][number]),
            )
        own = abs(held) * price
        room = (self._equity(leg, state) * self._max_leverage - self._notional(leg, state) + own) / price
        return _Room(room - held, room + held)

    def _leverage_pct(self, state: Any) -> float:
        """The venue whose positions are nearest to what it may have; NaN without perpetuals."""
        shares = []
        for leg in self._legs:
            if not leg.is_spot:
                most = self._equity(leg, state) * self._max_leverage
                notional = self._notional(leg, state)
                shares.append(100.0 * notional / most if most > 0.0 else math.inf if notional else 0.0)
        return math.nan if any(share != share for share in shares) else max(shares, default=math.nan)

    def _sharing(self, leg: Leg) -> list[int]:
        """The legs whose quote is in the same account."""
        own = leg.funds or (leg.venue,)
        return [no for no, one in enumerate(self._legs) if (one.funds or (one.venue,)) == own]

    def _cash(self, numbers: Iterable[int], state: Any) -> float:
        return sum(float(state["balance"][no]) - float(state["fee"][no]) for no in numbers)

    def _equity(self, leg: Leg, state: Any) -> float:
        numbers = self._sharing(leg)
        return leg.quote + self._cash(numbers, state) + sum(self._value(no, state) for no in numbers)

    def _notional(self, leg: Leg, state: Any) -> float:
        return sum(abs(self._value(no, state)) for no in self._sharing(leg))

    def _value(self, no: int, state: Any) -> float:
        held = float(state["position"][no])
        return held * float(state["price"][no]) * self._legs[no].contract_size if held else 0.0
