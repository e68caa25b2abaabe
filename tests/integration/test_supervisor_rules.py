"""Every rule of the supervisor on the sandbox and simulated time: begun by a fault, or by what the ledger then holds,
not before its limit, named by `arb status` while it holds, and reported to a receiver; what each answer does to the
ledger; and the further states of which messages are sent.

forced, position, transfers, margin and modes are also in `test_supervision.py`, over real sockets; a session that is
lost is in `test_alerts.py` and `test_guard.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.alert_receiver import Receiver
from support.chaos_ledger import Ledger
from support.command_line import arb
from support.rules_session import MONEY, QTY, VENUES, RulesSession, place_of

from arb.alerts.message import Origin, Transition
from arb.alerts.sender import AlertSender
from arb.commands.account_state import refuse_halted
from arb.config.alert_keys import Alerts
from arb.config.live_keys import Supervisor
from arb.errors import InputError
from arb.journal.capital import confirm
from arb.journal.halts import Halt, clear_halt, set_halt
from arb.risk.supervisor import Reading
from arb.runtime import supervision
from arb.runtime.session_alerts import Ending, SessionAlerts
from arb.runtime.session_halts import SessionHalts
from arb.sandbox.faults import FaultKind
from connectors.orders.limits import LimitKind
from connectors.units import MILLISECOND, SECOND

pytestmark = pytest.mark.slow

BINANCE, BYBIT = VENUES
PAIR, CLOSING, SMALL = ((0, QTY), (1, -QTY)), ((0, -QTY), (1, QTY)), 0.005
RULES = [name for name in Supervisor.__struct_fields__ if isinstance(getattr(Supervisor(), name), str)]
LIMITS = (
    "supervisor.unhedged_s=2.0", "supervisor.stale_s=2.0", "supervisor.doubt_s=2.0", "supervisor.drawdown_pct=0.025",
    "supervisor.daily_loss_pct=0.05", "supervisor.attempt_loss_pct=0.0005", "supervisor.margin_pct=4.6",
    "supervisor.liquidation_pct=10.4", "supervisor.headroom_pct=20.0",
)  # fmt: skip
DAY = 86_400
#: With it a short of 0.1 BTC needs 4.2 % of its margin so as not to be liquidated, 11 % away; with the least that the
#: sandbox leaves, 5 % and 9.5 %.
LEFT = Decimal(500)


def answers(answer: str, **others: str) -> list[str]:
    """Settings with an answer for each rule."""
    return [f'supervisor.{name}="{others.get(name, answer)}"' for name in RULES]


def held(times: int) -> tuple[Decimal, Decimal]:
    """The positions after so many pairs."""
    qty = times * Decimal(repr(QTY))
    return qty, -qty


class Reported:
    """The messages of a session, at a receiver."""

    def __init__(
        self,
        live: RulesSession,
        receiver: Receiver,
        keys: Alerts,
        expiries_ns: Mapping[str, int] | None = None,
    ) -> None:
        place = live.place
        origin = Origin(f"s1-{live.run_no}", f"run-{live.run_no}", "sandbox", VENUES)
        self._live = live
        self.sender = AlertSender(
            place.state, origin, [receiver.channel], kept=lambda number: None, warn=pytest.fail
        )
        self.alerts = SessionAlerts(keys, SessionHalts(place.state, {}), expiries_ns or {}, self._take)
        #: When each state began, and ended.
        self.begun: dict[str, int] = {}
        self.ended: dict[str, int] = {}
        live.supervision.alerts = self.alerts

    def close(self) -> None:
        """Ends the sending."""
        self.sender.close()
        self.sender._keeper.join(20.0)

    def _take(self, one: Transition) -> None:
        (self.ended if one.is_over else self.begun)[one.rule] = self._live.now
        self.sender.take(one)


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the session uses of its machine: the process of many tests may use any of it."""
    found = SimpleNamespace(memory=4.0, disk=2.0, files=80.0)
    for rule in ("memory", "disk", "files"):
        monkeypatch.setattr(supervision, rule, lambda *_, rule=rule: Reading(getattr(found, rule), "used"))
    return found


def test_each_rule_begins_at_its_limit_and_ends(tmp_path: Path, used: SimpleNamespace) -> None:
    place = place_of(tmp_path / "place", *answers("warn"), *LIMITS)
    live = RulesSession(place, Ledger(place))
    with Receiver() as receiver:
        reported = Reported(live, receiver, Alerts(doubt_s=2.0, unhedged_s=2.0))
        live.begin()
        close_market(live)
        machine(live, used)
        clocks(live)
        silence(live)
        orders(live)
        live.until(lambda: "status" not in live.holding, 61.0)
        live.send(*PAIR)
        live.until(lambda: live.positions() == held(1))
        legs(live)
        losses(live)
        account(live)
        live.until(lambda: "headroom" not in live.holding, 60.0)
        live.end()
        live.close()
        changes = live.changes()
        assert {one for one in changes if one.startswith("begin")} == {
            f"begin supervisor {one}" for one in RULES
        }
        assert {*RULES} - {one.split()[2] for one in changes if one.startswith("end")} == {"forced"}
        # The two that are states of their own, too, have the same limits here.
        expected = [
            text
            for one in changes
            for text in (
                (one.replace("supervisor ", ""), one) if one.split()[2] in reported.begun else (one,)
            )
        ]
        receiver.await_texts(*expected)
        reported.close()


def close_market(live: RulesSession) -> None:
    """A venue does not trade; that ends a minute after it was found."""
    live.fault(kind=FaultKind.CANCEL_ONLY, venue=BYBIT, duration_s=1.0)
    live.go_on(0.5)
    live.begins("status", lambda: live.send((1, QTY)), within_s=0.6)
    shown = arb("status", "--sandbox", "--state-directory", live.place.folder).output
    assert "  supervisor status, since " in shown
    assert ": bybit_linear:BTCUSDT: not traded by the venue\n" in shown


def machine(live: RulesSession, used: SimpleNamespace) -> None:
    """Each reading is at its limit, then beyond it."""
    live.go_on(2.5)
    used.memory, used.disk, used.files = 4.1, 1.9, 80.1
    began = live.now
    for rule in ("memory", "disk", "files"):
        assert live.rules().keys() == {"status"} or rule != "memory"
        live.begins(rule, since_ns=began, within_s=2.3)
    used.memory, used.disk, used.files = 4.0, 2.0, 80.0
    live.ends("memory", "disk", "files")


def clocks(live: RulesSession) -> None:
    def steps(by_ms: int) -> None:
        live.client.skew_ns = by_ms * MILLISECOND

    steps(450)
    live.go_on(4.5)
    live.begins("clock", partial(steps, 600))
    live.ends("clock", cause=partial(steps, 0))
    venue = live.place.net.venues[BYBIT]
    own = venue.delays

    def takes(half_ms: int) -> None:
        venue.delays = own._replace(entry_ns=half_ms * MILLISECOND, response_ns=half_ms * MILLISECOND)

    takes(450)
    live.go_on(5.0)
    # An answer is not waited for that long.
    live.begins("round_trip", partial(takes, 550), within_s=4.0)
    venue.delays = own
    live.ends("round_trip")


def silence(live: RulesSession) -> None:
    live.fault(kind=FaultKind.SILENCE, venue=BINANCE, stream="*btcusdt*", duration_s=3.0)
    live.begins("stale", after_s=1.75, within_s=0.6)
    assert live.rules()["stale"] - live.session.last_rows_ns[0] > 2 * SECOND
    live.ends("stale", within_s=10.0)


def orders(live: RulesSession) -> None:
    live.fault(kind=FaultKind.LOST_REQUEST, venue=BINANCE, request="place")
    live.begins("doubt", lambda: live.send((0, QTY)), after_s=3.0, within_s=0.6)
    live.ends("doubt", within_s=15.0)
    # With that of the closed market three refusals.
    live.fault(kind=FaultKind.REJECT, venue=BINANCE, request="place", code=-2019, count=2)
    for _ in range(2):
        live.send((0, QTY))
        live.go_on(0.3)
    assert len(live.feed.refused) == 3
    trade(live, 19 - len(live.feed.placed))
    live.go_on(0.5)
    live.begins("failures", lambda: trade(live, 1), within_s=0.6)
    most = 0.0
    while "failures" in live.holding or "headroom" not in live.holding:
        assert live.traded < 120
        if "headroom" not in live.holding:
            most = max(most, share(live))
        trade(live, 1)
    assert most > 19.0, "of 20, an order before"
    trade(live, live.traded % 2)


def trade(live: RulesSession, count: int) -> None:
    """Sends small orders, whose executions cancel out."""
    for _ in range(count):
        live.traded += 1
        live.send((0, SMALL if live.traded % 2 else -SMALL))
        live.go_on(0.06)


def share(live: RulesSession) -> float:
    """The largest part of a limit of ten seconds or longer that is used, in percent."""
    budgets = live.feed.gate.budgets.values()
    windows = [one for budget in budgets for kind in LimitKind for one in budget.used(kind, live.now)]
    return max(100.0 * count / most for window_ns, count, most in windows if window_ns >= 10 * SECOND)


def legs(live: RulesSession) -> None:
    opened = live.now
    live.begins("attempt_loss", lambda: live.send((0, QTY)), within_s=0.6)
    live.begins("unhedged", since_ns=opened, after_s=2.0, within_s=0.6)
    live.ends("attempt_loss", "unhedged", cause=lambda: live.send((1, -QTY)), within_s=1.0)


def losses(live: RulesSession) -> None:
    def pays(rate: str) -> None:
        """Funding is due now: who is long pays it."""
        (instrument,) = live.place.net.trading.desks[BINANCE].instruments.values()
        instrument.next_funding_ns, instrument.funding_rate = live.place.net.timers.now, Decimal(rate)

    live.go_on(2.0)
    pays("0.006")
    live.go_on(5.0)
    live.begins("drawdown", partial(pays, "0.012"))
    assert "daily_loss" not in live.rules()
    live.begins("daily_loss", partial(pays, "0.02"))
    live.ends("drawdown", "daily_loss", cause=partial(pays, "-0.08"))


def account(live: RulesSession) -> None:
    def withdraws(amount: Decimal) -> None:
        live.fault(kind=FaultKind.TRANSFER, venue=BYBIT, quantity=-amount)

    live.begins("transfers", lambda: withdraws(live.place.wallet(BYBIT).total("USDT") - LEFT))
    live.go_on(5.0)
    moved = live.now
    withdraws(LEFT)
    for rule in ("margin", "liquidation"):
        live.begins(rule, since_ns=moved, within_s=5.5)
    live.fault(kind=FaultKind.TRANSFER, venue=BYBIT, quantity=MONEY)
    live.ends("margin", "liquidation")
    live.ends("transfers", cause=lambda: confirm(live.place.state, live.now))
    before = live.gateway.desks[BYBIT].facts.settings["leverage of BTCUSDT"]
    live.begins("modes", lambda: leverage(live, "7"))
    live.ends("modes", cause=lambda: leverage(live, before))

    def trades(side: str) -> None:
        live.fault(
            kind=FaultKind.FOREIGN_ORDER, venue=BYBIT, side=side, price_bps=50.0, quantity=Decimal("0.02")
        )

    live.begins("position", partial(trades, "buy"), after_s=0.5)
    live.ends("position", cause=partial(trades, "sell"))
    live.begins("forced", lambda: live.fault(kind=FaultKind.LIQUIDATE, venue=BINANCE), after_s=0.5)


def leverage(live: RulesSession, value: str) -> None:
    live.fault(kind=FaultKind.MODE_SWITCHED, venue=BYBIT, field="leverage", value=value)


def test_each_answer_does_to_the_account_what_it_says(tmp_path: Path) -> None:
    own = answers("warn", modes="off", transfers="reduce", clock="halt", liquidation="flatten")
    limits = "supervisor.margin_pct=0.0001", "supervisor.liquidation_pct=20.0"
    place = place_of(tmp_path / "place", *own, *limits)
    ledger = Ledger(place)
    live = RulesSession(place, ledger)
    live.begin()

    def opens(times: int, *sent: tuple[int, float]) -> None:
        live.send(*(sent or PAIR))
        live.until(lambda: live.positions() == held(times))

    opens(1)
    live.until(lambda: "margin" in live.rules())
    opens(2)  # warn
    leverage(live, "7")
    live.until(lambda: live.gateway.desks[BYBIT].facts.changed)
    live.go_on(0.5)
    assert live.rules().keys() == {"margin"}
    opens(3)  # off
    live.begins("transfers", lambda: live.fault(kind=FaultKind.TRANSFER, venue=BYBIT, quantity=Decimal(-5)))
    arrived = ledger.arrived.total()
    live.send(*PAIR)
    live.go_on(1.0)
    assert (live.positions(), ledger.arrived.total()) == (held(3), arrived)
    opens(2, *CLOSING)  # reduce
    live.ends("transfers", cause=lambda: confirm(place.state, live.now))
    opens(3)
    live.rest(0, QTY)
    live.until(live.open_orders)
    live.client.skew_ns = 600 * MILLISECOND
    ends_halted(live, "supervisor clock: ", held(3), is_flattening=False)
    clear_halt(place.state, "")

    live = RulesSession(place, ledger)
    live.begin()
    live.go_on(2.0)
    assert (live.positions(), place.flags()) == (held(3), ())
    live.fault(kind=FaultKind.TRANSFER, venue=BYBIT, quantity=-MONEY)
    ends_halted(live, "supervisor liquidation: ", held(0), is_flattening=True)


def ends_halted(
    live: RulesSession, reason: str, positions: tuple[Decimal, Decimal], *, is_flattening: bool
) -> None:
    """Until the session has ended; its orders are gone, its positions are these, and no other one starts."""
    live.until(lambda: live.session.is_over)
    live.end()
    live.close()
    (flag,) = live.place.flags()
    assert (flag.reason.startswith(reason), flag.is_flattening) == (True, is_flattening), flag
    assert (live.positions(), live.open_orders()) == (positions, [])
    with pytest.raises(InputError, match=reason):
        refuse_halted(live.place.state)


def test_each_further_state_begins_and_ends_message_by_message(tmp_path: Path) -> None:
    place = place_of(tmp_path / "place", *answers("off"))
    keys = Alerts(doubt_s=1.5, unhedged_s=1.5, key_days=1.0)
    with Receiver() as receiver:
        expires_ns = place.net.timers.now + (DAY + 8) * SECOND
        live = RulesSession(place, Ledger(place))
        reported = Reported(live, receiver, keys, {"bybit": expires_ns})
        live.begin()
        live.until(lambda: "key" in reported.begun)
        receiver.await_texts("begin key")
        assert 0 <= reported.begun["key"] - (expires_ns - DAY * SECOND) <= 0.5 * SECOND
        live.fault(kind=FaultKind.LOST_REQUEST, venue=BINANCE, request="place")
        state(live, reported, "doubt", lambda: live.send((0, QTY)), 2.5)
        state(live, reported, "unhedged", lambda: live.send((0, QTY)), 1.5, lambda: live.send((1, -QTY)))
        set_halt(place.state, Halt("", live.now, False, "by hand"))
        live.until(lambda: live.session.is_over)
        live.end()
        live.close()
        reported.alerts.end(Ending("halted", "by hand"), live.now)
        first = ["begin key", "begin doubt", "end doubt", "begin unhedged", "end unhedged", "begin halted"]
        receiver.await_texts(*first)
        reported.close()

        clear_halt(place.state, "")
        # What an earlier session has left ends with the first look of one that finds it over.
        second = [*first, "end halted", "end key", "begin failed"]
        next_session(live, receiver, keys, second, Ending("failed", "a fault"))
        next_session(live, receiver, keys, [*second, "end failed"])


def state(
    live: RulesSession,
    reported: Reported,
    rule: str,
    begins: Callable[[], None],
    after_s: float,
    ends: Callable[[], None] = lambda: None,
) -> None:
    """A state begins so long after its cause, and ends when that is over."""
    caused = live.now
    begins()
    live.until(lambda: rule in reported.begun)
    assert after_s <= (reported.begun[rule] - caused) / SECOND <= after_s + 0.7
    ends()
    live.until(lambda: rule in reported.ended)


def next_session(
    before: RulesSession, receiver: Receiver, keys: Alerts, expected: list[str], ending: Ending | None = None
) -> None:
    """A session that looks once and ends; these messages have then arrived."""
    live = RulesSession(before.place, before.ledger)
    reported = Reported(live, receiver, keys)
    live.begin()
    live.go_on(0.5)
    live.end()
    live.close()
    reported.alerts.end(ending, live.now)
    receiver.await_texts(*expected)
    reported.close()
