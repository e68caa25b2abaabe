"""What a session has won or lost, by its venues' balances: since its best moment, on the UTC day, in an attempt. Pure.

The session's profit is what its accounts have gained since the start, at present prices: the change of every balance,
and profits of positions that are not realised. What the accounts held before counts neither way when prices move; what
earlier sessions have bought and still hold does. Balances are reported every few seconds; in between, executions and
prices carry the profit on. A report that differs from that by more than `DOUBTED` of the capital counts once the next
one says the same: deposits and withdrawals may be reported before or after the balance that has them.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

from arb.leg import Leg
from arb.risk.exposure import DAY_NS, Exposure

_NAN = math.nan
#: Share of the capital.
DOUBTED = 0.001


class Holdings(NamedTuple):
    """What a venue reports of a wallet. unrealized: profits of positions in no balance; both by asset."""

    balances: Mapping[str, float]
    unrealized: Mapping[str, float]


class _Basis(NamedTuple):
    """A report of a wallet: its worth then, and of each of its legs what was held, traded, paid, and the price."""

    worth: float
    held: Sequence[float]
    traded: Sequence[float]
    cash: Sequence[float]
    prices: Sequence[float]


class _Wallet:
    """One wallet, and the legs that trade with it."""

    def __init__(self, legs: Sequence[int]) -> None:
        self.legs = legs
        #: What the wallet is compared with: the first report, less what the session took over, with later transfers.
        self.start: dict[str, float] | None = None
        self.basis: _Basis | None = None
        self.is_doubted = False


class Losses:
    """The profit of a session. One writer: the supervisor."""

    def __init__(
        self,
        legs: Sequence[Leg],
        exposure: Exposure,
        pairs: Sequence[Sequence[int]] = (),
        earlier: tuple[int, float] = (0, 0.0),
    ) -> None:
        """exposure: of the session's gate. earlier: when an earlier session last wrote its profit of the UTC day, and
        that profit."""
        self._legs = tuple(legs)
        self._exposure = exposure
        self._sizes = [leg.lot_size * leg.contract_size for leg in legs]
        self._prices = [_NAN] * len(legs)
        #: By asset: the leg whose mid is its price, or its constant price.
        self._leg_of = {leg.base: no for no, leg in reversed(list(enumerate(exposure.legs)))}
        self._known = {leg.quote: 1.0 for leg in exposure.legs}
        for leg in legs:
            if leg.has_named_fee_asset and leg.fee_price_leg >= 0:
                self._leg_of.setdefault(leg.fee_asset, leg.fee_price_leg)
            elif leg.has_named_fee_asset and leg.fee_price == leg.fee_price:
                self._known.setdefault(leg.fee_asset, leg.fee_price)
        self._wallets: dict[Hashable, _Wallet] = {}
        for wallet in dict.fromkeys(one.wallet for one in exposure.legs):
            self._wallets[wallet] = _Wallet(
                [no for no, one in enumerate(exposure.legs) if one.wallet == wallet]
            )
        self._pairs = [tuple(pair) for pair in pairs]
        #: Of each pair, its value when its legs last balanced.
        self._balanced = [_NAN] * len(self._pairs)
        self._earlier = earlier
        self._first = _NAN
        self._best = 0.0
        self._day = -1
        self._day_began = 0.0
        #: In quote: what the session may use, at its first prices; its profit; that of the UTC day, with earlier
        #: sessions'; the cost of the dearest attempt in progress, or just over. NaN before all wallets are known.
        self.capital = self.profit = self.of_day = self.attempt = _NAN

    @property
    def drawdown(self) -> float:
        """What the session has lost since its best moment, in quote."""
        return self._best - self.profit

    def percent(self, amount: float) -> float:
        """An amount as a part of the capital."""
        return 100.0 * amount / self.capital if self.capital > 0.0 else _NAN

    def transferred(self, wallet: Hashable, asset: str, amount: float) -> None:
        """A deposit, or a withdrawal if negative: no profit."""
        start = self._wallets[wallet].start
        if start is not None:
            start[asset] = start.get(asset, 0.0) + amount

    def reported(self, wallet: Hashable, holdings: Holdings) -> None:
        """A report of a wallet, at the prices of the last `look`."""
        one = self._wallets[wallet]
        if one.start is None:
            one.start = dict(holdings.balances)
            for no in one.legs:
                base, taken = self._exposure.legs[no].base, self._legs[no].opening_position
                if self._legs[no].is_spot and taken:
                    one.start[base] = one.start.get(base, 0.0) - taken
        worth = self._worth(one, holdings)
        if worth != worth:
            return
        jump = worth - self._now(one.basis, one.legs) if one.basis is not None else 0.0
        if abs(jump) > DOUBTED * self.capital and not one.is_doubted:
            one.is_doubted = True
            return
        one.is_doubted = False
        states = [self._exposure.states[no] for no in one.legs]
        one.basis = _Basis(
            worth,
            [self._held(no) for no in one.legs],
            [state.traded * self._sizes[no] for no, state in zip(one.legs, states, strict=True)],
            [self._cash(no) for no in one.legs],
            [self._prices[no] for no in one.legs],
        )

    def look(self, prices: Sequence[float], now_ns: int) -> None:
        """Takes the mids of all legs, NaN if not known; the last known one counts."""
        for no, price in enumerate(prices):
            if price == price:
                self._prices[no] = price
        if self.capital != self.capital:
            self.capital = self._capital()
        self._attempts()
        total = 0.0
        for one in self._wallets.values():
            total += self._now(one.basis, one.legs)
        if total != total:
            return
        if self._first != self._first:
            self._first = total
        self.profit = total - self._first
        self._best = max(self._best, self.profit)
        day = now_ns // DAY_NS
        if day != self._day:
            ts, earlier = self._earlier
            is_first = self._day == -1 and ts // DAY_NS == day
            self._day, self._day_began = day, self.profit - (earlier if is_first else 0.0)
        self.of_day = self.profit - self._day_began

    def _held(self, no: int) -> float:
        return self._exposure.states[no].position * self._sizes[no]

    def _cash(self, no: int) -> float:
        """Quote that executions of a leg have left, fees at present prices."""
        state = self._exposure.states[no]
        cash = state.cash
        for asset, fee in state.fees.items():
            cash -= fee * self._price(asset)
        return cash

    def _price(self, asset: str) -> float:
        """Of an asset in quote; 0 of one that the session knows no price of: it is not counted."""
        leg = self._leg_of.get(asset)
        if leg is not None:
            return self._prices[leg]
        return self._known.get(asset, 0.0)

    def _worth(self, wallet: _Wallet, holdings: Holdings) -> float:
        start = wallet.start or {}
        worth = 0.0
        for asset in {*start, *holdings.balances, *holdings.unrealized}:
            amount = holdings.balances.get(asset, 0.0) - start.get(asset, 0.0)
            amount += holdings.unrealized.get(asset, 0.0)
            if amount:
                worth += amount * self._price(asset)
        return worth

    def _now(self, basis: _Basis | None, legs: Sequence[int]) -> float:
        """The worth of a wallet at present prices, with the executions since its report."""
        if basis is None:
            return _NAN
        worth = basis.worth
        for place, no in enumerate(legs):
            price = self._prices[no]
            traded = self._exposure.states[no].traded * self._sizes[no] - basis.traded[place]
            worth += self._cash(no) - basis.cash[place]
            if traded:
                worth += traded * price
            if basis.held[place]:
                worth += basis.held[place] * (price - basis.prices[place])
        return worth

    def _attempts(self) -> None:
        """What the executions of each pair since its legs last balanced have cost, against the mids."""
        dearest = _NAN
        for number, pair in enumerate(self._pairs):
            value = 0.0
            for no in pair:
                traded = self._exposure.states[no].traded * self._sizes[no]
                value += self._cash(no)
                if traded:
                    value += traded * self._prices[no]
            began = self._balanced[number]
            loss = 0.0 if began != began else began - value
            if not loss <= dearest:
                dearest = loss
            if value == value and not self._exposure.imbalance(pair):
                self._balanced[number] = value
        self.attempt = dearest

    def _capital(self) -> float:
        quotes = {leg.funds or (leg.venue,): leg.quote for leg in self._legs}
        bases = (
            leg.base * price if leg.base else 0.0 for leg, price in zip(self._legs, self._prices, strict=True)
        )
        return sum(quotes.values()) + sum(bases)
