"""Sessions whose orders a test sends by hand, on the sandbox and simulated time, with every rule of the supervisor."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from arb.commands.journal import statuses
from arb.journal.journal import FILE
from arb.journal.reader import JournalReader
from arb.risk.supervisor import OVER
from arb.runtime.supervision import Supervision
from arb.sandbox.faults import Fault
from arb.sandbox.profiles import MODEST
from connectors.units import SECOND
from support.chaos_ledger import Ledger
from support.chaos_session import ENVIRONMENT, ChaosSession, Place
from support.live_world import account_of, config_of
from support.paths import strategy_file

VENUES = ("binance_usdm", "bybit_linear")
#: Of each wallet, and the capital of each venue, in USDT; of the orders by hand, in BTC.
MONEY, QTY = Decimal(100_000), 0.05
#: Most orders of a session; figures of each.
_ORDERS, _FIGURES = 150, 4
#: Sends the orders that a test writes into the array (`RulesSession.send`), those of each look in one step.
_BY_HAND = """
def by_hand(bot, orders):
    n = 0
    while bot.elapse(20_000_000) == 0:
        while n < int(orders[0]):
            leg, qty, away = int(orders[4 * n + 1]), orders[4 * n + 2], orders[4 * n + 3]
            force = int(orders[4 * n + 4])
            n += 1
            if qty > 0.0:
                bot.submit_buy_order(leg, n, bot.depth(leg).best_ask * (1.0 + away), qty, force, 0, False)
            else:
                bot.submit_sell_order(leg, n, bot.depth(leg).best_bid * (1.0 - away), -qty, force, 0, False)
    return 0
"""
_GTC, _IOC = 0, 3


def place_of(folder: Path, *settings: str) -> Place:
    """A sandbox and an account on it. settings: of its sessions."""
    own = [f'strategy.function="{strategy_file("by_hand.py", _BY_HAND)}:by_hand"']
    own += [f"strategy.params.orders={[0.0] * (1 + _FIGURES * _ORDERS)}", "supervisor.account_s=2.0"]
    own += [f"capital.{venue}.quote={MONEY}.0" for venue in VENUES]
    own += ["risk.position_limit=1000.0", "risk.max_orders_per_second=0"]
    config = config_of(VENUES, *own, *settings)
    account = account_of(config)
    poor = replace(account, balances={name: {"USDT": MONEY} for name in account.balances})
    return Place(config, 5, folder, poor, MODEST)


class RulesSession(ChaosSession):
    """A session that has begun, whose books are known."""

    left_out = ()
    budgets = None

    def __init__(self, place: Place, ledger: Ledger) -> None:
        super().__init__(place)
        self.ledger = ledger
        self._faults = 1_000
        self._sent = self.traded = 0
        self.prepare()

    @property
    def now(self) -> int:
        """By the session's clock."""
        return self.session.now

    def begin(self) -> None:
        super().begin()
        self.until(lambda: all(mid == mid for mid in self.feed.mids()))

    @property
    def supervision(self) -> Supervision:
        """Its supervisor."""
        assert self.orders._supervision is not None
        return self.orders._supervision

    @property
    def feed(self) -> Any:
        """What its gate reads."""
        return self.gateway.gate

    def until(self, is_so: Callable[[], Any], span_s: float = 30.0) -> None:
        """Lets time pass until something is so."""
        deadline = self.client.now + round(span_s * SECOND)
        while not is_so():
            assert self.client.now < deadline, (self.rules(), self.events[-15:])
            self.go_on(0.05)

    def send(self, *orders: tuple[int, float], away: float = 0.001, force: int = _IOC) -> None:
        """Sends orders, (leg, quantity) each, negative to sell, in one step. away: beyond the touch."""
        array = self.arguments[1]
        for leg, qty in orders:
            array[1 + _FIGURES * self._sent :][:_FIGURES] = leg, qty, away, force
            self._sent += 1
        array[0] = self._sent

    def rest(self, leg: int, qty: float) -> None:
        """Sends an order that rests below the market."""
        self.send((leg, qty), away=-0.0045, force=_GTC)

    def fault(self, **fields: Any) -> None:
        """A fault of the sandbox begins now."""
        self._faults += 1
        faults = self.place.faults
        faults._injector.add(Fault(**fields, name=f"{self._faults}", at_s=0.0), self.place.net.timers.now)
        faults._next_ns = 0

    # -- what is said of the rules

    def rules(self) -> dict[str, int]:
        """The rules that hold, and since when, as `arb status` says."""
        (found,) = statuses(self.place.folder, [ENVIRONMENT])
        return {name: since_ns for name, since_ns, _ in found.rules}

    def changes(self) -> list[str]:
        """The begins and ends of rules, in the journal."""
        with JournalReader(self.place.state / FILE, ENVIRONMENT) as reader:
            return [
                f"{'end' if text.startswith(OVER) else 'begin'} {flag}"
                for _, _, _, flag, text in reader.flags(0)
                if flag.startswith("supervisor ")
            ]

    @property
    def holding(self) -> Collection[str]:
        """The rules that hold."""
        return self.supervision._supervisor.holding.keys()

    def begins(
        self,
        name: str,
        cause: Callable[[], Any] = lambda: None,
        *,
        since_ns: int = 0,
        after_s: float = 0.0,
        within_s: float = 3.0,
    ) -> None:
        """A rule begins so long after its cause, or after a time, and `arb status` names it from then on."""
        caused = since_ns or self.now
        assert since_ns or name not in self.holding
        cause()
        self.until(lambda: name in self.holding, after_s + within_s + 1.0)
        seconds = (self.rules()[name] - caused) / SECOND
        assert after_s <= seconds <= after_s + within_s, (name, seconds)

    def ends(self, *names: str, cause: Callable[[], Any] = lambda: None, within_s: float = 6.0) -> None:
        """The rules end after their cause has."""
        assert {*names} <= {*self.rules()}
        cause()
        self.until(lambda: not {*names} & {*self.holding}, within_s)
        assert not {*names} & {*self.rules()}

    # -- what the sandbox's ledger shows

    def positions(self) -> tuple[Decimal, ...]:
        """By leg."""
        return tuple(self._position(leg) for leg in self.legs)

    def _position(self, leg: Any) -> Decimal:
        found = self.ledger._position(leg)
        return Decimal(found.quantity)

    def open_orders(self) -> list[str]:
        """Client ids of the session's orders that are open at the venues."""
        return [client for (_, client), one in self.ledger.orders.items() if one.is_open]
