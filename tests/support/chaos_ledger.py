"""What really happened at the venues of a chaos run: executions, the surplus between the legs, and the money.

The sandbox reports every event when it happens, before any delay or fault. Orders of others change no surplus.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any, NamedTuple

from arb.bot.recorder import state_of
from arb.execution.ids import parse_client_id
from arb.journal.reader import JournalReader
from arb.sandbox.accounts.amounts import exact
from arb.sandbox.accounts.ledger import EntryCause
from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.events import BUY
from arb.sandbox.trading.events import Change, OrderEvent
from support.chaos_session import ENVIRONMENT, ChaosSession, Place

#: Of profit that a venue rounds with each execution.
_ROUNDED = Decimal("0.000001")
_ZERO = Decimal(0)
#: What changes wallets beside executions.
_BESIDE = {EntryCause.FUNDING, EntryCause.TRANSFER, EntryCause.LIQUIDATION_FEE, EntryCause.INSURANCE}


class Done(NamedTuple):
    """One execution at a venue. before, after: the surplus between the legs; own: by orders of
    the sessions alone. client_id: "" for orders of others."""

    at_ns: int
    leg: int
    client_id: str
    trade_id: int
    amount: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str
    before: Decimal
    after: Decimal
    own_before: Decimal
    own_after: Decimal
    is_forced: bool


class Ledger:
    """Follows a sandbox from its start."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.legs = place.config.legs
        self._no = {leg.venue: no for no, leg in enumerate(self.legs)}
        self._bases = [leg.symbol.removesuffix("USDT") for leg in self.legs]
        self.done: list[Done] = []
        #: Orders of ours, by leg and client id.
        self.orders: dict[tuple[int, str], Any] = {}
        #: How often an order with a client id arrived at its venue.
        self.arrived: Counter[str] = Counter()
        #: What the legs together have bought; what they have by orders of the sessions alone.
        self.surplus = self.own_surplus = _ZERO
        self._begun = {
            (leg.venue, asset): place.wallet(leg.venue).total(asset)
            for leg, base in zip(self.legs, self._bases, strict=True)
            for asset in (base, "USDT", "BNB")
        }
        self.on_order: Any = lambda event: None
        place.net.trading.observer = self._follow
        faults = place.net.trading.faults
        meet = faults.meet

        def counted(request: Any, now_ns: int) -> Any:
            self.arrived[request.client_id] += request.what == "place"
            return meet(request, now_ns)

        faults.meet = counted  # type: ignore[method-assign]

    def _follow(self, event: Any) -> None:
        if isinstance(event, OrderEvent) and event.venue in self._no:
            self._order(event)
            self.on_order(event)

    def _order(self, event: OrderEvent) -> None:
        no, order, x = self._no[event.venue], event.order, event.execution
        is_ours = parse_client_id(order.client_id or "") is not None
        if is_ours:
            self.orders[no, order.client_id] = order
        if x is None:
            return
        is_forced = event.change is Change.CALCULATED
        with exact():
            amount = x.quantity if x.side == BUY else -x.quantity
            before, own_before = self.surplus, self.own_surplus
            received = amount - (x.fee if x.fee_asset == self._bases[no] else _ZERO)
            self.own_surplus += received if is_ours else _ZERO
            self.surplus += received if is_ours or is_forced else _ZERO
        self.done.append(
            Done(event.at_ns, no, order.client_id if is_ours else "", x.trade_id, amount, x.price, x.fee,
                 x.fee_asset, before, self.surplus, own_before, self.own_surplus, is_forced)
        )  # fmt: skip

    # -- the end

    def differences(self, *, has_journal: bool) -> list[str]:
        """Between the sandbox, its wallets and the journal, unless a start has found the difference."""
        wrong = [f"{client} was sent {count} times" for client, count in self.arrived.items() if count > 1]
        wrong += [f"{client} is open" for (_, client), one in self.orders.items() if one.is_open]
        with exact():
            wrong += self._of_journal() if has_journal else []
            wrong += self._of_money()
        return wrong

    def _of_journal(self) -> list[str]:
        """Executions one by one, positions, orders without an end."""
        wrong = []
        with JournalReader(self._place.state / "journal.db", ENVIRONMENT) as reader:
            trades, left = reader.executions(), reader.orders(open_only=True)
            positions = {one.venue: one.qty for one in reader.positions()}
            openings = reader.openings()
        kept = Counter(
            (self._no[one.venue], one.side * one.qty, one.price, one.fee, one.fee_asset if one.fee else "")
            for one in trades
        )
        ours = [one for one in self.done if one.client_id]
        there = Counter(
            (one.leg, one.amount, one.price, one.fee, one.fee_asset if one.fee else "") for one in ours
        )
        if kept != there:
            wrong.append(f"executions: only in the journal {kept - there}, only at the venues {there - kept}")
        ids = Counter((one.venue, one.execution_id, one.run, one.leg) for one in trades)
        wrong += [
            f"execution {key} is {count} times in the journal" for key, count in ids.items() if count > 1
        ]
        wrong += [f"order {one.run}-{one.leg}-{one.placed} has no end in the journal" for one in left]
        opened: defaultdict[str, Decimal] = defaultdict(Decimal)
        for one in openings:
            opened[one.venue] += one.qty
        for no, leg in enumerate(self.legs):
            held = sum((one.amount for one in ours if one.leg == no), _ZERO) + opened[leg.venue]
            if positions.get(leg.venue, _ZERO) != held:
                wrong.append(f"{leg.venue}: {positions.get(leg.venue)} in the journal, {held} at the venue")
        return wrong

    def _of_money(self) -> list[str]:
        """Each wallet is what it began with, and what executions, fees, funding and transfers make of it."""
        wrong = []
        for no, (leg, base) in enumerate(zip(self.legs, self._bases, strict=True)):
            own = [one for one in self.done if one.leg == no]
            wallet = self._place.wallet(leg.venue)
            for asset in (base, "USDT", "BNB"):
                expected = self._begun[leg.venue, asset] + self._beside(leg.venue, asset)
                expected -= sum((one.fee for one in own if one.fee_asset == asset), _ZERO)
                if leg.is_spot and asset == base:
                    expected += sum((one.amount for one in own), _ZERO)
                allowed = _ZERO
                if asset == "USDT":
                    expected -= sum((one.amount * one.price for one in own), _ZERO)
                if asset == "USDT" and not leg.is_spot:
                    position = self._position(leg)
                    expected += position.cost if position.quantity > 0 else -position.cost
                    allowed = _ROUNDED
                if abs(wallet.total(asset) - expected) > allowed:
                    wrong.append(f"{leg.venue}: {wallet.total(asset)} {asset}, by the executions {expected}")
        return wrong

    def _beside(self, venue: str, asset: str) -> Decimal:
        """What the account has received, less what it has paid, beside executions."""
        return sum(
            (
                one.amount
                for one in self._account(venue).ledger.entries
                if (one.venue, one.asset) == (venue, asset) and one.cause in _BESIDE
            ),
            _ZERO,
        )

    def _account(self, venue: str) -> Any:
        return self._place.net.trading.accounts[venue.partition("_")[0]][self._place.account]

    def _position(self, leg: Any) -> Any:
        return self._account(leg.venue).positions.get(leg.symbol, PositionSide.BOTH)

    def of_session(self, live: ChaosSession) -> list[str]:
        """Between the sandbox and the bot of a session that has ended, which began with what was there before."""
        wrong, state = [], state_of(live.bot, len(live.legs))
        for no, leg in enumerate(live.legs):
            mine = [
                one for one in self.done
                if one.leg == no and one.client_id and parse_client_id(one.client_id)[1] == live.run_no  # type: ignore[index]
            ]  # fmt: skip
            lots = sum((one.amount for one in mine), _ZERO)
            fees = sum((one.fee for one in mine if one.fee_asset == "USDT"), _ZERO)
            bought = Decimal(repr(float(state["position"][no]) - leg.opening_position))
            if abs(bought - lots) > _ROUNDED and not any(one.fee_asset == self._bases[no] for one in mine):
                wrong.append(f"{leg.venue}: the bot holds {bought} more, by the executions {lots}")
            if fees and abs(Decimal(repr(float(state["fee"][no]))) - fees) > _ROUNDED:
                wrong.append(f"{leg.venue}: the bot has paid {state['fee'][no]}, the account {fees}")
        return wrong
