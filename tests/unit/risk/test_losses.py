"""Losses of a session on accounts, by what venues report and what is executed in between."""

from __future__ import annotations

import pytest
from support.dry_market import leg

from arb.leg import Leg
from arb.risk.exposure import DAY_NS, Exposure, GateLeg
from arb.risk.losses import Holdings, Losses
from connectors.units import SECOND

NOW = 20_000 * DAY_NS + 1000 * SECOND
SPOT, PERPETUAL = "spot", "perpetual"


class Account:
    """A pair of a spot leg and a perpetual, each with a wallet of its own; ticks of 0.1, lots of 0.001."""

    def __init__(self, *, opening: float = 0.0, earlier: tuple[int, float] = (0, 0.0)) -> None:
        self.legs = [
            leg(0, venue=SPOT, is_spot=True, pair=0, quote=60_000.0, base=1.0, funds=(SPOT, ""),
                opening_position=opening),
            leg(0, venue=PERPETUAL, pair=0, quote=50_000.0, funds=(PERPETUAL, ""), opening_position=-opening),
        ]  # fmt: skip
        own = [GateLeg(one.venue, one.venue, 0, one.is_spot, "BTC", "USDT", 0.1, 0.001) for one in self.legs]
        self.exposure = Exposure(own)
        for no, one in enumerate(self.legs):
            self.exposure.set_position(no, round(one.opening_position / 0.001))
        self.losses = Losses(self.legs, self.exposure, [(0, 1)], earlier)
        self.now = NOW
        self.price = 50_000.0
        self.balances = {SPOT: {"USDT": 70_000.0, "BTC": 2.0 + opening}, PERPETUAL: {"USDT": 80_000.0}}
        self.unrealized = 0.0

    def report(self) -> None:
        """Both venues report their balances."""
        for wallet, balances in self.balances.items():
            unrealized = {"USDT": self.unrealized} if wallet == PERPETUAL else {}
            self.losses.reported(wallet, Holdings(dict(balances), unrealized))
        self.look()

    def look(self, seconds: float = 0.25) -> float:
        self.now += round(seconds * SECOND)
        self.losses.look([self.price, self.price], self.now)
        return self.losses.profit

    def trade(self, no: int, side: int, qty: float, price: float, fee: float = 0.0) -> None:
        """An execution, which the venue books at once."""
        self.exposure.executed(no, side, round(price / 0.1), round(qty / 0.001), {"USDT": fee}, self.now)
        wallet = self.balances[self.legs[no].venue]
        wallet["USDT"] -= fee
        if self.legs[no].is_spot:
            wallet["USDT"] -= side * qty * price
            wallet["BTC"] += side * qty


def begun(**state: object) -> Account:
    account = Account(**state)  # type: ignore[arg-type]
    account.look()
    account.report()
    assert account.losses.capital == 160_000.0
    assert account.losses.profit == 0.0
    return account


def test_the_price_of_what_the_account_held_before_is_no_profit() -> None:
    account = begun()
    account.price = 40_000.0
    assert account.look() == 0.0
    account.report()
    assert account.losses.profit == 0.0


@pytest.mark.parametrize("is_reported", [False, True])
def test_executions_count_at_once_and_once(is_reported: bool) -> None:
    account = begun()
    account.trade(0, 1, 0.5, 50_010.0, fee=3.0)
    if is_reported:
        account.report()
    assert account.look() == pytest.approx(-8.0)
    account.price = 49_000.0
    assert account.look() == pytest.approx(-508.0)
    account.report()
    assert account.losses.profit == pytest.approx(-508.0)
    assert account.losses.drawdown == pytest.approx(508.0)


def test_positions_of_earlier_sessions_count_with_the_price() -> None:
    account = begun(opening=0.5)
    account.price, account.unrealized = 51_000.0, -500.0
    assert account.look() == 0.0
    account.report()
    account.report()
    assert account.losses.profit == pytest.approx(0.0)


def test_a_report_that_differs_counts_when_the_next_one_says_the_same() -> None:
    account = begun()
    account.balances[PERPETUAL]["USDT"] -= 1_000.0
    account.report()
    assert account.losses.profit == 0.0
    account.report()
    assert account.losses.profit == -1_000.0
    account.balances[PERPETUAL]["USDT"] -= 100.0  # funding, say: at once
    account.report()
    assert account.losses.profit == -1_100.0


@pytest.mark.parametrize("is_known_first", [False, True])
@pytest.mark.parametrize("amount", [5_000.0, -5_000.0])
def test_a_deposit_or_withdrawal_is_no_profit(is_known_first: bool, amount: float) -> None:
    account = begun()
    account.trade(0, 1, 0.5, 50_000.0, fee=8.0)
    if is_known_first:
        account.losses.transferred(PERPETUAL, "USDT", amount)
        account.report()
    account.balances[PERPETUAL]["USDT"] += amount
    if not is_known_first:
        account.report()
        account.losses.transferred(PERPETUAL, "USDT", amount)
    for _ in range(3):
        account.report()
        assert account.losses.profit == pytest.approx(-8.0)
        assert account.losses.drawdown == pytest.approx(8.0)


def test_a_loss_since_the_highest_profit_is_the_drawdown() -> None:
    account = begun()
    account.balances[SPOT]["USDT"] += 150.0
    account.report()
    account.balances[SPOT]["USDT"] -= 160.0
    account.report()
    account.report()
    assert account.losses.drawdown == pytest.approx(160.0)
    assert account.losses.percent(account.losses.drawdown) == pytest.approx(0.1)
    assert account.losses.of_day == pytest.approx(-10.0)


@pytest.mark.parametrize(
    ("written_ns", "expected"), [(NOW - SECOND, -130.0), (NOW - 2000 * SECOND, -30.0), (0, -30.0)]
)
def test_the_day_s_loss_goes_on_after_a_restart_of_the_same_day(written_ns: int, expected: float) -> None:
    account = begun(earlier=(written_ns, -100.0 if written_ns else 0.0))
    account.balances[SPOT]["USDT"] -= 30.0
    account.report()
    assert account.losses.of_day == pytest.approx(expected)
    account.look(DAY_NS / SECOND)
    assert account.losses.of_day == 0.0
    account.balances[SPOT]["USDT"] -= 7.0
    account.report()
    assert account.losses.of_day == pytest.approx(-7.0)


def test_an_attempt_costs_what_its_executions_have_lost_against_the_mids() -> None:
    account = begun()
    assert account.losses.attempt == 0.0
    account.trade(0, 1, 0.5, 50_010.0, fee=2.0)
    account.look()
    assert account.losses.attempt == pytest.approx(7.0)
    account.price = 49_900.0
    account.look()
    assert account.losses.attempt == pytest.approx(57.0)
    account.trade(0, -1, 0.5, 49_890.0, fee=2.0)
    account.look()
    assert account.losses.attempt == pytest.approx(64.0)
    account.look()
    assert account.losses.attempt == 0.0


def test_a_held_spread_is_no_attempt() -> None:
    account = begun()
    account.trade(0, 1, 0.5, 50_000.0)
    account.trade(1, -1, 0.5, 50_000.0)
    account.look()
    account.losses.look([50_000.0, 50_400.0], account.now + SECOND)
    assert account.losses.attempt == pytest.approx(200.0)
    account.losses.look([50_000.0, 50_400.0], account.now + 2 * SECOND)
    assert account.losses.attempt == 0.0


def test_nothing_is_known_before_every_wallet_is_reported_and_every_leg_has_a_price() -> None:
    account = Account()
    account.losses.reported(SPOT, Holdings(account.balances[SPOT], {}))
    assert account.look() != account.losses.profit
    account.losses.reported(PERPETUAL, Holdings(account.balances[PERPETUAL], {}))
    assert account.look() == 0.0


def legs_with_fee() -> list[Leg]:
    return [leg(0, venue=SPOT, is_spot=True, fee_asset="BNB", fee_price=600.0, base=1.0)]


def test_fees_in_a_third_asset_count_at_their_price() -> None:
    legs = legs_with_fee()
    exposure = Exposure([GateLeg(SPOT, SPOT, 0, True, "BTC", "USDT", 0.1, 0.001)])
    losses = Losses(legs, exposure)
    losses.look([50_000.0], NOW)
    losses.reported(SPOT, Holdings({"USDT": 100_000.0, "BNB": 5.0}, {}))
    losses.look([50_000.0], NOW)
    exposure.executed(0, 1, 500_000, 100, {"BNB": 0.01}, NOW)
    losses.look([50_000.0], NOW)
    assert losses.profit == pytest.approx(-6.0)
    losses.reported(SPOT, Holdings({"USDT": 95_000.0, "BTC": 0.1, "BNB": 4.99}, {}))
    losses.look([50_000.0], NOW)
    assert losses.profit == pytest.approx(-6.0)
